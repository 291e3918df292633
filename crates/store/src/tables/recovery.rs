//! Reads the log of the tables back into memory when a store is opened. It must never remove what may be the only copy
//! of a row, nor call a row durable that a crash may take once more.

use super::log::{self, Log};
use super::{Shared, frame, recent};
use crate::durable::sync_folder;
use crate::objects::{DAMAGED, io_error};
use std::path::Path;
use std::sync::Arc;
use stdx::Result;

/// Reads segments from `floor` on, and makes the log that goes on from there. Says whether all of it is durable.
///
/// # Errors
/// If the folder or a segment cannot be opened.
pub(crate) fn recover(
    shared: &Arc<Shared>,
    folder: &Path,
    floor: u64,
    messages: &mut Vec<String>,
) -> Result<(Log, bool)> {
    std::fs::create_dir_all(folder).map_err(|e| io_error(folder, e))?;
    if let Some(parent) = folder.parent() {
        sync_folder(parent)?;
    }
    let mut next = floor.max(1);
    let mut durable = Ok(());
    let active = shared.active();
    for (number, _) in log::segments(folder)?.into_iter().filter(|(n, _)| *n >= floor) {
        next = next.max(number + 1);
        let path = log::segment_path(folder, number);
        // What a crash left unsynced is shown now, and must stay.
        // One that cannot be opened now may have everything: going on without it would remove it in the end.
        let file = log::open_to_read(folder, number)?;
        durable = durable.and(file.sync_all().map_err(|e| io_error(&path, e)));
        let read = log::read_segment((folder, file, number), |payload| {
            let (table, rows) = frame::decode(payload)?;
            let bytes = recent::bytes_of(&rows);
            active.push(table, rows, bytes)
        });
        match read {
            Ok(rest) if rest.bytes == 0 => {}
            Ok(rest) if !rest.is_damage => messages.push(format!(
                "segment {number} of the tables' log: the last {} bytes are not whole records and were left out",
                rest.bytes
            )),
            Ok(rest) => {
                keep_damaged(&path);
                messages.push(format!(
                    "segment {number} of the tables' log is damaged: what follows, {} bytes, was left out; a copy is kept \
                     beside it",
                    rest.bytes
                ));
            }
            Err(e) => {
                keep_damaged(&path);
                messages.push(format!("segment {number} of the tables' log cannot be read: {e}"));
            }
        }
    }
    let durable = durable.and_then(|()| sync_folder(folder));
    if let Err(e) = &durable {
        messages.push(format!("the tables' log could not be made durable, files are written instead: {e}"));
    }
    Ok((Log::new(folder, next), durable.is_ok()))
}

/// A second name, so that the file stays for whoever can read more of it when the log no longer needs it.
fn keep_damaged(path: &Path) {
    let mut name = path.as_os_str().to_owned();
    name.push(DAMAGED);
    let _ = std::fs::hard_link(path, name);
}
