//! Tests of exposition: tables of input and what is wanted.

use super::*;
use crate::Limits;
use crate::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};
use model::RejectReason;

fn message(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    build(&mut out);
    out
}

fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    let pair = message(|m| {
        put_bytes_field(m, 1, name.as_bytes());
        put_bytes_field(m, 2, value.as_bytes());
    });
    put_bytes_field(out, 1, &pair);
}

fn family(out: &mut Vec<u8>, name: &str, kind: u64, metrics: &[Vec<u8>]) {
    let family = message(|m| {
        // Metrics first: the name may stand anywhere.
        metrics.iter().for_each(|metric| put_bytes_field(m, 4, metric));
        put_bytes_field(m, 1, name.as_bytes());
        put_bytes_field(m, 2, b"Help.");
        put_varint_field(m, 3, kind);
    });
    put_varint(out, family.len() as u64);
    out.extend(family);
}

/// One family of each kind; a native histogram last.
pub(crate) fn sample() -> Vec<u8> {
    let value = |field: u32, v: f64, labels: &[(&str, &str)]| {
        message(|m| {
            labels.iter().for_each(|(n, v)| label(m, n, v));
            put_bytes_field(m, field, &message(|m| put_double_field(m, 1, v)));
        })
    };
    let summary = message(|m| {
        put_varint_field(m, 1, 7);
        put_double_field(m, 2, 3.5);
        let quantile = message(|m| {
            put_double_field(m, 1, 0.5);
            put_double_field(m, 2, 0.25);
        });
        put_bytes_field(m, 3, &quantile);
    });
    let histogram = message(|m| {
        put_varint_field(m, 1, 9);
        put_double_field(m, 2, 4.5);
        for (bound, count) in [(0.005, 2), (1.0, 8), (1e6, 8)] {
            let bucket = message(|m| {
                put_varint_field(m, 1, count);
                put_double_field(m, 2, bound);
            });
            put_bytes_field(m, 3, &bucket);
        }
    });
    // Schema 3 and a zero threshold of 0.5: what it says beside the classic buckets.
    let native_part = |m: &mut Vec<u8>| {
        put_varint_field(m, 5, 6);
        put_double_field(m, 6, 0.5);
        put_varint_field(m, 7, 2);
        put_bytes_field(m, 12, &message(|span| put_varint_field(span, 2, 2)));
        put_bytes_field(m, 13, &[8, 1]);
        put_bytes_field(m, 15, &message(|t| put_varint_field(t, 1, 4)));
    };
    let native = message(|m| {
        put_varint_field(m, 1, 9);
        put_double_field(m, 2, 1.25);
        native_part(m);
    });
    let both = message(|m| {
        m.extend(&histogram);
        native_part(m);
    });
    let floats = message(|m| {
        put_double_field(m, 4, 2.75);
        put_double_field(m, 8, 0.25);
        put_bytes_field(m, 9, &message(|span| put_varint_field(span, 2, 1)));
        put_double_field(m, 11, 2.5);
    });
    let broken = message(|m| {
        put_varint_field(m, 1, 10);
        native_part(m);
    });
    let counter = message(|m| {
        let value = message(|m| {
            put_double_field(m, 1, 8.0);
            put_bytes_field(m, 3, &message(|t| put_varint_field(t, 1, 3)));
        });
        put_bytes_field(m, 3, &value);
    });
    message(|out| {
        let timed = message(|m| {
            m.extend(value(2, -1.0, &[]));
            put_varint_field(m, 6, 5_000);
        });
        family(out, "c_total", 0, &[value(3, 2.0, &[("a", "1")]), value(3, 3.0, &[("a", "2")])]);
        family(out, "g", 1, &[timed]);
        family(out, "s", 2, &[message(|m| put_bytes_field(m, 4, &summary))]);
        family(out, "u", 3, &[value(5, 0.0, &[])]);
        family(out, "h", 4, &[message(|m| put_bytes_field(m, 7, &histogram))]);
        family(out, "n", 4, &[message(|m| put_bytes_field(m, 7, &native))]);
        family(out, "b", 4, &[message(|m| put_bytes_field(m, 7, &both))]);
        family(out, "f", 5, &[message(|m| put_bytes_field(m, 7, &floats))]);
        family(out, "w", 4, &[message(|m| put_bytes_field(m, 7, &broken))]);
        family(out, "started_total", 0, &[counter]);
    })
}

#[test]
fn every_kind_becomes_its_series() {
    let limits = Limits::default();
    let scrape = Scrape { format: Format::Protobuf, at_ms: 9_000, limits: &limits };
    let decoded = decode(&sample(), scrape).unwrap();
    let shown: Vec<String> = decoded
        .batch
        .samples
        .iter()
        .map(|s| format!("{} {} {}", decoded.batch.series[s.series as usize], s.value, s.timestamp_ms))
        .collect();
    let want = r#"c_total{a="1"} 2 9000
c_total{a="2"} 3 9000
g -1 5000
s{quantile="0.5"} 0.25 9000
s_count 7 9000
s_sum 3.5 9000
u 0 9000
h_bucket{le="0.005"} 2 9000
h_bucket{le="1.0"} 8 9000
h_bucket{le="1e+06"} 8 9000
h_bucket{le="+Inf"} 9 9000
h_count 9 9000
h_sum 4.5 9000
b_bucket{le="0.005"} 2 9000
b_bucket{le="1.0"} 8 9000
b_bucket{le="1e+06"} 8 9000
b_bucket{le="+Inf"} 9 9000
b_count 9 9000
b_sum 4.5 9000
started_total 8 9000"#;
    assert_eq!(shown.join("\n"), want);
    let histograms: Vec<String> = decoded
        .batch
        .histograms
        .iter()
        .map(|h| {
            let (labels, g) = (&decoded.batch.series[h.series as usize], &h.at.histogram);
            let (positive, negative) = (&g.positive.counts, &g.negative.counts);
            let zero = (g.zero_count, g.zero_threshold);
            let (hint, start) = (g.hint, h.at.start_ms);
            format!(
                "{labels} {hint:?} {} {} {zero:?} {positive:?} {negative:?} since {start}",
                g.count, g.sum
            )
        })
        .collect();
    let want = [
        "n Unknown 9 1.25 (2.0, 0.5) [4.0, 3.0] [] since 4000",
        "b Unknown 9 4.5 (2.0, 0.5) [4.0, 3.0] [] since 4000",
        "f Gauge 2.75 0 (0.25, 0.0) [] [2.5] since 0",
    ];
    assert_eq!(histograms, want);
    // Every series of a metric that says since when it counts has that.
    let places =
        |first: usize, n: usize, start_ms: i64| (first..first + n).map(move |i| (i as u32, start_ms));
    let started = decoded.batch.samples.len() - 1;
    let want: Vec<(u32, i64)> = places(started - 6, 6, 4_000).chain(places(started, 1, 3_000)).collect();
    assert_eq!(decoded.batch.starts, want);
    assert_eq!(decoded.rejects.len(), 1);
    assert_eq!((decoded.rejects[0].reason, decoded.rejects[0].samples), (RejectReason::Malformed, 1));
    let words =
        "metric family 9: w: a native histogram: its buckets hold 9 observations, and its count is 10";
    assert_eq!(decoded.rejects[0].message, words);
    let kinds: Vec<_> = decoded.batch.metadata.iter().map(|m| m.kind.as_str()).collect();
    let want = ["counter", "gauge", "summary", "unknown", "histogram", "histogram", "histogram"];
    assert_eq!(kinds[..7], want);
    assert_eq!(kinds[7..], ["gaugehistogram", "histogram", "counter"]);
}

/// A native histogram that is not there any more ends as one.
#[test]
fn series_end_as_what_they_were() {
    let limits = Limits::default();
    let mut cache = crate::scrape::ScrapeCache::new(crate::scrape::Target::default());
    let scrape = |at_ms| Scrape { format: Format::Protobuf, at_ms, limits: &limits };
    cache.scrape(&sample(), scrape(1_000)).unwrap();
    let gone = cache.scrape(&[], scrape(2_000)).unwrap();
    let batch = &gone.decoded.batch;
    assert!(batch.samples.iter().all(|s| model::is_stale(s.value)));
    assert!(batch.histograms.iter().all(|h| h.at.histogram.is_stale() && h.at.timestamp_ms == 2_000));
    let mut names: Vec<_> = batch.histograms.iter().map(|h| batch.series[h.series as usize].name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["b", "f", "n"]);
    assert_eq!(gone.series_vanished as usize, batch.samples.len() + batch.histograms.len());
}

#[test]
fn a_cut_answer_fails_as_a_whole() {
    let limits = Limits::default();
    let body = sample();
    let scrape = Scrape { format: Format::Protobuf, at_ms: 0, limits: &limits };
    assert!(decode(&body[..body.len() - 1], scrape).is_err());
}

#[test]
fn exemplars_of_counters_and_buckets() {
    let exemplar = |trace: &str, value: f64, at: Option<(u64, u64)>| {
        message(|out| {
            label(out, "trace_id", trace);
            put_double_field(out, 2, value);
            if let Some((seconds, nanos)) = at {
                let time = message(|out| {
                    put_varint_field(out, 1, seconds);
                    put_varint_field(out, 2, nanos);
                });
                put_bytes_field(out, 3, &time);
            }
        })
    };
    let counter = message(|out| {
        put_double_field(out, 1, 5.0);
        put_bytes_field(out, 2, &exemplar("c", 1.0, None));
    });
    let bucket = message(|out| {
        put_varint_field(out, 1, 3);
        put_double_field(out, 2, 0.5);
        put_bytes_field(out, 3, &exemplar("b", 0.25, Some((2, 500_000_000))));
    });
    let histogram = message(|out| {
        put_varint_field(out, 1, 3);
        put_bytes_field(out, 3, &bucket);
    });
    let mut body = Vec::new();
    family(&mut body, "c_total", 0, &[message(|out| put_bytes_field(out, 3, &counter))]);
    family(&mut body, "h", 4, &[message(|out| put_bytes_field(out, 7, &histogram))]);
    let limits = Limits::default();
    let decoded = decode(&body, Scrape { format: Format::Protobuf, at_ms: 1_000, limits: &limits }).unwrap();
    assert_eq!(decoded.rejects, []);
    let batch = &decoded.batch;
    let shown: Vec<String> = batch
        .exemplars
        .iter()
        .map(|e| format!("{} {} {} @{}", batch.series[e.series as usize], e.labels, e.value, e.timestamp_ms))
        .collect();
    assert_eq!(
        shown,
        ["c_total {trace_id=\"c\"} 1 @1000", "h_bucket{le=\"0.5\"} {trace_id=\"b\"} 0.25 @2500"]
    );
}
