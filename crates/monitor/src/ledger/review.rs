//! The review of a week: for each monitor what became of it, and a proposal. A proposal is a question with its reason, never an answer:
//! people decide. It must never propose to delete what somebody acted on, or what led to an incident.

use super::{Counts, Entry, Ledger};
use crate::slo::words::span;
use serde_json::{Value as Json, json};

const DAY_MS: i64 = 86_400_000;
/// Counted over so many days beside the week, so that rare monitors are not judged by a quiet week.
pub const LONG_DAYS: i64 = 28;
/// So many notifications without an action are many.
const IGNORED_MIN: u64 = 5;
/// So many flaps in a week are many.
const FLAPS_MIN: u64 = 5;

/// What is known of a monitor beside the ledger.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its key in the ledger.
    pub key: String,
    /// For addresses.
    pub id: String,
    /// For people.
    pub name: String,
    /// How it is now, as the API says it.
    pub state: &'static str,
    /// Its severity, or "".
    pub severity: String,
    /// How long its condition has to hold.
    pub for_ms: i64,
    /// Since when it is so.
    pub since_ms: i64,
}

/// What can be done with one click.
#[derive(Clone, Debug, PartialEq)]
pub enum Take {
    /// It is evaluated no more.
    Off,
    /// It has this severity from now on.
    Severity(String),
    /// Its condition has to hold for so long, milliseconds.
    For(i64),
}

impl Take {
    /// As the API has it.
    pub fn to_json(&self) -> Json {
        match self {
            Take::Off => json!({ "off": true }),
            Take::Severity(severity) => json!({ "severity": severity }),
            Take::For(ms) => json!({ "for": model::time::format_duration_ms(*ms) }),
        }
    }

    /// On its button.
    pub fn words(&self) -> String {
        match self {
            Take::Off => "Turn it off".into(),
            Take::Severity(severity) => format!("Lower it to {severity}"),
            Take::For(ms) => format!("Wait {} before it fires", span(*ms)),
        }
    }
}

/// A monitor in the review.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which.
    pub facts: Facts,
    /// Of the last seven days.
    pub week: Counts,
    /// Of the last four weeks.
    pub long: Counts,
    /// What the ledger knows.
    pub entry: Entry,
    /// `always_red`, `ignored`, `flapping`, `blind`, `useful`, `quiet`, `new`: most in need of a decision first.
    pub kind: &'static str,
    /// What there is to say, with its numbers.
    pub says: String,
    /// What could be done.
    pub takes: Vec<Take>,
}

const ORDER: [&str; 7] = ["always_red", "ignored", "flapping", "blind", "useful", "quiet", "new"];

/// The review, most in need of a decision first.
pub fn review(ledger: &Ledger, monitors: Vec<Facts>, now_ms: i64) -> Vec<Line> {
    let mut lines: Vec<Line> = monitors
        .into_iter()
        .map(|facts| {
            let (week, long) =
                (ledger.counts(&facts.key, 7, now_ms), ledger.counts(&facts.key, LONG_DAYS, now_ms));
            let entry = ledger.entry(&facts.key).cloned().unwrap_or_default();
            let (kind, says, takes) = propose(&facts, &entry, &week, &long, now_ms);
            Line { facts, week, long, entry, kind, says, takes }
        })
        .collect();
    let place = |kind: &str| ORDER.iter().position(|k| *k == kind).unwrap_or(ORDER.len());
    lines.sort_by(|a, b| {
        place(a.kind)
            .cmp(&place(b.kind))
            .then(b.long.red_ms.cmp(&a.long.red_ms))
            .then(b.long.notified.cmp(&a.long.notified))
            .then_with(|| a.facts.name.cmp(&b.facts.name))
    });
    lines
}

fn propose(
    facts: &Facts,
    entry: &Entry,
    week: &Counts,
    long: &Counts,
    now_ms: i64,
) -> (&'static str, String, Vec<Take>) {
    let known_ms = (now_ms - entry.since_ms).min(LONG_DAYS * DAY_MS);
    let told = came_of(long);
    let was_useful = long.acted + long.incidents > 0;
    let is_page = matches!(facts.severity.as_str(), "page" | "critical");
    let lower = || match facts.severity.as_str() {
        "page" | "critical" => vec![Take::Severity("ticket".into())],
        "info" => Vec::new(),
        _ => vec![Take::Severity("info".into())],
    };
    let red_for_ms = entry.red_since_ms.map(|t| now_ms - t).filter(|_| facts.state == "firing");
    if let Some(red_ms) = red_for_ms.filter(|ms| *ms >= 7 * DAY_MS) {
        let says = format!("Always red for {}; {told}: delete it, or lower it?", span(red_ms));
        let off = if was_useful { Vec::new() } else { vec![Take::Off] };
        return ("always_red", says, off.into_iter().chain(lower()).collect());
    }
    if long.notified >= IGNORED_MIN && !was_useful {
        let says = format!("It fired {}, and {told}: lower it, or delete it?", times(long.fired));
        return ("ignored", says, lower().into_iter().chain([Take::Off]).collect());
    }
    if week.flaps >= FLAPS_MIN {
        let longer = (facts.for_ms * 2).clamp(300_000, 3_600_000);
        let says = format!(
            "It fired again within a quarter of an hour {} this week; {told}: let it wait longer?",
            times(week.flaps)
        );
        return ("flapping", says, if longer > facts.for_ms { vec![Take::For(longer)] } else { lower() });
    }
    let blind_ms = now_ms - facts.since_ms;
    if ["no_data", "cannot_judge"].contains(&facts.state) && facts.since_ms > 0 && blind_ms >= DAY_MS {
        let what = if facts.state == "no_data" {
            "Nothing that it looks at has a sample"
        } else {
            "It cannot be judged"
        };
        let says = format!("{what} since {}: mend it, or delete it?", span(blind_ms));
        return ("blind", says, vec![Take::Off]);
    }
    if was_useful {
        return ("useful", format!("In four weeks {told}: keep it."), Vec::new());
    }
    if known_ms < 7 * DAY_MS {
        return (
            "new",
            format!("It is known for {}: too short to say anything.", span(known_ms)),
            Vec::new(),
        );
    }
    let page = if is_page { " Does somebody know that it works?" } else { "" };
    match long.fired {
        0 => ("quiet", format!("It did not fire in {}.{page}", span(known_ms)), Vec::new()),
        fired => ("quiet", format!("It fired {} in {}; {told}.", times(fired), span(known_ms)), Vec::new()),
    }
}

/// Of those who were told: what they did.
fn came_of(long: &Counts) -> String {
    let told = match (long.notified, long.acted) {
        (0, 0) if long.incidents > 0 => return format!("it led to {}", incidents(long.incidents)),
        (0, 0) => "nobody was told of it".to_string(),
        (0, acted) => format!("it led to an action {}", times(acted)),
        (notified, acted) => {
            format!("{acted} of {notified} {} led to an action", plural(notified, "notification"))
        }
    };
    match long.incidents {
        0 => told,
        n => format!("{told}, and it led to {}", incidents(n)),
    }
}

fn incidents(n: u64) -> String {
    if n == 1 { "an incident".into() } else { format!("{n} incidents") }
}

fn times(n: u64) -> String {
    match n {
        0 => "never".into(),
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 { word.to_string() } else { format!("{word}s") }
}
