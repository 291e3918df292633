//! The tables in the manifest: which files there are, and how far the log is in them. What is committed here is what
//! there is.

use super::header::{FileEntry, Header, folder, id_of};
use super::schema::Table;
use crate::manifest::LogFloor;
use crate::objects::{DAMAGED, Objects};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use stdx::{ErrorKind, Result};

/// The part of a manifest that is about tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// How far each log is in files: segments below that number. The log that lies beside the manifest has no name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub floors: Vec<LogFloor>,
    /// Number of the next file.
    #[serde(default)]
    pub next_file: u64,
    /// The files, in no order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
}

/// Logs that are remembered.
const LOGS_MAX: usize = 64;

impl List {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == List::default()
    }

    /// Segments below this number of a log are in files.
    pub fn floor(&self, log: &str) -> u64 {
        self.floors.iter().find(|l| l.log == log).map_or(0, |l| l.floor)
    }

    /// Says that segments below this number of a log are in files.
    pub fn set_floor(&mut self, log: &str, floor: u64) {
        self.floors.retain(|l| l.log != log);
        self.floors.push(LogFloor { log: log.into(), floor });
        let excess = self.floors.len().saturating_sub(LOGS_MAX);
        self.floors.drain(..excess);
    }
}

/// Every object below the folders of tables, and its size.
///
/// # Errors
/// `Unavailable`.
pub fn objects_of(objects: &Objects) -> Result<BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    for table in Table::ALL {
        match objects.list(&folder(table.name())) {
            Ok(found) => all.extend(found),
            Err(e) if e.kind == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// Removes what no manifest names: a crash came before the commit, or before the removal. Tells of what is missing.
pub fn remove_orphans(objects: &Objects, list: &List, messages: &mut Vec<String>) {
    let found = match objects_of(objects) {
        Err(e) => return messages.push(format!("left-over files of tables were not looked for: {e}")),
        Ok(found) => found,
    };
    let named: BTreeSet<String> = list.files.iter().flat_map(FileEntry::paths).collect();
    for path in found.keys().filter(|p| !named.contains(*p) && !p.ends_with(DAMAGED)) {
        let _ = objects.delete(path);
    }
    for entry in &list.files {
        for (path, bytes) in entry.paths().into_iter().zip([entry.bytes, entry.index_bytes]) {
            match found.get(&path) {
                None => messages
                    .push(format!("{path} is missing: {} rows of {} are gone", entry.rows, entry.table)),
                Some(size) if *size != bytes => {
                    messages.push(format!("{path} has {size} bytes instead of {bytes}: it is damaged"));
                }
                Some(_) => {}
            }
        }
    }
}

/// After a damaged manifest: files that only it named hold rows whose log is gone already, so they are taken in by what
/// is found in them, and those that they were made of are left out. Of a cut whose files are not all there nothing is
/// taken: it was not committed, and the log has its rows.
///
/// # Errors
/// `Unavailable`.
pub fn adopt(objects: &Objects, list: &mut List, messages: &mut Vec<String>) -> Result<()> {
    let found = objects_of(objects)?;
    let is_there = |entry: &FileEntry| entry.paths().iter().all(|path| found.contains_key(path));
    let mut adopted = BTreeMap::new();
    for table in Table::ALL {
        let prefix = folder(table.name()) + "/";
        let of_table = found.keys().filter(|p| p.starts_with(&prefix) && p.ends_with(".index"));
        for id in of_table.filter_map(|path| id_of(path)).filter(|id| *id >= list.next_file) {
            let entry = FileEntry { id, table: table.name().into(), ..FileEntry::default() };
            if !is_there(&entry) {
                continue;
            }
            let [bytes, index_bytes] = entry.paths().map(|path| found[&path]);
            let sized = FileEntry { bytes, index_bytes, ..entry.clone() };
            match Header::describe(objects, sized) {
                Ok(described) => drop(adopted.insert(id, described)),
                Err(e) if matches!(e.kind, ErrorKind::Corrupt) => {
                    entry.paths().iter().try_for_each(|path| objects.set_aside(path))?;
                    messages.push(format!(
                        "file {id} of {}, which no whole manifest names, cannot be read and was set aside: {e}",
                        entry.table
                    ));
                }
                Err(e) => return Err(e),
            }
        }
    }
    let ids: BTreeSet<u64> = adopted.keys().copied().collect();
    let mut taken_cut = None;
    for (id, (entry, made)) in adopted {
        let (first, count) = made.cut;
        let is_other = made.log_floor <= list.floor(&made.log) && taken_cut != Some(first);
        if made.sources.is_empty() && is_other {
            // Its rows are in files that are named already: it was written once more after a failure.
            continue;
        }
        if made.sources.is_empty() && !(first..first.saturating_add(count)).all(|id| ids.contains(&id)) {
            continue;
        }
        list.files.retain(|f| !made.sources.contains(&f.id));
        if made.sources.is_empty() && made.log_floor > list.floor(&made.log) {
            list.set_floor(&made.log, made.log_floor);
            taken_cut = Some(first);
        }
        messages
            .push(format!("file {id} of {} was found without a whole manifest and taken in", entry.table));
        list.files.push(entry);
        list.next_file = id + 1;
    }
    list.files.retain(is_there);
    list.next_file = list.next_file.max(ids.last().map_or(0, |id| id + 1));
    Ok(())
}
