//! A series as it flows through an expression: one value per step. A step without a sample holds the
//! stale marker, which no computation produces, so that a column is one plain array.

use crate::error::QueryError;
use crate::native;
use crate::value::Point;
use model::{Histogram, HistogramAt, Labels, NAME, STALE_NAN_BITS, SeriesData, is_stale};
use std::collections::HashMap;
use std::sync::Arc;

/// No sample at this step.
pub(super) const ABSENT: f64 = f64::from_bits(STALE_NAN_BITS);

/// Whether there is a sample.
pub(super) fn is_present(v: f64) -> bool {
    !is_stale(v)
}

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) start_ms: i64,
    pub(super) step_ms: i64,
    /// Over zero.
    pub(super) count: usize,
}

impl Steps {
    /// From start to end; a step of 0 means the start alone.
    pub(super) fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Steps {
        let count = if step_ms > 0 { (end_ms - start_ms) / step_ms + 1 } else { 1 };
        Steps { start_ms, step_ms, count: count.max(1) as usize }
    }

    pub(super) fn time(&self, step: usize) -> i64 {
        self.start_ms + self.step_ms * step as i64
    }

    pub(super) fn last(&self) -> i64 {
        self.time(self.count - 1)
    }
}

/// A native histogram per step, where there is one.
pub(super) type Histograms = Vec<Option<Arc<Histogram>>>;

/// One series: a value per step, or [`ABSENT`].
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) labels: Labels,
    /// Whether the values are no longer what the metric's name says. The name goes at the very end, so
    /// that until then it still tells series apart and `label_replace` can save it.
    pub(super) nameless: bool,
    pub(super) values: Vec<f64>,
    /// Native histograms, only at steps at which there is no value; `None` if there is none at all.
    pub(super) histograms: Option<Histograms>,
}

impl Column {
    /// A series that has no name anyway.
    pub(super) fn new(labels: Labels, values: Vec<f64>) -> Column {
        Column { labels, nameless: false, values, histograms: None }
    }

    /// What is there at each of `count` steps.
    pub(super) fn of_points(
        labels: Labels,
        nameless: bool,
        count: usize,
        points: impl Iterator<Item = Option<Point>>,
    ) -> Column {
        let mut column = Column { labels, nameless, values: vec![ABSENT; count], histograms: None };
        points.enumerate().for_each(|(step, point)| column.set(step, point));
        column
    }

    /// Whether there is a sample of either kind.
    pub(super) fn has(&self, step: usize) -> bool {
        is_present(self.values[step]) || self.histogram(step).is_some()
    }

    pub(super) fn histogram(&self, step: usize) -> Option<&Arc<Histogram>> {
        self.histograms.as_ref().and_then(|h| h[step].as_ref())
    }

    pub(super) fn point(&self, step: usize) -> Option<Point> {
        match self.values[step] {
            v if is_present(v) => Some(Point::Number(v)),
            _ => self.histogram(step).cloned().map(Point::Histogram),
        }
    }

    pub(super) fn set(&mut self, step: usize, point: Option<Point>) {
        let histogram = match point {
            Some(Point::Number(v)) => {
                self.values[step] = v;
                None
            }
            Some(Point::Histogram(h)) => {
                self.values[step] = ABSENT;
                Some(h)
            }
            None => {
                self.values[step] = ABSENT;
                None
            }
        };
        match &mut self.histograms {
            Some(held) => held[step] = histogram,
            None if histogram.is_some() => {
                let mut held = vec![None; self.values.len()];
                held[step] = histogram;
                self.histograms = Some(held);
            }
            None => {}
        }
    }

    /// Memory of the histograms, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let pointers = self.histograms.as_ref().map_or(0, |h| size_of_val(h.as_slice()));
        let of = |h: &Histograms| h.iter().flatten().map(|h| native::bytes(h)).sum::<usize>();
        pointers + self.histograms.as_ref().map_or(0, of)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.values.iter().any(|v| is_present(*v))
            && self.histograms.as_ref().is_none_or(|h| h.iter().all(Option::is_none))
    }

    /// The present values with their times.
    pub(super) fn into_series(self, steps: &Steps) -> SeriesData {
        let present = self.values.iter().enumerate().filter(|(_, v)| is_present(**v));
        let (timestamps_ms, values) = present.map(|(i, v)| (steps.time(i), *v)).unzip();
        let histograms = self.histograms.into_iter().flatten().enumerate().filter_map(|(i, histogram)| {
            Some(HistogramAt { timestamp_ms: steps.time(i), start_ms: 0, histogram: histogram? })
        });
        let histograms = histograms.collect();
        SeriesData { labels: self.labels, timestamps_ms, values, histograms, ..Default::default() }
    }
}

impl Column {
    /// Takes over the samples of a column of the same labels, of either kind.
    ///
    /// # Errors
    /// If both have one at a step.
    pub(super) fn merge(&mut self, other: &Column) -> Result<(), QueryError> {
        for step in 0..self.values.len() {
            if let Some(point) = other.point(step) {
                if self.has(step) {
                    return Err(same_labels(&self.labels));
                }
                self.set(step, Some(point));
            }
        }
        Ok(())
    }
}

/// Labels that say what a metric is, not which series of it: they go with the metric's name.
pub(super) fn is_metadata(name: &str) -> bool {
    name == NAME || name == "__type__" || name == "__unit__"
}

/// The error of two series that an operation made the same.
pub(super) fn same_labels(labels: &Labels) -> QueryError {
    QueryError::invalid("vector cannot contain metrics with the same labelset").hint(format!(
        "more than one series has the labels {labels} here: select one metric by name, or aggregate first"
    ))
}

/// Columns by their labels; columns of the same labels become one if they never meet in a step.
#[derive(Default)]
pub(super) struct Merged {
    by_labels: HashMap<(Labels, bool), usize>,
    pub(super) columns: Vec<Column>,
}

impl Merged {
    /// Adds a column.
    ///
    /// # Errors
    /// If it meets another one of the same labels.
    pub(super) fn push(&mut self, column: Column) -> Result<(), QueryError> {
        let key = (column.labels.clone(), column.nameless);
        let Some(i) = self.by_labels.get(&key) else {
            self.by_labels.insert(key, self.columns.len());
            self.columns.push(column);
            return Ok(());
        };
        let held = &mut self.columns[*i];
        if held.histograms.is_some() || column.histograms.is_some() {
            return held.merge(&column);
        }
        for (old, new) in held.values.iter_mut().zip(column.values) {
            match (is_present(*old), is_present(new)) {
                (true, true) => return Err(same_labels(&held.labels)),
                (false, true) => *old = new,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The final result: names go where they have to.
pub(super) fn without_names(columns: Vec<Column>) -> Result<Vec<Column>, QueryError> {
    if !columns.iter().any(|c| c.nameless) {
        return Ok(columns);
    }
    let mut merged = Merged::default();
    for mut column in columns {
        if std::mem::take(&mut column.nameless) && column.labels.iter().any(|(n, _)| is_metadata(n)) {
            column.labels = column.labels.filtered(|n| !is_metadata(n));
        }
        merged.push(column)?;
    }
    Ok(merged.columns)
}
