//! `POST /api/v1/look`: what changed in a window, against a baseline. Reads the question and checks it; the answer is
//! [`crate::changed`]'s.

use crate::app::App;
use crate::baseline::Against;
use crate::changed::{Question, answer};
use crate::http::{ApiError, ApiResult, read_body};
use axum::extract::{Request, State};
use look::changed::Ask;
use serde_json::Value as Json;
use std::sync::Arc;

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
    #[serde(default)]
    stream: bool,
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
    let against = against(&app, window, asked.baseline)?;
    let matchers = match asked.matchers.as_deref() {
        None | Some("") => Vec::new(),
        Some(text) => ::query::parse_selector(text).map_err(|e| ApiError::parse("match", e))?,
    };
    let groups_max = asked.limit.unwrap_or(50).min(GROUPS_MAX);
    let question = Question { window, against, matchers, groups_max };
    super::in_parts::answer(&app, asked.stream, move |app, watch| answer(app, &question, watch)).await
}

/// What to compare a window with: named, given, or the quiet time before it.
pub(super) fn against(app: &App, window: (i64, i64), baseline: Option<Baseline>) -> ApiResult<Against> {
    const HOUR: i64 = 3_600_000;
    let earlier = |by_ms: i64| Ok(Against::Given(Ask::earlier(window, by_ms).baselines));
    let against = match baseline {
        None => Ok(Against::Before),
        Some(Baseline::Named(name)) => match name.as_str() {
            "" | "before" => Ok(Against::Before),
            "hour" => earlier(HOUR),
            "day" => earlier(24 * HOUR),
            "week" => earlier(7 * 24 * HOUR),
            "peers" => Ok(Against::Peers),
            other => match app.periods.get(other) {
                Ok(period) => Ok(Against::Given(vec![(period.start_ms, period.end_ms)])),
                Err(e) if e.kind == stdx::ErrorKind::NotFound => Err(ApiError::bad(format!(
                    "baseline is before, hour, day, week, peers, the name of a good period, or a start and an end; {e}"
                ))),
                Err(e) => Err(e.into()),
            },
        },
        Some(Baseline::Stretch(one)) => {
            Ok(Against::Given(vec![stretch("the baseline", &one.start, &one.end)?]))
        }
        Some(Baseline::Stretches(all)) if all.is_empty() => {
            Err(ApiError::bad(format!("0 baselines; 1 to {BASELINES_MAX}")))
        }
        Some(Baseline::Stretches(all)) => {
            let all: ApiResult<Vec<_>> = all
                .iter()
                .take(BASELINES_MAX + 1)
                .map(|s| stretch("the baseline", &s.start, &s.end))
                .collect();
            Ok(Against::Given(all?))
        }
    }?;
    if let Against::Given(baselines) = &against {
        apart(window, baselines)?;
    }
    Ok(against)
}

/// Baselines that do not touch the window.
pub(super) fn apart(window: (i64, i64), baselines: &[(i64, i64)]) -> ApiResult<()> {
    if baselines.len() > BASELINES_MAX {
        return Err(ApiError::bad(format!("{} baselines; 1 to {BASELINES_MAX}", baselines.len())));
    }
    if baselines.iter().any(|b| b.0 <= window.1 && b.1 >= window.0) {
        return Err(ApiError::bad(
            "the baseline overlaps the window: take an earlier one, or a shorter window (baseline \"before\" never overlaps)",
        ));
    }
    Ok(())
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
