//! `smoothed` selectors: the value of each step on the line from the sample before to the sample after.

use super::Eval;
use super::column::{ABSENT, Column};
use super::edges::interpolate;
use super::mixed::About;
use super::selector::Shifted;
use crate::error::{QueryError, Span};
use crate::native;
use crate::value::Point;
use model::histogram::ResetHint;
use model::{HistogramAt, SeriesData};
use std::sync::Arc;

/// Numbers at each step, the samples each within the lookback; if there is none after, that of the sample before.
pub(super) fn smoothed(series: &SeriesData, times: &Shifted, count: usize, lookback_ms: i64) -> Vec<f64> {
    let (timestamps, values) = (&series.timestamps_ms, &series.values);
    let sample = |i: usize| timestamps.get(i).map(|t| (*t, values[i]));
    let mut next = 0;
    let mut column = Vec::with_capacity(count);
    for step in 0..count {
        if step > 0 && times.fixed_ms.is_some() {
            column.resize(count, column[0]);
            break;
        }
        let time = times.time(step);
        while next < timestamps.len() && timestamps[next] < time {
            next += 1;
        }
        let before = next.checked_sub(1).and_then(sample).filter(|(t, _)| *t > time - lookback_ms);
        let after = sample(next).filter(|(t, _)| *t <= time + lookback_ms);
        column.push(match (before, after) {
            (_, Some((t, v))) if t == time => v,
            (Some(before), Some(after)) => interpolate(before, after, time),
            (Some((_, v)), None) => v,
            _ => ABSENT,
        });
    }
    column
}

impl Eval<'_> {
    /// As [`smoothed`], of a series with native histograms. Where numbers and histograms are near together there is
    /// nothing between them.
    pub(super) fn smoothed_histograms(
        &self,
        series: SeriesData,
        span: Span,
        times: &Shifted,
        count: usize,
    ) -> Result<Column, QueryError> {
        let lookback_ms = self.lookback_ms();
        let about = About { name: series.labels.name(), span };
        let mut points = Vec::with_capacity(count);
        let numbers = smoothed(&series, times, count, lookback_ms);
        for (step, number) in numbers.into_iter().enumerate() {
            let time = times.time(step);
            let (from, to) = (time - lookback_ms, time + lookback_ms);
            let near = |t: &i64| *t <= from;
            let first = series.timestamps_ms.partition_point(near);
            let has_numbers = series.timestamps_ms.get(first).is_some_and(|t| *t <= to);
            let histograms = &series.histograms;
            let low = histograms.partition_point(|h| h.timestamp_ms <= from);
            let high = histograms.partition_point(|h| h.timestamp_ms <= to);
            let near = &histograms[low..high.max(low)];
            points.push(match (has_numbers, near.is_empty()) {
                (true, false) => {
                    self.warn_of_mix(&about);
                    None
                }
                (true, true) => Some(Point::Number(number)).filter(|_| !model::is_stale(number)),
                (false, _) => self.on_the_line(near, time, &about)?.map(Point::Histogram),
            });
        }
        Ok(Column::of_points(series.labels.clone(), false, count, points.into_iter()))
    }

    fn on_the_line(
        &self,
        near: &[HistogramAt],
        time: i64,
        about: &About<'_>,
    ) -> Result<Option<Arc<model::Histogram>>, QueryError> {
        let next = near.partition_point(|h| h.timestamp_ms < time);
        let (before, after) = (next.checked_sub(1).map(|i| &near[i]), near.get(next));
        Ok(match (before, after) {
            (_, Some(after)) if after.timestamp_ms == time => Some(after.histogram.clone()),
            (Some(before), Some(after)) if before.histogram.is_custom() != after.histogram.is_custom() => {
                self.warn_of_kinds(about);
                None
            }
            (Some(before), Some(after)) => {
                self.worked(native::work(&before.histogram) + native::work(&after.histogram))?;
                let is_gauge = |h: &HistogramAt| h.histogram.hint == ResetHint::Gauge;
                let counter = !is_gauge(before) && !is_gauge(after);
                self.between(before, after, time, counter, about).map(Arc::new)
            }
            (Some(before), None) => Some(before.histogram.clone()),
            _ => None,
        })
    }
}
