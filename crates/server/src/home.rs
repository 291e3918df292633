//! Asks the questions of `look::home` and hands the answers to its judgement. It must never judge by itself. A report
//! serves everybody who asks within a few seconds.

use crate::app::App;
use crate::gate::Stop;
use ::query::{QueryError, Value};
use look::home::conditions::{self, Condition};
use look::home::{ConditionResult, HomeReport, Row, SLO_TILE, SUBJECTS, Subject, SubjectKind, Tile, judge};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

/// How long a report is used again, in milliseconds.
const REPORT_FOR_MS: i64 = 3_000;

/// The last report and its time.
pub type HomeCache = Mutex<Option<(i64, Arc<str>)>>;

/// The report as JSON.
///
/// # Errors
/// If the time is over. A single question that cannot be answered is part of the report.
pub fn report(app: &App, now_ms: i64, stop: Stop) -> Result<Arc<str>, QueryError> {
    // Held during the work: whoever else asks now waits for this report instead of making another.
    let mut kept = app.home.lock().unwrap_or_else(|e| e.into_inner());
    if let Some((at_ms, report)) = &*kept
        && (0..REPORT_FOR_MS).contains(&(now_ms - at_ms))
    {
        return Ok(report.clone());
    }
    let view = app.store.view();
    let options = crate::api::query_options(app, stop);
    let own = format!("job=\"midwatch\", instance=\"{}:{}\"", app.settings.hostname, app.address.port());
    let ask = |text: &str| -> Result<Vec<Row>, QueryError> {
        let expr = ::query::parse(&text.replace("<own>", &own)).map_err(QueryError::from)?;
        match ::query::instant(&view, &expr, now_ms, &options)?.value {
            Value::Vector(rows) => {
                Ok(rows.into_iter().filter_map(|(labels, _, v)| Some((labels, v.number()?))).collect())
            }
            Value::Scalar(v) => Ok(vec![(model::Labels::default(), v)]),
            Value::String(_) | Value::Matrix(_) => Ok(Vec::new()),
        }
    };
    let mut present = Vec::new();
    for (kind, text) in SUBJECTS {
        present.push((*kind, ask(text)?));
    }
    let mut results = Vec::new();
    for condition in conditions::all() {
        results.push(evaluate(condition, &ask)?);
    }
    let problem = app.store.status().problem;
    let watched = crate::monitors::tell::watched(&app.monitors, now_ms);
    let report: Arc<str> =
        to_json(now_ms, &judge(now_ms, &present, &results, &watched, problem.as_deref())).to_string().into();
    *kept = Some((now_ms, report.clone()));
    Ok(report)
}

fn evaluate(
    condition: &'static Condition,
    ask: &impl Fn(&str) -> Result<Vec<Row>, QueryError>,
) -> Result<ConditionResult, QueryError> {
    let rows = match ask(condition.expr) {
        Err(e) if e.kind == stdx::ErrorKind::Cancelled => return Err(e),
        answer => answer.map_err(|e| e.to_string()),
    };
    let details = match condition.detail_expr {
        "" => Vec::new(),
        text => ask(text).unwrap_or_default(),
    };
    Ok(ConditionResult { condition, rows, details })
}

/// Where a tile leads.
fn link(subject: &Subject, tile: &Tile) -> Json {
    match subject.kind {
        SubjectKind::Monitors => match tile.id.strip_prefix(SLO_TILE) {
            Some(id) => json!({ "slo": id }),
            None => json!({ "monitor": tile.id }),
        },
        _ => json!({ "q": tile.q, "match": tile.selector }),
    }
}

fn to_json(now_ms: i64, report: &HomeReport) -> Json {
    let subjects: Vec<Json> = report
        .subjects
        .iter()
        .map(|subject| {
            let tiles: Vec<Json> = subject
                .tiles
                .iter()
                .map(|tile| {
                    json!({
                        "id": tile.id, "title": tile.title, "state": tile.state.as_str(), "value": tile.value,
                        "detail": tile.detail, "link": link(subject, tile),
                    })
                })
                .collect();
            json!({
                "id": subject.id, "title": subject.title, "kind": subject.kind.as_str(),
                "state": subject.state.as_str(), "tiles": tiles,
            })
        })
        .collect();
    json!({
        "now_ms": now_ms,
        "state": report.state.as_str(),
        "headline": report.headline,
        "subjects": subjects,
    })
}

#[cfg(test)]
mod tests {
    /// A condition that the engine cannot parse would be silent for ever.
    #[test]
    fn every_question_is_valid() {
        let conditions = super::conditions::all().flat_map(|c| [c.expr, c.detail_expr]);
        let questions = super::SUBJECTS.iter().map(|s| s.1).chain(conditions).filter(|t| !t.is_empty());
        for text in questions {
            if let Err(e) = ::query::parse(&text.replace("<own>", "job=\"midwatch\"")) {
                panic!("{text}: {e}");
            }
        }
    }
}
