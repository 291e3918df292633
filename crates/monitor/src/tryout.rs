//! What a rule would have done: its state machine over rows of the past. It must never judge otherwise than the rule that
//! is evaluated now.

use crate::alert::{Around, RuleState, Seen};
use crate::{AlertState, Rule};
use model::Labels;
use std::collections::BTreeMap;

/// The most episodes that are listed.
pub const EPISODES_MAX: usize = 500;

/// A time in which an alert would have fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Which.
    pub labels: Labels,
    /// Since when the condition was met.
    pub met_ms: i64,
    /// From.
    pub from_ms: i64,
    /// Until; `None` if it still would.
    pub to_ms: Option<i64>,
}

/// What a rule would have done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TryOut {
    /// Evaluations.
    pub steps: usize,
    /// How often an alert would have begun to fire.
    pub fired: usize,
    /// How often a condition was met for less than `for`.
    pub nearly: usize,
    /// For how long at least one would have fired, milliseconds.
    pub firing_ms: i64,
    /// The first so many, in order of time.
    pub episodes: Vec<Episode>,
    /// Why it could not have been evaluated at some time, or "".
    pub problem: String,
}

/// Runs a rule over evaluations in order of time.
pub fn try_out(
    rule: &Rule,
    limit: usize,
    evaluations: impl Iterator<Item = (i64, Vec<(Labels, f64)>)>,
) -> TryOut {
    let (mut state, mut out) = (RuleState::default(), TryOut::default());
    let around = Around { external_url: "", ask: &|_| Ok(Vec::new()) };
    let mut open: BTreeMap<Labels, usize> = BTreeMap::new();
    let mut before: Option<(i64, bool)> = None;
    for (at_ms, rows) in evaluations {
        out.steps += 1;
        // Whether there was data is not known of the past: what gave no row was fine.
        let seen = Seen { rows, enough: None, series: 1 };
        for change in state.step(rule, limit, at_ms, Ok(seen), around) {
            match (change.from, change.to) {
                (_, AlertState::Firing) => {
                    out.fired += 1;
                    let met = state.alerts().find(|a| a.labels == change.labels).map(|a| a.active_at_ms);
                    if out.episodes.len() < EPISODES_MAX {
                        open.insert(change.labels.clone(), out.episodes.len());
                        out.episodes.push(Episode {
                            labels: change.labels,
                            met_ms: met.unwrap_or(at_ms),
                            from_ms: at_ms,
                            to_ms: None,
                        });
                    }
                }
                (Some(AlertState::Firing), AlertState::Resolved) => {
                    if let Some(place) = open.remove(&change.labels) {
                        out.episodes[place].to_ms = Some(at_ms);
                    }
                }
                (Some(AlertState::Pending), AlertState::Resolved) => out.nearly += 1,
                _ => {}
            }
        }
        if let Some((last_ms, true)) = before {
            out.firing_ms += at_ms - last_ms;
        }
        before = Some((at_ms, state.alerts().any(|a| a.state == AlertState::Firing)));
        if let crate::Judgement::CannotJudge(why) = state.judgement() {
            out.problem.clone_from(why);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alerting, Kind};

    #[test]
    fn two_times_in_a_week_and_one_still() {
        let alerting = Alerting { for_ms: 120_000, ..Alerting::default() };
        let kind = Kind::Alerting(alerting);
        let rule = Rule { name: "A".into(), expr: String::new(), labels: Vec::new(), kind, line: 1 };
        let labels = Labels::from_pairs([("x", "a")]).unwrap();
        // Minutes in which the condition is met: five, one, ten, and the end.
        let met = |m: i64| (100..105).contains(&m) || m == 200 || (300..310).contains(&m) || m >= 995;
        let evaluations = (0..1000).map(|m| {
            let rows = if met(m) { vec![(labels.clone(), 1.0)] } else { Vec::new() };
            (m * 60_000, rows)
        });
        let out = try_out(&rule, 0, evaluations);
        assert_eq!((out.steps, out.fired, out.nearly, out.problem.as_str()), (1000, 3, 1, ""));
        let times: Vec<_> = out
            .episodes
            .iter()
            .map(|e| (e.met_ms / 60_000, e.from_ms / 60_000, e.to_ms.map(|t| t / 60_000)))
            .collect();
        assert_eq!(times, [(100, 102, Some(105)), (300, 302, Some(310)), (995, 997, None)]);
        assert_eq!(out.firing_ms, (3 + 8 + 2) * 60_000);
    }
}
