//! Samples as other programs want them: a Parquet file with one row for each, that needs nothing of ours to be read.
//! It must never hold more than one row group.

use crate::objects::io_error;
use model::{Histogram, Labels, NAME, STALE_NAN_BITS, SeriesData, is_stale};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

const SCHEMA: &str = "message samples {
    required binary metric (UTF8);
    required group labels (MAP) { repeated group key_value { required binary key (UTF8); required binary value (UTF8); } }
    required int64 timestamp (TIMESTAMP(MILLIS,true));
    optional double value;
    optional int64 start (TIMESTAMP(MILLIS,true));
    optional double count;
    optional double sum;
    required group buckets (LIST) {
        repeated group list { required group element { required double lower; required double upper; required double count; } }
    }
}";

/// Rows of a row group. Fewer cost readers time, more cost memory here.
const ROWS_PER_GROUP: usize = 1 << 20;
/// Rows whose labels are spelt out at once.
const ROWS_AT_ONCE: usize = 4096;

/// Buckets of native histograms in a row group: what is held is some hundred megabytes at the most.
const BUCKETS_PER_GROUP: usize = 1 << 22;

/// Writes samples to a Parquet file: `metric`, `labels` (without the metric's name), `timestamp`, and `value`, which is
/// null for the stale marker and for native histograms; `start`, since when it counts, where that is known; and of a native
/// histogram `count`, `sum` and the `buckets` that are not empty, in order.
pub struct RowsWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// Series of the present row group, each with the number of its rows.
    series: Vec<(Labels, usize)>,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
    /// Of rows that have one, by their place.
    starts: Vec<(usize, i64)>,
    histograms: Vec<(usize, Arc<Histogram>)>,
    /// Buckets of those.
    buckets: usize,
    rows: u64,
}

fn writing(e: parquet::errors::ParquetError) -> Error {
    match e {
        parquet::errors::ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(e) => io_error(Path::new("the file"), *e),
            Err(source) => Error::wrap(ErrorKind::Internal, "cannot write Parquet", source),
        },
        e => Error::wrap(ErrorKind::Internal, "cannot write Parquet", e),
    }
}

fn properties() -> Result<WriterProperties> {
    let of_labels = |part: &str| ColumnPath::from(vec!["labels".into(), "key_value".into(), part.into()]);
    Ok(WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("midwatch".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(writing)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(of_labels("key"), EnabledStatistics::None)
        .set_column_statistics_enabled(of_labels("value"), EnabledStatistics::None)
        .set_dictionary_page_size_limit(8 << 20)
        .set_data_page_row_count_limit(ROWS_PER_GROUP)
        // Series that were scraped together have the same times again and again: zstd finds them as they are, and
        // not as differences packed to bits.
        .set_column_dictionary_enabled(ColumnPath::from("timestamp"), false)
        .set_column_encoding(ColumnPath::from("timestamp"), Encoding::PLAIN)
        .set_column_dictionary_enabled(ColumnPath::from("value"), false)
        .set_column_encoding(ColumnPath::from("value"), Encoding::BYTE_STREAM_SPLIT)
        .build())
}

impl<W: Write + Send> RowsWriter<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written.
    pub fn new(out: W) -> Result<RowsWriter<W>> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(writing)?);
        Ok(RowsWriter {
            file: SerializedFileWriter::new(out, schema, Arc::new(properties()?)).map_err(writing)?,
            series: Vec::new(),
            timestamps_ms: Vec::new(),
            values: Vec::new(),
            starts: Vec::new(),
            histograms: Vec::new(),
            buckets: 0,
            rows: 0,
        })
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds the samples of one series.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written.
    pub fn push(&mut self, series: &SeriesData) -> Result<()> {
        if series.histograms.is_empty() && series.starts_ms.is_empty() {
            return self.push_numbers(series);
        }
        let (mut number, mut histograms) = (0, series.histograms.iter().peekable());
        while number < series.timestamps_ms.len() || histograms.peek().is_some() {
            let next_ms = series.timestamps_ms.get(number).copied();
            let row = self.timestamps_ms.len();
            let start_ms = match histograms.next_if(|at| next_ms.is_none_or(|t| at.timestamp_ms < t)) {
                Some(at) => {
                    self.timestamps_ms.push(at.timestamp_ms);
                    self.values.push(f64::from_bits(STALE_NAN_BITS));
                    if !at.histogram.is_stale() {
                        self.buckets +=
                            at.histogram.positive.counts.len() + at.histogram.negative.counts.len();
                        self.histograms.push((row, at.histogram.clone()));
                    }
                    at.start_ms
                }
                None => {
                    self.timestamps_ms.extend(next_ms);
                    self.values.push(series.values[number]);
                    number += 1;
                    series.starts_ms.get(number - 1).copied().unwrap_or(0)
                }
            };
            if start_ms != 0 {
                self.starts.push((row, start_ms));
            }
            self.rows += 1;
            match self.series.last_mut() {
                Some((labels, rows)) if *labels == series.labels => *rows += 1,
                _ => self.series.push((series.labels.clone(), 1)),
            }
            if self.timestamps_ms.len() >= ROWS_PER_GROUP || self.buckets >= BUCKETS_PER_GROUP {
                self.write_group()?;
            }
        }
        Ok(())
    }

    fn push_numbers(&mut self, series: &SeriesData) -> Result<()> {
        let (mut times, mut values) = (&series.timestamps_ms[..], &series.values[..]);
        while !times.is_empty() {
            let n = times.len().min(values.len()).min(ROWS_PER_GROUP - self.timestamps_ms.len());
            self.series.push((series.labels.clone(), n));
            self.timestamps_ms.extend_from_slice(&times[..n]);
            self.values.extend_from_slice(&values[..n]);
            (times, values) = (&times[n..], &values[n..]);
            self.rows += n as u64;
            if self.timestamps_ms.len() >= ROWS_PER_GROUP {
                self.write_group()?;
            }
        }
        Ok(())
    }

    /// Ends the file, and gives what it was written to.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.write_group()?;
        self.file.into_inner().map_err(writing)
    }

    fn write_group(&mut self) -> Result<()> {
        if self.timestamps_ms.is_empty() {
            return Ok(());
        }
        let series = std::mem::take(&mut self.series);
        let mut group = self.file.next_row_group().map_err(writing)?;
        let starts = std::mem::take(&mut self.starts);
        let histograms = std::mem::take(&mut self.histograms);
        self.buckets = 0;
        let rows = self.timestamps_ms.len();
        for column in 0..11 {
            let mut writer = group
                .next_column()
                .map_err(writing)?
                .ok_or_else(|| Error::new(ErrorKind::Internal, "the schema has too few columns"))?;
            match column {
                0 => write_names(writer.typed(), &series)?,
                1 => write_labels(writer.typed(), &series, |name, _| name)?,
                2 => write_labels(writer.typed(), &series, |_, value| value)?,
                3 => put::<Int64Type>(writer.typed(), &self.timestamps_ms, None)?,
                4 => write_values(writer.typed(), &self.values)?,
                5 => put_some::<Int64Type>(writer.typed(), rows, starts.iter().copied())?,
                6 => put_some::<DoubleType>(writer.typed(), rows, numbers(&histograms, |h| h.count))?,
                7 => put_some::<DoubleType>(writer.typed(), rows, numbers(&histograms, |h| h.sum))?,
                8 => write_buckets(writer.typed(), rows, &histograms, |b| b.0)?,
                9 => write_buckets(writer.typed(), rows, &histograms, |b| b.1)?,
                _ => write_buckets(writer.typed(), rows, &histograms, |b| b.2)?,
            }
            writer.close().map_err(writing)?;
        }
        group.close().map_err(writing)?;
        self.timestamps_ms.clear();
        self.values.clear();
        Ok(())
    }
}

type BytesWriter<'a> = ColumnWriterImpl<'a, ByteArrayType>;

fn put<T: DataType>(
    writer: &mut ColumnWriterImpl<'_, T>,
    values: &[T::T],
    levels: Option<(&[i16], &[i16])>,
) -> Result<()> {
    let (definition, repetition) = levels.unzip();
    writer.write_batch(values, definition, repetition).map(|_| ()).map_err(writing)
}

fn numbers(
    histograms: &[(usize, Arc<Histogram>)],
    of: fn(&Histogram) -> f64,
) -> impl Iterator<Item = (usize, f64)> {
    histograms.iter().map(move |(row, h)| (*row, of(h)))
}

/// Values of some rows, given with their places, which rise; the others have none.
fn put_some<T: DataType>(
    writer: &mut ColumnWriterImpl<'_, T>,
    rows: usize,
    some: impl Iterator<Item = (usize, T::T)>,
) -> Result<()> {
    let mut some = some.peekable();
    for first in (0..rows).step_by(ROWS_AT_ONCE) {
        let n = ROWS_AT_ONCE.min(rows - first);
        let (mut definition, mut values) = (vec![0i16; n], Vec::new());
        while let Some((row, value)) = some.next_if(|(row, _)| *row < first + n) {
            definition[row - first] = 1;
            values.push(value);
        }
        writer.write_batch(&values, Some(&definition), None).map_err(writing)?;
    }
    Ok(())
}

/// One number of each bucket of the rows that are native histograms; the others have an empty list.
fn write_buckets(
    writer: &mut ColumnWriterImpl<'_, DoubleType>,
    rows: usize,
    histograms: &[(usize, Arc<Histogram>)],
    choose: fn(&(f64, f64, f64)) -> f64,
) -> Result<()> {
    let mut some = histograms.iter().peekable();
    for first in (0..rows).step_by(ROWS_AT_ONCE) {
        let (mut definition, mut repetition, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for row in first..rows.min(first + ROWS_AT_ONCE) {
            let before = values.len();
            if let Some((_, h)) = some.next_if(|(of, _)| *of == row) {
                values.extend(h.buckets().iter().map(choose));
            }
            let n = values.len() - before;
            definition.extend(std::iter::repeat_n(i16::from(n > 0), n.max(1)));
            repetition.push(0);
            repetition.extend(std::iter::repeat_n(1, n.saturating_sub(1)));
        }
        writer.write_batch(&values, Some(&definition), Some(&repetition)).map_err(writing)?;
    }
    Ok(())
}

/// For each series a part of its rows at a time.
fn parts(series: &[(Labels, usize)]) -> impl Iterator<Item = (&Labels, usize)> {
    series.iter().flat_map(|(labels, rows)| {
        (0..*rows).step_by(ROWS_AT_ONCE).map(move |at| (labels, ROWS_AT_ONCE.min(rows - at)))
    })
}

fn write_names(writer: &mut BytesWriter<'_>, series: &[(Labels, usize)]) -> Result<()> {
    for (labels, rows) in parts(series) {
        put(writer, &vec![ByteArray::from(labels.name()); rows], None)?;
    }
    Ok(())
}

fn write_labels(
    writer: &mut BytesWriter<'_>,
    series: &[(Labels, usize)],
    choose: for<'a> fn(&'a str, &'a str) -> &'a str,
) -> Result<()> {
    for (labels, rows) in parts(series) {
        let others = labels.iter().filter(|(name, _)| *name != NAME);
        let one: Vec<ByteArray> = others.map(|(name, value)| ByteArray::from(choose(name, value))).collect();
        if one.is_empty() {
            let none = vec![0; rows];
            put(writer, &[], Some((&none, &none)))?;
            continue;
        }
        let mut repetition = vec![1i16; one.len()];
        repetition[0] = 0;
        let definition = vec![1i16; one.len() * rows];
        let all: Vec<ByteArray> = (0..rows).flat_map(|_| one.iter().cloned()).collect();
        put(writer, &all, Some((&definition, &repetition.repeat(rows))))?;
    }
    Ok(())
}

fn write_values(writer: &mut ColumnWriterImpl<'_, DoubleType>, values: &[f64]) -> Result<()> {
    for part in values.chunks(ROWS_AT_ONCE) {
        let definition: Vec<i16> = part.iter().map(|v| i16::from(!is_stale(*v))).collect();
        let there: Vec<f64> = part.iter().copied().filter(|v| !is_stale(*v)).collect();
        writer.write_batch(&there, Some(&definition), None).map(|_| ()).map_err(writing)?;
    }
    Ok(())
}
