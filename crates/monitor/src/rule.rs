//! The nouns: groups of rules, as rule files have them. Plain data.

use crate::template::Template;
use std::sync::Arc;

/// Rules that are evaluated together, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The file that it stands in.
    pub file: String,
    /// Its name, the only one in its file.
    pub name: String,
    /// Time between two evaluations.
    pub interval_ms: i64,
    /// How far before the time of evaluation its queries are asked.
    pub query_offset_ms: i64,
    /// The most alerts or series of one rule; 0 is no limit.
    pub limit: usize,
    /// In order.
    pub rules: Vec<Rule>,
    /// Where it begins.
    pub line: usize,
    /// The objective that its rules are made of; what it counts is recorded before they are evaluated.
    pub slo: Option<Arc<crate::slo::Slo>>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The metric that it records, or the alert's name.
    pub name: String,
    /// The condition, in PromQL.
    pub expr: String,
    /// Labels that it adds; templates where it alerts.
    pub labels: Vec<(String, Template)>,
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub line: usize,
}

/// What a rule is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// It records what its expression gives.
    Recording,
    /// It alerts where its expression gives something: a monitor.
    Alerting(Alerting),
}

/// What only an alerting rule has.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Alerting {
    /// How long a condition has to hold before the alert fires.
    pub for_ms: i64,
    /// How long an alert goes on firing after its condition held for the last time.
    pub keep_firing_for_ms: i64,
    /// What people are told.
    pub annotations: Vec<(String, Template)>,
    /// How long the monitor may be blind until people are told; `None`: they never are.
    pub blind_for_ms: Option<i64>,
    /// An expression that has a row, with labels of the condition's row, where there is enough traffic to judge.
    pub enough: Option<String>,
}

/// How long a monitor may be blind until people are told, if its rule says nothing else.
pub const BLIND_FOR_MS: i64 = 600_000;
/// The annotation that holds [`Alerting::blind_for_ms`]: a duration, or `never`.
pub const BLIND_FOR: &str = "midwatch_blind_for";
/// The annotation that holds [`Alerting::enough`]: files with it stay good for Prometheus.
pub const ENOUGH: &str = "midwatch_enough";

impl Rule {
    /// What only an alerting rule has.
    pub fn alerting(&self) -> Option<&Alerting> {
        match &self.kind {
            Kind::Alerting(alerting) => Some(alerting),
            Kind::Recording => None,
        }
    }

    /// A label as it was written, or "".
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(n, _)| n == name).map_or("", |(_, t)| t.text())
    }
}

impl Group {
    /// What names it among all groups.
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.name)
    }

    /// What names a rule of it among all rules, whatever else of the rule is changed: its place among those of the same
    /// name counts, its place in the group does not.
    pub fn rule_key(&self, index: usize) -> String {
        let name = &self.rules[index].name;
        let nth = self.rules[..index].iter().filter(|r| r.name == *name).count();
        format!("{};{};{name};{nth}", self.file, self.name)
    }
}
