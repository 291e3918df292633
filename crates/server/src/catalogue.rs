//! The catalogue of `look` as the running server has it: fed with the series that the store tells of, and with
//! which of them have samples in a range, remembered for a second. With many series it is made when somebody looks, and
//! given up when nobody has for a day: it takes a third of what a series costs in memory.

use ::query::overview::Mode;
use look::Catalogue;
use model::{Labels, Matcher, MetricKind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
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
/// So many series are kept whether anybody looks or not: they cost little.
const FEW_MAX: usize = 20_000;
/// How long more are kept after somebody looked.
const KEPT_FOR: Duration = Duration::from_secs(86_400);
/// How long one who looks waits for the catalogue to be made. After that the answer is what is there.
const WAIT_MAX: Duration = Duration::from_secs(3);
const WAIT_STEP: Duration = Duration::from_millis(20);
/// Series that are taken in at one turn, so that searches wait little.
const PART: usize = 1024;

type Remembered = Vec<((i64, i64), Instant, Arc<Alive>)>;

/// What the catalogue holds.
mod state {
    /// Not yet anything; it is to be tried whether there are few series.
    pub const NEW: u8 = 0;
    /// A part of all, which becomes more.
    pub const FILLING: u8 = 1;
    /// All.
    pub const FILLED: u8 = 2;
    /// Nothing, until somebody looks.
    pub const GIVEN_UP: u8 = 3;
}

/// Every series by words. One per server.
pub struct SeriesCatalogue {
    inner: RwLock<Catalogue>,
    alive: Mutex<Remembered>,
    state: AtomicU8,
    started: Instant,
    /// Milliseconds from `started` until somebody last looked, and one more; 0 if nobody has.
    looked_ms: AtomicU64,
    few_max: usize,
}

impl Default for SeriesCatalogue {
    fn default() -> Self {
        SeriesCatalogue {
            inner: RwLock::default(),
            alive: Mutex::default(),
            state: AtomicU8::new(state::NEW),
            started: Instant::now(),
            looked_ms: AtomicU64::new(0),
            few_max: FEW_MAX,
        }
    }
}

impl SeriesCatalogue {
    /// The catalogue, to be read by whoever keeps the books. It may be empty although there are series.
    pub fn read(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.inner.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes that somebody looks, and waits a while if the catalogue is not whole yet.
    pub fn look(&self) {
        self.looked_ms.store(self.started.elapsed().as_millis() as u64 + 1, Relaxed);
        let begun = Instant::now();
        while !self.is_filled() && begun.elapsed() < WAIT_MAX {
            std::thread::sleep(WAIT_STEP);
        }
    }

    fn is_wanted(&self) -> bool {
        let looked_ms = self.looked_ms.load(Relaxed);
        let since = self.started.elapsed().saturating_sub(Duration::from_millis(looked_ms));
        looked_ms > 0 && since < KEPT_FOR
    }

    /// Whether [`SeriesCatalogue::fill`] should be called.
    pub fn is_due(&self) -> bool {
        match self.state.load(Relaxed) {
            state::NEW => true,
            state::GIVEN_UP => self.is_wanted(),
            _ => false,
        }
    }

    /// Takes in all that the store has, a few at a time. Until it ends, searches find less than there is. It ends early,
    /// with nothing, where there are many series and nobody looks.
    ///
    /// # Errors
    /// If the store cannot be read, or `stop` says so.
    pub fn fill(&self, store: &Store, now_ms: i64, stop: &dyn Fn() -> bool) -> Result<()> {
        self.state.store(state::FILLING, Relaxed);
        let mut part = Vec::new();
        let filled = store.view().for_each_series(&[], i64::MIN, i64::MAX, |labels, _| {
            part.push(labels.clone());
            if part.len() == PART {
                self.add(&part, now_ms);
                part.clear();
            }
            let is_given_up = self.state.load(Relaxed) == state::GIVEN_UP;
            if is_given_up || stop() { Err(Error::new(ErrorKind::Cancelled, "not needed")) } else { Ok(()) }
        });
        self.add(&part, now_ms);
        let _ = self.state.compare_exchange(state::FILLING, state::FILLED, Relaxed, Relaxed);
        filled
    }

    /// Whether it holds all series that there are.
    pub fn is_filled(&self) -> bool {
        self.state.load(Relaxed) == state::FILLED
    }

    /// Takes in series that are new to the store. Returns how many were new here: none while it holds nothing.
    pub fn add(&self, series: &[Labels], now_ms: i64) -> usize {
        if self.state.load(Relaxed) == state::GIVEN_UP {
            return 0;
        }
        let added = self.take_in(series, now_ms);
        if self.read().len() > self.few_max && !self.is_wanted() {
            self.state.store(state::GIVEN_UP, Relaxed);
            let mut catalogue = self.inner.write().unwrap_or_else(|e| e.into_inner());
            let emptied = catalogue.emptied();
            let old = std::mem::replace(&mut *catalogue, emptied);
            drop(catalogue);
            drop(old);
        }
        added
    }

    fn take_in(&self, series: &[Labels], now_ms: i64) -> usize {
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
        // Given up, if nobody has looked for long.
        self.add(&[], now_ms);
        if !self.is_filled() {
            return Ok(0);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_series_are_kept_for_those_who_look() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), store::Settings::default(), &Default::default()).unwrap();
        let mut batch = model::Batch::default();
        let series = |i: i64| Labels::from_pairs([("__name__", "m"), ("i", &i.to_string())]).unwrap();
        (0..30).for_each(|i| batch.push(&series(i), 1_000, 1.0));
        store.append(batch).unwrap().wait_blocking().unwrap();
        let fill = |catalogue: &SeriesCatalogue| catalogue.fill(&store, 1_000, &|| false);
        let len = |catalogue: &SeriesCatalogue| catalogue.read().len();

        let few = SeriesCatalogue { few_max: 30, ..Default::default() };
        assert!(few.is_due());
        fill(&few).unwrap();
        assert_eq!((few.is_filled(), few.is_due(), len(&few)), (true, false, 30));
        let first = few.read().id_of(&series(0)).unwrap();
        few.add(&[series(30)], 1_000);
        assert_eq!((few.is_filled(), few.is_due(), len(&few)), (false, false, 0));

        let many = few;
        many.add(&[series(31)], 1_000);
        assert_eq!(len(&many), 0, "nothing is taken in for nobody");
        many.looked_ms.store(1, Relaxed);
        assert!(many.is_due());
        fill(&many).unwrap();
        many.look();
        assert_eq!((many.is_filled(), len(&many)), (true, 30));
        assert!(many.read().id_of(&series(0)).unwrap() > first + 30, "an id names one series for ever");
    }
}
