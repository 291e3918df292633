//! Captures at work: the ring that the host thread fills, the triggers, and the thread that turns the ring into a folder.
//! What is taken is decided in the crate `capture`, how it lies on disk is the store's. It must never hold the ring's lock
//! while it waits for the disk, nor let a storm of triggers take the machine.

pub mod part;
mod spans;
mod take;
pub mod view;

pub use spans::RecentSpans;

use crate::app::App;
use crate::clock::now_ms;
use crate::settings::CaptureSettings;
use capture::Ring;
use capture::policy::{Decision, Policy};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};
use store::captures::{Captures, Cause, Part};

/// Triggers that may wait; more are refused.
pub const WAITING_MAX: usize = 256;
/// What names this bound.
pub const WAITING: &str = "captures that wait to be taken";
/// How often old captures are looked for.
const RETAIN_PERIOD_MS: i64 = 60_000;
/// Causes that one capture tells of.
const CAUSES_MAX: usize = 100;

/// What was done with a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The capture's name.
    pub id: String,
    /// It was taken for another cause a moment before, and is still being added to.
    pub is_joined: bool,
    /// From the trigger until it was durable, milliseconds.
    pub took_ms: i64,
}

/// A trigger on its way to the thread.
struct Trigger {
    cause: Cause,
    reply: Option<SyncSender<Result<Taken>>>,
}

/// What the API, the host thread and the thread of captures share.
pub struct Capturing {
    /// As started.
    pub settings: CaptureSettings,
    /// What lies on disk.
    pub kept: Captures,
    /// What was removed at the start, in words.
    pub collected: Vec<String>,
    /// The last minutes.
    pub ring: Arc<Mutex<Ring>>,
    /// The last spans, those too that are not kept.
    pub spans: RecentSpans,
    held: Mutex<Vec<Arc<view::Loaded>>>,
    triggers: SyncSender<Trigger>,
    received: Mutex<Option<Receiver<Trigger>>>,
    counters: Counters,
}

struct Counters {
    taken: Value,
    joined: Value,
    refused: Value,
    failed: Value,
    seconds: Value,
    memory: Value,
    dropped_early: Value,
}

impl Capturing {
    /// Opens what lies on disk.
    ///
    /// # Errors
    /// `Unavailable`.
    pub fn open(settings: CaptureSettings, data: &std::path::Path, registry: &Registry) -> Result<Capturing> {
        let (kept, collected) = Captures::open(data)?;
        let (triggers, received) = sync_channel(WAITING_MAX);
        let ring =
            Ring::new(capture::Settings { span_ms: settings.before_ms, memory_bytes: settings.memory_bytes });
        let spans = RecentSpans::new(settings.before_ms);
        Ok(Capturing {
            settings,
            kept,
            collected,
            ring: Arc::new(Mutex::new(ring)),
            spans,
            held: Mutex::default(),
            triggers,
            received: Mutex::new(Some(received)),
            counters: Counters::new(registry),
        })
    }

    /// A monitor began to fire; nobody waits. A full queue is counted: what waits in it is being captured.
    pub fn trigger(&self, cause: Cause) {
        if self.settings.on_alerts && self.triggers.try_send(Trigger { cause, reply: None }).is_err() {
            self.counters.refused.inc();
        }
    }

    /// Takes a capture now, or joins one; returns when it is durable.
    ///
    /// # Errors
    /// `Busy` if too many wait, or there was one for this cause a moment ago; those of writing.
    pub fn take(&self, mut cause: Cause) -> Result<Taken> {
        let (reply, answer) = sync_channel(1);
        cause.at_ms = now_ms();
        self.triggers.try_send(Trigger { cause, reply: Some(reply) }).map_err(|e| match e {
            TrySendError::Full(_) => {
                let text = "too many captures are asked for at once; try again in a second";
                Error::new(ErrorKind::Busy, text).bound(WAITING)
            }
            TrySendError::Disconnected(_) => Error::new(ErrorKind::Unavailable, "the program is stopping"),
        })?;
        answer.recv().map_err(|_| Error::new(ErrorKind::Unavailable, "the program is stopping"))?
    }

    /// The ring; a panic elsewhere does not take it away.
    pub fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Reads the ring into the measurements of this process.
    pub fn measure(&self) {
        let readings = self.ring().read();
        self.counters.memory.set(readings.iter().map(|r| r.memory_bytes as f64).sum());
        self.counters.dropped_early.set(readings.iter().map(|r| (r.dropped_early + r.refused) as f64).sum());
    }
}

/// The running thread; dropping it writes what is still to come of an open capture.
pub struct Thread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts to take captures.
    ///
    /// # Errors
    /// `Unavailable` if there can be no more threads.
    pub fn start(app: Arc<App>) -> Result<Thread> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let received = app.captures.received.lock().unwrap_or_else(|e| e.into_inner()).take();
        let Some(received) = received else {
            return Err(Error::new(ErrorKind::Internal, "the thread of captures runs already"));
        };
        let thread = std::thread::Builder::new()
            .name("captures".into())
            .spawn(move || run(&app, &received, &stopping))
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start a thread", e))?;
        Ok(Thread { stop, thread: Some(thread) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A capture that is still being added to.
struct Open {
    id: String,
    trigger_ms: i64,
    until_ms: i64,
    causes: Vec<Cause>,
}

fn run(app: &App, received: &Receiver<Trigger>, stop: &AtomicBool) {
    let captures = &app.captures;
    let mut policy = Policy::new(captures.settings.period_ms);
    let mut open: Option<Open> = None;
    let mut retain_ms = 0;
    loop {
        let next = received.recv_timeout(Duration::from_millis(200));
        let now_ms = now_ms();
        let is_stopping = stop.load(Relaxed);
        // What was triggered while a capture was being written joins it, however long that took.
        let at_ms = next.as_ref().map_or(now_ms, |trigger| trigger.cause.at_ms);
        if let Some(done) = open.take_if(|o| is_stopping || at_ms > o.until_ms) {
            policy.closed();
            if add(app, done).is_err() {
                captures.counters.failed.inc();
            }
        }
        match next {
            Ok(trigger) => handle(app, trigger, &mut policy, &mut open),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if is_stopping && open.is_none() {
            return;
        }
        if now_ms >= retain_ms {
            retain_ms = now_ms + RETAIN_PERIOD_MS;
            captures.measure();
            if captures.kept.retain(&captures.settings.retention, now_ms).is_err() {
                captures.counters.failed.inc();
            }
        }
    }
}

fn handle(app: &App, trigger: Trigger, policy: &mut Policy, open: &mut Option<Open>) {
    let captures = &app.captures;
    let Trigger { cause, reply } = trigger;
    let now_ms = cause.at_ms;
    let name = format!("{} {} {:?}", cause.kind, cause.name, cause.labels);
    let done = match policy.decide(&name, reply.is_some(), now_ms) {
        Decision::Join(id) => {
            captures.counters.joined.inc();
            if let Some(open) = open.as_mut().filter(|o| o.causes.len() < CAUSES_MAX) {
                // Hosts that this cause concerns and the first did not.
                let left_ms = open.until_ms.saturating_sub(cause.at_ms);
                app.agents.ask(&open.id, &cause, left_ms);
                open.causes.push(cause);
            }
            Ok(Taken { id, is_joined: true, took_ms: 0 })
        }
        Decision::NotBefore(_) => {
            captures.counters.refused.inc();
            Err(Error::new(ErrorKind::Busy, "there was a capture for this cause a moment ago"))
        }
        Decision::Take => {
            let taken = take::before(app, &cause, now_ms);
            match &taken {
                Ok(taken) => {
                    captures.counters.taken.inc();
                    captures.counters.seconds.set(taken.took_ms as f64 / 1000.0);
                    let until_ms = now_ms.saturating_add(captures.settings.after_ms);
                    policy.taken(&name, &taken.id, now_ms, until_ms);
                    app.agents.ask(&taken.id, &cause, captures.settings.after_ms);
                    *open =
                        Some(Open { id: taken.id.clone(), trigger_ms: now_ms, until_ms, causes: Vec::new() });
                }
                Err(_) => captures.counters.failed.inc(),
            }
            taken
        }
    };
    if let Some(reply) = reply {
        let _ = reply.send(done);
    }
}

fn add(app: &App, open: Open) -> Result<()> {
    take::write(app, &open.id, Part::After, open.trigger_ms, now_ms(), open.causes).map(drop)
}

impl Counters {
    fn new(r: &Registry) -> Counters {
        Counters {
            taken: r.counter("midwatch_captures_taken_total", "Captures that were written."),
            joined: r.counter(
                "midwatch_captures_joined_total",
                "Triggers that came while a capture was still being added to, and are told of in it.",
            ),
            refused: r.counter(
                "midwatch_captures_refused_total",
                "Triggers for which there was a capture shortly before, or too many waited.",
            ),
            failed: r.counter(
                "midwatch_captures_failed_total",
                "Captures, or parts of them, that could not be written.",
            ),
            seconds: r
                .gauge("midwatch_capture_seconds", "From the last trigger until the capture was durable."),
            memory: r.gauge("midwatch_ring_bytes", "Memory of the ring of the last minutes."),
            dropped_early: r.gauge(
                "midwatch_ring_dropped",
                "Rows and parts that found no place in the ring, since the start.",
            ),
        }
    }
}
