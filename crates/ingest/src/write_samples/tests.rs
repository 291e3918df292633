//! What each format says, and that it reads back.

use super::*;
use crate::exposition::{self, decode};
use crate::{Limits, scrape::Scrape};

fn point(pairs: &[(&str, &str)], timestamp_ms: i64, value: PointValue) -> Point {
    Point { labels: Labels::from_pairs(pairs.iter().copied()).unwrap(), timestamp_ms, value }
}

fn number(pairs: &[(&str, &str)], timestamp_ms: i64, value: f64) -> Point {
    point(pairs, timestamp_ms, PointValue::Number(value))
}

fn written(format: Format, points: &[Point]) -> Vec<u8> {
    let mut out = Vec::new();
    format.write_family(&mut out, points);
    out.extend(format.end());
    out
}

#[test]
fn formats_by_header() {
    let protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for (header, want) in [
        ("", Format::Text(false)),
        ("*/*", Format::Text(false)),
        ("text/plain;version=0.0.4", Format::Text(false)),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", Format::Text(true)),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4", Format::OpenMetrics(false)),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.4", Format::Text(false)),
        (protobuf, Format::Protobuf),
        (exposition::ACCEPT, Format::OpenMetrics(true)),
    ] {
        assert_eq!(Format::from_accept(header), want, "{header}");
    }
}

#[test]
fn text_and_open_metrics() {
    let points = [
        number(&[("__name__", "up"), ("instance", "h:1"), ("x", "a\"\\\nb")], 1_500, 1.0),
        number(&[("__name__", "up")], 2_000, f64::NAN),
    ];
    assert_eq!(
        String::from_utf8(written(Format::Text(false), &points)).unwrap(),
        "# TYPE up untyped\nup{instance=\"h:1\",x=\"a\\\"\\\\\\nb\"} 1 1500\nup{instance=\"\"} NaN 2000\n"
    );
    assert_eq!(
        String::from_utf8(written(Format::OpenMetrics(false), &points)).unwrap(),
        "# TYPE up unknown\nup{instance=\"h:1\",x=\"a\\\"\\\\\\nb\"} 1 1.5\nup{instance=\"\"} NaN 2\n# EOF\n"
    );
    let odd = [number(&[("__name__", "my.name"), ("a.b", "c"), ("instance", "i")], 1, 1.0)];
    assert_eq!(
        String::from_utf8(written(Format::Text(true), &odd)).unwrap(),
        "# TYPE \"my.name\" untyped\n{\"my.name\",\"a.b\"=\"c\",instance=\"i\"} 1 1\n"
    );
    assert_eq!(
        String::from_utf8(written(Format::Text(false), &odd)).unwrap(),
        "# TYPE my_name untyped\nmy_name{a_b=\"c\",instance=\"i\"} 1 1\n"
    );
}

#[test]
fn a_histogram_in_text_has_count_and_sum_and_the_buckets_that_text_can_hold() {
    let custom = Histogram {
        schema: model::histogram::CUSTOM_SCHEMA,
        count: 6.0,
        sum: 9.5,
        positive: Buckets::from_pairs([(0, 1.0), (1, 2.0), (2, 3.0)]),
        custom_bounds: [0.5, 1.0].into(),
        ..Histogram::default()
    };
    let labels = [("__name__", "h"), ("instance", "i")];
    let points = [point(&labels, 1, PointValue::Histogram(Arc::new(custom)))];
    assert_eq!(
        String::from_utf8(written(Format::Text(false), &points)).unwrap(),
        "# TYPE h histogram\nh_bucket{instance=\"i\",le=\"0.5\"} 1 1\nh_bucket{instance=\"i\",le=\"1.0\"} 3 1\n\
         h_bucket{instance=\"i\",le=\"+Inf\"} 6 1\nh_count{instance=\"i\"} 6 1\nh_sum{instance=\"i\"} 9.5 1\n"
    );
}

#[test]
fn every_format_reads_back() {
    let points = [
        number(&[("__name__", "m"), ("instance", "i")], 1_000, 0.25),
        number(&[("__name__", "m"), ("instance", "j")], 2_000, -1e300),
    ];
    let limits = Limits::default();
    for (format, read) in [
        (Format::Text(true), exposition::Format::Text),
        (Format::OpenMetrics(true), exposition::Format::OpenMetrics),
        (Format::Protobuf, exposition::Format::Protobuf),
    ] {
        let body = written(format, &points);
        let scrape = Scrape { format: read, at_ms: 9, limits: &limits };
        let decoded = decode(&body, scrape).unwrap();
        assert_eq!(decoded.rejects, [], "{format:?}");
        let batch = &decoded.batch;
        let got: Vec<Point> = batch
            .samples
            .iter()
            .map(|s| Point {
                labels: batch.series[s.series as usize].clone(),
                timestamp_ms: s.timestamp_ms,
                value: PointValue::Number(s.value),
            })
            .collect();
        assert_eq!(got, points, "{format:?}");
        assert_eq!(exposition::Format::from_content_type(format.content_type()), Some(read));
    }
}

#[test]
fn a_native_histogram_is_whole_in_protobuf() {
    use crate::wire::{Field, Reader};
    let native = Histogram {
        schema: 3,
        count: 8.0,
        sum: 12.5,
        zero_threshold: 0.001,
        zero_count: 1.0,
        positive: Buckets::from_pairs([(-2, 1.0), (-1, 2.0), (3, 4.0)]),
        ..Histogram::default()
    };
    let labels = [("__name__", "h"), ("instance", "i")];
    // The number that is read of each field, messages aside.
    let fields = |message: &[u8]| {
        let (mut reader, mut all) = (Reader::new(message), Vec::new());
        while let Some((number, field)) = reader.field().unwrap() {
            match field {
                Field::Varint(n) => all.push(format!("{number}={n}")),
                Field::Fixed64(bits) => all.push(format!("{number}={}", f64::from_bits(bits))),
                Field::Bytes(part) => all.push(format!("{number}: {} bytes", part.len())),
                Field::Fixed32(_) => all.push(format!("{number}: four bytes")),
            }
        }
        all
    };
    let histogram_of = |h: Histogram| {
        let body = written(Format::Protobuf, &[point(&labels, 1_500, PointValue::Histogram(Arc::new(h)))]);
        let family = Reader::new(&body).delimited().unwrap().unwrap();
        let mut reader = Reader::new(family);
        let (mut kind, mut found) = (0, Vec::new());
        while let Some((number, field)) = reader.field().unwrap() {
            match number {
                3 => kind = field.varint().unwrap(),
                4 => {
                    let mut metric = Reader::new(field.bytes().unwrap());
                    while let Some((number, field)) = metric.field().unwrap() {
                        if number == 7 {
                            found = fields(field.bytes().unwrap());
                        }
                    }
                }
                _ => {}
            }
        }
        (kind, found)
    };
    let (kind, found) = histogram_of(native.clone());
    assert_eq!(kind, 4);
    // Schema 3 is written as 6: signs come last.
    let want =
        ["4=8", "2=12.5", "5=6", "6=0.001", "8=1", "12: 4 bytes", "12: 4 bytes", "14=1", "14=2", "14=4"];
    assert_eq!(found, want);
    let gauge = Histogram { hint: model::histogram::ResetHint::Gauge, ..Histogram::default() };
    let (kind, found) = histogram_of(gauge);
    assert_eq!(kind, 5);
    assert!(found.contains(&"12: 4 bytes".to_string()), "an empty one is native too: {found:?}");
}
