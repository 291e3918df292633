//! The write-ahead log of the tables: numbered segments of checksummed frames, one frame for each batch. A segment that
//! failed once is sealed and never written or synced again. Reading gives whole frames or none.
//! Format: `docs/formats/tables-log.md`.

use crate::appender::{self, Appender, FRAME_HEADER_BYTES, HEADER_BYTES, Kind};
use crate::objects::io_error;
use crate::wal_read::holds_a_frame;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use stdx::{ErrorKind, Result};

/// The folder of the segments, in the data folder.
pub const FOLDER: &str = "tables-log";
/// A segment is closed when it is at least this long.
const SEGMENT_BYTES: u64 = 64 << 20;

const KIND: Kind = Kind { suffix: ".log", magic: b"MWTLOG\0\x01" };

/// Writes the log. One per store.
pub struct Log(Appender);

/// The file of a segment.
pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    KIND.path(folder, number)
}

/// Numbers and sizes of the segments in the folder, oldest first; none if there is no folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn segments(folder: &Path) -> Result<Vec<(u64, u64)>> {
    match KIND.segments(folder) {
        Err(e) if e.kind == ErrorKind::NotFound => Ok(Vec::new()),
        found => found,
    }
}

/// Removes segments below `floor`.
///
/// # Errors
/// If the folder cannot be read; a segment that cannot be removed is left for the next time.
pub fn remove_below(folder: &Path, floor: u64) -> Result<()> {
    appender::remove_below(&KIND, folder, &segments(folder)?, floor);
    Ok(())
}

impl Log {
    /// Will write segments from number `next` on; makes no file yet.
    pub fn new(folder: &Path, next: u64) -> Log {
        Log(Appender::new(&KIND, folder, next))
    }

    /// Makes sure that there is a segment to write to.
    ///
    /// # Errors
    /// `Unavailable`, for example when the disk is full. It may be tried again at any time.
    pub fn open_segment(&mut self) -> Result<()> {
        self.0.open(SEGMENT_BYTES).map(|_| ())
    }

    /// Closes the segment; the next frame goes to a new one. Returns the number of that.
    pub fn rotate(&mut self) -> u64 {
        self.0.rotate()
    }

    /// Adds a frame to those that [`Log::flush`] writes.
    pub fn add(&mut self, payload: &[u8]) {
        let start = self.0.begin_frame();
        self.0.frames.extend_from_slice(payload);
        self.0.end_frame(start);
    }

    /// Bytes of the frames that [`Log::flush`] would write.
    pub fn pending_bytes(&self) -> usize {
        self.0.frames.len()
    }

    /// Writes all added frames and makes them durable; after an error they may or may not come back at the next start.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn flush(&mut self) -> Result<u64> {
        self.0.flush()
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
    let Some(mut rest) = bytes.strip_prefix(KIND.header(number).as_slice()) else {
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
