//! What a capture says of itself: when and why it was taken, how each class was read, and of each file size and checksum.
//! The manifest has a checksum of itself. It must never be written anew once it is there.

use crate::objects::io_error;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use stdx::{Error, ErrorKind, Result};

/// Names of the two manifests.
pub const BEFORE: &str = "manifest.json";
/// See [`BEFORE`].
pub const AFTER: &str = "manifest-after.json";
/// What is written; a reader refuses later ones.
pub const FORMAT: u32 = 1;
/// A longer manifest is none of ours.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Files of one manifest.
pub const FILES_MAX: usize = 64;

/// Which part of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What the ring held at the trigger.
    Before,
    /// The seconds after it.
    After,
}

impl Part {
    /// The name of its manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Part::Before => BEFORE,
            Part::After => AFTER,
        }
    }

    /// The name of a table's file.
    pub fn file(self, table: &str) -> String {
        match self {
            Part::Before => format!("{table}.parquet"),
            Part::After => format!("after-{table}.parquet"),
        }
    }
}

/// What a capture was taken for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `monitor`, `person` or `api`.
    pub kind: String,
    /// The monitor's name, or the person's.
    pub name: String,
    /// Why, in words.
    pub text: String,
    /// Labels of the alert.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// How a class was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTold {
    /// Which.
    pub name: String,
    /// Seconds between two readings.
    pub period_seconds: u64,
    /// What could not be read, in words; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// Readings that were left out so that the file keeps to its bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub readings_left_out: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A file of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the folder.
    pub name: String,
    /// Of which table.
    pub table: String,
    /// Rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal, as `sha256sum` prints it.
    pub sha256: String,
}

/// What a part of a capture says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The capture's name.
    pub id: String,
    /// Which part.
    pub part: Part,
    /// The machine.
    pub host: String,
    /// The time of the trigger, milliseconds since 1970.
    pub trigger_ms: i64,
    /// Which times the rows have.
    pub from_ms: i64,
    /// See `from_ms`.
    pub to_ms: i64,
    /// From the trigger until everything but this manifest was durable, milliseconds.
    pub took_ms: i64,
    /// What it was taken for: one, and in the part after the trigger those that came meanwhile.
    pub causes: Vec<Cause>,
    /// How each class was read.
    pub classes: Vec<ClassTold>,
    /// What else is to be known of it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its files.
    pub files: Vec<FileEntry>,
}

#[derive(Serialize, Deserialize)]
struct Signed<'a> {
    #[serde(borrow)]
    manifest: &'a RawValue,
    sha256: String,
}

impl Manifest {
    /// As it is written.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let internal = |e| Error::wrap(ErrorKind::Internal, "cannot write a manifest", e);
        let body = serde_json::to_string_pretty(self).map_err(internal)?;
        let mut sum = Sum::new();
        sum.add(body.as_bytes());
        let raw = RawValue::from_string(body).map_err(internal)?;
        let mut out =
            serde_json::to_vec(&Signed { manifest: &raw, sha256: sum.finish() }).map_err(internal)?;
        out.push(b'\n');
        Ok(out)
    }

    /// Read back and checked.
    ///
    /// # Errors
    /// `Corrupt` if it is damaged; `Invalid` if a later program wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Manifest> {
        let broken = |what: &str| Error::corrupt(format!("the manifest is damaged: {what}"));
        let signed: Signed<'_> = serde_json::from_slice(bytes)
            .map_err(|e| broken(&format!("it is not as it was written ({e})")))?;
        let mut sum = Sum::new();
        sum.add(signed.manifest.get().as_bytes());
        if sum.finish() != signed.sha256 {
            return Err(broken("its checksum is wrong"));
        }
        let body = signed.manifest.get();
        let format = serde_json::from_str::<serde_json::Value>(body).ok().and_then(|v| v["format"].as_u64());
        if format.is_some_and(|format| format > u64::from(FORMAT)) {
            return Err(Error::invalid(
                "a later version of Midwatch wrote this capture; open it with that one",
            ));
        }
        let manifest: Manifest = serde_json::from_str(body).map_err(|e| broken(&e.to_string()))?;
        if !super::is_id(&manifest.id) || manifest.files.len() > FILES_MAX {
            return Err(broken("it names what no capture has"));
        }
        let mut names = BTreeSet::new();
        let is_ours = |f: &FileEntry| {
            f.name.ends_with(".parquet")
                && f.name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'.'))
        };
        if !manifest.files.iter().all(|f| is_ours(f) && names.insert(&f.name)) {
            return Err(broken("it names a file that no capture has"));
        }
        Ok(manifest)
    }

    /// Reads a manifest's file.
    ///
    /// # Errors
    /// As [`Manifest::decode`]; `NotFound`; `Unavailable`.
    pub fn read(path: &Path) -> Result<Manifest> {
        let file = File::open(path).map_err(|e| io_error(path, e))?;
        let mut bytes = Vec::new();
        file.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| io_error(path, e))?;
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(Error::corrupt("the manifest is longer than any of ours"));
        }
        Manifest::decode(&bytes)
    }
}

/// A checksum while it is added up.
pub struct Sum(Context);

impl Sum {
    pub fn new() -> Sum {
        Sum(Context::new(&SHA256))
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub fn finish(self) -> String {
        self.0.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// Size and checksum of what comes; ends early, with the size that was reached, where it is more than `bytes_max`.
pub fn sum_of(mut from: impl Read, bytes_max: u64) -> std::io::Result<(u64, String)> {
    let (mut sum, mut bytes, mut buffer) = (Sum::new(), 0u64, vec![0; 1 << 20]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                sum.add(&buffer[..n]);
                bytes += n as u64;
                if bytes > bytes_max {
                    break;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok((bytes, sum.finish()))
}

/// Compares a file with what its manifest says of it; what is wrong, in words.
pub fn compare(entry: &FileEntry, found: std::io::Result<(u64, String)>) -> Option<String> {
    match found {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Some(format!("{} is missing", entry.name)),
        Err(e) => Some(format!("{} cannot be read: {e}", entry.name)),
        Ok((bytes, _)) if bytes != entry.bytes => {
            Some(format!("{} has not the size that it was written with ({} bytes)", entry.name, entry.bytes))
        }
        Ok((_, sum)) if sum != entry.sha256 => {
            Some(format!("{} is damaged: its checksum is wrong", entry.name))
        }
        Ok(_) => None,
    }
}

/// Reads a folder of a capture back.
pub fn verify(folder: &Path) -> super::Verified {
    let mut out = super::Verified::default();
    let mut manifests = Vec::new();
    for part in [Part::Before, Part::After] {
        let path = folder.join(part.manifest());
        if part == Part::After && !path.exists() {
            continue;
        }
        match Manifest::read(&path) {
            Ok(manifest) => manifests.push(manifest),
            Err(e) => out.problems.push(format!("{}: {e}", part.manifest())),
        }
    }
    for entry in manifests.iter().flat_map(|m| &m.files) {
        let found = File::open(folder.join(&entry.name)).and_then(|file| sum_of(file, entry.bytes));
        match compare(entry, found) {
            Some(problem) => out.problems.push(problem),
            None => {
                out.files += 1;
                out.bytes += entry.bytes;
            }
        }
    }
    out
}
