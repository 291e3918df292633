//! `POST /api/v1/look`: what changed in a window, against a baseline. Reads the question and checks it; the answer is
//! [`crate::changed`]'s.

use crate::app::App;
use crate::changed::{Question, answer};
use crate::http::{ApiError, ApiResult, read_body, success};
use axum::extract::{Request, State};
use look::changed::Ask;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a question.
const BODY_MAX: usize = 64 << 10;
/// The longest window, milliseconds: a week.
const WINDOW_MS_MAX: i64 = 7 * 86_400_000;
/// The longest stretch of a baseline, milliseconds: 100 days.
const BASELINE_MS_MAX: i64 = 100 * 86_400_000;
/// Groups in one answer.
const GROUPS_MAX: usize = 500;
/// Stretches of a baseline.
const BASELINES_MAX: usize = 100;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    start: Json,
    end: Json,
    #[serde(default)]
    baseline: Option<Baseline>,
    #[serde(default, rename = "match")]
    matchers: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Baseline {
    Named(String),
    Stretch(Stretch),
    Stretches(Vec<Stretch>),
}

#[derive(serde::Deserialize)]
pub(super) struct Stretch {
    start: Json,
    end: Json,
}

pub async fn look(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_MAX).await?;
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not what look takes: {e}")))?;
    let window = stretch("the window", &asked.start, &asked.end)?;
    let ask = ask(window, asked.baseline)?;
    let matchers = match asked.matchers.as_deref() {
        None | Some("") => Vec::new(),
        Some(text) => ::query::parse_selector(text).map_err(|e| ApiError::parse("match", e))?,
    };
    let groups_max = asked.limit.unwrap_or(50).min(GROUPS_MAX);
    let inside = app.clone();
    let started = Instant::now();
    let question = Question { ask, matchers, groups_max };
    let mut data = app.gate.run(None, move |stop| answer(&inside, &question, &stop)).await?;
    data["elapsed_ms"] = json!((started.elapsed().as_secs_f64() * 1e4).round() / 10.0);
    Ok(success(&data))
}

/// The window against a baseline: named, given, or just before.
pub(super) fn ask(window: (i64, i64), baseline: Option<Baseline>) -> ApiResult<Ask> {
    const HOUR: i64 = 3_600_000;
    let ask = match baseline {
        None => Ask::just_before(window),
        Some(Baseline::Named(name)) => match name.as_str() {
            "" | "before" => Ask::just_before(window),
            "hour" => Ask::earlier(window, HOUR),
            "day" => Ask::earlier(window, 24 * HOUR),
            "week" => Ask::earlier(window, 7 * 24 * HOUR),
            other => {
                return Err(ApiError::bad(format!(
                    "baseline is before, hour, day, week, or a start and an end; not {other:?}"
                )));
            }
        },
        Some(Baseline::Stretch(one)) => {
            Ask { window, baselines: vec![stretch("the baseline", &one.start, &one.end)?] }
        }
        Some(Baseline::Stretches(all)) if all.is_empty() || all.len() > BASELINES_MAX => {
            return Err(ApiError::bad(format!("{} baselines; 1 to {BASELINES_MAX}", all.len())));
        }
        Some(Baseline::Stretches(all)) => {
            let all: ApiResult<Vec<_>> =
                all.iter().map(|s| stretch("the baseline", &s.start, &s.end)).collect();
            Ask { window, baselines: all? }
        }
    };
    apart(ask)
}

/// A baseline that does not touch the window.
pub(super) fn apart(ask: Ask) -> ApiResult<Ask> {
    if ask.baselines.len() > BASELINES_MAX {
        return Err(ApiError::bad(format!("{} baselines; 1 to {BASELINES_MAX}", ask.baselines.len())));
    }
    if ask.baselines.iter().any(|b| b.0 <= ask.window.1 && b.1 >= ask.window.0) {
        return Err(ApiError::bad(
            "the baseline overlaps the window: take an earlier one, or a shorter window (baseline \"before\" never overlaps)",
        ));
    }
    Ok(ask)
}

/// A stretch of time as it is given.
pub(super) fn stretch(what: &str, start: &Json, end: &Json) -> ApiResult<(i64, i64)> {
    checked(what, (super::look::time_ms("start", start)?, super::look::time_ms("end", end)?))
}

/// A stretch that goes forward and is not too long.
pub(super) fn checked(what: &str, (start, end): (i64, i64)) -> ApiResult<(i64, i64)> {
    let (longest, words) = match what {
        "the window" => (WINDOW_MS_MAX, "a week"),
        _ => (BASELINE_MS_MAX, "100 days"),
    };
    if end <= start || end.saturating_sub(start) > longest {
        return Err(ApiError::bad(format!("{what} has to end after its start, and is at most {words} long")));
    }
    Ok((start, end))
}
