//! A histogram without the observations above or below a value (`h </ v`, `h >/ v`). The sum is estimated anew from the
//! middles of what is left, if anything was cut off.

use super::bounds::{Bucket, negative, positive};
use super::quantile::logarithmic_share;
use model::Histogram;
use model::histogram::Buckets;

/// Which observations stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those up to the value: `</`.
    Below,
    /// Those from the value on: `>/`.
    Above,
}

/// What is left of a bucket: how many, and where they are taken to lie.
type Rest = (f64, f64);

/// What stays of a histogram.
pub(crate) fn trimmed(h: &Histogram, value: f64, keep: Keep) -> Histogram {
    let (mut count, mut sum, mut cut) = (0.0, 0.0, false);
    let mut has_any = [false; 2];
    let mut take = |before: f64, (left, middle): Rest| {
        cut |= left != before;
        count += left;
        // A middle at infinity weighs nothing where nothing is left.
        sum += if left == 0.0 { 0.0 } else { middle * left };
        left
    };
    let mut side = |buckets: &Buckets, bounds: &mut dyn Iterator<Item = Bucket>, above_zero: bool| {
        let left = buckets.iter().zip(bounds).map(|((i, c), b)| {
            if c == 0.0 {
                return (i, c);
            }
            has_any[usize::from(above_zero)] = true;
            (i, take(c, rest(&b, value, keep, above_zero, h.is_custom())))
        });
        Buckets::from_pairs(left.filter(|(_, c)| *c != 0.0))
    };
    let above = side(&h.positive, &mut positive(h), true);
    let below = side(&h.negative, &mut negative(h), false);
    let mut zero_count = h.zero_count;
    if h.zero_count > 0.0 {
        let width = h.zero_threshold;
        let lower = if has_any == [false, true] { 0.0 } else { -width };
        let upper = if has_any == [true, false] { 0.0 } else { width };
        zero_count = take(h.zero_count, rest_of_zero(h.zero_count, lower, upper, value, keep));
    }
    if !cut {
        return h.clone();
    }
    Histogram {
        count,
        sum,
        zero_count,
        positive: above,
        negative: below,
        custom_bounds: h.custom_bounds.clone(),
        ..*h
    }
}

fn rest(b: &Bucket, value: f64, keep: Keep, above_zero: bool, linear: bool) -> Rest {
    let (whole, partly) = match keep {
        Keep::Below => (b.upper <= value, b.lower < value),
        Keep::Above => (b.lower >= value, b.upper > value),
    };
    if whole {
        return (b.count, middle(b.lower, b.upper, above_zero, linear));
    }
    if !partly {
        return (0.0, 0.0);
    }
    if b.lower.is_infinite() || b.upper.is_infinite() {
        return rest_of_infinite(b, value, keep);
    }
    let share = if linear { (value - b.lower) / (b.upper - b.lower) } else { logarithmic_share(b, value) };
    let below = b.count * share;
    match keep {
        Keep::Below => (below, middle(b.lower, value, above_zero, linear)),
        Keep::Above => (b.count - below, middle(value, b.upper, above_zero, linear)),
    }
}

/// What is left of a bucket that has no end, cut inside. Nothing is known of how it is spread, so that it mostly goes as a
/// whole; the lowest one starts at zero if it ends above zero.
fn rest_of_infinite(b: &Bucket, value: f64, keep: Keep) -> Rest {
    if b.lower == f64::NEG_INFINITY {
        let from_zero = b.upper > 0.0 && b.upper != f64::INFINITY;
        return match keep {
            Keep::Below if from_zero && value > 0.0 => (b.count * value / b.upper, value / 2.0),
            Keep::Below if b.upper <= 0.0 => (b.count, value),
            Keep::Above if value == f64::NEG_INFINITY => (b.count, 0.0),
            Keep::Above if from_zero && value >= 0.0 => {
                (b.count * (1.0 - value / b.upper), (value + b.upper) / 2.0)
            }
            _ => (0.0, 0.0),
        };
    }
    match keep {
        Keep::Above if value >= b.lower => (b.count, value),
        _ => (0.0, 0.0),
    }
}

fn rest_of_zero(count: f64, lower: f64, upper: f64, value: f64, keep: Keep) -> Rest {
    let all = (count, (lower + upper) / 2.0);
    let share = |of: f64| of / (upper - lower);
    match keep {
        Keep::Below if value <= lower => (0.0, 0.0),
        Keep::Below if value >= upper => all,
        Keep::Below => (count * share(value - lower), (lower + value) / 2.0),
        Keep::Above if value <= lower => all,
        Keep::Above if value >= upper => (0.0, 0.0),
        Keep::Above => (count * share(upper - value), (value + upper) / 2.0),
    }
}

/// Where the observations between two bounds are taken to lie.
fn middle(lower: f64, upper: f64, above_zero: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) if upper > 0.0 => upper / 2.0,
        (true, false) => upper,
        (false, true) => lower,
        _ if linear => (lower + upper) / 2.0,
        _ if above_zero => (lower * upper).abs().sqrt(),
        _ => -(lower * upper).abs().sqrt(),
    }
}
