//! What each target of a group is told, and why: Alertmanager's rules, with acknowledgements and escalation. It must never
//! tell what a target knows already, but as a repetition that is due.

use super::audience::{Listener, Standing};
use super::{Decided, LISTED_MAX, Notification, Notifier, Route, Told, Why, fnv, told_key};
use crate::notify::escalate::Progress;
use crate::notify::{Alert, fingerprint};
use model::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// A group as it is when it is looked at.
pub(super) struct Seen<'a> {
    pub key: &'a str,
    pub labels: &'a Labels,
    /// Those that may be told of, of which some are over.
    pub alerts: &'a [Alert],
    pub hidden: Hidden,
}

impl Notifier {
    /// Decides what is told of a group; returns how far its escalation is.
    pub(super) fn tell(
        &mut self,
        route: &Route,
        group: &Seen<'_>,
        now_ms: i64,
        out: &mut Decided,
    ) -> Option<Progress> {
        let config = self.config.clone();
        let known = self.escalated.get(group.key).copied();
        let firing = || group.alerts.iter().filter(|a| !a.is_resolved(now_ms));
        let is_acked = firing().all(|a| self.is_acked(a, now_ms)) && firing().next().is_some();
        let progress = match route.escalation {
            // What nobody may be told of does not go on to the next step meanwhile.
            Some(_) if group.alerts.is_empty() => known.map(|p| Progress { is_held: true, ..p }),
            Some(_) => Progress::follow(known, firing().next().is_some(), is_acked, now_ms),
            None => None,
        };
        let prints = |resolved: bool| -> BTreeSet<u64> {
            let of = group.alerts.iter().filter(|a| a.is_resolved(now_ms) == resolved);
            of.map(|a| fingerprint(&a.labels)).collect()
        };
        let now_told = Told { firing: prints(false), resolved: prints(true), at_ms: now_ms };
        let audience = match group.alerts {
            [] => Vec::new(),
            _ => self.audience(&config, route, group.key, progress, now_ms),
        };
        for listener in audience {
            let key = told_key(&listener.name, group.key);
            let why = decide(self.told.get(&key), &now_told, &listener, route.repeat_interval_ms, is_acked);
            if let Some(why) = why {
                self.put_out(&listener, group, &now_told, why, out);
            }
        }
        if progress != known {
            self.escalated.remove(group.key);
            self.escalated.extend(progress.map(|p| (group.key.to_string(), p)));
            out.escalated.push((group.key.to_string(), progress));
        }
        progress
    }

    fn put_out(&mut self, to: &Listener<'_>, group: &Seen<'_>, now_told: &Told, why: Why, out: &mut Decided) {
        let now_ms = now_told.at_ms;
        let key = told_key(&to.name, group.key);
        let before = self.told.get(&key);
        let mut listed: Vec<Alert> = group
            .alerts
            .iter()
            .filter(|a| to.target.send_resolved || !a.is_resolved(now_ms))
            // What was over before the receiver heard of it is not news.
            .filter(|a| {
                !a.is_resolved(now_ms) || before.is_some_and(|b| b.firing.contains(&fingerprint(&a.labels)))
            })
            .cloned()
            .collect();
        let id = format!("{:016x}", fnv(&format!("{key} {now_ms}")));
        let told = group.hidden.kept(before, now_told.clone(), why);
        self.told.insert(key.clone(), told.clone());
        if listed.is_empty() {
            out.noted.push((key, told));
            return;
        }
        listed.sort_by_key(|a| (a.is_resolved(now_ms), a.starts_at_ms));
        let left_out = listed.len().saturating_sub(LISTED_MAX);
        listed.truncate(LISTED_MAX);
        out.notifications.push(Notification {
            id,
            target: to.name.clone(),
            receiver: to.receiver.to_string(),
            group_key: group.key.to_string(),
            group_labels: group.labels.clone(),
            alerts: listed,
            left_out,
            at_ms: now_ms,
            why,
            told,
        });
    }
}

/// Whether a target is told, and why.
fn decide(
    before: Option<&Told>,
    now: &Told,
    to: &Listener<'_>,
    repeat_ms: i64,
    is_acked: bool,
) -> Option<Why> {
    let is_former = to.standing == Standing::Former;
    let is_above = matches!(to.standing, Standing::Step { number, .. } if number > 0);
    let Some(before) = before else {
        let is_news = !now.firing.is_empty() && !is_acked && !is_former;
        return is_news.then_some(if is_above { Why::Escalated } else { Why::New });
    };
    if now.firing.is_empty() {
        return (!before.firing.is_empty()).then_some(Why::Resolved);
    }
    if is_former {
        let is_end = to.target.send_resolved && now.resolved.iter().any(|p| before.firing.contains(p));
        return is_end.then_some(Why::Fewer);
    }
    if !now.firing.is_subset(&before.firing) {
        return Some(Why::New);
    }
    if to.target.send_resolved && !now.resolved.is_subset(&before.resolved) {
        return Some(Why::Fewer);
    }
    if is_acked {
        return None;
    }
    if matches!(to.standing, Standing::Step { due_ms, .. } if before.at_ms < due_ms) {
        return Some(Why::Escalated);
    }
    (now.at_ms - before.at_ms >= repeat_ms).then_some(Why::Repeat)
}

/// Members of a group of which nobody may be told now.
pub(super) struct Hidden {
    firing: BTreeSet<u64>,
    over: BTreeSet<u64>,
}

impl Hidden {
    pub fn of<'a>(
        muted: impl Iterator<Item = &'a Labels>,
        alerts: &BTreeMap<Labels, Alert>,
        now_ms: i64,
    ) -> Hidden {
        let mut hidden = Hidden { firing: BTreeSet::new(), over: BTreeSet::new() };
        for labels in muted {
            let is_over = alerts.get(labels).is_none_or(|a| a.is_resolved(now_ms));
            if is_over { &mut hidden.over } else { &mut hidden.firing }.insert(fingerprint(labels));
        }
        hidden
    }

    /// What a target knows of them it goes on knowing, unless it is told that all is over: then what fires is news again.
    fn kept(&self, before: Option<&Told>, mut told: Told, why: Why) -> Told {
        let Some(before) = before else { return told };
        let known = |set: &BTreeSet<u64>| set.intersection(&before.firing).copied().collect::<Vec<_>>();
        told.firing.extend(known(&self.over));
        if why != Why::Resolved {
            told.firing.extend(known(&self.firing));
        }
        told
    }
}

/// Whether a target of a group was told that an alert fires.
pub(super) fn knows_in(told: &BTreeMap<String, Told>, group_key: &str, labels: &Labels) -> bool {
    let print = fingerprint(labels);
    let of_group = |key: &str| key.strip_suffix(group_key).is_some_and(|target| target.ends_with(' '));
    told.iter().any(|(key, told)| told.firing.contains(&print) && of_group(key))
}
