//! Ranges that reach exactly from edge to edge: `anchored` and `smoothed`. The windows here hold samples
//! from beyond the range, as far as the lookback: functions that count samples must never see them.

use super::over_time::{Window, changes, resets};
use crate::ast::Edges;

/// The value of `function` over a window that reaches beyond its range. `None` if there is no sample in
/// the range and none on both sides of it.
pub(super) fn compute(function: &str, w: &Window<'_>, edges: Edges) -> Option<f64> {
    let seconds = (w.end_ms - w.start_ms) as f64 / 1000.0;
    match function {
        "rate" => change(w, edges, true).map(|c| c / seconds),
        "increase" => change(w, edges, true),
        "delta" => change(w, edges, false),
        "changes" => Span::of(w, edges).and_then(|s| changes(&s.inner(w), &[])),
        "resets" => Span::of(w, edges).and_then(|s| resets(&s.inner(w), &[])),
        _ => None,
    }
}

/// The samples of the range, with one at each edge.
pub(super) fn samples(w: &Window<'_>, edges: Edges) -> (Vec<i64>, Vec<f64>) {
    let Some(span) = Span::of(w, edges) else { return Default::default() };
    let (left, right) = (span.left(w, edges, false), span.right(w, edges, false));
    let inside = inside(w);
    let times = [w.start_ms].into_iter().chain(w.timestamps_ms[inside.clone()].iter().copied());
    let values = [left].into_iter().chain(w.values[inside].iter().copied());
    (times.chain([w.end_ms]).collect(), values.chain([right]).collect())
}

/// Samples strictly between the edges.
fn inside(w: &Window<'_>) -> std::ops::Range<usize> {
    let from = w.timestamps_ms.partition_point(|t| *t <= w.start_ms);
    from..w.timestamps_ms.partition_point(|t| *t < w.end_ms).max(from)
}

/// The samples at the edges: at or before the start, else the first one; and at or before the end, or,
/// for `smoothed`, at or after the end if there is one.
struct Span {
    first: usize,
    last: usize,
}

impl Span {
    fn of(w: &Window<'_>, edges: Edges) -> Option<Span> {
        let times = w.timestamps_ms;
        let newest = times.len().checked_sub(1)?;
        let first = times.partition_point(|t| *t <= w.start_ms).saturating_sub(1);
        let last = match edges {
            Edges::Smoothed => times.partition_point(|t| *t < w.end_ms).min(newest),
            _ => newest,
        };
        (times[last] > w.start_ms && times[first] <= w.end_ms).then_some(Span { first, last })
    }

    fn inner<'a>(&self, w: &Window<'a>) -> Window<'a> {
        Window {
            timestamps_ms: &w.timestamps_ms[self.first..=self.last],
            values: &w.values[self.first..=self.last],
            first: w.first + self.first,
            starts_ms: &[],
            ..*w
        }
    }

    /// The value at the start of the range.
    fn left(&self, w: &Window<'_>, edges: Edges, counter: bool) -> f64 {
        match edges {
            Edges::Smoothed if w.timestamps_ms[self.first] < w.start_ms => {
                between(w, self.first, w.start_ms, counter)
            }
            _ => w.values[self.first],
        }
    }

    /// The value at the end of the range.
    fn right(&self, w: &Window<'_>, edges: Edges, counter: bool) -> f64 {
        match edges {
            Edges::Smoothed if self.last > 0 && w.timestamps_ms[self.last] > w.end_ms => {
                between(w, self.last - 1, w.end_ms, counter)
            }
            _ => w.values[self.last],
        }
    }
}

/// The value at `time_ms` on the line from sample `i` to the next one.
fn between(w: &Window<'_>, i: usize, time_ms: i64, counter: bool) -> f64 {
    let (Some(v), Some(t)) = (w.values.get(i..i + 2), w.timestamps_ms.get(i..i + 2)) else {
        return w.values[i];
    };
    // A counter that went down is taken to have started again from zero.
    let from = if counter && v[1] < v[0] { 0.0 } else { v[0] };
    interpolate((t[0], from), (t[1], v[1]), time_ms)
}

/// The value at a time on the line between two samples.
pub(super) fn interpolate(before: (i64, f64), after: (i64, f64), time_ms: i64) -> f64 {
    let share = (time_ms - before.0) as f64 / (after.0 - before.0) as f64;
    before.1 + (after.1 - before.1) * share
}

/// From edge to edge; for a counter, with what resets took away.
fn change(w: &Window<'_>, edges: Edges, counter: bool) -> Option<f64> {
    let span = Span::of(w, edges)?;
    let (left, right) = (span.left(w, edges, counter), span.right(w, edges, counter));
    let mut change = right - left;
    if counter {
        let mut before = left;
        for v in w.values[inside(w)].iter().chain([&right]) {
            if *v < before {
                change += before;
            }
            before = *v;
        }
    }
    Some(change)
}
