//! Reading series, and the value of each at each step: the newest sample within the lookback.

use super::column::{ABSENT, Column, Steps};
use super::edges::interpolate;
use super::windows::drop_stale;
use super::{Eval, Sink};
use crate::ast::{At, Edges, Selector, Shift};
use crate::duration::{DURATION_MS_MAX, Duration};
use crate::error::QueryError;
use model::{SeriesData, is_stale};

/// What a selector gives for each sample.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Give {
    Value,
    /// The sample's own time in seconds, as `timestamp` wants it.
    Timestamp,
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

    /// Series with samples in `start_ms < t <= end_ms`, counted against the limits.
    pub(super) fn read(
        &self,
        selector: &Selector,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<SeriesData>, QueryError> {
        self.go_on()?;
        if let Some(found) = self.last_values(selector, start_ms, end_ms)? {
            return Ok(found);
        }
        let found = self.source.select(&selector.matchers, start_ms + 1, end_ms, self.read_limits())?;
        self.hold(count(&found))?;
        self.hold_labels(label_bytes(&found))?;
        Ok(found)
    }

    pub(super) fn selector(
        &self,
        selector: &Selector,
        steps: &Steps,
        give: Give,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let times = self.shifted(&selector.shift, steps)?;
        let lookback_ms = self.lookback_ms();
        let smooth = selector.edges == Edges::Smoothed && give == Give::Value;
        if !smooth && self.instant_summaries(selector, &times, steps, give, sink)? {
            return Ok(());
        }
        let end_ms = times.last() + if smooth { lookback_ms } else { 0 };
        let found = self.read(selector, times.first() - lookback_ms, end_ms)?;
        let (samples, labels) = (count(&found), label_bytes(&found));
        for mut series in found {
            self.worked(steps.count + series.timestamps_ms.len())?;
            let values = if smooth {
                drop_stale(&mut series);
                smoothed(&series, &times, steps.count, lookback_ms)
            } else {
                newest(&series, &times, steps.count, lookback_ms, give)
            };
            let column = Column::new(series.labels, values);
            if !column.is_empty() {
                sink(column)?;
            }
        }
        self.release(samples);
        self.release_labels(labels);
        Ok(())
    }
}

/// Samples in all series together.
pub(super) fn count(series: &[SeriesData]) -> usize {
    series.iter().map(|s| s.timestamps_ms.len()).sum()
}

/// Bytes of the labels of all series together.
pub(super) fn label_bytes(series: &[SeriesData]) -> usize {
    series.iter().map(|s| s.labels.heap_bytes() + size_of::<SeriesData>()).sum()
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
                Give::Timestamp => timestamps[i] as f64 / 1000.0,
            },
            _ => ABSENT,
        });
    }
    column
}

/// The value of each step on the line from the sample before to the sample after, each within the
/// lookback; if there is none after, that of the sample before.
fn smoothed(series: &SeriesData, times: &Shifted, count: usize, lookback_ms: i64) -> Vec<f64> {
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
