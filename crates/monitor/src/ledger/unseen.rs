//! Trouble that users had and no monitor saw: times in which many requests of a service went wrong while no monitor of it was red. It must
//! never call a time unseen in which a monitor that could be of that service was red.

use super::{Episode, Ledger};

/// Gaps this short are the same trouble.
const JOIN_MS: i64 = 900_000;
/// A monitor that was red this near to the trouble saw it.
const NEAR_MS: i64 = 300_000;
/// Bad requests of a trouble, at least.
pub const BAD_MIN: f64 = 20.0;
/// The share of bad requests that is trouble, at least.
pub const SHARE_MIN: f64 = 0.05;
/// How many times as many as usual.
pub const TIMES_MIN: f64 = 4.0;

/// Requests of a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When it ends.
    pub at_ms: i64,
    /// How long it is.
    pub length_ms: i64,
    /// Requests that went wrong.
    pub bad: f64,
    /// All requests.
    pub total: f64,
}

/// A time of trouble.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Whose.
    pub service: String,
    /// From.
    pub from_ms: i64,
    /// Until.
    pub to_ms: i64,
    /// Requests that went wrong in it.
    pub bad: f64,
    /// All requests in it.
    pub total: f64,
}

/// Times in which much more went wrong than usual, from steps in order.
pub fn troubles(service: &str, steps: &[Step]) -> Vec<Trouble> {
    let mut shares: Vec<f64> = steps.iter().filter(|s| s.total > 0.0).map(|s| s.bad / s.total).collect();
    shares.sort_by(f64::total_cmp);
    let usual = shares.get(shares.len() / 2).copied().unwrap_or(0.0);
    let limit = SHARE_MIN.max(usual * TIMES_MIN);
    let mut out: Vec<Trouble> = Vec::new();
    for step in steps.iter().filter(|s| s.total > 0.0 && s.bad / s.total >= limit) {
        let from_ms = step.at_ms - step.length_ms;
        match out.last_mut().filter(|t| from_ms - t.to_ms <= JOIN_MS) {
            Some(last) => {
                last.to_ms = step.at_ms;
                (last.bad, last.total) = (last.bad + step.bad, last.total + step.total);
            }
            None => out.push(Trouble {
                service: service.to_string(),
                from_ms,
                to_ms: step.at_ms,
                bad: step.bad,
                total: step.total,
            }),
        }
    }
    out.retain(|t| t.bad >= BAD_MIN);
    out
}

/// Whether a monitor was red in a time or near to it.
pub(super) fn was_near(episode: &Episode, from_ms: i64, to_ms: i64, now_ms: i64) -> bool {
    episode.from_ms <= to_ms + NEAR_MS && episode.to_ms.unwrap_or(now_ms) >= from_ms - NEAR_MS
}

/// Those that no monitor saw: none of the same service, or of none in particular, was red near to them.
pub fn unseen(ledger: &Ledger, troubles: Vec<Trouble>, now_ms: i64) -> Vec<Trouble> {
    let saw = |t: &Trouble| {
        ledger.episodes().any(|e| {
            (e.service == t.service || e.service.is_empty()) && was_near(e, t.from_ms, t.to_ms, now_ms)
        })
    };
    let mut out: Vec<Trouble> = troubles.into_iter().filter(|t| !saw(t)).collect();
    out.sort_by(|a, b| b.bad.total_cmp(&a.bad).then(a.from_ms.cmp(&b.from_ms)));
    out
}
