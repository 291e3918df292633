//! Reads a segment of the log that a program may be writing to at this moment. It must never wait long.

use crate::objects::io_error;
use crate::wal;
use crate::wal_read;
use std::path::Path;
use std::time::Duration;
use stdx::Result;

/// A write that goes on while it is read is whole within so many looks.
const LOOKS_MAX: usize = 200;
/// A file that did not change over so many looks is not being written.
const UNCHANGED_MAX: usize = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// The bytes of a segment without the end of a write that was going on, which nobody was told is kept. What is not whole
/// and stays so is in it.
///
/// # Errors
/// `NotFound` if it is not there (any more), `Unavailable`.
pub fn read_settled(folder: &Path, number: u64, is_newest: bool) -> Result<Vec<u8>> {
    let path = wal::segment_path(folder, number);
    let read = || std::fs::read(&path).map_err(|e| io_error(&path, e));
    let mut bytes = read()?;
    let wanted = bytes.len();
    let mut unchanged = 0;
    for _ in 0..LOOKS_MAX {
        let whole = bytes.len() - wal_read::rest(&bytes, number).bytes as usize;
        if whole >= wanted {
            bytes.truncate(whole);
        }
        if whole >= wanted || !is_newest || unchanged >= UNCHANGED_MAX {
            break;
        }
        std::thread::sleep(PAUSE);
        let again = read()?;
        unchanged = if again.len() == bytes.len() { unchanged + 1 } else { 0 };
        bytes = again;
    }
    Ok(bytes)
}
