//! A block: the samples of a stretch of time as two Parquet files that are never changed:
//! `NUMBER.series.parquet` (labels) and `NUMBER.chunks.parquet` (one row for each chunk). Reads give what
//! the checksums confirm; a damaged row is left out and told. Format: `docs/formats/block.md`.

mod check;

use crate::block_write::RowsChecksum;
use crate::chunk::{Chunk, Encoding, Summary};
use crate::head::Piece;
use crate::index::LabelIndex;
use crate::manifest::BlockEntry;
use crate::objects::Objects;
use crate::parquet_io as pq;
use model::{Labels, Matcher};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use stdx::{Error, Result};

/// The folder of blocks.
pub const FOLDER: &str = "blocks";

/// Paths of the two files of a block.
pub fn paths(id: u64) -> [String; 2] {
    paths_in(FOLDER, id)
}

/// Paths of the two files of a block that lies in another folder (a part of a tier).
pub fn paths_in(folder: &str, id: u64) -> [String; 2] {
    [format!("{folder}/{id:012}.series.parquet"), format!("{folder}/{id:012}.chunks.parquet")]
}

/// The number in the path of a file of a block or of a tier.
pub fn id_of(path: &str) -> Option<u64> {
    path.split_once('/')?.1.split('.').next()?.parse().ok()
}

/// What a manifest would say of a block, from its files alone.
///
/// # Errors
/// `Corrupt` or `Unavailable`.
pub fn entry_of(objects: &Objects, id: u64, series_bytes: u64, chunks_bytes: u64) -> Result<BlockEntry> {
    let block = Block::new(BlockEntry::unknown(id, series_bytes, chunks_bytes), objects.clone());
    let index = block.index()?;
    let first_ms = index.rows.iter().map(|row| row.first_ms).min();
    let last_ms = index.rows.iter().map(|row| row.last_ms).max();
    let (Some(first_ms), Some(last_ms)) = (first_ms, last_ms) else {
        return Err(Error::corrupt("it holds no samples"));
    };
    Ok(BlockEntry {
        first_ms,
        last_ms,
        series: index.labels.series().len() as u64,
        samples: index.rows.iter().map(|row| u64::from(row.count)).sum(),
        histograms: index.rows.iter().filter(|r| is_histograms(r)).map(|row| u64::from(row.count)).sum(),
        series_crc32: Some(crc32fast::hash(&objects.get(&paths(id)[0])?)),
        rows_crc32: Some(index.rows_checksum()),
        ..block.entry.clone()
    })
}

fn is_histograms(row: &Summary) -> bool {
    row.encoding == Encoding::Histograms
}

/// A block that readers may use. Its index is read when first asked for.
pub struct Block {
    /// As in the manifest.
    pub entry: BlockEntry,
    /// Its two files: labels, chunks.
    pub paths: [String; 2],
    objects: Objects,
    index: Mutex<Option<Arc<BlockIndex>>>,
    /// How often [`Block::age_index`] was called since the index was last asked for.
    unasked: AtomicU32,
}

/// What is known of a block without reading samples.
pub struct BlockIndex {
    /// Labels of the block's series; ids are of this block only.
    pub labels: LabelIndex,
    /// For each series the position of its first row in `rows`; one entry more at the end.
    starts: Vec<u32>,
    rows: Vec<Summary>,
    checksums: Vec<u32>,
    file: pq::Metadata,
}

impl BlockIndex {
    /// Summaries of a series' chunks, by precedence.
    pub fn summaries(&self, id: u32) -> &[Summary] {
        &self.rows[self.starts[id as usize] as usize..self.starts[id as usize + 1] as usize]
    }

    /// Whether a series has native histograms in chunks that overlap the range.
    pub fn has_histograms(&self, id: u32, start_ms: i64, end_ms: i64) -> bool {
        let inside = |s: &&Summary| s.first_ms <= end_ms && s.last_ms >= start_ms;
        self.summaries(id).iter().filter(inside).any(is_histograms)
    }

    /// Summaries of all chunks, series by series.
    pub fn rows(&self) -> &[Summary] {
        &self.rows
    }

    fn rows_checksum(&self) -> u32 {
        let mut sum = RowsChecksum::default();
        for ends in self.starts.windows(2) {
            for row in ends[0] as usize..ends[1] as usize {
                sum.row(&self.rows[row], self.checksums[row]);
            }
            sum.end_series();
        }
        sum.finish()
    }

    /// An estimate of the memory taken, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.labels.heap_bytes() + self.rows.len() * (size_of::<Summary>() + 4) + self.starts.len() * 4
    }
}

impl Block {
    /// A block of the manifest; reads nothing yet.
    pub fn new(entry: BlockEntry, objects: Objects) -> Block {
        Block::in_folder(FOLDER, entry, objects)
    }

    /// As [`Block::new`], of another folder.
    pub fn in_folder(folder: &str, entry: BlockEntry, objects: Objects) -> Block {
        Block {
            paths: paths_in(folder, entry.id),
            entry,
            objects,
            index: Mutex::new(None),
            unasked: AtomicU32::new(0),
        }
    }

    /// Bytes of both files.
    pub fn bytes(&self) -> u64 {
        self.entry.chunks_bytes + self.entry.series_bytes
    }

    /// Whether the block may hold samples of this range (both ends inclusive).
    pub fn overlaps(&self, start_ms: i64, end_ms: i64) -> bool {
        self.entry.first_ms <= end_ms && self.entry.last_ms >= start_ms
    }

    /// The index, read now if it is not in memory.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    pub fn index(&self) -> Result<Arc<BlockIndex>> {
        self.unasked.store(0, Relaxed);
        let mut kept = self.index.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(index) = &*kept {
            return Ok(index.clone());
        }
        let index = Arc::new(self.read_index()?);
        *kept = Some(index.clone());
        Ok(index)
    }

    /// The index for work in the background: it is not kept for this.
    ///
    /// # Errors
    /// As [`Block::index`].
    pub fn index_once(&self) -> Result<Arc<BlockIndex>> {
        let kept = self.index.lock().unwrap_or_else(|e| e.into_inner()).clone();
        kept.map_or_else(|| self.read_index().map(Arc::new), Ok)
    }

    /// Forgets the index if it was not asked for while this was called so many times.
    pub fn age_index(&self, calls_max: u32) {
        if self.unasked.fetch_add(1, Relaxed) >= calls_max {
            self.forget_index();
        }
    }

    /// Memory that the index takes now, in bytes.
    pub fn index_bytes(&self) -> usize {
        let kept = self.index.lock().unwrap_or_else(|e| e.into_inner());
        kept.as_ref().map_or(0, |index| index.heap_bytes())
    }

    /// Gives the memory of the index back, until it is next asked for.
    pub fn forget_index(&self) {
        *self.index.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }

    /// The labels file, checked, from its first series on.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    pub(crate) fn read_series(&self) -> Result<pq::SeriesReader> {
        let [path, _] = &self.paths;
        let file = self.objects.get(path)?;
        if self.entry.series_crc32.is_some_and(|crc32| crc32 != crc32fast::hash(&file)) {
            return Err(Error::corrupt(format!("{path}: its checksum is wrong")));
        }
        pq::SeriesReader::new(file)
    }

    /// Where the chunks are, and their path there.
    pub(crate) fn chunks_file(&self) -> (&Objects, String) {
        (&self.objects, self.paths[1].clone())
    }

    fn read_index(&self) -> Result<BlockIndex> {
        let [series_path, chunks_path] = &self.paths;
        let mut labels = LabelIndex::default();
        let mut series = self.read_series()?;
        let within = |path: &str, e: Error| Error::new(e.kind, format!("{path}: {e}"));
        while let Some(group) = series.group().map_err(|e| within(series_path, e))? {
            group.into_iter().for_each(|l| {
                labels.push(l);
            });
        }
        labels.finish();
        let file = pq::Metadata::read(&self.objects, chunks_path, self.entry.chunks_bytes)?;
        let mut columns = pq::Summaries::default();
        for group in 0..file.groups() {
            pq::read_summaries(&self.objects, chunks_path, &file, group, &mut columns)?;
        }
        let wrong = |what: &str| Error::corrupt(format!("{chunks_path}: {what}"));
        let (mut starts, mut rows) = (vec![0u32], Vec::with_capacity(columns.series.len()));
        for (i, series) in columns.series.iter().enumerate() {
            let series = u32::try_from(*series).map_err(|_| wrong("a negative series"))?;
            if series as usize >= labels.series().len() || (series as usize) + 1 < starts.len() {
                return Err(wrong("rows are not in order of series"));
            }
            while starts.len() <= series as usize {
                starts.push(i as u32);
            }
            rows.push(columns.summary(i).map_err(|e| within(chunks_path, e))?);
        }
        starts.resize(labels.series().len() + 1, rows.len() as u32);
        let checksums: Vec<u32> = columns.checksum.iter().map(|c| *c as u32).collect();
        let index = BlockIndex { labels, starts, rows, checksums, file };
        if self.entry.rows_crc32.is_some_and(|crc32| crc32 != index.rows_checksum()) {
            return Err(wrong("the checksum of its rows is wrong"));
        }
        Ok(index)
    }

    /// For each series that passes the matchers, its chunks that overlap the range. Damaged rows are
    /// left out and described in `warnings`.
    ///
    /// # Errors
    /// `TooLarge` if there are more than `samples_max` samples; `Corrupt` or `Unavailable` if the
    /// block cannot be read at all.
    pub fn read(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        samples_max: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(Labels, Vec<Piece>)>> {
        let index = self.index()?;
        let ids = index.labels.select(matchers);
        self.read_ids(&index, &ids, start_ms, end_ms, samples_max, warnings)
    }

    /// As [`Block::read`], of the series with these numbers, which rise.
    ///
    /// # Errors
    /// As [`Block::read`].
    pub fn read_ids(
        &self,
        index: &BlockIndex,
        ids: &[u32],
        start_ms: i64,
        end_ms: i64,
        samples_max: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<(Labels, Vec<Piece>)>> {
        let (mut wanted, mut owner, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let mut samples = 0usize;
        for id in ids.iter().copied() {
            let before = wanted.len();
            for row in index.starts[id as usize]..index.starts[id as usize + 1] {
                let summary = &index.rows[row as usize];
                if summary.first_ms <= end_ms && summary.last_ms >= start_ms {
                    wanted.push(row);
                    owner.push((id, out.len()));
                    samples += summary.count as usize;
                }
            }
            if wanted.len() > before {
                out.push((index.labels.labels(id).clone(), Vec::new()));
            }
        }
        if samples > samples_max {
            return Err(too_many_samples(samples_max));
        }
        let [_, chunks_path] = &self.paths;
        let mut damaged = 0u32;
        pq::read_payloads(&self.objects, chunks_path, &index.file, &wanted, |i, timestamps, values| {
            let (id, position) = owner[i];
            let row = wanted[i] as usize;
            let chunk = Chunk { summary: index.rows[row], timestamps, values };
            if chunk.checksum(id) == index.checksums[row] {
                out[position].1.push(Piece::Sealed(chunk));
            } else {
                damaged += 1;
            }
        })?;
        if damaged > 0 {
            warnings.push(format!("{chunks_path}: {damaged} damaged chunks were left out"));
        }
        Ok(out)
    }
}

impl pq::Summaries {
    /// The summary in one row.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn summary(&self, row: usize) -> Result<Summary> {
        Ok(Summary {
            first_ms: self.first_ms[row],
            last_ms: self.last_ms[row],
            count: u32::try_from(self.count[row]).map_err(|_| Error::corrupt("a negative count"))?,
            min: self.min[row],
            max: self.max[row],
            sum: self.sum[row],
            first: self.first[row],
            last: self.last[row],
            increase: self.increase[row],
            encoding: Encoding::from_number(self.encoding[row])
                .ok_or_else(|| Error::corrupt("an unknown encoding"))?,
        })
    }
}

/// The error past the limit on samples of one read.
pub fn too_many_samples(samples_max: usize) -> Error {
    let text = format!(
        "this needs more than {samples_max} samples; take a shorter time range or narrower label matchers"
    );
    Error::new(stdx::ErrorKind::TooLarge, text).bound("query.samples_max")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_write::BlockWriter;
    use crate::chunk::seal;
    use crate::head::merge;

    /// All series with all chunks that can be read.
    fn all(block: &Block, warnings: &mut Vec<String>) -> Result<Vec<(Labels, Vec<Chunk>)>> {
        let found = block.read(&[], i64::MIN, i64::MAX, usize::MAX, warnings)?;
        let sealed = |piece| match piece {
            Piece::Sealed(chunk) => chunk,
            _ => unreachable!("blocks hold chunks"),
        };
        Ok(found.into_iter().map(|(l, pieces)| (l, pieces.into_iter().map(sealed).collect())).collect())
    }

    fn made(folder: &std::path::Path) -> Block {
        let objects = Objects::local(folder).unwrap();
        let mut series: Vec<(Labels, Vec<Chunk>)> = Vec::new();
        for s in 0..50i64 {
            let labels = Labels::from_pairs([("__name__", "m".to_string()), ("s", s.to_string())]).unwrap();
            let chunks = (0..200i64)
                .map(|c| {
                    let t: Vec<i64> = (0..5).map(|i| c * 5000 + i * 1000 + i % 2).collect();
                    let v: Vec<f64> = (0..5).map(|i| (s * i) as f64 + 0.5 * (c % 2) as f64).collect();
                    seal(&t, &v).unwrap()
                })
                .collect();
            series.push((labels, chunks));
        }
        series.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out = BlockWriter::new(&objects, 3, 0).unwrap();
        series.into_iter().for_each(|(labels, chunks)| out.push(&labels, chunks).unwrap());
        let entry = out.finish().unwrap().unwrap();
        assert_eq!((entry.series, entry.samples, entry.first_ms), (50, 50_000, 0));
        Block::new(entry, objects)
    }

    #[test]
    fn reads_back_just_what_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let block = made(folder.path());
        let mut warnings = Vec::new();
        let matchers = [Matcher::new("s", model::MatchOp::Regex, "7|49").unwrap()];
        let found = block.read(&matchers, 10_000, 24_999, 1_000_000, &mut warnings).unwrap();
        assert_eq!(found.len(), 2);
        for (labels, pieces) in found {
            let s: f64 = labels.get("s").parse().unwrap();
            let (t, v) = merge(&pieces, 10_000, 24_999).unwrap();
            assert_eq!((t.len(), t[0], t[1], v[1], v[6]), (15, 10_000, 11_001, s, s + 0.5));
        }
        assert_eq!(warnings, Vec::<String>::new());
        let all = all(&block, &mut warnings).unwrap();
        assert_eq!(all.iter().map(|(_, c)| c.len()).sum::<usize>(), 50 * 200);
        let error = block.read(&[], 0, 1 << 40, 1000, &mut warnings).err().unwrap();
        assert_eq!(error.kind, stdx::ErrorKind::TooLarge);
    }

    #[test]
    fn damage_is_told_and_never_a_wrong_answer() {
        let folder = tempfile::tempdir().unwrap();
        let whole = made(folder.path());
        let mut warnings = Vec::new();
        let truth = all(&whole, &mut warnings).unwrap();
        let file = folder.path().join(&paths(3)[1]);
        let bytes = std::fs::read(&file).unwrap();
        let (mut told, mut unnoticed) = (0, 0);
        for step in 0..60usize {
            let at = step * bytes.len() / 60;
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&file, &damaged).unwrap();
            let block = Block::new(whole.entry.clone(), Objects::local(folder.path()).unwrap());
            let mut warnings = Vec::new();
            match all(&block, &mut warnings) {
                Err(_) => told += 1,
                Ok(found) => {
                    for (labels, chunks) in &found {
                        let (_, want) = truth.iter().find(|(l, _)| l == labels).unwrap();
                        assert!(chunks.iter().all(|c| want.contains(c)), "a wrong chunk at byte {at}");
                    }
                    let complete = found.iter().map(|(_, c)| c.len()).sum::<usize>() == 50 * 200;
                    assert!(complete || !warnings.is_empty(), "a silent gap at byte {at}");
                    if complete { unnoticed += 1 } else { told += 1 }
                }
            }
        }
        assert!(told > 20, "{told} told, {unnoticed} without effect");
    }
}
