//! A series as it flows through an expression: one value per step. A step without a sample holds the
//! stale marker, which no computation produces, so that a column is one plain array.

use super::{Eval, Sink};
use crate::ast::{Expr, ExprKind};
use crate::error::QueryError;
use model::{Labels, MatchOp, NAME, STALE_NAN_BITS, SeriesData, is_stale};
use std::collections::HashMap;

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

/// One series: a value per step, or [`ABSENT`].
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) labels: Labels,
    pub(super) values: Vec<f64>,
}

impl Column {
    pub(super) fn is_empty(&self) -> bool {
        !self.values.iter().any(|v| is_present(*v))
    }

    pub(super) fn drop_name(&mut self) {
        self.labels = without_name(&self.labels);
    }

    /// The present values with their times.
    pub(super) fn into_series(self, steps: &Steps) -> SeriesData {
        let present = self.values.iter().enumerate().filter(|(_, v)| is_present(**v));
        let (timestamps_ms, values) = present.map(|(i, v)| (steps.time(i), *v)).unzip();
        SeriesData { labels: self.labels, timestamps_ms, values }
    }
}

/// The labels without the metric's name.
pub(super) fn without_name(labels: &Labels) -> Labels {
    if labels.name().is_empty() { labels.clone() } else { labels.filtered(|n| n != NAME) }
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
    by_labels: HashMap<Labels, usize>,
    pub(super) columns: Vec<Column>,
}

impl Merged {
    /// Adds a column; true if it was merged into another.
    pub(super) fn push(&mut self, column: Column) -> Result<bool, QueryError> {
        if let Some(i) = self.by_labels.get(&column.labels) {
            let held = &mut self.columns[*i];
            for (old, new) in held.values.iter_mut().zip(column.values) {
                match (is_present(*old), is_present(new)) {
                    (true, true) => return Err(same_labels(&held.labels)),
                    (false, true) => *old = new,
                    _ => {}
                }
            }
            return Ok(true);
        }
        self.by_labels.insert(column.labels.clone(), self.columns.len());
        self.columns.push(column);
        Ok(false)
    }
}

impl Eval<'_> {
    /// Runs what produces columns. If labels may collide (`distinct` is false), the columns are held and
    /// merged before they go on.
    pub(super) fn unique(
        &self,
        distinct: bool,
        steps: &Steps,
        sink: Sink<'_>,
        produce: &mut dyn FnMut(Sink<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        if distinct {
            return produce(sink);
        }
        let mut merged = Merged::default();
        produce(&mut |column| {
            if !merged.push(column)? {
                self.hold(steps.count)?;
            }
            Ok(())
        })?;
        merged.columns.into_iter().try_for_each(sink)
    }
}

/// Whether all series of the expression surely have the same name (or none), so that dropping it keeps
/// them distinct.
pub(super) fn one_name(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Selector(s) | ExprKind::Range(s, _) => {
            s.matchers.iter().any(|m| m.name == NAME && m.op == MatchOp::Equal)
        }
        ExprKind::Subquery(s) => one_name(&s.expr),
        ExprKind::Paren(e) | ExprKind::Plus(e) => one_name(e),
        ExprKind::Aggregate(a) => a.param.is_none() && (a.without || !a.labels.iter().any(|l| l == NAME)),
        ExprKind::Call(function, args) => {
            use crate::functions::Body;
            matches!(function.body, Body::Math(_) | Body::MathWith(_) | Body::Window(_))
                && args.iter().all(|a| a.value_type == crate::ast::ValueType::Scalar || one_name(a))
        }
        ExprKind::Negate(e) => one_name(e),
        ExprKind::Binary(first, rest) => {
            // Only vector-with-number chains: matching may bring names from either side.
            rest.iter().all(|r| r.expr.value_type == crate::ast::ValueType::Scalar) && one_name(first)
        }
        ExprKind::Number(_) | ExprKind::String(_) => true,
    }
}
