//! Scripts of ports, answers and times. Each line is an event and what follows from it.

use super::*;

fn port(address: &str, port: u16, inode: u64, comm: &str) -> ListeningPort {
    let pid = (!comm.is_empty()).then_some(7);
    ListeningPort { address: address.parse().unwrap(), port, inode, pid, comm: comm.into() }
}

/// Asked again after 1 s; the first request comes within 3 s.
fn plan() -> Plan {
    Plan::new(
        DiscoverySettings { retry_after_ms: 1_000, ports_max: 8, ..DiscoverySettings::default() },
        vec![4004],
        1,
    )
}

fn none(_: u16) -> Option<String> {
    None
}

/// `port state reason`, one line for each.
fn shown(plan: &Plan) -> String {
    let line = |s: PortStatus| format!("{} {} {} {}", s.address, s.port, s.state.as_str(), s.reason);
    plan.snapshot().into_iter().map(line).map(|l| l.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// Time goes on until a port is asked.
fn ask(plan: &mut Plan) -> Option<Probe> {
    let at = plan.next_probe_ms()?;
    assert!(plan.take_due(at - 1).is_none(), "asked too early");
    plan.take_due(at)
}

#[test]
fn what_is_asked_and_what_is_not() {
    for (listener, want) in [
        (port("127.0.0.1", 9100, 1, "node_exporter"), "waiting"),
        (port("0.0.0.0", 8080, 1, ""), "waiting"),
        (port("::", 8080, 1, "java"), "waiting"),
        (port("::ffff:127.0.0.1", 8080, 1, "java"), "waiting"),
        (port("0.0.0.0", 4004, 1, "midwatch"), "own"),
        (port("0.0.0.0", 22, 1, "sshd"), "refused not asked: 22 is usually SSH, which does not speak HTTP"),
        (
            port("127.0.0.1", 7777, 1, "redis-server"),
            "refused not asked: redis-server does not speak HTTP; name it in scrape_configs if it has metrics",
        ),
        (
            port("127.0.0.1", 9000, 1, "php-fpm8.2"),
            "refused not asked: php-fpm8.2 does not speak HTTP; name it in scrape_configs if it has metrics",
        ),
        (
            port("10.0.0.5", 9100, 1, "x"),
            "refused not asked: it listens on 10.0.0.5 alone; name it in scrape_configs if it has metrics",
        ),
    ] {
        let mut plan = plan();
        assert_eq!(plan.step(std::slice::from_ref(&listener), 0, none), []);
        assert_eq!(shown(&plan), format!("{} {} {want}", listener.address, listener.port));
        assert_eq!(plan.next_probe_ms().is_some(), want == "waiting");
    }
}

#[test]
fn the_first_request_is_spread_and_comes_once() {
    let mut plan = plan();
    let ports: Vec<_> = (0..6).map(|i| port("127.0.0.1", 9000 + i, 1, "x")).collect();
    plan.step(&ports, 10_000, none);
    let times: Vec<i64> = plan.snapshot().iter().map(|s| s.next_check_ms.unwrap()).collect();
    assert!(times.iter().all(|t| (10_000..13_000).contains(t)), "{times:?}");
    let different: std::collections::BTreeSet<_> = times.iter().collect();
    assert_eq!(different.len(), 6, "{times:?}");
    let mut asked: Vec<u16> = std::iter::from_fn(|| ask(&mut plan)).map(|p| p.address.port()).collect();
    asked.sort_unstable();
    assert_eq!(asked, [9000, 9001, 9002, 9003, 9004, 9005]);
    plan.step(&ports, 20_000, none);
    assert_eq!(plan.next_probe_ms(), None, "while there is no answer, nothing is asked again");
}

#[test]
fn failed_ports_wait_for_their_time_or_another_process() {
    let mut plan = plan();
    let web = port("127.0.0.1", 8080, 1, "nginx");
    plan.step(std::slice::from_ref(&web), 0, none);
    let probe = ask(&mut plan).unwrap();
    plan.answered(&probe, Found::Other("answered text/html".into()), 5_000);
    assert_eq!(shown(&plan), "127.0.0.1 8080 failed answered text/html");
    assert_eq!(plan.snapshot()[0].next_check_ms, Some(6_000));
    plan.step(std::slice::from_ref(&web), 5_999, none);
    assert_eq!(plan.next_probe_ms(), None, "not before its time");
    plan.step(std::slice::from_ref(&web), 6_000, none);
    let probe = ask(&mut plan).unwrap();
    plan.answered(&probe, Found::Nothing("no answer".into()), 7_000);
    let restarted = ListeningPort { inode: 2, ..web.clone() };
    plan.step(std::slice::from_ref(&restarted), 7_100, none);
    assert_eq!(shown(&plan), "127.0.0.1 8080 waiting", "another socket is asked at once");
    plan.answered(&probe, Found::Metrics, 7_200);
    assert_eq!(shown(&plan), "127.0.0.1 8080 waiting", "the answer of the old socket is not the new one's");
}

#[test]
fn what_is_scraped_ends_with_its_port_or_its_process() {
    let service = port("0.0.0.0", 9100, 1, "node_exporter");
    let found = || {
        let mut plan = plan();
        plan.step(std::slice::from_ref(&service), 0, none);
        let probe = ask(&mut plan).unwrap();
        assert_eq!(
            (probe.address.to_string().as_str(), probe.job.as_str()),
            ("127.0.0.1:9100", "node_exporter")
        );
        plan.answered(&probe, Found::Metrics, 5_000);
        plan
    };
    let other = ListeningPort { comm: "nginx".into(), inode: 2, ..service.clone() };
    let restarted = ListeningPort { inode: 3, ..service.clone() };
    for (ports, configured, actions, want) in [
        (vec![service.clone()], false, vec![], "0.0.0.0 9100 scraped"),
        (vec![restarted], false, vec![], "0.0.0.0 9100 scraped"),
        (vec![], false, vec![Action::Stop(9100)], ""),
        (vec![other], false, vec![Action::Stop(9100)], "0.0.0.0 9100 waiting"),
        (
            vec![service.clone()],
            true,
            vec![Action::Stop(9100)],
            "0.0.0.0 9100 scraped scraped by the configured job \"node\"",
        ),
    ] {
        let mut plan = found();
        let job = |_| configured.then(|| "node".to_string());
        assert_eq!(plan.step(&ports, 100_000, job), actions);
        assert_eq!(shown(&plan), want);
        assert_eq!(plan.step(&ports, 100_001, job), [], "said once");
    }
}

#[test]
fn a_port_that_no_configuration_names_any_more_is_asked() {
    let mut plan = plan();
    let service = [port("::1", 9100, 1, "")];
    plan.step(&service, 0, |_| Some("node".into()));
    assert_eq!(plan.next_probe_ms(), None);
    plan.step(&service, 10, none);
    let probe = ask(&mut plan).unwrap();
    assert_eq!((probe.address.to_string().as_str(), probe.job.as_str()), ("[::1]:9100", "port-9100"));
}

#[test]
fn several_sockets_of_one_port_are_one() {
    let sockets = [
        port("::", 80, 9, "nginx"),
        port("10.0.0.5", 80, 1, "nginx"),
        port("0.0.0.0", 80, 8, "nginx"),
        port("0.0.0.0", 80, 7, "nginx"),
    ];
    let mut plan = plan();
    plan.step(&sockets, 0, none);
    assert_eq!(shown(&plan), "0.0.0.0 80 waiting");
    let probe = ask(&mut plan).unwrap();
    plan.answered(&probe, Found::Other("a page".into()), 0);
    let turned: Vec<_> = sockets.iter().rev().cloned().collect();
    plan.step(&turned, 500, none);
    assert_eq!(shown(&plan), "0.0.0.0 80 failed a page", "their order does not matter");
}

#[test]
fn the_number_of_ports_is_bounded() {
    let mut plan = plan();
    let ports: Vec<_> = (1..=100).map(|i| port("127.0.0.1", 20_000 + i, 1, "x")).collect();
    plan.step(&ports, 0, none);
    assert_eq!(plan.snapshot().len(), 8);
}

#[test]
fn a_service_that_ran_for_long_is_missed_for_an_hour() {
    let (mut plan, service) = (plan(), port("127.0.0.1", 9100, 1, "shop"));
    let here = std::slice::from_ref(&service);
    plan.step(here, 0, none);
    let probe = ask(&mut plan).unwrap();
    plan.answered(&probe, Found::Metrics, 0);
    assert_eq!(plan.step(&[], SETTLED_MS, none), []);
    assert!(
        shown(&plan).starts_with("127.0.0.1 9100 scraped nothing listens here any more"),
        "{}",
        shown(&plan)
    );
    // It comes back, and goes again.
    assert_eq!(plan.step(here, SETTLED_MS + 1, none), []);
    assert_eq!(shown(&plan), "127.0.0.1 9100 scraped");
    let gone_ms = SETTLED_MS + 2;
    assert_eq!(plan.step(&[], gone_ms, none), []);
    assert_eq!(plan.step(&[], gone_ms + MISSED_MS - 1, none), []);
    assert_eq!(plan.step(&[], gone_ms + MISSED_MS, none), [Action::Stop(9100)]);
    assert_eq!(shown(&plan), "");
}
