//! What the past says of a plan: how often the same was done to the same thing, how long it was until the next time, what
//! else was changed shortly before, and what moved first. How long something held is only known by when it was done
//! again; where that is not known it is not said.

use crate::condition::Seen;
use crate::facts::{Facts, Happened, Moved};
use crate::plan::{Action, EntityKind, Plan, Target};
use crate::value::in_words;

/// How far back the past goes, in days.
pub const DAYS: i64 = 30;
/// What counts as shortly before, in milliseconds.
pub const SHORTLY_MS: i64 = 2 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;
/// Series that moved within so much of each other moved together.
const TOGETHER_MS: i64 = 15_000;

/// Names that conditions and texts may use besides those of a rule's own queries.
pub const NAMES: &[(&str, &str)] = &[
    ("history.count", "how often the same was done to the same thing in 30 days"),
    ("history.held_h", "hours until it was done again, the median"),
    ("history.last_h", "hours since it was done last"),
    ("history.failed", "how often somebody marked it as failed or reverted"),
    ("history.faster", "1 if it was done again sooner each time"),
    (
        "changes.near",
        "changes of the thing, its machines, or of nothing in particular, in the two hours before the window and since",
    ),
    (
        "changes.deploy_min",
        "minutes from the last deploy of the thing to the beginning of the window; negative: after",
    ),
    ("changes.anywhere", "changes of anything in the two hours before the window and since"),
    ("moved.groups", "groups of series that moved in the window"),
    ("moved.is_target", "1 if what moved first belongs to what the plan acts on, or suspects"),
    ("moved.lead_s", "seconds by which what moved first was ahead of the first of the thing's own"),
];

/// The past of one plan.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The same done to the same, oldest first; an error where the past is not known.
    same: Option<Vec<Happened>>,
    near: Option<Vec<Happened>>,
    anywhere: usize,
    deploy_min: Option<f64>,
    has_target: bool,
    now_ms: i64,
    moved: Option<Vec<Moved>>,
    moved_is_target: bool,
    lead_s: Option<f64>,
    /// Why something is not known.
    pub unknown: Vec<String>,
}

/// Kinds of changes that an action is recorded as, and words of titles that say it.
fn recorded_as(action: Action) -> (&'static [&'static str], &'static [&'static str]) {
    match action {
        Action::Restart | Action::Kill => (&["restart"], &["restart", "kill", "bounce"]),
        Action::Reboot => (&["kernel", "reboot"], &["reboot", "boot"]),
        Action::Rollback => (&["rollback"], &["roll back", "rolled back", "rollback", "revert"]),
        Action::Deploy => (&["deploy", "build", "package"], &["deploy", "release"]),
        Action::Configure => (&["config", "flag"], &[]),
        Action::FailOver => (&["failover"], &["fail over", "failed over", "failover", "promote"]),
        Action::ScaleUp => (&["scale"], &["scale", "replicas", "instances"]),
        Action::ScaleDown => (&["scale"], &["scale", "replicas"]),
        Action::Drain => (&["drain"], &["drain"]),
        Action::ClearCache => (&["cache"], &["clear", "flush", "purge"]),
        Action::RaiseLimit => (&[], &["raise", "increase", "limit"]),
        Action::AddMember | Action::RemoveMember => (&["membership"], &["member"]),
        Action::Delete => (&["delete"], &["delete", "removed", "cleaned"]),
        Action::Purge => (&["purge"], &["purge", "drained the queue"]),
        Action::Shed => (&[], &["rate limit", "shed", "block"]),
        Action::Silence => (&["silence"], &["silence", "mute"]),
        Action::Wait => (&[], &[]),
    }
}

fn is_of(change: &Happened, target: &Target) -> bool {
    let name = &target.entity.name;
    let is = |text: &str| !text.is_empty() && text.eq_ignore_ascii_case(name);
    let of_service =
        !target.entity.service.is_empty() && change.service.eq_ignore_ascii_case(&target.entity.service);
    match target.entity.kind {
        EntityKind::Service | EntityKind::Instance => is(&change.service) || of_service,
        EntityKind::Host => {
            is(&change.host)
                || change.host.split(':').next().is_some_and(|h| Some(h) == name.split(':').next())
        }
    }
}

impl Past {
    /// Reads what is known.
    pub fn of(plan: &Plan, facts: &dyn Facts) -> Past {
        let mut past = Past { now_ms: facts.now_ms(), ..Past::default() };
        let target = plan.target();
        past.has_target = target.is_some();
        match facts.happened() {
            Err(why) => past.unknown.push(why),
            Ok(all) => past.read(plan, target, all, facts.since_ms()),
        }
        match facts.moved() {
            Err(why) => past.unknown.push(why),
            Ok(moved) => {
                past.moved = Some(moved.to_vec());
                past.compare(target, moved);
            }
        }
        past
    }

    fn read(&mut self, plan: &Plan, target: Option<&Target>, all: &[Happened], since_ms: i64) {
        let recent = |c: &&Happened| c.at_ms >= since_ms - SHORTLY_MS && c.at_ms <= self.now_ms;
        self.anywhere = all.iter().filter(recent).count();
        let no_one = |c: &Happened| c.service.is_empty() && c.host.is_empty();
        let mut near: Vec<Happened> = all
            .iter()
            .filter(recent)
            .filter(|c| target.is_none_or(|t| is_of(c, t) || no_one(c) || is_on_host(c, t)))
            .cloned()
            .collect();
        near.sort_by_key(|c| c.at_ms);
        self.near = Some(near);
        let Some(target) = target else { return };
        let deploys =
            all.iter().filter(|c| is_of(c, target) && matches!(c.kind.as_str(), "deploy" | "build"));
        let last = deploys.filter(|c| c.at_ms <= self.now_ms).max_by_key(|c| c.at_ms);
        self.deploy_min = last.map(|c| (since_ms - c.at_ms) as f64 / 60_000.0);
        let Some(action) = plan.actions.first() else { return };
        let (kinds, words) = recorded_as(*action);
        let is_same = |c: &&Happened| {
            let title = c.title.to_lowercase();
            is_of(c, target)
                && c.at_ms <= self.now_ms
                && (kinds.contains(&c.kind.as_str()) || words.iter().any(|w| title.contains(w)))
        };
        let mut same: Vec<Happened> = all.iter().filter(is_same).cloned().collect();
        same.sort_by_key(|c| c.at_ms);
        self.same = Some(same);
    }

    fn compare(&mut self, target: Option<&Target>, moved: &[Moved]) {
        let (Some(target), Some(first)) = (target, moved.first()) else { return };
        let is_ours = |m: &Moved| {
            let e = &target.entity;
            let selected = |s: &crate::plan::Selector| {
                s.iter().any(|(_, values)| values.iter().any(|v| m.whose.contains(v)))
            };
            m.whose.iter().any(|w| w == &e.name || (!e.service.is_empty() && w == &e.service))
                || selected(&e.own)
        };
        let own = moved.iter().find(|m| is_ours(m));
        self.moved_is_target = own.is_some_and(|m| m.onset_ms <= first.onset_ms + TOGETHER_MS);
        self.lead_s = own.map(|m| (m.onset_ms - first.onset_ms) as f64 / 1000.0);
    }

    fn gaps_h(&self) -> Vec<f64> {
        let same = self.same.as_deref().unwrap_or_default();
        same.windows(2).map(|w| (w[1].at_ms - w[0].at_ms) as f64 / HOUR_MS as f64).collect()
    }

    /// The value of one of [`NAMES`]; `None` for another name.
    pub fn value(&self, name: &str) -> Option<Seen> {
        if !NAMES.iter().any(|(n, _)| *n == name) {
            return None;
        }
        let seen = |value: Option<f64>| value.map_or(Seen::Absent, Seen::Is);
        // Nothing that was done can have been done before.
        let same = match &self.same {
            Some(same) => same.as_slice(),
            None if name.starts_with("history.") => return Some(Seen::Unknown),
            None => &[],
        };
        Some(match name {
            "history.count" => Seen::Is(same.len() as f64),
            "history.held_h" => {
                let mut gaps = self.gaps_h();
                gaps.sort_by(f64::total_cmp);
                seen(gaps.get(gaps.len() / 2).copied())
            }
            "history.last_h" => seen(same.last().map(|c| (self.now_ms - c.at_ms) as f64 / HOUR_MS as f64)),
            "history.failed" => Seen::Is(same.iter().filter(|c| is_failure(&c.outcome)).count() as f64),
            "history.faster" => {
                let gaps = self.gaps_h();
                let shrinks = gaps.len() >= 2 && gaps.windows(2).all(|w| w[1] < 0.8 * w[0]);
                Seen::Is(f64::from(u8::from(shrinks)))
            }
            "changes.near" => self.near.as_ref().map_or(Seen::Unknown, |n| Seen::Is(n.len() as f64)),
            "changes.anywhere" if self.near.is_none() => Seen::Unknown,
            "changes.anywhere" => Seen::Is(self.anywhere as f64),
            "changes.deploy_min" if self.near.is_none() || !self.has_target => Seen::Unknown,
            "changes.deploy_min" => seen(self.deploy_min),
            "moved.groups" => self.moved.as_ref().map_or(Seen::Unknown, |m| Seen::Is(m.len() as f64)),
            "moved.is_target" if self.moved.as_ref().is_none_or(Vec::is_empty) || !self.has_target => {
                Seen::Unknown
            }
            "moved.is_target" => Seen::Is(f64::from(u8::from(self.moved_is_target))),
            _ => self.lead_s.map_or(Seen::Absent, Seen::Is),
        })
    }

    /// Words for texts: `history.held` is "3 h, 5 h", `history.last`, `changes.last`, `moved.first`.
    pub fn words(&self, name: &str) -> Option<String> {
        let ago = |at_ms: i64| in_words((self.now_ms - at_ms).max(0) as f64 / 1000.0, "s") + " ago";
        match name {
            "history.held" => {
                let gaps: Vec<String> = self.gaps_h().iter().map(|h| in_words(h * 3600.0, "s")).collect();
                let from = gaps.len().saturating_sub(6);
                Some(if gaps.is_empty() { "an unknown time".into() } else { gaps[from..].join(", ") })
            }
            "history.last" => self.same.as_ref()?.last().map(|c| ago(c.at_ms)),
            "changes.last" => {
                self.near.as_ref()?.last().map(|c| format!("\u{201c}{}\u{201d} {}", c.title, ago(c.at_ms)))
            }
            "moved.first" => self.moved.as_ref()?.first().map(|m| {
                let more =
                    if m.count > 1 { format!(" (with {} more series)", m.count - 1) } else { String::new() };
                format!("{} {}{more}, {}", m.title, m.sentence, ago(m.onset_ms))
            }),
            _ => None,
        }
    }

    /// Ids of the changes that a name speaks of, for links.
    pub fn changes(&self, name: &str) -> Vec<&Happened> {
        let list = if name.starts_with("history.") { &self.same } else { &self.near };
        let is_of_changes = name.starts_with("history.") || name.starts_with("changes.");
        list.iter().flatten().rev().filter(|_| is_of_changes).take(10).collect()
    }
}

fn is_on_host(change: &Happened, target: &Target) -> bool {
    let hosts = target.entity.of_hosts.iter().flat_map(|(_, values)| values);
    !change.host.is_empty() && hosts.into_iter().any(|h| h.split(':').next() == change.host.split(':').next())
}

fn is_failure(outcome: &str) -> bool {
    let outcome = outcome.to_lowercase();
    ["fail", "revert", "did not", "didn't", "no effect", "worse", "came back", "rolled back"]
        .iter()
        .any(|w| outcome.contains(w))
}

#[cfg(test)]
mod tests;
