//! On what a budget is spent: bad events by label, in the last so much of the window. The comparison is `monitor::slo::spent`'s. It must
//! never explain by chance.

use crate::app::App;
use crate::gate::Stop;
use ::query::{QueryError, Value};
use model::Labels;
use monitor::slo::queries::{self, Asked};
use monitor::slo::{Slo, spent};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Labels that are told.
const LABELS_MAX: usize = 6;

/// Answers for the `range_ms` before `now_ms`.
///
/// # Errors
/// If the time is over, or too much would have to be read: ask for less.
pub fn run(app: &App, slo: &Slo, now_ms: i64, range_ms: i64, stop: Stop) -> Result<Json, QueryError> {
    let options = crate::api::query_options(app, stop);
    let view = app.store.view();
    let ask = |text: &str| -> Result<Vec<(Labels, f64)>, QueryError> {
        let expr = ::query::parse(text).map_err(QueryError::from)?;
        match ::query::instant(&view, &expr, now_ms, &options)?.value {
            Value::Vector(rows) => {
                Ok(rows.into_iter().filter_map(|(labels, _, v)| Some((labels, v.number()?))).collect())
            }
            _ => Ok(Vec::new()),
        }
    };
    let Some(Asked::Events { total, part, is_bad }) = queries::series(&slo.sli, range_ms) else {
        let why =
            "What it counts is an expression of its own, or a value: it cannot be taken apart by labels.";
        return Ok(json!({ "range_ms": range_ms, "bad": null, "labels": [], "why": why }));
    };
    let totals = ask(&total)?;
    let parts = ask(&part)?;
    let bad = if is_bad { parts } else { spent::less(&totals, &parts) };
    let sum: f64 = bad.iter().map(|(_, v)| v.max(0.0)).filter(|v| v.is_finite()).sum();
    let defining = defining(&total, &part);
    let labels: Vec<Json> = spent::explain(&bad, &totals)
        .into_iter()
        .filter(|e| !defining.contains(&e.label))
        .take(LABELS_MAX)
        .map(|e| {
            let share = |s: &spent::Share| json!({ "value": s.value, "bad": s.bad, "total": s.total });
            json!({
                "label": e.label, "bits": e.bits, "values": e.values,
                "shares": e.shares.iter().map(share).collect::<Vec<_>>(),
            })
        })
        .collect();
    let why = match () {
        () if sum < spent::BAD_MIN => "Too little went wrong to say what it has in common.",
        () if labels.is_empty() => "Its series differ in no label.",
        () => "",
    };
    Ok(json!({ "range_ms": range_ms, "bad": sum, "labels": labels, "why": why }))
}

/// Labels by which the objective itself tells bad from good: to say that all bad requests have a bad code explains nothing.
fn defining(total: &str, part: &str) -> BTreeSet<String> {
    let labels = |text: &str| -> BTreeSet<String> {
        let Ok(expr) = ::query::parse(text) else { return BTreeSet::new() };
        let selectors = ::query::selectors(&expr);
        selectors.iter().flat_map(|s| s.matchers.iter().map(|m| m.name.clone())).collect()
    };
    labels(part).difference(&labels(total)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_request_a_bad_one_does_not_explain_it() {
        for (total, part, want) in [
            ("increase(x{job=\"a\"}[5m])", "increase(x{job=\"a\",code=~\"5..\"}[5m])", "code"),
            ("increase(x[5m])", "increase(y{zone=\"b\",code=\"500\"}[5m])", "code zone"),
            ("increase(x{job=\"a\"}[5m])", "increase(x{job=\"b\"}[5m])", ""),
            ("nothing(", "increase(x{code=\"500\"}[5m])", "code"),
        ] {
            let found = defining(total, part).into_iter().filter(|l| l != "__name__").collect::<Vec<_>>();
            assert_eq!(found.join(" "), want, "{part}");
        }
    }
}
