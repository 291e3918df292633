//! The HTTP API as dashboards and scripts use it: Prometheus's shapes, errors that say where and what to do, and limits that
//! hold against questions without bounds.

use crate::support::http::{Answer, ask, encode};
use crate::support::{Home, Midwatch, eventually, now_ms, series};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::net::TcpStream;

/// A server with a counter of two instances, one sample a second for five minutes up to now.
fn with_series(home: &Home) -> (Midwatch, i64) {
    let midwatch = home.serve_quietly();
    let end_ms = now_ms() / 1000 * 1000;
    let samples = |by: f64| -> Vec<(i64, f64)> {
        (0..=300).map(|i| (end_ms - 300_000 + i * 1000, i as f64 * by)).collect()
    };
    midwatch.write(&[
        series("api_requests_total", &[("instance", "a"), ("job", "api")], &samples(2.0)),
        series("api_requests_total", &[("instance", "b"), ("job", "api")], &samples(3.0)),
        series("api_info", &[("version", "1.2")], &[(end_ms, 1.0)]),
    ]);
    (midwatch, end_ms)
}

#[test]
fn questions_are_answered_as_prometheus_does() {
    let home = Home::new();
    let (midwatch, end_ms) = with_series(&home);
    let end = end_ms / 1000;
    let at = |promql: &str| midwatch.data(&format!("/api/v1/query?time={end}&query={}", encode(promql)));
    assert_eq!(
        at("sum by (job) (rate(api_requests_total[1m]))"),
        json!({"resultType": "vector", "result": [{"metric": {"job": "api"}, "value": [end, "5"]}]})
    );
    assert_eq!(at("1 + 1"), json!({"resultType": "scalar", "result": [end, "2"]}));
    assert_eq!(at("\"text\"")["resultType"], "string");
    assert_eq!(at("api_info[5m]")["result"][0]["values"], json!([[end, "1"]]));
    assert_eq!(at("no_such_thing"), json!({"resultType": "vector", "result": []}));

    let form = format!(
        "query={}&start={}&end={end}&step=30",
        encode("api_requests_total{instance=\"a\"}"),
        end - 60
    );
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let posted = midwatch.post("/api/v1/query_range", &headers, form.as_bytes()).unwrap().json();
    assert_eq!(
        posted["data"]["result"][0]["values"],
        json!([[end - 60, "480"], [end - 30, "540"], [end, "600"]]),
        "{posted}"
    );
    assert_eq!(midwatch.get(&format!("/api/v1/query_range?{form}")).json(), posted);
}

#[test]
fn what_there_is_can_be_listed() {
    let home = Home::new();
    let (midwatch, _) = with_series(&home);
    assert_eq!(midwatch.data("/api/v1/labels"), json!(["__name__", "instance", "job", "version"]));
    assert_eq!(midwatch.data("/api/v1/label/instance/values"), json!(["a", "b"]));
    assert_eq!(midwatch.data("/api/v1/label/__name__/values"), json!(["api_info", "api_requests_total"]));
    assert_eq!(midwatch.data("/api/v1/label/job/values?match[]=api_info"), json!([]));
    let found = midwatch.data("/api/v1/series?match[]=api_info");
    assert_eq!(found, json!([{"__name__": "api_info", "version": "1.2"}]));
    assert_eq!(midwatch.get("/api/v1/series").status, 400);
    let build = midwatch.data("/api/v1/status/buildinfo");
    assert_eq!(build["midwatchVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(midwatch.data("/api/v1/status/tsdb")["headStats"]["numSeries"], 3);
    assert_eq!(midwatch.data("/api/v1/status/flags")["retention"], "30d");
    assert_eq!([midwatch.get("/-/ready").status, midwatch.get("/-/healthy").status], [200, 200]);
    for path in ["/api/v1/nothing", "/api/v2/query"] {
        let answer = midwatch.get(path);
        assert_eq!((answer.status, &answer.json()["errorType"]), (404, &"not_found".into()), "{path}");
    }
}

#[test]
fn a_query_that_is_wrong_is_told_where_and_how() {
    let home = Home::new();
    let (midwatch, _) = with_series(&home);
    let error = |promql: &str| -> Json {
        let answer = midwatch.get(&format!("/api/v1/query?query={}", encode(promql)));
        assert!((400..500).contains(&answer.status), "{promql}: {}", answer.text());
        let body = answer.json();
        assert_eq!(body["status"], "error", "{promql}: {body}");
        body
    };
    let body = error("sum(rat(api_info[5m]))");
    assert_eq!(body["position"], json!({"start": 4, "end": 7}), "{body}");
    assert!(body["hint"].as_str().unwrap().starts_with("did you mean ra"), "{body}");
    for (promql, part) in [
        ("", "query"),
        ("sum(", "parse error"),
        ("rate(api_info)", "range vector"),
        ("api_info{version=~\"(\"}", "unclosed group"),
        ("api_info + on(x) group_left api_requests_total", ""),
        ("{}", "matcher"),
        ("api_info[0s]", ""),
        ("\u{0}\u{7f}é", "parse error"),
    ] {
        let body = error(promql);
        assert!(body["error"].as_str().unwrap().contains(part), "{promql}: {body}");
    }
}

#[test]
fn questions_without_bounds_are_refused_and_the_rest_is_answered() {
    let home = Home::new();
    let (midwatch, end_ms) = with_series(&home);
    let end = end_ms / 1000;
    let nested = |n: usize| format!("{}api_info{}", "(".repeat(n), ")".repeat(n));
    let range = |promql: &str, start: &str, end: &str, step: &str| {
        format!("/api/v1/query_range?query={}&start={start}&end={end}&step={step}", encode(promql))
    };
    let refused: Vec<String> = vec![
        range("api_info", "0", &end.to_string(), "1"),
        range("api_info", "-9100000000000000", "9100000000000000", "1"),
        range("api_info", "nan", "inf", "1"),
        range("api_info", &end.to_string(), &end.to_string(), "0"),
        range("api_info", &end.to_string(), &end.to_string(), "-1"),
        range("api_info", &end.to_string(), "0", "1"),
        format!("/api/v1/query?query={}", encode(&nested(5_000))),
        "/api/v1/query?query=up&time=noon".into(),
        "/api/v1/query?query=up&timeout=-1".into(),
        "/api/v1/query?query=up&limit=-1".into(),
        "/api/v1/query".into(),
    ];
    let check = |path: &str, answer: &std::io::Result<Answer>| {
        let path: String = path.chars().take(120).collect();
        let answer = answer.as_ref().unwrap_or_else(|e| panic!("{path}: {e}"));
        let wrong = !(400..500).contains(&answer.status);
        assert!(!wrong, "{path}: {} {:.300}", answer.status, answer.text());
        assert_eq!(answer.json()["status"], "error", "{path}");
    };
    refused.iter().for_each(|path| check(path, &midwatch.try_get(path)));
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    for length in [70_000, 5 << 20] {
        let form = format!("query={}", "a".repeat(length));
        check(&form, &midwatch.post("/api/v1/query", &headers, form.as_bytes()));
    }
    // Long is not the same as without bounds.
    assert_eq!(midwatch.value(&format!("api_info{}", "+api_info".repeat(4_000))), Ok(4_001.0));
    // At the ends of time there is nothing, and it is said at once.
    for (promql, time) in [
        ("api_info offset 292000000y", "0"),
        ("api_info @ 9100000000000000", "0"),
        ("rate(api_requests_total[100y])", "-9100000000000000"),
        ("api_info offset -100y", "9100000000000000"),
        ("max_over_time(api_info[100y:1y] offset -100y)", "9100000000000000"),
        ("timestamp(api_info)", "-9100000000000000"),
    ] {
        let path = format!("/api/v1/query?query={}&time={time}", encode(promql));
        let answer = midwatch.try_get(&path).unwrap_or_else(|e| panic!("{promql} at {time}: {e}"));
        assert!(answer.status < 500, "{promql} at {time}: {} {}", answer.status, answer.text());
    }
    assert_eq!(midwatch.value("api_info"), Ok(1.0));
}

#[test]
fn a_query_that_takes_too_long_is_ended() {
    let home = Home::new();
    let (midwatch, end_ms) = with_series(&home);
    let samples: Vec<(i64, f64)> = (0..300).map(|i| (end_ms - i * 1000, (i * 7 % 50) as f64)).rev().collect();
    let many: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    midwatch.write(&many.iter().map(|i| series("heavy", &[("i", i)], &samples)).collect::<Vec<_>>());
    let quantiles: Vec<String> = (0..20).map(|i| format!("quantile_over_time(0.{i}, heavy[5m])")).collect();
    let path = format!(
        "/api/v1/query_range?query={}&start={}&end={}&step=1&timeout=100ms",
        encode(&quantiles.join("+")),
        end_ms / 1000 - 10_000,
        end_ms / 1000
    );
    let started = std::time::Instant::now();
    let answer = midwatch.get(&path);
    assert_eq!(answer.status, 503, "{:.300}", answer.text());
    let body = answer.json();
    assert_eq!(body["errorType"], "timeout", "{body}");
    assert!(body["hint"].as_str().unwrap().contains("ask for fewer"), "{body}");
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert_eq!(midwatch.value("api_info"), Ok(1.0), "others are answered");
}

#[test]
fn many_at_once_and_some_that_hang() {
    let home = Home::new();
    let (midwatch, _) = with_series(&home);
    // Slow ones hold their connections, and nothing else.
    let mut slow: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(midwatch.address).unwrap()).collect();
    slow.iter_mut().for_each(|s| s.write_all(b"GET /api/v1/query?query=up HTTP/1.1\r\nHost: 127").unwrap());
    let path = format!("/api/v1/query?query={}", encode("sum(rate(api_requests_total[1m]))"));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..60).map(|_| scope.spawn(|| midwatch.get(&path))).collect();
        for answer in all.into_iter().map(|one| one.join().unwrap()) {
            assert!(matches!(answer.status, 200 | 429), "{}: {}", answer.status, answer.text());
            if answer.status == 429 {
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
    });
    drop(slow);
    eventually("their places are free again", || match midwatch.own("midwatch_http_connections") {
        open if open <= 5.0 => Ok(()),
        open => Err(format!("{open} connections")),
    });
}

#[test]
fn requests_that_are_no_http_do_no_harm() {
    let home = Home::new();
    let (midwatch, _) = with_series(&home);
    let long = format!("GET /{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "a".repeat(1 << 20));
    let headers = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n", "A: b\r\n".repeat(10_000));
    let two_lengths =
        "POST /api/v1/import HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx";
    let no_host = "GET /api/v1/labels HTTP/1.1\r\nConnection: close\r\n\r\n";
    for bytes in
        [&long, &headers, two_lengths, no_host, "\u{0}\u{1}\u{2}\r\n\r\n", "\r\n\r\n\r\n", "GET\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(midwatch.address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{:.60}: {text:.300}", bytes);
    }
    let odd = [
        "/api/v1/label/%ff/values",
        "/api/v1/label/U__zz/values",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/../etc/passwd",
    ];
    for path in odd {
        let answer = midwatch.get(path);
        assert!(answer.status < 500 && !answer.text().contains("root:"), "{path}: {}", answer.text());
    }
    for method in ["DELETE", "PUT", "TRACE", "CONNECT", "OPTIONS"] {
        let answer = ask(midwatch.address, method, "/api/v1/query", &[], &[]).unwrap();
        assert!((400..500).contains(&answer.status), "{method}: {}", answer.status);
    }
    assert_eq!(midwatch.value("api_info"), Ok(1.0));
}
