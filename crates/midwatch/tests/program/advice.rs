//! Advice with what is known besides the data: a rule that holds, the same signs before, what was done then, and what people said in
//! the end; kept over a kill, told in parts, and judged from the command line.

use crate::support::{Home, Midwatch, now_ms};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const MINUTE: i64 = 60_000;

fn post(midwatch: &Midwatch, path: &str, body: &Value) -> (u16, Value) {
    let answer = midwatch.post(path, &[JSON], body.to_string().as_bytes()).unwrap();
    (answer.status, answer.json())
}

/// Four hours of a service whose pool has no free connection for ten minutes, three hours ago and at the end.
fn send(midwatch: &Midwatch, end_ms: i64) {
    let times: Vec<i64> = (0..960).map(|i| end_ms - (959 - i) * 15_000).collect();
    let is_trouble =
        |t: i64| [0, 180].iter().any(|ago| (0..10 * MINUTE).contains(&(end_ms - ago * MINUTE - t)));
    let series = |name: &str, value: &dyn Fn(i64, usize) -> f64| {
        let values: Vec<f64> = times.iter().enumerate().map(|(i, t)| value(*t, i)).collect();
        let labels = json!({ "__name__": name, "job": "api", "instance": "api-1" });
        json!({ "metric": labels, "values": values, "timestamps": times }).to_string() + "\n"
    };
    let text = series("up", &|_, _| 1.0)
        + &series("hikaricp_connections_pending", &|t, i| {
            if is_trouble(t) { 12.0 + (i % 3) as f64 } else { 0.0 }
        })
        + &series("process_threads", &|t, i| if is_trouble(t) { 90.0 } else { 30.0 } + (i % 4) as f64);
    assert!(midwatch.post("/api/v1/import", &[], text.as_bytes()).unwrap().status < 300);
}

fn advise(midwatch: &Midwatch, end_ms: i64) -> Value {
    let question = json!({ "window": [end_ms - 10 * MINUTE, end_ms], "match": "{job=\"api\"}",
                           "baseline": [[end_ms - 40 * MINUTE, end_ms - 10 * MINUTE - 1]] });
    let (status, answer) = post(midwatch, "/api/v1/advise", &question);
    assert_eq!((status, &answer["directions"][0]["title"]), (200, &json!("api")), "{answer:#}");
    answer
}

/// What speaks for the first direction, of a kind of knowledge.
fn said(answer: &Value, knowledge: &str) -> Vec<String> {
    let all = answer["directions"][0]["for"].as_array().unwrap();
    let of = all.iter().filter(|e| e["knowledge"] == knowledge);
    of.map(|e| e["sentence"].as_str().unwrap().to_string()).collect()
}

#[test]
fn rules_and_the_past_speak_and_what_people_said_is_kept() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let now = now_ms() / 15_000 * 15_000;
    let then = now - 180 * MINUTE;
    send(&midwatch, now);
    let first = advise(&midwatch, then);
    let rule = first["directions"][0]["for"].as_array().unwrap().iter().find(|e| e["knowledge"] == "rule");
    let rule = rule.unwrap_or_else(|| panic!("{first:#}"));
    assert!(
        rule["sentence"].as_str().unwrap().contains("requests wait for a connection of its pool"),
        "{rule}"
    );
    assert_eq!(
        (&rule["rule"]["id"], &rule["rule"]["held_before"]),
        (&json!("the-pool-is-empty"), &json!(false))
    );
    assert!(
        !rule["rule"]["sources"].as_array().unwrap().is_empty() && rule["show"]["kind"] == "query",
        "{rule}"
    );
    assert_eq!(said(&first, "history"), Vec::<String>::new());
    let id = first["ledger"]["id"].as_str().unwrap_or_else(|| panic!("{first:#}")).to_string();
    // Asked again it is the same advice; who only measures books nothing.
    assert_eq!(advise(&midwatch, then)["ledger"]["id"], json!(id));

    for (body, part) in [
        (json!({ "id": id, "entity": "api", "verdict": "wrong" }), "say why"),
        (json!({ "id": id, "entity": "web", "verdict": "right" }), "it has api"),
        (json!({ "id": "0", "entity": "api", "verdict": "right" }), "there is no advice"),
        (json!({ "id": id, "entity": "api", "verdict": "maybe" }), "accepted, rejected, right or wrong"),
        (json!({ "id": id, "entity": "api", "verdict": "right", "becuase": "" }), "unknown field"),
    ] {
        let (status, answer) = post(&midwatch, "/api/v1/advise/judge", &body);
        assert!(status >= 400 && answer["error"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    let url = format!("http://{}", midwatch.address);
    let judge = [
        "advise",
        "judge",
        &id,
        "api",
        "right",
        "--because",
        "the pool was too small",
        "--author",
        "ada",
        "--url",
        &url,
    ];
    let judged = home.run(&judge);
    assert_eq!(
        (judged.code, judged.stdout.as_str()),
        (Some(0), "Kept: api was right.\n"),
        "{}",
        judged.stderr
    );
    let change = json!({ "title": "raised the pool of api", "kind": "config", "service": "api", "time": (then + 20 * MINUTE) / 1000 });
    assert_eq!(post(&midwatch, "/api/v1/changes", &change).0, 200);

    midwatch.kill();
    let midwatch = home.serve_quietly();
    let url = format!("http://{}", midwatch.address);
    let again = advise(&midwatch, now);
    let past = said(&again, "history");
    for part in [
        "the same signs were here before, 3 h ago",
        "it was here in the end, somebody said: \u{201c}the pool was too small\u{201d}",
        "\u{201c}raised the pool of api\u{201d}",
    ] {
        assert!(past.iter().any(|s| s.contains(part)), "{part:?} is not in {past:#?}");
    }
    let ledger = midwatch.data("/api/v1/advise/ledger");
    assert_eq!(
        (&ledger["count"], &ledger["damaged"], &ledger["measured"]["right"]),
        (&json!(2), &json!(0), &json!(1))
    );
    assert_eq!(ledger["measured"]["sentence"], "", "one that was judged is no measure");
    let listed = home.run(&["advise", "ledger", "--json", "--url", &url]);
    assert!(
        listed.stdout.contains("the pool was too small") && listed.stdout.contains("\"ada\""),
        "{}",
        listed.stdout
    );

    // Not here, because ...
    let no = json!({ "rule": "the-pool-is-empty", "verdict": "not_here", "service": "api", "because": "it waits by design" });
    assert_eq!(post(&midwatch, "/api/v1/critic/feedback", &no).0, 200);
    let without = advise(&midwatch, now);
    assert_eq!(said(&without, "rule"), Vec::<String>::new(), "{without:#}");
    assert_eq!(without["left_out_here"][0]["because"], "it waits by design", "{without:#}");
}

#[test]
fn told_in_parts_the_last_one_is_the_answer() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let now = now_ms() / 15_000 * 15_000;
    send(&midwatch, now);
    let body = json!({ "start": (now - 10 * MINUTE) / 1000, "end": now / 1000, "match": "{job=\"api\"}", "stream": true, "book": false });
    let answer = midwatch.post("/api/v1/advise", &[JSON], body.to_string().as_bytes()).unwrap();
    let text = answer.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((answer.status, &last["status"]), (200, &json!("success")), "{text}");
    assert_eq!(last["data"]["directions"][0]["title"], "api", "{text}");
    assert_eq!(last["data"]["ledger"]["id"], Value::Null, "who measures books nothing");
    assert_eq!(midwatch.data("/api/v1/advise/ledger")["count"], 0);
}
