//! `BACKUP.json`: what belongs to a backup, with the size and the checksum of each file. Made last, and replaced at one
//! instant. It must never name a file that is not durable. Format: `docs/formats/backup.md`.

use super::{crc32_of, put};
use crate::durable::sync_folder;
use crate::objects::io_error;
use crate::progress::Watch;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path};
use stdx::{Error, ErrorKind, Result};

/// The name of the file.
pub const NAME: &str = "BACKUP.json";
/// The newest version of this format that is written and read.
pub const FORMAT: u32 = 1;
/// A list may have this many bytes: that of a million blocks.
const BYTES_MAX: u64 = 256 << 20;

/// What belongs to a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// Version of this format.
    pub format: u32,
    /// That of the data folder.
    pub id: String,
    /// How often a backup was made into this folder.
    pub run: u64,
    /// When, milliseconds since 1970.
    pub made_ms: i64,
    /// Number of the manifest that it was made by.
    pub manifest: u64,
    /// The folder that holds the log.
    pub wal: String,
    /// Every file.
    pub files: Vec<Listed>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// From the folder of the backup on.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// CRC-32 of the whole file.
    pub crc32: u32,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    crc32: u32,
    backup: Box<serde_json::value::RawValue>,
}

impl List {
    /// Reads the list of a backup.
    ///
    /// # Errors
    /// `NotFound` if the backup was never finished, `Corrupt`, `Invalid` if its format is newer than ours.
    pub fn read(folder: &Path) -> Result<List> {
        let path = folder.join(NAME);
        let unfinished = || {
            let text = format!("{} is not there: the backup was never finished", path.display());
            Error::new(ErrorKind::NotFound, text)
        };
        let bytes = match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(unfinished()),
            Err(e) => return Err(io_error(&path, e)),
            Ok(meta) if meta.len() > BYTES_MAX => {
                return Err(Error::corrupt("it is too long for a list of files"));
            }
            Ok(_) => std::fs::read(&path).map_err(|e| io_error(&path, e))?,
        };
        let wrong = |e| Error::wrap(ErrorKind::Corrupt, "it is not JSON of the right shape", e);
        let envelope: Envelope = serde_json::from_slice(&bytes).map_err(wrong)?;
        if crc32fast::hash(envelope.backup.get().as_bytes()) != envelope.crc32 {
            return Err(Error::corrupt("its checksum is wrong"));
        }
        let list: List = serde_json::from_str(envelope.backup.get()).map_err(wrong)?;
        if list.format > FORMAT {
            let text = format!(
                "it has format {}, this version reads up to {FORMAT}; use a newer Midwatch",
                list.format
            );
            return Err(Error::invalid(text));
        }
        let is_inside =
            |path: &str| Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside(&list.wal) || !list.files.iter().all(|f| is_inside(&f.path)) {
            return Err(Error::corrupt("it names files outside of the backup"));
        }
        Ok(list)
    }

    /// Makes this the list of the backup, durably.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let internal = |e| Error::wrap(ErrorKind::Internal, "cannot write the list as JSON", e);
        let text = serde_json::to_string(self).map_err(internal)?;
        let crc32 = crc32fast::hash(text.as_bytes());
        let backup = serde_json::value::RawValue::from_string(text).map_err(internal)?;
        put(&folder.join(NAME), &serde_json::to_vec(&Envelope { crc32, backup }).map_err(internal)?)?;
        sync_folder(folder)
    }
}

impl Listed {
    /// What is wrong with the file in this folder, in words, if anything.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn problem(&self, folder: &Path, watch: &mut Watch<'_>) -> Result<Option<String>> {
        let path = folder.join(&self.path);
        let mut bytes = 0;
        let crc32 = crc32_of(&path, &mut |n| {
            bytes += n;
            watch.bytes(n)
        });
        Ok(match crc32 {
            Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
            Err(e) if e.kind == ErrorKind::NotFound => Some("it is missing".into()),
            Err(e) => Some(e.to_string()),
            Ok(_) if bytes != self.bytes => Some(format!("it has {bytes} bytes instead of {}", self.bytes)),
            Ok(crc32) if crc32 != self.crc32 => Some("its checksum is wrong".into()),
            Ok(_) => None,
        })
    }
}
