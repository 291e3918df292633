//! The write-ahead log of the tables: numbered segments of checksummed frames, one frame for each batch. A segment that
//! failed once is sealed and never written or synced again. Reading gives whole frames or none.
//! Format: `docs/formats/tables-log.md`.

use crate::durable;
use crate::objects::io_error;
use crate::planted;
use crate::wal_read::holds_a_frame;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use stdx::Result;

/// The folder of the segments, in the data folder.
pub const FOLDER: &str = "tables-log";
/// First bytes of every segment.
const MAGIC: &[u8; 8] = b"MWTLOG\0\x01";
/// Magic and number.
pub const HEADER_BYTES: u64 = 16;
/// A segment is closed when it is at least this long.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Length and checksum.
const FRAME_HEADER_BYTES: usize = 8;

/// Writes the log. One per store.
pub struct Log {
    folder: PathBuf,
    file: Option<File>,
    number: u64,
    next: u64,
    written: u64,
    /// The frames that [`Log::flush`] writes, one after the other.
    frames: Vec<u8>,
}

/// The file of a segment.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.log"))
}

/// Numbers and sizes of the segments in the folder, oldest first; none if there is no folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn segments(folder: &Path) -> Result<Vec<(u64, u64)>> {
    let io = |e| io_error(folder, e);
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        if let Some(number) = name.to_str().and_then(|n| n.strip_suffix(".log")?.parse().ok()) {
            match entry.metadata() {
                Ok(meta) => found.push((number, meta.len())),
                // Removed between the two calls.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(io(e)),
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes segments below `floor`.
///
/// # Errors
/// If the folder cannot be read; a segment that cannot be removed is left for the next time.
pub fn remove_below(folder: &Path, floor: u64) -> Result<()> {
    for (number, _) in segments(folder)?.iter().filter(|(n, _)| *n < floor) {
        let _ = std::fs::remove_file(segment_path(folder, *number));
    }
    Ok(())
}

impl Log {
    /// Will write segments from number `next` on; makes no file yet.
    pub fn new(folder: &Path, next: u64) -> Log {
        Log { folder: folder.into(), file: None, number: 0, next, written: 0, frames: Vec::new() }
    }

    /// Makes sure that there is a segment to write to.
    ///
    /// # Errors
    /// `Unavailable`, for example when the disk is full. It may be tried again at any time.
    pub fn open_segment(&mut self) -> Result<()> {
        if self.file.is_some() && self.written < SEGMENT_BYTES {
            return Ok(());
        }
        self.file = None;
        let number = self.next;
        self.next += 1;
        let path = segment_path(&self.folder, number);
        let header = [&MAGIC[..], &number.to_le_bytes()].concat();
        match durable::create(&path, &header) {
            Ok(file) => {
                (self.file, self.number, self.written) = (Some(file), number, HEADER_BYTES);
                Ok(())
            }
            Err(e) => Err(io_error(&path, e)),
        }
    }

    /// Closes the segment; the next frame goes to a new one. Returns the number of that.
    pub fn rotate(&mut self) -> u64 {
        self.file = None;
        self.next
    }

    /// Adds a frame to those that [`Log::flush`] writes. A payload is far below 4 GiB.
    pub fn add(&mut self, payload: &[u8]) {
        self.frames.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.frames.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        self.frames.extend_from_slice(payload);
    }

    /// Bytes of the frames that [`Log::flush`] would write.
    pub fn pending_bytes(&self) -> usize {
        self.frames.len()
    }

    /// Writes all added frames and makes them durable. After an error the segment is sealed: what it holds of these
    /// frames may or may not come back at the next start, and nothing more is written to it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn flush(&mut self) -> Result<u64> {
        let bytes = self.frames.len() as u64;
        let result = match &mut self.file {
            Some(file) => file.write_all(&self.frames).and_then(|()| planted::sync(|| file.sync_data())),
            None => Err(std::io::Error::other("no open segment")),
        };
        self.frames.clear();
        self.frames.shrink_to(4 << 20);
        match result {
            Ok(()) => {
                self.written += bytes;
                Ok(bytes)
            }
            Err(e) => {
                let path = segment_path(&self.folder, self.number);
                if self.written == HEADER_BYTES {
                    // Nothing in it was acknowledged; on a full disk every byte counts.
                    let _ = std::fs::remove_file(&path);
                } else if let Some(file) = &self.file {
                    // Best effort: should it come back at the next start, its sender has sent it once more.
                    let _ = file.set_len(self.written).and_then(|()| file.sync_all());
                }
                self.rotate();
                Err(io_error(&path, e))
            }
        }
    }
}

/// What follows the last frame that could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rest {
    /// Bytes up to the end of the last whole frame.
    pub whole: u64,
    /// Bytes after it; 0 if all is well.
    pub bytes: u64,
    /// It is not what a crash leaves of an unfinished write, which was never acknowledged.
    pub is_damage: bool,
}

/// Opens a segment to read it.
///
/// # Errors
/// If that is not possible: it says nothing of what is in it.
pub fn open_to_read(folder: &Path, number: u64) -> Result<File> {
    let path = segment_path(folder, number);
    File::open(&path).map_err(|e| io_error(&path, e))
}

/// Gives the payload of each whole frame of a segment to `each`, up to the first that is not whole. A frame that `each`
/// takes for damaged ends it too.
///
/// # Errors
/// If the file cannot be read.
pub fn read_segment(
    (folder, mut file, number): (&Path, File, u64),
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Rest> {
    let path = segment_path(folder, number);
    let io = |e| io_error(&path, e);
    let length = file.metadata().map_err(io)?.len();
    let mut bytes = Vec::new();
    // Segments are bounded: a little more than 64 MiB, or one batch.
    Read::by_ref(&mut file).take(length).read_to_end(&mut bytes).map_err(io)?;
    let length = bytes.len() as u64;
    let header = [MAGIC.as_slice(), &number.to_le_bytes()].concat();
    let Some(mut rest) = bytes.strip_prefix(header.as_slice()) else {
        return Ok(Rest { whole: 0, bytes: length, is_damage: length > HEADER_BYTES });
    };
    let mut at = HEADER_BYTES;
    while let Some((payload, after)) = split(rest) {
        if each(payload).is_err() {
            return Ok(Rest { whole: at, bytes: length - at, is_damage: true });
        }
        at += (FRAME_HEADER_BYTES + payload.len()) as u64;
        rest = after;
    }
    Ok(Rest { whole: at, bytes: length - at, is_damage: holds_a_frame(rest) })
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let [a, b, c, d, e, f, g, h] = *header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let (payload, rest) = rest.split_at_checked(length)?;
    // A payload is never empty: zeros, which a crash may leave, are no frame.
    (length > 0 && crc32fast::hash(payload) == u32::from_le_bytes([e, f, g, h])).then_some((payload, rest))
}
