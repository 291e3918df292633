//! The recorder as its callers see it: a host made of text, the reference against what is recorded and
//! against its page, and the names that others know.

use model::{Batch, Labels};
use recorder::{Recorder, Reference, Settings};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Unpacks tests/fixtures/host.txt: `== path` and the text of that file.
fn host() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in include_str!("fixtures/host.txt").split("== ").skip(1) {
        let (path, text) = part.split_once('\n').unwrap();
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn recorder_of(folder: &Path) -> Recorder {
    Recorder::new(Settings {
        instance: "test".into(),
        proc_root: folder.join("proc"),
        sys_root: folder.join("sys"),
        ..Settings::default()
    })
}

fn read(recorder: &mut Recorder, second: i64) -> Batch {
    let mut batch = Batch::default();
    recorder.read(second * 1000, second as u64 * 1_000_000_000, &mut batch);
    batch
}

/// Whether a name is of a row, whose name may have variable parts in angle brackets.
fn is_of(name: &str, row: &Reference) -> bool {
    let (mut name, mut pattern) = (name, row.name);
    while let Some((fixed, rest)) = pattern.split_once('<') {
        let Some(after) = name.strip_prefix(fixed) else { return false };
        let Some((_, rest)) = rest.split_once('>') else { return false };
        let next = rest.split('<').next().unwrap_or_default();
        let end = if next.is_empty() { after.len() } else { after.find(next).unwrap_or(0) };
        if end == 0 {
            return false;
        }
        (name, pattern) = (&after[end..], rest);
    }
    name == pattern
}

fn own_labels(labels: &Labels) -> BTreeSet<&str> {
    labels.iter().map(|(n, _)| n).filter(|n| !["__name__", "job", "instance"].contains(n)).collect()
}

#[test]
fn every_series_is_in_the_reference_with_its_labels() {
    let folder = host();
    let mut fixture = recorder_of(folder.path());
    let mut this_machine = Recorder::new(Settings::default());
    let mut seen = BTreeSet::new();
    for second in 0..7 {
        for recorder in [&mut fixture, &mut this_machine] {
            for labels in read(recorder, second).series {
                if !seen.insert(labels.clone()) {
                    continue;
                }
                let rows = || recorder::reference().iter().filter(|r| is_of(labels.name(), r));
                assert!(rows().count() > 0, "{labels} is not in the reference");
                let known = |r: &Reference| own_labels(&labels).iter().all(|l| r.labels.contains(l));
                assert!(rows().any(known), "{labels} has other labels than the reference");
                assert_eq!((labels.get("job"), labels.get("instance").is_empty()), ("node", false));
            }
        }
    }
}

#[test]
fn names_and_labels_are_those_of_node_exporter() {
    let folder = host();
    let mut recorder = recorder_of(folder.path());
    let mut recorded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for second in 0..12 {
        for labels in read(&mut recorder, second).series {
            let names = own_labels(&labels).into_iter().map(String::from);
            recorded.entry(labels.name().into()).or_default().extend(names);
        }
    }
    let mut wrong = Vec::new();
    let lines = include_str!("fixtures/node_exporter.txt").lines();
    for line in lines.filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (metric, reason) = line.split_once(" ! ").map_or((line, None), |(m, r)| (m, Some(r)));
        let mut words = metric.split(' ');
        let name = words.next().unwrap_or_default();
        let want: BTreeSet<&str> = words.collect();
        let fixed = recorder::reference().iter().find(|r| r.name == name);
        let have: Option<BTreeSet<&str>> = match (fixed, recorded.get(name)) {
            // A label whose value is empty is an absent one: the reference knows them all.
            (Some(row), _) => Some(row.labels.iter().copied().collect()),
            (None, Some(labels)) => Some(labels.iter().map(String::as_str).collect()),
            (None, None) => None,
        };
        match (have, reason) {
            (None, Some(_)) => {}
            (Some(have), None) if have == want => {}
            (have, _) => wrong.push(format!("{line}: here {have:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path =
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../docs/reference/metrics.md");
    let want = recorder::document();
    if std::env::var_os("MIDWATCH_REWRITE").is_some() {
        std::fs::write(&path, &want).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == want, "docs/reference/metrics.md is old: run this test with MIDWATCH_REWRITE=1");
}

#[test]
fn the_reference_keeps_its_own_rules() {
    let mut names = BTreeSet::new();
    for row in recorder::reference() {
        assert!(names.insert(row.name), "{} comes twice", row.name);
        assert!(row.help.ends_with('.'), "{}: a sentence", row.name);
        let stem = row.name.trim_end_matches("_total");
        let unit = row.unit.trim_end_matches('s');
        if !unit.is_empty() && !stem.contains(unit) {
            let others = ["node_thermal_zone_temp", "node_hwmon_curr_amps"];
            let counts_bytes = row.name == "node_udp_queues";
            assert!(counts_bytes || others.contains(&row.name), "{} does not name its unit", row.name);
        }
    }
    let described = recorder::metadata();
    assert!(described.iter().all(|m| !m.metric.contains('<')));
}

/// Metrics whose names come from the kernel are described in the batch in which they come first.
#[test]
fn every_name_is_described_once() {
    let folder = host();
    let mut recorder = recorder_of(folder.path());
    let mut described: BTreeSet<String> = recorder::metadata().into_iter().map(|m| m.metric).collect();
    for second in 0..7 {
        let batch = read(&mut recorder, second);
        for m in &batch.metadata {
            assert!(
                described.insert(m.metric.clone())
                    || m.metric == "node_netstat_Tcp_CurrEstab"
                    || m.metric == "node_sockstat_sockets_used",
                "{} again",
                m.metric
            );
        }
        for labels in &batch.series {
            assert!(described.contains(labels.name()), "{labels} has no metadata");
        }
    }
}

#[test]
fn a_series_has_one_value_at_a_time() {
    let folder = host();
    let mut fixture = recorder_of(folder.path());
    let mut this_machine = Recorder::new(Settings::default());
    for second in 0..7 {
        for recorder in [&mut fixture, &mut this_machine] {
            let mut seen = BTreeSet::new();
            for labels in read(recorder, second).series {
                assert!(seen.insert(labels.to_string()), "{labels} twice in second {second}");
            }
        }
    }
}

/// In the steady state a known series is a shared label set: nothing is built again.
#[test]
fn a_known_series_costs_no_allocation() {
    let folder = host();
    let mut recorder = recorder_of(folder.path());
    let mut batch = Batch::default();
    let mut first: BTreeMap<String, *const u8> = BTreeMap::new();
    let mut capacity = 0;
    for second in 0..30 {
        batch.clear();
        recorder.read(second * 1000, second as u64 * 1_000_000_000, &mut batch);
        for labels in &batch.series {
            // The name lies in the set's one allocation: the same address is the same set.
            let address = labels.name().as_ptr();
            let known = *first.entry(labels.to_string()).or_insert(address);
            assert_eq!(known, address, "{labels} was built again in second {second}");
        }
        if second == 12 {
            capacity = batch.series.capacity();
        }
    }
    assert_eq!(batch.series.capacity(), capacity, "the batch grew");
}
