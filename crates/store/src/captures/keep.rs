//! Which captures stay: what was never finished goes at the start, the oldest go when there are too many or they take too
//! much, pinned ones stay. It must never remove what a manifest names, other than whole captures, nor anything that it
//! does not know.

use super::manifest::{AFTER, BEFORE, Manifest};
use super::{Capture, PIN, UNFINISHED, is_id};
use crate::durable::{self, sync_folder};
use crate::objects::io_error;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use stdx::{Error, Result};

/// Bytes of the reason of a pin.
const PIN_BYTES_MAX: usize = 1_000;

/// How much of captures is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all of them; the oldest that are not pinned go.
    pub bytes_max: u64,
    /// Older ones that are not pinned go, milliseconds.
    pub age_max_ms: i64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { bytes_max: 4 << 30, age_max_ms: 90 * 86_400_000 }
    }
}

/// A capture that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub id: String,
    /// Its size.
    pub bytes: u64,
    /// Why it went, in words.
    pub why: &'static str,
}

/// Names of the captures in a folder.
pub fn ids(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| io_error(folder, e))?;
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| io_error(folder, e))?;
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        out.extend(entry.file_name().into_string().ok().filter(|name| is_folder && is_id(name)));
    }
    Ok(out)
}

/// Removes what was never finished: folders beside the captures, and files that no manifest names where the seconds after
/// the trigger were being added. Returns what, in words.
pub fn collect(folder: &Path) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| io_error(folder, e))? {
        let entry = entry.map_err(|e| io_error(folder, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(UNFINISHED) {
            std::fs::remove_dir_all(entry.path()).map_err(|e| io_error(&entry.path(), e))?;
            let of = name.trim_start_matches('.').split('.').next().unwrap_or_default().to_string();
            removed.push(format!("what was written of capture {of} when the program ended was removed"));
        }
    }
    for id in ids(folder)? {
        let place = folder.join(&id);
        if place.join(AFTER).exists() {
            continue;
        }
        // A manifest that cannot be read names nothing: then everything stays.
        let Ok(manifest) = Manifest::read(&place.join(BEFORE)) else { continue };
        let named: BTreeSet<&str> = manifest.files.iter().map(|f| f.name.as_str()).collect();
        for entry in std::fs::read_dir(&place).map_err(|e| io_error(&place, e))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("after-") && name.ends_with(".parquet") && !named.contains(name.as_str()) {
                std::fs::remove_file(entry.path()).map_err(|e| io_error(&entry.path(), e))?;
                removed.push(format!("{id}/{name} belonged to no manifest and was removed"));
            }
        }
    }
    if !removed.is_empty() {
        sync_folder(folder)?;
    }
    Ok(removed)
}

/// Which captures go, the oldest first.
pub fn due(all: &[Capture], retention: &Retention, now_ms: i64) -> Vec<Kept> {
    let mut bytes: u64 = all.iter().map(|c| c.bytes).sum();
    let mut out = Vec::new();
    // Newest first as they are listed. One that cannot be read stays: somebody may want to look into it.
    for capture in all.iter().rev().filter(|c| c.pinned.is_none()) {
        let Ok(manifest) = &capture.before else { continue };
        let is_old = manifest.trigger_ms < now_ms.saturating_sub(retention.age_max_ms);
        if !is_old && bytes <= retention.bytes_max {
            continue;
        }
        bytes -= capture.bytes;
        let why = if is_old { "older than captures are kept" } else { "captures took more than they may" };
        out.push(Kept { id: capture.id.clone(), bytes: capture.bytes, why });
    }
    out
}

/// Which captures move to the archive, the oldest first: those that are old, and what is over most of the bound, before the
/// bound removes it. Not those that are pinned, cannot be read, or may still be added to.
pub fn due_for_archive(all: &[Capture], retention: &Retention, after_ms: i64, now_ms: i64) -> Vec<String> {
    let bytes_max = (retention.bytes_max as f64 * crate::archive::FULL_RATIO) as u64;
    let mut bytes: u64 = all.iter().map(|c| c.bytes).sum();
    let mut out = Vec::new();
    for capture in all.iter().rev().filter(|c| c.pinned.is_none()) {
        let Ok(manifest) = &capture.before else { continue };
        let is_old = manifest.trigger_ms < now_ms.saturating_sub(after_ms);
        let is_whole = capture.after.is_some() || is_old;
        if is_whole && (is_old || bytes > bytes_max) {
            bytes -= capture.bytes;
            out.push(capture.id.clone());
        }
    }
    out
}

/// Removes a capture: out of sight by one rename first.
pub fn remove(folder: &Path, id: &str) -> Result<()> {
    let gone = folder.join(format!(".{id}{UNFINISHED}"));
    let place = folder.join(id);
    std::fs::rename(&place, &gone).map_err(|e| io_error(&place, e))?;
    sync_folder(folder)?;
    std::fs::remove_dir_all(&gone).map_err(|e| io_error(&gone, e))
}

/// Why a capture is pinned.
pub fn pin_of(folder: &Path, id: &str) -> Option<String> {
    let file = File::open(folder.join(format!("{id}{PIN}"))).ok()?;
    let mut text = String::new();
    file.take(PIN_BYTES_MAX as u64).read_to_string(&mut text).ok()?;
    Some(text.trim().to_string())
}

/// Pins, or lets go.
pub fn pin(folder: &Path, id: &str, why: Option<&str>) -> Result<()> {
    let path = folder.join(format!("{id}{PIN}"));
    let io = |e| io_error(&path, e);
    match why {
        Some(why) if why.len() > PIN_BYTES_MAX => {
            return Err(Error::invalid(format!("a reason has at most {PIN_BYTES_MAX} bytes")));
        }
        Some(why) => {
            durable::replace(&path, why.as_bytes()).map_err(io)?;
        }
        None => match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        },
    }
    sync_folder(folder)
}
