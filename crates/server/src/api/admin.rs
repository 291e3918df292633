//! What changes stored data on request: deleting series, which is switched off unless the configuration allows it; and
//! the audit of it. It must never delete on a first word: without `yes` it says what it would do.

use super::asked::{blocking, peer};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use axum::extract::{Request, State};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use store::Deletion;
use store::audit::{self, Line, Who};

/// What a deletion never reaches, whatever it did: said with every answer.
pub const NOT_REACHED: &[&str] = &[
    "backups and exports that were made before; make new ones and remove the old",
    "samples of these series that arrive after the deletion began; stop their sender first",
    "what a file system, a disk or a bucket keeps of removed files: snapshots, unused sectors, old versions",
];

pub async fn delete_series(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    if !app.settings.delete_series {
        return Err(ApiError::forbidden(
            "deleting series is switched off; set delete_series = true under [admin] in the configuration file and \
             start again, or stop this program and use `midwatch delete-series --data FOLDER`",
        ));
    }
    let address = peer(&request);
    let params = Params::read(request).await?;
    let matchers = super::series::matcher_sets(&params)?;
    if matchers.is_empty() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    let start_ms = params.time_ms("start")?.unwrap_or(i64::MIN);
    let end_ms = params.time_ms("end")?.unwrap_or(i64::MAX);
    let deletion = Deletion { matchers, start_ms, end_ms };
    let is_meant = params.get("yes").is_some_and(|text| text == "1" || text == "true");
    let text = |name: &str| params.get(name).unwrap_or("").to_string();
    let who = Who { user: text("user"), host: text("host"), address, reason: text("reason") };
    if is_meant && who.reason.trim().is_empty() {
        return Err(ApiError::bad("invalid parameter \"reason\": it is missing; it goes into the audit"));
    }
    let reach = blocking(&app, move |app| {
        if !is_meant {
            return app.store.plan_delete(&deletion);
        }
        let reach = app.store.delete_series(&deletion, &who, &now_ms)?;
        app.sink.exemplars().delete(&deletion.matchers, deletion.start_ms, deletion.end_ms)?;
        // What searches and senders' books remember of the labels.
        let _ = app.catalogue.forget_deleted(&app.store, &deletion.matchers);
        app.sink.known().forget_unused();
        Ok(reach)
    })
    .await?;
    Ok(success(&json!({
        "dry_run": !is_meant,
        "series": reach.series,
        "samples": reach.samples,
        "blocks": reach.blocks,
        "bytes": reach.bytes,
        "in_memory": reach.in_head,
        "remaining": reach.remaining,
        "not_reached": NOT_REACHED,
    })))
}

pub async fn audit(State(app): State<Arc<App>>) -> ApiResult {
    let lines = blocking(&app, |app| audit::read(app.store.folder())).await?;
    let (mut entries, mut damaged) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Line::Whole(entry) => entries.push(entry),
            Line::Damaged { number, why } => damaged.push(json!({ "line": number, "why": why })),
        }
    }
    let enabled = app.settings.delete_series;
    Ok(success(&json!({ "delete_series": enabled, "entries": entries, "damaged": Json::Array(damaged) })))
}
