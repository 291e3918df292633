//! Between an answer and the client: compression, formats, pages of other origins, long answers, and clients that leave.

use crate::support::http::{Answer, ask, encode};
use crate::support::{Home, Midwatch, eventually, now_ms, series};
use serde_json::Value as Json;
use std::io::{Read, Write};
use std::net::TcpStream;

fn with(midwatch: &Midwatch, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(midwatch.address, method, path, headers, &[]).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
}

/// 300 series of 200 samples: an answer of more than a megabyte.
fn with_much(home: &Home, flags: &[&str]) -> (Midwatch, String) {
    let midwatch = home.serve(&[&["--no-host", "--no-discover"], flags].concat());
    let end_ms = now_ms() / 1000 * 1000;
    let samples: Vec<(i64, f64)> = (0..200).map(|i| (end_ms - i * 1000, i as f64 * 0.1)).rev().collect();
    let names: Vec<String> = (0..300).map(|i| format!("number-{i}")).collect();
    midwatch.write(&names.iter().map(|n| series("much", &[("i", n)], &samples)).collect::<Vec<_>>());
    let end = end_ms / 1000;
    (midwatch, format!("/api/v1/query_range?query=much&start={}&end={end}&step=1", end - 199))
}

#[test]
fn long_answers_come_whole_and_compressed() {
    let home = Home::new();
    let (midwatch, path) = with_much(&home, &[]);
    let plain = midwatch.get(&path);
    assert!(plain.body.len() > 1 << 20, "{} bytes", plain.body.len());
    assert_eq!(plain.header("transfer-encoding"), "chunked", "it is not built as a whole");
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.json()["data"]["result"].as_array().unwrap().len(), 300);
    for (accepted, want) in
        [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, deflate, br, zstd", "zstd"), ("br", "")]
    {
        let answer = with(&midwatch, "GET", &path, &[("Accept-Encoding", accepted)]);
        assert_eq!(answer.header("content-encoding"), want, "{accepted}");
        assert!(answer.header("vary").contains("accept-encoding"), "{}", answer.head);
        let body = match want {
            "gzip" => {
                let mut out = Vec::new();
                flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut out).unwrap();
                out
            }
            "zstd" => zstd::stream::decode_all(&answer.body[..]).unwrap(),
            _ => answer.body.clone(),
        };
        assert_eq!(body, plain.body, "{accepted}");
        assert!(want.is_empty() || answer.body.len() * 4 < plain.body.len(), "{} bytes", answer.body.len());
    }
    // A short one is not worth it, and one without a body has none.
    let short = with(&midwatch, "GET", "/api/v1/query?query=1", &[("Accept-Encoding", "gzip")]);
    assert_eq!(short.header("content-encoding"), "");
    let list = midwatch.get("/api/v1/series?match[]=much");
    assert_eq!(list.json()["data"].as_array().unwrap().len(), 300);
}

#[test]
fn who_takes_no_json_is_told() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    for (path, accept, want) in [
        ("/api/v1/labels", "application/json", 200),
        ("/api/v1/labels", "*/*", 200),
        ("/api/v1/labels", "text/html, */*;q=0.1", 200),
        ("/api/v1/labels", "text/csv", 406),
        ("/api/v1/query?query=1", "application/x-protobuf", 406),
        ("/api/v1/query?query=1", "application/json;q=0", 406),
        ("/metrics", "text/csv", 200),
        ("/-/ready", "text/csv", 200),
    ] {
        let answer = with(&midwatch, "GET", path, &[("Accept", accept)]);
        assert_eq!(answer.status, want, "{path} {accept}");
        if want == 406 {
            assert_eq!(answer.json()["errorType"], "not_acceptable");
            assert!(answer.text().contains("the answer is application/json"), "{}", answer.text());
        }
    }
}

#[test]
fn pages_of_other_origins_may_ask_only_if_they_are_named() {
    let ask_of = |midwatch: &Midwatch, method: &str, path: &str, origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        let answer = with(midwatch, method, path, &headers);
        (answer.status, answer.header("access-control-allow-origin").to_string())
    };
    let home = Home::new();
    let none = home.serve_quietly();
    let wall = "https://wall.example";
    assert_eq!(ask_of(&none, "GET", "/api/v1/query?query=1", wall), (200, String::new()));
    assert_eq!(ask_of(&none, "OPTIONS", "/api/v1/query", wall).0, 403);
    assert_eq!(ask_of(&none, "POST", "/api/v1/query?query=1", wall).0, 403);

    let home = Home::new();
    home.write("midwatch.toml", "[web]\ncors_origin = \"https://(wall|grafana)[.]example\"\n");
    let some = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    for (method, path, origin, want) in [
        ("GET", "/api/v1/query?query=1", wall, (200, wall)),
        ("OPTIONS", "/api/v1/query", wall, (204, wall)),
        ("POST", "/api/v1/query?query=1", wall, (200, wall)),
        ("GET", "/api/v1/query?query=1", "https://wall.example.evil", (200, "")),
        ("OPTIONS", "/api/v1/query", "https://wall.example.evil", (403, "")),
        ("POST", "/api/v1/query?query=1", "https://wall.example.evil", (403, "")),
        // To write is more than to ask.
        ("POST", "/api/v1/import", wall, (403, wall)),
        ("DELETE", "/api/v1/query", wall, (403, wall)),
    ] {
        let got = ask_of(&some, method, path, origin);
        assert_eq!(got, (want.0, want.1.to_string()), "{method} {path} {origin}");
    }
    for (host, status) in [("midwatch.internal:4004", 403), ("localhost:4004", 200), ("[::1]", 200)] {
        assert_eq!(with(&some, "GET", "/-/ready", &[("Host", host)]).status, status, "{host}");
    }
    let home = Home::new();
    home.write("midwatch.toml", "[web]\nhost_names = \"midwatch[.]internal\"\n");
    let named = home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"]);
    for (host, status) in [("midwatch.internal:4004", 200), ("MIDWATCH.internal", 200), ("evil.example", 403)]
    {
        assert_eq!(with(&named, "GET", "/-/ready", &[("Host", host)]).status, status, "{host}");
    }
    let home = Home::new();
    home.write("midwatch.toml", "[web]\ncors_origin = \"(\"\n");
    let refused = home.run(&["serve", "--listen", "127.0.0.1:0", "--config", "midwatch.toml"]);
    assert!(refused.stderr.contains("web.cors_origin is not a regular expression"), "{}", refused.stderr);
}

#[test]
fn a_client_that_leaves_stops_its_query() {
    let home = Home::new();
    home.write("midwatch.toml", "[query]\ntimeout = \"10m\"\n");
    let (midwatch, _) = with_much(&home, &["--config", "midwatch.toml"]);
    // Minutes of work: each of 30 quantiles sorts 200 samples of 300 series at 11,000 steps.
    let slow: Vec<String> = (10..40).map(|i| format!("quantile_over_time(0.{i}, much[5m:1s])")).collect();
    let end = now_ms() / 1000;
    let path = format!(
        "/api/v1/query_range?query={}&start={}&end={end}&step=1",
        encode(&slow.join(" + ")),
        end - 10_000
    );
    let running = || -> f64 {
        let limits: Json = midwatch.data("/api/v1/status/limits");
        let rows = limits["limits"].as_array().unwrap();
        let row = rows.iter().find(|r| r["name"] == "query.concurrent_max").unwrap();
        row["used"].as_f64().unwrap()
    };
    let mut stream = TcpStream::connect(midwatch.address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).unwrap();
    eventually("it runs", || if running() == 1.0 { Ok(()) } else { Err("not yet".into()) });
    assert_eq!(midwatch.own("midwatch_queries_abandoned_total"), 0.0);
    drop(stream);
    eventually("it is stopped", || match (midwatch.own("midwatch_queries_abandoned_total"), running()) {
        (1.0, 0.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let seconds = midwatch.own("midwatch_query_seconds_total");
    assert!(seconds < 60.0, "it worked for {seconds} s");
}
