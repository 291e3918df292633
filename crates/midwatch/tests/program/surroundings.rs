//! Places that are not kind to it: output that nobody reads or that cannot be written, few open files, a machine without its
//! usual files. It has to record and answer all the same, or say why it does not.

use crate::support::service::free_port;
use crate::support::{Finished, Home, Midwatch, Running, eventually, http, now_ms, series};
use rustix::process::Signal;
use std::process::{Command, Stdio};

/// Starts it by a shell that may do something first, on a port that is known although nothing of its output is read.
fn unread(home: &Home, before: &str, redirect: &str) -> (Running, std::net::SocketAddr) {
    let address = format!("127.0.0.1:{}", free_port());
    let script = format!(
        "{before} exec \"$0\" serve --no-host --no-discover --listen {address} --data data {redirect}"
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    let mut process = Running::start(command);
    let address = address.parse().unwrap();
    eventually("it answers", || {
        assert_eq!(process.ended(), None, "it ended: {}", process.stderr());
        http::ask(address, "GET", "/-/ready", &[], &[]).map(|_| ()).map_err(|e| e.to_string())
    });
    (process, address)
}

fn stopped(process: Running) -> Finished {
    process.signal(Signal::TERM);
    process.finish()
}

fn assert_works(home: &Home, before: &str, redirect: &str) {
    let (process, address) = unread(home, before, redirect);
    let midwatch = Midwatch { process, address };
    midwatch.write(&[series("kept", &[], &[(now_ms(), 1.0)])]);
    let ended = stopped(midwatch.process);
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{redirect}: {ended:?}");
    assert_eq!(home.serve(&["--no-host", "--no-discover", "--data", "data"]).export("kept")[0].values, [1.0]);
}

#[test]
fn output_that_nobody_reads() {
    for redirect in [">/dev/null 2>&1", ">&- 2>&-"] {
        assert_works(&Home::new(), "", redirect);
    }
}

#[test]
fn output_that_cannot_be_written() {
    // The disk of its log is full, or who read it has gone: no reason to stop recording.
    for redirect in [">/dev/full", "2>/dev/full", ">/dev/full 2>&1", "> >(true) 2> >(true)"] {
        assert_works(&Home::new(), "", redirect);
    }
}

#[test]
fn few_open_files_are_raised_to_what_is_allowed() {
    let home = Home::new();
    let (process, _) = unread(&home, "ulimit -S -n 64;", ">/dev/null");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<u64> = files.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] == numbers[1].min(65_536), "{files}");
    assert_eq!(stopped(process).code, Some(0));
}

#[test]
fn few_open_files_that_cannot_be_raised() {
    let home = Home::new();
    let mut command = Command::new("bash");
    let script = "ulimit -n 160; exec \"$0\" serve --no-discover --listen 127.0.0.1:0";
    command.args(["-c", script, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    command.stdin(Stdio::null());
    let midwatch = Midwatch::start(command);
    eventually("the machine is recorded", || midwatch.value("rate(node_context_switches_total[5s])"));
    assert_eq!(midwatch.own("midwatch_store_wal_errors_total"), 0.0);
    assert_eq!(midwatch.own("midwatch_http_accept_errors_total"), 0.0);
}

#[test]
fn a_machine_without_its_usual_files() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("proc/1")).unwrap();
    std::fs::create_dir(home.path("sys")).unwrap();
    home.write("proc/stat", "cpu  garbage\nbtime notanumber\nctxt 99999999999999999999999\n");
    home.write("proc/meminfo", "MemTotal: kB\nMemFree: -7 kB\n\u{0}\u{1}\n");
    home.write("proc/loadavg", "1.25 0.5 0.25 1/1 1\n");
    home.write("proc/1/stat", "1 (a) b) S 0");
    let deep = "x".repeat(1 << 20);
    home.write("proc/diskstats", &deep);
    home.write("midwatch.toml", "[host]\nproc_root = \"proc\"\nsys_root = \"sys\"\n");
    let midwatch = home.serve(&["--no-discover", "--config", "midwatch.toml"]);
    eventually("what can be read is recorded", || match midwatch.value("node_load1") {
        Ok(1.25) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(midwatch.query("node_memory_MemFree_bytes < 0"), []);
    assert_eq!(midwatch.get("/-/healthy").status, 200);
}
