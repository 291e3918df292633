//! What changed on this machine, found out as on the server's and told to it. What it cannot be told is tried again; the same
//! change twice is one. It must never tell what is in a file, only that it changed.

use super::{Shared, link::said};
use crate::changes::{FAILED, Looking, MEMORY_FILE, look, of_machine};
use bytes::Bytes;
use model::Change;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use tokio::sync::watch;

/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Looks and tells until the agent stops.
pub(super) async fn run(shared: Arc<Shared>, stopping: watch::Receiver<bool>) {
    let settings = &shared.settings;
    let begun = Instant::now();
    let looking = Looking {
        hostname: settings.hostname.clone(),
        memory: settings.data.join(MEMORY_FILE),
        period: Duration::from_millis(settings.changes.period_ms),
        failed: shared.registry.counter(FAILED.0, FAILED.1),
    };
    let (proc_root, files) = (settings.host.proc_root.clone(), settings.changes.files.clone());
    let reading = shared.clone();
    let read = move || {
        let (proc_root, files) = (proc_root.clone(), files.clone());
        reading.reading.run(move || of_machine(&proc_root, &files, begun))
    };
    let telling = shared.clone();
    let write = move |changes: Vec<Change>| {
        let shared = telling.clone();
        async move {
            for change in &changes {
                tell(&shared, change).await?;
            }
            Ok(())
        }
    };
    look(looking, read, write, stopping).await;
}

async fn tell(shared: &Shared, change: &Change) -> Result<()> {
    let message = ("application/json", Vec::new(), Bytes::from(to_json(change).to_string()));
    let sent = shared.link.send("/api/v1/changes", message, TIMEOUT, ANSWER_BYTES_MAX).await?;
    match sent.status.as_u16() {
        200 => Ok(()),
        // It will never be taken; the others may be.
        400 | 413 | 422 => {
            shared.registry.counter(FAILED.0, FAILED.1).inc();
            (shared.say)(&format!("The server does not take a change: {}", said(&sent.body)));
            Ok(())
        }
        status => Err(Error::new(ErrorKind::Unavailable, format!("the server answered {status}"))),
    }
}

/// As the API takes it.
fn to_json(change: &Change) -> Json {
    let attributes: serde_json::Map<String, Json> = change
        .attributes
        .iter()
        .filter(|(name, _)| *name != ::look::changes::SAID)
        .map(|(name, value)| (name.to_string(), Json::from(value)))
        .collect();
    json!({
        "id": change.id, "time": change.time_ns as f64 / 1e9, "kind": change.kind, "title": change.title,
        "service": change.service, "host": change.host, "author": change.author, "attributes": attributes,
    })
}
