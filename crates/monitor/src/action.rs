//! Commands that may run when something fires: read from a file that somebody approved, chosen by labels, held back by
//! limits, and judged afterwards: did it hold? It decides; who calls it runs. It must never choose a command by what an alert
//! says, nor run one more often than was approved.

mod read;

pub use read::read;

use crate::notify::{Alert, fingerprint};
use model::{Labels, Matcher};
use std::collections::BTreeMap;

/// Runs that are remembered.
pub const RUNS_MAX: usize = 200;

/// A command, and when it may run.
#[derive(Clone, Debug)]
pub struct Action {
    /// What names it.
    pub name: String,
    /// The program, by its whole path, and its arguments. There is no shell.
    pub command: Vec<String>,
    /// The environment, and nothing else.
    pub environment: Vec<(String, String)>,
    /// Which alerts: all have to match.
    pub matchers: Vec<Matcher>,
    /// Who approved it.
    pub approved_by: String,
    /// How long it may take.
    pub timeout_ms: i64,
    /// Between two runs.
    pub every_ms: i64,
    /// The most runs within a day.
    pub per_day: usize,
    /// How long the alert has to stay away so that it held.
    pub hold_ms: i64,
}

/// How a run ended, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It runs.
    Running,
    /// It ended; the alert fires still.
    Waiting,
    /// The alert is over, and has to stay away for a while.
    Over {
        /// Since when.
        since_ms: i64,
    },
    /// It stayed away.
    Held,
    /// It came back.
    CameBack {
        /// After so long.
        after_ms: i64,
    },
    /// It was not over in time.
    DidNotHelp,
    /// The command itself failed.
    Failed,
}

impl Verdict {
    /// For the API and people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Verdict::Running => "running",
            Verdict::Waiting => "fires still",
            Verdict::Over { .. } => "over, not for long yet",
            Verdict::Held => "held",
            Verdict::CameBack { .. } => "came back",
            Verdict::DidNotHelp => "did not help",
            Verdict::Failed => "failed",
        }
    }

    /// Whether nothing more can come of it.
    pub fn is_final(&self) -> bool {
        !matches!(self, Verdict::Running | Verdict::Waiting | Verdict::Over { .. })
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Counts from 1.
    pub number: u64,
    /// The action's name.
    pub action: String,
    /// The alert's labels.
    pub alert: Labels,
    /// When it began.
    pub at_ms: i64,
    /// When the command ended.
    pub ended_ms: Option<i64>,
    /// How the command ended, in words.
    pub how: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// All runs, and what may run next.
#[derive(Debug, Default)]
pub struct Book {
    runs: Vec<Run>,
    next: u64,
    /// Alerts for which an action was held back since they fire, by action.
    held_back: BTreeMap<(String, u64), String>,
}

impl Book {
    /// A book that knows when actions ran before a restart: name and time.
    pub fn with(before: impl Iterator<Item = (String, i64)>) -> Book {
        let mut book = Book::default();
        for (action, at_ms) in before {
            let number = book.number();
            let how = "of an earlier process".to_string();
            let (alert, ended_ms, verdict) = (Labels::default(), Some(at_ms), Verdict::Failed);
            book.runs.push(Run { number, action, alert, at_ms, ended_ms, how, verdict });
        }
        book
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Why an action does not run for an alert that fires.
    pub fn held_back(&self) -> impl Iterator<Item = (&str, &str)> {
        self.held_back.iter().map(|((action, _), why)| (action.as_str(), why.as_str()))
    }

    /// What is to be run for the alerts that fire and that somebody may be told of. One run of an action at a time, one for each
    /// time that an alert fires.
    pub fn decide(
        &mut self,
        actions: &[Action],
        firing: &[&Alert],
        now_ms: i64,
    ) -> Vec<(u64, Action, Alert)> {
        let mut out = Vec::new();
        self.held_back.retain(|(_, print), _| firing.iter().any(|a| fingerprint(&a.labels) == *print));
        for action in actions {
            for alert in firing.iter().filter(|a| Matcher::all(&action.matchers, &a.labels)) {
                let ran = |r: &&Run| {
                    r.action == action.name && r.alert == alert.labels && r.at_ms >= alert.starts_at_ms
                };
                if self.runs.iter().any(|r| ran(&r)) {
                    continue;
                }
                let key = (action.name.clone(), fingerprint(&alert.labels));
                if let Some(why) = self.limit(action, now_ms) {
                    self.held_back.insert(key, why);
                    continue;
                }
                self.held_back.remove(&key);
                let number = self.number();
                self.runs.push(Run {
                    number,
                    action: action.name.clone(),
                    alert: alert.labels.clone(),
                    at_ms: now_ms,
                    ended_ms: None,
                    how: String::new(),
                    verdict: Verdict::Running,
                });
                out.push((number, action.clone(), (*alert).clone()));
            }
        }
        if self.runs.len() > RUNS_MAX {
            self.runs.drain(..self.runs.len() - RUNS_MAX);
        }
        out
    }

    fn limit(&self, action: &Action, now_ms: i64) -> Option<String> {
        let own = || self.runs.iter().filter(|r| r.action == action.name);
        if own().any(|r| r.verdict == Verdict::Running) {
            return Some("it runs for another alert".into());
        }
        let recent = own().filter(|r| now_ms - r.at_ms < 86_400_000).count();
        if recent >= action.per_day {
            return Some(format!("it ran {recent} times within a day, and may {} times", action.per_day));
        }
        let last_ms = own().map(|r| r.at_ms).max()?;
        let minutes = action.every_ms / 60_000;
        (now_ms - last_ms < action.every_ms).then(|| format!("it ran less than {minutes} minutes ago"))
    }

    /// A command ended.
    pub fn ended(&mut self, number: u64, is_good: bool, how: &str, now_ms: i64) {
        if let Some(run) = self.runs.iter_mut().find(|r| r.number == number) {
            run.ended_ms = Some(now_ms);
            run.how = how.to_string();
            run.verdict = if is_good { Verdict::Waiting } else { Verdict::Failed };
        }
    }

    /// Looks whether what ran held; returns runs of which that is known now.
    pub fn judge(&mut self, actions: &[Action], fires: impl Fn(&Labels) -> bool, now_ms: i64) -> Vec<Run> {
        let mut known = Vec::new();
        for run in self.runs.iter_mut().filter(|r| !r.verdict.is_final() && r.verdict != Verdict::Running) {
            let hold_ms = actions.iter().find(|a| a.name == run.action).map_or(0, |a| a.hold_ms);
            let ended_ms = run.ended_ms.unwrap_or(run.at_ms);
            let is_firing = fires(&run.alert);
            run.verdict = match run.verdict {
                Verdict::Waiting if !is_firing => Verdict::Over { since_ms: now_ms },
                Verdict::Waiting if now_ms - ended_ms >= hold_ms => Verdict::DidNotHelp,
                Verdict::Over { since_ms } if is_firing => Verdict::CameBack { after_ms: now_ms - since_ms },
                Verdict::Over { since_ms } if now_ms - since_ms >= hold_ms => Verdict::Held,
                ref same => same.clone(),
            };
            if run.verdict.is_final() {
                known.push(run.clone());
            }
        }
        known
    }
}

#[cfg(test)]
mod tests;
