//! Old samples are summarised while it runs, and long questions are answered from the summaries: the same numbers, and
//! the answer says from what.

use crate::support::http::encode;
use crate::support::{Home, Midwatch, eventually, now_ms};
use serde_json::Value as Json;

const HOUR: i64 = 3600;

fn ask(midwatch: &Midwatch, promql: &str, start: i64, end: i64, resolution: &str) -> Json {
    let path = format!(
        "/api/v1/query_range?query={}&start={start}&end={end}&step=3600&resolution={resolution}",
        encode(promql)
    );
    midwatch.get(&path).json()
}

fn infos(answer: &Json) -> Vec<&str> {
    answer["infos"].as_array().into_iter().flatten().map(|info| info.as_str().unwrap()).collect()
}

#[test]
fn what_was_imported_is_summarised_and_answers_say_so() {
    let home = Home::new();
    home.write("midwatch.toml", "[store]\nhead_age = \"1s\"\n");
    let flags = ["--no-host", "--no-discover", "--config", "midwatch.toml"];
    let midwatch = home.serve(&flags);
    // Two days up to the last six hours of the clock that are over, a sample every half minute.
    let end = now_ms() / 1000 / (6 * HOUR) * 6 * HOUR;
    let start = end - 48 * HOUR;
    let times: Vec<i64> = (start / 30 + 1..=end / 30).map(|i| i * 30_000).collect();
    let values: Vec<i64> = (0..times.len() as i64).map(|i| i * i % 10_007).collect();
    let lines = format!(
        "{{\"metric\":{{\"__name__\":\"old_total\"}},\"values\":{values:?},\"timestamps\":{times:?}}}\n"
    );
    assert_eq!(midwatch.post("/api/v1/import", &[], lines.as_bytes()).unwrap().status, 204);
    let questions =
        ["rate(old_total[1h])", "avg_over_time(old_total[2h])", "max_over_time(old_total[1h])", "old_total"];
    let before = questions.map(|q| ask(&midwatch, q, start + 2 * HOUR, end, "auto"));
    assert!(before.iter().all(|answer| infos(answer).is_empty()), "{before:?}");
    eventually("summaries", || match midwatch.own("midwatch_store_tier_windows{tier=\"1m\"}") {
        windows if windows >= 8.0 => Ok(()),
        windows => Err(format!("{windows} windows")),
    });
    for (question, before) in questions.iter().zip(&before) {
        let now = ask(&midwatch, question, start + 2 * HOUR, end, "auto");
        assert!(infos(&now)[0].contains("summaries were used for old_total from"), "{question}: {now}");
        assert_eq!(infos(&ask(&midwatch, question, start + 2 * HOUR, end, "raw")), Vec::<&str>::new());
        let numbers = |answer: &Json| -> Vec<(i64, f64)> {
            let rows = answer["data"]["result"][0]["values"].as_array().unwrap();
            let number = |text: &Json| text.as_str().unwrap().parse().unwrap();
            rows.iter().map(|row| (row[0].as_i64().unwrap(), number(&row[1]))).collect()
        };
        let (now, before) = (numbers(&now), numbers(before));
        assert_eq!((now.len(), before.len()), (47, 47), "{question}");
        let near = |(a, b): (&(i64, f64), &(i64, f64))| a.0 == b.0 && (a.1 - b.1).abs() <= 1e-9 * b.1.abs();
        assert!(now.iter().zip(&before).all(near), "{question}: {now:?} instead of {before:?}");
    }
    let wrong = midwatch.get("/api/v1/query?query=up&resolution=2m");
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("none of auto, raw, 1m, 1h"), "{}", wrong.text());
    // All of it is there after a new start.
    midwatch.stop();
    let midwatch = home.serve(&flags);
    let again = ask(&midwatch, questions[0], start + 2 * HOUR, end, "1m");
    assert!(infos(&again)[0].starts_with("1-minute summaries"), "{again}");
}
