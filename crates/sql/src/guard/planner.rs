//! The engine's planners make calls of its own functions of what has a syntax of its own: `[a, b]`, `{a: 1}`, `MAP {...}`, lists
//! with `||`. Here those calls become guarded ones. It must never plan anything itself.

use super::guarded as guard;
use datafusion::arrow::datatypes::Field;
use datafusion::common::{DFSchema, Result, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawDictionaryExpr, RawFieldAccessExpr,
    RawWindowExpr,
};
use std::sync::Arc;

/// The same planner, what it makes guarded.
pub fn guarded(inner: Arc<dyn ExprPlanner>) -> Arc<dyn ExprPlanner> {
    Arc::new(Guarding(inner))
}

#[derive(Debug)]
struct Guarding(Arc<dyn ExprPlanner>);

fn planned<T>(result: PlannerResult<T>) -> Result<PlannerResult<T>> {
    Ok(match result {
        PlannerResult::Planned(expr) => PlannerResult::Planned(guard(expr)?),
        original => original,
    })
}

impl ExprPlanner for Guarding {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        planned(self.0.plan_binary_op(expr, schema)?)
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        self.0.plan_field_access(expr, schema)
    }

    fn plan_array_literal(&self, exprs: Vec<Expr>, schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        planned(self.0.plan_array_literal(exprs, schema)?)
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.0.plan_position(args)
    }

    fn plan_dictionary_literal(
        &self,
        expr: RawDictionaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawDictionaryExpr>> {
        planned(self.0.plan_dictionary_literal(expr, schema)?)
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.0.plan_extract(args)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.0.plan_substring(args)
    }

    fn plan_struct_literal(&self, args: Vec<Expr>, is_named: bool) -> Result<PlannerResult<Vec<Expr>>> {
        planned(self.0.plan_struct_literal(args, is_named)?)
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        planned(self.0.plan_overlay(args)?)
    }

    fn plan_make_map(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        planned(self.0.plan_make_map(args)?)
    }

    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        self.0.plan_compound_identifier(field, qualifier, nested_names)
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        self.0.plan_aggregate(expr)
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        self.0.plan_window(expr)
    }
}
