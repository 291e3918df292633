//! Histograms of OpenTelemetry as native histograms, and the sum of two of them. Explicit buckets become custom ones, exponential
//! ones keep their scale or get a coarser one that is allowed.
//! It must never give a histogram that fails [`Histogram::check`].

use crate::wire::{Field, Reader, WireError};
use model::Histogram;
use model::histogram::{BUCKETS_MAX, Buckets, CUSTOM_SCHEMA, SCHEMA_MAX, SCHEMA_MIN};
use std::borrow::Cow;

/// How wide the zero bucket is where that was not said (as in Prometheus).
const ZERO_THRESHOLD: f64 = 1e-128;
/// A gap of so many empty buckets is filled rather than written as a gap.
const GAP_FILLED: i64 = 2;

/// Why a point is refused, in words.
pub(super) type Bad = Cow<'static, str>;

/// What a point of a histogram says besides its attributes and times.
#[derive(Default)]
pub(super) struct Parts {
    pub count: u64,
    pub sum: Option<f64>,
    /// Explicit buckets: not cumulative, one more than bounds, or none.
    pub counts: Vec<u64>,
    pub bounds: Vec<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Side,
    pub negative: Side,
}

/// Buckets above or below zero.
#[derive(Default)]
pub(super) struct Side {
    offset: i32,
    counts: Vec<u64>,
}

impl Side {
    pub fn read(message: &[u8]) -> Result<Side, WireError> {
        let mut side = Side::default();
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (1, field) => {
                    let raw = field.varint()? as u32;
                    side.offset = (raw >> 1) as i32 ^ -((raw & 1) as i32);
                }
                (2, Field::Bytes(packed)) => {
                    let mut packed = Reader::new(packed);
                    while let Some(count) = packed.packed_varint()? {
                        push(&mut side.counts, count);
                    }
                }
                (2, field) => push(&mut side.counts, field.varint()?),
                _ => {}
            }
        }
        Ok(side)
    }

    /// By Prometheus's numbers, `shift` scales coarser. OpenTelemetry counts the bucket above 1 as 0, Prometheus as 1.
    fn buckets(&self, shift: u32) -> Result<Buckets, Bad> {
        let mut merged: Vec<(i64, f64)> = Vec::with_capacity(self.counts.len());
        for (i, count) in self.counts.iter().enumerate() {
            let index = ((i64::from(self.offset) + i as i64) >> shift.min(63)) + 1;
            match merged.last_mut() {
                Some((last, sum)) if *last == index => *sum += *count as f64,
                _ => merged.push((index, *count as f64)),
            }
        }
        sparse(merged.into_iter())
    }
}

/// More than a histogram may have are counted by the length alone.
pub(super) fn push<T>(all: &mut Vec<T>, one: T) {
    if all.len() <= BUCKETS_MAX {
        all.push(one);
    }
}

/// Buckets without empty ones, but for small gaps.
fn sparse(all: impl Iterator<Item = (i64, f64)>) -> Result<Buckets, Bad> {
    let mut pairs: Vec<(i32, f64)> = Vec::new();
    for (index, count) in all.filter(|(_, count)| *count != 0.0) {
        let Ok(index) = i32::try_from(index) else { return Err("a bucket lies out of reach".into()) };
        if let Some((last, _)) = pairs.last().copied() {
            let gap = i64::from(index) - i64::from(last) - 1;
            if gap <= GAP_FILLED {
                pairs.extend((0..gap as i32).map(|i| (last + 1 + i, 0.0)));
            }
        }
        pairs.push((index, count));
    }
    Ok(Buckets::from_pairs(pairs))
}

impl Parts {
    /// Explicit buckets, checked, without a bound at infinity.
    pub fn explicit(&mut self) -> Result<(), Bad> {
        if self.counts.len() > BUCKETS_MAX || self.bounds.len() > BUCKETS_MAX {
            return Err(format!("it has more than {BUCKETS_MAX} buckets").into());
        }
        if self.counts.is_empty() && self.bounds.is_empty() {
            return Ok(());
        }
        if self.counts.len() != self.bounds.len() + 1 {
            let (counts, bounds) = (self.counts.len(), self.bounds.len());
            return Err(
                format!("it has {counts} buckets for {bounds} bounds; there has to be one more").into()
            );
        }
        if !self.bounds.windows(2).all(|two| two[0] < two[1]) || self.bounds.iter().any(|b| b.is_nan()) {
            return Err("its bounds do not increase".into());
        }
        if self.bounds.last() == Some(&f64::INFINITY) {
            self.bounds.pop();
            let above = self.counts.pop().unwrap_or(0);
            if let Some(last) = self.counts.last_mut() {
                *last = last.saturating_add(above);
            }
        }
        Ok(())
    }

    /// As a histogram with custom buckets, after [`Parts::explicit`].
    pub fn custom(&self) -> Result<Histogram, Bad> {
        let positive = sparse((0i64..).zip(self.counts.iter().map(|c| *c as f64)))?;
        checked(Histogram {
            schema: CUSTOM_SCHEMA,
            count: self.count as f64,
            sum: self.sum.unwrap_or(0.0),
            positive,
            custom_bounds: self.bounds.as_slice().into(),
            ..Histogram::default()
        })
    }

    /// As a histogram with exponential buckets.
    pub fn exponential(&self) -> Result<Histogram, Bad> {
        if self.scale < i32::from(SCHEMA_MIN) {
            return Err(
                format!("its scale is {}; {SCHEMA_MIN} is the coarsest that is kept", self.scale).into()
            );
        }
        if self.positive.counts.len() + self.negative.counts.len() > BUCKETS_MAX {
            return Err(format!("it has more than {BUCKETS_MAX} buckets").into());
        }
        let schema = self.scale.min(i32::from(SCHEMA_MAX));
        let shift = (self.scale - schema) as u32;
        let is_said = self.zero_threshold > 0.0;
        checked(Histogram {
            schema: schema as i8,
            count: self.count as f64,
            sum: self.sum.unwrap_or(0.0),
            zero_threshold: if is_said { self.zero_threshold } else { ZERO_THRESHOLD },
            zero_count: self.zero_count as f64,
            positive: self.positive.buckets(shift)?,
            negative: self.negative.buckets(shift)?,
            ..Histogram::default()
        })
    }
}

fn checked(histogram: Histogram) -> Result<Histogram, Bad> {
    match histogram.check() {
        Ok(()) => Ok(histogram),
        Err(e) => Err(e.to_string().into()),
    }
}

/// The sum of two histograms, at the coarser scale; `None` if their bounds or zero buckets do not fit together, or if it would
/// have too many buckets.
pub(super) fn add(a: &Histogram, b: &Histogram) -> Option<Histogram> {
    let fit = a.is_custom() == b.is_custom()
        && a.custom_bounds == b.custom_bounds
        && a.zero_threshold == b.zero_threshold;
    if !fit {
        return None;
    }
    let schema = a.schema.min(b.schema);
    let side = |x: &Buckets, y: &Buckets| {
        let coarser = |buckets: &Buckets, from: i8| -> Vec<(i64, f64)> {
            let shift = from.abs_diff(schema);
            // The bucket `i` reaches to 2^(i/2^schema): upper bounds are rounded up.
            buckets.iter().map(|(i, count)| (((i64::from(i) - 1) >> shift) + 1, count)).collect()
        };
        let (xs, ys) = match a.is_custom() {
            true => {
                let plain = |b: &Buckets| b.iter().map(|(i, count)| (i64::from(i), count)).collect();
                (plain(x), plain(y))
            }
            false => (coarser(x, a.schema), coarser(y, b.schema)),
        };
        let mut all: Vec<(i64, f64)> = [xs, ys].concat();
        all.sort_by_key(|(i, _)| *i);
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0.0 };
            same
        });
        sparse(all.into_iter()).ok()
    };
    let sum = Histogram {
        schema,
        hint: a.hint,
        count: a.count + b.count,
        sum: a.sum + b.sum,
        zero_threshold: a.zero_threshold,
        zero_count: a.zero_count + b.zero_count,
        positive: side(&a.positive, &b.positive)?,
        negative: side(&a.negative, &b.negative)?,
        custom_bounds: a.custom_bounds.clone(),
    };
    sum.check().is_ok().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(offset: i32, counts: &[u64]) -> Side {
        Side { offset, counts: counts.to_vec() }
    }

    fn pairs(buckets: &Buckets) -> Vec<(i32, f64)> {
        buckets.iter().collect()
    }

    #[test]
    fn exponential_buckets_move_by_one_and_merge() {
        let mut parts = Parts { count: 10, positive: side(-1, &[1, 2, 3]), scale: 8, ..Default::default() };
        assert_eq!(pairs(&parts.exponential().unwrap().positive), [(0, 1.0), (1, 2.0), (2, 3.0)]);
        // Two scales too fine: four buckets become one. -1 is in (2^-1/1024, 1], 0 and 1 above 1.
        parts.scale = 10;
        let histogram = parts.exponential().unwrap();
        assert_eq!((histogram.schema, pairs(&histogram.positive)), (8, vec![(0, 1.0), (1, 5.0)]));
        assert_eq!(histogram.zero_threshold, ZERO_THRESHOLD);
        // Gaps of two are filled, larger ones are gaps; far from the middle.
        parts.scale = 8;
        parts.positive = side(i32::MAX - 3, &[1]);
        parts.negative = side(i32::MIN, &[1, 0, 0, 1, 0, 0, 0, 1]);
        let histogram = parts.exponential().unwrap();
        assert_eq!(histogram.negative.spans.len(), 2);
        for (spoil, words) in [
            ((|p| p.scale = -5) as fn(&mut Parts), "its scale is -5"),
            (|p| p.positive = side(i32::MAX, &[0, 1]), "out of reach"),
            (|p| p.positive = side(0, &[1; 10_001]), "more than 10000 buckets"),
            (|p| p.zero_threshold = f64::INFINITY, ""),
        ] {
            let mut parts = Parts { count: 1, ..Default::default() };
            spoil(&mut parts);
            match parts.exponential() {
                Err(e) => assert!(e.contains(words), "{e}"),
                Ok(_) => assert_eq!(words, ""),
            }
        }
    }

    #[test]
    fn explicit_buckets_have_one_bound_less() {
        for (counts, bounds, want) in [
            (vec![], vec![], Ok((0, 0))),
            (vec![5], vec![], Ok((1, 0))),
            (vec![1, 2], vec![1.0], Ok((2, 1))),
            (vec![1, 2, 3], vec![1.0, f64::INFINITY], Ok((2, 1))),
            (vec![1], vec![1.0], Err("1 buckets for 1 bounds")),
            (vec![1, 2, 3], vec![1.0, 1.0], Err("do not increase")),
            (vec![1, 2], vec![f64::NAN], Err("do not increase")),
            (vec![0; 10_001], vec![], Err("more than 10000")),
        ] {
            let mut parts = Parts { counts, bounds, ..Default::default() };
            match (parts.explicit(), want) {
                (Ok(()), Ok(sizes)) => {
                    assert_eq!((parts.counts.len(), parts.bounds.len()), sizes);
                    assert!(parts.custom().is_ok());
                }
                (Err(e), Err(words)) => assert!(e.contains(words), "{e}"),
                (got, want) => panic!("{got:?} {want:?}"),
            }
        }
    }

    #[test]
    fn sums_are_at_the_coarser_scale() {
        let of = |scale, positive: Side, count| {
            Parts { scale, positive, count, sum: Some(1.0), ..Default::default() }.exponential().unwrap()
        };
        let sum = add(&of(1, side(0, &[1, 2, 4]), 7), &of(0, side(0, &[8, 16]), 24)).unwrap();
        assert_eq!((sum.schema, sum.count, sum.sum), (0, 31.0, 2.0));
        assert_eq!(pairs(&sum.positive), [(1, 11.0), (2, 20.0)]);
        let custom = |bounds: &[f64], counts: &[u64]| {
            let count = counts.iter().sum();
            Parts { bounds: bounds.to_vec(), counts: counts.to_vec(), count, ..Default::default() }
                .custom()
                .unwrap()
        };
        let sum = add(&custom(&[1.0], &[1, 2]), &custom(&[1.0], &[0, 3])).unwrap();
        assert_eq!(pairs(&sum.positive), [(0, 1.0), (1, 5.0)]);
        assert_eq!(add(&custom(&[1.0], &[1, 2]), &custom(&[2.0], &[0, 3])), None);
        assert_eq!(add(&custom(&[1.0], &[1, 2]), &of(0, side(0, &[1]), 1)), None);
    }
}
