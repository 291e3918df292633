//! Monitors at work: rule files are read and evaluated on threads of their own, what follows is recorded, kept over
//! restarts, and told. What follows from what is decided in the crate `monitor`; this owns threads, files and requests. It
//! must never wait for a query of a user, nor lose a notification that was decided.

pub mod act;
mod ask;
mod book;
mod counters;
mod evaluate;
mod files;
pub mod incidents;
mod keep;
mod loaded;
mod notifier;
mod own;
pub mod people;
mod send;
mod slo_own;
pub mod slo_tell;
mod slos;
pub mod tell;

pub use ask::limit_words;
pub use book::{Book, DECISIONS, DECISIONS_MAX};
pub use files::RULES_MAX;
pub use loaded::{LoadedGroup, RuleRun};
pub use notifier::Notify;
pub use own::{NewMonitor, add_monitor, keep_silences, new_id, remove_monitor};
pub use slo_own::{put_slos, read_new, remove_slo};

use crate::captures::Capturing;
use crate::clock::now_ms;
use crate::settings::{MonitorSettings, QuerySettings};
use crate::sink::Sink;
use counters::Counters;
use loaded::Due;
use monitor::Problem;
use monitor::steps::Steps;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;
use stdx::metrics::Registry;
use stdx::{Error, ErrorKind, Result};
use store::Store;

/// Threads that evaluate. Two, so that one slow group does not delay all others.
const THREADS: usize = 2;
/// Events that may wait for the thread that tells.
const EVENTS_MAX: usize = 10_000;

/// What the API and the threads share.
pub struct Monitors {
    /// As started.
    pub settings: MonitorSettings,
    query: QuerySettings,
    store: Arc<Store>,
    sink: Sink,
    counters: Counters,
    folder: PathBuf,
    /// Where people reach this server.
    pub base: String,
    due: Mutex<Due>,
    changed: Condvar,
    read: Mutex<ReadFiles>,
    notify: Mutex<Notify>,
    book: Mutex<Book>,
    acts: Mutex<act::Acts>,
    events: SyncSender<notifier::Event>,
    captures: OnceLock<Arc<Capturing>>,
    is_stopping: AtomicBool,
    is_dirty: AtomicBool,
    started: Instant,
}

/// What is known of the files.
#[derive(Default)]
struct ReadFiles {
    /// Each file with its stamp and what was read of it last.
    files: Vec<files::RuleFile>,
    has_read: bool,
    problems: Vec<Problem>,
    notifications: files::Stamp,
    notification_problems: Vec<Problem>,
    steps: Steps,
}

/// The running threads; dropping it ends them and keeps what they know.
pub struct Threads {
    monitors: Arc<Monitors>,
    threads: Vec<JoinHandle<()>>,
}

impl Monitors {
    /// Reads what was kept and the files, and starts to evaluate.
    ///
    /// # Errors
    /// `Unavailable` if there can be no more threads.
    pub fn start(
        settings: MonitorSettings,
        query: QuerySettings,
        store: Arc<Store>,
        sink: Sink,
        registry: &Registry,
        address: std::net::SocketAddr,
    ) -> Result<Threads> {
        let (events, received) = sync_channel(EVENTS_MAX);
        let folder = store.folder().join("monitors");
        let base = match settings.url.trim_end_matches('/') {
            "" => format!("http://{address}"),
            url => url.to_string(),
        };
        let monitors = Arc::new(Monitors {
            settings,
            query,
            store,
            sink,
            counters: Counters::new(registry),
            notify: Mutex::new(Notify::open(&folder)),
            book: Mutex::new(Book::open(&folder)),
            acts: Mutex::new(act::Acts::open(&folder)),
            folder,
            base,
            due: Mutex::default(),
            changed: Condvar::new(),
            read: Mutex::default(),
            events,
            captures: OnceLock::new(),
            is_stopping: AtomicBool::new(false),
            is_dirty: AtomicBool::new(false),
            started: Instant::now(),
        });
        monitors.restore(now_ms());
        let runtime = tokio::runtime::Handle::current();
        let mut threads = Threads { monitors: monitors.clone(), threads: Vec::new() };
        let inside = monitors.clone();
        threads.spawn("monitor-notify", move || notifier::run(&inside, &received, &runtime))?;
        for n in 0..THREADS {
            let inside = monitors.clone();
            threads.spawn(&format!("monitor-{n}"), move || evaluate::run(&inside))?;
        }
        Ok(threads)
    }

    /// Groups as they are loaded.
    pub fn groups(&self) -> Vec<Arc<LoadedGroup>> {
        lock(&self.due).groups.clone()
    }

    /// What is wrong with files, rule files first.
    pub fn problems(&self) -> Vec<Problem> {
        let read = lock(&self.read);
        read.problems.iter().chain(&read.notification_problems).cloned().collect()
    }

    /// Alerts, silences, what waits to be delivered.
    pub fn notify(&self) -> MutexGuard<'_, Notify> {
        lock(&self.notify)
    }

    /// Looks at the files, and at what is to be told, now.
    pub fn wake(&self) {
        // A full queue will be worked off in a moment anyway.
        let _ = self.events.try_send(notifier::Event::Look);
    }

    /// From now on a capture is taken when an alert begins to fire.
    pub fn capture_with(&self, captures: Arc<Capturing>) {
        let _ = self.captures.set(captures);
    }

    /// The folder of what is kept.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }
}

impl Threads {
    /// What the API shares.
    pub fn monitors(&self) -> Arc<Monitors> {
        self.monitors.clone()
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.monitors.is_stopping.store(true, Relaxed);
        self.monitors.changed.notify_all();
        self.monitors.wake();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.monitors.save_alerts(now_ms());
        self.monitors.save_slos(now_ms(), true);
        self.monitors.save_book(now_ms(), true);
    }
}

/// A lock that a panic elsewhere does not take away.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
