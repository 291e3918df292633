//! What Midwatch does itself, in one answer: its cost, its store, what goes on in the background, its sources.
//! It must never round a reject away.

use super::asked::blocking;
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiResult, success};
use crate::own;
use axum::extract::State;
use model::time::format_duration_ms;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use store::WorkReading;

pub async fn midwatch(State(app): State<Arc<App>>) -> ApiResult {
    let (status, cost) = blocking(&app, |app| Ok((app.store.status(), own::cost()))).await?;
    let now_ms = now_ms();
    let uptime_s = ((now_ms - app.started_ms) as f64 / 1000.0).max(1.0);
    let sources: Vec<Json> = app
        .sink
        .sources()
        .iter()
        .map(|s| {
            let rejected: Vec<Json> = s
                .rejects
                .iter()
                .map(|r| {
                    json!({ "reason": r.reject.reason.as_str(), "samples": r.reject.samples, "message": r.reject.message, "last_ms": r.last_ms })
                })
                .collect();
            json!({ "source": s.source, "samples": s.samples, "last_ms": s.last_ms, "rejected": rejected })
        })
        .collect();
    Ok(success(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_ms": app.started_ms,
        "data_dir": app.settings.data.display().to_string(),
        "retention": format_duration_ms(app.store.settings().retention_ms),
        "retention_bytes": app.store.settings().blocks_bytes_max,
        "cost": {
            "cpu_ratio": app.pace.cpu_ratio(),
            "cpu_seconds": cost.cpu_seconds,
            "uptime_s": uptime_s,
            "memory_bytes": cost.resident_bytes,
            "threads": cost.threads,
            "open_files": cost.open_files,
        },
        "store": {
            "series": status.head_series,
            "known_series": app.catalogue.read().len().max(status.head_series as usize),
            "samples_per_s": app.pace.samples_per_s(),
            "head_samples": status.head_samples,
            "head_bytes": status.head_bytes,
            "wal_bytes": status.wal_bytes,
            "blocks": status.blocks,
            "blocks_bytes": status.blocks_bytes,
            "blocks_samples": status.blocks_samples,
            "oldest_ms": status.oldest_ms,
            "disk_free_bytes": status.disk_free_bytes,
            "disk_total_bytes": status.disk_total_bytes,
            "state": if status.problem.is_some() { "read_only" } else { "ok" },
            "message": status.problem.unwrap_or_default(),
            "messages": status.messages,
        },
        "work": status.work.iter().map(|w| work(w, now_ms)).collect::<Vec<_>>(),
        "sources": sources,
    })))
}

/// One kind of background work. Instants are as of the clock of the answer.
fn work(w: &WorkReading, now_ms: i64) -> Json {
    let running: Vec<Json> = w
        .running
        .iter()
        .map(|r| {
            json!({ "what": r.what, "since_ms": now_ms - ms(r.seconds), "done_bytes": r.done_bytes, "total_bytes": r.total_bytes })
        })
        .collect();
    let last = w.last.as_ref().map(|l| {
        json!({ "what": l.what, "ended_ms": now_ms - ms(l.ago_s), "took_s": l.took_s, "bytes": l.bytes, "error": l.error })
    });
    json!({
        "kind": w.kind.as_str(),
        "running": running,
        "waiting": w.waiting_items,
        "waiting_bytes": w.waiting_bytes,
        "behind_s": w.behind_s,
        "succeeded": w.succeeded,
        "failed": w.failed,
        "last": last,
    })
}

fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}
