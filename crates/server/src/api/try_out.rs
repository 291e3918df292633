//! Tries a monitor out on what is stored: how often it would have fired, when, and the values that it looks at. It runs as
//! a query of a user, behind the gate.

use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, read_body, success};
use crate::monitors::limit_words;
use ::query::{Expr, ExprKind, QueryError, QueryOptions, Source, Value};
use axum::extract::{Request, State};
use model::{Labels, SeriesData};
use monitor::notify::object;
use monitor::tryout::try_out;
use monitor::{Alerting, Kind, Rule};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const BODY_BYTES_MAX: usize = 64 << 10;
/// Evaluations of one trial at the most; a longer time is looked at in larger steps, which is said.
const STEPS_MAX: i64 = 10_000;
/// Points of a line of the picture.
const POINTS: i64 = 300;
/// Lines of the picture.
const LINES_MAX: usize = 20;

struct Asked {
    expr: Expr,
    rule: Rule,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
}

fn asked(json: &Json) -> Result<Asked, String> {
    let text = |key: &str| json[key].as_str().unwrap_or("").trim();
    let duration = |key: &str| match text(key) {
        "" => Ok(0),
        text => monitor::read::duration_ms(text).map_err(|e| format!("{key:?}: {e}")),
    };
    let time = |key: &str, default: i64| -> Result<i64, String> {
        match &json[key] {
            Json::Null => Ok(default),
            Json::Number(n) => Ok((n.as_f64().unwrap_or(0.0) * 1000.0) as i64),
            other => {
                model::time::parse_time_ms(other.as_str().unwrap_or("")).map_err(|e| format!("{key:?}: {e}"))
            }
        }
    };
    let end_ms = time("end", now_ms())?;
    let start_ms = time("start", end_ms - 86_400_000)?;
    if end_ms <= start_ms {
        return Err("\"end\" has to be later than \"start\"".into());
    }
    let expr = ::query::parse(text("expr")).map_err(|e| format!("\"expr\": {e}"))?;
    let interval_ms = duration("interval")?.max(1_000);
    let smallest = ((end_ms - start_ms) / STEPS_MAX + 999) / 1_000 * 1_000;
    let alerting = Alerting {
        for_ms: duration("for")?,
        keep_firing_for_ms: duration("keep_firing_for")?,
        ..Alerting::default()
    };
    let rule = Rule {
        name: "trial".into(),
        expr: text("expr").to_string(),
        labels: Vec::new(),
        kind: Kind::Alerting(alerting),
        line: 0,
    };
    Ok(Asked { expr, rule, start_ms, end_ms, step_ms: interval_ms.max(smallest) })
}

pub async fn try_monitor(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let json: Json =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not JSON: {e}")))?;
    let asked = asked(&json).map_err(ApiError::bad)?;
    let inside = app.clone();
    let answer = app
        .gate
        .run(None, move |stop| -> Result<Json, QueryError> {
            let view = inside.store.view();
            let options = super::query::options(&inside, stop);
            answer(&view, &asked, &options)
        })
        .await?;
    Ok(success(&answer))
}

fn answer(source: &dyn Source, asked: &Asked, options: &QueryOptions) -> Result<Json, QueryError> {
    let series = matrix(source, &asked.expr, asked.start_ms, asked.end_ms, asked.step_ms, options)?;
    let mut rows: BTreeMap<i64, Vec<(Labels, f64)>> = BTreeMap::new();
    for one in &series {
        for (at, value) in one.timestamps_ms.iter().zip(&one.values) {
            rows.entry(*at).or_default().push((one.labels.clone(), *value));
        }
    }
    let count = (asked.end_ms - asked.start_ms) / asked.step_ms + 1;
    let times = (0..count).map(|i| asked.start_ms + i * asked.step_ms);
    let out = try_out(&asked.rule, 0, times.map(|at| (at, rows.remove(&at).unwrap_or_default())));
    let episodes: Vec<Json> = out
        .episodes
        .iter()
        .map(|e| {
            let labels = e.labels.filtered(|n| n != "alertname");
            json!({ "labels": object(labels.iter()), "met_ms": e.met_ms, "from_ms": e.from_ms, "to_ms": e.to_ms })
        })
        .collect();
    let limit = limit_words(&asked.expr);
    let picture = picture(source, asked, options)?;
    Ok(json!({
        "start_ms": asked.start_ms,
        "end_ms": asked.end_ms,
        "step_s": asked.step_ms as f64 / 1000.0,
        "steps": out.steps,
        "fired": out.fired,
        "nearly": out.nearly,
        "firing_s": out.firing_ms as f64 / 1000.0,
        "episodes": episodes,
        "problem": out.problem,
        "limit": limit,
        "threshold": limit.split_once(' ').and_then(|(_, n)| n.parse::<f64>().ok()),
        "picture": picture,
    }))
}

/// The values that the condition looks at: its left side, where it compares with something.
fn picture(source: &dyn Source, asked: &Asked, options: &QueryOptions) -> Result<Json, QueryError> {
    let expr = match &asked.expr.inner().kind {
        ExprKind::Binary(first, operands) if operands.len() == 1 && operands[0].op.is_comparison() => first,
        _ => &asked.expr,
    };
    let step_ms = ((asked.end_ms - asked.start_ms) / POINTS).max(1_000);
    let mut series = matrix(source, expr, asked.start_ms, asked.end_ms, step_ms, options)?;
    let all = series.len();
    // Those that reach the farthest are what is looked for.
    let peak =
        |s: &SeriesData| s.values.iter().copied().filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    series.sort_by(|a, b| peak(b).total_cmp(&peak(a)));
    series.truncate(LINES_MAX);
    let lines: Vec<Json> = series
        .iter()
        .map(|s| {
            let values: Vec<Option<f64>> = s.values.iter().map(|v| v.is_finite().then_some(*v)).collect();
            json!({ "labels": object(s.labels.iter()), "t_ms": s.timestamps_ms, "v": values })
        })
        .collect();
    Ok(json!({ "lines": lines, "left_out": all - lines.len(), "step_s": step_ms as f64 / 1000.0 }))
}

fn matrix(
    source: &dyn Source,
    expr: &Expr,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    options: &QueryOptions,
) -> Result<Vec<SeriesData>, QueryError> {
    match ::query::range(source, expr, start_ms, end_ms, step_ms, options)?.value {
        Value::Matrix(series) => Ok(series),
        _ => Ok(Vec::new()),
    }
}
