//! The thread that keeps the store in order: cuts, merges, removals. It has less of a contended CPU than requests and
//! ingest, and whatever fails or panics in it is counted and tried again. It must never run on a thread that serves
//! anybody: a lowered priority is for good.

use crate::app::App;
use crate::clock::now_ms;
use crate::own;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use store::Work;

/// How often the store is asked whether something is due.
const PERIOD: Duration = Duration::from_secs(5);
/// How often recent rows of tables are looked at: they come faster than samples, and memory for them is bounded.
const TABLES_PERIOD: Duration = Duration::from_millis(500);
/// How often the catalogue forgets series that are long gone.
const FORGET_PERIOD: Duration = Duration::from_secs(600);
/// Fewer than this are not worth a look before the period: some 2 MB.
const FORGET_FROM: usize = 10_000;

/// The running thread. Dropping it waits until what is being done is done.
pub struct Upkeep {
    stop: Vec<SyncSender<()>>,
    threads: Vec<JoinHandle<()>>,
    is_stopping: Arc<AtomicBool>,
}

impl Upkeep {
    /// Starts it.
    ///
    /// # Errors
    /// `Unavailable` if there can be no more threads.
    pub fn start(app: Arc<App>) -> Result<Upkeep> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let mut upkeep = Upkeep { stop: Vec::new(), threads: Vec::new(), is_stopping: is_stopping.clone() };
        let inside = app.clone();
        upkeep.spawn("tables-files", move |stopped| tables(&inside, stopped))?;
        let inside = app.clone();
        upkeep.spawn("store-upkeep", move |stopped| run(&inside, stopped))?;
        // Copying a block over a network may take minutes, which cuts cannot wait for.
        upkeep.spawn("store-archive", move |stopped| archive(&app, stopped, &is_stopping))?;
        Ok(upkeep)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&Receiver<()>) + Send + 'static) -> Result<()> {
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || work(&stopped))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        self.stop.push(stop);
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.is_stopping.store(true, Relaxed);
        self.stop.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Writes recent rows of tables to files when there are many: merging, which takes longer, must not keep that waiting.
fn tables(app: &App, stopped: &Receiver<()>) {
    Work::lower_priority();
    let errors =
        app.registry.counter("midwatch_tables_errors_total", "Files of tables that could not be written.");
    let started = Instant::now();
    while stopped.recv_timeout(TABLES_PERIOD) == Err(RecvTimeoutError::Timeout) {
        let uptime_ms = started.elapsed().as_millis() as u64;
        let done = catch_unwind(AssertUnwindSafe(|| app.store.write_tables_when_due(now_ms(), uptime_ms)));
        if !matches!(done, Ok(Ok(()))) {
            errors.inc();
        }
    }
}

/// Moves old blocks and captures to the archive, and brings back what was asked for.
fn archive(app: &App, stopped: &Receiver<()>, is_stopping: &AtomicBool) {
    Work::lower_priority();
    let errors = app.registry.counter(
        "midwatch_store_archive_errors_total",
        "Times that the archive could not be used, or a block or capture not moved.",
    );
    let moved =
        app.registry.counter("midwatch_captures_archived_total", "Captures that were moved to the archive.");
    while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let go_on = || !is_stopping.load(Relaxed);
            app.store.archive(now_ms(), &go_on)?;
            let (kept, retention) = (&app.captures.kept, &app.captures.settings.retention);
            let gone = app.store.archive_captures(kept, retention, now_ms(), &go_on)?;
            moved.add(gone.len() as f64);
            Ok::<_, stdx::Error>(())
        }));
        if !matches!(done, Ok(Ok(()))) && !is_stopping.load(Relaxed) {
            errors.inc();
        }
    }
}

fn run(app: &App, stopped: &Receiver<()>) {
    Work::lower_priority();
    let errors =
        app.registry.counter("midwatch_store_upkeep_errors_total", "Cuts, merges or removals that failed.");
    let started = Instant::now();
    let mut forgotten = started;
    while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let result = app.store.maintain(now_ms(), started.elapsed().as_millis() as u64);
            app.pace.read(now_ms(), own::cost().cpu_seconds, app.sink.accepted());
            if forgotten.elapsed() > FORGET_PERIOD {
                forgotten = Instant::now();
                let _ = app.catalogue.age(&app.store, now_ms());
                app.sink.known().forget_unused();
                flush_usage(app);
            } else if has_many_ended(app) {
                app.sink.known().forget_unused();
            }
            result
        }));
        if !matches!(done, Ok(Ok(()))) {
            errors.inc();
        }
    }
    flush_usage(app);
}

/// Whether most of the label sets that are known by their bytes belong to series that the head has let go of, as after a
/// rollout that replaced them all: waiting for the period would hold a second generation, and a third.
fn has_many_ended(app: &App) -> bool {
    let live = app.store.status().head_series as usize;
    app.sink.known().len() > FORGET_FROM.max(2 * live)
}

/// A record that cannot be written now is written the next time.
fn flush_usage(app: &App) {
    let mut names: BTreeSet<String> =
        app.catalogue.read().iter().map(|(_, labels)| labels.name().to_string()).collect();
    // The catalogue may be empty; metrics that are not in the head have no new samples.
    app.store.view().with_head_index(|index| {
        let metrics = index.names().filter(|(name, _)| *name == model::NAME);
        names.extend(metrics.flat_map(|(_, values)| values.map(|(metric, _)| metric.to_string())));
    });
    let _ = app.usage.flush(names.iter().map(String::as_str));
}
