//! One file that is followed: what is new in it as parts of whole records, and what became of it (renamed, truncated, gone). It
//! must never hold more than a part in memory, and never take a line that is not finished.

use super::POSITION;
use super::journal::Place;
use crate::logs::{FileSettings, Logs};
use ingest::logs::multiline::Joiner;
use ingest::logs::{Builder, Decoded, LineReader, Record};
use model::Origin;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes of the beginning that tell a file from another with its number.
const HEAD_BYTES: u64 = 256;
/// Bytes that are the same in a file and its copy, at the least.
const COPY_BYTES: u64 = 32;
/// Bytes that are read at one time.
const PART_BYTES: usize = 1 << 20;
/// Turns of the loop that a file which was renamed is watched on: its writer may still have it open.
const RENAMED_TURNS: u32 = 40;
/// A line without an end is taken after so many turns without growth.
const UNFINISHED_TURNS: u32 = 20;

/// Device and number of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The device.
    pub device: u64,
    /// The number in it.
    pub inode: u64,
}

/// Records that end at a place.
pub struct Part {
    /// The records.
    pub decoded: Decoded,
    /// Everything before this place is in them, or was written before.
    pub end: u64,
}

/// One file.
pub struct Followed {
    path: PathBuf,
    /// Which file it is.
    pub identity: Identity,
    settings: FileSettings,
    origin: Origin,
    file: File,
    head_bytes: u64,
    head: String,
    /// Everything before was written.
    written: u64,
    /// Everything before was read and lies in `rest` or `joiner`.
    read: u64,
    rest: Vec<u8>,
    joiner: Joiner,
    /// Bytes of lines that the joiner holds.
    held: u64,
    reader: LineReader,
    record: Record,
    idle_turns: u32,
    /// Turns since something else lies at the path.
    renamed_turns: Option<u32>,
    is_announced: bool,
}

impl Followed {
    /// Opens a file; none if it cannot be read, or is no file of text (compressed ones begin in their own way).
    pub fn open(path: &Path, settings: &FileSettings, logs: &Logs) -> Option<Followed> {
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok().filter(|m| m.is_file())?;
        let stem = path.file_name()?.to_string_lossy();
        let service = match settings.service.as_str() {
            "" => stem.split('.').next().unwrap_or("").to_string(),
            service => service.to_string(),
        };
        let mut followed = Followed {
            path: path.into(),
            identity: Identity { device: metadata.dev(), inode: metadata.ino() },
            settings: settings.clone(),
            origin: logs.origin(&service),
            file,
            head_bytes: 0,
            head: String::new(),
            written: 0,
            read: 0,
            rest: Vec::new(),
            joiner: Joiner::new(logs.context().limits.log_body_bytes_max),
            held: 0,
            reader: LineReader::new(settings.format.clone()),
            record: Record::default(),
            idle_turns: 0,
            renamed_turns: None,
            is_announced: false,
        };
        followed.origin.attributes.push("log.file.path", &path.display().to_string());
        followed.take_head();
        let is_compressed = {
            let mut magic = [0; 4];
            let read = followed.file.read_at(&mut magic, 0).unwrap_or(0);
            read == 4 && (magic[..2] == [0x1f, 0x8b] || magic == [0x28, 0xb5, 0x2f, 0xfd])
        };
        (!is_compressed).then_some(followed)
    }

    fn take_head(&mut self) {
        let mut bytes = vec![0; HEAD_BYTES as usize];
        let length = self.file.read_at(&mut bytes, 0).unwrap_or(0);
        self.head_bytes = length as u64;
        self.head = fingerprint(&bytes[..length]);
    }

    /// Whether the file is the one that was left there: it begins in the same way, and is no shorter.
    pub fn is_same(&self, place: &Place) -> bool {
        let mut bytes = vec![0; place.head_bytes.min(HEAD_BYTES) as usize];
        let read = self.file.read_at(&mut bytes, 0).unwrap_or(0);
        read == bytes.len() && fingerprint(&bytes) == place.head && self.length() >= place.offset
    }

    /// Whether it is a copy of another file beside it, named after it: `access.log.1`, made before `access.log` is truncated.
    pub fn is_copy_of(&self, place: &Place) -> bool {
        let name =
            |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let is_named_after = place.path.parent() == self.path.parent()
            && place.path != self.path
            && name(&self.path).starts_with(&name(&place.path));
        is_named_after
            && place.identity != self.identity
            && place.head_bytes >= COPY_BYTES
            && self.is_same(place)
    }

    /// Bytes that it has now.
    pub fn length(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }

    /// Begins at a place.
    pub fn seek(&mut self, offset: u64) {
        self.written = offset;
        self.read = offset;
        self.rest.clear();
        self.joiner.flush();
        self.held = 0;
    }

    /// It was renamed while nobody looked: its records are those of the path.
    pub fn rename(&mut self, path: &Path) {
        self.path = path.into();
        self.renamed_turns = Some(0);
        self.is_announced = true;
    }

    /// Where it is, to be noted.
    pub fn place(&self) -> Place {
        Place {
            path: self.path.clone(),
            identity: self.identity,
            head_bytes: self.head_bytes,
            head: self.head.clone(),
            offset: self.written,
            pending: None,
        }
    }

    /// The name in the books.
    pub fn source(&self) -> String {
        format!("file {}", self.path.display())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is read.
    pub fn settings(&self) -> &FileSettings {
        &self.settings
    }

    /// Looks at what became of it.
    pub fn look(&mut self) {
        // Copied and truncated, or written anew: what was behind the new end is in the copy.
        if self.length() < self.read {
            self.seek(0);
            self.take_head();
        } else if self.head_bytes < HEAD_BYTES && self.written == 0 && self.rest.is_empty() {
            self.take_head();
        }
        let now = std::fs::metadata(&self.path).ok();
        let is_there = now.is_some_and(|m| (m.dev(), m.ino()) == (self.identity.device, self.identity.inode));
        self.renamed_turns = match (is_there, self.renamed_turns) {
            (true, _) => None,
            (false, turns) => Some(turns.unwrap_or(0) + 1),
        };
    }

    /// Whether something else lies at its path, told once.
    pub fn was_replaced(&mut self) -> bool {
        let is_new = self.renamed_turns.is_some() && !self.is_announced && self.path.exists();
        self.is_announced |= is_new;
        is_new
    }

    /// Whether it was renamed or removed.
    pub fn is_gone(&self) -> bool {
        self.renamed_turns.is_some()
    }

    /// Whether it was renamed or removed long enough ago, and all of it was read.
    pub fn is_finished(&self) -> bool {
        let is_old = self.renamed_turns.is_some_and(|turns| turns > RENAMED_TURNS);
        is_old && self.idle_turns > 2 && self.rest.is_empty() && !self.joiner.is_holding()
    }

    /// What was read is written.
    pub fn written(&mut self, end: u64) {
        self.written = end;
    }

    /// The next records, if there are any.
    pub fn next_part(&mut self, logs: &Logs, now_ms: i64) -> Option<Part> {
        self.fill();
        let now_ns = now_ms.saturating_mul(1_000_000);
        let lines = self.whole_lines();
        if lines.is_empty() && !self.joiner.is_due(now_ns) {
            return None;
        }
        let mut records: Vec<Vec<u8>> = Vec::new();
        for line in lines {
            let length = line.len() as u64;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.is_empty() {
                self.held += if self.joiner.is_holding() { length } else { 0 };
            } else if !self.settings.multiline {
                records.push(text.to_vec());
            } else {
                match self.joiner.push(text, now_ns) {
                    Some(done) => {
                        records.push(done);
                        self.held = length;
                    }
                    None => self.held += length,
                }
            }
        }
        if self.joiner.is_due(now_ns) {
            records.extend(self.joiner.flush());
            self.held = 0;
        }
        let end = self.read - self.rest.len() as u64 - if self.joiner.is_holding() { self.held } else { 0 };
        if records.is_empty() {
            return None;
        }
        let context = logs.context();
        let mut builder = Builder::new(context);
        let position = self.place().position(end);
        let last = records.len() - 1;
        for (i, line) in records.iter().enumerate() {
            self.record.clear();
            self.reader.read(line, &mut self.record, &context);
            if i == last {
                self.record.attribute(POSITION, &position);
            }
            builder.push(&self.record, &self.origin);
        }
        Some(Part { decoded: builder.finish(), end })
    }

    fn fill(&mut self) {
        if self.rest.len() >= PART_BYTES {
            return;
        }
        let mut bytes = vec![0; PART_BYTES];
        let _ = self.file.seek(SeekFrom::Start(self.read));
        let length = self.file.read(&mut bytes).unwrap_or(0);
        self.idle_turns = if length == 0 { self.idle_turns.saturating_add(1) } else { 0 };
        self.read += length as u64;
        self.rest.extend(&bytes[..length]);
    }

    /// Lines that are finished, with their ends; a line that never ends, or that nobody finishes, as it is.
    fn whole_lines(&mut self) -> Vec<Vec<u8>> {
        let end = match self.rest.iter().rposition(|b| *b == b'\n') {
            Some(at) => at + 1,
            None if self.rest.len() >= PART_BYTES => self.rest.len(),
            None if self.idle_turns > UNFINISHED_TURNS && self.is_gone() => self.rest.len(),
            None => 0,
        };
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        whole.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
