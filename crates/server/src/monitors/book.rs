//! The ledger of monitors, kept over restarts, and what people decided in its review: a monitor that is turned off, lowered, or waits
//! longer, whatever file it stands in. Each such decision is in the audit before it is done, and can be taken back. It must never
//! change a file that somebody else wrote.

use super::keep::{read_json, replace};
use super::{Monitors, lock};
use crate::clock::now_ms;
use monitor::ledger::review::{Facts, Take};
use monitor::ledger::{Event, Ledger};
use monitor::notify::silence::Silence;
use monitor::template::Template;
use monitor::{AlertState, Group, Kind, Rule};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use stdx::{Error, ErrorKind, Result};
use store::audit::{Audit, Who};

const LEDGER: &str = "ledger.json";
const DECISIONS_FILE: &str = "decisions.json";
const FORMAT: u64 = 1;
/// The name of that bound.
pub const DECISIONS: &str = "decisions on monitors";
/// How often the ledger is written, if there is news.
const SAVE_PERIOD_MS: i64 = 10_000;
/// The most decisions; more have to be made in the files.
pub const DECISIONS_MAX: usize = 2_000;
/// Somebody who looks at a monitor again this soon has not looked anew.
const SEEN_AGAIN_MS: i64 = 600_000;

/// One change of decisions at a time, so that none is lost.
static CHANGES: Mutex<()> = Mutex::new(());

/// What people decided of a monitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// For people.
    pub name: String,
    /// It is evaluated no more.
    pub off: bool,
    /// Its severity instead of its own.
    pub severity: Option<String>,
    /// How long its condition has to hold, instead of its own.
    pub for_ms: Option<i64>,
    /// Who decided.
    pub user: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at_ms: i64,
}

/// The ledger and the decisions.
#[derive(Default)]
pub struct Book {
    /// What became of each monitor, by id.
    pub ledger: Ledger,
    /// What was decided, by id.
    pub decisions: BTreeMap<String, Decision>,
    seen_ms: BTreeMap<String, i64>,
    is_dirty: bool,
    saved_ms: i64,
}

impl Book {
    /// What was kept.
    pub fn open(folder: &Path) -> Book {
        let ledger = Ledger::from_json(&read_json(&folder.join(LEDGER)));
        let kept = read_json(&folder.join(DECISIONS_FILE));
        let mut decisions = BTreeMap::new();
        for (id, d) in kept["monitors"].as_object().into_iter().flatten().take(DECISIONS_MAX) {
            let text = |key: &str| d[key].as_str().unwrap_or("").to_string();
            let decision = Decision {
                name: text("name"),
                off: d["off"].as_bool().unwrap_or(false),
                severity: d["severity"].as_str().map(str::to_string),
                for_ms: d["for_ms"].as_i64().filter(|ms| *ms >= 0),
                user: text("user"),
                reason: text("reason"),
                at_ms: d["at_ms"].as_i64().unwrap_or(0),
            };
            decisions.insert(id.clone(), decision);
        }
        Book { ledger, decisions, ..Book::default() }
    }
}

impl Decision {
    /// As it is kept and told.
    pub fn to_json(&self) -> Json {
        json!({
            "name": self.name, "off": self.off, "severity": self.severity, "for_ms": self.for_ms,
            "user": self.user, "reason": self.reason, "at_ms": self.at_ms,
        })
    }

    fn add(&mut self, take: &Take) {
        match take {
            Take::Off => self.off = true,
            Take::Severity(severity) => self.severity = Some(severity.clone()),
            Take::For(ms) => self.for_ms = Some(*ms),
        }
    }

    fn apply(&self, rule: &mut Rule) {
        if let Some(severity) = &self.severity {
            rule.labels.retain(|(name, _)| name != "severity");
            rule.labels.push(("severity".into(), Template::plain(severity)));
        }
        if let (Some(for_ms), Kind::Alerting(alerting)) = (self.for_ms, &mut rule.kind) {
            alerting.for_ms = for_ms;
        }
    }
}

/// A checksum of what a rule says.
pub fn definition(rule: &Rule) -> u64 {
    let text = format!("{:?} {:?} {:?}", rule.expr, rule.labels, rule.kind);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

impl Monitors {
    /// Makes rules what people decided.
    pub(super) fn apply_decisions(&self, groups: &mut [Group]) {
        let book = lock(&self.book);
        if book.decisions.is_empty() {
            return;
        }
        for group in groups {
            let ids: Vec<String> = (0..group.rules.len()).map(|i| super::files::id_of(group, i)).collect();
            let mut number = 0;
            group.rules.retain_mut(|rule| {
                let decision = book.decisions.get(&ids[number]).filter(|_| rule.alerting().is_some());
                number += 1;
                decision.into_iter().for_each(|d| d.apply(rule));
                decision.is_none_or(|d| !d.off)
            });
        }
    }

    /// A monitor is there, as it is written.
    pub(super) fn book_there(&self, id: &str, rule: &Rule, now_ms: i64) {
        if rule.alerting().is_some() {
            lock(&self.book).ledger.there(id, definition(rule), now_ms);
        }
    }

    /// How a monitor is after an evaluation.
    pub(super) fn book_judged(
        &self,
        id: &str,
        rule: &Rule,
        red_since_ms: Option<i64>,
        fired: u64,
        at_ms: i64,
    ) {
        let service = rule.label("service");
        let service = if service.contains("{{") { "" } else { service };
        let mut book = lock(&self.book);
        let is_news = book.ledger.judged(id, service, red_since_ms, fired, at_ms);
        book.is_dirty |= is_news;
    }

    /// Somebody looked at a monitor, or did something about it.
    pub fn book_note(&self, id: &str, event: Event, now_ms: i64) {
        let mut book = lock(&self.book);
        if event == Event::Seen {
            let last = book.seen_ms.insert(id.to_string(), now_ms);
            book.seen_ms.retain(|_, at| (now_ms - *at).abs() < SEEN_AGAIN_MS);
            if last.is_some_and(|at| (now_ms - at).abs() < SEEN_AGAIN_MS) {
                return;
            }
        }
        book.ledger.note(id, event, now_ms);
        book.is_dirty = true;
    }

    /// Something happened to alerts with these addresses; a monitor is counted once, however many are its.
    pub(super) fn book_alerts(&self, urls: &[String], event: Event, now_ms: i64) {
        let mut ids: Vec<&str> = urls.iter().filter_map(|u| Some(u.split_once("monitor=")?.1)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().for_each(|id| self.book_note(id, event, now_ms));
    }

    /// Somebody silenced what fires.
    pub(super) fn book_silenced(&self, silence: &Silence, now_ms: i64) {
        for group in self.groups() {
            let ids = group.each(|_, _, parsed, run| {
                let is_meant = run.state.active().any(|a| {
                    a.state == AlertState::Firing
                        && silence.matchers.iter().all(|m| m.matches(a.labels.get(&m.name)))
                });
                is_meant.then(|| parsed.id.clone())
            });
            ids.iter().flatten().for_each(|id| self.book_note(id, Event::Silenced, now_ms));
        }
    }

    /// The clock was set.
    pub(super) fn book_shift(&self, by_ms: i64) {
        lock(&self.book).ledger.shift(by_ms);
    }

    /// Writes the ledger, if there is news.
    pub(super) fn save_book(&self, now_ms: i64, is_end: bool) {
        let json = {
            let mut book = lock(&self.book);
            let is_due = is_end || (now_ms - book.saved_ms).abs() >= SAVE_PERIOD_MS;
            if !book.is_dirty || !is_due {
                return;
            }
            (book.is_dirty, book.saved_ms) = (false, now_ms);
            book.ledger.to_json()
        };
        if replace(&self.folder.join(LEDGER), json.to_string().as_bytes()).is_err() {
            self.counters.keep_errors.inc();
            lock(&self.book).is_dirty = true;
        }
    }

    /// What the review is made of, for each monitor that is there.
    pub fn review_facts(&self) -> Vec<Facts> {
        let mut out = Vec::new();
        for group in self.groups() {
            let each = group.each(|_, rule, parsed, run| {
                let alerting = rule.alerting()?;
                Some(Facts {
                    key: parsed.id.clone(),
                    id: parsed.id.clone(),
                    name: rule.name.clone(),
                    state: run.state.judgement().as_str(),
                    severity: rule.label("severity").to_string(),
                    for_ms: alerting.for_ms,
                    since_ms: run.state.since_ms(),
                })
            });
            out.extend(each.into_iter().flatten());
        }
        out
    }

    /// The ledger and the decisions, while nobody changes them.
    pub fn with_book<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&lock(&self.book))
    }

    /// Somebody says that a monitor made them do something.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` if the audit cannot be written.
    pub fn say_acted(&self, id: &str, who: &Who) -> Result<()> {
        let name = self.name_of_monitor(id)?;
        Audit::open(self.store.folder())?.note(now_ms(), "monitor_acted_on", who, json!({ "name": name }))?;
        self.book_note(id, Event::Acted, now_ms());
        self.save_book(now_ms(), true);
        Ok(())
    }

    /// Somebody asked for something from the page of a monitor, which is a look at it or a deed.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn note_from(&self, id: &str, event: Event) -> Result<String> {
        let name = self.name_of_monitor(id)?;
        self.book_note(id, event, now_ms());
        Ok(name)
    }

    pub(super) fn name_of_monitor(&self, id: &str) -> Result<String> {
        let named = |g: &super::LoadedGroup| {
            g.parsed.iter().position(|p| p.id == id).map(|at| g.group.rules[at].name.clone())
        };
        let found = self.groups().iter().find_map(|g| named(g));
        found.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "there is no monitor with this id; GET /api/v1/monitors lists all",
            )
        })
    }

    /// Takes a proposal of the review, for as long as nobody takes it back.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` if there are too many decisions; `Unavailable`.
    pub fn decide(&self, id: &str, take: &Take, who: &Who) -> Result<()> {
        let name = self.name_of_monitor(id)?;
        self.change_decisions(
            "monitor_decided",
            who,
            json!({ "id": id, "name": name, "take": take.to_json() }),
            |all| {
                if all.len() >= DECISIONS_MAX && !all.contains_key(id) {
                    let text =
                        format!("there are {DECISIONS_MAX} decisions already: change the rule files instead");
                    return Err(Error::new(ErrorKind::Conflict, text).bound(DECISIONS));
                }
                let decision = all.entry(id.to_string()).or_default();
                decision.add(take);
                (decision.name, decision.at_ms) = (name.clone(), now_ms());
                (decision.user, decision.reason) = (who.user.clone(), who.reason.clone());
                Ok(())
            },
        )
    }

    /// Takes all that was decided of a monitor back.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable`.
    pub fn undecide(&self, id: &str, who: &Who) -> Result<()> {
        self.change_decisions("monitor_decision_taken_back", who, json!({ "id": id }), |all| {
            let none = || Error::new(ErrorKind::NotFound, "nothing was decided of this monitor");
            all.remove(id).map(|_| ()).ok_or_else(none)
        })
    }

    fn change_decisions(
        &self,
        what: &str,
        who: &Who,
        details: Json,
        change: impl FnOnce(&mut BTreeMap<String, Decision>) -> Result<()>,
    ) -> Result<()> {
        let _one = lock(&CHANGES);
        let mut decisions = lock(&self.book).decisions.clone();
        change(&mut decisions)?;
        Audit::open(self.store.folder())?.note(now_ms(), what, who, details)?;
        let each: serde_json::Map<String, Json> =
            decisions.iter().map(|(id, d)| (id.clone(), d.to_json())).collect();
        let json = json!({ "format": FORMAT, "monitors": each });
        replace(&self.folder.join(DECISIONS_FILE), json.to_string().as_bytes())
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "decisions cannot be written", e))?;
        lock(&self.book).decisions = decisions;
        // Files are as they were; what is made of them is not.
        lock(&self.read).files.clear();
        self.read_files(now_ms());
        Ok(())
    }
}
