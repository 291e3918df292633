//! Durations as an exponential histogram that grows: a bucket is 9 % wide, so that a quantile is off by at most half of that.
//! It must never hold more buckets than the range of a duration has.

use model::histogram::{Buckets, ResetHint};
use model::{Histogram, SpanId, TraceId};
use std::collections::BTreeMap;

/// Bounds grow by 2^(1/8).
const SCHEMA: i8 = 3;

/// Durations so far, and the slowest since it was last asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Distribution {
    buckets: BTreeMap<i32, u64>,
    zeros: u64,
    pub count: u64,
    sum_s: f64,
    slowest: Option<Example>,
}

/// A span that stands for others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Example {
    pub seconds: f64,
    pub end_ns: i64,
    pub trace_id: TraceId,
    pub span_id: SpanId,
}

/// The bucket of a value above zero: `2^((i-1)/8) < v <= 2^(i/8)`.
fn bucket(seconds: f64) -> i32 {
    (seconds.log2() * f64::from(1 << SCHEMA)).ceil() as i32
}

impl Distribution {
    pub fn add(&mut self, duration_ns: u64, example: Option<Example>) {
        self.count += 1;
        let seconds = duration_ns as f64 / 1e9;
        self.sum_s += seconds;
        match duration_ns {
            0 => self.zeros += 1,
            _ => *self.buckets.entry(bucket(seconds)).or_default() += 1,
        }
        if let Some(example) = example
            && self.slowest.is_none_or(|s| s.seconds <= example.seconds)
        {
            self.slowest = Some(example);
        }
    }

    pub fn histogram(&self) -> Histogram {
        Histogram {
            schema: SCHEMA,
            hint: ResetHint::Unknown,
            count: self.count as f64,
            sum: self.sum_s,
            zero_threshold: 0.0,
            zero_count: self.zeros as f64,
            positive: Buckets::from_pairs(self.buckets.iter().map(|(i, n)| (*i, *n as f64))),
            negative: Buckets::default(),
            custom_bounds: [].into(),
        }
    }

    pub fn take_slowest(&mut self) -> Option<Example> {
        self.slowest.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_whose_bounds_hold_it() {
        for ns in [1, 999, 1_000_000, 125_000_000, 1_000_000_000, 1_000_000_001, u64::MAX] {
            let mut d = Distribution::default();
            d.add(ns, None);
            let h = d.histogram();
            assert_eq!(h.check(), Ok(()));
            let seconds = ns as f64 / 1e9;
            let (low, high, count) = h.buckets()[0];
            let slack = 1.0 + 1e-9;
            assert!(
                low / slack < seconds && seconds <= high * slack && count == 1.0,
                "{ns}: {low} to {high}"
            );
        }
        let mut zero = Distribution::default();
        zero.add(0, None);
        assert_eq!(zero.histogram().zero_count, 1.0);
    }
}
