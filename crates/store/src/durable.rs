//! Names that are on the disk when a call returns: new files, files put in the place of others, folders. It must never
//! let two threads sync one folder at a time.
//!
//! That is for Linux: of two `fsync` of one folder at the same time, the second returns at once while the first still
//! writes, on file systems that keep a folder's blocks in a list of their own (ext2, ext4 without a journal). Seen on 6.18:
//! 32 of 150,000 syncs returned before the name was on the disk; none with a lock (docs/decisions/durability.md).
//! Syncing a new file writes its folder too, so the first sync of a file is under the lock as well.

use crate::objects::io_error;
use crate::planted::{self, Bug};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stdx::Result;

/// What the name of a file ends with that is not whole yet.
const UNFINISHED: &str = ".new";

/// The folders that somebody syncs at this moment, or waits to.
static SYNCING: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f` while no other thread syncs this folder. `f` must not call this again.
pub fn alone_in<T>(folder: &Path, f: impl FnOnce() -> T) -> T {
    let turn = lock(&SYNCING).entry(folder.to_path_buf()).or_default().clone();
    let done = {
        let _turn = lock(&turn);
        f()
    };
    drop(turn);
    lock(&SYNCING).retain(|_, turn| Arc::strong_count(turn) > 1);
    done
}

/// Makes names created in a folder durable. Only under [`alone_in`].
pub fn sync_names(folder: &Path) -> std::io::Result<()> {
    if planted::is(Bug::SkipFolderFsync) {
        return Ok(());
    }
    File::open(folder)?.sync_all()
}

/// Makes names created in a folder durable.
///
/// # Errors
/// `Unavailable`.
pub fn sync_folder(folder: &Path) -> Result<()> {
    alone_in(folder, || sync_names(folder)).map_err(|e| io_error(folder, e))
}

/// A new file that begins with these bytes, it and its name durable. Nothing is left of one that cannot be.
///
/// # Errors
/// As the file system's; `AlreadyExists` if there is a file of that name, which stays.
pub fn create(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let folder = parent(path);
    alone_in(folder, || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let durable = file
            .write_all(bytes)
            .and_then(|()| planted::sync(|| file.sync_all()))
            .and_then(|()| sync_names(folder));
        if durable.is_err() {
            let _ = std::fs::remove_file(path);
        }
        durable.map(|()| file)
    })
}

/// Puts a file with these bytes in the place of what is there, readable by this user alone. After a crash there is the
/// old one or the new one.
///
/// # Errors
/// As the file system's.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(UNFINISHED);
    let folder = parent(path);
    std::fs::create_dir_all(folder)?;
    alone_in(folder, || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        sync_names(folder)
    })
}

/// The folder of a file. One without, as `a.json`, lies in the working directory.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn one_thread_at_a_time_syncs_a_folder_and_none_is_remembered_after() {
        let folder = tempfile::tempdir().unwrap();
        let is_inside = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (folder, is_inside) = (folder.path(), &is_inside);
                scope.spawn(move || {
                    for n in 0..50 {
                        alone_in(folder, || {
                            assert!(!is_inside.swap(true, Ordering::SeqCst), "two at a time");
                            std::thread::yield_now();
                            is_inside.store(false, Ordering::SeqCst);
                        });
                        create(&folder.join(format!("{thread}-{n}")), b"x").unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 200);
        assert!(!lock(&SYNCING).contains_key(folder.path()));
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_new_one_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let e = create(&path, b"three").unwrap_err();
        assert_eq!(e.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
