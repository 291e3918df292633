//! Which timestamps are accepted. All protocols share it; it must never move or invent a time.

use crate::Limits;
use model::batch::count_reject;
use model::time::format_rfc3339_ms;
use model::{Batch, Reject, RejectReason};

/// Removes the samples that lie further ahead of `now_ms` than the limit, or before `oldest_ms` (what retention
/// keeps), and counts them as rejects. Series that are left without a sample are removed too.
pub fn check_times(
    batch: &mut Batch,
    now_ms: i64,
    oldest_ms: i64,
    limits: &Limits,
    rejects: &mut Vec<Reject>,
) {
    let newest_ms = now_ms.saturating_add(limits.future_ms_max);
    let good = |t: i64| t >= oldest_ms && t <= newest_ms;
    if batch.samples.iter().all(|s| good(s.timestamp_ms)) {
        return;
    }
    let series = &batch.series;
    batch.samples.retain(|sample| {
        let t = sample.timestamp_ms;
        if good(t) {
            return true;
        }
        let name = || match series.get(sample.series as usize) {
            Some(labels) => crate::series::cut(&labels.to_string()),
            None => "?".to_string(),
        };
        if t > newest_ms {
            count_reject(rejects, RejectReason::TooFarInFuture, 1, || {
                let (ahead, max) = ((t - now_ms.min(t)) / 1000, limits.future_ms_max / 1000);
                format!("{} is {ahead} s ahead of this machine's clock; at most {max} s is allowed", name())
            });
        } else {
            count_reject(rejects, RejectReason::TooOld, 1, || {
                let oldest = format_rfc3339_ms(oldest_ms);
                format!("{} at {} is before {oldest}, the oldest time kept", name(), format_rfc3339_ms(t))
            });
        }
        false
    });
    drop_unused_series(batch);
}

/// Removes series to which no sample points, and renumbers the rest in their order.
fn drop_unused_series(batch: &mut Batch) {
    const UNUSED: u32 = u32::MAX;
    let mut moved = vec![UNUSED; batch.series.len()];
    batch.samples.iter().for_each(|s| moved[s.series as usize] = 0);
    for (next, slot) in (0..).zip(moved.iter_mut().filter(|slot| **slot != UNUSED)) {
        *slot = next;
    }
    let mut index = 0;
    batch.series.retain(|_| {
        index += 1;
        moved[index - 1] != UNUSED
    });
    batch.samples.iter_mut().for_each(|s| s.series = moved[s.series as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Labels;

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
}
