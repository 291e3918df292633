//! Reading rows of one table: what is asked for, and the rows as they come. Pieces that cannot have a wanted row are
//! skipped; pieces are read one at a time, those that come first in the wanted order first, so that whoever has enough
//! stops early. It must never hold more than a few pieces in memory, except for rows that wait for their turn.

use super::clauses::clauses;
use super::evaluate::select;
use super::file::{Opened, Plan, TableFile};
use super::order::Sorter;
use super::predicate::{Predicate, no_column, prepare};
use super::recent::Part;
use super::rows::wrong;
use super::{State, Table};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use std::collections::BTreeSet;
use std::sync::Arc;
use stdx::{ErrorKind, Result};

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

/// Granules that are read at once: where the order does not matter, and where it does.
const GRANULES_ANY: usize = 16;
const GRANULES_ORDERED: usize = 2;

/// A piece of the table that is read at once.
struct Piece {
    min_ns: i64,
    max_ns: i64,
    source: Source,
}

enum Source {
    Recent(RecordBatch),
    /// Granules of a file.
    File(Arc<TableFile>, Arc<Opened>, Vec<u32>),
}

/// The rows of a scan, batch by batch. Dropping it ends the scan.
pub struct Rows {
    plan: Arc<Plan>,
    schema: SchemaRef,
    /// Places of the wanted columns among those that are read.
    given: Vec<usize>,
    /// What comes first in the wanted order is at the end.
    pieces: Vec<Piece>,
    sorter: Option<Sorter>,
    /// How many rows are still wanted.
    wanted: usize,
    stats: ScanStats,
    read: BTreeSet<u64>,
    has_failed: bool,
}

impl Rows {
    pub(crate) fn new(scan: Scan, state: &State) -> Result<Rows> {
        let table = scan.table.schema();
        let predicates = prepare(scan.table, &scan.predicates)?;
        let wanted: BTreeSet<usize> = match &scan.columns {
            None => (0..table.fields().len()).collect(),
            Some(names) => names
                .iter()
                .map(|name| table.index_of(name).map_err(|_| no_column(scan.table, name)))
                .collect::<Result<_>>()?,
        };
        // `time`, by which rows are ordered, is the first.
        let columns: Vec<usize> =
            wanted.iter().copied().chain([0]).collect::<BTreeSet<_>>().into_iter().collect();
        let given: Vec<usize> = (0..columns.len()).filter(|i| wanted.contains(&columns[*i])).collect();
        let plan = Arc::new(Plan {
            table: scan.table,
            from_ns: scan.from_ns,
            to_ns: scan.to_ns,
            predicates,
            clauses: clauses(scan.table, &scan.predicates),
            schema: Arc::new(table.project(&columns).map_err(wrong)?),
            columns,
        });
        let mut rows = Rows {
            schema: Arc::new(plan.schema.project(&given).map_err(wrong)?),
            plan,
            given,
            pieces: Vec::new(),
            sorter: None,
            wanted: scan.limit.unwrap_or(usize::MAX),
            stats: ScanStats::default(),
            read: BTreeSet::new(),
            has_failed: false,
        };
        let at_once = if scan.order == Order::Any { GRANULES_ANY } else { GRANULES_ORDERED };
        for file in state.files.iter().filter(|f| f.table == scan.table) {
            rows.plan_file(file, at_once)?;
        }
        let is_wanted = |p: &Part| p.max_ns >= scan.from_ns && p.min_ns <= scan.to_ns;
        for part in state.recent.iter().flat_map(|r| r.parts(scan.table)).filter(is_wanted) {
            let source = Source::Recent(part.rows);
            rows.pieces.push(Piece { min_ns: part.min_ns, max_ns: part.max_ns, source });
        }
        match scan.order {
            Order::Any => {}
            Order::NewestFirst => {
                rows.pieces.sort_by_key(|p| p.max_ns);
                rows.sorter = Some(Sorter::new(true));
            }
            Order::OldestFirst => {
                rows.pieces.sort_by_key(|p| !p.min_ns);
                rows.sorter = Some(Sorter::new(false));
            }
        }
        Ok(rows)
    }

    /// Adds the pieces of a file that may have wanted rows.
    fn plan_file(&mut self, file: &Arc<TableFile>, at_once: usize) -> Result<()> {
        let entry = &file.entry;
        if entry.last_ns < self.plan.from_ns || entry.first_ns > self.plan.to_ns {
            self.stats.files_skipped += 1;
            return Ok(());
        }
        if let Some(damage) = file.damage() {
            self.stats.damaged.push(damage.into());
            return Ok(());
        }
        let planned = file.open().and_then(|opened| {
            let before = opened.bytes_read();
            let granules = opened.candidates(&self.plan)?;
            self.stats.bytes_read += opened.bytes_read() - before;
            Ok((opened, granules))
        });
        let Some((opened, granules)) = self.unless_damaged(file, planned)? else { return Ok(()) };
        self.stats.files_skipped += u64::from(granules.is_empty());
        if !granules.is_empty() {
            self.stats.parts_skipped += (opened.header.granules.len() - granules.len()) as u64;
        }
        for granules in opened.pieces(&granules, at_once) {
            let (min_ns, max_ns) = opened.range_ns(&granules);
            let source = Source::File(file.clone(), opened.clone(), granules);
            self.pieces.push(Piece { min_ns, max_ns, source });
        }
        Ok(())
    }

    /// What is damaged, or cannot be read now, is left out and told; a limit is an error.
    fn unless_damaged<T>(&mut self, file: &TableFile, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(e) if !matches!(e.kind, ErrorKind::TooLarge | ErrorKind::Cancelled | ErrorKind::Invalid) => {
                file.note(&e);
                self.stats.damaged.push(e.to_string());
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What was read so far.
    pub fn stats(&self) -> &ScanStats {
        &self.stats
    }

    /// The rows of a piece that are wanted, with the columns that are given and `time`.
    fn read(&mut self, piece: Piece) -> Result<RecordBatch> {
        match piece.source {
            Source::Recent(rows) => {
                self.stats.rows_read += rows.num_rows() as u64;
                let plan = &self.plan;
                let chosen = select(plan.table, &rows, plan.from_ns, plan.to_ns, &plan.predicates);
                let rows = rows.project(&plan.columns).map_err(wrong)?;
                filter_record_batch(&rows, &chosen).map_err(wrong)
            }
            Source::File(file, opened, granules) => {
                let before = opened.bytes_read();
                let read = opened.read(&file.entry.paths()[0], &self.plan, &granules);
                let rows = self.unless_damaged(&file, read)?;
                self.stats.rows_read += opened.rows(&granules);
                self.stats.parts_read += granules.len() as u64;
                self.stats.bytes_read += opened.bytes_read() - before;
                self.read.insert(file.entry.id);
                self.stats.files_read = self.read.len() as u64;
                Ok(rows.unwrap_or_else(|| RecordBatch::new_empty(self.plan.schema.clone())))
            }
        }
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
        rows.project(&self.given).map_err(wrong)
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
