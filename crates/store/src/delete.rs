//! Deletes series, or a stretch of their time, for good: for personal data that must not be kept. The head is cut, each
//! block that holds some of it is written anew without it, and nothing is left to be hidden by a marker. It must never
//! begin before the audit says so, nor say that it is done before it has looked.
//!
//! A crash at any point leaves each block as it was or as it is to be; the deletion is then asked for again.

use crate::audit::{Audit, Who};
use crate::block::{self, Block, BlockIndex};
use crate::chunk::{self, Chunk};
use crate::histogram_chunk;
use crate::maintenance::Maintenance;
use crate::manifest::BlockEntry;
use crate::merge::{Failed, merge};
use crate::objects::DAMAGED;
use crate::store::Store;
use crate::tier::Deleted;
use crate::view::SeriesPieces;
use crate::wal;
use crate::work::{Running, WorkKind};
use crate::writer::NewIndex;
use foldhash::{HashSet, HashSetExt};
use model::{Labels, Matcher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};

/// How long readers of what was deleted are waited for.
const READERS_WAIT: Duration = Duration::from_secs(30);

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Series that pass all matchers of any of these sets.
    pub matchers: Vec<Vec<Matcher>>,
    /// First instant, milliseconds since 1970.
    pub start_ms: i64,
    /// Last instant.
    pub end_ms: i64,
}

/// What a deletion reaches, or reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// Different series.
    pub series: u64,
    /// Samples, those counted twice that lie in two chunks; in a plan those of chunks that only partly lie in the time count whole.
    pub samples: u64,
    /// Numbers of the blocks that hold some; the head becomes one first.
    pub blocks: Vec<u64>,
    /// Bytes of these blocks.
    pub bytes: u64,
    /// Whether some are in memory and in the log.
    pub in_head: bool,
    /// What could not be reached, and what to do about it, in words.
    pub remaining: Vec<String>,
}

impl Deletion {
    /// # Errors
    /// `Invalid` if it would reach every series, or no time.
    fn check(&self) -> Result<()> {
        if self.matchers.is_empty() || self.matchers.iter().any(|set| set.iter().all(Matcher::matches_empty))
        {
            return Err(Error::invalid(
                "this would delete every series; name at least one label that must have a value",
            ));
        }
        if self.end_ms < self.start_ms {
            return Err(Error::invalid("the end must not be before the start"));
        }
        Ok(())
    }

    fn is_meant(&self, labels: &Labels) -> bool {
        self.matchers.iter().any(|set| Matcher::all(set, labels))
    }

    /// The chunks without what is deleted, in the same order.
    fn without(&self, chunks: Vec<Chunk>, deleted: &mut u64) -> Result<Vec<Chunk>> {
        let mut kept = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let (first, last) = (chunk.summary.first_ms, chunk.summary.last_ms);
            if last < self.start_ms || first > self.end_ms {
                kept.push(chunk);
            } else if first >= self.start_ms && last <= self.end_ms {
                *deleted += u64::from(chunk.summary.count);
            } else {
                let before = chunk.summary.count;
                let rest = self.rest_of(&chunk)?;
                *deleted += u64::from(before) - rest.iter().map(|c| u64::from(c.summary.count)).sum::<u64>();
                kept.extend(rest);
            }
        }
        Ok(kept)
    }

    /// A chunk without what is deleted.
    fn rest_of(&self, chunk: &Chunk) -> Result<Vec<Chunk>> {
        let is_kept = |t: i64| t < self.start_ms || t > self.end_ms;
        if chunk.is_histograms() {
            let mut all = Vec::new();
            histogram_chunk::decode(chunk, &mut all)?;
            all.retain(|at| is_kept(at.timestamp_ms));
            return histogram_chunk::seal(&all);
        }
        let (mut t, mut v, mut s) = (Vec::new(), Vec::new(), Vec::new());
        chunk.decode_started(&mut t, &mut v, &mut s)?;
        let mut is_kept_at = t.iter().map(|t| is_kept(*t)).collect::<Vec<_>>().into_iter();
        v.retain(|_| is_kept_at.next().unwrap_or(true));
        let mut is_kept_at = t.iter().map(|t| is_kept(*t)).collect::<Vec<_>>().into_iter();
        s.retain(|_| is_kept_at.next().unwrap_or(true));
        t.retain(|t| is_kept(*t));
        if t.is_empty() { Ok(Vec::new()) } else { Ok(vec![chunk::seal_started(&t, &v, &s)?]) }
    }

    /// Whether a block has a sample of it, by reading them. One that cannot be read was told before.
    fn is_in(&self, block: &Block) -> Result<bool> {
        for set in &self.matchers {
            let mut warnings = Vec::new();
            let Ok(found) = block.read(set, self.start_ms, self.end_ms, usize::MAX, &mut warnings) else {
                continue;
            };
            for (labels, pieces) in found {
                let series = SeriesPieces::new(labels, pieces);
                let data = series.data(self.start_ms, self.end_ms)?;
                if !data.timestamps_ms.is_empty() || !data.histograms.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Adds what a block may hold of it, by its chunks; false if that is nothing.
    fn find(&self, index: &BlockIndex, series: &mut HashSet<Labels>, samples: &mut u64) -> bool {
        let mut found = false;
        for set in &self.matchers {
            for id in index.labels.select(set) {
                let rows = index.summaries(id).iter();
                let inside = rows.filter(|s| s.first_ms <= self.end_ms && s.last_ms >= self.start_ms);
                let count: u64 = inside.map(|s| u64::from(s.count)).sum();
                if count > 0 {
                    found = true;
                    *samples += count;
                    series.insert(index.labels.labels(id).clone());
                }
            }
        }
        found
    }
}

impl Store {
    /// What a deletion would reach. Changes nothing.
    ///
    /// # Errors
    /// `Invalid` if it would reach every series.
    pub fn plan_delete(&self, deletion: &Deletion) -> Result<Reach> {
        deletion.check()?;
        let view = self.view();
        let (mut reach, mut series) = (Reach::default(), HashSet::new());
        for block in view.blocks.iter().filter(|b| b.overlaps(deletion.start_ms, deletion.end_ms)) {
            match block.index() {
                Ok(index) => {
                    if deletion.find(&index, &mut series, &mut reach.samples) {
                        reach.blocks.push(block.entry.id);
                        reach.bytes += block.bytes();
                    }
                }
                Err(e) => reach.remaining.push(unreadable(block.entry.id, &e)),
            }
        }
        for head in &view.heads {
            let head = head.read().unwrap_or_else(|e| e.into_inner());
            let index = head.index();
            for id in deletion.matchers.iter().flat_map(|set| index.select(set)) {
                if let Some(life) = head.lifetime(id, deletion.start_ms, deletion.end_ms) {
                    reach.in_head = true;
                    reach.samples += life.samples;
                    series.insert(index.labels(id).clone());
                }
            }
        }
        reach.series = series.len() as u64;
        reach.remaining.extend(self.archived_unsearched(deletion.start_ms, deletion.end_ms));
        Ok(reach)
    }

    /// Deletes, and looks whether it is gone. `now` is the wall clock, milliseconds since 1970. Samples of the same
    /// series that arrive meanwhile or later are kept: stop their sender first. What could not be reached is in
    /// [`Reach::remaining`], and in the audit.
    ///
    /// # Errors
    /// `Invalid` if it would reach every series; `Unavailable` if the audit or a block cannot be written: what was
    /// done is done, ask for the deletion again. Nothing is deleted that the audit does not have.
    pub fn delete_series(&self, deletion: &Deletion, who: &Who, now: &dyn Fn() -> i64) -> Result<Reach> {
        let plan = self.plan_delete(deletion)?;
        let mut audit = Audit::open(&self.folder.path)?;
        let number = audit.begin(now(), who, deletion, &plan)?;
        let run = self.shared.work.begin(WorkKind::Delete, format!("audit entry {number}"), plan.bytes);
        let outcome = self.delete_now(deletion, &run);
        let outcome = run.end(outcome);
        let noted = audit.end(now(), number, &outcome);
        let reach = outcome?;
        noted.map_err(|e| {
            let text =
                format!("{} samples were deleted, but the audit could not note the end", reach.samples);
            Error::wrap(e.kind, text, e)
        })?;
        Ok(reach)
    }

    fn delete_now(&self, deletion: &Deletion, run: &Running) -> Result<Reach> {
        let mut m = self.maintenance.lock().unwrap_or_else(|e| e.into_inner());
        // The log goes with the head: its segments are removed once the block is committed.
        self.write_cut_heads(&mut m)?;
        self.cut(&mut m, NewIndex::Now)?;
        self.write_cut_heads(&mut m)?;
        let (mut reach, mut series) = (Reach::default(), HashSet::new());
        let blocks = self.view().blocks.clone();
        let ids: Vec<u64> = blocks
            .iter()
            .filter(|b| b.overlaps(deletion.start_ms, deletion.end_ms))
            .map(|b| b.entry.id)
            .collect();
        drop(blocks);
        for id in ids {
            self.rewrite(&mut m, id, deletion, run, &mut reach, &mut series)?;
            self.remove_retired(&mut m);
        }
        let is_meant = |labels: &Labels| deletion.is_meant(labels);
        let (start_ms, end_ms) = (deletion.start_ms, deletion.end_ms);
        self.delete_from_tiers(&mut m, &Deleted { is_meant: &is_meant, start_ms, end_ms })?;
        self.remove_retired(&mut m);
        reach.series = series.len() as u64;
        reach.remaining.extend(self.archived_unsearched(deletion.start_ms, deletion.end_ms));
        self.look_again(&mut m, deletion, &mut reach)?;
        Ok(reach)
    }

    /// Puts a block without the deleted samples in the place of the one that has them, if it has some.
    fn rewrite(
        &self,
        m: &mut Maintenance,
        id: u64,
        deletion: &Deletion,
        run: &Running,
        reach: &mut Reach,
        series: &mut HashSet<Labels>,
    ) -> Result<()> {
        let found = self.view().blocks.iter().find(|b| b.entry.id == id).cloned();
        let Some(block) = found else { return Ok(()) };
        match block.index() {
            Ok(index) if deletion.find(&index, &mut HashSet::new(), &mut 0) => {}
            Ok(_) => return Ok(()),
            Err(e) => {
                reach.remaining.push(unreadable(id, &e));
                return Ok(());
            }
        }
        let number = m.take_block_number();
        let mut deleted = 0;
        let keep = |labels: &Labels, chunks: Vec<Chunk>| {
            if !deletion.is_meant(labels) {
                return Ok(chunks);
            }
            let before = deleted;
            let kept = deletion.without(chunks, &mut deleted);
            if deleted > before {
                series.insert(labels.clone());
            }
            kept
        };
        let sources: [Arc<Block>; 1] = [block];
        let written = merge(&self.objects, (number, sources[0].entry.level), &sources, keep, |b| run.add(b));
        let newest_source = sources[0].entry.newest_source();
        let entry = match written {
            // It holds nothing new: summaries that have what is left in it stay.
            Ok(entry) => entry.map(|e| BlockEntry { newest_source: Some(newest_source), ..e }),
            Err(Failed::Unreadable(_, e)) => {
                reach.remaining.push(unreadable(id, &e));
                return Ok(());
            }
            Err(Failed::Writing(e)) => return Err(e),
        };
        drop(sources);
        if deleted == 0 {
            // A chunk spans the time, and has no sample in it.
            for path in block::paths(number) {
                self.objects.delete(&path)?;
            }
            return Ok(());
        }
        let mut keep = m.manifest.blocks.clone();
        if let Some(at) = keep.iter().position(|b| b.id == id) {
            keep.splice(at..=at, entry);
        }
        // What came back from the archive is there too: that copy goes with it, and the new block is archived in its turn.
        let copy = m.manifest.blocks.iter().find(|b| b.id == id).and_then(|b| b.restored.clone());
        let copy = copy.and_then(|r| m.manifest.archived.iter().find(|a| a.block.id == r.archived).cloned());
        self.change(m, |next| {
            next.blocks = keep;
            next.archived.retain(|a| Some(a.block.id) != copy.as_ref().map(|c| c.block.id));
        })?;
        if let Some(Err(e)) = copy.map(|copy| self.remove_archived(&copy)) {
            reach
                .remaining
                .push(format!("the copy of block {id} in the archive could not be removed now ({e})"));
        }
        reach.samples += deleted;
        reach.blocks.push(id);
        Ok(())
    }

    /// Waits for readers of the old files, then reads everything again: what is still there is told.
    fn look_again(&self, m: &mut Maintenance, deletion: &Deletion, reach: &mut Reach) -> Result<()> {
        let started = Instant::now();
        while !m.retired.is_empty() && started.elapsed() < READERS_WAIT {
            self.remove_retired(m);
            if !m.retired.is_empty() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        for block in &m.retired {
            reach.remaining.push(format!(
                "block {} is out of use, but somebody is still reading it: its files go when they have ended",
                block.entry.id
            ));
        }
        let view = self.view();
        for block in view.blocks.iter().filter(|b| b.overlaps(deletion.start_ms, deletion.end_ms)) {
            if deletion.is_in(block)? {
                let text = format!("block {} still holds some of it", block.entry.id);
                return Err(Error::new(ErrorKind::Internal, text));
            }
        }
        let floor = m.manifest.floor(m.log.as_deref());
        let wal_folder = self.folder.path.join("wal");
        for (number, _) in wal::segments(&wal_folder)?.iter().filter(|(n, _)| *n < floor) {
            reach.remaining.push(format!("log segment {number} could not be removed; remove it by hand"));
        }
        let mut set_aside: Vec<String> =
            self.objects.list("blocks")?.into_iter().map(|(path, _)| path).collect();
        for entry in std::fs::read_dir(&wal_folder).into_iter().flatten().flatten() {
            set_aside.push(format!("wal/{}", entry.file_name().to_string_lossy()));
        }
        set_aside.retain(|path| path.ends_with(DAMAGED));
        reach.remaining.extend(set_aside.iter().map(|path| {
            format!("{path} was set aside because it is damaged, and cannot be searched; remove it by hand")
        }));
        Ok(())
    }
}

fn unreadable(id: u64, e: &Error) -> String {
    format!(
        "block {id} cannot be read, so it may hold some of it ({e}); remove its files if that must not be"
    )
}

#[cfg(test)]
mod tests;
