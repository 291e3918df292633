//! Functions over the samples of one series in a range (`*_over_time`, `changes`, `resets`). Each sees
//! one window at a time and never an empty one.

use crate::number::{Mean, Sum, quantile as quantile_of};
use model::HistogramAt;

/// The samples of one series in `start_ms < t <= end_ms`; never empty, never stale. A function over numbers alone never
/// sees one without numbers.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) timestamps_ms: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Since when each counts, 0 where that is not known; empty if it is known of none.
    pub(crate) starts_ms: &'a [i64],
    pub(crate) histograms: &'a [HistogramAt],
    /// Of each histogram whether the counter was reset before it; empty where that is not known.
    pub(crate) resets: &'a [bool],
    /// The place of the first sample in its series.
    pub(crate) first: usize,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    /// The time that is evaluated; not `end_ms` if there is an offset or `@`.
    pub(crate) time_ms: i64,
}

impl Window<'_> {
    /// Whether a number counts anew after the one before it, by what is known of starts.
    pub(crate) fn starts_anew(&self, i: usize) -> bool {
        let at = |i: usize| (self.starts_ms[i], self.timestamps_ms[i]);
        i > 0 && !self.starts_ms.is_empty() && super::rates::starts_anew(at(i - 1), at(i))
    }
}

type Out = Option<f64>;

pub(crate) fn sum(w: &Window<'_>, _: &[f64]) -> Out {
    let mut sum = Sum::default();
    w.values.iter().for_each(|v| sum.add(*v));
    Some(sum.value())
}

pub(crate) fn avg(w: &Window<'_>, _: &[f64]) -> Out {
    let mut mean = Mean::default();
    w.values.iter().for_each(|v| mean.add(*v));
    Some(mean.value())
}

pub(crate) fn count(w: &Window<'_>, _: &[f64]) -> Out {
    Some(w.values.len() as f64)
}

/// Where the best value is; NaN only if there is nothing else.
fn best(w: &Window<'_>, better: fn(f64, f64) -> bool) -> usize {
    let mut found = 0;
    for (i, v) in w.values.iter().enumerate().skip(1) {
        if better(*v, w.values[found]) || w.values[found].is_nan() {
            found = i;
        }
    }
    found
}

pub(crate) fn first(w: &Window<'_>, _: &[f64]) -> Out {
    w.values.first().copied()
}

pub(crate) fn last(w: &Window<'_>, _: &[f64]) -> Out {
    w.values.last().copied()
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

pub(crate) fn ts_of_first(w: &Window<'_>, _: &[f64]) -> Out {
    w.timestamps_ms.first().map(|t| seconds(*t))
}

pub(crate) fn ts_of_last(w: &Window<'_>, _: &[f64]) -> Out {
    w.timestamps_ms.last().map(|t| seconds(*t))
}

/// The newest of equal values counts.
pub(crate) fn ts_of_min(w: &Window<'_>, _: &[f64]) -> Out {
    Some(seconds(w.timestamps_ms[best(w, |v, old| v <= old)]))
}

pub(crate) fn ts_of_max(w: &Window<'_>, _: &[f64]) -> Out {
    Some(seconds(w.timestamps_ms[best(w, |v, old| v >= old)]))
}

/// Population variance (Welford, "Note on a method for calculating corrected sums of squares and
/// products", 1962), with compensated sums.
pub(crate) fn stdvar(w: &Window<'_>, _: &[f64]) -> Out {
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for (i, v) in w.values.iter().enumerate() {
        let delta = v - (mean.sum + mean.compensation);
        mean.add(delta / (i + 1) as f64);
        squares.add(delta * (v - (mean.sum + mean.compensation)));
    }
    Some((squares.sum + squares.compensation) / w.values.len() as f64)
}

pub(crate) fn stddev(w: &Window<'_>, args: &[f64]) -> Out {
    stdvar(w, args).map(f64::sqrt)
}

/// Median distance from the median; NaN if there is any NaN.
pub(crate) fn mad(w: &Window<'_>, _: &[f64]) -> Out {
    if w.values.iter().any(|v| v.is_nan()) {
        return Some(f64::NAN);
    }
    let mut values = w.values.to_vec();
    let median = quantile_of(0.5, &mut values);
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    Some(quantile_of(0.5, &mut values))
}

pub(crate) fn quantile(w: &Window<'_>, args: &[f64]) -> Out {
    Some(quantile_of(args[0], &mut w.values.to_vec()))
}

/// How often the value changed; NaN after NaN is no change.
pub(crate) fn changes(w: &Window<'_>, _: &[f64]) -> Out {
    let changed = |p: &&[f64]| p[0] != p[1] && !(p[0].is_nan() && p[1].is_nan());
    Some(w.values.windows(2).filter(changed).count() as f64)
}

/// How often the value went down, or counted anew.
pub(crate) fn resets(w: &Window<'_>, _: &[f64]) -> Out {
    if !w.starts_ms.is_empty() {
        let is_reset = |i: &usize| w.values[*i] < w.values[i - 1] || w.starts_anew(*i);
        return Some((1..w.values.len()).filter(is_reset).count() as f64);
    }
    Some(w.values.windows(2).filter(|p| p[1] < p[0]).count() as f64)
}
