//! Native histograms in ranges that reach exactly from edge to edge: `anchored` and `smoothed`.

use super::Eval;
use super::mixed::{About, Operation};
use super::over_time::Window;
use crate::ast::Edges;
use crate::native::{self, Total};
use model::histogram::ResetHint;
use model::{Histogram, HistogramAt};

fn is_gauge(h: &HistogramAt) -> bool {
    h.histogram.hint == ResetHint::Gauge
}

impl Eval<'_> {
    /// `rate`, `increase` or `delta` of a window of histograms that reaches beyond its range.
    pub(super) fn histogram_rate_to_edges(
        &self,
        function: &str,
        w: &Window<'_>,
        edges: Edges,
        about: &About<'_>,
    ) -> Option<Histogram> {
        let counter = function != "delta";
        let all = w.histograms;
        let newest = all.len().checked_sub(1)?;
        let smoothed = edges == Edges::Smoothed;
        let first = all.partition_point(|h| h.timestamp_ms <= w.start_ms).saturating_sub(1);
        let last = match smoothed {
            true => all.partition_point(|h| h.timestamp_ms < w.end_ms).min(newest),
            false => newest,
        };
        if all[last].timestamp_ms <= w.start_ms || (smoothed && all[first].timestamp_ms > w.end_ms) {
            return None;
        }
        let used = &all[first..=last];
        if used.iter().any(|h| h.histogram.is_custom() != used[0].histogram.is_custom()) {
            self.warn_of_kinds(about);
            return None;
        }
        if counter && used.iter().any(is_gauge) {
            self.warn_of_gauge(about);
        }
        let left = match used {
            [a, b, ..] if smoothed && a.timestamp_ms < w.start_ms => {
                self.between(a, b, w.start_ms, counter, about)?
            }
            _ => Histogram::clone(&used[0].histogram),
        };
        let right = match &all[..=last] {
            [.., a, b] if smoothed && b.timestamp_ms > w.end_ms => {
                self.between(a, b, w.end_ms, counter, about)?
            }
            _ => Histogram::clone(&all[last].histogram),
        };
        let gauges = left.hint == ResetHint::Gauge && right.hint == ResetHint::Gauge;
        if !counter && !gauges {
            self.warn_of_counter(about);
        }
        let mut change = Total::new(&right);
        self.combine(&mut change, &left, Operation::Subtraction, about)?;
        if counter {
            self.add_resets(&mut change, used, &left, &right, smoothed.then_some(w.start_ms), about)?;
        }
        let change = change.into_gauge().histogram();
        Some(match function {
            "rate" => native::divided(&change, super::rates::seconds(w.start_ms, w.end_ms)),
            _ => change,
        })
    }

    /// Adds what resets between the edges took away. `smoothed_from_ms` is the start of a smoothed range.
    fn add_resets(
        &self,
        change: &mut Total,
        used: &[HistogramAt],
        left: &Histogram,
        right: &Histogram,
        smoothed_from_ms: Option<i64>,
        about: &About<'_>,
    ) -> Option<()> {
        let (mut from, mut before) = (1, left);
        if let ([a, b, ..], Some(start_ms)) = (used, smoothed_from_ms)
            && a.timestamp_ms < start_ms
            && native::is_reset(&b.histogram, &a.histogram)
        {
            // The value at the left edge lies after this reset already.
            (from, before) = (2, &b.histogram);
        }
        // The last one is what the right edge stands for.
        let to = used.len() - 1;
        if from > to {
            return Some(());
        }
        for now in used[from..to].iter().map(|h| &*h.histogram).chain([right]) {
            if native::is_reset(now, before) {
                self.combine(change, before, Operation::Addition, about)?;
            }
            before = now;
        }
        Some(())
    }

    /// The histogram at a time on the line between two; a counter that was reset is taken to have started from zero.
    pub(super) fn between(
        &self,
        a: &HistogramAt,
        b: &HistogramAt,
        time_ms: i64,
        counter: bool,
        about: &About<'_>,
    ) -> Option<Histogram> {
        if time_ms == a.timestamp_ms {
            return Some(Histogram::clone(&a.histogram));
        }
        if time_ms == b.timestamp_ms {
            return Some(Histogram::clone(&b.histogram));
        }
        let share = (time_ms - a.timestamp_ms) as f64 / (b.timestamp_ms - a.timestamp_ms) as f64;
        if counter && native::is_reset(&b.histogram, &a.histogram) {
            return Some(native::scaled(&b.histogram, share));
        }
        let mut value = Total::new(&b.histogram);
        self.combine(&mut value, &a.histogram, Operation::Subtraction, about)?;
        value.scale(share);
        self.combine(&mut value, &a.histogram, Operation::Addition, about)?;
        Some(value.histogram())
    }
}
