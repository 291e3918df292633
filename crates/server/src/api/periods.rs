//! Good periods by name, to compare with: list, save, delete.

use super::asked::blocking;
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, read_body, success};
use crate::periods::Period;
use axum::extract::{Request, State};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Bytes of a request.
const BODY_BYTES_MAX: usize = 16 << 10;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    start: Json,
    end: Json,
}

/// `GET /api/v1/look/periods`.
pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    let one = |p: &Period| {
        json!({
            "name": p.name, "start": p.start_ms as f64 / 1000.0, "end": p.end_ms as f64 / 1000.0,
            "saved": p.saved_ms as f64 / 1000.0,
        })
    };
    Ok(success(&json!({ "periods": app.periods.list()?.iter().map(one).collect::<Vec<_>>() })))
}

/// `POST /api/v1/look/periods` with `{"name":"","start":,"end":}`.
pub async fn save(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let given: Given = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not a period ({e}); send name, start and end")))?;
    let (start_ms, end_ms) = super::changed::stretch("the period", &given.start, &given.end)?;
    let period = Period { name: given.name, start_ms, end_ms, saved_ms: now_ms() };
    blocking(&app, move |app| app.periods.save(period)).await?;
    list(State(app)).await
}

/// `DELETE /api/v1/look/periods?name=`.
pub async fn delete(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let name = params.required("name", params.get("name"))?.to_string();
    blocking(&app, move |app| app.periods.delete(&name)).await?;
    list(State(app)).await
}
