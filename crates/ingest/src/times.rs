//! Which timestamps are accepted. All protocols share it; it must never move or invent a time.

use crate::Limits;
use model::batch::count_reject;
use model::time::format_rfc3339_ms;
use model::{Batch, Reject, RejectReason};

/// Removes the samples, histograms and exemplars that lie further ahead of `now_ms` than the limit, or before `oldest_ms`
/// (what retention keeps), and counts them as rejects. A start after its own sample says nothing and is forgotten. Series that
/// are left without anything are removed too.
pub fn check_times(
    batch: &mut Batch,
    now_ms: i64,
    oldest_ms: i64,
    limits: &Limits,
    rejects: &mut Vec<Reject>,
) {
    let range = Range { now_ms, oldest_ms, newest_ms: now_ms.saturating_add(limits.future_ms_max) };
    batch.starts.retain(|(i, start_ms)| {
        batch.samples.get(*i as usize).is_some_and(|sample| *start_ms <= sample.timestamp_ms)
    });
    for histogram in &mut batch.histograms {
        if histogram.at.start_ms > histogram.at.timestamp_ms {
            histogram.at.start_ms = 0;
        }
    }
    let good = batch.samples.iter().all(|s| range.holds(s.timestamp_ms))
        && batch.histograms.iter().all(|h| range.holds(h.at.timestamp_ms))
        && batch.exemplars.iter().all(|e| range.holds(e.timestamp_ms));
    if good {
        return;
    }
    let series = std::mem::take(&mut batch.series);
    let mut check = |at: u32, timestamp_ms: i64, what: &str| {
        let good = range.holds(timestamp_ms);
        if !good {
            let name = || series.get(at as usize).map_or("?".into(), |l| crate::series::cut(&l.to_string()));
            range.refuse(timestamp_ms, || format!("{what}{}", name()), rejects);
        }
        good
    };
    retain_samples(batch, |s| check(s.series, s.timestamp_ms, ""));
    batch.histograms.retain(|h| check(h.series, h.at.timestamp_ms, ""));
    batch.exemplars.retain(|e| check(e.series, e.timestamp_ms, "an exemplar of "));
    batch.series = series;
    drop_unused_series(batch);
}

/// From the oldest to the newest time that is taken.
struct Range {
    now_ms: i64,
    oldest_ms: i64,
    newest_ms: i64,
}

impl Range {
    fn holds(&self, timestamp_ms: i64) -> bool {
        (self.oldest_ms..=self.newest_ms).contains(&timestamp_ms)
    }

    fn refuse(&self, timestamp_ms: i64, name: impl Fn() -> String, rejects: &mut Vec<Reject>) {
        if timestamp_ms > self.newest_ms {
            count_reject(rejects, RejectReason::TooFarInFuture, 1, || {
                let ahead = timestamp_ms.saturating_sub(self.now_ms) / 1000;
                let max = self.newest_ms.saturating_sub(self.now_ms) / 1000;
                format!("{} is {ahead} s ahead of this machine's clock; at most {max} s is allowed", name())
            });
        } else {
            count_reject(rejects, RejectReason::TooOld, 1, || {
                let (at, oldest) = (format_rfc3339_ms(timestamp_ms), format_rfc3339_ms(self.oldest_ms));
                format!("{} at {at} is before {oldest}, the oldest time kept", name())
            });
        }
    }
}

/// Keeps some samples, with their starts.
fn retain_samples(batch: &mut Batch, mut keep: impl FnMut(&model::Sample) -> bool) {
    let (mut index, mut kept, mut next_start) = (0u32, 0u32, 0);
    let mut starts = Vec::new();
    batch.samples.retain(|sample| {
        let start = batch.starts.get(next_start).filter(|(i, _)| *i == index).map(|(_, start)| *start);
        next_start += usize::from(start.is_some());
        index += 1;
        let is_kept = keep(sample);
        if is_kept {
            starts.extend(start.map(|start| (kept, start)));
            kept += 1;
        }
        is_kept
    });
    batch.starts = starts;
}

/// Removes series to which nothing points, and renumbers the rest in their order.
fn drop_unused_series(batch: &mut Batch) {
    const UNUSED: u32 = u32::MAX;
    let mut moved = vec![UNUSED; batch.series.len()];
    let samples = batch.samples.iter().map(|s| s.series);
    let histograms = batch.histograms.iter().map(|h| h.series);
    let exemplars = batch.exemplars.iter().map(|e| e.series);
    samples.chain(histograms).chain(exemplars).for_each(|series| moved[series as usize] = 0);
    for (next, slot) in (0..).zip(moved.iter_mut().filter(|slot| **slot != UNUSED)) {
        *slot = next;
    }
    let mut index = 0;
    batch.series.retain(|_| {
        index += 1;
        moved[index - 1] != UNUSED
    });
    let samples = batch.samples.iter_mut().map(|s| &mut s.series);
    let histograms = batch.histograms.iter_mut().map(|h| &mut h.series);
    let exemplars = batch.exemplars.iter_mut().map(|e| &mut e.series);
    samples.chain(histograms).chain(exemplars).for_each(|series| *series = moved[*series as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Exemplar, HistogramAt, HistogramSample, Labels};

    #[test]
    fn only_the_bad_samples_go() {
        let series = |n: &str| Labels::from_pairs([("__name__", n)]).unwrap();
        let mut batch = Batch::default();
        batch.push(&series("future"), 1_700_000_000_000 * 9, 1.0);
        batch.push(&series("good"), 1_700_000_000_000, 2.0);
        batch.push(&series("old"), 0, 3.0);
        batch.push(&series("edge"), 1_700_000_600_000, 4.0);
        batch.push(&series("max"), i64::MAX, 4.0);
        batch.push(&series("min"), i64::MIN, 4.0);
        let mut rejects = Vec::new();
        check_times(&mut batch, 1_700_000_000_000, 1_600_000_000_000, &Limits::default(), &mut rejects);
        assert_eq!(batch.series, [series("good"), series("edge")]);
        let kept: Vec<_> = batch.samples.iter().map(|s| (s.series, s.value)).collect();
        assert_eq!(kept, [(0, 2.0), (1, 4.0)]);
        let counts: Vec<_> = rejects.iter().map(|r| (r.reason, r.samples)).collect();
        assert_eq!(counts, [(RejectReason::TooFarInFuture, 2), (RejectReason::TooOld, 2)]);
        assert!(rejects[0].message.contains("future"), "{}", rejects[0].message);
        assert!(rejects[1].message.contains("1970-01-01T00:00:00Z"), "{}", rejects[1].message);
    }

    #[test]
    fn starts_histograms_and_exemplars_follow_their_series() {
        let names = ["a", "b", "c"].map(|n| Labels::from_pairs([("__name__", n)]).unwrap());
        let now_ms = 1_700_000_000_000;
        let (old, good) = (1, now_ms - 1_000);
        let mut batch = Batch::default();
        batch.push(&names[0], old, 1.0);
        batch.push(&names[1], good, 2.0);
        batch.push(&names[2], good, 3.0);
        batch.starts = vec![(0, 1), (1, good - 5_000), (2, good + 1)];
        let histogram = |series, timestamp_ms, start_ms| HistogramSample {
            series,
            at: HistogramAt { timestamp_ms, start_ms, histogram: Default::default() },
        };
        batch.histograms = vec![histogram(0, old, 0), histogram(2, good, good + 1)];
        let exemplar =
            |series, timestamp_ms| Exemplar { series, timestamp_ms, value: 1.0, labels: Labels::default() };
        batch.exemplars = vec![exemplar(1, old), exemplar(2, good)];
        let mut rejects = Vec::new();
        check_times(&mut batch, now_ms, 1_600_000_000_000, &Limits::default(), &mut rejects);
        assert_eq!(batch.series, names[1..]);
        assert_eq!(
            batch.samples.iter().map(|s| (s.series, s.value)).collect::<Vec<_>>(),
            [(0, 2.0), (1, 3.0)]
        );
        assert_eq!(batch.starts, [(0, good - 5_000)], "the start after its sample is forgotten");
        assert_eq!(batch.histograms, [histogram(1, good, 0)]);
        assert_eq!(batch.exemplars, [exemplar(1, good)]);
        assert_eq!(
            rejects.iter().map(|r| (r.reason, r.samples)).collect::<Vec<_>>(),
            [(RejectReason::TooOld, 3)]
        );
    }
}
