//! Slots of a series whose old samples are gone: from the summaries that retention has left of them, and the samples
//! that are there. Where a slot is shorter than a bucket it shows that bucket: it must never look finer than what is kept.

use super::{BEFORE_MS, Builder, Mode, Slots, Window};
use stdx::Result;
use store::{Bucket, Grid, MINUTE_MS, SummarisedSeries};

/// As [`super::slots`], of summaries.
///
/// # Errors
/// `Corrupt` if something does not decode.
pub fn slots_of_summaries(series: &SummarisedSeries, window: Window) -> Result<Slots> {
    let mut b = Builder::new(window);
    // Samples are taken together no longer than a slot, so that none is drawn over its neighbours.
    let width_ms = (b.width_ms as i64).clamp(1, MINUTE_MS);
    let buckets = series.buckets(Grid::of(width_ms))?;
    b.gap_ms = gap_ms(&buckets);
    let mut previous: Option<Bucket> = None;
    for bucket in buckets {
        if bucket.count > 0 {
            let near = previous.take().filter(|p| bucket.first_ms - p.last_ms <= b.gap_ms);
            b.bucket(&bucket, near.as_ref());
        }
        let is_over = bucket.count == 0 || bucket.stale_ms.is_some() || bucket.last.is_nan();
        previous = (!is_over).then_some(bucket);
    }
    Ok(b.finish().0)
}

/// Two buckets further apart than this have a gap between them. Their ends are whole lengths apart, their samples by
/// up to two.
fn gap_ms(buckets: &[Bucket]) -> i64 {
    let between = buckets.windows(2).map(|w| w[1].end_ms - w[0].end_ms).filter(|ms| *ms > 0);
    // Hours come before minutes, and these before samples: the longest steady step is that of the coarsest.
    let mut steps: Vec<i64> = between.collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(MINUTE_MS);
    let longest = steps.iter().rev().copied().find(|ms| *ms <= store::HOUR_MS).unwrap_or(usual);
    (2 * longest).max(BEFORE_MS / 5)
}

impl Builder {
    /// The values of a bucket, and the way to it from the one before, if that was near.
    fn bucket(&mut self, bucket: &Bucket, near: Option<&Bucket>) {
        match self.window.mode {
            Mode::Raw => {
                let mean = bucket.sum / bucket.count as f64;
                if !mean.is_finite() {
                    return;
                }
                // It stands for all the time since the one before.
                let from_ms = near.map_or(bucket.first_ms, |n| n.last_ms + 1).max(self.window.start_ms);
                // One that fits into a slot belongs to one: its ends may touch the next.
                let middle_ms = bucket.first_ms + (bucket.last_ms - bucket.first_ms) / 2;
                let is_short = ((bucket.last_ms - from_ms) as f64) <= self.width_ms;
                let (from_ms, to_ms) =
                    if is_short { (middle_ms, middle_ms) } else { (from_ms, bucket.last_ms) };
                let (Some(from), Some(to)) = (self.slot(from_ms), self.slot(to_ms)) else { return };
                for slot in from..=to {
                    self.sum[slot] += mean * bucket.count as f64;
                    self.weight[slot] += bucket.count as f64;
                    self.extremes(slot, bucket.min, bucket.max);
                }
                self.slots.last = bucket.last;
            }
            Mode::Rate => {
                if let Some(before) = near {
                    let rise = bucket.first - before.last + before.fall_to(bucket);
                    self.rise(before.last_ms, bucket.first_ms, rise);
                }
                self.rise(bucket.first_ms, bucket.last_ms, bucket.last - bucket.first + bucket.falls);
            }
        }
    }

    fn rise(&mut self, from_ms: i64, to_ms: i64, rise: f64) {
        let seconds = (to_ms - from_ms) as f64 / 1000.0;
        if seconds <= 0.0 || !rise.is_finite() || to_ms < self.window.start_ms {
            return;
        }
        let first = self.slot(from_ms.max(self.window.start_ms));
        let last = self.slot(to_ms.min(self.window.end_ms));
        if let (Some(first), Some(last)) = (first, last) {
            self.spread((first, last), (from_ms, to_ms), rise / seconds);
            self.slots.last = rise / seconds;
        }
    }
}
