//! Calls: arguments are evaluated here, values are computed by what the table in `crate::functions`
//! names.

use super::column::{ABSENT, Column, Steps, is_present};
use super::selector::Give;
use super::{Eval, Sink, internal};
use crate::ast::{Expr, ExprKind, Selector};
use crate::error::QueryError;
use crate::functions::{Body, Function, Special, larger, smaller};
use crate::native;
use model::{Histogram, Labels, MatchOp, NAME};

impl Eval<'_> {
    /// A call that gives a number per step.
    pub(super) fn call_scalar(
        &self,
        function: &Function,
        args: &[Expr],
        steps: &Steps,
    ) -> Result<Vec<f64>, QueryError> {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let all = |v: f64| Ok(vec![v; steps.count]);
        let Body::Special(special) = function.body else {
            return args.first().map_or_else(|| all(f64::NAN), |a| Err(internal(a)));
        };
        match special {
            Special::Time => Ok((0..steps.count).map(|step| seconds(steps.time(step))).collect()),
            Special::Pi => all(std::f64::consts::PI),
            Special::Start => all(seconds(self.query.start_ms)),
            Special::End => all(seconds(self.end_ms)),
            Special::Step => all(seconds(self.query.step_ms)),
            Special::Range => all(seconds(self.end_ms - self.query.start_ms)),
            Special::MinOf | Special::MaxOf => {
                let f = if special == Special::MinOf { smaller } else { larger };
                let (a, b) = (self.scalar(&args[0], steps)?, self.scalar(&args[1], steps)?);
                Ok(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect())
            }
            Special::Scalar => self.only_value(&args[0], steps),
            _ => args.first().map_or_else(|| all(f64::NAN), |a| Err(internal(a))),
        }
    }

    /// The value of the only series at each step; NaN if there is none or more than one.
    fn only_value(&self, expr: &Expr, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        self.hold(2 * steps.count)?;
        let mut found = vec![(0u32, f64::NAN); steps.count];
        self.vector(expr, steps, &mut |column| {
            self.worked(steps.count)?;
            for ((count, value), v) in found.iter_mut().zip(column.values).filter(|(_, v)| is_present(*v)) {
                (*count, *value) = (*count + 1, v);
            }
            Ok(())
        })?;
        Ok(found.into_iter().map(|(count, v)| if count == 1 { v } else { f64::NAN }).collect())
    }

    /// A call that gives a vector.
    pub(super) fn call_vector(
        &self,
        function: &Function,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        match function.body {
            Body::Math(f) => self.map_values(&args[0], steps, sink, f),
            Body::MathWith(f) => self.math_with(f, args, steps, sink),
            Body::Histogram(f) => self.of_histograms(function, f, &args[0], steps, sink),
            Body::Date(f) => match args.first() {
                Some(arg) => self.map_values(arg, steps, sink, f),
                None => {
                    let values = (0..steps.count).map(|i| f(steps.time(i) as f64 / 1000.0)).collect();
                    sink(Column::new(Labels::default(), values))
                }
            },
            Body::Window(_) | Body::WindowKeepsName(_) | Body::Sliding(_) => {
                self.window_function(function, args, steps, sink)
            }
            Body::Special(special) => self.special(special, args, steps, sink),
        }
    }

    fn special(
        &self,
        special: Special,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        match special {
            Special::Vector => sink(Column::new(Labels::default(), self.scalar(&args[0], steps)?)),
            // The order is made at the end, where all series are known.
            Special::SortByLabel | Special::SortByLabelDesc => self.vector(&args[0], steps, sink),
            // Histograms have no order by value.
            Special::Sort | Special::SortDesc => self.vector(&args[0], steps, &mut |mut column| {
                column.histograms = None;
                if column.is_empty() { Ok(()) } else { sink(column) }
            }),
            Special::Clamp => self.clamp(args, steps, sink),
            Special::Timestamp => self.timestamp(&args[0], steps, Give::Timestamp, sink),
            Special::StartTimestamp => self.timestamp(&args[0], steps, Give::Start, sink),
            Special::Absent => self.absent(&args[0], steps, sink),
            Special::AbsentOverTime => {
                let values = self.absent_over_time(&args[0], steps)?;
                emit_absent(&args[0], values, sink)
            }
            Special::LabelReplace => self.label_replace(args, steps, sink),
            Special::LabelJoin => self.label_join(args, steps, sink),
            Special::HistogramQuantile => self.histogram_quantile(args, steps, sink),
            Special::HistogramFraction => self.histogram_fraction(args, steps, sink),
            Special::HistogramQuantiles => self.histogram_quantiles(args, steps, sink),
            Special::Info => self.with_info(args, steps, sink),
            _ => args.first().map_or(Ok(()), |a| Err(internal(a))),
        }
    }

    fn math_with(
        &self,
        f: fn(f64, &[f64]) -> f64,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let params = self.params(&args[1..].iter().collect::<Vec<_>>(), steps)?;
        self.per_step(&args[0], steps, sink, &|step, v| {
            let mut given = [0.0; 2];
            given.iter_mut().zip(&params).for_each(|(g, p)| *g = p[step]);
            f(v, &given[..params.len().min(2)])
        })
    }

    /// Nothing at all where the bounds are the wrong way round.
    fn clamp(&self, args: &[Expr], steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let bounds = self.params(&[&args[1], &args[2]], steps)?;
        let (low, high) = (&bounds[0], &bounds[1]);
        self.per_step(&args[0], steps, sink, &|step, v| {
            if low[step] > high[step] { ABSENT } else { larger(low[step], smaller(high[step], v)) }
        })
    }

    /// Each present value with its step; the metric's name goes.
    fn per_step(
        &self,
        expr: &Expr,
        steps: &Steps,
        sink: Sink<'_>,
        f: &dyn Fn(usize, f64) -> f64,
    ) -> Result<(), QueryError> {
        self.vector(expr, steps, &mut |mut column| {
            self.worked(steps.count)?;
            let present = column.values.iter_mut().enumerate().filter(|(_, v)| is_present(**v));
            present.for_each(|(step, v)| *v = f(step, *v));
            column.nameless = true;
            column.histograms = None;
            if column.is_empty() { Ok(()) } else { sink(column) }
        })
    }

    /// A number of each histogram.
    fn of_histograms(
        &self,
        function: &Function,
        f: fn(&Histogram) -> f64,
        expr: &Expr,
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        // These look at no bucket.
        let marks = matches!(function.name, "histogram_count" | "histogram_sum" | "histogram_avg");
        let marks = marks || self.marks_resets.get();
        self.marking_resets(marks, || {
            self.vector(expr, steps, &mut |mut column| {
                let Some(histograms) = column.histograms.take() else { return Ok(()) };
                for (step, h) in histograms.into_iter().enumerate() {
                    let work = h.as_ref().map_or(1, |h| native::work(h));
                    self.worked(if marks { 1 } else { work })?;
                    column.values[step] = h.map_or(ABSENT, |h| f(&h));
                }
                column.nameless = true;
                if column.is_empty() { Ok(()) } else { sink(column) }
            })
        })
    }

    /// Of a selector, the times of its samples, or since when they count; of anything else, the evaluation time, or
    /// nothing.
    fn timestamp(&self, expr: &Expr, steps: &Steps, give: Give, sink: Sink<'_>) -> Result<(), QueryError> {
        let ExprKind::Selector(selector) = &expr.inner().kind else {
            return self.vector(expr, steps, &mut |mut column| {
                self.worked(steps.count)?;
                for step in (0..steps.count).filter(|_| give == Give::Timestamp) {
                    if column.has(step) {
                        column.values[step] = steps.time(step) as f64 / 1000.0;
                    }
                }
                column.histograms = None;
                column.nameless = true;
                if give == Give::Start || column.is_empty() { Ok(()) } else { sink(column) }
            });
        };
        self.selector(selector, expr.span, steps, give, &mut |mut column| {
            column.nameless = true;
            sink(column)
        })
    }

    fn absent(&self, expr: &Expr, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        self.hold(steps.count)?;
        let mut values = vec![1.0; steps.count];
        self.vector(expr, steps, &mut |column| {
            self.worked(steps.count)?;
            let there = values.iter_mut().enumerate().filter(|(step, _)| column.has(*step));
            there.for_each(|(_, a)| *a = ABSENT);
            Ok(())
        })?;
        emit_absent(expr, values, sink)
    }
}

fn emit_absent(expr: &Expr, values: Vec<f64>, sink: Sink<'_>) -> Result<(), QueryError> {
    let labels = match &expr.inner().kind {
        ExprKind::Selector(s) | ExprKind::Range(s, _) => labels_of(s),
        _ => Labels::default(),
    };
    let column = Column::new(labels, values);
    if column.is_empty() { Ok(()) } else { sink(column) }
}

/// The labels that every series of the selector has: those with exactly one matcher, `=`.
fn labels_of(selector: &Selector) -> Labels {
    let matchers = &selector.matchers;
    let sure = matchers.iter().filter(|m| {
        m.name != NAME && m.op == MatchOp::Equal && matchers.iter().filter(|o| o.name == m.name).count() == 1
    });
    Labels::from_pairs(sure.map(|m| (m.name.as_str(), m.value.as_str()))).unwrap_or_default()
}
