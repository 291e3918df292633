//! What the notifier is told of a rule after an evaluation: alerts that fire, those that are over, and that the monitor
//! itself is blind. It must never leave out an end: who was told of a beginning waits for it.

use crate::alert::{Active, AlertState, Change, RuleState};
use crate::notify::Alert;

/// What is the same for all alerts of a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    /// Where the monitor can be looked at.
    pub url: &'a str,
    /// What its condition compares with: `> 0.9`, or "".
    pub limit: &'a str,
}

impl About<'_> {
    fn alert(&self, a: &Active, ends_at_ms: Option<i64>, is_blind: bool) -> Alert {
        Alert {
            labels: a.labels.clone(),
            annotations: a.annotations.clone(),
            starts_at_ms: a.fired_at_ms.unwrap_or(a.active_at_ms),
            ends_at_ms,
            url: self.url.to_string(),
            value: (!a.value.is_nan()).then_some(a.value),
            limit: self.limit.to_string(),
            is_blind,
        }
    }

    /// Everything that fires.
    pub fn firing(&self, state: &RuleState) -> Vec<Alert> {
        let alerts = state.active().chain(state.blind()).filter(|a| a.state == AlertState::Firing);
        alerts.map(|a| self.alert(a, None, false)).collect()
    }

    /// What an evaluation at `at_ms` ended. Takes the end of blindness out of the state.
    pub fn over(&self, state: &mut RuleState, changes: &[Change], at_ms: i64) -> Vec<Alert> {
        let seen = state.take_seen();
        let ended =
            changes.iter().filter(|c| c.to == AlertState::Resolved && c.from == Some(AlertState::Firing));
        let over = ended.map(|c| match state.alerts().find(|a| a.labels == c.labels) {
            Some(alert) => self.alert(alert, Some(at_ms), c.is_blind),
            None => {
                let labels = c.labels.clone();
                Alert { labels, ends_at_ms: Some(at_ms), is_blind: true, ..Alert::default() }
            }
        });
        over.chain(seen.map(|a| self.alert(&a, Some(at_ms), false))).collect()
    }

    /// The ends of all that a rule told that is there no more: whether it is fine nobody knows.
    pub fn gone(&self, state: &RuleState, at_ms: i64) -> Vec<Alert> {
        let end = |alert| Alert { ends_at_ms: Some(at_ms), is_blind: true, ..alert };
        self.firing(state).into_iter().map(end).collect()
    }
}
