//! Makes the summaries of one window, some series at a time, so that little is in memory and other work can come in
//! between. It must never commit, nor look at samples outside its window: made again, it is the same.

use super::bucket::{Folder, Grid};
use super::{FOLDER, Kind, codec};
use crate::block::Block;
use crate::block_write::BlockWriter;
use crate::chunk::Chunk;
use crate::head::{Piece, merge};
use crate::manifest::TierEntry;
use crate::merge::SeriesStream;
use crate::objects::Objects;
use model::Labels;
use std::sync::Arc;
use stdx::{ErrorKind, Result};

/// Samples that are decoded at once, and series: a group is some megabytes and some hundred milliseconds.
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
    /// Their series one after the other, a row group in memory at a time; `None` for a block that cannot be read (on).
    streams: Vec<Option<SeriesStream>>,
    are_samples: bool,
    /// Begun with the first series. Dropped before its end, it leaves nothing.
    out: Option<BlockWriter>,
}

/// A series, and what blocks have of it in the window, by precedence.
type Found = (Labels, Vec<Piece>);

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
        Build { kind, entry, blocks, streams: Vec::new(), are_samples, out: None }
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
        if self.streams.len() < self.blocks.len() {
            self.streams.clear();
            for i in 0..self.blocks.len() {
                let stream = SeriesStream::new(&self.blocks[i]);
                let stream = self.or_partial(stream)?;
                self.streams.push(stream);
            }
        }
        loop {
            let (group, done) = self.group()?;
            *work = work.saturating_sub(done);
            let is_end = group.is_empty() && self.next().is_none();
            if is_end {
                if let Some(out) = self.out.take() {
                    self.entry.parts.extend(out.finish()?);
                }
                return Ok(true);
            }
            if self.out.is_none() && !group.is_empty() {
                self.out = Some(BlockWriter::in_folder(FOLDER, objects, number(), 0)?);
            }
            self.summarise(group)?;
            if *work == 0 {
                return Ok(false);
            }
        }
    }

    /// The labels of the next series of all blocks.
    fn next(&self) -> Option<&Labels> {
        self.streams.iter().flatten().filter_map(|stream| stream.labels.as_ref()).min()
    }

    /// The next series in order of labels, and the work that it was to read them. There may be none, and yet more to come.
    fn group(&mut self) -> Result<(Vec<Found>, u64)> {
        let (start_ms, end_ms) = (self.entry.start_ms, self.entry.end_ms);
        let inside = |chunk: &Chunk| chunk.summary.first_ms <= end_ms && chunk.summary.last_ms > start_ms;
        let (mut group, mut work): (Vec<Found>, u64) = (Vec::new(), 0);
        while work < GROUP_SAMPLES && group.len() < GROUP_SERIES {
            let Some(labels) = self.next().cloned() else { break };
            let mut pieces = Vec::new();
            for i in 0..self.streams.len() {
                let of_series = |s: &&mut SeriesStream| s.labels.as_ref() == Some(&labels);
                let Some(stream) = self.streams[i].as_mut().filter(of_series) else { continue };
                let taken = stream.take();
                match self.or_partial(taken)? {
                    Some(chunks) => pieces.extend(chunks.into_iter().filter(inside).map(Piece::Sealed)),
                    // What follows in this block cannot be trusted to be whole.
                    None => self.streams[i] = None,
                }
            }
            work += SERIES_WORK + pieces.iter().map(|piece| self.work(piece)).sum::<u64>();
            if !pieces.is_empty() {
                group.push((labels, pieces));
            }
        }
        Ok((group, work))
    }

    fn work(&self, piece: &Piece) -> u64 {
        match piece {
            Piece::Sealed(chunk) if self.are_samples => u64::from(chunk.summary.count),
            _ => codec::BUCKETS_MAX as u64,
        }
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
        for (labels, pieces) in group {
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
