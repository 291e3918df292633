//! Who is on call, who takes care of what fires, and which members of a system live, over HTTP.

use super::asked::{blocking, said};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiResult, Params, success};
use crate::monitors::people::{self, Meant};
use axum::extract::{Path, Request, State};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Error, Result};
use store::audit::Who;

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How far ahead shifts are listed if nothing is said.
const AHEAD_DAYS: usize = 14;

pub async fn get(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let days = params.number("days")?.unwrap_or(AHEAD_DAYS).clamp(1, 92) as i64;
    // Weeks of many rotas take a moment.
    let told = blocking(&app, move |app| Ok(people::on_call(&app.monitors, now_ms(), days * 86_400_000)));
    Ok(success(&told.await?))
}

/// Commands that may run, and what ran.
pub async fn actions(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&crate::monitors::act::told(&app.monitors)))
}

/// Systems that vote: who is listed, who lives.
pub async fn membership(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&json!({ "now_ms": now_ms(), "clusters": app.membership.to_json() })))
}

/// Reads a body, and does something that waits for the disk.
async fn with_body<T: Send + 'static>(
    app: Arc<App>,
    request: Request,
    work: impl FnOnce(&App, &Json, &Who) -> Result<T> + Send + 'static,
) -> ApiResult<T> {
    let (json, who) = said(request, BODY_BYTES_MAX).await?;
    blocking(&app, move |app| work(app, &json, &who)).await
}

pub async fn stand_in(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let id = with_body(app, request, |app, json, who| people::stand_in(&app.monitors, json, who)).await?;
    Ok(success(&json!({ "id": id })))
}

pub async fn end_stand_in(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult {
    with_body(app, request, move |app, _, who| people::end_stand_in(&app.monitors, &id, who)).await?;
    Ok(success(&json!({})))
}

pub async fn acknowledge(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    ack(app, request, false).await
}

pub async fn end_acknowledge(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    ack(app, request, true).await
}

async fn ack(app: Arc<App>, request: Request, is_end: bool) -> ApiResult {
    let count = with_body(app, request, move |app, json, who| {
        let meant = Meant::from_json(json).map_err(Error::invalid)?;
        people::acknowledge(&app.monitors, &meant, who, is_end)
    });
    Ok(success(&json!({ "alerts": count.await? })))
}
