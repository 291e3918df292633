//! Compares what receivers heard with what was true. It knows nothing of how anything is decided.

use super::process::INTERVAL_MS;
use super::world::{REPEAT_MS, TICK_MS, World};
use monitor::notify::dispatch::{Notification, Why};
use monitor::notify::fingerprint;
use std::collections::{BTreeMap, BTreeSet};

/// `for`, or the time for blindness; `group_interval`; two evaluations.
const ORDINARY_MS: i64 = 600_000 + 300_000 + 2 * INTERVAL_MS + 2 * TICK_MS;
/// What a kill may cost besides the time until the next start: `resolve_timeout`, and all of the above anew.
const KILL_MS: i64 = 300_000 + ORDINARY_MS;

#[derive(Debug, Default)]
pub struct Verdict {
    pub periods: usize,
    pub delivered: usize,
    pub doubled: usize,
    pub faults: usize,
    pub kills: usize,
    pub torn: usize,
    pub steps: usize,
    pub full: usize,
}

impl Verdict {
    pub fn add(&mut self, other: &Verdict) {
        self.periods += other.periods;
        self.delivered += other.delivered;
        self.doubled += other.doubled;
        self.faults += other.faults;
        self.kills += other.kills;
        self.torn += other.torn;
        self.steps += other.steps;
        self.full += other.full;
    }
}

pub fn judge(world: &World) -> Verdict {
    let mut verdict = Verdict {
        kills: world.kills.len(),
        torn: world.torn,
        steps: world.steps.len(),
        full: world.full.len(),
        ..Verdict::default()
    };
    for (name, receiver) in &world.receivers {
        verdict.delivered += receiver.taken.len();
        // A disk that takes nothing may make each kill within that time tell twice what was told in it.
        let faults = receiver.unheard
            + world.kills.len()
            + world.steps.len()
            + told_on_full_disk(world, &receiver.taken);
        let doubled = doubled(world, &receiver.taken);
        assert!(doubled <= faults, "seed {} {name}: {doubled} told twice, {faults} faults", world.seed);
        verdict.doubled += doubled;
        verdict.faults += faults;
        assert_order(world, name, &receiver.taken);
        for (print, (rule, _)) in &world.truth {
            let is_theirs = name.starts_with(if *rule == 0 { "team" } else { "pager" });
            if is_theirs {
                verdict.periods += assert_known(world, name, &receiver.taken, *print);
            }
        }
    }
    verdict
}

fn told_on_full_disk(world: &World, taken: &[Notification]) -> usize {
    let is_in = |t: i64| world.full.iter().any(|(from, to)| (*from..=*to + TICK_MS).contains(&t));
    let killed = world
        .full
        .iter()
        .any(|(from, to)| world.kills.iter().any(|(k, _)| (*from..=*to + TICK_MS).contains(k)));
    if killed { taken.iter().filter(|n| is_in(world.decided[&n.id])).count() } else { 0 }
}

/// How many deliveries said nothing that the receiver did not know.
fn doubled(world: &World, taken: &[Notification]) -> usize {
    let mut known: BTreeMap<u64, bool> = BTreeMap::new();
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut count = 0;
    for n in taken {
        let mut is_news = false;
        for alert in &n.alerts {
            let is = !alert.is_resolved(n.at_ms);
            is_news |= known.insert(fingerprint(&alert.labels), is) != Some(is);
        }
        let at_ms = world.decided[&n.id];
        let before_ms = last.insert(&n.group_key, at_ms);
        let is_due = n.why == Why::Repeat && before_ms.is_none_or(|b| at_ms - b >= REPEAT_MS - TICK_MS);
        count += usize::from(!is_news && !is_due);
    }
    count
}

/// First deliveries come in the order in which they were decided.
fn assert_order(world: &World, name: &str, taken: &[Notification]) {
    let mut known = BTreeSet::new();
    let first = taken.iter().filter(|n| known.insert(&n.id));
    let times: Vec<i64> = first.map(|n| world.decided[&n.id]).collect();
    assert!(times.is_sorted(), "seed {} {name}: out of order", world.seed);
}

/// What an alert was for long is what the receiver was told last of it; returns how many such times there were.
fn assert_known(world: &World, name: &str, taken: &[Notification], print: u64) -> usize {
    let (rule, truth) = &world.truth[&print];
    let mut checked = 0;
    for (i, (from_ms, is)) in truth.iter().enumerate() {
        let to_ms = truth.get(i + 1).map_or(world.true_ms + 1, |next| next.0);
        let Some(is) = is else { continue };
        let enough_ms = patience(world, *rule, *from_ms, to_ms);
        let Some(enough_ms) = enough_ms.filter(|enough| to_ms - from_ms > *enough) else { continue };
        let until_ms = to_ms;
        let told = taken.iter().filter(|n| world.decided[&n.id] < until_ms);
        let last = told.flat_map(|n| {
            let mine = n.alerts.iter().filter(|a| fingerprint(&a.labels) == print);
            mine.map(|a| !a.is_resolved(n.at_ms)).collect::<Vec<_>>()
        });
        let says = last.last().unwrap_or(false);
        assert!(
            says == *is,
            "seed {} {name}: from {} s on it was {is}, and was told to be {says} after {} s of at most {}\n{}",
            world.seed,
            from_ms / 1_000,
            (to_ms - from_ms) / 1_000,
            enough_ms / 1_000,
            story(world, taken, print)
        );
        checked += 1;
    }
    checked
}

/// How long something has to last until it must have been told; `None`: nothing can be asked of that time.
fn patience(world: &World, rule: usize, from_ms: i64, to_ms: i64) -> Option<i64> {
    let mut ms = ORDINARY_MS;
    for (killed_ms, started_ms) in &world.kills {
        if *killed_ms < to_ms && *started_ms > from_ms - KILL_MS {
            ms += started_ms - killed_ms + KILL_MS;
        }
    }
    for (silenced, begin_ms, end_ms) in &world.silenced {
        // Silences are of the clock on the wall: if that was set, nobody knows here how long they were.
        let is_stretched = world.steps.iter().any(|s| (*begin_ms..=*end_ms).contains(s) || *s >= *begin_ms);
        if *silenced == rule && *begin_ms < to_ms {
            if is_stretched {
                return None;
            }
            ms = ms.max(end_ms - from_ms + ORDINARY_MS);
        }
    }
    // A reading at a time at which the clock was set comes one interval later.
    let steps = world.steps.iter().filter(|s| (from_ms - KILL_MS..to_ms).contains(*s)).count() as i64;
    Some(ms + steps * (INTERVAL_MS + 300_000))
}

/// Everything that happened around an alert, in order, for whoever has to find out why.
fn story(world: &World, taken: &[Notification], print: u64) -> String {
    let (rule, truth) = &world.truth[&print];
    let mut lines: Vec<(i64, String)> = truth.iter().map(|(t, is)| (*t, format!("it is {is:?}"))).collect();
    for (from, to) in &world.kills {
        lines.extend([(*from, "killed".to_string()), (*to, "started".to_string())]);
    }
    lines.extend(world.steps.iter().map(|t| (*t, "the clock is set".to_string())));
    for (from, to) in &world.full {
        lines.extend([(*from, "the disk is full".to_string()), (*to, "the disk has room".to_string())]);
    }
    let silenced = world.silenced.iter().filter(|(r, _, _)| r == rule);
    silenced.for_each(|(_, from, to)| lines.push((*from, format!("silenced until {}", to / 1_000))));
    for n in taken {
        let mine = n.alerts.iter().find(|a| fingerprint(&a.labels) == print);
        if let Some(alert) = mine {
            let is = if alert.is_resolved(n.at_ms) { "over" } else { "firing" };
            lines.push((world.decided[&n.id], format!("told ({}) that it is {is}", n.why.as_str())));
        }
    }
    lines.sort_by_key(|(t, _)| *t);
    lines.iter().map(|(t, what)| format!("  {} s {what}\n", t / 1_000)).collect()
}
