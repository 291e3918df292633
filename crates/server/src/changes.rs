//! Changes: written to the store, read back as one for each id, and looked for on this machine. What somebody says about a change is
//! a row of its own, with who and from where, and no row is ever altered: the table is its own audit.
//! It must never record what is in a file, only that it changed.

mod compare;
mod facts;

pub use compare::compare;
pub use facts::of_machine;

use crate::app::App;
use crate::clock::now_ms;
use crate::gate::Stop;
use ::look::changes::{Detector, Fact, Memory, SAID, join};
use model::Change;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::metrics::Value;
use stdx::{Error, ErrorKind, Result};
use store::tables::{Order, Predicate, Scan, Table, to_changes};
use tokio::sync::watch;

/// Rows that one list reads.
const ROWS_MAX: usize = 50_000;
/// What is remembered of this machine, in the data folder.
pub const MEMORY_FILE: &str = "changes-seen.json";

/// What is asked for. Empty texts ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// First and last time, nanoseconds since 1970.
    pub range_ns: (i64, i64),
    /// One change.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its service.
    pub service: String,
    /// Its host.
    pub host: String,
}

/// Changes, the newest first, each with all that was said of it; whether there are more; and what of the store is damaged.
///
/// # Errors
/// `Cancelled` if it takes too long.
pub fn list(app: &App, asked: &Asked, stop: &Stop) -> Result<(Vec<Change>, bool, Vec<String>)> {
    let mut predicates = Vec::new();
    if !asked.id.is_empty() {
        predicates.push(Predicate::Equals { column: "id".into(), value: asked.id.clone() });
    }
    let scan = Scan {
        from_ns: asked.range_ns.0,
        to_ns: asked.range_ns.1,
        predicates,
        order: Order::NewestFirst,
        limit: Some(ROWS_MAX),
        ..Scan::new(Table::Changes)
    };
    let mut rows = app.store.tables().scan(scan)?;
    let mut all = Vec::new();
    for batch in rows.by_ref() {
        if stop() {
            let text = "reading changes took too long; ask for a shorter range";
            return Err(Error::new(ErrorKind::Cancelled, text).bound("query.timeout"));
        }
        all.extend(to_changes(&batch?));
    }
    let is_cut = all.len() >= ROWS_MAX;
    let mut joined = join(all);
    // After joining: a later word may have moved it.
    let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
    joined.retain(|c| is(&asked.kind, &c.kind) && is(&asked.service, &c.service) && is(&asked.host, &c.host));
    Ok((joined, is_cut, rows.stats().damaged.clone()))
}

/// Writes changes; when this returns, they are durable.
///
/// # Errors
/// `Busy` or `Unavailable`: nothing was kept, send it again.
pub async fn write(app: &App, changes: Vec<Change>) -> Result<()> {
    let count = changes.len() as u64;
    app.store.tables().append_changes(changes)?.wait().await?;
    app.sink.book("changes", count, &[]);
    Ok(())
}

/// A new word on a change, stamped with when it was said.
pub fn said(mut change: Change, now_ms: i64) -> Change {
    change.attributes.set(SAID, &now_ms.to_string());
    change
}

/// Looks at the server's machine again and again, until told to stop.
pub async fn run(app: Arc<App>, stopping: watch::Receiver<bool>) {
    let begun = Instant::now();
    let looking = Looking {
        hostname: app.settings.hostname.clone(),
        memory: app.store.folder().join(MEMORY_FILE),
        period: Duration::from_millis(app.settings.changes.period_ms),
        failed: app.registry.counter(FAILED.0, FAILED.1),
    };
    let (reading, writing) = (app.clone(), app);
    let read = move || facts::read(&reading, begun);
    let write = move |changes| {
        let app = writing.clone();
        async move { write(&app, changes).await }
    };
    look(looking, read, write, stopping).await;
}

/// Changes that could not be kept.
pub const FAILED: (&str, &str) = ("midwatch_changes_failed_total", "Changes that could not be kept.");

/// Which machine is looked at, and where it is remembered what was seen.
pub struct Looking {
    /// Its name.
    pub hostname: String,
    /// The file of what was seen.
    pub memory: PathBuf,
    /// How often.
    pub period: Duration,
    /// See [`FAILED`].
    pub failed: Value,
}

/// Looks again and again, until told to stop: `read` gives the facts, `write` keeps what changed.
pub async fn look<F: Future<Output = Result<()>> + Send>(
    looking: Looking,
    read: impl Fn() -> Vec<Fact> + Clone + Send + 'static,
    write: impl Fn(Vec<Change>) -> F,
    mut stopping: watch::Receiver<bool>,
) {
    let from = looking.memory.clone();
    let memory = tokio::task::spawn_blocking(move || read_memory(&from)).await.unwrap_or_default();
    let mut detector = Detector::new(&looking.hostname, memory.clone());
    let mut written = memory;
    // What could not be written is tried again, as long as it is not too much.
    let mut waiting: Vec<Change> = Vec::new();
    loop {
        let facts = tokio::task::spawn_blocking(read.clone()).await.unwrap_or_default();
        waiting.extend(detector.step(facts, now_ms()));
        if !waiting.is_empty() {
            match write(waiting.clone()).await {
                Ok(()) => waiting.clear(),
                Err(_) if waiting.len() > 1_000 => {
                    looking.failed.add(waiting.len() as f64);
                    waiting.clear();
                }
                Err(_) => {}
            }
        }
        // Only what is told may be forgotten.
        if waiting.is_empty() && *detector.memory() != written {
            written = detector.memory().clone();
            let (path, memory) = (looking.memory.clone(), written.clone());
            let _ = tokio::task::spawn_blocking(move || write_memory(&path, &memory)).await;
        }
        tokio::select! {
            () = tokio::time::sleep(looking.period) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

fn read_memory(path: &PathBuf) -> Memory {
    let text = std::fs::read(path).unwrap_or_default();
    if text.len() > 64 << 20 {
        return Memory::default();
    }
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let object = |name: &str| json[name].as_object().cloned().unwrap_or_default();
    let texts = |name: &str| {
        object(name).into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_string()))).collect()
    };
    let names = |list: &serde_json::Value| {
        list.as_array().into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_string())).collect()
    };
    let kernel = json["kernel"]["release"].as_str().zip(json["kernel"]["boot_id"].as_str());
    Memory {
        packages: texts("packages"),
        files: object("files").into_iter().filter_map(|(k, v)| Some((k, v.as_u64()?))).collect(),
        kernel: kernel.map(|(r, b)| (r.to_string(), b.to_string())),
        binaries: texts("binaries"),
        members: object("members").into_iter().map(|(group, list)| (group, names(&list))).collect(),
    }
}

/// Whole or not at all: half a file would make everything new.
fn write_memory(path: &Path, memory: &Memory) -> std::io::Result<()> {
    let kernel = memory.kernel.as_ref().map(|(r, b)| serde_json::json!({ "release": r, "boot_id": b }));
    let json = serde_json::json!({
        "format": 1, "packages": memory.packages, "files": memory.files, "kernel": kernel, "binaries": memory.binaries,
        "members": memory.members,
    });
    store::durable::replace(path, json.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_and_a_spoiled_file_is_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MEMORY_FILE);
        assert_eq!(read_memory(&path), Memory::default());
        let map = |a: &str, b: &str| [(a.to_string(), b.to_string())].into();
        let memory = Memory {
            packages: map("curl", "8"),
            files: [("/etc/hosts".to_string(), u64::MAX)].into(),
            kernel: Some(("6.1".into(), "boot".into())),
            binaries: map("nginx.service", "1:2"),
            members: [("the targets of api".to_string(), ["a:1".to_string(), "b:1".to_string()].into())]
                .into(),
        };
        write_memory(&path, &memory).unwrap();
        assert_eq!(read_memory(&path), memory);
        std::fs::write(&path, "{\"packages\": 3").unwrap();
        assert_eq!(read_memory(&path), Memory::default());
    }
}
