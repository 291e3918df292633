//! The templates of this server: learnt as records arrive, written to `patterns.jsonl` of the data folder, read at the start.
//! What cannot be written is written the next time; it must never keep records from being taken.

use ingest::patterns::{Line, Patterns, Settings};
use model::LogBatch;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use stdx::metrics::{Registry, Value};

const FILE: &str = "patterns.jsonl";
/// More is not read: each template is about 2 KiB.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Counts alone are written so often; new templates at once.
const COUNTS_PERIOD_S: u64 = 60;

/// Templates and where they are written.
pub struct PatternBook {
    path: PathBuf,
    patterns: Mutex<Patterns>,
    saved_version: AtomicU64,
    saved_at: Mutex<Instant>,
    templates: Value,
    broken: usize,
}

impl PatternBook {
    /// Reads the templates of before; a file that cannot be read is begun anew.
    pub fn open(data: &Path, settings: Settings, registry: &Registry) -> PatternBook {
        let path = data.join(FILE);
        let is_small = std::fs::metadata(&path).is_ok_and(|m| m.len() <= FILE_BYTES_MAX);
        let text = if is_small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let (patterns, broken) = Patterns::from_text(&String::from_utf8_lossy(&text), settings);
        let templates = registry.gauge("midwatch_log_patterns", "Templates of log records that are known.");
        templates.set(patterns.len() as f64);
        PatternBook {
            path,
            patterns: Mutex::new(patterns),
            saved_version: AtomicU64::new(0),
            saved_at: Mutex::new(Instant::now()),
            templates,
            broken,
        }
    }

    /// Lines of the file that made no sense.
    pub fn broken(&self) -> usize {
        self.broken
    }

    /// The templates of all records of a batch.
    pub fn learn(&self, batch: &LogBatch) -> Vec<u64> {
        let mut patterns = self.patterns.lock().unwrap_or_else(|e| e.into_inner());
        let one = |(i, row): (usize, model::LogRow<'_>)| {
            let origin = batch.origin(i);
            patterns.learn(Line {
                service: &origin.service,
                host: &origin.host,
                body: row.body,
                severity: row.severity,
                time_ns: row.time_ns,
            })
        };
        let ids = batch.rows().enumerate().map(one).collect();
        self.templates.set(patterns.len() as f64);
        ids
    }

    /// Looks at the templates.
    pub fn read<T>(&self, look: impl FnOnce(&Patterns) -> T) -> T {
        look(&self.patterns.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Writes them, if something is new.
    pub fn save(&self) {
        let mut saved_at = self.saved_at.lock().unwrap_or_else(|e| e.into_inner());
        let (version, text) = {
            let patterns = self.patterns.lock().unwrap_or_else(|e| e.into_inner());
            let is_new = patterns.version() != self.saved_version.load(Relaxed);
            if patterns.is_empty() || !is_new && saved_at.elapsed().as_secs() < COUNTS_PERIOD_S {
                return;
            }
            (patterns.version(), patterns.to_text())
        };
        *saved_at = Instant::now();
        if store::durable::replace(&self.path, text.as_bytes()).is_ok() {
            self.saved_version.store(version, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{LogRow, Origin, Severity};

    #[test]
    fn templates_are_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::default();
        let mut batch = LogBatch::default();
        batch.origins.push(Origin { service: "a".into(), ..Origin::default() });
        let row = |body| LogRow {
            time_ns: 1,
            origin: 0,
            severity: Severity::INFO,
            body,
            pattern: 0,
            trace_id: None,
            span_id: None,
        };
        batch.push(row("took 5 ms"), []);
        let book = PatternBook::open(folder.path(), Settings::default(), &registry);
        let ids = book.learn(&batch);
        book.save();
        let again = PatternBook::open(folder.path(), Settings::default(), &registry);
        assert_eq!((again.read(|p| p.len()), again.broken()), (1, 0));
        assert_eq!(again.learn(&batch), ids);
        assert_eq!(again.read(|p| p.get(ids[0]).map(|t| t.history.total())), Some(2));
    }
}
