//! Nodes of the tree, made only when their types fit and the limits on nodes and depth hold.

use super::parser::Operator;
use super::{NODES_MAX, Parser};
use crate::ast::{AggregateOp, BinaryOp, Edges, Expr, ExprKind, Group, Operand, ValueType};
use crate::error::{ParseError, Span};
use crate::functions::Function;

impl Parser<'_> {
    /// A node; the only place that makes one.
    pub(super) fn node(
        &mut self,
        kind: ExprKind,
        span: Span,
        value_type: ValueType,
        depth: usize,
    ) -> Result<Expr, ParseError> {
        self.count_node(span)?;
        if depth > self.depth_max {
            return Err(self.too_deep(span));
        }
        Ok(Expr { kind, span, value_type, depth })
    }

    pub(super) fn count_node(&mut self, span: Span) -> Result<(), ParseError> {
        self.nodes += 1;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        Err(ParseError::new(span, format!("the query has more than {NODES_MAX} parts"))
            .hint("select many series with one regular expression: {job=~\"a|b\"}"))
    }

    pub(super) fn too_deep(&self, span: Span) -> ParseError {
        ParseError::new(span, format!("the query is nested more than {} levels deep", self.depth_max))
            .hint("remove parentheses, or split the query")
    }

    pub(super) fn unary(
        &mut self,
        at: Span,
        expr: Expr,
        kind: fn(Box<Expr>) -> ExprKind,
    ) -> Result<Expr, ParseError> {
        let (value_type, span, depth) = (expr.value_type, at.to(expr.span), expr.depth + 1);
        if !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
            let message = format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                value_type.as_str()
            );
            return Err(ParseError::new(span, message));
        }
        self.node(kind(Box::new(expr)), span, value_type, depth)
    }

    /// Joins two sides; a chain of one precedence grows instead of nesting.
    pub(super) fn binary(&mut self, left: Expr, operator: Operator, right: Expr) -> Result<Expr, ParseError> {
        let matching = check_operator(&left, &operator, &right)?;
        let vector = left.value_type == ValueType::Vector || right.value_type == ValueType::Vector;
        let value_type = if vector { ValueType::Vector } else { ValueType::Scalar };
        let Operator { op, returns_bool, .. } = operator;
        let span = left.span.to(right.span);
        let depth = left.depth.max(right.depth + 1);
        let operand = Operand { op, returns_bool, matching, expr: right };
        match left.kind {
            ExprKind::Binary(first, mut rest)
                if op != BinaryOp::Pow && rest[0].op.precedence() == op.precedence() =>
            {
                rest.push(operand);
                self.node(ExprKind::Binary(first, rest), span, value_type, depth)
            }
            _ => {
                let depth = depth.max(left.depth + 1);
                self.node(ExprKind::Binary(Box::new(left), vec![operand]), span, value_type, depth)
            }
        }
    }

    pub(super) fn call(
        &mut self,
        function: &'static Function,
        args: Vec<Expr>,
        span: Span,
    ) -> Result<Expr, ParseError> {
        let (name, most, least) =
            (function.name, function.args.len(), function.args.len() - function.optional);
        let wrong = if args.len() < least {
            let prefix = if function.optional > 0 || function.repeats { "at least " } else { "" };
            Some(format!("expected {prefix}{least} argument(s) in call to {name:?}, got {}", args.len()))
        } else if args.len() > most && !function.repeats {
            let prefix = if function.optional > 0 { "at most " } else { "" };
            Some(format!("expected {prefix}{most} argument(s) in call to {name:?}, got {}", args.len()))
        } else {
            None
        };
        if let Some(message) = wrong {
            return Err(ParseError::new(span, message).hint(format!("write {}", function.signature())));
        }
        for (i, arg) in args.iter().enumerate() {
            let wanted = function.args[i.min(most - 1)];
            if arg.value_type != wanted {
                return Err(self.wrong_argument(name, arg, wanted));
            }
            check_edges(name, arg)?;
        }
        let depth = 1 + args.iter().map(|a| a.depth).max().unwrap_or(0);
        self.node(ExprKind::Call(function, args), span, function.returns, depth)
    }

    fn wrong_argument(&self, name: &str, arg: &Expr, wanted: ValueType) -> ParseError {
        let got = arg.value_type;
        let message =
            format!("expected type {} in call to function {name:?}, got {}", wanted.as_str(), got.as_str());
        let error = ParseError::new(arg.span, message);
        let text = self.text.get(arg.span.start..arg.span.end).filter(|t| t.len() <= 60);
        let selector = matches!(arg.kind, ExprKind::Selector(_));
        match (wanted, got) {
            (ValueType::Matrix, ValueType::Vector) if selector => {
                let selector = text.unwrap_or("foo");
                // An offset or @ in the text would have to move behind the range.
                let selector = if selector.contains(char::is_whitespace) { "foo" } else { selector };
                error.hint(format!("{name} needs a range: {name}({selector}[5m])"))
            }
            (ValueType::Matrix, ValueType::Vector | ValueType::Scalar) => {
                error.hint(format!("{name} needs a range; over an expression it is a subquery: {name}((...)[5m:1m])"))
            }
            (ValueType::Vector, ValueType::Matrix) => error.hint(format!(
                "{name} needs one value per series: leave out the range, or reduce it: {name}(avg_over_time({}))",
                text.unwrap_or("foo[5m]")
            )),
            (ValueType::Vector, ValueType::Scalar) => {
                error.hint(format!("make it a vector: {name}(vector({}))", text.unwrap_or("...")))
            }
            (ValueType::Scalar, ValueType::Vector) => {
                error.hint(format!("if it has exactly one series: scalar({})", text.unwrap_or("...")))
            }
            (ValueType::String, _) => error.hint("put the text in quotes"),
            _ => error,
        }
    }

    pub(super) fn check_aggregate(
        &self,
        op: AggregateOp,
        expr: &Expr,
        param: Option<&Expr>,
    ) -> Result<(), ParseError> {
        let fail = |e: &Expr, wanted: ValueType| {
            let message = format!(
                "expected type {} in aggregation expression, got {}",
                wanted.as_str(),
                e.value_type.as_str()
            );
            ParseError::new(e.span, message)
        };
        let name = op.as_str();
        if expr.value_type == ValueType::Matrix {
            return Err(fail(expr, ValueType::Vector)
                .hint(format!("reduce the range first: {name}(rate(...)) or {name}(avg_over_time(...))")));
        }
        if expr.value_type != ValueType::Vector {
            return Err(fail(expr, ValueType::Vector));
        }
        match (param, op.param_type()) {
            (Some(p), Some(wanted)) if p.value_type != wanted => Err(fail(p, wanted)),
            _ => Ok(()),
        }
    }
}

/// What looks at the edges of a range can make use of `anchored` and `smoothed`; for anything else, samples
/// that were never taken would be added to those that were.
fn check_edges(name: &str, arg: &Expr) -> Result<(), ParseError> {
    let ExprKind::Range(selector, _) = &arg.inner().kind else { return Ok(()) };
    let allowed: &[&str] = match selector.edges {
        Edges::Plain => return Ok(()),
        Edges::Anchored => &["changes", "delta", "increase", "rate", "resets"],
        Edges::Smoothed => &["delta", "increase", "rate"],
    };
    if allowed.contains(&name) {
        return Ok(());
    }
    let (word, list) = (selector.edges.as_str(), allowed.join(", "));
    let message = format!("{word} modifier can only be used with: {list} - not with {name}");
    Err(ParseError::new(arg.span, message).hint(format!("leave out {word}")))
}

/// The rules on types and modifiers of binary operators; gives the matching for two vectors.
fn check_operator(
    left: &Expr,
    operator: &Operator,
    right: &Expr,
) -> Result<Option<crate::ast::Matching>, ParseError> {
    let Operator { op, span, returns_bool, matching } = operator;
    let whole = left.span.to(right.span);
    for side in [left, right] {
        if !matches!(side.value_type, ValueType::Scalar | ValueType::Vector) {
            let message = "binary expression must contain only scalar and instant vector types";
            let error = ParseError::new(side.span, message);
            return Err(match side.value_type {
                ValueType::Matrix => {
                    error.hint("reduce the range first, with rate(...) or avg_over_time(...)")
                }
                _ => error,
            });
        }
    }
    let scalars = [left, right].iter().filter(|e| e.value_type == ValueType::Scalar).count();
    if *returns_bool && !op.is_comparison() {
        return Err(ParseError::new(*span, "bool modifier can only be used on comparison operators"));
    }
    if op.is_comparison() && !returns_bool && scalars == 2 {
        return Err(ParseError::new(whole, "comparisons between scalars must use BOOL modifier")
            .hint(format!("write {} bool", op.as_str())));
    }
    if op.is_trim() && left.value_type == ValueType::Scalar {
        let message = format!("operator {:?} needs histograms on its left side", op.as_str());
        return Err(ParseError::new(whole, message).hint("write histograms </ number"));
    }
    if op.is_set() && scalars > 0 {
        let message = format!("set operator {:?} not allowed in binary scalar expression", op.as_str());
        return Err(ParseError::new(whole, message).hint("make the number a vector: vector(1)"));
    }
    if matching.as_ref().is_some_and(|m| m.fill_left.is_some() || m.fill_right.is_some()) {
        let refused = if scalars > 0 {
            Some("filling in missing series only allowed between instant vectors")
        } else if op.is_set() {
            Some("filling in missing series not allowed for set operators")
        } else {
            None
        };
        if let Some(message) = refused {
            return Err(ParseError::new(*span, message));
        }
    }
    let Some(m) = matching else {
        return Ok((scalars == 0).then(Default::default));
    };
    if scalars > 0 {
        return Err(ParseError::new(whole, "vector matching only allowed between instant vectors"));
    }
    if op.is_set() && m.group != Group::OneToOne {
        return Err(ParseError::new(*span, format!("no grouping allowed for {:?} operation", op.as_str())));
    }
    if let Some(label) = m.include.iter().find(|l| m.on && m.labels.contains(l)) {
        let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
        return Err(ParseError::new(*span, message));
    }
    Ok(Some(m.clone()))
}
