//! The tables in numbers: metrics of themselves, and what a status page shows.

use super::{Shared, State, Table};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use stdx::Error;
use stdx::metrics::{Kind, Registry, Value};

/// Counters and flags.
pub(crate) struct Stats {
    pub rows: [Value; 3],
    pub log_bytes: Value,
    pub fsyncs: Value,
    pub log_errors: Value,
    pub internal_errors: Value,
    /// Of batches that wait for the writer.
    pub queued_bytes: AtomicUsize,
    /// Recent rows take twice what they may: files cannot be written, and nothing more is taken.
    pub is_over_memory: AtomicBool,
    /// The same of the log.
    pub is_over_log: AtomicBool,
    /// Another process writes to the same bucket now.
    pub is_fenced: AtomicBool,
    pub removed: Value,
    pub thinned: Value,
    pub problem: Mutex<Option<String>>,
}

/// One table in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableStatus {
    /// Its name.
    pub name: &'static str,
    /// Rows in memory that are in no file yet.
    pub recent_rows: u64,
    /// Their memory, bytes.
    pub recent_bytes: u64,
    /// Files.
    pub files: u64,
    /// Their size, indexes included, bytes.
    pub files_bytes: u64,
    /// Of that the indexes of words, bytes.
    pub index_bytes: u64,
    /// Rows in files.
    pub files_rows: u64,
    /// About the size of these rows as text, bytes.
    pub raw_bytes: u64,
    /// Time of the oldest row in a file, nanoseconds since 1970.
    pub oldest_ns: Option<i64>,
    /// How long rows are kept, milliseconds.
    pub retention_ms: i64,
    /// Files that cannot be read, in words.
    pub damaged: Vec<String>,
}

/// The tables in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Each table.
    pub tables: Vec<TableStatus>,
    /// Why nothing can be written now, in words.
    pub problem: Option<String>,
    /// What was found to be wrong at the start, in words.
    pub messages: Vec<String>,
}

impl Stats {
    pub fn new(registry: &Registry) -> Stats {
        let labels = |t: Table| vec![("table", t.name().to_string())];
        let counter = |name, help| registry.value(Kind::Counter, name, help, Vec::new());
        let rows = |t| {
            let help = "Rows that were made durable, by table.";
            registry.value(Kind::Counter, "midwatch_tables_rows_total", help, labels(t))
        };
        Stats {
            rows: Table::ALL.map(rows),
            log_bytes: counter("midwatch_tables_log_bytes_total", "Bytes written to the log of the tables."),
            fsyncs: counter("midwatch_tables_fsyncs_total", "Syncs of the log of the tables."),
            log_errors: counter(
                "midwatch_tables_log_errors_total",
                "Writes to the log of the tables that failed.",
            ),
            internal_errors: counter(
                "midwatch_tables_internal_errors_total",
                "Mistakes of the tables themselves.",
            ),
            queued_bytes: AtomicUsize::new(0),
            is_over_memory: AtomicBool::new(false),
            is_over_log: AtomicBool::new(false),
            is_fenced: AtomicBool::new(false),
            removed: counter(
                "midwatch_tables_removed_files_total",
                "Files of tables that retention removed.",
            ),
            thinned: counter(
                "midwatch_spans_dropped_total",
                "Spans of ordinary traces outside of the share that is kept, left out when recent rows became a file.",
            ),
            problem: Mutex::default(),
        }
    }

    pub fn set_problem(&self, text: Option<String>) {
        *self.problem.lock().unwrap_or_else(|e| e.into_inner()) = text;
    }

    pub fn log_failed(&self, e: &Error) {
        self.log_errors.inc();
        self.set_problem(Some(e.to_string()));
    }

    pub fn log_written(&self, bytes: u64) {
        self.log_bytes.add(bytes as f64);
        self.fsyncs.inc();
        self.set_problem(None);
    }
}

pub(crate) fn status(shared: &Shared, state: &State, messages: &[String]) -> Status {
    let of = |table: Table| {
        let files: Vec<_> = state.files.iter().filter(|f| f.table == table).collect();
        let sum = |of: fn(&super::header::FileEntry) -> u64| files.iter().map(|f| of(&f.entry)).sum();
        let parts: Vec<_> = state.recent.iter().flat_map(|r| r.parts(table)).collect();
        TableStatus {
            name: table.name(),
            recent_rows: parts.iter().map(|p| p.rows.num_rows() as u64).sum(),
            recent_bytes: parts.iter().map(|p| p.bytes as u64).sum(),
            files: files.len() as u64,
            files_bytes: sum(|e| e.size()),
            index_bytes: sum(|e| e.index_bytes),
            files_rows: sum(|e| e.rows),
            raw_bytes: sum(|e| e.raw_bytes),
            oldest_ns: files.iter().map(|f| f.entry.first_ns).min(),
            retention_ms: shared.settings.retention_ms(table),
            damaged: files.iter().filter_map(|f| f.damage().map(str::to_string)).collect(),
        }
    };
    Status {
        tables: Table::ALL.map(of).to_vec(),
        problem: shared.stats.problem.lock().unwrap_or_else(|e| e.into_inner()).clone(),
        messages: messages.to_vec(),
    }
}
