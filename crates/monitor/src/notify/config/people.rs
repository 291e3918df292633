//! Reads who is told when: times, people, rotas, escalations. What names something that is not there is said with its
//! line, and left out.

use super::{Config, Reader, Receiver, Table, TargetKind};
use crate::notify::escalate::{Escalation, Step};
use crate::notify::rota::{Layer, Override, Person, Rota, instant_ms, wall_time};
use crate::notify::route::Route;
use crate::notify::times::{self, Span, TimeInterval};
use chrono_tz::Tz;
use document::{Node, did_you_mean};

/// The most of each kind in one file.
const LIST_MAX: usize = 1_000;
/// The most steps of an escalation, and layers of a rota.
const STEPS_MAX: usize = 50;
/// The most repetitions of an escalation.
const REPEAT_MAX: u32 = 20;
/// How far ahead gaps in rotas are looked for.
const GAPS_AHEAD_MS: i64 = 28 * 86_400_000;

const SPAN: &[&str] = &["times", "weekdays", "days_of_month", "months", "years", "location"];

impl Config {
    /// Whether somebody may be told of a route's alerts at that time.
    pub fn may_tell(&self, route: &Route, at_ms: i64) -> bool {
        let has_escalation = self.escalations.iter().any(|e| Some(&e.name) == route.escalation.as_ref());
        let has_receiver = has_escalation || self.receivers.iter().any(|r| r.name == route.receiver);
        has_receiver && route.is_active(at_ms)
    }

    /// Times of the next weeks at which a rota names nobody, in words.
    pub fn gaps(&self, now_ms: i64) -> Vec<String> {
        let mut out = Vec::new();
        for rota in &self.rotas {
            let shifts = rota.shifts(now_ms, now_ms + GAPS_AHEAD_MS, &[]);
            if let Some(gap) = shifts.iter().find(|s| s.person.is_none()) {
                let words = |ms| crate::notify::rota::wall_words(ms, rota.zone);
                out.push(format!(
                    "the rota {:?} names nobody from {} to {}: everybody in it is told then",
                    rota.name,
                    words(gap.from_ms),
                    words(gap.to_ms)
                ));
            }
        }
        out
    }
}

impl Reader<'_> {
    /// A name that has to be among others.
    fn known<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        names: &mut dyn Iterator<Item = &str>,
    ) -> Option<&'n str> {
        let name = node.text().unwrap_or("");
        let names: Vec<&str> = names.collect();
        if names.contains(&name) {
            return Some(name);
        }
        let hint = did_you_mean(name, names);
        let short: String = name.chars().take(100).collect();
        self.problems.error(node.line, format!("there is no {what} {short:?}{hint}"));
        None
    }

    fn named<'n>(
        &mut self,
        top: &Table<'n>,
        key: &str,
        known: &[&str],
    ) -> Vec<(Table<'n>, &'n Node, String)> {
        let mut out: Vec<(Table<'n>, &'n Node, String)> = Vec::new();
        for node in self.list(top.get(key), key).into_iter().take(LIST_MAX) {
            let Some(table) = self.table(node, key, known) else { continue };
            let name = table.text("name").unwrap_or("").to_string();
            if name.is_empty() || out.iter().any(|(_, _, n)| *n == name) {
                let what = format!("{key}: each needs a name of its own, {name:?} is none");
                self.problems.error(node.line, what);
                continue;
            }
            out.push((table, node, name));
        }
        out
    }

    fn texts<T>(&mut self, table: &Table<'_>, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut out = Vec::new();
        for node in self.list(table.get(key), key) {
            match read(node.text().unwrap_or("")) {
                Ok(value) => out.push(value),
                Err(e) => self.problems.error(node.line, format!("{key}: {e}")),
            }
        }
        out
    }

    pub(super) fn time_intervals(&mut self, top: &Table<'_>) -> Vec<TimeInterval> {
        let list = self.named(top, "time_intervals", &["name", "time_intervals"]);
        list.into_iter()
            .map(|(table, _, name)| {
                let spans = self.list(table.get("time_intervals"), "time_intervals");
                TimeInterval { name, spans: spans.into_iter().filter_map(|n| self.span(n)).collect() }
            })
            .collect()
    }

    fn span(&mut self, node: &Node) -> Option<Span> {
        let before = self.problems.list.len();
        let table = self.table(node, "a time interval", SPAN)?;
        let mut clock = Vec::new();
        for node in self.list(table.get("times"), "times") {
            let Some(range) = self.table(node, "times", &["start_time", "end_time"]) else { continue };
            let read = |key: &str| times::minute_of_day(range.text(key).unwrap_or(""));
            match (read("start_time"), read("end_time")) {
                (Ok(from), Ok(to)) if from < to => clock.push((from, to)),
                (Err(e), _) | (_, Err(e)) => self.problems.error(node.line, e),
                _ => self
                    .problems
                    .error(node.line, "end_time has to be later than start_time; write two for a night"),
            }
        }
        let zone = table.get("location").map(|n| (n.line, times::zone(n.text().unwrap_or(""))));
        let zone = match zone {
            Some((line, Err(e))) => {
                self.problems.error(line, e);
                None
            }
            other => other.and_then(|(_, zone)| zone.ok()),
        };
        let span = Span {
            times: clock,
            weekdays: self.texts(&table, "weekdays", times::weekdays),
            days_of_month: self.texts(&table, "days_of_month", times::days_of_month),
            months: self.texts(&table, "months", times::months),
            years: self.texts(&table, "years", times::years),
            zone,
        };
        // Half of a condition would match at other times than were meant.
        let is_bad = self.problems.list[before..].iter().any(|p| p.is_error);
        (!is_bad).then_some(span)
    }

    /// The times that a list names.
    pub(super) fn times_of(
        &mut self,
        table: &Table<'_>,
        key: &str,
        all: &[TimeInterval],
    ) -> Vec<TimeInterval> {
        let mut out = Vec::new();
        for node in self.list(table.get(key), key) {
            let name = self.known(node, "time interval", &mut all.iter().map(|t| t.name.as_str()));
            out.extend(name.and_then(|name| all.iter().find(|t| t.name == name)).cloned());
        }
        out
    }

    pub(super) fn people(&mut self, top: &Table<'_>, receivers: &[Receiver]) -> Vec<Person> {
        let mut out = Vec::new();
        for (table, node, name) in self.named(top, "people", &["name", "receiver"]) {
            let node = table.get("receiver").unwrap_or(node);
            let Some(receiver) = self.known(node, "receiver", &mut receivers.iter().map(|r| r.name.as_str()))
            else {
                continue;
            };
            let receiver = receiver.to_string();
            out.push(Person { name, receiver });
        }
        out
    }

    pub(super) fn rotas(&mut self, top: &Table<'_>, people: &[Person], all: &[TimeInterval]) -> Vec<Rota> {
        let mut out = Vec::new();
        for (table, node, name) in self.named(top, "rotas", &["name", "time_zone", "layers", "overrides"]) {
            let zone = match times::zone(table.text("time_zone").unwrap_or("UTC")) {
                Ok(zone) => zone,
                Err(e) => {
                    self.problems.error(table.get("time_zone").map_or(node.line, |n| n.line), e);
                    continue;
                }
            };
            let layers = self.list(table.get("layers"), "layers").into_iter().take(STEPS_MAX);
            let layers: Vec<Layer> = layers.filter_map(|n| self.layer(n, people, all)).collect();
            let overrides = self.list(table.get("overrides"), "overrides").into_iter().take(LIST_MAX);
            let overrides = overrides.filter_map(|n| self.one_override(n, &name, zone, people)).collect();
            if layers.is_empty() {
                self.problems.error(node.line, format!("the rota {name:?} has no layer with people in it"));
                continue;
            }
            out.push(Rota { name, zone, layers, overrides });
        }
        out
    }

    fn person(&mut self, node: &Node, people: &[Person]) -> Option<String> {
        self.known(node, "person", &mut people.iter().map(|p| p.name.as_str())).map(str::to_string)
    }

    fn layer(&mut self, node: &Node, people: &[Person], all: &[TimeInterval]) -> Option<Layer> {
        let table = self.table(node, "a layer", &["name", "people", "start", "every", "during"])?;
        let turns = self.list(table.get("people"), "people").into_iter().take(LIST_MAX);
        let turns: Vec<String> = turns.filter_map(|n| self.person(n, people)).collect();
        let start = match wall_time(table.text("start").unwrap_or("")) {
            Ok(start) => start,
            Err(e) => {
                self.problems.error(node.line, format!("a layer needs a start, the first hand-over: {e}"));
                return None;
            }
        };
        let every_ms = self.duration(&table, "every").unwrap_or(7 * 86_400_000).max(60_000);
        let during = self.times_of(&table, "during", all);
        let every = chrono::Duration::milliseconds(every_ms);
        (!turns.is_empty()).then_some(Layer { people: turns, start, every, during })
    }

    fn one_override(&mut self, node: &Node, rota: &str, zone: Tz, people: &[Person]) -> Option<Override> {
        let table = self.table(node, "an override", &["person", "from", "to"])?;
        let person = self.person(table.get("person").unwrap_or(node), people)?;
        let read = |key: &str| wall_time(table.text(key).unwrap_or("")).map(|t| instant_ms(t, zone));
        match (read("from"), read("to")) {
            (Ok(from_ms), Ok(to_ms)) if from_ms < to_ms => {
                Some(Override { id: String::new(), rota: rota.to_string(), person, from_ms, to_ms })
            }
            (Err(e), _) | (_, Err(e)) => {
                self.problems.error(node.line, format!("an override says from and to: {e}"));
                None
            }
            _ => {
                self.problems.error(node.line, "an override ends after it begins");
                None
            }
        }
    }

    pub(super) fn escalations(&mut self, top: &Table<'_>, receivers: &[Receiver]) -> Vec<Escalation> {
        let mut out = Vec::new();
        for (table, node, name) in
            self.named(top, "escalations", &["name", "steps", "repeat", "repeat_after"])
        {
            let mut steps: Vec<Step> = Vec::new();
            for step in self.list(table.get("steps"), "steps").into_iter().take(STEPS_MAX) {
                let Some(keys) = self.table(step, "a step", &["after", "receivers"]) else { continue };
                let mut names = Vec::new();
                for node in self.list(keys.get("receivers"), "receivers") {
                    let known = self.known(node, "receiver", &mut receivers.iter().map(|r| r.name.as_str()));
                    names.extend(known.map(str::to_string));
                }
                // Each step counts from the one before.
                let before_ms = steps.last().map_or(0, |s| s.after_ms);
                let after_ms = before_ms + self.duration(&keys, "after").unwrap_or(0);
                steps.push(Step { after_ms, receivers: names });
            }
            if steps.iter().all(|s| s.receivers.is_empty()) {
                self.problems.error(node.line, format!("the escalation {name:?} tells nobody"));
                continue;
            }
            let repeat = table.text("repeat").map_or(Ok(0), str::parse::<u32>);
            let repeat = repeat.unwrap_or_else(|_| {
                self.problems.error(node.line, format!("{name}: repeat is a whole number"));
                0
            });
            let last_ms = steps.last().map_or(0, |s| s.after_ms);
            let pause_ms = self.duration(&table, "repeat_after").unwrap_or(1_800_000).max(60_000);
            let repeat = repeat.min(REPEAT_MAX);
            out.push(Escalation { name, steps, repeat, round_ms: last_ms + pause_ms });
        }
        out
    }

    /// Receivers that name a rota name one that is there.
    pub(super) fn check_rotas(&mut self, receivers: &mut Vec<Receiver>, rotas: &[Rota], line: usize) {
        for receiver in receivers {
            let name = receiver.name.clone();
            receiver.targets.iter().filter(|t| t.kind == TargetKind::OnCall).for_each(|t| {
                let rota = t.option("rota");
                if !rotas.iter().any(|r| r.name == rota) {
                    let hint = did_you_mean(rota, rotas.iter().map(|r| r.name.as_str()));
                    self.problems.error(line, format!("{name}: there is no rota {rota:?}{hint}"));
                }
            });
        }
    }
}
