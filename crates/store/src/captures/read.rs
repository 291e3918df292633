//! Reads what is in a capture: rows of a class, samples, records, spans and changes. A file is read only if its checksum
//! is right. It must never take more memory than its bounds for whatever a file says of itself.

use super::Captures;
use super::columns::{add_batch, empty};
use super::manifest::{FileEntry, Manifest, compare, sum_of};
use crate::store::Store;
use crate::tables::{self, Table};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use model::{Batch, Columns, LabelsBuilder, LogBatch, NAME, STALE_NAN_BITS, Sample};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use stdx::{Error, ErrorKind, Result};

/// Rows of one file that are read.
const ROWS_MAX: u64 = 20_000_000;
/// Bytes of one file that are read.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// Rows that are looked at together.
const BATCH_ROWS: usize = 8_192;
/// Samples that are appended together.
const SAMPLES_AT_ONCE: usize = 50_000;

/// What was brought from a capture into a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Samples.
    pub samples: u64,
    /// Log records.
    pub logs: u64,
    /// Spans.
    pub spans: u64,
    /// Changes.
    pub changes: u64,
    /// What was left out, in words.
    pub left_out: Vec<String>,
}

/// Log records of a capture.
#[derive(Debug, Default)]
pub struct LogsOf {
    /// The records, the oldest first.
    pub records: LogBatch,
    /// There are more.
    pub has_more: bool,
}

fn unreadable(entry: &FileEntry) -> impl Fn(parquet::errors::ParquetError) -> Error + '_ {
    |e| Error::wrap(ErrorKind::Corrupt, format!("{} cannot be read", entry.name), e)
}

fn open(folder: &Path, entry: &FileEntry) -> Result<ParquetRecordBatchReader> {
    let path = folder.join(&entry.name);
    if entry.bytes > FILE_BYTES_MAX || entry.rows > ROWS_MAX {
        let text =
            format!("{} is larger than any that is read here; read it with another program", entry.name);
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    let found = File::open(&path).and_then(|file| sum_of(file, entry.bytes));
    if let Some(problem) = compare(entry, found) {
        return Err(Error::corrupt(problem));
    }
    let file = File::open(&path).map_err(|e| crate::objects::io_error(&path, e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable(entry))?;
    let rows = reader.metadata().file_metadata().num_rows();
    if u64::try_from(rows) != Ok(entry.rows) {
        return Err(Error::corrupt(format!("{} has not the rows that its manifest says", entry.name)));
    }
    reader.with_batch_size(BATCH_ROWS).build().map_err(unreadable(entry))
}

fn batches(
    folder: &Path,
    entry: &FileEntry,
    mut each: impl FnMut(&RecordBatch) -> Result<bool>,
) -> Result<()> {
    for batch in open(folder, entry)? {
        let batch = batch
            .map_err(|e| Error::wrap(ErrorKind::Corrupt, format!("{} cannot be read", entry.name), e))?;
        if !each(&batch)? {
            break;
        }
    }
    Ok(())
}

impl Captures {
    /// The folder, and the files of a table in the order of time.
    fn files_of(&self, id: &str, table: &str) -> Result<(PathBuf, Vec<FileEntry>)> {
        let capture = self.get(id)?;
        let before = capture.before.map_err(Error::corrupt)?;
        let all = [Some(before), capture.after].into_iter().flatten();
        let files = all.flat_map(|m: Manifest| m.files).filter(|f| f.table == table).collect();
        Ok((self.path(id), files))
    }

    /// All rows of a class, of both parts; no columns at all if there are none.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` if a file is damaged; `TooLarge`; `Unavailable`.
    pub fn columns(&self, id: &str, table: &str) -> Result<Columns> {
        let (folder, files) = self.files_of(id, table)?;
        let mut out: Option<Columns> = None;
        let mut ids = Vec::new();
        for entry in &files {
            batches(&folder, entry, |batch| {
                let out = out.get_or_insert_with(|| empty(&batch.schema()));
                ids.resize_with(out.columns.len().max(ids.len()), HashMap::new);
                add_batch(out, &mut ids, batch).map(|()| true)
            })?;
        }
        Ok(out.unwrap_or_default())
    }

    /// Log records of a capture from one time to another (nanoseconds since 1970), at most so many.
    ///
    /// # Errors
    /// As [`Captures::columns`].
    pub fn logs(&self, id: &str, from_ns: i64, to_ns: i64, limit: usize) -> Result<LogsOf> {
        let (folder, files) = self.files_of(id, Table::Logs.name())?;
        let mut out = LogsOf::default();
        for entry in &files {
            batches(&folder, entry, |batch| {
                let records = tables::to_log_batch(batch);
                let base = out.records.origins.len() as u32;
                out.records.origins.extend_from_slice(&records.origins);
                for i in 0..records.len() {
                    let mut row = records.row(i);
                    if !(from_ns..=to_ns).contains(&row.time_ns) {
                        continue;
                    }
                    if out.records.len() >= limit {
                        out.has_more = true;
                        break;
                    }
                    row.origin += base;
                    out.records.push(row, records.attributes(i));
                }
                Ok(!out.has_more)
            })?;
        }
        Ok(out)
    }

    /// Brings samples, log records, spans and changes of a capture into a store, as if they had arrived there.
    ///
    /// # Errors
    /// As [`Captures::columns`], and those of appending.
    pub fn load(&self, id: &str, store: &Store) -> Result<Imported> {
        let capture = self.get(id)?;
        let before = capture.before.map_err(Error::corrupt)?;
        let folder = self.path(id);
        let mut out = Imported::default();
        for entry in [Some(before), capture.after].into_iter().flatten().flat_map(|m| m.files) {
            match entry.table.as_str() {
                "metrics" => load_samples(&folder, &entry, store, &mut out)?,
                "logs" => batches(&folder, &entry, |batch| {
                    let kept = store.tables().append_logs(tables::to_log_batch(batch))?.wait_blocking()?;
                    out.logs += kept.rows;
                    Ok(true)
                })?,
                "spans" => batches(&folder, &entry, |batch| {
                    let kept = store.tables().append_spans(tables::to_spans(batch))?.wait_blocking()?;
                    out.spans += kept.rows;
                    Ok(true)
                })?,
                "changes" => batches(&folder, &entry, |batch| {
                    let kept = store.tables().append_changes(tables::to_changes(batch))?.wait_blocking()?;
                    out.changes += kept.rows;
                    Ok(true)
                })?,
                _ => {}
            }
        }
        Ok(out)
    }
}

fn load_samples(folder: &Path, entry: &FileEntry, store: &Store, out: &mut Imported) -> Result<()> {
    let (mut batch, mut histograms) = (Batch::default(), 0u64);
    let flush = |batch: &mut Batch| -> Result<u64> {
        let n = batch.samples.len() as u64;
        store.append(std::mem::take(batch))?.wait_blocking()?;
        Ok(n)
    };
    batches(folder, entry, |rows| {
        histograms += add_samples(rows, &mut batch)?;
        if batch.samples.len() >= SAMPLES_AT_ONCE {
            out.samples += flush(&mut batch)?;
        }
        Ok(true)
    })?;
    out.samples += flush(&mut batch)?;
    if histograms > 0 {
        out.left_out.push(format!(
            "{histograms} native histograms of {}; other programs read them there",
            entry.name
        ));
    }
    Ok(())
}

/// Adds samples of rows as [`crate::RowsWriter`] writes them; returns how many native histograms were left out.
fn add_samples(rows: &RecordBatch, batch: &mut Batch) -> Result<u64> {
    let wrong = || Error::corrupt("the samples of the capture have not the columns that they should have");
    let column = |name: &str| rows.column_by_name(name).ok_or_else(wrong);
    let names = column("metric")?.as_string_opt::<i32>().ok_or_else(wrong)?;
    let labels = column("labels")?.as_map_opt();
    let times = column("timestamp")?.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
    let values = column("value")?.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let counts = column("count")?.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
    let (mut last, mut histograms) = (None, 0);
    for row in 0..rows.num_rows() {
        if counts.is_valid(row) {
            histograms += 1;
            continue;
        }
        let is_same = last.is_some_and(|l| is_same_series(names, labels, l, row));
        if !is_same {
            let mut builder = LabelsBuilder::default();
            builder.set(NAME, names.value(row));
            for (name, value) in tables::map_entries(labels, row) {
                builder.set(name, value);
            }
            batch.series.push(builder.build().map_err(|_| wrong())?);
        } else if batch.series.is_empty() {
            return Err(wrong());
        }
        last = Some(row);
        let value = if values.is_valid(row) { values.value(row) } else { f64::from_bits(STALE_NAN_BITS) };
        let series = batch.series.len() as u32 - 1;
        batch.samples.push(Sample { series, timestamp_ms: times.value(row), value });
    }
    Ok(histograms)
}

fn is_same_series(
    names: &arrow_array::StringArray,
    labels: Option<&arrow_array::MapArray>,
    a: usize,
    b: usize,
) -> bool {
    names.value(a) == names.value(b) && tables::map_entries(labels, a).eq(tables::map_entries(labels, b))
}
