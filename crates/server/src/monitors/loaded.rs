//! Groups as they are evaluated: parsed, scheduled, with the states of their alerts. Plain data, and the queue of what is
//! due when.

use super::lock;
use super::slos::SloRun;
use monitor::schedule::Schedule;
use monitor::{Group, RuleState};
use query::Expr;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// Changes of a monitor that are remembered.
const HISTORY_MAX: usize = 50;

/// A group, ready to be evaluated.
pub struct LoadedGroup {
    /// As it was read.
    pub group: Group,
    /// When it is due.
    pub schedule: Schedule,
    /// The rules' expressions, in order.
    pub parsed: Vec<Parsed>,
    /// What is known of its evaluations.
    pub run: Mutex<GroupRun>,
}

/// What was made of a rule's texts.
pub struct Parsed {
    /// The condition.
    pub expr: Expr,
    /// Where there is enough traffic to judge.
    pub enough: Option<Expr>,
    /// What the condition compares with: `> 0.9`, or "".
    pub limit: String,
    /// What names the rule over restarts.
    pub key: String,
    /// The same, short, for addresses.
    pub id: String,
}

/// What is known of a group's evaluations.
#[derive(Default)]
pub struct GroupRun {
    /// The instant that was evaluated last.
    pub last_ms: Option<i64>,
    /// How long that took, seconds.
    pub took_s: f64,
    /// Instants that passed without an evaluation.
    pub missed: u64,
    /// In order of the rules.
    pub rules: Vec<RuleRun>,
    /// Of the objective that the rules are made of.
    pub slo: Option<SloRun>,
}

/// What is known of a rule's evaluations.
#[derive(Default)]
pub struct RuleRun {
    /// Alerts.
    pub state: RuleState,
    /// Why the last evaluation failed, or "".
    pub error: String,
    /// The instant that was evaluated last.
    pub last_ms: Option<i64>,
    /// How long that took, seconds.
    pub took_s: f64,
    /// How old the newest sample was that it looked at, when it was judged: whatever that sample shows was detected within
    /// this time. Milliseconds.
    pub detection_ms: Option<i64>,
    /// The longest of the last hundred or so.
    pub detection_worst_ms: Option<i64>,
    /// Since the start of the process.
    pub fired: u64,
    /// How the monitor was, the newest last: time and state.
    pub history: VecDeque<(i64, &'static str)>,
    /// The series that it wrote last.
    pub series: Vec<model::Labels>,
}

impl RuleRun {
    /// Notes how the monitor is, if that is another state than before.
    pub fn note(&mut self, at_ms: i64) {
        let state = self.state.judgement().as_str();
        if self.history.back().is_none_or(|(_, last)| *last != state) {
            if self.history.len() >= HISTORY_MAX {
                self.history.pop_front();
            }
            self.history.push_back((at_ms, state));
        }
    }

    /// Takes a measured delay of detection.
    pub fn measure(&mut self, detection_ms: i64) {
        self.detection_ms = Some(detection_ms);
        // The worst is forgotten slowly, so that one bad minute of last week does not stand here for ever.
        let worst = self.detection_worst_ms.unwrap_or(0);
        self.detection_worst_ms = Some(detection_ms.max(worst - worst / 100));
    }
}

/// What is due when.
#[derive(Default)]
pub struct Due {
    /// Every group.
    pub groups: Vec<Arc<LoadedGroup>>,
    /// Instants with places in `groups`; a group that is being evaluated is not in it.
    pub queue: BTreeSet<(i64, usize)>,
    /// Changes when files are read anew: places are only good within one.
    pub generation: u64,
}

impl Due {
    /// Puts every group in at its next instant.
    pub fn schedule(&mut self, now_ms: i64) {
        self.generation += 1;
        let each = self.groups.iter().enumerate();
        // People who made an objective wait for its first answer.
        let is_new = |g: &LoadedGroup| g.group.slo.is_some() && lock(&g.run).last_ms.is_none();
        let at = |g: &LoadedGroup| if is_new(g) { now_ms } else { g.schedule.next_after(now_ms) };
        self.queue = each.map(|(i, g)| (at(g), i)).collect();
    }

    /// Takes the group that is due for longest; else says when the next will be.
    pub fn take(&mut self, now_ms: i64) -> Result<(i64, usize, Arc<LoadedGroup>, u64), Option<i64>> {
        match self.queue.first().copied() {
            Some((at_ms, place)) if at_ms <= now_ms => {
                self.queue.pop_first();
                Ok((at_ms, place, self.groups[place].clone(), self.generation))
            }
            next => Err(next.map(|(at_ms, _)| at_ms)),
        }
    }
}

impl LoadedGroup {
    /// Rules with what is known of them.
    pub fn each<T>(&self, mut of: impl FnMut(usize, &monitor::Rule, &Parsed, &RuleRun) -> T) -> Vec<T> {
        let run = lock(&self.run);
        let rules = self.group.rules.iter().zip(&self.parsed).zip(&run.rules).enumerate();
        rules.map(|(i, ((rule, parsed), run))| of(i, rule, parsed, run)).collect()
    }
}
