//! Counters and trends: `rate`, `increase`, `delta`, `irate`, `idelta`, `deriv`, `predict_linear`,
//! `double_exponential_smoothing`. Formulas as in Prometheus, so that dashboards show the same numbers.

use super::over_time::Window;
use crate::number::Sum;

type Out = Option<f64>;

pub(crate) fn delta(w: &Window<'_>, _: &[f64]) -> Out {
    extrapolated(w, None, 1.0)
}

pub(super) fn seconds(from_ms: i64, to_ms: i64) -> f64 {
    (to_ms - from_ms) as f64 / 1000.0
}

/// What a counter rose by, divided by `per`; `lost` is what restarts took away in the window.
pub(super) fn counter(w: &Window<'_>, lost: f64, per: f64) -> Out {
    if !w.starts_ms.is_empty() {
        return extrapolated_from_starts(w, per);
    }
    extrapolated(w, Some(lost), per)
}

/// The change between the first and last sample, extended to the whole window: to its edge if the edge
/// is within 1.1 average sample distances, else by half a distance; and for a counter (that lost so much) never further
/// back than to where it would have been zero. Divided by `per`.
fn extrapolated(w: &Window<'_>, lost: Option<f64>, per: f64) -> Out {
    let ([first, .., last], [first_ms, .., last_ms]) = (w.values, w.timestamps_ms) else { return None };
    let change = last - first + lost.unwrap_or(0.0);
    let (first, first_ms, last_ms, samples) = (*first, *first_ms, *last_ms, w.values.len() as f64);
    let change = Change { change, first, first_ms, last_ms, samples };
    Some(change.extrapolated((w.start_ms, w.end_ms), lost.is_some(), per))
}

/// What a window knows of its samples, at least two, to extend their change to its edges.
pub(super) struct Change {
    /// From the first to the last sample; for a counter with what restarts took away.
    pub(super) change: f64,
    pub(super) first: f64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) samples: f64,
}

impl Change {
    pub(super) fn extrapolated(&self, (start_ms, end_ms): (i64, i64), counter: bool, per: f64) -> f64 {
        let Change { change, first, first_ms, last_ms, samples } = *self;
        let sampled = seconds(first_ms, last_ms);
        let distance = sampled / (samples - 1.0);
        let within = |gap: f64| if gap >= distance * 1.1 { distance / 2.0 } else { gap };
        let mut before = within(seconds(start_ms, first_ms));
        if counter && change > 0.0 && first >= 0.0 {
            before = before.min(sampled * (first / change));
        }
        let after = within(seconds(last_ms, end_ms));
        change * ((sampled + before + after) / sampled / per)
    }
}

/// As [`extrapolated`], of a counter that says since when it counts.
fn extrapolated_from_starts(w: &Window<'_>, per: f64) -> Out {
    let (first, last) = (*w.values.first()?, *w.values.last()?);
    let mut change = last - first;
    for i in 1..w.values.len() {
        if w.values[i] < w.values[i - 1] || w.starts_anew(i) {
            change += w.values[i - 1];
        }
    }
    let (first_ms, last_ms) = (w.timestamps_ms[0], w.timestamps_ms[w.values.len() - 1]);
    let start_ms = began_inside(w.starts_ms[0], first_ms, w.start_ms);
    if start_ms.is_some() {
        // It counted from zero at that time.
        change += first;
    }
    let zero = (change > 0.0 && first >= 0.0).then(|| first / change);
    let extent = Extent { first_ms, last_ms, samples: w.values.len(), start_ms };
    Some(change * (extent.factor((w.start_ms, w.end_ms), zero)? / per))
}

/// The start of a counter, if it lies in the window before its first sample.
pub(super) fn began_inside(start_ms: i64, first_ms: i64, window_start_ms: i64) -> Option<i64> {
    (start_ms != 0 && start_ms > window_start_ms && start_ms < first_ms).then_some(start_ms)
}

/// Whether a sample that counts since `start_ms` counts anew after the sample before it.
pub(super) fn starts_anew(before: (i64, i64), now: (i64, i64)) -> bool {
    let ((start_before_ms, before_ms), (start_ms, now_ms)) = (before, now);
    if start_ms == 0 || start_ms >= now_ms || start_ms < before_ms {
        return false;
    }
    // From the sample before on: a sum of what came since, unless that one did not know its start either.
    start_ms > before_ms || (start_before_ms != 0 && start_before_ms < before_ms)
}

/// Whether the times that two samples count overlap, which they never should.
pub(super) fn overlaps(before: (i64, i64), start_ms: i64) -> bool {
    start_ms != 0 && start_ms < before.1 && start_ms != before.0
}

/// Where samples lie in a window.
pub(super) struct Extent {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) samples: usize,
    /// The start of the counter inside the window, which then is a sample of zero.
    pub(super) start_ms: Option<i64>,
}

impl Extent {
    /// What the change between the samples is multiplied by to reach to the edges of the window. `zero`, of a counter, is
    /// the share of the change after which it would have been zero before the first sample. `None` for a single sample of
    /// which no start is known.
    pub(super) fn factor(&self, (start_ms, end_ms): (i64, i64), zero: Option<f64>) -> Option<f64> {
        if self.samples < 2 && self.start_ms.is_none() {
            return None;
        }
        let sampled = seconds(self.start_ms.unwrap_or(self.first_ms), self.last_ms);
        let between = self.samples.saturating_sub(1).max(1) as f64;
        let distance = seconds(self.first_ms, self.last_ms) / between;
        let within = |gap: f64| if gap >= distance * 1.1 { distance / 2.0 } else { gap };
        let mut before = 0.0;
        if self.start_ms.is_none() {
            before = within(seconds(start_ms, self.first_ms));
            before = zero.map_or(before, |share| before.min(sampled * share));
        }
        let after = within(seconds(self.last_ms, end_ms));
        Some(if sampled == 0.0 { 1.0 } else { (sampled + before + after) / sampled })
    }
}

/// The last two samples: values and the seconds between them.
fn last_two(w: &Window<'_>) -> Option<(f64, f64, f64)> {
    match (w.values, w.timestamps_ms) {
        ([.., a, b], [.., from, to]) if to > from => Some((*a, *b, seconds(*from, *to))),
        _ => None,
    }
}

pub(crate) fn irate(w: &Window<'_>, _: &[f64]) -> Out {
    let anew = !w.starts_ms.is_empty() && w.starts_anew(w.values.len() - 1);
    last_two(w).map(|(a, b, s)| if b < a || anew { b / s } else { (b - a) / s })
}

pub(crate) fn idelta(w: &Window<'_>, _: &[f64]) -> Out {
    last_two(w).map(|(a, b, _)| b - a)
}

/// Least squares: slope per second, and the value at `origin_ms`.
fn regression(w: &Window<'_>, origin_ms: i64) -> (f64, f64) {
    let first = w.values[0];
    if w.values.iter().all(|v| *v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let [mut x_sum, mut y_sum, mut xy_sum, mut xx_sum] = [Sum::default(); 4];
    for (t, y) in w.timestamps_ms.iter().zip(w.values) {
        let x = seconds(origin_ms, *t);
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    let n = w.values.len() as f64;
    let [x, y, xy, xx] = [x_sum, y_sum, xy_sum, xx_sum].map(|s| s.sum + s.compensation);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

pub(crate) fn deriv(w: &Window<'_>, _: &[f64]) -> Out {
    (w.values.len() >= 2).then(|| regression(w, w.timestamps_ms[0]).0)
}

pub(crate) fn predict_linear(w: &Window<'_>, args: &[f64]) -> Out {
    (w.values.len() >= 2).then(|| {
        let (slope, now) = regression(w, w.time_ms);
        slope * args[0] + now
    })
}

/// Holt's linear method: smoothing factor `args[0]`, trend factor `args[1]`, both checked before.
pub(crate) fn double_exponential_smoothing(w: &Window<'_>, args: &[f64]) -> Out {
    let [first, second, ..] = w.values else { return None };
    let (mut before, mut level, mut trend) = (0.0, *first, second - first);
    for (i, v) in w.values.iter().enumerate().skip(1) {
        if i > 1 {
            trend = args[1] * (level - before) + (1.0 - args[1]) * trend;
        }
        (before, level) = (level, args[0] * v + (1.0 - args[0]) * (level + trend));
    }
    Some(level)
}
