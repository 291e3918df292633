//! Tests of exposition: tables of input and what is wanted.

use super::*;
use crate::Limits;
use model::{MetricKind, RejectReason};

fn decoded(body: &[u8], format: Format) -> Decoded {
    decode(body, Scrape { format, at_ms: 9_000, limits: &Limits::default() }).unwrap()
}

fn shown(d: &Decoded) -> String {
    let line =
        |s: &model::Sample| format!("{} {} {}", d.batch.series[s.series as usize], s.value, s.timestamp_ms);
    d.batch.samples.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn prometheus_text() {
    let d = decoded(include_bytes!("sample.txt"), Format::Text);
    let want = r#"http_requests_total{code="200", method="post"} 1027 1395066363000
http_requests_total{code="400", method="post"} 3 1395066363000
msdos_file_access_time_seconds{error="Cannot find file:\n\"FILE.TXT\"", path="C:\\DIR\\FILE.TXT"} 1458255915 9000
metric_without_timestamp_and_labels 12.47 9000
something_weird{problem="division by zero"} inf -3982045
braces{a="}", b="{ \" ,"} 1 9000
http_request_duration_seconds_bucket{le="0.05"} 24054 9000
http_request_duration_seconds_bucket{le="+Inf"} 144320 9000
http_request_duration_seconds_sum 53423 9000
http_request_duration_seconds_count 144320 9000
{"my.metric", a="b", "c.d"="é"} NaN 9000
spaced{a="b", c="d"} 0.001 9000"#;
    assert_eq!(shown(&d), want);
    assert!(d.rejects.is_empty(), "{:?}", d.rejects);
    let meta: Vec<_> =
        d.batch.metadata.iter().map(|m| (m.metric.as_str(), m.kind, m.help.as_str())).collect();
    assert_eq!(
        meta,
        [
            ("http_requests_total", MetricKind::Counter, "The \\ total\nnumber."),
            ("http_request_duration_seconds", MetricKind::Histogram, ""),
            ("my.metric", MetricKind::Gauge, ""),
        ]
    );
}

#[test]
fn open_metrics() {
    let d = decoded(include_bytes!("sample.om.txt"), Format::OpenMetrics);
    let want = r#"acme_http_router_request_seconds_sum{method="GET", path="/api/v1"} 9036.32 9000
acme_http_router_request_seconds_count{method="GET", path="/api/v1"} 807283 9000
acme_http_router_request_seconds_created{method="GET", path="/api/v1"} 1605281325 9000
go_goroutines 69 1520879607789
foo_total 17 1520879607789
foo_total{a="b"} 18 9000
build_info{version="1.2"} 1 9000"#;
    assert_eq!(shown(&d), want);
    assert!(d.rejects.is_empty(), "{:?}", d.rejects);
    let meta: Vec<_> = d.batch.metadata.iter().map(|m| (m.metric.as_str(), m.unit.as_str())).collect();
    let names = ["acme_http_router_request_seconds", "go_goroutines", "foo_total", "build_info"];
    assert_eq!(meta, [(names[0], "seconds"), (names[1], ""), (names[2], ""), (names[3], "")]);
    assert_eq!(d.batch.metadata[0].help, "Latency though \"all\" of \"ACME\".");
}

#[test]
fn open_metrics_that_was_cut_fails_as_a_whole() {
    let limits = Limits::default();
    let scrape = Scrape { format: Format::OpenMetrics, at_ms: 0, limits: &limits };
    for body in ["a 1\n", "", "a 1\n# EO"] {
        assert!(decode(body.as_bytes(), scrape).unwrap_err().to_string().contains("# EOF"));
    }
    let more = decode(b"a 1\n# EOF\nb 2\n", scrape).unwrap();
    assert_eq!((more.batch.samples.len(), more.rejects[0].reason), (1, RejectReason::Malformed));
}

#[test]
fn a_bad_line_spoils_only_itself() {
    use RejectReason::*;
    let labels: String = (0..100).map(|i| format!("l{i}=\"1\",")).collect();
    for (line, reason, words) in [
        ("bad", Malformed, "line 2: there is no value: bad"),
        ("bad x", Malformed, "line 2: the value is not a number"),
        ("bad 1 x", Malformed, "line 2: the timestamp is not"),
        ("bad 1 1.5", Malformed, "milliseconds"),
        ("bad 1 2 3", Malformed, "more after the timestamp"),
        ("bad 1 # {} 1", Malformed, "timestamp"),
        ("bad{a=\"b\" 1", Malformed, "brace is not closed"),
        ("bad{a=\"b} 1", Malformed, "quote is not closed"),
        ("bad{a=b} 1", Malformed, "not in quotes"),
        ("bad{a} 1", Malformed, "not a label"),
        ("bad{a=\"1\"b=\"2\"} 1", Malformed, "comma is missing"),
        ("bad{,} 1", Malformed, "not a label"),
        ("bad{\"\"=\"x\"} 1", InvalidName, "empty name"),
        ("bad{a=\"1\",a=\"2\"} 1", DuplicateLabel, "\"a\" comes twice"),
        ("bad{\"other\"} 1", DuplicateLabel, "__name__"),
        ("{a=\"1\"} 1", InvalidName, "no metric name"),
        ("{} 1", InvalidName, "no metric name"),
        ("3bad 1", Malformed, "not a metric name"),
        ("b-ad 1", Malformed, "not a metric name"),
        ("<html> 1", Malformed, "not a metric name"),
        (&format!("bad{{{labels}}} 1"), TooManyLabels, "more than 64"),
        (&format!("bad{{a=\"{}\"}} 1", "x".repeat(5_000)), LabelTooLong, "5000 bytes"),
        ("good 3", DuplicateTimestamp, "line 2: good comes twice"),
    ] {
        let d = decoded(format!("good 1\n{line}\nlast 2\n").as_bytes(), Format::Text);
        assert_eq!(shown(&d), "good 1 9000\nlast 2 9000", "{line}");
        assert_eq!(d.rejects.len(), 1, "{line}");
        assert_eq!((d.rejects[0].reason, d.rejects[0].samples), (reason, 1), "{}", d.rejects[0].message);
        assert!(d.rejects[0].message.contains(words), "{} lacks {words}", d.rejects[0].message);
    }
    let d = decoded(b"good 1\nbad{a=\"\xff\"} 1\nlast 2", Format::Text);
    assert_eq!((d.batch.samples.len(), d.rejects[0].reason), (2, InvalidUtf8));
}

#[test]
fn exemplars_are_read_so_that_a_broken_line_is_seen() {
    for line in
        ["a_total 1 # x", "a_total 1 # {", "a_total 1 # {} ", "a_total 1 1 # {a=\"b\"} 1 2 3", "a 1 2 3"]
    {
        let d = decoded(format!("{line}\n# EOF\n").as_bytes(), Format::OpenMetrics);
        assert_eq!((d.batch.samples.len(), d.rejects[0].reason), (0, RejectReason::Malformed), "{line}");
    }
}

#[test]
fn content_types() {
    for (text, want) in [
        ("text/plain; version=0.0.4; charset=utf-8", Some(Format::Text)),
        ("text/plain", Some(Format::Text)),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Format::OpenMetrics)),
        (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            Some(Format::Protobuf),
        ),
        ("application/vnd.google.protobuf; proto=\"io.prometheus.client.MetricFamily\"; encoding=text", None),
        ("text/html; charset=utf-8", None),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(Format::from_content_type(text), want, "{text}");
    }
}

#[test]
fn what_looks_like_metrics() {
    for (body, want) in [
        (&include_bytes!("sample.txt")[..], true),
        (include_bytes!("sample.om.txt"), true),
        (b"a 1\nb 2\nc{x=\"y\"} 3\npartial{", true),
        (b"a 1\n", false),
        (b"<!DOCTYPE html>\n<html>\n", false),
        (b"{\"a\": 1}\n", false),
        (b"# TYPE a counter\n", false),
        (b"OK\n", false),
        (b"", false),
        (b"\xff\xfe\x00\n", false),
        (b"uptime 3\nusers 4\nload average: 0.5\n", false),
    ] {
        assert_eq!(looks_like_metrics(body), want, "{}", String::from_utf8_lossy(body));
    }
}
