//! Objectives over HTTP: how they are, making, changing and removing them (audited), and a badge. What is asked of stored data (on what
//! a budget is spent, who is affected, who takes the time) runs as a query of a user, behind the gate.

use super::asked::{blocking, only_who, peer, who};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, read_body, success};
use crate::monitors::{put_slos, read_new, remove_slo, slo_tell, tell};
use crate::slos;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use monitor::slo::{badge, write};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 2 << 20;

pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&json!({
        "now_ms": now_ms(), "slos": slo_tell::slos(&app.monitors), "problems": tell::problems(&app.monitors),
    })))
}

pub async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    let (group, slo) = slo_tell::find(&app.monitors, &id).ok_or_else(not_there)?;
    let mut json = slo_tell::one(&group, &slo, true);
    json["now_ms"] = now_ms().into();
    Ok(success(&json))
}

/// A picture that can stand anywhere.
pub async fn badge(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (group, slo) = slo_tell::find(&app.monitors, &id).ok_or_else(not_there)?;
    let verdict = slo_tell::verdict(&group)
        .unwrap_or_else(|| monitor::slo::judge(&slo, &monitor::slo::History::default(), now_ms(), None));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0")),
        // Opened by itself it is a document: it may do nothing.
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, badge::svg(&slo, &verdict)).into_response())
}

fn not_there() -> Error {
    Error::new(ErrorKind::NotFound, "there is no objective with this id; GET /api/v1/slos lists all")
}

/// What somebody wants: an objective of ours as JSON, or a file of either form as text in `yaml`.
struct Wanted {
    slos: Vec<monitor::slo::Slo>,
    problems: Vec<monitor::Problem>,
    json: Json,
}

async fn wanted(request: Request) -> ApiResult<Wanted> {
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let mut json: Json = serde_json::from_slice(&body).map_err(|e| {
        ApiError::bad(format!(
            "the body is not JSON ({e}); send {{\"slo\": {{\"name\", ...}}}} or {{\"yaml\": TEXT}}"
        ))
    })?;
    let text = match (json["yaml"].as_str(), json["slo"].is_object()) {
        (Some(text), _) => text.to_string(),
        (None, true) => {
            // What is not said is not there.
            let mut slo = json["slo"].take();
            if let Some(keys) = slo.as_object_mut() {
                keys.retain(|_, v| !v.is_null() && v.as_str() != Some(""));
            }
            slo.to_string()
        }
        (None, false) => {
            return Err(ApiError::bad("send {\"slo\": {\"name\", \"objective\", ...}} or {\"yaml\": TEXT}"));
        }
    };
    let (slos, problems) = read_new(&text).map_err(ApiError::bad)?;
    Ok(Wanted { slos, problems, json })
}

fn told(wanted: &Wanted) -> Json {
    let each =
        wanted.slos.iter().map(|slo| json!({ "id": slo.id, "name": slo.name, "yaml": write::yaml(slo) }));
    let problems =
        wanted.problems.iter().map(|p| json!({ "line": p.line, "what": p.what, "is_error": p.is_error }));
    json!({ "slos": each.collect::<Vec<_>>(), "problems": problems.collect::<Vec<_>>() })
}

/// What would be made, without making it.
pub async fn check(request: Request) -> ApiResult {
    Ok(success(&told(&wanted(request).await?)))
}

/// Makes them; with `change` those that are there already are changed.
pub async fn make(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let address = peer(&request);
    let wanted = wanted(request).await?;
    let who = who(&wanted.json, address);
    let is_change = wanted.json["change"].as_bool().unwrap_or(false);
    let answer = told(&wanted);
    blocking(&app, move |app| put_slos(&app.monitors, wanted.slos, is_change, &who)).await?;
    Ok(success(&answer))
}

pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let who = only_who(request).await?;
    blocking(&app, move |app| remove_slo(&app.monitors, &id, &who)).await?;
    Ok(success(&json!({})))
}

/// How far back a question looks: `last`, at most the objective's window.
fn last_ms(params: &Params, slo: &monitor::slo::Slo) -> ApiResult<i64> {
    let text = params.get("last").unwrap_or("1h");
    let ms = model::time::parse_duration_ms(text)
        .map_err(|e| ApiError::bad(format!("invalid parameter \"last\": {e}")))?;
    Ok(ms.clamp(60_000, slo.window.length(now_ms())))
}

/// On what the budget is spent, by label.
pub async fn spent(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (_, slo) = slo_tell::find(&app.monitors, &id).ok_or_else(not_there)?;
    let range_ms = last_ms(&Params::read(request).await?, &slo)?;
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| slos::spent::run(&inside, &slo, now_ms(), range_ms, stop));
    Ok(success(&found.await?))
}

/// How many requests and whom it affects.
pub async fn impact(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (group, slo) = slo_tell::find(&app.monitors, &id).ok_or_else(not_there)?;
    let range_ms = last_ms(&Params::read(request).await?, &slo)?;
    let requests = slo_tell::since(&group, range_ms);
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| slos::impact::run(&inside, &slo, now_ms(), range_ms, &stop));
    let mut json = found.await?;
    json["requests"] = requests;
    Ok(success(&json))
}

/// Who takes the time.
pub async fn tiers(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (_, slo) = slo_tell::find(&app.monitors, &id).ok_or_else(not_there)?;
    let range_ms = last_ms(&Params::read(request).await?, &slo)?;
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| slos::tiers::run(&inside, &slo, now_ms(), range_ms, stop));
    Ok(success(&found.await?))
}
