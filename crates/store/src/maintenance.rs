//! What the store does between appends: cut the head into a block, merge blocks, remove what retention no longer
//! covers. It must never remove anything on the word of a clock that has just jumped, nor use a number twice.

use crate::archive;
use crate::block::Block;
use crate::block_write::BlockWriter;
use crate::head::Head;
use crate::lease::Lease;
use crate::manifest::{BlockEntry, Manifest};
use crate::merge::{Failed, merge};
use crate::objects::Objects;
use crate::store::{Status, Store, stopped};
use crate::tier::Tiers;
use crate::wal;
use crate::work::{Running, WorkKind};
use crate::writer::{Command, NewIndex};
use foldhash::{HashSet, HashSetExt};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, RwLock};
use stdx::{Error, ErrorKind, Result};

/// What maintenance remembers from one call to the next.
pub(crate) struct Maintenance {
    pub(crate) manifest: Manifest,
    lease: Lease,
    /// The name of the log, if it does not lie beside the manifests.
    pub(crate) log: Option<String>,
    /// Cut heads that wait to be written as blocks, each with the first log segment after it.
    cut: Vec<(Arc<RwLock<Head>>, u64)>,
    head_since_ms: Option<u64>,
    /// When silent series are counted next (uptime).
    look_for_silent_ms: u64,
    /// After a failed write: when to try again, and how long was waited for that.
    write_again_ms: u64,
    write_wait_ms: u64,
    /// Blocks out of the manifest whose files readers may still use.
    pub(crate) retired: Vec<Arc<Block>>,
    /// What is due of tiers.
    pub(crate) tiers: crate::tier::Upkeep,
    /// Blocks that could not be read whole: they are left as they are.
    unreadable: HashSet<u64>,
    /// Wall clock and uptime at the last call.
    clocks_ms: Option<(i64, u64)>,
    /// Until when (uptime) nothing is removed by age, and why.
    held: Option<(u64, String)>,
}

/// A wall clock that moves by more than this against the uptime was set.
const CLOCK_JUMP_MS: i64 = 10 * 60_000;
/// A first reading that is further after the newest sample may be a wrong clock as well as a long pause.
const PAUSE_MS_MAX: i64 = 86_400_000;
/// A series without a sample for so long, by the time of the newest of all, is silent.
pub(crate) const SILENT_MS: i64 = 10 * 60_000;
/// How often they are counted: it touches every series.
const SILENT_PERIOD_MS: u64 = 30_000;
/// An index that nobody asked for during so many calls (ten minutes) is given back.
const INDEX_UNASKED_CALLS: u32 = 120;
/// Merging makes no block that spans more than this part of what retention keeps.
const MERGED_SHARE: i64 = 10;
/// How long a clock that jumped ahead has to stay before samples are removed on its word.
const HOLD_MS: u64 = 86_400_000;

impl Maintenance {
    pub fn new(manifest: Manifest, log: Option<String>) -> Maintenance {
        Maintenance {
            manifest,
            lease: Lease::default(),
            log,
            cut: Vec::new(),
            head_since_ms: None,
            look_for_silent_ms: 0,
            write_again_ms: 0,
            write_wait_ms: 0,
            retired: Vec::new(),
            tiers: crate::tier::Upkeep::default(),
            unreadable: HashSet::new(),
            clocks_ms: None,
            held: None,
        }
    }

    /// A manifest whose commit failed may be there all the same: its number is used up, and the next one, made from
    /// the state before it, takes its place.
    pub fn burn_number(&mut self) {
        self.manifest.number += 1;
    }

    /// The number of a new block. One whose write failed may have left files: it is not used again.
    pub(crate) fn take_block_number(&mut self) -> u64 {
        self.manifest.next_block += 1;
        self.manifest.next_block - 1
    }

    pub(crate) fn commit(&mut self, objects: &Objects, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        if let Some(used) = self.lease.settle(objects)? {
            self.manifest.number = used;
        }
        let mut next = self.manifest.next();
        change(&mut next);
        let committed = self.lease.commit(&next, objects);
        match committed {
            Ok(()) => self.manifest = next,
            Err(_) if objects.is_shared() => {}
            Err(_) => self.burn_number(),
        }
        committed
    }

    /// The newest manifest that this process made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether a block could not be read whole.
    pub fn is_unreadable(&self, id: u64) -> bool {
        self.unreadable.contains(&id)
    }

    /// Notes that a block could not be read whole: it is left as it is.
    pub fn set_unreadable(&mut self, id: u64) {
        self.unreadable.insert(id);
    }

    /// Whether the clock jumped, so that nothing may be removed or moved for its age.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// What says whether this process may write, and the newest manifest that it made.
    pub fn lease(&mut self) -> (&mut Lease, &Manifest) {
        (&mut self.lease, &self.manifest)
    }

    /// A clock that was set ahead makes everything look old. What is removed does not come back when it is set right.
    fn watch_clock(&mut self, now_ms: i64, uptime_ms: u64, newest_ms: impl FnOnce() -> Option<i64>) {
        let ahead_ms = match self.clocks_ms {
            Some((wall_ms, then_ms)) => {
                now_ms.saturating_sub(wall_ms).saturating_sub_unsigned(uptime_ms.saturating_sub(then_ms))
            }
            // A machine that was off for days is the same to see as one that woke up with a wrong clock.
            None => newest_ms().map_or(0, |newest_ms| now_ms.saturating_sub(newest_ms) - PAUSE_MS_MAX),
        };
        self.clocks_ms = Some((now_ms, uptime_ms));
        if ahead_ms > CLOCK_JUMP_MS {
            let text = "the clock jumped far ahead of the newest sample: nothing is removed by age for a day of running";
            self.held = Some((uptime_ms.saturating_add(HOLD_MS), text.into()));
        }
        self.held.take_if(|(until_ms, _)| uptime_ms >= *until_ms);
    }
}

impl Store {
    /// Removes, cuts and merges what is due. Call it every few seconds from one thread that may block. `now_ms` is the
    /// wall clock, `uptime_ms` a clock that never steps, in milliseconds since any instant.
    ///
    /// # Errors
    /// The first that occurred; all that could be done is done, and the rest is tried again at the next call.
    pub fn maintain(&self, now_ms: i64, uptime_ms: u64) -> Result<()> {
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        let status = self.status();
        self.shared.stats.read(&status);
        self.shared.is_over_wal.store(status.wal_bytes / 2 >= self.settings.wal_bytes_max, Relaxed);
        m.watch_clock(now_ms, uptime_ms, || self.newest_ms());
        *self.shared.held.lock().unwrap_or_else(|e| e.into_inner()) = m.held.as_ref().map(|h| h.1.clone());
        if !self.is_writer(&mut m, uptime_ms) {
            return Ok(());
        }
        // What frees space comes first, and nothing that fails keeps the rest from being done.
        let removed = self.retain(&mut m, now_ms);
        self.remove_retired(&mut m);
        let cut = self.cut_when_due(&mut m, &status, uptime_ms);
        // Before merging, which makes one of blocks that windows have and of those that they lack.
        let tiers = match (m.cut.is_empty(), m.held.is_some()) {
            (true, is_held) => self.keep_tiers(&mut m, now_ms, is_held),
            (false, _) => Ok(()),
        };
        let merged = self.merge(&mut m);
        self.remove_retired(&mut m);
        self.bound_indexes();
        let is_held = m.held.is_some();
        drop(m);
        let of_tables = self.maintain_tables(now_ms, uptime_ms, is_held);
        removed.and(cut).and(tiers).and(merged).and(of_tables)
    }

    fn cut_when_due(&self, m: &mut Maintenance, status: &Status, uptime_ms: u64) -> Result<()> {
        let since_ms = *m.head_since_ms.get_or_insert(uptime_ms);
        let due = uptime_ms.saturating_sub(since_ms) as i64 >= self.settings.head_age_ms
            || self.is_heavy(status.head_bytes as usize)
            || status.wal_bytes >= self.settings.wal_bytes_max
            || self.is_mostly_silent(m, uptime_ms);
        if due && m.cut.is_empty() && status.head_samples > 0 {
            self.cut(m, NewIndex::IfWorn)?;
            m.head_since_ms = Some(uptime_ms);
        }
        let heads = m.cut.iter().map(|(head, _)| head.read().unwrap_or_else(|e| e.into_inner()).own_bytes());
        self.shared.work.waiting(WorkKind::WriteBlock, m.cut.len() as u64, heads.sum::<usize>() as u64);
        // Nothing more is taken only while blocks cannot be written: series that are more than the budget are no reason.
        let is_over = !m.cut.is_empty() && status.head_bytes as usize / 2 >= self.settings.head_bytes_max;
        self.shared.is_over_memory.store(is_over, Relaxed);
        if m.cut.is_empty() || uptime_ms < m.write_again_ms {
            return Ok(());
        }
        let written = self.write_cut_heads(m);
        // Sealing a head costs CPU time: a disk that stays full is not asked every few seconds.
        m.write_wait_ms = if written.is_ok() { 0 } else { (m.write_wait_ms * 2).clamp(5_000, 30_000) };
        m.write_again_ms = uptime_ms + m.write_wait_ms;
        if written.is_ok() {
            self.shared.is_over_memory.store(false, Relaxed);
        }
        written
    }

    /// Whether samples should leave memory now: they take more than the budget has for them, or more than their series do,
    /// from where on a longer head would save little disk and cost much memory. Series themselves stay as long as they
    /// are written, so that a budget which they alone fill still leaves its half to samples.
    fn is_heavy(&self, all_bytes: usize) -> bool {
        let head = self.shared.active();
        let head = head.read().unwrap_or_else(|e| e.into_inner());
        let samples = head.samples_bytes();
        let series = head.heap_bytes() - samples;
        let max = self.settings.head_bytes_max;
        let room = max.saturating_sub(all_bytes - samples).max(max / 2);
        samples >= room || samples >= series.max(self.settings.head_samples_bytes_min)
    }

    /// Whether most of what the head knows has ended: a rollout replaced it. Nothing is gained by keeping that in memory
    /// until the head is old.
    fn is_mostly_silent(&self, m: &mut Maintenance, uptime_ms: u64) -> bool {
        if uptime_ms < m.look_for_silent_ms {
            return false;
        }
        m.look_for_silent_ms = uptime_ms + SILENT_PERIOD_MS;
        let head = self.shared.active();
        let head = head.read().unwrap_or_else(|e| e.into_inner());
        let Some((_, newest_ms)) = head.range_ms.filter(|_| head.len() >= self.settings.silent_series_min)
        else {
            return false;
        };
        let silent = head.len().saturating_sub(head.series_since(newest_ms.saturating_sub(SILENT_MS)));
        silent >= self.settings.silent_series_min && silent * 2 >= head.len()
    }

    /// Time of the newest sample.
    fn newest_ms(&self) -> Option<i64> {
        let view = self.view();
        let in_heads = view.heads.iter().filter_map(|h| h.read().unwrap_or_else(|e| e.into_inner()).range_ms);
        view.blocks.iter().map(|b| b.entry.last_ms).chain(in_heads.map(|r| r.1)).max()
    }

    /// Cuts the head into a block now.
    ///
    /// # Errors
    /// As [`Store::maintain`].
    pub fn flush_head(&self) -> Result<()> {
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        if m.cut.is_empty() {
            self.cut(&mut m, NewIndex::IfWorn)?;
        }
        self.write_cut_heads(&mut m)
    }

    pub(crate) fn cut(&self, m: &mut Maintenance, index: NewIndex) -> Result<()> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        commands.send(Command::Cut(index, reply)).map_err(|_| stopped())?;
        m.cut.push(outcome.blocking_recv().map_err(|_| stopped())??);
        self.shared.stats.cuts.inc();
        Ok(())
    }

    pub(crate) fn write_cut_heads(&self, m: &mut Maintenance) -> Result<()> {
        while let Some((head, floor)) = m.cut.first().cloned() {
            let bytes = head.read().unwrap_or_else(|e| e.into_inner()).own_bytes() as u64;
            let run = self.shared.work.begin(WorkKind::WriteBlock, "a cut head", bytes);
            let written = self.write_cut_head(m, head, floor);
            run.add(bytes);
            run.end(written)?;
            self.shared.work.waiting(WorkKind::WriteBlock, m.cut.len() as u64, 0);
        }
        Ok(())
    }

    fn write_cut_head(&self, m: &mut Maintenance, head: Arc<RwLock<Head>>, floor: u64) -> Result<()> {
        let id = m.take_block_number();
        let entry = {
            let head = head.read().unwrap_or_else(|e| e.into_inner());
            let mut out = BlockWriter::new(&self.objects, id, 0)?;
            for (labels, id) in head.in_order_of_labels() {
                out.push(&labels, head.chunks(id)?)?;
            }
            out.finish()?
        };
        let log = m.log.clone();
        m.commit(&self.objects, |next| {
            next.set_floor(log.as_deref(), floor);
            next.blocks.extend(entry.clone());
        })?;
        {
            // Block in and head out at one instant: a view has the samples once.
            let mut state = self.shared.state.write().unwrap_or_else(|e| e.into_inner());
            let mut blocks = state.blocks.to_vec();
            blocks.extend(entry.map(|e| Arc::new(Block::new(e, self.objects.clone()))));
            state.blocks = Arc::new(blocks);
            state.heads.retain(|h| !Arc::ptr_eq(h, &head));
        }
        m.cut.remove(0);
        wal::remove_below(&self.folder.path.join("wal"), floor)
    }

    /// Removes the blocks that retention by age and by size no longer covers.
    fn retain(&self, m: &mut Maintenance, now_ms: i64) -> Result<()> {
        let oldest_ms = match m.held {
            Some(_) => i64::MIN,
            None => now_ms.saturating_sub(self.settings.retention_ms),
        };
        let stays = |b: &&BlockEntry| match &b.restored {
            // It is in the archive as well: nothing is lost by a wrong clock.
            Some(restored) => restored.until_ms > now_ms,
            None => b.last_ms >= oldest_ms,
        };
        let mut keep: Vec<_> = m.manifest.blocks.iter().filter(stays).cloned().collect();
        let size = |b: &BlockEntry| b.chunks_bytes + b.series_bytes;
        let mut total: u64 = keep.iter().map(size).sum();
        while total > self.settings.blocks_bytes_max && !keep.is_empty() {
            let oldest = (0..keep.len()).min_by_key(|i| keep[*i].last_ms).unwrap_or(0);
            total -= size(&keep.remove(oldest));
        }
        if keep.len() < m.manifest.blocks.len() {
            let removed = m.manifest.blocks.len() - keep.len();
            let run = self.shared.work.begin(WorkKind::Retain, format!("{removed} blocks"), 0);
            let gone = m.manifest.blocks.iter().filter(|b| !keep.iter().any(|k| k.id == b.id));
            let through_ms = gone.map(|b| b.last_ms).max();
            run.end(self.replace_blocks(m, keep, through_ms))?;
            self.shared.stats.removed.add(removed as f64);
        }
        Ok(())
    }

    /// Merges neighbouring small blocks into one, one merge at a call.
    fn merge(&self, m: &mut Maintenance) -> Result<()> {
        let n = self.settings.merge_blocks.max(2);
        let size = |b: &BlockEntry| b.chunks_bytes + b.series_bytes;
        // A block goes as a whole, when its newest sample is too old: one that spans half a year keeps half a year more. What
        // spans more already (samples came late) may be merged with what lies within.
        let longest_ms = self.settings.retention_ms / MERGED_SHARE;
        let span_ms = |b: &BlockEntry| b.last_ms.saturating_sub(b.first_ms);
        let is_short = |w: &[BlockEntry]| {
            let first_ms = w.iter().map(|b| b.first_ms).min().unwrap_or_default();
            let last_ms = w.iter().map(|b| b.last_ms).max().unwrap_or_default();
            let allowed_ms = w.iter().map(span_ms).max().unwrap_or_default().max(longest_ms);
            last_ms.saturating_sub(first_ms) <= allowed_ms
        };
        let is_due = |w: &[BlockEntry]| {
            w.iter().all(|b| b.level == w[0].level && b.restored.is_none() && !m.unreadable.contains(&b.id))
                && w.iter().map(size).sum::<u64>() <= self.settings.merge_bytes_max
                && is_short(w)
        };
        let all = &m.manifest.blocks;
        let (mut due, mut at) = (Vec::new(), 0);
        while let Some(run) = all.get(at..at + n) {
            due.extend(is_due(run).then(|| (at, run.iter().map(size).sum::<u64>())));
            at += if is_due(run) { n } else { 1 };
        }
        let waiting = |due: &[(usize, u64)]| {
            self.shared.work.waiting(WorkKind::Merge, due.len() as u64, due.iter().map(|d| d.1).sum());
        };
        waiting(&due);
        let Some((at, bytes)) = due.first().copied() else { return Ok(()) };
        let what = format!("{n} blocks of level {}", all[at].level);
        let run = self.shared.work.begin(WorkKind::Merge, what, bytes);
        let unreadable = m.unreadable.len();
        let merged = self.merge_at(m, at, n, &run);
        let merged = run.end(merged);
        waiting(&due[1..]);
        // It is left as it is from now on; every read tells of it.
        if m.unreadable.len() > unreadable { Ok(()) } else { merged }
    }

    fn merge_at(&self, m: &mut Maintenance, at: usize, n: usize, run: &Running) -> Result<()> {
        let view = self.view();
        let block = |entry: &BlockEntry| view.blocks.iter().find(|b| b.entry.id == entry.id).cloned();
        let blocks: Vec<Arc<Block>> = m.manifest.blocks[at..at + n].iter().filter_map(block).collect();
        if blocks.len() != n {
            return Err(Error::new(ErrorKind::Internal, "a block is not in the view"));
        }
        drop(view);
        let level = m.manifest.blocks[at].level + 1;
        let id = m.take_block_number();
        let merged =
            merge(&self.objects, (id, level), &blocks, |_, chunks| Ok(chunks), |bytes| run.add(bytes));
        let mut entry = match merged {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(()),
            Err(Failed::Unreadable(id, e)) => {
                m.unreadable.insert(id);
                return Err(e);
            }
            Err(Failed::Writing(e)) => return Err(e),
        };
        let mut keep = m.manifest.blocks.clone();
        entry.newest_source = keep[at..at + n].iter().map(BlockEntry::newest_source).max();
        keep.splice(at..at + n, [entry]);
        self.replace_blocks(m, keep, None)
    }

    /// `removed_through_ms` says up to when samples are gone by this.
    pub(crate) fn replace_blocks(
        &self,
        m: &mut Maintenance,
        keep: Vec<BlockEntry>,
        removed_through_ms: Option<i64>,
    ) -> Result<()> {
        self.change(m, |next| {
            next.blocks = keep;
            next.removed_through_ms = next.removed_through_ms.max(removed_through_ms);
        })
    }

    /// Commits a change of the manifest, and shows it to readers.
    pub(crate) fn change(&self, m: &mut Maintenance, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        m.commit(&self.objects, change)?;
        let mut state = self.shared.state.write().unwrap_or_else(|e| e.into_inner());
        let old = state.blocks.clone();
        let kept = m.manifest.blocks.iter().map(|entry| {
            let known = old.iter().find(|b| b.entry == *entry).cloned();
            known.unwrap_or_else(|| Arc::new(Block::new(entry.clone(), self.objects.clone())))
        });
        state.blocks = Arc::new(kept.collect());
        state.archived = Arc::new(m.manifest.archived.clone());
        state.away = Arc::new(archive::away(&m.manifest));
        let gone = old.iter().filter(|b| !m.manifest.blocks.iter().any(|e| e.id == b.entry.id));
        m.retired.extend(gone.cloned());
        state.tiers = Arc::new(Tiers::of(&m.manifest, &self.objects, &state.tiers));
        Ok(())
    }

    /// Files go when the last reader has gone. What is left over by a crash goes at the next start.
    pub(crate) fn remove_retired(&self, m: &mut Maintenance) {
        m.retired.retain(|block| {
            if Arc::strong_count(block) > 1 {
                return true;
            }
            block.paths.iter().any(|path| self.objects.delete(path).is_err())
        });
    }

    fn bound_indexes(&self) {
        let mut total = 0;
        // Newest blocks are asked for most.
        let view = self.view();
        let parts = view.tiers.windows.iter().rev().flat_map(|tier| &tier.parts);
        for block in view.blocks.iter().rev().chain(parts) {
            block.age_index(INDEX_UNASKED_CALLS);
            total += block.index_bytes();
            if total > self.settings.index_bytes_max {
                block.forget_index();
            }
        }
    }
}
