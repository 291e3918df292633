//! A series as a few dozen slots, for small and large charts: mean, smallest and largest of each slot, as
//! values or as a counter's rate. Chunks that lie inside one slot are not decoded where their summary is enough.
//! It must never invent a value where there was none: a slot without samples is NaN, unless the samples on
//! both sides are as close as this series' samples always are.

mod summarised;

use stdx::Result;
use store::{Part, SeriesPieces};
pub use summarised::slots_of_summaries;

/// How to see a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The values as they are.
    Raw,
    /// A counter's increase per second, restarts taken into account.
    Rate,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Begin of the first slot, milliseconds since 1970.
    pub start_ms: i64,
    /// End of the last slot.
    pub end_ms: i64,
    /// Number of slots.
    pub points: usize,
    /// How to see the series.
    pub mode: Mode,
}

/// One value per slot; NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slots {
    /// Mean of the slot.
    pub avg: Vec<f64>,
    /// Smallest value in the slot.
    pub min: Vec<f64>,
    /// Largest value in the slot.
    pub max: Vec<f64>,
    /// The last value before the end of the window.
    pub last: f64,
}

/// Numbers over all values of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Samples (for a rate: pairs of samples).
    pub count: usize,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile (nearest rank).
    pub p95: f64,
    /// First.
    pub first: f64,
    /// Last.
    pub last: f64,
}

/// How long before the window samples may matter: a rate needs one before the first slot.
pub const BEFORE_MS: i64 = 300_000;

struct Builder {
    window: Window,
    width_ms: f64,
    sum: Vec<f64>,
    weight: Vec<f64>,
    slots: Slots,
    previous: Option<(i64, f64)>,
    gap_ms: i64,
    all: Option<Vec<f64>>,
}

/// Slots of a series, from parts of `start_ms - BEFORE_MS ..= end_ms`. `summaries` allows chunks to be taken by
/// their summaries (stale markers inside then weigh on the mean of their slot, by one in some hundreds).
///
/// # Errors
/// `Corrupt` if a chunk does not decode.
pub fn slots(series: &SeriesPieces, window: Window, summaries: bool) -> Result<Slots> {
    Ok(build(series, window, summaries, None)?.0)
}

/// As [`slots`], all chunks decoded, with the numbers over all values.
///
/// # Errors
/// `Corrupt` if a chunk does not decode.
pub fn slots_and_stats(series: &SeriesPieces, window: Window) -> Result<(Slots, Option<Stats>)> {
    let (slots, all) = build(series, window, false, Some(Vec::new()))?;
    Ok((slots, all.and_then(stats)))
}

fn build(
    series: &SeriesPieces,
    window: Window,
    summaries: bool,
    all: Option<Vec<f64>>,
) -> Result<(Slots, Option<Vec<f64>>)> {
    let mut b = Builder { gap_ms: gap_ms(series), all, ..Builder::new(window) };
    if summaries && series.is_disjoint() {
        for (i, part) in series.parts().enumerate() {
            match part {
                Part::Summary(s) if b.one_slot(s.first_ms, s.last_ms).is_some() && s.sum.is_finite() => {
                    b.summary(s)
                }
                Part::Summary(s) if s.last_ms < window.start_ms - BEFORE_MS || s.first_ms > window.end_ms => {
                }
                Part::Summary(_) | Part::Open(_) => {
                    let (t, v) = series.decode_part(i)?;
                    t.iter().zip(&v).for_each(|(t, v)| b.sample(*t, *v));
                }
                Part::Samples(t, v) => t.iter().zip(v).for_each(|(t, v)| b.sample(*t, *v)),
            }
        }
    } else {
        let (t, v) = series.samples(window.start_ms - BEFORE_MS, window.end_ms)?;
        t.iter().zip(&v).for_each(|(t, v)| b.sample(*t, *v));
    }
    Ok(b.finish())
}

/// The median of the newest intervals: a gap among them does not count.
fn usual_ms(times: &[i64]) -> Option<i64> {
    let mut intervals: Vec<i64> = times.windows(2).rev().take(63).map(|w| w[1] - w[0]).collect();
    intervals.sort_unstable();
    intervals.get(intervals.len() / 2).copied()
}

/// Two samples further apart than this have a gap between them: some intervals of this series.
fn gap_ms(series: &SeriesPieces) -> i64 {
    let interval = series
        .parts()
        .filter_map(|part| match part {
            Part::Summary(s) if s.count > 1 => Some((s.last_ms - s.first_ms) / i64::from(s.count - 1)),
            Part::Open(open) => {
                let (mut t, mut v) = (Vec::new(), Vec::new());
                open.decode_into(&mut t, &mut v).ok()?;
                usual_ms(&t)
            }
            Part::Samples(t, _) => usual_ms(t),
            Part::Summary(_) => None,
        })
        .min()
        .unwrap_or(BEFORE_MS / 5);
    (interval * 5 / 2).clamp(2_000, BEFORE_MS)
}

impl Builder {
    fn new(window: Window) -> Builder {
        let points = window.points.max(1);
        let nans = vec![f64::NAN; points];
        Builder {
            window: Window { points, ..window },
            width_ms: (window.end_ms - window.start_ms).max(1) as f64 / points as f64,
            sum: vec![0.0; points],
            weight: vec![0.0; points],
            slots: Slots { avg: nans.clone(), min: nans.clone(), max: nans, last: f64::NAN },
            previous: None,
            gap_ms: BEFORE_MS,
            all: None,
        }
    }

    fn finish(mut self) -> (Slots, Option<Vec<f64>>) {
        for (avg, (sum, weight)) in self.slots.avg.iter_mut().zip(self.sum.iter().zip(&self.weight)) {
            if *weight > 0.0 {
                *avg = sum / weight;
            }
        }
        (self.slots, self.all)
    }

    fn slot(&self, t: i64) -> Option<usize> {
        if t < self.window.start_ms || t > self.window.end_ms {
            return None;
        }
        let slot = ((t - self.window.start_ms) as f64 / self.width_ms) as usize;
        Some(slot.min(self.window.points - 1))
    }

    fn one_slot(&self, first_ms: i64, last_ms: i64) -> Option<usize> {
        let slot = self.slot(first_ms)?;
        (self.slot(last_ms) == Some(slot)).then_some(slot)
    }

    fn put(&mut self, slot: usize, value: f64, weight: f64) {
        self.sum[slot] += value * weight;
        self.weight[slot] += weight;
        self.extremes(slot, value, value);
    }

    fn extremes(&mut self, slot: usize, min: f64, max: f64) {
        self.slots.min[slot] = min.min(self.slots.min[slot]);
        self.slots.max[slot] = max.max(self.slots.max[slot]);
    }

    fn sample(&mut self, t: i64, v: f64) {
        if v.is_nan() {
            self.previous = None;
            return;
        }
        let before = self.previous.replace((t, v)).filter(|(t0, _)| t - t0 <= self.gap_ms);
        let Some(slot) = self.slot(t) else { return };
        let from = before.and_then(|(t0, _)| self.slot(t0.max(self.window.start_ms)));
        match self.window.mode {
            Mode::Raw => {
                if let (Some(from), Some((_, v0))) = (from, before) {
                    (from + 1..slot).for_each(|between| self.put(between, v0, 1.0));
                }
                self.put(slot, v, 1.0);
                self.keep(v);
            }
            Mode::Rate => {
                let Some((t0, v0)) = before else { return };
                let seconds = (t - t0) as f64 / 1000.0;
                let rate = if v >= v0 { v - v0 } else { v } / seconds;
                self.spread((from.unwrap_or(slot), slot), (t0, t), rate);
                self.keep(rate);
            }
        }
    }

    /// A rate belongs to the time between two samples, slot by slot.
    fn spread(&mut self, (from, to): (usize, usize), (t0, t): (i64, i64), rate: f64) {
        for slot in from..=to {
            let begin = self.window.start_ms as f64 + slot as f64 * self.width_ms;
            let overlap = (begin + self.width_ms).min(t as f64) - begin.max(t0 as f64);
            if overlap > 0.0 {
                self.put(slot, rate, overlap / 1000.0);
            }
        }
    }

    fn keep(&mut self, value: f64) {
        self.slots.last = value;
        if let Some(all) = &mut self.all {
            all.push(value);
        }
    }

    fn summary(&mut self, s: &store::chunk::Summary) {
        let Some(slot) = self.one_slot(s.first_ms, s.last_ms) else { return };
        match self.window.mode {
            Mode::Raw => {
                self.sum[slot] += s.sum;
                self.weight[slot] += f64::from(s.count);
                self.extremes(slot, s.min, s.max);
                self.slots.last = s.last;
                self.previous = Some((s.last_ms, s.last));
            }
            Mode::Rate => {
                self.sample(s.first_ms, s.first);
                let seconds = (s.last_ms - s.first_ms) as f64 / 1000.0;
                if seconds > 0.0 {
                    self.put(slot, s.increase / seconds, seconds);
                    self.slots.last = s.increase / seconds;
                }
                self.previous = Some((s.last_ms, s.last)).filter(|(_, v)| !v.is_nan());
            }
        }
    }
}

fn stats(mut all: Vec<f64>) -> Option<Stats> {
    let (first, last) = (*all.first()?, *all.last()?);
    let (count, sum) = (all.len(), all.iter().sum::<f64>());
    all.sort_unstable_by(f64::total_cmp);
    let rank = |q: f64| all[((q * count as f64).ceil() as usize).clamp(1, count) - 1];
    Some(Stats {
        count,
        min: all[0],
        max: all[count - 1],
        mean: sum / count as f64,
        p50: rank(0.5),
        p95: rank(0.95),
        first,
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Batch, Labels};

    fn pieces(samples: &[(i64, f64)], cut: bool) -> SeriesPieces {
        let folder = tempfile::tempdir().unwrap();
        let registry = stdx::metrics::Registry::default();
        let store = store::Store::open(folder.path(), store::Settings::default(), &registry).unwrap();
        let mut batch = Batch::default();
        samples.iter().for_each(|(t, v)| batch.push(&Labels::default().with("a", "1"), *t, *v));
        store.append(batch).unwrap().wait_blocking().unwrap();
        if cut {
            store.flush_head().unwrap();
        }
        store.view().pieces(&[], i64::MIN, i64::MAX, 10, usize::MAX).unwrap().remove(0)
    }

    fn window(end_ms: i64, points: usize, mode: Mode) -> Window {
        Window { start_ms: 0, end_ms, points, mode }
    }

    #[test]
    fn a_rate_bears_restarts_gaps_and_slots_shorter_than_the_interval() {
        let samples = [(0, 0.0), (1000, 10.0), (2000, 20.0), (3000, 5.0), (4000, 15.0), (60_000, 99.0)];
        let found = slots(&pieces(&samples, false), window(4000, 8, Mode::Rate), false).unwrap();
        assert_eq!(found.avg, [10.0, 10.0, 10.0, 10.0, 5.0, 5.0, 10.0, 10.0]);
        let (found, stats) =
            slots_and_stats(&pieces(&samples, false), window(60_000, 6, Mode::Rate)).unwrap();
        assert!(found.avg[1..].iter().all(|v| v.is_nan()), "{found:?}");
        assert_eq!(found.avg[0], 35.0 / 4.0);
        let stats = stats.unwrap();
        assert_eq!((stats.count, stats.min, stats.max, stats.p50, stats.last), (4, 5.0, 10.0, 10.0, 10.0));
    }

    #[test]
    fn raw_values_are_held_between_samples_but_not_over_a_gap() {
        let samples = [(0, 1.0), (2000, 3.0), (4000, 5.0), (20_000, 7.0)];
        let found = slots(&pieces(&samples, false), window(20_000, 20, Mode::Raw), false).unwrap();
        assert_eq!(found.avg[..5], [1.0, 1.0, 3.0, 3.0, 5.0]);
        assert!(found.avg[5..19].iter().all(|v| v.is_nan()));
        assert_eq!((found.avg[19], found.last), (7.0, 7.0));
    }

    #[test]
    fn summaries_give_what_decoding_gives() {
        let samples: Vec<(i64, f64)> = (0..7200).map(|i| (i * 1000, (i * i % 1013) as f64)).collect();
        let series = pieces(&samples, true);
        for (mode, points) in [(Mode::Raw, 7), (Mode::Raw, 60), (Mode::Rate, 7), (Mode::Rate, 200)] {
            let exact = slots(&series, window(7_200_000, points, mode), false).unwrap();
            let quick = slots(&series, window(7_200_000, points, mode), true).unwrap();
            for (a, b) in exact.avg.iter().zip(&quick.avg) {
                assert!((a - b).abs() <= 1e-9 * a.abs(), "{mode:?} {points}: {a} {b}");
            }
        }
    }
}
