//! Functions over windows that hold native histograms, alone or among numbers. What a window of both gives, and what is
//! said about it, is as in Prometheus 3: counters and sums refuse the mix, functions that know numbers only leave the
//! histograms out and say so.

use super::Eval;
use super::over_time::Window;
use crate::ast::Edges;
use crate::error::{QueryError, Span};
use crate::native::{self, Incompatible, Mean, Outcome, Total};
use crate::value::Point;
use model::histogram::ResetHint;
use model::{Histogram, HistogramAt};
use std::sync::Arc;

/// What notes are about: a metric's name, and a place in the query.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
}

/// What two histograms are brought together for, as notes call it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Addition => "addition",
            Operation::Subtraction => "subtraction",
            Operation::Aggregation => "aggregation",
        }
    }
}

/// The hints that were seen while adding up.
#[derive(Clone, Copy, Default)]
pub(super) struct HintsSeen {
    reset: bool,
    not_reset: bool,
}

impl HintsSeen {
    pub(super) fn see(&mut self, h: &Histogram) {
        self.reset |= h.hint == ResetHint::Reset;
        self.not_reset |= h.hint == ResetHint::NotReset;
    }

    pub(super) fn collide(self) -> bool {
        self.reset && self.not_reset
    }
}

/// The samples of a window in order of time: numbers and histograms, each with the start of its counter and its time.
pub(super) enum Sample<'w> {
    Number(f64),
    Histogram(&'w HistogramAt),
}

pub(super) fn in_order<'w>(w: &Window<'w>) -> impl Iterator<Item = (Sample<'w>, (i64, i64))> + use<'w> {
    let (times, values, starts, histograms) = (w.timestamps_ms, w.values, w.starts_ms, w.histograms);
    let (mut number, mut histogram) = (0, 0);
    std::iter::from_fn(move || {
        let next = histograms.get(histogram);
        match times.get(number) {
            Some(t) if next.is_none_or(|h| *t < h.timestamp_ms) => {
                number += 1;
                let start_ms = starts.get(number - 1).copied().unwrap_or(0);
                Some((Sample::Number(values[number - 1]), (start_ms, *t)))
            }
            _ => {
                histogram += 1;
                next.map(|h| (Sample::Histogram(h), (h.start_ms, h.timestamp_ms)))
            }
        }
    })
}

impl Eval<'_> {
    /// The value of a function over a window; `of_numbers` computes it over a window with numbers, and looks at these
    /// alone.
    pub(super) fn of_both(
        &self,
        function: &str,
        w: &Window<'_>,
        edges: Edges,
        about: &About<'_>,
        mut of_numbers: impl FnMut(&Window<'_>) -> Option<f64>,
    ) -> Result<Option<Point>, QueryError> {
        if w.histograms.is_empty() {
            return Ok(of_numbers(w).map(Point::Number));
        }
        for h in w.histograms {
            self.worked(native::work(&h.histogram))?;
        }
        let is_mixed = !w.values.is_empty();
        let histogram = |h: Option<Histogram>| h.map(|h| Point::Histogram(Arc::new(h)));
        let at = |ms: i64| Some(Point::Number(ms as f64 / 1000.0));
        let all = || in_order(w);
        Ok(match function {
            "rate" | "increase" | "delta" | "sum_over_time" | "avg_over_time" if is_mixed => {
                self.warn_of_mix(about);
                None
            }
            "rate" | "increase" | "delta" => histogram(match edges {
                Edges::Plain => self.histogram_rate(function, w, about),
                _ => self.histogram_rate_to_edges(function, w, edges, about),
            }),
            "irate" | "idelta" => self.histogram_instant_rate(function == "irate", w, about),
            "sum_over_time" => histogram(self.sum_of_histograms(w.histograms, about)),
            "avg_over_time" => histogram(self.mean_of_histograms(w.histograms, about)),
            "count_over_time" => Some(Point::Number((w.values.len() + w.histograms.len()) as f64)),
            "present_over_time" => Some(Point::Number(1.0)),
            "first_over_time" => all().next().map(|(s, _)| point(s)),
            "last_over_time" => all().last().map(|(s, _)| point(s)),
            "ts_of_first_over_time" => all().next().and_then(|(_, (_, ms))| at(ms)),
            "ts_of_last_over_time" => all().last().and_then(|(_, (_, ms))| at(ms)),
            "changes" | "resets" => self.count_of_both(function == "resets", w, edges),
            // These know numbers only.
            _ if !is_mixed => None,
            _ => {
                self.info_of_ignored(about);
                of_numbers(w).map(Point::Number)
            }
        })
    }

    /// How often a series changed, or was reset. From a number to a histogram and back is both.
    fn count_of_both(&self, resets: bool, w: &Window<'_>, edges: Edges) -> Option<Point> {
        let mut samples = in_order(w).peekable();
        if edges != Edges::Plain {
            // Of what lies before the window only the newest sample counts, and nothing if it is all there is.
            let newest = in_order(w).take_while(|(_, (_, ms))| *ms <= w.start_ms).count();
            for _ in 1..newest {
                samples.next();
            }
            let any_inside = in_order(w).any(|(_, (_, ms))| ms > w.start_ms);
            if !any_inside {
                return None;
            }
        }
        let (mut count, mut before) = (0u32, None::<(Sample<'_>, (i64, i64))>);
        for (now, at) in samples {
            let counts = match (&before, &now) {
                (None, _) => false,
                (Some((Sample::Number(a), before)), Sample::Number(b)) if resets => {
                    b < a || super::rates::starts_anew(*before, at)
                }
                (Some((Sample::Number(a), _)), Sample::Number(b)) => a != b && !(a.is_nan() && b.is_nan()),
                (Some((Sample::Histogram(a), before)), Sample::Histogram(b)) if resets => {
                    super::rates::starts_anew(*before, at) || native::is_reset(&b.histogram, &a.histogram)
                }
                (Some((Sample::Histogram(a), _)), Sample::Histogram(b)) => {
                    !native::equal(&b.histogram, &a.histogram)
                }
                _ => true,
            };
            count += u32::from(counts);
            before = Some((now, at));
        }
        Some(Point::Number(f64::from(count)))
    }

    fn sum_of_histograms(&self, histograms: &[HistogramAt], about: &About<'_>) -> Option<Histogram> {
        let (first, rest) = histograms.split_first()?;
        let mut total = Total::new(&first.histogram);
        self.fold_histograms(histograms, about, rest, |h| total.add(h))?;
        Some(total.histogram())
    }

    fn mean_of_histograms(&self, histograms: &[HistogramAt], about: &About<'_>) -> Option<Histogram> {
        let (first, rest) = histograms.split_first()?;
        let mut mean = Mean::new(&first.histogram);
        self.fold_histograms(histograms, about, rest, |h| mean.add(h))?;
        Some(mean.histogram())
    }

    fn fold_histograms(
        &self,
        all: &[HistogramAt],
        about: &About<'_>,
        rest: &[HistogramAt],
        mut add: impl FnMut(&Histogram) -> Result<Outcome, Incompatible>,
    ) -> Option<()> {
        let mut seen = HintsSeen::default();
        all.iter().for_each(|h| seen.see(&h.histogram));
        let mut reconciled = false;
        for h in rest {
            match add(&h.histogram) {
                Ok(outcome) => reconciled |= outcome.bounds_reconciled,
                Err(Incompatible) => {
                    self.warn_of_kinds(about);
                    return None;
                }
            }
        }
        self.tell_of_sum(seen, reconciled, about.span);
        Some(())
    }

    /// What a sum of histograms has to tell.
    pub(super) fn tell_of_sum(&self, seen: HintsSeen, reconciled: bool, span: Span) {
        if seen.collide() {
            self.warn_of_hints(Operation::Aggregation, span);
        }
        if reconciled {
            self.info_of_bounds(Operation::Aggregation, span);
        }
    }

    /// Adds or subtracts, with the notes that this gives. `None` if the kinds of buckets differ.
    pub(super) fn combine(
        &self,
        total: &mut Total,
        h: &Histogram,
        operation: Operation,
        about: &About<'_>,
    ) -> Option<()> {
        let done = if operation == Operation::Subtraction { total.subtract(h) } else { total.add(h) };
        match done {
            Ok(outcome) => {
                if outcome.bounds_reconciled {
                    self.info_of_bounds(operation, about.span);
                }
                Some(())
            }
            Err(Incompatible) => {
                self.warn_of_kinds(about);
                None
            }
        }
    }

    pub(super) fn warn_of_mix(&self, about: &About<'_>) {
        let name = about.name;
        self.warn(
            about.span,
            &format!("encountered a mix of histograms and floats for metric name {name:?}"),
        );
    }

    pub(super) fn warn_of_kinds(&self, about: &About<'_>) {
        let name = about.name;
        let text = format!(
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name:?}"
        );
        self.warn(about.span, &text);
    }

    pub(super) fn warn_of_hints(&self, operation: Operation, span: Span) {
        self.warn(span, &format!("conflicting counter resets during histogram {}", operation.as_str()));
    }

    pub(super) fn info_of_bounds(&self, operation: Operation, span: Span) {
        self.info(span, &format!("mismatched custom buckets were reconciled during {}", operation.as_str()));
    }

    fn info_of_ignored(&self, about: &About<'_>) {
        let name = about.name;
        let text = format!(
            "ignored histograms in a range containing both floats and histograms for metric name {name:?}"
        );
        self.info(about.span, &text);
    }

    pub(super) fn warn_of_overlap(&self, about: &About<'_>) {
        let name = about.name;
        let text =
            format!("sample has start time that overlaps with previous sample timestamp for metric {name:?}");
        self.warn(about.span, &text);
    }
}

fn point(sample: Sample<'_>) -> Point {
    match sample {
        Sample::Number(v) => Point::Number(v),
        Sample::Histogram(h) => Point::Histogram(h.histogram.clone()),
    }
}
