//! Native histograms that nobody makes by accident: any query on them gives an answer or an error, in time, within the memory
//! that a query may take, and never a panic.

mod support;

use model::histogram::{BUCKETS_MAX, Buckets, CUSTOM_SCHEMA, ResetHint, Span};
use model::{Histogram, HistogramAt};
use query::{Limits, QueryOptions, instant, parse, range};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::ErrorKind;
use support::{Naive, labels};

/// Far more than any of these takes, far less than what quadratic time would.
const TIME_MAX: Duration = Duration::from_secs(10);

fn add(source: &mut Naive, series: &str, histograms: impl IntoIterator<Item = Histogram>) {
    let data = source.series_of(labels(series));
    for (i, h) in histograms.into_iter().enumerate() {
        let (timestamp_ms, start_ms) = (i as i64 * 10_000, [0, -5, i64::MAX, 3][i % 4]);
        data.histograms.push(HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(h) });
    }
}

/// As many buckets as are taken from outside, at this schema from this index on.
fn full(schema: i8, offset: i32, count: f64) -> Histogram {
    let positive = Buckets {
        spans: vec![Span { offset, length: BUCKETS_MAX as u32 }],
        counts: vec![count; BUCKETS_MAX],
    };
    Histogram { schema, count: count * BUCKETS_MAX as f64, sum: 1.0, positive, ..Histogram::default() }
}

const QUERIES: [&str; 34] = [
    "{x=~\".+\"}",
    "-{x=~\".+\"}",
    "{x=~\".+\"} * 1e300",
    "{x=~\".+\"} / 0",
    "{x=~\".+\"} </ 1.5",
    "{x=~\".+\"} >/ -1.5",
    "sum({x=~\".+\"})",
    "avg by (x) ({x=~\".+\"})",
    "count_values(\"v\", {x=\"1\"})",
    "limitk(3, {x=~\".+\"})",
    "topk(3, {x=~\".+\"})",
    "a + on () group_left () b",
    "a - on (x) a",
    "a == on (x) a",
    "a + on () fill(1) c",
    "histogram_quantile(0.5, {x=~\".+\"})",
    "histogram_quantiles({x=~\".+\"}, \"q\", 0, 0.5, 1)",
    "histogram_fraction(-Inf, 1, {x=~\".+\"})",
    "histogram_stddev({x=~\".+\"})",
    "histogram_count(sum({x=~\".+\"}))",
    "rate({x=~\".+\"}[1m])",
    "increase({x=~\".+\"}[1m] anchored)",
    "delta({x=~\".+\"}[1m] smoothed)",
    "irate({x=~\".+\"}[1m])",
    "idelta({x=~\".+\"}[1m])",
    "resets({x=~\".+\"}[1m])",
    "changes({x=~\".+\"}[1m])",
    "sum_over_time({x=~\".+\"}[1m])",
    "avg_over_time({x=~\".+\"}[1m])",
    "last_over_time({x=~\".+\"}[1m:7s])",
    "max_over_time({x=~\".+\"}[1m])",
    "{x=~\".+\"} smoothed",
    "start_timestamp({x=~\".+\"})",
    "label_replace({x=~\".+\"}, \"y\", \"$1\", \"x\", \"(.*)\")",
];

#[test]
fn histograms_that_break_every_rule_are_borne() {
    let odd = |offset: i32, schema: i8, counts: [f64; 2]| Histogram {
        schema,
        count: counts[0],
        sum: counts[1],
        zero_threshold: counts[1].abs(),
        zero_count: counts[0],
        hint: [ResetHint::Unknown, ResetHint::Reset, ResetHint::Gauge][(offset & 3) as usize % 3],
        positive: Buckets { spans: vec![Span { offset, length: 2 }], counts: counts.to_vec() },
        negative: Buckets { spans: vec![Span { offset, length: 3 }], counts: counts.to_vec() },
        custom_bounds: [1.0, f64::NAN, 0.0].into(),
    };
    let mut source = Naive::default();
    for (i, schema) in [-4, -1, 0, 8, CUSTOM_SCHEMA].into_iter().enumerate() {
        let all = [i32::MIN, -1080, 0, 1023, i32::MAX - 3].into_iter().flat_map(|offset| {
            [[1.0, 2.0], [f64::NAN, -1.0], [f64::INFINITY, f64::NAN], [1e308, 1e308]]
                .map(|counts| odd(offset, schema, counts))
        });
        add(&mut source, &format!("{}{{x=\"{i}\"}}", ["a", "b", "a", "c", "b"][i]), all);
    }
    for text in QUERIES {
        let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let _ = range(&source, &expr, -30_000, 250_000, 5_000, &QueryOptions::default());
        let _ = instant(&source, &expr, 60_000, &QueryOptions::default());
    }
}

#[test]
fn as_many_buckets_as_there_may_be_take_linear_time() {
    let mut source = Naive::default();
    for (i, (schema, offset)) in [(8, -5_000), (8, 90_000), (0, -5_000), (-4, 7)].into_iter().enumerate() {
        let grown = (0..8).map(|n| full(schema, offset, f64::from(n)));
        add(&mut source, &format!("{}{{x=\"{i}\"}}", ["a", "b", "a", "c"][i]), grown);
    }
    let begun = Instant::now();
    for text in QUERIES {
        let expr = parse(text).unwrap();
        let _ = range(&source, &expr, 0, 80_000, 20_000, &QueryOptions::default());
        assert!(begun.elapsed() < TIME_MAX * 3, "{text}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_million_spans_of_no_bucket_are_linear() {
    let mut spans = vec![Span { offset: 0, length: 0 }; 1_000_000];
    spans.push(Span { offset: 3, length: 1 });
    let h = Histogram {
        count: 1.0,
        sum: 1.0,
        positive: Buckets { spans, counts: vec![1.0] },
        ..Histogram::default()
    };
    let mut source = Naive::default();
    add(&mut source, "a{x=\"1\"}", [h.clone(), h]);
    let begun = Instant::now();
    for text in QUERIES {
        let _ = instant(&source, &parse(text).unwrap(), 10_000, &QueryOptions::default());
        assert!(begun.elapsed() < TIME_MAX, "{text}: {:?}", begun.elapsed());
    }
}

#[test]
fn memory_is_bounded() {
    let mut source = Naive::default();
    for i in 0..4 {
        add(&mut source, &format!("a{{x=\"{i}\"}}"), (0..4).map(|n| full(8, i * 10_000, f64::from(n))));
    }
    let limits = Limits { bytes_max: 6 << 20, ..Limits::default() };
    let options = QueryOptions { limits, ..QueryOptions::default() };
    // What is stored fits: 16 histograms of 80 kB. What these make of it at a thousand steps does not.
    for text in
        ["rate(a[1m])", "sum(a)", "avg_over_time(a[1m])", "a * 2 + on (x) a", "sum_over_time(a[1m:1s])"]
    {
        let e = range(&source, &parse(text).unwrap(), 0, 30_000, 30, &options).unwrap_err();
        assert_eq!(e.kind, ErrorKind::TooLarge, "{text}: {e}");
        assert_eq!(e.bound, Some("query.memory_max"), "{text}");
    }
    instant(&source, &parse("histogram_count(rate(a[1m]))").unwrap(), 30_000, &options).unwrap();
}
