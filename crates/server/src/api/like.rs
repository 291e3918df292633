//! `POST /api/v1/look/like`: lines like one. Reads the question and checks it; the answer is [`crate::like`]'s.

use crate::app::App;
use crate::http::{ApiError, ApiResult, read_body};
use crate::like::{LIMIT_MAX, Question, answer};
use axum::extract::{Request, State};
use serde_json::Value as Json;
use std::sync::Arc;

/// Bytes of a question.
const BODY_MAX: usize = 64 << 10;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    series: String,
    start: Json,
    end: Json,
    #[serde(default, rename = "match")]
    matchers: String,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    stream: bool,
}

pub async fn like(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_MAX).await?;
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not what look/like takes: {e}")))?;
    let selector = |name: &str, text: &str| match text {
        "" => Ok(Vec::new()),
        text => ::query::parse_selector(text).map_err(|e| ApiError::parse(name, e)),
    };
    if asked.series.trim().is_empty() {
        return Err(ApiError::bad("series is the one that others are compared with: name{label=\"value\"}"));
    }
    let question = Question {
        series: selector("series", &asked.series)?,
        window: super::changed::stretch("the window", &asked.start, &asked.end)?,
        matchers: selector("match", &asked.matchers)?,
        limit: asked.limit.unwrap_or(30).clamp(1, LIMIT_MAX),
    };
    super::in_parts::answer(&app, asked.stream, move |app, watch| answer(app, &question, watch)).await
}
