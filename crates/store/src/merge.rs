//! Several blocks become one: series by series in order of labels, so that the memory it takes does not depend on how
//! large they are. It must never write what a checksum does not confirm, nor change what a reader gets.

use crate::block::Block;
use crate::block_write::BlockWriter;
use crate::chunk::{self, Chunk, SAMPLES_MAX};
use crate::histogram_chunk;
use crate::manifest::BlockEntry;
use crate::objects::Objects;
use crate::parquet_io as pq;
use model::Labels;
use std::collections::VecDeque;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// Why blocks were not merged.
pub enum Failed {
    /// This block cannot be read whole.
    Unreadable(u64, Error),
    /// The new one cannot be written.
    Writing(Error),
}

/// Writes one block of `id` and `level` with all series of `blocks` (by precedence) for which `keep` says so.
/// `progress` is told bytes that were read, once for each block.
///
/// # Errors
/// See [`Failed`].
pub fn merge(
    objects: &Objects,
    (id, level): (u64, u32),
    blocks: &[Arc<Block>],
    mut keep: impl FnMut(&Labels, Vec<Chunk>) -> Result<Vec<Chunk>>,
    mut progress: impl FnMut(u64),
) -> std::result::Result<Option<BlockEntry>, Failed> {
    let mut sources = Vec::new();
    for block in blocks {
        sources.push(SeriesStream::new(block).map_err(|e| Failed::Unreadable(block.entry.id, e))?);
    }
    let mut out = BlockWriter::new(objects, id, level).map_err(Failed::Writing)?;
    while let Some(labels) = sources.iter().filter_map(|s| s.labels.as_ref()).min().cloned() {
        let mut chunks = Vec::new();
        for source in sources.iter_mut().filter(|s| s.labels.as_ref() == Some(&labels)) {
            let block = source.block.clone();
            let found = source.take().map_err(|e| Failed::Unreadable(block.entry.id, e))?;
            chunks.extend(found);
            if source.labels.is_none() {
                progress(block.bytes());
            }
        }
        let chunks = join_small(chunks).and_then(|chunks| keep(&labels, chunks));
        out.push(&labels, chunks.map_err(Failed::Writing)?).map_err(Failed::Writing)?;
    }
    out.finish().map_err(Failed::Writing)
}

/// The series of a block with their chunks, in order, a row group at a time.
pub struct SeriesStream {
    block: Arc<Block>,
    /// The series that [`SeriesStream::take`] gives next; `None` at the end.
    pub labels: Option<Labels>,
    number: u32,
    series: pq::SeriesReader,
    names: VecDeque<Labels>,
    chunks: ChunkStream,
}

impl SeriesStream {
    /// Begins with the first series.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    pub fn new(block: &Arc<Block>) -> Result<SeriesStream> {
        let mut stream = SeriesStream {
            block: block.clone(),
            labels: None,
            number: 0,
            series: block.read_series()?,
            names: VecDeque::new(),
            chunks: ChunkStream::new(block.clone())?,
        };
        stream.labels = stream.next_name()?;
        Ok(stream)
    }

    fn next_name(&mut self) -> Result<Option<Labels>> {
        while self.names.is_empty() {
            match self.series.group()? {
                Some(names) => self.names = names.into(),
                None => return Ok(None),
            }
        }
        Ok(self.names.pop_front())
    }

    /// The chunks of the present series; goes on to the next.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`; the end of the stream is reached only if every checksum of the block was right.
    pub fn take(&mut self) -> Result<Vec<Chunk>> {
        let chunks = self.chunks.of_series(self.number)?;
        let next = self.next_name()?;
        if next.is_some() && next <= self.labels {
            return Err(Error::corrupt("series are not in order of labels"));
        }
        self.labels = next;
        self.number += 1;
        if self.labels.is_none() {
            self.chunks.end()?;
        }
        Ok(chunks)
    }
}

/// The chunks of a block in the order of its file.
struct ChunkStream {
    block: Arc<Block>,
    file: pq::Metadata,
    next_group: usize,
    /// Read and not taken: series, chunk, checksum.
    rows: VecDeque<(u32, Chunk, u32)>,
    checksum: crate::block_write::RowsChecksum,
}

impl ChunkStream {
    fn new(block: Arc<Block>) -> Result<ChunkStream> {
        let (objects, path) = block.chunks_file();
        let file = pq::Metadata::read(objects, &path, block.entry.chunks_bytes)?;
        Ok(ChunkStream {
            block,
            file,
            next_group: 0,
            rows: VecDeque::new(),
            checksum: crate::block_write::RowsChecksum::default(),
        })
    }

    fn of_series(&mut self, number: u32) -> Result<Vec<Chunk>> {
        let mut chunks = Vec::new();
        loop {
            if self.rows.is_empty() && !self.read_group()? {
                break;
            }
            match self.rows.front() {
                Some((series, chunk, checksum)) if *series == number => {
                    self.checksum.row(&chunk.summary, *checksum);
                    chunks.extend(self.rows.pop_front().map(|r| r.1));
                }
                Some((series, ..)) if *series < number => {
                    return Err(Error::corrupt("rows are not in order of series"));
                }
                _ => break,
            }
        }
        self.checksum.end_series();
        Ok(chunks)
    }

    /// Reads the next row group; false at the end.
    fn read_group(&mut self) -> Result<bool> {
        if self.next_group >= self.file.groups() {
            return Ok(false);
        }
        let (objects, path) = self.block.chunks_file();
        let mut columns = pq::Summaries::default();
        pq::read_summaries(objects, &path, &self.file, self.next_group, &mut columns)?;
        let payloads = pq::read_group_payloads(objects, &path, &self.file, self.next_group)?;
        self.next_group += 1;
        for (row, (timestamps, values)) in payloads.into_iter().enumerate() {
            let chunk = Chunk { summary: columns.summary(row)?, timestamps, values };
            let series = columns.series[row] as u32;
            let checksum = columns.checksum[row] as u32;
            if chunk.checksum(series) != checksum {
                return Err(Error::corrupt(format!("{path}: the checksum of a chunk is wrong")));
            }
            self.rows.push_back((series, chunk, checksum));
        }
        Ok(true)
    }

    fn end(&mut self) -> Result<()> {
        if !self.rows.is_empty() || self.read_group()? {
            return Err(Error::corrupt("there are rows of no series"));
        }
        let sum = std::mem::take(&mut self.checksum).finish();
        match self.block.entry.rows_crc32 {
            Some(crc32) if crc32 != sum => Err(Error::corrupt("the checksum of its rows is wrong")),
            _ => Ok(()),
        }
    }
}

/// As below, of histograms alone.
fn join_small_histograms(chunks: &[Chunk]) -> Result<Vec<Chunk>> {
    let mut all = Vec::new();
    chunks.iter().try_for_each(|chunk| histogram_chunk::decode(chunk, &mut all))?;
    histogram_chunk::seal(&all)
}

/// Decodes and seals anew where neighbouring chunks are small and in order: slow series would
/// otherwise stay in chunks of one cut.
fn join_small(chunks: Vec<Chunk>) -> Result<Vec<Chunk>> {
    const SMALL: u32 = SAMPLES_MAX as u32 / 2;
    let in_order = chunks.windows(2).all(|w| w[0].summary.last_ms < w[1].summary.first_ms);
    if !in_order || !chunks.windows(2).any(|w| w[0].summary.count + w[1].summary.count <= SMALL) {
        return Ok(chunks);
    }
    if chunks.iter().any(Chunk::is_histograms) {
        // Where numbers and histograms take turns, each stays as it is.
        return if chunks.iter().all(Chunk::is_histograms) {
            join_small_histograms(&chunks)
        } else {
            Ok(chunks)
        };
    }
    let (mut t, mut v, mut s) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in &chunks {
        chunk.decode_started(&mut t, &mut v, &mut s)?;
    }
    if t.len() != v.len() || t.len() != s.len() {
        return Err(Error::new(ErrorKind::Internal, "times, values and starts differ in number"));
    }
    let starts = s.chunks(SAMPLES_MAX);
    let parts = t.chunks(SAMPLES_MAX).zip(v.chunks(SAMPLES_MAX)).zip(starts);
    parts.map(|((t, v), s)| chunk::seal_started(t, v, s)).collect()
}
