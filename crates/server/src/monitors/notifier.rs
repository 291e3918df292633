//! The thread that tells: looks after files and clocks, asks the decider what is to be told, makes that durable, and has it
//! sent. It must never send what is not on disk, unless the disk does not take it.

use super::keep::{OutboxFile, read_outbox, read_silences};
use super::send;
use super::{Monitors, files, lock};
use crate::client::Clients;
use crate::clock::now_ms;
use monitor::notify::config::{self, Config};
use monitor::notify::dispatch::Notifier;
use monitor::notify::outbox::{Outbox, Outcome};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long the thread sleeps at the most.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// How often files are looked at.
const FILES_PERIOD: Duration = Duration::from_secs(2);
/// How often alerts are written, if any changed.
const SAVE_PERIOD: Duration = Duration::from_secs(1);
/// The outbox is written anew when it is longer.
const OUTBOX_BYTES_MAX: u64 = 4 << 20;
/// Memory for answers that are read at one time.
const ANSWERS_BYTES_MAX: usize = 4 << 20;

/// What wakes the thread.
pub enum Event {
    /// Something may be due.
    Look,
    /// A request ended.
    Sent(String, &'static str, Outcome),
}

/// Alerts, silences, and what waits to be delivered.
pub struct Notify {
    /// Decides.
    pub notifier: Notifier,
    /// Remembers.
    pub outbox: Outbox,
    folder: PathBuf,
    file: Option<OutboxFile>,
    /// Alerts of which somebody was told before the start.
    open: Vec<monitor::notify::Alert>,
    /// Lines of the outbox that made no sense at the start.
    pub damaged: usize,
    /// When a heartbeat was taken last.
    pub heartbeat_ms: Option<i64>,
}

impl Notify {
    /// What was kept.
    pub fn open(folder: &Path) -> Notify {
        let (lines, torn) = read_outbox(folder);
        let kept = Outbox::replay(lines.iter().map(String::as_str));
        let config = Arc::new(Config::default());
        let now_ms = now_ms();
        let mut notifier = Notifier::new(config);
        kept.told.into_iter().for_each(|(key, told)| notifier.remember(key, told, now_ms));
        kept.acks.into_values().for_each(|ack| notifier.remember_ack(ack));
        kept.escalated.into_iter().for_each(|(key, p)| notifier.remember_progress(key, p));
        for silence in read_silences(folder) {
            let _ = notifier.silence(silence, now_ms);
        }
        notifier.set_overrides(super::people::read_overrides(folder));
        let folder = folder.to_path_buf();
        Notify {
            notifier,
            outbox: kept.outbox,
            folder,
            file: None,
            open: kept.open,
            damaged: torn + kept.damaged,
            heartbeat_ms: None,
        }
    }

    /// Takes back what was told before the start. Whoever still finds it says so before it counts as over.
    pub(super) fn reopen(&mut self, now_ms: i64) {
        let until_ms = now_ms + self.notifier.config().resolve_timeout_ms;
        self.notifier.reopen(std::mem::take(&mut self.open), until_ms, now_ms);
    }

    /// Makes lines durable; writes the file anew where it is long, or its end is not known.
    pub(super) fn append(&mut self, lines: &[String]) -> std::io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if let Some(file) = self.file.as_mut().filter(|f| f.bytes < OUTBOX_BYTES_MAX) {
            let done = file.append(lines);
            if done.is_err() {
                self.file = None;
            }
            return done;
        }
        // The present state has what the lines say.
        let all = self.outbox.lines(&self.notifier);
        self.file = Some(OutboxFile::create(&self.folder, &all)?);
        Ok(())
    }
}

/// The thread's work: until the program stops.
pub fn run(monitors: &Arc<Monitors>, events: &Receiver<Event>, runtime: &Handle) {
    let clients = Arc::new(Clients::new(ANSWERS_BYTES_MAX));
    let (mut files_at, mut saved_at) = (Instant::now(), Instant::now());
    let mut beat = send::Beat::default();
    while !monitors.is_stopping() {
        match events.recv_timeout(SLEEP_MAX) {
            Ok(Event::Sent(id, kind, outcome)) => settle(monitors, &id, kind, outcome),
            Ok(Event::Look) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Others that came meanwhile, so that a storm is decided at once.
        while let Ok(event) = events.try_recv() {
            if let Event::Sent(id, kind, outcome) = event {
                settle(monitors, &id, kind, outcome);
            }
        }
        let now_ms = now_ms();
        monitors.mind_clock(now_ms);
        if files_at.elapsed() >= FILES_PERIOD {
            files_at = Instant::now();
            monitors.read_files(now_ms);
            monitors.read_notifications(now_ms);
            monitors.count();
        }
        tell(monitors, &clients, runtime, now_ms);
        monitors.act(runtime, now_ms);
        beat.look(monitors, &clients, runtime, now_ms);
        if saved_at.elapsed() >= SAVE_PERIOD {
            saved_at = Instant::now();
            monitors.save_alerts(now_ms);
            monitors.save_slos(now_ms, false);
            monitors.save_book(now_ms, false);
        }
    }
}

/// Decides, makes durable, and sends.
fn tell(monitors: &Arc<Monitors>, clients: &Arc<Clients>, runtime: &Handle, now_ms: i64) {
    let mut notify = monitors.notify();
    let decided = notify.notifier.step(now_ms);
    let lines = notify.outbox.queue(decided);
    if notify.append(&lines).is_err() {
        // A full disk is what people want to be told of: it is sent all the same.
        monitors.counters.keep_errors.inc();
    }
    let due = notify.outbox.take_due(now_ms);
    monitors.counters.waiting.set(notify.outbox.waiting().count() as f64);
    let config = notify.notifier.config().clone();
    drop(notify);
    for notification in due {
        send::spawn(monitors, clients, runtime, &config, notification);
    }
}

fn settle(monitors: &Monitors, id: &str, kind: &'static str, outcome: Outcome) {
    let how = match &outcome {
        Outcome::Taken => "taken",
        Outcome::Later(_) => "later",
        Outcome::Refused(_) => "refused",
    };
    monitors.counters.sent(kind, how);
    let mut notify = monitors.notify();
    let told = notify.outbox.waiting().find(|w| w.notification.id == id);
    let urls: Vec<String> =
        told.iter().flat_map(|w| w.notification.firing()).map(|a| a.url.clone()).collect();
    let is_taken = matches!(outcome, Outcome::Taken);
    let lines = notify.outbox.settle(id, outcome, now_ms());
    if notify.append(&lines).is_err() {
        monitors.counters.keep_errors.inc();
    }
    let lost = notify.outbox.lost;
    drop(notify);
    if is_taken {
        monitors.book_alerts(&urls, monitor::ledger::Event::Notified, now_ms());
    }
    for (reason, count) in [("refused", lost.refused), ("too_old", lost.too_old), ("too_many", lost.too_many)]
    {
        if count > 0 {
            monitors.counters.lost(reason, count);
        }
    }
}

impl Monitors {
    /// Reads the configuration of notifications, if it changed.
    pub(super) fn read_notifications(&self, now_ms: i64) {
        let Some(path) = &self.settings.notifications else { return };
        let stamp = files::stamp(path);
        let mut read = lock(&self.read);
        if read.notifications == stamp && (stamp.is_some() || !read.notification_problems.is_empty()) {
            return;
        }
        read.notifications = stamp;
        let name = path.display().to_string();
        let (config, problems) = match std::fs::read_to_string(path) {
            Ok(text) => config::read(&name, &text),
            Err(e) => {
                let what = format!("it cannot be read, so nobody is told of anything: {e}");
                (None, vec![monitor::Problem { file: name.clone(), line: 0, what, is_error: true }])
            }
        };
        read.notification_problems = problems;
        drop(read);
        // One that cannot be used leaves the one before in use.
        let Some(config) = config else { return };
        let gaps = config.gaps(now_ms).into_iter();
        let gaps = gaps.map(|what| monitor::Problem { file: name.clone(), line: 0, what, is_error: false });
        lock(&self.read).notification_problems.extend(gaps);
        let mut notify = self.notify();
        let lines = notify.outbox.keep_targets(|target| send::find(&config, target).is_some());
        notify.notifier.configure(Arc::new(config), now_ms);
        if notify.append(&lines).is_err() {
            self.counters.keep_errors.inc();
        }
    }

    /// Goes on from where it was when the clock was set.
    fn mind_clock(&self, now_ms: i64) {
        let monotonic_ms = self.started.elapsed().as_millis() as i64;
        let Some(by_ms) = lock(&self.read).steps.observe(now_ms, monotonic_ms) else { return };
        let mut due = lock(&self.due);
        for group in &due.groups {
            let mut run = lock(&group.run);
            run.rules.iter_mut().for_each(|r| r.state.shift(by_ms));
            run.last_ms = None;
        }
        due.schedule(now_ms);
        drop(due);
        self.changed.notify_all();
        let mut notify = self.notify();
        self.book_shift(by_ms);
        notify.notifier.shift(by_ms);
        notify.outbox.shift(by_ms);
    }

    /// Sets the gauges of how monitors are.
    fn count(&self) {
        let refused = self.notify().notifier.refused();
        if refused > 0 {
            self.counters.refused(refused);
        }
        let states = ["unknown", "fine", "pending", "firing", "no_data", "cannot_judge", "too_little"];
        let (mut counts, mut worst_ms) = ([0; 7], 0);
        for group in self.groups() {
            group.each(|_, rule, _, run| {
                if rule.alerting().is_some() {
                    let state = run.state.judgement().as_str();
                    if let Some(at) = states.iter().position(|s| *s == state) {
                        counts[at] += 1;
                    }
                    worst_ms = worst_ms.max(run.detection_worst_ms.unwrap_or(0));
                }
            });
        }
        if counts.iter().sum::<usize>() > 0 {
            states.into_iter().zip(counts).for_each(|(state, n)| self.counters.monitors(state, n));
            self.counters.detection(worst_ms as f64 / 1000.0);
        }
    }
}
