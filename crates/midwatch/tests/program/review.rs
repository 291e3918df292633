//! The review of monitors: what became of each is counted and kept over a kill, also what people did and which incidents it led to; a
//! decision is taken and taken back; trouble and incidents that no monitor saw are found.

use crate::support::{Home, Midwatch, eventually, now_ms, series};
use serde_json::{Value as Json, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn post(midwatch: &Midwatch, path: &str, body: &Json) -> (u16, Json) {
    let answer = midwatch.post(path, &[JSON], body.to_string().as_bytes()).unwrap();
    (answer.status, answer.json())
}

/// The line of a monitor, once it is as `is_so` says.
fn line(midwatch: &Midwatch, id: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    eventually("the line", || {
        let review = midwatch.data("/api/v1/monitors/review");
        let found = review["monitors"].as_array().unwrap().iter().find(|m| m["id"] == id).cloned();
        found.filter(&is_so).ok_or_else(|| review.to_string())
    })
}

#[test]
fn what_became_of_a_monitor_is_counted_kept_and_decided_upon() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let new = json!({ "name": "Always", "expr": "vector(7) > 1", "interval": "1s", "labels": { "severity": "page" } });
    let (status, made) = post(&midwatch, "/api/v1/monitors", &new);
    assert_eq!(status, 200, "{made}");
    let id = made["data"]["id"].as_str().unwrap().to_string();
    line(&midwatch, &id, |m| m["state"] == "firing" && m["week"]["fired"] == 1);
    // Somebody looks twice within a minute, which is once, and says that it was of use.
    for path in ["seen", "seen", "acted"] {
        assert_eq!(
            post(&midwatch, &format!("/api/v1/monitors/{id}/{path}"), &json!({ "user": "ada" })).0,
            200
        );
    }
    let seen = line(&midwatch, &id, |m| m["week"]["acted"] == 1);
    assert_eq!((&seen["week"]["seen"], seen["kind"].as_str()), (&json!(1), Some("useful")), "{seen}");
    // It silences what fires, which is counted too.
    let silence = json!({
        "matchers": ["alertname=\"Always\""], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ada", "comment": "a trial",
    });
    assert_eq!(post(&midwatch, "/api/v1/silences", &silence).0, 200);
    line(&midwatch, &id, |m| m["week"]["silenced"] == 1);
    // A decision holds, whatever happens to the process, and the file is as it was.
    let decide = json!({ "severity": "ticket", "user": "bo", "reason": "nobody is needed at night" });
    assert_eq!(post(&midwatch, &format!("/api/v1/monitors/{id}/decide"), &decide).0, 200);
    line(&midwatch, &id, |m| m["severity"] == "ticket");
    assert!(
        std::fs::read_to_string(home.path("midwatch-data/monitors/own.yml")).unwrap().contains("\"page\"")
    );
    eventually("the ledger is written", || {
        let kept =
            std::fs::read_to_string(home.path("midwatch-data/monitors/ledger.json")).unwrap_or_default();
        if kept.contains(&id) { Ok(()) } else { Err(kept) }
    });
    midwatch.kill();
    let midwatch = home.serve_quietly();
    let again = line(&midwatch, &id, |m| m["severity"] == "ticket" && m["state"] == "firing");
    assert_eq!(again["week"]["acted"], 1, "{again}");
    // With another severity it is another alert, which may have fired already before the kill.
    assert!((1..=2).contains(&again["week"]["fired"].as_u64().unwrap()), "{again}");
    let url = format!("http://{}", midwatch.address);
    let off = home.run(&["monitor", "decide", &id, "--off", "--url", &url]);
    assert_eq!(off.code, Some(0), "{}", off.stderr);
    eventually("it is evaluated no more", || {
        let all = midwatch.data("/api/v1/monitors");
        if all["monitors"] == json!([]) { Ok(()) } else { Err(all.to_string()) }
    });
    let review = home.run(&["monitor", "review", "--url", &url]);
    assert!(review.stdout.contains("decided of Always"), "{}", review.stdout);
    let back = home.run(&["monitor", "decide", &id, "--back", "--url", &url]);
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    line(&midwatch, &id, |m| m["severity"] == "page");
    for (path, body) in [
        (format!("{id}/decide"), json!({})),
        (format!("{id}/decide"), json!({ "severity": "a\"b" })),
        (format!("{id}/decide"), json!({ "for": "5" })),
        ("none/decide".to_string(), json!({ "off": true })),
        ("none/acted".to_string(), json!({})),
        (format!("{id}/undecide"), json!({})),
    ] {
        let (status, answer) = post(&midwatch, &format!("/api/v1/monitors/{path}"), &body);
        assert!([400, 404].contains(&status), "{path} {body}: {answer}");
    }
    let audit = home.run(&["audit", "--json"]);
    assert!(audit.stdout.contains("monitor_decided"), "{}{}", audit.stdout, audit.stderr);
}

#[test]
fn taking_care_of_it_is_acting_and_an_incident_counts_for_the_monitors_that_led_to_it() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let url = format!("http://{}", midwatch.address);
    let mut ids = Vec::new();
    for (name, service) in [("Errors", "shop"), ("Slow", "shop"), ("Cart", "cart")] {
        let new = json!({ "name": name, "expr": "vector(7) > 1", "interval": "1s", "labels": { "service": service } });
        let (status, made) = post(&midwatch, "/api/v1/monitors", &new);
        assert_eq!(status, 200, "{made}");
        ids.push(made["data"]["id"].as_str().unwrap().to_string());
    }
    let [errors, slow, cart] = &ids[..] else { panic!("{ids:?}") };
    for id in &ids {
        line(&midwatch, id, |m| m["state"] == "firing");
    }
    let week = |id: &str, key: &str| line(&midwatch, id, |_| true)["week"][key].as_u64().unwrap();

    // Taking care of it is acting, once; to end that is not another deed.
    for _ in 0..2 {
        let ack = home.run(&["monitor", "ack", "alertname=\"Errors\"", "--user", "ada", "--url", &url]);
        assert_eq!(ack.code, Some(0), "{}", ack.stderr);
    }
    home.run(&["monitor", "ack", "alertname=\"Errors\"", "--user", "ada", "--end", "--url", &url]);
    assert_eq!((week(errors, "acted"), week(slow, "acted")), (1, 0));
    // A critique asked from a monitor is a look, a capture a deed; of none that is not there.
    let plan = json!({ "plan": "restart shop", "monitor": slow });
    assert_eq!(post(&midwatch, "/api/v1/critique", &plan).0, 200);
    let capture = json!({ "user": "ada", "monitor": slow });
    assert_eq!(post(&midwatch, "/api/v1/captures", &capture).0, 200);
    assert_eq!((week(slow, "seen"), week(slow, "acted")), (1, 1));
    for path in ["critique", "captures"] {
        let wrong = json!({ "plan": "restart shop", "monitor": "none" });
        let wrong = if path == "critique" { wrong } else { json!({ "monitor": "none" }) };
        assert_eq!(post(&midwatch, &format!("/api/v1/{path}"), &wrong).0, 404);
    }

    // An incident of a service counts for those of its monitors that are red; told twice it is one.
    for _ in 0..2 {
        let told =
            json!({ "id": "inc-1", "kind": "incident", "title": "customers cannot pay", "service": "shop" });
        let (status, answer) = post(&midwatch, "/api/v1/changes", &told);
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!([errors, slow, cart].map(|id| week(id, "incidents")), [1, 1, 0]);
    // A later word names another one.
    let word = json!({ "id": "inc-1", "attributes": { "monitor": "Cart, Errors" } });
    let (_, answer) = post(&midwatch, "/api/v1/changes", &word);
    assert_eq!(answer["data"]["monitors"], json!([{ "id": cart, "name": "Cart" }]), "{answer}");
    assert_eq!([errors, slow, cart].map(|id| week(id, "incidents")), [1, 1, 1]);
    // By name, from a terminal.
    let made = home.run(&["monitor", "incident", "Errors", "again", "--user", "ada", "--url", &url]);
    assert!(made.stdout.contains("counted for Errors"), "{}{}", made.stdout, made.stderr);
    assert_eq!([errors, slow, cart].map(|id| week(id, "incidents")), [2, 1, 1]);
    assert_eq!(line(&midwatch, errors, |_| true)["kind"], "useful");
    let unknown = home.run(&["monitor", "incident", "Nothing", "--url", &url]);
    assert!(unknown.stderr.contains("there is no monitor"), "{}", unknown.stderr);

    // The other side: an incident of a time when no monitor was red.
    let yesterday = (now_ms() - 86_400_000) as f64 / 1000.0;
    let told = json!({ "kind": "incident", "title": "the search was empty", "service": "search", "time": yesterday });
    let (_, answer) = post(&midwatch, "/api/v1/changes", &told);
    assert_eq!(answer["data"]["monitors"], json!([]), "{answer}");
    let review = midwatch.data("/api/v1/monitors/review");
    assert_eq!((&review["incidents"], review["unseen_incidents"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(review["unseen_incidents"][0]["title"], "the search was empty");
    let said = home.run(&["monitor", "review", "--url", &url]);
    assert!(said.stdout.contains("no monitor saw the incident of search"), "{}", said.stdout);

    // All of it is there after a kill.
    midwatch.kill();
    let midwatch = home.serve_quietly();
    assert_eq!(line(&midwatch, errors, |_| true)["week"]["incidents"], 2);
}

#[test]
fn trouble_that_no_monitor_saw_is_found() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let (now, mut all, mut bad) = (now_ms(), Vec::new(), Vec::new());
    let (mut good_count, mut bad_count) = (0.0, 0.0);
    for step in 0..480 {
        let at = now - 7_200_000 + step * 15_000;
        // Ten minutes of an outage an hour ago.
        let is_out = (3_600_000..4_200_000).contains(&(now - at));
        good_count += if is_out { 0.0 } else { 30.0 };
        bad_count += if is_out { 30.0 } else { 0.0 };
        all.push((at, good_count));
        bad.push((at, bad_count));
    }
    midwatch.write(&[
        series("http_requests_total", &[("job", "shop"), ("code", "200")], &all),
        series("http_requests_total", &[("job", "shop"), ("code", "503")], &bad),
    ]);
    let review = eventually("it is found", || {
        let review = midwatch.data("/api/v1/monitors/review");
        if review["unseen"].as_array().is_some_and(|a| !a.is_empty()) {
            Ok(review)
        } else {
            Err(review.to_string())
        }
    });
    let found = &review["unseen"][0];
    assert_eq!(found["service"], "shop", "{review}");
    let bad = found["bad"].as_f64().unwrap();
    assert!((1_000.0..=1_230.0).contains(&bad), "{found}");
}
