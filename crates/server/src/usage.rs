//! Which metrics are asked for: how often, and when last; kept over restarts in `usage.jsonl` of the data folder, so that
//! "never queried" can be said with the date since when that is known. It is only ever shown: it must never be a
//! reason to drop anything. It keeps names of metrics and no other label. Format: `docs/formats/usage.md`.

use crate::clock::now_ms;
use model::labels::NAME;
use model::{MatchOp, Matcher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const FILE: &str = "usage.jsonl";
const FORMAT: u32 = 1;
/// Names that are remembered; more are not.
const NAMES_MAX: usize = 100_000;
/// Regular expressions over names that are remembered; the oldest go.
const PATTERNS_MAX: usize = 200;
/// More is not read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How often a metric was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Queries that name it.
    pub count: u64,
    /// The last, milliseconds since 1970.
    pub last_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    since_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Row {
    metric: String,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Default)]
struct State {
    since_ms: i64,
    names: BTreeMap<String, Asked>,
    /// Selectors that name no metric exactly, since the start: a matcher of names, or none for all.
    patterns: Vec<(Option<Matcher>, Asked)>,
    is_changed: bool,
}

/// The record.
pub struct Usage {
    path: PathBuf,
    state: Mutex<State>,
}

impl Usage {
    /// Reads the record of a data folder; one that is not there, or cannot be read, begins now.
    pub fn open(data: &Path) -> Usage {
        let path = data.join(FILE);
        let state =
            read(&path).unwrap_or_else(|| State { since_ms: now_ms(), is_changed: true, ..State::default() });
        Usage { path, state: Mutex::new(state) }
    }

    /// Notes that an expression was evaluated for somebody.
    pub fn asked(&self, expr: &::query::Expr) {
        let mut all = Vec::new();
        let mut todo = vec![expr];
        while let Some(expr) = todo.pop() {
            if let ::query::ExprKind::Selector(s) | ::query::ExprKind::Range(s, _) = &expr.kind {
                all.push(s.matchers.as_slice());
            }
            todo.extend(expr.children());
        }
        self.asked_for(&all);
    }

    /// Notes that series of these selectors were asked for.
    pub fn asked_for(&self, selectors: &[&[Matcher]]) {
        let now_ms = now_ms();
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        for matchers in selectors {
            let of_name = matchers.iter().find(|m| m.name == NAME);
            match of_name {
                Some(m) if m.op == MatchOp::Equal => {
                    if state.names.len() < NAMES_MAX || state.names.contains_key(&m.value) {
                        let asked = state.names.entry(m.value.clone()).or_default();
                        asked.count += 1;
                        asked.last_ms = now_ms;
                        state.is_changed = true;
                    }
                }
                other => {
                    let key = other.map(|m| (m.op, m.value.as_str()));
                    let same =
                        |p: &(Option<Matcher>, Asked)| p.0.as_ref().map(|m| (m.op, m.value.as_str())) == key;
                    let mut asked = match state.patterns.iter().position(same) {
                        Some(at) => state.patterns.remove(at).1,
                        None => Asked::default(),
                    };
                    asked.count += 1;
                    asked.last_ms = now_ms;
                    state.patterns.push((other.cloned(), asked));
                    if state.patterns.len() > PATTERNS_MAX {
                        state.patterns.remove(0);
                    }
                }
            }
        }
    }

    /// Since when this record is kept, milliseconds since 1970.
    pub fn since_ms(&self) -> i64 {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).since_ms
    }

    /// How often each of these metrics was asked for, by name or by a pattern.
    pub fn of<'a>(&self, metrics: impl Iterator<Item = &'a str>) -> Vec<Asked> {
        let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        metrics
            .map(|metric| {
                let mut asked = state.names.get(metric).copied().unwrap_or_default();
                for (pattern, by) in &state.patterns {
                    // A selector without any name is a look at labels, which says nothing of this metric.
                    if pattern.as_ref().is_some_and(|m| m.matches(metric)) {
                        asked.count += by.count;
                        asked.last_ms = asked.last_ms.max(by.last_ms);
                    }
                }
                asked
            })
            .collect()
    }

    /// Turns patterns into names, of those that there are, and writes the record if it changed.
    ///
    /// # Errors
    /// Of the file system; nothing is lost but what was asked since the last time.
    pub fn flush<'a>(&self, metrics: impl Iterator<Item = &'a str>) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let patterns = std::mem::take(&mut state.patterns);
        if patterns.iter().any(|(m, _)| m.is_some()) {
            for metric in metrics {
                for (_, by) in patterns.iter().filter(|(m, _)| m.as_ref().is_some_and(|m| m.matches(metric)))
                {
                    if state.names.len() < NAMES_MAX || state.names.contains_key(metric) {
                        let asked = state.names.entry(metric.to_string()).or_default();
                        asked.count += by.count;
                        asked.last_ms = asked.last_ms.max(by.last_ms);
                        state.is_changed = true;
                    }
                }
            }
        }
        if !std::mem::take(&mut state.is_changed) {
            return Ok(());
        }
        let mut out = Vec::new();
        serde_json::to_writer(&mut out, &Header { format: FORMAT, since_ms: state.since_ms })?;
        out.push(b'\n');
        for (metric, asked) in &state.names {
            serde_json::to_writer(&mut out, &Row { metric: metric.clone(), asked: *asked })?;
            out.push(b'\n');
        }
        drop(state);
        store::durable::replace(&self.path, &out)
    }
}

fn read(path: &Path) -> Option<State> {
    let mut text = String::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let header: Header = serde_json::from_str(lines.next()?).ok()?;
    if header.format != FORMAT {
        return None;
    }
    let rows = lines.filter_map(|line| serde_json::from_str::<Row>(line).ok()).take(NAMES_MAX);
    let names = rows.map(|row| (row.metric, row.asked)).collect();
    Some(State { since_ms: header.since_ms, names, ..State::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(usage: &Usage, metrics: &[&str]) -> Vec<u64> {
        usage.of(metrics.iter().copied()).iter().map(|a| a.count).collect()
    }

    #[test]
    fn what_was_asked_for_is_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let usage = Usage::open(folder.path());
        let since_ms = usage.since_ms();
        for text in ["sum(rate(a_total[5m])) / on() b + a_total", "{__name__=~\"c.*\"}", "{job=\"x\"}", "1"] {
            usage.asked(&::query::parse(text).unwrap());
        }
        let metrics = ["a_total", "b", "c1", "d"];
        assert_eq!(counts(&usage, &metrics), [2, 1, 1, 0]);
        usage.flush(metrics.into_iter()).unwrap();
        assert_eq!(counts(&usage, &metrics), [2, 1, 1, 0]);
        let again = Usage::open(folder.path());
        assert_eq!((again.since_ms(), counts(&again, &metrics)), (since_ms, vec![2, 1, 1, 0]));
        assert!(again.of(["b"].into_iter())[0].last_ms >= since_ms);
    }

    #[test]
    fn a_record_that_makes_no_sense_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "rubbish\n", "{\"format\":9,\"since_ms\":1}\n"] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(Usage::open(folder.path()).since_ms() > 1);
        }
    }
}
