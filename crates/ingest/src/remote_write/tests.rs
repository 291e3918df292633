//! Tests of remote write: tables of input and what is wanted.

use super::*;
use model::batch::STALE_NAN_BITS;

/// A series of raw label pairs and samples, as protobuf, so that what no client would send can be sent.
fn raw_series(labels: &[(&[u8], &[u8])], samples: &[(i64, f64)]) -> Vec<u8> {
    let mut one = Vec::new();
    for (name, value) in labels {
        let mut part = Vec::new();
        put_bytes_field(&mut part, 1, name);
        put_bytes_field(&mut part, 2, value);
        put_bytes_field(&mut one, 1, &part);
    }
    for (t, v) in samples {
        let mut part = Vec::new();
        put_double_field(&mut part, 1, *v);
        put_varint_field(&mut part, 2, *t as u64);
        put_bytes_field(&mut one, 2, &part);
    }
    one
}

fn request(series: &[Vec<u8>]) -> Vec<u8> {
    let mut message = Vec::new();
    series.iter().for_each(|s| put_bytes_field(&mut message, 1, s));
    compress(&message)
}

#[test]
fn round_trip_keeps_every_bit() {
    let labels = Labels::from_pairs([("__name__", "x"), ("job", "ü\n\"")]).unwrap();
    let values = vec![1.5, -0.0, f64::NAN, f64::INFINITY, f64::from_bits(STALE_NAN_BITS), f64::MIN_POSITIVE];
    let timestamps_ms = vec![-1, 0, 1, 2, 3, i64::MAX];
    let metadata = Metadata {
        metric: "x".into(),
        kind: MetricKind::Summary,
        help: "What x is.".into(),
        unit: "s".into(),
    };
    let data = SeriesData {
        labels: labels.clone(),
        timestamps_ms: timestamps_ms.clone(),
        values: values.clone(),
        ..Default::default()
    };
    let decoded = decode(
        &encode_with_metadata(&[data], std::slice::from_ref(&metadata)),
        &Limits::default(),
        &KnownLabels::new(0),
    )
    .unwrap();
    assert_eq!(decoded.batch.series, [labels]);
    assert_eq!(decoded.batch.metadata, [metadata]);
    assert!(decoded.rejects.is_empty());
    for (i, sample) in decoded.batch.samples.iter().enumerate() {
        assert_eq!(sample.timestamp_ms, timestamps_ms[i]);
        assert_eq!(sample.value.to_bits(), values[i].to_bits());
    }
    assert_eq!(decoded.batch.samples.len(), values.len());
}

/// Each bad series between two good ones: the good ones are kept, the bad one is refused with its reason.
#[test]
fn one_bad_series_spoils_only_itself() {
    use RejectReason::*;
    let many: Vec<String> = (0..10_000).map(|i| format!("l{i}")).collect();
    let mut many: Vec<(&[u8], &[u8])> = many.iter().map(|n| (n.as_bytes(), b"v".as_slice())).collect();
    many.insert(0, (b"__name__", b"bad"));
    let long = "v".repeat(1 << 20);
    let broken = b"\x0a\x05\x0a\x7fbad".to_vec();
    let at = [(1_000, 1.0), (2_000, 2.0)];
    let bad = |labels: &[(&[u8], &[u8])]| raw_series(labels, &at);
    for (series, reason, words, lost) in [
        (bad(&[(b"__name__", b"bad"), (b"a", b"\xff")]), InvalidUtf8, "bad", 2),
        (bad(&[(b"__name__", b"bad"), (b"\xc3", b"x")]), InvalidUtf8, "bad", 2),
        (bad(&[(b"__name__", b"bad"), (b"a", b"1"), (b"a", b"2")]), DuplicateLabel, "\"a\" comes twice", 2),
        (bad(&[(b"__name__", b"bad"), (b"a", b""), (b"a", b"2")]), DuplicateLabel, "bad", 2),
        (bad(&[(b"__name__", b"bad"), (b"", b"1")]), InvalidName, "empty name", 2),
        (bad(&[(b"job", b"bad")]), InvalidName, "job=bad: there is no metric name", 2),
        (bad(&[(b"__name__", b"")]), InvalidName, "no metric name", 2),
        (bad(&[]), InvalidName, "(no labels)", 2),
        (bad(&many), TooManyLabels, "10001 labels; at most 64", 2),
        (bad(&[(b"__name__", b"bad"), (b"a", long.as_bytes())]), LabelTooLong, "1048576 bytes", 2),
        (bad(&[(b"__name__", b"bad"), (long.as_bytes(), b"a")]), LabelTooLong, "1048576", 2),
        (broken, Malformed, "middle of a field", 1),
    ] {
        let good = |name: &[u8]| raw_series(&[(b"__name__", name)], &at);
        let body = request(&[good(b"first"), series, good(b"last")]);
        let decoded = decode(&body, &Limits::default(), &KnownLabels::new(0)).unwrap();
        let names: Vec<_> = decoded.batch.series.iter().map(Labels::name).collect();
        assert_eq!(names, ["first", "last"], "{reason:?}");
        let owners: Vec<_> = decoded.batch.samples.iter().map(|s| s.series).collect();
        assert_eq!(owners, [0, 0, 1, 1]);
        assert_eq!(decoded.rejects.len(), 1);
        let reject = &decoded.rejects[0];
        assert_eq!((reject.reason, reject.samples), (reason, lost), "{}", reject.message);
        assert!(reject.message.contains(words), "{} lacks {words}", reject.message);
        assert!(reject.message.chars().count() < 500, "{}", reject.message.len());
    }
}

#[test]
fn labels_in_any_order_are_sorted_and_empty_values_are_absent() {
    let series = raw_series(&[(b"z", b"1"), (b"__name__", b"x"), (b"a", b""), (b"b", b"2")], &[(1, 1.0)]);
    let decoded = decode(&request(&[series]), &Limits::default(), &KnownLabels::new(0)).unwrap();
    assert_eq!(decoded.batch.series[0].to_string(), r#"x{b="2", z="1"}"#);
}

#[test]
fn exemplars_come_with_samples_or_alone() {
    let exemplar = |trace: &str, t: u64| {
        let (mut label, mut one) = (Vec::new(), Vec::new());
        put_bytes_field(&mut label, 1, b"trace_id");
        put_bytes_field(&mut label, 2, trace.as_bytes());
        put_bytes_field(&mut one, 1, &label);
        put_double_field(&mut one, 2, 0.5);
        put_varint_field(&mut one, 3, t);
        one
    };
    let mut both = raw_series(&[(b"__name__", b"a")], &[(1, 1.0)]);
    put_bytes_field(&mut both, 3, &exemplar("x", 5));
    put_bytes_field(&mut both, 3, &exemplar(&"y".repeat(200), 5));
    let mut alone = raw_series(&[(b"__name__", b"b")], &[]);
    put_bytes_field(&mut alone, 3, &exemplar("z", 6));
    let mut refused = raw_series(&[(b"a", b"no name")], &[]);
    put_bytes_field(&mut refused, 3, &exemplar("n", 6));
    let decoded =
        decode(&request(&[both, refused, alone]), &Limits::default(), &KnownLabels::new(0)).unwrap();
    let batch = &decoded.batch;
    let shown: Vec<String> = batch
        .exemplars
        .iter()
        .map(|e| format!("{} {} {} @{}", batch.series[e.series as usize], e.labels, e.value, e.timestamp_ms))
        .collect();
    assert_eq!(shown, ["a {trace_id=\"x\"} 0.5 @5", "b {trace_id=\"z\"} 0.5 @6"]);
    assert_eq!(batch.samples.len(), 1);
    assert!(decoded.rejects.iter().any(|r| r.reason == RejectReason::LabelTooLong && r.samples == 1));
}

/// A histogram that makes no sense spoils neither its series nor its neighbours, nor does such an exemplar.
#[test]
fn numbers_and_histograms_of_one_series() {
    let histogram = |t: u64, schema: u64| {
        let mut one = Vec::new();
        put_varint_field(&mut one, 4, schema);
        put_varint_field(&mut one, 15, t);
        one
    };
    let mut series = raw_series(&[(b"__name__", b"x")], &[(1, 1.0)]);
    put_bytes_field(&mut series, 3, b"");
    let mut exemplar = Vec::new();
    put_bytes_field(&mut exemplar, 1, b"\x0a\x08trace_id\x12\x01a");
    put_double_field(&mut exemplar, 2, 0.5);
    put_varint_field(&mut exemplar, 3, 5);
    put_bytes_field(&mut series, 3, &exemplar);
    put_bytes_field(&mut series, 4, &histogram(2, 0));
    put_bytes_field(&mut series, 4, &histogram(3, 1_000));
    put_bytes_field(&mut series, 4, b"\xff");
    put_bytes_field(&mut series, 4, &histogram(4, 0));
    let last = raw_series(&[(b"__name__", b"y")], &[(1, 1.0)]);
    let body = request(&[series, last]);
    let decoded = decode(&body, &Limits::default(), &KnownLabels::new(0)).unwrap();
    assert_eq!(decoded.batch.samples.iter().map(|s| s.series).collect::<Vec<_>>(), [0, 1]);
    let at: Vec<_> = decoded.batch.histograms.iter().map(|h| (h.series, h.at.timestamp_ms)).collect();
    assert_eq!(at, [(0, 2), (0, 4)]);
    let mut rejects: Vec<_> = decoded.rejects.iter().map(|r| (r.reason, r.samples, &*r.message)).collect();
    rejects.sort_unstable();
    let want = [
        (RejectReason::Malformed, 2, "x: exemplar {}: it has no timestamp"),
        (
            RejectReason::Unsupported,
            1,
            "x: a native histogram: schema 500 is unknown here; -4 to 52 and -53 are taken",
        ),
    ];
    assert_eq!(rejects, want);
    let labels = Labels::from_pairs([("trace_id", "a")]).unwrap();
    assert_eq!(decoded.batch.exemplars, [model::Exemplar { series: 0, timestamp_ms: 5, value: 0.5, labels }]);

    let few = Limits { samples_per_request_max: 2, ..Limits::default() };
    let decoded = decode(&body, &few, &KnownLabels::new(0)).unwrap();
    let batch = &decoded.batch;
    let kept = batch.samples.len() + batch.histograms.len() + batch.exemplars.len();
    assert_eq!((kept, decoded.rejects.iter().map(|r| r.samples).sum::<u64>()), (2, 6));
}

#[test]
fn a_body_that_is_no_request_is_an_error() {
    let valid = request(&[raw_series(&[(b"__name__", b"x")], &[(1, 1.0)])]);
    let forged = |length: u64| {
        let mut body = Vec::new();
        crate::wire::put_varint(&mut body, length);
        body.extend([0; 8]);
        body
    };
    let mut version_2 = Vec::new();
    put_bytes_field(&mut version_2, 4, b"__name__");
    put_bytes_field(&mut version_2, 5, b"\x0a\x00");
    for (body, kind, words) in [
        (b"not snappy at all".to_vec(), ErrorKind::Invalid, "snappy"),
        (Vec::new(), ErrorKind::Invalid, "snappy"),
        (valid[..valid.len() - 1].to_vec(), ErrorKind::Invalid, "snappy"),
        (forged(127 << 20), ErrorKind::Invalid, "its header is wrong"),
        (forged(4_000_000_000), ErrorKind::TooLarge, "fewer samples per request"),
        (forged(u64::MAX), ErrorKind::Invalid, "snappy"),
        (compress(b"\x0a\x7fabc"), ErrorKind::Invalid, "middle of a field"),
        (compress(b"{\"metric\":{}}"), ErrorKind::Invalid, "not a remote write 1.0 request"),
        (compress(&version_2), ErrorKind::Invalid, "2.0"),
    ] {
        let e = decode(&body, &Limits::default(), &KnownLabels::new(0)).unwrap_err();
        assert_eq!(e.kind, kind, "{e}");
        assert!(e.to_string().contains(words), "{e} lacks {words}");
    }
    let small = Limits { body_bytes_max: 3, ..Limits::default() };
    assert_eq!(decode(&valid, &small, &KnownLabels::new(0)).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn past_the_limits_of_a_request_the_rest_is_refused_and_counted() {
    let series = |name: &[u8], n: i64| {
        raw_series(&[(b"__name__", name)], &(0..n).map(|t| (t, 1.0)).collect::<Vec<_>>())
    };
    let body = request(&[series(b"a", 3), series(b"b", 3), series(b"c", 3)]);
    let kept = |limits: &Limits| {
        let d = decode(&body, limits, &KnownLabels::new(0)).unwrap();
        assert!(d.batch.samples.iter().all(|s| (s.series as usize) < d.batch.series.len()));
        let refused: u64 = d.rejects.iter().map(|r| r.samples).sum();
        assert_eq!(d.batch.samples.len() as u64 + refused, 9, "accepted + rejected = sent");
        (d.batch.series.len(), d.batch.samples.len(), d.rejects[0].reason)
    };
    let limits = Limits { samples_per_request_max: 4, ..Limits::default() };
    assert_eq!(kept(&limits), (2, 4, RejectReason::TooLarge));
    let limits = Limits { series_per_request_max: 1, ..Limits::default() };
    assert_eq!(kept(&limits), (1, 3, RejectReason::TooLarge));
}

/// Whatever is known already, the outcome is the same: bodies with good, odd and bad series, three times each.
#[test]
fn what_is_known_changes_nothing_but_the_work() {
    let mut late_label = raw_series(&[(b"__name__", b"late")], &[(1, 1.0)]);
    late_label.extend(raw_series(&[(b"a", b"1")], &[]));
    let mut exemplar = raw_series(&[(b"__name__", b"ex")], &[(1, 1.0)]);
    put_bytes_field(&mut exemplar, 3, b"");
    let mut broken = raw_series(&[(b"__name__", b"good")], &[(1, 1.0)]);
    broken.extend(b"\x12\x7f");
    let long = vec![b'x'; 300];
    let bodies = [
        request(&[raw_series(&[(b"__name__", b"good"), (b"a", b"1")], &[(1, 1.0), (2, 0.0), (0, 5.0)])]),
        request(&[
            raw_series(&[(b"__name__", b"good")], &[]),
            raw_series(&[(b"__name__", b"good")], &[(7, 1.0)]),
        ]),
        request(&[raw_series(&[(b"__name__", b"good"), (b"long", &long), (b"z", b"1")], &[(1, 1.0)])]),
        request(&[raw_series(&[(b"z", b"1"), (b"__name__", b"good"), (b"a", b"")], &[(1, 1.0)])]),
        request(&[late_label, exemplar, broken, raw_series(&[(b"a", b"1")], &[(1, 1.0)])]),
        request(&[raw_series(&[(b"__name__", b"good"), (b"a", b"\xff")], &[(1, 1.0)])]),
        request(
            &(0..3)
                .map(|i| raw_series(&[(b"__name__", b"many"), (b"i", &[b'0' + i])], &[(1, 1.0), (2, 2.0)]))
                .collect::<Vec<_>>(),
        ),
    ];
    let text = |d: &Decoded| format!("{:?} {:?}", d.batch, d.rejects);
    for limits in [
        Limits::default(),
        Limits { samples_per_request_max: 4, ..Limits::default() },
        Limits { series_per_request_max: 1, ..Limits::default() },
    ] {
        let known = KnownLabels::new(100);
        for round in 0..3 {
            for body in &bodies {
                let plain = decode(body, &limits, &KnownLabels::new(0)).unwrap();
                let again = decode(body, &limits, &known).unwrap();
                assert_eq!(text(&again), text(&plain), "round {round}");
            }
        }
        assert!(known.len() >= 4);
    }
}
