//! Objects read in pieces, every piece checked against a checksum that was taken when the object was written: a changed
//! byte is an error and never a row. For the Parquet reader, which checks nothing itself.

use crate::objects::Objects;
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use stdx::{Error, Result};

/// Bytes that one checksum is of.
pub const PIECE_BYTES: u64 = 16 << 10;
/// What is read at once where it is not known how much is wanted.
const STREAM_BYTES: u64 = 64 << 10;

/// Takes the checksum (CRC-32) of every piece that goes through.
pub struct Summing<W> {
    inner: W,
    piece: crc32fast::Hasher,
    in_piece: u64,
    sums: Vec<u32>,
    bytes: u64,
}

impl<W: Write> Summing<W> {
    pub fn new(inner: W) -> Summing<W> {
        Summing { inner, piece: crc32fast::Hasher::new(), in_piece: 0, sums: Vec::new(), bytes: 0 }
    }

    /// What it wrote to, the checksums, and the number of bytes.
    pub fn finish(mut self) -> (W, Vec<u32>, u64) {
        if self.in_piece > 0 {
            self.sums.push(self.piece.finalize());
        }
        (self.inner, self.sums, self.bytes)
    }

    fn sum(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let n = bytes.len().min((PIECE_BYTES - self.in_piece) as usize);
            self.piece.update(&bytes[..n]);
            self.in_piece += n as u64;
            bytes = &bytes[n..];
            if self.in_piece == PIECE_BYTES {
                self.sums.push(std::mem::take(&mut self.piece).finalize());
                self.in_piece = 0;
            }
        }
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sum(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// An object and its checksums. Cheap to clone.
#[derive(Clone)]
pub struct Checked(Arc<Inner>);

struct Inner {
    objects: Objects,
    path: String,
    bytes: u64,
    sums: Vec<u32>,
    read: AtomicU64,
}

impl Checked {
    /// An object of this size; `sums` are of every [`PIECE_BYTES`] of it.
    pub fn new(objects: Objects, path: String, bytes: u64, sums: Vec<u32>) -> Checked {
        Checked(Arc::new(Inner { objects, path, bytes, sums, read: AtomicU64::new(0) }))
    }

    /// Memory that the checksums take, bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.0.sums)
    }

    /// Bytes that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.0.read.load(Relaxed)
    }

    /// A part of it.
    ///
    /// # Errors
    /// `Corrupt` if anything of it was changed; those of [`Objects::get_range`].
    pub fn get(&self, start: u64, length: u64) -> Result<Bytes> {
        let inner = &self.0;
        let end = start.checked_add(length).filter(|end| *end <= inner.bytes);
        let end = end.ok_or_else(|| Error::corrupt(format!("{} is shorter than it says", inner.path)))?;
        let first = start / PIECE_BYTES;
        let from = first * PIECE_BYTES;
        let to = end.div_ceil(PIECE_BYTES).saturating_mul(PIECE_BYTES).min(inner.bytes);
        let bytes = inner.objects.get_range(&inner.path, from, to - from)?;
        inner.read.fetch_add(to - from, Relaxed);
        for (i, piece) in bytes.chunks(PIECE_BYTES as usize).enumerate() {
            if inner.sums.get(first as usize + i) != Some(&crc32fast::hash(piece)) {
                let at = from + i as u64 * PIECE_BYTES;
                return Err(Error::corrupt(format!("{} was changed at about byte {at}", inner.path)));
            }
        }
        Ok(bytes.slice((start - from) as usize..(end - from) as usize))
    }

    /// Reads all of it; `each` is told how much at a time.
    ///
    /// # Errors
    /// As [`Checked::get`], and those of `each`.
    pub fn check(&self, each: &mut dyn FnMut(u64) -> Result<()>) -> Result<()> {
        const AT_ONCE: u64 = PIECE_BYTES * 256;
        let mut at = 0;
        while at < self.0.bytes {
            let n = AT_ONCE.min(self.0.bytes - at);
            self.get(at, n)?;
            each(n)?;
            at += n;
        }
        Ok(())
    }
}

impl Length for Checked {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for Checked {
    type T = Stream;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Stream> {
        Ok(Stream { of: self.clone(), at: start, ahead: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.get(start, length as u64).map_err(|e| ParquetError::External(Box::new(e)))
    }
}

/// Reads on from somewhere.
pub struct Stream {
    of: Checked,
    at: u64,
    ahead: Bytes,
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.ahead.is_empty() {
            let n = STREAM_BYTES.min(self.of.0.bytes.saturating_sub(self.at));
            self.ahead = self.of.get(self.at, n).map_err(std::io::Error::other)?;
            self.at += n;
        }
        let n = out.len().min(self.ahead.len());
        out[..n].copy_from_slice(&self.ahead.split_to(n));
        Ok(n)
    }
}

/// An error of the Parquet reader, with the kind of ours that is inside.
pub fn read_error(path: &str, e: &(dyn std::error::Error + 'static)) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(e);
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<Error>() {
            return Error::new(ours.kind, ours.message.clone());
        }
        cause = inner.source();
    }
    // Its bytes are those that were written.
    Error::corrupt(format!("{path} cannot be read: {e}"))
}
