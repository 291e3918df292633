//! `rate`, `increase`, `delta`, `irate`, `idelta` over native histograms: as over numbers, bucket by bucket, with the
//! number of observations as the counter that tells how far back it may be extended.

use super::Eval;
use super::mixed::{About, Operation, Sample, in_order};
use super::over_time::Window;
use super::rates::{Extent, began_inside, overlaps, starts_anew};
use crate::native::{self, Total};
use crate::value::Point;
use model::histogram::ResetHint;
use model::{Histogram, HistogramAt};
use std::sync::Arc;

fn is_gauge(h: &HistogramAt) -> bool {
    h.histogram.hint == ResetHint::Gauge
}

/// The start of the counter and the time of a sample.
fn times(h: &HistogramAt) -> (i64, i64) {
    (h.start_ms, h.timestamp_ms)
}

/// Whether the counter was reset between two samples.
pub(super) fn is_reset(now: &HistogramAt, before: &HistogramAt) -> bool {
    starts_anew(times(before), times(now)) || native::is_reset(&now.histogram, &before.histogram)
}

impl Eval<'_> {
    /// `rate`, `increase` or `delta` of a window of histograms.
    pub(super) fn histogram_rate(
        &self,
        function: &str,
        w: &Window<'_>,
        about: &About<'_>,
    ) -> Option<Histogram> {
        let counter = function != "delta";
        let (first, last) = (w.histograms.first()?, w.histograms.last()?);
        let mut change = match w.histograms.len() {
            1 => None,
            _ => Some(self.histogram_change(w, counter, about)?),
        };
        let start_ms =
            if counter { began_inside(first.start_ms, first.timestamp_ms, w.start_ms) } else { None };
        if start_ms.is_some() {
            match &mut change {
                Some(change) => self.combine(change, &first.histogram, Operation::Addition, about)?,
                None => change = Some(Total::new(&first.histogram)),
            }
        }
        let change = change?;
        let (count, increase) = (first.histogram.count, change.observations());
        let zero = (counter && increase > 0.0 && count >= 0.0).then(|| count / increase);
        let (first_ms, last_ms) = (first.timestamp_ms, last.timestamp_ms);
        let extent = Extent { first_ms, last_ms, samples: w.histograms.len(), start_ms };
        let mut factor = extent.factor((w.start_ms, w.end_ms), zero)?;
        if function == "rate" {
            factor /= super::rates::seconds(w.start_ms, w.end_ms);
        }
        let mut change = change.into_gauge();
        change.scale(factor);
        Some(change.histogram())
    }

    /// The change between the first and the last of at least two histograms; for a counter with what resets took away.
    fn histogram_change(&self, w: &Window<'_>, counter: bool, about: &About<'_>) -> Option<Total> {
        let points = w.histograms;
        let was_reset = |i: usize| match w.resets.get(i) {
            Some(known) => *known,
            None => is_reset(&points[i], &points[i - 1]),
        };
        let [first, .., last] = points else { return None };
        if counter && points.iter().any(is_gauge) {
            self.warn_of_gauge(about);
        }
        let gauges = is_gauge(first) && is_gauge(last);
        if !counter && !gauges {
            self.warn_of_counter(about);
        }
        // What was before a reset is not subtracted, so that its buckets do not matter.
        let skips_first = counter && was_reset(1);
        let begun = if skips_first { &points[1] } else { first };
        let looked_at = &points[if counter { 1 } else { points.len() - 1 }..];
        let custom = begun.histogram.is_custom();
        if looked_at.iter().any(|h| h.histogram.is_custom() != custom) {
            self.warn_of_kinds(about);
            return None;
        }
        let schema = looked_at.iter().chain([begun]).map(|h| h.histogram.schema).min()?;
        let mut change = Total::new(&last.histogram);
        change.reduce(schema);
        let nothing;
        let subtracted = if skips_first {
            // No observation, but in the buckets of the second: the result is in those that it has too.
            let Histogram { schema, ref custom_bounds, .. } = *begun.histogram;
            nothing = Histogram { schema, custom_bounds: custom_bounds.clone(), ..Histogram::default() };
            &nothing
        } else {
            &*first.histogram
        };
        self.combine(&mut change, subtracted, Operation::Subtraction, about)?;
        if counter {
            for i in (1 + usize::from(skips_first)..points.len()).filter(|i| was_reset(*i)) {
                self.combine(&mut change, &points[i - 1].histogram, Operation::Addition, about)?;
            }
            if points.windows(2).any(|p| overlaps(times(&p[0]), p[1].start_ms)) {
                self.warn_of_overlap(about);
            }
        }
        Some(change)
    }

    /// `irate` or `idelta`: between the last two samples, of whatever kind.
    pub(super) fn histogram_instant_rate(
        &self,
        counter: bool,
        w: &Window<'_>,
        about: &About<'_>,
    ) -> Option<Point> {
        let (mut before, mut now) = (None, None);
        for sample in in_order(w) {
            before = now.replace(sample);
        }
        let ((before, from), (now, to)) = (before?, now?);
        if from.1 >= to.1 {
            return None;
        }
        let seconds = super::rates::seconds(from.1, to.1);
        match (before, now) {
            (Sample::Number(a), Sample::Number(b)) => {
                let reset = counter && (b < a || starts_anew(from, to));
                let change = if reset { b } else { b - a };
                Some(Point::Number(if counter { change / seconds } else { change }))
            }
            (Sample::Histogram(a), Sample::Histogram(b)) => {
                if counter && (is_gauge(a) || is_gauge(b)) {
                    self.warn_of_gauge(about);
                }
                let gauges = is_gauge(a) && is_gauge(b);
                if !counter && !gauges {
                    self.warn_of_counter(about);
                }
                let mut change = Total::new(&b.histogram);
                if !counter || !is_reset(b, a) {
                    self.combine(&mut change, &a.histogram, Operation::Subtraction, about)?;
                }
                let change = change.into_gauge().histogram();
                let change = if counter { native::divided(&change, seconds) } else { change };
                Some(Point::Histogram(Arc::new(change)))
            }
            _ => {
                self.warn_of_mix(about);
                None
            }
        }
    }

    pub(super) fn warn_of_gauge(&self, about: &About<'_>) {
        let name = about.name;
        self.warn(about.span, &format!("this native histogram metric is not a counter: {name:?}"));
    }

    pub(super) fn warn_of_counter(&self, about: &About<'_>) {
        let name = about.name;
        self.warn(about.span, &format!("this native histogram metric is not a gauge: {name:?}"));
    }
}
