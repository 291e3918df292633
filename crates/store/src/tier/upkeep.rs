//! When windows are summarised, made again and removed: a little at each call of maintenance. It must never remove a
//! summary on the word of a clock that has just jumped, nor make one again of samples that are gone.

use super::bucket::Grid;
use super::build::{Build, Sources};
use super::{HOUR_MS, KINDS, Kind, MINUTE_MS, Tier, Tiers};
use crate::block::Block;
use crate::maintenance::Maintenance;
use crate::manifest::{BlockEntry, TierEntry};
use crate::store::Store;
use crate::work::WorkKind;
use foldhash::{HashSet, HashSetExt};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use stdx::{ErrorKind, Result};

/// Samples that are looked at in one call: some hundred milliseconds.
const WORK: u64 = 2_000_000;
/// What a window costs by itself (files, syncs), as that many samples.
const WINDOW_WORK: u64 = 100_000;
/// The most windows of one tier that are thought of at once.
const WINDOWS_MAX: usize = 50_000;
/// The most calls without work after work that failed.
const PAUSE_CALLS_MAX: u32 = 64;

/// What the upkeep of tiers remembers from one call to the next.
#[derive(Default)]
pub(crate) struct Upkeep {
    build: Option<Build>,
    /// Blocks with sources up to this number were compared with all windows.
    checked_through: Option<u64>,
    /// Resolution and start of windows that lack samples which came late, or are damaged.
    dirty: HashSet<(i64, i64)>,
    /// Windows that could not be made: not tried again before there is another block.
    failed: HashSet<(i64, i64)>,
    /// For each tier up to when windows were removed because of their size: they are not made again.
    too_large_through_ms: [Option<i64>; KINDS.len()],
    pause: u32,
    pause_next: u32,
}

impl Upkeep {
    /// Gives up what is being made: blocks were changed.
    pub fn begin_anew(&mut self) {
        self.build = None;
    }
}

/// A window that is to be made: its tier and its start.
type Due = (&'static Kind, i64);

impl Store {
    /// Removes, checks and makes summaries. `is_held` keeps all that is there.
    pub(crate) fn keep_tiers(&self, m: &mut Maintenance, now_ms: i64, is_held: bool) -> Result<()> {
        if m.tiers.pause > 0 {
            m.tiers.pause -= 1;
            return Ok(());
        }
        let done = self.try_keep_tiers(m, now_ms, is_held);
        m.tiers.pause_next =
            if done.is_ok() { 0 } else { (m.tiers.pause_next * 2).clamp(1, PAUSE_CALLS_MAX) };
        m.tiers.pause = m.tiers.pause_next;
        if done.is_err()
            && let Some(build) = m.tiers.build.take()
        {
            m.tiers.failed.insert((build.entry.resolution_ms, build.entry.start_ms));
        }
        done
    }

    fn try_keep_tiers(&self, m: &mut Maintenance, now_ms: i64, is_held: bool) -> Result<()> {
        let mut tiers = m.manifest.tiers.clone();
        if !is_held {
            self.retain_by_age(&mut tiers, now_ms);
        }
        self.retain_by_size(m, &mut tiers);
        self.check_sources(m, &mut tiers)?;
        let mut due = self.due_windows(m, &tiers, now_ms);
        let mut work = WORK;
        let run = (m.tiers.build.is_some() || !due.is_empty())
            .then(|| self.shared.work.begin(WorkKind::Summarise, "summaries of samples", 0));
        let made = self.make(m, &mut tiers, &mut due, &mut work);
        let committed = self.commit_tiers(m, tiers);
        self.read_stats(m, &due, now_ms);
        let outcome = made.and(committed);
        match run {
            Some(run) => run.end(outcome),
            None => outcome,
        }
    }

    fn retention_ms(&self, kind: &Kind) -> i64 {
        match kind.resolution_ms {
            MINUTE_MS => self.settings.tier_minute_retention_ms,
            _ => self.settings.tier_hour_retention_ms,
        }
    }

    fn retain_by_age(&self, tiers: &mut Vec<TierEntry>, now_ms: i64) {
        for kind in &KINDS {
            let oldest_ms = now_ms.saturating_sub(self.retention_ms(kind));
            tiers.retain(|t| t.resolution_ms != kind.resolution_ms || t.end_ms > oldest_ms);
        }
    }

    /// Removes the oldest, finest first, while all are larger than allowed.
    fn retain_by_size(&self, m: &mut Maintenance, tiers: &mut Vec<TierEntry>) {
        let mut total: u64 = tiers.iter().map(bytes).sum();
        while total > self.settings.tiers_bytes_max {
            let with_files = tiers.iter().enumerate().filter(|(_, t)| !t.parts.is_empty());
            let Some((at, _)) = with_files.min_by_key(|(_, t)| (t.resolution_ms, t.start_ms)) else { break };
            let gone = tiers.remove(at);
            total -= bytes(&gone);
            if let Some(i) = KINDS.iter().position(|k| k.resolution_ms == gone.resolution_ms) {
                let through_ms = &mut m.tiers.too_large_through_ms[i];
                *through_ms = (*through_ms).max(Some(gone.end_ms));
            }
        }
    }

    /// Compares blocks that are new with the windows that are there: a window with late samples is to be made again.
    fn check_sources(&self, m: &mut Maintenance, tiers: &mut [TierEntry]) -> Result<()> {
        let view = self.view();
        for tier in view.tiers.windows.iter().filter(|t| t.is_damaged.load(Relaxed)) {
            m.tiers.dirty.insert((tier.entry.resolution_ms, tier.entry.start_ms));
        }
        let Some(newest) = view.blocks.iter().map(|b| b.entry.newest_source()).max() else { return Ok(()) };
        let checked = m.tiers.checked_through.or_else(|| tiers.iter().map(|t| t.sources_through).min());
        if checked.is_some_and(|checked| checked >= newest) {
            return Ok(());
        }
        m.tiers.failed.clear();
        for block in view.blocks.iter() {
            let source = block.entry.newest_source();
            let older =
                |t: &TierEntry| t.sources_through < source && block.overlaps(t.start_ms + 1, t.end_ms);
            if checked.is_none_or(|checked| source > checked) && tiers.iter().any(older) {
                let ranges = ranges(block)?;
                let touches =
                    |t: &&TierEntry| ranges.iter().any(|r| r.0 <= t.end_ms && r.1 > t.start_ms) && older(t);
                m.tiers.dirty.extend(tiers.iter().filter(touches).map(|t| (t.resolution_ms, t.start_ms)));
            }
        }
        for tier in tiers.iter_mut() {
            if !m.tiers.dirty.contains(&(tier.resolution_ms, tier.start_ms)) {
                tier.sources_through = tier.sources_through.max(newest);
            }
        }
        m.tiers.checked_through = Some(newest);
        Ok(())
    }

    /// The windows that are to be made, those that come first last.
    fn due_windows(&self, m: &mut Maintenance, tiers: &[TierEntry], now_ms: i64) -> Vec<Due> {
        let blocks = &m.manifest.blocks;
        let removed_through_ms = m.manifest.removed_through_ms.unwrap_or(i64::MIN);
        // What is gone cannot be made again, and a window that is gone needs not to be.
        let there: HashSet<(i64, i64)> = tiers.iter().map(|t| (t.resolution_ms, t.start_ms)).collect();
        m.tiers.dirty.retain(|window| there.contains(window) && window.1 >= removed_through_ms);
        let newest_ms = blocks.iter().map(|b| b.last_ms).max().unwrap_or(i64::MIN);
        // Samples of a window are in blocks when a block has later ones, or when any head of that time was cut.
        let over = |end_ms: i64| {
            end_ms <= now_ms
                && (end_ms <= newest_ms
                    || end_ms.saturating_add(self.settings.head_age_ms.saturating_mul(2)) <= now_ms)
        };
        let mut due: Vec<Due> = Vec::new();
        for (kind, too_large_ms) in KINDS.iter().zip(m.tiers.too_large_through_ms) {
            let retention_ms = self.retention_ms(kind);
            let oldest_ms = now_ms.saturating_sub(retention_ms).max(too_large_ms.unwrap_or(i64::MIN));
            let mut windows = BTreeSet::new();
            for block in blocks.iter().filter(|_| retention_ms > 0) {
                let end_of = |t| Grid::of(kind.window_ms).end_of(t);
                let mut end_ms = end_of(block.last_ms.min(now_ms));
                let first_ms = end_of(block.first_ms).max(end_of(oldest_ms.saturating_add(1)));
                while end_ms >= first_ms && windows.len() < WINDOWS_MAX {
                    windows.insert(end_ms - kind.window_ms);
                    end_ms -= kind.window_ms;
                }
            }
            let is_due = |start_ms: &i64| {
                let window = (kind.resolution_ms, *start_ms);
                over(start_ms + kind.window_ms)
                    && !m.tiers.failed.contains(&window)
                    && (!there.contains(&window) || m.tiers.dirty.contains(&window))
                    // Hours are made of minutes: they wait for those.
                    && !due.iter().any(|(_, s)| kind.resolution_ms > MINUTE_MS && (*start_ms..start_ms + kind.window_ms).contains(s))
            };
            let of_kind: Vec<Due> = windows.into_iter().filter(is_due).map(|start| (kind, start)).collect();
            due.extend(of_kind);
        }
        // The newest first: they are asked for most. `pop` takes the last.
        due.sort_by_key(|(_, start_ms)| *start_ms);
        due
    }

    fn make(
        &self,
        m: &mut Maintenance,
        tiers: &mut Vec<TierEntry>,
        due: &mut Vec<Due>,
        work: &mut u64,
    ) -> Result<()> {
        while *work > 0 {
            if m.tiers.build.is_none() {
                let Some((kind, start_ms)) = due.last().copied() else { return Ok(()) };
                m.tiers.build = Some(self.begin(m, tiers, kind, start_ms));
                *work = work.saturating_sub(WINDOW_WORK);
            }
            let Some(mut build) = m.tiers.build.take() else { return Ok(()) };
            let is_done = build.go_on(&self.objects, work, &mut || m.take_block_number());
            let (entry, kind) = (build.entry.clone(), build.kind);
            if !matches!(is_done, Ok(true)) {
                m.tiers.build = Some(build);
                return is_done.map(|_| ());
            }
            let window = (entry.resolution_ms, entry.start_ms);
            tiers.retain(|t| (t.resolution_ms, t.start_ms) != window);
            tiers.push(entry);
            tiers.sort_by_key(|t| (t.resolution_ms, t.start_ms));
            m.tiers.dirty.remove(&window);
            // Blocks that came meanwhile may have late samples of this window.
            m.tiers.checked_through = None;
            due.retain(|(k, start_ms)| (k.resolution_ms, *start_ms) != window);
            if let Some(i) = KINDS.iter().position(|k| k == kind) {
                self.shared.stats.tiers[i].built.inc();
            }
        }
        Ok(())
    }

    fn begin(&self, m: &Maintenance, tiers: &[TierEntry], kind: &'static Kind, start_ms: i64) -> Build {
        let view = self.view();
        let end_ms = start_ms + kind.window_ms;
        let inside =
            |t: &&TierEntry| t.resolution_ms == MINUTE_MS && t.start_ms >= start_ms && t.end_ms <= end_ms;
        let removed_through_ms = m.manifest.removed_through_ms.unwrap_or(i64::MIN);
        let finer: Vec<&TierEntry> = tiers.iter().filter(inside).collect();
        // The minutes may begin later, since they are not kept as long: only the samples have all then, if they are there.
        let minutes_ms = finer.iter().map(|t| t.start_ms).min();
        let has_older = |ms: i64| ms > start_ms && view.blocks.iter().any(|b| b.overlaps(start_ms + 1, ms));
        if kind.resolution_ms == HOUR_MS
            && self.settings.tier_minute_retention_ms > 0
            && minutes_ms.is_some_and(|ms| removed_through_ms > start_ms || !has_older(ms))
        {
            // Those that were made in this very call are in no view yet.
            let parts = finer.iter().flat_map(|t| &t.parts).map(|part| self.part(&view.tiers, part));
            let through = finer.iter().map(|t| t.sources_through).min().unwrap_or(0);
            let mut build = Build::new(kind, start_ms, through, Sources::Tier(parts.collect()));
            build.entry.is_partial = finer.iter().any(|t| t.is_partial);
            return build;
        }
        let blocks = view.blocks.iter().filter(|b| b.overlaps(start_ms + 1, end_ms)).cloned().collect();
        let through = view.blocks.iter().map(|b| b.entry.newest_source()).max().unwrap_or(0);
        let mut build = Build::new(kind, start_ms, through, Sources::Samples(blocks));
        build.entry.is_partial = removed_through_ms > start_ms;
        build
    }

    pub(super) fn part(&self, tiers: &Tiers, part: &BlockEntry) -> Arc<Block> {
        let known = tiers.windows.iter().flat_map(|t| &t.parts).find(|b| b.entry == *part);
        known
            .cloned()
            .unwrap_or_else(|| Arc::new(Block::in_folder(super::FOLDER, part.clone(), self.objects.clone())))
    }

    pub(super) fn commit_tiers(&self, m: &mut Maintenance, tiers: Vec<TierEntry>) -> Result<()> {
        if tiers == m.manifest.tiers {
            return Ok(());
        }
        m.commit(&self.objects, |next| next.tiers = tiers)?;
        self.publish_tiers(m);
        Ok(())
    }

    /// Gives readers what the manifest says of tiers; files that it no longer names go when nobody reads them.
    pub(crate) fn publish_tiers(&self, m: &mut Maintenance) {
        let mut state = self.shared.state.write().unwrap_or_else(|e| e.into_inner());
        let before = state.tiers.clone();
        let tiers = Tiers::of(&m.manifest, &self.objects, &before);
        let named: HashSet<u64> = tiers.windows.iter().flat_map(|t| &t.parts).map(|b| b.entry.id).collect();
        let gone = before.windows.iter().flat_map(|t| &t.parts).filter(|b| !named.contains(&b.entry.id));
        m.retired.extend(gone.cloned());
        state.tiers = Arc::new(tiers);
    }

    fn read_stats(&self, m: &Maintenance, due: &[Due], now_ms: i64) {
        self.shared.work.waiting(WorkKind::Summarise, due.len() as u64, 0);
        for (kind, stats) in KINDS.iter().zip(&self.shared.stats.tiers) {
            let of_kind = || m.manifest.tiers.iter().filter(|t| t.resolution_ms == kind.resolution_ms);
            let oldest = due.iter().filter(|d| d.0 == kind).map(|d| d.1 + kind.window_ms).min();
            stats.behind.set(oldest.map_or(0.0, |end_ms| (now_ms - end_ms) as f64 / 1000.0));
            stats.windows.set(of_kind().count() as f64);
            stats.rows.set(of_kind().flat_map(|t| &t.parts).map(|p| p.series).sum::<u64>() as f64);
            stats.bytes.set(of_kind().map(bytes).sum::<u64>() as f64);
        }
    }
}

fn bytes(tier: &TierEntry) -> u64 {
    tier.parts.iter().map(|part| part.chunks_bytes + part.series_bytes).sum()
}

/// The different stretches of time that a block's chunks cover: a few, since series are cut together.
fn ranges(block: &Block) -> Result<Vec<(i64, i64)>> {
    let index = match block.index_once() {
        Ok(index) => index,
        // Nobody can read its samples: no window can lack them.
        Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let minute = |t: i64| Grid::of(MINUTE_MS).end_of(t);
    let mut found = HashSet::new();
    // To the minute: windows are whole minutes, so that nothing is said to touch one that does not.
    found.extend(index.rows().iter().map(|row| (minute(row.first_ms), minute(row.last_ms))));
    Ok(found.into_iter().collect())
}

/// Tells apart windows whose files were found to be damaged.
pub(crate) fn mark_damaged(tier: &Tier) {
    tier.is_damaged.store(true, Relaxed);
}
