//! Files that grow: each is read from where it was left, through renames and truncations, and every line is written once, even
//! when the program is killed in between. One thread reads them all.
//!
//! How once is kept: before a part of a file is written, the place where it ends is noted down durably (`journal`); its last
//! record carries that place as an attribute. After a crash a place that is noted and not confirmed is looked up among the
//! records: found, the part was written; not found, it is read again.

mod glob;
mod journal;
mod reader;

use super::{FileSettings, Logs};
use crate::clock::now_ms;
use journal::{Journal, Place};
use reader::{Followed, Identity};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use store::tables::{AttributeTest, Predicate, Scan, Table};

/// The attribute of the last record of each part: identity of the file and the place in it.
pub const POSITION: &str = "midwatch.file_position";
/// How often files are looked at.
pub const PERIOD: Duration = Duration::from_millis(250);
/// How often patterns are looked up anew, in turns of the loop.
const GLOB_EVERY: u32 = 20;
/// Files at a time.
const FILES_MAX: usize = 1_000;
/// Endings of files that are compressed: finished, and read before.
const COMPRESSED: [&str; 6] = ["gz", "xz", "zst", "bz2", "zip", "lz4"];

/// The running thread. Dropping it ends it; what is not written is read again at the next start.
pub struct Follower {
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to follow.
    ///
    /// # Errors
    /// `Unavailable` if there can be no more threads.
    pub fn start(logs: Arc<Logs>) -> Result<Follower> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stop = is_stopping.clone();
        let thread = std::thread::Builder::new()
            .name("log-files".into())
            .spawn(move || run(&logs, &stop))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        Ok(Follower { is_stopping, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.is_stopping.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(logs: &Logs, stop: &AtomicBool) {
    let mut all =
        Files { journal: Journal::open(logs.store().folder()), open: BTreeMap::new(), is_first: true };
    all.settle(logs);
    let mut turn = 0u32;
    while !stop.load(Relaxed) {
        if turn.is_multiple_of(GLOB_EVERY) {
            for settings in &logs.settings().files {
                if all.is_first {
                    all.rotated_meanwhile(settings, logs);
                }
                all.look_for(settings, logs);
            }
            all.is_first = false;
        }
        turn = turn.wrapping_add(1);
        let is_busy = all.read(logs, stop);
        if !is_busy {
            std::thread::sleep(PERIOD);
        }
    }
    all.journal.save();
}

struct Files {
    journal: Journal,
    /// By path and identity: while it is being rotated a path has two.
    open: BTreeMap<(PathBuf, Identity), Followed>,
    is_first: bool,
}

impl Files {
    /// After a crash: was what was noted last written or not?
    fn settle(&mut self, logs: &Logs) {
        for place in self.journal.places_mut() {
            let Some(pending) = place.pending else { continue };
            let position = place.position(pending);
            if was_written(logs, &position) {
                place.offset = pending;
            }
            place.pending = None;
        }
    }

    fn look_for(&mut self, settings: &FileSettings, logs: &Logs) {
        for path in glob::find(&settings.path, FILES_MAX) {
            let is_compressed = path.extension().is_some_and(|e| COMPRESSED.iter().any(|c| e == *c));
            if is_compressed || self.open.len() >= FILES_MAX {
                continue;
            }
            self.open_path(&path, settings, logs);
        }
    }

    /// Opens what lies at the path now, unless it is open; and what lay there before the program ended, under its new name.
    fn open_path(&mut self, path: &Path, settings: &FileSettings, logs: &Logs) {
        let Some(followed) = Followed::open(path, settings, logs) else { return };
        let key = (path.to_path_buf(), followed.identity);
        if self.open.contains_key(&key) {
            return;
        }
        // One file under two names is read once: `*.log*` finds what was renamed, too, and what was copied before it was
        // truncated.
        let is_open = self.open.keys().any(|(_, identity)| *identity == followed.identity);
        if is_open || self.journal.places().any(|place| followed.is_copy_of(place)) {
            return;
        }
        let known = self.journal.find(followed.identity, |place| followed.is_same(place));
        let mut followed = followed;
        match known {
            Some(offset) => followed.seek(offset),
            None => {
                // A file that appears while we run is new: all of it. One that was there before is followed from its end.
                let is_known_path = self.journal.of_path(path).next().is_some();
                let from_beginning = settings.from_beginning || !self.is_first || is_known_path;
                followed.seek(if from_beginning { 0 } else { followed.length() });
            }
        }
        self.journal.put(followed.place());
        self.open.insert(key, followed);
    }

    /// What was followed and was renamed while the program did not run: the rest of it, under its new name.
    fn rotated_meanwhile(&mut self, settings: &FileSettings, logs: &Logs) {
        let fits = |place: &&Place| glob::matches(&settings.path, &place.path);
        let mut paths: Vec<PathBuf> = self.journal.places().filter(fits).map(|p| p.path.clone()).collect();
        paths.sort();
        paths.dedup();
        paths.iter().for_each(|path| self.renamed_beside(path, settings, logs));
    }

    fn renamed_beside(&mut self, path: &Path, settings: &FileSettings, logs: &Logs) {
        let Some(folder) = path.parent() else { return };
        let before: Vec<Place> = self.journal.of_path(path).cloned().collect();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(FILES_MAX);
        for entry in entries {
            if entry.path() == path {
                continue;
            }
            let Some(mut followed) = Followed::open(&entry.path(), settings, logs) else { continue };
            let place = before.iter().find(|p| p.identity == followed.identity && followed.is_same(p));
            if let Some(place) = place {
                followed.seek(place.offset);
                followed.rename(path);
                self.open.insert((path.to_path_buf(), followed.identity), followed);
            }
        }
    }

    /// Reads what is new in all files. Returns whether there is more at once.
    fn read(&mut self, logs: &Logs, stop: &AtomicBool) -> bool {
        let mut is_busy = false;
        let mut moved = Vec::new();
        for followed in self.open.values_mut() {
            if stop.load(Relaxed) {
                return false;
            }
            followed.look();
            while let Some(part) = followed.next_part(logs, now_ms()) {
                is_busy = true;
                // Noted before it is written; confirmed with the next note.
                self.journal.put(Place { pending: Some(part.end), ..followed.place() });
                self.journal.save();
                if !deliver(logs, &followed.source(), &part.decoded, stop) {
                    return false;
                }
                followed.written(part.end);
                self.journal.put(followed.place());
                if stop.load(Relaxed) {
                    return false;
                }
            }
            if followed.was_replaced() {
                moved.push((followed.path().to_path_buf(), followed.settings().clone()));
            }
        }
        self.open.retain(|_, followed| !followed.is_finished());
        for (path, settings) in moved {
            self.open_path(&path, &settings, logs);
        }
        if !is_busy {
            self.journal.save();
        }
        is_busy
    }
}

/// Until it is written: a file waits. False when the program ends before.
pub fn deliver(logs: &Logs, source: &str, decoded: &ingest::logs::Decoded, stop: &AtomicBool) -> bool {
    loop {
        match logs.deliver_blocking(source, decoded.clone()) {
            Ok(_) => return true,
            Err(e) if matches!(e.kind, ErrorKind::Busy | ErrorKind::Unavailable) && !stop.load(Relaxed) => {
                std::thread::sleep(PERIOD);
            }
            Err(_) if stop.load(Relaxed) => return false,
            // It will never be taken: counted by the books, and passed over.
            Err(e) => {
                let samples = decoded.batch.len() as u64;
                let reason = model::RejectReason::NotWritten;
                logs.refuse(source, model::Reject { reason, samples, message: e.to_string() });
                return true;
            }
        }
    }
}

/// Whether a record with this position is among those that are kept.
pub fn was_written(logs: &Logs, position: &str) -> bool {
    let test = AttributeTest::Equals(position.to_string());
    let scan = Scan {
        predicates: vec![Predicate::Attribute { name: POSITION.into(), test }],
        limit: Some(1),
        columns: Some(vec!["time".into()]),
        ..Scan::new(Table::Logs)
    };
    match logs.store().tables().scan(scan) {
        Ok(mut rows) => rows.any(|found| found.is_ok_and(|rows| rows.num_rows() > 0)),
        Err(_) => false,
    }
}
