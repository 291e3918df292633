//! One binary operator between two samples of any kind. What does not go together gives nothing, and a note.

use super::Eval;
use super::binary::compute;
use super::mixed::Operation;
use crate::ast::BinaryOp;
use crate::error::Span;
use crate::native::{self, Incompatible, Keep, Total};
use crate::value::Point;
use model::Histogram;
use std::sync::Arc;

/// A result, and whether a comparison holds (true for arithmetic).
type Out = Option<(Point, bool)>;

fn histogram(h: Histogram) -> Out {
    Some((Point::Histogram(Arc::new(h)), true))
}

impl Eval<'_> {
    pub(super) fn operate(&self, op: BinaryOp, left: &Point, right: &Point, span: Span) -> Out {
        match (left, right) {
            (Point::Number(l), Point::Number(r)) if !op.is_trim() => {
                let (value, holds) = compute(op, *l, *r);
                Some((Point::Number(value), holds))
            }
            (Point::Number(n), Point::Histogram(h)) if op == BinaryOp::Mul => {
                histogram(native::scaled(h, *n))
            }
            (Point::Histogram(h), Point::Number(n)) => match op {
                BinaryOp::Mul => histogram(native::scaled(h, *n)),
                BinaryOp::Div => histogram(native::divided(h, *n)),
                BinaryOp::TrimUpper => histogram(native::trimmed(h, *n, Keep::Below)),
                BinaryOp::TrimLower => histogram(native::trimmed(h, *n, Keep::Above)),
                _ => self.mismatch(op, left, right, span),
            },
            (Point::Histogram(l), Point::Histogram(r)) => match op {
                BinaryOp::Add | BinaryOp::Sub => self.sum_or_difference(op, l, r, span),
                BinaryOp::Equal => Some((left.clone(), native::equal(l, r))),
                BinaryOp::NotEqual => Some((left.clone(), !native::equal(l, r))),
                _ => self.mismatch(op, left, right, span),
            },
            _ => self.mismatch(op, left, right, span),
        }
    }

    fn sum_or_difference(&self, op: BinaryOp, l: &Histogram, r: &Histogram, span: Span) -> Out {
        let mut total = Total::new(l);
        let (operation, done) = match op {
            BinaryOp::Add => (Operation::Addition, total.add(r)),
            _ => (Operation::Subtraction, total.subtract(r)),
        };
        match done {
            Ok(outcome) => {
                if outcome.hints_collide {
                    self.warn_of_hints(operation, span);
                }
                if outcome.bounds_reconciled {
                    self.info_of_bounds(operation, span);
                }
                // A difference is no counter.
                let total = if op == BinaryOp::Sub { total.into_gauge() } else { total };
                histogram(total.histogram())
            }
            Err(Incompatible) => {
                let text =
                    format!("incompatible bucket layout encountered for binary operator {}", op.as_str());
                self.warn(span, &text);
                None
            }
        }
    }

    fn mismatch(&self, op: BinaryOp, left: &Point, right: &Point, span: Span) -> Out {
        let kind = |p: &Point| if p.number().is_some() { "float" } else { "histogram" };
        let (op, left, right) = (op.as_str(), kind(left), kind(right));
        let text =
            format!("incompatible sample types encountered for binary operator {op:?}: {left} {op} {right}");
        self.info(span, &text);
        None
    }
}
