//! Examples of what was counted: the newest so many, in memory, with a file beside the samples so that they survive a
//! restart. Nobody waits for the file: it is written and synced about once a second by a thread of its own. It must never
//! hold up samples, nor grow beyond its bound. Format: `docs/formats/exemplars.md`.

mod file;

use file::File;
use model::{Batch, Labels, Matcher};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdx::metrics::{Registry, Value};
use stdx::{Error, ErrorKind, Result};

/// Texts for the file that wait at one time; when there are more, the file is written anew from memory.
const WAITING_MAX: usize = 64;
/// How long what came is collected before it is written and synced.
const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// After a failure the file is tried again so much later.
const RETRY_PERIOD: Duration = Duration::from_secs(10);

/// One example, without its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// What was measured.
    pub value: f64,
    /// Its own labels (`trace_id` ...).
    pub labels: Labels,
}

/// The examples of one series, in order of time.
pub type OfSeries = (Labels, Vec<Example>);

/// All examples of a store. Dropping it writes what is not written yet.
pub struct Exemplars {
    shared: Arc<Shared>,
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    /// Lines to add.
    Add(String),
    /// Write at once, and say so; everything anew if that is true.
    Now(bool, SyncSender<Result<()>>),
}

/// What is to be written together.
#[derive(Default)]
struct Collected {
    lines: String,
    anew: bool,
    waiting: Vec<SyncSender<Result<()>>>,
}

struct Shared {
    state: Mutex<State>,
    /// Examples that are kept at the most; 0 keeps none.
    max: usize,
    /// Not all lines could be handed over: only memory knows all.
    is_behind: AtomicBool,
    counters: Counters,
}

struct Counters {
    kept: Value,
    added: Value,
    duplicate: Value,
    evicted: Value,
    failed: Value,
}

#[derive(Default)]
struct State {
    series: BTreeMap<Labels, VecDeque<Example>>,
    /// The series of each example, in the order in which they came: the oldest goes first.
    arrivals: VecDeque<Labels>,
}

impl Exemplars {
    /// Reads the file of a folder; whatever of it is damaged is left out. At most `max` are kept from now on; with 0 none
    /// are, and no file is written.
    pub fn open(folder: &Path, max: usize, registry: &Registry) -> Exemplars {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            max,
            is_behind: AtomicBool::new(false),
            counters: Counters {
                kept: registry.gauge("midwatch_exemplars", "Exemplars that are kept."),
                added: registry.counter("midwatch_exemplars_added_total", "Exemplars that were kept."),
                duplicate: registry
                    .counter("midwatch_exemplars_duplicate_total", "Exemplars that were there already."),
                evicted: registry
                    .counter("midwatch_exemplars_evicted_total", "Exemplars that made room for newer ones."),
                failed: registry.counter(
                    "midwatch_exemplars_write_errors_total",
                    "Times that the file of exemplars could not be written.",
                ),
            },
        });
        if max == 0 {
            return Exemplars { shared, work: None, thread: None };
        }
        let mut file = File::new(folder);
        let read = file.read(|series, example| {
            let _ = shared.state().insert(series, example, max);
        });
        // What is damaged is gone with the first writing.
        shared.is_behind.store(!matches!(read, Ok(0)), Relaxed);
        shared.counters.kept.set(shared.state().arrivals.len() as f64);
        let (work, waiting) = sync_channel(WAITING_MAX);
        let inside = shared.clone();
        let thread =
            std::thread::Builder::new().name("exemplars".into()).spawn(move || inside.write(file, &waiting));
        match thread {
            Ok(thread) => Exemplars { shared, work: Some(work), thread: Some(thread) },
            // Without a thread they live in memory alone.
            Err(_) => Exemplars { shared, work: None, thread: None },
        }
    }

    /// Takes the examples of a batch with their series, to be kept once its samples are.
    pub fn take(&self, batch: &mut Batch) -> Vec<(Labels, Example)> {
        let series = &batch.series;
        let taken = batch.exemplars.drain(..).filter_map(|e| {
            let example = Example { timestamp_ms: e.timestamp_ms, value: e.value, labels: e.labels };
            Some((series.get(e.series as usize)?.clone(), example))
        });
        taken.collect()
    }

    /// Keeps examples, in whatever order of time they come. Returns how many are there now, those that were there already
    /// included.
    pub fn add(&self, examples: Vec<(Labels, Example)>) -> u64 {
        if examples.is_empty() || self.shared.max == 0 {
            return 0;
        }
        let count = examples.len() as u64;
        let counters = &self.shared.counters;
        let mut lines = String::new();
        let mut state = self.shared.state();
        for (series, example) in examples {
            // Targets repeat theirs with every scrape: these cost a look, and no line.
            if state.has(&series, &example) {
                counters.duplicate.inc();
                continue;
            }
            lines.push_str(&file::line(&series, &example));
            if let Inserted::Kept { evicted } = state.insert(series, example, self.shared.max) {
                counters.added.inc();
                counters.evicted.add(evicted as f64);
            }
        }
        counters.kept.set(state.arrivals.len() as f64);
        // Handed over under the lock: a rewriting from memory then never misses a line that is still on its way.
        if let Some(work) = self.work.as_ref().filter(|_| !lines.is_empty())
            && let Err(TrySendError::Full(_)) = work.try_send(Work::Add(lines))
        {
            self.shared.is_behind.store(true, Relaxed);
        }
        count
    }

    /// The examples from `start_ms` to `end_ms` of all series that any of the sets of matchers selects, in order of labels.
    pub fn select(&self, sets: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> Vec<OfSeries> {
        let state = self.shared.state();
        let found = state.series.iter().filter(|(labels, _)| sets.iter().any(|m| Matcher::all(m, labels)));
        found
            .map(|(labels, all)| {
                let within = all.iter().filter(|e| (start_ms..=end_ms).contains(&e.timestamp_ms));
                (labels.clone(), within.cloned().collect::<Vec<_>>())
            })
            .filter(|(_, all)| !all.is_empty())
            .collect()
    }

    /// How many are kept, and how many there can be.
    pub fn present(&self) -> (usize, usize) {
        (self.shared.state().arrivals.len(), self.shared.max)
    }

    /// Forgets examples for good; when this returns, they are in no file. Returns how many there were.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be written: then it still holds them.
    pub fn delete(&self, sets: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> Result<usize> {
        let removed = self.shared.state().remove(sets, start_ms, end_ms);
        self.shared.counters.kept.set(self.present().0 as f64);
        if removed > 0 {
            self.now(true)?;
        }
        Ok(removed)
    }

    /// Waits until everything is synced.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be written.
    pub fn flush(&self) -> Result<()> {
        self.now(false)
    }

    fn now(&self, anew: bool) -> Result<()> {
        let Some(work) = &self.work else { return Ok(()) };
        let (done, is_done) = sync_channel(1);
        let gone = || Error::new(ErrorKind::Unavailable, "the thread that writes exemplars has ended");
        work.send(Work::Now(anew, done)).map_err(|_| gone())?;
        is_done.recv().map_err(|_| gone())?
    }
}

impl Drop for Exemplars {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The thread of the file: collects for a moment, then writes and syncs.
    fn write(&self, mut file: File, waiting: &Receiver<Work>) {
        let mut ended = false;
        while !ended {
            let mut all = Collected::default();
            match waiting.recv() {
                Ok(work) => all.add(work),
                Err(_) => return,
            }
            let until = Instant::now() + SYNC_PERIOD;
            while all.waiting.is_empty() {
                match waiting.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(work) => all.add(work),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        ended = true;
                        break;
                    }
                }
            }
            let kept = self.state().arrivals.len();
            let is_behind = self.is_behind.swap(false, Relaxed);
            let written = match is_behind || all.anew || file.is_loose(&all.lines, kept) {
                true => self.rewrite(&mut file),
                false if all.lines.is_empty() => Ok(()),
                false => file.append(&all.lines),
            };
            if written.is_err() {
                self.counters.failed.inc();
                self.is_behind.store(true, Relaxed);
            }
            let is_patient = all.waiting.is_empty() && !ended;
            let told = written.err().map(|e| (e.kind, e.to_string()));
            for done in all.waiting {
                let _ = done.send(told.clone().map_or(Ok(()), |(kind, text)| Err(Error::new(kind, text))));
            }
            if told.is_some() && is_patient {
                std::thread::sleep(RETRY_PERIOD);
            }
        }
    }

    fn rewrite(&self, file: &mut File) -> Result<()> {
        let text = {
            let state = self.state();
            let all = state.series.iter().flat_map(|(labels, all)| all.iter().map(move |e| (labels, e)));
            let mut all: Vec<_> = all.collect();
            // In order of time, so that the oldest go first after a restart too.
            all.sort_by_key(|(_, e)| e.timestamp_ms);
            all.iter().map(|(labels, e)| file::line(labels, e)).collect::<String>()
        };
        file.rewrite(&text)
    }
}

impl Collected {
    fn add(&mut self, work: Work) {
        match work {
            Work::Add(more) => self.lines.push_str(&more),
            Work::Now(anew, done) => {
                self.anew |= anew;
                self.waiting.push(done);
            }
        }
    }
}

enum Inserted {
    Kept { evicted: usize },
    Duplicate,
}

/// How an example stands to another one of its series.
fn order(e: &Example, other: &Example) -> std::cmp::Ordering {
    let by_time = e.timestamp_ms.cmp(&other.timestamp_ms);
    by_time.then_with(|| e.value.total_cmp(&other.value)).then_with(|| e.labels.cmp(&other.labels))
}

impl State {
    fn has(&self, series: &Labels, example: &Example) -> bool {
        self.series.get(series).is_some_and(|all| all.binary_search_by(|e| order(e, example)).is_ok())
    }

    fn insert(&mut self, series: Labels, example: Example, max: usize) -> Inserted {
        let all = self.series.entry(series.clone()).or_default();
        match all.binary_search_by(|e| order(e, &example)) {
            Ok(_) => Inserted::Duplicate,
            Err(at) => {
                all.insert(at, example);
                self.arrivals.push_back(series);
                let mut evicted = 0;
                while self.arrivals.len() > max {
                    self.evict();
                    evicted += 1;
                }
                Inserted::Kept { evicted }
            }
        }
    }

    /// Removes the oldest of the series whose example came first.
    fn evict(&mut self) {
        let Some(labels) = self.arrivals.pop_front() else { return };
        let Some(all) = self.series.get_mut(&labels) else { return };
        all.pop_front();
        if all.is_empty() {
            self.series.remove(&labels);
        }
    }

    fn remove(&mut self, sets: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> usize {
        let mut removed: BTreeMap<Labels, usize> = BTreeMap::new();
        self.series.retain(|labels, all| {
            if !sets.iter().any(|m| Matcher::all(m, labels)) {
                return true;
            }
            let before = all.len();
            all.retain(|e| !(start_ms..=end_ms).contains(&e.timestamp_ms));
            removed.insert(labels.clone(), before - all.len());
            !all.is_empty()
        });
        let total = removed.values().sum();
        self.arrivals.retain(|labels| match removed.get_mut(labels) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        total
    }
}

#[cfg(test)]
mod tests;
