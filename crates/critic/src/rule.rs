//! A rule: one piece of operators' knowledge as a file (`docs/formats/critic-rules.md`). Read and checked here, so that
//! whatever is wrong with it is said when it is loaded and not when it is needed. It must never be half right: a rule
//! is whole or refused.

mod file;
mod trial;

use crate::condition::{self, Condition};
use crate::fill;
use crate::history;
use crate::plan::{Action, Goal, Hypothesis, Plan};
use std::collections::BTreeSet;
use stdx::{Error, ErrorKind, Result};

pub use trial::{Trial, known_in_trials, run};

/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 64 << 10;
/// Queries of one rule.
pub const QUERIES_MAX: usize = 8;
/// Bytes of one query.
pub const QUERY_BYTES_MAX: usize = 4_000;
/// Bytes of one text.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Sources, words, actions and so on of one rule, each.
pub const LIST_MAX: usize = 64;
/// Tests of one rule.
pub const TESTS_MAX: usize = 50;

/// What kind of criticism it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The plan does harm.
    Commission,
    /// Something was not looked at.
    Omission,
    /// A step is missing.
    Protocol,
    /// What was measured says otherwise.
    Data,
    /// What happened before says otherwise.
    Experience,
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Kind] =
        &[Kind::Commission, Kind::Omission, Kind::Protocol, Kind::Data, Kind::Experience];

    /// As in files and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Commission => "commission",
            Kind::Omission => "omission",
            Kind::Protocol => "protocol",
            Kind::Data => "data",
            Kind::Experience => "experience",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Commission => "does harm",
            Kind::Omission => "not looked at",
            Kind::Protocol => "a step is missing",
            Kind::Data => "the data says otherwise",
            Kind::Experience => "the past says otherwise",
        }
    }
}

/// Which row of an answer stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// All added up.
    Sum,
    /// How many there are.
    Count,
}

/// A question of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Its name in the condition and in texts.
    pub name: String,
    /// PromQL with places.
    pub promql: String,
    /// Which row counts.
    pub pick: Pick,
    /// What it measures, in words.
    pub says: String,
    /// Its unit: `ratio`, `s`, `bytes`, "" or any word.
    pub unit: String,
    /// Is its value before the window needed?
    pub before: bool,
}

/// To which plans a rule applies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applies {
    /// To all of them.
    pub always: bool,
    /// To those with one of these actions.
    pub actions: Vec<Action>,
    /// To those with one of these beliefs.
    pub beliefs: Vec<Hypothesis>,
    /// To those with one of these words.
    pub words: Vec<String>,
    /// Only to those about one of these; empty: about anything.
    pub things: Vec<&'static str>,
    /// Only to those with one of these goals; empty: any, or none.
    pub goals: Vec<Goal>,
    /// Only to those on one of these services; empty: any.
    pub services: Vec<String>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name: small letters, digits and `-`.
    pub id: String,
    /// What it knows, in one line.
    pub title: String,
    /// What it checks, after "checked": `whether another copy is up`.
    pub checks: String,
    /// What kind of criticism it is.
    pub kind: Kind,
    /// How much it matters when it applies, 1 to 100.
    pub weight: u8,
    /// To which plans.
    pub applies: Applies,
    /// What it asks.
    pub questions: Vec<Question>,
    /// When it speaks.
    pub when: Condition,
    /// What it says, with places for values.
    pub text: String,
    /// What it says of a thing while nobody has a plan yet, with the same places; empty: it only speaks of plans.
    pub finding: String,
    /// What to do or to look at next; may be empty.
    pub next: String,
    /// Why it matters.
    pub why: String,
    /// What it rests on.
    pub sources: Vec<String>,
    /// Rules that need not speak when this one does.
    pub supersedes: Vec<String>,
    /// Who wrote it; empty for those that come with the program.
    pub author: String,
    /// What it must say of which facts.
    pub trials: Vec<Trial>,
}

/// The name of a thing, as in [`crate::plan`].
pub(crate) fn thing(name: &str) -> Result<&'static str> {
    let all = crate::plan::things();
    all.iter().find(|t| **t == name).copied().ok_or_else(|| {
        let said: String = name.chars().take(40).collect();
        Error::invalid(format!("{said:?} is nothing that a plan can be about; there are {}", all.join(", ")))
    })
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong, where, and what would be right.
    pub fn parse(text: &str) -> Result<Rule> {
        if text.len() > FILE_BYTES_MAX {
            let e = format!("a rule has at most {FILE_BYTES_MAX} bytes; this has {}", text.len());
            return Err(Error::new(ErrorKind::TooLarge, e));
        }
        let mut rule = file::read(text)?;
        rule.check()?;
        let mut needed = BTreeSet::new();
        rule.when.names(&mut needed);
        for template in [&rule.text, &rule.finding, &rule.next] {
            needed.extend(fill::names(template).into_iter().map(String::from));
        }
        for question in &mut rule.questions {
            question.before = needed.contains(&format!("{}.before", question.name));
        }
        Ok(rule)
    }

    fn check(&self) -> Result<()> {
        let bad = |text: String| Err(Error::invalid(text));
        let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(is_id) {
            return bad(format!("id {:.80?}: 1 to 64 small letters, digits and -", self.id));
        }
        for (name, text) in
            [("title", &self.title), ("checks", &self.checks), ("text", &self.text), ("why", &self.why)]
        {
            if text.trim().is_empty() {
                return bad(format!("{name} is missing"));
            }
        }
        let texts =
            [&self.title, &self.checks, &self.text, &self.finding, &self.why, &self.next, &self.author];
        if let Some(long) = texts.into_iter().chain(&self.sources).find(|t| t.len() > TEXT_BYTES_MAX) {
            return bad(format!(
                "a text has at most {TEXT_BYTES_MAX} bytes; \"{:.40}...\" has {}",
                long,
                long.len()
            ));
        }
        if !(1..=100).contains(&self.weight) {
            return bad(format!("weight {}: 1 to 100", self.weight));
        }
        let a = &self.applies;
        if !a.always && a.actions.is_empty() && a.beliefs.is_empty() && a.words.is_empty() {
            return bad("it applies to nothing: give actions, beliefs or words, or always = true".into());
        }
        if self.questions.len() > QUERIES_MAX {
            return bad(format!(
                "a rule has at most {QUERIES_MAX} queries; this has {}",
                self.questions.len()
            ));
        }
        let mut names = BTreeSet::new();
        for q in &self.questions {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if q.name.is_empty() || q.name.len() > 40 || !q.name.chars().all(is_name) {
                return bad(format!("the name of a query {:.60?}: small letters, digits and _", q.name));
            }
            if !names.insert(q.name.as_str()) {
                return bad(format!("two queries are called {:?}", q.name));
            }
            if q.promql.len() > QUERY_BYTES_MAX {
                return bad(format!("query {:?} has more than {QUERY_BYTES_MAX} bytes", q.name));
            }
            fill::check(&q.promql).or_else(|e| bad(format!("query {:?}: {e}", q.name)))?;
        }
        let is_known = |name: &str| {
            let base = name.strip_suffix(".before").unwrap_or(name);
            names.contains(base) || history::NAMES.iter().any(|(n, _)| *n == name)
        };
        let mut needed = BTreeSet::new();
        self.when.names(&mut needed);
        if let Some(unknown) = needed.iter().find(|name| !is_known(name)) {
            return bad(format!("the condition names {unknown:?}, which no query of this rule is called"));
        }
        for name in [&self.text, &self.finding, &self.next].into_iter().flat_map(|t| fill::names(t)) {
            let is_label = name.split_once('.').is_some_and(|(q, _)| names.contains(q));
            let is_word =
                ["target", "plan", "service", "history.held", "history.last", "changes.last", "moved.first"];
            if !is_known(name) && !is_label && !is_word.contains(&name) {
                return bad(format!("the text has a place {{{name}}}, and nothing is called so"));
            }
        }
        Ok(())
    }

    /// Whether it applies to a plan at all.
    pub fn applies_to(&self, plan: &Plan) -> bool {
        let a = &self.applies;
        let said = |word: &String| plan.words.contains(word);
        let is_called = a.always
            || a.actions.iter().any(|x| plan.actions.contains(x))
            || a.beliefs.iter().any(|x| plan.hypotheses.contains(x))
            || a.words.iter().any(|w| w.split(' ').all(|part| said(&part.to_string())));
        let is_about = a.things.is_empty() || a.things.iter().any(|t| plan.things.contains(t));
        let has_goal = a.goals.is_empty() || plan.goal.is_some_and(|g| a.goals.contains(&g));
        let is_on = a.services.is_empty()
            || plan.targets.iter().chain(&plan.suspects).any(|t| {
                a.services.iter().any(|s| {
                    s.eq_ignore_ascii_case(&t.entity.service) || s.eq_ignore_ascii_case(&t.entity.name)
                })
            });
        is_called && is_about && has_goal && is_on
    }

    /// Whether a plan names what this rule is about, so that missing data is worth telling.
    pub fn is_meant_by(&self, plan: &Plan) -> bool {
        self.applies.things.iter().any(|t| plan.things.contains(t))
            || self.questions.iter().any(|q| fill::needs_target(&q.promql))
            || self.questions.is_empty()
    }

    /// The condition is read by whoever shows the rule.
    pub fn needs(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.when.names(&mut names);
        names
    }
}

/// Reads a condition, with the limits of a rule.
///
/// # Errors
/// See [`condition::parse`].
pub(crate) fn condition_of(text: &str) -> Result<Condition> {
    condition::parse(text).map_err(|e| Error::new(e.kind, format!("when: {}", e.message)))
}

#[cfg(test)]
mod tests;
