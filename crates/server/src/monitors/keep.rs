//! What is kept over restarts, in the folder `monitors` of the data folder: alerts, silences, and the outbox. Each is
//! written beside and renamed, or appended and synced. Format: docs/formats/monitors.md. What cannot be read is set aside,
//! never a reason not to start.

use super::loaded::RuleRun;
use super::{Monitors, lock};
use crate::clock::now_ms;
use monitor::news::About;
use monitor::notify::frame;
use monitor::notify::silence::Silence;
use monitor::{RuleState, saved};
use serde_json::{Map, Value as Json, json};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

pub use store::durable::replace;

const ALERTS: &str = "alerts.json";
const SILENCES: &str = "silences.json";
const OUTBOX: &str = "outbox.log";
const FORMAT: u64 = 1;
/// More is not read.
const FILE_BYTES_MAX: u64 = 256 << 20;

impl Monitors {
    /// Brings back the alerts of an earlier process, and reads the rule files.
    pub(super) fn restore(&self, now_ms: i64) {
        let kept = read_json(&self.folder.join(ALERTS));
        let saved_ms = kept["saved_ms"].as_i64().unwrap_or(now_ms);
        let rules = kept["rules"].as_object().cloned().unwrap_or_default();
        self.read_files(now_ms);
        self.read_notifications(now_ms);
        self.notify().reopen(now_ms);
        let mut known: Map<String, Json> = rules;
        for group in self.groups() {
            let mut run = lock(&group.run);
            for (parsed, rule) in group.parsed.iter().zip(run.rules.iter_mut()) {
                let Some(json) = known.remove(&parsed.key) else { continue };
                let Ok(state) = saved::from_json(&json, saved_ms, now_ms) else { continue };
                let url = self.url_of(parsed);
                let firing = About { url: &url, limit: &parsed.limit }.firing(&state);
                let mut notify = self.notify();
                firing.into_iter().for_each(|alert| notify.notifier.put(alert, now_ms));
                drop(notify);
                rule.series = state.series().into_iter().map(|(labels, _)| labels).collect();
                rule.state = state;
            }
        }
        // Rules that were taken away while nobody looked.
        let gone = known.values().filter_map(|json| saved::from_json(json, saved_ms, now_ms).ok());
        self.end_rules(gone.map(|state: RuleState| RuleRun { state, ..RuleRun::default() }), now_ms);
    }

    /// Writes alerts, if any changed.
    pub(super) fn save_alerts(&self, now_ms: i64) {
        if !self.is_dirty.swap(false, Relaxed) {
            return;
        }
        let mut rules = Map::new();
        for group in self.groups() {
            group.each(|_, _, parsed, run| {
                rules.extend(saved::to_json(&run.state).map(|json| (parsed.key.clone(), json)));
            });
        }
        let path = self.folder.join(ALERTS);
        if rules.is_empty() && !path.exists() {
            return;
        }
        let json = json!({ "format": FORMAT, "saved_ms": now_ms, "rules": rules });
        if replace(&path, json.to_string().as_bytes()).is_err() {
            self.counters.keep_errors.inc();
            self.is_dirty.store(true, Relaxed);
        }
    }
}

/// The silences that were kept.
pub fn read_silences(folder: &Path) -> Vec<Silence> {
    let json = read_json(&folder.join(SILENCES));
    let list = json["silences"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|s| Silence::from_kept(s).ok()).collect()
}

/// Writes all silences.
///
/// # Errors
/// As the file system's.
pub fn write_silences(folder: &Path, silences: &[Silence]) -> std::io::Result<()> {
    let now_ms = now_ms();
    let list: Vec<Json> = silences.iter().map(|s| s.to_api(now_ms)).collect();
    replace(&folder.join(SILENCES), json!({ "format": FORMAT, "silences": list }).to_string().as_bytes())
}

/// The lines of the outbox, each after its checksum was compared.
pub fn read_outbox(folder: &Path) -> (Vec<String>, usize) {
    frame::read(&read_text(&folder.join(OUTBOX)))
}

/// The file of the outbox, to be appended to.
pub struct OutboxFile {
    file: File,
    /// Its length.
    pub bytes: u64,
}

impl OutboxFile {
    /// Writes the file anew with these lines.
    ///
    /// # Errors
    /// As the file system's.
    pub fn create(folder: &Path, lines: &[String]) -> std::io::Result<OutboxFile> {
        let path = folder.join(OUTBOX);
        let text = frame::write(lines);
        replace(&path, text.as_bytes())?;
        Ok(OutboxFile { file: OpenOptions::new().append(true).open(&path)?, bytes: text.len() as u64 })
    }

    /// Appends lines, durable when this returns.
    ///
    /// # Errors
    /// As the file system's: then the file has to be written anew, since nobody knows how it ends.
    pub fn append(&mut self, lines: &[String]) -> std::io::Result<()> {
        let text = frame::write(lines);
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}

fn read_text(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file of ours; `Null` if there is none. One that makes no sense is set aside for whoever wants to look.
pub(super) fn read_json(path: &Path) -> Json {
    let text = read_text(path);
    if text.is_empty() {
        return Json::Null;
    }
    match serde_json::from_str::<Json>(&text) {
        Ok(json) if json["format"] == FORMAT => json,
        _ => {
            let _ = std::fs::rename(path, path.with_extension("unreadable"));
            Json::Null
        }
    }
}
