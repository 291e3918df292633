//! The register of background work: what runs now and how far it is, what waits and since when, how the last run ended.
//! It is written by the work itself and read by the status, the metrics and the page. It must never decide what runs
//! when, nor grow: one row for each kind, and a bounded list of what runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use stdx::metrics::{Kind, LabelPairs, Registry, Value};
use stdx::{Error, ErrorKind, Result};

/// Runs that are shown one by one at the most; more are counted only.
const RUNNING_MAX: usize = 64;
/// Characters of a description or an error that are kept.
const TEXT_CHARS_MAX: usize = 400;

/// How much less of a contended core background work gets: each step is a factor of about 1.25 (Linux), so this is a
/// quarter of one beside a busy thread. A higher one would let cut heads pile up in memory on a machine at its limit.
const NICE: i32 = 5;

/// Kinds of background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Cut heads become blocks. When it is behind, memory grows.
    WriteBlock,
    /// Small blocks become larger ones. When it is behind, queries open more files.
    Merge,
    /// Blocks are summarised into coarser tiers.
    Summarise,
    /// Blocks that retention no longer covers go.
    Retain,
    /// Old blocks move to a second store.
    Archive,
    /// Archived blocks come back.
    BringBack,
    /// Blocks are written anew without deleted series.
    Delete,
}

impl WorkKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [WorkKind; 7] = [
        WorkKind::WriteBlock,
        WorkKind::Merge,
        WorkKind::Summarise,
        WorkKind::Retain,
        WorkKind::Archive,
        WorkKind::BringBack,
        WorkKind::Delete,
    ];

    /// As in metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkKind::WriteBlock => "write_block",
            WorkKind::Merge => "merge",
            WorkKind::Summarise => "summarise",
            WorkKind::Retain => "retain",
            WorkKind::Archive => "archive",
            WorkKind::BringBack => "bring_back",
            WorkKind::Delete => "delete",
        }
    }
}

/// The register. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Work(Arc<Vec<Row>>);

/// One kind.
struct Row {
    kind: WorkKind,
    state: Mutex<State>,
    counters: Counters,
}

#[derive(Default)]
struct State {
    running: Vec<Arc<Progress>>,
    waiting_items: u64,
    waiting_bytes: u64,
    /// Since when something waits without a break.
    behind_since: Option<Instant>,
    last: Option<Ended>,
}

struct Counters {
    running: Value,
    done: Value,
    total: Value,
    succeeded: Value,
    failed: Value,
    seconds: Value,
    bytes: Value,
    waiting_items: Value,
    waiting_bytes: Value,
    behind: Value,
}

struct Progress {
    what: String,
    since: Instant,
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
}

struct Ended {
    what: String,
    at: Instant,
    took_s: f64,
    bytes: u64,
    error: Option<String>,
}

/// A run of some work. Tell its progress with [`Running::add`], its end with [`Running::end`]; dropped before, it
/// counts as failed.
pub struct Running {
    work: Work,
    kind: WorkKind,
    progress: Arc<Progress>,
    is_ended: bool,
}

/// One kind as it is read out. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkReading {
    /// Which.
    pub kind: WorkKind,
    /// What runs now.
    pub running: Vec<RunningReading>,
    /// Things that wait: heads, runs of blocks, blocks.
    pub waiting_items: u64,
    /// How much they are, as far as it is known.
    pub waiting_bytes: u64,
    /// For how long something has been waiting without a break: how far this is behind, at the most.
    pub behind_s: f64,
    /// Runs since the start of the process that ended well.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// The last run that ended.
    pub last: Option<LastReading>,
}

/// A run that goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningReading {
    /// What it does, in words.
    pub what: String,
    /// For how long.
    pub seconds: f64,
    /// How much is done.
    pub done_bytes: u64,
    /// Of how much; 0 if that is not known.
    pub total_bytes: u64,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct LastReading {
    /// What it did, in words.
    pub what: String,
    /// How long ago it ended.
    pub ago_s: f64,
    /// How long it took.
    pub took_s: f64,
    /// How much it did.
    pub bytes: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Work {
    /// An empty register, whose figures are in `registry`.
    pub fn new(registry: &Registry) -> Work {
        let row = |kind| Row { kind, state: Mutex::default(), counters: Counters::new(registry, kind) };
        Work(Arc::new(WorkKind::ALL.into_iter().map(row).collect()))
    }

    fn row(&self, kind: WorkKind) -> &Row {
        // `ALL` holds every kind once, in the order of their numbers.
        &self.0[kind as usize]
    }

    /// Notes that a run begins. `total_bytes` is 0 where it is not known.
    pub fn begin(&self, kind: WorkKind, what: impl Into<String>, total_bytes: u64) -> Running {
        let progress = Arc::new(Progress {
            what: cut(what.into()),
            since: Instant::now(),
            done_bytes: AtomicU64::new(0),
            total_bytes: AtomicU64::new(total_bytes),
        });
        let row = self.row(kind);
        let mut state = row.lock();
        if state.running.len() < RUNNING_MAX {
            state.running.push(progress.clone());
        }
        row.counters.running.add(1.0);
        Running { work: self.clone(), kind, progress, is_ended: false }
    }

    /// Notes what of a kind waits: call it whenever that is known anew.
    pub fn waiting(&self, kind: WorkKind, items: u64, bytes: u64) {
        let mut state = self.row(kind).lock();
        (state.waiting_items, state.waiting_bytes) = (items, bytes);
        state.behind_since = match items {
            0 => None,
            _ => state.behind_since.or_else(|| Some(Instant::now())),
        };
    }

    /// Every kind as it is now; sets the gauges.
    pub fn read(&self) -> Vec<WorkReading> {
        self.read_at(Instant::now())
    }

    fn read_at(&self, now: Instant) -> Vec<WorkReading> {
        self.0.iter().map(|row| row.read(now)).collect()
    }

    /// Has the operating system give this thread less of a contended CPU, for good: for threads of background work.
    /// Best effort: where it is not possible, work goes on as before.
    pub fn lower_priority() {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    }
}

impl Running {
    /// `bytes` more are done.
    pub fn add(&self, bytes: u64) {
        self.progress.done_bytes.fetch_add(bytes, Relaxed);
    }

    /// How much there is to do, once it is known.
    pub fn set_total(&self, bytes: u64) {
        self.progress.total_bytes.store(bytes, Relaxed);
    }

    /// Notes how it ended, and gives the result back.
    ///
    /// # Errors
    /// Those of `result`.
    pub fn end<T>(mut self, result: Result<T>) -> Result<T> {
        self.note(result.as_ref().err());
        result
    }

    fn note(&mut self, error: Option<&Error>) {
        self.is_ended = true;
        let row = self.work.row(self.kind);
        let took_s = self.progress.since.elapsed().as_secs_f64();
        let bytes = self.progress.done_bytes.load(Relaxed);
        let mut state = row.lock();
        state.running.retain(|p| !Arc::ptr_eq(p, &self.progress));
        row.counters.running.add(-1.0);
        row.counters.seconds.add(took_s);
        row.counters.bytes.add(bytes as f64);
        if error.is_some() { &row.counters.failed } else { &row.counters.succeeded }.inc();
        let error = error.map(|e| cut(e.to_string()));
        state.last =
            Some(Ended { what: self.progress.what.clone(), at: Instant::now(), took_s, bytes, error });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_ended {
            self.note(Some(&Error::new(ErrorKind::Cancelled, "it ended early")));
        }
    }
}

impl Row {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn read(&self, now: Instant) -> WorkReading {
        let state = self.lock();
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let running: Vec<RunningReading> = state
            .running
            .iter()
            .map(|p| RunningReading {
                what: p.what.clone(),
                seconds: seconds(p.since),
                done_bytes: p.done_bytes.load(Relaxed),
                total_bytes: p.total_bytes.load(Relaxed),
            })
            .collect();
        let behind_s = state.behind_since.map_or(0.0, seconds);
        let c = &self.counters;
        c.done.set(running.iter().map(|r| r.done_bytes as f64).sum());
        c.total.set(running.iter().map(|r| r.total_bytes as f64).sum());
        c.waiting_items.set(state.waiting_items as f64);
        c.waiting_bytes.set(state.waiting_bytes as f64);
        c.behind.set(behind_s);
        WorkReading {
            kind: self.kind,
            running,
            waiting_items: state.waiting_items,
            waiting_bytes: state.waiting_bytes,
            behind_s,
            succeeded: c.succeeded.get() as u64,
            failed: c.failed.get() as u64,
            last: state.last.as_ref().map(|l| LastReading {
                what: l.what.clone(),
                ago_s: seconds(l.at),
                took_s: l.took_s,
                bytes: l.bytes,
                error: l.error.clone(),
            }),
        }
    }
}

impl Counters {
    fn new(registry: &Registry, kind: WorkKind) -> Counters {
        let labels = |more: LabelPairs| [vec![("kind", kind.as_str().to_string())], more].concat();
        let gauge = |name, help| registry.value(Kind::Gauge, name, help, labels(Vec::new()));
        let counter = |name, help, more| registry.value(Kind::Counter, name, help, labels(more));
        let runs = |result: &str| {
            let help = "Runs of background work that ended, by kind and result.";
            counter("midwatch_store_work_runs_total", help, vec![("result", result.to_string())])
        };
        Counters {
            running: gauge("midwatch_store_work_running", "Runs of background work that go on now."),
            done: gauge("midwatch_store_work_done_bytes", "How much of what runs now is done."),
            total: gauge(
                "midwatch_store_work_size_bytes",
                "How much of what runs now there is to do, where known.",
            ),
            succeeded: runs("good"),
            failed: runs("failed"),
            seconds: counter(
                "midwatch_store_work_seconds_total",
                "Time that background work took.",
                Vec::new(),
            ),
            bytes: counter(
                "midwatch_store_work_bytes_total",
                "Bytes that background work went through.",
                Vec::new(),
            ),
            waiting_items: gauge(
                "midwatch_store_work_waiting",
                "Background work that waits: heads, runs of blocks, blocks.",
            ),
            waiting_bytes: gauge("midwatch_store_work_waiting_bytes", "Its size, where known."),
            behind: gauge(
                "midwatch_store_work_behind_seconds",
                "For how long some has been waiting without a break.",
            ),
        }
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn runs_are_told_while_they_last_and_when_they_end() {
        let registry = Registry::default();
        let work = Work::new(&registry);
        let merge = |work: &Work| work.read().swap_remove(WorkKind::Merge as usize);
        let run = work.begin(WorkKind::Merge, "4 blocks of level 0", 100);
        run.add(30);
        let seen = merge(&work);
        assert_eq!(seen.kind, WorkKind::Merge);
        assert_eq!((seen.running[0].done_bytes, seen.running[0].total_bytes), (30, 100));
        run.end(Ok(())).unwrap();
        let seen = merge(&work);
        assert_eq!((seen.running.len(), seen.succeeded, seen.failed), (0, 1, 0));
        assert_eq!(seen.last.map(|l| (l.bytes, l.error)), Some((30, None)));

        let failed: Result<()> = Err(Error::corrupt("no"));
        work.begin(WorkKind::Merge, "x".repeat(1000), 0).end(failed).unwrap_err();
        drop(work.begin(WorkKind::Merge, "left", 0));
        let seen = merge(&work);
        assert_eq!((seen.succeeded, seen.failed), (1, 2));
        assert_eq!(seen.last.and_then(|l| l.error).as_deref(), Some("it ended early"));
        let shown = registry.read().into_iter().find(|f| f.name == "midwatch_store_work_runs_total").unwrap();
        assert_eq!(shown.values.iter().map(|(_, v)| v).sum::<f64>(), 3.0);
    }

    #[test]
    fn how_far_behind_counts_from_when_something_began_to_wait() {
        let work = Work::new(&Registry::default());
        let behind_s = |in_s: u64| {
            let row = work.read_at(Instant::now() + Duration::from_secs(in_s)).swap_remove(0);
            (row.waiting_items, row.behind_s.floor())
        };
        assert_eq!(behind_s(10), (0, 0.0));
        work.waiting(WorkKind::WriteBlock, 2, 1000);
        work.waiting(WorkKind::WriteBlock, 1, 500);
        assert_eq!(behind_s(10).0, 1);
        assert!(behind_s(10).1 >= 10.0);
        work.waiting(WorkKind::WriteBlock, 0, 0);
        assert_eq!(behind_s(10), (0, 0.0));
    }

    #[test]
    fn kinds_are_in_the_order_of_their_numbers() {
        for (i, kind) in WorkKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, i);
        }
    }
}
