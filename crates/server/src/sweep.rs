//! Many series looked at on all cores, one after another, while somebody may watch: how far it is, and now and then what was
//! found so far. It must never hold more than its caller lets it, nor go on when nobody waits.

use crate::app::App;
use crate::gate::Stop;
use foldhash::{HashSet, HashSetExt};
use model::Matcher;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use store::{SeriesPieces, View};
use tokio::sync::mpsc::Sender;

/// Samples that are read for one answer: 100,000 series at 1 s for 45 minutes.
pub const SAMPLES_MAX: usize = 300_000_000;
/// Its name in the list of limits.
pub const SAMPLES: &str = "samples of one comparison";
/// Series that are read for one answer.
pub const SERIES_MAX: usize = 1_000_000;
/// Its name in the list of limits.
pub const SERIES: &str = "series of one comparison";
/// Things that a thread takes at a time.
const AT_A_TIME: usize = 64;
/// Threads that look.
const THREADS_MAX: usize = 4;
/// An answer that takes no longer is given at once, without parts before it.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// Who waits: whether anybody still does, and how far the work is.
#[derive(Clone)]
pub struct Watch {
    /// Asked often; true when nobody waits any more, or the time is over.
    pub stop: Stop,
    /// How far it is.
    pub progress: Arc<Progress>,
    parts: Option<Sender<Json>>,
}

/// How far the work is.
#[derive(Default)]
pub struct Progress {
    doing: Mutex<&'static str>,
    done: AtomicUsize,
    of: AtomicUsize,
    /// Milliseconds after the start at which the next part is due.
    next_ms: AtomicU64,
}

impl Progress {
    fn doing(&self, what: &'static str) {
        *self.doing.lock().unwrap_or_else(|e| e.into_inner()) = what;
    }

    /// So many are read; how many there are is not known.
    pub fn reading(&self, what: &'static str, count: usize) {
        self.doing(what);
        self.done.store(count, Relaxed);
    }

    /// As the HTTP API gives it.
    pub fn to_json(&self, started: Instant) -> Json {
        let doing = *self.doing.lock().unwrap_or_else(|e| e.into_inner());
        json!({
            "doing": if doing.is_empty() { "finding series" } else { doing },
            "done": self.done.load(Relaxed),
            "of": self.of.load(Relaxed),
            "elapsed_ms": started.elapsed().as_millis() as u64,
        })
    }
}

impl Watch {
    /// Nobody sees parts.
    pub fn silent(stop: Stop) -> Watch {
        Watch { stop, progress: Arc::default(), parts: None }
    }

    /// Parts go there, those that find no room are left out.
    pub fn telling(stop: Stop, progress: Arc<Progress>, parts: Sender<Json>) -> Watch {
        Watch { stop, progress, parts: Some(parts) }
    }

    /// An error if nobody waits any more.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        match (self.stop)() {
            true => {
                let text =
                    "it took longer than it may; ask for a shorter window, or for fewer series with match";
                Err(Error::new(ErrorKind::Cancelled, text).bound("query.timeout"))
            }
            false => Ok(()),
        }
    }

    /// Whether it is time for a part; each time is due once. The longer it takes, the seldomer.
    fn is_due(&self, started: Instant) -> bool {
        let now_ms = started.elapsed().as_millis() as u64;
        let next_ms = self.progress.next_ms.load(Relaxed).max(PATIENCE.as_millis() as u64);
        let after_ms = now_ms + (now_ms / 3).max(PATIENCE.as_millis() as u64);
        self.parts.is_some()
            && now_ms >= next_ms
            && self.progress.next_ms.fetch_max(after_ms, Relaxed) <= next_ms
    }

    /// What is done now; how much of it there is is not known.
    pub fn now(&self, what: &'static str) {
        self.progress.reading(what, 0);
        self.progress.of.store(0, Relaxed);
    }

    /// Tells a part of the answer, if somebody sees parts and one is due.
    pub fn so_far(&self, started: Instant, part: impl FnOnce() -> Json) {
        if self.is_due(started) {
            self.tell(part());
        }
    }

    fn tell(&self, part: Json) {
        if let Some(parts) = &self.parts {
            // Whoever is too slow for one part gets the next one.
            let _ = parts.try_send(part);
        }
    }
}

/// The series of any of some selectors (all for none), with their parts in a range.
///
/// # Errors
/// `TooLarge` past a bound; those of the store.
pub fn read(
    app: &App,
    view: &View,
    selectors: &[Vec<Matcher>],
    range: (i64, i64),
) -> Result<Vec<SeriesPieces>> {
    let series_max = app.settings.query.series_max.max(SERIES_MAX);
    let of = |matchers: &[Matcher]| {
        view.pieces(matchers, range.0, range.1, series_max, SAMPLES_MAX).map_err(|e| match e.bound {
            Some("query.samples_max") => too_much(format!("more than {SAMPLES_MAX} samples"), SAMPLES),
            Some("query.series_max") => too_much(format!("more than {series_max} series"), SERIES),
            _ => e,
        })
    };
    match selectors {
        [] => of(&[]),
        [one] => of(one),
        many => {
            let (mut seen, mut all) = (HashSet::new(), Vec::new());
            for matchers in many {
                all.extend(of(matchers)?.into_iter().filter(|s| seen.insert(s.labels.clone())));
            }
            Ok(all)
        }
    }
}

fn too_much(what: String, bound: &'static str) -> Error {
    let text = format!(
        "this would read {what}; take a shorter window, a shorter baseline, or fewer series with match"
    );
    Error::new(ErrorKind::TooLarge, text).bound(bound)
}

/// Looks at `count` things on all cores, each thread with a state of its own. `trim` may forget the least of what was found;
/// `so_far` makes a part of the answer of what was found up to then.
///
/// # Errors
/// `Cancelled` when the client has left or the time is over; those of `one`.
pub fn on_all_cores<T: Send + Clone, S>(
    count: usize,
    watch: &Watch,
    start: impl Fn() -> S + Sync,
    one: impl Fn(&mut S, usize, &mut Vec<T>) -> Result<()> + Sync,
    trim: impl Fn(&mut Vec<T>) + Sync,
    so_far: impl Fn(Vec<T>) -> Json + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<T>> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(THREADS_MAX).min(count / AT_A_TIME + 1);
    let started = Instant::now();
    watch.progress.of.store(count, Relaxed);
    watch.progress.done.store(0, Relaxed);
    watch.progress.doing("comparing");
    let run = || -> Result<()> {
        let (mut state, mut found) = (start(), Vec::new());
        loop {
            let first = next.fetch_add(AT_A_TIME, Relaxed);
            if first >= count {
                return Ok(());
            }
            if let Err(e) = watch.check() {
                next.store(count, Relaxed);
                return Err(e);
            }
            let last = (first + AT_A_TIME).min(count);
            for i in first..last {
                if let Err(e) = one(&mut state, i, &mut found) {
                    next.store(count, Relaxed);
                    return Err(e);
                }
            }
            watch.progress.done.fetch_add(last - first, Relaxed);
            let mut held = all.lock().unwrap_or_else(|e| e.into_inner());
            held.append(&mut found);
            trim(&mut held);
            if watch.is_due(started) {
                let copy = held.clone();
                drop(held);
                watch.tell(so_far(copy));
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mine = run();
        for other in others {
            other.join().map_err(|_| Error::new(ErrorKind::Internal, "a comparison panicked"))??;
        }
        mine
    })?;
    Ok(all.into_inner().unwrap_or_else(|e| e.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubled(watch: &Watch, slow: bool) -> Result<Vec<usize>> {
        on_all_cores(
            1_000,
            watch,
            || 0usize,
            |seen, i, found| {
                *seen += 1;
                if slow && *seen == 1 {
                    // As long as the first part takes to become due.
                    let until = Instant::now() + PATIENCE;
                    while Instant::now() < until {
                        std::thread::yield_now();
                    }
                }
                found.extend((i % 2 == 0).then_some(i));
                Ok(())
            },
            |_| {},
            |found| json!({ "found": found.len() }),
        )
    }

    #[test]
    fn everything_is_looked_at_once() {
        let mut found = doubled(&Watch::silent(Arc::new(|| false)), false).unwrap();
        found.sort_unstable();
        assert_eq!(found, (0..1_000).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn it_ends_when_nobody_waits() {
        let error = doubled(&Watch::silent(Arc::new(|| true)), false).unwrap_err();
        assert_eq!((error.kind, error.bound), (ErrorKind::Cancelled, Some("query.timeout")));
    }

    #[test]
    fn what_takes_long_tells_parts_and_how_far_it_is() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
        let progress: Arc<Progress> = Arc::default();
        let watch = Watch::telling(Arc::new(|| false), progress.clone(), sender);
        assert_eq!(doubled(&watch, true).unwrap().len(), 500);
        assert!(receiver.try_recv().unwrap()["found"].as_u64().is_some());
        let told = progress.to_json(Instant::now());
        assert_eq!((&told["done"], &told["of"]), (&json!(1_000), &json!(1_000)));
    }
}
