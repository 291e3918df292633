//! Durations: `5m`, `300`, and arithmetic on them (`[5m * 2]`, `offset (step() / 2)`). What needs
//! nothing of the query is computed here, so that its errors have their place in the text.

use super::Parser;
use super::lexer::{Token, cut};
use crate::duration::{Computed, Duration, Length, LengthOp, seconds_to_ms};
use crate::error::{ParseError, Span};
use stdx::nearest::nearest;

/// What may be called in a duration.
const CALLS: [&str; 6] = ["step", "range", "min_of", "max_of", "min", "max"];

/// A length, how deep it is, and where it stands.
struct Part {
    length: Length,
    depth: usize,
    span: Span,
}

impl Parser<'_> {
    /// In brackets: arithmetic without parentheses around it. Over zero, as far as that is known.
    pub(super) fn positive_duration(&mut self, context: &str) -> Result<Duration, ParseError> {
        let part = self.length(context, 0)?;
        let span = part.span;
        let duration = finish(part)?;
        match duration {
            Duration::Fixed(ms) if ms <= 0 => {
                Err(ParseError::new(span, format!("{context} must be greater than zero")))
            }
            duration => Ok(duration),
        }
    }

    /// After `offset`: one operand with an optional sign. What follows it belongs to the expression
    /// around, so arithmetic has to be in parentheses.
    pub(super) fn offset_duration(&mut self) -> Result<Duration, ParseError> {
        let part = self.signed("offset", false)?;
        finish(part)
    }

    /// A fixed time or duration with an optional sign, in milliseconds.
    pub(super) fn signed_duration(&mut self, context: &str) -> Result<i64, ParseError> {
        let start = self.span();
        let sign = if self.eat("-") { -1.0 } else { 1.0 };
        if sign > 0.0 {
            self.eat("+");
        }
        match *self.peek() {
            // Not by way of seconds, which cannot hold every millisecond of a far time.
            Token::Duration(ms) => {
                self.next();
                Ok(sign as i64 * ms)
            }
            Token::Number(seconds) => {
                self.next();
                seconds_to_ms(sign * seconds).ok_or_else(|| out_of_range(start.to(self.last_span())))
            }
            _ => Err(self.expected_duration(context)),
        }
    }

    /// Operators that bind at least as tightly as `least`.
    fn length(&mut self, context: &str, least: u8) -> Result<Part, ParseError> {
        self.enter()?;
        let mut left = self.signed(context, true)?;
        while let Some((op, precedence)) = self.peek_length_op().filter(|(_, p)| *p >= least) {
            let at = self.next().1;
            // From left to right, but `^` from right to left.
            let right = self.length(context, precedence + u8::from(op != LengthOp::Pow))?;
            left = self.two(op, left, right, at)?;
        }
        self.leave();
        Ok(left)
    }

    fn peek_length_op(&self) -> Option<(LengthOp, u8)> {
        use LengthOp::*;
        let Token::Mark(mark) = self.peek() else { return None };
        [Add, Sub, Mul, Div, Mod, Pow]
            .into_iter()
            .find_map(|op| op.mark().filter(|(m, _)| m == mark).map(|(_, precedence)| (op, precedence)))
    }

    /// Signs and an operand. With arithmetic around it, `-2 ^ 2` is `-(2 ^ 2)`.
    fn signed(&mut self, context: &str, arithmetic: bool) -> Result<Part, ParseError> {
        let start = self.span();
        let (mut negative, mut signs) = (false, 0);
        while matches!(self.peek(), Token::Mark("-" | "+")) && (arithmetic || signs == 0) {
            if self.eat("-") {
                negative = !negative;
            } else {
                self.eat("+");
            }
            signs += 1;
        }
        let mut part =
            if arithmetic && signs > 0 { self.length(context, 3)? } else { self.length_operand(context)? };
        part.span = start.to(part.span);
        if negative {
            part.length = match part.length {
                Length::Seconds(s) => Length::Seconds(-s),
                other => {
                    part.depth += 1;
                    Length::Negate(Box::new(other))
                }
            };
        }
        Ok(part)
    }

    fn length_operand(&mut self, context: &str) -> Result<Part, ParseError> {
        let span = self.span();
        self.count_node(span)?;
        let leaf = |length| Part { length, depth: 1, span };
        match *self.peek() {
            Token::Duration(ms) => {
                self.next();
                Ok(leaf(Length::Seconds(ms as f64 / 1000.0)))
            }
            Token::Number(seconds) => {
                self.next();
                Ok(leaf(Length::Seconds(seconds)))
            }
            Token::Mark("(") => {
                self.next();
                let inner = self.length(context, 0)?;
                self.expect(")", context)?;
                Ok(Part { span: span.to(self.last_span()), ..inner })
            }
            Token::Word(word) if self.peek_second() == &Token::Mark("(") => self.length_call(word, context),
            _ => Err(self.expected_duration(context)),
        }
    }

    /// `step()`, `range()`, `min_of(a, b)`, `max_of(a, b)`
    fn length_call(&mut self, word: &str, context: &str) -> Result<Part, ParseError> {
        let span = self.span();
        let Some(name) = CALLS.into_iter().find(|c| word.eq_ignore_ascii_case(c)) else {
            let message = format!("unexpected call to {:?} in {context}", cut(word));
            let hint = match nearest(word, CALLS) {
                Some(name) => format!("did you mean {name}?"),
                None => "a duration may call step(), range(), min_of(a, b) and max_of(a, b)".into(),
            };
            return Err(ParseError::new(span, message).hint(hint));
        };
        self.next();
        let context = format!("call to {name:?}");
        self.expect("(", &context)?;
        let op = match name {
            "step" | "range" => {
                self.expect(")", &context)?;
                let length = if name == "step" { Length::Step } else { Length::Range };
                return Ok(Part { length, depth: 1, span: span.to(self.last_span()) });
            }
            "min" | "min_of" => LengthOp::Min,
            _ => LengthOp::Max,
        };
        let left = self.length(&context, 0)?;
        self.expect(",", &context)?;
        let right = self.length(&context, 0)?;
        self.expect(")", &context)?;
        let part = self.two(op, left, right, span)?;
        Ok(Part { span: span.to(self.last_span()), ..part })
    }

    /// Two lengths joined; computed at once where both are known.
    fn two(&mut self, op: LengthOp, left: Part, right: Part, at: Span) -> Result<Part, ParseError> {
        let span = left.span.to(right.span);
        if let (Length::Seconds(a), Length::Seconds(b)) = (&left.length, &right.length) {
            let seconds =
                op.compute(*a, *b).map_err(|message| ParseError::new(at.to(right.span), message))?;
            if !seconds.is_finite() {
                return Err(out_of_range(span));
            }
            return Ok(Part { length: Length::Seconds(seconds), depth: 1, span });
        }
        let depth = 1 + left.depth.max(right.depth);
        if depth > self.depth_max {
            return Err(self.too_deep(span));
        }
        Ok(Part { length: Length::Two(op, Box::new(left.length), Box::new(right.length)), depth, span })
    }

    fn expected_duration(&self, context: &str) -> ParseError {
        self.unexpected(context, "a duration").hint("write one like 30s, 5m or 1h30m")
    }
}

/// Milliseconds where the value is known.
fn finish(part: Part) -> Result<Duration, ParseError> {
    match part.length {
        Length::Seconds(s) => seconds_to_ms(s).map(Duration::Fixed).ok_or_else(|| out_of_range(part.span)),
        length => Ok(Duration::Computed(Box::new(Computed { length, span: part.span }))),
    }
}

fn out_of_range(span: Span) -> ParseError {
    ParseError::new(span, "duration out of range").hint("the longest duration is 292y")
}
