//! Looks at a machine, one after the other, and the changes that they tell.

use super::*;

fn program(name: &str, pid: u32, start_ms: i64, binary: &str) -> Program {
    Program { name: name.into(), pid, start_ms, binary: binary.into() }
}

fn titles(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|c| format!("{}: {}", c.kind, c.title)).collect()
}

struct Looks(Detector);

impl Looks {
    fn programs(&mut self, now_ms: i64, all: &[(&str, u32, i64, &str)]) -> Vec<String> {
        let all = all.iter().map(|(n, p, s, b)| program(n, *p, *s, b)).collect();
        titles(&self.0.step(vec![Fact::Programs(all)], now_ms))
    }
}

#[test]
fn a_restart_and_another_binary() {
    let mut looks = Looks(Detector::new("vm", Memory::default()));
    assert!(looks.programs(0, &[("nginx.service", 1, -100_000, "a")]).is_empty(), "first sight");
    assert!(
        looks
            .programs(10_000, &[("nginx.service", 1, -100_000, "a"), ("nginx.service", 2, 5_000, "a")])
            .is_empty()
    );
    assert!(
        looks
            .programs(20_000, &[("nginx.service", 1, -100_000, "a"), ("nginx.service", 9, 15_000, "a")])
            .is_empty(),
        "workers come and go"
    );
    assert_eq!(
        looks.programs(30_000, &[("nginx.service", 20, 25_000, "a")]),
        ["restart: nginx.service was restarted"]
    );
    assert!(looks.programs(60_000, &[("nginx.service", 20, 25_000, "a")]).is_empty());
    assert_eq!(
        looks.programs(70_000, &[("nginx.service", 30, 65_000, "b")]),
        ["deploy: nginx.service runs another binary"]
    );
    let again = looks.programs(100_000, &[("nginx.service", 30, 65_000, "b")]);
    assert!(again.is_empty(), "{again:?}");
    // What Midwatch remembers of before its own restart.
    let memory = looks.0.memory().clone();
    let mut looks = Looks(Detector::new("vm", memory));
    let seen = looks.programs(200_000, &[("nginx.service", 40, 150_000, "c")]);
    assert_eq!(seen, ["deploy: nginx.service runs another binary"]);
}

#[test]
fn commands_that_run_for_a_moment_are_no_services() {
    let mut looks = Looks(Detector::new("vm", Memory::default()));
    for i in 0..50 {
        let now_ms = i * 10_000;
        let told = looks.programs(now_ms, &[("sh", 100 + i as u32, now_ms - 500, "a")]);
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn a_restart_loop_is_one_change_with_a_count() {
    let mut detector = Detector::new("vm", Memory::default());
    let mut told = Vec::new();
    detector.step(vec![Fact::Programs(vec![program("api", 1, -700_000, "a")])], 0);
    for i in 1..=40 {
        let now_ms = i * 10_000;
        told.extend(
            detector
                .step(vec![Fact::Programs(vec![program("api", i as u32 + 1, now_ms - 3_000, "a")])], now_ms),
        );
    }
    let counts: Vec<&str> = told.iter().map(|c| c.attributes.get("count").unwrap_or("1")).collect();
    assert_eq!(counts, ["1", "2", "4", "8", "16", "32"]);
    assert!(told.iter().all(|c| c.id == told[0].id && c.time_ns == told[0].time_ns && c.service == "api"));
    assert_eq!(super::super::join(told).len(), 1);
}

#[test]
fn packages_files_kernel_builds_and_the_clock() {
    let map = |all: &[(&str, &str)]| {
        all.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<BTreeMap<_, _>>()
    };
    let files =
        |all: &[(&str, u64)]| all.iter().map(|(a, b)| (a.to_string(), *b)).collect::<BTreeMap<_, _>>();
    let kernel = |release: &str, boot: &str| Fact::Kernel { release: release.into(), boot_id: boot.into() };
    let build = |labels: &str| {
        let build = Build { metric: "api_build_info".into(), job: "api".into(), instance: "vm:80".into() };
        Fact::Builds(vec![(build, labels.into())])
    };
    let clock = |wall_ms, steady_ms| Fact::Clock { wall_ms, steady_ms };
    let mut detector = Detector::new("vm", Memory::default());
    for (first, second, want) in [
        (
            Fact::Packages(map(&[("curl", "1"), ("vim", "9"), ("old", "3")])),
            Fact::Packages(map(&[("curl", "2"), ("vim", "9"), ("jq", "1.6")])),
            &[
                "package: package curl 1 became 2",
                "package: package jq 1.6 was installed",
                "package: package old 3 was removed",
            ][..],
        ),
        (
            Fact::Files(files(&[("/etc/a", 1), ("/etc/b", 2)])),
            Fact::Files(files(&[("/etc/a", 9), ("/etc/c", 2)])),
            &["config: /etc/a was changed", "config: /etc/c is new", "config: /etc/b is gone"],
        ),
        (
            kernel("6.1", "x"),
            kernel("6.5", "y"),
            &["kernel: the machine was started anew, with kernel 6.5 instead of 6.1"],
        ),
        (
            build(r#"go="1" version="1.42""#),
            build(r#"go="1" version="1.43""#),
            &[r#"build: api at vm:80: version="1.43" instead of version="1.42""#],
        ),
        (clock(1_000_000, 5_000), clock(1_070_000, 15_000), &["clock: the clock stepped forward by 60.0 s"]),
    ] {
        assert!(detector.step(vec![first.clone()], 1_000).is_empty(), "first sight of {first:?}");
        if !matches!(first, Fact::Clock { .. }) {
            assert!(detector.step(vec![first], 2_000).is_empty(), "the same again");
        }
        assert_eq!(titles(&detector.step(vec![second], 3_000)), want);
    }
    // Remembered over a restart.
    let mut again = Detector::new("vm", detector.memory().clone());
    assert_eq!(
        titles(&again.step(vec![Fact::Files(files(&[("/etc/a", 9)]))], 9_000)),
        ["config: /etc/c is gone"]
    );
}

#[test]
fn a_flood_is_bounded_and_says_so() {
    let files = |from: u64| Fact::Files((0..1_000).map(|i| (format!("/etc/{i}"), from + i)).collect());
    let mut detector = Detector::new("vm", Memory::default());
    detector.step(vec![files(0)], 0);
    let told = detector.step(vec![files(5_000)], 1);
    assert_eq!(told.len(), CHANGES_MAX + 1);
    assert_eq!(told[CHANGES_MAX].title, "950 more changes were found at the same moment");
    let ids: BTreeSet<&str> = told.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids.len(), told.len());
    assert!(ids.iter().all(|id| id.len() <= 64));
}

#[test]
fn members_that_join_and_leave_and_joined_meanwhile() {
    let groups = |members: &[&str]| {
        let members = members.iter().map(|m| m.to_string()).collect();
        vec![Fact::Members([("the targets of api".to_string(), members)].into())]
    };
    let mut detector = Detector::new("vm", Memory::default());
    assert!(detector.step(groups(&["a:1", "b:1"]), 0).is_empty(), "first sight");
    let joined = detector.step(groups(&["a:1", "b:1", "c:1"]), 10_000);
    assert_eq!(titles(&joined), ["membership: c:1 joined the targets of api: 3 now"]);
    assert_eq!((joined[0].service.as_str(), joined[0].attributes.get("member")), ("api", Some("c:1")));
    // Over a restart of Midwatch.
    let mut detector = Detector::new("vm", detector.memory().clone());
    let joined = detector.step(groups(&["a:1", "b:1", "d:1"]), 20_000);
    assert_eq!(titles(&joined), ["membership: d:1 joined the targets of api: 4 now"]);
    let left = detector.step(groups(&["a:1", "b:1", "d:1"]), 80_000);
    assert_eq!(titles(&left), ["membership: c:1 left the targets of api: 3 now"]);
}
