//! Brings a backup back as a data folder. It must never write into a folder that holds anything, and never leave one
//! that looks whole before it is.

use super::list::{List, Listed};
use super::{SUBS, beside_of, copy, is_backup};
use crate::durable::sync_folder;
use crate::folder;
use crate::objects::io_error;
use crate::progress::{Progress, Watch};
use crate::tables;
use std::fs::File;
use std::path::Path;
use stdx::{Error, ErrorKind, Result};

/// What a restore brought back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restored {
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// When the backup was made, milliseconds since 1970.
    pub made_ms: i64,
    /// What is damaged in the backup and was brought back as it is, in words.
    pub problems: Vec<String>,
}

/// Makes `data` what it was when the backup `source` was made, durable when this returns. All checksums are compared
/// before the first file is written. With `partial` a damaged backup is brought back as far as it goes.
///
/// # Errors
/// `Invalid` if a folder is not what it should be; `Corrupt` if the backup is damaged; `Unavailable`; `Cancelled`.
pub fn restore(
    source: &Path,
    data: &Path,
    partial: bool,
    go_on: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Restored> {
    let mut watch = Watch::new(go_on);
    if !is_backup(source) {
        let text = format!("{} is not a backup that midwatch made", source.display());
        return Err(Error::invalid(text));
    }
    let list = List::read(source)?;
    let mut restored = Restored { made_ms: list.made_ms, ..Restored::default() };
    // Read twice: once to know that it is worth it, once to copy.
    watch.expect(2 * list.files.len() as u64, 2 * list.files.iter().map(|f| f.bytes).sum::<u64>());
    let mut missing = Vec::new();
    for file in &list.files {
        if let Some(what) = file.problem(source, &mut watch)? {
            restored.problems.push(format!("{}: {what}", file.path));
            if !source.join(&file.path).is_file() {
                missing.push(&file.path);
            }
        }
        watch.file()?;
    }
    if !partial && !restored.problems.is_empty() {
        return Err(Error::corrupt(format!(
            "the backup is damaged, nothing was restored: {}; `midwatch verify {}` says what is lost, --partial restores \
             the rest",
            restored.problems.join("; "),
            source.display()
        )));
    }
    let _lock = prepare(data, &list.id)?;
    for file in list.files.iter().filter(|f| !missing.contains(&&f.path)) {
        let path = match file.path.strip_prefix(&format!("{}/", list.wal)) {
            Some(name) if name.ends_with(".wal") => format!("wal/{name}"),
            Some(name) if name.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("{}/{name}", tables::log::FOLDER)
            }
            Some(name) => name.to_string(),
            None => file.path.clone(),
        };
        let (from, to) = (source.join(&file.path), data.join(&path));
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(|e| io_error(folder, e))?;
        }
        let (_, crc32) = copy(&from, &to, u64::MAX, &mut |n| watch.bytes(n))?;
        if crc32 != file.crc32 && !is_known(&restored, file) {
            return Err(Error::corrupt(format!("{} changed while it was copied", file.path)));
        }
        restored.files += 1;
        restored.bytes += file.bytes;
        watch.file()?;
    }
    for sub in SUBS.iter().chain(&["wal", tables::log::FOLDER, "tables"]) {
        sync_folder(&data.join(sub))?;
    }
    super::captures::sync_restored(data)?;
    for sub in ["critic/rules", "critic", "monitors", ""].map(|sub| data.join(sub)) {
        if sub.is_dir() {
            sync_folder(&sub)?;
        }
    }
    folder::finish_restore(data)?;
    Ok(restored)
}

fn is_known(restored: &Restored, file: &Listed) -> bool {
    restored.problems.iter().any(|p| p.starts_with(&format!("{}:", file.path)))
}

/// Checks and makes the folder that is to become a data folder, and locks it.
fn prepare(data: &Path, id: &str) -> Result<File> {
    let shown = data.display();
    if data.exists() && !data.is_dir() {
        return Err(Error::invalid(format!("{shown} is not a folder; name another with --data")));
    }
    if folder::is_ours(data) {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("{shown} is a data folder already, and is left as it is; name a new one with --data"),
        ));
    }
    let io = |e| io_error(data, e);
    std::fs::create_dir_all(data).map_err(io)?;
    let is_unfinished = folder::is_being_restored(data);
    if !is_unfinished && let Some(other) = folder::stranger(data)? {
        return Err(Error::invalid(format!(
            "{shown} is not empty (it holds {other:?}); name an empty or new folder with --data"
        )));
    }
    let lock = folder::lock(data)?;
    folder::begin_restore(data, id)?;
    for sub in SUBS.iter().chain(&["wal", tables::log::FOLDER, crate::captures::FOLDER]) {
        let sub = data.join(sub);
        // What an interrupted restore left, perhaps of another backup.
        let _ = std::fs::remove_dir_all(&sub);
        std::fs::create_dir_all(&sub).map_err(|e| io_error(&sub, e))?;
    }
    for name in beside_of(data)?.iter().filter(|_| is_unfinished) {
        let _ = std::fs::remove_file(data.join(name));
    }
    if let Ok(full) = data.canonicalize()
        && let Some(parent) = full.parent()
    {
        // Best effort: the parent may be a folder that we may not open.
        let _ = sync_folder(parent);
    }
    Ok(lock)
}
