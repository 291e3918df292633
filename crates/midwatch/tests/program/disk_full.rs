//! A disk with no space left: what cannot be kept is refused and never acknowledged, reading goes on, and once there is space
//! again writing goes on, without a restart.

use crate::support::{Home, Midwatch, can_mount, eventually, now_ms, series};
use ingest::remote_write::encode;
use model::SeriesData;
use std::path::PathBuf;
use std::process::Command;

const SERIES: usize = 200;

/// A number that compresses badly.
fn value(number: u64, i: usize) -> f64 {
    let noise = (number * 1000 + i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from_bits(noise >> 12 | 0x3ff0_0000_0000_0000)
}

/// A request with one sample of each series; `number` tells requests apart.
fn request(number: u64, start_ms: i64) -> Vec<SeriesData> {
    let one = |i: usize| {
        let sample = (start_ms + number as i64, value(number, i));
        series("full", &[("i", &*i.to_string())], &[sample])
    };
    (0..SERIES).map(one).collect()
}

/// Writes until a request is refused. Returns the numbers that were acknowledged and the first that was not.
fn write_until_refused(midwatch: &Midwatch, from: u64, start_ms: i64) -> (Vec<u64>, u64) {
    let mut acknowledged = Vec::new();
    for number in from..from + 20_000 {
        let answer = midwatch.remote_write(&encode(&request(number, start_ms))).unwrap();
        match answer.status {
            204 => acknowledged.push(number),
            503 | 507 => {
                let body = answer.json();
                let (kind, error) = (&body["errorType"], body["error"].as_str().unwrap());
                assert_eq!(kind, "unavailable", "{body}");
                let said =
                    ["No space left", "File too large", "disk"].iter().any(|part| error.contains(part));
                assert!(said, "it says why: {body}");
                assert!(!answer.header("retry-after").is_empty(), "{}", answer.head);
                return (acknowledged, number);
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    panic!("20,000 requests fitted");
}

/// Everything acknowledged is there, each number with its value.
fn assert_there(midwatch: &Midwatch, acknowledged: &[u64], start_ms: i64) {
    let export = midwatch.export("full");
    assert_eq!(export.len(), SERIES);
    for found in export {
        let i: usize = found.labels.get("i").parse().unwrap();
        for number in acknowledged {
            let at = found.timestamps_ms.binary_search(&(start_ms + *number as i64));
            let at = at.unwrap_or_else(|_| panic!("{} lost {number}", found.labels));
            assert_eq!(found.values[at].to_bits(), value(*number, i).to_bits());
        }
    }
}

/// Runs a full disk from beginning to end; `free` makes space.
fn fill_and_free(midwatch: &Midwatch, free: impl FnOnce()) -> (Vec<u64>, i64) {
    let start_ms = now_ms() - 3_600_000;
    let (mut acknowledged, refused) = write_until_refused(midwatch, 0, start_ms);
    assert!(acknowledged.len() > 3, "it was full from the beginning");
    // Those who look around notice nothing, but are told.
    assert_there(midwatch, &acknowledged, start_ms);
    assert_eq!(midwatch.get("/-/healthy").status, 200);
    assert_eq!(midwatch.query("count(last_over_time(full[2h]))")[0].1, SERIES as f64);
    let refusals = midwatch.own("midwatch_deliveries_failed_total{source=\"remote_write\"}");
    assert!(refusals >= 1.0, "a refusal is counted");
    let status = midwatch.data("/api/v1/status/midwatch");
    assert!(status["store"]["state"] != "ok" && status["store"]["message"] != "", "{status}");
    free();
    // A sender repeats what was refused until it is taken.
    eventually("writing goes on", || {
        let answer = midwatch.remote_write(&encode(&request(refused, start_ms))).unwrap();
        if answer.status == 204 { Ok(()) } else { Err(answer.text()) }
    });
    acknowledged.push(refused);
    for number in refused + 1..refused + 5 {
        midwatch.write(&request(number, start_ms));
        acknowledged.push(number);
    }
    assert_there(midwatch, &acknowledged, start_ms);
    let status = midwatch.data("/api/v1/status/midwatch");
    assert_eq!(status["store"]["state"], "ok", "{status}");
    (acknowledged, start_ms)
}

/// On a file system of 4 MiB of its own, most of it taken by another file. Returns the server and where that file is seen
/// from here.
fn on_a_small_disk(home: &Home) -> (Midwatch, PathBuf) {
    std::fs::create_dir(home.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=4m none disk && head -c 3000000 /dev/zero >disk/other && \
                  exec \"$0\" serve --no-host --no-discover --listen 127.0.0.1:0 --data disk/data";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    let midwatch = Midwatch::start(command);
    let inside = format!("/proc/{}/root{}", midwatch.process.id(), home.path("disk/other").display());
    (midwatch, inside.into())
}

#[test]
fn a_disk_that_is_full_and_then_has_space_again() {
    if let Err(why) = can_mount() {
        eprintln!(
            "not on a disk of its own, which this machine does not let us make: {why}; see the test below"
        );
        return;
    }
    let home = Home::new();
    let (midwatch, other) = on_a_small_disk(&home);
    fill_and_free(&midwatch, || std::fs::remove_file(other).unwrap());
}

#[test]
fn files_that_may_not_grow_any_more() {
    // The limit is inherited; with its signal ignored, a write past it fails halfway.
    let home = Home::new();
    let script =
        "trap '' XFSZ; ulimit -S -f 300; exec \"$0\" serve --no-host --no-discover --listen 127.0.0.1:0";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    let midwatch = Midwatch::start(command);
    let start_ms = now_ms() - 3_600_000;
    let (mut acknowledged, mut from) = (Vec::new(), 0);
    // The segment that failed is left alone, and another one begun, which fills up in its turn.
    for _ in 0..3 {
        let (more, refused) = write_until_refused(&midwatch, from, start_ms);
        assert!(more.len() > 3, "{more:?}");
        acknowledged.extend(more);
        from = refused;
        assert_there(&midwatch, &acknowledged, start_ms);
    }
    assert!(midwatch.own("midwatch_store_wal_errors_total") >= 3.0);
    midwatch.kill();
    // Without the limit all that was acknowledged is read back, the torn ends notwithstanding.
    let midwatch = home.serve_quietly();
    assert_there(&midwatch, &acknowledged, start_ms);
    midwatch.write(&request(from, start_ms));
    acknowledged.push(from);
    midwatch.stop();
    assert_there(&home.serve_quietly(), &acknowledged, start_ms);
}

#[test]
fn a_start_on_a_disk_that_is_full() {
    if let Err(why) = can_mount() {
        eprintln!("not tested, since this machine does not let us make a small disk: {why}");
        return;
    }
    let home = Home::new();
    std::fs::create_dir(home.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=1m none disk && head -c 10000000 /dev/zero >disk/other 2>/dev/null; \
                  exec \"$0\" serve --no-host --no-discover --listen 127.0.0.1:0 --data disk/data";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    let ended = crate::support::Running::start(command).finish();
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    let line = ended.stderr.trim_end();
    assert!(
        line.starts_with("midwatch: ") && !line.contains('\n') && line.contains("No space left"),
        "{line}"
    );
}
