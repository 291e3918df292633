//! How fast bodies are decoded: prints CPU time per sample (Linux; not the time on the wall, so that a busy machine gives
//! nearly the same numbers). Run it with `--release`.

use ingest::scrape::{Scrape, ScrapeCache, Target};
use ingest::{KnownLabels, Limits, exposition::Format, json_lines, otlp, remote_write};
use model::{Labels, SeriesData};
use std::fmt::Write;

fn main() {
    let limits = Limits::default();
    let mut body = String::new();
    for i in 0..100_000 {
        let (path, code) = (i / 10, i % 10);
        let _ = writeln!(
            body,
            "http_requests_total{{method=\"GET\",handler=\"/api/v1/path/{path}\",code=\"20{code}\",zone=\"eu-west-1a\"}} {i}.5"
        );
    }
    let target = Target {
        labels: Labels::from_pairs([("job", "shop"), ("instance", "10.0.0.1:8080")]).unwrap_or_default(),
        ..Target::default()
    };
    let mut cache = ScrapeCache::new(target);
    for what in ["text, 100,000 lines, first scrape", "text, 20 scrapes after it"] {
        let started = cpu_ns();
        let scrape = Scrape { format: Format::Text, at_ms: 1, limits: &limits };
        let times = if cache.series() == 0 { 1 } else { 20 };
        let n = (0..times).map(|_| cache.scrape(body.as_bytes(), scrape).map_or(0, |s| s.samples_kept)).sum();
        report(what, started, n, times * body.len());
    }
    for points in [1, 60] {
        let series: Vec<SeriesData> = (0..100_000 / points)
            .map(|i| SeriesData {
                labels: Labels::from_pairs([
                    ("__name__", "http_requests_total"),
                    ("handler", &format!("/api/v1/path/{i}")),
                    ("instance", "10.0.0.1:8080"),
                    ("job", "shop"),
                    ("method", "GET"),
                ])
                .unwrap_or_default(),
                timestamps_ms: (0..points as i64).collect(),
                values: vec![i as f64; points],
                ..Default::default()
            })
            .collect();
        let bodies = [("1.0", remote_write::encode(&series)), ("2.0", remote_write::v2::encode(&series))];
        for (version, body) in bodies {
            let known = KnownLabels::new(1_000_000);
            for what in ["first time", "again", "once more"] {
                let started = cpu_ns();
                let decoded = match version {
                    "1.0" => remote_write::decode(&body, &limits, &known),
                    _ => remote_write::v2::decode(&body, &limits, &known),
                };
                let n = decoded.as_ref().map_or(0, |d| d.batch.samples.len()) as u64;
                report(
                    &format!("remote write {version}, {points} samples a series, {what}"),
                    started,
                    n,
                    body.len(),
                );
                // The store would hold them.
                std::mem::forget(decoded);
            }
        }
        if points == 1 {
            otlp_speed(&limits);
        }
        let mut body = Vec::new();
        series.iter().for_each(|s| json_lines::write(&mut body, s));
        let started = cpu_ns();
        let n = json_lines::decode(&body, &limits).map_or(0, |d| d.batch.samples.len());
        report(&format!("JSON lines, {points} samples a series"), started, n as u64, body.len());
    }
}

/// A gauge with 100,000 points of five attributes.
fn otlp_speed(limits: &Limits) {
    let mut json = String::from(
        r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[{"name":"http.requests","gauge":{"dataPoints":["#,
    );
    for i in 0..100_000 {
        let comma = if i > 0 { "," } else { "" };
        let attribute =
            |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
        let attributes = [
            attribute("handler", &format!("/api/v1/path/{i}")),
            attribute("method", "GET"),
            attribute("zone", "eu"),
        ]
        .join(",");
        let _ = write!(
            json,
            r#"{comma}{{"timeUnixNano":"1700000000000000000","asDouble":{i}.5,"attributes":[{attributes}]}}"#
        );
    }
    json += "]}}]}]}]}";
    let settings = otlp::Settings { lookback_ms: 300_000, ..Default::default() };
    let known = KnownLabels::new(1_000_000);
    let started = cpu_ns();
    let message =
        otlp::metrics_message(json.clone().into_bytes(), otlp::Content::Json, limits).unwrap_or_default();
    report("OTLP, JSON to protobuf", started, 100_000, json.len());
    for what in ["first time", "again", "once more"] {
        let started = cpu_ns();
        let received = otlp::decode_metrics(&message, &settings, limits, &known, None);
        let n = received.as_ref().map_or(0, |r| r.decoded.batch.samples.len()) as u64;
        report(&format!("OTLP, protobuf, {what}"), started, n, message.len());
        std::mem::forget(received);
    }
}

fn report(what: &str, started: u64, samples: u64, bytes: usize) {
    let taken = cpu_ns().saturating_sub(started) as f64;
    let each = taken / samples.max(1) as f64;
    println!("{what:50} {samples:7} samples {bytes:9} bytes {:7.1} ms {each:7.0} ns/sample", taken / 1e6);
}

/// CPU time of this thread so far, in nanoseconds.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
