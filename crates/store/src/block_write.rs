//! Writes a block as a stream: series by series, in order of labels, without ever holding more than a row group. It
//! must never leave a file behind that a manifest does not name, as far as that is in its power.

use crate::block::{FOLDER, paths_in};
use crate::chunk::Chunk;
use crate::manifest::BlockEntry;
use crate::objects::{NewObject, Objects};
use crate::parquet_write::{ChunksWriter, SeriesWriter};
use model::Labels;
use std::io::Write;
use stdx::{Error, ErrorKind, Result};

/// A block that is being written. Dropped before [`BlockWriter::finish`], it leaves nothing.
pub struct BlockWriter {
    objects: Objects,
    entry: BlockEntry,
    series: SeriesWriter<Summed>,
    chunks: ChunksWriter<Summed>,
    checksum: RowsChecksum,
    newest: Option<Labels>,
    paths: [String; 2],
}

/// Counts and sums what goes through.
struct Summed {
    out: NewObject,
    bytes: u64,
    crc: crc32fast::Hasher,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        self.crc.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Checksum over what decides which rows are read: where each series' rows begin, and the summary and the checksum of
/// each row. The two kinds come one after the other in it, and mixed in a stream.
pub struct RowsChecksum {
    starts: crc32fast::Hasher,
    rows: crc32fast::Hasher,
    count: u32,
}

impl Default for RowsChecksum {
    fn default() -> Self {
        let mut starts = crc32fast::Hasher::new();
        starts.update(&0u32.to_le_bytes());
        RowsChecksum { starts, rows: crc32fast::Hasher::new(), count: 0 }
    }
}

impl RowsChecksum {
    /// A row of the present series.
    pub fn row(&mut self, summary: &crate::chunk::Summary, checksum: u32) {
        let mut bytes = [0; 84];
        for (to, word) in bytes.chunks_exact_mut(8).zip(summary.words()) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes[80..].copy_from_slice(&checksum.to_le_bytes());
        self.rows.update(&bytes);
        self.count += 1;
    }

    /// The present series ends.
    pub fn end_series(&mut self) {
        self.starts.update(&self.count.to_le_bytes());
    }

    /// The checksum of all.
    pub fn finish(mut self) -> u32 {
        self.starts.combine(&self.rows);
        self.starts.finalize()
    }
}

impl BlockWriter {
    /// Begins the two files of a block.
    ///
    /// # Errors
    /// `Unavailable` if they cannot be written.
    pub fn new(objects: &Objects, id: u64, level: u32) -> Result<BlockWriter> {
        BlockWriter::in_folder(FOLDER, objects, id, level)
    }

    /// As [`BlockWriter::new`], in another folder.
    ///
    /// # Errors
    /// As [`BlockWriter::new`].
    pub fn in_folder(folder: &str, objects: &Objects, id: u64, level: u32) -> Result<BlockWriter> {
        let paths = paths_in(folder, id);
        let [series, chunks] = paths.each_ref().map(|path| {
            objects.create(path).map(|out| Summed { out, bytes: 0, crc: crc32fast::Hasher::new() })
        });
        Ok(BlockWriter {
            objects: objects.clone(),
            entry: BlockEntry {
                first_ms: i64::MAX,
                last_ms: i64::MIN,
                level,
                ..BlockEntry::unknown(id, 0, 0)
            },
            series: SeriesWriter::new(series?)?,
            chunks: ChunksWriter::new(chunks?)?,
            checksum: RowsChecksum::default(),
            newest: None,
            paths,
        })
    }

    /// Adds a series with its chunks by precedence; labels have to rise from call to call, so that chunks of one metric
    /// lie together: they look alike, and are read together. Without a chunk nothing is added.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` if labels do not rise.
    pub fn push(&mut self, labels: &Labels, chunks: Vec<Chunk>) -> Result<()> {
        if chunks.is_empty() {
            return Ok(());
        }
        if self.newest.as_ref().is_some_and(|before| before >= labels) {
            return Err(Error::new(ErrorKind::Internal, "series of a block are not in order"));
        }
        let id = u32::try_from(self.entry.series)
            .map_err(|_| Error::new(ErrorKind::Internal, "too many series for one block"))?;
        self.series.push(labels)?;
        self.newest = Some(labels.clone());
        self.entry.series += 1;
        for chunk in chunks {
            let (summary, checksum) = (chunk.summary, chunk.checksum(id));
            self.entry.first_ms = self.entry.first_ms.min(summary.first_ms);
            self.entry.last_ms = self.entry.last_ms.max(summary.last_ms);
            self.entry.samples += u64::from(summary.count);
            if chunk.is_histograms() {
                self.entry.histograms += u64::from(summary.count);
            }
            self.checksum.row(&summary, checksum);
            self.chunks.push(id, chunk, checksum)?;
        }
        self.checksum.end_series();
        Ok(())
    }

    /// Makes the block's files be there, durably, and returns the block's entry; `None` if there is no sample.
    ///
    /// # Errors
    /// `Unavailable` if they cannot be written.
    pub fn finish(self) -> Result<Option<BlockEntry>> {
        let mut entry = self.entry;
        // A row of a tier may be of stale markers alone, which are no samples.
        if entry.series == 0 {
            return Ok(None);
        }
        let (series, chunks) = (self.series.finish()?, self.chunks.finish()?);
        entry.series_bytes = series.bytes;
        entry.chunks_bytes = chunks.bytes;
        entry.series_crc32 = Some(series.crc.finalize());
        entry.rows_crc32 = Some(self.checksum.finish());
        entry.chunks_crc32 = Some(chunks.crc.finalize());
        let written = series.out.finish().and_then(|()| chunks.out.finish());
        if written.is_err() {
            // The number is not used again, so what was written is of no use; a full disk needs the space.
            for path in &self.paths {
                let _ = self.objects.delete(path);
            }
        }
        written.map(|()| Some(entry))
    }
}
