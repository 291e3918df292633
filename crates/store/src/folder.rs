//! The data folder: that it is ours, that nobody else has it open, and that it can be written.
//! It must never touch a folder that holds somebody else's files.

use crate::objects::{io_error, sync_folder};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

const IDENTITY: &str = "MIDWATCH";
const IDENTITY_TEXT: &str = "This folder holds the data of Midwatch, format 1.\n\
    Stop the program before you copy or move it. Blocks are Parquet files.\n";

/// A data folder that this process has locked, until it is dropped.
pub struct DataFolder {
    /// Where it is.
    pub path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, checks that it is ours, and locks it.
    ///
    /// # Errors
    /// `Invalid` if it holds other things, `Conflict` if another process has it open, `Unavailable` if it
    /// cannot be written.
    pub fn open(path: &Path) -> Result<DataFolder> {
        let shown = path.display();
        if path.exists() && !path.is_dir() {
            return Err(Error::invalid(format!("{shown} is not a folder; name another with --data")));
        }
        std::fs::create_dir_all(path).map_err(|e| unusable(path, e))?;
        let identity = path.join(IDENTITY);
        if !identity.exists() {
            let mut entries = std::fs::read_dir(path).map_err(|e| unusable(path, e))?;
            let strange = |e: &std::io::Result<std::fs::DirEntry>| e.as_ref().is_ok_and(|e| !is_harmless(e));
            if let Some(Ok(other)) = entries.find(strange) {
                return Err(Error::invalid(format!(
                    "{shown} is not a data folder of Midwatch (it holds {:?}); name an empty or new folder with --data",
                    other.file_name()
                )));
            }
        }
        let lock = Self::lock(path)?;
        if !identity.exists() {
            let write = || -> std::io::Result<()> {
                std::fs::write(&identity, IDENTITY_TEXT)?;
                File::open(&identity)?.sync_all()
            };
            write().map_err(|e| unusable(&identity, e))?;
        }
        std::fs::create_dir_all(path.join("wal")).map_err(|e| unusable(path, e))?;
        sync_folder(path)?;
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            // Best effort: the parent may be a folder that we may not open.
            let _ = sync_folder(parent);
        }
        Ok(DataFolder { path: path.into(), _lock: lock })
    }

    fn lock(path: &Path) -> Result<File> {
        let file = path.join("LOCK");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .map_err(|e| unusable(&file, e))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} is in use by another process; stop that one, or name another folder with --data",
                    path.display()
                ),
            )),
            Err(TryLockError::Error(e)) => Err(unusable(&file, e)),
        }
    }

    /// Free and total bytes of the file system that the folder is on.
    pub fn disk_bytes(&self) -> Option<(u64, u64)> {
        let stat = rustix::fs::statvfs(&self.path).ok()?;
        Some((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
    }
}

/// What may lie in a folder that is to become ours: a fresh mount's `lost+found`, hidden files, and the log that the
/// shell writes there (`midwatch serve --data d >d/server.log`).
fn is_harmless(entry: &std::fs::DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy().into_owned();
    name == "LOCK" || name == "lost+found" || name.starts_with('.') || name.ends_with(".log")
}

fn unusable(path: &Path, e: std::io::Error) -> Error {
    let mut error = io_error(path, e);
    if !error.message.contains(';') {
        error.message.push_str("; choose another folder with --data");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_only_ours() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("a/b");
        let first = DataFolder::open(&data).unwrap();
        assert_eq!(DataFolder::open(&data).err().unwrap().kind, ErrorKind::Conflict);
        drop(first);
        DataFolder::open(&data).unwrap();

        let fresh = parent.path().join("fresh");
        std::fs::create_dir_all(fresh.join("lost+found")).unwrap();
        std::fs::write(fresh.join("server.log"), "").unwrap();
        DataFolder::open(&fresh).unwrap();

        let other = parent.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("thesis.txt"), "years of work").unwrap();
        let error = DataFolder::open(&other).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("thesis.txt"), "{error}");
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
        assert_eq!(DataFolder::open(&other.join("thesis.txt")).err().unwrap().kind, ErrorKind::Invalid);
    }
}
