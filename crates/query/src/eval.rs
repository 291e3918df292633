//! Evaluates an expression over a [`Source`], column by column: each selector is read once for the whole
//! range, and every series then flows through the expression as one column with a value per step. What
//! can flow does (rates, sums); only what needs all series at once holds them. It must never read a clock.

mod aggregate;
mod binary;
mod column;
pub(crate) mod dates;
mod edges;
mod elements;
mod functions;
mod histogram;
mod info;
mod labels;
mod matching;
mod mixed;
mod mixed_edges;
mod mixed_rates;
mod native_groups;
mod notes;
mod order;
pub(crate) mod over_time;
mod rank;
pub(crate) mod rates;
mod selector;
pub(crate) mod sliding;
mod smoothed;
mod summaries;
mod windows;

use crate::ast::{Expr, ExprKind, ValueType};
use crate::error::QueryError;
use crate::native;
use crate::options::QueryOptions;
use crate::source::{ReadLimits, Source};
use crate::value::{QueryResult, Value};
use column::{Column, Steps, is_present};
use model::{Labels, SeriesData};
use notes::Notes;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use stdx::ErrorKind;

/// Takes columns one by one.
type Sink<'s> = &'s mut dyn FnMut(Column) -> Result<(), QueryError>;

/// The farthest time from 1970 that is accepted, in milliseconds: no sum of times can overflow.
const TIME_MS_MAX: i64 = i64::MAX / 1_000;

/// The value of an expression at one time.
///
/// # Errors
/// `Invalid` where the data does not allow what the query asks (such as two series for one match),
/// `TooLarge` over a limit, `Cancelled`, and whatever the source reports.
pub fn instant(
    source: &dyn Source,
    expr: &Expr,
    time_ms: i64,
    options: &QueryOptions,
) -> Result<QueryResult, QueryError> {
    let eval = Eval::new(source, options, time_ms, time_ms, 0)?;
    let steps = eval.query;
    let value = match expr.value_type {
        ValueType::Scalar => Value::Scalar(eval.scalar(expr, &steps)?[0]),
        ValueType::String => Value::String(eval.string(expr).to_string()),
        ValueType::Vector => {
            let columns = column::without_names(eval.columns(expr, &steps)?)?;
            let mut found: Vec<_> =
                columns.into_iter().filter_map(|c| Some((c.point(0)?, c.labels))).collect();
            order::order(expr, &mut found);
            Value::Vector(found.into_iter().map(|(point, labels)| (labels, time_ms, point)).collect())
        }
        ValueType::Matrix => {
            let mut found = Vec::new();
            eval.windows(expr, &steps, &mut |series, nameless, windows| {
                let mut data = windows.samples(&series, 0);
                if nameless {
                    data.labels = data.labels.filtered(|n| !column::is_metadata(n));
                }
                if !data.timestamps_ms.is_empty() || !data.histograms.is_empty() {
                    found.push(data);
                }
                Ok(())
            })?;
            Value::Matrix(sorted(found)?)
        }
    };
    Ok(eval.notes.into_inner().result(value))
}

/// The values of an expression at `start_ms`, `start_ms + step_ms` ... up to `end_ms`; always a matrix.
///
/// # Errors
/// As [`instant`]; also for an expression that is no vector or scalar, a step that is not over zero, an
/// end before the start, and more steps than the limit.
pub fn range(
    source: &dyn Source,
    expr: &Expr,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    options: &QueryOptions,
) -> Result<QueryResult, QueryError> {
    if !matches!(expr.value_type, ValueType::Scalar | ValueType::Vector) {
        let message = format!(
            "invalid expression type {:?} for range query, must be scalar or instant vector",
            expr.value_type.as_str()
        );
        let hint = "reduce it to one value per step, such as rate(...) or last_over_time(...)";
        return Err(QueryError::invalid(message).at(expr.span).hint(hint));
    }
    if step_ms <= 0 {
        return Err(QueryError::invalid("the step of a range query must be greater than zero"));
    }
    if end_ms < start_ms {
        return Err(QueryError::invalid("the end of the range must not be before its start"));
    }
    let eval = Eval::new(source, options, start_ms, end_ms, step_ms)?;
    let steps = eval.query;
    if steps.count > options.limits.steps_max {
        let message =
            format!("{} steps are more than the limit of {}", steps.count, options.limits.steps_max);
        return Err(QueryError::new(ErrorKind::TooLarge, message)
            .hint("use a longer step or a shorter range")
            .bound("steps of a range query"));
    }
    let columns = match expr.value_type {
        ValueType::Scalar => {
            vec![Column::new(Labels::default(), eval.scalar(expr, &steps)?)]
        }
        _ => column::without_names(eval.columns(expr, &steps)?)?,
    };
    eval.warn_of_sort(expr);
    let series = columns
        .into_iter()
        .map(|c| c.into_series(&steps))
        .filter(|s| !s.values.is_empty() || !s.histograms.is_empty());
    let value = Value::Matrix(sorted(series.collect())?);
    Ok(eval.notes.into_inner().result(value))
}

/// In order of labels; no label set may come twice.
fn sorted(mut series: Vec<SeriesData>) -> Result<Vec<SeriesData>, QueryError> {
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    match series.windows(2).find(|pair| pair[0].labels == pair[1].labels) {
        Some(pair) => Err(column::same_labels(&pair[0].labels)),
        None => Ok(series),
    }
}

/// One evaluation: what it reads from, its bounds, and what it has to tell.
struct Eval<'a> {
    source: &'a dyn Source,
    options: &'a QueryOptions,
    /// The steps that were asked for; those of subqueries differ.
    query: Steps,
    /// The end that was asked for, which need not be a step.
    end_ms: i64,
    notes: RefCell<Notes>,
    /// Samples read or computed and held.
    held: Cell<usize>,
    /// Bytes of labels and histograms that are held.
    held_bytes: Cell<usize>,
    /// Whether the histograms that are read shall say themselves whether they continue the one before: who takes only
    /// their counts and sums cannot find out later.
    marks_resets: Cell<bool>,
    /// Samples looked at since the caller was last asked whether to go on.
    work: Cell<usize>,
}

/// What columns take of the limits.
#[derive(Clone, Copy, Default)]
struct Held {
    samples: usize,
    bytes: usize,
}

impl Held {
    fn of<'c>(columns: impl IntoIterator<Item = &'c Column>) -> Held {
        let add = |held: Held, c: &Column| Held {
            samples: held.samples + c.values.len(),
            bytes: held.bytes + c.bytes(),
        };
        columns.into_iter().fold(Held::default(), add)
    }
}

/// Samples between two questions whether to go on: well under a millisecond.
const WORK_MAX: usize = 1 << 16;

/// Memory of one sample: its time and its value.
const SAMPLE_BYTES: usize = 16;

impl<'a> Eval<'a> {
    fn new(
        source: &'a dyn Source,
        options: &'a QueryOptions,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Self, QueryError> {
        if [start_ms, end_ms].iter().any(|t| t.unsigned_abs() > TIME_MS_MAX.unsigned_abs()) {
            return Err(QueryError::invalid(
                "the time is out of range: it must lie within 292,000 years of 1970",
            ));
        }
        let eval = Eval {
            source,
            options,
            query: Steps::new(start_ms, end_ms, step_ms),
            end_ms,
            notes: RefCell::default(),
            held: Cell::new(0),
            held_bytes: Cell::new(0),
            marks_resets: Cell::new(false),
            work: Cell::new(0),
        };
        eval.go_on()?;
        Ok(eval)
    }

    /// An error if the caller has given up.
    fn go_on(&self) -> Result<(), QueryError> {
        self.work.set(0);
        match &self.options.stop {
            Some(stop) if stop() => Err(QueryError::new(
                ErrorKind::Cancelled,
                "the query was stopped: it took too long or nobody waits for it",
            )
            .hint("ask for fewer series, a shorter range or a longer step")
            .bound("query.timeout")),
            _ => Ok(()),
        }
    }

    /// Counts samples looked at; asks now and then whether to go on.
    fn worked(&self, samples: usize) -> Result<(), QueryError> {
        let work = self.work.get() + samples;
        self.work.set(work);
        if work > WORK_MAX { self.go_on() } else { Ok(()) }
    }

    /// Counts samples that are held in memory.
    fn hold(&self, samples: usize) -> Result<(), QueryError> {
        let held = self.held.get().saturating_add(samples);
        let max = self.options.limits.samples_max;
        if held > max {
            let message = format!("the query needs more than {max} samples in memory");
            return Err(QueryError::new(ErrorKind::TooLarge, message)
                .hint("select fewer series, a shorter range or a longer step")
                .bound("query.samples_max"));
        }
        self.bounded(held, self.held_bytes.get())?;
        self.held.set(held);
        self.worked(samples)
    }

    /// Counts bytes of labels and histograms that are held in memory.
    fn hold_bytes(&self, bytes: usize) -> Result<(), QueryError> {
        let held = self.held_bytes.get().saturating_add(bytes);
        self.bounded(self.held.get(), held)?;
        self.held_bytes.set(held);
        Ok(())
    }

    /// Counts bytes of labels and histograms that are held no longer.
    fn release_bytes(&self, bytes: usize) {
        self.held_bytes.set(self.held_bytes.get().saturating_sub(bytes));
    }

    /// An error if samples, labels and histograms together take more memory than allowed.
    fn bounded(&self, samples: usize, bytes: usize) -> Result<(), QueryError> {
        let max = self.options.limits.bytes_max;
        if samples.saturating_mul(SAMPLE_BYTES).saturating_add(bytes) <= max {
            return Ok(());
        }
        let message = format!("the query needs more than {} MiB of memory", max >> 20);
        Err(QueryError::new(ErrorKind::TooLarge, message)
            .hint("select fewer series, a shorter range or a longer step; or raise query.memory_max")
            .bound("query.memory_max"))
    }

    /// Counts samples that are held no longer.
    fn release(&self, samples: usize) {
        self.held.set(self.held.get().saturating_sub(samples));
    }

    /// What a read may still return.
    fn read_limits(&self) -> ReadLimits {
        let limits = &self.options.limits;
        ReadLimits {
            series_max: limits.series_max,
            samples_max: limits.samples_max.saturating_sub(self.held.get()),
            bytes_max: limits
                .bytes_max
                .saturating_sub(self.held_bytes.get())
                .saturating_sub(self.held.get().saturating_mul(SAMPLE_BYTES)),
        }
    }

    /// A scalar expression, one value per step.
    fn scalar(&self, expr: &Expr, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        // Counted while it is computed, because an outer expression may hold its own values meanwhile.
        self.hold(steps.count)?;
        let values = self.scalar_values(expr, steps);
        self.release(steps.count);
        values
    }

    /// Scalar arguments, one list per argument; they stay counted as held.
    fn params(&self, args: &[&Expr], steps: &Steps) -> Result<Vec<Vec<f64>>, QueryError> {
        self.hold(args.len() * steps.count)?;
        args.iter().map(|a| self.scalar(a, steps)).collect()
    }

    fn scalar_values(&self, expr: &Expr, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        match &expr.kind {
            ExprKind::Number(n) => Ok(vec![*n; steps.count]),
            ExprKind::Paren(e) | ExprKind::Plus(e) => self.scalar(e, steps),
            ExprKind::Negate(e) => {
                let mut values = self.scalar(e, steps)?;
                values.iter_mut().for_each(|v| *v = -*v);
                Ok(values)
            }
            ExprKind::Binary(first, rest) => {
                let mut values = self.scalar(first, steps)?;
                for r in rest {
                    let right = self.scalar(&r.expr, steps)?;
                    values.iter_mut().zip(right).for_each(|(l, r_value)| *l = binary::scalar(r, *l, r_value));
                }
                Ok(values)
            }
            ExprKind::Call(function, args) => self.call_scalar(function, args, steps),
            _ => Err(internal(expr)),
        }
    }

    /// The text of a string expression.
    fn string<'e>(&self, expr: &'e Expr) -> &'e str {
        match &expr.inner().kind {
            ExprKind::String(s) => s,
            _ => "",
        }
    }

    /// A vector expression, column by column. No column is empty, and no two values at one step have the
    /// same labels with their names.
    fn vector(&self, expr: &Expr, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        match &expr.kind {
            ExprKind::Selector(s) => self.selector(s, expr.span, steps, selector::Give::Value, sink),
            ExprKind::Paren(e) | ExprKind::Plus(e) => self.vector(e, steps, sink),
            ExprKind::Negate(e) => self.negate(e, steps, sink),
            ExprKind::Binary(first, rest) => self.binary(first, rest, steps, sink),
            ExprKind::Aggregate(a) => self.aggregate(a, steps, sink),
            ExprKind::Call(function, args) => {
                self.call_vector(function, args, steps, sink).map_err(|e| e.at(expr.span))
            }
            _ => Err(internal(expr)),
        }
        .map_err(|e| e.at(expr.span))
    }

    /// All columns of a vector expression.
    fn columns(&self, expr: &Expr, steps: &Steps) -> Result<Vec<Column>, QueryError> {
        let mut columns = Vec::new();
        self.vector(expr, steps, &mut |column| {
            self.hold_column(&column)?;
            columns.push(column);
            Ok(())
        })?;
        Ok(columns)
    }

    /// Counts a column that is held.
    fn hold_column(&self, column: &Column) -> Result<(), QueryError> {
        self.hold(column.values.len())?;
        self.hold_bytes(column.bytes())
    }

    /// Counts columns that are held no longer.
    fn release_columns(&self, held: Held) {
        self.release(held.samples);
        self.release_bytes(held.bytes);
    }

    fn negate(&self, expr: &Expr, steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        self.vector(expr, steps, &mut |mut column| {
            self.worked(steps.count)?;
            column.values.iter_mut().filter(|v| is_present(**v)).for_each(|v| *v = -*v);
            for h in column.histograms.iter_mut().flatten().flatten() {
                self.worked(native::work(h))?;
                *h = Arc::new(native::scaled(h, -1.0));
            }
            column.nameless = true;
            sink(column)
        })
    }

    /// Evaluates with or without marking resets in histograms, as `marks` says.
    fn marking_resets<T>(&self, marks: bool, f: impl FnOnce() -> T) -> T {
        let before = self.marks_resets.replace(marks);
        let value = f();
        self.marks_resets.set(before);
        value
    }

    /// Each present number for itself; histograms and the metric's name go.
    fn map_values(
        &self,
        expr: &Expr,
        steps: &Steps,
        sink: Sink<'_>,
        mut f: impl FnMut(f64) -> f64,
    ) -> Result<(), QueryError> {
        self.vector(expr, steps, &mut |mut column| {
            self.worked(steps.count)?;
            column.values.iter_mut().filter(|v| is_present(**v)).for_each(|v| *v = f(*v));
            column.nameless = true;
            column.histograms = None;
            if column.is_empty() { Ok(()) } else { sink(column) }
        })
    }
}

/// The parser checks types, so this is a bug.
fn internal(expr: &Expr) -> QueryError {
    QueryError::new(ErrorKind::Internal, format!("no way to evaluate a {}", expr.value_type.as_str()))
        .at(expr.span)
}
