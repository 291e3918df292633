//! Captures in a backup: their files never change, so they are given a second name or copied once, and kept by the next backup.
//! One that goes while it is read is left out whole. It must never bring half of a capture, nor a file that the manifest
//! does not name.

use super::list::Listed;
use super::{Work, copy, crc32_of, unless_gone};
use crate::captures::{FOLDER, Manifest, PIN, Part, ids};
use crate::durable::sync_folder;
use crate::objects::io_error;
use std::path::Path;
use stdx::{ErrorKind, Result};

impl Work<'_> {
    /// Brings all captures that are there, and which are pinned.
    pub(super) fn captures(&mut self) -> Result<Vec<Listed>> {
        let from = self.data.join(FOLDER);
        let mut files = Vec::new();
        let all = if from.is_dir() { ids(&from)? } else { Vec::new() };
        let to = self.dest.join(FOLDER);
        std::fs::create_dir_all(&to).map_err(|e| io_error(&to, e))?;
        for id in &all {
            match self.capture(&from, id) {
                Ok(found) => files.extend(found),
                // Removed meanwhile.
                Err(e) if e.kind == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        sync_folder(&to)?;
        Ok(files)
    }

    fn capture(&mut self, from: &Path, id: &str) -> Result<Vec<Listed>> {
        let mut files = Vec::new();
        let folder = self.dest.join(FOLDER).join(id);
        std::fs::create_dir_all(&folder).map_err(|e| io_error(&folder, e))?;
        for part in [Part::Before, Part::After] {
            let manifest = match Manifest::read(&from.join(id).join(part.manifest())) {
                Ok(manifest) => manifest,
                // The time after the trigger is not over.
                Err(e) if e.kind == ErrorKind::NotFound && part == Part::After => continue,
                Err(e) if e.kind == ErrorKind::Corrupt => {
                    self.result.problems.push(format!("{FOLDER}/{id}: {e}; it is not in the backup"));
                    return Ok(Vec::new());
                }
                Err(e) => return Err(e),
            };
            self.watch.expect(manifest.files.len() as u64, manifest.files.iter().map(|f| f.bytes).sum());
            for entry in &manifest.files {
                let listed = self.file_of_capture(&format!("{FOLDER}/{id}/{}", entry.name), entry.bytes)?;
                if listed.bytes != entry.bytes {
                    self.result.problems.push(format!(
                        "{} is damaged in the data folder and was copied as it is; `midwatch verify` says what is lost",
                        listed.path
                    ));
                }
                self.watch.file()?;
                files.push(listed);
            }
            let path = format!("{FOLDER}/{id}/{}", part.manifest());
            let length = std::fs::metadata(self.data.join(&path)).map_err(|e| io_error(from, e))?.len();
            files.push(self.file_of_capture(&path, length)?);
        }
        sync_folder(&folder)?;
        // A pin comes and goes: it is copied anew each time.
        let path = format!("{FOLDER}/{id}{PIN}");
        let to = self.dest.join(&path);
        let _ = std::fs::remove_file(&to);
        if let Some((bytes, crc32)) =
            unless_gone(copy(&self.data.join(&path), &to, u64::MAX, &mut |_| Ok(())))?
        {
            files.push(Listed { path, bytes, crc32 });
        }
        Ok(files)
    }

    /// One file that never changes: kept from the backup before, linked, or copied.
    fn file_of_capture(&mut self, path: &str, bytes: u64) -> Result<Listed> {
        let (source, to) = (self.data.join(path), self.dest.join(path));
        let is_there = std::fs::metadata(&to).is_ok_and(|m| m.len() == bytes);
        let before = self.before.and_then(|l| l.files.iter().find(|f| f.path == path && f.bytes == bytes));
        if let Some(listed) = before.filter(|_| is_there) {
            self.result.kept += 1;
            self.watch.bytes(bytes)?;
            return Ok(listed.clone());
        }
        let _ = std::fs::remove_file(&to);
        let watch = &mut self.watch;
        if !self.options.copy && std::fs::hard_link(&source, &to).is_ok() {
            self.result.linked += 1;
            let bytes = std::fs::metadata(&to).map_err(|e| io_error(&to, e))?.len();
            let crc32 = crc32_of(&to, &mut |n| watch.bytes(n))?;
            return Ok(Listed { path: path.into(), bytes, crc32 });
        }
        let (bytes, crc32) = copy(&source, &to, u64::MAX, &mut |n| watch.bytes(n))?;
        self.result.copied_bytes += bytes;
        Ok(Listed { path: path.into(), bytes, crc32 })
    }
}

/// Removes captures, and files of captures, that a newer backup does not have. Only what carries names of ours.
pub(super) fn remove_unnamed(dest: &Path, list: &super::List) -> Result<()> {
    let folder = dest.join(FOLDER);
    let is_named = |path: &str| list.files.iter().any(|f| f.path == path);
    for id in ids(&folder)? {
        let place = folder.join(&id);
        for entry in std::fs::read_dir(&place).map_err(|e| io_error(&place, e))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.ends_with(".parquet") || name.ends_with(".json");
            if is_ours && !is_named(&format!("{FOLDER}/{id}/{name}")) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        // It stays if there is anything in it.
        let _ = std::fs::remove_dir(&place);
        let pin = format!("{FOLDER}/{id}{PIN}");
        if !is_named(&pin) {
            let _ = std::fs::remove_file(dest.join(pin));
        }
    }
    Ok(())
}

/// Makes the names of captures durable that a restore brought.
pub(super) fn sync_restored(data: &Path) -> Result<()> {
    let folder = data.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    for id in ids(&folder)? {
        sync_folder(&folder.join(id))?;
    }
    sync_folder(&folder)
}
