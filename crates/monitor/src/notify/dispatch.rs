//! Groups alerts, and decides who is told what and when: Alertmanager's dispatcher, silences, inhibition and
//! de-duplication as one state machine. What it returns was told as far as it is concerned: the caller keeps it until it
//! is delivered. It must never tell the same twice because it was restarted, nor forget that something is to be told.

use super::ack::Ack;
use super::config::Config;
use super::escalate::Progress;
use super::rota::Override;
use super::route::Route;
use super::silence::{KEPT_MS, SILENCES_MAX, Silence};
use super::{Alert, fingerprint};
use model::{Labels, Matcher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod audience;
mod tell;

use tell::{Hidden, Seen, knows_in};

/// The most alerts at one time.
pub const ALERTS_MAX: usize = 50_000;
/// The most alerts that one notification lists.
pub const LISTED_MAX: usize = 500;
/// How long it is remembered what a group told, after its last alert.
const TOLD_FOR_MS: i64 = 5 * 86_400_000;

/// Why there is a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// An alert fires that the receiver does not know.
    New,
    /// Some alerts of the group are over, others fire.
    Fewer,
    /// All are over.
    Resolved,
    /// Nothing changed for the repeat interval.
    Repeat,
    /// Nobody took care of it, so that a step of its escalation is due.
    Escalated,
}

impl Why {
    /// For the API and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::New => "new",
            Why::Fewer => "fewer",
            Why::Resolved => "resolved",
            Why::Repeat => "repeat",
            Why::Escalated => "escalated",
        }
    }
}

/// What a receiver is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Names it for good: receivers can tell a second delivery by it.
    pub id: String,
    /// `receiver/place`: which target of the configuration.
    pub target: String,
    /// The receiver's name.
    pub receiver: String,
    /// What names the group.
    pub group_key: String,
    /// The labels that the group's alerts share by definition.
    pub group_labels: Labels,
    /// Firing ones first.
    pub alerts: Vec<Alert>,
    /// How many more there are than are listed.
    pub left_out: usize,
    /// When it was decided.
    pub at_ms: i64,
    /// Why.
    pub why: Why,
    /// What the group has told its receiver with this.
    pub told: Told,
}

impl Notification {
    /// Alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|a| !a.is_resolved(self.at_ms))
    }

    /// Alerts that are over.
    pub fn resolved(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|a| a.is_resolved(self.at_ms))
    }
}

/// What a group told a target last.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Told {
    /// Fingerprints of alerts that fired.
    pub firing: BTreeSet<u64>,
    /// Of those that were over.
    pub resolved: BTreeSet<u64>,
    /// When.
    pub at_ms: i64,
}

struct Group {
    route: usize,
    labels: Labels,
    alerts: BTreeSet<Labels>,
    next_ms: i64,
    has_told: bool,
}

/// Everything that is known of alerts, and of what was told.
pub struct Notifier {
    config: Arc<Config>,
    alerts: BTreeMap<Labels, Alert>,
    groups: BTreeMap<String, Group>,
    told: BTreeMap<String, Told>,
    silences: Vec<Silence>,
    escalated: BTreeMap<String, Progress>,
    acks: BTreeMap<Labels, Ack>,
    overrides: Vec<Override>,
    refused: u64,
}

/// What is to be kept and delivered.
#[derive(Debug, Default)]
pub struct Decided {
    /// How far the escalation of a group is; `None`: it has ended.
    pub escalated: Vec<(String, Option<Progress>)>,
    /// What receivers are told.
    pub notifications: Vec<Notification>,
    /// What counts as told although there is nothing to say: that something is over, to who does not want to hear of it.
    pub noted: Vec<(String, Told)>,
}

/// Why nobody is told of an alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Muted {
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Labels of alerts.
    pub inhibited_by: Vec<Labels>,
}

impl Muted {
    /// Whether there is a reason.
    pub fn is_muted(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }
}

/// Firing sources of each inhibition, by the values of the labels that have to agree.
type Sources<'a> = Vec<BTreeMap<Vec<&'a str>, Vec<&'a Labels>>>;

impl Notifier {
    /// Knows of nothing.
    pub fn new(config: Arc<Config>) -> Notifier {
        Notifier {
            config,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            told: BTreeMap::new(),
            silences: Vec::new(),
            escalated: BTreeMap::new(),
            acks: BTreeMap::new(),
            overrides: Vec::new(),
            refused: 0,
        }
    }

    /// Takes another configuration; alerts are grouped anew.
    pub fn configure(&mut self, config: Arc<Config>, now_ms: i64) {
        self.config = config;
        self.groups.clear();
        for alert in std::mem::take(&mut self.alerts).into_values() {
            self.put(alert, now_ms);
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Remembers what a group told before a restart.
    pub fn remember(&mut self, key: String, told: Told, now_ms: i64) {
        // The clock may have been set back since.
        let at_ms = told.at_ms.min(now_ms);
        self.told.insert(key, Told { at_ms, ..told });
    }

    /// What was told by group and target: [`Notification::told`] by [`Notification::told_key`].
    pub fn told(&self) -> &BTreeMap<String, Told> {
        &self.told
    }

    /// Takes alerts back of which somebody was told before a restart: they are over at `until_ms` unless they are put again.
    pub fn reopen(&mut self, open: Vec<Alert>, until_ms: i64, now_ms: i64) {
        for alert in open {
            self.put(Alert { ends_at_ms: Some(until_ms), ..alert }, now_ms);
        }
    }

    /// Alerts of which somebody was told that they fire, and not yet that they are over.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        let told: BTreeSet<u64> = self.told.values().flat_map(|t| t.firing.iter().copied()).collect();
        self.alerts.values().filter(move |a| told.contains(&fingerprint(&a.labels)))
    }

    /// Takes an alert, new or as it is now.
    pub fn put(&mut self, mut alert: Alert, now_ms: i64) {
        match self.alerts.get(&alert.labels) {
            Some(known) if !known.is_resolved(now_ms) => {
                alert.starts_at_ms = alert.starts_at_ms.min(known.starts_at_ms);
            }
            // That something is over that nobody heard of is told to nobody.
            None if alert.is_resolved(now_ms) && !self.was_told(&alert.labels) => return,
            None if self.alerts.len() >= ALERTS_MAX => {
                self.refused += 1;
                return;
            }
            _ => {}
        }
        let config = self.config.clone();
        for route in config.route.matching(&alert.labels) {
            let labels = route.group_of(&alert.labels);
            let is_late = alert.starts_at_ms + route.group_wait_ms < now_ms;
            let first_ms = if is_late { now_ms } else { now_ms + route.group_wait_ms };
            let group = self.groups.entry(group_key(route, &labels)).or_insert_with(|| Group {
                route: route.id,
                labels,
                alerts: BTreeSet::new(),
                next_ms: first_ms,
                has_told: false,
            });
            if is_late && !group.has_told {
                group.next_ms = group.next_ms.min(now_ms);
            }
            group.alerts.insert(alert.labels.clone());
        }
        self.alerts.insert(alert.labels.clone(), alert);
    }

    fn was_told(&self, labels: &Labels) -> bool {
        let print = fingerprint(labels);
        self.told.values().any(|t| t.firing.contains(&print))
    }

    /// When something is to be decided next.
    pub fn next_ms(&self) -> Option<i64> {
        self.groups.values().map(|g| g.next_ms).min()
    }

    /// What is to be told at `now_ms`.
    pub fn step(&mut self, now_ms: i64) -> Decided {
        let due: Vec<String> =
            self.groups.iter().filter(|(_, g)| g.next_ms <= now_ms).map(|(k, _)| k.clone()).collect();
        let mut out = Decided::default();
        if due.is_empty() {
            return out;
        }
        let config = self.config.clone();
        let routes = config.route.all();
        let muted: BTreeSet<Labels> = {
            let sources = self.sources(now_ms);
            let members = due.iter().flat_map(|k| &self.groups[k].alerts);
            members.filter(|l| self.muted_by(l, &sources, now_ms).is_muted()).cloned().collect()
        };
        for key in due {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            let Some(route) = routes.get(group.route) else { continue };
            let may_tell = config.may_tell(route, now_ms);
            group.next_ms = now_ms + route.group_interval_ms;
            group.has_told = true;
            let told_of: Vec<Alert> = group
                .alerts
                .iter()
                .filter(|l| may_tell && !muted.contains(*l))
                .filter_map(|l| self.alerts.get(l))
                .cloned()
                .collect();
            let labels = group.labels.clone();
            let hidden = Hidden::of(group.alerts.iter().filter(|l| muted.contains(*l)), &self.alerts, now_ms);
            let mut over: Vec<Labels> = group
                .alerts
                .iter()
                .filter(|l| self.alerts.get(*l).is_none_or(|a| a.is_resolved(now_ms)))
                .cloned()
                .collect();
            // An end that nobody may be told of now is kept until somebody may.
            over.retain(|l| (may_tell && !muted.contains(l)) || !knows_in(&self.told, &key, l));
            over.iter().for_each(|l| {
                group.alerts.remove(l);
            });
            if group.alerts.is_empty() {
                self.groups.remove(&key);
            }
            let seen = Seen { key: &key, labels: &labels, alerts: &told_of, hidden };
            let progress = self.tell(route, &seen, now_ms, &mut out);
            let escalation = config.escalations.iter().find(|e| Some(&e.name) == route.escalation.as_ref());
            let next_ms = escalation.zip(progress).and_then(|(e, p)| e.next_ms(p, now_ms));
            if let (Some(next_ms), Some(group)) = (next_ms, self.groups.get_mut(&key)) {
                group.next_ms = group.next_ms.min(next_ms);
            }
            for labels in over {
                if !self.groups.values().any(|g| g.alerts.contains(&labels)) {
                    self.acks.remove(&labels);
                    self.alerts.remove(&labels);
                }
            }
        }
        self.forget(now_ms);
        out
    }

    /// Forgets what was told long ago of alerts that are no more.
    fn forget(&mut self, now_ms: i64) {
        let is_old = |t: &Told| now_ms - t.at_ms >= TOLD_FOR_MS;
        if self.told.values().any(is_old) {
            let alive: BTreeSet<u64> = self.alerts.keys().map(fingerprint).collect();
            self.told.retain(|_, t| !is_old(t) || t.firing.iter().any(|p| alive.contains(p)));
        }
        let is_new = |ms: i64| now_ms - ms < TOLD_FOR_MS;
        self.acks.retain(|labels, a| self.alerts.contains_key(labels) || is_new(a.at_ms));
        self.escalated.retain(|key, p| self.groups.contains_key(key) || is_new(p.since_ms));
    }

    fn sources(&self, now_ms: i64) -> Sources<'_> {
        let of = |inhibit: &super::route::Inhibit| {
            let mut by: BTreeMap<Vec<&str>, Vec<&Labels>> = BTreeMap::new();
            let firing = self.alerts.values().filter(|a| !a.is_resolved(now_ms));
            for alert in firing.filter(|a| Matcher::all(&inhibit.source, &a.labels)) {
                let key = inhibit.equal.iter().map(|n| alert.labels.get(n)).collect();
                by.entry(key).or_default().push(&alert.labels);
            }
            by
        };
        self.config.inhibit.iter().map(of).collect()
    }

    fn muted_by(&self, labels: &Labels, sources: &Sources<'_>, now_ms: i64) -> Muted {
        let silences = self.silences.iter().filter(|s| s.silences(labels, now_ms)).map(|s| s.id.clone());
        let mut muted = Muted { silenced_by: silences.collect(), inhibited_by: Vec::new() };
        for (inhibit, by) in self.config.inhibit.iter().zip(sources) {
            let key: Vec<&str> = inhibit.equal.iter().map(|n| labels.get(n)).collect();
            let found = by.get(&key).and_then(|all| all.iter().find(|s| inhibit.applies(s, labels)));
            muted.inhibited_by.extend(found.map(|l| (*l).clone()));
        }
        muted
    }

    /// Every alert, with why nobody is told of it.
    pub fn alerts(&self, now_ms: i64) -> Vec<(&Alert, Muted)> {
        let sources = self.sources(now_ms);
        self.alerts.values().map(|a| (a, self.muted_by(&a.labels, &sources, now_ms))).collect()
    }

    /// How many alerts there are.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    /// Alerts that were not taken because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Notes that somebody takes care of alerts that fire; returns those that were not acknowledged before.
    pub fn acknowledge(
        &mut self,
        wanted: impl Fn(&Labels) -> bool,
        author: &str,
        note: &str,
        now_ms: i64,
    ) -> Vec<Ack> {
        let firing = self.alerts.values().filter(|a| !a.is_resolved(now_ms) && wanted(&a.labels));
        let new = firing.filter(|a| !self.is_acked(a, now_ms));
        let acks: Vec<Ack> = new.map(|a| Ack::new(a.labels.clone(), author, note, now_ms)).collect();
        self.acks.extend(acks.iter().map(|a| (a.labels.clone(), a.clone())));
        acks
    }

    /// Takes acknowledgements back; returns whose alerts.
    pub fn unacknowledge(&mut self, wanted: impl Fn(&Labels) -> bool) -> Vec<Labels> {
        let gone: Vec<Labels> = self.acks.keys().filter(|l| wanted(l)).cloned().collect();
        gone.iter().for_each(|l| {
            self.acks.remove(l);
        });
        gone
    }

    /// Brings back an acknowledgement of before a restart.
    pub fn remember_ack(&mut self, ack: Ack) {
        self.acks.insert(ack.labels.clone(), ack);
    }

    /// Brings back how far a group was before a restart.
    pub fn remember_progress(&mut self, group_key: String, progress: Progress) {
        self.escalated.insert(group_key, progress);
    }

    /// Who takes care of an alert.
    pub fn ack_of(&self, alert: &Alert, now_ms: i64) -> Option<&Ack> {
        self.acks.get(&alert.labels).filter(|a| a.covers(alert, now_ms))
    }

    /// Every acknowledgement of something that fires.
    pub fn acks(&self, now_ms: i64) -> impl Iterator<Item = &Ack> {
        self.acks
            .values()
            .filter(move |ack| self.alerts.get(&ack.labels).is_some_and(|a| ack.covers(a, now_ms)))
    }

    fn is_acked(&self, alert: &Alert, now_ms: i64) -> bool {
        self.ack_of(alert, now_ms).is_some()
    }

    /// Acknowledgements and the progress of escalations, to be kept.
    pub fn kept(&self) -> (impl Iterator<Item = &Ack>, impl Iterator<Item = (&String, &Progress)>) {
        (self.acks.values(), self.escalated.iter())
    }

    /// Overrides of rotas besides those of the configuration.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// Takes other overrides.
    pub fn set_overrides(&mut self, overrides: Vec<Override>) {
        self.overrides = overrides;
    }

    /// Every silence.
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// Makes or changes a silence.
    ///
    /// # Errors
    /// There are too many.
    pub fn silence(&mut self, silence: Silence, now_ms: i64) -> Result<(), String> {
        self.silences.retain(|s| s.id != silence.id && now_ms - s.ends_at_ms < KEPT_MS);
        if self.silences.len() >= SILENCES_MAX {
            return Err(format!("there are {SILENCES_MAX} silences; end some that are not needed"));
        }
        self.silences.push(silence);
        Ok(())
    }

    /// Ends a silence now; false if there is none of that id.
    pub fn unsilence(&mut self, id: &str, now_ms: i64) -> bool {
        let Some(silence) = self.silences.iter_mut().find(|s| s.id == id) else { return false };
        silence.ends_at_ms = silence.ends_at_ms.min(now_ms);
        silence.updated_at_ms = now_ms;
        true
    }

    /// The clock was set by so much.
    pub fn shift(&mut self, by_ms: i64) {
        self.groups.values_mut().for_each(|g| g.next_ms += by_ms);
        self.told.values_mut().for_each(|t| t.at_ms += by_ms);
        self.escalated.values_mut().for_each(|p| p.since_ms += by_ms);
        self.acks.values_mut().for_each(|a| a.at_ms += by_ms);
        for alert in self.alerts.values_mut() {
            alert.starts_at_ms += by_ms;
            alert.ends_at_ms.iter_mut().for_each(|end| *end += by_ms);
        }
    }
}

fn group_key(route: &Route, labels: &Labels) -> String {
    format!("{}:{labels}", route.key)
}

/// What names the memory of a group and a target.
pub fn told_key(target: &str, group_key: &str) -> String {
    format!("{target} {group_key}")
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

impl Notification {
    /// What names the memory of its group and target.
    pub fn told_key(&self) -> String {
        told_key(&self.target, &self.group_key)
    }
}

#[cfg(test)]
mod tests;
