//! Where to look first: from everything that is known of a window and of before (series, lines, spans, changes, who calls
//! whom, where it was noticed) to a few directions, best first, each with what speaks for it and against it.
//!
//! Evidence is weighed in one currency: natural logarithms of how much likelier it is if something is wrong there, capped
//! for each kind, so that no kind decides alone. A service is explained away by what it calls, as far as that moved as
//! well. How each part earns its place: docs/decisions/diagnosis.md.
//!
//! This must never assert a cause: it says what moved, beside what, and in which order. It knows no disk and no clock.

mod combine;
mod given;
mod kind;
mod metrics;
mod past;
mod requests;
mod times;
mod walk;
mod words;

pub use given::{Given, JUDGED_MIN, LAST, Measured, Pointed, Verdict};
pub use kind::{Entity, Place, Says, comparable, place, says};
pub use past::{APART_MS, BACK_MS, Captured, Past, Red, Then, Was, before};
pub use requests::{Differs, ENTRIES_MAX, Event, Requests, Tone, place_in};
pub use times::{Fails, SPANS_MAX, Slower, Timed, Times, Timing};
pub use walk::Walk;

use crate::changed::{Ask, Moved};
use model::{Change, Labels};
use std::collections::{BTreeMap, BTreeSet};

/// A series, and what became of it.
#[derive(Clone, Debug)]
pub struct SeriesSignal {
    /// Its name and labels.
    pub labels: Labels,
    /// Where it belongs.
    pub place: Place,
    /// Index into [`Signals::entities`].
    pub entity: usize,
    /// What it has in common with series of other things ([`comparable`]).
    pub key: String,
    /// Its unit as [`crate::unit`] has it.
    pub unit: String,
    /// Means: before, and in the window. NaN where there was nothing.
    pub mean: (f64, f64),
    /// How it changed; `None`: not worth telling.
    pub moved: Option<Moved>,
}

/// Where and in what something was noticed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Symptom {
    /// Whose.
    pub service: String,
    /// The metric; empty: not known.
    pub metric: String,
    /// Labels that the series has to have.
    pub labels: Vec<(String, String)>,
}

/// A kind of evidence, or a step of reasoning, that can be left out: to see what remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Series.
    Metrics,
    /// Lines and calls within requests.
    Lines,
    /// How long spans took, and where they failed.
    Spans,
    /// Who calls whom.
    Graph,
    /// The symptom.
    Symptom,
    /// Changes.
    Changes,
    /// How large a movement is beside the largest of its metric.
    Magnitude,
    /// Rules that hold there.
    Rules,
    /// What was before.
    History,
}

/// A rule that holds of a thing in the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Index into [`Signals::entities`].
    pub entity: usize,
    /// The rule's id.
    pub rule: String,
    /// What it says of the thing, in one or two plain sentences.
    pub sentence: String,
    /// Why it matters.
    pub why: String,
    /// What the rule rests on.
    pub sources: Vec<String>,
    /// Who wrote it; empty for one that came with the program.
    pub author: String,
    /// The query that decided, in PromQL.
    pub query: String,
    /// Whether it held before the window already: then it is how things are.
    pub held_before: bool,
    /// Whether it is measured at the thing itself, not at what is beneath.
    pub is_own: bool,
}

impl Without {
    /// All, by their names in the HTTP API.
    pub const ALL: [(&'static str, Without); 9] = [
        ("metrics", Without::Metrics),
        ("lines", Without::Lines),
        ("spans", Without::Spans),
        ("graph", Without::Graph),
        ("symptom", Without::Symptom),
        ("changes", Without::Changes),
        ("magnitude", Without::Magnitude),
        ("rules", Without::Rules),
        ("history", Without::History),
    ];
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Signals {
    /// The window and its baselines.
    pub ask: Option<Ask>,
    /// All things that directions may point at.
    pub entities: Vec<Entity>,
    /// Series that moved, and those of calls, of requests and of the symptom, moved or not.
    pub series: Vec<SeriesSignal>,
    /// Series that were compared, moved or not.
    pub compared: usize,
    /// Metrics of which some series was there before the window, moved or not; empty: not known.
    pub measured_before: BTreeSet<String>,
    /// For each entity how many of its series say how much is used, moved or not: what did not move speaks, too.
    pub watched: BTreeMap<usize, usize>,
    /// What differs within requests.
    pub differs: Vec<Differs>,
    /// Texts of the templates in `differs`.
    pub lines: BTreeMap<u64, String>,
    /// What spans say.
    pub timing: Timing,
    /// Callers to callees.
    /// Callers, each with those that it calls ([`Signals::add_calls`]).
    pub calls: BTreeMap<String, Vec<String>>,
    /// Where it was noticed.
    pub symptom: Option<Symptom>,
    /// What was changed shortly before or in the window.
    pub changes: Vec<Change>,
    /// Rules that hold, the weightiest of a thing first.
    pub rules: Vec<Held>,
    /// What is known of before.
    pub past: Vec<Was>,
    /// What is left out.
    pub without: Vec<Without>,
}

impl Signals {
    /// Adds calls: given, or observed.
    pub fn add_calls<A: AsRef<str>, B: AsRef<str>>(&mut self, calls: impl IntoIterator<Item = (A, B)>) {
        for (caller, callee) in calls {
            let (caller, callee) = (caller.as_ref(), callee.as_ref());
            let of = self.calls.entry(caller.to_string()).or_default();
            if caller != callee && !of.iter().any(|c| c == callee) {
                of.push(callee.to_string());
            }
        }
    }

    /// Whom a service calls.
    pub fn callees<'a>(&'a self, caller: &str) -> impl Iterator<Item = &'a str> {
        self.calls.get(caller).into_iter().flatten().map(String::as_str)
    }

    /// Callers with their callees.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &str)> {
        self.calls.iter().flat_map(|(a, all)| all.iter().map(|b| (a.as_str(), b.as_str())))
    }
}

/// What evidence rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Numbers of the window against numbers of before.
    Statistics,
    /// Single requests, their lines and spans.
    Requests,
    /// Who calls whom.
    Topology,
    /// What was changed.
    Changes,
    /// What experienced people know of such things.
    Rule,
    /// What was before.
    History,
}

impl Knowledge {
    /// One word, as the HTTP API gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            Knowledge::Statistics => "statistics",
            Knowledge::Requests => "requests",
            Knowledge::Topology => "topology",
            Knowledge::Changes => "changes",
            Knowledge::Rule => "rule",
            Knowledge::History => "history",
        }
    }
}

/// Where evidence can be looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Index into [`Signals::series`].
    Series(usize),
    /// Index into [`Signals::differs`].
    Differs(usize),
    /// Index into [`Timing::slower`].
    Slower(usize),
    /// Index into [`Timing::fails`].
    Fails(usize),
    /// Index into [`Signals::changes`].
    Change(usize),
    /// Index into [`Signals::rules`].
    Rule(usize),
    /// Index into [`Signals::past`].
    Past(usize),
    /// The calls along this path.
    Calls(Vec<String>),
    /// Nothing that could be shown.
    None,
}

/// One thing that speaks for or against a direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// In one plain sentence.
    pub sentence: String,
    /// What it rests on.
    pub knowledge: Knowledge,
    /// How much it counts; 0 for what only is to be known.
    pub nats: f64,
    /// When it began, milliseconds since 1970, where that is known.
    pub onset_ms: Option<i64>,
    /// Where to see it.
    pub source: Source,
}

/// What to look at next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// What moved, of this thing alone.
    Moved,
    /// Its lines.
    Lines,
    /// Its slow or failing requests.
    Traces,
    /// Its changes.
    Changes,
    /// The service that it calls and that moved as well.
    Callee,
}

/// A place to look.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// Index into [`Signals::entities`].
    pub entity: usize,
    /// In one plain sentence.
    pub sentence: String,
    /// What speaks for it, the weightiest first.
    pub speaks_for: Vec<Evidence>,
    /// What speaks against it, or is missing.
    pub speaks_against: Vec<Evidence>,
    /// Its series that moved, those first that say most.
    pub series: Vec<usize>,
    /// What to look at next.
    pub next: Vec<Next>,
    /// What looking, and what acting here would cost or risk.
    pub risk: &'static str,
    /// Whether it stands out, among as many series as were compared.
    pub stands_out: bool,
    /// All evidence together. For ranking alone: it is no probability, and is never shown as one.
    pub nats: f64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advice {
    /// Best first.
    pub directions: Vec<Direction>,
    /// Whether the first stands out at all.
    pub stands_out: bool,
    /// Where the symptom led.
    pub walk: Option<Walk>,
    /// In one plain sentence.
    pub sentence: String,
}

/// Decides where to look first. At most `directions_max` directions.
pub fn advise(signals: &Signals, directions_max: usize) -> Advice {
    combine::advise(signals, directions_max)
}

#[cfg(test)]
mod tests;
