//! Incidents and the monitors that led to them. An incident is what a person recorded as one; which monitors led to it is what that person
//! says, or else those of its service that were red when it began. And the other way round: incidents that no monitor saw. It must never
//! take something for an incident that nobody called one.

use super::Ledger;
use super::unseen::was_near;

/// What somebody recorded as an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    /// Its name in the record.
    pub id: String,
    /// When it began.
    pub at_ms: i64,
    /// What broke, in a sentence.
    pub title: String,
    /// Whose; empty: not of one service.
    pub service: String,
    /// Monitors that were counted for it, by key.
    pub monitors: Vec<String>,
}

/// Monitors of a service that were red at a time, each once. None for no service: a monitor that is red somewhere need not have to
/// do with it.
pub fn red_at(ledger: &Ledger, service: &str, at_ms: i64) -> Vec<String> {
    let red = ledger.episodes().filter(|e| {
        !service.is_empty()
            && e.service == service
            && e.from_ms <= at_ms
            && e.to_ms.is_none_or(|to_ms| at_ms <= to_ms)
    });
    let mut keys: Vec<String> = red.map(|e| e.key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Those that no monitor saw: none was counted for it, and none that could be of its service was red near to it. The newest first.
pub fn unseen(ledger: &Ledger, incidents: Vec<Incident>, now_ms: i64) -> Vec<Incident> {
    let saw = |i: &Incident| {
        !i.monitors.is_empty()
            || ledger.episodes().any(|e| {
                (i.service.is_empty() || e.service.is_empty() || e.service == i.service)
                    && was_near(e, i.at_ms, i.at_ms, now_ms)
            })
    };
    let mut out: Vec<Incident> = incidents.into_iter().filter(|i| !saw(i)).collect();
    out.sort_by(|a, b| b.at_ms.cmp(&a.at_ms).then_with(|| a.id.cmp(&b.id)));
    out
}
