//! Native histograms as maps from a bucket's bounds to its count: nothing is clever here. All exponential histograms of the
//! test have the same zero bucket, so that only schemas and custom bounds differ.

use model::Histogram;
use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
use std::collections::BTreeMap;

/// The bounds that both have; of exponential histograms there are none to compare.
fn common(a: &Histogram, b: &Histogram) -> Vec<f64> {
    a.custom_bounds.iter().copied().filter(|x| b.custom_bounds.contains(x)).collect()
}

/// Counts by the indices of a coarser schema, or of other custom bounds.
fn regrouped(h: &Histogram, side: &Buckets, schema: i8, bounds: &[f64]) -> BTreeMap<i32, f64> {
    let mut out = BTreeMap::new();
    for (i, count) in side.iter() {
        let index = if schema == CUSTOM_SCHEMA {
            let upper = h.custom_bounds.get(i as usize).copied().unwrap_or(f64::INFINITY);
            bounds.iter().position(|b| *b >= upper).unwrap_or(bounds.len()) as i32
        } else {
            // The bucket ends at 2^(i / 2^schema): the next coarser bound at or above it.
            let factor = 2f64.powi(i32::from(h.schema - schema));
            (f64::from(i) / factor).ceil() as i32
        };
        *out.entry(index).or_insert(0.0) += count;
    }
    out
}

/// `a + sign * b`; `None` if only one of them has custom bounds.
pub fn sum(a: &Histogram, b: &Histogram, sign: f64) -> Option<Histogram> {
    if a.is_custom() != b.is_custom() {
        return None;
    }
    let schema = a.schema.min(b.schema);
    let bounds = if a.custom_bounds == b.custom_bounds { a.custom_bounds.to_vec() } else { common(a, b) };
    let side = |of: fn(&Histogram) -> &Buckets| {
        let mut all = regrouped(a, of(a), schema, &bounds);
        for (i, c) in regrouped(b, of(b), schema, &bounds) {
            *all.entry(i).or_insert(0.0) += sign * c;
        }
        Buckets::from_pairs(all.into_iter().filter(|(_, c)| *c != 0.0))
    };
    Some(Histogram {
        schema,
        hint: ResetHint::Unknown,
        count: a.count + sign * b.count,
        sum: a.sum + sign * b.sum,
        zero_threshold: a.zero_threshold.max(b.zero_threshold),
        zero_count: a.zero_count + sign * b.zero_count,
        positive: side(|h| &h.positive),
        negative: side(|h| &h.negative),
        custom_bounds: bounds.into(),
    })
}

pub fn scaled(h: &Histogram, factor: f64) -> Histogram {
    let side =
        |b: &Buckets| Buckets::from_pairs(b.iter().map(|(i, c)| (i, c * factor)).filter(|(_, c)| *c != 0.0));
    Histogram {
        hint: ResetHint::Unknown,
        count: h.count * factor,
        sum: h.sum * factor,
        zero_count: h.zero_count * factor,
        positive: side(&h.positive),
        negative: side(&h.negative),
        ..h.clone()
    }
}

/// Whether any count is smaller than before, or the buckets are finer.
pub fn is_reset(now: &Histogram, before: &Histogram) -> bool {
    if now.is_custom() != before.is_custom() || now.schema > before.schema {
        return true;
    }
    let bounds = if now.custom_bounds == before.custom_bounds {
        now.custom_bounds.to_vec()
    } else {
        common(now, before)
    };
    let fell = |of: fn(&Histogram) -> &Buckets| {
        let held = regrouped(now, of(now), now.schema, &bounds);
        let old = regrouped(before, of(before), now.schema, &bounds);
        old.iter().any(|(i, c)| held.get(i).copied().unwrap_or(0.0) < *c)
    };
    now.count < before.count
        || now.zero_count < before.zero_count
        || fell(|h| &h.positive)
        || fell(|h| &h.negative)
}

/// Observations by lower and upper bound, in order.
fn buckets(h: &Histogram) -> Vec<(f64, f64, f64)> {
    let bound = |i: i32| match h.is_custom() {
        true if i < 0 => f64::NEG_INFINITY,
        true => h.custom_bounds.get(i as usize).copied().unwrap_or(f64::INFINITY),
        false => 2f64.powf(f64::from(i) / 2f64.powi(i32::from(h.schema))),
    };
    let mut all: Vec<(f64, f64, f64)> = h.positive.iter().map(|(i, c)| (bound(i - 1), bound(i), c)).collect();
    all.extend(h.negative.iter().map(|(i, c)| (-bound(i), -bound(i - 1), c)));
    all.push((-h.zero_threshold, h.zero_threshold, h.zero_count));
    all.retain(|(_, _, c)| *c != 0.0);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The zero bucket reaches only to where there is anything.
    let one_sided = |side: &Buckets| side.counts.is_empty();
    for b in &mut all {
        if !h.is_custom() && b.0 < 0.0 && b.1 > 0.0 {
            match (one_sided(&h.negative), one_sided(&h.positive)) {
                (true, false) => b.0 = 0.0,
                (false, true) => b.1 = 0.0,
                _ => {}
            }
        }
    }
    all
}

/// How much of a bucket lies below `v`, which is inside.
fn share(h: &Histogram, (lower, upper, _): (f64, f64, f64), v: f64) -> f64 {
    if h.is_custom() || (lower <= 0.0 && upper >= 0.0) {
        (v - lower) / (upper - lower)
    } else if lower > 0.0 {
        (v.ln() - lower.ln()) / (upper.ln() - lower.ln())
    } else {
        ((-lower).ln() - (-v).ln()) / ((-lower).ln() - (-upper).ln())
    }
}

pub fn quantile(q: f64, h: &Histogram) -> f64 {
    if h.count == 0.0 {
        return f64::NAN;
    }
    let (rank, mut below, mut last) = (q * h.count, 0.0, f64::NAN);
    for mut b in buckets(h) {
        if below + b.2 >= rank {
            if b.0 == f64::NEG_INFINITY {
                if b.1 <= 0.0 {
                    return b.1;
                }
                b.0 = 0.0;
            }
            if b.1 == f64::INFINITY {
                return b.0;
            }
            let part = (rank - below) / b.2;
            return if h.is_custom() || (b.0 <= 0.0 && b.1 >= 0.0) {
                b.0 + (b.1 - b.0) * part
            } else if b.0 > 0.0 {
                (b.0.ln() + (b.1.ln() - b.0.ln()) * part).exp()
            } else {
                -((-b.0).ln() + ((-b.1).ln() - (-b.0).ln()) * part).exp()
            };
        }
        below += b.2;
        last = b.1;
    }
    last
}

pub fn fraction(lower: f64, upper: f64, h: &Histogram) -> f64 {
    let below = |v: f64| -> f64 {
        let mut rank = 0.0;
        for mut b in buckets(h) {
            // What reaches over zero starts at zero where nothing is below (custom bounds are never below).
            if h.is_custom() && b.0 <= 0.0 && b.1 >= 0.0 {
                b.0 = 0.0;
            }
            if b.1 <= v {
                rank += b.2;
            } else if b.0 < v {
                // Nothing is known of where observations in a bucket without a lower end are: all count.
                rank += if b.0 == f64::NEG_INFINITY { b.2 } else { b.2 * share(h, b, v) };
            }
        }
        rank
    };
    if h.count == 0.0 { f64::NAN } else { (below(upper) - below(lower)) / h.count }
}
