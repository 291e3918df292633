//! Agents as processes of their own beside a server: what they record arrives under their names, a server that is away costs
//! nothing, secrets are not shown, and a capture on the server has what every host had.

use crate::support::service::{Request, Service};
use crate::support::{Home, Midwatch, Running, eventually};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// An agent that has said that it records.
fn agent(home: &Home, name: &str, to: &str, flags: &[&str]) -> Running {
    let all = [&["agent", "--to", to, "--name", name, "--data", name, "--no-changes"], flags].concat();
    let agent = Running::start(home.command(&all));
    eventually("the agent records", || match agent.stdout().contains(" records ") {
        true => Ok(()),
        false => Err(agent.stderr()),
    });
    agent
}

fn url(midwatch: &Midwatch) -> String {
    format!("http://{}", midwatch.address)
}

/// Seconds of which there is a reading of a host.
fn seconds(midwatch: &Midwatch, host: &str) -> Vec<i64> {
    let found = midwatch.export(&format!("node_load1{{instance=\"{host}\"}}"));
    found.first().map(|s| s.timestamps_ms.clone()).unwrap_or_default()
}

fn arrived(midwatch: &Midwatch, host: &str, count: usize) -> Vec<i64> {
    eventually(&format!("{count} readings of {host} arrive"), || {
        let found = seconds(midwatch, host);
        if found.len() >= count { Ok(found) } else { Err(format!("{} readings", found.len())) }
    })
}

#[test]
fn hosts_are_told_apart_and_an_agent_that_ends_leaves_nothing_behind() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let agents = ["web-1", "web-2"].map(|name| agent(&home, name, &url(&midwatch), &[]));
    for name in ["web-1", "web-2"] {
        arrived(&midwatch, name, 2);
        let up = format!("node_boot_time_seconds{{instance=\"{name}\",job=\"node\"}}");
        assert_eq!(midwatch.query(&up).len(), 1, "one series of each host, labelled as the server's own");
    }
    let known = eventually("both agents told of themselves", || {
        let known = midwatch.data("/api/v1/agents");
        let hosts: Vec<&str> =
            known["agents"].as_array().unwrap().iter().filter_map(|a| a["host"].as_str()).collect();
        if hosts == ["web-1", "web-2"] { Ok(known.clone()) } else { Err(known.to_string()) }
    });
    assert_eq!(known["agents"][0]["is_alive"], true, "{known}");
    assert_eq!(known["agents"][0]["dropped_samples"], 0, "{known}");
    for agent in agents {
        agent.signal(Signal::INT);
        let ended = agent.finish();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("takes what is sent"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("are buffered"), "all of it was sent: {}", ended.stderr);
    }
    // What it counted of itself last came too: every reading is here.
    for name in ["web-1", "web-2"] {
        let of = |metric: &str| midwatch.value(&format!("{metric}{{instance=\"{name}\"}}")).unwrap();
        let read = of("midwatch_recorder_ticks_total") - of("midwatch_recorder_dropped_ticks_total");
        assert_eq!(seconds(&midwatch, name).len() as f64, read);
    }
}

#[test]
fn a_server_that_is_away_gets_every_reading_once_it_is_back_also_of_an_agent_that_was_killed() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let (address, to) = (midwatch.address.to_string(), url(&midwatch));
    let first = agent(&home, "db", &to, &[]);
    arrived(&midwatch, "db", 2);
    assert_eq!(midwatch.kill().signal, Some(9));
    eventually("the agent says so", || match first.stderr().contains("does not take what is sent") {
        true => Ok(()),
        false => Err(first.stderr()),
    });
    // It is killed as well, and another one goes on with its folder.
    std::thread::sleep(std::time::Duration::from_secs(3));
    first.signal(Signal::KILL);
    first.finish();
    let second = agent(&home, "db", &to, &[]);
    assert!(second.stderr().contains("samples of before wait to be sent"), "{}", second.stderr());
    std::thread::sleep(std::time::Duration::from_secs(2));
    let midwatch = Midwatch::start(home.command(&[
        "serve",
        "--listen",
        &address,
        "--no-otlp",
        "--no-postgres",
        "--no-host",
        "--no-discover",
    ]));
    eventually("what was buffered arrives", || {
        let waiting = midwatch.value("midwatch_agent_buffered_samples{instance=\"db\"}")?;
        let seconds = seconds(&midwatch, "db").len();
        if seconds >= 6 && waiting < 20_000.0 {
            Ok(())
        } else {
            Err(format!("{seconds} s, {waiting} waiting"))
        }
    });
    second.signal(Signal::TERM);
    assert_eq!(second.finish().code, Some(0));
    let found = seconds(&midwatch, "db");
    let once: BTreeSet<i64> = found.iter().copied().collect();
    assert_eq!(once.len(), found.len(), "each instant once");
    // A reading may be late on a busy machine, and the start of the second agent takes a moment; none of the seconds in
    // which the server was away is missing.
    let longest = found.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(longest <= 5_000, "a gap of {longest} ms in {found:?}");
    assert_eq!(midwatch.value("midwatch_agent_dropped_samples_total{instance=\"db\"}").unwrap(), 0.0);
}

/// A receiver that wants a token and is busy at first.
#[test]
fn it_identifies_itself_waits_as_long_as_it_is_told_and_shows_no_secret() {
    let home = Home::new();
    let token = home.write("token", "s3cret-t0ken\n");
    let busy = std::sync::atomic::AtomicUsize::new(0);
    let service = Service::start(move |request: &mut Request| {
        if request.header("authorization") != "Bearer s3cret-t0ken" {
            return request.reply("401 Unauthorized", "text/plain", b"who are you? s3cret-t0ken");
        }
        if request.head.contains("/mw/api/v1/agents/asks") {
            return request.reply("404 Not Found", "text/plain", b"no");
        }
        assert!(request.head.starts_with("POST /mw/api/v1/write "), "{}", request.head);
        assert_eq!(request.header("content-encoding"), "snappy");
        match busy.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => {
                request.reply("503 Service Unavailable\r\nRetry-After: 1", "text/plain", b"the disk is full")
            }
            _ => request.reply(
                "204 No Content\r\nx-prometheus-remote-write-samples-written: 1000000",
                "text/plain",
                b"",
            ),
        }
    });
    let to = format!("http://{}/mw", service.address);
    let flags = ["--token-file", token.to_str().unwrap()];
    let trusted = agent(&home, "web-1", &to, &flags);
    eventually("it is taken", || match trusted.stderr().contains("takes what is sent") {
        true => Ok(()),
        false => Err(trusted.stderr()),
    });
    assert!(trusted.stderr().contains("503 Service Unavailable: the disk is full"), "{}", trusted.stderr());
    trusted.signal(Signal::INT);
    let ended = trusted.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!format!("{ended:?}").contains("t0ken\""), "{ended:?}");

    let stranger = agent(&home, "web-2", &to, &[]);
    eventually("it says what is wrong", || match stranger.stderr().contains("check the credentials") {
        true => Ok(()),
        false => Err(stranger.stderr()),
    });
    stranger.signal(Signal::INT);
    let ended = stranger.finish();
    assert!(ended.stderr.contains("are buffered and will be sent"), "{}", ended.stderr);
    let other = home.run(&["agent", "--to", &to, "--name", "web-1", "--data", "."]);
    assert!(other.stderr.contains("is not the folder of an agent"), "{other:?}");
    let bad = home.run(&["agent", "--to", "http://ann:s3cret@127.0.0.1:1", "--name", "a"]);
    assert!(bad.code == Some(1) && !bad.stderr.contains("s3cret"), "{bad:?}");
}

/// Captures of the server by name, once they have so many with the time after the trigger.
fn whole_captures(midwatch: &Midwatch, count: usize) -> Vec<Json> {
    eventually(&format!("{count} captures with the time after them"), || {
        let all = midwatch.data("/api/v1/captures")["captures"].clone();
        let whole: Vec<Json> =
            all.as_array().unwrap().iter().filter(|c| !c["after"].is_null()).cloned().collect();
        if whole.len() == count { Ok(whole) } else { Err(all.to_string()) }
    })
}

#[test]
fn a_capture_has_what_every_host_had_and_an_alert_asks_those_that_it_concerns() {
    let home = Home::new();
    home.write(
        "midwatch.toml",
        "[captures]\nafter = \"1s\"\nperiod = \"1h\"\n[monitors]\nfiles = [\"rules.yml\"]\ninterval = \"1s\"\n",
    );
    home.write(
        "rules.yml",
        "groups: [{name: g, rules: [{alert: Down, expr: 'down == 1', labels: {severity: page}}]}]\n",
    );
    let midwatch = home.serve(&["--no-discover", "--no-host", "--config", "midwatch.toml"]);
    let agents = ["web-1", "web-2"].map(|name| agent(&home, name, &url(&midwatch), &[]));
    for name in ["web-1", "web-2"] {
        arrived(&midwatch, name, 3);
    }
    eventually("both agents ask", || {
        let known = midwatch.data("/api/v1/agents")["agents"].clone();
        if known.as_array().unwrap().len() == 2 { Ok(()) } else { Err(known.to_string()) }
    });
    let body = json!({ "user": "nadia", "text": "checkout is slow" }).to_string();
    let taken = midwatch.post("/api/v1/captures", JSON, body.as_bytes()).unwrap().json()["data"].clone();
    let id = taken["id"].as_str().unwrap().to_string();
    let all = whole_captures(&midwatch, 3);
    let names: BTreeSet<String> = all.iter().map(|c| c["id"].as_str().unwrap().to_string()).collect();
    let want: BTreeSet<String> = [id.clone(), format!("{id}-at-web-1"), format!("{id}-at-web-2")].into();
    assert_eq!(names, want);
    for capture in all.iter().filter(|c| c["id"] != *id) {
        let before = &capture["before"];
        assert_eq!(before["causes"][0]["text"], "checkout is slow");
        let tables: Vec<&str> =
            before["files"].as_array().unwrap().iter().filter_map(|f| f["table"].as_str()).collect();
        for table in ["metrics", "processes", "sockets"] {
            assert!(tables.contains(&table), "{tables:?}");
        }
        let name = capture["id"].as_str().unwrap();
        let verified = midwatch.post(&format!("/api/v1/captures/{name}/verify"), JSON, b"{}").unwrap().json();
        assert_eq!(verified["data"]["is_whole"], true, "{verified}");
    }
    let rows = midwatch.data(&format!("/api/v1/captures/{id}-at-web-1/at?table=processes&limit=5000"));
    let pid = rows["columns"].as_array().unwrap().iter().position(|c| c == "pid").unwrap();
    assert!(rows["rows"].as_array().unwrap().iter().any(|row| row[pid] == agents[0].id()), "{rows}");
    eventually("nothing of it stays at the agents", || {
        let left = std::fs::read_dir(home.path("web-1").join("captures")).unwrap().count();
        if left == 0 { Ok(()) } else { Err(format!("{left} left")) }
    });

    let now_ms = crate::support::now_ms();
    midwatch.write(&[crate::support::series("down", &[("instance", "web-2:9100")], &[(now_ms, 1.0)])]);
    let all = whole_captures(&midwatch, 5);
    let of_alert: Vec<&Json> = all.iter().filter(|c| c["before"]["causes"][0]["name"] == "Down").collect();
    let hosts: BTreeSet<&str> = of_alert.iter().filter_map(|c| c["before"]["host"].as_str()).collect();
    assert!(hosts.contains("web-2") && !hosts.contains("web-1"), "{hosts:?}");

    // Nobody else can put captures here.
    let known = midwatch.data("/api/v1/agents")["agents"].clone();
    let number = known[0]["id"].as_str().unwrap();
    for (path, status, want) in [
        (format!("/api/v1/agents/captures/{id}-at-web-9?agent={number}"), 400, "as the server asked"),
        (format!("/api/v1/agents/captures/20200101-000000-000-at-web-1?agent={number}"), 404, "no capture"),
        (format!("/api/v1/agents/captures/{id}-at-web-1?agent=0000000000000000"), 404, "not heard of"),
        (format!("/api/v1/agents/captures/{id}-at-web-1?agent={number}"), 400, "not a capture"),
    ] {
        let answer = midwatch.post(&path, &[("content-type", "application/zip")], b"PK nothing").unwrap();
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(want), "{path}: {}", answer.text());
    }
    assert!(midwatch.own("midwatch_captures_not_received_total") >= 4.0);
    assert!(midwatch.own("midwatch_captures_received_total") >= 6.0);
}
