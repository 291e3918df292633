//! Blocks and manifests as objects: put once, read, list, delete. A folder today, a bucket by the same
//! calls. On a folder it adds what the library leaves out: fsync of the file and of its folder.
//! It must never overwrite an object.

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// What the name of a file ends with that was set aside.
pub const DAMAGED: &str = ".damaged";

/// An object store with blocking calls; call it from threads that may block.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
    runtime: Arc<Runtime>,
}

/// A runtime that may be dropped anywhere: tokio's own panics when that happens on one of its threads.
struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    fn block_on<F: Future>(&self, work: F) -> Result<F::Output> {
        let runtime = self.0.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "no runtime"))?;
        Ok(runtime.block_on(work))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a crash left of objects that were being written: they are written as `NAME#NUMBER` first, which
/// the library never lists.
fn remove_staged(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.contains('#')) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

impl Objects {
    /// Objects as files below a folder.
    ///
    /// # Errors
    /// If the folder cannot be made or used.
    pub fn local(folder: &Path) -> Result<Objects> {
        let io = |e: std::io::Error| io_error(folder, e);
        for sub in ["manifest", "blocks"] {
            let sub = folder.join(sub);
            std::fs::create_dir_all(&sub).map_err(io)?;
            remove_staged(&sub).map_err(io)?;
        }
        sync_folder(folder)?;
        Self::existing(folder)
    }

    /// Objects below a folder that is there and may be in use by another process: nothing is made or removed, for
    /// readers only.
    ///
    /// # Errors
    /// If the folder is not there or cannot be read.
    pub fn existing(folder: &Path) -> Result<Objects> {
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|e| object_error(&folder.display().to_string(), e))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = Arc::new(Runtime(Some(runtime.map_err(|e| io_error(folder, e))?)));
        Ok(Objects { store: Arc::new(store), folder: folder.into(), runtime })
    }

    /// Makes a new object, durable when this returns.
    ///
    /// # Errors
    /// `Conflict` if there is one of this name; `Unavailable` if it cannot be written.
    pub fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        use std::io::Write;
        let mut object = self.create(path)?;
        object.write_all(bytes).map_err(|e| io_error(&object.staged, e))?;
        object.finish()
    }

    /// Begins a new object that is too large to be held in memory.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn create(&self, path: &str) -> Result<NewObject> {
        let staged = self.folder.join(format!("{path}#0"));
        let out = File::create(&staged).map_err(|e| io_error(&staged, e))?;
        let out = BufWriter::with_capacity(256 << 10, out);
        Ok(NewObject { objects: self.clone(), path: path.into(), staged, out })
    }

    /// Gives a file that cannot be read a name under which nobody looks for it and nobody removes it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn set_aside(&self, path: &str) -> Result<()> {
        let file = self.folder.join(path);
        std::fs::rename(&file, self.folder.join(format!("{path}{DAMAGED}"))).map_err(|e| io_error(&file, e))
    }

    /// A whole object.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable`.
    pub fn get(&self, path: &str) -> Result<Bytes> {
        self.runtime
            .block_on(async { self.store.get(&ObjectPath::from(path)).await?.bytes().await })?
            .map_err(|e| object_error(path, e))
    }

    /// A part of an object.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` if the object is shorter than that; `Unavailable`.
    pub fn get_range(&self, path: &str, start: u64, length: u64) -> Result<Bytes> {
        let short = || Error::corrupt(format!("{path} is shorter than it says"));
        let range = start..start.checked_add(length).ok_or_else(short)?;
        match self.runtime.block_on(self.store.get_range(&ObjectPath::from(path), range))? {
            Ok(bytes) if bytes.len() as u64 == length => Ok(bytes),
            Ok(_) => Err(short()),
            Err(e) => {
                // Where a read past the end is an error, it is one of many shapes: the size decides.
                let size = self.runtime.block_on(self.store.head(&ObjectPath::from(path)))?.map(|m| m.size);
                Err(if size.is_ok_and(|size| size < start + length) {
                    short()
                } else {
                    object_error(path, e)
                })
            }
        }
    }

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable`.
    pub fn size(&self, path: &str) -> Result<u64> {
        let found = self.runtime.block_on(self.store.head(&ObjectPath::from(path)))?;
        found.map(|meta| meta.size).map_err(|e| object_error(path, e))
    }

    /// Paths and sizes of all objects below a prefix.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let prefix_path = ObjectPath::from(prefix);
        let found = self
            .runtime
            .block_on(self.store.list_with_delimiter(Some(&prefix_path)))?
            .map_err(|e| object_error(prefix, e))?;
        Ok(found.objects.into_iter().map(|o| (o.location.to_string(), o.size)).collect())
    }

    /// Removes an object; that it is not there is no error.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn delete(&self, path: &str) -> Result<()> {
        match self.runtime.block_on(self.store.delete(&ObjectPath::from(path)))? {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(object_error(path, e)),
        }
    }
}

/// An object that is being written. It is not there, and leaves nothing, until [`NewObject::finish`].
pub struct NewObject {
    objects: Objects,
    path: String,
    staged: PathBuf,
    out: BufWriter<File>,
}

impl std::io::Write for NewObject {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl NewObject {
    /// Makes the object be there, durable when this returns.
    ///
    /// # Errors
    /// `Conflict` if there is one of this name; `Unavailable` if it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        use std::io::Write;
        let file = self.objects.folder.join(&self.path);
        // By hand, since the library gives the name before the content is durable: after a power cut there would
        // be an empty file of that name.
        let written = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| std::fs::hard_link(&self.staged, &file));
        written.map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::Conflict, format!("{} is there already", self.path))
            }
            _ => io_error(&file, e),
        })?;
        sync_folder(file.parent().unwrap_or(&self.objects.folder))
    }
}

impl Drop for NewObject {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.staged);
    }
}

/// Makes names created in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io_error(folder, e))
}

/// An error of the operating system, with what to do where that is known.
pub fn io_error(path: &Path, e: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let path = path.display();
    let (kind, message) = match e.kind() {
        Io::StorageFull | Io::QuotaExceeded => (
            ErrorKind::Unavailable,
            format!("no space left for {path}; free some, and recording goes on by itself"),
        ),
        Io::ReadOnlyFilesystem => (ErrorKind::Unavailable, format!("{path} is on a read-only file system")),
        Io::PermissionDenied => (ErrorKind::Unavailable, format!("no permission for {path}")),
        Io::NotFound => (ErrorKind::NotFound, format!("{path} is not there")),
        _ => (ErrorKind::Unavailable, format!("cannot use {path}")),
    };
    Error::wrap(kind, message, e)
}

fn object_error(path: &str, e: object_store::Error) -> Error {
    use object_store::Error as E;
    let kind = match &e {
        E::NotFound { .. } => ErrorKind::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Unavailable,
    };
    Error::wrap(kind, format!("object {path}"), e)
}
