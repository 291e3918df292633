//! Captures over HTTP: taken, listed, looked into, compared, read back, exported, pinned, removed. Who does something to
//! one stands in the audit.

use super::asked::{blocking, said};
use crate::app::App;
use crate::captures::view;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use monitor::ledger::Event;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::sync::Arc;
use stdx::{Error, Result};
use store::audit::{Audit, Who};
use store::captures::{Capture, Cause};

/// Bytes of a request.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Characters of what is said of a capture.
const TEXT_CHARS_MAX: usize = 500;
/// Pieces of an export that wait for whoever fetches it.
const PIECES_MAX: usize = 8;

/// The captures, and what the ring holds now.
pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    let captures = blocking(&app, |app| Ok(app.captures.kept.list()?.iter().map(shown).collect())).await?;
    let captures: Vec<Json> = captures;
    let ring: Vec<Json> = app
        .captures
        .ring()
        .read()
        .iter()
        .map(|r| {
            json!({
                "class": r.class.name, "memory_bytes": r.memory_bytes, "budget_bytes": r.budget_bytes,
                "since_ms": r.since_ms, "rows": r.rows, "refused": r.refused, "dropped_early": r.dropped_early,
                "problem": r.told.problem, "period_seconds": r.told.period_seconds,
            })
        })
        .collect();
    let s = &app.captures.settings;
    Ok(success(&json!({
        "now_ms": now_ms(), "captures": captures, "ring": ring, "collected": app.captures.collected,
        "is_recording": app.settings.host.is_some(), "opened": s.opened,
        "before_ms": s.before_ms, "after_ms": s.after_ms, "period_ms": s.period_ms,
        "bytes_max": s.retention.bytes_max, "age_max_ms": s.retention.age_max_ms,
    })))
}

fn shown(capture: &Capture) -> Json {
    let mut out =
        json!({ "id": capture.id, "bytes": capture.bytes, "pinned": capture.pinned, "after": capture.after });
    match &capture.before {
        Ok(manifest) => out["before"] = json!(manifest),
        Err(problem) => out["problem"] = json!(problem),
    }
    out
}

pub async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    let capture = blocking(&app, move |app| app.captures.kept.get(&id)).await?;
    Ok(success(&shown(&capture)))
}

/// Takes one now. Whoever asks for it from a monitor has acted on that.
pub async fn take(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let (json, who) = said(request, BODY_BYTES_MAX).await?;
    if app.captures.settings.opened.is_some() {
        return Err(ApiError::bad("this shows one capture; nothing is recorded here that could be captured"));
    }
    let text = text_of(&json, "text").or(text_of(&json, "reason")).unwrap_or_default();
    let kind = if who.user.is_empty() { "api" } else { "person" };
    let from = match text_of(&json, "monitor") {
        Some(id) => Some(app.monitors.note_from(&id, Event::Acted)?),
        None => None,
    };
    let text = match (text.as_str(), from) {
        ("", Some(name)) => format!("asked for from the monitor {name}"),
        _ => text,
    };
    let cause = Cause { kind: kind.into(), name: who.user, text, ..Cause::default() };
    let taken = blocking(&app, move |app| app.captures.take(cause)).await?;
    Ok(success(&json!({ "id": taken.id, "is_joined": taken.is_joined, "took_ms": taken.took_ms })))
}

/// Reads every checksum back.
pub async fn verify(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    let of = id.clone();
    let verified = blocking(&app, move |app| app.captures.kept.verify(&of)).await?;
    Ok(success(&json!({
        "id": id, "is_whole": verified.problems.is_empty(), "files": verified.files, "bytes": verified.bytes,
        "problems": verified.problems,
    })))
}

/// Pins it with a reason, or lets go of it: `{"pinned": false}`.
pub async fn pin(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (json, who) = said(request, BODY_BYTES_MAX).await?;
    let is_pinned = json["pinned"].as_bool().unwrap_or(true);
    let why = text_of(&json, "why").unwrap_or_else(|| "pinned".into());
    let what = if is_pinned { "capture pinned" } else { "capture let go" };
    blocking(&app, move |app| {
        app.captures.kept.get(&id)?;
        note(app, what, &who, json!({ "id": id, "why": why }))?;
        app.captures.kept.pin(&id, is_pinned.then_some(why.as_str()))?;
        app.captures.kept.get(&id)
    })
    .await
    .map(|capture| success(&shown(&capture)))
}

/// Brings it back from the archive.
pub async fn restore(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (_, who) = said(request, BODY_BYTES_MAX).await?;
    blocking(&app, move |app| {
        app.store.bring_capture_back(&app.captures.kept, &id)?;
        note(app, "capture brought back", &who, json!({ "id": id }))?;
        app.captures.kept.get(&id)
    })
    .await
    .map(|capture| success(&shown(&capture)))
}

pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (_, who) = said(request, BODY_BYTES_MAX).await?;
    blocking(&app, move |app| {
        let capture = app.captures.kept.get(&id)?;
        if capture.pinned.is_none() {
            note(app, "capture removed", &who, json!({ "id": id, "bytes": capture.bytes }))?;
        }
        app.captures.kept.delete(&id)
    })
    .await?;
    list(State(app)).await
}

/// The rows of a table at a moment: `table`, `time` (the trigger, if it is not said), `limit`.
pub async fn at(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let table = params.required("table", params.get("table"))?.to_string();
    let time_ms = params.time_ms("time")?;
    let limit = params.number("limit")?.unwrap_or(200);
    let found = blocking(&app, move |app| {
        let time_ms = match time_ms {
            Some(time_ms) => time_ms,
            None => app.captures.kept.get(&id)?.before.map_err(Error::corrupt)?.trigger_ms,
        };
        view::at(&app.captures, &id, &table, time_ms, limit)
    });
    Ok(success(&found.await?))
}

pub async fn timeline(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    Ok(success(&blocking(&app, move |app| view::timeline(&app.captures, &id)).await?))
}

/// What is different from another capture: `with`.
pub async fn compare(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let with = params.required("with", params.get("with"))?.to_string();
    Ok(success(&blocking(&app, move |app| view::differences(&app.captures, &id, &with)).await?))
}

/// The capture as one zip.
pub async fn export(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    let of = id.clone();
    blocking(&app, move |app| app.captures.kept.get(&of).map(drop)).await?;
    let (pieces, received) = tokio::sync::mpsc::channel::<std::io::Result<bytes::Bytes>>(PIECES_MAX);
    let (inside, of) = (app.clone(), id.clone());
    tokio::task::spawn_blocking(move || {
        let mut out = std::io::BufWriter::with_capacity(1 << 18, Pieces(pieces.clone()));
        let done = store::captures::export(&inside.captures.kept, &of, &mut out)
            .map_err(std::io::Error::other)
            .and_then(|_| out.flush());
        if let Err(e) = done {
            // The answer has begun: it is cut off, which whoever fetches it sees.
            let _ = pieces.blocking_send(Err(e));
        }
    });
    let stream = Received(received);
    let name = format!("attachment; filename=\"midwatch-capture-{id}.zip\"");
    Response::builder()
        .header(CONTENT_TYPE, "application/zip")
        .header(CONTENT_DISPOSITION, name)
        .body(Body::from_stream(stream))
        .map_err(|_| Error::invalid("a capture is called by lower-case letters, digits and -").into())
}

struct Pieces(tokio::sync::mpsc::Sender<std::io::Result<bytes::Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = bytes::Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Received(tokio::sync::mpsc::Receiver<std::io::Result<bytes::Bytes>>);

impl futures_core::Stream for Received {
    type Item = std::io::Result<bytes::Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

fn text_of(json: &Json, name: &str) -> Option<String> {
    json[name].as_str().filter(|t| !t.trim().is_empty()).map(|t| t.chars().take(TEXT_CHARS_MAX).collect())
}

fn note(app: &App, what: &str, who: &Who, details: Json) -> Result<()> {
    Audit::open(app.store.folder())?.note(now_ms(), what, who, details)
}
