//! Groups alerts, and decides who is told what and when: Alertmanager's dispatcher, silences, inhibition and
//! de-duplication as one state machine. What it returns was told as far as it is concerned: the caller keeps it until it
//! is delivered. It must never tell the same twice because it was restarted, nor forget that something is to be told.

use super::config::Config;
use super::route::Route;
use super::silence::{KEPT_MS, SILENCES_MAX, Silence};
use super::{Alert, fingerprint};
use model::{Labels, Matcher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
}

impl Why {
    /// For the API and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::New => "new",
            Why::Fewer => "fewer",
            Why::Resolved => "resolved",
            Why::Repeat => "repeat",
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
    refused: u64,
}

/// What is to be kept and delivered.
#[derive(Debug, Default)]
pub struct Decided {
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
    pub fn remember(&mut self, key: String, told: Told) {
        self.told.insert(key, told);
    }

    /// What was told by group and target: [`Notification::told`] by [`Notification::told_key`].
    pub fn told(&self) -> &BTreeMap<String, Told> {
        &self.told
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
            group.next_ms = now_ms + route.group_interval_ms;
            group.has_told = true;
            let told_of: Vec<Alert> = group
                .alerts
                .iter()
                .filter(|l| !muted.contains(*l))
                .filter_map(|l| self.alerts.get(l))
                .cloned()
                .collect();
            let labels = group.labels.clone();
            let over: Vec<Labels> = group
                .alerts
                .iter()
                .filter(|l| self.alerts.get(*l).is_none_or(|a| a.is_resolved(now_ms)))
                .cloned()
                .collect();
            over.iter().for_each(|l| {
                group.alerts.remove(l);
            });
            if group.alerts.is_empty() {
                self.groups.remove(&key);
            }
            self.tell(route, &key, &labels, &told_of, now_ms, &mut out);
            for labels in over {
                if !self.groups.values().any(|g| g.alerts.contains(&labels)) {
                    self.alerts.remove(&labels);
                }
            }
        }
        self.told.retain(|_, t| !t.firing.is_empty() || now_ms - t.at_ms < TOLD_FOR_MS);
        out
    }

    fn tell(
        &mut self,
        route: &Route,
        group_key: &str,
        labels: &Labels,
        alerts: &[Alert],
        now_ms: i64,
        out: &mut Decided,
    ) {
        if alerts.is_empty() {
            return;
        }
        let Some(receiver) = self.config.receivers.iter().find(|r| r.name == route.receiver) else { return };
        let prints = |resolved: bool| -> BTreeSet<u64> {
            alerts
                .iter()
                .filter(|a| a.is_resolved(now_ms) == resolved)
                .map(|a| fingerprint(&a.labels))
                .collect()
        };
        let now_told = Told { firing: prints(false), resolved: prints(true), at_ms: now_ms };
        for (place, target) in receiver.targets.iter().enumerate() {
            let name = format!("{}/{place}", receiver.name);
            let key = told_key(&name, group_key);
            let before = self.told.get(&key);
            let Some(why) = decide(before, &now_told, target.send_resolved, route.repeat_interval_ms) else {
                continue;
            };
            let mut listed: Vec<Alert> = alerts
                .iter()
                .filter(|a| target.send_resolved || !a.is_resolved(now_ms))
                // What was over before the receiver heard of it is not news.
                .filter(|a| {
                    !a.is_resolved(now_ms)
                        || before.is_some_and(|b| b.firing.contains(&fingerprint(&a.labels)))
                })
                .cloned()
                .collect();
            let id = format!("{:016x}", fnv(&format!("{key} {now_ms}")));
            self.told.insert(key.clone(), now_told.clone());
            if listed.is_empty() {
                out.noted.push((key, now_told.clone()));
                continue;
            }
            listed.sort_by_key(|a| (a.is_resolved(now_ms), a.starts_at_ms));
            let left_out = listed.len().saturating_sub(LISTED_MAX);
            listed.truncate(LISTED_MAX);
            out.notifications.push(Notification {
                id,
                target: name,
                receiver: receiver.name.clone(),
                group_key: group_key.to_string(),
                group_labels: labels.clone(),
                alerts: listed,
                left_out,
                at_ms: now_ms,
                why,
                told: now_told.clone(),
            });
        }
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

    /// Alerts that were not taken because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
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
    }
}

/// Whether a target is told, and why: Alertmanager's rules.
fn decide(before: Option<&Told>, now: &Told, send_resolved: bool, repeat_ms: i64) -> Option<Why> {
    let Some(before) = before else { return (!now.firing.is_empty()).then_some(Why::New) };
    if !now.firing.is_subset(&before.firing) {
        return Some(Why::New);
    }
    if now.firing.is_empty() {
        return (!before.firing.is_empty()).then_some(Why::Resolved);
    }
    if send_resolved && !now.resolved.is_subset(&before.resolved) {
        return Some(Why::Fewer);
    }
    (now.at_ms - before.at_ms >= repeat_ms).then_some(Why::Repeat)
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
