//! Reading rows of one table: what is asked for, and the rows as they come. Pieces that cannot have a wanted row are
//! skipped; pieces are read one at a time, those that come first in the wanted order first, so that whoever has enough
//! stops early. It must never hold more than a few pieces in memory, except for rows that wait for their turn.

use super::evaluate::select;
use super::order::Sorter;
use super::predicate::{Predicate, Prepared, no_column, prepare};
use super::recent::Part;
use super::rows::wrong;
use super::{State, Table};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use std::sync::Arc;
use stdx::Result;

/// In which order rows come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By time, the newest first.
    NewestFirst,
    /// By time, the oldest first.
    OldestFirst,
    /// As it is quickest.
    #[default]
    Any,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Of which table.
    pub table: Table,
    /// Time of the first row that is wanted, nanoseconds since 1970.
    pub from_ns: i64,
    /// Time of the last.
    pub to_ns: i64,
    /// All of these hold.
    pub predicates: Vec<Predicate>,
    /// Columns that are wanted, in the order of the table; `None`: all.
    pub columns: Option<Vec<String>>,
    /// In which order.
    pub order: Order,
    /// How many rows at the most.
    pub limit: Option<usize>,
}

impl Scan {
    /// Everything of a table, in any order.
    pub fn new(table: Table) -> Scan {
        Scan {
            table,
            from_ns: i64::MIN,
            to_ns: i64::MAX,
            predicates: Vec::new(),
            columns: None,
            order: Order::Any,
            limit: None,
        }
    }
}

/// What a scan has read so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Files that something was read of.
    pub files_read: u64,
    /// Files that cannot have a wanted row.
    pub files_skipped: u64,
    /// Parts of files, of some thousand rows each, that were read.
    pub parts_read: u64,
    /// Those of files that were not skipped, that cannot have a wanted row.
    pub parts_skipped: u64,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Rows that were given.
    pub rows_given: u64,
    /// Bytes that were read from files.
    pub bytes_read: u64,
    /// What could not be read, in words: rows may be missing, and the answer is partial.
    pub damaged: Vec<String>,
}

impl ScanStats {
    /// Whether rows may be missing because something is damaged.
    pub fn is_partial(&self) -> bool {
        !self.damaged.is_empty()
    }
}

/// Rows in one batch of an answer at the most.
const BATCH_ROWS: usize = 8192;

/// A piece of the table that is read at once.
struct Piece {
    min_ns: i64,
    max_ns: i64,
    rows: RecordBatch,
}

/// The rows of a scan, batch by batch. Dropping it ends the scan.
pub struct Rows {
    table: Table,
    from_ns: i64,
    to_ns: i64,
    predicates: Vec<Prepared>,
    schema: SchemaRef,
    /// Indices of the wanted columns in the table's schema.
    columns: Vec<usize>,
    /// What comes first in the wanted order is at the end.
    pieces: Vec<Piece>,
    sorter: Option<Sorter>,
    /// How many rows are still wanted.
    wanted: usize,
    stats: ScanStats,
    has_failed: bool,
}

impl Rows {
    pub(crate) fn new(scan: Scan, state: &State) -> Result<Rows> {
        let schema = scan.table.schema();
        let predicates = prepare(scan.table, &scan.predicates)?;
        let columns = match &scan.columns {
            None => (0..schema.fields().len()).collect(),
            Some(names) => {
                let mut columns = Vec::new();
                for name in names {
                    columns.push(schema.index_of(name).map_err(|_| no_column(scan.table, name))?);
                }
                columns.sort_unstable();
                columns.dedup();
                columns
            }
        };
        let recent = state.recent.iter().flat_map(|r| r.parts(scan.table));
        let is_wanted = |p: &Part| p.max_ns >= scan.from_ns && p.min_ns <= scan.to_ns;
        let mut pieces: Vec<Piece> = recent
            .filter(is_wanted)
            .map(|p| Piece { min_ns: p.min_ns, max_ns: p.max_ns, rows: p.rows })
            .collect();
        let sorter = match scan.order {
            Order::Any => {
                pieces.reverse();
                None
            }
            Order::NewestFirst => {
                pieces.sort_by_key(|p| p.max_ns);
                Some(Sorter::new(true))
            }
            Order::OldestFirst => {
                pieces.sort_by_key(|p| !p.min_ns);
                Some(Sorter::new(false))
            }
        };
        Ok(Rows {
            table: scan.table,
            from_ns: scan.from_ns,
            to_ns: scan.to_ns,
            predicates,
            schema: Arc::new(schema.project(&columns).map_err(wrong)?),
            columns,
            pieces,
            sorter,
            wanted: scan.limit.unwrap_or(usize::MAX),
            stats: ScanStats::default(),
            has_failed: false,
        })
    }

    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What was read so far.
    pub fn stats(&self) -> &ScanStats {
        &self.stats
    }

    /// Reads the next piece: the rows of it that are wanted, all columns.
    fn read(&mut self, piece: Piece) -> Result<RecordBatch> {
        self.stats.rows_read += piece.rows.num_rows() as u64;
        let chosen = select(self.table, &piece.rows, self.from_ns, self.to_ns, &self.predicates);
        filter_record_batch(&piece.rows, &chosen).map_err(wrong)
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while self.wanted > 0 {
            let Some(sorter) = &mut self.sorter else {
                let Some(piece) = self.pieces.pop() else { return Ok(None) };
                let rows = self.read(piece)?;
                if rows.num_rows() > 0 {
                    return self.give(rows).map(Some);
                }
                continue;
            };
            // Nothing that is unread can come before this.
            let first = |p: &Piece| sorter.key(if sorter.key(1) == 1 { p.max_ns } else { p.min_ns });
            let bound = self.pieces.last().map(first);
            let wanted = self.wanted.min(BATCH_ROWS);
            // A few rows are not given before there are many, as long as there is something to read.
            let ready = sorter.ready(bound, wanted);
            if ready == wanted || bound.is_none() {
                return match sorter.take(bound, wanted)? {
                    Some(rows) => self.give(rows).map(Some),
                    None => Ok(None),
                };
            }
            if let Some(piece) = self.pieces.pop() {
                let rows = self.read(piece)?;
                if let Some(sorter) = self.sorter.as_mut().filter(|_| rows.num_rows() > 0) {
                    sorter.push(rows, self.wanted)?;
                }
            }
        }
        Ok(None)
    }

    /// Cuts to what is wanted.
    fn give(&mut self, rows: RecordBatch) -> Result<RecordBatch> {
        let rows = if rows.num_rows() > self.wanted { rows.slice(0, self.wanted) } else { rows };
        self.wanted -= rows.num_rows();
        self.stats.rows_given += rows.num_rows() as u64;
        rows.project(&self.columns).map_err(wrong)
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.advance().transpose();
        self.has_failed = matches!(next, Some(Err(_)));
        next
    }
}
