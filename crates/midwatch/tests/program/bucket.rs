//! Data in a bucket, and an archive: the program against a server that speaks S3.

use crate::s3::{S3, SECRET_KEY};
use crate::support::{Home, Midwatch, Running, eventually, now_ms, series};
use std::process::Command;

/// `midwatch serve` with data in this bucket, once it is ready.
fn serve(home: &Home, s3: &S3, flags: &[&str]) -> Midwatch {
    Midwatch::start(command(home, s3, flags))
}

fn command(home: &Home, s3: &S3, flags: &[&str]) -> Command {
    let always =
        ["serve", "--listen", "127.0.0.1:0", "--no-host", "--no-discover", "--data", "s3://telemetry/prod"];
    let mut command = home.command(&[&always[..], flags].concat());
    command.envs(s3.environment()).env_remove("HTTP_PROXY").env_remove("http_proxy");
    command
}

fn write(midwatch: &Midwatch, at_ms: i64, value: f64) {
    midwatch.write(&[series("kept", &[("who", "me")], &[(at_ms, value)])]);
}

fn blocks(s3: &S3) -> usize {
    s3.keys().iter().filter(|key| key.starts_with("telemetry/prod/blocks/")).count()
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_in_the_bucket_after_a_stop() {
    let (home, s3, start) = (Home::new(), S3::start(&["telemetry"]), now_ms() - 60_000);
    for round in 0..3 {
        let midwatch = serve(&home, &s3, &[]);
        write(&midwatch, start + round, round as f64);
        midwatch.kill();
    }
    let midwatch = serve(&home, &s3, &[]);
    let kept = midwatch.export("kept");
    assert_eq!(kept[0].values, [0.0, 1.0, 2.0]);
    let shown = midwatch.get("/api/v1/status/flags").text() + &midwatch.get("/api/v1/status/midwatch").text();
    assert!(shown.contains("s3://telemetry/prod") && !shown.contains(SECRET_KEY), "{shown}");
    let ended = midwatch.stop();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("Everything is in s3://telemetry/prod and ./midwatch-wal."),
        "{}",
        ended.stderr
    );
    assert!(!(ended.stderr + &ended.stdout).contains(SECRET_KEY));
    assert_eq!(blocks(&s3), 2);
    // An orderly stop leaves nothing behind that another machine would need.
    let elsewhere = serve(&home, &s3, &["--wal", "another"]);
    assert_eq!(elsewhere.export("kept"), kept);
}

#[test]
fn a_bucket_that_is_not_there_ends_the_start_with_what_to_check() {
    let (home, s3) = (Home::new(), S3::start(&["telemetry"]));
    s3.disappear();
    let ended = Running::start(command(&home, &s3, &[])).finish();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("AWS_ENDPOINT_URL") && !ended.stderr.contains(SECRET_KEY),
        "{}",
        ended.stderr
    );
    let ended = Running::start(home.command(&["serve", "--data", "s3://me:hunter2@telemetry/prod"])).finish();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("no user, password") && !ended.stderr.contains("hunter2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_machine_that_was_superseded_refuses_samples_and_says_why() {
    let (home, s3) = (Home::new(), S3::start(&["telemetry"]));
    let first = serve(&home, &s3, &[]);
    write(&first, now_ms(), 1.0);
    let second = serve(&home, &s3, &["--wal", "second"]);
    let body = ingest::remote_write::encode(&[series("kept", &[], &[(now_ms(), 1.0)])]);
    let answer = eventually("the first finds out", || match first.remote_write(&body).unwrap() {
        answer if answer.status == 503 => Ok(answer),
        answer => Err(format!("{}", answer.status)),
    });
    assert!(answer.text().contains("another Midwatch writes to the same bucket"), "{}", answer.text());
    eventually("Home says so", || match first.get("/api/v1/home").text() {
        text if text.contains("another Midwatch writes") => Ok(()),
        text => Err(text),
    });
    assert_eq!(first.query("kept{who=\"me\"}").len(), 1);
    write(&second, now_ms(), 2.0);
}

#[test]
fn old_blocks_go_to_a_bucket_and_come_back_by_command() {
    let (home, s3, old) = (Home::new(), S3::start(&["telemetry", "cold"]), now_ms() - 20 * 86_400_000);
    let flags = ["--archive", "s3://cold/midwatch"];
    let midwatch = serve(&home, &s3, &flags);
    write(&midwatch, old, 7.0);
    // A stop writes the block; the next start finds it old.
    midwatch.stop();
    let midwatch = serve(&home, &s3, &flags);
    // With nothing newer, a clock that jumped would look the same, and nothing would move on its word.
    write(&midwatch, now_ms(), 8.0);
    let url = format!("http://{}", midwatch.address);
    let list = || home.run(&["archive", "list", "--url", &url]).stdout;
    eventually("it is archived", || if list().contains("  archived\n") { Ok(()) } else { Err(list()) });
    assert_eq!(s3.keys().iter().filter(|key| key.starts_with("cold/midwatch/blocks/")).count(), 2);
    let seconds = |ms: i64| (ms / 1000).to_string();
    let (from, to) = (seconds(old - 60_000), seconds(old + 60_000));
    let asked = format!("/api/v1/query?query=kept&time={}", seconds(old + 1000));
    let answer = midwatch.get(&asked).text();
    assert!(answer.contains("1 archived blocks of this range were left out"), "{answer}");
    let none = home.run(&["archive", "restore", "--start", "0", "--end", "1", "--url", &url]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("nothing of this period is in the archive"), "{}", none.stderr);
    let asked_for = home.run(&["archive", "restore", "--start", &from, "--end", &to, "--url", &url]);
    assert!(asked_for.stdout.starts_with("1 of 1 blocks ("), "{} {}", asked_for.stdout, asked_for.stderr);
    eventually("it is back", || if list().contains("  here until ") { Ok(()) } else { Err(list()) });
    let answer = midwatch.get(&asked).text();
    assert!(answer.contains("\"7\"") && !answer.contains("archived"), "{answer}");
}
