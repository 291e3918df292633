//! Batches of series that several threads decode while one takes them in order. It must never run far ahead of the one that
//! takes: what is decoded and not yet taken is memory that no query counts.

use super::{coded, data_of};
use crate::view::SeriesPieces;
use model::SeriesData;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard};
use stdx::{Error, ErrorKind, Result};

/// Samples to decode in one batch: a tenth of a millisecond, much more than handing it over takes.
const BATCH_SAMPLES: usize = 16_384;
/// Batches that may be claimed beyond the one that is taken now.
const AHEAD_MAX: usize = 4;

type Batch = Result<Vec<SeriesData>>;

/// The batches, shared by all threads of one read.
pub(super) struct Ahead {
    start_ms: i64,
    end_ms: i64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Those that nobody has claimed; the first is number `claimed`.
    todo: VecDeque<Vec<SeriesPieces>>,
    claimed: usize,
    /// Decoded and not yet taken, by number.
    ready: BTreeMap<usize, Batch>,
    /// The number that is taken next.
    taken: usize,
    stopped: bool,
}

impl Ahead {
    pub(super) fn new(series: Vec<SeriesPieces>, start_ms: i64, end_ms: i64) -> Ahead {
        let (mut todo, mut batch, mut samples) = (VecDeque::new(), Vec::new(), 0);
        for one in series {
            samples += coded(&one);
            batch.push(one);
            if samples >= BATCH_SAMPLES {
                todo.push_back(std::mem::take(&mut batch));
                samples = 0;
            }
        }
        if !batch.is_empty() {
            todo.push_back(batch);
        }
        let state = State { todo, claimed: 0, ready: BTreeMap::new(), taken: 0, stopped: false };
        Ahead { start_ms, end_ms, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(|e| e.into_inner())
    }

    /// The next batch in order, decoded here if nobody has claimed it; `None` after the last.
    pub(super) fn next(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let number = state.taken;
            if let Some(batch) = state.ready.remove(&number) {
                state.taken += 1;
                self.changed.notify_all();
                return Some(batch);
            }
            if state.claimed == number {
                let series = state.todo.pop_front()?;
                state.claimed += 1;
                state.taken += 1;
                self.changed.notify_all();
                drop(state);
                return Some(self.decoded(series));
            }
            state = self.wait(state);
        }
    }

    /// Decodes batches ahead of the one who takes them, until there are no more.
    pub(super) fn decode(&self) {
        let mut state = self.lock();
        loop {
            if state.stopped || state.todo.is_empty() {
                return;
            }
            if state.claimed > state.taken + AHEAD_MAX {
                state = self.wait(state);
                continue;
            }
            let number = state.claimed;
            let Some(series) = state.todo.pop_front() else { return };
            state.claimed += 1;
            drop(state);
            let batch = self.decoded(series);
            state = self.lock();
            state.ready.insert(number, batch);
            self.changed.notify_all();
        }
    }

    fn decoded(&self, series: Vec<SeriesPieces>) -> Batch {
        let all = || {
            series
                .into_iter()
                .filter_map(|one| data_of(one, self.start_ms, self.end_ms).transpose())
                .collect()
        };
        // The one who takes would wait for ever for a thread that is gone.
        catch_unwind(AssertUnwindSafe(all))
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a thread that decoded samples failed")))
    }

    /// Ends the other threads when it is dropped.
    pub(super) fn stop_at_end(&self) -> Stop<'_> {
        Stop(self)
    }
}

/// See [`Ahead::stop_at_end`].
pub(super) struct Stop<'a>(&'a Ahead);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}
