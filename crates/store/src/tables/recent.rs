//! Rows that are in no file yet: for each table a few record batches. Small ones become larger ones as they come, so that
//! a reader has little to go through. One thread writes; readers take what is there. It must never lose a row between
//! two batches that become one.

use super::Table;
use super::rows::wrong;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use stdx::Result;

/// Batches are joined up to this size, bytes.
const JOINED_BYTES_MAX: usize = 4 << 20;

/// Rows and what is known of them.
#[derive(Clone)]
pub struct Part {
    pub rows: RecordBatch,
    pub bytes: usize,
    /// Time of the first and the last, nanoseconds since 1970.
    pub min_ns: i64,
    pub max_ns: i64,
}

/// The recent rows of all tables since the last cut.
#[derive(Default)]
pub struct Recent {
    parts: [RwLock<Vec<Part>>; 3],
    bytes: AtomicUsize,
    rows: AtomicU64,
}

/// Memory that rows take.
pub fn bytes_of(rows: &RecordBatch) -> usize {
    rows.get_array_memory_size()
}

/// The times of rows.
pub fn times(rows: &RecordBatch) -> &[i64] {
    rows.column_by_name("time")
        .and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>())
        .map_or(&[], |c| c.values())
}

impl Part {
    pub fn new(rows: RecordBatch, bytes: usize) -> Part {
        let times = times(&rows);
        let min_ns = times.iter().copied().min().unwrap_or(i64::MAX);
        let max_ns = times.iter().copied().max().unwrap_or(i64::MIN);
        Part { rows, bytes, min_ns, max_ns }
    }
}

impl Recent {
    /// Adds rows. Called by one thread only.
    ///
    /// # Errors
    /// `Internal`; the rows are there all the same.
    pub fn push(&self, table: Table, rows: RecordBatch, bytes: usize) -> Result<()> {
        self.rows.fetch_add(rows.num_rows() as u64, Relaxed);
        let parts = &self.parts[table as usize];
        let write = || parts.write().unwrap_or_else(|e| e.into_inner());
        write().push(Part::new(rows, bytes));
        self.bytes.fetch_add(bytes, Relaxed);
        loop {
            // Nobody else changes it, so that joining needs no lock.
            let last = {
                let parts = parts.read().unwrap_or_else(|e| e.into_inner());
                match parts.as_slice() {
                    [.., a, b] if a.bytes <= 2 * b.bytes && a.bytes + b.bytes <= JOINED_BYTES_MAX => {
                        [a.clone(), b.clone()]
                    }
                    _ => return Ok(()),
                }
            };
            let joined = arrow_select::concat::concat_batches(&table.schema(), last.iter().map(|p| &p.rows))
                .map_err(wrong)?;
            let joined = Part::new(joined.clone(), bytes_of(&joined));
            self.bytes.fetch_add(joined.bytes, Relaxed);
            self.bytes.fetch_sub(last[0].bytes + last[1].bytes, Relaxed);
            let mut parts = write();
            parts.pop();
            parts.pop();
            parts.push(joined);
        }
    }

    /// What is there of a table now.
    pub fn parts(&self, table: Table) -> Vec<Part> {
        self.parts[table as usize].read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Memory taken, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }
}
