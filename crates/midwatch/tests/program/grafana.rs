//! What Grafana's Prometheus data source asks, asked in its way: queries posted as forms, lists with ranges and limits, names
//! escaped for URLs, and the questions by which it finds out what it talks to.

use crate::support::http::{Answer, ask, encode};
use crate::support::{Home, Midwatch, now_ms, number, series};
use serde_json::{Value as Json, json};

/// Its client: `Go`'s, with compression, and forms for what may be long.
struct Grafana<'a>(&'a Midwatch);

impl Grafana<'_> {
    fn send(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> =
            parameters.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        // As Go writes forms: a space is a plus.
        let form = pairs.join("&").replace("%20", "+");
        let common = [("User-Agent", "Grafana/12.3.0"), ("Accept", "application/json, text/plain, */*")];
        let answer = match method {
            "POST" => {
                let form_type = ("Content-Type", "application/x-www-form-urlencoded");
                ask(self.0.address, "POST", path, &[common[0], common[1], form_type], form.as_bytes())
            }
            _ => ask(self.0.address, "GET", &format!("{path}?{form}"), &common, &[]),
        };
        answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    fn ask(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> Json {
        let answer = self.send(method, path, parameters);
        assert_eq!(answer.status, 200, "{method} {path} {parameters:?}: {}", answer.text());
        assert!(answer.header("content-type").starts_with("application/json"), "{}", answer.head);
        let mut body = answer.json();
        assert_eq!(body["status"], "success", "{path}: {body}");
        body["data"].take()
    }

    /// The same by both methods: which one is a setting of the data source.
    fn both(&self, path: &str, parameters: &[(&str, &str)]) -> Json {
        let posted = self.ask("POST", path, parameters);
        assert_eq!(self.ask("GET", path, parameters), posted, "{path}");
        posted
    }
}

/// A rate of 3 in 15 s.
fn is_a_fifth(value: &Json) -> bool {
    (number(value) - 0.2).abs() < 1e-9
}

#[test]
fn everything_that_its_data_source_asks_is_answered() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let end_ms = now_ms() / 15_000 * 15_000;
    let samples: Vec<(i64, f64)> =
        (0..=40).map(|i| (end_ms - 600_000 + i * 15_000, i as f64 * 3.0)).collect();
    let at = [(end_ms, 1.0)];
    midwatch.write(&[
        series("http_requests_total", &[("code", "200"), ("job", "shop & co")], &samples),
        series("http_requests_total", &[("code", "500"), ("job", "shop & co")], &samples),
        series("http.server.duration", &[("http.route", "/cart")], &at),
        series("ALERTS", &[("alertname", "Down"), ("alertstate", "firing")], &at),
    ]);
    let grafana = Grafana(&midwatch);
    let (start, end) = ((end_ms - 600_000) / 1000, end_ms / 1000);
    let (start, end) = (start.to_string(), end.to_string());
    let range = [("start", start.as_str()), ("end", end.as_str())];

    // "Save & test": a sum at 1970-01-01T00:00:04Z, then what kind of server this is.
    let sum = grafana.ask("POST", "/api/v1/query", &[("query", "1+1"), ("time", "4")]);
    assert_eq!(sum, json!({"resultType": "scalar", "result": [4, "2"]}));
    let build = grafana.ask("GET", "/api/v1/status/buildinfo", &[]);
    assert_eq!(
        (&build["features"], build["version"].is_string()),
        (&Json::Null, true),
        "not Mimir, not unknown"
    );
    let rules = grafana.ask("GET", "/api/v1/rules", &[]);
    assert_eq!(rules, json!({"groups": []}));
    grafana.ask("GET", "/api/v1/rules", &[("type", "alert"), ("exclude_alerts", "true")]);

    // A panel: steps of whole and of broken seconds.
    let promql = "sum by (code) (rate(http_requests_total{job=\"shop & co\"}[1m0s]))";
    for (step, points) in [("15", 40), ("7.5", 80)] {
        let asked = [("query", promql), range[0], range[1], ("step", step)];
        let panel = grafana.both("/api/v1/query_range", &asked);
        assert_eq!(panel["resultType"], "matrix");
        let row = &panel["result"][1];
        assert_eq!(row["metric"], json!({"code": "500"}));
        assert!(row["values"].as_array().unwrap().len() >= points - 4, "{row}");
        assert!(is_a_fifth(&row["values"][20][1]), "{row}");
    }
    let time = format!("{end}.123");
    let table = grafana.both("/api/v1/query", &[("query", promql), ("time", &time)]);
    let value = &table["result"][0]["value"];
    assert!(value[0] == time.parse::<f64>().unwrap() && is_a_fifth(&value[1]), "{table}");
    let asked = [("query", "http_requests_total"), range[0], range[1], ("step", "15"), ("timeout", "60s")];
    grafana.both("/api/v1/query_range", &asked);
    let none = grafana.both("/api/v1/query_exemplars", &[("query", promql), range[0], range[1]]);
    assert_eq!(none, json!([]));

    // The query builder, completion and variables.
    let limit = ("limit", "40000");
    let all = ("match[]", "{__name__!=\"\"}");
    let names = grafana.ask("GET", "/api/v1/label/__name__/values", &[limit, range[0], range[1]]);
    assert_eq!(names, json!(["ALERTS", "http.server.duration", "http_requests_total"]));
    let labels = grafana.both("/api/v1/labels", &[limit, range[0], range[1], all]);
    assert_eq!(labels, json!(["__name__", "alertname", "alertstate", "code", "http.route", "job"]));
    let of_metric = ("match[]", "{__name__=\"http_requests_total\",job=\"shop & co\"}");
    let labels = grafana.both("/api/v1/labels", &[limit, range[0], range[1], of_metric]);
    assert_eq!(labels, json!(["__name__", "code", "job"]));
    let codes = grafana.ask("GET", "/api/v1/label/code/values", &[limit, range[0], range[1], of_metric]);
    assert_eq!(codes, json!(["200", "500"]));
    // `http.route`, escaped as its escapeForUtf8Support does.
    let escaped = grafana.ask("GET", "/api/v1/label/U__http_2e_route/values", &[limit, range[0], range[1]]);
    assert_eq!(escaped, json!(["/cart"]));
    let quoted = ("match[]", "{\"http.server.duration\", \"http.route\"!=\"\"}");
    let found = grafana.both("/api/v1/series", &[range[0], range[1], quoted, limit]);
    assert_eq!(found, json!([{"__name__": "http.server.duration", "http.route": "/cart"}]));
    let found = grafana.both("/api/v1/series", &[range[0], range[1], all, ("limit", "2")]);
    assert_eq!(found.as_array().unwrap().len(), 2);
    let metadata = grafana.ask("GET", "/api/v1/metadata", &[("limit", "40000"), ("limit_per_metric", "1")]);
    assert!(metadata.is_object(), "{metadata}");
    let metadata = grafana.ask("GET", "/api/v1/metadata", &[("metric", "none")]);
    assert_eq!(metadata, json!({}));

    // Expressions, annotations of alerts, and an error that the panel shows.
    assert_eq!(grafana.both("/api/v1/format_query", &[("query", "a+b")]), "a + b");
    assert_eq!(grafana.both("/api/v1/parse_query", &[("query", "a+b")])["type"], "binaryExpr");
    let asked = [("query", "ALERTS{alertstate=\"firing\"}"), range[0], range[1], ("step", "60")];
    grafana.both("/api/v1/query_range", &asked);
    for method in ["GET", "POST"] {
        let answer = grafana.send(method, "/api/v1/query", &[("query", "sum("), ("time", &time)]);
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["status"], &body["errorType"]),
            (400, &json!("error"), &json!("bad_data"))
        );
        assert!(body["error"].as_str().unwrap().contains("parse error"), "{body}");
    }
    // What is only read is not posted: it tries again with GET after this answer.
    assert_eq!(grafana.send("POST", "/api/v1/label/code/values", &[]).status, 405);
}
