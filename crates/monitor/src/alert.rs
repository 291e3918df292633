//! The state machine of one alerting rule: what its condition gave goes in, states and changes come out. The transitions
//! are Prometheus's (`rules/alerting.go`): a row makes an alert pending, `for` later it fires, and when its row is gone,
//! and `keep_firing_for` is over, it is resolved. Beyond that it knows what Prometheus takes for fine: no data, a condition
//! that cannot be evaluated, too little traffic to judge. It must never call anything fine that was not judged.

mod blind;

pub use blind::{LABEL as STATE_LABEL, VALUE as BLIND};

use crate::rule::{Alerting, Rule};
use crate::template::{Ask, Facts};
use model::Labels;
use model::labels::NAME;
use std::collections::BTreeMap;

/// How long a resolved alert is remembered.
pub const RESOLVED_FOR_MS: i64 = 900_000;
/// The most alerts of one rule that has no limit of its own.
pub const ALERTS_MAX: usize = 10_000;

/// How one alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Its condition was met, and is no more.
    Resolved,
    /// Its condition is met, but not for long enough.
    Pending,
    /// It fires.
    Firing,
}

impl AlertState {
    /// As in Prometheus's API.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Resolved => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// One alert: the rule, for one set of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Active {
    /// Of the condition's row and the rule, `alertname` among them.
    pub labels: Labels,
    /// What people are told.
    pub annotations: Vec<(String, String)>,
    /// How it is.
    pub state: AlertState,
    /// What the condition gave last.
    pub value: f64,
    /// Since when the condition is met.
    pub active_at_ms: i64,
    /// Since when it fires.
    pub fired_at_ms: Option<i64>,
    /// Since when it does not.
    pub resolved_at_ms: Option<i64>,
    /// Since when it fires only because of `keep_firing_for`.
    pub kept_since_ms: Option<i64>,
}

/// How a monitor is, all its alerts together.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// It was not evaluated yet.
    Unknown,
    /// Evaluated, with data, and nothing is wrong.
    Fine,
    /// An alert waits for its `for`.
    Pending,
    /// An alert fires.
    Firing,
    /// Nothing that its condition looks at has a sample.
    NoData,
    /// Its condition cannot be evaluated.
    CannotJudge(String),
    /// There is too little traffic to judge.
    TooLittle,
}

impl Judgement {
    /// For the API and pages.
    pub fn as_str(&self) -> &'static str {
        match self {
            Judgement::Unknown => "unknown",
            Judgement::Fine => "fine",
            Judgement::Pending => "pending",
            Judgement::Firing => "firing",
            Judgement::NoData => "no_data",
            Judgement::CannotJudge(_) => "cannot_judge",
            Judgement::TooLittle => "too_little",
        }
    }

    /// Whether it was judged at all.
    pub fn is_judged(&self) -> bool {
        matches!(self, Judgement::Fine | Judgement::Pending | Judgement::Firing)
    }
}

/// What an evaluation gave.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Rows of the condition.
    pub rows: Vec<(Labels, f64)>,
    /// Rows of [`Alerting::enough`], where there is one.
    pub enough: Option<Vec<(Labels, f64)>>,
    /// How many series with samples its selectors found.
    pub series: usize,
}

/// An alert that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub labels: Labels,
    /// What it was; nothing if it is new.
    pub from: Option<AlertState>,
    /// What it is.
    pub to: AlertState,
    /// It ended because no data comes any more: that it is fine is not known.
    pub is_blind: bool,
}

/// What templates need besides a row.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Where this server is reached.
    pub external_url: &'a str,
    /// Answers queries of templates.
    pub ask: Ask<'a>,
}

/// All alerts of a rule.
#[derive(Clone, Debug)]
pub struct RuleState {
    alerts: BTreeMap<Labels, Active>,
    judgement: Judgement,
    since_ms: i64,
    sight: blind::Sight,
    has_changed: bool,
}

impl Default for RuleState {
    fn default() -> Self {
        RuleState {
            alerts: BTreeMap::new(),
            judgement: Judgement::Unknown,
            since_ms: 0,
            sight: blind::Sight::default(),
            has_changed: false,
        }
    }
}

impl RuleState {
    /// A state with alerts of an earlier process (see [`crate::saved`]).
    pub(crate) fn with(alerts: Vec<Active>, blind: Option<Active>) -> RuleState {
        let alerts = alerts.into_iter().map(|a| (a.labels.clone(), a)).collect();
        // Only what was judged is kept.
        let sight = blind::Sight { has_judged: true, alert: blind, seen: None };
        RuleState { alerts, sight, ..RuleState::default() }
    }

    /// That the monitor is blind, as an alert that waits or fires.
    pub fn blind(&self) -> Option<&Active> {
        self.sight.alert.as_ref()
    }

    /// Whether it was judged once.
    pub fn has_judged(&self) -> bool {
        self.sight.has_judged
    }

    /// The alert of a blindness that is over, once.
    pub(crate) fn take_seen(&mut self) -> Option<Active> {
        self.sight.seen.take()
    }

    /// Whether something that is to be kept changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// Alerts, those that were resolved lately among them, in order of labels.
    pub fn alerts(&self) -> impl Iterator<Item = &Active> {
        self.alerts.values()
    }

    /// Alerts that wait or fire.
    pub fn active(&self) -> impl Iterator<Item = &Active> {
        self.alerts().filter(|a| a.state != AlertState::Resolved)
    }

    /// How the monitor is.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Since when it is so.
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// Takes what an evaluation at `at_ms` gave; returns what changed of its alerts.
    pub fn step(
        &mut self,
        rule: &Rule,
        limit: usize,
        at_ms: i64,
        seen: Result<Seen, String>,
        around: Around<'_>,
    ) -> Vec<Change> {
        let changes = self.step_alerts(rule, limit, at_ms, seen, around);
        self.has_changed |= self.sight.step(rule, &self.judgement, at_ms) || !changes.is_empty();
        changes
    }

    fn step_alerts(
        &mut self,
        rule: &Rule,
        limit: usize,
        at_ms: i64,
        seen: Result<Seen, String>,
        around: Around<'_>,
    ) -> Vec<Change> {
        let Some(alerting) = rule.alerting() else { return Vec::new() };
        let outcome = seen.and_then(|seen| {
            let rows = labelled(rule, &seen.rows, around)?;
            Ok((rows, seen))
        });
        let (rows, seen) = match outcome {
            Ok(both) => both,
            // Alerts stay as they are: what cannot be evaluated has not ended.
            Err(why) => {
                self.judge(Judgement::CannotJudge(why), at_ms);
                return Vec::new();
            }
        };
        let (mut changes, mut held_back) = (Vec::new(), 0);
        let mut met: BTreeMap<Labels, ()> = BTreeMap::new();
        for (labels, row, value) in rows {
            let known = self.alerts.get(&labels).map(|a| a.state);
            let is_enough = is_enough(&seen, &row);
            if !is_enough && known != Some(AlertState::Firing) {
                held_back += 1;
                continue;
            }
            met.insert(labels.clone(), ());
            let facts = Facts { labels: &row, value, external_url: around.external_url, ask: around.ask };
            let annotations: Vec<(String, String)> =
                alerting.annotations.iter().map(|(n, t)| (n.clone(), t.expand_or_say(&facts))).collect();
            match self.alerts.get_mut(&labels).filter(|a| a.state != AlertState::Resolved) {
                Some(alert) => {
                    (alert.value, alert.annotations, alert.kept_since_ms) = (value, annotations, None)
                }
                None => {
                    let new = Active {
                        labels: labels.clone(),
                        annotations,
                        state: AlertState::Pending,
                        value,
                        active_at_ms: at_ms,
                        fired_at_ms: None,
                        resolved_at_ms: None,
                        kept_since_ms: None,
                    };
                    self.alerts.insert(labels.clone(), new);
                    changes.push(Change { labels, from: None, to: AlertState::Pending, is_blind: false });
                }
            }
        }
        let is_blind = seen.series == 0 && seen.rows.is_empty();
        self.alerts.retain(|labels, alert| {
            advance(alert, alerting, met.contains_key(labels), at_ms, is_blind, &mut changes)
        });
        let limit = if limit == 0 { ALERTS_MAX } else { limit };
        let count = self.active().count();
        if count > limit {
            let text =
                format!("it gives {count} alerts, more than its limit of {limit}; none of them is kept");
            let ended = self.active().map(|a| Change {
                labels: a.labels.clone(),
                from: Some(a.state),
                to: AlertState::Resolved,
                is_blind: true,
            });
            changes = ended.collect();
            self.alerts.clear();
            self.judge(Judgement::CannotJudge(text), at_ms);
            return changes;
        }
        let has_firing = self.alerts().any(|a| a.state == AlertState::Firing);
        let has_pending = self.alerts().any(|a| a.state == AlertState::Pending);
        let is_little = held_back > 0 || seen.enough.as_ref().is_some_and(Vec::is_empty);
        let judgement = match () {
            () if has_firing => Judgement::Firing,
            () if has_pending => Judgement::Pending,
            () if is_blind => Judgement::NoData,
            () if is_little => Judgement::TooLittle,
            () => Judgement::Fine,
        };
        self.judge(judgement, at_ms);
        changes
    }

    fn judge(&mut self, judgement: Judgement, at_ms: i64) {
        if self.judgement.as_str() != judgement.as_str() {
            // What an earlier process saw begin began then.
            let earlier = match (&self.judgement, &judgement) {
                (Judgement::Unknown, Judgement::Firing) => self.alerts().filter_map(|a| a.fired_at_ms).min(),
                (Judgement::Unknown, Judgement::Pending) => self.active().map(|a| a.active_at_ms).min(),
                _ => None,
            };
            self.since_ms = earlier.unwrap_or(at_ms).min(at_ms);
        }
        self.judgement = judgement;
    }

    /// The series that Prometheus records of an alerting rule: `ALERTS` and `ALERTS_FOR_STATE`.
    pub fn series(&self) -> Vec<(Labels, f64)> {
        let each = |a: &Active| {
            let state = a.labels.with("alertstate", a.state.as_str()).with(NAME, "ALERTS");
            let since = a.labels.with(NAME, "ALERTS_FOR_STATE");
            [(state, 1.0), (since, (a.active_at_ms / 1000) as f64)]
        };
        self.active().flat_map(each).collect()
    }

    /// The clock was set by so much: what was counted goes on from where it was.
    pub fn shift(&mut self, by_ms: i64) {
        for alert in self.alerts.values_mut().chain(&mut self.sight.alert) {
            alert.active_at_ms += by_ms;
            let times = [&mut alert.fired_at_ms, &mut alert.resolved_at_ms, &mut alert.kept_since_ms];
            times.into_iter().flatten().for_each(|t| *t += by_ms);
        }
        self.since_ms += by_ms;
    }
}

/// Moves one alert on; false if it can be forgotten.
fn advance(
    alert: &mut Active,
    rule: &Alerting,
    is_met: bool,
    at_ms: i64,
    is_blind: bool,
    changes: &mut Vec<Change>,
) -> bool {
    let mut to = |alert: &mut Active, to: AlertState| {
        let labels = alert.labels.clone();
        changes.push(Change { labels, from: Some(alert.state), to, is_blind: is_blind && !is_met });
        alert.state = to;
    };
    match (alert.state, is_met) {
        (AlertState::Pending, true) if at_ms - alert.active_at_ms >= rule.for_ms => {
            alert.fired_at_ms = Some(at_ms);
            to(alert, AlertState::Firing);
            true
        }
        (AlertState::Pending, false) => {
            to(alert, AlertState::Resolved);
            false
        }
        (AlertState::Firing, false) => {
            if rule.keep_firing_for_ms > 0 {
                let since = *alert.kept_since_ms.get_or_insert(at_ms);
                if at_ms - since < rule.keep_firing_for_ms {
                    return true;
                }
            }
            alert.resolved_at_ms = Some(at_ms);
            to(alert, AlertState::Resolved);
            true
        }
        (AlertState::Resolved, _) => alert.resolved_at_ms.is_some_and(|t| at_ms - t <= RESOLVED_FOR_MS),
        _ => true,
    }
}

/// Whether there is enough traffic behind a row: a row of `enough` whose labels it has.
fn is_enough(seen: &Seen, row: &Labels) -> bool {
    let has = |guard: &Labels| guard.iter().all(|(n, v)| n == NAME || row.get(n) == v);
    seen.enough.as_ref().is_none_or(|rows| rows.iter().any(|(guard, _)| has(guard)))
}

/// The alert's labels, the row's labels, and the value.
type Labelled = (Labels, Labels, f64);

fn labelled(rule: &Rule, rows: &[(Labels, f64)], around: Around<'_>) -> Result<Vec<Labelled>, String> {
    let mut out: Vec<Labelled> = Vec::with_capacity(rows.len());
    let mut known: BTreeMap<Labels, ()> = BTreeMap::new();
    for (row, value) in rows {
        let facts = Facts { labels: row, value: *value, external_url: around.external_url, ask: around.ask };
        let mut labels = row.filtered(|n| n != NAME);
        for (name, template) in &rule.labels {
            labels = labels.with(name, &template.expand_or_say(&facts));
        }
        labels = labels.with("alertname", &rule.name);
        if known.insert(labels.clone(), ()).is_some() {
            return Err(format!(
                "its condition gives two rows that have the same labels {labels} once the rule's own are added; \
                 aggregate, or take a label away from the rule"
            ));
        }
        out.push((labels, row.filtered(|n| n != NAME), *value));
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
