//! How long to wait after a request that failed: twice as long each time, half of it by chance, and never less than the
//! server asks for. It must never wait for longer than its bound, whatever the server says.

use std::time::Duration;

/// The first pause, the longest, and the longest that a server may ask for.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
const TOLD_MAX: Duration = Duration::from_secs(300);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something arrived.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Something did not: the pause until the next try. `told` is the server's `Retry-After`, `random` any number.
    pub fn failed(&mut self, told: Option<Duration>, random: u64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        let by_chance = half.mul_f64((random % 1024) as f64 / 1024.0);
        (half + by_chance).max(told.unwrap_or_default().min(TOLD_MAX))
    }
}

/// A number that nobody knows beforehand, so that many agents do not come back at the same instant.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_keep_to_what_the_server_asks() {
        let mut backoff = Backoff::default();
        // What the server said in seconds, what chance said of 1024, and the pause in milliseconds.
        for (told, random, want_ms) in [
            (None, 0, 250),
            (None, 512, 750),
            (Some(20), 0, 20_000),
            (Some(1), 0, 2_000),
            (None, 1024, 4_000),
            (None, 0, 8_000),
            (None, 0, 15_000),
            (None, 512, 22_500),
            (Some(1_000_000), 0, 300_000),
        ] {
            let pause = backoff.failed(told.map(Duration::from_secs), random);
            assert_eq!(pause.as_millis(), want_ms, "told {told:?}");
        }
        backoff.succeeded();
        assert_eq!(backoff.failed(None, 0).as_millis(), 250);
    }
}
