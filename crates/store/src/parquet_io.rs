//! The Parquet side of blocks: which columns there are, and how they are written and read by column
//! without a row in between. It must know nothing of what the columns mean.

use crate::chunk::Chunk;
use crate::objects::Objects;
use bytes::Bytes;
use model::Labels;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::io::Cursor;
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

/// Positions of the binary columns in [`CHUNKS_SCHEMA`].
const TIMESTAMPS: usize = 12;
const VALUES: usize = 13;

fn writing(e: parquet::errors::ParquetError) -> Error {
    Error::wrap(ErrorKind::Internal, "cannot write Parquet", e)
}

fn reading(e: parquet::errors::ParquetError) -> Error {
    Error::wrap(ErrorKind::Corrupt, "not a whole Parquet file", e)
}

fn writer(schema: &str) -> Result<SerializedFileWriter<Vec<u8>>> {
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
    SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).map_err(writing)
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
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
///
/// # Errors
/// `Internal`.
pub fn write_series<'a>(series: impl Iterator<Item = &'a Labels>) -> Result<Vec<u8>> {
    let (mut ids, mut keys, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let (mut definition, mut repetition) = (Vec::new(), Vec::new());
    for (i, labels) in series.enumerate() {
        ids.push(i as i64);
        let mut level = 0;
        for (name, value) in labels.iter() {
            keys.push(ByteArray::from(name));
            values.push(ByteArray::from(value));
            definition.push(1);
            repetition.push(level);
            level = 1;
        }
        if level == 0 {
            definition.push(0);
            repetition.push(0);
        }
    }
    let mut file = writer(SERIES_SCHEMA)?;
    let mut group = file.next_row_group().map_err(writing)?;
    put::<Int64Type>(&mut group, &ids, None)?;
    put::<ByteArrayType>(&mut group, &keys, Some((&definition, &repetition)))?;
    put::<ByteArrayType>(&mut group, &values, Some((&definition, &repetition)))?;
    group.close().map_err(writing)?;
    file.into_inner().map_err(writing)
}

/// The label pairs of each row of a labels file.
///
/// # Errors
/// `Corrupt`.
pub fn read_series(file: Bytes) -> Result<Vec<Vec<(String, String)>>> {
    let reader = SerializedFileReader::new(file).map_err(reading)?;
    let mut out: Vec<Vec<(String, String)>> = Vec::new();
    for g in 0..reader.num_row_groups() {
        let group = reader.get_row_group(g).map_err(reading)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let lies_nowhere = |c: &ColumnChunkMetaData| {
            c.dictionary_page_offset().unwrap_or(c.data_page_offset()) < 0 || c.compressed_size() < 0
        };
        if group.metadata().num_columns() < 3 || group.metadata().columns().iter().any(lies_nowhere) {
            return Err(Error::corrupt("its columns lie nowhere"));
        }
        let column = |i: usize| -> Result<(Vec<ByteArray>, Vec<i16>, Vec<i16>)> {
            let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
            let mut reader: ColumnReaderImpl<ByteArrayType> =
                get_typed_column_reader(group.get_column_reader(i).map_err(reading)?);
            reader
                .read_records(rows, Some(&mut definition), Some(&mut repetition), &mut values)
                .map_err(reading)?;
            Ok((values, definition, repetition))
        };
        let (keys, definition, repetition) = column(1)?;
        let (values, _, _) = column(2)?;
        let mut pairs = keys.iter().zip(&values);
        for (d, r) in definition.iter().zip(&repetition) {
            if *r == 0 {
                out.push(Vec::new());
            }
            if *d == 1 {
                let text = |b: &ByteArray| b.as_utf8().map(str::to_string).map_err(reading);
                let (key, value) = pairs.next().ok_or_else(|| Error::corrupt("fewer labels than levels"))?;
                let last = out.last_mut().ok_or_else(|| Error::corrupt("labels before the first row"))?;
                last.push((text(key)?, text(value)?));
            }
        }
    }
    Ok(out)
}

/// The chunks file. Rows are `(series, chunk)`, series not falling.
///
/// # Errors
/// `Internal`.
pub fn write_chunks<'a>(
    rows: impl Iterator<Item = (u32, &'a Chunk)>,
    rows_per_group: usize,
) -> Result<Vec<u8>> {
    let mut file = writer(CHUNKS_SCHEMA)?;
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let group_rows: Vec<(u32, &Chunk)> = rows.by_ref().take(rows_per_group).collect();
        let mut group = file.next_row_group().map_err(writing)?;
        let i32s = |f: &dyn Fn(&(u32, &Chunk)) -> i32| group_rows.iter().map(f).collect::<Vec<_>>();
        let i64s = |f: &dyn Fn(&Chunk) -> i64| group_rows.iter().map(|r| f(r.1)).collect::<Vec<_>>();
        let f64s = |f: &dyn Fn(&Chunk) -> f64| group_rows.iter().map(|r| f(r.1)).collect::<Vec<_>>();
        let bytes = |f: &dyn Fn(&Chunk) -> &Bytes| {
            group_rows.iter().map(|r| ByteArray::from(f(r.1).clone())).collect::<Vec<_>>()
        };
        put::<Int32Type>(&mut group, &i32s(&|r| r.0 as i32), None)?;
        put::<Int64Type>(&mut group, &i64s(&|c| c.summary.first_ms), None)?;
        put::<Int64Type>(&mut group, &i64s(&|c| c.summary.last_ms), None)?;
        put::<Int32Type>(&mut group, &i32s(&|r| r.1.summary.count as i32), None)?;
        put::<DoubleType>(&mut group, &f64s(&|c| c.summary.min), None)?;
        put::<DoubleType>(&mut group, &f64s(&|c| c.summary.max), None)?;
        put::<DoubleType>(&mut group, &f64s(&|c| c.summary.sum), None)?;
        put::<DoubleType>(&mut group, &f64s(&|c| c.summary.first), None)?;
        put::<DoubleType>(&mut group, &f64s(&|c| c.summary.last), None)?;
        put::<DoubleType>(&mut group, &f64s(&|c| c.summary.increase), None)?;
        put::<Int32Type>(&mut group, &i32s(&|r| r.1.summary.encoding as i32), None)?;
        put::<Int32Type>(&mut group, &i32s(&|r| r.1.checksum(r.0) as i32), None)?;
        put::<ByteArrayType>(&mut group, &bytes(&|c| &c.timestamps), None)?;
        put::<ByteArrayType>(&mut group, &bytes(&|c| &c.values), None)?;
        group.close().map_err(writing)?;
    }
    file.into_inner().map_err(writing)
}

/// The footer of a chunks file.
pub struct Metadata(ParquetMetaData);

/// The end of a file that is fetched at first; a longer footer costs a second request.
const FOOTER_GUESS: u64 = 64 << 10;

impl Metadata {
    /// Reads the footer of an object of known size.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    pub fn read(objects: &Objects, path: &str, size: u64) -> Result<Metadata> {
        let tail = |length: u64| objects.get_range(path, size - length, length);
        let guess = tail(size.min(FOOTER_GUESS))?;
        let end = guess.len().checked_sub(8).ok_or_else(|| Error::corrupt(format!("{path} is too short")))?;
        let length = u32::from_le_bytes([guess[end], guess[end + 1], guess[end + 2], guess[end + 3]]);
        let needed = u64::from(length) + 8;
        if &guess[end + 4..] != b"PAR1" || needed > size {
            return Err(Error::corrupt(format!("{path} has no Parquet footer")));
        }
        let footer = if needed as usize <= guess.len() { guess } else { tail(needed)? };
        let bytes = &footer[footer.len() - needed as usize..footer.len() - 8];
        let metadata = ParquetMetaDataReader::decode_metadata(bytes).map_err(reading)?;
        let columns = metadata.file_metadata().schema_descr().num_columns();
        if columns <= VALUES {
            return Err(Error::corrupt(format!("{path} has {columns} columns")));
        }
        Ok(Metadata(metadata))
    }
}

/// A part of a file that behaves as the whole file, for the pages that lie inside it.
struct Part {
    start: u64,
    bytes: Bytes,
}

impl Part {
    fn from(&self, position: u64) -> parquet::errors::Result<Bytes> {
        let skip = position.checked_sub(self.start).map(|s| s as usize).filter(|s| *s <= self.bytes.len());
        skip.map(|s| self.bytes.slice(s..))
            .ok_or_else(|| parquet::errors::ParquetError::General("a page lies outside its column".into()))
    }
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(Cursor::new(self.from(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let rest = self.from(start)?;
        if length > rest.len() {
            return Err(parquet::errors::ParquetError::EOF("a page is longer than its column".into()));
        }
        Ok(rest.slice(..length))
    }
}

fn column_reader<T: DataType>(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    group: usize,
    column: usize,
) -> Result<ColumnReaderImpl<T>> {
    let group = metadata.0.row_group(group);
    let chunk = group.column(column);
    if chunk.column_type() != T::get_physical_type() {
        return Err(Error::corrupt(format!("{path}: column {column} has another type")));
    }
    let offset = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (start, length) = match (u64::try_from(offset), u64::try_from(chunk.compressed_size())) {
        (Ok(start), Ok(length)) => (start, length),
        _ => return Err(Error::corrupt(format!("{path}: column {column} lies nowhere"))),
    };
    let part = Part { start, bytes: objects.get_range(path, start, length)? };
    let rows = usize::try_from(group.num_rows()).unwrap_or(0);
    let pages = SerializedPageReader::new(Arc::new(part), chunk, rows, None).map_err(reading)?;
    Ok(ColumnReaderImpl::new(chunk.column_descr_ptr(), Box::new(pages)))
}

/// All columns but the binary ones; each as long as the file has rows.
#[derive(Default)]
pub struct Summaries {
    pub series: Vec<i32>,
    pub first_ms: Vec<i64>,
    pub last_ms: Vec<i64>,
    pub count: Vec<i32>,
    pub min: Vec<f64>,
    pub max: Vec<f64>,
    pub sum: Vec<f64>,
    pub first: Vec<f64>,
    pub last: Vec<f64>,
    pub increase: Vec<f64>,
    pub encoding: Vec<i32>,
    pub checksum: Vec<i32>,
}

/// Reads the plain columns of a chunks file.
///
/// # Errors
/// `Corrupt` or `Unavailable`.
pub fn read_summaries(objects: &Objects, path: &str, metadata: &Metadata) -> Result<Summaries> {
    let mut s = Summaries::default();
    for group in 0..metadata.0.num_row_groups() {
        let rows = usize::try_from(metadata.0.row_group(group).num_rows()).unwrap_or(0);
        let mut position = 0;
        macro_rules! read {
            ($type:ty, $($field:ident),*) => {$(
                let mut reader = column_reader::<$type>(objects, path, metadata, group, position)?;
                let (read, _, _) = reader.read_records(rows, None, None, &mut s.$field).map_err(reading)?;
                if read != rows {
                    return Err(Error::corrupt(format!("{path}: column {position} is short")));
                }
                position += 1;
            )*};
        }
        read!(Int32Type, series);
        read!(Int64Type, first_ms, last_ms);
        read!(Int32Type, count);
        read!(DoubleType, min, max, sum, first, last, increase);
        read!(Int32Type, encoding, checksum);
        debug_assert_eq!(position, TIMESTAMPS);
    }
    Ok(s)
}

/// Gives, for each wanted row (numbers over the whole file, rising), `found(index in wanted, timestamps,
/// values)`.
///
/// # Errors
/// `Corrupt` or `Unavailable`.
pub fn read_payloads(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    wanted: &[u32],
    mut found: impl FnMut(usize, Bytes, Bytes),
) -> Result<()> {
    let (mut first_row, mut next) = (0u64, 0usize);
    for group in 0..metadata.0.num_row_groups() {
        let end_row = first_row + u64::try_from(metadata.0.row_group(group).num_rows()).unwrap_or(0);
        let count = wanted[next..].iter().take_while(|row| u64::from(**row) < end_row).count();
        if count > 0 {
            let rows: Vec<u64> =
                wanted[next..next + count].iter().map(|r| u64::from(*r) - first_row).collect();
            let timestamps = read_rows(objects, path, metadata, group, TIMESTAMPS, &rows)?;
            let values = read_rows(objects, path, metadata, group, VALUES, &rows)?;
            for (i, (t, v)) in timestamps.into_iter().zip(values).enumerate() {
                // A copy of its own: a view into the page would keep the whole page alive.
                found(next + i, Bytes::copy_from_slice(t.data()), Bytes::copy_from_slice(v.data()));
            }
        }
        next += count;
        first_row = end_row;
    }
    Ok(())
}

/// The values of one binary column at some rows (rising) of one row group.
fn read_rows(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    group: usize,
    column: usize,
    rows: &[u64],
) -> Result<Vec<ByteArray>> {
    let mut reader = column_reader::<ByteArrayType>(objects, path, metadata, group, column)?;
    let mut out = Vec::with_capacity(rows.len());
    let (mut at, mut i) = (0u64, 0usize);
    let short = || Error::corrupt(format!("{path}: column {column} is short"));
    while i < rows.len() {
        let run =
            (1..).take_while(|n| rows.get(i + n).is_some_and(|r| *r == rows[i] + *n as u64)).count() + 1;
        let skip = (rows[i] - at) as usize;
        if skip > 0 && reader.skip_records(skip).map_err(reading)? != skip {
            return Err(short());
        }
        if reader.read_records(run, None, None, &mut out).map_err(reading)?.0 != run {
            return Err(short());
        }
        at = rows[i] + run as u64;
        i += run;
    }
    if out.len() == rows.len() { Ok(out) } else { Err(short()) }
}
