//! How many events were good, and how many there were: half minutes of the last hours, five minutes of the last days, hours of
//! what is older. What was not looked at yet is known as holes, which are filled from what is stored, the newest first: so a
//! new objective knows its past, and a restart loses nothing. It must never take a time without data for one without events.

use super::{DAY_MS, HOUR_MS, STEP_MS};
use std::collections::BTreeMap;

/// Older buckets are made longer: to so many milliseconds, once they are this old.
const LENGTHS: [(i64, i64); 2] = [(7 * HOUR_MS, 300_000), (80 * HOUR_MS, HOUR_MS)];
/// The newest so much is counted again each time: samples come late.
const REDONE_MS: i64 = 120_000;
/// A time without samples this long is a gap; what is shorter lies between two of a slow source.
const BETWEEN_MS: i64 = 300_000;
/// The most evaluations of one question.
const STEPS_MAX: i64 = 144;
/// The most holes that are remembered; more become one.
const HOLES_MAX: usize = 50;

/// The events of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    /// How long it is.
    pub length_ms: i64,
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
    /// For how much of it there was data.
    pub known_ms: i64,
}

impl Bucket {
    fn add(&mut self, more: Bucket) {
        self.good += more.good;
        self.total += more.total;
        self.known_ms = (self.known_ms + more.known_ms).min(self.length_ms);
    }
}

/// The events of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
    /// For how much of the window there was data, milliseconds.
    pub known_ms: f64,
}

impl Sum {
    /// Bad events.
    pub fn bad(self) -> f64 {
        (self.total - self.good).max(0.0)
    }
}

/// A time to be counted: buckets of `step_ms` from `from_ms` to `to_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where the first begins.
    pub from_ms: i64,
    /// Where the last ends.
    pub to_ms: i64,
    /// How long each is.
    pub step_ms: i64,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub(super) buckets: BTreeMap<i64, Bucket>,
    /// Times that nobody looked at yet: begin and end, in order.
    pub(super) holes: Vec<(i64, i64)>,
    /// The first time that was looked at or is a hole.
    pub(super) from_ms: Option<i64>,
    /// The end of the last time that was looked at.
    pub(super) until_ms: Option<i64>,
}

impl History {
    /// What is to be counted now. Times before it, from `start_ms` on, that nobody looked at become holes.
    pub fn wanted(&mut self, now_ms: i64, start_ms: i64) -> Wanted {
        let now_ms = now_ms.div_euclid(STEP_MS) * STEP_MS;
        let start_ms = start_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let recent_ms = now_ms - REDONE_MS;
        // A clock that was set back: what lies ahead is counted again when it comes.
        if self.until_ms.is_some_and(|t| t > now_ms) {
            self.buckets.split_off(&now_ms);
            self.until_ms = Some(now_ms);
        }
        match self.until_ms {
            Some(until_ms) => self.add_hole(until_ms, recent_ms),
            None => {
                self.add_hole(start_ms, recent_ms);
                self.from_ms = Some(start_ms);
            }
        }
        let known_from_ms = self.from_ms.unwrap_or(start_ms);
        if start_ms < known_from_ms {
            self.add_hole(start_ms, known_from_ms);
            self.from_ms = Some(start_ms);
        }
        for hole in &mut self.holes {
            hole.0 = hole.0.max(start_ms);
        }
        self.holes.retain(|(from, to)| from < to);
        Wanted { from_ms: recent_ms, to_ms: now_ms, step_ms: STEP_MS }
    }

    /// What is to be counted next of the past, the newest first, as much as is good to ask at once.
    pub fn past(&self, now_ms: i64) -> Option<Wanted> {
        self.holes.last().map(|(from, to)| chunk(now_ms, *from, *to))
    }

    fn add_hole(&mut self, from_ms: i64, to_ms: i64) {
        if from_ms < to_ms {
            self.holes.push((from_ms, to_ms));
        }
        self.holes.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::with_capacity(self.holes.len());
        for (from, to) in self.holes.drain(..) {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        if merged.len() > HOLES_MAX {
            let (first, last) = (merged[0].0, merged[merged.len() - 1].1);
            merged = vec![(first, last)];
        }
        self.holes = merged;
    }

    /// Takes what was counted: for each bucket of `wanted` that had data, where it ends, good and all events.
    pub fn put(&mut self, wanted: Wanted, counted: &BTreeMap<i64, (f64, f64)>) {
        let Wanted { from_ms, to_ms, step_ms } = wanted;
        let before: Vec<i64> = self.buckets.range(from_ms..to_ms).map(|(at, _)| *at).collect();
        for at in before {
            // A longer one holds what was counted of a time beside this one.
            if self.buckets.get(&at).is_some_and(|b| b.length_ms <= step_ms) {
                self.buckets.remove(&at);
            }
        }
        let mut at = from_ms;
        while at < to_ms {
            let end = at + step_ms;
            let mut new = Bucket { length_ms: step_ms, ..Bucket::default() };
            if let Some((good, total)) = counted.get(&end).filter(|(_, t)| t.is_finite() && *t >= 0.0) {
                let good = if good.is_finite() { good.clamp(0.0, *total) } else { 0.0 };
                self.bridge(at);
                new = Bucket { good, total: *total, known_ms: step_ms, ..new };
            }
            let bucket = self.buckets.entry(at).or_insert(Bucket { length_ms: step_ms, ..Bucket::default() });
            bucket.add(new);
            at = end;
        }
        self.until_ms = Some(self.until_ms.map_or(to_ms, |t| t.max(to_ms)));
        for hole in &mut self.holes {
            if hole.1 <= to_ms && hole.1 > from_ms {
                hole.1 = from_ms.max(hole.0);
            }
        }
        self.holes.retain(|(from, to)| from < to);
    }

    /// Samples that come once in minutes: the time since the last is known too.
    fn bridge(&mut self, before_ms: i64) {
        let near = self.buckets.range_mut(before_ms - BETWEEN_MS..before_ms);
        let mut gap: Vec<&mut Bucket> = Vec::new();
        for (_, bucket) in near.rev() {
            if bucket.known_ms > 0 {
                gap.into_iter().for_each(|b| b.known_ms = b.length_ms);
                return;
            }
            gap.push(bucket);
        }
    }

    /// Makes old buckets longer, and forgets those from before the window.
    pub fn compact(&mut self, now_ms: i64, start_ms: i64) {
        for (age_ms, length_ms) in LENGTHS {
            let before = (now_ms - age_ms).div_euclid(length_ms) * length_ms;
            let short: Vec<i64> = self
                .buckets
                .range(..before)
                .filter(|(_, b)| b.length_ms < length_ms)
                .map(|(at, _)| *at)
                .collect();
            for at in short {
                let Some(bucket) = self.buckets.remove(&at) else { continue };
                let slot = at.div_euclid(length_ms) * length_ms;
                let into = self.buckets.entry(slot).or_default();
                into.length_ms = length_ms;
                into.add(bucket);
            }
        }
        self.buckets = self.buckets.split_off(&(start_ms - HOUR_MS));
        self.from_ms = self.from_ms.map(|t| t.max(start_ms.div_euclid(HOUR_MS) * HOUR_MS));
    }

    /// The events from one time to another. A bucket that lies in it in part counts in part.
    pub fn sum(&self, from_ms: i64, to_ms: i64) -> Sum {
        let mut sum = Sum::default();
        for (at, bucket) in self.buckets.range(from_ms - HOUR_MS..to_ms) {
            let inside = (at + bucket.length_ms).min(to_ms) - (*at).max(from_ms);
            if inside > 0 && bucket.length_ms > 0 {
                let share = inside as f64 / bucket.length_ms as f64;
                sum.good += bucket.good * share;
                sum.total += bucket.total * share;
                sum.known_ms += bucket.known_ms as f64 * share;
            }
        }
        sum
    }

    /// The end of what was counted last.
    pub fn until_ms(&self) -> Option<i64> {
        self.until_ms
    }

    /// How much of a window nobody looked at yet, milliseconds.
    pub fn unread_ms(&self, from_ms: i64) -> i64 {
        self.holes.iter().map(|(a, b)| (b - (*a).max(from_ms)).max(0)).sum()
    }

    /// Buckets in order: where each begins.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, &Bucket)> {
        self.buckets.iter().map(|(at, b)| (*at, b))
    }
}

/// What to ask next of a hole: its end, in the grain in which it will be kept.
fn chunk(now_ms: i64, from_ms: i64, to_ms: i64) -> Wanted {
    let age_ms = now_ms - to_ms;
    let grain = LENGTHS.iter().rev().find(|(age, _)| age_ms >= *age).map_or(STEP_MS, |(_, length)| *length);
    let into = to_ms.rem_euclid(grain);
    // An end that is no edge of the grain is counted in half minutes up to one.
    let (step_ms, from) = match into {
        0 => (grain, to_ms - grain * STEPS_MAX.min(DAY_MS * 3 / grain)),
        into => (STEP_MS, to_ms - into),
    };
    let from = from.max(from_ms);
    if (to_ms - from) % step_ms != 0 {
        // The beginning of the hole is no edge either.
        let edge = from.div_euclid(step_ms) * step_ms + step_ms;
        if edge < to_ms {
            return Wanted { from_ms: edge, to_ms, step_ms };
        }
        return Wanted { from_ms: from, to_ms, step_ms: STEP_MS };
    }
    Wanted { from_ms: from, to_ms, step_ms }
}
