//! One file of a buffer: a header with the number of its first frame, then frames, each with its length, checksum, number,
//! times and count. It must never give a frame whose checksum or number is not right, nor take memory for a length that
//! the file does not have.

use crate::objects::io_error;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use stdx::{Error, Result};

const MAGIC: &[u8; 8] = b"MWBUF\0\0\x01";
/// Magic, the first number, their checksum, nothing.
pub(super) const HEADER_BYTES: u64 = 24;
/// Length, checksum, number, first and last time, count.
const FRAME_BYTES: usize = 36;
const SUFFIX: &str = ".frames";

/// A frame that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Rising by one.
    pub number: u64,
    /// Time of the oldest sample in it, milliseconds since 1970.
    pub first_ms: i64,
    /// Time of the newest.
    pub last_ms: i64,
    /// How many.
    pub samples: u32,
    /// As it was pushed.
    pub payload: Vec<u8>,
    /// The segment that it is in, by its first number, and where it ends there.
    pub(super) segment: u64,
    pub(super) end: u64,
}

/// What is known of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Number of its first frame, and of the one after its last.
    pub first: u64,
    pub next: u64,
    /// How much of the file is whole.
    pub bytes: u64,
    pub samples: u64,
    pub acknowledged_samples: u64,
    pub first_ms: i64,
    pub last_ms: i64,
}

impl Segment {
    pub fn new(first: u64) -> Segment {
        let (first_ms, last_ms) = (i64::MAX, i64::MIN);
        Segment {
            first,
            next: first,
            bytes: HEADER_BYTES,
            samples: 0,
            acknowledged_samples: 0,
            first_ms,
            last_ms,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.first == self.next
    }

    pub fn add(&mut self, bytes: u64, first_ms: i64, last_ms: i64, samples: u32) {
        self.next += 1;
        self.bytes += bytes;
        self.samples += u64::from(samples);
        self.first_ms = self.first_ms.min(first_ms);
        self.last_ms = self.last_ms.max(last_ms);
    }
}

pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}{SUFFIX}"))
}

pub(super) fn header(first: u64) -> Vec<u8> {
    let mut out = [&MAGIC[..], &first.to_le_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out.extend([0; 4]);
    out
}

pub(super) fn encode(number: u64, first_ms: i64, last_ms: i64, samples: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_BYTES + payload.len());
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(number.to_le_bytes());
    out.extend(first_ms.to_le_bytes());
    out.extend(last_ms.to_le_bytes());
    out.extend(samples.to_le_bytes());
    out.extend(payload);
    let sum = crc32fast::hash(&out[8..]);
    out[4..8].copy_from_slice(&sum.to_le_bytes());
    out
}

/// First numbers and files, the oldest first.
pub(super) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let io = |e| io_error(folder, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|n| n.to_str());
        if let Some(first) = name.and_then(|n| n.strip_suffix(SUFFIX)?.parse().ok()) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a segment to its end, or to where it is not whole any more: then it says so, unless it is what a kill leaves.
pub(super) fn scan(path: &Path, first: u64) -> Result<(Segment, Option<String>)> {
    let mut segment = Segment::new(first);
    let file = File::open(path).map_err(|e| io_error(path, e))?;
    let length = file.metadata().map_err(|e| io_error(path, e))?.len();
    let folder = path.parent().unwrap_or(path);
    let whole = Segment { next: u64::MAX, bytes: length, ..segment.clone() };
    let mut problem = None;
    match Frames::over(file, path, &whole, 0) {
        Ok(frames) => {
            for frame in frames {
                match frame {
                    Ok(f) => {
                        let bytes = f.end - segment.bytes;
                        segment.add(bytes, f.first_ms, f.last_ms, f.samples);
                    }
                    Err(e) if e.kind == stdx::ErrorKind::Corrupt => problem = Some(e.message),
                    Err(e) => return Err(e),
                }
            }
        }
        Err(e) if e.kind == stdx::ErrorKind::Corrupt => problem = Some(e.message),
        Err(e) => return Err(e),
    }
    let problem =
        problem.map(|p| format!("{}: {p}; what stands after it is lost", folder.join(path).display()));
    Ok((segment, problem))
}

/// Reads frames one after the other; ends with the first that is not whole.
pub(super) struct Frames {
    reader: BufReader<File>,
    path: PathBuf,
    /// Of the segment: its first number, and how much of it is whole.
    first: u64,
    bytes: u64,
    at: u64,
    number: Option<u64>,
    is_over: bool,
}

impl Frames {
    /// From an offset on, at which a frame begins.
    pub fn open(folder: &Path, segment: &Segment, at: u64) -> Result<Frames> {
        let path = path(folder, segment.first);
        let file = File::open(&path).map_err(|e| io_error(&path, e))?;
        Frames::over(file, &path, segment, at)
    }

    fn over(file: File, path: &Path, segment: &Segment, at: u64) -> Result<Frames> {
        let mut frames = Frames {
            reader: BufReader::with_capacity(1 << 16, file),
            path: path.into(),
            first: segment.first,
            bytes: segment.bytes,
            at: at.max(HEADER_BYTES),
            number: (at <= HEADER_BYTES).then_some(segment.first),
            is_over: false,
        };
        let mut found = [0; HEADER_BYTES as usize];
        if !frames.fill(&mut found)? {
            // A kill before the first frame.
            frames.is_over = true;
        } else if found[..] != header(segment.first) {
            return Err(Error::corrupt("its header is damaged"));
        } else {
            frames.reader.seek(SeekFrom::Start(frames.at)).map_err(|e| io_error(path, e))?;
        }
        Ok(frames)
    }

    /// False if there are not so many bytes any more.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<bool> {
        match self.reader.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(io_error(&self.path, e)),
        }
    }

    fn read(&mut self) -> Result<Option<Frame>> {
        if self.at + FRAME_BYTES as u64 > self.bytes {
            return Ok(None);
        }
        let mut head = [0; FRAME_BYTES];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let u32_at = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap_or_default());
        let u64_at = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default());
        let end = self.at + FRAME_BYTES as u64 + u64::from(u32_at(0));
        if end > self.bytes {
            return Ok(None);
        }
        let mut payload = vec![0; u32_at(0) as usize];
        if !self.fill(&mut payload)? {
            return Ok(None);
        }
        let mut sum = crc32fast::Hasher::new();
        sum.update(&head[8..]);
        sum.update(&payload);
        let number = u64_at(8);
        if sum.finalize() != u32_at(4) || self.number.is_some_and(|n| n != number) {
            return Err(Error::corrupt(format!("the frame at byte {} is damaged", self.at)));
        }
        self.number = Some(number + 1);
        self.at = end;
        let (first_ms, last_ms, samples) = (u64_at(16) as i64, u64_at(24) as i64, u32_at(32));
        Ok(Some(Frame { number, first_ms, last_ms, samples, payload, segment: self.first, end }))
    }
}

impl Iterator for Frames {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Result<Frame>> {
        if self.is_over {
            return None;
        }
        let next = self.read().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}
