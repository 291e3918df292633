//! Whether a capture is taken: one for each cause and period, and none of what another one already has. It must never
//! refuse a person without saying what to do instead.

use std::collections::BTreeMap;

/// Causes that are remembered.
const CAUSES_MAX: usize = 1_000;

/// What is done with a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A capture is taken.
    Take,
    /// The capture of this name is still being added to: the cause joins it.
    Join(String),
    /// There was one for this cause already; the next is possible then (milliseconds since 1970).
    NotBefore(i64),
}

/// Decides on triggers.
#[derive(Debug)]
pub struct Policy {
    period_ms: i64,
    /// For each cause when a capture was taken for it last.
    taken: BTreeMap<String, i64>,
    /// The capture that is being added to, and until when.
    open: Option<(String, i64)>,
}

impl Policy {
    /// One capture for each cause in `period_ms`.
    pub fn new(period_ms: i64) -> Policy {
        Policy { period_ms, taken: BTreeMap::new(), open: None }
    }

    /// What is done. `cause` is what names the cause; `is_person` is asked for now, by somebody who waits.
    pub fn decide(&mut self, cause: &str, is_person: bool, now_ms: i64) -> Decision {
        if let Some((id, until_ms)) = &self.open
            && now_ms <= *until_ms
        {
            return Decision::Join(id.clone());
        }
        let last = self.taken.get(cause).copied().filter(|last| *last <= now_ms);
        match last.map(|last| last.saturating_add(self.period_ms)) {
            Some(next_ms) if !is_person && now_ms < next_ms => Decision::NotBefore(next_ms),
            _ => Decision::Take,
        }
    }

    /// Notes that a capture was taken, to which causes may be added until then.
    pub fn taken(&mut self, cause: &str, id: &str, now_ms: i64, until_ms: i64) {
        if self.taken.len() >= CAUSES_MAX
            && let Some(oldest) = self.taken.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone())
        {
            self.taken.remove(&oldest);
        }
        self.taken.insert(cause.into(), now_ms);
        self.open = Some((id.into(), until_ms));
    }

    /// Notes that nothing is added to a capture any more.
    pub fn closed(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (second, cause, whether a person asks, what is done); a capture is added to for 60 s, the period is 600 s.
    #[test]
    fn one_for_each_cause_and_period_and_nothing_twice() {
        let mut policy = Policy::new(600_000);
        let mut taken = 0;
        for (second, cause, is_person, want) in [
            (0, "a", false, Decision::Take),
            (10, "b", false, Decision::Join("1".into())),
            (60, "ann", true, Decision::Join("1".into())),
            (61, "a", false, Decision::NotBefore(600_000)),
            // A storm of one cause is one capture; another cause has its own.
            (62, "b", false, Decision::Take),
            (200, "a", false, Decision::NotBefore(600_000)),
            (200, "ann", true, Decision::Take),
            (300, "ann", true, Decision::Take),
            (600, "a", false, Decision::Take),
            // The clock was set back: what was taken later does not hold it up.
            (500, "c", false, Decision::Join("5".into())),
        ] {
            let now_ms = second * 1000;
            let got = policy.decide(cause, is_person, now_ms);
            assert_eq!(got, want, "{cause} at {second} s");
            if got == Decision::Take {
                taken += 1;
                policy.taken(cause, &taken.to_string(), now_ms, now_ms + 60_000);
            }
        }
        policy.closed();
        assert_eq!(policy.decide("c", false, 500_000), Decision::Take);
        for n in 0..3 * CAUSES_MAX {
            policy.taken(&n.to_string(), "x", n as i64, 0);
        }
        assert_eq!(policy.taken.len(), CAUSES_MAX);
    }
}
