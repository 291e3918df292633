//! Saved queries: list, save, delete.

use super::asked::blocking;
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, read_body, success};
use crate::saved::SavedQuery;
use axum::extract::{Request, State};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Bytes of a request.
const BODY_BYTES_MAX: usize = 128 << 10;

pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    let queries = app.saved.list()?;
    Ok(success(&json!({ "queries": queries })))
}

pub async fn save(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let json: Json = serde_json::from_slice(&body).map_err(|e| {
        ApiError::bad(format!("the body is not JSON ({e}); send {{\"name\", \"language\", \"query\"}}"))
    })?;
    let text = |name: &str| {
        let value = json[name].as_str().map(str::to_string);
        value.ok_or_else(|| ApiError::bad(format!("invalid parameter {name:?}: it is missing")))
    };
    let saved = SavedQuery {
        name: text("name")?,
        language: text("language")?,
        query: text("query")?,
        saved_ms: now_ms(),
    };
    blocking(&app, move |app| app.saved.save(saved)).await?;
    list(State(app)).await
}

pub async fn delete(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let name = params.required("name", params.get("name"))?.to_string();
    blocking(&app, move |app| app.saved.delete(&name)).await?;
    list(State(app)).await
}
