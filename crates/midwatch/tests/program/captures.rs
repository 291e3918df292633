//! Captures of the program as it runs: taken by request and by a monitor, exported, read back, and opened when the server is
//! gone.

use crate::support::{Home, Midwatch, Running, eventually, now_ms, series};
use serde_json::{Value as Json, json};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn take(midwatch: &Midwatch, text: &str) -> Json {
    let body = json!({ "user": "nadia", "text": text }).to_string();
    let answer = midwatch.post("/api/v1/captures", JSON, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

#[test]
fn a_capture_is_taken_exported_read_back_and_opened_when_the_server_is_gone() {
    let home = Home::new();
    home.write("midwatch.toml", "[captures]\nafter = \"0s\"\n");
    let midwatch = home.serve(&["--no-discover", "--config", "midwatch.toml"]);
    let at_ms = now_ms() - 10_000;
    midwatch.write(&[series("orders", &[("shop", "a")], &[(at_ms, 41.0), (at_ms + 1_000, 42.0)])]);
    eventually("the ring holds processes", || {
        let ring = midwatch.data("/api/v1/captures")["ring"].clone();
        let rows = ring[0]["rows"].as_u64();
        if rows > Some(0) { Ok(()) } else { Err(ring.to_string()) }
    });
    let taken = take(&midwatch, "checkout is slow");
    let id = taken["id"].as_str().unwrap().to_string();
    assert_eq!(taken["is_joined"], false);
    let capture = eventually("the time after is there", || {
        let capture = midwatch.data(&format!("/api/v1/captures/{id}"));
        if capture["after"].is_null() { Err(capture.to_string()) } else { Ok(capture) }
    });
    assert_eq!(capture["before"]["causes"][0]["text"], "checkout is slow");
    let tables: Vec<&str> =
        capture["before"]["files"].as_array().unwrap().iter().map(|f| f["table"].as_str().unwrap()).collect();
    for table in ["metrics", "processes", "sockets"] {
        assert!(tables.contains(&table), "{tables:?}");
    }
    let me = midwatch.process.id();
    let rows = |at: &Midwatch| at.data(&format!("/api/v1/captures/{id}/at?table=processes&limit=5000"));
    let is_there = |moment: &Json| {
        let pid = moment["columns"].as_array().unwrap().iter().position(|c| c == "pid").unwrap();
        moment["rows"].as_array().unwrap().iter().any(|row| row[pid] == me)
    };
    assert!(is_there(&rows(&midwatch)), "the program itself is among the processes");

    let url = format!("http://{}", midwatch.address);
    let exported = home.run(&["capture", "export", &id, "--out", "slow.zip", "--url", &url]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(exported.stdout.contains("every checksum read back"), "{}", exported.stdout);
    let verified = home.run(&["capture", "verify", &id, "--url", &url]);
    assert!(verified.stdout.contains("export it before you destroy that"), "{verified:?}");
    drop(midwatch);

    let verified = home.run(&["capture", "verify", "slow.zip"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.contains("safe to destroy"), "{}", verified.stdout);
    let viewer = Midwatch::start(home.command(&["capture", "open", "slow.zip"]));
    let list = viewer.data("/api/v1/captures");
    assert_eq!((list["opened"].as_str(), list["is_recording"].as_bool()), (Some(&*id), Some(false)));
    assert!(is_there(&rows(&viewer)));
    // The other pages show what is in it.
    let value = viewer.data(&format!("/api/v1/query?query=orders&time={}", (at_ms + 1_500) as f64 / 1000.0));
    assert_eq!(value["result"][0]["value"][1], "42", "{value}");
    let line = viewer.data(&format!("/api/v1/captures/{id}/timeline"));
    assert!(line["lines"].as_array().unwrap().iter().any(|l| l["name"] == "processes"), "{line}");
    drop(viewer);

    // One bit of the file, in the middle of it.
    let mut bytes = std::fs::read(home.path("slow.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(home.path("slow.zip"), bytes).unwrap();
    let verified = home.run(&["capture", "verify", "slow.zip"]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let opened = Running::start(home.command(&["capture", "open", "slow.zip"])).finish();
    assert_eq!(opened.code, Some(1), "{opened:?}");
    assert!(opened.stderr.contains("checksum is wrong"), "{}", opened.stderr);
}

#[test]
fn a_monitor_that_begins_to_fire_takes_one_and_a_storm_takes_no_more() {
    let home = Home::new();
    let rules = "groups:\n- name: g\n  interval: 1s\n  rules:\n\
                 \x20 - alert: Always\n    expr: vector(1) > 0\n  - alert: AlwaysToo\n    expr: vector(2) > 0\n";
    home.write("rules.yml", rules);
    home.write("midwatch.toml", "[monitors]\nfiles = [\"rules.yml\"]\n[captures]\nafter = \"1s\"\n");
    let midwatch = home.serve(&["--no-discover", "--config", "midwatch.toml"]);
    let capture = eventually("a capture was taken and is whole", || {
        let all = midwatch.data("/api/v1/captures")["captures"].clone();
        match all.as_array().and_then(|a| a.first()).filter(|c| !c["after"].is_null()) {
            Some(capture) => Ok(capture.clone()),
            None => Err(all.to_string()),
        }
    });
    assert_eq!(capture["before"]["causes"][0]["kind"], "monitor");
    // The second came within the second after: it stands in the first.
    assert_eq!(capture["after"]["causes"][0]["name"], "AlwaysToo", "{capture}");
    assert_eq!(midwatch.data("/api/v1/captures")["captures"].as_array().unwrap().len(), 1);
    let id = capture["id"].as_str().unwrap();
    let post = |what: &str, body: Json| {
        let path = format!("/api/v1/captures/{id}/{what}");
        midwatch.post(&path, JSON, body.to_string().as_bytes()).unwrap()
    };
    assert_eq!(post("pin", json!({ "user": "nadia", "why": "incident 7" })).status, 200);
    assert_eq!(post("remove", json!({ "user": "nadia" })).status, 409);
    assert_eq!(post("pin", json!({ "pinned": false })).status, 200);
    assert_eq!(post("remove", json!({ "user": "nadia", "reason": "not needed" })).status, 200);
    let audit = midwatch.data("/api/v1/audit").to_string();
    assert!(audit.contains("capture pinned") && audit.contains("capture removed"), "{audit}");
}
