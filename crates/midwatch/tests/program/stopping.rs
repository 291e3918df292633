//! How it ends when it is told to: soon, with 0, with nothing lost, whoever is still connected.

use crate::support::service::{Service, TEXT};
use crate::support::{Finished, Home, Midwatch, eventually, now_ms, series};
use rustix::process::Signal;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// A person who pressed Ctrl-C waits no longer; open requests have 5 s.
const SOON: Duration = Duration::from_secs(10);

fn assert_clean(ended: &Finished) {
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{ended:?}");
    assert!(ended.took < SOON, "it took {:?}", ended.took);
    assert!(ended.stderr.contains("Stopped. Everything is in ./midwatch-data."), "{}", ended.stderr);
}

fn end_with(midwatch: Midwatch, signal: Signal) -> Finished {
    midwatch.process.signal(signal);
    midwatch.process.finish()
}

#[test]
fn sigterm_and_ctrl_c_end_it_cleanly() {
    let home = Home::new();
    for (signal, t) in [(Signal::TERM, 1), (Signal::INT, 2)] {
        let midwatch = home.serve_quietly();
        let at_ms = now_ms() - 60_000 + t;
        midwatch.write(&[series("kept", &[], &[(at_ms, t as f64)])]);
        assert_clean(&end_with(midwatch, signal));
    }
    let midwatch = home.serve_quietly();
    assert_eq!(midwatch.export("kept")[0].values, [1.0, 2.0]);
}

#[test]
fn while_it_records_scrapes_and_looks_for_services() {
    let home = Home::new();
    let service = Service::fixed("200 OK", TEXT, "stopping_gauge 1\n");
    let target = service.address;
    home.write(
        "prometheus.yml",
        &format!("scrape_configs: [{{job_name: s, scrape_interval: 1s, static_configs: [{{targets: ['{target}']}}]}}]"),
    );
    let midwatch = home.serve(&["--config", "prometheus.yml"]);
    eventually("a scrape", || midwatch.value("stopping_gauge"));
    assert_clean(&midwatch.stop());
}

#[test]
fn clients_that_hang_do_not_hold_it_up() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let connect = || TcpStream::connect(midwatch.address).unwrap();
    let idle = connect();
    let (mut half_a_head, mut half_a_body) = (connect(), connect());
    half_a_head.write_all(b"GET /metrics HTT").unwrap();
    half_a_body
        .write_all(b"POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        .unwrap();
    // Once this is answered, those before it have been taken.
    midwatch.get("/-/healthy");
    assert_clean(&end_with(midwatch, Signal::TERM));
    drop((idle, half_a_head, half_a_body));
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    midwatch.write(&[series("kept", &[], &[(now_ms() - 1000, 1.0)])]);
    let mut half_a_body = TcpStream::connect(midwatch.address).unwrap();
    half_a_body
        .write_all(b"POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        .unwrap();
    midwatch.get("/-/healthy");
    midwatch.process.signal(Signal::INT);
    eventually("it says that it stops", || {
        let said = midwatch.process.stderr();
        if said.contains("a second Ctrl-C") { Ok(()) } else { Err(said) }
    });
    let ended = end_with(midwatch, Signal::INT);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.took < Duration::from_secs(2), "{ended:?}");
    assert_eq!(home.serve_quietly().export("kept")[0].values, [1.0]);
}
