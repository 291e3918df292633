//! Aggregations over series. Those that need one pass take columns as they flow and hold one state per
//! group and step; `topk` and the like, which choose among series, are in `rank`.

use super::column::{ABSENT, Column, Steps, is_present};
use super::mixed::About;
use super::native_groups::NativeGroups;
use super::{Eval, Sink};
use crate::ast::{Aggregate, AggregateOp};
use crate::error::QueryError;
use crate::native;
use crate::number::{Mean, Sum, plain_text, quantile};
use crate::value::Point;
use model::{Labels, NAME};
use std::collections::HashMap;

/// The labels of the group that a series belongs to.
pub(super) fn group_of(labels: &Labels, a: &Aggregate) -> Labels {
    if a.without {
        labels.filtered(|n| n != NAME && !a.labels.iter().any(|l| l == n))
    } else {
        labels.filtered(|n| a.labels.iter().any(|l| l == n))
    }
}

/// The state of one group at one step; what the fields mean depends on the operator.
#[derive(Clone, Copy, Default)]
struct Cell {
    count: f64,
    sum: Sum,
    mean: Mean,
    /// Minimum, maximum, or running mean of the variance.
    value: f64,
}

impl Cell {
    fn add(&mut self, op: AggregateOp, v: f64) {
        self.count += 1.0;
        let first = self.count == 1.0;
        match op {
            AggregateOp::Sum => self.sum.add(v),
            AggregateOp::Avg => self.mean.add(v),
            AggregateOp::Min if first || v < self.value || self.value.is_nan() => self.value = v,
            AggregateOp::Max if first || v > self.value || self.value.is_nan() => self.value = v,
            AggregateOp::Stddev | AggregateOp::Stdvar if first => {
                self.value = v;
                self.sum.sum = if v.is_finite() { 0.0 } else { f64::NAN };
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                // Welford, as in `stdvar_over_time`.
                let delta = v - self.value;
                self.value += delta / self.count;
                self.sum.sum += delta * (v - self.value);
            }
            _ => {}
        }
    }

    fn result(&self, op: AggregateOp) -> f64 {
        if self.count == 0.0 {
            return ABSENT;
        }
        match op {
            AggregateOp::Sum => self.sum.value(),
            AggregateOp::Avg => self.mean.value(),
            AggregateOp::Min | AggregateOp::Max => self.value,
            AggregateOp::Count => self.count,
            AggregateOp::Stdvar => self.sum.sum / self.count,
            AggregateOp::Stddev => (self.sum.sum / self.count).sqrt(),
            _ => 1.0,
        }
    }
}

/// States by group, in order of first appearance.
struct Groups<S> {
    index: HashMap<Labels, usize>,
    labels: Vec<Labels>,
    states: Vec<Vec<S>>,
    /// Whether any series of the group lost its name.
    nameless: Vec<bool>,
}

impl<S: Clone + Default> Groups<S> {
    fn new() -> Self {
        Groups { index: HashMap::new(), labels: Vec::new(), states: Vec::new(), nameless: Vec::new() }
    }

    /// The states of a group, one per step; `cost` is what one state counts against the limit.
    fn of(
        &mut self,
        eval: &Eval<'_>,
        group: Labels,
        nameless: bool,
        steps: &Steps,
        cost: usize,
    ) -> Result<usize, QueryError> {
        if let Some(i) = self.index.get(&group) {
            self.nameless[*i] |= nameless;
            return Ok(*i);
        }
        eval.hold(steps.count * cost)?;
        self.index.insert(group.clone(), self.labels.len());
        self.labels.push(group);
        self.nameless.push(nameless);
        self.states.push(vec![S::default(); steps.count]);
        Ok(self.labels.len() - 1)
    }

    fn emit(self, sink: Sink<'_>, mut result: impl FnMut(usize, &mut S) -> f64) -> Result<(), QueryError> {
        for ((labels, mut states), nameless) in self.labels.into_iter().zip(self.states).zip(self.nameless) {
            let values = states.iter_mut().enumerate().map(|(step, s)| result(step, s)).collect();
            let column = Column { labels, nameless, values, histograms: None };
            if !column.is_empty() {
                sink(column)?;
            }
        }
        Ok(())
    }
}

impl Eval<'_> {
    pub(super) fn aggregate(&self, a: &Aggregate, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        match a.op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk => self.rank(a, steps, sink),
            AggregateOp::LimitRatio => self.limit_ratio(a, steps, sink),
            AggregateOp::Quantile => self.quantile(a, steps, sink),
            AggregateOp::CountValues => self.count_values(a, steps, sink),
            _ => self.fold(a, steps, sink),
        }
    }

    fn fold(&self, a: &Aggregate, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let mut groups = Groups::<Cell>::new();
        let mut natives = NativeGroups::default();
        self.vector(&a.expr, steps, &mut |mut column| {
            self.worked(steps.count)?;
            match a.op {
                AggregateOp::Sum | AggregateOp::Avg => {}
                AggregateOp::Count | AggregateOp::Group => column.count_histograms(),
                _ => self.ignore_histograms(a, &mut column),
            }
            if column.is_empty() {
                return Ok(());
            }
            let cost = size_of::<Cell>() / size_of::<f64>();
            let i = groups.of(self, group_of(&column.labels, a), column.nameless, steps, cost)?;
            if let Some(histograms) = &column.histograms {
                let about = About { name: column.labels.name(), span: a.expr.span };
                natives.add(self, a.op, i, histograms, &about)?;
            }
            let pairs = groups.states[i].iter_mut().zip(&column.values);
            pairs.filter(|(_, v)| is_present(**v)).for_each(|(cell, v)| cell.add(a.op, *v));
            Ok(())
        })?;
        if natives.is_empty() {
            return groups.emit(sink, |_, cell| cell.result(a.op));
        }
        let rows = groups.labels.into_iter().zip(groups.states).zip(groups.nameless);
        for (i, ((labels, cells), nameless)) in rows.enumerate() {
            let mut histograms = natives.results(self, i, a.expr.span)?;
            let points = cells.iter().enumerate().map(|(step, cell)| {
                let number = Some(cell.result(a.op)).filter(|v| is_present(*v));
                match (number, histograms.as_mut().and_then(|h| h[step].take())) {
                    (Some(_), Some(_)) => {
                        let text = "encountered a mix of histograms and floats for aggregation";
                        self.warn(a.expr.span, text);
                        None
                    }
                    (Some(v), None) => Some(Point::Number(v)),
                    (None, sum) => sum.flatten().map(Point::Histogram),
                }
            });
            let points: Vec<Option<Point>> = points.collect();
            let column = Column::of_points(labels, nameless, steps.count, points.into_iter());
            if !column.is_empty() {
                sink(column)?;
            }
        }
        Ok(())
    }

    /// Leaves out what an aggregation cannot take, and says so.
    pub(super) fn ignore_histograms(&self, a: &Aggregate, column: &mut Column) {
        if column.histograms.take().is_some_and(|h| h.iter().any(Option::is_some)) {
            self.info(a.expr.span, &format!("ignored histogram in {} aggregation", a.op.as_str()));
        }
    }

    /// The scalar parameter, one value per step.
    pub(super) fn param(&self, a: &Aggregate, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        self.hold(steps.count)?;
        a.param.as_ref().map_or_else(|| Ok(vec![f64::NAN; steps.count]), |p| self.scalar(p, steps))
    }

    fn quantile(&self, a: &Aggregate, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let q = self.param(a, steps)?;
        let mut groups = Groups::<Vec<f64>>::new();
        self.vector(&a.expr, steps, &mut |mut column| {
            self.ignore_histograms(a, &mut column);
            if column.is_empty() {
                return Ok(());
            }
            self.hold(steps.count)?;
            let i = groups.of(self, group_of(&column.labels, a), column.nameless, steps, 3)?;
            let pairs = groups.states[i].iter_mut().zip(&column.values);
            pairs.filter(|(_, v)| is_present(**v)).for_each(|(values, v)| values.push(*v));
            Ok(())
        })?;
        if let Some(param) = a.param.as_ref().filter(|_| !groups.labels.is_empty()) {
            q.iter().for_each(|q| self.check_quantile(*q, param.span));
        }
        groups.emit(sink, |step, values| if values.is_empty() { ABSENT } else { quantile(q[step], values) })
    }

    /// How many series have each value; the value becomes a label.
    fn count_values(&self, a: &Aggregate, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let label = a.param.as_ref().map_or("", |p| self.string(p));
        if label.is_empty() || label.len() > model::labels::NAME_BYTES_MAX {
            return Err(QueryError::invalid(format!("invalid label name {label:?} in count_values")));
        }
        let mut grouping = a.clone();
        if !a.without {
            grouping.labels.push(label.to_string());
        }
        let mut groups = Groups::<f64>::new();
        self.vector(&a.expr, steps, &mut |column| {
            self.worked(steps.count)?;
            // Values mostly stay: the group of the step before is tried first.
            let mut last: Option<(u64, usize)> = None;
            for (step, v) in column.values.iter().enumerate().filter(|(_, v)| is_present(**v)) {
                let i = match last {
                    Some((bits, i)) if bits == v.to_bits() => i,
                    _ => {
                        let labels = column.labels.with(label, &plain_text(*v));
                        groups.of(self, group_of(&labels, &grouping), column.nameless, steps, 1)?
                    }
                };
                last = Some((v.to_bits(), i));
                groups.states[i][step] += 1.0;
            }
            for (step, h) in column.histograms.iter().flatten().enumerate() {
                let Some(h) = h else { continue };
                self.worked(native::work(h))?;
                let text = native::text(h);
                self.hold_bytes(text.len())?;
                let labels = column.labels.with(label, &text);
                let i = groups.of(self, group_of(&labels, &grouping), column.nameless, steps, 1)?;
                groups.states[i][step] += 1.0;
            }
            Ok(())
        })?;
        groups.emit(sink, |_, count| if *count == 0.0 { ABSENT } else { *count })
    }
}
