//! Tables: log records, spans and changes, beside the metrics. The way of a batch is that of samples:
//! [`Tables::append_logs`] → log (one fsync for a group) → recent rows in memory → acknowledgement; later they become
//! Parquet files that the manifest names. Rows are Arrow record batches everywhere behind the log, of the schema of
//! their table ([`Table::schema`]). It must never acknowledge what is not durable, never give a row twice or a row that
//! a damaged byte made, and knows nothing of protocols.

mod ask;
mod back;
mod checked;
mod clauses;
mod evaluate;
mod file;
mod frame;
pub(crate) mod header;
mod index;
pub(crate) mod list;
pub(crate) mod log;
mod merge;
mod order;
mod pending;
mod predicate;
mod promote;
mod read_only;
mod recent;
mod recovery;
mod rows;
mod scan;
mod schema;
mod settings;
mod stats;
#[cfg(test)]
mod tests;
mod thin;
mod upkeep;
mod verify;
mod words;
mod write;
mod writer;

pub(crate) use verify::check;

pub(crate) use back::entries as map_entries;
pub(crate) use rows::spans as span_rows;

pub use ask::{Field, Fields, Found, Histogram};
pub use back::{to_changes, to_log_batch, to_spans};
pub use pending::{Kept, Pending};
pub use predicate::{AttributeTest, Predicate};
pub use read_only::{ReadOnlyTables, TableWriter};
pub use scan::{Order, Rows, Scan, ScanStats};
pub use schema::Table;
pub use settings::Settings;
pub use stats::{Status, TableStatus};
pub use thin::Thin;

use crate::objects::Objects;
use crate::planted::{self, Bug};
use arrow_array::RecordBatch;
use file::TableFile;
use list::List;
use model::{Change, LogBatch, SpanBatch};
use recent::Recent;
use stats::Stats;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::JoinHandle;
use stdx::metrics::Registry;
use stdx::{Error, ErrorKind, Result};
use writer::{Append, Command, Writer};

/// The tables of a store. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tables(Arc<Inner>);

/// What several threads look at.
pub(crate) struct Shared {
    pub state: RwLock<State>,
    pub stats: Stats,
    pub settings: Settings,
    /// Which spans are not worth a file.
    pub thin: OnceLock<Thin>,
}

impl Shared {
    /// The rows that take appends.
    pub fn active(&self) -> Arc<Recent> {
        let state = self.state.read().unwrap_or_else(|e| e.into_inner());
        state.recent.last().cloned().unwrap_or_default()
    }

    /// Begins with no recent rows, and returns those that took appends until now.
    pub fn push_recent(&self) -> Arc<Recent> {
        let mut state = self.state.write().unwrap_or_else(|e| e.into_inner());
        let before = state.recent.last().cloned().unwrap_or_default();
        state.recent.push(Arc::default());
        before
    }
}

/// What readers see. A view is a clone of it.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// Rows that are in no file yet: cut ones first, then those that take appends.
    pub recent: Vec<Arc<Recent>>,
    pub files: Arc<Vec<Arc<TableFile>>>,
}

struct Inner {
    shared: Arc<Shared>,
    commands: Mutex<Option<SyncSender<Command>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    messages: Vec<String>,
    log_folder: PathBuf,
    /// The name of the log in the manifest.
    log_name: String,
    upkeep: Mutex<upkeep::Upkeep>,
    /// One merge at a time.
    merging: Mutex<()>,
}

/// A batch above this is refused, in bytes as it waits.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

impl Tables {
    /// Opens the tables of a manifest, whose log lies in the folder of the data, and reads it. Says whether what the log
    /// gave back is durable.
    pub(crate) fn open(
        (objects, list, log): (&Objects, &List, Option<&str>),
        folder: &Path,
        settings: Settings,
        registry: &Registry,
    ) -> Result<(Tables, bool)> {
        let log_folder = folder.join(log::FOLDER);
        let log_name = log.unwrap_or_default().to_string();
        let files = Arc::new(upkeep::files_of(list, objects, &[]));
        let state = RwLock::new(State { recent: vec![Arc::default()], files });
        let shared = Arc::new(Shared { state, stats: Stats::new(registry), settings, thin: OnceLock::new() });
        let mut messages = Vec::new();
        let floor = list.floor(&log_name);
        let (log, is_durable) = recovery::recover(&shared, &log_folder, floor, &mut messages)?;
        let (commands, queue) = sync_channel(shared.settings.queue_batches_max);
        let writer = Writer { shared: shared.clone(), log };
        let writer = std::thread::Builder::new()
            .name("tables-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        let tables = Tables(Arc::new(Inner {
            upkeep: Mutex::new(upkeep::Upkeep::new(list)),
            merging: Mutex::default(),
            log_folder,
            log_name,
            shared,
            commands: Mutex::new(Some(commands)),
            writer: Mutex::new(Some(writer)),
            messages,
        }));
        Ok((tables, is_durable))
    }

    /// Hands log records to the writer. What can be awaited resolves when they are durable and can be found.
    ///
    /// # Errors
    /// `TooLarge` if the batch alone is too large; `Busy` if too much is waiting already or memory is used up: try again
    /// later; `Unavailable` if the store is stopping.
    pub fn append_logs(&self, batch: LogBatch) -> Result<Pending> {
        self.append(Table::Logs, rows::logs(&batch)?, || frame::logs(&batch))
    }

    /// The same for spans.
    ///
    /// # Errors
    /// As [`Tables::append_logs`].
    pub fn append_spans(&self, batch: SpanBatch) -> Result<Pending> {
        self.append(Table::Spans, rows::spans(&batch)?, || frame::spans(&batch))
    }

    /// The same for changes.
    ///
    /// # Errors
    /// As [`Tables::append_logs`].
    pub fn append_changes(&self, changes: Vec<Change>) -> Result<Pending> {
        self.append(Table::Changes, rows::changes(&changes)?, || frame::changes(&changes))
    }

    fn append(&self, table: Table, rows: RecordBatch, frame: impl FnOnce() -> Vec<u8>) -> Result<Pending> {
        let (reply, pending) = pending::channel();
        if rows.num_rows() == 0 {
            reply.send(Ok(Kept { rows: 0 }));
            return Ok(pending);
        }
        let shared = &self.0.shared;
        let bytes = recent::bytes_of(&rows);
        if bytes > BATCH_BYTES_MAX {
            let text = format!(
                "a delivery of {} rows takes {bytes} bytes, more than {} MiB; nothing of it was kept: send less at a time",
                rows.num_rows(),
                BATCH_BYTES_MAX >> 20
            );
            return Err(Error::new(ErrorKind::TooLarge, text).bound("rows of one batch"));
        }
        if shared.stats.is_over_memory.load(Relaxed) {
            return Err(Error::new(
                ErrorKind::Busy,
                "memory for recent rows is used up while files cannot be written; see the status for why",
            )
            .bound("tables.memory"));
        }
        if shared.stats.is_over_log.load(Relaxed) {
            let text = "the log of the tables has twice the size that it may have, while files cannot be written; see the \
                        status for why";
            return Err(Error::new(ErrorKind::Busy, text).bound("tables.log_size"));
        }
        if shared.stats.is_fenced.load(Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, crate::store::FENCED));
        }
        let frame = frame();
        let weight = bytes + frame.len();
        let queued = shared.stats.queued_bytes.fetch_add(weight, Relaxed);
        let busy = |what: &str, setting| {
            let text =
                format!("the disk does not keep up: too many {what} are waiting; try again in a second");
            Error::new(ErrorKind::Busy, text).bound(setting)
        };
        let commands = self.0.commands.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let sent = match commands {
            None => Err(crate::store::stopped()),
            Some(_) if queued > 0 && queued + weight > shared.settings.queue_bytes_max => {
                Err(busy("bytes", "tables.queue_memory"))
            }
            Some(commands) => commands
                .try_send(Command::Append(Append { table, rows, bytes, frame, weight, reply }))
                .map_err(|e| match e {
                    TrySendError::Full(_) => busy("batches", "tables.queue_batches_max"),
                    TrySendError::Disconnected(_) => crate::store::stopped(),
                }),
        };
        if sent.is_err() {
            shared.stats.queued_bytes.fetch_sub(weight, Relaxed);
        }
        sent.map(|()| pending)
    }

    /// Rows of one table, as they are at this instant. Reads as it is asked; dropping it ends it.
    ///
    /// # Errors
    /// `Invalid` if a predicate or a column makes no sense.
    pub fn scan(&self, scan: Scan) -> Result<Rows> {
        let state = self.0.shared.state.read().unwrap_or_else(|e| e.into_inner()).clone();
        Rows::new(scan, &state)
    }

    /// Ends writing, whoever else has a clone of this: the folder is free for another process afterwards.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }

    /// The tables in numbers.
    pub fn status(&self) -> Status {
        let state = self.0.shared.state.read().unwrap_or_else(|e| e.into_inner()).clone();
        stats::status(&self.0.shared, &state, &self.0.messages)
    }
}

impl Inner {
    /// Waits for the writer; what was acknowledged is in the log.
    fn stop(&self) {
        *self.commands.lock().unwrap_or_else(|e| e.into_inner()) = None;
        if let Some(writer) = self.writer.lock().unwrap_or_else(|e| e.into_inner()).take() {
            let _ = writer.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a batch is acknowledged too early, for tests of the tests.
fn acknowledges_first() -> bool {
    planted::is(Bug::AcknowledgeFirst)
}
