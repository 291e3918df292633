//! A part of a capture while it is written: in a folder of its own beside the captures, that is renamed to what it is to
//! be when everything in it is durable. It must never be taken for a capture before that.

use super::columns::to_batch;
use super::manifest::{FileEntry, Manifest, Part, Sum};
use super::{PIN, UNFINISHED};
use crate::durable::{alone_in, sync_folder};
use crate::objects::io_error;
use crate::parquet_rows::RowsWriter;
use crate::tables::{Rows, Table};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use model::{Columns, SpanBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};

/// A part of a capture that is being written; several threads may write files of it. Dropping it removes them.
pub struct Draft {
    captures: PathBuf,
    temporary: PathBuf,
    id: String,
    part: Part,
    files: Mutex<Vec<FileEntry>>,
    is_finished: bool,
}

/// A file while it is written, with its checksum.
struct Out {
    file: BufWriter<File>,
    sum: Sum,
    bytes: u64,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.sum.add(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn writing(e: parquet::errors::ParquetError) -> Error {
    match e {
        parquet::errors::ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(e) => io_error(Path::new("a file of a capture"), *e),
            Err(source) => {
                Error::wrap(ErrorKind::Unavailable, "a file of a capture cannot be written", source)
            }
        },
        e => Error::wrap(ErrorKind::Unavailable, "a file of a capture cannot be written", e),
    }
}

fn properties() -> Result<WriterProperties> {
    // A capture is written while the machine is in trouble: little effort, and it is small all the same.
    let level = ZstdLevel::try_new(1).map_err(writing)?;
    Ok(WriterProperties::builder()
        .set_created_by("midwatch".into())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(1 << 18))
        .build())
}

impl Draft {
    pub(super) fn begin(captures: &Path, id: &str, part: Part) -> Result<Draft> {
        Ok(Draft {
            captures: captures.into(),
            temporary: begin(captures, id, part)?,
            id: id.into(),
            part,
            files: Mutex::default(),
            is_finished: false,
        })
    }

    fn create(&self, table: &str) -> Result<Out> {
        let path = self.temporary.join(self.part.file(table));
        let file = File::create_new(&path).map_err(|e| io_error(&path, e))?;
        Ok(Out { file: BufWriter::with_capacity(1 << 18, file), sum: Sum::new(), bytes: 0 })
    }

    fn end(&self, table: &str, rows: u64, out: Out) -> Result<()> {
        let name = self.part.file(table);
        let io = |e: std::io::Error| io_error(Path::new(&name), e);
        let file = out.file.into_inner().map_err(|e| io(e.into_error()))?;
        // Two threads write files of one part: the first sync of a file writes the folder too.
        alone_in(&self.temporary, || file.sync_all()).map_err(io)?;
        let entry = FileEntry { name, table: table.into(), rows, bytes: out.bytes, sha256: out.sum.finish() };
        self.files.lock().unwrap_or_else(|e| e.into_inner()).push(entry);
        Ok(())
    }

    /// Writes a class of the ring; no file if there is no row.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn columns(&self, table: &str, columns: &Columns) -> Result<()> {
        match columns.is_empty() {
            true => Ok(()),
            false => {
                let batch = to_batch(columns)?;
                self.batches(table, batch.schema(), std::iter::once(Ok(batch)))
            }
        }
    }

    /// Writes samples: `each` gives the series to a writer.
    ///
    /// # Errors
    /// Those of `each`; `Unavailable`.
    pub fn metrics(
        &self,
        each: impl FnOnce(&mut dyn FnMut(&model::SeriesData) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let mut writer = RowsWriter::new(self.create("metrics")?)?;
        each(&mut |series| writer.push(series))?;
        let rows = writer.rows();
        self.end("metrics", rows, writer.finish()?)
    }

    /// Writes rows of a table of the store, and spans that are in no table; at most so many rows. Says whether there were
    /// more.
    ///
    /// # Errors
    /// Those of reading; `Unavailable`.
    pub fn rows(&self, table: Table, rows: Rows, more: Option<&SpanBatch>, rows_max: usize) -> Result<bool> {
        let mut left = rows_max;
        let mut is_cut = false;
        let more = match more.filter(|m| !m.spans.is_empty()) {
            Some(spans) => Some(crate::tables::span_rows(spans)?),
            None => None,
        };
        let all = more.into_iter().map(Ok).chain(rows).map_while(|batch: Result<RecordBatch>| match batch {
            Ok(_) if left == 0 => {
                is_cut = true;
                None
            }
            Ok(batch) => {
                is_cut |= batch.num_rows() > left;
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                Some(Ok(batch))
            }
            Err(e) => Some(Err(e)),
        });
        self.batches(table.name(), table.schema(), all)?;
        Ok(is_cut)
    }

    fn batches(
        &self,
        table: &str,
        schema: SchemaRef,
        all: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<()> {
        let mut all = all.peekable();
        if all.peek().is_none() {
            return Ok(());
        }
        let mut writer =
            ArrowWriter::try_new(self.create(table)?, schema, Some(properties()?)).map_err(writing)?;
        let mut rows = 0;
        for batch in all {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(writing)?;
        }
        self.end(table, rows, writer.into_inner().map_err(writing)?)
    }

    /// Ends the part with its manifest, whose files are those that were written. When it returns, the part is durable and
    /// there; before, it is not.
    ///
    /// # Errors
    /// `Conflict` if it is there meanwhile; `Unavailable`.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<Manifest> {
        manifest.files = std::mem::take(&mut *self.files.lock().unwrap_or_else(|e| e.into_inner()));
        manifest.files.sort_by(|a, b| a.name.cmp(&b.name));
        let path = self.temporary.join(self.part.manifest());
        let bytes = manifest.encode()?;
        let write = || -> std::io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(|e| io_error(&path, e))?;
        publish(&self.captures, &self.temporary, &manifest)?;
        self.is_finished = true;
        Ok(manifest)
    }
}

/// An empty folder in which a part is put together.
pub(super) fn begin(captures: &Path, id: &str, part: Part) -> Result<PathBuf> {
    let temporary = captures.join(match part {
        Part::Before => format!(".{id}{UNFINISHED}"),
        Part::After => format!(".{id}.after{UNFINISHED}"),
    });
    match std::fs::remove_dir_all(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io_error(&temporary, e)),
        _ => {}
    }
    std::fs::create_dir_all(&temporary).map_err(|e| io_error(&temporary, e))?;
    Ok(temporary)
}

/// Gives a part that is whole and synced in its temporary folder the place where it is looked for.
pub(super) fn publish(captures: &Path, temporary: &Path, manifest: &Manifest) -> Result<()> {
    sync_folder(temporary)?;
    let place = captures.join(&manifest.id);
    match manifest.part {
        Part::Before => {
            if place.exists() {
                let text = format!("there is a capture {} already", manifest.id);
                return Err(Error::new(ErrorKind::Conflict, text));
            }
            rename(temporary, &place)?;
        }
        Part::After => {
            for file in &manifest.files {
                rename(&temporary.join(&file.name), &place.join(&file.name))?;
            }
            // What the manifest names is there before it.
            sync_folder(&place)?;
            let name = manifest.part.manifest();
            rename(&temporary.join(name), &place.join(name))?;
            sync_folder(&place)?;
            let _ = std::fs::remove_dir(temporary);
        }
    }
    sync_folder(captures)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|e| io_error(to, e))
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now is collected at the next start.
            let _ = std::fs::remove_dir_all(&self.temporary);
            debug_assert!(!self.id.ends_with(PIN));
        }
    }
}
