//! What people read first: what is broken, for whom, since when, the value against the limit. Short, the same in every
//! channel. It must never call something fine that only stopped telling.

use super::Alert;
use super::dispatch::Notification;
use crate::alert::{BLIND, STATE_LABEL};
use crate::template::{humanize, significant};
use model::Labels;
use model::time::{format_duration_ms, format_rfc3339_ms};

/// Labels that say whom it concerns, the first that is there.
const WHOM: &[&str] = &["service", "slo", "job", "namespace", "cluster", "instance", "host", "device"];
/// The most characters of the first line.
const LINE_CHARS_MAX: usize = 250;

/// The first line of a notification.
pub fn headline(n: &Notification) -> String {
    let firing: Vec<&Alert> = n.firing().collect();
    let line = match firing.as_slice() {
        [] => over(n),
        [one] => format!("{}: {}", mark(one), alert_line(one, n.at_ms)),
        [first, ..] => {
            let count = firing.len() + n.left_out;
            let names = distinct(&firing, |a| name(&a.labels).to_string());
            let whom = distinct(&firing, |a| whom(&a.labels));
            let since = firing.iter().map(|a| a.starts_at_ms).min().unwrap_or(first.starts_at_ms);
            format!("{}: {count} x {names} for {whom}, since {}", mark(first), since_words(since, n.at_ms))
        }
    };
    cut(&line, LINE_CHARS_MAX)
}

/// One alert in a line: what, for whom, the value against the limit, since when.
pub fn alert_line(alert: &Alert, at_ms: i64) -> String {
    if is_of_blindness(&alert.labels) {
        let (name, whom) = (name(&alert.labels), whom(&alert.labels));
        let (why, since) = (alert.annotation("summary"), since_words(alert.starts_at_ms, at_ms));
        return format!("{name} for {whom} cannot be judged: {why}, since {since}");
    }
    let what = match alert.annotation("summary") {
        "" => format!("{} for {}", name(&alert.labels), whom(&alert.labels)),
        summary => format!("{}: {summary}", name(&alert.labels)),
    };
    let value = match (alert.value, alert.limit.as_str()) {
        (None, _) => String::new(),
        (Some(v), "") => format!(", at {}", figure(v)),
        (Some(v), limit) => format!(", {} where {limit} is too much", figure(v)),
    };
    let value = value.replace("where < ", "where less than ").replace("where <= ", "where at most ");
    let value = value.replace("where > ", "where more than ").replace("where >= ", "where at least ");
    let value = value.replace("where == ", "where exactly ").replace("where != ", "where anything but ");
    format!("{what}{value}, since {}", since_words(alert.starts_at_ms, at_ms))
}

fn over(n: &Notification) -> String {
    let all: Vec<&Alert> = n.alerts.iter().collect();
    let names = distinct(&all, |a| name(&a.labels).to_string());
    let whom = distinct(&all, |a| whom(&a.labels));
    let began = all.iter().map(|a| a.starts_at_ms).min().unwrap_or(n.at_ms);
    let ended = all.iter().filter_map(|a| a.ends_at_ms).max().unwrap_or(n.at_ms);
    let lasted = duration(ended - began);
    if all.iter().all(|a| is_of_blindness(&a.labels)) {
        return format!("SEES AGAIN: {names} for {whom}, after {lasted}");
    }
    if all.iter().any(|a| a.is_blind) {
        return format!(
            "NO DATA: {names} for {whom} fired for {lasted}; nothing comes any more, so it is not known to be fine"
        );
    }
    format!("RESOLVED: {names} for {whom}, after {lasted}")
}

/// Whether an alert says that a monitor sees nothing, and not that its condition is met.
fn is_of_blindness(labels: &Labels) -> bool {
    labels.get(STATE_LABEL) == BLIND
}

fn mark(alert: &Alert) -> &'static str {
    match alert.labels.get("severity") {
        _ if is_of_blindness(&alert.labels) => "BLIND",
        "critical" | "page" => "PAGE",
        "info" | "none" => "INFO",
        _ => "ALERT",
    }
}

/// The alert's name.
pub fn name(labels: &Labels) -> &str {
    match labels.get("alertname") {
        "" => "alert",
        name => name,
    }
}

/// Whom it concerns, in a word or two.
pub fn whom(labels: &Labels) -> String {
    let found: Vec<&str> = WHOM.iter().map(|n| labels.get(n)).filter(|v| !v.is_empty()).take(2).collect();
    if found.is_empty() { "everything".into() } else { found.join(" ") }
}

/// `03:14 UTC (6m)`.
pub fn since_words(since_ms: i64, at_ms: i64) -> String {
    let text = format_rfc3339_ms(since_ms);
    let (day, clock) = text.split_once('T').unwrap_or(("", &text));
    let clock: String = clock.chars().take(5).collect();
    let is_long = at_ms - since_ms > 20 * 3_600_000;
    let day = if is_long { format!("{day} ") } else { String::new() };
    format!("{day}{clock} UTC ({})", duration(at_ms - since_ms))
}

/// At most two units: `6m`, `2h5m`, `3d4h`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let unit = match ms {
        0..60_000 => 1_000,
        60_000..3_600_000 => 60_000,
        3_600_000..172_800_000 => 60_000,
        _ => 3_600_000,
    };
    format_duration_ms(ms / unit * unit)
}

fn distinct(alerts: &[&Alert], of: impl Fn(&Alert) -> String) -> String {
    let mut all: Vec<String> = alerts.iter().map(|a| of(a)).collect();
    all.sort();
    all.dedup();
    match all.len() {
        0..=3 => all.join(", "),
        n => format!("{} and {} more", all[..2].join(", "), n - 2),
    }
}

/// At most so many characters.
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_string();
    }
    text.chars().take(chars_max - 1).chain(['…']).collect()
}

/// A number as people read it: `0.1234`, `57`, `1.235M`.
pub fn figure(value: f64) -> String {
    let is_plain = value == 0.0 || (0.001..10_000.0).contains(&value.abs());
    if is_plain { significant(value, 4) } else { humanize(value) }
}

/// What to know and to do, a line each; empty ones left out.
pub fn details(alert: &Alert) -> Vec<(&'static str, String)> {
    [
        ("What", "description"),
        ("What", "message"),
        ("Why it matters", "why"),
        ("What to do", "action"),
        ("Runbook", "runbook_url"),
        ("Dashboard", "dashboard_url"),
        ("Owner", "owner"),
    ]
    .into_iter()
    .map(|(title, key)| (title, cut(alert.annotation(key), 1_000)))
    .filter(|(_, text)| !text.is_empty())
    .collect()
}
