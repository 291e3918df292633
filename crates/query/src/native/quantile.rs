//! Quantiles, shares and the variance of a native histogram. Within an exponential bucket observations are taken to be
//! spread evenly on a logarithmic scale, within a custom or the zero bucket on a linear one (as in Prometheus 3, and for
//! custom bounds as for classic histograms).

use super::bounds::{Bucket, buckets};
use crate::number::Sum;
use model::Histogram;

/// What observations that are no numbers do to a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotANumber {
    /// It falls among them, and is NaN.
    Result,
    /// They count as larger than all others and push it up.
    Skew,
}

/// The zero bucket of a histogram with one side only reaches to that side only.
fn one_sided(h: &Histogram, b: &mut Bucket) {
    match (h.negative.counts.is_empty(), h.positive.counts.is_empty()) {
        (true, false) => b.lower = 0.0,
        (false, true) => b.upper = 0.0,
        _ => {}
    }
}

/// The q-quantile.
pub(crate) fn quantile(q: f64, h: &Histogram) -> (f64, Option<NotANumber>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    if h.count == 0.0 {
        return (f64::NAN, None);
    }
    let all = buckets(h);
    // Observations that are no numbers are in no bucket, so that ranks are only known from below.
    let forward = h.sum.is_nan() || q < 0.5;
    let mut rank = if forward { q * h.count } else { (1.0 - q) * h.count };
    let nothing =
        Bucket { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };
    let (mut b, mut count, mut looked_at) = (nothing, 0.0, 0);
    for i in 0..all.len() {
        b = all[if forward { i } else { all.len() - 1 - i }];
        looked_at = i + 1;
        if b.count != 0.0 {
            count += b.count;
            if count >= rank {
                break;
            }
        }
    }
    if h.is_custom() {
        if b.lower == f64::NEG_INFINITY {
            if b.upper <= 0.0 {
                return (b.upper, None);
            }
            b.lower = 0.0;
        } else if b.upper == f64::INFINITY {
            return (b.lower, None);
        }
    } else if b.lower < 0.0 && b.upper > 0.0 {
        one_sided(h, &mut b);
    }
    count = count.min(h.count);
    if count < rank {
        return if h.sum.is_nan() { (f64::NAN, Some(NotANumber::Result)) } else { (b.upper, None) };
    }
    rank = if forward { rank - (count - b.count) } else { count - rank };
    let missing = h.sum.is_nan() && count + all[looked_at..].iter().map(|b| b.count).sum::<f64>() < h.count;
    let share = rank / b.count;
    let value = if h.is_custom() || (b.lower <= 0.0 && b.upper >= 0.0) {
        b.lower + (b.upper - b.lower) * share
    } else {
        let (lower, upper) = (b.lower.abs().log2(), b.upper.abs().log2());
        if b.lower > 0.0 {
            (lower + (upper - lower) * share).exp2()
        } else {
            -(upper + (lower - upper) * (1.0 - share)).exp2()
        }
    };
    (value, missing.then_some(NotANumber::Skew))
}

/// The share of observations between two values; whether there are some that are no numbers, which are in no share.
pub(crate) fn fraction(lower: f64, upper: f64, h: &Histogram) -> (f64, bool) {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    if lower >= upper {
        return (0.0, false);
    }
    let all = buckets(h);
    let (mut rank, mut ranks) = (0.0, [None; 2]);
    for b in &all {
        let mut b = *b;
        let zero = b.lower <= 0.0 && b.upper >= 0.0;
        if zero {
            one_sided(h, &mut b);
        }
        for (found, bound) in ranks.iter_mut().zip([lower, upper]) {
            if found.is_some() {
                continue;
            }
            if b.lower >= bound {
                *found = Some(rank);
            } else if b.upper > bound {
                *found = Some(rank_within(&b, rank, bound, h.is_custom() || zero));
            }
        }
        rank += b.count;
    }
    let counted: f64 = all.iter().map(|b| b.count).sum();
    let count = if h.sum.is_nan() { counted } else { h.count };
    let [lower, upper] = ranks.map(|r| r.filter(|r| *r <= count).unwrap_or(count));
    ((upper - lower) / h.count, h.sum.is_nan() && counted < h.count)
}

/// How many observations are at most `v`, which lies in the bucket `b`, `rank` of them below the bucket.
fn rank_within(b: &Bucket, rank: f64, v: f64, linear: bool) -> f64 {
    if linear {
        // Without a lower bound there is nothing to interpolate from.
        return if b.lower == f64::NEG_INFINITY {
            b.count
        } else {
            rank + b.count * (v - b.lower) / (b.upper - b.lower)
        };
    }
    rank + b.count * logarithmic_share(b, v)
}

/// The share of an exponential bucket below `v`.
pub(super) fn logarithmic_share(b: &Bucket, v: f64) -> f64 {
    let (lower, upper, v_log) = (b.lower.abs().log2(), b.upper.abs().log2(), v.abs().log2());
    if v > 0.0 { (v_log - lower) / (upper - lower) } else { 1.0 - (v_log - upper) / (lower - upper) }
}

/// The population variance, each bucket taken to lie at its middle: the geometric one of exponential buckets, zero in the
/// zero bucket.
pub(crate) fn variance(h: &Histogram) -> f64 {
    let mean = h.sum / h.count;
    let mut squares = Sum::default();
    for b in buckets(h).iter().filter(|b| b.count != 0.0) {
        let middle = if h.is_custom() {
            (b.upper + b.lower) / 2.0
        } else if b.lower <= 0.0 && b.upper >= 0.0 {
            0.0
        } else {
            (b.upper * b.lower).sqrt().copysign(b.upper)
        };
        let delta = middle - mean;
        squares.add(b.count * delta * delta);
    }
    (squares.sum + squares.compensation) / h.count
}
