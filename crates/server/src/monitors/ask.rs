//! Asks the store for a monitor: an instant query that also tells whether there was anything to judge by, and how new it
//! was. It must never go through the gate of users' queries.

use super::Monitors;
use crate::counted::Counted;
use ::query::{Expr, ExprKind, Limits, QueryOptions, Value};
use model::Labels;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that one expression may take.
const TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// What an expression gave.
pub struct Answer {
    /// Its rows.
    pub rows: Vec<(Labels, f64)>,
    /// How many series with samples its selectors found.
    pub series: usize,
    /// The time of the newest sample that was read.
    pub newest_ms: Option<i64>,
}

impl Monitors {
    /// Evaluates an expression at an instant.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn ask(&self, expr: &Expr, at_ms: i64, interval_ms: i64) -> Result<Answer, String> {
        let options = self.options(interval_ms);
        let view = self.store.view();
        let seen = Counted::new(&view);
        let result = ::query::instant(&seen, expr, at_ms, &options);
        let value = result.map_err(|e| e.to_string())?.value;
        Ok(Answer { rows: rows(value)?, series: seen.series(), newest_ms: seen.newest_ms() })
    }

    /// What bounds an evaluation that is done once in so many milliseconds.
    pub(super) fn options(&self, interval_ms: i64) -> QueryOptions {
        let interval = Duration::from_millis(interval_ms.unsigned_abs());
        let deadline = Instant::now() + interval.clamp(Duration::from_secs(5), TIMEOUT_MAX);
        QueryOptions {
            lookback_ms: self.query.lookback_ms,
            limits: Limits {
                samples_max: self.query.samples_max,
                bytes_max: self.query.bytes_max,
                series_max: self.query.series_max,
                ..Limits::default()
            },
            stop: Some(Arc::new(move || Instant::now() >= deadline)),
            ..QueryOptions::default()
        }
    }

    /// A query of a template.
    pub(super) fn ask_text(&self, text: &str, at_ms: i64) -> Result<Vec<(Labels, f64)>, String> {
        let expr = ::query::parse(text).map_err(|e| e.to_string())?;
        self.ask(&expr, at_ms, 5_000).map(|a| a.rows)
    }
}

/// Rows of a value.
pub fn rows(value: Value) -> Result<Vec<(Labels, f64)>, String> {
    match value {
        Value::Vector(rows) => {
            Ok(rows.into_iter().filter_map(|(labels, _, v)| Some((labels, v.number()?))).collect())
        }
        Value::Scalar(v) => Ok(vec![(Labels::default(), v)]),
        Value::String(_) | Value::Matrix(_) => {
            Err("the expression gives neither rows nor a number; a rule needs one of them".into())
        }
    }
}

/// What a condition compares with, where that is a number: `> 0.9`; else "".
pub fn limit_words(expr: &Expr) -> String {
    let ExprKind::Binary(_, operands) = &expr.inner().kind else { return String::new() };
    let Some(last) = operands.last().filter(|o| o.op.is_comparison()) else { return String::new() };
    let (sign, number) = match &last.expr.inner().kind {
        ExprKind::Negate(inner) => (-1.0, inner.inner()),
        _ => (1.0, last.expr.inner()),
    };
    match number.kind {
        ExprKind::Number(n) => format!("{} {}", last.op.as_str(), sign * n),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_compares_with() {
        for (text, want) in [
            ("rate(errors_total[5m]) > 0.9", "> 0.9"),
            ("(up == 0)", "== 0"),
            ("a < -5", "< -5"),
            ("a / b >= bool 3", ">= 3"),
            ("a > b", ""),
            ("absent(up)", ""),
        ] {
            assert_eq!(limit_words(&::query::parse(text).unwrap()), want, "{text}");
        }
    }
}
