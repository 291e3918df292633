//! Evidence and directions in plain sentences. They say what was measured and beside what, never why; and no number that was
//! not counted.

use super::walk::Walk;
use super::{
    Differs, Direction, Entity, Event, Evidence, Fails, Held, Knowledge, SeriesSignal, Signals, Slower,
    Source,
};
use crate::changed::{Ask, Moved, sentence};
use crate::unit::title;
use model::Change;

/// Letters of a line that are quoted.
const QUOTED_MAX: usize = 120;

pub fn series(s: &SeriesSignal, moved: &Moved) -> String {
    let what = title(s.labels.name());
    let of = s.place.caller.as_ref().map_or(String::new(), |c| format!(" (calls from {c})"));
    let member = ["pod", "instance", "container", "device", "mountpoint"].iter();
    let member = member.map(|n| s.labels.get(n)).find(|v| !v.is_empty() && *v != s.place.entity.name);
    let member = member.map_or(String::new(), |m| format!(" on {m}"));
    format!("{what}{of}{member} {}", sentence(moved, &s.unit))
}

pub fn explained(s: &SeriesSignal, share: f64, callee: &str) -> String {
    let part = if share >= 0.7 { "most" } else { "a part" };
    format!("{callee}, which it calls, moved in {} too, and may explain {part} of it", title(s.labels.name()))
}

pub fn asked_more(s: &SeriesSignal, moved: &Moved) -> String {
    format!("it may only be asked more: {}", series(s, moved))
}

pub fn nothing_used(count: usize) -> String {
    match count {
        1 => "the one series of what it uses did not move".into(),
        n => format!("none of its {n} series of what it uses moved"),
    }
}

/// What an event is called.
fn event(signals: &Signals, event: &Event) -> String {
    match event {
        Event::Line(id) => quoted(signals.lines.get(id).map_or("a line", String::as_str)),
        Event::Place(id, place) => format!("{} of {place}", self::event(signals, &Event::Line(*id))),
        Event::Operation(name) => quoted(name),
        Event::Call(service) => format!("the call to {service}"),
    }
}

/// A text as it is quoted in a sentence; what varies in a template is left out.
fn quoted(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace().map(|w| if w.contains("<*>") { "\u{2026}" } else { w }) {
        if word != "\u{2026}" || words.last() != Some(&"\u{2026}") {
            words.push(word);
        }
    }
    let text = words.join(" ");
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("\u{201c}{}\u{2026}\u{201d}", &text[..end]),
        None => format!("\u{201c}{text}\u{201d}"),
    }
}

pub fn differs(signals: &Signals, d: &Differs) -> String {
    let what = event(signals, &d.event);
    let ((k, n), (k0, n0)) = (d.inside, d.before);
    match &d.companion {
        Some(companion) => {
            let no_longer = if k == 0 { "no longer comes" } else { "comes less often" };
            let with = event(signals, companion);
            format!("{what} {no_longer} with {with}: in {k} of {n} requests, before in {k0} of {n0}")
        }
        None if k0 == 0 => format!("{what} is new: in {k} of {n} requests"),
        None => format!("{what} in {k} of {n} requests, before in {k0} of {n0}"),
    }
}

pub fn slower(s: &Slower, of: &str) -> String {
    let (before, inside) = (duration(s.seconds.0), duration(s.seconds.1));
    let n = s.counts.0;
    match &s.callee {
        Some(callee) if callee == of => format!(
            "{} waits {inside} for it beyond its own work, before {before} ({n} calls, {})",
            s.service,
            quoted(&s.operation)
        ),
        Some(callee) => format!("its calls to {callee} wait {inside}, before {before} ({n} calls)"),
        None => format!("{} itself takes {inside}, before {before} ({n} spans)", quoted(&s.operation)),
    }
}

pub fn fails(f: &Fails) -> String {
    let ((k, n), (k0, n0)) = (f.inside, f.before);
    let what = quoted(&f.operation);
    format!("{what} fails with nothing below it failing: {k} of {n} spans, before {k0} of {n0}")
}

/// Two digits and a unit.
fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        _ => return "less than 1 ms".into(),
    };
    if value >= 10.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

pub fn change(change: &Change, ask: Option<&Ask>) -> String {
    let when = ask.map_or(String::new(), |ask| {
        let before_ms = ask.window.0 - change.time_ns / 1_000_000;
        if before_ms > 0 {
            format!(", {} before the window", span(before_ms))
        } else {
            ", within the window".into()
        }
    });
    let title = if change.title.is_empty() { &change.kind } else { &change.title };
    format!("{}: {title}{when}", change.kind)
}

pub fn rule(rule: &Held) -> String {
    let before = if rule.held_before { " It was so before, too." } else { "" };
    format!("{}{before}", rule.sentence)
}

fn span(ms: i64) -> String {
    match ms / 1000 {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

pub fn walked(path: &[String], step: usize) -> String {
    match step {
        0 => "it was noticed here".into(),
        _ => format!("the symptom leads here: {}", path[..=step].join(" \u{2192} ")),
    }
}

pub fn goes_on(callee: &str) -> String {
    format!("most of what it shows is seen in {callee}, which it calls")
}

pub fn later(first: &Entity, by_ms: i64) -> String {
    format!("it began {} after {}", span(by_ms), entity(first))
}

pub fn entity(entity: &Entity) -> String {
    match entity.part_of.as_str() {
        "" => entity.name.clone(),
        whole => format!("{} of {whole}", entity.name),
    }
}

pub fn direction(of: &Entity, speaks_for: &[Evidence], rules: usize) -> String {
    let first = speaks_for.iter().find(|e| !matches!(e.source, Source::Calls(_))).or(speaks_for.first());
    let Some(first) = first else { return format!("{}: more than its part of the excess", entity(of)) };
    let more = match speaks_for.len() + rules {
        0 | 1 => String::new(),
        2 => ", and another sign".into(),
        n => format!(", and {} other signs", n - 1),
    };
    format!("{}: {}{more}", entity(of), first.sentence)
}

pub fn answer(signals: &Signals, directions: &[Direction], walk: Option<&Walk>) -> String {
    let unseen = match (walk, &signals.symptom) {
        (Some(walk), Some(symptom)) if !walk.is_seen && !symptom.metric.is_empty() => {
            format!(
                " The symptom ({} of {}) itself does not show in this window.",
                symptom.metric, symptom.service
            )
        }
        _ => String::new(),
    };
    let count = directions.iter().filter(|d| d.stands_out).count();
    match (count > 0, count.max(usize::from(!directions.is_empty()))) {
        (false, 0) => format!("Nothing stands out: nothing moved against its baseline.{unseen}"),
        (false, _) => format!(
            "Nothing stands out. What follows is the least ordinary, and may well be ordinary.{unseen}"
        ),
        (true, 1) => format!("One place to look at.{unseen}"),
        (true, n) => format!("{n} places to look at, the first first.{unseen}"),
    }
}

/// Looking is free; what people do next may not be.
pub fn risk(strongest: Option<&Evidence>) -> &'static str {
    match strongest.map(|e| (e.knowledge, &e.source)) {
        Some((Knowledge::Changes, _)) => {
            "Looking costs nothing. Rolling back ends the evidence: capture logs and a profile first, and check that the rollback itself is safe."
        }
        Some((_, Source::Differs(_) | Source::Fails(_))) => {
            "Reading lines and traces costs nothing. A restart ends what is only in memory, and rarely mends a fault in code."
        }
        Some((_, Source::Slower(_))) => {
            "Reading traces costs nothing. A restart drops connections and caches, and its callers may retry all at once."
        }
        Some((Knowledge::Topology, _)) => {
            "Looking costs nothing. Acting on a callee touches all its callers: see who else calls it first."
        }
        _ => {
            "Looking costs nothing. A restart or more room may hide it for a while: take a profile first, while it shows."
        }
    }
}
