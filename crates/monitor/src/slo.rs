//! Service level objectives: what share of events has to be good within a window, and what follows from how many were. Plain
//! data; [`history`] counts, [`judge`] judges, [`rules`] makes alerts of it, [`read`] and [`openslo`] read files.
//! Terms and arithmetic: Google, "The Site Reliability Workbook", chapters 2 and 5 (Alerting on SLOs). It must never call a
//! promise kept that nobody measured.

pub mod badge;
pub mod calendar;
pub mod history;
pub mod judge;
pub mod openslo;
pub mod queries;
pub mod read;
pub mod rules;
pub mod saved;
pub mod spent;
pub mod words;
pub mod write;

pub use calendar::Period;
pub use history::{Bucket, History, Sum};
pub use judge::{Budget, Burn, PairVerdict, State, Verdict, judge};

use model::time::format_duration_ms;

/// The grain of counting, and the time between two evaluations.
pub const STEP_MS: i64 = 30_000;
/// The most objectives of all files.
pub const SLOS_MAX: usize = 500;
/// The shortest rolling window.
pub const WINDOW_MS_MIN: i64 = 3_600_000;
/// The longest window.
pub const WINDOW_MS_MAX: i64 = 366 * DAY_MS;
/// So many bad events at least, unless an objective says otherwise, before anybody is told: never one failed request.
pub const ENOUGH: f64 = 5.0;
/// A day.
pub const DAY_MS: i64 = 86_400_000;
/// An hour.
pub const HOUR_MS: i64 = 3_600_000;
/// The label, and the annotation, that say which objective an alert is about.
pub const SLO_LABEL: &str = "slo";

/// An objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    /// Its name in addresses: small letters, digits, `-`.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whose promise it is; "" if nobody said.
    pub service: String,
    /// The promise in plain words.
    pub about: String,
    /// Who minds it.
    pub owner: String,
    /// What to do when it breaks.
    pub action: String,
    /// What is counted.
    pub sli: Sli,
    /// The share of events that has to be good, between 0 and 1.
    pub objective: f64,
    /// Over which time.
    pub window: Window,
    /// So many bad events are needed before anybody is told.
    pub enough: f64,
    /// When somebody is told.
    pub pairs: Vec<Pair>,
    /// How the time of a request is split.
    pub tiers: Vec<Tier>,
    /// Labels of its alerts.
    pub labels: Vec<(String, String)>,
    /// The file that it stands in.
    pub file: String,
    /// Where it begins.
    pub line: usize,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Sli {
    /// Counters: all events, and those that were good (or bad). Each is a selector, or an expression with `[$window]`.
    Ratio {
        /// All events.
        total: String,
        /// The good or the bad ones.
        part: String,
        /// Which of both.
        is_bad: bool,
    },
    /// A histogram: events within a time (or below another limit).
    Latency {
        /// Its selector, without `_bucket`.
        of: String,
        /// The limit, in the histogram's unit.
        below: f64,
    },
    /// Spans of a service, by the metrics that are made of them: those without an error, and within a time if there is one.
    Spans {
        /// The service.
        service: String,
        /// Names of its spans; "" for all.
        operation: String,
        /// Seconds.
        below: Option<f64>,
    },
    /// A value that has to be within a limit: what is counted are half minutes.
    Threshold {
        /// Gives the value.
        value: String,
        /// How they compare when it is good.
        op: Op,
        /// The limit.
        limit: f64,
    },
}

/// How a value compares with a limit when it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Op {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Below => "<",
            Op::AtMost => "<=",
            Op::Above => ">",
            Op::AtLeast => ">=",
        }
    }

    /// Whether a value is good.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Op::Below => value < limit,
            Op::AtMost => value <= limit,
            Op::Above => value > limit,
            Op::AtLeast => value >= limit,
        }
    }
}

/// The time over which an objective has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many milliseconds.
    Rolling(i64),
    /// The present day, week, month ... in UTC.
    Calendar(Period),
}

impl Window {
    /// Where it begins.
    pub fn start(self, now_ms: i64) -> i64 {
        match self {
            Window::Rolling(ms) => now_ms - ms,
            Window::Calendar(period) => period.start(now_ms),
        }
    }

    /// How long it is, all of it.
    pub fn length(self, now_ms: i64) -> i64 {
        match self {
            Window::Rolling(ms) => ms,
            Window::Calendar(period) => period.end(now_ms) - period.start(now_ms),
        }
    }

    /// In words: `30 days`, `this month`.
    pub fn words(self) -> String {
        match self {
            Window::Rolling(ms) => words::span(ms),
            Window::Calendar(period) => format!("this {}", period.as_str()),
        }
    }
}

/// An alert when the budget burns too fast over a long and over a short time: the long one shows that it matters, the short
/// one that it still goes on (SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts").
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The long window.
    pub long_ms: i64,
    /// The short one.
    pub short_ms: i64,
    /// How many times faster than the objective allows.
    pub factor: f64,
    /// Of the alert: `page`, `ticket`.
    pub severity: String,
}

impl Pair {
    /// Whether it wakes somebody.
    pub fn is_page(&self) -> bool {
        matches!(self.severity.as_str(), "page" | "critical")
    }

    /// `14.4x over 1h and 5m`.
    pub fn words(&self) -> String {
        let (long, short) = (format_duration_ms(self.long_ms), format_duration_ms(self.short_ms));
        format!("{}x over {long} and {short}", words::number(self.factor))
    }
}

/// A part of a request's time, and what it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// For people.
    pub name: String,
    /// What it may take, seconds.
    pub budget_s: f64,
    /// What it is measured by.
    pub of: TierOf,
}

/// What a tier is measured by.
#[derive(Clone, Debug, PartialEq)]
pub enum TierOf {
    /// Time of these services on the critical path of traces.
    Services(Vec<String>),
    /// An expression that gives seconds.
    Expr(String),
}

/// The alerts of the SRE Workbook (chapter 5, with the pair over a day that tools in its footsteps add): 14.4 times
/// as fast as allowed over an hour, which is 2 % of the budget of 30 days, and 6 times over six hours (5 %) wake somebody; 3
/// times over a day and 1 time over three days (10 % each) make a ticket. The factors are the same for every window. What could
/// never be reached is not asked for: a service of which all fails burns 1 / (1 - objective) times too fast.
pub fn usual_pairs(objective: f64, window_ms: i64) -> Vec<Pair> {
    const PAIRS: [(i64, i64, f64, &str); 4] = [
        (HOUR_MS, 300_000, 14.4, "page"),
        (6 * HOUR_MS, 1_800_000, 6.0, "page"),
        (DAY_MS, 2 * HOUR_MS, 3.0, "ticket"),
        (3 * DAY_MS, 6 * HOUR_MS, 1.0, "ticket"),
    ];
    let fastest = (0.9 / (1.0 - objective)).max(1.0);
    PAIRS
        .into_iter()
        .filter(|(long_ms, ..)| *long_ms <= window_ms)
        .map(|(long_ms, short_ms, factor, severity)| {
            let factor = (factor.min(fastest) * 1000.0).round() / 1000.0;
            Pair { long_ms, short_ms, factor, severity: severity.to_string() }
        })
        .collect()
}

/// A name for addresses.
pub fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().take(200) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if out.ends_with('-') || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    let out = out.trim_end_matches('-');
    out.chars().take(80).collect()
}

impl Slo {
    /// The share of events that may be bad.
    pub fn allowed(&self) -> f64 {
        1.0 - self.objective
    }

    /// Every window that its alerts look at, shortest first.
    pub fn windows(&self) -> Vec<i64> {
        let mut all: Vec<i64> = self.pairs.iter().flat_map(|p| [p.short_ms, p.long_ms]).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What is counted, as one text: another text needs another history.
    pub fn counts(&self) -> String {
        format!("{:?}", self.sli)
    }

    /// The noun of what is counted.
    pub fn events(&self) -> &'static str {
        match self.sli {
            Sli::Threshold { .. } => "half minutes",
            _ => "requests",
        }
    }
}

#[cfg(test)]
mod tests;
