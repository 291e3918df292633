//! Reading series, and the value of each at each step: the newest sample within the lookback.

use super::column::{ABSENT, Column, Steps};
use super::smoothed::smoothed;
use super::windows::drop_stale;
use super::{Eval, Sink};
use crate::ast::{At, Edges, Selector, Shift};
use crate::duration::{DURATION_MS_MAX, Duration};
use crate::error::{QueryError, Span};
use crate::native;
use crate::value::Point;
use model::histogram::ResetHint;
use model::{HistogramAt, SeriesData, is_stale};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

/// What a selector gives for each sample.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Give {
    Value,
    /// The sample's own time in seconds, as `timestamp` wants it.
    Timestamp,
    /// Since when the sample counts, in seconds since 1970, 0 where that is not known.
    Start,
}

/// The time that data is taken from at each step, after `offset` and `@`.
#[derive(Clone, Copy)]
pub(super) struct Shifted {
    pub(super) fixed_ms: Option<i64>,
    offset_ms: i64,
    steps: Steps,
}

impl Shifted {
    pub(super) fn time(&self, step: usize) -> i64 {
        self.fixed_ms.unwrap_or_else(|| self.steps.time(step)) - self.offset_ms
    }

    pub(super) fn first(&self) -> i64 {
        self.time(0)
    }

    pub(super) fn last(&self) -> i64 {
        self.fixed_ms.unwrap_or_else(|| self.steps.last()) - self.offset_ms
    }
}

impl Eval<'_> {
    /// Milliseconds of a duration; `what` names it in errors.
    pub(super) fn duration(
        &self,
        duration: &Duration,
        what: &str,
        positive: bool,
    ) -> Result<i64, QueryError> {
        duration.ms(what, positive, self.query.step_ms, self.end_ms - self.query.start_ms)
    }

    /// How long a sample stands for its series, within what sums of times can hold.
    pub(super) fn lookback_ms(&self) -> i64 {
        self.options.lookback_ms.clamp(0, DURATION_MS_MAX)
    }

    pub(super) fn shifted(&self, shift: &Shift, steps: &Steps) -> Result<Shifted, QueryError> {
        let fixed_ms = shift.at.map(|at| match at {
            At::Time(ms) => ms,
            At::Start => self.query.start_ms,
            At::End => self.end_ms,
        });
        let offset_ms = self.duration(&shift.offset, "offset", false)?;
        Ok(Shifted { fixed_ms, offset_ms, steps: *steps })
    }

    /// Series with samples in `start_ms < t <= end_ms`, one after another: only what `sink` is given is in memory, and
    /// counted, at a time.
    pub(super) fn read_each(
        &self,
        selector: &Selector,
        start_ms: i64,
        end_ms: i64,
        sink: &mut dyn FnMut(SeriesData) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        // The first histogram of a range is compared with the one before it.
        let marks = self.marks_resets.get();
        let from_ms = start_ms + 1 - if marks { self.lookback_ms() } else { 0 };
        let mut counted = |mut series: SeriesData| {
            if marks {
                self.worked(series.histograms.len())?;
                mark_resets(&mut series.histograms);
                cut(&mut series, start_ms);
                if series.timestamps_ms.is_empty() && series.histograms.is_empty() {
                    return Ok(());
                }
            }
            let series = [series];
            let (samples, bytes) = (count(&series), bytes(&series));
            self.hold(samples)?;
            self.hold_bytes(bytes)?;
            let [series] = series;
            sink(series)?;
            self.release(samples);
            self.release_bytes(bytes);
            Ok(())
        };
        self.go_on()?;
        if let Some(found) = self.last_values(selector, start_ms, end_ms)? {
            self.release(count(&found));
            return found.into_iter().try_for_each(counted);
        }
        let mut failed = None;
        let range_ms = (from_ms, end_ms);
        let done = self.source.select_each(&selector.matchers, range_ms, self.read_limits(), &mut |series| {
            counted(series).map_err(|e| {
                failed = Some(e);
                Error::new(ErrorKind::Cancelled, "the query ended")
            })
        });
        match failed {
            Some(e) => Err(e),
            None => Ok(done?),
        }
    }

    pub(super) fn selector(
        &self,
        selector: &Selector,
        span: Span,
        steps: &Steps,
        give: Give,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let times = self.shifted(&selector.shift, steps)?;
        let lookback_ms = self.lookback_ms();
        let smooth = selector.edges == Edges::Smoothed && give == Give::Value;
        if !smooth && give != Give::Start && self.instant_summaries(selector, &times, steps, give, sink)? {
            return Ok(());
        }
        let end_ms = times.last() + if smooth { lookback_ms } else { 0 };
        self.read_each(selector, times.first() - lookback_ms, end_ms, &mut |mut series| {
            self.worked(steps.count + series.timestamps_ms.len() + series.histograms.len())?;
            let column = if smooth {
                drop_stale(&mut series);
                if series.histograms.is_empty() {
                    let values = smoothed(&series, &times, steps.count, lookback_ms);
                    Column::new(series.labels, values)
                } else {
                    self.smoothed_histograms(series, span, &times, steps.count)?
                }
            } else if series.histograms.is_empty() {
                let values = newest(&series, &times, steps.count, lookback_ms, give);
                Column::new(series.labels, values)
            } else {
                newest_of_both(series, &times, steps.count, lookback_ms, give)
            };
            if column.is_empty() { Ok(()) } else { sink(column) }
        })
    }
}

/// Samples in all series together.
pub(super) fn count(series: &[SeriesData]) -> usize {
    series.iter().map(|s| s.timestamps_ms.len() + s.histograms.len()).sum()
}

/// Bytes of the labels, start times and histograms of all series together.
pub(super) fn bytes(series: &[SeriesData]) -> usize {
    let histograms = |s: &SeriesData| -> usize {
        s.histograms.iter().map(|h| size_of::<HistogramAt>() + native::bytes(&h.histogram)).sum()
    };
    let of = |s: &SeriesData| {
        s.labels.heap_bytes() + size_of::<SeriesData>() + size_of_val(s.starts_ms.as_slice()) + histograms(s)
    };
    series.iter().map(of).sum()
}

/// Leaves what is after `start_ms`.
fn cut(series: &mut SeriesData, start_ms: i64) {
    let before = series.timestamps_ms.partition_point(|t| *t <= start_ms);
    series.timestamps_ms.drain(..before);
    series.values.drain(..before);
    series.starts_ms.drain(..before.min(series.starts_ms.len()));
    let before = series.histograms.partition_point(|h| h.timestamp_ms <= start_ms);
    series.histograms.drain(..before);
    // A reset before all that is looked at does not matter, and is not known in general.
    if let Some(first) = series.histograms.first_mut().filter(|h| h.histogram.hint == ResetHint::Reset) {
        Arc::make_mut(&mut first.histogram).hint = ResetHint::Unknown;
    }
}

/// Says of each histogram that does not say so itself whether it continues the one before.
fn mark_resets(histograms: &mut [HistogramAt]) {
    let mut before: Option<usize> = None;
    for i in 0..histograms.len() {
        let now = &histograms[i].histogram;
        if now.is_stale() {
            continue;
        }
        if let Some(before) = before.replace(i).filter(|_| now.hint == ResetHint::Unknown) {
            let reset = native::is_reset(now, &histograms[before].histogram);
            let hint = if reset { ResetHint::Reset } else { ResetHint::NotReset };
            Arc::make_mut(&mut histograms[i].histogram).hint = hint;
        }
    }
}

/// The newest sample of each step, if it is younger than the lookback and not a stale marker.
fn newest(series: &SeriesData, times: &Shifted, count: usize, lookback_ms: i64, give: Give) -> Vec<f64> {
    let (timestamps, values) = (&series.timestamps_ms, &series.values);
    let mut seen = 0;
    let mut column = Vec::with_capacity(count);
    for step in 0..count {
        if step > 0 && times.fixed_ms.is_some() {
            column.resize(count, column[0]);
            break;
        }
        let time = times.time(step);
        while seen < timestamps.len() && timestamps[seen] <= time {
            seen += 1;
        }
        column.push(match seen.checked_sub(1) {
            Some(i) if timestamps[i] > time - lookback_ms && !is_stale(values[i]) => match give {
                Give::Value => values[i],
                Give::Timestamp => seconds(timestamps[i]),
                Give::Start => seconds(series.starts_ms.get(i).copied().unwrap_or(0)),
            },
            _ => ABSENT,
        });
    }
    column
}

/// As [`newest`], of a series that has native histograms too.
fn newest_of_both(series: SeriesData, times: &Shifted, count: usize, lookback_ms: i64, give: Give) -> Column {
    let (timestamps, histograms) = (&series.timestamps_ms, &series.histograms);
    let (mut numbers, mut seen, mut first) = (0, 0, None);
    let points = (0..count).map(|step| {
        if let Some(first) = first.clone().filter(|_| times.fixed_ms.is_some()) {
            return first;
        }
        let time = times.time(step);
        while numbers < timestamps.len() && timestamps[numbers] <= time {
            numbers += 1;
        }
        while seen < histograms.len() && histograms[seen].timestamp_ms <= time {
            seen += 1;
        }
        let number = numbers.checked_sub(1).filter(|i| timestamps[*i] > time - lookback_ms);
        let histogram =
            seen.checked_sub(1).map(|i| &histograms[i]).filter(|h| h.timestamp_ms > time - lookback_ms);
        let newer = histogram.filter(|h| number.is_none_or(|i| timestamps[i] < h.timestamp_ms));
        let point = match (newer, number) {
            (Some(h), _) if h.histogram.is_stale() => None,
            (Some(h), _) => Some(match give {
                Give::Value => Point::Histogram(h.histogram.clone()),
                Give::Timestamp => Point::Number(seconds(h.timestamp_ms)),
                Give::Start => Point::Number(seconds(h.start_ms)),
            }),
            (None, Some(i)) if !is_stale(series.values[i]) => Some(Point::Number(match give {
                Give::Value => series.values[i],
                Give::Timestamp => seconds(timestamps[i]),
                Give::Start => seconds(series.starts_ms.get(i).copied().unwrap_or(0)),
            })),
            _ => None,
        };
        first = Some(point.clone());
        point
    });
    let points: Vec<Option<Point>> = points.collect();
    Column::of_points(series.labels, false, count, points.into_iter())
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
