//! Notices that the clock was set, by comparing it with one that cannot be. It must never read either.

/// Less than this between the two clocks is how clocks are.
const TOLERATED_MS: i64 = 2_000;

/// Compares the clock of the wall with a monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    last: Option<(i64, i64)>,
}

impl Steps {
    /// Takes both clocks; returns by how much the clock was set since the last time, if it was.
    pub fn observe(&mut self, wall_ms: i64, monotonic_ms: i64) -> Option<i64> {
        let last = self.last.replace((wall_ms, monotonic_ms));
        let (wall, monotonic) = last?;
        let by_ms = (wall_ms - wall) - (monotonic_ms - monotonic);
        (by_ms.abs() > TOLERATED_MS).then_some(by_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_was_set_is_told() {
        let mut steps = Steps::default();
        for (wall, monotonic, want) in [
            (1_000_000, 0, None),
            (1_005_000, 5_000, None),
            // A second of slew over ten seconds is no step.
            (1_016_000, 15_000, None),
            (4_621_000, 20_000, Some(3_600_000)),
            (4_626_000, 25_000, None),
            (1_030_000, 29_000, Some(-3_600_000)),
            // Half an hour without a look is no step either.
            (2_830_000, 1_829_000, None),
        ] {
            assert_eq!(steps.observe(wall, monotonic), want, "{wall} {monotonic}");
        }
    }
}
