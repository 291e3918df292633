//! The table function `promql`: an expression at one instant or over a range, as rows. The text is parsed when the query is
//! planned and evaluated when rows are asked for, within the limits that queries in PromQL have.

use crate::tables::columns::{self, NS_PER_MS, Runs};
use crate::tables::{batch_of, in_batches, projected, scan};
use crate::{Sources, SqlError};
use async_trait::async_trait;
use datafusion::arrow::array::{Float64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use model::Labels;
use query::{Point, QueryError, Value};
use std::fmt;
use std::sync::Arc;
use stdx::ErrorKind;

const USAGE: &str = "Write promql('up'), promql('up', now()), or promql('rate(x[5m])', now() - interval '1 hour', now(), '1m').";

/// The function, over some samples.
pub struct Function {
    sources: Sources,
}

impl Function {
    /// Over these samples.
    pub fn new(sources: Sources) -> Function {
        Function { sources }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("promql")
    }
}

/// When to evaluate.
#[derive(Clone, Copy, Debug)]
enum When {
    At(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

impl TableFunctionImpl for Function {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let values: Option<Vec<&ScalarValue>> = args.exprs().iter().map(constant).collect();
        let values = values.ok_or_else(|| wrong("its arguments have to be constants"))?;
        let (text, when) = match values.as_slice() {
            [text] => (text, When::At(self.sources.now_ms)),
            [text, at] => (text, When::At(instant(at)?)),
            [text, start, end, step] => {
                let (start_ms, end_ms, step_ms) = (instant(start)?, instant(end)?, length(step)?);
                if end_ms < start_ms {
                    return Err(wrong("the end is before the start"));
                }
                (text, When::Range { start_ms, end_ms, step_ms })
            }
            _ => {
                return Err(wrong(
                    "it takes an expression, or one and an instant, or one and start, end and step",
                ));
            }
        };
        let text = text.try_as_str().flatten().ok_or_else(|| wrong("its first argument has to be a text"))?;
        let expr = query::parse(text).map_err(|e| {
            let told =
                SqlError::new(ErrorKind::Invalid, format!("promql: {}:{}: {}", e.line, e.column, e.message));
            SqlError { hint: e.hint, ..told }
        })?;
        let schema = Schema::new(vec![
            Field::new("time", columns::instant(), false),
            Field::new("name", DataType::Utf8, false),
            columns::map_field("labels"),
            Field::new("value", DataType::Float64, true),
            Field::new("histogram", DataType::Utf8, true),
        ]);
        Ok(Arc::new(Answer {
            sources: self.sources.clone(),
            expr: Arc::new(expr),
            when,
            schema: Arc::new(schema),
        }))
    }
}

fn wrong(what: &str) -> datafusion::common::DataFusionError {
    SqlError::new(ErrorKind::Invalid, format!("promql: {what}")).hint(USAGE).into()
}

fn constant(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// An instant: of a type of instants, a text, or seconds since 1970.
fn instant(value: &ScalarValue) -> Result<i64> {
    let ms = match value {
        ScalarValue::TimestampNanosecond(Some(n), _) => Some(n.div_euclid(NS_PER_MS)),
        ScalarValue::TimestampMicrosecond(Some(n), _) => Some(n.div_euclid(1_000)),
        ScalarValue::TimestampMillisecond(Some(n), _) => Some(*n),
        ScalarValue::TimestampSecond(Some(n), _) => n.checked_mul(1_000),
        ScalarValue::Int64(Some(n)) => n.checked_mul(1_000),
        ScalarValue::Float64(Some(n)) if n.is_finite() => Some((n * 1e3) as i64),
        other => match other.try_as_str().flatten() {
            Some(text) => Some(model::time::parse_time_ms(text).map_err(|e| wrong(&e))?),
            None => None,
        },
    };
    ms.ok_or_else(|| {
        wrong("instants are timestamps, texts such as '2026-01-31T12:00:00Z', or seconds since 1970")
    })
}

/// A length of time: an interval, a text, or seconds.
fn length(value: &ScalarValue) -> Result<i64> {
    let ms = match value {
        ScalarValue::IntervalMonthDayNano(Some(i)) if i.months == 0 => i64::from(i.days)
            .checked_mul(86_400_000)
            .map(|days| days.saturating_add(i.nanoseconds / NS_PER_MS)),
        ScalarValue::IntervalDayTime(Some(i)) => {
            Some(i64::from(i.days) * 86_400_000 + i64::from(i.milliseconds))
        }
        ScalarValue::Int64(Some(n)) => n.checked_mul(1_000),
        ScalarValue::Float64(Some(n)) if n.is_finite() => Some((n * 1e3) as i64),
        other => match other.try_as_str().flatten() {
            Some(text) => Some(model::time::parse_duration_ms(text).map_err(|e| wrong(&e))?),
            None => None,
        },
    };
    match ms {
        Some(ms) if ms > 0 => Ok(ms),
        _ => Err(wrong("the step is a length above zero, such as '1m' or interval '1 minute'")),
    }
}

/// The rows of one expression.
struct Answer {
    sources: Sources,
    expr: Arc<query::Expr>,
    when: When,
    schema: SchemaRef,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("promql")
    }
}

#[async_trait]
impl TableProvider for Answer {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = projected(&self.schema, projection)?;
        let (sources, expr, when, of_scan) =
            (self.sources.clone(), self.expr.clone(), self.when, schema.clone());
        scan(schema, limit, move |context| {
            let found = evaluate(&sources, &expr, when).map_err(failed)?;
            let memory = MemoryConsumer::new("promql").register(context.memory_pool());
            memory.try_resize(found.iter().map(|row| row.labels.heap_bytes() / 8 + 48).sum())?;
            let schema = of_scan.clone();
            Ok(in_batches(found, memory, move |part| batch(&schema, part)))
        })
    }
}

fn failed(e: QueryError) -> datafusion::common::DataFusionError {
    let told = SqlError::new(e.kind, format!("promql: {}", e.message));
    SqlError { hint: e.hint, bound: e.bound, ..told }.into()
}

struct Row {
    labels: Labels,
    time_ms: i64,
    value: Option<f64>,
    histogram: Option<String>,
}

fn evaluate(sources: &Sources, expr: &query::Expr, when: When) -> Result<Vec<Row>, QueryError> {
    let (view, options) = (&*sources.view, &sources.promql);
    let (result, at_ms) = match when {
        When::At(ms) => (query::instant(view, expr, ms, options)?, ms),
        When::Range { start_ms, end_ms, step_ms } => {
            (query::range(view, expr, start_ms, end_ms, step_ms, options)?, end_ms)
        }
    };
    let number = |labels: &Labels, time_ms, value| Row {
        labels: labels.clone(),
        time_ms,
        value: Some(value),
        histogram: None,
    };
    let text = |labels: &Labels, time_ms, text| Row {
        labels: labels.clone(),
        time_ms,
        value: None,
        histogram: Some(text),
    };
    Ok(match result.value {
        Value::Scalar(value) => vec![number(&Labels::default(), at_ms, value)],
        Value::String(value) => vec![text(&Labels::default(), at_ms, value)],
        Value::Vector(rows) => rows
            .iter()
            .map(|(labels, ms, point)| match point {
                Point::Number(value) => number(labels, *ms, *value),
                Point::Histogram(h) => text(labels, *ms, columns::histogram_text(h)),
            })
            .collect(),
        Value::Matrix(all) => {
            let mut rows = Vec::new();
            for series in &all {
                let samples = series.timestamps_ms.iter().zip(&series.values);
                rows.extend(samples.map(|(ms, value)| number(&series.labels, *ms, *value)));
                let histograms = series.histograms.iter();
                rows.extend(
                    histograms.map(|at| {
                        text(&series.labels, at.timestamp_ms, columns::histogram_text(&at.histogram))
                    }),
                );
            }
            rows
        }
    })
}

fn batch(schema: &SchemaRef, part: &[Row]) -> Result<RecordBatch> {
    let mut runs = Runs::default();
    for run in part.chunk_by(|a, b| a.labels == b.labels) {
        runs.push(&run[0].labels, run.len());
    }
    batch_of(schema, part.len(), |name| {
        Ok(match name {
            "time" => columns::instants(part.iter().map(|row| row.time_ms)),
            "name" => runs.names()?,
            "labels" => runs.labels()?,
            "value" => Arc::new(Float64Array::from_iter(part.iter().map(|row| row.value))),
            _ => Arc::new(StringArray::from_iter(part.iter().map(|row| row.histogram.as_deref()))),
        })
    })
}
