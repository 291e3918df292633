//! One block, read from its first series to its last, a row group at a time. It must never end at a damaged chunk, nor
//! give one.

use crate::block::Block;
use crate::block_write::RowsChecksum;
use crate::chunk::{Chunk, Summary};
use crate::head::Piece;
use crate::parquet_io as pq;
use bytes::Bytes;
use model::Labels;
use std::collections::VecDeque;
use std::sync::Arc;
use stdx::Result;

pub(super) struct BlockStream<'a> {
    block: &'a Arc<Block>,
    range_ms: (i64, i64),
    /// The series that is taken next; `None` at the end.
    pub labels: Option<Labels>,
    number: u32,
    series: pq::SeriesReader,
    names: VecDeque<Labels>,
    file: pq::Metadata,
    group: Group,
    next_group: usize,
    damaged: u64,
    sum: RowsChecksum,
    /// Some rows could not be read at all, which was told.
    is_partial: bool,
}

/// One row group: its rows, and their samples once somebody wants one of them.
#[derive(Default)]
struct Group {
    /// Number of its first row in the file.
    first: u32,
    columns: pq::Summaries,
    at: usize,
    payloads: Option<Vec<(Bytes, Bytes)>>,
    /// Its pages cannot be read together: row by row.
    is_damaged: bool,
}

impl Group {
    fn rows(&self) -> usize {
        self.columns.series.len()
    }
}

impl<'a> BlockStream<'a> {
    /// Begins with the first series. `None` if the block cannot be read, which is told.
    pub fn new(
        block: &'a Arc<Block>,
        start_ms: i64,
        end_ms: i64,
        problems: &mut Vec<String>,
    ) -> Option<BlockStream<'a>> {
        let begin = || -> Result<BlockStream<'a>> {
            let (objects, path) = block.chunks_file();
            let mut stream = BlockStream {
                block,
                range_ms: (start_ms, end_ms),
                labels: None,
                number: 0,
                series: block.read_series()?,
                names: VecDeque::new(),
                file: pq::Metadata::read(objects, &path, block.entry.chunks_bytes)?,
                group: Group::default(),
                next_group: 0,
                damaged: 0,
                sum: RowsChecksum::default(),
                is_partial: false,
            };
            stream.labels = stream.next_name()?;
            Ok(stream)
        };
        begin().map_err(|e| problems.push(format!("block {} was left out: {e}", block.entry.id))).ok()
    }

    fn next_name(&mut self) -> Result<Option<Labels>> {
        while self.names.is_empty() {
            match self.series.group()? {
                Some(names) => self.names = names.into(),
                None => return Ok(None),
            }
        }
        Ok(self.names.pop_front())
    }

    /// Goes on to the next series.
    pub fn skip(&mut self, problems: &mut Vec<String>) {
        self.number += 1;
        self.labels = self.next_name().unwrap_or_else(|e| {
            problems.push(format!("the rest of block {} was left out: {e}", self.block.entry.id));
            self.is_partial = true;
            None
        });
    }

    /// Adds what the present series has in the range, if that is wanted, and goes on to the next.
    pub fn take(&mut self, is_wanted: bool, pieces: &mut Vec<Piece>, problems: &mut Vec<String>) {
        loop {
            if self.group.at >= self.group.rows() && !self.read_group(problems) {
                break;
            }
            let row = self.group.at;
            let series = self.group.columns.series[row] as u32;
            if series > self.number {
                break;
            }
            self.group.at += 1;
            let Ok(summary) = self.group.columns.summary(row) else {
                self.damaged += 1;
                continue;
            };
            self.sum.row(&summary, self.group.columns.checksum[row] as u32);
            let overlaps = summary.first_ms <= self.range_ms.1 && summary.last_ms >= self.range_ms.0;
            if series == self.number && is_wanted && overlaps {
                match self.chunk(row, summary) {
                    Some(chunk) => pieces.push(Piece::Sealed(chunk)),
                    None => self.damaged += 1,
                }
            }
        }
        self.sum.end_series();
        self.skip(problems);
    }

    /// Reads the rows of the next row group that can be read; false at the end.
    fn read_group(&mut self, problems: &mut Vec<String>) -> bool {
        let (objects, path) = self.block.chunks_file();
        while self.next_group < self.file.groups() {
            let first = self.group.first + self.group.rows() as u32;
            let mut group = Group { first, ..Group::default() };
            let read = pq::read_summaries(objects, &path, &self.file, self.next_group, &mut group.columns);
            self.next_group += 1;
            match read {
                Ok(()) => {
                    self.group = group;
                    return true;
                }
                Err(e) => {
                    self.is_partial = true;
                    let rows = self.file.rows(self.next_group - 1);
                    problems.push(format!("{path}: {rows} chunks were left out: {e}"));
                    self.group = Group { first: first + rows as u32, ..Group::default() };
                }
            }
        }
        false
    }

    /// The chunk of a row of the present row group; `None` if it is damaged.
    fn chunk(&mut self, row: usize, summary: Summary) -> Option<Chunk> {
        let (timestamps, values) = self.payload(row)?;
        let chunk = Chunk { summary, timestamps, values };
        let columns = &self.group.columns;
        (chunk.checksum(columns.series[row] as u32) == columns.checksum[row] as u32).then_some(chunk)
    }

    fn payload(&mut self, row: usize) -> Option<(Bytes, Bytes)> {
        let (objects, path) = self.block.chunks_file();
        let group = &mut self.group;
        if group.payloads.is_none() && !group.is_damaged {
            let read = pq::read_group_payloads(objects, &path, &self.file, self.next_group - 1);
            group.is_damaged = read.is_err();
            group.payloads = read.ok();
        }
        if let Some(payloads) = &group.payloads {
            return payloads.get(row).cloned();
        }
        let mut found = None;
        let wanted = [group.first + row as u32];
        let read = pq::read_payloads(objects, &path, &self.file, &wanted, |_, t, v| found = Some((t, v)));
        read.ok().and(found)
    }

    /// Tells how many chunks were left out.
    pub fn end(self, problems: &mut Vec<String>) {
        let (_, path) = self.block.chunks_file();
        let wanted = self.block.entry.rows_crc32;
        let sum = self.sum.finish();
        if self.damaged > 0 {
            problems.push(format!("{path}: {} damaged chunks were left out", self.damaged));
        } else if !self.is_partial && wanted.is_some_and(|crc32| crc32 != sum) {
            problems.push(format!("{path}: the checksum of its rows is wrong; samples may be missing"));
        }
    }
}
