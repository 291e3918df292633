//! Native histograms in scripts: `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`, and a naive sum of two.

use model::Histogram;
use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
use std::collections::BTreeMap;

/// What stands between `{{` and `}}`.
pub fn parse(text: &str) -> Histogram {
    let mut h = Histogram::default();
    let (mut offsets, mut counts) = ([0i32; 2], [Vec::new(), Vec::new()]);
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once(':') {
        let end = if after.starts_with('[') {
            after.find(']').unwrap() + 1
        } else {
            after.find(' ').unwrap_or(after.len())
        };
        let (value, after) = after.split_at(end);
        rest = after.trim();
        let number = || super::number(value);
        let list =
            || value.trim_matches(['[', ']']).split_whitespace().map(super::number).collect::<Vec<f64>>();
        match key.trim() {
            "schema" => h.schema = value.parse().unwrap(),
            "sum" => h.sum = number(),
            "count" => h.count = number(),
            "z_bucket" => h.zero_count = number(),
            "z_bucket_w" => h.zero_threshold = number(),
            "offset" => offsets[0] = value.parse().unwrap(),
            "n_offset" => offsets[1] = value.parse().unwrap(),
            "buckets" => counts[0] = list(),
            "n_buckets" => counts[1] = list(),
            "custom_values" => h.custom_bounds = list().into(),
            "counter_reset_hint" => {
                h.hint = match value {
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    _ => ResetHint::Unknown,
                }
            }
            other => panic!("{other:?} is no part of a histogram"),
        }
    }
    let side = |i: usize| Buckets::from_pairs((offsets[i]..).zip(counts[i].iter().copied()));
    (h.positive, h.negative) = (side(0), side(1));
    h
}

/// The buckets of one side at a coarser schema.
fn reduced(buckets: &Buckets, from: i8, to: i8) -> BTreeMap<i32, f64> {
    let mut out = BTreeMap::new();
    for (i, c) in buckets.iter() {
        let i = if from == CUSTOM_SCHEMA { i } else { ((i - 1) >> (from - to)) + 1 };
        *out.entry(i).or_insert(0.0) += c;
    }
    out
}

/// The sum of two histograms with the same bounds and zero buckets, or the difference (`sign` -1).
pub fn sum(a: &Histogram, b: &Histogram, sign: f64) -> Histogram {
    let schema = a.schema.min(b.schema);
    let side = |of: fn(&Histogram) -> &Buckets| {
        let mut buckets = reduced(of(a), a.schema, schema);
        for (i, c) in reduced(of(b), b.schema, schema) {
            *buckets.entry(i).or_insert(0.0) += sign * c;
        }
        Buckets::from_pairs(buckets)
    };
    Histogram {
        schema,
        hint: a.hint,
        count: a.count + sign * b.count,
        sum: a.sum + sign * b.sum,
        zero_threshold: a.zero_threshold.max(b.zero_threshold),
        zero_count: a.zero_count + sign * b.zero_count,
        positive: side(|h| &h.positive),
        negative: side(|h| &h.negative),
        custom_bounds: a.custom_bounds.clone(),
    }
}

/// The same observations in buckets with the same bounds, but for rounding; and the same hint where one is wanted.
pub fn near(got: &Histogram, want: &Histogram) -> bool {
    let buckets = |h: &Histogram| -> Vec<[f64; 3]> {
        let all = query::histogram_buckets(h).into_iter().filter(|b| b.count != 0.0);
        all.map(|b| [b.lower, b.upper, b.count]).collect()
    };
    let (a, b) = (buckets(got), buckets(want));
    super::near(got.count, want.count)
        && super::near(got.sum, want.sum)
        && a.len() == b.len()
        && a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| super::near(*a, *b))
        && (want.hint == ResetHint::Unknown || got.hint == want.hint)
}
