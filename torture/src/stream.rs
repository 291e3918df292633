//! What writers send: batches that are decided by a seed, a writer and a number, so that of any sample found anywhere
//! it can be said whether it was sent, in which batch, and with which bits. It must never depend on anything else.

use crate::random::mix;
use model::batch::STALE_NAN_BITS;
use model::{Batch, Labels, SeriesData};

/// The metric of all samples.
pub const METRIC: &str = "torture";
/// Series of one batch that come in order of time.
pub const SERIES: u64 = 16;
/// The first few of them are replaced by new ones after so many batches.
const CHURN_SERIES: u64 = 4;
const CHURN_BATCHES: u64 = 100;
/// Samples of one batch: one comes out of order besides.
pub const SAMPLES: u64 = SERIES + 1;
/// Batch `n ^ LATE` of a writer has the time of this one's late sample: neighbours swap places.
const LATE: u64 = 5;

/// All that a run ever sends.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Decides the values.
    pub seed: u64,
    /// Who sends.
    pub writers: usize,
    /// The time of batch 0, milliseconds since 1970.
    pub start_ms: i64,
    /// Between two batches of one writer, milliseconds.
    pub step_ms: i64,
}

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Who sent it.
    pub writer: usize,
    /// In which batch.
    pub number: u64,
    /// Whether it is the one that came out of order.
    pub is_late: bool,
    /// Its value.
    pub bits: u64,
}

/// A series of the stream.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    stream: Stream,
    writer: usize,
    number: u64,
    is_late: bool,
    generation: u64,
}

impl Series {
    /// Where the sample of this time belongs, if there is one.
    pub fn place(&self, timestamp_ms: i64) -> Option<Place> {
        let at = self.stream.number_at(timestamp_ms)?;
        let number = if self.is_late { at ^ LATE } else { at };
        let generation = if self.number < CHURN_SERIES { number / CHURN_BATCHES } else { 0 };
        let bits = self.stream.bits(self.writer, self.number, number);
        let place = Place { writer: self.writer, number, is_late: self.is_late, bits };
        (generation == self.generation).then_some(place)
    }
}

impl Stream {
    /// The time of a batch.
    pub fn time_ms(&self, number: u64) -> i64 {
        self.start_ms + number as i64 * self.step_ms
    }

    /// The number of the batch with this time, whether it was sent or not.
    fn number_at(&self, timestamp_ms: i64) -> Option<u64> {
        let since_ms = timestamp_ms - self.start_ms;
        (since_ms >= 0 && since_ms % self.step_ms == 0).then_some((since_ms / self.step_ms) as u64)
    }

    /// The batch: series, time, value.
    pub fn samples(&self, writer: usize, number: u64) -> Vec<(Labels, i64, f64)> {
        let mut out: Vec<_> = (0..SERIES)
            .map(|i| {
                let generation = if i < CHURN_SERIES { number / CHURN_BATCHES } else { 0 };
                let value = f64::from_bits(self.bits(writer, i, number));
                (labels(writer, &i.to_string(), generation), self.time_ms(number), value)
            })
            .collect();
        out.push((
            labels(writer, "late", 0),
            self.late_ms(number),
            f64::from_bits(self.bits(writer, SERIES, number)),
        ));
        out
    }

    /// The batch as a store takes it.
    pub fn batch(&self, writer: usize, number: u64) -> Batch {
        let mut batch = Batch::default();
        for (labels, timestamp_ms, value) in self.samples(writer, number) {
            batch.push(&labels, timestamp_ms, value);
        }
        batch
    }

    /// The batch as a body of remote write.
    pub fn body(&self, writer: usize, number: u64) -> Vec<u8> {
        let one = |(labels, t, v)| SeriesData {
            labels,
            timestamps_ms: vec![t],
            values: vec![v],
            ..Default::default()
        };
        let series: Vec<_> = self.samples(writer, number).into_iter().map(one).collect();
        ingest::remote_write::encode(&series)
    }

    /// The time of the late sample of a batch.
    pub fn late_ms(&self, number: u64) -> i64 {
        self.time_ms(number ^ LATE)
    }

    /// Where a sample of this series and time belongs; `None` if there is none such in the stream.
    #[cfg(test)]
    pub fn place(&self, found: &Labels, timestamp_ms: i64) -> Option<Place> {
        self.series(found)?.place(timestamp_ms)
    }

    /// Which series it is; `None` if there is none such in the stream.
    pub fn series(&self, found: &Labels) -> Option<Series> {
        let writer: usize = found.get("writer").parse().ok().filter(|w| *w < self.writers)?;
        let generation: u64 = found.get("generation").parse().ok()?;
        let (number, is_late) = match found.get("i") {
            "late" => (SERIES, true),
            i => (i.parse().ok().filter(|i| *i < SERIES)?, false),
        };
        let name = if is_late { "late".to_string() } else { number.to_string() };
        let series = Series { stream: *self, writer, number, is_late, generation };
        (*found == labels(writer, &name, generation)).then_some(series)
    }

    /// One of each kind of value that is encoded differently.
    fn bits(&self, writer: usize, series: u64, number: u64) -> u64 {
        let random = mix(self.seed ^ mix(writer as u64 ^ mix(series ^ mix(number))));
        let value = match series % 4 {
            0 => (number * (series + 1)) as f64,
            1 => (random % 1_000_000) as f64 / 997.0,
            2 => 42.0,
            _ => match random % 5 {
                0 => f64::from_bits(STALE_NAN_BITS),
                1 => f64::INFINITY,
                2 => -0.0,
                3 => 1e-300,
                _ => random as f64,
            },
        };
        value.to_bits()
    }
}

fn labels(writer: usize, i: &str, generation: u64) -> Labels {
    let (writer, generation) = (writer.to_string(), generation.to_string());
    let pairs = [("__name__", METRIC), ("writer", &*writer), ("i", i), ("generation", &*generation)];
    Labels::from_pairs(pairs).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_sample_is_found_again_and_no_other() {
        let stream = Stream { seed: 1, writers: 2, start_ms: 1_000_000, step_ms: 1000 };
        let mut seen = BTreeSet::new();
        for writer in 0..2 {
            for number in 0..250 {
                let samples = stream.samples(writer, number);
                assert_eq!(samples.len() as u64, SAMPLES);
                for (labels, t, v) in samples {
                    let place = stream.place(&labels, t).unwrap();
                    assert_eq!((place.writer, place.number, place.bits), (writer, number, v.to_bits()));
                    assert!(seen.insert((labels, t)));
                }
            }
        }
        let (labels, t, _) = stream.samples(0, 120).remove(0);
        assert_eq!(stream.place(&labels, t + 1), None);
        assert_eq!(stream.place(&labels, stream.time_ms(99)), None);
        assert_eq!(stream.place(&labels.with("more", "x"), t), None);
    }
}
