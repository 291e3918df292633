//! What native histograms cost: memory of the head for each series, and bytes on disk for each sample, of a latency in
//! about forty buckets.
//!
//! `cargo run --release -p store --example histogram_cost [SERIES] [SAMPLES]` (300 480)

use model::histogram::Buckets;
use model::{Batch, Histogram, HistogramAt, HistogramSample, Labels};
use std::sync::Arc;
use std::time::Instant;
use stdx::metrics::Registry;
use store::{Settings, Store};

/// Bounds grow by 2^(1/8).
const SCHEMA: i8 = 3;
const STEP_MS: i64 = 15_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of a normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.next()).ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }
}

/// One series: so many requests in each step, with latencies around so many seconds.
struct Service {
    rate: f64,
    median_s: f64,
    counts: std::collections::BTreeMap<i32, f64>,
    sum: f64,
}

impl Service {
    fn step(&mut self, random: &mut Random) -> Histogram {
        for _ in 0..(self.rate * (0.8 + 0.4 * random.next())) as usize {
            let seconds = self.median_s * (0.55 * random.normal()).exp();
            let index = (seconds.log2() * f64::from(1 << SCHEMA)).ceil() as i32;
            *self.counts.entry(index).or_default() += 1.0;
            self.sum += seconds;
        }
        let positive = Buckets::from_pairs(self.counts.iter().map(|(i, n)| (*i, *n)));
        Histogram {
            schema: SCHEMA,
            count: positive.counts.iter().sum(),
            sum: self.sum,
            zero_threshold: 2f64.powi(-128),
            positive,
            ..Histogram::default()
        }
    }
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |n: usize, default: usize| -> Result<usize, std::num::ParseIntError> {
        std::env::args().nth(n).map_or(Ok(default), |text| text.parse())
    };
    let (series, samples) = (number(1, 300)?, number(2, 480)?);
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path(), Settings::default(), &Registry::default())?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let labels = (0..series)
        .map(|i| Labels::from_pairs([("__name__", "latency_seconds".to_string()), ("path", i.to_string())]))
        .collect::<Result<Vec<_>, _>>()?;
    let mut services: Vec<Service> = (0..series)
        .map(|_| Service {
            rate: 10f64.powf(1.0 + 2.0 * random.next()),
            median_s: 0.02,
            counts: Default::default(),
            sum: 0.0,
        })
        .collect();
    let resident = resident_bytes();
    let (mut buckets, mut in_append, mut logged) = (0usize, 0.0, 0u64);
    for step in 0..samples {
        let mut batch = Batch { series: labels.clone(), ..Batch::default() };
        for (i, service) in services.iter_mut().enumerate() {
            let histogram = service.step(&mut random);
            buckets += histogram.positive.counts.len();
            let timestamp_ms = 1_700_000_000_000 + step as i64 * STEP_MS;
            let at =
                HistogramAt { timestamp_ms, start_ms: 1_699_999_999_000, histogram: Arc::new(histogram) };
            batch.histograms.push(HistogramSample { series: i as u32, at });
        }
        let began = Instant::now();
        store.append(batch)?.wait_blocking()?;
        in_append += began.elapsed().as_secs_f64();
        if step + 1 == samples / 2 || step + 2 == samples {
            let status = store.status();
            let per_series = |bytes: u64| bytes as f64 / series as f64;
            println!(
                "after {} samples: head {:.0} bytes for each series (resident {:.0})",
                step + 1,
                per_series(status.head_bytes),
                per_series(resident_bytes().saturating_sub(resident)),
            );
            logged = status.wal_bytes;
        }
    }
    let all = (series * samples) as f64;
    println!(
        "{:.1} buckets for each sample, {:.1} us to append one",
        buckets as f64 / all,
        in_append / all * 1e6
    );
    println!("log: {:.1} bytes for each sample", logged as f64 / all);
    let began = Instant::now();
    store.flush_head()?;
    let status = store.status();
    println!(
        "block: {:.2} bytes for each sample, written in {:.2} s",
        status.blocks_bytes as f64 / all,
        began.elapsed().as_secs_f64()
    );
    let began = Instant::now();
    let found = store.view().select(&[], 0, i64::MAX, series, usize::MAX)?;
    let read: usize = found.iter().map(|s| s.histograms.len()).sum();
    println!("{read} read in {:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}
