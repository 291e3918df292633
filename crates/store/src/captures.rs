//! Captures: the last minutes of everything, each an immutable folder of Parquet files with a manifest that has a
//! checksum of each. A folder appears whole, by one rename after everything in it is durable; the seconds after the
//! trigger come later as further files with a manifest of their own. Whatever a kill leaves half done is collected at the
//! next start. Format: `docs/formats/captures.md`. It must never alter a file of a capture, nor remove one that is pinned.

mod columns;
mod draft;
mod keep;
mod manifest;
mod read;
mod receive;
#[cfg(test)]
mod tests;
mod zip;

pub use draft::Draft;
pub use keep::{Kept, Retention};
pub use manifest::{Cause, ClassTold, FileEntry, Manifest, Part};
pub use read::{Imported, LogsOf};
pub use zip::{export, export_part};

use crate::durable::sync_folder;
use crate::objects::io_error;
use manifest::{AFTER, BEFORE};

pub(crate) use keep::{due_for_archive, ids};
pub(crate) use manifest::verify as verify_folder;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};

/// The folder within the data folder.
pub const FOLDER: &str = "captures";
/// Ends the name of what is not whole yet.
const UNFINISHED: &str = ".unfinished";
/// Ends the name of the file that pins a capture.
pub(crate) const PIN: &str = ".pin";
/// Captures that are listed.
pub const CAPTURES_MAX: usize = 10_000;

/// The captures of a data folder.
pub struct Captures {
    folder: PathBuf,
    /// One change of the folder at a time.
    changing: Mutex<()>,
}

/// A capture as it lies there.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Its name: the time of the trigger.
    pub id: String,
    /// The five minutes before the trigger; an error in words if it cannot be read.
    pub before: std::result::Result<Manifest, String>,
    /// The seconds after it, once they are there.
    pub after: Option<Manifest>,
    /// Why it is pinned, if it is.
    pub pinned: Option<String>,
    /// Bytes of its files.
    pub bytes: u64,
}

/// What reading everything back found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Files whose size and checksum are right.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

/// Whether a text can be the name of a capture.
pub fn is_id(text: &str) -> bool {
    (1..=48).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

/// The name of a capture that was triggered at this time: `20261122-061710-123`.
pub fn id_at(trigger_ms: i64) -> String {
    let days = trigger_ms.div_euclid(86_400_000);
    let ms = trigger_ms.rem_euclid(86_400_000);
    let (year, month, day) = model::time::civil_from_days(days);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!(
        "{year:04}{month:02}{day:02}-{:02}{:02}{:02}-{ms:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// The time in the name of a capture, to the second; `None` if there is none in it.
pub(crate) fn id_time_ms(id: &str) -> Option<i64> {
    let (day, time) = (id.get(..8)?, id.get(9..15)?);
    let part = |text: &str, at: usize| Some(text.get(at..at + 2)?.to_string());
    let (hour, minute, second) = (part(time, 0)?, part(time, 2)?, part(time, 4)?);
    let text = format!("{}-{}-{}T{hour}:{minute}:{second}Z", day.get(..4)?, day.get(4..6)?, day.get(6..)?);
    model::time::parse_time_ms(&text).ok()
}

impl Captures {
    /// Opens the captures of a data folder and removes what was never finished. Returns what was removed, in words, too.
    ///
    /// # Errors
    /// `Unavailable` if the folder cannot be made or read.
    pub fn open(data: &Path) -> Result<(Captures, Vec<String>)> {
        let folder = data.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|e| io_error(&folder, e))?;
        sync_folder(data)?;
        let removed = keep::collect(&folder)?;
        Ok((Captures { folder, changing: Mutex::default() }, removed))
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All of them, the newest first.
    ///
    /// # Errors
    /// `Unavailable` if the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Capture>> {
        let mut ids = keep::ids(&self.folder)?;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(CAPTURES_MAX);
        Ok(ids.iter().map(|id| self.look(id)).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, id: &str) -> Result<Capture> {
        match is_id(id) && self.path(id).is_dir() {
            true => Ok(self.look(id)),
            false => Err(not_found(id)),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    fn look(&self, id: &str) -> Capture {
        let path = self.path(id);
        let before = Manifest::read(&path.join(BEFORE));
        // Before the seconds after the trigger have passed there is none.
        let after = match path.join(AFTER).exists() {
            true => Manifest::read(&path.join(AFTER)).ok(),
            false => None,
        };
        let files = before.iter().chain(&after).flat_map(|m| &m.files);
        let bytes = files.map(|f| f.bytes).sum();
        Capture {
            id: id.into(),
            before: before.map_err(|e| e.message),
            after,
            pinned: keep::pin_of(&self.folder, id),
            bytes,
        }
    }

    /// Begins a capture of this name, or the part after the trigger of one that is there.
    ///
    /// # Errors
    /// `Conflict` if it is there already; `NotFound` if the first part is not; `Unavailable`.
    pub fn begin(&self, id: &str, part: Part) -> Result<Draft> {
        if !is_id(id) {
            return Err(Error::invalid("a capture is called by lower-case letters, digits and -"));
        }
        let path = self.path(id);
        match part {
            Part::Before if path.exists() => {
                Err(Error::new(ErrorKind::Conflict, format!("there is a capture {id} already")))
            }
            Part::After if !path.exists() => Err(not_found(id)),
            Part::After if path.join(AFTER).exists() => {
                Err(Error::new(ErrorKind::Conflict, format!("the seconds after {id} are there already")))
            }
            part => Draft::begin(&self.folder, id, part),
        }
    }

    /// Reads every byte of a capture back and compares size and checksum of each file.
    ///
    /// # Errors
    /// `NotFound`. What is damaged is no error but a problem.
    pub fn verify(&self, id: &str) -> Result<Verified> {
        self.get(id)?;
        Ok(manifest::verify(&self.path(id)))
    }

    /// A capture's folder.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn folder_of(&self, id: &str) -> Result<PathBuf> {
        self.get(id).map(|_| self.path(id))
    }

    /// Pins a capture, which keeps it from retention, or lets it go. Durable when it returns.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable`.
    pub fn pin(&self, id: &str, why: Option<&str>) -> Result<()> {
        let _one = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        self.get(id)?;
        keep::pin(&self.folder, id, why)
    }

    /// Removes a capture.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if it is pinned; `Unavailable`.
    pub fn delete(&self, id: &str) -> Result<()> {
        let _one = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        if self.get(id)?.pinned.is_some() {
            let text = format!("{id} is pinned; let go of it first");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        keep::remove(&self.folder, id)
    }

    /// Removes the oldest that are not pinned until what is left keeps to the bounds. Returns what was removed.
    ///
    /// # Errors
    /// `Unavailable`; what was removed before is gone.
    pub fn retain(&self, retention: &Retention, now_ms: i64) -> Result<Vec<Kept>> {
        let _one = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        let all = self.list()?;
        let due = keep::due(&all, retention, now_ms);
        for kept in &due {
            keep::remove(&self.folder, &kept.id)?;
        }
        Ok(due)
    }

    /// Takes a capture from a file that [`export`] wrote, or from a folder, once every checksum is right.
    ///
    /// # Errors
    /// `Corrupt` with what is wrong; `Conflict` if it is here already; `Invalid` if it is no capture; `Unavailable`.
    pub fn import(&self, from: &Path) -> Result<Capture> {
        let _one = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        let id = zip::import(from, &self.folder)?;
        Ok(self.look(&id))
    }

    /// Takes one part of the capture `id` of another machine, from a file that [`export_part`] wrote there, once every
    /// checksum was read back from here. Says whether it is new: the same part twice is one.
    ///
    /// # Errors
    /// `Corrupt` with what is wrong; `Conflict` if there is another part in its place; `NotFound` if the first part is not
    /// there yet; `Invalid` if it is no such part; `Unavailable`.
    pub fn receive(&self, from: &Path, id: &str, host: &str) -> Result<(Manifest, bool)> {
        let _one = self.changing.lock().unwrap_or_else(|e| e.into_inner());
        receive::receive(from, &self.folder, id, host)
    }
}

/// Reads every byte of an exported capture, or of the folder of one, back, and compares with the manifests in it. Returns
/// the capture's name, too.
///
/// # Errors
/// `Invalid` if it is no capture; `NotFound`; `Unavailable`.
pub fn verify_file(from: &Path) -> Result<(String, Verified)> {
    zip::verify(from)
}

fn not_found(id: &str) -> Error {
    let id: String = id.chars().take(48).collect();
    let text = format!("there is no capture {id:?}; `midwatch capture list` tells which there are");
    Error::new(ErrorKind::NotFound, text)
}
