//! A schedule without drift: ticks are due at multiples of the period after the start, however long
//! the work between them takes; ticks that could not be held are counted. It reads no clock.

/// One tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When it is due, in nanoseconds on the caller's monotonic clock; never before `now_ns`.
    pub due_ns: u64,
    /// How many ticks were due before it and not held.
    pub missed: u64,
}

/// Hands out ticks.
#[derive(Clone, Copy, Debug)]
pub struct Ticker {
    period_ns: u64,
    next_ns: Option<u64>,
}

impl Ticker {
    /// A schedule with this period (at least one nanosecond); it starts with the first call of `next`.
    pub fn new(period: std::time::Duration) -> Ticker {
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
        Ticker { period_ns, next_ns: None }
    }

    /// The next tick, given the present time in nanoseconds. The first is due at once. Call it when
    /// the work of the last tick is done, sleep until `due_ns`, and work.
    pub fn next(&mut self, now_ns: u64) -> Tick {
        let planned_ns = self.next_ns.unwrap_or(now_ns);
        // A tick that is late by less than a period is still held, at once; older ones are missed.
        let missed = now_ns.saturating_sub(planned_ns) / self.period_ns;
        let held_ns = planned_ns.saturating_add(missed.saturating_mul(self.period_ns));
        self.next_ns = Some(held_ns.saturating_add(self.period_ns));
        Tick { due_ns: held_ns.max(now_ns), missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Period 10: (time at which the work before is done, due, missed).
    #[test]
    fn schedule() {
        let mut ticker = Ticker::new(Duration::from_nanos(10));
        for (now_ns, due_ns, missed) in [
            (100, 100, 0), // the first, at once
            (103, 110, 0),
            (119, 120, 0), // long work, yet in time
            (131, 131, 0), // late by 1: held at once
            (134, 140, 0), // and no drift
            (175, 175, 2), // 150 and 160 are missed, 170 is held late
            (176, 180, 0),
            (190, 190, 0),
        ] {
            assert_eq!(ticker.next(now_ns), Tick { due_ns, missed }, "at {now_ns}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut ticker = Ticker::new(Duration::MAX);
        assert_eq!(ticker.next(u64::MAX), Tick { due_ns: u64::MAX, missed: 0 });
        assert_eq!(ticker.next(0).due_ns, u64::MAX);
        let mut ticker = Ticker::new(Duration::ZERO);
        assert_eq!(ticker.next(0), Tick { due_ns: 0, missed: 0 });
        assert_eq!(ticker.next(u64::MAX).missed, u64::MAX - 1);
    }
}
