//! When a rule speaks: a small form of conditions over what its queries found, over history, and over the plan.
//!
//! ```text
//! heap > 0.9 and rises(heap, 1.5) and not said(captured)
//! members - healthy >= 1 and does(add_member) and not before(remove_member, add_member)
//! ```
//!
//! Three-valued: what nobody measured makes a comparison unknown, never false. Whether a query found anything at all is
//! `exists(name)`. `and`, `or`, `not` are Kleene's. It must never loop, and its depth is bounded.

mod parse;

use crate::plan::{Action, Goal, Hypothesis, Plan, Said};
use std::collections::BTreeSet;

pub use parse::{CONDITION_BYTES_MAX, DEPTH_MAX, parse};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them; empty: always.
    All(Vec<Condition>),
    /// One of them.
    Any(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
    /// Two numbers.
    Compare(Number, Op, Number),
    /// Did the query find anything?
    Exists(String),
    /// Is it larger than before the window by this factor?
    Rises(String, f64),
    /// Is it smaller than before the window by this factor?
    Falls(String, f64),
    /// Either.
    Moves(String, f64),
    /// The plan says this.
    Said(Said),
    /// The plan does this.
    Does(Action),
    /// The plan does the first before the second.
    Before(Action, Action),
    /// The plan supposes this.
    Believes(Hypothesis),
    /// The plan's goal.
    HasGoal(Goal),
    /// What the plan is about.
    About(String),
}

/// A number in a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// Itself.
    Is(f64),
    /// What a query found (`heap`, `heap.before`), or what is known besides (`history.count`).
    Named(String),
    /// Two of them.
    Of(Box<Number>, char, Box<Number>),
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// Its value.
    Is(f64),
    /// It was asked, and there is nothing.
    Absent,
    /// It could not be asked.
    Unknown,
}

/// What a condition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// Something that it needs was not measured.
    Unknown,
}

impl From<bool> for Truth {
    fn from(is: bool) -> Truth {
        if is { Truth::Yes } else { Truth::No }
    }
}

/// The factor of `rises`, `falls` and `moves` where none is given: a fifth.
pub const FACTOR: f64 = 1.2;

/// What a condition is about.
pub struct Circumstances<'a> {
    /// Values by name.
    pub values: &'a dyn Fn(&str) -> Seen,
    /// The plan.
    pub plan: &'a Plan,
}

impl Condition {
    /// Whether it holds.
    pub fn holds(&self, of: &Circumstances<'_>) -> Truth {
        match self {
            Condition::All(list) => {
                let all: Vec<Truth> = list.iter().map(|c| c.holds(of)).collect();
                match () {
                    () if all.contains(&Truth::No) => Truth::No,
                    () if all.contains(&Truth::Unknown) => Truth::Unknown,
                    () => Truth::Yes,
                }
            }
            Condition::Any(list) => {
                let all: Vec<Truth> = list.iter().map(|c| c.holds(of)).collect();
                match () {
                    () if all.contains(&Truth::Yes) => Truth::Yes,
                    () if all.contains(&Truth::Unknown) => Truth::Unknown,
                    () => Truth::No,
                }
            }
            Condition::Not(inner) => match inner.holds(of) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                Truth::Unknown => Truth::Unknown,
            },
            Condition::Compare(a, op, b) => match (a.value(of), b.value(of)) {
                (Some(a), Some(b)) => op.compare(a, b).into(),
                _ => Truth::Unknown,
            },
            Condition::Exists(name) => match (of.values)(name) {
                Seen::Is(_) => Truth::Yes,
                Seen::Absent => Truth::No,
                Seen::Unknown => Truth::Unknown,
            },
            Condition::Rises(name, factor) => {
                moved(of, name).map_or(Truth::Unknown, |(before, now)| rose(before, now, *factor).into())
            }
            Condition::Falls(name, factor) => {
                moved(of, name).map_or(Truth::Unknown, |(before, now)| rose(now, before, *factor).into())
            }
            Condition::Moves(name, factor) => moved(of, name)
                .map_or(Truth::Unknown, |(a, b)| (rose(a, b, *factor) || rose(b, a, *factor)).into()),
            Condition::Said(said) => of.plan.said.contains(said).into(),
            Condition::Does(action) => of.plan.actions.contains(action).into(),
            Condition::Before(first, second) => {
                let at = |action| of.plan.actions.iter().position(|a| a == action);
                matches!((at(first), at(second)), (Some(a), Some(b)) if a < b).into()
            }
            Condition::Believes(belief) => of.plan.hypotheses.contains(belief).into(),
            Condition::HasGoal(goal) => (of.plan.goal == Some(*goal)).into(),
            Condition::About(thing) => of.plan.things.contains(thing.as_str()).into(),
        }
    }

    /// The names that it needs; `NAME.before` for what it needs from before the window.
    pub fn names(&self, out: &mut BTreeSet<String>) {
        match self {
            Condition::All(list) | Condition::Any(list) => list.iter().for_each(|c| c.names(out)),
            Condition::Not(inner) => inner.names(out),
            Condition::Compare(a, _, b) => {
                a.names(out);
                b.names(out);
            }
            Condition::Exists(name) => {
                out.insert(name.clone());
            }
            Condition::Rises(name, _) | Condition::Falls(name, _) | Condition::Moves(name, _) => {
                out.insert(name.clone());
                out.insert(format!("{name}.before"));
            }
            _ => {}
        }
    }
}

/// (before, now); what was not measured before has no before: it may have been anything.
fn moved(of: &Circumstances<'_>, name: &str) -> Option<(f64, f64)> {
    let (now, before) = ((of.values)(name), (of.values)(&format!("{name}.before")));
    match (before, now) {
        (Seen::Is(before), Seen::Is(now)) => Some((before, now)),
        _ => None,
    }
}

/// Is `b` larger than `a` by the factor? From zero, anything is.
fn rose(a: f64, b: f64, factor: f64) -> bool {
    b > a && b - a >= (factor - 1.0) * a.abs() && (b - a).abs() > f64::EPSILON
}

impl Op {
    fn compare(self, a: f64, b: f64) -> bool {
        match self {
            Op::Above => a > b,
            Op::AtLeast => a >= b,
            Op::Below => a < b,
            Op::AtMost => a <= b,
            Op::Equal => a == b,
            Op::Unequal => a != b,
        }
    }
}

impl Number {
    fn value(&self, of: &Circumstances<'_>) -> Option<f64> {
        let value = match self {
            Number::Is(value) => *value,
            Number::Named(name) => match (of.values)(name) {
                Seen::Is(value) => value,
                Seen::Absent | Seen::Unknown => return None,
            },
            Number::Of(a, op, b) => {
                let (a, b) = (a.value(of)?, b.value(of)?);
                match op {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                }
            }
        };
        // No number is no measurement.
        (!value.is_nan()).then_some(value)
    }

    fn names(&self, out: &mut BTreeSet<String>) {
        match self {
            Number::Is(_) => {}
            Number::Named(name) => {
                out.insert(name.clone());
            }
            Number::Of(a, _, b) => {
                a.names(out);
                b.names(out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
