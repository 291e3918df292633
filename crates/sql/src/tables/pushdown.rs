//! Which conditions of a query the store can answer itself: a range of time, and what names and labels have to be. What is
//! taken exactly need not be looked at again; the rest only narrows. It must never take a row away that the condition keeps.

use super::columns::NS_PER_MS;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{BinaryExpr, InList, Like};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown};
use model::labels::NAME;
use model::{MatchOp, Matcher};

/// What to read.
#[derive(Clone, Debug)]
pub struct Selection {
    /// All of them hold.
    pub matchers: Vec<Matcher>,
    /// First instant, in milliseconds.
    pub start_ms: i64,
    /// Last instant.
    pub end_ms: i64,
    /// Only these series.
    pub ids: Option<Vec<i64>>,
}

/// The column of instants in a table of samples; a table without one has "".
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Instants.
    pub time: &'static str,
    /// Numbers of series.
    pub id: &'static str,
}

/// Something that narrows.
enum Condition {
    From(i64),
    Until(i64),
    Match(Matcher),
    Ids(Vec<i64>),
}

/// Conditions, and whether they say all that the expression says.
type Understood = Option<(Vec<Condition>, bool)>;

/// How each filter is taken.
pub fn support(filters: &[&Expr], names: Names) -> Vec<TableProviderFilterPushDown> {
    filters.iter().map(|filter| how(understand(filter, names).map(|(_, all)| all))).collect()
}

/// What the engine is told of a filter: whether all of it was understood, or `None` if nothing was.
pub(super) fn how(understood: Option<bool>) -> TableProviderFilterPushDown {
    match understood {
        Some(true) => TableProviderFilterPushDown::Exact,
        Some(false) => TableProviderFilterPushDown::Inexact,
        None => TableProviderFilterPushDown::Unsupported,
    }
}

/// What the filters together select.
pub fn selection(filters: &[Expr], names: Names) -> Selection {
    let mut selection = Selection { matchers: Vec::new(), start_ms: i64::MIN, end_ms: i64::MAX, ids: None };
    for condition in filters.iter().filter_map(|f| understand(f, names)).flat_map(|(all, _)| all) {
        match condition {
            Condition::From(ms) => selection.start_ms = selection.start_ms.max(ms),
            Condition::Until(ms) => selection.end_ms = selection.end_ms.min(ms),
            Condition::Match(matcher) => selection.matchers.push(matcher),
            Condition::Ids(ids) => {
                selection.ids = Some(match selection.ids.take() {
                    Some(before) => before.into_iter().filter(|id| ids.contains(id)).collect(),
                    None => ids,
                });
            }
        }
    }
    selection
}

fn understand(filter: &Expr, names: Names) -> Understood {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let (mut all, exact) = understand(left, names)?;
            let (more, also) = understand(right, names)?;
            all.extend(more);
            Some((all, exact && also))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => alternatives(filter, names),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            compare(left, *op, right, names).or_else(|| compare(right, op.swap()?, left, names))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let values: Option<Vec<&ScalarValue>> = list.iter().map(literal).collect();
            one_of(expr, &values?, *negated, names)
        }
        Expr::Like(like) => like_text(like),
        Expr::IsNotNull(inner) => Some((vec![present(&label_of(inner).filter(|l| l != NAME)?)], true)),
        Expr::IsNull(inner) => {
            let label = label_of(inner).filter(|l| l != NAME)?;
            Some((vec![Condition::Match(Matcher::equal(label, ""))], true))
        }
        _ => None,
    }
}

fn compare(left: &Expr, op: Operator, right: &Expr, names: Names) -> Understood {
    let value = literal(right)?;
    if is_time(left, names) {
        let ns = nanoseconds(value)?;
        let (floor, ceil) =
            (ns.div_euclid(NS_PER_MS), -(-i128::from(ns)).div_euclid(i128::from(NS_PER_MS)) as i64);
        return Some((
            match op {
                Operator::GtEq => vec![Condition::From(ceil)],
                Operator::Gt => vec![Condition::From(floor.saturating_add(1))],
                Operator::LtEq => vec![Condition::Until(floor)],
                Operator::Lt => vec![Condition::Until(ceil.saturating_sub(1))],
                Operator::Eq => vec![Condition::From(ceil), Condition::Until(floor)],
                _ => return None,
            },
            true,
        ));
    }
    match op {
        Operator::Eq => one_of(left, &[value], false, names),
        Operator::NotEq => one_of(left, &[value], true, names),
        Operator::RegexMatch => {
            // The engine looks for it anywhere in the text.
            let pattern = format!("(?s:.*)(?:{})(?s:.*)", text(value)?);
            let matcher = Matcher::new(label_of(left)?, MatchOp::Regex, pattern).ok()?;
            Some((vec![Condition::Match(matcher)], false))
        }
        _ => None,
    }
}

/// `x = 'a' OR x = 'b'`: what the engine makes of a short `IN`.
fn alternatives(filter: &Expr, names: Names) -> Understood {
    fn collect<'a>(
        filter: &'a Expr,
        of: &mut Option<&'a Expr>,
        values: &mut Vec<&'a ScalarValue>,
    ) -> Option<()> {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                collect(left, of, values)?;
                collect(right, of, values)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                if of.is_some_and(|of| of != &**left) {
                    return None;
                }
                *of = Some(left);
                values.push(literal(right)?);
                Some(())
            }
            _ => None,
        }
    }
    let (mut of, mut values) = (None, Vec::new());
    collect(filter, &mut of, &mut values)?;
    one_of(of?, &values, false, names)
}

fn one_of(expr: &Expr, values: &[&ScalarValue], negated: bool, names: Names) -> Understood {
    if is_column(expr, names.id) && !negated {
        let id = |v: &&ScalarValue| match v {
            ScalarValue::Int64(id) => *id,
            _ => None,
        };
        let ids: Option<Vec<i64>> = values.iter().map(id).collect();
        return Some((vec![Condition::Ids(ids?)], true));
    }
    let label = label_of(expr)?;
    let values: Option<Vec<&str>> = values.iter().map(|v| text(v)).collect();
    let values = values?;
    // A label is never an empty text in SQL: it is NULL.
    if label != NAME && values.contains(&"") {
        return None;
    }
    if negated {
        let each =
            values.iter().map(|v| Matcher::new(&*label, MatchOp::NotEqual, *v).ok().map(Condition::Match));
        let mut all = each.collect::<Option<Vec<_>>>()?;
        if label != NAME {
            all.push(present(&label));
        }
        return Some((all, true));
    }
    let matcher = match values.as_slice() {
        [one] => Matcher::equal(label, *one),
        many => {
            let each: Vec<String> = many.iter().map(|v| escaped(v)).collect();
            Matcher::new(label, MatchOp::Regex, each.join("|")).ok()?
        }
    };
    Some((vec![Condition::Match(matcher)], true))
}

fn like_text(like: &Like) -> Understood {
    let label = label_of(&like.expr)?;
    let pattern = text(literal(&like.pattern)?)?;
    if like.escape_char.is_some() || pattern.contains('\\') {
        return None;
    }
    let mut regex = String::new();
    for c in pattern.chars() {
        match c {
            '%' => regex += "(?s:.*)",
            '_' => regex += "(?s:.)",
            other => regex += &escaped(other.encode_utf8(&mut [0; 4])),
        }
    }
    // Which letters are the same but for their case is the engine's to say.
    if like.case_insensitive {
        if like.negated || !pattern.is_ascii() {
            return None;
        }
        let matcher = Matcher::new(label, MatchOp::Regex, format!("(?i:{regex})")).ok()?;
        return Some((vec![Condition::Match(matcher)], false));
    }
    let op = if like.negated { MatchOp::NotRegex } else { MatchOp::Regex };
    let mut all = vec![Condition::Match(Matcher::new(&*label, op, regex).ok()?)];
    if label != NAME {
        all.push(present(&label));
    }
    Some((all, true))
}

fn present(label: &str) -> Condition {
    let matcher = Matcher::new(label, MatchOp::NotEqual, "").expect("no regular expression");
    Condition::Match(matcher)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn is_column(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Column(column) if column.name == name)
}

/// The column of instants, also where the engine made it finer to compare it.
fn is_time(expr: &Expr, names: Names) -> bool {
    use datafusion::arrow::datatypes::DataType::Timestamp;
    match expr {
        Expr::Cast(cast) if matches!(cast.field.data_type(), Timestamp(..)) => {
            is_column(&cast.expr, names.time)
        }
        other => is_column(other, names.time),
    }
}

/// The label that an expression is the value of: `name`, or `labels['x']`.
fn label_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) if column.name == "name" => Some(NAME.into()),
        Expr::Cast(cast) if cast.field.data_type().is_string() => label_of(&cast.expr),
        Expr::ScalarFunction(call) if call.name() == "get_field" => match call.args.as_slice() {
            [Expr::Column(column), key] if column.name == "labels" => {
                let key = text(literal(key)?)?;
                // The name is not among the labels here: asking for it gives NULL.
                (!key.is_empty() && key != NAME).then(|| key.to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The value, if it is one that is known.
pub(super) fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// The text, if it is one.
pub(super) fn text(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

fn nanoseconds(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(Some(n), _) => Some(*n),
        ScalarValue::TimestampMicrosecond(Some(n), _) => n.checked_mul(1_000),
        ScalarValue::TimestampMillisecond(Some(n), _) => n.checked_mul(1_000_000),
        ScalarValue::TimestampSecond(Some(n), _) => n.checked_mul(1_000_000_000),
        _ => None,
    }
}
