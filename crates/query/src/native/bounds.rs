//! Where buckets begin and end. Formulas: the exponential bucket `i` of schema `s` ends at `2^(i / 2^s)` (OpenTelemetry's
//! and Prometheus's data model).

use model::Histogram;
use model::histogram::Buckets;
use std::sync::LazyLock;

/// One bucket with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound; may be infinite.
    pub lower: f64,
    /// Upper bound; may be infinite.
    pub upper: f64,
    /// Whether the lower bound itself is inside.
    pub lower_inclusive: bool,
    /// Whether the upper bound itself is inside.
    pub upper_inclusive: bool,
    /// Observations, possibly a fraction or negative.
    pub count: f64,
}

/// `2^(i/256)`: the bounds between 1 and 2 of the finest schema.
static FRACTIONS: LazyLock<[f64; 256]> = LazyLock::new(|| std::array::from_fn(|i| (i as f64 / 256.0).exp2()));

/// The upper bound of an exponential bucket. The bucket that holds the largest number ends with that number.
pub(super) fn upper_bound(schema: i8, index: i32) -> f64 {
    if schema <= 0 {
        return power(i64::from(index) << schema.unsigned_abs().min(4));
    }
    let schema = schema.min(8);
    let part = index & ((1 << schema) - 1);
    let exponent = i64::from(index >> schema);
    match part {
        0 => power(exponent),
        _ if exponent > 1023 => f64::INFINITY,
        _ => FRACTIONS[(part as usize) << (8 - schema)] * power(exponent),
    }
}

/// `2^exponent`.
fn power(exponent: i64) -> f64 {
    match exponent {
        1025.. => f64::INFINITY,
        1024 => f64::MAX,
        -1022.. => f64::from_bits(((exponent + 1023) as u64) << 52),
        -1074.. => f64::from_bits(1 << (exponent + 1074)),
        _ => 0.0,
    }
}

/// The index of the bucket of a coarser schema in which this bucket lies.
pub(super) fn coarser(index: i32, from: i8, to: i8) -> i32 {
    let shift = (i32::from(from) - i32::from(to)).clamp(0, 12);
    (((i64::from(index) - 1) >> shift) + 1) as i32
}

/// The buckets above zero (or all, with custom bounds) in ascending order, as they are.
pub(super) fn positive(h: &Histogram) -> impl Iterator<Item = Bucket> + '_ {
    h.positive.iter().map(|(i, count)| {
        if h.is_custom() {
            let i = usize::try_from(i).unwrap_or(0);
            let lower = i.checked_sub(1).map_or(f64::NEG_INFINITY, |i| bound(h, i));
            return Bucket {
                lower,
                upper: bound(h, i),
                lower_inclusive: i == 0,
                upper_inclusive: true,
                count,
            };
        }
        let (lower, upper) = exponential(h.schema, i);
        Bucket { lower, upper, lower_inclusive: false, upper_inclusive: true, count }
    })
}

/// The buckets below zero, the one nearest to zero first, as they are.
pub(super) fn negative(h: &Histogram) -> impl Iterator<Item = Bucket> + '_ {
    h.negative.iter().map(|(i, count)| {
        let (near, far) = exponential(h.schema, i);
        Bucket { lower: -far, upper: -near, lower_inclusive: true, upper_inclusive: false, count }
    })
}

fn bound(h: &Histogram, i: usize) -> f64 {
    h.custom_bounds.get(i).copied().unwrap_or(f64::INFINITY)
}

/// The smaller and the larger bound of an exponential bucket above zero.
pub(super) fn exponential(schema: i8, index: i32) -> (f64, f64) {
    (upper_bound(schema, index.saturating_sub(1)), upper_bound(schema, index))
}

/// All buckets in ascending order, with the zero bucket if anything is in it; buckets that reach into the zero bucket are
/// cut where it ends.
pub fn buckets(h: &Histogram) -> Vec<Bucket> {
    let sides: fn(&Buckets) -> usize = |b| b.counts.len();
    let mut all = Vec::with_capacity(sides(&h.negative) + 1 + sides(&h.positive));
    all.extend(negative(h));
    all.reverse();
    let width = h.zero_threshold;
    for b in &mut all {
        if b.upper < 0.0 && b.upper > -width {
            b.upper = -width;
        }
    }
    if h.zero_count > 0.0 {
        let (lower, upper, count) = (-width, width, h.zero_count);
        all.push(Bucket { lower, upper, lower_inclusive: true, upper_inclusive: true, count });
    }
    all.extend(positive(h).map(|mut b| {
        if b.lower > 0.0 && b.lower < width {
            b.lower = width;
        }
        b
    }));
    all
}
