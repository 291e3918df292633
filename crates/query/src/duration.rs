//! Durations as queries state them: fixed, or computed from the step and the length of the query
//! (`[step() * 4]`). It knows no text and no samples.

use crate::error::{QueryError, Span};
use crate::functions::{larger, smaller};
use std::fmt::{self, Display, Formatter};

/// The longest duration in milliseconds, about 292 years: with it, no sum of times in a query can overflow.
pub(crate) const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

/// How long a range is, how far an offset goes, or how wide the step of a subquery is.
#[derive(Clone, Debug, PartialEq)]
pub enum Duration {
    /// Milliseconds.
    Fixed(i64),
    /// Depends on the step or the length of the query.
    Computed(Box<Computed>),
}

impl Default for Duration {
    fn default() -> Self {
        Duration::Fixed(0)
    }
}

/// A duration that is known only when the query is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    /// What it is computed from.
    pub length: Length,
    /// Where it stands in the text.
    pub span: Span,
}

/// An expression of seconds. Made by the parser, which bounds how deep it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// A number or duration, in seconds.
    Seconds(f64),
    /// `step()`: of a range query, the width of its step; otherwise 0.
    Step,
    /// `range()`: of a range query, from its start to its end; otherwise 0.
    Range,
    /// `-a`
    Negate(Box<Length>),
    /// `a + b` and the like.
    Two(LengthOp, Box<Length>, Box<Length>),
}

/// What two lengths are combined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LengthOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Min,
    Max,
}

impl LengthOp {
    /// As it is written between its two sides, and how tightly it binds; `Min` and `Max` are calls.
    pub(crate) fn mark(self) -> Option<(&'static str, u8)> {
        match self {
            LengthOp::Add => Some(("+", 1)),
            LengthOp::Sub => Some(("-", 1)),
            LengthOp::Mul => Some(("*", 2)),
            LengthOp::Div => Some(("/", 2)),
            LengthOp::Mod => Some(("%", 2)),
            LengthOp::Pow => Some(("^", 3)),
            LengthOp::Min | LengthOp::Max => None,
        }
    }

    /// The result in seconds.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn compute(self, a: f64, b: f64) -> Result<f64, &'static str> {
        Ok(match self {
            LengthOp::Add => a + b,
            LengthOp::Sub => a - b,
            LengthOp::Mul => a * b,
            LengthOp::Div if b == 0.0 => return Err("division by zero in a duration"),
            LengthOp::Div => a / b,
            LengthOp::Mod if b == 0.0 => return Err("modulo by zero in a duration"),
            LengthOp::Mod => a % b,
            LengthOp::Pow => a.powf(b),
            LengthOp::Min => smaller(a, b),
            LengthOp::Max => larger(a, b),
        })
    }
}

impl Length {
    /// The value in seconds for a query of this step and length.
    fn seconds(&self, step: f64, range: f64) -> Result<f64, &'static str> {
        match self {
            Length::Seconds(s) => Ok(*s),
            Length::Step => Ok(step),
            Length::Range => Ok(range),
            Length::Negate(a) => a.seconds(step, range).map(|s| -s),
            Length::Two(op, a, b) => op.compute(a.seconds(step, range)?, b.seconds(step, range)?),
        }
    }
}

impl Duration {
    /// Milliseconds, for a query of this step and length in milliseconds; `what` names the duration.
    ///
    /// # Errors
    /// Out of range, or not over zero where it has to be.
    pub(crate) fn ms(
        &self,
        what: &str,
        positive: bool,
        step_ms: i64,
        range_ms: i64,
    ) -> Result<i64, QueryError> {
        let computed = match self {
            Duration::Fixed(ms) => return Ok(*ms),
            Duration::Computed(c) => c,
        };
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let value = computed.length.seconds(seconds(step_ms), seconds(range_ms));
        let ms = value.and_then(|s| seconds_to_ms(s).ok_or("duration out of range"));
        let ms = ms.map_err(|message| QueryError::invalid(message).at(computed.span))?;
        if positive && ms <= 0 {
            let error = QueryError::invalid(format!("{what} must be greater than zero, got {ms} ms"));
            let hint =
                "in an instant query step() and range() are 0: give a least one with max_of(step(), 1m)";
            return Err(error.at(computed.span).hint(hint));
        }
        Ok(ms)
    }
}

/// Seconds to milliseconds, within the bound on durations.
pub(crate) fn seconds_to_ms(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    (ms.abs() <= DURATION_MS_MAX as f64).then_some(ms as i64)
}

impl Length {
    /// As text, in parentheses if it binds less tightly than `least`.
    fn show(&self, f: &mut Formatter<'_>, least: u8) -> fmt::Result {
        let signed = match self {
            Length::Seconds(s) => s.is_sign_negative(),
            other => matches!(other, Length::Negate(_)),
        };
        let precedence = match self {
            Length::Two(op, ..) => op.mark().map_or(u8::MAX, |(_, p)| p),
            // A sign is taken before `*`, but after `^`.
            _ if signed => 2,
            _ => u8::MAX,
        };
        if precedence < least {
            f.write_str("(")?;
            self.show(f, 0)?;
            return f.write_str(")");
        }
        match self {
            // A number is a duration of so many seconds, and keeps parts of milliseconds.
            Length::Seconds(s) => f.write_str(&crate::number::short_text(*s)),
            Length::Step => f.write_str("step()"),
            Length::Range => f.write_str("range()"),
            Length::Negate(a) => {
                f.write_str("-")?;
                a.show(f, 3)
            }
            Length::Two(op, a, b) => match op.mark() {
                Some((mark, p)) => {
                    let right_first = u8::from(*op == LengthOp::Pow);
                    a.show(f, p + right_first)?;
                    write!(f, " {mark} ")?;
                    b.show(f, p + 1 - right_first)
                }
                None => {
                    f.write_str(if *op == LengthOp::Min { "min_of(" } else { "max_of(" })?;
                    a.show(f, 0)?;
                    f.write_str(", ")?;
                    b.show(f, 0)?;
                    f.write_str(")")
                }
            },
        }
    }
}

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        use model::time::format_duration_ms;
        match self {
            Duration::Fixed(ms) if *ms < 0 => write!(f, "-{}", format_duration_ms(-ms)),
            Duration::Fixed(ms) => f.write_str(&format_duration_ms(*ms)),
            Duration::Computed(c) => c.length.show(f, 0),
        }
    }
}
