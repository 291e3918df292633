//! Tables of what arithmetic on histograms gives, and that it bears any histogram.

use super::*;
use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint, Span};

fn exponential(schema: i8, zero: (f64, f64), positive: &[(i32, f64)], negative: &[(i32, f64)]) -> Histogram {
    let count = zero.1 + positive.iter().chain(negative).map(|(_, c)| c).sum::<f64>();
    Histogram {
        schema,
        count,
        sum: count * 2.0,
        zero_threshold: zero.0,
        zero_count: zero.1,
        positive: Buckets::from_pairs(positive.iter().copied()),
        negative: Buckets::from_pairs(negative.iter().copied()),
        ..Default::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    let count = counts.iter().sum();
    let positive = Buckets::from_pairs(counts.iter().enumerate().map(|(i, c)| (i as i32, *c)));
    Histogram {
        schema: CUSTOM_SCHEMA,
        count,
        sum: count,
        positive,
        custom_bounds: bounds.into(),
        ..Default::default()
    }
}

fn sum(a: &Histogram, b: &Histogram) -> Histogram {
    let mut total = Total::new(a);
    total.add(b).unwrap();
    total.histogram()
}

#[test]
fn the_coarser_schema_and_the_wider_zero_bucket_win() {
    // Bucket 3 of schema 1 is (2, 2.83], in bucket 2 of schema 0: (2, 4].
    let fine = exponential(1, (0.5, 1.0), &[(1, 2.0), (3, 4.0), (4, 1.0)], &[]);
    let coarse = exponential(0, (0.5, 3.0), &[(2, 1.0)], &[(1, 5.0)]);
    for (a, b) in [(&fine, &coarse), (&coarse, &fine)] {
        let got = sum(a, b);
        assert_eq!(got.schema, 0);
        assert_eq!(got.positive.iter().collect::<Vec<_>>(), [(1, 2.0), (2, 6.0)]);
        assert_eq!(got.negative.iter().collect::<Vec<_>>(), [(1, 5.0)]);
        assert_eq!((got.zero_count, got.count), (4.0, 17.0));
    }
    // A zero bucket up to 1.5 ends inside the populated (1, 2], so that it is widened to 2.
    let wide = exponential(0, (1.5, 1.0), &[(3, 1.0)], &[]);
    let narrow = exponential(0, (0.5, 1.0), &[(0, 1.0), (1, 2.0), (3, 1.0)], &[(1, 4.0), (2, 1.0)]);
    for (a, b) in [(&wide, &narrow), (&narrow, &wide)] {
        let got = sum(a, b);
        assert_eq!((got.zero_threshold, got.zero_count), (2.0, 9.0));
        assert_eq!(got.positive.iter().collect::<Vec<_>>(), [(3, 2.0)]);
        assert_eq!(got.negative.iter().collect::<Vec<_>>(), [(2, 1.0)]);
    }
}

#[test]
fn custom_bounds_meet_in_those_that_both_have() {
    let (a, b) = (
        custom(&[1.0, 2.0, 5.0], &[1.0, 2.0, 3.0, 4.0]),
        custom(&[2.0, 3.0, 5.0], &[10.0, 20.0, 30.0, 40.0]),
    );
    let mut total = Total::new(&a);
    assert!(total.add(&b).unwrap().bounds_reconciled);
    let got = total.histogram();
    assert_eq!(*got.custom_bounds, [2.0, 5.0]);
    assert_eq!(got.positive.counts, [13.0, 53.0, 44.0]);
    total.subtract(&a).unwrap();
    assert_eq!(total.histogram().positive.counts, [10.0, 50.0, 40.0]);
    let nothing = sum(&a, &custom(&[7.0], &[1.0, 1.0]));
    assert_eq!((nothing.custom_bounds.len(), nothing.positive.counts), (0, vec![12.0]));
    assert_eq!(Total::new(&a).add(&exponential(0, (0.0, 1.0), &[], &[])), Err(Incompatible));
}

#[test]
fn hints_of_sums() {
    use ResetHint::*;
    for (a, b, want, collide) in [
        (Unknown, NotReset, Unknown, false),
        (Reset, NotReset, Unknown, true),
        (Gauge, Reset, Gauge, false),
        (NotReset, NotReset, NotReset, false),
    ] {
        let of = |hint| Histogram { hint, ..custom(&[1.0], &[1.0]) };
        let mut total = Total::new(&of(a));
        assert_eq!(total.add(&of(b)).unwrap().hints_collide, collide);
        assert_eq!(total.histogram().hint, want);
    }
    assert_eq!(scaled(&custom(&[1.0], &[1.0]), -2.0).hint, Gauge);
}

#[test]
fn resets_are_found_in_any_count() {
    let before = exponential(1, (0.5, 2.0), &[(1, 2.0), (2, 2.0), (5, 1.0)], &[(4, 3.0)]);
    let grown = |change: fn(&mut Histogram)| {
        let mut now = before.clone();
        now.count += 10.0;
        change(&mut now);
        is_reset(&now, &before)
    };
    type Case = (bool, &'static str, fn(&mut Histogram));
    let cases: [Case; 9] = [
        (false, "nothing else", |_| {}),
        (true, "fewer in a bucket", |h| h.positive.counts[1] = 1.0),
        (true, "fewer below zero", |h| h.negative.counts[0] = 1.0),
        (true, "a bucket is gone", |h| h.positive = Buckets::from_pairs([(1, 9.0), (2, 9.0)])),
        (true, "fewer near zero", |h| h.zero_count = 1.0),
        (true, "fewer in all", |h| h.count = 1.0),
        (true, "finer", |h| h.schema = 2),
        (false, "coarser, the same observations", |h| {
            h.schema = 0;
            h.positive = Buckets::from_pairs([(1, 4.0), (3, 1.0)]);
            h.negative = Buckets::from_pairs([(2, 3.0)]);
        }),
        (false, "it says so", |h| (h.hint, h.count) = (ResetHint::NotReset, 0.0)),
    ];
    for (want, what, change) in cases {
        assert_eq!(grown(change), want, "{what}");
    }
    let (a, b) = (custom(&[1.0, 2.0], &[1.0, 2.0, 3.0]), custom(&[2.0], &[3.0, 3.0]));
    assert!(!is_reset(&b, &a) && !is_reset(&a, &b));
    assert!(is_reset(&custom(&[2.0], &[2.0, 9.0]), &a));
}

#[test]
fn quantiles_and_shares_are_inverse() {
    let histograms = [
        exponential(0, (0.001, 2.0), &[(0, 2.0), (1, 3.0), (4, 4.0)], &[]),
        exponential(2, (0.001, 2.0), &[(0, 2.0), (1, 3.0)], &[(0, 2.0), (5, 3.0)]),
        exponential(-2, (0.0, 0.0), &[], &[(0, 2.0), (1, 3.0)]),
        custom(&[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0]),
    ];
    for h in &histograms {
        for q in [0.05, 0.3, 0.45, 0.5, 0.77, 0.99] {
            let (value, _) = quantile(q, h);
            let (back, _) = fraction(f64::NEG_INFINITY, value, h);
            assert!((back - q).abs() < 1e-9, "{h:?} {q} {value} {back}");
            let low = trimmed(h, value, Keep::Below).count;
            let high = trimmed(h, value, Keep::Above).count;
            assert!((low - q * h.count).abs() < 1e-9 && (low + high - h.count).abs() < 1e-9, "{h:?} {q}");
        }
    }
}

#[test]
fn means_do_not_overflow() {
    let large = exponential(0, (0.001, 0.0), &[(1, 1e308)], &[]);
    let mut mean = Mean::new(&large);
    (0..9).for_each(|_| assert!(mean.add(&large).is_ok()));
    let got = mean.histogram();
    assert!((got.positive.counts[0] / 1e308 - 1.0).abs() < 1e-12, "{got:?}");
    assert_eq!(got.sum, f64::INFINITY);
    let mut mean = Mean::new(&custom(&[1.0], &[1.0, 4.0]));
    mean.add(&custom(&[1.0], &[3.0])).unwrap();
    assert_eq!(mean.histogram().positive.counts, [2.0, 2.0]);
}

#[test]
fn any_histogram_is_borne() {
    let edge = |offset, schema| Histogram {
        schema,
        count: f64::NAN,
        sum: f64::INFINITY,
        zero_threshold: f64::MAX,
        zero_count: f64::NAN,
        positive: Buckets { spans: vec![Span { offset, length: 2 }], counts: vec![f64::INFINITY, f64::NAN] },
        negative: Buckets { spans: vec![Span { offset, length: 2 }], counts: vec![-1.0, 1e300] },
        custom_bounds: [].into(),
        ..Default::default()
    };
    let mut all = vec![Histogram::default(), Histogram { zero_threshold: f64::NAN, ..Default::default() }];
    for offset in [i32::MIN, -1100, -1, 1022, i32::MAX - 2] {
        all.extend([-4, -1, 0, 1, 8].map(|schema| edge(offset, schema)));
    }
    all.push(Histogram { schema: CUSTOM_SCHEMA, ..edge(-3, 0) });
    all.push(Histogram { custom_bounds: [f64::NAN, 1.0].into(), ..custom(&[], &[1.0, 2.0, 3.0]) });
    for a in &all {
        let _ = (buckets(a), text(a), variance(a), scaled(a, 0.0), divided(a, 0.0));
        for v in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 0.3, 1.0, f64::INFINITY] {
            let _ = (quantile(v, a), fraction(v, 1.0, a), fraction(-1.0, v, a));
            let _ = (trimmed(a, v, Keep::Below), trimmed(a, v, Keep::Above));
        }
        for b in &all {
            let mut total = Total::new(a);
            let _ = (total.add(b), total.subtract(a), total.histogram(), equal(a, b), is_reset(a, b));
            let _ = Mean::new(a).add(b);
        }
    }
}
