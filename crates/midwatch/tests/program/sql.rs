//! SQL over HTTP and with `midwatch sql`: answers, formats, errors, limits.

use crate::support::{Home, Midwatch, series};

/// A server that has ten samples of two series, a quarter of an hour ago.
fn small(home: &Home) -> (Midwatch, i64) {
    let midwatch = home.serve_quietly();
    let start_ms = (crate::support::now_ms() / 60_000 - 15) * 60_000;
    let samples = |by: f64| (0..5).map(|i| (start_ms + i * 1_000, i as f64 * by)).collect::<Vec<_>>();
    midwatch.write(&[
        series("jobs_total", &[("job", "api")], &samples(1.0)),
        series("jobs_total", &[("job", "we\"b")], &samples(10.0)),
    ]);
    (midwatch, start_ms)
}

fn ask(midwatch: &Midwatch, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let answer = midwatch.post(path, headers, body.as_bytes()).unwrap();
    (answer.status, answer.text())
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn answers_over_http() {
    let home = Home::new();
    let (midwatch, _) = small(&home);
    let (status, body) = ask(
        &midwatch,
        "/api/v1/sql",
        &[JSON],
        r#"{"query": "SELECT labels['job'] AS job, sum(value) AS n FROM metrics WHERE labels['job'] = $1 GROUP BY 1", "params": ["api"]}"#,
    );
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &json["status"]), (200, &"success".into()), "{body}");
    assert_eq!(json["data"]["rows"], serde_json::json!([["api", 10]]));
    assert_eq!(json["data"]["columns"][1], serde_json::json!({ "name": "n", "type": "float" }));

    let text = "SELECT labels['job'] AS job, max(value) AS n FROM metrics GROUP BY 1 ORDER BY 1";
    let (status, body) = ask(&midwatch, "/api/v1/sql", &[("Accept", "text/csv")], text);
    assert_eq!((status, body.as_str()), (200, "job,n\r\napi,4\r\n\"we\"\"b\",40\r\n"));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let (_, body) = ask(&midwatch, "/api/v1/sql", &form, "query=SELECT+1+AS+one&format=csv");
    assert_eq!(body, "one\r\n1\r\n");
    // What curl sends with -d, and with --data-urlencode.
    for body in ["SELECT 'a=b&c' AS one", "SELECT%20%27a%3Db%26c%27%20AS%20one"] {
        let (_, answer) = ask(&midwatch, "/api/v1/sql?format=csv", &form, body);
        assert_eq!(answer, "one\r\na=b&c\r\n", "{body}");
    }
    let arrow = midwatch.post("/api/v1/sql?format=arrow", &[], text.as_bytes()).unwrap();
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    assert_eq!(&arrow.body[..4], [0xff; 4]);
    assert_eq!(&arrow.body[arrow.body.len() - 4..], [0; 4]);
    let (_, body) = ask(&midwatch, "/api/v1/sql?limit=3", &[], "SELECT value FROM metrics");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((json["truncated"].as_bool(), json["stats"]["rows"].as_u64()), (Some(true), Some(3)));
}

#[test]
fn errors_over_http_have_the_shape_of_all_others() {
    let home = Home::new();
    let (midwatch, _) = small(&home);
    for (body, status, kind, part) in [
        ("SELEC 1", 400, "bad_data", "this is not SQL"),
        ("SELECT nope FROM metrics", 400, "bad_data", "there is no column"),
        ("DROP TABLE metrics", 403, "forbidden", "made, changed or dropped"),
        ("SELECT 1/0", 422, "execution", "zero"),
        // It fails when much of the answer is on its way, and says so at its end.
        ("SELECT 1/(100000 - value) FROM generate_series(1, 100000)", 200, "execution", "zero"),
        (" ", 400, "bad_data", "missing"),
    ] {
        let (got, answer) = ask(&midwatch, "/api/v1/sql", &[], body);
        let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((got, json["errorType"].as_str()), (status, Some(kind)), "{body}: {answer}");
        assert!(json["error"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    let (_, answer) = ask(&midwatch, "/api/v1/sql", &[], "SELECT nope FROM metrics");
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(json["position"], serde_json::json!({ "start": 7, "end": 11 }));
    assert!(json["hint"].as_str().unwrap().contains("value"));
    for (headers, path, body, status) in [
        (vec![("Accept", "text/html")], "/api/v1/sql", "SELECT 1", 406),
        (vec![], "/api/v1/sql?format=xml", "SELECT 1", 400),
        (vec![JSON], "/api/v1/sql", "{\"q\": 1}", 400),
        (vec![JSON], "/api/v1/sql", "{\"query\": \"SELECT $1\", \"params\": [[1]]}", 400),
        (vec![JSON], "/api/v1/sql", "{\"query\": \"SELECT $1 + 1\"}", 422),
    ] {
        let (got, answer) = ask(&midwatch, path, &headers, body);
        assert_eq!(got, status, "{path} {body}: {answer}");
    }
}

#[test]
fn limits_end_a_query_and_are_counted() {
    let home = Home::new();
    let config = "[sql]\nrows_max = 1000\n[query]\nmemory_max = \"16MiB\"\ntimeout = \"1s\"\n";
    home.write("midwatch.toml", config);
    let midwatch = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    for (query, bound) in [
        ("SELECT value FROM generate_series(1, 5000)", "sql.rows_max"),
        ("SELECT * FROM generate_series(1, 100000000) ORDER BY 1 DESC", "query.memory_max"),
        ("SELECT count(*) FROM generate_series(1, 100000000000)", "query.timeout"),
    ] {
        let (_, answer) = ask(&midwatch, "/api/v1/sql", &[], query);
        assert!(answer.contains("\"status\":\"error\""), "{query}: {answer}");
        assert!(answer.contains(bound), "{query}: {answer}");
        let counted = midwatch.own(&format!("midwatch_limit_hits_total{{limit=\"{bound}\"}}"));
        assert_eq!(counted, 1.0, "{query}");
    }
    let (status, answer) = ask(
        &midwatch,
        "/api/v1/sql?timeout=100ms",
        &[],
        "SELECT count(*) FROM generate_series(1, 100000000000)",
    );
    assert!(status == 503 || answer.contains("\"errorType\":\"timeout\""), "{status} {answer}");
}

#[test]
fn the_command_line() {
    let home = Home::new();
    let (midwatch, start_ms) = small(&home);
    let url = format!("http://{}", midwatch.address);
    let run = |args: &[&str]| home.run(&[args, &["--url", &url]].concat());
    let count = "SELECT count(*) AS n FROM metrics";
    for (args, want) in [
        (vec!["sql", count], "n\r\n10\r\n".to_string()),
        (vec!["sql", count, "--format", "table"], " n\n10\n1 row\n".into()),
        (vec!["sql", "SELECT to_timestamp_millis(0)::text AS t"], "t\r\n1970-01-01T00:00:00Z\r\n".into()),
        (vec!["sql", "--file", "query.sql"], "n\r\n10\r\n".into()),
    ] {
        home.write("query.sql", count);
        let ended = run(&args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), want.as_str()),
            "{args:?}: {}",
            ended.stderr
        );
    }
    let json = run(&["sql", "SELECT min(time) AS t FROM metrics", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["data"]["rows"][0][0], model::time::format_rfc3339_ms(start_ms).replace(".000", ""));
    let bad = run(&["sql", "SELECT nope FROM metrics"]);
    assert_eq!(bad.code, Some(1));
    assert!(bad.stderr.contains("SELECT nope FROM metrics\n         ^^^^"), "{}", bad.stderr);
}

#[test]
fn queries_are_saved_by_name() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let save = |body: &str| ask(&midwatch, "/api/v1/saved_queries", &[JSON], body);
    let (status, body) = save(r#"{"name": "all", "language": "sql", "query": "SELECT 1"}"#);
    assert_eq!(status, 200, "{body}");
    assert_eq!(save(r#"{"name": "", "language": "sql", "query": "SELECT 1"}"#).0, 400);
    assert_eq!(save("{}").0, 400);
    assert_eq!(midwatch.stop().code, Some(0));
    let midwatch = home.serve_quietly();
    let list = midwatch.data("/api/v1/saved_queries");
    assert_eq!(list["queries"][0]["query"], "SELECT 1");
}
