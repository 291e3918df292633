//! Tests of remote write 2.0: tables of input and what is wanted.

use super::describe::family;
use super::*;
use crate::wire::{put_bytes_field, put_double_field, put_varint, put_varint_field};
use model::batch::STALE_NAN_BITS;
use model::{Metadata, MetricKind, SeriesData};

/// A request under construction: what no client would send can be sent.
#[derive(Default)]
struct Request {
    symbols: Vec<u8>,
    series: Vec<u8>,
}

impl Request {
    fn symbols(mut self, texts: &[&[u8]]) -> Request {
        texts.iter().for_each(|t| put_bytes_field(&mut self.symbols, 4, t));
        self
    }

    fn series(mut self, parts: &[Vec<u8>]) -> Request {
        put_bytes_field(&mut self.series, 5, &parts.concat());
        self
    }

    fn message(&self) -> Vec<u8> {
        [self.symbols.clone(), self.series.clone()].concat()
    }

    fn decode(&self) -> Decoded {
        decode_message(&self.message(), &Limits::default(), &KnownLabels::new(0)).unwrap()
    }
}

fn packed(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    numbers.iter().for_each(|n| put_varint(&mut out, *n));
    out
}

fn nested(number: u32, inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes_field(&mut out, number, inside);
    out
}

fn refs(numbers: &[u64]) -> Vec<u8> {
    nested(1, &packed(numbers))
}

fn a_sample(timestamp_ms: i64, value: f64, start_ms: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_double_field(&mut out, 1, value);
    put_varint_field(&mut out, 2, timestamp_ms as u64);
    put_varint_field(&mut out, 3, start_ms as u64);
    nested(2, &out)
}

fn an_exemplar(numbers: &[u64], value: f64, timestamp_ms: i64) -> Vec<u8> {
    let mut out = refs(numbers);
    put_double_field(&mut out, 2, value);
    put_varint_field(&mut out, 3, timestamp_ms as u64);
    nested(4, &out)
}

fn said(kind: u64, help: u64, unit: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint_field(&mut out, 1, kind);
    put_varint_field(&mut out, 3, help);
    put_varint_field(&mut out, 4, unit);
    nested(5, &out)
}

fn created(ms: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint_field(&mut out, 6, ms as u64);
    out
}

/// 0 "", 1 __name__, 2 m, 3 job, 4 shop, 5 trace_id, 6 abc, 7 What it is., 8 seconds.
fn table() -> Request {
    let texts = ["", "__name__", "m", "job", "shop", "trace_id", "abc", "What it is.", "seconds"];
    Request::default().symbols(&texts.map(str::as_bytes))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

#[test]
fn everything_that_a_series_can_hold() {
    let stale = f64::from_bits(STALE_NAN_BITS);
    let decoded = table()
        .series(&[
            refs(&[1, 2, 3, 4]),
            a_sample(2_000, 1.5, 1_000),
            a_sample(3_000, stale, 0),
            an_exemplar(&[5, 6], 0.5, 2_500),
            said(1, 7, 8),
        ])
        .series(&[
            refs(&[3, 4, 1, 2]),
            a_sample(-1, -0.0, 0),
            a_sample(5_000, 2.0, 4_500),
            created(4_000),
            said(1, 7, 8),
        ])
        .decode();
    assert_eq!(decoded.rejects, []);
    let batch = decoded.batch;
    let m = labels(&[("__name__", "m"), ("job", "shop")]);
    assert_eq!(batch.series, [m.clone(), m], "labels may come in any order");
    let bits: Vec<_> = batch.samples.iter().map(|s| (s.series, s.timestamp_ms, s.value.to_bits())).collect();
    let want = [(0, 2_000, 1.5), (0, 3_000, stale), (1, -1, -0.0), (1, 5_000, 2.0)];
    assert_eq!(bits, want.map(|(i, t, v): (u32, i64, f64)| (i, t, v.to_bits())));
    assert_eq!(
        batch.starts,
        [(0, 1_000), (2, 4_000), (3, 4_500)],
        "a sample's own start goes before its series'"
    );
    let exemplar = &batch.exemplars[0];
    assert_eq!((exemplar.series, exemplar.timestamp_ms, exemplar.value), (0, 2_500, 0.5));
    assert_eq!(exemplar.labels, labels(&[("trace_id", "abc")]));
    let metadata = Metadata {
        metric: "m".into(),
        kind: MetricKind::Counter,
        help: "What it is.".into(),
        unit: "seconds".into(),
    };
    assert_eq!(batch.metadata, [metadata], "said twice, kept once");
}

/// Each bad series between two good ones: the good ones are kept, the bad one is refused with its reason.
#[test]
fn one_bad_series_spoils_only_itself() {
    use RejectReason::*;
    let many: Vec<u64> = (0..70).flat_map(|i| [i % 9, 4]).collect();
    let at = || a_sample(1_000, 1.0, 0);
    let single = [8, 1, 8, 2].to_vec();
    for (parts, reason, words, lost) in [
        (vec![refs(&[1, 9]), at()], Malformed, "refers to symbol 9, but the request has 9", 2),
        (vec![refs(&[1, 2, u64::MAX, 4]), at()], Malformed, "m: a label refers to symbol 4294967295", 2),
        (vec![refs(&[1, 2, 3]), at()], Malformed, "3 label references are not pairs", 2),
        (vec![at()], InvalidName, "(no labels)", 1),
        (vec![refs(&[3, 4]), at()], InvalidName, "there is no metric name", 1),
        (vec![refs(&[1, 2, 3, 4, 3, 2]), at()], DuplicateLabel, "\"job\" comes twice", 1),
        (vec![refs(&[1, 2]), at(), refs(&[1, 2])], DuplicateLabel, "\"__name__\" comes twice", 1),
        (vec![refs(&[1, 2, 0, 4]), at()], InvalidName, "empty name", 1),
        (vec![refs(&many), at(), at()], TooManyLabels, "at most 64", 2),
        (vec![single, b"\x12\x7f".to_vec()], Malformed, "m: the protobuf ends in the middle", 1),
        (vec![refs(&[1, 2]), nested(2, b"\x10\x80"), at()], Malformed, "m: the protobuf ends", 1),
        (vec![b"\x0a\x01\x80".to_vec(), at()], Malformed, "the protobuf ends", 1),
    ] {
        let good = |i| [refs(&[1, 2, 3, i]), a_sample(1_000, i as f64, 900)];
        let decoded = table().series(&good(2)).series(&parts).series(&good(4)).decode();
        let kept: Vec<_> = decoded.batch.samples.iter().map(|s| (s.series, s.value)).collect();
        assert_eq!(kept, [(0, 2.0), (1, 4.0)], "{words}");
        assert_eq!(decoded.batch.starts, [(0, 900), (1, 900)], "{words}");
        assert_eq!(decoded.batch.series[1], labels(&[("__name__", "m"), ("job", "shop")]), "{words}");
        let got: Vec<_> = decoded.rejects.iter().map(|r| (r.reason, r.samples)).collect();
        assert_eq!(got, [(reason, lost)], "{words}");
        assert!(
            decoded.rejects[0].message.contains(words),
            "{} does not say {words}",
            decoded.rejects[0].message
        );
    }
}

#[test]
fn a_bad_exemplar_spoils_only_itself() {
    use RejectReason::*;
    let long = "x".repeat(130);
    for (exemplar, reason, words) in [
        (an_exemplar(&[5, 99], 1.0, 1_000), InvalidName, "empty name"),
        (an_exemplar(&[5], 1.0, 1_000), InvalidName, "empty name"),
        (an_exemplar(&[5, 6, 5, 4], 1.0, 1_000), DuplicateLabel, "comes twice"),
        (an_exemplar(&[5, 6], 1.0, 0), Malformed, "exemplar {trace_id=abc}: it has no timestamp"),
        (an_exemplar(&[5, 9], 1.0, 1_000), LabelTooLong, "138 characters"),
    ] {
        let request = table().symbols(&[long.as_bytes()]);
        let decoded = request
            .series(&[refs(&[1, 2]), a_sample(1_000, 1.0, 0), exemplar, an_exemplar(&[], 2.0, 1_000)])
            .decode();
        assert_eq!((decoded.batch.samples.len(), decoded.batch.exemplars.len()), (1, 1), "{words}");
        assert_eq!(decoded.rejects.len(), 1, "{words}");
        assert_eq!((decoded.rejects[0].reason, decoded.rejects[0].samples), (reason, 1), "{words}");
        assert!(decoded.rejects[0].message.contains(words), "{}", decoded.rejects[0].message);
    }
}

/// A histogram of whole counts with one bucket, or one whose span does not fit.
fn a_histogram(timestamp_ms: i64, start_ms: i64, length: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint_field(&mut out, 1, 3);
    put_double_field(&mut out, 3, 4.5);
    let mut span = Vec::new();
    put_varint_field(&mut span, 1, 2);
    put_varint_field(&mut span, 2, length);
    put_bytes_field(&mut out, 11, &span);
    put_bytes_field(&mut out, 12, &packed(&[6]));
    put_varint_field(&mut out, 15, timestamp_ms as u64);
    put_varint_field(&mut out, 17, start_ms as u64);
    nested(3, &out)
}

#[test]
fn histograms_beside_samples() {
    let decoded = table()
        .series(&[refs(&[1, 2]), a_histogram(1_000, 500, 1), a_histogram(2_000, 0, 1), created(400)])
        .series(&[refs(&[1, 2, 3, 4]), a_histogram(3_000, 0, 9), a_sample(3_000, 1.0, 0)])
        .decode();
    let histograms = &decoded.batch.histograms;
    let times: Vec<_> = histograms.iter().map(|h| (h.series, h.at.timestamp_ms, h.at.start_ms)).collect();
    assert_eq!(times, [(0, 1_000, 500), (0, 2_000, 400)]);
    let first = &histograms[0].at.histogram;
    assert_eq!((first.count, first.sum), (3.0, 4.5));
    assert_eq!(first.positive.iter().collect::<Vec<_>>(), [(1, 3.0)]);
    assert_eq!(decoded.batch.samples[0].series, 1);
    assert_eq!((decoded.rejects.len(), decoded.rejects[0].samples), (1, 1));
    assert!(
        decoded.rejects[0].message.contains("m{job=\"shop\"}: a native histogram"),
        "{}",
        decoded.rejects[0].message
    );

    let limits = Limits { histogram_buckets_per_request_max: 1, ..Limits::default() };
    let two = table().series(&[refs(&[1, 2]), a_histogram(1_000, 0, 1), a_histogram(2_000, 0, 1)]);
    let bounded = decode_message(&two.message(), &limits, &KnownLabels::new(0)).unwrap();
    assert_eq!((bounded.batch.histograms.len(), bounded.rejects[0].samples), (1, 1));
    assert_eq!(bounded.rejects[0].reason, RejectReason::TooLarge);
}

#[test]
fn bodies_that_are_something_else() {
    let limits = Limits::default();
    let version_1 = nested(1, &nested(1, b""));
    for (message, words) in [
        (&version_1[..], "looks like remote write 1.0"),
        (b"\x22\x05ab", "ends in the middle"),
        (b"\x20\x05", "wrong wire type"),
        (b"\x28\x05", "wrong wire type"),
        (b"\xff\xff", "not a remote write 2.0 request"),
    ] {
        let error = decode_message(message, &limits, &KnownLabels::new(0)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let nothing = decode_message(b"", &limits, &KnownLabels::new(0)).unwrap();
    assert!(nothing.batch.series.is_empty() && nothing.rejects.is_empty());
    // Symbols behind the series that name them.
    let request = table().series(&[refs(&[1, 2]), a_sample(1, 1.0, 0)]);
    let turned = [request.series.clone(), request.symbols.clone()].concat();
    assert_eq!(decode_message(&turned, &limits, &KnownLabels::new(0)).unwrap().batch.samples.len(), 1);
    let many = b"\x22\x00".repeat(SYMBOLS_MAX + 1);
    let error = decode_message(&many, &limits, &KnownLabels::new(0)).unwrap_err();
    assert_eq!(error.kind, stdx::ErrorKind::TooLarge);
}

#[test]
fn more_than_the_limits_is_counted() {
    let limits = Limits { samples_per_request_max: 3, series_per_request_max: 2, ..Limits::default() };
    let at = || a_sample(1_000, 1.0, 500);
    let request = table()
        .series(&[refs(&[1, 2]), at(), an_exemplar(&[], 1.0, 1_000)])
        .series(&[refs(&[1, 4]), at(), at(), created(400)])
        .series(&[refs(&[1, 6]), at()]);
    let decoded = decode_message(&request.message(), &limits, &KnownLabels::new(0)).unwrap();
    assert_eq!((decoded.batch.series.len(), decoded.batch.samples.len()), (2, 2));
    assert_eq!(decoded.batch.starts, [(0, 500), (1, 500)]);
    assert_eq!(decoded.batch.exemplars.len(), 1);
    assert_eq!(decoded.rejects.len(), 1);
    assert_eq!((decoded.rejects[0].reason, decoded.rejects[0].samples), (RejectReason::TooLarge, 2));
}

#[test]
fn known_series_are_found_whatever_their_numbers_are() {
    let (limits, known) = (Limits::default(), KnownLabels::new(10));
    let first = table().series(&[refs(&[1, 2, 3, 4]), a_sample(1, 1.0, 0)]);
    let first = decode_message(&first.message(), &limits, &known).unwrap();
    assert_eq!(known.len(), 1);
    // Another table, the same texts; then one that differs in a single place, then the same references in other pairs.
    let texts: [&[u8]; 5] = [b"", b"shop", b"job", b"m", b"__name__"];
    let second = Request::default().symbols(&texts).series(&[refs(&[4, 3, 2, 1]), a_sample(2, 2.0, 0)]);
    let second = decode_message(&second.message(), &limits, &known).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(first.batch.series, second.batch.series);
    let third = Request::default().symbols(&texts).series(&[refs(&[4, 3, 2, 3]), a_sample(2, 2.0, 0)]);
    let third = decode_message(&third.message(), &limits, &known).unwrap();
    assert_eq!(third.batch.series, [labels(&[("__name__", "m"), ("job", "m")])]);
    // A known series with labels behind its samples is another series.
    let late =
        Request::default().symbols(&texts).series(&[refs(&[4, 3]), a_sample(2, 2.0, 0), refs(&[2, 1])]);
    let late = decode_message(&late.message(), &limits, &known).unwrap();
    assert_eq!(late.batch.series, first.batch.series);
}

#[test]
fn families_of_what_each_series_says() {
    use MetricKind::*;
    for (name, kind, want) in [
        ("x_bucket", Histogram, "x"),
        ("x_count", Summary, "x"),
        ("x", Summary, "x"),
        ("x_total", Counter, "x_total"),
        ("x_count", Gauge, "x_count"),
        ("_sum", Histogram, "_sum"),
    ] {
        assert_eq!(family(name, kind), want, "{name} {kind}");
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut data =
        SeriesData::numbers(labels(&[("__name__", "m"), ("é", "\n\"")]), vec![1, 2], vec![f64::NAN, 2.0]);
    data.starts_ms = vec![0, -5];
    let decoded = decode(&encode(&[data.clone()]), &Limits::default(), &KnownLabels::new(0)).unwrap().batch;
    assert_eq!(decoded.series, [data.labels]);
    let got: Vec<_> = decoded.samples.iter().map(|s| (s.timestamp_ms, s.value.to_bits())).collect();
    assert_eq!(got, [(1, f64::NAN.to_bits()), (2, 2f64.to_bits())]);
    assert_eq!(decoded.starts, [(1, -5)]);
}
