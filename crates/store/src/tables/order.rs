//! Puts rows that come in pieces into the order of their times, holding back what something unread may still precede.
//! It must never hold more than it is allowed to: it fails instead, in words.

use super::recent::{bytes_of, times};
use super::rows::wrong;
use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;
use std::collections::HashMap;
use stdx::{Error, ErrorKind, Result};

/// Memory that rows may take that wait for their turn, bytes.
const HELD_BYTES_MAX: usize = 512 << 20;
/// Rows that were held are copied together when they take so much, bytes, and most of it is not wanted any more.
const COMPACT_BYTES: usize = 64 << 20;

/// One row that waits: its key, by which the greatest goes first, and where it lies.
type Waiting = (i64, u32, u32);

fn key(is_newest_first: bool, time_ns: i64) -> i64 {
    if is_newest_first { time_ns } else { !time_ns }
}

/// Rows that wait for their turn.
pub struct Sorter {
    is_newest_first: bool,
    batches: Vec<RecordBatch>,
    bytes: usize,
    rows: Vec<Waiting>,
    is_sorted: bool,
}

impl Sorter {
    pub fn new(is_newest_first: bool) -> Sorter {
        Sorter { is_newest_first, batches: Vec::new(), bytes: 0, rows: Vec::new(), is_sorted: true }
    }

    /// What the order goes by: the greatest first.
    pub fn key(&self, time_ns: i64) -> i64 {
        key(self.is_newest_first, time_ns)
    }

    /// Adds rows; `limit` says how many are still wanted at all.
    ///
    /// # Errors
    /// `TooLarge` if too much waits.
    pub fn push(&mut self, batch: RecordBatch, limit: usize) -> Result<()> {
        let number = self.batches.len() as u32;
        let is_newest_first = self.is_newest_first;
        let keys = times(&batch).iter().enumerate();
        let keys = keys.map(|(i, t)| (key(is_newest_first, *t), number, i as u32));
        self.rows.extend(keys);
        self.bytes += bytes_of(&batch);
        self.batches.push(batch);
        self.is_sorted = false;
        if self.rows.len() > limit {
            self.sort();
            self.rows.drain(..self.rows.len() - limit);
        }
        if self.bytes > COMPACT_BYTES {
            self.compact()?;
        }
        if self.bytes > HELD_BYTES_MAX {
            let text = "rows in the order of time take too much memory here; ask for fewer, for a shorter time, or in any order";
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(())
    }

    fn sort(&mut self) {
        if !self.is_sorted {
            self.rows.sort_unstable();
            self.is_sorted = true;
        }
    }

    /// How many wait whose key is at least `bound`, up to `enough`.
    pub fn ready(&mut self, bound: Option<i64>, enough: usize) -> usize {
        self.sort();
        let is_ready = |w: &&Waiting| bound.is_none_or(|b| w.0 >= b);
        self.rows.iter().rev().take(enough).take_while(is_ready).count()
    }

    /// Takes the next rows, at most `max`, of those whose key is at least `bound`. `None` if there are none.
    ///
    /// # Errors
    /// `Internal`.
    pub fn take(&mut self, bound: Option<i64>, max: usize) -> Result<Option<RecordBatch>> {
        let n = self.ready(bound, max);
        if n == 0 {
            return Ok(None);
        }
        let rows = self.rows.split_off(self.rows.len() - n);
        let taken = self.gather(rows.iter().rev())?;
        if self.rows.is_empty() {
            (self.batches, self.bytes) = (Vec::new(), 0);
        }
        Ok(Some(taken))
    }

    /// Copies rows together, in this order.
    fn gather<'a>(&self, rows: impl Iterator<Item = &'a Waiting>) -> Result<RecordBatch> {
        let mut used: HashMap<u32, usize> = HashMap::new();
        let mut batches = Vec::new();
        let places: Vec<(usize, usize)> = rows
            .map(|(_, batch, row)| {
                let at = *used.entry(*batch).or_insert_with(|| {
                    batches.push(&self.batches[*batch as usize]);
                    batches.len() - 1
                });
                (at, *row as usize)
            })
            .collect();
        interleave_record_batch(&batches, &places).map_err(wrong)
    }

    fn compact(&mut self) -> Result<()> {
        let held: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        if self.rows.is_empty() || self.rows.len() * 2 > held {
            return Ok(());
        }
        let together = self.gather(self.rows.iter())?;
        self.rows.iter_mut().enumerate().for_each(|(i, w)| (w.1, w.2) = (0, i as u32));
        self.bytes = bytes_of(&together);
        self.batches = vec![together];
        Ok(())
    }
}
