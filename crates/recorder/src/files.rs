//! Files of /proc and /sys that are read again and again: kept open, read from their start into one
//! buffer. A file that is not there is looked for again only now and then. It must never block on
//! anything but the kernel's own text, nor read more than its limit.

use std::fs::File;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The most bytes that are read of one file.
pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;

/// Ticks after which a missing or failing file is tried again.
const RETRY_TICKS: u64 = 60;

/// How the kernel hands out a file's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Whole in one read, if the buffer is large enough: single values, `/proc/PID/stat`, sysfs.
    Whole,
    /// Record by record: read until nothing comes.
    Records,
}

/// What reading needs and counts: the buffer that all files share, and what happened.
pub(crate) struct Io {
    buffer: Vec<u8>,
    /// Bytes of the buffer that the last read filled.
    length: usize,
    /// The number of the present tick, from 0.
    pub(crate) tick: u64,
    /// Files read in this tick.
    pub(crate) files: u64,
    /// Reads that failed in this tick for another reason than that the thing is gone.
    pub(crate) errors: u64,
}

impl Io {
    pub(crate) fn new() -> Io {
        Io { buffer: vec![0; 32 << 10], length: 0, tick: 0, files: 0, errors: 0 }
    }

    /// Reads an open file from its start.
    pub(crate) fn read_file(&mut self, file: &File, shape: Shape) -> Result<&[u8]> {
        self.files += 1;
        self.length = 0;
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                if length >= FILE_BYTES_MAX {
                    self.errors += 1;
                    break;
                }
                self.buffer.resize(length * 2, 0);
            }
            match file.read_at(&mut self.buffer[length..], length as u64) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            if shape == Shape::Whole && length < self.buffer.len() {
                break;
            }
        }
        self.length = length;
        Ok(&self.buffer[..length])
    }

    /// The text of the last file that was read.
    pub(crate) fn last_text(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Opens, reads and closes a file that is read too seldom to keep it open. None if it is not
    /// there or cannot be read.
    pub(crate) fn read_once(&mut self, path: &std::path::Path) -> Option<&[u8]> {
        match File::open(path) {
            Ok(file) => {
                let before = self.errors;
                // Reading twice would be the price of returning a borrow from inside a match.
                match self.read_file(&file, Shape::Records).map(<[u8]>::len) {
                    Ok(length) => Some(&self.buffer[..length]),
                    Err(e) => {
                        self.errors = before + u64::from(!is_absence(&e));
                        None
                    }
                }
            }
            Err(e) => {
                self.errors += u64::from(!is_absence(&e));
                None
            }
        }
    }

    /// Calls `line` with each line of a file that may be long, piece by piece, until it returns false
    /// or `lines_max` lines were read.
    pub(crate) fn each_line(
        &mut self,
        path: &std::path::Path,
        lines_max: u64,
        mut line: impl FnMut(&[u8]) -> bool,
    ) {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) => {
                self.errors += u64::from(!is_absence(&e));
                return;
            }
        };
        self.files += 1;
        let (mut position, mut kept, mut left) = (0u64, 0, lines_max);
        loop {
            let read = match file.read_at(&mut self.buffer[kept..], position) {
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.errors += u64::from(!is_absence(&e));
                    return;
                }
            };
            position += read as u64;
            let filled = kept + read;
            let mut start = 0;
            while let Some(length) = self.buffer[start..filled].iter().position(|b| *b == b'\n') {
                left = left.saturating_sub(1);
                if left == 0 || !line(&self.buffer[start..start + length]) {
                    return;
                }
                start += length + 1;
            }
            // What is left is the beginning of a line; one as long as the buffer is none.
            kept = if filled - start == self.buffer.len() { 0 } else { filled - start };
            self.buffer.copy_within(start..start + kept, 0);
            if read == 0 {
                if kept > 0 {
                    line(&self.buffer[..kept]);
                }
                return;
            }
        }
    }
}

/// Whether an error says that the thing is not there or has no value now, which is no fault.
pub(crate) fn is_absence(e: &std::io::Error) -> bool {
    const ESRCH: i32 = 3;
    const ENXIO: i32 = 6;
    const ENODEV: i32 = 19;
    const EINVAL: i32 = 22;
    const ENODATA: i32 = 61;
    const EOPNOTSUPP: i32 = 95;
    e.kind() == ErrorKind::NotFound
        || matches!(e.raw_os_error(), Some(ESRCH | ENXIO | ENODEV | EINVAL | ENODATA | EOPNOTSUPP))
}

/// One file that is read every tick.
pub(crate) struct Source {
    path: PathBuf,
    shape: Shape,
    file: Option<File>,
    retry_tick: u64,
}

impl Source {
    pub(crate) fn new(path: impl Into<PathBuf>, shape: Shape) -> Source {
        Source { path: path.into(), shape, file: None, retry_tick: 0 }
    }

    /// The file's text now; None if there is none.
    pub(crate) fn read<'b>(&mut self, io: &'b mut Io) -> Option<&'b [u8]> {
        if self.file.is_none() {
            if io.tick < self.retry_tick {
                return None;
            }
            self.retry_tick = io.tick + RETRY_TICKS;
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(e) => {
                    io.errors += u64::from(!is_absence(&e));
                    return None;
                }
            }
        }
        let length = match io.read_file(self.file.as_ref()?, self.shape) {
            Ok(text) => text.len(),
            Err(e) => {
                io.errors += u64::from(!is_absence(&e));
                self.file = None;
                self.retry_tick = io.tick + RETRY_TICKS;
                return None;
            }
        };
        Some(&io.buffer[..length])
    }
}
