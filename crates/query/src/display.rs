//! Expressions as text that parses to the same expression again.

use crate::ast::{
    Aggregate, At, BinaryOp, Edges, Expr, ExprKind, Group, Matching, Operand, Selector, Shift, Subquery,
};
use crate::duration::Duration;
use crate::functions::{Body, Special};
use crate::number::short_text;
use model::{MatchOp, Matcher, NAME};
use std::fmt::{self, Display, Formatter, Write};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(n) => f.write_str(short_text(*n).trim_start_matches('+')),
            ExprKind::String(s) => quoted(f, s),
            ExprKind::Selector(s) => {
                matchers(f, s)?;
                edges(f, s.edges)?;
                shift(f, &s.shift)
            }
            ExprKind::Range(s, range) => {
                matchers(f, s)?;
                write!(f, "[{range}]")?;
                edges(f, s.edges)?;
                shift(f, &s.shift)
            }
            ExprKind::Subquery(s) => {
                write!(f, "{}{}", s.expr, suffix_of_subquery(s))
            }
            ExprKind::Paren(e) => write!(f, "({e})"),
            ExprKind::Negate(e) => write!(f, "-{e}"),
            ExprKind::Plus(e) => write!(f, "+{e}"),
            ExprKind::Binary(first, rest) => {
                write!(f, "{first}")?;
                for r in rest {
                    write!(f, " {} {}", operator_text(r), r.expr)?;
                }
                Ok(())
            }
            ExprKind::Aggregate(a) => {
                f.write_str(&head_of_aggregate(a))?;
                match &a.param {
                    Some(p) => write!(f, "({p}, {})", a.expr),
                    None => write!(f, "({})", a.expr),
                }
            }
            ExprKind::Call(function, args) => {
                write!(f, "{}(", function.name)?;
                let info = matches!(function.body, Body::Special(Special::Info));
                for (i, arg) in args.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    match &arg.kind {
                        ExprKind::Selector(s) if info && i > 0 => in_braces(f, &s.matchers)?,
                        _ => write!(f, "{arg}")?,
                    }
                }
                f.write_char(')')
            }
        }
    }
}

/// A function that writes, as text.
struct Shown<F>(F);

impl<F: Fn(&mut Formatter<'_>) -> fmt::Result> Display for Shown<F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// What follows the expression of a subquery: `[1h:5m] offset 1d`.
pub(crate) fn suffix_of_subquery(s: &Subquery) -> String {
    let step = s.step.as_ref().map(Duration::to_string).unwrap_or_default();
    Shown(|f: &mut Formatter<'_>| {
        write!(f, "[{}:{step}]", s.range)?;
        shift(f, &s.shift)
    })
    .to_string()
}

/// What stands between two sides: `/ on (job) group_left ()`.
pub(crate) fn operator_text(operand: &Operand) -> String {
    Shown(|f: &mut Formatter<'_>| {
        f.write_str(operand.op.as_str())?;
        f.write_str(if operand.returns_bool { " bool" } else { "" })?;
        operand.matching.as_ref().map_or(Ok(()), |m| matching(f, m, operand.op))
    })
    .to_string()
}

/// What stands before the parentheses of an aggregation: `sum by (job) `.
pub(crate) fn head_of_aggregate(a: &Aggregate) -> String {
    if !a.without && a.labels.is_empty() {
        return a.op.as_str().into();
    }
    let word = if a.without { "without" } else { "by" };
    Shown(|f: &mut Formatter<'_>| {
        write!(f, "{} {word} ", a.op.as_str())?;
        names(f, &a.labels)?;
        f.write_char(' ')
    })
    .to_string()
}

fn matching(f: &mut Formatter<'_>, m: &Matching, op: BinaryOp) -> fmt::Result {
    if m.on || !m.labels.is_empty() || m.group != Group::OneToOne {
        f.write_str(if m.on { " on " } else { " ignoring " })?;
        names(f, &m.labels)?;
        let group = match m.group {
            Group::OneToOne => None,
            Group::Left => Some(" group_left "),
            Group::Right => Some(" group_right "),
        };
        if let Some(group) = group {
            debug_assert!(!op.is_set());
            f.write_str(group)?;
            names(f, &m.include)?;
        }
    }
    for (word, value) in [("fill_left", m.fill_left), ("fill_right", m.fill_right)] {
        if let Some(value) = value {
            write!(f, " {word} ({})", short_text(value).trim_start_matches('+'))?;
        }
    }
    Ok(())
}

fn names(f: &mut Formatter<'_>, labels: &[String]) -> fmt::Result {
    f.write_char('(')?;
    for (i, label) in labels.iter().enumerate() {
        f.write_str(if i > 0 { ", " } else { "" })?;
        name(f, label)?;
    }
    f.write_char(')')
}

fn name(f: &mut Formatter<'_>, label: &str) -> fmt::Result {
    if plain(label, false) { f.write_str(label) } else { quoted(f, label) }
}

/// Whether a name needs no quotes.
fn plain(name: &str, colon: bool) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
}

/// Whether a metric's name may stand before the braces, where some words mean something else.
fn plain_metric(name: &str) -> bool {
    let words =
        ["bool", "on", "ignoring", "group_left", "group_right", "atan2", "inf", "nan", "by", "without"];
    plain(name, true)
        && !words.iter().any(|w| name.eq_ignore_ascii_case(w))
        && !["and", "or", "unless", "offset"].iter().any(|w| name.eq_ignore_ascii_case(w))
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if u32::from(c) < 32 => write!(f, "\\x{:02x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn matchers(f: &mut Formatter<'_>, selector: &Selector) -> fmt::Result {
    let is_name = |m: &Matcher| m.name == NAME && m.op == MatchOp::Equal && plain_metric(&m.value);
    let mut rest = selector.matchers.as_slice();
    if let [first, others @ ..] = rest
        && is_name(first)
        && !others.iter().any(|m| m.name == NAME && m.op == MatchOp::Equal)
    {
        f.write_str(&first.value)?;
        rest = others;
        if rest.is_empty() {
            return Ok(());
        }
    }
    in_braces(f, rest)
}

/// `{a="b"}`
fn in_braces(f: &mut Formatter<'_>, matchers: &[Matcher]) -> fmt::Result {
    f.write_char('{')?;
    for (i, m) in matchers.iter().enumerate() {
        f.write_str(if i > 0 { ", " } else { "" })?;
        name(f, &m.name)?;
        f.write_str(m.op.as_str())?;
        quoted(f, &m.value)?;
    }
    f.write_char('}')
}

fn edges(f: &mut Formatter<'_>, edges: Edges) -> fmt::Result {
    match edges {
        Edges::Plain => Ok(()),
        other => write!(f, " {}", other.as_str()),
    }
}

fn shift(f: &mut Formatter<'_>, shift: &Shift) -> fmt::Result {
    match shift.at {
        // Written out digit by digit, so that no millisecond is lost.
        Some(At::Time(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            let ms = ms.unsigned_abs();
            write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)?;
        }
        Some(At::Start) => f.write_str(" @ start()")?,
        Some(At::End) => f.write_str(" @ end()")?,
        None => {}
    }
    match &shift.offset {
        Duration::Fixed(0) => Ok(()),
        fixed @ Duration::Fixed(_) => write!(f, " offset {fixed}"),
        computed => write!(f, " offset ({computed})"),
    }
}
