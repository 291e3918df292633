//! Agents over HTTP: which there are, what one tells of itself and is asked for, and the captures that they hand over. A
//! capture is taken from an agent only if this server has the one that it belongs to.

use super::asked::{blocking, peer};
use crate::agents::{Ask, Known, Told, UPLOAD, UPLOAD_BYTES_MAX, UPLOADS, base_of, name_at};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, each_part, read_body, success};
use axum::extract::{Path, Request, State};
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};

/// Bytes of what an agent tells of itself.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Bytes of one text of it, and how many there are of a kind.
const TEXT_BYTES_MAX: usize = 300;
const TEXTS_MAX: usize = 16;
/// How long after a capture agents may add theirs.
const LATE_MS: i64 = 86_400_000;

/// All of them.
pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    let agents: Vec<Json> = app.agents.list().iter().map(shown).collect();
    Ok(success(&json!({ "now_ms": now_ms(), "agents": agents })))
}

fn shown(known: &Known) -> Json {
    let told = &known.told;
    let mut problems = told.problems.clone();
    if known.has_namesake {
        problems.insert(0, "another agent calls its host the same: start one of them with --name".into());
    }
    json!({
        "id": told.id, "host": told.host, "version": told.version, "address": known.address, "last_ms": known.last_ms,
        "is_alive": known.is_alive, "buffered_samples": told.buffered_samples, "buffer_bytes": told.buffer_bytes,
        "buffer_bytes_max": told.buffer_bytes_max, "dropped_samples": told.dropped_samples,
        "behind_ms": told.behind_ms, "problems": problems,
        "asked_for": known.asks.iter().map(|a| &a.capture).collect::<Vec<_>>(),
    })
}

/// What an agent tells of itself, and what it is asked for: it waits up to `wait_ms` until there is something.
pub async fn asks(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let address = peer(&request);
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let json: Json =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not JSON: {e}")))?;
    let told = read(&json)?;
    let wait = Duration::from_millis(json["wait_ms"].as_u64().unwrap_or(0));
    let asks = app.agents.poll(told, address, wait).await?;
    let asks: Vec<Json> = asks.iter().map(ask).collect();
    Ok(success(&json!({ "now_ms": now_ms(), "asks": asks })))
}

fn ask(ask: &Ask) -> Json {
    json!({
        "capture": ask.capture, "name": ask.name, "cause": ask.cause, "trigger_ms": ask.trigger_ms,
        "after_ms": ask.after_ms,
    })
}

fn read(json: &Json) -> ApiResult<Told> {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_string();
    let texts = |name: &str| -> Vec<String> {
        let all = json[name].as_array().into_iter().flatten().filter_map(|v| v.as_str());
        all.take(TEXTS_MAX).map(|t| t[..t.floor_char_boundary(TEXT_BYTES_MAX)].to_string()).collect()
    };
    let number = |name: &str| json[name].as_u64().unwrap_or_default();
    let told = Told {
        id: text("id"),
        host: text("host"),
        version: text("version").chars().take(40).collect(),
        taken: texts("taken"),
        buffered_samples: number("buffered_samples"),
        buffer_bytes: number("buffer_bytes"),
        buffer_bytes_max: number("buffer_bytes_max"),
        dropped_samples: number("dropped_samples"),
        behind_ms: number("behind_ms"),
        problems: texts("problems"),
    };
    if told.id.len() != 16 || !told.id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ApiError::bad("an agent has an id of 16 hexadecimal digits"));
    }
    crate::agent::check_name(&told.host)?;
    Ok(told)
}

/// One part of an agent's capture, as one zip: durable, and read back, when this answers.
pub async fn receive(State(app): State<Arc<App>>, Path(name): Path<String>, request: Request) -> ApiResult {
    let params = Params::of_url(&request);
    let id = params.required("agent", params.get("agent"))?.to_string();
    let received = receive_part(&app, &name, &id, request).await;
    match &received {
        Ok(_) => app.agents.counters.received.inc(),
        Err(_) => app.agents.counters.refused.inc(),
    }
    received
}

async fn receive_part(app: &Arc<App>, name: &str, id: &str, request: Request) -> ApiResult {
    let host = app.agents.host_of(id)?;
    let base = base_of(name).filter(|base| name_at(base, &host) == name).map(str::to_string);
    let Some(base) = base else {
        return Err(ApiError::bad("a capture of an agent is called as the server asked it to be"));
    };
    blocking(app, move |app| {
        let trigger_ms = app.captures.kept.get(&base)?.before.map_err(Error::corrupt)?.trigger_ms;
        if now_ms().saturating_sub(trigger_ms) > LATE_MS {
            let text = format!("{base} is older than a day; agents add nothing to it any more");
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        Ok(())
    })
    .await?;
    let Ok(_permit) = app.agents.uploads.try_acquire() else {
        let text = "several captures are being taken; try again in a second";
        return Err(Error::new(ErrorKind::Busy, text).bound(UPLOADS).into());
    };
    let file = Temporary::new(app)?;
    let (path, mut out) = (file.0.clone(), file.create()?);
    let fail = |e: std::io::Error| Error::wrap(ErrorKind::Unavailable, "the capture cannot be written", e);
    each_part(request, UPLOAD_BYTES_MAX, |bytes| Ok(out.write_all(bytes).map_err(fail)?))
        .await
        .map_err(|e| e.too_long_for(UPLOAD))?;
    drop(out);
    let name = name.to_string();
    let taken = blocking(app, move |app| app.captures.kept.receive(&path, &name, &host)).await;
    drop(file);
    let (manifest, is_new) = taken?;
    Ok(success(&json!({
        "id": manifest.id, "part": manifest.part, "is_new": is_new, "files": manifest.files.len(),
        "bytes": manifest.files.iter().map(|f| f.bytes).sum::<u64>(),
    })))
}

/// A file for what comes, gone when it is dropped; what a kill leaves is collected at the next start.
struct Temporary(PathBuf);

impl Temporary {
    fn new(app: &App) -> Result<Temporary> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = app.captures.kept.folder().join(".uploads.unfinished");
        std::fs::create_dir_all(&folder)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the capture cannot be written", e))?;
        Ok(Temporary(folder.join(format!("{}.zip", NUMBER.fetch_add(1, Relaxed)))))
    }

    fn create(&self) -> Result<File> {
        File::create(&self.0)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the capture cannot be written", e))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
