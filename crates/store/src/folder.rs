//! The data folder: that it is ours, that nobody else has it open, and that it can be written.
//! It must never touch a folder that holds somebody else's files.

use crate::durable::sync_folder;
use crate::objects::{Location, io_error};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

const IDENTITY: &str = "MIDWATCH";
const IDENTITY_TEXT: &str = "This folder holds the data of Midwatch, format 1.\n\
    Copy it with `midwatch backup`, or stop the program first. Blocks are Parquet files.\n";
const ID: &str = "Id: ";
/// Stands in the place of the identity until a restore has ended.
const UNFINISHED: &str = "RESTORE-UNFINISHED";

/// A data folder that this process has locked, until it is dropped.
pub struct DataFolder {
    /// Where it is.
    pub path: PathBuf,
    _lock: File,
}

/// Whether a folder is a data folder of ours.
pub fn is_ours(path: &Path) -> bool {
    path.join(IDENTITY).is_file()
}

/// Checks that a folder is one of ours that holds blocks, for those who only read.
///
/// # Errors
/// `NotFound`, or `Invalid`, with what it is.
pub fn must_be_ours(path: &Path) -> Result<()> {
    let shown = path.display();
    if let Location::Bucket { .. } = Location::parse(path)? {
        let text =
            "this works on folders; a bucket is copied and checked by its own means (versions, replication)";
        return Err(Error::invalid(format!("{shown}: {text}")));
    }
    if !path.is_dir() {
        let text = format!("{shown} is not a folder that is there; name a data folder of Midwatch");
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    if !is_ours(path) {
        return Err(Error::invalid(format!("{shown} is not a data folder of Midwatch; name one")));
    }
    if path.join("BUCKET").exists() {
        return Err(Error::invalid(format!("{shown} holds only the log of what is kept in a bucket")));
    }
    Ok(())
}

/// What tells one data folder from another, and goes with it into a backup; "" in folders that were made before there
/// was one.
pub fn id_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path.join(IDENTITY)).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(ID)).unwrap_or_default().trim().to_string()
}

/// Makes a folder a data folder, durably.
fn make_ours(path: &Path, name: &str, id: &str) -> Result<()> {
    let identity = path.join(name);
    let write = || -> std::io::Result<()> {
        std::fs::write(&identity, format!("{IDENTITY_TEXT}{ID}{id}\n"))?;
        File::open(&identity)?.sync_all()
    };
    write().map_err(|e| unusable(&identity, e))?;
    sync_folder(path)
}

/// Whether a restore into the folder has begun and not ended.
pub fn is_being_restored(path: &Path) -> bool {
    path.join(UNFINISHED).is_file()
}

/// Marks a folder as one that is being restored, durably: no program starts on it.
///
/// # Errors
/// If it cannot be written.
pub fn begin_restore(path: &Path, id: &str) -> Result<()> {
    make_ours(path, UNFINISHED, id)
}

/// Turns a folder in which everything is durable now into a data folder.
///
/// # Errors
/// If it cannot be written.
pub fn finish_restore(path: &Path) -> Result<()> {
    std::fs::rename(path.join(UNFINISHED), path.join(IDENTITY)).map_err(|e| unusable(path, e))?;
    sync_folder(path)
}

/// The first file in a folder that keeps it from becoming ours.
///
/// # Errors
/// If it cannot be read.
pub fn stranger(path: &Path) -> Result<Option<std::ffi::OsString>> {
    let entries = std::fs::read_dir(path).map_err(|e| unusable(path, e))?;
    let strange = |e: &std::io::Result<std::fs::DirEntry>| e.as_ref().is_ok_and(|e| !is_harmless(e));
    Ok({ entries }.find(strange).and_then(Result::ok).map(|e| e.file_name()))
}

/// A number that no other folder has. Keyed by the operating system's randomness.
fn new_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(0u8), RandomState::new().hash_one(1u8))
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
            if is_being_restored(path) {
                return Err(Error::invalid(format!(
                    "{shown} is half of a restore that was interrupted; run the same `midwatch restore` again"
                )));
            }
            if let Some(other) = stranger(path)? {
                return Err(Error::invalid(format!(
                    "{shown} is not a data folder of Midwatch (it holds {other:?}); name an empty or new folder with --data"
                )));
            }
        }
        let lock = lock(path)?;
        if !identity.exists() {
            make_ours(path, IDENTITY, &new_id())?;
        }
        std::fs::create_dir_all(path.join("wal")).map_err(|e| unusable(path, e))?;
        sync_folder(path)?;
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            // Best effort: the parent may be a folder that we may not open.
            let _ = sync_folder(parent);
        }
        Ok(DataFolder { path: path.into(), _lock: lock })
    }

    /// Free and total bytes of the file system that the folder is on.
    pub fn disk_bytes(&self) -> Option<(u64, u64)> {
        let stat = rustix::fs::statvfs(&self.path).ok()?;
        Some((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
    }
}

/// Locks a folder until what is returned is dropped.
///
/// # Errors
/// `Conflict` if another process has it.
pub fn lock(path: &Path) -> Result<File> {
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
