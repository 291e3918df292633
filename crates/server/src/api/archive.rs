//! The archive: what is in it, and bringing blocks back for a while.

use super::asked::blocking;
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use axum::extract::{Request, State};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// How long what comes back stays, unless the request says otherwise.
const KEEP_MS: i64 = 7 * 86_400_000;

pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    let reading = app.store.archive_reading();
    let blocks: Vec<Json> = reading
        .blocks
        .iter()
        .map(|b| {
            json!({
                "id": b.id,
                "first_ms": b.first_ms,
                "last_ms": b.last_ms,
                "series": b.series,
                "samples": b.samples,
                "bytes": b.bytes,
                "state": match (b.here_until_ms, b.is_coming) {
                    (Some(_), _) => "here",
                    (None, true) => "coming",
                    (None, false) => "archived",
                },
                "here_until_ms": b.here_until_ms,
            })
        })
        .collect();
    Ok(success(&json!({
        "location": reading.location,
        "after_ms": reading.after_ms,
        "retention_ms": reading.retention_ms,
        "problem": reading.problem,
        "bytes": reading.blocks.iter().map(|b| b.bytes).sum::<u64>(),
        "captures": app
            .store
            .archived_captures()
            .iter()
            .map(|(id, bytes)| json!({ "id": id, "bytes": bytes, "is_here": app.captures.kept.get(id).is_ok() }))
            .collect::<Vec<_>>(),
        "blocks": blocks,
    })))
}

pub async fn restore(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let start_ms = params.required("start", params.time_ms("start")?)?;
    let end_ms = params.required("end", params.time_ms("end")?)?;
    let keep_ms = params.duration_ms("keep")?.unwrap_or(KEEP_MS);
    if start_ms > end_ms {
        return Err(ApiError::bad("invalid parameter \"end\": it is before the start"));
    }
    let now_ms = now_ms();
    let until_ms = now_ms.saturating_add(keep_ms);
    let asked = blocking(&app, move |app| app.store.bring_back(start_ms, end_ms, until_ms, now_ms)).await?;
    Ok(success(&json!({
        "blocks": asked.blocks,
        "to_copy": asked.to_copy,
        "bytes": asked.bytes,
        "until_ms": until_ms,
    })))
}
