//! The archive: a second store, in another folder or bucket, that old blocks move to and come back from for a while. A
//! block is copied, read back, named by the manifest as archived, and only then removed where it was: after a crash it is
//! in one place or the other. Queries leave archived blocks out and say so. Here must never be removed what may be the
//! only copy of a sample, except by the archive's own retention.

mod captures;

use crate::block;
use crate::lease::unique_name;
use crate::maintenance::Maintenance;
use crate::manifest::{ArchivedBlock, BlockEntry, Manifest, Restored};
use crate::objects::{DAMAGED, Location, Objects};
use crate::store::Store;
use crate::work::{Running, WorkKind};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use stdx::{Error, ErrorKind, Result};

/// The object at the top of an archive. Its last line is the name of the archive.
const IDENTITY: &str = "MIDWATCH-ARCHIVE";
/// Free space that bringing blocks back leaves.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Of the limit on the size of all blocks: what is over it moves to the archive whatever its age, before the limit
/// removes it.
pub(crate) const FULL_RATIO: f64 = 0.8;

/// What the archive's thread remembers.
#[derive(Default)]
pub(crate) struct Archive {
    /// Set when it was found to be ours.
    objects: Mutex<Option<Objects>>,
    /// Why nothing can be archived or brought back now.
    problem: Mutex<Option<String>>,
    /// Captures that are there, once they were looked for.
    captures: Mutex<Option<Vec<(String, u64)>>>,
}

impl Archive {
    fn captures(&self) -> Option<Vec<(String, u64)>> {
        self.captures.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn set_captures(&self, known: Vec<(String, u64)>) {
        *self.captures.lock().unwrap_or_else(|e| e.into_inner()) = Some(known);
    }
}

/// The archive as it is read out.
#[derive(Clone, Debug, Default)]
pub struct ArchiveReading {
    /// Where it is, if there is one.
    pub location: Option<String>,
    /// Blocks whose last sample is older than this move there, milliseconds.
    pub after_ms: i64,
    /// Samples older than this are removed there, milliseconds; `None` is never.
    pub retention_ms: Option<i64>,
    /// Why it cannot be used now.
    pub problem: Option<String>,
    /// What is in it, those archived first at the start.
    pub blocks: Vec<ArchivedReading>,
}

/// A block in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedReading {
    /// Its number.
    pub id: u64,
    /// Times of the first and the last sample, milliseconds since 1970.
    pub first_ms: i64,
    /// See `first_ms`.
    pub last_ms: i64,
    /// How many.
    pub series: u64,
    /// How many.
    pub samples: u64,
    /// Size of its files.
    pub bytes: u64,
    /// It was asked for and is on its way.
    pub is_coming: bool,
    /// It is in the store as well, until then (milliseconds since 1970).
    pub here_until_ms: Option<i64>,
}

/// What a request to bring blocks back means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BringingBack {
    /// Blocks of the period.
    pub blocks: u64,
    /// Of them, those that have to be copied.
    pub to_copy: u64,
    /// How much that is.
    pub bytes: u64,
}

fn bytes(block: &BlockEntry) -> u64 {
    block.chunks_bytes + block.series_bytes
}

/// Size and, where it is known, checksum of the two files of a block.
fn sums(block: &BlockEntry) -> [(u64, Option<u32>); 2] {
    [(block.series_bytes, block.series_crc32), (block.chunks_bytes, block.chunks_crc32)]
}

/// Paths of the two files of an archived block. The epoch is in them so that a writer that was superseded never removes
/// what the next one has written.
fn paths(archived: &ArchivedBlock) -> [String; 2] {
    block::paths(archived.block.id).map(|path| path.replacen('.', &format!(".{}.", archived.epoch), 1))
}

/// Copies and reads back. Bytes that are there already under this name are from an attempt before.
fn copy(
    from: (&Objects, &str),
    to: (&Objects, &str),
    (size, expected): (u64, Option<u32>),
    go_on: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let crc32 = match from.0.copy_to(from.1, size, to.0, to.1, go_on) {
        Err(e) if e.kind == ErrorKind::Conflict => from.0.checksum(from.1, size)?,
        copied => copied?,
    };
    if expected.is_some_and(|expected| expected != crc32) {
        to.0.delete(to.1)?;
        return Err(Error::corrupt(format!("{} is damaged: its checksum is wrong", from.1)));
    }
    let is_same = to.0.size(to.1)? == size && to.0.checksum(to.1, size)? == crc32;
    if !is_same {
        to.0.delete(to.1)?;
        let text = format!("{} was not read back as it was written; it is tried again", to.1);
        return Err(Error::new(ErrorKind::Unavailable, text));
    }
    Ok(())
}

impl Store {
    /// Moves to the archive what is due, brings back what was asked for, and removes what the archive's retention no
    /// longer covers. Call it every few seconds from a thread of its own that may block for long; `go_on` ends it early.
    ///
    /// # Errors
    /// The first that occurred; the rest is tried again at the next call.
    pub fn archive(&self, now_ms: i64, go_on: &dyn Fn() -> bool) -> Result<()> {
        let done = self.archive_pass(now_ms, go_on);
        let problem = match &done {
            Err(e) if e.kind != ErrorKind::Cancelled => Some(e.to_string()),
            _ => None,
        };
        *self.archive.problem.lock().unwrap_or_else(|e| e.into_inner()) = problem;
        done
    }

    fn archive_pass(&self, now_ms: i64, go_on: &dyn Fn() -> bool) -> Result<()> {
        if self.settings.archive.is_none() || self.shared.is_fenced.load(Relaxed) {
            return Ok(());
        }
        let objects = self.archive_objects()?;
        let mut result = Ok(());
        while let Some(archived) = self.next_wanted()
            && go_on()
        {
            let brought = self.bring_one_back(&objects, &archived, go_on);
            match brought {
                // It would fail again and again, and hold up the others.
                Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
                    self.change(&mut m, |next| forget_wish(next, archived.block.id))?;
                    result = result.and(Err(e));
                }
                brought => brought?,
            }
        }
        self.empty_archive(&objects, now_ms)?;
        while go_on() {
            let due = {
                let m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
                if m.is_held() { Vec::new() } else { self.due(&m, now_ms) }
            };
            self.shared.work.waiting(WorkKind::Archive, due.len() as u64, due.iter().map(bytes).sum());
            let Some(entry) = due.first() else { break };
            let run = self.shared.work.begin(WorkKind::Archive, format!("block {}", entry.id), bytes(entry));
            let archived = self.archive_one(&objects, entry, &run, go_on);
            match run.end(archived) {
                // It is left where it is; every read of it tells.
                Err(e) if e.kind == ErrorKind::Corrupt => {
                    self.maintenance.lock().unwrap_or_else(|e| e.into_inner()).set_unreadable(entry.id);
                    result = result.and(Err(e));
                }
                archived => archived?,
            }
        }
        result
    }

    /// The archive, once it is known to be ours.
    fn archive_objects(&self) -> Result<Objects> {
        let mut kept = self.archive.objects.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(objects) = &*kept {
            return Ok(objects.clone());
        }
        let text = self.settings.archive.clone().unwrap_or_default();
        let location = Location::parse(&text)?;
        let same =
            |folder: &std::path::Path| folder.canonicalize().ok() == self.folder.path.canonicalize().ok();
        if matches!(&location, Location::Folder(folder) if folder.exists() && same(folder)) {
            return Err(Error::invalid("the archive is the data folder itself; name another with `archive`"));
        }
        // Known to the manifest first: an archive whose name nobody knows would be a stranger's after a crash.
        let (name, is_empty) = {
            let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
            if m.manifest().archive.is_empty() {
                self.change(&mut m, |next| next.archive = unique_name())?;
            }
            (m.manifest().archive.clone(), m.manifest().archived.is_empty())
        };
        let objects = Objects::open(&location)?;
        match objects.get(IDENTITY) {
            Ok(found) if String::from_utf8_lossy(&found).trim_end().ends_with(&name) => {}
            Ok(_) => {
                let text =
                    format!("{location} is the archive of another Midwatch; name another with `archive`");
                return Err(Error::invalid(text));
            }
            Err(e) if e.kind == ErrorKind::NotFound && is_empty => {
                let text = format!(
                    "These objects are blocks that Midwatch has archived. Name of the archive:\n{name}\n"
                );
                objects.claim(IDENTITY, &text)?;
            }
            Err(e) if e.kind == ErrorKind::NotFound => {
                let text = format!(
                    "{location} is not the archive that blocks have gone to; name that one with `archive`"
                );
                return Err(Error::invalid(text));
            }
            Err(e) => return Err(e),
        }
        self.sweep(&objects)?;
        *kept = Some(objects.clone());
        Ok(objects)
    }

    /// Removes from the archive what a crash left of copies that no manifest came to name.
    fn sweep(&self, objects: &Objects) -> Result<()> {
        // The list comes first: what is archived after it is not on it.
        let files = objects.list("blocks")?;
        let m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        if m.manifest().keep_strangers {
            return Ok(());
        }
        let known: BTreeSet<String> = m.manifest().archived.iter().flat_map(paths).collect();
        for (path, _) in files.iter().filter(|(path, _)| !known.contains(path) && !path.ends_with(DAMAGED)) {
            objects.delete(path)?;
        }
        Ok(())
    }

    /// Blocks that should be in the archive, oldest first. Of two that overlap, the one that counts more goes first: what
    /// comes back is put in front of all others.
    fn due(&self, m: &Maintenance, now_ms: i64) -> Vec<BlockEntry> {
        let manifest = m.manifest();
        let limit_ms = now_ms.saturating_sub(self.settings.archive_after_ms);
        let own = || manifest.blocks.iter().filter(|b| b.restored.is_none());
        let mut excess = own()
            .map(bytes)
            .sum::<u64>()
            .saturating_sub((self.settings.blocks_bytes_max as f64 * FULL_RATIO) as u64);
        let mut candidates: Vec<(usize, &BlockEntry)> = own().enumerate().collect();
        candidates.sort_by_key(|(_, b)| b.last_ms);
        let mut due = Vec::new();
        for (at, block) in candidates {
            if block.last_ms >= limit_ms && excess == 0 {
                continue;
            }
            let is_behind =
                own().take(at).any(|b| b.last_ms >= block.first_ms && b.first_ms <= block.last_ms);
            if !is_behind && !m.is_unreadable(block.id) {
                excess = excess.saturating_sub(bytes(block));
                due.push(block.clone());
            }
        }
        due
    }

    fn archive_one(
        &self,
        objects: &Objects,
        entry: &BlockEntry,
        run: &Running,
        go_on: &dyn Fn() -> bool,
    ) -> Result<()> {
        let block = self.view().blocks.iter().find(|b| b.entry.id == entry.id).cloned();
        let Some(block) = block else { return Ok(()) };
        // Its checksums, before a damaged block takes the place of one that could still be mended.
        block.index()?;
        let epoch = self.maintenance.lock().unwrap_or_else(|e| e.into_inner()).manifest().epoch;
        let archived = ArchivedBlock { block: entry.clone(), epoch, wanted_until_ms: None };
        for ((from, to), sums) in block::paths(entry.id).iter().zip(&paths(&archived)).zip(sums(entry)) {
            copy((&self.objects, from), (objects, to), sums, &mut |bytes| {
                run.add(bytes);
                if go_on() { Ok(()) } else { Err(stopping()) }
            })?;
        }
        drop(block);
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        if !m.manifest().blocks.contains(entry) {
            // It was merged or removed meanwhile.
            for path in paths(&archived) {
                objects.delete(&path)?;
            }
            return Ok(());
        }
        self.change(&mut m, |next| {
            next.blocks.retain(|b| b.id != entry.id);
            next.archived.push(archived);
        })
    }

    fn next_wanted(&self) -> Option<ArchivedBlock> {
        let m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        let wanted = || m.manifest().archived.iter().filter(|a| a.wanted_until_ms.is_some());
        let bytes = wanted().map(|a| bytes(&a.block)).sum();
        self.shared.work.waiting(WorkKind::BringBack, wanted().count() as u64, bytes);
        wanted().next().cloned()
    }

    fn bring_one_back(
        &self,
        objects: &Objects,
        archived: &ArchivedBlock,
        go_on: &dyn Fn() -> bool,
    ) -> Result<()> {
        let source = &archived.block;
        let run = self.shared.work.begin(WorkKind::BringBack, format!("block {}", source.id), bytes(source));
        let id = self.maintenance.lock().unwrap_or_else(|e| e.into_inner()).take_block_number();
        let copied = paths(archived).iter().zip(&block::paths(id)).zip(sums(source)).try_for_each(
            |((from, to), sums)| {
                copy((objects, from), (&self.objects, to), sums, &mut |bytes| {
                    run.add(bytes);
                    if go_on() { Ok(()) } else { Err(stopping()) }
                })
            },
        );
        if copied.is_err() {
            for path in block::paths(id) {
                // What stays is removed at the next start.
                let _ = self.objects.delete(&path);
            }
            return run.end(copied);
        }
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        let wanted = m.manifest().archived.iter().find(|a| a.block.id == source.id);
        let Some(until_ms) = wanted.and_then(|a| a.wanted_until_ms) else {
            // Nobody wants it any more.
            drop(m);
            let removed = block::paths(id).iter().try_for_each(|path| self.objects.delete(path));
            return run.end(removed);
        };
        let restored = Some(Restored { archived: source.id, until_ms });
        let entry = BlockEntry { id, restored, ..source.clone() };
        let changed = self.change(&mut m, |next| {
            // In front of all that never left, and in the order in which they were archived.
            let rank = |id: u64, next: &Manifest| next.archived.iter().position(|a| a.block.id == id);
            let own = rank(source.id, next);
            let before = |b: &BlockEntry| b.restored.as_ref().is_some_and(|r| rank(r.archived, next) < own);
            let at = next.blocks.iter().take_while(|b| before(b)).count();
            next.blocks.insert(at, entry);
            forget_wish(next, source.id);
        });
        run.end(changed)
    }

    /// Removes what the archive's retention no longer covers; what is here again goes too, by its own end.
    fn empty_archive(&self, objects: &Objects, now_ms: i64) -> Result<()> {
        let Some(retention_ms) = self.settings.archive_retention_ms else { return Ok(()) };
        let oldest_ms = now_ms.saturating_sub(retention_ms);
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        let is_over = |a: &ArchivedBlock| a.block.last_ms < oldest_ms;
        let gone: Vec<ArchivedBlock> = m.manifest().archived.iter().filter(|a| is_over(a)).cloned().collect();
        if gone.is_empty() || m.is_held() {
            return Ok(());
        }
        self.change(&mut m, |next| next.archived.retain(|a| !is_over(a)))?;
        drop(m);
        for path in gone.iter().flat_map(paths) {
            // What cannot be removed now is no longer named, and goes at the next start.
            objects.delete(&path)?;
        }
        Ok(())
    }

    /// Asks for the archived blocks of a period (both ends inclusive) to be here until `until_ms`. Those that are here
    /// already stay until then; a time that has passed sends them away again. It is durable: a crash forgets nothing.
    ///
    /// # Errors
    /// `NotFound` if nothing of the period is archived; `Invalid` without an archive, or if there is no room;
    /// `Unavailable`.
    pub fn bring_back(&self, start_ms: i64, end_ms: i64, until_ms: i64, now_ms: i64) -> Result<BringingBack> {
        if self.settings.archive.is_none() {
            return Err(Error::invalid(
                "there is no archive: name a folder or bucket with `archive` in the configuration",
            ));
        }
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        let is_in = |b: &BlockEntry| b.first_ms <= end_ms && b.last_ms >= start_ms;
        let manifest = m.manifest();
        let here: BTreeSet<u64> =
            manifest.blocks.iter().filter_map(|b| b.restored.as_ref()).map(|r| r.archived).collect();
        let of_period = || manifest.archived.iter().filter(|a| is_in(&a.block));
        let is_new = |a: &&ArchivedBlock| !here.contains(&a.block.id) && a.wanted_until_ms.is_none();
        let new = || of_period().filter(is_new);
        let found = BringingBack {
            blocks: of_period().count() as u64,
            to_copy: new().count() as u64,
            bytes: new().map(|a| bytes(&a.block)).sum(),
        };
        if found.blocks == 0 {
            let text = "nothing of this period is in the archive; `midwatch archive list` shows what is";
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        let is_coming = until_ms > now_ms;
        if is_coming && found.to_copy > 0 {
            let total: u64 = manifest.blocks.iter().map(bytes).sum();
            let free = if self.objects.is_shared() { None } else { self.folder.disk_bytes() };
            let most = self.settings.blocks_bytes_max.saturating_sub(total);
            let most = free.map_or(most, |(free, _)| most.min(free.saturating_sub(FREE_BYTES_MIN)));
            if found.bytes > most {
                return Err(Error::invalid(format!(
                    "these blocks need {} MiB and there is room for {} MiB (retention_size and free space of the disk): \
                     take a shorter period, or make room",
                    found.bytes.div_ceil(1 << 20),
                    most >> 20
                )));
            }
        }
        self.change(&mut m, |next| {
            for archived in next.archived.iter_mut().filter(|a| is_in(&a.block)) {
                let is_here = here.contains(&archived.block.id);
                archived.wanted_until_ms = (is_coming && !is_here).then_some(until_ms);
            }
            for restored in next.blocks.iter_mut().filter(|b| is_in(b)).filter_map(|b| b.restored.as_mut()) {
                restored.until_ms = until_ms;
            }
        })?;
        Ok(found)
    }

    /// Removes the files of a block that the manifest no longer names. The caller may hold the maintenance, so the archive
    /// is not opened here.
    pub(crate) fn remove_archived(&self, archived: &ArchivedBlock) -> Result<()> {
        let objects = self.archive.objects.try_lock().ok().and_then(|objects| objects.clone());
        let Some(objects) = objects else {
            let text = "the archive is not open; what no manifest names is removed there at the next start";
            return Err(Error::new(ErrorKind::Unavailable, text));
        };
        paths(archived).iter().try_for_each(|path| objects.delete(path))
    }

    /// Archived blocks of a period that are not here, so that nobody has looked into them, in words.
    pub(crate) fn archived_unsearched(&self, start_ms: i64, end_ms: i64) -> Option<String> {
        let away = self.shared.state.read().unwrap_or_else(|e| e.into_inner()).away.clone();
        let text = warning(&away, start_ms, end_ms)?;
        Some(format!(
            "the archive may hold some of it: {text}; then delete again, which removes it there too"
        ))
    }

    /// What is archived, and where.
    pub fn archive_reading(&self) -> ArchiveReading {
        let state = self.shared.state.read().unwrap_or_else(|e| e.into_inner()).clone();
        let here = |id: u64| {
            let restored = state.blocks.iter().filter_map(|b| b.entry.restored.as_ref());
            restored.filter(|r| r.archived == id).map(|r| r.until_ms).next()
        };
        let reading = |a: &ArchivedBlock| ArchivedReading {
            id: a.block.id,
            first_ms: a.block.first_ms,
            last_ms: a.block.last_ms,
            series: a.block.series,
            samples: a.block.samples,
            bytes: bytes(&a.block),
            is_coming: a.wanted_until_ms.is_some(),
            here_until_ms: here(a.block.id),
        };
        ArchiveReading {
            location: self.settings.archive.as_ref().map(|a| a.display().to_string()),
            after_ms: self.settings.archive_after_ms,
            retention_ms: self.settings.archive_retention_ms,
            problem: self.archive.problem.lock().unwrap_or_else(|e| e.into_inner()).clone(),
            blocks: state.archived.iter().map(reading).collect(),
        }
    }
}

fn forget_wish(manifest: &mut Manifest, id: u64) {
    manifest.archived.iter_mut().filter(|a| a.block.id == id).for_each(|a| a.wanted_until_ms = None);
}

/// Times of the first and last sample of the archived blocks that are not here.
pub(crate) fn away(manifest: &Manifest) -> Vec<(i64, i64)> {
    let is_here = |a: &ArchivedBlock| {
        let mut restored = manifest.blocks.iter().filter_map(|b| b.restored.as_ref());
        restored.any(|r| r.archived == a.block.id)
    };
    manifest.archived.iter().filter(|a| !is_here(a)).map(|a| (a.block.first_ms, a.block.last_ms)).collect()
}

fn stopping() -> Error {
    Error::new(ErrorKind::Cancelled, "the program stops; it goes on at the next start")
}

/// What an answer says that lacks archived blocks of its range.
pub(crate) fn warning(away: &[(i64, i64)], start_ms: i64, end_ms: i64) -> Option<String> {
    let of_range = || away.iter().filter(|(first, last)| *first <= end_ms && *last >= start_ms);
    let first_ms = of_range().map(|r| r.0).min()?.max(start_ms);
    let last_ms = of_range().map(|r| r.1).max()?.min(end_ms);
    let time = model::time::format_rfc3339_ms;
    Some(format!(
        "{} archived blocks of this range were left out; to have them back: midwatch archive restore --start {} --end {}",
        of_range().count(),
        time(first_ms),
        time(last_ms),
    ))
}
