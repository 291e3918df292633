//! Reading series, and the value of each at each step: the newest sample within the lookback.

use super::column::{ABSENT, Column, Steps};
use super::{Eval, Sink};
use crate::ast::{At, Selector, Shift};
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
    pub(super) fn shifted(&self, shift: Shift, steps: &Steps) -> Shifted {
        let fixed_ms = shift.at.map(|at| match at {
            At::Time(ms) => ms,
            At::Start => self.query.start_ms,
            At::End => self.end_ms,
        });
        Shifted { fixed_ms, offset_ms: shift.offset_ms, steps: *steps }
    }

    /// Series with samples in `start_ms < t <= end_ms`, counted against the limits.
    pub(super) fn read(
        &self,
        selector: &Selector,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<SeriesData>, QueryError> {
        self.go_on()?;
        let found = self.source.select(&selector.matchers, start_ms + 1, end_ms, self.read_limits())?;
        self.hold(count(&found))?;
        Ok(found)
    }

    pub(super) fn selector(
        &self,
        selector: &Selector,
        steps: &Steps,
        give: Give,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let times = self.shifted(selector.shift, steps);
        let lookback_ms = self.options.lookback_ms;
        let found = self.read(selector, times.first() - lookback_ms, times.last())?;
        let samples = count(&found);
        for series in found {
            self.worked(steps.count + series.timestamps_ms.len())?;
            let values = newest(&series, &times, steps.count, lookback_ms, give);
            let column = Column::new(series.labels, values);
            if !column.is_empty() {
                sink(column)?;
            }
        }
        self.release(samples);
        Ok(())
    }
}

/// Samples in all series together.
pub(super) fn count(series: &[SeriesData]) -> usize {
    series.iter().map(|s| s.timestamps_ms.len()).sum()
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
