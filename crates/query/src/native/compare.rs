//! Whether two histograms are the same, and whether a counter was reset between them.

use super::bounds::{coarser, exponential};
use super::total::{common_bounds, same_bounds, widened_zero_bucket};
use model::Histogram;
use model::histogram::{Buckets, ResetHint};

/// Whether both hold the same observations in the same buckets. How buckets are laid out in spans does not matter, nor
/// whether one that holds nothing is named.
pub(crate) fn equal(a: &Histogram, b: &Histogram) -> bool {
    let numbers = |h: &Histogram| [h.count, h.sum, h.zero_threshold, h.zero_count].map(comparable);
    let same = |a: &Buckets, b: &Buckets| {
        let of = |b: &Buckets| {
            b.iter().filter(|(_, c)| *c != 0.0).map(|(i, c)| (i, c.to_bits())).collect::<Vec<_>>()
        };
        a == b || of(a) == of(b)
    };
    a.schema == b.schema
        && numbers(a) == numbers(b)
        && same_bounds(&a.custom_bounds, &b.custom_bounds)
        && same(&a.positive, &b.positive)
        && same(&a.negative, &b.negative)
}

/// All NaN are the same, and so are the zeros.
fn comparable(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }
}

/// Whether the counter was reset between the histogram before and this one: any count went down, or the buckets became
/// finer.
pub(crate) fn is_reset(now: &Histogram, before: &Histogram) -> bool {
    match now.hint {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if now.count < before.count || now.is_custom() != before.is_custom() {
        return true;
    }
    if now.is_custom() && !same_bounds(&now.custom_bounds, &before.custom_bounds) {
        let common = common_bounds(&now.custom_bounds, &before.custom_bounds);
        let (now, before) = (in_bounds(now, &common), in_bounds(before, &common));
        return now.iter().zip(&before).any(|(now, before)| now < before);
    }
    if now.schema > before.schema || now.zero_threshold < before.zero_threshold {
        return true;
    }
    if now.zero_threshold > before.zero_threshold {
        let (zero_count, width) = widened_zero_bucket(before, now.zero_threshold);
        if width != now.zero_threshold || now.zero_count < zero_count {
            return true;
        }
    } else if now.zero_count < before.zero_count {
        return true;
    }
    let fell = |side: fn(&Histogram) -> &Buckets| {
        fell(outside(now, side(now), now), outside(before, side(before), now))
    };
    fell(|h| &h.positive) || fell(|h| &h.negative)
}

/// Counts of the buckets that these bounds make.
fn in_bounds(h: &Histogram, bounds: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; bounds.len() + 1];
    let mut at = 0;
    for b in super::bounds::positive(h) {
        while bounds.get(at).is_some_and(|bound| *bound < b.upper) {
            at += 1;
        }
        counts[at] += b.count;
    }
    counts
}

/// The buckets of a side outside of the zero bucket of `wanted`, by the indices of its schema; the same index may come
/// several times in a row.
fn outside<'h>(
    h: &'h Histogram,
    side: &'h Buckets,
    wanted: &'h Histogram,
) -> impl Iterator<Item = (i32, f64)> + 'h {
    let inside = move |i: i32| !h.is_custom() && exponential(h.schema, i).1 <= wanted.zero_threshold;
    let index = move |i: i32| if h.is_custom() { i } else { coarser(i, h.schema, wanted.schema) };
    side.iter().filter(move |(i, c)| *c != 0.0 && !inside(*i)).map(move |(i, c)| (index(i), c))
}

/// Whether any bucket holds less than before.
fn fell(now: impl Iterator<Item = (i32, f64)>, before: impl Iterator<Item = (i32, f64)>) -> bool {
    let (mut now, mut before) = (now.peekable(), before.peekable());
    while let Some((index, mut earlier)) = before.next() {
        while let Some((_, c)) = before.next_if(|(i, _)| *i == index) {
            earlier += c;
        }
        while now.next_if(|(i, _)| *i < index).is_some() {}
        let mut later = 0.0;
        while let Some((_, c)) = now.next_if(|(i, _)| *i == index) {
            later += c;
        }
        if later < earlier {
            return true;
        }
    }
    false
}
