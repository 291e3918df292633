//! What changed: a made-up hour of a small shop in which one thing goes wrong, asked of the real program.

use crate::support::{Home, Midwatch, now_ms};
use serde_json::{Value, json};

/// Seconds between samples.
const STEP: i64 = 5;
/// Samples of each series.
const POINTS: i64 = 600;
/// The sample at which the trouble begins.
const TROUBLE: i64 = 480;

/// Something between 0 and 1 that is the same every time.
fn noise(i: i64, of: i64) -> f64 {
    let x = ((i * 31 + of) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((x ^ (x >> 31)) >> 40) as f64 / f64::from(1u32 << 24)
}

fn import(midwatch: &Midwatch, from_ms: i64) {
    let mut lines = String::new();
    let mut series = |labels: Value, value: &dyn Fn(i64) -> Option<f64>| {
        let (times, values): (Vec<i64>, Vec<f64>) =
            (0..POINTS).filter_map(|i| Some((from_ms + i * STEP * 1000, value(i)?))).unzip();
        lines += &format!("{}\n", json!({ "metric": labels, "values": values, "timestamps": times }));
    };
    let after = |i: i64, at: i64, by: f64| if i >= at { by } else { 0.0 };
    for db in 1..=3i64 {
        let wait = move |i| Some(4.0 + noise(i, db) + if db == 2 { after(i, TROUBLE, 40.0) } else { 0.0 });
        series(json!({ "__name__": "disk_queue", "host": format!("db-{db}") }), &wait);
        series(json!({ "__name__": "limit", "host": format!("db-{db}") }), &|_| Some(100.0));
    }
    for pod in 1..=20i64 {
        let slow = move |i| Some(0.1 + noise(i, pod) * 0.02 + after(i, TROUBLE + 1, 0.5));
        series(json!({ "__name__": "latency_seconds", "pod": format!("api-{pod}") }), &slow);
    }
    let requests = |i: i64| Some(i as f64 * 500.0 + noise(i, 7) * 10.0 - ((i - TROUBLE).max(0) * 300) as f64);
    series(json!({ "__name__": "requests_total", "job": "shop" }), &requests);
    series(json!({ "__name__": "heartbeat", "job": "mailer" }), &|i| (i < TROUBLE + 20).then_some(1.0));
    let answer = midwatch.post("/api/v1/import", &[], lines.as_bytes()).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn ask(midwatch: &Midwatch, body: &Value) -> (u16, Value) {
    let answer = midwatch.post("/api/v1/look", &[], body.to_string().as_bytes()).unwrap();
    (answer.status, answer.json())
}

#[test]
fn what_moved_together_is_one_group_with_the_first_mover_first() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let from_ms = now_ms() / 1000 * 1000 - (POINTS + 10) * STEP * 1000;
    import(&midwatch, from_ms);
    let at = |point: i64| (from_ms + point * STEP * 1000) as f64 / 1000.0;
    // Drawn by hand: a little after it began.
    let window = json!({ "start": at(TROUBLE) - 20.0, "end": at(POINTS - 1) });
    let (status, answer) = ask(&midwatch, &window);
    assert_eq!(status, 200, "{answer}");
    let data = &answer["data"];
    let groups = data["groups"].as_array().unwrap();
    let first = &groups[0];
    assert_eq!(first["members"][0]["labels"]["host"], "db-2", "{first}");
    assert_eq!(first["onset"], at(TROUBLE), "{first}");
    assert_eq!(first["count"], 22, "the queue, twenty latencies, and the requests against them: {first}");
    let sentence = first["members"][0]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("rose from 4.5"), "{sentence}");
    let requests =
        first["members"].as_array().unwrap().iter().find(|m| m["labels"]["job"] == "shop").unwrap();
    assert_eq!(
        (&requests["how"], &requests["against"], &requests["unit"]),
        (&json!("fell"), &json!(true), &json!("/s"))
    );
    let gone = groups.iter().find(|g| g["members"][0]["labels"]["job"] == "mailer").unwrap();
    assert_eq!(gone["members"][0]["how"], "disappeared", "{gone}");
    assert_eq!(gone["onset"], at(TROUBLE + 19), "{gone}");
    assert_eq!(data["still"], 3, "what never moves is not read: {data}");
    assert_eq!(groups.len(), 2, "nothing else moved: {data}");

    // Against the trouble itself nothing changed; of some series only.
    let same = json!({ "start": at(540), "end": at(590), "baseline": { "start": at(500), "end": at(539) },
                       "match": "{__name__=~\"disk_queue|latency_seconds\"}" });
    let (_, answer) = ask(&midwatch, &same);
    assert_eq!(
        (&answer["data"]["compared"], &answer["data"]["groups"]),
        (&json!(23), &json!([])),
        "{answer}"
    );
}

#[test]
fn a_question_that_makes_no_sense_is_told_so() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    for (body, why) in [
        (json!({}), "start"),
        (json!({ "start": 10, "end": 10 }), "end after its start"),
        (json!({ "start": 0, "end": 864_000 }), "a week long"),
        (json!({ "start": 100, "end": 200, "baseline": "yesteryear" }), "before, hour, day, week"),
        (json!({ "start": 100, "end": 200, "baseline": { "start": 150, "end": 160 } }), "overlaps"),
        (json!({ "start": 100, "end": 200, "baseline": [] }), "0 baselines"),
        (json!({ "start": 100, "end": 200, "match": "{" }), "match"),
        (json!({ "start": 100, "end": 200, "windows": 3 }), "windows"),
    ] {
        let (status, answer) = ask(&midwatch, &body);
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{body}: {answer}");
    }
    let (status, answer) = ask(&midwatch, &json!({ "start": 100, "end": 200 }));
    assert_eq!((status, &answer["data"]["compared"]), (200, &json!(0)), "{answer}");
}
