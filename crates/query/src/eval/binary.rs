//! Binary operators: numbers with numbers, and chains in which a vector meets numbers or vectors. A
//! vector that only meets numbers flows through; two vectors are held and joined in `matching`.

use super::column::{ABSENT, Column, Steps, is_present};
use super::{Eval, Held, Sink};
use crate::ast::{BinaryOp, Expr, ExprKind, Operand, ValueType};
use crate::error::{QueryError, Span};
use crate::native;
use crate::value::Point;

/// The value of `left op right`, and whether a comparison holds (true for arithmetic).
pub(super) fn compute(op: BinaryOp, left: f64, right: f64) -> (f64, bool) {
    match op {
        BinaryOp::Add => (left + right, true),
        BinaryOp::Sub => (left - right, true),
        BinaryOp::Mul => (left * right, true),
        BinaryOp::Div => (left / right, true),
        BinaryOp::Mod => (left % right, true),
        BinaryOp::Pow => (left.powf(right), true),
        BinaryOp::Atan2 => (left.atan2(right), true),
        BinaryOp::Equal => (left, left == right),
        BinaryOp::NotEqual => (left, left != right),
        BinaryOp::Greater => (left, left > right),
        BinaryOp::Less => (left, left < right),
        BinaryOp::GreaterEqual => (left, left >= right),
        BinaryOp::LessEqual => (left, left <= right),
        // Numbers cannot be trimmed.
        BinaryOp::TrimUpper | BinaryOp::TrimLower => (left, false),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => (left, true),
    }
}

/// Two numbers; a comparison gives 0 or 1.
pub(super) fn scalar(operand: &Operand, left: f64, right: f64) -> f64 {
    let (value, holds) = compute(operand.op, left, right);
    if operand.op.is_comparison() { f64::from(u8::from(holds)) } else { value }
}

/// Whether the result is a new quantity, which the metric's name does not name any more.
pub(super) fn drops_name(operand: &Operand) -> bool {
    operand.returns_bool || !(operand.op.is_comparison() || operand.op.is_trim() || operand.op.is_set())
}

/// A number per step.
enum Number {
    Constant(f64),
    PerStep(Vec<f64>),
}

impl Number {
    fn at(&self, step: usize) -> f64 {
        match self {
            Number::Constant(v) => *v,
            Number::PerStep(values) => values[step],
        }
    }
}

/// One operator between a vector and a number.
struct WithNumber<'e> {
    operand: &'e Operand,
    number: Number,
    number_is_left: bool,
}

impl WithNumber<'_> {
    /// `span` is that of the chain.
    fn apply(&self, eval: &Eval<'_>, span: Span, column: &mut Column) -> Result<(), QueryError> {
        let op = self.operand.op;
        if column.histograms.is_some() || op.is_trim() {
            return self.apply_to_both(eval, span, column);
        }
        for (step, v) in column.values.iter_mut().enumerate().filter(|(_, v)| is_present(**v)) {
            let number = self.number.at(step);
            let (value, holds) =
                if self.number_is_left { compute(op, number, *v) } else { compute(op, *v, number) };
            *v = match (op.is_comparison(), self.operand.returns_bool) {
                (true, true) => f64::from(u8::from(holds)),
                // What is kept is the vector's value, on whichever side it stands.
                (true, false) if holds => *v,
                (true, false) => ABSENT,
                (false, _) => value,
            };
        }
        column.nameless |= drops_name(self.operand);
        Ok(())
    }

    fn apply_to_both(&self, eval: &Eval<'_>, span: Span, column: &mut Column) -> Result<(), QueryError> {
        let op = self.operand.op;
        for step in 0..column.values.len() {
            let Some(point) = column.point(step) else { continue };
            eval.worked(column.histogram(step).map_or(1, |h| native::work(h)))?;
            let number = Point::Number(self.number.at(step));
            let result = match self.number_is_left {
                true => eval.operate(op, &number, &point, span),
                false => eval.operate(op, &point, &number, span),
            };
            let kept =
                result.and_then(|(value, holds)| match (op.is_comparison(), self.operand.returns_bool) {
                    (true, true) => Some(Point::Number(f64::from(u8::from(holds)))),
                    (true, false) => Some(point).filter(|_| holds),
                    (false, _) => Some(value),
                });
            column.set(step, kept);
        }
        column.nameless |= drops_name(self.operand);
        Ok(())
    }
}

/// The left side of a chain, as far as it is evaluated.
enum Left<'e> {
    Expr(&'e Expr),
    Number(Number),
    Columns(Vec<Column>),
}

impl Eval<'_> {
    /// A chain of operators with at least one vector.
    pub(super) fn binary(
        &self,
        first: &Expr,
        rest: &[Operand],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        self.marking_resets(false, || self.chain(first, rest, steps, sink))
    }

    fn chain(&self, first: &Expr, rest: &[Operand], steps: &Steps, sink: Sink<'_>) -> Result<(), QueryError> {
        let is_vector = |e: &Expr| e.value_type == ValueType::Vector;
        // Up to the last vector everything is evaluated; the numbers after it are applied as columns flow.
        let joins = rest.iter().rposition(|r| is_vector(&r.expr)).map_or(0, |i| i + 1);
        let (head, tail) = rest.split_at(joins);
        let mut tail = tail.iter().map(|r| self.with_number(r, steps)).collect::<Result<Vec<_>, _>>()?;
        let mut left = Left::Expr(first);
        for (i, operand) in head.iter().enumerate() {
            let last = i + 1 == head.len();
            left = match left {
                Left::Expr(e) if !is_vector(e) => Left::Number(self.number(e, steps)?),
                Left::Expr(e) => Left::Columns(self.columns(e, steps)?),
                other => other,
            };
            left = match left {
                Left::Number(number) if is_vector(&operand.expr) => {
                    let with = WithNumber { operand, number, number_is_left: true };
                    if last {
                        tail.insert(0, with);
                        Left::Expr(&operand.expr)
                    } else {
                        Left::Columns(self.applied(&operand.expr, &with, first.span, steps)?)
                    }
                }
                Left::Number(number) => {
                    let right = self.scalar(&operand.expr, steps)?;
                    let values = right.iter().enumerate().map(|(s, r)| scalar(operand, number.at(s), *r));
                    Left::Number(Number::PerStep(values.collect()))
                }
                Left::Columns(mut columns) if !is_vector(&operand.expr) => {
                    let with = self.with_number(operand, steps)?;
                    columns.iter_mut().try_for_each(|c| with.apply(self, first.span, c))?;
                    Left::Columns(columns)
                }
                Left::Columns(columns) => Left::Columns(self.join(columns, operand, first.span, steps)?),
                Left::Expr(e) => Left::Expr(e),
            };
        }
        match left {
            Left::Columns(columns) => {
                let held = Held::of(&columns);
                columns.into_iter().try_for_each(|column| self.flow(column, &tail, first.span, sink))?;
                self.release_columns(held);
                Ok(())
            }
            Left::Expr(e) => self.vector(e, steps, &mut |column| self.flow(column, &tail, first.span, sink)),
            Left::Number(_) => Err(super::internal(first)),
        }
    }

    /// Applies operators to one column and hands it on.
    fn flow(
        &self,
        mut column: Column,
        with: &[WithNumber<'_>],
        span: Span,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        self.worked(column.values.len() * with.len())?;
        with.iter().try_for_each(|w| w.apply(self, span, &mut column))?;
        if column.is_empty() { Ok(()) } else { sink(column) }
    }

    /// The columns of a vector after an operator with a number.
    fn applied(
        &self,
        e: &Expr,
        with: &WithNumber<'_>,
        span: Span,
        steps: &Steps,
    ) -> Result<Vec<Column>, QueryError> {
        let mut columns = self.columns(e, steps)?;
        columns.iter_mut().try_for_each(|c| with.apply(self, span, c))?;
        Ok(columns)
    }

    fn with_number<'e>(&self, operand: &'e Operand, steps: &Steps) -> Result<WithNumber<'e>, QueryError> {
        Ok(WithNumber { operand, number: self.number(&operand.expr, steps)?, number_is_left: false })
    }

    fn number(&self, expr: &Expr, steps: &Steps) -> Result<Number, QueryError> {
        if let ExprKind::Number(n) = expr.inner().kind {
            return Ok(Number::Constant(n));
        }
        self.hold(steps.count)?;
        self.scalar(expr, steps).map(Number::PerStep)
    }

    /// Joins what is held with the vector on the right.
    fn join(
        &self,
        left: Vec<Column>,
        operand: &Operand,
        span: Span,
        steps: &Steps,
    ) -> Result<Vec<Column>, QueryError> {
        let right = self.columns(&operand.expr, steps)?;
        let held = Held::of(left.iter().chain(&right));
        let joined = self.match_vectors(left, right, operand, span, steps);
        let joined = joined.map_err(|e| e.at(operand.expr.span))?;
        self.release_columns(held);
        Ok(joined)
    }
}
