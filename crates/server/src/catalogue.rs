//! The catalogue of `look` as the running server has it: fed with the series that the store tells of, and with
//! which of them have samples in a range, remembered for a second.

use ::query::overview::Mode;
use look::Catalogue;
use model::{Labels, Matcher, MetricKind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use store::Store;

/// Which ids have samples in a range: one bit each.
pub struct Alive(Vec<u64>);

impl Alive {
    /// Whether an id is among them.
    pub fn contains(&self, id: u32) -> bool {
        self.0.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }
}

/// How long an answer about a range is used again. New series come in with the next.
const ALIVE_FOR: Duration = Duration::from_secs(1);
/// Ranges that are remembered at the most.
const RANGES_MAX: usize = 8;

/// A series with a sample in so much time is not silent.
const RECENT_MS: i64 = 900_000;
/// Series that are taken back at a time, at the most.
const UNKNOWN_MAX: usize = 100_000;
/// Series that are taken in at one turn, so that searches wait little.
const PART: usize = 1024;

type Remembered = Vec<((i64, i64), Instant, Arc<Alive>)>;

/// Every series by words. One per server.
#[derive(Default)]
pub struct SeriesCatalogue {
    inner: RwLock<Catalogue>,
    alive: Mutex<Remembered>,
    is_filled: AtomicBool,
}

impl SeriesCatalogue {
    /// The catalogue, to be read.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.inner.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes in all that the store has, a few at a time. Until it ends, searches find less than there is.
    ///
    /// # Errors
    /// If the store cannot be read, or `stop` says so.
    pub fn fill(&self, store: &Store, now_ms: i64, stop: &dyn Fn() -> bool) -> Result<()> {
        let mut part = Vec::new();
        let filled = store.view().for_each_series(&[], i64::MIN, i64::MAX, |labels, _| {
            part.push(labels.clone());
            if part.len() == PART {
                self.add(&part, now_ms);
                part.clear();
            }
            if stop() { Err(Error::new(ErrorKind::Cancelled, "the server stops")) } else { Ok(()) }
        });
        self.add(&part, now_ms);
        self.is_filled.store(true, Relaxed);
        filled
    }

    /// Whether [`SeriesCatalogue::fill`] has ended.
    pub fn is_filled(&self) -> bool {
        self.is_filled.load(Relaxed)
    }

    /// Takes in series that are new to the store. Returns how many were new here.
    pub fn add(&self, series: &[Labels], now_ms: i64) -> usize {
        let mut added = 0;
        for part in series.chunks(PART) {
            let mut catalogue = self.inner.write().unwrap_or_else(|e| e.into_inner());
            let before = catalogue.len();
            part.iter().for_each(|labels| {
                catalogue.add(labels, seconds(now_ms));
            });
            added += catalogue.len() - before;
        }
        added
    }

    /// Forgets series that have been silent for long: all of which the store keeps nothing any more, and those silent
    /// longest where there are too many. One that is heard of again comes back. Only the newest data is looked at, not
    /// every block. Returns how many were forgotten.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn age(&self, store: &Store, now_ms: i64) -> Result<usize> {
        let next_id = self.read().next_id();
        let mut unknown = Vec::new();
        let recent = self.have_samples(store, now_ms - RECENT_MS, i64::MAX, &mut |labels| {
            if unknown.len() < UNKNOWN_MAX {
                unknown.push(labels.clone());
            }
        })?;
        self.add(&unknown, now_ms);
        let oldest_ms = store.status().oldest_ms.unwrap_or_default();
        let gone = {
            let mut catalogue = self.inner.write().unwrap_or_else(|e| e.into_inner());
            catalogue.age(|id| recent.contains(id), next_id, seconds(now_ms), seconds(oldest_ms))
        };
        for part in gone.chunks(256) {
            let mut catalogue = self.inner.write().unwrap_or_else(|e| e.into_inner());
            part.iter().for_each(|id| {
                catalogue.remove(*id);
            });
        }
        Ok(gone.len())
    }

    /// Forgets series that were deleted: those that a set of matchers selects, and the store has no more.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn forget_deleted(&self, store: &Store, matchers: &[Vec<Matcher>]) -> Result<usize> {
        let mut kept = std::collections::HashSet::new();
        for set in matchers {
            kept.extend(store.view().series(set, i64::MIN, i64::MAX, usize::MAX)?);
        }
        let is_meant = |labels: &Labels| matchers.iter().any(|set| Matcher::all(set, labels));
        let gone: Vec<u32> = self
            .read()
            .iter()
            .filter(|(_, labels)| is_meant(labels) && !kept.contains(*labels))
            .map(|(id, _)| id)
            .collect();
        let mut catalogue = self.inner.write().unwrap_or_else(|e| e.into_inner());
        gone.iter().for_each(|id| {
            catalogue.remove(*id);
        });
        Ok(gone.len())
    }

    /// Which series have samples in a range (rounded to 10 s, and up to a second old).
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn alive(&self, store: &Store, start_ms: i64, end_ms: i64) -> Result<Arc<Alive>> {
        let key = (start_ms.div_euclid(10_000), end_ms.div_euclid(10_000));
        let lock = || self.alive.lock().unwrap_or_else(|e| e.into_inner());
        let known =
            lock().iter().find(|(k, at, _)| *k == key && at.elapsed() < ALIVE_FOR).map(|(_, _, a)| a.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let alive = Arc::new(self.have_samples(store, key.0 * 10_000, (key.1 + 1) * 10_000, &mut |_| {})?);
        let mut remembered = lock();
        remembered.retain(|(k, at, _)| *k != key && at.elapsed() < ALIVE_FOR);
        remembered.truncate(RANGES_MAX - 1);
        remembered.push((key, Instant::now(), alive.clone()));
        Ok(alive)
    }

    /// Which series have samples in a range; `unknown` is told those that the catalogue does not have.
    fn have_samples(
        &self,
        store: &Store,
        start_ms: i64,
        end_ms: i64,
        unknown: &mut dyn FnMut(&Labels),
    ) -> Result<Alive> {
        let mut bits = Vec::new();
        let catalogue = self.read();
        store.view().for_each_series(&[], start_ms, end_ms, |labels, _| {
            match catalogue.id_of(labels) {
                Some(id) => {
                    let word = id as usize / 64;
                    if bits.len() <= word {
                        bits.resize(word + 1, 0u64);
                    }
                    bits[word] |= 1 << (id % 64);
                }
                None => unknown(labels),
            }
            Ok(())
        })?;
        Ok(Alive(bits))
    }
}

fn seconds(time_ms: i64) -> u32 {
    u32::try_from(time_ms / 1000).unwrap_or(if time_ms < 0 { 0 } else { u32::MAX })
}

/// Kind and unit of a series: what was said of its metric, else what its name says.
pub fn kind_and_unit(store: &Store, labels: &Labels) -> (MetricKind, String) {
    let known = store.metadata_of(labels.name());
    let kind = known.as_ref().map_or(MetricKind::Unknown, |m| m.kind);
    let given = known.as_ref().map_or("", |m| m.unit.as_str());
    let unit = look::unit::of(labels.name(), kind, given).into_owned();
    // Said to be a counter in so many words, or by its name.
    let kind = if kind == MetricKind::Unknown && kind.is_cumulative(labels.name()) {
        MetricKind::Counter
    } else {
        kind
    };
    (kind, unit)
}

/// How a series is shown: a counter as its rate unless raw values are wanted. The unit is of what is shown.
pub fn shown_as(kind: MetricKind, name: &str, unit: &str, raw: bool) -> (Mode, String) {
    match !raw && kind.is_cumulative(name) {
        true => (Mode::Rate, look::unit::of_rate(unit)),
        false => (Mode::Raw, unit.to_string()),
    }
}
