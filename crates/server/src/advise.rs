//! Where to look first, for a window: gathers what is known of it (series, lines, spans, changes), each within its bounds,
//! and asks [`look::advise`]. What was beyond a bound is told; it must never rank by itself.

mod knowledge;
mod ledger;
mod lines;
mod series;
mod spans;
mod tell;

pub use knowledge::measured;
pub use ledger::{
    BYTES as LEDGER_BYTES, BYTES_MAX as LEDGER_BYTES_MAX, GIVEN as LEDGER_GIVEN,
    GIVEN_MAX as LEDGER_GIVEN_MAX, Ledger, Word, word_json,
};

use crate::app::App;
use crate::baseline::{self, Against};
use crate::sweep::Watch;
use look::advise::{Entity, Event, Signals, Symptom, Without, advise};
use look::changed::Ask;
use look::entity::Kind;
use model::Matcher;
use serde_json::Value as Json;
use std::time::Instant;
use stdx::Result;

/// Directions in one answer.
pub const DIRECTIONS_MAX: usize = 50;
/// How long before the window changes are looked for: an hour, or three times the window, at most a day.
const CHANGES_BEFORE_MS: (i64, i64) = (3_600_000, 86_400_000);
/// Changes that are considered, those next to the window.
const CHANGES_MAX: usize = 200;

/// What is asked.
pub struct Question {
    /// Where something looks odd, milliseconds since 1970, ends included.
    pub window: (i64, i64),
    /// What it is compared with.
    pub against: Against,
    /// Which series; of any of these. All when empty. Conditions on labels hold for lines and spans, too.
    pub selectors: Vec<Vec<Matcher>>,
    /// The only things that directions may point at, by name; empty: whatever is found.
    pub entities: Vec<String>,
    /// Calls that are known; observed ones are added.
    pub edges: Vec<(String, String)>,
    /// Where it was noticed.
    pub symptom: Option<Symptom>,
    /// Evidence that is left out.
    pub without: Vec<Without>,
    /// Directions in the answer.
    pub directions_max: usize,
    /// Whether it is booked in the ledger of advice.
    pub is_booked: bool,
}

/// What could not be looked at whole.
#[derive(Default)]
pub struct Partial {
    notes: Vec<String>,
    /// Series, lines and spans that were looked at.
    looked_at: [usize; 3],
    /// Rules that hold, and that somebody has taken out there.
    left_out_here: Vec<Json>,
}

/// The answer as JSON.
///
/// # Errors
/// `TooLarge` past a limit; `Cancelled` when the client has left or the time is over.
pub fn answer(app: &App, question: &Question, watch: &Watch) -> Result<Json> {
    let stop = &watch.stop;
    let started = Instant::now();
    let chosen = baseline::choose(app, question.window, &question.against)?;
    let mut partial = Partial::default();
    let ask = &chosen.ask;
    let (mut signals, mut book) = begin(question, ask);
    let is_in = |what: Without| !question.without.contains(&what);
    if is_in(Without::Metrics) || is_in(Without::Symptom) {
        series::gather(app, (question, ask), &mut signals, &mut book, &mut partial, watch)?;
    }
    if is_in(Without::Lines) || is_in(Without::Spans) {
        watch.so_far(started, || tell::so_far(&signals, question, &partial));
        let mut requests = look::advise::Requests::default();
        if is_in(Without::Spans) {
            watch.now("reading spans");
            signals.timing = spans::gather(app, (question, ask), &mut requests, &mut partial, stop)?;
        }
        if is_in(Without::Lines) {
            watch.now("reading log records");
            lines::gather(app, (question, ask), &mut requests, &mut partial, stop)?;
            if requests.left_out() > 0 {
                partial.notes.push(format!("{} lines and calls found no room", requests.left_out()));
            }
            signals.differs = requests.differences();
        }
        let of_lines = signals.differs.iter().map(|d| &d.service);
        let of_spans = signals.timing.slower.iter().map(|s| &s.service);
        let mut names: Vec<&String> = of_lines.chain(of_spans).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            book.find(&mut signals.entities, Entity::service(name));
        }
        if is_in(Without::Graph) {
            let observed = std::mem::take(&mut signals.timing.calls);
            signals.add_calls(observed.iter().map(|(a, b)| (a, b)));
        }
        app.logs.patterns.read(|patterns| {
            let both = signals.differs.iter().flat_map(|d| [Some(&d.event), d.companion.as_ref()]);
            for event in both.flatten() {
                if let Event::Line(id) | Event::Place(id, _) = event
                    && let Some(template) = patterns.get(*id)
                {
                    signals.lines.insert(*id, template.text.clone());
                }
            }
        });
    }
    if is_in(Without::Changes) {
        let (from, to) = question.window;
        let before = (3 * (to - from)).clamp(CHANGES_BEFORE_MS.0, CHANGES_BEFORE_MS.1);
        let range_ns = (from.saturating_sub(before).saturating_mul(1_000_000), to.saturating_mul(1_000_000));
        let text = String::new;
        let asked =
            crate::changes::Asked { range_ns, id: text(), kind: text(), service: text(), host: text() };
        let (mut changes, is_cut, _) = crate::changes::list(app, &asked, stop)?;
        changes.retain(|c| c.kind != look::changes::INCIDENT);
        // Next to the window first.
        changes.sort_by_key(|c| (c.time_ns / 1_000_000 - from).abs());
        changes.truncate(CHANGES_MAX);
        if is_cut {
            partial.notes.push("there are more changes than could be read".into());
        }
        signals.changes = changes;
    }
    watch.check()?;
    watch.so_far(started, || tell::so_far(&signals, question, &partial));
    if is_in(Without::Rules) || is_in(Without::History) {
        watch.now("asking rules and the past");
        let first = advise(&signals, knowledge::LOOKED_UP);
        knowledge::gather(app, question, &first, &mut signals, &mut partial, stop);
    }
    let advice = advise(&signals, question.directions_max.min(DIRECTIONS_MAX));
    let mut told = tell::answer(&signals, &advice, &partial);
    told["ledger"] = knowledge::book(app, question, &signals, &advice);
    told["note"] = chosen.note.into();
    Ok(told)
}

/// What is known before anything was looked at.
fn begin(question: &Question, ask: &Ask) -> (Signals, Book) {
    let mut signals = Signals {
        ask: Some(ask.clone()),
        entities: question.entities.iter().map(|name| Entity::service(name)).collect(),
        symptom: question.symptom.clone(),
        without: question.without.clone(),
        ..Signals::default()
    };
    if !question.without.contains(&Without::Graph) {
        signals.add_calls(question.edges.iter().map(|(a, b)| (a, b)));
    }
    let book = Book::new(&signals, !question.entities.is_empty());
    (signals, book)
}

/// Things by name, so that each is there once.
pub struct Book {
    places: foldhash::HashMap<(Kind, String, String), usize>,
    by_name: foldhash::HashMap<String, usize>,
    is_closed: bool,
}

impl Book {
    /// `is_closed`: only what is there already counts.
    fn new(signals: &Signals, is_closed: bool) -> Book {
        let by_name = signals.entities.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
        Book { places: Default::default(), by_name, is_closed }
    }

    /// The number of a thing; `None`: directions may not point at it.
    fn find(&mut self, entities: &mut Vec<Entity>, entity: Entity) -> Option<usize> {
        if self.is_closed {
            return self.by_name.get(&entity.name).copied();
        }
        let key = (entity.kind, entity.name.clone(), entity.part_of.clone());
        Some(*self.places.entry(key).or_insert_with(|| {
            entities.push(entity);
            entities.len() - 1
        }))
    }
}

/// Whether conditions on labels hold for where a line or a span comes from. Conditions on the metric's name are none on these.
fn is_of(selectors: &[Vec<Matcher>], origin: &model::Origin) -> bool {
    let value = |name: &str| match name {
        "service" | "service_name" | "job" => origin.service.as_str(),
        "host" | "instance" | "hostname" => origin.host.as_str(),
        name => {
            let is_same = |n: &str| n == name || n.len() == name.len() && n.replace('.', "_") == name;
            origin.attributes.iter().find(|(n, _)| is_same(n)).map_or("", |(_, v)| v)
        }
    };
    let all = |matchers: &Vec<Matcher>| {
        matchers.iter().filter(|m| m.name != model::NAME).all(|m| m.matches(value(&m.name)))
    };
    selectors.is_empty() || selectors.iter().any(all)
}

/// The window, then its baselines, those next to it first: what does not fit is left out at the far end.
fn ranges(ask: &Ask) -> Vec<((i64, i64), bool)> {
    let mut baselines = ask.baselines.clone();
    baselines.sort_by_key(|b| (b.1 - ask.window.0).abs());
    std::iter::once((ask.window, true)).chain(baselines.into_iter().map(|b| (b, false))).collect()
}

/// Nanoseconds of a range in milliseconds, ends included.
fn range_ns((from, to): (i64, i64)) -> (i64, i64) {
    (from.saturating_mul(1_000_000), to.saturating_mul(1_000_000).saturating_add(999_999))
}
