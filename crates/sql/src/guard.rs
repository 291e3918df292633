//! What keeps a function from taking memory that no pool counts: some are left out, others are asked first how much they would
//! make. It must never change what a function answers.

mod planner;

use crate::SqlError;
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::compute::kernels::boolean::or;
use datafusion::arrow::compute::{is_null, nullif};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use std::sync::Arc;
use stdx::ErrorKind;

/// Bytes that one call of a function may make for one batch of rows.
pub const RESULT_BYTES_MAX: usize = 64 << 20;
/// Parts of the type of one value.
const TYPE_PARTS_MAX: usize = 1_000;
/// Its name in the list of limits.
pub const RESULT: &str = "bytes that one function of SQL makes at once";

/// Functions whose result is as long as a number says; nobody asks a question with them.
const LEFT_OUT: &[&str] = &[
    "repeat",
    "lpad",
    "rpad",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "range",
    "generate_series",
];

/// How much a function can make at the most, from the bytes of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Growth {
    /// As much as its arguments together.
    Sum,
    /// The last text once for every byte of the first.
    Replaces(usize),
}

fn growth(name: &str) -> Option<Growth> {
    Some(match name {
        "concat" | "concat_ws" | "array_append" | "array_prepend" | "array_concat" | "array_union"
        | "arrays_zip" | "make_array" | "struct" | "named_struct" | "map" => Growth::Sum,
        "replace" | "regexp_replace" => Growth::Replaces(2),
        "overlay" => Growth::Sum,
        _ => return None,
    })
}

/// The engine's functions and `more`, guarded.
pub fn scalar_functions(more: Vec<ScalarUDF>) -> Vec<Arc<ScalarUDF>> {
    let engine = SessionStateDefaults::default_scalar_functions().into_iter();
    let kept = engine.filter(|f| !LEFT_OUT.contains(&f.name()));
    let guarded = kept.map(|f| match growth(f.name()) {
        Some(growth) => Arc::new(ScalarUDF::new_from_impl(Guarded { inner: f, growth, strict: None })),
        None => f,
    });
    guarded.chain(more.into_iter().map(Arc::new)).collect()
}

/// The engine's planners, what they make guarded, and after them the one that guards `||`.
pub fn planners() -> Vec<Arc<dyn ExprPlanner>> {
    let engine = SessionStateDefaults::default_expr_planners().into_iter();
    let mut all: Vec<Arc<dyn ExprPlanner>> = engine.map(planner::guarded).collect();
    all.push(Arc::new(Concatenation));
    all
}

/// An expression whose functions are guarded, those of its arguments included.
fn guarded(expr: Expr) -> Result<Expr> {
    let found = expr.transform_up(|expr| {
        let Expr::ScalarFunction(call) = expr else { return Ok(Transformed::no(expr)) };
        let known = call.func.inner().downcast_ref::<Guarded>().is_some();
        Ok(match growth(call.name()).filter(|_| !known) {
            Some(growth) => {
                let guarded = Guarded { inner: call.func, growth, strict: None };
                Transformed::yes(ScalarUDF::new_from_impl(guarded).call(call.args))
            }
            None => Transformed::no(Expr::ScalarFunction(call)),
        })
    });
    found.map(|done| done.data)
}

/// `a || b` of texts as a guarded function; of arrays it was taken before.
#[derive(Debug)]
struct Concatenation;

impl ExprPlanner for Concatenation {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::StringConcat {
            return Ok(PlannerResult::Original(expr));
        }
        let inner = datafusion::functions::string::concat();
        let guarded = Guarded { inner, growth: Growth::Sum, strict: Some("||") };
        let function = Arc::new(ScalarUDF::new_from_impl(guarded));
        Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right])))
    }
}

/// A function that is asked first how much it would make.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    /// NULL if one of its arguments is, and another name.
    strict: Option<&'static str>,
}

impl Guarded {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let rows = args.number_rows.max(1);
        let bytes = |value: &ColumnarValue| match value {
            ColumnarValue::Array(array) => array_bytes(array),
            ColumnarValue::Scalar(scalar) => scalar.size().saturating_mul(rows),
        };
        let all: Vec<usize> = args.args.iter().map(bytes).collect();
        let would = match self.growth {
            Growth::Sum => all.iter().fold(0usize, |sum, n| sum.saturating_add(*n)),
            Growth::Replaces(with) => {
                let text = all.first().copied().unwrap_or(0).saturating_mul(2).saturating_add(rows);
                text.saturating_mul(args.args.get(with).map_or(1, longest))
            }
        };
        if would <= RESULT_BYTES_MAX {
            return Ok(());
        }
        let text = format!(
            "{} would make up to {would} bytes at once; {RESULT_BYTES_MAX} are allowed. Shorten its arguments",
            self.name()
        );
        Err(SqlError::new(ErrorKind::TooLarge, text).bound(RESULT).into())
    }
}

/// Whether a type has no more parts than there is room for: a struct of structs doubles them with each step of a query.
fn fits(data_type: &DataType, room: &mut usize) -> bool {
    *room = room.saturating_sub(1);
    if *room == 0 {
        return false;
    }
    match data_type {
        DataType::Struct(fields) => fields.iter().all(|f| fits(f.data_type(), room)),
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::LargeListView(f)
        | DataType::FixedSizeList(f, _)
        | DataType::Map(f, _) => fits(f.data_type(), room),
        _ => true,
    }
}

fn array_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}

/// Bytes of the longest text.
fn longest(value: &ColumnarValue) -> usize {
    match value {
        ColumnarValue::Scalar(
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text),
        ) => text.as_ref().map_or(0, String::len),
        ColumnarValue::Scalar(_) => 1,
        ColumnarValue::Array(array) => array_bytes(array),
    }
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.strict.unwrap_or(self.inner.name())
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        let mut room = TYPE_PARTS_MAX;
        if !fits(field.data_type(), &mut room) {
            let text = format!(
                "{} would make a value of more than {TYPE_PARTS_MAX} nested parts; take fewer of them together",
                self.name()
            );
            return Err(SqlError::new(ErrorKind::TooLarge, text).bound(RESULT).into());
        }
        Ok(match self.strict {
            Some(_) => Arc::new(field.as_ref().clone().with_nullable(true)),
            None => field,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        if self.strict.is_none() {
            return self.inner.inner().invoke_with_args(args);
        }
        let is_void = |v: &ColumnarValue| matches!(v, ColumnarValue::Scalar(s) if s.is_null());
        if args.args.iter().any(is_void) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_field.data_type())?));
        }
        let mut void: Option<BooleanArray> = None;
        for arg in &args.args {
            let ColumnarValue::Array(array) = arg else { continue };
            if array.logical_null_count() > 0 {
                let mask = is_null(array)?;
                void = Some(void.map_or_else(|| Ok(mask.clone()), |before| or(&before, &mask))?);
            }
        }
        let joined = self.inner.inner().invoke_with_args(args)?;
        Ok(match (joined, void) {
            (ColumnarValue::Array(array), Some(mask)) => ColumnarValue::Array(nullif(&array, &mask)?),
            (joined, _) => joined,
        })
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // What it is simplified to would not be guarded.
        let _ = info;
        Ok(ExprSimplifyResult::Original(args))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
