//! The one writer of the tables: takes batches from a bounded queue, writes them to the log as a group, makes the group
//! durable with one sync, shows the rows to readers, and only then acknowledges. It must never show or acknowledge what
//! the log has not taken.

use super::log::Log;
use super::pending::{Kept, Reply};
use super::recent::Recent;
use super::{Shared, Table};
use arrow_array::RecordBatch;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use stdx::Error;

/// What the writer is asked to do.
pub(crate) enum Command {
    Append(Append),
    /// Start anew; the answer is what was there, and the first segment of the log that is not in it.
    Cut(tokio::sync::oneshot::Sender<(Arc<Recent>, u64)>),
}

/// A batch for the writer.
pub(crate) struct Append {
    pub table: Table,
    pub rows: RecordBatch,
    /// Memory that the rows take.
    pub bytes: usize,
    /// As it goes into the log.
    pub frame: Vec<u8>,
    /// What it takes while it waits.
    pub weight: usize,
    pub reply: Reply,
}

/// Bytes written under one sync at the most, unless one batch alone is larger.
const GROUP_BYTES: usize = 16 << 20;

pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub log: Log,
}

impl Writer {
    pub fn run(mut self, commands: Receiver<Command>) {
        while let Ok(first) = commands.recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(command) = next.take() {
                match command {
                    Command::Append(append) => self.take(append, &mut group),
                    Command::Cut(reply) => {
                        self.commit(&mut group);
                        let _ = reply.send(self.cut());
                    }
                }
                if self.log.pending_bytes() < GROUP_BYTES {
                    next = commands.try_recv().ok();
                }
            }
            self.commit(&mut group);
        }
    }

    fn take(&mut self, mut append: Append, group: &mut Vec<Append>) {
        self.shared.stats.queued_bytes.fetch_sub(append.weight, Relaxed);
        match self.log.open_segment() {
            Ok(()) => {
                self.log.add(&append.frame);
                append.frame = Vec::new();
                group.push(append);
            }
            Err(e) => {
                self.shared.stats.log_failed(&e);
                append.reply.send(Err(e));
            }
        }
    }

    /// Makes the group durable, shows it, and answers.
    fn commit(&mut self, group: &mut Vec<Append>) {
        if group.is_empty() {
            return;
        }
        let mut group = std::mem::take(group);
        let stats = &self.shared.stats;
        if super::acknowledges_first() {
            for append in &mut group {
                let (unused, _) = super::pending::channel();
                let rows = append.rows.num_rows() as u64;
                std::mem::replace(&mut append.reply, unused).send(Ok(Kept { rows }));
            }
        }
        match self.log.flush() {
            Ok(bytes) => {
                stats.log_written(bytes);
                let recent = self.shared.active();
                for Append { table, rows, bytes, reply, .. } in group {
                    let count = rows.num_rows() as u64;
                    if recent.push(table, rows, bytes).is_err() {
                        stats.internal_errors.inc();
                    }
                    stats.rows[table as usize].add(count as f64);
                    reply.send(Ok(Kept { rows: count }));
                }
            }
            Err(e) => {
                stats.log_failed(&e);
                for append in group {
                    append.reply.send(Err(Error::new(e.kind, e.to_string())));
                }
            }
        }
    }

    fn cut(&mut self) -> (Arc<Recent>, u64) {
        let floor = self.log.rotate();
        (self.shared.push_recent(), floor)
    }
}
