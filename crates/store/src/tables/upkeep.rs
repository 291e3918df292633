//! What is done for tables between appends: recent rows become files, small files become larger ones, what retention no
//! longer covers goes. It must never remove a segment of the log before a manifest names the files that have its rows, nor
//! remove a row on the word of a clock that has just jumped.

use super::header::{FileEntry, Made};
use super::list::List;
use super::merge::{Failed, merge};
use super::promote::{Counts, choose, count};
use super::recent::{Part, Recent, times};
use super::rows::wrong;
use super::thin::thin;
use super::write::{FileWriter, GRANULE_ROWS};
use super::writer::Command;
use super::{Table, TableFile, Tables, log};
use crate::objects::Objects;
use crate::store::{Store, stopped};
use crate::work::WorkKind;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_select::interleave::interleave_record_batch;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard};
use stdx::{ErrorKind, Result};

/// What upkeep remembers from one call to the next.
#[derive(Default)]
pub(crate) struct Upkeep {
    /// Cut rows that wait to be written, each with the first segment of the log after it.
    cut: Vec<(Arc<Recent>, u64)>,
    /// Since when recent rows are collected (uptime).
    since_ms: Option<u64>,
    /// After a failed write: when to try again, and how long was waited for that.
    write_again_ms: u64,
    write_wait_ms: u64,
    /// Files out of the manifest that readers may still use.
    retired: Vec<Arc<TableFile>>,
    /// Files that could not be read whole: they are left as they are.
    unreadable: BTreeSet<u64>,
    next_file: u64,
}

/// Rows of a file that is merged at the most: the words of all are in memory while it is written.
const MERGED_ROWS_MAX: u64 = 6 << 20;
/// Merging makes no file that spans more than this part of what retention keeps.
const MERGED_SHARE: i64 = 10;
/// How far ahead of this machine's clock a row's time may be to count.
const AHEAD_MS: i64 = 600_000;
/// Memory for what is known of files, bytes.
const OPENED_BYTES_MAX: usize = 128 << 20;

impl Upkeep {
    pub fn new(list: &List) -> Upkeep {
        Upkeep { next_file: list.next_file, ..Upkeep::default() }
    }

    fn take_number(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }
}

impl Tables {
    fn upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.0.upkeep.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn cut(&self, u: &mut Upkeep) -> Result<()> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let commands =
            self.0.commands.lock().unwrap_or_else(|e| e.into_inner()).clone().ok_or_else(stopped)?;
        commands.send(Command::Cut(reply)).map_err(|_| stopped())?;
        u.cut.push(outcome.blocking_recv().map_err(|_| stopped())?);
        Ok(())
    }

    fn recent_bytes(&self) -> usize {
        let state = self.0.shared.state.read().unwrap_or_else(|e| e.into_inner());
        state.recent.iter().map(|r| r.bytes()).sum()
    }
}

impl Store {
    /// Writes recent rows of tables to files when they are due: call it every second or more often, besides
    /// [`Store::maintain`], so that memory does not fill up. `now_ms` and `uptime_ms` as there.
    ///
    /// # Errors
    /// `Unavailable` and others if a file cannot be written: it is tried again.
    pub fn write_tables_when_due(&self, now_ms: i64, uptime_ms: u64) -> Result<()> {
        let (tables, settings) = (self.tables(), &self.settings.tables);
        let stats = &tables.0.shared.stats;
        stats.is_fenced.store(self.shared.is_fenced.load(Relaxed), Relaxed);
        let log_bytes: u64 = log::segments(&tables.0.log_folder)?.iter().map(|s| s.1).sum();
        let mut u = tables.upkeep();
        let since_ms = *u.since_ms.get_or_insert(uptime_ms);
        let active = tables.0.shared.active();
        let is_due = active.bytes() >= settings.memory_bytes_max
            || log_bytes >= settings.log_bytes_max
            || uptime_ms.saturating_sub(since_ms) as i64 >= settings.recent_age_ms;
        if is_due && u.cut.is_empty() {
            u.since_ms = Some(uptime_ms);
            if active.rows() > 0 {
                tables.cut(&mut u)?;
            }
        }
        let written = match u.cut.is_empty() || uptime_ms < u.write_again_ms {
            true => Ok(()),
            false => {
                let written = self.write_cut_tables(&mut u, now_ms);
                u.write_wait_ms =
                    if written.is_ok() { 0 } else { (u.write_wait_ms * 2).clamp(2_000, 30_000) };
                u.write_again_ms = uptime_ms + u.write_wait_ms;
                written
            }
        };
        let is_over = tables.recent_bytes() / 2 >= settings.memory_bytes_max;
        stats.is_over_memory.store(!u.cut.is_empty() && is_over, Relaxed);
        stats.is_over_log.store(log_bytes / 2 >= settings.log_bytes_max && !u.cut.is_empty(), Relaxed);
        written
    }

    /// Writes all recent rows of tables to files now.
    ///
    /// # Errors
    /// As [`Store::write_tables_when_due`].
    pub fn flush_tables(&self, now_ms: i64) -> Result<()> {
        let tables = self.tables();
        let mut u = tables.upkeep();
        self.write_cut_tables(&mut u, now_ms)?;
        tables.cut(&mut u)?;
        self.write_cut_tables(&mut u, now_ms)
    }

    fn write_cut_tables(&self, u: &mut Upkeep, now_ms: i64) -> Result<()> {
        while let Some((recent, floor)) = u.cut.first().cloned() {
            let bytes = recent.bytes() as u64;
            let run = self.shared.work.begin(WorkKind::WriteBlock, "recent rows of tables", bytes);
            let written = self.write_cut_table(u, &recent, floor, now_ms);
            run.add(bytes);
            run.end(written)?;
        }
        Ok(())
    }

    fn write_cut_table(&self, u: &mut Upkeep, recent: &Arc<Recent>, floor: u64, now_ms: i64) -> Result<()> {
        let mut parts = Table::ALL.map(|table| (table, recent.parts(table)));
        let stats = &self.tables().0.shared.stats;
        let spans = std::mem::take(&mut parts[Table::Spans as usize].1);
        let (spans, left_out) = thin(spans, self.tables().0.shared.thin.get())?;
        parts[Table::Spans as usize].1 = spans;
        let parts: Vec<_> = parts.into_iter().filter(|(_, parts)| !parts.is_empty()).collect();
        let log = self.tables_log();
        let (first, files) = (u.next_file, parts.len() as u64);
        let mut entries = Vec::new();
        for (table, parts) in &parts {
            let made = Made {
                written_ms: now_ms,
                log: log.clone(),
                log_floor: floor,
                cut: (first, files),
                ..Made::default()
            };
            entries.extend(write_parts(&self.objects, *table, u.take_number(), parts, made)?);
        }
        // Files in and recent rows out at one instant: a reader has each row once.
        self.change_tables(u, Some(recent), |list| {
            list.set_floor(&log, floor);
            list.files.extend(entries);
        })?;
        stats.thinned.add(left_out as f64);
        u.cut.remove(0);
        log::remove_below(&self.tables().0.log_folder, floor)
    }

    /// The name of the log in the manifest.
    fn tables_log(&self) -> String {
        self.tables().0.log_name.clone()
    }

    /// Commits a change of the list of files, and shows it to readers; `written` are recent rows that are in files now.
    fn change_tables(
        &self,
        u: &mut Upkeep,
        written: Option<&Arc<Recent>>,
        change: impl FnOnce(&mut List),
    ) -> Result<()> {
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        m.commit(&self.objects, |next| {
            change(&mut next.tables);
            next.tables.next_file = next.tables.next_file.max(u.next_file);
        })?;
        let list = m.manifest().tables.clone();
        drop(m);
        let shared = &self.tables().0.shared;
        let mut state = shared.state.write().unwrap_or_else(|e| e.into_inner());
        let old = state.files.clone();
        state.files = Arc::new(files_of(&list, &self.objects, &old));
        state.recent.retain(|r| !written.is_some_and(|written| Arc::ptr_eq(r, written)));
        drop(state);
        let gone = old.iter().filter(|f| !list.files.iter().any(|e| e.id == f.entry.id));
        u.retired.extend(gone.cloned());
        Ok(())
    }

    /// Merges files of tables and removes what retention no longer covers, of each table at most one merge at a call.
    pub(crate) fn maintain_tables(&self, now_ms: i64, uptime_ms: u64, is_held: bool) -> Result<()> {
        let written = self.write_tables_when_due(now_ms, uptime_ms);
        let removed = if is_held { Ok(()) } else { self.retain_tables(now_ms) };
        let merged = Table::ALL.into_iter().try_for_each(|table| self.merge_table(table));
        let mut u = self.tables().upkeep();
        u.retired.retain(|file| {
            Arc::strong_count(file) > 1 || file.entry.paths().iter().any(|p| self.objects.delete(p).is_err())
        });
        self.bound_opened();
        written.and(removed).and(merged)
    }

    fn files(&self) -> Arc<Vec<Arc<TableFile>>> {
        self.tables().0.shared.state.read().unwrap_or_else(|e| e.into_inner()).files.clone()
    }

    fn retain_tables(&self, now_ms: i64) -> Result<()> {
        let settings = &self.settings.tables;
        let files = self.files();
        // Rows of senders whose clock is a little ahead are as old as they say; a time far ahead would keep a file for ever.
        let newest_ms = |f: &FileEntry| match f.last_ns / 1_000_000 {
            last_ms if last_ms <= f.written_ms.saturating_add(AHEAD_MS) => last_ms,
            _ => f.written_ms,
        };
        let is_old =
            |f: &Arc<TableFile>| newest_ms(&f.entry) < now_ms.saturating_sub(settings.retention_ms(f.table));
        let mut gone: BTreeSet<u64> = files.iter().filter(|f| is_old(f)).map(|f| f.entry.id).collect();
        let mut total: u64 =
            files.iter().filter(|f| !gone.contains(&f.entry.id)).map(|f| f.entry.size()).sum();
        let mut by_age: Vec<_> = files.iter().filter(|f| f.table != Table::Changes).collect();
        by_age.sort_by_key(|f| newest_ms(&f.entry));
        for file in by_age {
            if total <= settings.files_bytes_max {
                break;
            }
            if gone.insert(file.entry.id) {
                total -= file.entry.size();
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let run = self.shared.work.begin(WorkKind::Retain, format!("{} files of tables", gone.len()), 0);
        let removed = gone.len();
        let done = self.change_tables(&mut self.tables().upkeep(), None, |list| {
            list.files.retain(|f| !gone.contains(&f.id));
        });
        if done.is_ok() {
            self.tables().0.shared.stats.removed.add(removed as f64);
        }
        run.end(done)
    }

    /// Files of a table that should be one: so many of the same level that follow each other in time.
    fn tables_due(&self, table: Table) -> Vec<Arc<TableFile>> {
        let settings = &self.settings.tables;
        let most = settings.merge_files.max(2);
        let longest_ns = settings.retention_ms(table).saturating_mul(1_000_000) / MERGED_SHARE;
        let u = self.tables().upkeep();
        let mut files: Vec<_> = self.files().iter().filter(|f| f.table == table).cloned().collect();
        files.retain(|f| f.damage().is_none() && !u.unreadable.contains(&f.entry.id));
        files.sort_by_key(|f| (f.entry.level, f.entry.id));
        for level in files.chunk_by(|a, b| a.entry.level == b.entry.level).filter(|l| l.len() >= most) {
            for from in 0..=level.len() - most {
                let (mut bytes, mut rows, mut taken) = (0, 0, 0);
                let (mut first_ns, mut last_ns, mut longest) = (i64::MAX, i64::MIN, longest_ns);
                for file in level[from..].iter().take(most) {
                    let e = &file.entry;
                    longest = longest.max(e.last_ns.saturating_sub(e.first_ns));
                    (first_ns, last_ns) = (first_ns.min(e.first_ns), last_ns.max(e.last_ns));
                    (bytes, rows) = (bytes + e.size(), rows + e.rows);
                    if bytes > settings.file_bytes_max
                        || rows > MERGED_ROWS_MAX
                        || last_ns.saturating_sub(first_ns) > longest
                    {
                        break;
                    }
                    taken += 1;
                }
                if taken == most || taken * 2 >= most && bytes > settings.file_bytes_max {
                    return level[from..from + taken].to_vec();
                }
            }
        }
        Vec::new()
    }

    fn merge_table(&self, table: Table) -> Result<()> {
        let _one = self.tables().0.merging.lock().unwrap_or_else(|e| e.into_inner());
        let files = self.tables_due(table);
        if files.len() < 2 {
            return Ok(());
        }
        let bytes = files.iter().map(|f| f.entry.size()).sum();
        let what = format!("{} files of {}", files.len(), table.name());
        let run = self.shared.work.begin(WorkKind::Merge, what, bytes);
        let id = self.tables().upkeep().take_number();
        let entry = match merge(&self.objects, table, id, &files, &run) {
            Ok(entry) => entry,
            Err(Failed::Writing(e)) => return run.end(Err(e)),
            Err(Failed::Unreadable(id, e)) => {
                if let Some(file) = files.iter().find(|f| f.entry.id == id) {
                    file.note(&e);
                }
                if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) {
                    self.tables().upkeep().unreadable.insert(id);
                }
                // It is left as it is from now on; every read tells of it.
                let _ = run.end::<()>(Err(e));
                return Ok(());
            }
        };
        let sources: BTreeSet<u64> = files.iter().map(|f| f.entry.id).collect();
        let is_there = |list: &List| sources.iter().all(|id| list.files.iter().any(|f| f.id == *id));
        let mut u = self.tables().upkeep();
        let done = self.change_tables(&mut u, None, |list| {
            // Retention may have taken some meanwhile: it is made anew of the others.
            if is_there(list) {
                list.files.retain(|f| !sources.contains(&f.id));
                list.files.extend(entry);
            }
        });
        run.end(done)
    }

    /// What is known of files is forgotten where it takes too much memory, of the oldest first.
    fn bound_opened(&self) {
        let mut files: Vec<_> = self.files().iter().cloned().collect();
        files.sort_by_key(|f| std::cmp::Reverse(f.entry.last_ns));
        let mut total = 0;
        for file in files {
            total += file.memory_bytes();
            if total > OPENED_BYTES_MAX {
                file.forget();
            }
        }
    }
}

/// The files of a list; those that are known already stay as they are.
pub(crate) fn files_of(list: &List, objects: &Objects, known: &[Arc<TableFile>]) -> Vec<Arc<TableFile>> {
    let of = |entry: &FileEntry| {
        let known = known.iter().find(|f| f.entry == *entry).cloned();
        known.or_else(|| Some(Arc::new(TableFile::new(entry.clone(), entry.table()?, objects.clone()))))
    };
    list.files.iter().filter_map(of).collect()
}

/// Writes recent rows of one table as a file.
fn write_parts(
    objects: &Objects,
    table: Table,
    id: u64,
    parts: &[Part],
    made: Made,
) -> Result<Option<FileEntry>> {
    let mut counts = Counts::default();
    parts.iter().for_each(|p| count(&p.rows, &mut counts));
    let rows: u64 = parts.iter().map(|p| p.rows.num_rows() as u64).sum();
    let mut out = FileWriter::new(objects, table, id, choose(&counts, rows))?;
    let batches: Vec<&RecordBatch> = parts.iter().map(|p| &p.rows).collect();
    for places in in_order(&batches).chunks(GRANULE_ROWS) {
        out.push(&interleave_record_batch(&batches, places).map_err(wrong)?)?;
    }
    out.finish(made)
}

/// Batch and row of every row, in order of service and time.
fn in_order(batches: &[&RecordBatch]) -> Vec<(usize, usize)> {
    let mut services: Vec<&str> = Vec::new();
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut keys: Vec<(u32, i64, u32, u32)> = Vec::new();
    for (b, batch) in batches.iter().enumerate() {
        let service = batch.column_by_name("service").and_then(|c| c.as_string_opt::<i32>());
        for (row, time_ns) in times(batch).iter().enumerate() {
            let name = service.map_or("", |s| s.value(row));
            let number = *numbers.entry(name).or_insert_with(|| {
                services.push(name);
                services.len() as u32 - 1
            });
            keys.push((number, *time_ns, b as u32, row as u32));
        }
    }
    let mut sorted: Vec<u32> = (0..services.len() as u32).collect();
    sorted.sort_by_key(|n| services[*n as usize]);
    let mut rank = vec![0; services.len()];
    sorted.iter().enumerate().for_each(|(place, n)| rank[*n as usize] = place as u32);
    keys.iter_mut().for_each(|key| key.0 = rank[key.0 as usize]);
    keys.sort_unstable();
    keys.into_iter().map(|(_, _, batch, row)| (batch as usize, row as usize)).collect()
}
