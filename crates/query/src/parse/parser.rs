//! Expressions: operators by precedence with two stacks (so that long chains need no recursion),
//! operands, calls and aggregations.

use super::Parser;
use super::lexer::{Token, cut};
use crate::ast::{
    Aggregate, AggregateOp, BinaryOp, Edges, Expr, ExprKind, Group, Matching, Selector, Shift, ValueType,
};
use crate::error::{ParseError, Span};
use crate::functions::{Body, FUNCTIONS, Special, find};
use stdx::nearest::nearest;

/// An operator that waits for its right side.
pub(super) enum Pending {
    Negate(Span),
    Plus(Span),
    Binary(Operator),
}

/// A binary operator with its modifiers.
pub(super) struct Operator {
    pub(super) op: BinaryOp,
    pub(super) span: Span,
    pub(super) returns_bool: bool,
    pub(super) matching: Option<Matching>,
}

impl Pending {
    fn precedence(&self) -> u8 {
        match self {
            // -a^b is -(a^b), and -a*b is (-a)*b.
            Pending::Negate(_) | Pending::Plus(_) => BinaryOp::Mul.precedence(),
            Pending::Binary(b) => b.op.precedence(),
        }
    }
}

/// Words that can only be modifiers, never a metric's name.
const RESERVED: [&str; 6] = ["bool", "on", "ignoring", "group_left", "group_right", "atan2"];

impl Parser<'_> {
    /// Any expression, as far as it goes.
    pub(super) fn expr(&mut self) -> Result<Expr, ParseError> {
        self.enter()?;
        let (mut pending, mut operands) = (Vec::new(), Vec::new());
        self.operand(&mut pending, &mut operands)?;
        while let Some(op) = self.peek_operator() {
            let right_first = u8::from(op == BinaryOp::Pow);
            while pending.last().is_some_and(|p: &Pending| p.precedence() >= op.precedence() + right_first) {
                self.reduce(&mut pending, &mut operands)?;
            }
            let operator = self.operator(op)?;
            pending.push(Pending::Binary(operator));
            self.operand(&mut pending, &mut operands)?;
        }
        while !pending.is_empty() {
            self.reduce(&mut pending, &mut operands)?;
        }
        self.leave();
        operands.pop().ok_or_else(|| self.unexpected("query", "an expression"))
    }

    /// Signs, then one primary expression with what follows it.
    fn operand(&mut self, pending: &mut Vec<Pending>, operands: &mut Vec<Expr>) -> Result<(), ParseError> {
        loop {
            let span = self.span();
            if self.eat("-") {
                pending.push(Pending::Negate(span));
            } else if self.eat("+") {
                pending.push(Pending::Plus(span));
            } else {
                break;
            }
        }
        let primary = self.primary()?;
        operands.push(self.postfix(primary)?);
        Ok(())
    }

    /// Joins the newest pending operator with its operands.
    fn reduce(&mut self, pending: &mut Vec<Pending>, operands: &mut Vec<Expr>) -> Result<(), ParseError> {
        let (Some(operator), Some(right)) = (pending.pop(), operands.pop()) else { return Ok(()) };
        let joined = match operator {
            Pending::Negate(at) => self.unary(at, right, ExprKind::Negate)?,
            Pending::Plus(at) => self.unary(at, right, ExprKind::Plus)?,
            Pending::Binary(operator) => match operands.pop() {
                Some(left) => self.binary(left, operator, right)?,
                None => right,
            },
        };
        operands.push(joined);
        Ok(())
    }

    fn peek_operator(&self) -> Option<BinaryOp> {
        use BinaryOp::*;
        Some(match self.peek() {
            Token::Mark("+") => Add,
            Token::Mark("-") => Sub,
            Token::Mark("*") => Mul,
            Token::Mark("/") => Div,
            Token::Mark("%") => Mod,
            Token::Mark("^") => Pow,
            Token::Mark("==") => Equal,
            Token::Mark("!=") => NotEqual,
            Token::Mark("</") => TrimUpper,
            Token::Mark(">/") => TrimLower,
            Token::Mark(">") => Greater,
            Token::Mark("<") => Less,
            Token::Mark(">=") => GreaterEqual,
            Token::Mark("<=") => LessEqual,
            Token::Word(w) => {
                return [And, Or, Unless, Atan2].into_iter().find(|op| w.eq_ignore_ascii_case(op.as_str()));
            }
            _ => return None,
        })
    }

    /// The operator and its modifiers: `bool`, `on`/`ignoring`, `group_left`/`group_right`, `fill`.
    fn operator(&mut self, op: BinaryOp) -> Result<Operator, ParseError> {
        let span = self.next().1;
        let returns_bool = self.eat_word("bool");
        let mut matching = None;
        if let Some(on) = self.eat_either("on", "ignoring") {
            let labels = self.labels("grouping")?;
            let mut m = Matching { on, labels, ..Matching::default() };
            if let Some(left) = self.eat_either("group_left", "group_right") {
                m.group = if left { Group::Left } else { Group::Right };
                if self.peek() == &Token::Mark("(") {
                    m.include = self.labels("grouping")?;
                }
            }
            matching = Some(m);
        } else if matches!(self.peek(), Token::Word(w) if ["group_left", "group_right"].iter().any(|g| w.eq_ignore_ascii_case(g)))
        {
            return Err(self
                .unexpected("binary operation", "an expression")
                .hint("group_left and group_right come after on(...) or ignoring(...)"));
        }
        self.fills(&mut matching)?;
        Ok(Operator { op, span, returns_bool, matching })
    }

    /// `fill(0)`, or `fill_left(0)` and `fill_right(0)` in any order. Without a parenthesis, these are
    /// names of metrics.
    fn fills(&mut self, matching: &mut Option<Matching>) -> Result<(), ParseError> {
        loop {
            let (Token::Word(word), Token::Mark("(")) = (self.peek(), self.peek_second()) else {
                return Ok(());
            };
            let words = [("fill", true, true), ("fill_left", true, false), ("fill_right", false, true)];
            let found = words.into_iter().find(|(w, ..)| word.eq_ignore_ascii_case(w));
            let Some((word, left, right)) = found else { return Ok(()) };
            let at = self.next().1;
            let m = matching.get_or_insert_default();
            if (left && m.fill_left.is_some()) || (right && m.fill_right.is_some()) {
                let error = ParseError::new(at, format!("{word} sets a fill value that is set already"));
                return Err(error.hint("write fill(0), or fill_left(0) fill_right(1)"));
            }
            let value = self.fill_value(word)?;
            m.fill_left = if left { Some(value) } else { m.fill_left };
            m.fill_right = if right { Some(value) } else { m.fill_right };
        }
    }

    /// `(0)`, `(-Inf)`: a number alone.
    fn fill_value(&mut self, word: &str) -> Result<f64, ParseError> {
        let context = format!("call to {word:?}");
        self.expect("(", &context)?;
        let sign = if self.eat("-") { -1.0 } else { 1.0 };
        if sign > 0.0 {
            self.eat("+");
        }
        let value = match *self.peek() {
            Token::Number(n) => n,
            Token::Duration(ms) => ms as f64 / 1000.0,
            Token::Word(w) if w.eq_ignore_ascii_case("inf") => f64::INFINITY,
            Token::Word(w) if w.eq_ignore_ascii_case("nan") => f64::NAN,
            _ => {
                let error = self.unexpected(&context, "a number");
                return Err(error.hint(format!("the value is a plain number: {word}(0)")));
            }
        };
        self.next();
        self.expect(")", &context)?;
        Ok(sign * value)
    }

    fn eat_either(&mut self, first: &str, second: &str) -> Option<bool> {
        if self.eat_word(first) {
            Some(true)
        } else if self.eat_word(second) {
            Some(false)
        } else {
            None
        }
    }

    /// `(a, "b.c")`
    fn labels(&mut self, context: &str) -> Result<Vec<String>, ParseError> {
        let mut labels = Vec::new();
        if !self.eat("(") {
            return Err(self
                .unexpected(context, "\"(\"")
                .hint("label names go in parentheses: by (job, instance)"));
        }
        while !self.eat(")") {
            let (token, span) = self.next();
            match token {
                Token::Word(w) if !w.contains(':') => labels.push(w.to_string()),
                Token::String(s) if !s.is_empty() => labels.push(s),
                other => {
                    let message =
                        format!("unexpected {} in {context}, expected a label name", other.describe());
                    return Err(ParseError::new(span, message));
                }
            }
            self.count_node(span)?;
            if !self.eat(",") && self.peek() != &Token::Mark(")") {
                return Err(self.unexpected(context, "\",\" or \")\""));
            }
        }
        Ok(labels)
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let span = self.span();
        let (kind, value_type) = match self.peek().clone() {
            Token::Number(n) => (ExprKind::Number(n), ValueType::Scalar),
            Token::Duration(ms) => (ExprKind::Number(ms as f64 / 1000.0), ValueType::Scalar),
            Token::String(s) => (ExprKind::String(s), ValueType::String),
            Token::Mark("(") => {
                self.next();
                let inner = self.expr()?;
                self.expect(")", "parentheses")?;
                let (value_type, depth) = (inner.value_type, inner.depth + 1);
                let span = span.to(self.last_span());
                return self.node(ExprKind::Paren(Box::new(inner)), span, value_type, depth);
            }
            Token::Mark("{") => return self.selector(),
            Token::Word(w) => return self.word(w, span),
            _ => {
                let error = self.unexpected("query", "an expression");
                return Err(match self.peek() {
                    Token::End if self.position == 0 => error.hint("write a metric's name, such as up"),
                    _ => error,
                });
            }
        };
        self.next();
        self.node(kind, span, value_type, 1)
    }

    /// What starts with a word: number, aggregation, call or selector.
    fn word(&mut self, word: &str, span: Span) -> Result<Expr, ParseError> {
        let call = self.peek_second() == &Token::Mark("(");
        let grouped = matches!(self.peek_second(), Token::Word(w) if is_grouping(w));
        let aggregate = AggregateOp::ALL.into_iter().find(|op| word.eq_ignore_ascii_case(op.as_str()));
        let number = [("inf", f64::INFINITY), ("nan", f64::NAN)]
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name));
        if let (Some((_, value)), false) = (number, call) {
            self.next();
            return self.node(ExprKind::Number(value), span, ValueType::Scalar, 1);
        }
        match aggregate {
            Some(op) if call || grouped => return self.aggregate(op),
            _ => {}
        }
        if RESERVED.iter().any(|r| word.eq_ignore_ascii_case(r)) {
            return Err(self
                .unexpected("query", "an expression")
                .hint(format!("a metric of this name is written {{\"{word}\"}}")));
        }
        if !call {
            return self.selector();
        }
        let Some(function) = find(word) else {
            let error = ParseError::new(span, format!("unknown function with name {:?}", cut(word)));
            if ["fill", "fill_left", "fill_right"].contains(&word) {
                return Err(error.hint(format!("it comes right after an operator: foo + {word}(0) bar")));
            }
            let names = FUNCTIONS.iter().map(|f| f.name).chain(AggregateOp::ALL.iter().map(|a| a.as_str()));
            return Err(match nearest(word, names) {
                Some(name) => error.hint(format!("did you mean {name}?")),
                None => error,
            });
        };
        self.next();
        let args = match function.body {
            Body::Special(Special::Info) => self.info_arguments()?,
            _ => self.arguments(function.name)?,
        };
        self.call(function, args, span.to(self.last_span()))
    }

    fn selector(&mut self) -> Result<Expr, ParseError> {
        let start = self.span();
        let matchers = self.selector_matchers()?;
        let span = start.to(self.last_span());
        self.node(
            ExprKind::Selector(Selector { matchers, shift: Shift::default(), edges: Edges::Plain }),
            span,
            ValueType::Vector,
            1,
        )
    }

    /// `(a, b)`
    fn arguments(&mut self, name: &str) -> Result<Vec<Expr>, ParseError> {
        let context = format!("call to {name:?}");
        self.expect("(", &context)?;
        let mut args = Vec::new();
        while !self.eat(")") {
            args.push(self.expr()?);
            if !self.eat(",") && self.peek() != &Token::Mark(")") {
                return Err(self.unexpected(&context, "\",\" or \")\""));
            }
        }
        Ok(args)
    }

    /// `(v)` or `(v, {a="b"})`: what comes second chooses labels, and is no vector.
    fn info_arguments(&mut self) -> Result<Vec<Expr>, ParseError> {
        let context = "call to \"info\"";
        self.expect("(", context)?;
        if self.eat(")") {
            return Ok(Vec::new());
        }
        let mut args = vec![self.expr()?];
        if self.eat(",") && self.peek() != &Token::Mark(")") {
            args.push(self.label_selector()?);
            self.eat(",");
        }
        self.expect(")", context)?;
        Ok(args)
    }

    fn aggregate(&mut self, op: AggregateOp) -> Result<Expr, ParseError> {
        let start = self.next().1;
        let name = op.as_str();
        let mut grouping = self.grouping()?;
        let mut args = self.arguments(name)?;
        let close = self.last_span();
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let span = start.to(self.last_span());
        let wanted = 1 + usize::from(op.param_type().is_some());
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            let example = match op.param_type() {
                Some(ValueType::String) => format!("{name}(\"label\", foo)"),
                Some(_) => format!("{name}({}, foo)", if op == AggregateOp::Quantile { "0.9" } else { "5" }),
                None => format!("{name}(foo)"),
            };
            return Err(ParseError::new(start.to(close), message).hint(format!("write {example}")));
        }
        let (without, labels) = grouping.unwrap_or_default();
        let (Some(expr), param) = (args.pop(), args.pop()) else {
            return Err(self.unexpected(name, "an expression"));
        };
        self.check_aggregate(op, &expr, param.as_ref())?;
        let depth = 1 + expr.depth.max(param.as_ref().map_or(0, |p| p.depth));
        let aggregate = Aggregate { op, param, expr, without, labels };
        self.node(ExprKind::Aggregate(Box::new(aggregate)), span, ValueType::Vector, depth)
    }

    /// `by (...)` or `without (...)`: whether it is `without`, and the labels.
    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, ParseError> {
        match self.eat_either("without", "by") {
            Some(without) => Ok(Some((without, self.labels("grouping")?))),
            None => Ok(None),
        }
    }

    pub(super) fn expect_end(&self) -> Result<(), ParseError> {
        let token = self.peek();
        if token == &Token::End {
            return Ok(());
        }
        let message = format!("unexpected {} after the expression", token.describe());
        let error = ParseError::new(self.span(), message);
        Err(match token {
            Token::Mark("=") => error.hint("comparing is written =="),
            Token::Mark("=~" | "!~") => error.hint("labels are matched in braces: up{job=~\"a.*\"}"),
            Token::Mark(")") => error.hint("there is no ( for this )"),
            Token::Word(w) if is_grouping(w) => {
                error.hint("by and without belong to an aggregation: sum by (job) (foo)")
            }
            Token::Word(_) | Token::Number(_) => error.hint("an operator is missing before it"),
            _ => error,
        })
    }
}

fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}
