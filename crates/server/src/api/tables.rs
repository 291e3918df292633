//! The tables of log records, spans and changes in numbers: rows, files, how much smaller than their text, since when, and what is
//! damaged.

use crate::app::App;
use crate::http::{ApiResult, success};
use axum::extract::State;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use store::tables::TableStatus;

/// `GET /api/v1/status/tables`.
pub async fn status(State(app): State<Arc<App>>) -> ApiResult {
    let status = app.store.tables().status();
    let tables: Vec<Json> = status.tables.iter().map(one).collect();
    Ok(success(&json!({ "tables": tables, "problem": status.problem, "messages": status.messages })))
}

fn one(table: &TableStatus) -> Json {
    let ratio = table.files_bytes as f64 / table.raw_bytes as f64;
    json!({
        "name": table.name,
        "recent_rows": table.recent_rows,
        "recent_bytes": table.recent_bytes,
        "files": table.files,
        "files_rows": table.files_rows,
        "files_bytes": table.files_bytes,
        "index_bytes": table.index_bytes,
        "raw_bytes": table.raw_bytes,
        "bytes_per_raw_byte": ratio.is_finite().then_some(ratio),
        "oldest_ms": table.oldest_ns.map(|ns| ns / 1_000_000),
        "retention_ms": table.retention_ms,
        "damaged": table.damaged,
    })
}
