//! Histograms that go into chunks come back, whatever they are; damaged bytes are an error or another histogram that is one.

use super::*;
use proptest::prelude::*;

fn seal_and_read(all: &[HistogramAt]) -> Vec<Chunk> {
    let chunks = seal(all).unwrap();
    let mut back = Vec::new();
    for chunk in &chunks {
        decode(chunk, &mut back).unwrap();
        check(chunk).unwrap();
    }
    let bits = |all: &[HistogramAt]| all.iter().map(|at| at.histogram.sum.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(all));
    // A sum that is no number is not equal to itself.
    let numbers = |all: &[HistogramAt]| -> Vec<_> {
        all.iter()
            .map(|at| {
                let mut h = (*at.histogram).clone();
                h.sum = 0.0;
                (at.timestamp_ms, at.start_ms, h)
            })
            .collect()
    };
    assert_eq!(numbers(&back), numbers(all));
    chunks
}

fn at(timestamp_ms: i64, histogram: Histogram) -> HistogramAt {
    HistogramAt { timestamp_ms, start_ms: 0, histogram: Arc::new(histogram) }
}

fn counter(i: i64) -> Histogram {
    let pairs = (0..6).map(|b| (b, (i * (b as i64 + 1)) as f64)).filter(|(_, c)| *c != 0.0);
    let positive = Buckets::from_pairs(pairs);
    Histogram {
        schema: 3,
        count: positive.counts.iter().sum(),
        sum: i as f64 * 0.3,
        zero_threshold: 1e-128,
        positive,
        ..Default::default()
    }
}

#[test]
fn one_chunk_for_what_has_one_scale() {
    let mut all: Vec<_> = (0..480).map(|i| at(i * 1000, counter(i))).collect();
    // The end of the series, a restart with fewer buckets: none of them needs a chunk of its own.
    all[200] = at(200_000, Histogram::stale());
    all[201] = at(201_000, counter(0));
    all[202].histogram = Arc::new(Histogram { hint: ResetHint::Reset, ..counter(1) });
    let chunks = seal_and_read(&all);
    assert_eq!(chunks.len(), 1);
    let s = chunks[0].summary;
    assert_eq!((s.count, s.first, s.last, s.max), (480, 0.0, 479.0 * 21.0, 479.0 * 21.0));
    assert_eq!(s.increase, (199 + 479) as f64 * 21.0, "a restart counts as one");
    assert_eq!(numbers(&chunks[0]), 480 * 9);
}

#[test]
fn another_scale_or_too_many_samples_begin_another_chunk() {
    let mut all: Vec<_> = (0..1000).map(|i| at(i, counter(i))).collect();
    assert_eq!(seal_and_read(&all).iter().map(|c| c.summary.count).collect::<Vec<_>>(), [480, 480, 40]);
    all.truncate(10);
    all[4].histogram = Arc::new(Histogram { schema: 2, ..counter(4) });
    all[7].histogram = Arc::new(Histogram { zero_threshold: 0.5, ..counter(7) });
    assert_eq!(seal_and_read(&all).iter().map(|c| c.summary.count).collect::<Vec<_>>(), [4, 1, 2, 1, 2]);
    let custom = |bound: f64| Histogram {
        schema: CUSTOM_SCHEMA,
        count: 1.0,
        positive: Buckets::from_pairs([(0, 1.0)]),
        custom_bounds: [bound, 9.0].into(),
        ..Default::default()
    };
    let all = [at(1, custom(1.0)), at(2, custom(1.0)), at(3, custom(2.0))];
    assert_eq!(seal_and_read(&all).len(), 2);
}

/// Many buckets make shorter chunks, so that decoding one takes no more than some megabytes.
#[test]
fn the_numbers_of_a_chunk_are_bounded() {
    let wide = |i: i64| Histogram {
        positive: Buckets::from_pairs((0..5_000).map(|b| (b, 1.5 + i as f64))),
        count: 1.0,
        ..Default::default()
    };
    let all: Vec<_> = (0..120).map(|i| at(i, wide(i))).collect();
    let chunks = seal_and_read(&all);
    assert_eq!(chunks.iter().map(|c| c.summary.count).collect::<Vec<_>>(), [52, 52, 16]);
    assert!(chunks.iter().all(|c| numbers(c) <= NUMBERS_MAX));
    // Buckets at both ends of what there can be, further apart than a span of a histogram can say.
    let far = |i: i32| Histogram {
        positive: Buckets::from_pairs([(i, 1.0)]),
        negative: Buckets::from_pairs([(-i, 1.0)]),
        ..Default::default()
    };
    assert_eq!(seal_and_read(&[at(1, far(i32::MIN + 2)), at(2, far(i32::MAX - 1)), at(3, far(0))]).len(), 1);
    // Each time another bucket: no more than a histogram may have.
    let moving = |i: i64| Histogram {
        positive: Buckets::from_pairs((0..4_000).map(|b| (b + i as i32 * 4_000, 1.0))),
        ..Default::default()
    };
    let all: Vec<_> = (0..5).map(|i| at(i, moving(i))).collect();
    assert_eq!(seal_and_read(&all).iter().map(|c| c.summary.count).collect::<Vec<_>>(), [2, 2, 1]);
}

fn any_buckets(is_whole: bool) -> impl Strategy<Value = Buckets> {
    let count = prop_oneof![
        4 => (1u64..2_000).prop_map(|n| n as f64),
        1 => (1u64..1 << 60).prop_map(|n| n as f64),
        1 => any::<f64>().prop_map(move |f| if is_whole || f.is_nan() || f <= 0.0 { 1.0 } else { f }),
    ];
    prop::collection::btree_map(-40i32..40, count, 0..8).prop_map(Buckets::from_pairs)
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let any_sum = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::from_bits(STALE_NAN_BITS)),
        (0..1000i32).prop_map(f64::from)
    ];
    let parts =
        (any::<bool>(), any_buckets(true), any_buckets(false), any_sum, 0..4u64, any::<bool>(), 0..9u32);
    parts.prop_map(|(is_custom, whole, other, sum, hint, adds_up, zero)| {
        let mut h = Histogram {
            schema: if zero > 7 { 4 } else { 1 },
            hint: ResetHint::from_number(hint),
            sum,
            count: 77.5,
            ..Default::default()
        };
        if is_custom {
            h.schema = CUSTOM_SCHEMA;
            h.custom_bounds = (0..50).map(|i| f64::from(i) / f64::from(hint as u32 / 2 + 1)).collect();
            h.positive = Buckets::from_pairs(whole.iter().filter(|(i, _)| *i >= 0));
        } else {
            (h.positive, h.negative, h.zero_count) = (whole, other, f64::from(zero));
        }
        if adds_up {
            h.count = h.positive.counts.iter().chain(&h.negative.counts).sum::<f64>() + h.zero_count;
        }
        (*Histogram::compacted(Arc::new(h))).clone()
    })
}

fn any_series() -> impl Strategy<Value = Vec<HistogramAt>> {
    let start = prop_oneof![Just(0), -5..5i64, any::<i64>()];
    prop::collection::vec((1..1i64 << 40, start, any_histogram()), 1..40).prop_map(|all| {
        let mut now = -(1i64 << 45);
        all.into_iter()
            .map(|(step, start_ms, h)| {
                now += step;
                HistogramAt { timestamp_ms: now, start_ms, histogram: Arc::new(h) }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The open end of a series in memory.
    #[test]
    fn any_open_histograms_come_back(all in any_series()) {
        let mut open = crate::open_histograms::OpenHistograms::default();
        for (i, at) in all.iter().enumerate() {
            open.push(at.clone());
            prop_assert_eq!(open.len(), i + 1);
            prop_assert_eq!(open.range_ms(), Some((all[0].timestamp_ms, at.timestamp_ms)));
        }
        let bits = |all: &[HistogramAt]| -> Vec<_> {
            all.iter().map(|at| (format!("{at:?}"), at.histogram.sum.to_bits())).collect()
        };
        prop_assert_eq!(bits(&open.decode().unwrap()), bits(&all));
    }

    #[test]
    fn any_histograms_come_back(all in any_series()) {
        seal_and_read(&all);
    }

    /// Checksums find damage before this; what gets past them is still no panic, and no more memory than a chunk may take.
    #[test]
    fn damaged_bytes_never_panic(
        all in any_series(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        count in prop::option::of(0..600u32),
    ) {
        for mut chunk in seal(&all).unwrap() {
            let mut bytes = chunk.values.to_vec();
            for (at, bit) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            if let Some(at) = cut {
                bytes.truncate(at.index(bytes.len()));
            }
            chunk.values = bytes.into();
            chunk.summary.count = count.unwrap_or(chunk.summary.count);
            let mut out = Vec::new();
            if decode(&chunk, &mut out).is_ok() {
                prop_assert_eq!(out.len(), chunk.summary.count as usize);
            }
            prop_assert!(numbers(&chunk) <= NUMBERS_MAX + COLUMNS * SAMPLES_MAX);
            let _ = check(&chunk);
        }
    }
}
