//! Numbered files of checksummed frames to which one writer appends: what the logs of samples and of tables have in common. A file that
//! failed once is sealed and never written or synced again. It must never know what is in a frame.

use crate::durable;
use crate::objects::io_error;
use crate::planted;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use stdx::Result;

/// Magic and number.
pub const HEADER_BYTES: u64 = 16;
/// Length and checksum.
pub const FRAME_HEADER_BYTES: usize = 8;
/// Memory for frames that is kept from one flush to the next.
const FRAMES_KEPT_BYTES: usize = 4 << 20;

/// How the files of a log are called, and how they begin.
#[derive(Debug)]
pub struct Kind {
    /// `.wal`
    pub suffix: &'static str,
    /// First bytes of every segment.
    pub magic: &'static [u8; 8],
}

impl Kind {
    /// The file of a segment.
    pub fn path(&self, folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("{number:012}{}", self.suffix))
    }

    /// How a segment of that number begins.
    pub fn header(&self, number: u64) -> Vec<u8> {
        [&self.magic[..], &number.to_le_bytes()].concat()
    }

    /// Numbers and sizes of the segments in the folder, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read; `NotFound` if there is none.
    pub fn segments(&self, folder: &Path) -> Result<Vec<(u64, u64)>> {
        let io = |e| io_error(folder, e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            if let Some(number) = name.to_str().and_then(|n| n.strip_suffix(self.suffix)?.parse().ok()) {
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
}

/// Writes segments of one kind, one after the other.
pub struct Appender {
    kind: &'static Kind,
    folder: PathBuf,
    file: Option<File>,
    number: u64,
    next: u64,
    written: u64,
    /// The frames that [`Appender::flush`] writes, one after the other.
    pub frames: Vec<u8>,
}

impl Appender {
    /// Will write segments from number `next` on; makes no file yet.
    pub fn new(kind: &'static Kind, folder: &Path, next: u64) -> Appender {
        Appender { kind, folder: folder.into(), file: None, number: 0, next, written: 0, frames: Vec::new() }
    }

    /// The segment that is written now, or was last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Makes sure that there is a segment shorter than `bytes_max` to write to. True if it is a new one.
    ///
    /// # Errors
    /// `Unavailable`, for example when the disk is full. It may be tried again at any time.
    pub fn open(&mut self, bytes_max: u64) -> Result<bool> {
        if self.file.is_some() && self.written < bytes_max {
            return Ok(false);
        }
        self.file = None;
        let number = self.next;
        self.next += 1;
        let path = self.kind.path(&self.folder, number);
        match durable::create(&path, &self.kind.header(number)) {
            Ok(file) => {
                (self.file, self.number, self.written) = (Some(file), number, HEADER_BYTES);
                Ok(true)
            }
            Err(e) => Err(io_error(&path, e)),
        }
    }

    /// Closes the segment; the next frame goes to a new one. Returns the number of that.
    pub fn rotate(&mut self) -> u64 {
        self.file = None;
        self.next
    }

    /// Begins a frame; returns what [`Appender::end_frame`] wants to know.
    pub fn begin_frame(&mut self) -> usize {
        let start = self.frames.len();
        self.frames.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        start
    }

    /// Ends the frame that began there. A payload is far below 4 GiB: the limits of ingest see to it.
    pub fn end_frame(&mut self, start: usize) {
        let payload = &self.frames[start + FRAME_HEADER_BYTES..];
        let (length, crc) = (payload.len() as u32, crc32fast::hash(payload));
        self.frames[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.frames[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Writes all frames and makes them durable; returns how many bytes. After an error the segment is sealed: what it holds of these
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
        self.frames.shrink_to(FRAMES_KEPT_BYTES);
        let Err(e) = result else {
            self.written += bytes;
            return Ok(bytes);
        };
        let path = self.kind.path(&self.folder, self.number);
        if self.written == HEADER_BYTES {
            // Nothing in it was acknowledged; on a full disk every byte counts.
            let _ = std::fs::remove_file(&path);
        } else if let Some(file) = &self.file {
            // Should what failed come back at the next start, it would stand before what its sender sent in its place. Where even
            // this fails, that may happen: nothing acknowledged is lost by it.
            let _ = file.set_len(self.written).and_then(|()| file.sync_all());
        }
        self.rotate();
        Err(io_error(&path, e))
    }
}

/// Removes segments below `floor`; one that cannot be removed is left for the next time.
pub fn remove_below(kind: &Kind, folder: &Path, segments: &[(u64, u64)], floor: u64) {
    for (number, _) in segments.iter().filter(|(n, _)| *n < floor) {
        let _ = std::fs::remove_file(kind.path(folder, *number));
    }
}
