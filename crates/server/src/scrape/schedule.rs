//! When a target is due. Pure: the time is an argument. Targets are spread over the interval by a hash that is the
//! same after a restart, so that their scrapes neither come at once nor move.

/// Scrapes that begin this little after they were due get the time at which they were due: series of a target then
/// have equal distances, which compress to almost nothing.
const ALIGN_MS_MAX: i64 = 5;

/// The instants at which one target is scraped: all `t` with `t mod interval = offset`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval_ms: i64,
    offset_ms: i64,
}

impl Schedule {
    /// `hash` spreads the targets.
    pub fn new(interval_ms: u64, hash: u64) -> Schedule {
        let interval_ms = interval_ms.clamp(1, i64::MAX as u64 / 4);
        Schedule { interval_ms: interval_ms as i64, offset_ms: (hash % interval_ms) as i64 }
    }

    /// The first instant after `now_ms`.
    pub fn after(&self, now_ms: i64) -> i64 {
        now_ms + self.interval_ms - (now_ms - self.offset_ms).rem_euclid(self.interval_ms)
    }

    /// The instant that follows `due_ms` when it is `now_ms`, and how many were missed since.
    pub fn next(&self, due_ms: i64, now_ms: i64) -> (i64, u64) {
        let next = self.after(now_ms.max(due_ms));
        if now_ms < due_ms - self.interval_ms {
            // The clock was set back: begin anew.
            return (self.after(now_ms), 0);
        }
        (next, ((next - due_ms) / self.interval_ms - 1).max(0) as u64)
    }

    /// The time to give to the samples of a scrape that was due at `due_ms` and began at `now_ms`.
    pub fn align(&self, due_ms: i64, now_ms: i64) -> i64 {
        let late = now_ms - due_ms;
        let near = (self.interval_ms / 100).min(ALIGN_MS_MAX);
        if (0..=near).contains(&late) { due_ms } else { now_ms }
    }
}

/// FNV-1a: small, and the same on every machine and after every restart.
pub(super) fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_missed_ones() {
        let schedule = Schedule::new(1_000, 250);
        for (due, now, next, missed, what) in [
            (10_250, 10_300, 11_250, 0, "in time"),
            (10_250, 11_249, 11_250, 0, "just in time"),
            (10_250, 11_250, 12_250, 1, "took the whole interval"),
            (10_250, 15_000, 15_250, 4, "took long"),
            (10_250, 10_240, 11_250, 0, "woken early"),
            (10_250, 2_000, 2_250, 0, "the clock was set back"),
        ] {
            assert_eq!(schedule.next(due, now), (next, missed), "{what}");
        }
        assert_eq!(schedule.after(-1), 250);
        assert_eq!(Schedule::new(0, 7).after(5), 6);
    }

    #[test]
    fn times_are_aligned_within_a_few_milliseconds() {
        for (interval, now, at) in
            [(5_000, 1_000, 1_000), (5_000, 1_005, 1_000), (5_000, 1_006, 1_006), (200, 1_003, 1_003)]
        {
            assert_eq!(Schedule::new(interval, 0).align(1_000, now), at);
        }
    }

    #[test]
    fn targets_are_spread() {
        let at =
            |i: u32| Schedule::new(1_000, stable_hash(&format!("http://10.0.0.{i}:9100/metrics"))).offset_ms;
        let mut quarters = [0; 4];
        (0..200).for_each(|i| quarters[at(i) as usize / 250] += 1);
        assert!(quarters.iter().all(|n| *n > 25), "{quarters:?}");
    }
}
