//! The past of a direction: the same signs at the same place before, the monitors that fired then and now, what people said in the
//! end, what was done and for how long it held, and whether it comes faster. It must never make a certainty of it, nor let advice
//! that nobody judged weigh for the next one: that would be an echo.

use super::given::{Given, Verdict};
use model::Change;
use model::time::format_rfc3339_ms;
use std::collections::BTreeSet;

/// Windows that begin closer together than this are one time, milliseconds.
pub const APART_MS: i64 = 15 * 60_000;
/// What was done within so long after the begin of a time, milliseconds, was done about it, as far as anybody can know.
const DONE_WITHIN_MS: i64 = 2 * 3_600_000;
/// How far back is looked, milliseconds: 30 days.
pub const BACK_MS: i64 = 30 * 86_400_000;
/// What it counts that people said of the same signs at the same place that it was there. It lifts, and never makes a direction
/// stand out.
const RIGHT_BEFORE_NATS: f64 = 1.5;
/// Dates that are told one by one.
const DATES_MAX: usize = 3;
/// Times between times that are told one by one.
const GAPS_MAX: usize = 6;
/// A gap counts as shorter if it is so much of the one before.
const FASTER: f64 = 0.8;

/// A time in which a monitor was red.
#[derive(Clone, Debug, PartialEq)]
pub struct Red {
    /// The monitor's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The service of its alerts, or "".
    pub service: String,
    /// From, milliseconds since 1970.
    pub from_ms: i64,
    /// Until; `None` if it still is.
    pub to_ms: Option<i64>,
}

/// Something that was captured.
#[derive(Clone, Debug, PartialEq)]
pub struct Captured {
    /// Its id.
    pub id: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// What is on record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Past<'a> {
    /// Advice, oldest first.
    pub given: &'a [Given],
    /// Monitors, in the order in which they became red.
    pub red: &'a [Red],
    /// Changes, in any order.
    pub changes: &'a [Change],
    /// Captures, in any order.
    pub captures: &'a [Captured],
}

/// Where it can be looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The times at which it was so, the newest first: windows in milliseconds.
    Times(Vec<(i64, i64)>),
    /// A monitor, by its id.
    Monitor(String),
    /// A change, by its id, and when, milliseconds since 1970.
    Change(String, i64),
    /// A capture, by its id.
    Capture(String),
}

/// One thing that is known of before.
#[derive(Clone, Debug, PartialEq)]
pub struct Was {
    /// Index into [`super::Signals::entities`].
    pub entity: usize,
    /// In one plain sentence, with dates.
    pub sentence: String,
    /// How much it counts.
    pub nats: f64,
    /// Whether it speaks against the direction.
    pub is_against: bool,
    /// Where to see it.
    pub then: Then,
}

/// A time at which it was so before.
struct Time<'a> {
    window: (i64, i64),
    said: Option<&'a (Verdict, String)>,
}

/// What is known of the same signs at the same place before the window. `names`: the thing's own, and of what it is part of.
pub fn before(
    past: &Past<'_>,
    entity: usize,
    names: &[&str],
    signs: &BTreeSet<String>,
    window: (i64, i64),
) -> Vec<Was> {
    let of = |sentence: String, then: Then| Was { entity, sentence, nats: 0.0, is_against: false, then };
    let mut said = Vec::new();
    let times = same_times(past, names, signs, window.0);
    let reds: Vec<Vec<&Red>> = reds_of(past, names, window);
    if let Some(last) = times.last() {
        let windows: Vec<(i64, i64)> = times.iter().rev().map(|t| t.window).collect();
        let ago = span(window.0 - last.window.0);
        said.push(match times.len() {
            1 => of(
                format!("the same signs were here before, {ago} ago: {}", dates(&windows)),
                Then::Times(windows),
            ),
            n => of(
                format!("the same signs were here {n} times in 30 days, last {ago} ago: {}", dates(&windows)),
                Then::Times(windows),
            ),
        });
        said.extend(judged(entity, &times));
    }
    for episodes in &reds {
        let windows: Vec<(i64, i64)> =
            episodes.iter().rev().map(|r| (r.from_ms, r.to_ms.unwrap_or(r.from_ms + APART_MS))).collect();
        let (n, first) = (episodes.len(), episodes[0]);
        let times = if n == 1 { "once".to_string() } else { format!("{n} times") };
        let sentence = format!(
            "{} is red now, and was {times} before in 30 days: {}",
            quoted(&first.name),
            dates(&windows)
        );
        said.push(of(sentence, Then::Monitor(first.id.clone())));
    }
    // All begins, of whichever kind there is more on record.
    let longest = reds.iter().map(|r| r.iter().map(|r| r.from_ms).collect::<Vec<_>>()).max_by_key(Vec::len);
    let mut begins: Vec<i64> = times.iter().map(|t| t.window.0).collect();
    if let Some(longest) = longest.filter(|l| l.len() > begins.len()) {
        begins = longest;
    }
    said.extend(done(past, entity, names, &begins, window.0));
    if let Some(faster) = faster(&begins, window.0) {
        let windows = begins.iter().rev().map(|b| (*b, b + APART_MS)).collect();
        said.push(of(faster, Then::Times(windows)));
    }
    let of_then =
        |c: &&Captured| begins.iter().any(|b| (b - APART_MS..=b + DONE_WITHIN_MS).contains(&c.at_ms));
    if let Some(capture) = past.captures.iter().filter(of_then).max_by_key(|c| c.at_ms) {
        let sentence = format!("there is a capture of {}", date(capture.at_ms));
        said.push(of(sentence, Then::Capture(capture.id.clone())));
    }
    said
}

/// Windows with the same signs, oldest first, each once.
fn same_times<'a>(past: &Past<'a>, names: &[&str], signs: &BTreeSet<String>, at_ms: i64) -> Vec<Time<'a>> {
    let Some(name) = names.first() else { return Vec::new() };
    let mut times: Vec<Time<'a>> = Vec::new();
    for given in past.given.iter().filter(|g| (at_ms - BACK_MS..at_ms - APART_MS).contains(&g.window.0)) {
        for place in given.places.iter().filter(|p| p.entity == *name && are_same(&p.signs, signs)) {
            times.push(Time { window: given.window, said: place.said.as_ref() });
        }
    }
    times.sort_by_key(|t| t.window.0);
    times.dedup_by(|later, earlier| {
        let is_one = later.window.0 - earlier.window.0 < APART_MS;
        if is_one && later.said.is_some() {
            earlier.said = later.said;
        }
        is_one
    });
    times
}

/// At least half of the signs of the one with fewer.
fn are_same(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let both = a.intersection(b).count();
    both > 0 && 2 * both >= a.len().min(b.len())
}

fn judged(entity: usize, times: &[Time<'_>]) -> Vec<Was> {
    let mut out = Vec::new();
    let of = |wanted: fn(Verdict) -> bool| {
        times
            .iter()
            .rev()
            .filter_map(move |t| t.said.filter(|(v, _)| wanted(*v)).map(|(v, why)| (t.window, *v, why)))
    };
    let because = |why: &String| if why.is_empty() { String::new() } else { format!(": {}", quoted(why)) };
    let right = of(|v| v == Verdict::Right).count();
    let wrong = of(|v| matches!(v, Verdict::Wrong | Verdict::Rejected)).count();
    if let Some((window, _, why)) = of(|v| v == Verdict::Right).next() {
        let sentence = match right {
            1 => format!("on {} it was here in the end, somebody said{}", date(window.0), because(why)),
            n => format!(
                "{n} times it was here in the end, somebody said, last on {}{}",
                date(window.0),
                because(why)
            ),
        };
        let nats = if right > wrong { RIGHT_BEFORE_NATS } else { 0.0 };
        out.push(Was { entity, sentence, nats, is_against: false, then: Then::Times(vec![window]) });
    }
    if let Some((window, verdict, why)) = of(|v| matches!(v, Verdict::Wrong | Verdict::Rejected)).next() {
        let what = if verdict == Verdict::Wrong { "it was elsewhere in the end" } else { "it was rejected" };
        let sentence =
            format!("with the same signs {what} on {}, somebody said{}", date(window.0), because(why));
        out.push(Was { entity, sentence, nats: 0.0, is_against: true, then: Then::Times(vec![window]) });
    }
    out
}

/// For each monitor that is red about now: its earlier episodes, oldest first.
fn reds_of<'a>(past: &Past<'a>, names: &[&str], window: (i64, i64)) -> Vec<Vec<&'a Red>> {
    let is_of = |r: &&Red| !r.service.is_empty() && names.contains(&r.service.as_str());
    let is_now = |r: &&Red| r.from_ms <= window.1 && r.to_ms.is_none_or(|to| to >= window.0);
    let mut out: Vec<Vec<&'a Red>> = Vec::new();
    for now in past.red.iter().filter(is_of).filter(is_now) {
        if out.iter().any(|r| r[0].id == now.id) {
            continue;
        }
        let begin = now.from_ms.min(window.0);
        let is_earlier =
            |r: &&Red| r.id == now.id && (begin - BACK_MS..begin).contains(&r.from_ms) && !is_now(r);
        let earlier: Vec<&Red> = past.red.iter().filter(is_earlier).collect();
        if !earlier.is_empty() {
            out.push(earlier);
        }
    }
    out
}

/// What followed most often, and how long it was until the next time.
fn done(past: &Past<'_>, entity: usize, names: &[&str], begins: &[i64], at_ms: i64) -> Option<Was> {
    let is_of = |c: &&Change| names.iter().any(|n| c.service == *n || c.service.is_empty() && c.host == *n);
    let next = |i: usize| begins.get(i + 1).copied().unwrap_or(at_ms);
    // (title, the change, how long it was until the next time), newest last.
    let mut followed: Vec<(&str, &Change, i64)> = Vec::new();
    for (i, begin) in begins.iter().enumerate() {
        let until = (begin + DONE_WITHIN_MS).min(next(i));
        let after = |c: &&Change| (*begin..=until).contains(&(c.time_ns / 1_000_000));
        if let Some(change) = past.changes.iter().filter(is_of).filter(after).max_by_key(|c| c.time_ns) {
            let title = if change.title.is_empty() { &change.kind } else { &change.title };
            followed.push((title, change, next(i) - change.time_ns / 1_000_000));
        }
    }
    let (last_title, last, _) = *followed.last()?;
    let same: Vec<i64> =
        followed.iter().filter(|(t, c, _)| *t == last_title || c.kind == last.kind).map(|f| f.2).collect();
    let held: Vec<String> = same[same.len().saturating_sub(GAPS_MAX)..].iter().map(|ms| span(*ms)).collect();
    let of = match begins.len() {
        1 => String::new(),
        n => format!(", {} of {n} times", same.len()),
    };
    let outcome = match last.attributes.get("outcome") {
        Some(outcome) if !outcome.is_empty() => format!("; marked as {}", quoted(outcome)),
        _ => String::new(),
    };
    let sentence = format!(
        "what was done then{of}: {} ({}); it was {} until the next time{outcome}",
        quoted(last_title),
        date(last.time_ns / 1_000_000),
        held.join(", ")
    );
    Some(Was {
        entity,
        sentence,
        nats: 0.0,
        is_against: false,
        then: Then::Change(last.id.clone(), last.time_ns / 1_000_000),
    })
}

fn faster(begins: &[i64], at_ms: i64) -> Option<String> {
    let all: Vec<i64> = begins.iter().copied().chain(std::iter::once(at_ms)).collect();
    let gaps: Vec<i64> = all.windows(2).map(|w| w[1] - w[0]).collect();
    let shrinks = |w: &[i64]| (w[1] as f64) < FASTER * w[0] as f64;
    if gaps.len() < 2 || !gaps.windows(2).all(shrinks) {
        return None;
    }
    let told: Vec<String> = gaps[gaps.len().saturating_sub(GAPS_MAX)..].iter().map(|g| span(*g)).collect();
    Some(format!("it comes faster: {} between the times", told.join(", ")))
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    format!("\u{201c}{short}{}\u{201d}", if short.len() < text.len() { "\u{2026}" } else { "" })
}

/// `2026-11-19 03:14 UTC`.
fn date(ms: i64) -> String {
    let text = format_rfc3339_ms(ms);
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

fn dates(windows: &[(i64, i64)]) -> String {
    let told: Vec<String> = windows.iter().take(DATES_MAX).map(|w| date(w.0)).collect();
    let more = if windows.len() > DATES_MAX { " and earlier" } else { "" };
    told.join(", ") + more
}

fn span(ms: i64) -> String {
    match ms / 60_000 {
        m if m < 120 => format!("{m} min"),
        m if m < 48 * 60 => format!("{} h", m / 60),
        m => format!("{} days", m / 1_440),
    }
}

#[cfg(test)]
mod tests;
