//! When a group is due: every interval, at an instant that its name decides, so that groups do not all ask at once, and so
//! that a restart asks at the same instants. It must never read a clock.

/// The instants of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: i64,
    offset_ms: i64,
}

impl Schedule {
    /// The schedule of the group with that key.
    pub fn new(key: &str, interval_ms: i64) -> Schedule {
        let interval_ms = interval_ms.max(1);
        // FNV-1a: the same in every process.
        let hash = key
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Schedule { interval_ms, offset_ms: (hash % interval_ms as u64) as i64 }
    }

    /// The first instant after `now_ms`.
    pub fn next_after(&self, now_ms: i64) -> i64 {
        let into = (now_ms - self.offset_ms).rem_euclid(self.interval_ms);
        now_ms - into + self.interval_ms
    }

    /// The last instant not after `now_ms`.
    pub fn last_until(&self, now_ms: i64) -> i64 {
        self.next_after(now_ms) - self.interval_ms
    }

    /// How many instants lie between two that were evaluated.
    pub fn missed(&self, before_ms: i64, at_ms: i64) -> u64 {
        u64::try_from((at_ms - before_ms) / self.interval_ms - 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_spread_and_keep_their_instants() {
        let mut offsets: Vec<i64> =
            (0..100).map(|i| Schedule::new(&format!("rules.yml;g{i}"), 5_000).offset_ms).collect();
        offsets.sort_unstable();
        // Of a hundred groups at most a quarter fall into one fifth of the interval.
        let most = (0..5).map(|k| offsets.iter().filter(|o| **o / 1_000 == k).count()).max();
        assert!(most.unwrap() <= 35, "{offsets:?}");
        let one = Schedule::new("a;b", 5_000);
        let mut at = one.next_after(1_000_000);
        for _ in 0..10 {
            let next = one.next_after(at);
            assert_eq!((next - at, one.last_until(next), one.last_until(next - 1)), (5_000, next, at));
            at = next;
        }
        assert_eq!((one.missed(at, at + 5_000), one.missed(at, at + 20_000), one.missed(at, at)), (0, 3, 0));
        assert!(one.next_after(-7) > -7);
    }
}
