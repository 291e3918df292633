//! Where to look first: a shop of four services in which one begins to end its work early, asked of the real program. And
//! questions that make no sense.

use crate::support::{Home, Midwatch, now_ms};
use serde_json::{Value, json};

/// Requests, one a second.
const REQUESTS: i64 = 240;
/// The request from which on things go wrong.
const TROUBLE: i64 = 180;

fn post(midwatch: &Midwatch, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let answer = midwatch.post(path, &headers, body.to_string().as_bytes()).unwrap();
    (answer.status, answer.json())
}

fn attributes(service: &str) -> Value {
    json!([{ "key": "service.name", "value": { "stringValue": service } },
           { "key": "env", "value": { "stringValue": "test" } }])
}

/// Each request goes from web to cart to price. From the trouble on price ends early and its callers wait.
fn send(midwatch: &Midwatch, from_ms: i64) {
    let mut lines: Vec<(&str, Vec<Value>)> =
        ["web", "cart", "price"].map(|s| (s, Vec::new())).into_iter().collect();
    let mut spans = lines.clone();
    for i in 0..REQUESTS {
        let ns = (from_ms + i * 1000) * 1_000_000;
        let trace = format!("{:032x}", i + 1);
        let is_trouble = i >= TROUBLE;
        let wait_ns = if is_trouble { 400_000_000 } else { 2_000_000 } + i % 7 * 100_000;
        let mut parent = String::new();
        for (at, (service, of_spans)) in spans.iter_mut().enumerate() {
            let id = format!("{:016x}", (i + 1) * 16 + at as i64);
            // What is asked takes less than what asks, and of what is asked the price is waited for.
            let begin = ns + if at == 2 { wait_ns } else { 0 } + at as i64 * 1_000_000;
            let took = 20_000_000 - at as i64 * 4_000_000 + if at < 2 { wait_ns } else { 0 };
            of_spans.push(json!({ "traceId": trace, "spanId": id, "parentSpanId": parent, "name": format!("do {service}"),
                "kind": 2, "startTimeUnixNano": begin.to_string(), "endTimeUnixNano": (begin + took).to_string() }));
            let mut say = |text: String| {
                lines[at].1.push(json!({ "timeUnixNano": begin.to_string(), "body": { "stringValue": text },
                    "traceId": trace, "spanId": id }));
            };
            say(format!("{service} asked for item {i}"));
            if *service == "price" && is_trouble {
                say(format!("ERROR no price of item {i}"));
            } else {
                say(format!("{service} answered for item {i}"));
            }
            parent = id;
        }
    }
    for (service, records) in lines {
        let body = json!({ "resourceLogs": [{ "resource": { "attributes": attributes(service) },
            "scopeLogs": [{ "logRecords": records }] }] });
        assert_eq!(post(midwatch, "/v1/logs", &body).0, 200);
    }
    for (service, spans) in spans {
        let body = json!({ "resourceSpans": [{ "resource": { "attributes": attributes(service) },
            "scopeSpans": [{ "spans": spans }] }] });
        assert_eq!(post(midwatch, "/v1/traces", &body).0, 200);
    }
    let mut series = String::new();
    for (service, metric, before, after) in [
        ("web", "latency_seconds", 0.1, 0.5),
        ("price", "cpu_cores", 1.0, 1.0),
        ("mail", "cpu_cores", 1.0, 1.3),
    ] {
        let value = |i: i64| if i >= TROUBLE { after } else { before } + (i % 5) as f64 * 0.01;
        let (times, values): (Vec<i64>, Vec<f64>) =
            (0..REQUESTS).map(|i| (from_ms + i * 1000, value(i))).unzip();
        let labels = json!({ "__name__": metric, "service": service, "env": "test" });
        series += &format!("{}\n", json!({ "metric": labels, "values": values, "timestamps": times }));
    }
    assert_eq!(midwatch.post("/api/v1/import", &[], series.as_bytes()).unwrap().status, 204);
    let change = json!({ "title": "deployed price 2", "kind": "deploy", "service": "price",
                         "time": (from_ms + (TROUBLE - 30) * 1000) / 1000 });
    assert_eq!(post(midwatch, "/api/v1/changes", &change).0, 200);
}

fn services(answer: &Value) -> Vec<&str> {
    let all = answer["directions"].as_array().unwrap();
    all.iter().map(|d| d["entity"]["service"].as_str().unwrap_or("")).collect()
}

#[test]
fn it_points_at_the_service_that_ends_early_and_says_what_speaks_for_it() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let from_ms = now_ms() / 1000 * 1000 - (REQUESTS + 20) * 1000;
    send(&midwatch, from_ms);
    let at = |request: i64| from_ms + request * 1000;
    let mut question = json!({ "window": [at(TROUBLE), at(REQUESTS)], "baseline": [[at(0), at(TROUBLE) - 1]],
        "match": "{env=\"test\"}" });
    let (status, answer) = post(&midwatch, "/api/v1/advise", &question);
    assert_eq!(status, 200, "{answer}");
    assert_eq!((services(&answer)[0], &answer["stands_out"]), ("price", &json!(true)), "{answer:#}");
    assert_eq!(answer["looked_at"], json!({ "series": 3, "log_records": 1440, "spans": 720, "changes": 1 }));
    assert_eq!(answer["partial"], json!([]));
    let price = &answer["directions"][0];
    assert_eq!(price["knowledge"], json!(["requests", "changes"]), "{price:#}");
    let sentences: Vec<&str> =
        price["for"].as_array().unwrap().iter().map(|e| e["sentence"].as_str().unwrap()).collect();
    for part in [
        "no longer comes",
        "cart waits 4",
        "is new: in 60 of 60 requests",
        "deployed price 2, 30 s before the window",
    ] {
        assert!(sentences.iter().any(|s| s.contains(part)), "{part:?} is not in {sentences:#?}");
    }
    assert!(price["against"].to_string().contains("what it uses did not move"), "{price:#}");

    // Each piece leads to where it can be seen.
    let lines = price["for"].as_array().unwrap().iter().find(|e| e["show"]["kind"] == "logs").unwrap();
    let search =
        json!({ "q": lines["show"]["query"], "start": at(0) / 1000, "end": at(REQUESTS) / 1000 + 5 });
    let query = search["q"].as_str().unwrap().replace(':', "%3A").replace(' ', "+");
    let path = format!("/api/v1/logs/search?q={query}&start={}&end={}", search["start"], search["end"]);
    let found = midwatch.get(&path).json();
    assert!(!found["data"]["records"].as_array().unwrap().is_empty(), "{path}: {found}");

    // What may be named, where it was noticed, and what is left out.
    question["entities"] = json!(["web", "mail"]);
    let (_, answer) = post(&midwatch, "/api/v1/advise", &question);
    assert!(!services(&answer).contains(&"price"), "{answer:#}");
    question["entities"] = json!([]);
    question["without"] = json!(["lines", "spans", "changes"]);
    question["symptom"] = json!({ "service": "web", "metric": "latency_seconds" });
    let (_, answer) = post(&midwatch, "/api/v1/advise", &question);
    assert_eq!((services(&answer)[0], &answer["path"]), ("web", &json!(["web"])), "{answer:#}");
    // A time in which nothing happened.
    let quiet =
        json!({ "window": [at(100), at(150)], "baseline": [[at(0), at(99)]], "match": "{env=\"test\"}" });
    let (_, answer) = post(&midwatch, "/api/v1/advise", &quiet);
    assert_eq!(answer["stands_out"], json!(false), "{answer:#}");
    assert!(answer["sentence"].as_str().unwrap().starts_with("Nothing stands out"), "{answer:#}");
}

#[test]
fn questions_that_make_no_sense_are_told_so() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let (from, to) = (now_ms() - 600_000, now_ms());
    let many: Vec<String> = (0..20_001).map(|i| i.to_string()).collect();
    let week = 8 * 86_400_000;
    for (body, why) in [
        (json!({}), "start"),
        (json!({ "window": [to, from] }), "end after its start"),
        (json!({ "window": [i64::MIN, i64::MAX] }), "not milliseconds"),
        (json!({ "window": [from / 1000, to / 1000] }), "not milliseconds"),
        (json!({ "window": [to - week, to] }), "a week long"),
        (json!({ "window": [from, to], "baseline": [[from - 10, from + 10]] }), "overlaps"),
        (json!({ "window": [from, to], "baseline": [[from - 10, from - 90]] }), "end after its start"),
        (json!({ "window": [from, to], "baseline": "ever" }), "before, hour, day, week"),
        (json!({ "window": [from, to], "entities": many }), "20001 entities"),
        (json!({ "window": [from, to], "entities": [""] }), "a name has"),
        (json!({ "window": [from, to], "edges": [["a"]] }), "tuple of size 2"),
        (json!({ "window": [from, to], "match": "{" }), "match"),
        (json!({ "window": [from, to], "match": [3] }), "selector"),
        (json!({ "window": [from, to], "symptom": { "metric": "m" } }), "symptom has a service"),
        (json!({ "window": [from, to], "without": ["doubt"] }), "without takes"),
        (json!({ "window": [from, to], "windows": 3 }), "windows"),
    ] {
        let (status, answer) = post(&midwatch, "/api/v1/advise", &body);
        assert_eq!(status, 400, "{why}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{why}: {answer}");
    }
    let circle: Vec<[String; 2]> =
        (0..10_000).map(|i| [format!("s{i}"), format!("s{}", (i + 1) % 10_000)]).collect();
    let body =
        json!({ "window": [from, to], "edges": circle, "symptom": { "service": "s0", "metric": "m" } });
    let (status, answer) = post(&midwatch, "/api/v1/advise", &body);
    assert_eq!(status, 200, "{answer}");
}
