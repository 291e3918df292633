//! `POST /api/v1/look/fields`: fields that differ. Reads the question and checks it; the answer is [`crate::fields`]'s.

use super::changed::{Baseline, against, stretch};
use super::traces::{attribute, duration_ns};
use crate::app::App;
use crate::baseline::Against;
use crate::fields::{LIMIT_MAX, Outside, Question, What, answer};
use crate::http::{ApiError, ApiResult, read_body};
use crate::traces::search::Search;
use axum::extract::{Request, State};
use serde_json::Value as Json;
use std::sync::Arc;

/// Bytes of a question.
const BODY_MAX: usize = 64 << 10;
/// Conditions on attributes.
const ATTRIBUTES_MAX: usize = 20;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    signal: String,
    start: Json,
    end: Json,
    #[serde(default)]
    baseline: Option<Baseline>,
    #[serde(default)]
    query: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    min_duration: String,
    #[serde(default)]
    max_duration: String,
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    stream: bool,
}

pub async fn fields(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_MAX).await?;
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not what look/fields takes: {e}")))?;
    let window = stretch("the window", &asked.start, &asked.end)?;
    let stream = asked.stream;
    let what = what(&asked)?;
    let limit = asked.limit.unwrap_or(20).clamp(1, LIMIT_MAX);
    let outside = match asked.baseline {
        Some(Baseline::Named(name)) if name == "others" => match &what {
            What::Logs(query) if query.terms.is_empty() => return Err(all_are_meant("query")),
            What::Spans(search) if search.predicates().is_empty() => {
                return Err(all_are_meant("service, operation, status, durations or attributes"));
            }
            _ => Outside::Others,
        },
        baseline => match against(&app, window, baseline)? {
            Against::Peers => {
                let text = "records are compared with another time, or with \"others\" of the same time; \"peers\" is for series";
                return Err(ApiError::bad(text));
            }
            against => Outside::Then(against),
        },
    };
    let question = Question { window, what, outside, limit };
    super::in_parts::answer(&app, stream, move |app, watch| answer(app, &question, watch)).await
}

fn all_are_meant(what: &str) -> ApiError {
    ApiError::bad(format!(
        "baseline \"others\" compares what is meant with the rest of that time: say what is meant with {what}"
    ))
}

fn what(asked: &Asked) -> ApiResult<What> {
    match asked.signal.as_str() {
        "logs" => {
            let query = look::logs::parse(&asked.query)
                .map_err(|e| ApiError::bad(format!("invalid parameter \"query\": {e}")))?;
            Ok(What::Logs(query))
        }
        "spans" => {
            if !matches!(asked.status.as_str(), "" | "error" | "ok" | "unset") {
                return Err(ApiError::bad("invalid parameter \"status\": it is error, ok or unset"));
            }
            if asked.attributes.len() > ATTRIBUTES_MAX {
                return Err(ApiError::bad(format!(
                    "there are at most {ATTRIBUTES_MAX} conditions on attributes"
                )));
            }
            Ok(What::Spans(Box::new(Search {
                service: asked.service.clone(),
                operation: asked.operation.clone(),
                status: asked.status.clone(),
                duration_ns: (
                    duration_ns("min_duration", &asked.min_duration)?,
                    duration_ns("max_duration", &asked.max_duration)?,
                ),
                attributes: asked.attributes.iter().map(|a| attribute(a)).collect(),
                ..Search::default()
            })))
        }
        other => Err(ApiError::bad(format!("signal is logs or spans, not {other:.40?}"))),
    }
}
