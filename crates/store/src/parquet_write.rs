//! How the Parquet files of blocks are written: which columns there are, and one row group after the other, so that a
//! block of any size takes the memory of one group. It must know nothing of what the columns mean.

use crate::chunk::Chunk;
use crate::objects::io_error;
use bytes::Bytes;
use model::Labels;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

const SERIES_SCHEMA: &str = "message series {
    required int64 series;
    required group labels (MAP) { repeated group key_value { required binary key (UTF8); required binary value (UTF8); } }
}";

const CHUNKS_SCHEMA: &str = "message chunks {
    required int32 series;
    required int64 first_time (TIMESTAMP(MILLIS,true));
    required int64 last_time (TIMESTAMP(MILLIS,true));
    required int32 count;
    required double min;
    required double max;
    required double sum;
    required double first;
    required double last;
    required double increase;
    required int32 encoding;
    required int32 checksum;
    required binary timestamps;
    required binary values;
}";

/// Rows in one row group: the unit that a read fetches of the two binary columns, and that is held while writing.
const ROWS_PER_GROUP: usize = 8192;

/// A full disk is told in the same words wherever it is met.
fn writing(e: parquet::errors::ParquetError) -> Error {
    match e {
        parquet::errors::ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(e) => io_error(Path::new("a block"), *e),
            Err(source) => Error::wrap(ErrorKind::Internal, "cannot write Parquet", source),
        },
        e => Error::wrap(ErrorKind::Internal, "cannot write Parquet", e),
    }
}

fn writer<W: Write + Send>(schema: &str, out: W) -> Result<SerializedFileWriter<W>> {
    let schema = Arc::new(parse_message_type(schema).map_err(writing)?);
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("midwatch".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(writing)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled(ColumnPath::from("timestamps"), true)
        .set_column_dictionary_enabled(
            ColumnPath::from(vec!["labels".into(), "key_value".into(), "key".into()]),
            true,
        )
        .set_column_dictionary_enabled(
            ColumnPath::from(vec!["labels".into(), "key_value".into(), "value".into()]),
            true,
        )
        // pco leaves nothing for zstd to find.
        .set_column_compression(ColumnPath::from("values"), Compression::UNCOMPRESSED)
        .set_column_statistics_enabled(ColumnPath::from("values"), EnabledStatistics::None)
        .set_column_statistics_enabled(ColumnPath::from("timestamps"), EnabledStatistics::None)
        .set_column_encoding(ColumnPath::from("series"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(ColumnPath::from("first_time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(ColumnPath::from("last_time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(ColumnPath::from("count"), Encoding::DELTA_BINARY_PACKED)
        .build();
    SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(writing)
}

fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<(&[i16], &[i16])>,
) -> Result<()> {
    let mut column = group
        .next_column()
        .map_err(writing)?
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the schema has too few columns"))?;
    let (definition, repetition) = levels.unzip();
    column.typed::<T>().write_batch(values, definition, repetition).map_err(writing)?;
    column.close().map_err(writing)
}

/// The labels file: row `i` is series `i`.
pub struct SeriesWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    next: i64,
    ids: Vec<i64>,
    keys: Vec<ByteArray>,
    values: Vec<ByteArray>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl<W: Write + Send> SeriesWriter<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn new(out: W) -> Result<Self> {
        Ok(SeriesWriter {
            file: writer(SERIES_SCHEMA, out)?,
            next: 0,
            ids: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            definition: Vec::new(),
            repetition: Vec::new(),
        })
    }

    /// Adds the next series.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn push(&mut self, labels: &Labels) -> Result<()> {
        self.ids.push(self.next);
        self.next += 1;
        let mut level = 0;
        for (name, value) in labels.iter() {
            self.keys.push(ByteArray::from(name));
            self.values.push(ByteArray::from(value));
            self.definition.push(1);
            self.repetition.push(level);
            level = 1;
        }
        if level == 0 {
            self.definition.push(0);
            self.repetition.push(0);
        }
        if self.ids.len() >= ROWS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group().map_err(writing)?;
        let levels = Some((&*self.definition, &*self.repetition));
        put::<Int64Type, W>(&mut group, &self.ids, None)?;
        put::<ByteArrayType, W>(&mut group, &self.keys, levels)?;
        put::<ByteArrayType, W>(&mut group, &self.values, levels)?;
        group.close().map_err(writing)?;
        self.ids.clear();
        self.keys.clear();
        self.values.clear();
        self.definition.clear();
        self.repetition.clear();
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn finish(mut self) -> Result<W> {
        if !self.ids.is_empty() {
            self.write_group()?;
        }
        self.file.into_inner().map_err(writing)
    }
}

/// The chunks file: rows are `(series, chunk, checksum)`, series not falling.
pub struct ChunksWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    rows: Vec<(u32, Chunk, u32)>,
}

impl<W: Write + Send> ChunksWriter<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn new(out: W) -> Result<Self> {
        Ok(ChunksWriter { file: writer(CHUNKS_SCHEMA, out)?, rows: Vec::new() })
    }

    /// Adds the next row.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn push(&mut self, series: u32, chunk: Chunk, checksum: u32) -> Result<()> {
        self.rows.push((series, chunk, checksum));
        if self.rows.len() >= ROWS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.file.next_row_group().map_err(writing)?;
        let i32s = |f: &dyn Fn(&(u32, Chunk, u32)) -> i32| rows.iter().map(f).collect::<Vec<_>>();
        let i64s = |f: &dyn Fn(&Chunk) -> i64| rows.iter().map(|r| f(&r.1)).collect::<Vec<_>>();
        let f64s = |f: &dyn Fn(&Chunk) -> f64| rows.iter().map(|r| f(&r.1)).collect::<Vec<_>>();
        let bytes = |f: &dyn Fn(&Chunk) -> &Bytes| {
            rows.iter().map(|r| ByteArray::from(f(&r.1).clone())).collect::<Vec<_>>()
        };
        put::<Int32Type, W>(&mut group, &i32s(&|r| r.0 as i32), None)?;
        put::<Int64Type, W>(&mut group, &i64s(&|c| c.summary.first_ms), None)?;
        put::<Int64Type, W>(&mut group, &i64s(&|c| c.summary.last_ms), None)?;
        put::<Int32Type, W>(&mut group, &i32s(&|r| r.1.summary.count as i32), None)?;
        put::<DoubleType, W>(&mut group, &f64s(&|c| c.summary.min), None)?;
        put::<DoubleType, W>(&mut group, &f64s(&|c| c.summary.max), None)?;
        put::<DoubleType, W>(&mut group, &f64s(&|c| c.summary.sum), None)?;
        put::<DoubleType, W>(&mut group, &f64s(&|c| c.summary.first), None)?;
        put::<DoubleType, W>(&mut group, &f64s(&|c| c.summary.last), None)?;
        put::<DoubleType, W>(&mut group, &f64s(&|c| c.summary.increase), None)?;
        put::<Int32Type, W>(&mut group, &i32s(&|r| r.1.summary.encoding as i32), None)?;
        put::<Int32Type, W>(&mut group, &i32s(&|r| r.2 as i32), None)?;
        put::<ByteArrayType, W>(&mut group, &bytes(&|c| &c.timestamps), None)?;
        put::<ByteArrayType, W>(&mut group, &bytes(&|c| &c.values), None)?;
        group.close().map_err(writing)?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn finish(mut self) -> Result<W> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.file.into_inner().map_err(writing)
    }
}
