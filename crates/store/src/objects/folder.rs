//! Objects as files below a folder. A file has its name only when its bytes are safe, so that a power cut leaves no empty
//! file of that name. It must never replace a file.

use super::DAMAGED;
use crate::durable::{self, sync_folder};
use crate::pinned::Pinned;
use crate::planted;
use bytes::Bytes;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

/// The folders that objects lie in.
const FOLDERS: [&str; 8] =
    ["manifest", "blocks", "tiers", "tables", "tables/logs", "tables/spans", "tables/changes", "captures"];

/// A folder with objects, some of which may be held open.
pub struct Folder(PathBuf, Option<Pinned>);

/// A file that is being written, under a name that no reader looks at.
pub struct Staged {
    out: BufWriter<File>,
    staged: PathBuf,
    file: PathBuf,
    name: String,
}

impl Folder {
    /// Makes the folders for objects where they are not there, and removes what a crash left of objects that were being
    /// written.
    pub fn open(folder: &Path) -> Result<Folder> {
        let io = |e: std::io::Error| io_error(folder, e);
        for sub in FOLDERS {
            let sub = folder.join(sub);
            std::fs::create_dir_all(&sub).map_err(io)?;
            remove_staged(&sub).map_err(io)?;
        }
        sync_folder(folder)?;
        Folder::existing(folder)
    }

    pub fn existing(folder: &Path) -> Result<Folder> {
        std::fs::read_dir(folder).map_err(|e| io_error(folder, e))?;
        Ok(Folder(folder.into(), None))
    }

    /// For readers: these files are read through what holds them open, whatever becomes of their names.
    pub fn pinned(folder: &Path, files: Pinned) -> Folder {
        Folder(folder.into(), Some(files))
    }

    fn file(&self, path: &str) -> std::io::Result<File> {
        match self.1.as_ref().and_then(|pinned| pinned.file(path)) {
            Some(file) => file,
            None => File::open(self.0.join(path)),
        }
    }

    pub fn size(&self, path: &str) -> Result<u64> {
        let size = self.file(path).and_then(|file| Ok(file.metadata()?.len()));
        size.map_err(|e| io_error(&self.0.join(path), e))
    }

    pub fn stage(&self, path: &str) -> Result<Staged> {
        let staged = self.0.join(format!("{path}#0"));
        let out = File::create(&staged).map_err(|e| io_error(&staged, e))?;
        Ok(Staged { out: BufWriter::new(out), staged, file: self.0.join(path), name: path.into() })
    }

    pub fn set_aside(&self, path: &str) -> Result<()> {
        let file = self.0.join(path);
        std::fs::rename(&file, self.0.join(format!("{path}{DAMAGED}"))).map_err(|e| io_error(&file, e))
    }

    pub fn get(&self, path: &str) -> Result<Bytes> {
        let read = || -> std::io::Result<Bytes> {
            let file = self.file(path)?;
            let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).unwrap_or(0)];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes.into())
        };
        read().map_err(|e| io_error(&self.0.join(path), e))
    }

    pub fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let file_path = self.0.join(path);
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => super::short(path),
            _ => io_error(&file_path, e),
        };
        let file = self.file(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let read = |range: &Range<u64>| {
            // Before memory is taken: a damaged footer may claim any size.
            if range.end > size || range.start > range.end {
                return Err(super::short(path));
            }
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut bytes, range.start).map_err(io)?;
            Ok(Bytes::from(bytes))
        };
        ranges.iter().map(read).collect()
    }

    pub fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let folder = self.0.join(prefix);
        let io = |e: std::io::Error| io_error(&folder, e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            // Removed by now, perhaps.
            let Ok(metadata) = entry.metadata() else { continue };
            let name = entry.file_name();
            if let Some(name) = name.to_str().filter(|n| metadata.is_file() && !n.contains('#')) {
                found.push((format!("{prefix}/{name}"), metadata.len()));
            }
        }
        Ok(found)
    }

    pub fn delete(&self, path: &str) -> Result<()> {
        let file = self.0.join(path);
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_error(&file, e)),
            _ => Ok(()),
        }
    }

    pub fn claim(&self, identity: &str, text: &str) -> Result<()> {
        let file = self.0.join(identity);
        if file.exists() {
            return Ok(());
        }
        for sub in FOLDERS {
            if !self.list(sub)?.is_empty() {
                let text = format!("{} holds other things; name an empty or new folder", self.0.display());
                return Err(Error::invalid(text));
            }
        }
        let write = || -> std::io::Result<()> {
            std::fs::write(&file, text)?;
            File::open(&file)?.sync_all()
        };
        write().map_err(|e| io_error(&file, e))?;
        sync_folder(&self.0)
    }
}

impl Staged {
    pub fn finish(mut self) -> Result<()> {
        let folder = self.file.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut write = || -> std::io::Result<()> {
            self.out.flush()?;
            planted::sync(|| self.out.get_ref().sync_all())?;
            std::fs::hard_link(&self.staged, &self.file)?;
            // The second name goes before the folder is synced: one sync for both.
            let _ = std::fs::remove_file(&self.staged);
            durable::sync_names(&folder)
        };
        durable::alone_in(&folder, &mut write).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::Conflict, format!("{} is there already", self.name))
            }
            _ => io_error(&self.file, e),
        })
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.staged);
    }
}

fn remove_staged(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.contains('#')) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// An error of the operating system, with what to do where that is known.
pub fn io_error(path: &Path, e: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let e = match e.downcast::<Error>() {
        // What a bucket said, on its way through code that writes files.
        Ok(error) => return error,
        Err(e) => e,
    };
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
