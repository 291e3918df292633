//! Writes one file of a table: rows in order of service and time as Parquet, and beside it the index of their words and
//! the checksums. Nothing is seen of it before all is durable. It must never be given rows out of order.

use super::checked::Summing;
use super::header::{FileEntry, Granule, Header, MAGIC, Made, paths};
use super::index::{GRANULES_MAX, Words, hash_name, hash_word};
use super::promote::{self, Promoted};
use super::recent::times;
use super::rows::wrong;
use super::schema::Table;
use super::words;
use crate::objects::{NewObject, Objects};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, MapArray, RecordBatch, StringArray};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::concat::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::io::Write;
use stdx::{Error, ErrorKind, Result};

/// Rows of a granule at the most.
pub const GRANULE_ROWS: usize = 8192;
/// A granule ends when its text is this long, bytes.
const GRANULE_BYTES: usize = 2 << 20;
/// A granule of at least so many rows ends where a service ends.
const SERVICE_ROWS: usize = 1024;
/// Granules of a row group, and bytes of its text, at the most.
const GROUP_GRANULES: u32 = 16;
const GROUP_BYTES: usize = 48 << 20;
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written.
pub struct FileWriter {
    table: Table,
    id: u64,
    rows: ArrowWriter<Summing<NewObject>>,
    index: Summing<NewObject>,
    schema: SchemaRef,
    promoted: Vec<Promoted>,
    words: Words,
    granules: Vec<Granule>,
    group: u32,
    group_granules: u32,
    group_bytes: usize,
    raw_bytes: u64,
    /// Rows of the granule that is being collected.
    held: Vec<RecordBatch>,
    held_rows: usize,
    held_bytes: usize,
}

pub fn parquet_error(e: parquet::errors::ParquetError) -> Error {
    Error::wrap(ErrorKind::Unavailable, "a file of a table cannot be written", e)
}

impl FileWriter {
    /// Begins a file with these columns of attributes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn new(objects: &Objects, table: Table, id: u64, promoted: Vec<Promoted>) -> Result<FileWriter> {
        let [rows, index] = paths(table.name(), id);
        let (rows, index) = (objects.create(&rows)?, objects.create(&index)?);
        let schema = promote::schema(&table.schema(), &promoted);
        let rows = ArrowWriter::try_new(Summing::new(rows), schema.clone(), Some(properties(table, &schema)))
            .map_err(parquet_error)?;
        let mut index = Summing::new(index);
        index.write_all(MAGIC).map_err(written)?;
        Ok(FileWriter {
            table,
            id,
            rows,
            index,
            schema,
            promoted,
            words: Words::default(),
            granules: Vec::new(),
            group: 0,
            group_granules: 0,
            group_bytes: 0,
            raw_bytes: 0,
            held: Vec::new(),
            held_rows: 0,
            held_bytes: 0,
        })
    }

    /// Adds rows, all columns of the table.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        let sizes = row_bytes(rows);
        let service = rows.column_by_name("service").and_then(|c| c.as_string_opt::<i32>());
        let mut from = 0;
        for (i, bytes) in sizes.iter().enumerate() {
            let ends = i > from && service.is_some_and(|s| s.value(i) != s.value(i - 1));
            if ends && self.held_rows >= SERVICE_ROWS {
                self.hold(rows, from, i);
                self.end_granule()?;
                from = i;
            }
            self.held_rows += 1;
            self.held_bytes += bytes;
            if self.held_rows >= GRANULE_ROWS || self.held_bytes >= GRANULE_BYTES {
                self.hold(rows, from, i + 1);
                self.end_granule()?;
                from = i + 1;
            }
        }
        self.hold(rows, from, sizes.len());
        Ok(())
    }

    fn hold(&mut self, rows: &RecordBatch, from: usize, to: usize) {
        if to > from {
            self.held.push(rows.slice(from, to - from));
        }
    }

    fn end_granule(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        if self.granules.len() >= GRANULES_MAX {
            return Err(Error::new(ErrorKind::Internal, "a file of a table has too many parts"));
        }
        let rows = concat_batches(&self.table.schema(), &self.held).map_err(wrong)?;
        self.held.clear();
        rows.columns().iter().for_each(|column| add_words(column, &mut self.words));
        self.words.end_granule();
        let times = times(&rows);
        self.granules.push(Granule {
            rows: rows.num_rows() as u32,
            group: self.group,
            min_ns: times.iter().copied().min().unwrap_or(0),
            max_ns: times.iter().copied().max().unwrap_or(0),
        });
        let split = promote::split(&rows, &self.schema, &mut self.promoted)?;
        self.rows.write(&split).map_err(parquet_error)?;
        self.raw_bytes += self.held_bytes as u64;
        self.group_bytes += self.held_bytes;
        self.group_granules += 1;
        (self.held_rows, self.held_bytes) = (0, 0);
        if self.group_granules >= GROUP_GRANULES || self.group_bytes >= GROUP_BYTES {
            self.rows.flush().map_err(parquet_error)?;
            self.group += 1;
            (self.group_granules, self.group_bytes) = (0, 0);
        }
        Ok(())
    }

    /// Ends the file, durably. `None` if no row was added: there is no file then.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn finish(mut self, made: Made) -> Result<Option<FileEntry>> {
        self.end_granule()?;
        if self.granules.is_empty() {
            return Ok(None);
        }
        let name = KeyValue::new("midwatch.table".to_string(), self.table.name().to_string());
        self.rows.append_key_value_metadata(name);
        let (rows, rows_sums, bytes) = self.rows.into_inner().map_err(parquet_error)?.finish();
        let (words, buckets) = self.words.finish(self.granules.len());
        self.index.write_all(&buckets).map_err(written)?;
        let (mut index, words_sums, words_bytes) = self.index.finish();
        let row_count = self.granules.iter().map(|g| u64::from(g.rows)).sum();
        let first_ns = self.granules.iter().map(|g| g.min_ns).min().unwrap_or(0);
        let last_ns = self.granules.iter().map(|g| g.max_ns).max().unwrap_or(0);
        let (level, written_ms) = (made.level, made.written_ms);
        let made = Made { raw_bytes: self.raw_bytes, ..made };
        let (granules, promoted) = (self.granules, self.promoted);
        let header = Header { made, granules, promoted, words, rows_sums, words_sums };
        let (end, header_crc32) = header.encode();
        index.write_all(&end).map_err(written)?;
        // The index says that the rows are whole, so it comes last.
        rows.finish()?;
        index.finish()?;
        Ok(Some(FileEntry {
            id: self.id,
            table: self.table.name().into(),
            rows: row_count,
            first_ns,
            last_ns,
            written_ms,
            raw_bytes: self.raw_bytes,
            bytes,
            index_bytes: words_bytes + end.len() as u64,
            level,
            header_crc32,
        }))
    }
}

fn written(e: std::io::Error) -> Error {
    Error::wrap(ErrorKind::Unavailable, "an index of a table cannot be written", e)
}

fn properties(table: Table, schema: &SchemaRef) -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    let column = |name: &str| ColumnPath::new(vec![name.to_string()]);
    let leaf = |parts: &[&str]| ColumnPath::new(parts.iter().map(|p| p.to_string()).collect());
    let mut p = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by("midwatch".into())
        .set_data_page_row_count_limit(GRANULE_ROWS)
        .set_max_row_group_row_count(None)
        .set_dictionary_page_size_limit(256 << 10)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_write_path_in_schema(true)
        .set_column_encoding(column("time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column("time"), false)
        .set_sorting_columns(sorting(schema));
    for name in ["time", "service", "severity", "duration_ns"] {
        p = p.set_column_statistics_enabled(column(name), EnabledStatistics::Page);
    }
    for field in schema.fields().iter().filter(|f| *f.data_type() == DataType::Utf8) {
        p = p.set_column_encoding(column(field.name()), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    for map in ["attributes", "resource"] {
        p = p.set_column_encoding(leaf(&[map, "key_value", "value"]), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    // Nearly every value is another one: no dictionary, but filters that other engines know.
    for name in ["body", "trace_id", "span_id", "parent_id", "duration_ns"] {
        p = p.set_column_dictionary_enabled(column(name), false);
    }
    if table != Table::Changes {
        p = p.set_column_bloom_filter_enabled(column("trace_id"), true);
        p = p
            .set_column_bloom_filter_max_ndv(column("trace_id"), GROUP_GRANULES as u64 * GRANULE_ROWS as u64);
    }
    p.build()
}

fn sorting(schema: &SchemaRef) -> Option<Vec<SortingColumn>> {
    // Leaves before the maps have the numbers of their fields.
    let of = |name| {
        Some(SortingColumn {
            column_idx: schema.index_of(name).ok()? as i32,
            descending: false,
            nulls_first: false,
        })
    };
    Some(vec![of("service")?, of("time")?])
}

/// About the bytes of text of each row.
fn row_bytes(rows: &RecordBatch) -> Vec<usize> {
    let mut sizes = vec![16; rows.num_rows()];
    for column in rows.columns() {
        if let Some(texts) = column.as_string_opt::<i32>() {
            let ends = texts.value_offsets();
            sizes.iter_mut().enumerate().for_each(|(i, size)| *size += (ends[i + 1] - ends[i]) as usize);
        } else if let Some((map, keys, values)) = map_texts(column) {
            let ends = map.value_offsets();
            let (keys, values) = (keys.value_offsets(), values.value_offsets());
            for (i, size) in sizes.iter_mut().enumerate() {
                let (from, to) = (ends[i] as usize, ends[i + 1] as usize);
                *size += (keys[to] - keys[from]) as usize + (values[to] - values[from]) as usize;
            }
        } else if let Some(list) = column.as_list_opt::<i32>() {
            let ends = list.value_offsets();
            sizes.iter_mut().enumerate().for_each(|(i, size)| *size += (ends[i + 1] - ends[i]) as usize * 64);
        }
    }
    sizes
}

fn map_texts(column: &ArrayRef) -> Option<(&MapArray, &StringArray, &StringArray)> {
    let map = column.as_map_opt()?;
    Some((map, map.keys().as_string_opt::<i32>()?, map.values().as_string_opt::<i32>()?))
}

/// Notes the words of a column of a granule: every text, the names of attributes.
fn add_words(column: &ArrayRef, out: &mut Words) {
    if let Some(texts) = column.as_string_opt::<i32>() {
        let mut before = "";
        for text in texts.iter().flatten() {
            if text != before {
                words::for_each(text.as_bytes(), |word| out.add(hash_word(word)));
                before = text;
            }
        }
    } else if let Some((map, keys, values)) = map_texts(column) {
        let ends = map.value_offsets();
        // Names and values at the same places of the row before were noted then.
        let mut before = 0..0usize;
        for row in 0..map.len() {
            let range = ends[row] as usize..ends[row + 1] as usize;
            for (nth, at) in range.clone().enumerate() {
                let last = Some(before.start + nth).filter(|last| *last < before.end);
                if last.is_none_or(|last| keys.value(last) != keys.value(at)) {
                    out.add(hash_name(keys.value(at)));
                }
                if last.is_none_or(|last| values.value(last) != values.value(at)) {
                    words::for_each(values.value(at).as_bytes(), |word| out.add(hash_word(word)));
                }
            }
            before = range;
        }
    } else if let Some(list) = column.as_list_opt::<i32>() {
        let ends = list.value_offsets();
        let (from, to) = (ends[0] as usize, ends[list.len()] as usize);
        if let Some(items) = list.values().as_struct_opt() {
            items.columns().iter().for_each(|c| add_words(&c.slice(from, to - from), out));
        }
    }
}
