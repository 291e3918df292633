//! Makes the summaries of one window, some series at a time, so that little is in memory and other work can come in
//! between. It must never commit, nor look at samples outside its window: made again, it is the same.

use super::bucket::{Folder, Grid};
use super::{FOLDER, Kind, codec};
use crate::block::Block;
use crate::block_write::BlockWriter;
use crate::head::{Piece, merge};
use crate::manifest::TierEntry;
use crate::objects::Objects;
use model::Labels;
use std::sync::Arc;
use stdx::{ErrorKind, Result};

/// Samples that are decoded at once, and series: a group is some tens of megabytes and some hundred milliseconds.
const GROUP_SAMPLES: u64 = 1_000_000;
const GROUP_SERIES: usize = 1_000;
/// What a series costs beside its samples, as that many samples.
const SERIES_WORK: u64 = 500;

/// What a window is made from.
pub(crate) enum Sources {
    /// Blocks of samples, in order of precedence.
    Samples(Vec<Arc<Block>>),
    /// Parts of a finer tier.
    Tier(Vec<Arc<Block>>),
}

/// A window that is being made.
pub(crate) struct Build {
    pub kind: &'static Kind,
    pub entry: TierEntry,
    blocks: Vec<Arc<Block>>,
    are_samples: bool,
    /// For each block the next series to look at.
    next: Vec<u32>,
    /// Begun with the first series. Dropped before its end, it leaves nothing.
    out: Option<BlockWriter>,
}

/// A series, and its place in the blocks that have it.
type Found = (Labels, Vec<(usize, u32)>);

impl Build {
    pub fn new(kind: &'static Kind, start_ms: i64, sources_through: u64, sources: Sources) -> Build {
        let (blocks, are_samples) = match sources {
            Sources::Samples(blocks) => (blocks, true),
            Sources::Tier(blocks) => (blocks, false),
        };
        let entry = TierEntry {
            resolution_ms: kind.resolution_ms,
            start_ms,
            end_ms: start_ms + kind.window_ms,
            sources_through,
            is_partial: false,
            parts: Vec::new(),
        };
        let next = vec![0; blocks.len()];
        Build { kind, entry, blocks, are_samples, next, out: None }
    }

    /// Goes on until the window is done (true) or `work` samples were looked at. `number` gives a number for its files.
    ///
    /// # Errors
    /// `Unavailable`: begin anew. What is damaged is left out, and `entry.is_partial` says so.
    pub fn go_on(
        &mut self,
        objects: &Objects,
        work: &mut u64,
        number: &mut dyn FnMut() -> u64,
    ) -> Result<bool> {
        loop {
            let (group, samples) = self.group()?;
            if group.is_empty() {
                if let Some(out) = self.out.take() {
                    self.entry.parts.extend(out.finish()?);
                }
                return Ok(true);
            }
            *work = work.saturating_sub(samples + group.len() as u64 * SERIES_WORK);
            if self.out.is_none() {
                self.out = Some(BlockWriter::in_folder(FOLDER, objects, number(), 0)?);
            }
            self.summarise(group)?;
            if *work == 0 {
                return Ok(false);
            }
        }
    }

    /// The next series in order of labels, and how many samples they have.
    fn group(&mut self) -> Result<(Vec<Found>, u64)> {
        let mut indexes = Vec::new();
        for i in 0..self.blocks.len() {
            indexes.push(self.or_partial(self.blocks[i].index())?);
        }
        let (start_ms, end_ms) = (self.entry.start_ms, self.entry.end_ms);
        let inside = |s: &&crate::chunk::Summary| s.first_ms <= end_ms && s.last_ms > start_ms;
        let (mut group, mut samples): (Vec<Found>, u64) = (Vec::new(), 0);
        while samples < GROUP_SAMPLES && group.len() < GROUP_SERIES {
            let mut first: Option<Found> = None;
            for (i, index) in indexes.iter().enumerate() {
                let Some(index) = index else { continue };
                let all = index.labels.series();
                while (self.next[i] as usize) < all.len()
                    && !index.summaries(self.next[i]).iter().any(|s| inside(&s))
                {
                    self.next[i] += 1;
                }
                let Some(labels) = all.get(self.next[i] as usize) else { continue };
                match &mut first {
                    Some((known, places)) if known == labels => places.push((i, self.next[i])),
                    Some((known, _)) if *known < *labels => {}
                    _ => first = Some((labels.clone(), vec![(i, self.next[i])])),
                }
            }
            let Some(found) = first else { break };
            for (i, id) in &found.1 {
                self.next[*i] += 1;
                if let Some(index) = &indexes[*i] {
                    let rows = index.summaries(*id).iter().filter(inside);
                    samples += rows.map(|s| self.row_work(s)).sum::<u64>();
                }
            }
            group.push(found);
        }
        Ok((group, samples))
    }

    fn row_work(&self, row: &crate::chunk::Summary) -> u64 {
        if self.are_samples { u64::from(row.count) } else { codec::BUCKETS_MAX as u64 }
    }

    /// What is damaged is noted and left out; what cannot be read now is an error.
    fn or_partial<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {
                self.entry.is_partial = true;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn summarise(&mut self, group: Vec<Found>) -> Result<()> {
        let mut found: Vec<_> = Vec::with_capacity(self.blocks.len());
        for i in 0..self.blocks.len() {
            let ids: Vec<u32> =
                group.iter().flat_map(|(_, places)| places).filter(|p| p.0 == i).map(|p| p.1).collect();
            let mut warnings = Vec::new();
            let read = match ids.is_empty() {
                true => Ok(Vec::new()),
                false => self.blocks[i].index().and_then(|index| {
                    let (from, to) = (self.entry.start_ms + 1, self.entry.end_ms);
                    self.blocks[i].read_ids(&index, &ids, from, to, usize::MAX, &mut warnings)
                }),
            };
            let read = self.or_partial(read)?.unwrap_or_default();
            self.entry.is_partial |= !warnings.is_empty();
            found.push(read.into_iter().peekable());
        }
        for (labels, _) in group {
            let mut pieces = Vec::new();
            for of_block in &mut found {
                pieces.extend(of_block.next_if(|(l, _)| *l == labels).into_iter().flat_map(|(_, p)| p));
            }
            let buckets = self.buckets(&pieces);
            let Some(buckets) = self.or_partial(buckets)?.filter(|b| !b.is_empty()) else { continue };
            let rows = buckets
                .chunks(codec::BUCKETS_MAX)
                .map(|part| codec::encode(part, self.entry.resolution_ms))
                .collect::<Result<Vec<_>>>()?;
            if let Some(out) = &mut self.out {
                out.push(&labels, rows)?;
            }
        }
        Ok(())
    }

    fn buckets(&self, pieces: &[Piece]) -> Result<Vec<super::Bucket>> {
        let (start_ms, end_ms) = (self.entry.start_ms, self.entry.end_ms);
        let mut folder = Folder::new(Grid::of(self.entry.resolution_ms), end_ms);
        if self.are_samples {
            let (t, v) = merge(pieces, start_ms + 1, end_ms)?;
            t.iter().zip(&v).for_each(|(t, v)| folder.sample(*t, *v));
        } else {
            let mut finer = Vec::new();
            for piece in pieces {
                if let Piece::Sealed(row) = piece {
                    finer.extend(codec::decode(row)?);
                }
            }
            finer.retain(|b| b.end_ms > start_ms && b.end_ms <= end_ms);
            finer.sort_by_key(|b| b.end_ms);
            finer.iter().for_each(|b| folder.bucket(b));
        }
        Ok(folder.finish())
    }
}
