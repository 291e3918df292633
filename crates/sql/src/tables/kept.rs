//! The tables of rows: `logs`, `spans`, `changes`. Conditions that the store understands go to it, so that its indexes skip what
//! cannot match; the rest is the engine's. It must never take a row away that a condition keeps.

use super::pushdown::{how, literal, text};
use super::{Batches, batch_of, projected, scan};
use crate::Sources;
use crate::error::carried;
use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, InList, Like};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;
use store::tables::{AttributeTest, Predicate, Scan, Table};

/// One of them.
#[derive(Clone)]
pub struct Kept {
    sources: Sources,
    table: Table,
}

impl Kept {
    /// Over these rows.
    pub fn new(sources: Sources, table: Table) -> Kept {
        Kept { sources, table }
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.table.name())
    }
}

#[async_trait]
impl TableProvider for Kept {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|filter| how(understand(filter, self.table).map(|(_, all)| all))).collect())
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let full = self.table.schema();
        let schema = projected(&full, projection)?;
        let mut asked = Scan::new(self.table);
        for condition in filters.iter().filter_map(|f| understand(f, self.table)).flat_map(|(all, _)| all) {
            match condition {
                Condition::From(ns) => asked.from_ns = asked.from_ns.max(ns),
                Condition::Until(ns) => asked.to_ns = asked.to_ns.min(ns),
                Condition::Is(predicate) => asked.predicates.push(predicate),
            }
        }
        // A limit comes only where the store answers all conditions.
        asked.limit = limit;
        // Rows are counted by a column: one is needed even where none is wanted.
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        asked.columns = Some(if names.is_empty() { vec!["time".into()] } else { names });
        let (tables, of_scan) = (self.sources.tables.clone(), schema.clone());
        scan(schema, limit, move |_| {
            let schema = of_scan.clone();
            let rows = tables.scan(asked.clone()).map_err(carried)?;
            Ok(Box::new(rows.map(move |batch| shaped(&batch.map_err(carried)?, &schema))) as Batches)
        })
    }
}

/// The wanted columns in the wanted order.
fn shaped(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    batch_of(schema, batch.num_rows(), |name| {
        batch.column_by_name(name).cloned().ok_or_else(|| {
            carried(stdx::Error::new(stdx::ErrorKind::Internal, format!("the column {name} is missing")))
        })
    })
}

/// Something that narrows.
enum Condition {
    From(i64),
    Until(i64),
    Is(Predicate),
}

/// Conditions, and whether they say all that the expression says.
type Understood = Option<(Vec<Condition>, bool)>;

fn understand(filter: &Expr, table: Table) -> Understood {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let (mut all, exact) = understand(left, table)?;
            let (more, also) = understand(right, table)?;
            all.extend(more);
            Some((all, exact && also))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => alternatives(filter, table)?.is(table),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            compare(left, *op, right, table).or_else(|| compare(right, op.swap()?, left, table))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let values: Option<Vec<String>> = list.iter().map(|e| plain(literal(e)?)).collect();
            Alternatives { column: column(expr, table)?.to_string(), values: values? }.is(table)
        }
        Expr::Like(like) => like_text(like, table),
        Expr::IsNotNull(inner) => {
            let name = attribute(inner)?;
            Some((vec![Condition::Is(Predicate::Attribute { name, test: AttributeTest::Exists })], false))
        }
        _ => None,
    }
}

fn compare(left: &Expr, op: Operator, right: &Expr, table: Table) -> Understood {
    let value = literal(right)?;
    if let Some(name) = attribute(left) {
        // It may be an attribute of the row or of its resource: the engine looks which.
        let test = match op {
            Operator::Eq => AttributeTest::Equals(text(value)?.to_string()),
            _ => return None,
        };
        return Some((vec![Condition::Is(Predicate::Attribute { name, test })], false));
    }
    let name = column(left, table)?;
    if name == "time" {
        let ns = nanoseconds(value)?;
        let all = match op {
            Operator::GtEq => vec![Condition::From(ns)],
            Operator::Gt => vec![Condition::From(ns.checked_add(1)?)],
            Operator::LtEq => vec![Condition::Until(ns)],
            Operator::Lt => vec![Condition::Until(ns.checked_sub(1)?)],
            Operator::Eq => vec![Condition::From(ns), Condition::Until(ns)],
            _ => return None,
        };
        return Some((all, true));
    }
    let at_least = |value| Predicate::AtLeast { column: name.to_string(), value };
    let at_most = |value| Predicate::AtMost { column: name.to_string(), value };
    let predicate = match op {
        Operator::Eq => {
            let values = vec![plain(value)?];
            return Alternatives { column: name.to_string(), values }.is(table);
        }
        Operator::RegexMatch if name == table.text_column() => {
            return Some((vec![Condition::Is(Predicate::Regex(text(value)?.to_string()))], false));
        }
        Operator::GtEq => at_least(whole(value)?),
        Operator::Gt => at_least(whole(value)?.checked_add(1)?),
        Operator::LtEq => at_most(whole(value)?),
        Operator::Lt => at_most(whole(value)?.checked_sub(1)?),
        _ => return None,
    };
    is_whole(name, table).then(|| (vec![Condition::Is(predicate)], true))
}

/// One of several values of a column.
struct Alternatives {
    column: String,
    values: Vec<String>,
}

impl Alternatives {
    fn is(self, table: Table) -> Understood {
        let schema = table.schema();
        let field = schema.field_with_name(&self.column).ok()?;
        let is_fine = match field.data_type() {
            DataType::Utf8 => true,
            t if t.is_integer() => self.values.iter().all(|v| v.parse::<i128>().is_ok()),
            _ => false,
        };
        let Alternatives { column, values } = self;
        is_fine.then(|| (vec![Condition::Is(Predicate::In { column, values })], true))
    }
}

/// `x = 'a' OR x = 'b'`: what the engine makes of a short `IN`.
fn alternatives(filter: &Expr, table: Table) -> Option<Alternatives> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (mut a, b) = (alternatives(left, table)?, alternatives(right, table)?);
            a.values.extend(b.values);
            (a.column == b.column).then_some(a)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => Some(Alternatives {
            column: column(left, table)?.to_string(),
            values: vec![plain(literal(right)?)?],
        }),
        _ => None,
    }
}

/// `'%part%'` of the text of the table.
fn like_text(like: &Like, table: Table) -> Understood {
    let pattern = text(literal(&like.pattern)?)?;
    let part = pattern.strip_prefix('%')?.strip_suffix('%')?;
    let is_plain = !part.is_empty() && !part.contains(['%', '_', '\\']);
    if !is_plain || like.negated || like.case_insensitive || like.escape_char.is_some() {
        return None;
    }
    (column(&like.expr, table)? == table.text_column())
        .then(|| (vec![Condition::Is(Predicate::Contains(part.to_string()))], true))
}

fn is_whole(name: &str, table: Table) -> bool {
    let schema = table.schema();
    // Values of 64 bits without a sign do not fit the store's comparison.
    schema
        .field_with_name(name)
        .is_ok_and(|f| f.data_type().is_integer() && *f.data_type() != DataType::UInt64)
}

/// A column, also where the engine cast it to compare it, but not where a cast makes something else of it.
fn column(expr: &Expr, table: Table) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(cast) => {
            let name = column(&cast.expr, table)?;
            let schema = table.schema();
            let (from, to) = (schema.field_with_name(name).ok()?.data_type(), cast.field.data_type());
            let is_same = (from.is_string() && to.is_string())
                || (from.is_integer() && to.is_integer())
                || matches!((from, to), (DataType::Timestamp(..), DataType::Timestamp(..)));
            is_same.then_some(name)
        }
        _ => None,
    }
}

fn attribute(expr: &Expr) -> Option<String> {
    match expr {
        Expr::ScalarFunction(call) if call.name() == "get_field" => match call.args.as_slice() {
            [Expr::Column(column), key] if matches!(column.name.as_str(), "attributes" | "resource") => {
                text(literal(key)?).map(str::to_string)
            }
            _ => None,
        },
        _ => None,
    }
}

fn whole(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int64(n) => *n,
        ScalarValue::Int32(n) => n.map(i64::from),
        ScalarValue::Int16(n) => n.map(i64::from),
        ScalarValue::Int8(n) => n.map(i64::from),
        ScalarValue::UInt8(n) => n.map(i64::from),
        ScalarValue::UInt16(n) => n.map(i64::from),
        ScalarValue::UInt32(n) => n.map(i64::from),
        _ => None,
    }
}

/// A text, or the digits of a whole number.
fn plain(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::UInt64(Some(n)) => Some(n.to_string()),
        other => text(other).map(str::to_string).or_else(|| whole(other).map(|n| n.to_string())),
    }
}

fn nanoseconds(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(Some(n), _) => Some(*n),
        ScalarValue::TimestampMicrosecond(Some(n), _) => n.checked_mul(1_000),
        ScalarValue::TimestampMillisecond(Some(n), _) => n.checked_mul(1_000_000),
        ScalarValue::TimestampSecond(Some(n), _) => n.checked_mul(1_000_000_000),
        _ => None,
    }
}
