//! Samples as other programs want them: a Parquet file with one row for each, that needs nothing of ours to be read.
//! It must never hold more than one row group.

use crate::objects::io_error;
use model::{Labels, NAME, SeriesData, is_stale};
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
}";

/// Rows of a row group. Fewer cost readers time, more cost memory here.
const ROWS_PER_GROUP: usize = 1 << 20;
/// Rows whose labels are spelt out at once.
const ROWS_AT_ONCE: usize = 4096;

/// Writes samples to a Parquet file: `metric`, `labels` (without the metric's name), `timestamp`, and `value`, which is
/// null for the stale marker.
pub struct RowsWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// Series of the present row group, each with the number of its rows.
    series: Vec<(Labels, usize)>,
    timestamps_ms: Vec<i64>,
    values: Vec<f64>,
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
        for column in 0..5 {
            let mut writer = group
                .next_column()
                .map_err(writing)?
                .ok_or_else(|| Error::new(ErrorKind::Internal, "the schema has too few columns"))?;
            match column {
                0 => write_names(writer.typed(), &series)?,
                1 => write_labels(writer.typed(), &series, |name, _| name)?,
                2 => write_labels(writer.typed(), &series, |_, value| value)?,
                3 => put::<Int64Type>(writer.typed(), &self.timestamps_ms, None)?,
                _ => write_values(writer.typed(), &self.values)?,
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
