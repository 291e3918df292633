//! On what a budget is spent: bad events by label, in the last so much of the window. The comparison is `monitor::slo::spent`'s. It must
//! never explain by chance.

use crate::app::App;
use crate::gate::Stop;
use ::query::{QueryError, Value};
use model::Labels;
use monitor::slo::queries::{self, Asked};
use monitor::slo::{Slo, spent};
use serde_json::{Value as Json, json};

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
    let labels: Vec<Json> = spent::explain(&bad, &totals)
        .into_iter()
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
