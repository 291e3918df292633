//! Home: is everything fine? A table of plain conditions ([`conditions`]), and a pure judgement of their results.
//!
//! The caller evaluates each [`Condition::expr`] (and, where it is there, [`Condition::detail_expr`]) and each
//! [`SUBJECTS`] expression as instant queries at one time, and hands the rows to [`judge`]. What was not measured is
//! called silent, never fine: a claim that nobody checked must not stand here.

pub mod conditions;
mod watched;
mod words;

use crate::natural;
use conditions::Condition;
use model::Labels;
use std::collections::BTreeMap;

pub use conditions::Link;
pub use watched::{SLO_TILE, Watched};
pub use words::{duration, value};

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// What people said they care about.
    Monitors,
    /// A machine.
    Host,
    /// A scraped target.
    Service,
    /// This program.
    Midwatch,
}

impl SubjectKind {
    /// As in the HTTP API.
    pub fn as_str(self) -> &'static str {
        match self {
            SubjectKind::Monitors => "monitors",
            SubjectKind::Host => "host",
            SubjectKind::Service => "service",
            SubjectKind::Midwatch => "midwatch",
        }
    }

    /// How old the last sample of a subject may be before it is called silent, in milliseconds. Services get more,
    /// because many are scraped once a minute.
    pub fn silent_after_ms(self) -> i64 {
        match self {
            SubjectKind::Host | SubjectKind::Midwatch | SubjectKind::Monitors => 60_000,
            SubjectKind::Service => 150_000,
        }
    }
}

/// Which subjects there are: instant queries whose rows' values are the time of the last sample, in seconds since
/// 1970, looking back an hour so that what stopped is silent before it is gone.
pub const SUBJECTS: &[(SubjectKind, &str)] = &[
    (SubjectKind::Host, "max by (instance) (ts_of_last_over_time(node_load1[1h]))"),
    (
        SubjectKind::Service, // A service that was there for less than ten minutes and is gone was a test or a tool: nobody misses it.
        "max by (job, instance) (ts_of_last_over_time(up{job!~\"node|midwatch\"}[1h]) and (ts_of_last_over_time(up{job!~\"node|midwatch\"}[1h]) > time() - 150 or ts_of_last_over_time(up{job!~\"node|midwatch\"}[1h]) - ts_of_first_over_time(up{job!~\"node|midwatch\"}[1h]) > 600)) or on (job, instance) max by (job, instance) (ts_of_last_over_time(target_info{job!~\"node|midwatch\"}[1h]) and (ts_of_last_over_time(target_info{job!~\"node|midwatch\"}[1h]) > time() - 150 or ts_of_last_over_time(target_info{job!~\"node|midwatch\"}[1h]) - ts_of_first_over_time(target_info{job!~\"node|midwatch\"}[1h]) > 600))",
    ),
    (SubjectKind::Midwatch, "max(ts_of_last_over_time(midwatch_build_info[1h]))"),
];

/// How something is. The order is from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Measured, and within its limits.
    Fine,
    /// No data, or too old.
    Silent,
    /// Worth a look.
    Look,
    /// Bad.
    Bad,
}

impl State {
    /// As in the HTTP API.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Fine => "fine",
            State::Look => "look",
            State::Silent => "silent",
            State::Bad => "bad",
        }
    }
}

/// One row of an instant query.
pub type Row = (Labels, f64);

/// What evaluating a condition gave.
#[derive(Clone, Debug)]
pub struct ConditionResult {
    /// Which condition.
    pub condition: &'static Condition,
    /// Rows of `expr`, or why it could not be evaluated.
    pub rows: Result<Vec<Row>, String>,
    /// Rows of `detail_expr`; empty where there is none.
    pub details: Vec<Row>,
}

/// Rows of the [`SUBJECTS`] queries: the value is the time of the last sample, seconds since 1970.
pub type Present = [(SubjectKind, Vec<Row>)];

/// The page.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeReport {
    /// The worst state of all.
    pub state: State,
    /// One line.
    pub headline: String,
    /// Hosts, then services, then this program.
    pub subjects: Vec<Subject>,
}

/// A thing that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// `host/vm`, `service/shop/127.0.0.1:80`, `midwatch`.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Its kind.
    pub kind: SubjectKind,
    /// The worst state of its tiles.
    pub state: State,
    /// One for each condition that applies.
    pub tiles: Vec<Tile>,
}

/// One condition of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// The condition's id; `silent` for the tile that says that nothing comes.
    pub id: String,
    /// The condition's title.
    pub title: String,
    /// How it is.
    pub state: State,
    /// The measured value, in words: `91 % of /`.
    pub value: String,
    /// Why this matters, the limits that were applied, what to do.
    pub detail: String,
    /// Words for the search box that show what was judged.
    pub q: String,
    /// A PromQL selector of the same.
    pub selector: String,
}

/// Judges everything at `now_ms`. `watched` are the monitors. `problem` says why nothing can be recorded now, which no recorded number can say.
pub fn judge(
    now_ms: i64,
    present: &Present,
    results: &[ConditionResult],
    watched: &[Watched],
    problem: Option<&str>,
) -> HomeReport {
    let mut subjects: Vec<Subject> = Vec::new();
    for (kind, rows) in present {
        for (labels, last_s) in rows {
            let mut subject = subject(*kind, labels);
            if subjects.iter().any(|s| s.id == subject.id) {
                continue;
            }
            let age_ms = now_ms.saturating_sub((last_s * 1000.0) as i64);
            // A NaN age is no data.
            if last_s.is_finite() && age_ms <= kind.silent_after_ms() {
                let own = results.iter().filter(|r| r.condition.subject == *kind);
                subject.tiles = own.filter_map(|r| tile(&subject.id, labels, r)).collect();
            } else {
                subject.tiles = vec![silent_tile(&subject, labels, age_ms)];
            }
            subject.state = subject.tiles.iter().map(|t| t.state).max().unwrap_or(State::Silent);
            subjects.push(subject);
        }
    }
    subjects.extend(watched::subjects(watched));
    if let Some(problem) = problem {
        tell_problem(&mut subjects, problem);
    }
    subjects.sort_by(|a, b| a.kind.cmp(&b.kind).then_with(|| natural::compare(&a.title, &b.title)));
    let state = subjects.iter().map(|s| s.state).max().unwrap_or(State::Silent);
    let headline = match problem {
        Some(problem) => format!("Nothing can be recorded now: {problem}."),
        None => words::headline(&subjects),
    };
    HomeReport { state, headline, subjects }
}

fn tell_problem(subjects: &mut Vec<Subject>, problem: &str) {
    let position = subjects.iter().position(|s| s.kind == SubjectKind::Midwatch).unwrap_or_else(|| {
        subjects.push(subject(SubjectKind::Midwatch, &Labels::default()));
        subjects.len() - 1
    });
    let own = &mut subjects[position];
    own.state = State::Bad;
    let tile = Tile {
        id: "recording".into(),
        title: "Recording".into(),
        state: State::Bad,
        value: "stopped".into(),
        detail: format!(
            "{problem}. Whoever sends data is told so, and what is stored can be read. Recording goes on by itself as soon as it can."
        ),
        q: "midwatch_store".into(),
        selector: r#"{__name__=~"midwatch_store_.+"}"#.into(),
    };
    own.tiles.insert(0, tile);
}

/// Which subject the labels of a row name.
fn subject(kind: SubjectKind, labels: &Labels) -> Subject {
    let (job, instance) = (labels.get("job"), labels.get("instance"));
    let (id, title) = match kind {
        SubjectKind::Host => (format!("host/{instance}"), instance.to_string()),
        SubjectKind::Service => (format!("service/{job}/{instance}"), format!("{job} {instance}")),
        SubjectKind::Midwatch => ("midwatch".to_string(), "Midwatch".to_string()),
        SubjectKind::Monitors => ("monitors".to_string(), "Monitors".to_string()),
    };
    let title = if title.trim().is_empty() { "this host".to_string() } else { title.trim().to_string() };
    Subject { id, title, kind, state: State::Silent, tiles: Vec::new() }
}

fn silent_tile(subject: &Subject, labels: &Labels, age_ms: i64) -> Tile {
    let limit_s = subject.kind.silent_after_ms() / 1000;
    let mut selector = BTreeMap::new();
    for name in ["job", "instance"] {
        if !labels.get(name).is_empty() {
            selector.insert(name, labels.get(name));
        }
    }
    let pairs: Vec<String> = selector.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    Tile {
        id: "silent".into(),
        title: "No data".into(),
        state: State::Silent,
        value: format!("nothing for {}", words::duration(age_ms as f64 / 1000.0)),
        detail: format!(
            "Nothing has come from here for longer than {limit_s} s, so nothing is known of how it is now. \
             Look at Targets for the reason, or whether it was stopped."
        ),
        q: subject.title.clone(),
        selector: if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(", ")) },
    }
}

/// The tile of one condition for one subject: the worst of its rows. `None` where the condition does not apply.
fn tile(subject_id: &str, of: &Labels, result: &ConditionResult) -> Option<Tile> {
    let condition = result.condition;
    let new = |state, value: String, detail, labels: &Labels| Tile {
        id: condition.id.to_string(),
        title: condition.title.to_string(),
        state,
        value,
        detail,
        q: words::fill(condition.link.q, labels, false),
        selector: words::fill(condition.link.selector, labels, true),
    };
    let rows = match &result.rows {
        Ok(rows) => rows,
        Err(e) => {
            let detail = format!("This could not be judged: {e}");
            return Some(new(State::Silent, "not known".into(), detail, of));
        }
    };
    let own = |row: &&Row| subject(condition.subject, &row.0).id == subject_id;
    let mut worst: Option<(State, &Row)> = None;
    let (mut count, mut outside) = (0, 0);
    for row in rows.iter().filter(own).filter(|r| !r.1.is_nan()) {
        let state = condition.state_of(row.1);
        count += 1;
        outside += usize::from(state != State::Fine);
        let worse =
            worst.is_none_or(|(s, w)| (state, condition.badness(row.1)) > (s, condition.badness(w.1)));
        if worse {
            worst = Some((state, row));
        }
    }
    let Some((state, (labels, value))) = worst else {
        let measured_by = words::fill(condition.link.selector, of, true);
        let detail = format!("No data for this; it is measured by {measured_by}");
        return condition.required.then(|| new(State::Silent, "no data".into(), detail, of));
    };
    let mut text = words::value(*value, condition.unit);
    let parts: Vec<&str> = condition.by.iter().map(|l| labels.get(l)).filter(|v| !v.is_empty()).collect();
    if !parts.is_empty() {
        text += &format!(" {} {}", condition.joined_by, parts.join(" "));
    }
    let detail = words::detail(condition, labels, &result.details, count, outside);
    Some(new(state, text, detail, labels))
}

#[cfg(test)]
mod tests;
