//! JSON lines in and out: what is imported comes back as it was, from one program into another, and a bad line spoils only
//! itself.

use crate::support::{Home, Midwatch, decode_lines, now_ms};

fn import(midwatch: &Midwatch, lines: &str) -> (u16, String) {
    let answer = midwatch.post("/api/v1/import", &[], lines.as_bytes()).unwrap();
    (answer.status, answer.text())
}

#[test]
fn an_export_imported_elsewhere_is_the_same_export() {
    let (home, other_home) = (Home::new(), Home::new());
    let (midwatch, other) = (home.serve_quietly(), other_home.serve_quietly());
    let t = now_ms() - 3_600_000;
    let mut lines = format!(
        "{{\"metric\":{{\"__name__\":\"special\",\"é\":\"<b>\\n\\\"\"}},\"values\":[1.5,null,\"Infinity\",\"-Infinity\",\"StaleNaN\",-0.0],\
         \"timestamps\":[{t},{},{},{},{},{}]}}\n",
        t + 1,
        t + 2,
        t + 3,
        t + 4,
        t + 5
    );
    for i in 0..500 {
        let (first, second) = (t + i, t + i + 60_000);
        lines += &format!(
            "{{\"metric\":{{\"__name__\":\"many\",\"i\":\"{i}\"}},\"values\":[{i},0.1],\"timestamps\":[{first},{second}]}}\n"
        );
    }
    assert_eq!(import(&midwatch, &lines), (204, String::new()));
    let everything = "/api/v1/export?match[]=%7B__name__%3D~%22.%2B%22%7D";
    let export = midwatch.get(everything);
    assert_eq!(export.header("content-type"), "application/stream+json");
    assert_eq!(decode_lines(&export.body).len(), 501);
    assert_eq!(import(&other, &export.text()), (204, String::new()));
    assert_eq!(other.get(everything).text(), export.text());
    // And after a restart.
    other.stop();
    assert_eq!(other_home.serve_quietly().get(everything).text(), export.text());
    assert_eq!(midwatch.value("count(many)"), Err("count(many) found []".into()), "an hour ago is not now");
    assert_eq!(midwatch.value("count(last_over_time(many[2h]))"), Ok(500.0));
}

#[test]
fn a_part_of_it_can_be_asked_for() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let t = now_ms() / 1000 * 1000 - 100_000;
    let line = |name: &str| {
        let times = [t, t + 1000, t + 2000];
        format!("{{\"metric\":{{\"__name__\":\"{name}\"}},\"values\":[1,2,3],\"timestamps\":{times:?}}}\n")
    };
    assert_eq!(import(&midwatch, &(line("a") + &line("b") + &line("c"))).0, 204);
    let (start, end) = ((t + 500) as f64 / 1000.0, (t + 1500) as f64 / 1000.0);
    let part = midwatch.get(&format!("/api/v1/export?match[]=a&match[]=b&start={start}&end={end}"));
    let found = decode_lines(&part.body);
    assert_eq!(found.len(), 2, "{}", part.text());
    assert!(found.iter().all(|s| s.values == [2.0] && s.timestamps_ms == [t + 1000]), "{found:?}");
    for (path, why) in [
        ("/api/v1/export", "no match[] parameter"),
        ("/api/v1/export?match[]=%7B", "match[]"),
        ("/api/v1/export?match[]=%7B%7D", "match[]"),
        ("/api/v1/export?match[]=a&start=yesterday", "start"),
    ] {
        let answer = midwatch.get(path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(why), "{path}: {}", answer.text());
    }
}

#[test]
fn a_bad_line_spoils_only_itself() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let t = now_ms() - 1000;
    let labels: String = (0..10_000).map(|i| format!(",\"l{i}\":\"v\"")).collect();
    let long = "x".repeat(1 << 20);
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let year = t + 366 * 86_400_000;
    for (i, (reason, bad)) in [
        ("malformed", "nonsense".to_string()),
        ("malformed", nested),
        ("malformed", format!("{{\"metric\":{{\"__name__\":\"bad\"}},\"values\":[1,2],\"timestamps\":[{t}]}}")),
        ("invalid_name", format!("{{\"metric\":{{\"a\":\"b\"}},\"values\":[1],\"timestamps\":[{t}]}}")),
        ("invalid_name", format!("{{\"metric\":{{\"__name__\":\"bad\",\"\":\"b\"}},\"values\":[1],\"timestamps\":[{t}]}}")),
        (
            "duplicate_label",
            format!("{{\"metric\":{{\"__name__\":\"bad\",\"a\":\"1\",\"a\":\"2\"}},\"values\":[1],\"timestamps\":[{t}]}}"),
        ),
        (
            "too_many_labels",
            format!("{{\"metric\":{{\"__name__\":\"bad\"{labels}}},\"values\":[1],\"timestamps\":[{t}]}}"),
        ),
        (
            "label_too_long",
            format!("{{\"metric\":{{\"__name__\":\"bad\",\"a\":\"{long}\"}},\"values\":[1],\"timestamps\":[{t}]}}"),
        ),
        (
            "too_far_in_future",
            format!("{{\"metric\":{{\"__name__\":\"bad\"}},\"values\":[1],\"timestamps\":[{year}]}}"),
        ),
        ("too_old", "{\"metric\":{\"__name__\":\"bad\"},\"values\":[1],\"timestamps\":[1]}".to_string()),
    ]
    .into_iter()
    .enumerate()
    {
        let good =
            |n: &str| format!("{{\"metric\":{{\"__name__\":\"good_{i}_{n}\"}},\"values\":[{i}],\"timestamps\":[{t}]}}\n");
        let (status, text) = import(&midwatch, &format!("{}{bad}\n\n{}", good("a"), good("b")));
        assert_eq!(status, 400, "{reason}: {text}");
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&body["accepted"], &body["rejected"][0]["reason"]), (&2.into(), &reason.into()), "{i}: {body}");
        assert!(text.len() < 2_000, "an answer quotes little: {}", text.len());
        let counter = format!("midwatch_samples_rejected_total{{reason=\"{reason}\",source=\"import\"}}");
        assert!(midwatch.own(&counter) >= 1.0, "{counter}");
        for name in ["a", "b"] {
            assert_eq!(midwatch.value(&format!("good_{i}_{name}")), Ok(i as f64));
        }
    }
    assert_eq!(midwatch.query("bad"), []);
    let gzip = midwatch.post("/api/v1/import", &[("Content-Encoding", "gzip")], b"x").unwrap();
    assert_eq!(gzip.status, 415, "{}", gzip.text());
}
