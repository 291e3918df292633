//! Blocks and manifests as objects: put once, read, list, delete. A folder or a bucket by the same calls, which block;
//! call them from threads that may. It must never overwrite an object, nor show half of one.

mod bucket;
mod folder;
mod location;
mod transport;

use crate::pinned::Pinned;
use bucket::{Bucket, Upload};
use bytes::Bytes;
use folder::{Folder, Staged};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use stdx::{Error, Result};

pub use folder::io_error;
pub use location::Location;

/// What the name of a file ends with that was set aside.
pub const DAMAGED: &str = ".damaged";

/// Bytes that are read and written at once when a whole object is copied.
const PIECE_BYTES: u64 = 8 << 20;

/// An object store with blocking calls. Cheap to clone.
#[derive(Clone)]
pub struct Objects(Arc<Backend>);

enum Backend {
    Folder(Folder),
    Bucket(Bucket),
}

/// An object that is being written: nobody sees it before [`NewObject::finish`], and dropping it leaves nothing.
pub enum NewObject {
    /// A file under another name.
    Folder(Staged),
    /// Parts of an upload.
    Bucket(Upload),
}

impl Objects {
    /// Objects as files below a folder.
    ///
    /// # Errors
    /// If the folder cannot be made or used.
    pub fn local(folder: &Path) -> Result<Objects> {
        Ok(Objects(Arc::new(Backend::Folder(Folder::open(folder)?))))
    }

    /// Objects in a folder or a bucket. Nothing is asked of a bucket yet.
    ///
    /// # Errors
    /// If the folder cannot be made or used; `Invalid` if the environment's settings for buckets make no sense.
    pub fn open(location: &Location) -> Result<Objects> {
        match location {
            Location::Folder(path) => Objects::local(path),
            Location::Bucket { .. } => Ok(Objects(Arc::new(Backend::Bucket(Bucket::open(location)?)))),
        }
    }

    /// Objects below a folder that is there and may be in use by another process: nothing is made or removed, for
    /// readers only.
    ///
    /// # Errors
    /// If the folder is not there or cannot be read.
    pub fn existing(folder: &Path) -> Result<Objects> {
        Ok(Objects(Arc::new(Backend::Folder(Folder::existing(folder)?))))
    }

    /// Objects below a folder, for a reader that holds these files open.
    pub fn pinned(folder: &Path, files: Pinned) -> Objects {
        Objects(Arc::new(Backend::Folder(Folder::pinned(folder, files))))
    }

    /// A bucket of a test's server.
    #[cfg(test)]
    pub fn for_tests(location: &Location, environment: &[(&str, String)]) -> Objects {
        Objects(Arc::new(Backend::Bucket(Bucket::for_tests(location, environment))))
    }

    /// Whether other machines may write to the same place: no lock keeps them out, so that commits have to find out.
    pub fn is_shared(&self) -> bool {
        matches!(&*self.0, Backend::Bucket(_))
    }

    /// Makes a new object, durable when this returns.
    ///
    /// # Errors
    /// `Conflict` if there is one of this name; `Unavailable` if it cannot be written.
    pub fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let mut object = self.create(path)?;
        object.write_all(bytes).map_err(|e| io_error(Path::new(path), e))?;
        object.finish()
    }

    /// Begins a new object, to be written piece by piece.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written.
    pub fn create(&self, path: &str) -> Result<NewObject> {
        Ok(match &*self.0 {
            Backend::Folder(folder) => NewObject::Folder(folder.stage(path)?),
            Backend::Bucket(bucket) => NewObject::Bucket(bucket.upload(path)),
        })
    }

    /// Copies a whole object into another store, in pieces, and returns the checksum (CRC-32) of what was read. `each` is
    /// told how many bytes are done, and may end it.
    ///
    /// # Errors
    /// As [`Objects::get_range`] of this and [`Objects::put_new`] of the other; those of `each`.
    pub fn copy_to(
        &self,
        path: &str,
        size: u64,
        other: &Objects,
        other_path: &str,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u32> {
        let mut object = other.create(other_path)?;
        let crc32 = self.for_each_piece(path, size, &mut |piece| {
            object.write_all(piece).map_err(|e| io_error(Path::new(other_path), e))?;
            each(piece.len() as u64)
        })?;
        object.finish()?;
        Ok(crc32)
    }

    /// The checksum (CRC-32) of a whole object of this size, as it is stored.
    ///
    /// # Errors
    /// As [`Objects::get_range`].
    pub fn checksum(&self, path: &str, size: u64) -> Result<u32> {
        self.for_each_piece(path, size, &mut |_| Ok(()))
    }

    fn for_each_piece(
        &self,
        path: &str,
        size: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u32> {
        let mut crc32 = crc32fast::Hasher::new();
        let mut at = 0;
        while at < size {
            let piece = self.get_range(path, at, (size - at).min(PIECE_BYTES))?;
            crc32.update(&piece);
            each(&piece)?;
            at += piece.len() as u64;
        }
        Ok(crc32.finalize())
    }

    /// Gives an object that cannot be read a name under which nobody looks for it and nobody removes it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn set_aside(&self, path: &str) -> Result<()> {
        match &*self.0 {
            Backend::Folder(folder) => folder.set_aside(path),
            Backend::Bucket(bucket) => bucket.set_aside(path),
        }
    }

    /// A whole object.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable`.
    pub fn get(&self, path: &str) -> Result<Bytes> {
        match &*self.0 {
            Backend::Folder(folder) => folder.get(path),
            Backend::Bucket(bucket) => bucket.get(path),
        }
    }

    /// A part of an object.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` if the object is shorter than that; `Unavailable`.
    pub fn get_range(&self, path: &str, start: u64, length: u64) -> Result<Bytes> {
        let end = start.checked_add(length).ok_or_else(|| short(path))?;
        let mut parts = self.get_ranges(path, std::slice::from_ref(&(start..end)))?;
        parts.pop().ok_or_else(|| short(path))
    }

    /// Parts of an object, in the order asked for. From a bucket, those that lie near each other come in one answer, and
    /// several answers are waited for at once.
    ///
    /// # Errors
    /// As [`Objects::get_range`].
    pub fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let parts = match &*self.0 {
            Backend::Folder(folder) => folder.get_ranges(path, ranges)?,
            Backend::Bucket(bucket) => bucket.get_ranges(path, ranges)?,
        };
        let whole = |(part, range): (&Bytes, &Range<u64>)| part.len() as u64 == range.end - range.start;
        if parts.len() == ranges.len() && parts.iter().zip(ranges).all(whole) {
            Ok(parts)
        } else {
            Err(short(path))
        }
    }

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable`.
    pub fn size(&self, path: &str) -> Result<u64> {
        match &*self.0 {
            Backend::Folder(folder) => folder.size(path),
            Backend::Bucket(bucket) => bucket.size(path),
        }
    }

    /// Paths and sizes of all objects below a prefix.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        match &*self.0 {
            Backend::Folder(folder) => folder.list(prefix),
            Backend::Bucket(bucket) => bucket.list(prefix),
        }
    }

    /// Removes an object; that it is not there is no error.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn delete(&self, path: &str) -> Result<()> {
        match &*self.0 {
            Backend::Folder(folder) => folder.delete(path),
            Backend::Bucket(bucket) => bucket.delete(path),
        }
    }

    /// Checks that a place is ours by the object at its top, and makes it ours if there is nothing.
    ///
    /// # Errors
    /// `Invalid` if other things are there; `NotFound` if there is no such bucket; `Unavailable`.
    pub fn claim(&self, identity: &str, text: &str) -> Result<()> {
        match &*self.0 {
            Backend::Folder(folder) => folder.claim(identity, text),
            Backend::Bucket(bucket) => bucket.claim(identity, text),
        }
    }
}

impl NewObject {
    /// Makes it visible under its name, durably.
    ///
    /// # Errors
    /// `Conflict` if there is one of this name; `Unavailable` if it cannot be written.
    pub fn finish(self) -> Result<()> {
        match self {
            NewObject::Folder(staged) => staged.finish(),
            NewObject::Bucket(upload) => upload.finish(),
        }
    }
}

impl Write for NewObject {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            NewObject::Folder(staged) => staged.write(bytes),
            NewObject::Bucket(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn short(path: &str) -> Error {
    Error::corrupt(format!("{path} is shorter than it says"))
}
