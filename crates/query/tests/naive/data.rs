//! Random series: counters, gauges, native histograms, series of both, with gaps, stale markers, resets and starts.
//! All numbers are small and whole, so that sums do not depend on the order in which they are added.

use crate::support::{Naive, labels};
use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
use model::{Histogram, HistogramAt, STALE_NAN_BITS, SeriesData};
use std::sync::Arc;

/// xorshift64*: the same numbers in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn choose<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What a series counts.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    /// Exponential buckets.
    Histogram,
    /// Bounds of one's own.
    Custom,
    /// Numbers and histograms by turns.
    Both,
}

/// Metrics by what they hold.
pub const NUMBERS: [&str; 2] = ["c_total", "g"];
pub const HISTOGRAMS: [&str; 2] = ["h", "custom"];
pub const BOTH: &str = "both";

/// 5 metrics with 4 series each, about 10 minutes of samples.
pub fn source(random: &mut Random) -> Naive {
    let mut source = Naive::default();
    let kinds = [
        ("c_total", Kind::Counter),
        ("g", Kind::Gauge),
        ("h", Kind::Histogram),
        ("custom", Kind::Custom),
        ("both", Kind::Both),
    ];
    for (name, kind) in kinds {
        for i in 0..4 {
            let text = format!("{name}{{job=\"{}\", host=\"{}\"}}", i % 2, i / 2);
            source.series.push(series(random, &text, kind));
        }
    }
    source
}

fn series(random: &mut Random, text: &str, kind: Kind) -> SeriesData {
    let mut series = SeriesData { labels: labels(text), ..SeriesData::default() };
    let has_starts = random.one_in(3) && matches!(kind, Kind::Counter | Kind::Histogram);
    let mut started_ms = 0;
    let (mut time, mut number) = (random.below(40_000) as i64, random.below(50) as f64);
    let mut held = first_histogram(random, kind);
    while time < 600_000 {
        let reset = random.one_in(9);
        if reset {
            started_ms = time - 1 - random.below(9_000) as i64;
        }
        number = match kind {
            Kind::Gauge => random.below(200) as f64 - 100.0,
            _ if reset => random.below(5) as f64,
            _ => number + random.below(20) as f64,
        };
        held = if reset { first_histogram(random, kind) } else { grown(random, &held) };
        let numbers = match kind {
            Kind::Counter | Kind::Gauge => true,
            Kind::Histogram | Kind::Custom => false,
            Kind::Both => random.one_in(2),
        };
        let stale = random.one_in(15);
        let start_ms = if has_starts { started_ms } else { 0 };
        if numbers {
            series.timestamps_ms.push(time);
            series.values.push(if stale { f64::from_bits(STALE_NAN_BITS) } else { number });
            series.starts_ms.extend(has_starts.then_some(start_ms));
        } else {
            let histogram = Arc::new(if stale { Histogram::stale() } else { held.clone() });
            series.histograms.push(HistogramAt { timestamp_ms: time, start_ms, histogram });
        }
        time += if random.one_in(12) { 150_000 } else { 15_000 + random.below(4_000) as i64 };
    }
    series
}

fn first_histogram(random: &mut Random, kind: Kind) -> Histogram {
    let mut h = Histogram { hint: ResetHint::Unknown, ..Histogram::default() };
    if kind == Kind::Custom {
        let lists: [&[f64]; 4] = [&[1.0, 2.0, 5.0], &[1.0, 5.0], &[2.0, 5.0, 9.0], &[-3.0, 4.0]];
        (h.schema, h.custom_bounds) = (CUSTOM_SCHEMA, random.choose(&lists).into());
    } else {
        (h.schema, h.zero_threshold) = (random.choose(&[0, 1, 2, -1]), 0.001);
    }
    if random.one_in(12) {
        h.hint = ResetHint::Gauge;
    }
    grown(random, &h)
}

/// With some more observations.
fn grown(random: &mut Random, h: &Histogram) -> Histogram {
    let mut h = h.clone();
    let custom = h.is_custom();
    let mut add = |buckets: &Buckets, first: i32, last: i32| {
        let held: std::collections::BTreeMap<i32, f64> = buckets.iter().collect();
        let more = (first..=last).map(|i| {
            let new = if random.one_in(3) { random.below(6) as f64 } else { 0.0 };
            (i, held.get(&i).copied().unwrap_or(0.0) + new)
        });
        Buckets::from_pairs(more.filter(|(_, c)| *c > 0.0).collect::<Vec<_>>())
    };
    if custom {
        h.positive = add(&h.positive, 0, h.custom_bounds.len() as i32);
    } else {
        h.positive = add(&h.positive, -2, 6);
        h.negative = add(&h.negative, 0, 3);
        h.zero_count += random.below(3) as f64;
    }
    let counts = h.positive.counts.iter().chain(&h.negative.counts);
    h.count = counts.sum::<f64>() + h.zero_count;
    h.sum += random.below(30) as f64;
    h
}
