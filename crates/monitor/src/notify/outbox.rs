//! What was decided and is not delivered yet. Every change is a line that the caller appends to a file and makes durable;
//! the lines of a file give the state back. At least once: a notification leaves only when its receiver took it, when it
//! cannot ever take it, or when it is a day old, and the last two are counted. Format: docs/formats/monitors.md.

use super::Alert;
use super::ack::Ack;
use super::dispatch::{Decided, Notification, Notifier, Told, Why};
use super::escalate::Progress;
use model::Labels;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most notifications that wait for one target.
pub const WAITING_MAX: usize = 1_000;
/// How long delivery is tried.
pub const TRIED_FOR_MS: i64 = 86_400_000;
/// How often a request is sent that its receiver calls wrong.
const REFUSALS_MAX: u32 = 3;
/// The longest pause between two tries.
const PAUSE_MS_MAX: i64 = 60_000;
/// Nothing is given up for its age that was tried less often, so that a clock that was set gives nothing up.
const TRIES_MIN: u32 = 60;

/// How a try ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The receiver took it.
    Taken,
    /// Not now: no connection, too busy, an error of its own, credentials that may be mended.
    Later(String),
    /// The receiver says that the request itself is wrong.
    Refused(String),
}

/// One that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What is to be delivered.
    pub notification: Notification,
    /// How often it was tried.
    pub tries: u32,
    /// How often it was called wrong.
    refusals: u32,
    /// Not before.
    pub next_ms: i64,
    /// When it was decided, by the clock as it is now.
    since_ms: i64,
    /// Why not yet, or "".
    pub problem: String,
    /// It is being sent.
    pub is_sending: bool,
}

/// Why notifications were given up, how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The receiver called them wrong.
    pub refused: u64,
    /// They were not taken for a day.
    pub too_old: u64,
    /// Too many waited.
    pub too_many: u64,
}

/// Notifications that wait, by target, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    targets: BTreeMap<String, VecDeque<Waiting>>,
    /// Delivered since the start of the process, by target.
    pub delivered: BTreeMap<String, u64>,
    /// Given up since the start of the process.
    pub lost: Lost,
}

/// What a file gives.
#[derive(Debug, Default)]
pub struct Replayed {
    /// What waits.
    pub outbox: Outbox,
    /// What groups told last.
    pub told: BTreeMap<String, Told>,
    /// Alerts of which somebody was told that they fire, and not yet that they are over.
    pub open: Vec<Alert>,
    /// Who takes care of which alert.
    pub acks: BTreeMap<Labels, Ack>,
    /// How far groups are in their escalation.
    pub escalated: BTreeMap<String, Progress>,
    /// Lines that are not whole.
    pub damaged: usize,
}

impl Outbox {
    /// The state that lines of a file give. Lines that are not whole are counted.
    pub fn replay<'a>(lines: impl Iterator<Item = &'a str>) -> Replayed {
        let mut out = Replayed::default();
        let mut open: BTreeMap<u64, Alert> = BTreeMap::new();
        for line in lines {
            let json: Json = serde_json::from_str(line).unwrap_or(Json::Null);
            let is_whole = match json["what"].as_str() {
                Some("queued") => notification(&json).map(|n| {
                    let firing = n.firing().map(|a| (super::fingerprint(&a.labels), a.clone()));
                    open.extend(firing.collect::<Vec<_>>());
                    out.told.insert(n.told_key(), n.told.clone());
                    // What waited is sent at once, whatever the clock says now.
                    out.outbox.add(n, 0);
                }),
                Some("told") => json["key"].as_str().zip(read_told(&json["told"])).map(|(key, told)| {
                    out.told.insert(key.to_string(), told);
                }),
                Some("open") => Alert::from_json(&json["alert"]).map(|alert| {
                    open.insert(super::fingerprint(&alert.labels), alert);
                }),
                Some("ack") => Ack::from_json(&json).map(|ack| {
                    out.acks.insert(ack.labels.clone(), ack);
                }),
                Some("unack") => labels_of(&json["labels"]).map(|labels| {
                    out.acks.remove(&labels);
                }),
                Some("escalated") => Progress::from_json(&json).map(|(key, progress)| {
                    out.escalated.remove(&key);
                    out.escalated.extend(progress.map(|p| (key, p)));
                }),
                Some("done") => json["id"].as_str().map(|id| {
                    out.outbox.targets.values_mut().for_each(|q| q.retain(|w| w.notification.id != id));
                }),
                _ => None,
            };
            out.damaged += usize::from(is_whole.is_none());
        }
        out.outbox.targets.retain(|_, q| !q.is_empty());
        let firing: BTreeSet<u64> = out.told.values().flat_map(|t| t.firing.iter().copied()).collect();
        out.open = open.into_iter().filter(|(print, _)| firing.contains(print)).map(|(_, a)| a).collect();
        out
    }

    /// Lines that give the present state, for a new file. What groups told comes after what waits: it is the newer.
    pub fn lines(&self, notifier: &Notifier) -> Vec<String> {
        let waiting = self.waiting().map(|w| queued_line(&w.notification));
        let open = notifier.open().map(|a| json!({ "what": "open", "alert": a.to_json() }).to_string());
        let told = notifier.told().iter().map(|(key, t)| told_line(key, t));
        let (acks, escalated) = notifier.kept();
        let acks = acks.map(Ack::to_line);
        let escalated = escalated.map(|(key, p)| Progress::line(key, Some(*p)));
        waiting.chain(open).chain(told).chain(acks).chain(escalated).collect()
    }

    /// Takes in what was decided; returns the lines to be made durable before anything is sent.
    pub fn queue(&mut self, decided: Decided) -> Vec<String> {
        let noted = decided.noted.iter().map(|(key, t)| told_line(key, t));
        let escalated = decided.escalated.iter().map(|(key, p)| Progress::line(key, *p));
        let mut lines: Vec<String> = noted.chain(escalated).collect();
        for n in decided.notifications {
            // A repetition that was not sent yet is told by this one as well.
            let queue = self.targets.entry(n.target.clone()).or_default();
            let is_repeat = |w: &Waiting| w.notification.why == Why::Repeat && !w.is_sending;
            let same = queue.iter().position(|w| is_repeat(w) && w.notification.group_key == n.group_key);
            if let Some(old) = same.and_then(|at| queue.remove(at)) {
                lines.push(done_line(&old.notification.id, "replaced", ""));
            }
            if queue.len() >= WAITING_MAX {
                let first =
                    queue.iter().position(is_repeat).or_else(|| queue.iter().position(|w| !w.is_sending));
                if let Some(old) = first.and_then(|at| queue.remove(at)) {
                    self.lost.too_many += 1;
                    lines.push(done_line(&old.notification.id, "too_many", ""));
                }
            }
            lines.push(queued_line(&n));
            let next_ms = n.at_ms;
            self.add(n, next_ms);
        }
        lines
    }

    fn add(&mut self, notification: Notification, next_ms: i64) {
        let queue = self.targets.entry(notification.target.clone()).or_default();
        queue.push_back(Waiting {
            since_ms: notification.at_ms,
            notification,
            tries: 0,
            refusals: 0,
            next_ms,
            problem: String::new(),
            is_sending: false,
        });
    }

    /// What is to be sent now: for each target the first that waits, if its time has come. It is marked as being sent.
    pub fn take_due(&mut self, now_ms: i64) -> Vec<Notification> {
        let first = self.targets.values_mut().filter_map(VecDeque::front_mut);
        first
            .filter(|w| !w.is_sending && w.next_ms <= now_ms)
            .map(|w| {
                (w.is_sending, w.tries) = (true, w.tries + 1);
                w.notification.clone()
            })
            .collect()
    }

    /// When the next one is to be sent.
    pub fn next_ms(&self) -> Option<i64> {
        self.targets.values().filter_map(VecDeque::front).filter(|w| !w.is_sending).map(|w| w.next_ms).min()
    }

    /// Takes the outcome of a try; returns the lines to be made durable before the next is sent.
    pub fn settle(&mut self, id: &str, outcome: Outcome, now_ms: i64) -> Vec<String> {
        let Some(queue) = self.targets.values_mut().find(|q| q.iter().any(|w| w.notification.id == id))
        else {
            return Vec::new();
        };
        let Some(at) = queue.iter().position(|w| w.notification.id == id) else { return Vec::new() };
        let waiting = &mut queue[at];
        waiting.is_sending = false;
        let is_old = now_ms - waiting.since_ms > TRIED_FOR_MS && waiting.tries >= TRIES_MIN;
        let how = match outcome {
            Outcome::Taken => "taken",
            Outcome::Refused(why) => {
                waiting.refusals += 1;
                waiting.problem = why;
                if waiting.refusals >= REFUSALS_MAX { "refused" } else { "" }
            }
            Outcome::Later(why) => {
                waiting.problem = why;
                if is_old { "too_old" } else { "" }
            }
        };
        if how.is_empty() {
            let pause = 1_000_i64 << waiting.tries.saturating_sub(1).min(10);
            waiting.next_ms = now_ms + pause.min(PAUSE_MS_MAX);
            return Vec::new();
        }
        match how {
            "refused" => self.lost.refused += 1,
            "too_old" => self.lost.too_old += 1,
            _ => *self.delivered.entry(waiting.notification.target.clone()).or_default() += 1,
        }
        let line = done_line(id, how, &waiting.problem);
        queue.remove(at);
        vec![line]
    }

    /// How many wait for the target for which the most do.
    pub fn longest(&self) -> usize {
        self.targets.values().map(VecDeque::len).max().unwrap_or(0)
    }

    /// Everything that waits, by target, in order.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.targets.values().flatten()
    }

    /// The clock was set by so much.
    pub fn shift(&mut self, by_ms: i64) {
        for waiting in self.targets.values_mut().flatten() {
            waiting.next_ms += by_ms;
            waiting.since_ms += by_ms;
        }
    }

    /// Drops what waits for targets that are in the configuration no more.
    pub fn keep_targets(&mut self, is_known: impl Fn(&str) -> bool) -> Vec<String> {
        let gone: Vec<String> = self.targets.keys().filter(|t| !is_known(t)).cloned().collect();
        let dropped = gone.iter().filter_map(|t| self.targets.remove(t)).flatten();
        dropped.map(|w| done_line(&w.notification.id, "target_removed", "")).collect()
    }
}

fn labels_of(json: &Json) -> Option<Labels> {
    Labels::from_pairs(super::pairs(json)?).ok()
}

fn told_line(key: &str, told: &Told) -> String {
    json!({ "what": "told", "key": key, "told": told_json(told) }).to_string()
}

fn done_line(id: &str, how: &str, problem: &str) -> String {
    json!({ "what": "done", "id": id, "how": how, "problem": problem }).to_string()
}

fn queued_line(n: &Notification) -> String {
    json!({
        "what": "queued",
        "id": n.id,
        "target": n.target,
        "receiver": n.receiver,
        "group_key": n.group_key,
        "group_labels": super::object(n.group_labels.iter()),
        "alerts": n.alerts.iter().map(Alert::to_json).collect::<Vec<_>>(),
        "left_out": n.left_out,
        "at_ms": n.at_ms,
        "why": n.why.as_str(),
        "told": told_json(&n.told),
    })
    .to_string()
}

fn notification(json: &Json) -> Option<Notification> {
    let text = |key: &str| json[key].as_str().map(str::to_string);
    Some(Notification {
        id: text("id")?,
        target: text("target")?,
        receiver: text("receiver")?,
        group_key: text("group_key")?,
        group_labels: Labels::from_pairs(super::pairs(&json["group_labels"])?).ok()?,
        alerts: json["alerts"].as_array()?.iter().map(Alert::from_json).collect::<Option<_>>()?,
        left_out: json["left_out"].as_u64()? as usize,
        at_ms: json["at_ms"].as_i64()?,
        why: [Why::New, Why::Fewer, Why::Resolved, Why::Repeat, Why::Escalated]
            .into_iter()
            .find(|w| Some(w.as_str()) == json["why"].as_str())?,
        told: read_told(&json["told"])?,
    })
}

fn told_json(told: &Told) -> Json {
    // As text: JSON's numbers are not 64 bits wide everywhere.
    let prints = |set: &BTreeSet<u64>| -> Vec<String> { set.iter().map(|p| format!("{p:016x}")).collect() };
    json!({ "firing": prints(&told.firing), "resolved": prints(&told.resolved), "at_ms": told.at_ms })
}

fn read_told(json: &Json) -> Option<Told> {
    let prints = |key: &str| -> Option<BTreeSet<u64>> {
        json[key].as_array()?.iter().map(|p| u64::from_str_radix(p.as_str()?, 16).ok()).collect()
    };
    Some(Told { firing: prints("firing")?, resolved: prints("resolved")?, at_ms: json["at_ms"].as_i64()? })
}

#[cfg(test)]
mod tests;
