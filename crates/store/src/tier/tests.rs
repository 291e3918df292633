//! Tiers against the samples that they were made from.

use super::bucket::{Bucket, Folder, Grid};
use super::codec;
use proptest::prelude::*;

fn stale() -> f64 {
    f64::from_bits(model::STALE_NAN_BITS)
}

fn fold(samples: &[(i64, f64)], width_ms: i64) -> Vec<Bucket> {
    let mut folder = Folder::new(Grid::of(width_ms), i64::MAX);
    samples.iter().for_each(|(t, v)| folder.sample(*t, *v));
    folder.finish()
}

/// Equal in every bit but that of a NaN.
fn same(a: &[Bucket], b: &[Bucket]) -> bool {
    let text = |b: &[Bucket]| format!("{b:?}");
    text(a) == text(b)
}

#[test]
fn a_bucket_ends_with_its_minute_and_knows_restarts_and_markers() {
    let samples = [(1, 5.0), (60_000, 7.0), (60_001, 2.0), (61_000, stale()), (180_000, stale())];
    let buckets = fold(&samples, 60_000);
    assert_eq!(buckets.iter().map(|b| b.end_ms).collect::<Vec<_>>(), [60_000, 120_000, 180_000]);
    let [a, b, c] = buckets[..] else { panic!("{buckets:?}") };
    assert_eq!((a.count, a.sum, a.first, a.last, a.falls, a.stale_ms), (2, 12.0, 5.0, 7.0, 0.0, None));
    assert_eq!(
        (b.count, b.first_ms, b.last_ms, b.stale_ms, a.fall_to(&b)),
        (1, 60_001, 60_001, Some(61_000), 7.0)
    );
    assert_eq!((c.count, c.last_ms, c.stale_ms), (0, 180_000, Some(180_000)));
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (0i32..1000).prop_map(f64::from),
        4 => (-1000i32..1000).prop_map(|v| f64::from(v) / 100.0),
        2 => -1e9f64..1e9,
        1 => Just(stale()),
        1 => Just(f64::NAN),
        1 => prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 9e15]),
    ]
}

fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    prop::collection::vec((1i64..90_000, value()), 1..300).prop_map(|steps| {
        let mut t = 1_700_000_000_000;
        steps
            .into_iter()
            .map(|(step, v)| {
                t += step;
                (t, v)
            })
            .collect()
    })
}

proptest! {
    /// What is stored comes back, whatever the numbers.
    #[test]
    fn every_bucket_comes_back(samples in samples()) {
        let buckets = fold(&samples, 60_000);
        for part in buckets.chunks(codec::BUCKETS_MAX) {
            let row = codec::encode(part, 60_000).unwrap();
            prop_assert!(same(&codec::decode(&row).unwrap(), part));
            prop_assert_eq!(codec::len(&row), part.len());
            codec::check(&row).unwrap();
        }
    }

    /// Hours made of minutes are hours made of samples, but for the rounding of sums.
    #[test]
    fn coarser_buckets_may_be_made_of_finer_ones(samples in samples()) {
        let direct = fold(&samples, 3_600_000);
        let mut folder = Folder::new(Grid::of(3_600_000), i64::MAX);
        fold(&samples, 60_000).iter().for_each(|b| folder.bucket(b));
        let folded = folder.finish();
        let plain = |b: &[Bucket]| b.iter().map(|b| Bucket { sum: 0.0, falls: 0.0, ..*b }).collect::<Vec<_>>();
        prop_assert!(same(&plain(&direct), &plain(&folded)));
        for (a, b) in direct.iter().zip(&folded) {
            let near = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
                || (a - b).abs() <= 1e-12 * samples.iter().map(|s| s.1.abs()).filter(|v| v.is_finite()).sum::<f64>();
            prop_assert!(near(a.sum, b.sum) && near(a.falls, b.falls), "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn damaged_rows_never_panic(samples in samples(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let buckets = fold(&samples, 60_000);
        let row = codec::encode(&buckets[..buckets.len().min(codec::BUCKETS_MAX)], 60_000).unwrap();
        for damage in [true, false] {
            let mut row = row.clone();
            let mut bytes = if damage { row.timestamps.to_vec() } else { row.values.to_vec() };
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            *(if damage { &mut row.timestamps } else { &mut row.values }) = bytes.into();
            let _ = codec::decode(&row);
        }
    }
}

#[test]
fn a_counter_costs_little_more_than_its_last_values_and_a_constant_nothing() {
    let samples: Vec<(i64, f64)> = (1..=21_600).map(|i| (i * 1000, (i * 7 + i % 3) as f64)).collect();
    let buckets = fold(&samples, 60_000);
    let row = codec::encode(&buckets, 60_000).unwrap();
    assert!(row.heap_bytes() < 600, "{}", row.heap_bytes());
    let constant: Vec<(i64, f64)> = samples.iter().map(|(t, _)| (*t, 0.3)).collect();
    let row = codec::encode(&fold(&constant, 60_000), 60_000).unwrap();
    assert!(row.heap_bytes() < 100, "{}", row.heap_bytes());
}
