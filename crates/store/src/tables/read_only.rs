//! The tables of a data folder as they are at one instant, for readers besides the program that uses it, and their rows as one
//! Parquet file. Files are held open, so that what that program removes meanwhile can still be read. It must never write into
//! the folder.

use super::recent::bytes_of;
use super::rows::wrong;
use super::{Recent, Rows, Scan, State, Table, frame, log, upkeep, write};
use crate::folder;
use crate::manifest::Manifest;
use crate::objects::Objects;
use crate::pinned::Pinned;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// How often it begins again because the log was cut while it was read.
const ROUNDS_MAX: usize = 20;
const ZSTD_LEVEL: i32 = 3;

/// What the tables held when they were opened.
pub struct ReadOnlyTables {
    state: State,
    messages: Vec<String>,
}

impl ReadOnlyTables {
    /// Opens those of a data folder that may be in use. Rows that are in no file yet are read into memory.
    ///
    /// # Errors
    /// `Invalid` if the folder is not ours; `Corrupt` if no manifest can be read; `Busy` if the log was cut again and again
    /// meanwhile; `Unavailable`. What is damaged is no error: see [`ReadOnlyTables::messages`].
    pub fn open(path: &Path) -> Result<ReadOnlyTables> {
        folder::must_be_ours(path)?;
        let objects = Objects::existing(path)?;
        for _ in 0..ROUNDS_MAX {
            if let Some(found) = ReadOnlyTables::round(path, &objects)? {
                return Ok(found);
            }
        }
        let text = format!("the tables' log was cut {ROUNDS_MAX} times while it was read; try again");
        Err(Error::new(ErrorKind::Busy, text))
    }

    /// `None` if something went that is needed.
    fn round(path: &Path, objects: &Objects) -> Result<Option<ReadOnlyTables>> {
        let (manifest, mut messages) = Manifest::load(objects)?;
        let list = &manifest.tables;
        let names = || list.files.iter().flat_map(|f| f.paths());
        let pinned = Pinned::open(path, names())?;
        let missing: Vec<String> = names().filter(|name| !pinned.holds(name)).collect();
        let recent = Recent::default();
        let floor = list.floor("");
        if !read_log(&path.join(log::FOLDER), floor, &recent, &mut messages)? {
            return Ok(None);
        }
        let (now, _) = Manifest::load(objects)?;
        if now.tables.floor("") != floor || (!missing.is_empty() && now.number != manifest.number) {
            return Ok(None);
        }
        messages.extend(missing.iter().map(|name| format!("{name} is missing: its rows are gone")));
        let files = upkeep::files_of(list, &Objects::pinned(path, pinned), &[]);
        let state = State { recent: vec![Arc::new(recent)], files: Arc::new(files) };
        Ok(Some(ReadOnlyTables { state, messages }))
    }

    /// Rows of one table.
    ///
    /// # Errors
    /// `Invalid` if a predicate or a column makes no sense.
    pub fn scan(&self, scan: Scan) -> Result<Rows> {
        Rows::new(scan, &self.state)
    }

    /// What was damaged or missing when they were opened, in words.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }
}

/// False if a segment went meanwhile.
fn read_log(folder: &Path, floor: u64, recent: &Recent, messages: &mut Vec<String>) -> Result<bool> {
    if !folder.is_dir() {
        return Ok(true);
    }
    for (number, _) in log::segments(folder)?.into_iter().filter(|(n, _)| *n >= floor) {
        let file = match log::open_to_read(folder, number) {
            Err(e) if e.kind == ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let read = log::read_segment((folder, file, number), |payload| {
            let (table, rows) = frame::decode(payload)?;
            let bytes = bytes_of(&rows);
            recent.push(table, rows, bytes)
        });
        // What is not whole at its end is being written at this moment.
        match read {
            Ok(rest) if rest.is_damage => messages.push(format!(
                "segment {number} of the tables' log is damaged: what follows, {} bytes, was left out",
                rest.bytes
            )),
            Ok(_) => {}
            Err(e) => messages.push(format!("segment {number} of the tables' log cannot be read: {e}")),
        }
    }
    Ok(true)
}

/// Rows of one table as one Parquet file that any reader opens, with the columns of the table.
pub struct TableWriter<W: Write + Send> {
    rows: ArrowWriter<W>,
    schema: SchemaRef,
}

impl<W: Write + Send> TableWriter<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn new(out: W, table: Table) -> Result<TableWriter<W>> {
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(write::parquet_error)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let schema = table.schema();
        let rows =
            ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(write::parquet_error)?;
        Ok(TableWriter { rows, schema })
    }

    /// Adds rows with all columns of the table.
    ///
    /// # Errors
    /// `Unavailable` if they cannot be written, `Internal` if they are of another table.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = RecordBatch::try_new(self.schema.clone(), rows.columns().to_vec()).map_err(wrong)?;
        self.rows.write(&rows).map_err(write::parquet_error)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn finish(self) -> Result<W> {
        self.rows.into_inner().map_err(write::parquet_error)
    }
}
