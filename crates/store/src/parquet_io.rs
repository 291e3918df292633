//! How the Parquet files of blocks are read, by column without a row in between (`parquet_write.rs` says which columns
//! there are). It must know nothing of what the columns mean.

use crate::objects::Objects;
use bytes::Bytes;
use model::{Labels, LabelsBuilder};
use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::file::serialized_reader::SerializedPageReader;
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// Positions of the binary columns in a chunks file.
const TIMESTAMPS: usize = 12;
const VALUES: usize = 13;

fn reading(e: parquet::errors::ParquetError) -> Error {
    Error::wrap(ErrorKind::Corrupt, "not a whole Parquet file", e)
}

/// Runs what reads Parquet: the library panics on some damaged bytes, which then are an error like others.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::corrupt("not a Parquet file that can be decoded")))
}

fn text(bytes: &ByteArray) -> Result<&str> {
    std::str::from_utf8(bytes.data()).map_err(|_| Error::corrupt("a label is not UTF-8"))
}

/// A labels file, read one row group after the other.
pub struct SeriesReader {
    file: SerializedFileReader<Bytes>,
    next: usize,
}

impl SeriesReader {
    /// Reads the footer.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn new(file: Bytes) -> Result<SeriesReader> {
        guarded(|| Ok(SeriesReader { file: SerializedFileReader::new(file).map_err(reading)?, next: 0 }))
    }

    /// The series of the next row group; `None` after the last.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn group(&mut self) -> Result<Option<Vec<Labels>>> {
        guarded(|| self.read_group())
    }

    fn read_group(&mut self) -> Result<Option<Vec<Labels>>> {
        if self.next >= self.file.num_row_groups() {
            return Ok(None);
        }
        let group = self.file.get_row_group(self.next).map_err(reading)?;
        self.next += 1;
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
        if keys.len() != values.len() {
            return Err(Error::corrupt("labels without a name or a value"));
        }
        let mut pairs = keys.iter().zip(&values);
        let mut out = Vec::with_capacity(rows);
        let mut builder = LabelsBuilder::default();
        for (i, (d, r)) in definition.iter().zip(&repetition).enumerate() {
            if *r != 0 && i == 0 {
                return Err(Error::corrupt("labels before the first row"));
            }
            if *d == 1 {
                let (key, value) = pairs.next().ok_or_else(|| Error::corrupt("fewer labels than levels"))?;
                builder.push(text(key)?, text(value)?);
            }
            if repetition.get(i + 1).is_none_or(|next| *next == 0) {
                out.push(builder.build().map_err(|e| Error::corrupt(e.to_string()))?);
                builder.clear();
            }
        }
        Ok(Some(out))
    }
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
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(bytes).map_err(reading))?;
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

/// The bytes of some columns of a row group, asked for at once: from a bucket they come in one answer.
fn fetch(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    group: usize,
    columns: Range<usize>,
) -> Result<Vec<Part>> {
    let group = metadata.0.row_group(group);
    let place = |column: usize| {
        let chunk = group.column(column);
        let offset = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let (start, length) = (u64::try_from(offset).ok(), u64::try_from(chunk.compressed_size()).ok());
        let place = start.zip(length).and_then(|(start, length)| Some(start..start.checked_add(length)?));
        place.ok_or_else(|| Error::corrupt(format!("{path}: column {column} lies nowhere")))
    };
    let places = columns.map(place).collect::<Result<Vec<_>>>()?;
    let parts = objects.get_ranges(path, &places)?;
    Ok(places.iter().zip(parts).map(|(place, bytes)| Part { start: place.start, bytes }).collect())
}

fn column_reader<T: DataType>(
    path: &str,
    metadata: &Metadata,
    group: usize,
    column: usize,
    part: Part,
) -> Result<ColumnReaderImpl<T>> {
    let group = metadata.0.row_group(group);
    let chunk = group.column(column);
    if chunk.column_type() != T::get_physical_type() {
        return Err(Error::corrupt(format!("{path}: column {column} has another type")));
    }
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

impl Metadata {
    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.0.num_row_groups()
    }

    /// Number of rows of a row group.
    pub fn rows(&self, group: usize) -> usize {
        usize::try_from(self.0.row_group(group).num_rows()).unwrap_or(0)
    }
}

/// Appends the plain columns of one row group of a chunks file.
///
/// # Errors
/// `Corrupt` or `Unavailable`.
pub fn read_summaries(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    group: usize,
    s: &mut Summaries,
) -> Result<()> {
    let rows = metadata.rows(group);
    let mut parts = guarded(|| fetch(objects, path, metadata, group, 0..TIMESTAMPS))?.into_iter();
    let mut position = 0;
    macro_rules! read {
        ($type:ty, $($field:ident),*) => {$(
            let part = parts.next().ok_or_else(|| Error::corrupt(format!("{path}: too few columns")))?;
            let (read, _, _) = guarded(|| {
                let mut reader = column_reader::<$type>(path, metadata, group, position, part)?;
                reader.read_records(rows, None, None, &mut s.$field).map_err(reading)
            })?;
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
    Ok(())
}

/// All timestamps and values of one row group.
///
/// # Errors
/// `Corrupt` or `Unavailable`.
pub fn read_group_payloads(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    group: usize,
) -> Result<Vec<(Bytes, Bytes)>> {
    let rows: Vec<u64> = (0..metadata.rows(group) as u64).collect();
    let [timestamps, values] = read_rows(objects, path, metadata, group, &rows)?;
    let bytes = |b: ByteArray| Bytes::copy_from_slice(b.data());
    Ok(timestamps.into_iter().map(bytes).zip(values.into_iter().map(bytes)).collect())
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
        let end_row = first_row + metadata.rows(group) as u64;
        let count = wanted[next..].iter().take_while(|row| u64::from(**row) < end_row).count();
        if count > 0 {
            let rows: Vec<u64> =
                wanted[next..next + count].iter().map(|r| u64::from(*r) - first_row).collect();
            let [timestamps, values] = read_rows(objects, path, metadata, group, &rows)?;
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

/// The values of the two binary columns at some rows (rising) of one row group.
fn read_rows(
    objects: &Objects,
    path: &str,
    metadata: &Metadata,
    group: usize,
    rows: &[u64],
) -> Result<[Vec<ByteArray>; 2]> {
    guarded(|| {
        let mut parts = fetch(objects, path, metadata, group, TIMESTAMPS..VALUES + 1)?.into_iter();
        let mut column = |column: usize| {
            let part = parts.next().ok_or_else(|| Error::corrupt(format!("{path}: too few columns")))?;
            read_column(path, metadata, group, (column, part), rows)
        };
        Ok([column(TIMESTAMPS)?, column(VALUES)?])
    })
}

fn read_column(
    path: &str,
    metadata: &Metadata,
    group: usize,
    (column, part): (usize, Part),
    rows: &[u64],
) -> Result<Vec<ByteArray>> {
    let mut reader = column_reader::<ByteArrayType>(path, metadata, group, column, part)?;
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
