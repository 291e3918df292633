//! The rule file in the data folder: monitors that were made on a page or by a request. It is an ordinary rule file, which
//! people may edit and take elsewhere; what is added stands at its end, what is removed is cut out by its lines, and all
//! else stays as it is. Each change is in the audit before it is done.

use super::files::{OWN_FILE, check};
use super::keep::{replace, write_silences};
use super::{Monitors, lock};
use crate::clock::now_ms;
use monitor::notify::dispatch::Notifier;
use monitor::notify::silence::Silence;
use monitor::read;
use serde_json::{Value as Json, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use stdx::{Error, ErrorKind, Result};
use store::audit::{Audit, Who};

/// The longest file, in bytes.
const FILE_BYTES_MAX: usize = 4 << 20;
/// The most characters of a text.
const TEXT_CHARS_MAX: usize = 4_000;
const HEAD: &str = "\
# Monitors that were made on Midwatch's pages, or by its API. A rule file of Prometheus: edit it as you like.
groups:
";

/// One change of the file or of silences at a time, so that none is lost.
pub(super) static CHANGES: Mutex<()> = Mutex::new(());

/// What somebody wants to be watched.
#[derive(Clone, Debug)]
pub struct NewMonitor {
    name: String,
    expr: String,
    for_text: String,
    interval: String,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
}

impl NewMonitor {
    /// Reads a request.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn from_json(json: &Json) -> Result<NewMonitor, String> {
        let text = |key: &str| -> String {
            json[key].as_str().unwrap_or("").trim().chars().take(TEXT_CHARS_MAX).collect()
        };
        let pairs = |key: &str| -> Result<Vec<(String, String)>, String> {
            match &json[key] {
                Json::Null => Ok(Vec::new()),
                object => monitor::notify::pairs(object).ok_or_else(|| format!("{key:?} has to hold texts")),
            }
        };
        let (name, expr) = (text("name"), text("expr"));
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err("\"name\" is missing: it is what people read first".into());
        }
        if expr.is_empty() {
            return Err("\"expr\" is missing: the condition, such as node_load1 > 4".into());
        }
        check(&expr).map_err(|e| format!("\"expr\": {e}"))?;
        let new = NewMonitor {
            name,
            expr,
            for_text: text("for"),
            interval: text("interval"),
            labels: pairs("labels")?,
            annotations: pairs("annotations")?,
        };
        // What is written is read back, as it will be from the file.
        let file = read::read(OWN_FILE, &format!("{HEAD}{}", new.group("new")), 15_000, &check);
        match file.problems.iter().find(|p| p.is_error) {
            Some(problem) => Err(problem.what.clone()),
            None => Ok(new),
        }
    }

    /// The rule as it is written.
    pub fn yaml(&self) -> String {
        self.group(&self.name)
    }

    /// A group with this rule alone. JSON's texts are YAML's, whatever is in them.
    fn group(&self, name: &str) -> String {
        let text = |t: &str| Json::from(t).to_string();
        let mut out = format!("  - name: {}\n", text(name));
        if !self.interval.is_empty() {
            out += &format!("    interval: {}\n", self.interval.replace(char::is_whitespace, ""));
        }
        out +=
            &format!("    rules:\n      - alert: {}\n        expr: {}\n", text(&self.name), text(&self.expr));
        if !self.for_text.is_empty() {
            out += &format!("        for: {}\n", text(&self.for_text));
        }
        for (key, pairs) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !pairs.is_empty() {
                out += &format!("        {key}:\n");
                pairs.iter().for_each(|(n, v)| out += &format!("          {}: {}\n", text(n), text(v)));
            }
        }
        out
    }
}

/// Adds a monitor to the file in the data folder, and evaluates it from now on; returns its id.
///
/// # Errors
/// `Conflict` if there is one of that name in it; `Unavailable` if it or the audit cannot be written.
pub fn add_monitor(monitors: &Monitors, new: &NewMonitor, who: &Who) -> Result<String> {
    let _one = lock(&CHANGES);
    let before = text_of(monitors)?;
    let read_back = |text: &str| read::read(OWN_FILE, text, monitors.settings.interval_ms, &check);
    if read_back(&before).groups.iter().any(|g| g.name == new.name) {
        let text = format!("there is a monitor {:?} already; give this one another name", new.name);
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let after = format!("{}{}", if before.trim().is_empty() { HEAD } else { &before }, new.group(&new.name));
    let file = read_back(&after);
    if !file.is_readable || !file.groups.iter().any(|g| g.name == new.name) || after.len() > FILE_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "{} does not end in a way that a group can be added to; add it by hand",
                monitors.own_file().display()
            ),
        ));
    }
    let details = json!({ "name": new.name, "expr": new.expr });
    change(monitors, "monitor_added", who, details, &after)?;
    let groups = monitors.groups();
    let own = groups.iter().find(|g| g.group.file == OWN_FILE && g.group.name == new.name);
    let id = own.and_then(|g| g.parsed.first()).map(|p| p.id.clone());
    id.ok_or_else(|| Error::new(ErrorKind::Internal, "the monitor was written, and not found again"))
}

/// Removes a monitor that stands in the file in the data folder.
///
/// # Errors
/// `NotFound`; `Conflict` if it stands elsewhere; `Unavailable`.
pub fn remove_monitor(monitors: &Monitors, id: &str, who: &Who) -> Result<()> {
    let _one = lock(&CHANGES);
    let groups = monitors.groups();
    let found = groups.iter().find_map(|g| {
        let at = g.parsed.iter().position(|p| p.id == id)?;
        Some((g, at))
    });
    let Some((group, at)) = found else {
        return Err(Error::new(ErrorKind::NotFound, "there is no monitor with this id"));
    };
    if group.group.file != OWN_FILE {
        let text = format!("it stands in {}: remove it there", group.group.file);
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let before = text_of(monitors)?;
    let after = without(&before, &group.group, at)?;
    change(monitors, "monitor_removed", who, json!({ "name": group.group.rules[at].name }), &after)
}

/// The text without a rule: without its group if it is the only one.
fn without(text: &str, group: &monitor::Group, at: usize) -> Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first = if group.rules.len() == 1 { group.line } else { group.rules[at].line };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let start = first - 1;
    let own = lines.get(start).map_or(0, |l| indent(l));
    // It goes on as long as lines are further in, or empty.
    let rest = lines[(start + 1).min(lines.len())..].iter();
    let length = rest.take_while(|l| l.trim().is_empty() || indent(l) > own).count();
    let end = start + 1 + length;
    let after: String = lines[..start].iter().chain(&lines[end.min(lines.len())..]).copied().collect();
    let file = read::read(OWN_FILE, &after, 15_000, &check);
    let is_gone = file.is_readable
        && !file.groups.iter().any(|g| {
            g.name == group.name && (group.rules.len() == 1 || g.rules.len() != group.rules.len() - 1)
        });
    let text = "the file is written in a way that a rule cannot be cut out of; remove it by hand";
    if is_gone { Ok(after) } else { Err(Error::new(ErrorKind::Conflict, text)) }
}

fn text_of(monitors: &Monitors) -> Result<String> {
    match std::fs::read_to_string(monitors.own_file()) {
        Ok(text) if text.ends_with('\n') || text.is_empty() => Ok(text),
        Ok(text) => Ok(text + "\n"),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(Error::wrap(ErrorKind::Unavailable, "the file of own monitors cannot be read", e)),
    }
}

fn change(monitors: &Monitors, what: &str, who: &Who, details: Json, after: &str) -> Result<()> {
    Audit::open(monitors.store.folder())?.note(now_ms(), what, who, details)?;
    replace(&monitors.own_file(), after.as_bytes())
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the file of own monitors cannot be written", e))?;
    monitors.read_files(now_ms());
    Ok(())
}

/// Changes silences, keeps them, and notes who did it and why.
///
/// # Errors
/// What `change` says; `Unavailable` if they or the audit cannot be written.
pub fn keep_silences(
    monitors: &Monitors,
    address: &str,
    what: &str,
    silence: &Silence,
    change: impl FnOnce(&mut Notifier) -> Result<()>,
) -> Result<()> {
    let _one = lock(&CHANGES);
    let who = Who {
        user: silence.author.clone(),
        address: address.to_string(),
        reason: silence.reason.clone(),
        ..Who::default()
    };
    let matchers: Vec<String> =
        silence.matchers.iter().map(|m| format!("{}{}{:?}", m.name, m.op.as_str(), m.value)).collect();
    let details = json!({ "id": silence.id, "matchers": matchers, "ends_at_ms": silence.ends_at_ms });
    Audit::open(monitors.store.folder())?.note(now_ms(), what, &who, details)?;
    let silences = {
        let mut notify = monitors.notify();
        change(&mut notify.notifier)?;
        notify.notifier.silences().to_vec()
    };
    write_silences(monitors.folder(), &silences)
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "silences cannot be written", e))?;
    if what == "silence" {
        monitors.book_silenced(silence, now_ms());
    }
    monitors.wake();
    Ok(())
}

/// A name for a new silence.
pub fn new_id(now_ms: i64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Relaxed);
    format!("{now_ms:012x}-{next:04x}-{:08x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str) -> NewMonitor {
        let json = json!({
            "name": name, "expr": "up == 0", "for": "1m", "labels": { "severity": "page" },
            "annotations": { "summary": "{{ $labels.instance }}: \"down\"\nsince long" },
        });
        NewMonitor::from_json(&json).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_and_cut_out_again() {
        let text = format!("{HEAD}{}{}", new("One: x").group("One: x"), new("Two").group("Two"));
        let file = read::read(OWN_FILE, &text, 15_000, &check);
        assert_eq!(file.problems, []);
        assert_eq!(file.groups.len(), 2);
        let rule = &file.groups[0].rules[0];
        assert_eq!(
            rule.alerting().unwrap().annotations[0].1.text(),
            "{{ $labels.instance }}: \"down\"\nsince long"
        );
        let left = without(&text, &file.groups[0], 0).unwrap();
        assert_eq!(left, format!("{HEAD}{}", new("Two").group("Two")));
        let left = without(&left, &read::read(OWN_FILE, &left, 1, &check).groups[0], 0).unwrap();
        assert_eq!(left, HEAD);
        // A file that somebody has edited: one of two rules goes, the comments stay.
        let edited = "groups:\n  - name: g\n    rules:\n      # first\n      - alert: A\n        expr: up == 0\n\n      - alert: B\n        expr: up == 1\n# end\n";
        let file = read::read(OWN_FILE, edited, 1, &check);
        let left = without(edited, &file.groups[0], 0).unwrap();
        assert_eq!(
            left,
            "groups:\n  - name: g\n    rules:\n      # first\n      - alert: B\n        expr: up == 1\n# end\n"
        );
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (json, part) in [
            (json!({ "expr": "up" }), "\"name\" is missing"),
            (json!({ "name": "a" }), "\"expr\" is missing"),
            (json!({ "name": "a", "expr": "up((" }), "\"expr\":"),
            (json!({ "name": "a", "expr": "up[5m]" }), "a rule needs an instant vector"),
            (json!({ "name": "a", "expr": "up", "for": "5" }), "has no unit"),
            (json!({ "name": "a", "expr": "up", "labels": { "a-b": "c" } }), "not a name"),
            (json!({ "name": "a", "expr": "up", "annotations": { "s": "{{ nope }}" } }), "not supported"),
            (json!({ "name": "a", "expr": "up", "labels": { "a": 1 } }), "has to hold texts"),
        ] {
            let e = NewMonitor::from_json(&json).unwrap_err();
            assert!(e.contains(part), "{json}: {e}");
        }
    }
}
