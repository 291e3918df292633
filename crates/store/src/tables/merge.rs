//! Makes one file of several of a table: rows of all in order of service and time. Rows stream through, some thousand of
//! each file at a time. It must never drop a row, nor go on past a damaged one.

use super::file::{Opened, Plan, TableFile};
use super::header::{FileEntry, Made};
use super::promote::{Counts, choose};
use super::recent::times;
use super::schema::Table;
use super::write::FileWriter;
use crate::objects::Objects;
use crate::work::Running;
use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use std::collections::VecDeque;
use std::sync::Arc;
use stdx::{Error, Result};

/// Why a merge did not come to its end.
pub enum Failed {
    /// This file cannot be read.
    Unreadable(u64, Error),
    /// The new one cannot be written.
    Writing(Error),
}

/// Granules that are read of a file at once.
const AT_ONCE: usize = 1;

/// One of the files.
struct Cursor {
    file: Arc<TableFile>,
    opened: Arc<Opened>,
    granules: VecDeque<Vec<u32>>,
    rows: RecordBatch,
    at: usize,
}

impl Cursor {
    fn new(file: &Arc<TableFile>, plan: &Arc<Plan>) -> Result<Cursor> {
        let opened = file.open()?;
        let all: Vec<u32> = (0..opened.header.granules.len() as u32).collect();
        let granules = opened.pieces(&all, AT_ONCE).into();
        let rows = RecordBatch::new_empty(plan.schema.clone());
        let mut cursor = Cursor { file: file.clone(), opened, granules, rows, at: 0 };
        cursor.fill(plan)?;
        Ok(cursor)
    }

    /// Reads on if what was read is used up.
    fn fill(&mut self, plan: &Arc<Plan>) -> Result<()> {
        while self.at >= self.rows.num_rows()
            && let Some(granules) = self.granules.pop_front()
        {
            self.rows = self.opened.read(&self.file.entry.paths()[0], plan, &granules)?;
            self.at = 0;
        }
        Ok(())
    }

    fn services(&self) -> Option<&StringArray> {
        self.rows.column_by_name("service")?.as_string_opt()
    }

    /// What the order goes by, of a row.
    fn key(&self, row: usize) -> Option<(&str, i64)> {
        let time_ns = *times(&self.rows).get(row)?;
        Some((self.services().map_or("", |s| s.value(row)), time_ns))
    }

    /// The first row that comes after `bound`.
    fn end(&self, bound: (&str, i64)) -> usize {
        let (mut low, mut high) = (self.at, self.rows.num_rows());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle).is_some_and(|key| key <= bound) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Merges files, which are given in the order of their numbers.
///
/// # Errors
/// See [`Failed`].
pub fn merge(
    objects: &Objects,
    table: Table,
    id: u64,
    files: &[Arc<TableFile>],
    running: &Running,
) -> Result<Option<FileEntry>, Failed> {
    let schema = table.schema();
    let plan = Arc::new(Plan {
        table,
        from_ns: i64::MIN,
        to_ns: i64::MAX,
        predicates: Vec::new(),
        clauses: Vec::new(),
        columns: (0..schema.fields().len()).collect(),
        schema,
    });
    let mut counts = Counts::default();
    let mut cursors = Vec::new();
    for file in files {
        let unreadable = |e| Failed::Unreadable(file.entry.id, e);
        let cursor = Cursor::new(file, &plan).map_err(unreadable)?;
        for promoted in &cursor.opened.header.promoted {
            for (map, prefix) in super::evaluate::PROMOTED.iter().enumerate() {
                if let Some(name) = promoted.name.strip_prefix(prefix) {
                    *counts[map].entry(name.to_string()).or_default() += promoted.rows;
                }
            }
        }
        cursors.push(cursor);
    }
    let rows: u64 = files.iter().map(|f| f.entry.rows).sum();
    let mut out = FileWriter::new(objects, table, id, choose(&counts, rows)).map_err(Failed::Writing)?;
    let mut done = 0u64;
    while let Some(first) = (0..cursors.len())
        .filter(|i| cursors[*i].at < cursors[*i].rows.num_rows())
        .min_by_key(|i| (cursors[*i].key(cursors[*i].at), *i))
    {
        let others = (0..cursors.len()).filter(|i| *i != first).filter_map(|i| cursors[i].key(cursors[i].at));
        let cursor = &cursors[first];
        let end = others.min().map_or(cursor.rows.num_rows(), |bound| cursor.end(bound).max(cursor.at + 1));
        out.push(&cursor.rows.slice(cursor.at, end - cursor.at)).map_err(Failed::Writing)?;
        done += (end - cursor.at) as u64;
        let cursor = &mut cursors[first];
        cursor.at = end;
        cursor.fill(&plan).map_err(|e| Failed::Unreadable(files[first].entry.id, e))?;
        if done > super::write::GRANULE_ROWS as u64 * 4 {
            let bytes: u64 = files.iter().map(|f| f.entry.size()).sum();
            running.add(bytes * std::mem::take(&mut done) / rows.max(1));
        }
    }
    let made = Made {
        level: files.iter().map(|f| f.entry.level).max().unwrap_or(0) + 1,
        written_ms: files.iter().map(|f| f.entry.written_ms).max().unwrap_or(0),
        sources: files.iter().map(|f| f.entry.id).collect(),
        ..Made::default()
    };
    out.finish(made).map_err(Failed::Writing)
}
