//! Objectives at work: what they count is asked for on the threads that evaluate, kept over restarts, and recorded as series that
//! their alerts look at. What follows from it is decided in `monitor::slo`. It must never hold a lock while it asks, nor take
//! a question that failed for an answer.

use super::evaluate::write;
use super::keep::{read_json, replace};
use super::{LoadedGroup, Monitors, lock};
use ::query::Value;
use model::Batch;
use monitor::slo::history::Wanted;
use monitor::slo::queries::{self, Asked};
use monitor::slo::{History, STEP_MS, Sli, Slo, Verdict, judge, rules, saved};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often what was counted is written, if nothing else makes it necessary.
const SAVE_PERIOD_MS: i64 = 3_600_000;
/// Changes of an objective that are remembered.
const CHANGES_MAX: usize = 100;
/// Time for reading of the past, in each evaluation.
const PAST_MAX: Duration = Duration::from_millis(500);
/// The most files that are looked at to see which are of no use any more.
const FILES_MAX: usize = 2_000;

/// What is known of an objective.
#[derive(Default)]
pub struct SloRun {
    /// What it counts, as text: another needs another history.
    counts: String,
    /// What was counted.
    pub history: History,
    /// How it was judged last.
    pub verdict: Option<Verdict>,
    /// Since when it is so.
    pub since_ms: i64,
    /// How it was, the newest last: time and state.
    pub changes: VecDeque<(i64, &'static str)>,
    /// When it was counted last.
    pub last_ms: Option<i64>,
    /// How long that took, seconds.
    pub took_s: f64,
    /// Why a part of the past could not be read, or "".
    pub past_problem: String,
    series: Vec<model::Labels>,
    saved_ms: Option<i64>,
    /// Something was counted that is not on disk.
    is_dirty: bool,
    /// Something was counted that would take long to read again.
    is_due: bool,
}

impl SloRun {
    /// What an earlier process counted, or nothing.
    pub fn open(folder: &Path, slo: &Slo) -> SloRun {
        let history = saved::from_json(slo, &read_json(&file_of(folder, slo))).unwrap_or_default();
        SloRun { counts: slo.counts(), history, ..SloRun::default() }
    }

    /// Whether it counts the same.
    pub fn is_of(&self, slo: &Slo) -> bool {
        self.counts == slo.counts()
    }

    /// Series that it wrote last.
    pub fn series(&self) -> &[model::Labels] {
        &self.series
    }

    fn note(&mut self, at_ms: i64, verdict: Verdict) {
        let word = verdict.state.as_str();
        if self.verdict.as_ref().is_none_or(|v| v.state.as_str() != word) {
            self.since_ms = at_ms;
            if self.changes.len() >= CHANGES_MAX {
                self.changes.pop_front();
            }
            self.changes.push_back((at_ms, word));
        }
        self.verdict = Some(verdict);
    }
}

fn file_of(folder: &Path, slo: &Slo) -> PathBuf {
    folder.join("slos").join(format!("{}.json", slo.id))
}

impl Monitors {
    /// Counts what an objective counts until `at_ms`, judges it, and records what its alerts look at.
    ///
    /// # Errors
    /// Why it could not be counted.
    pub(super) fn count_slo(&self, loaded: &LoadedGroup, slo: &Slo, at_ms: i64) -> Result<(), String> {
        let started = Instant::now();
        let start_ms = from_ms(slo, at_ms);
        let wanted = {
            let mut run = lock(&loaded.run);
            let Some(of) = run.slo.as_mut() else { return Ok(()) };
            of.history.wanted(at_ms, start_ms)
        };
        let counted = self.ask_counts(slo, wanted);
        if counted.is_ok() {
            self.count_past(loaded, slo, at_ms);
        }
        let mut run = lock(&loaded.run);
        let Some(of) = run.slo.as_mut() else { return Ok(()) };
        let error = match counted {
            Ok(counted) => {
                let error = missing_part(slo, &of.history, &counted);
                of.history.put(wanted, &counted);
                of.history.compact(at_ms, start_ms);
                of.is_dirty = true;
                error
            }
            Err(e) => Some(e),
        };
        let verdict = judge(slo, &of.history, at_ms, error.as_deref());
        let series = if error.is_none() { rules::series(slo, &verdict) } else { Vec::new() };
        let mut batch = Batch::default();
        write(&mut batch, &series, &mut of.series, at_ms);
        of.note(at_ms, verdict);
        (of.last_ms, of.took_s) = (Some(at_ms), started.elapsed().as_secs_f64());
        drop(run);
        self.deliver(&mut batch);
        error.map_or(Ok(()), Err)
    }

    /// Counts of the past what nobody looked at yet, as much as there is time for.
    fn count_past(&self, loaded: &LoadedGroup, slo: &Slo, at_ms: i64) {
        let started = Instant::now();
        while started.elapsed() < PAST_MAX && !self.is_stopping() {
            let wanted = lock(&loaded.run).slo.as_ref().and_then(|of| of.history.past(at_ms));
            let Some(wanted) = wanted else { return };
            let answer = self.ask_counts(slo, wanted);
            let mut run = lock(&loaded.run);
            let Some(of) = run.slo.as_mut() else { return };
            // What cannot be read of the past stays unknown; it is not asked for again and again.
            if let Err(e) = &answer {
                of.past_problem.clone_from(e);
            }
            of.history.put(wanted, &answer.unwrap_or_default());
            (of.is_dirty, of.is_due) = (true, true);
        }
    }

    /// Good and all events of each step, by its end.
    fn ask_counts(&self, slo: &Slo, wanted: Wanted) -> Result<BTreeMap<i64, (f64, f64)>, String> {
        match queries::events(&slo.sli, wanted.step_ms) {
            Asked::Events { total, part, is_bad } => {
                let totals = self.ask_steps(&total, wanted)?;
                if totals.is_empty() {
                    return Ok(BTreeMap::new());
                }
                let parts = self.ask_steps(&part, wanted)?;
                let both = totals.into_iter().map(|(at, total)| {
                    // A counter that is not there has counted nothing.
                    let part = parts.get(&at).copied().unwrap_or(0.0);
                    (at, (if is_bad { total - part } else { part }, total))
                });
                Ok(both.collect())
            }
            Asked::Value(expr) => {
                let Sli::Threshold { op, limit, .. } = &slo.sli else { return Ok(BTreeMap::new()) };
                let weight = (wanted.step_ms / STEP_MS).max(1) as f64;
                let values = self.ask_steps(&expr, wanted)?;
                let judged = values.into_iter().filter(|(_, v)| !v.is_nan());
                Ok(judged
                    .map(|(at, v)| (at, (if op.holds(v, *limit) { weight } else { 0.0 }, weight)))
                    .collect())
            }
        }
    }

    /// The value of each step, by its end.
    fn ask_steps(&self, text: &str, wanted: Wanted) -> Result<BTreeMap<i64, f64>, String> {
        let expr = ::query::parse(text).map_err(|e| e.to_string())?;
        let view = self.store.view();
        let (from_ms, step_ms) = (wanted.from_ms + wanted.step_ms, wanted.step_ms);
        let options = self.options(STEP_MS);
        let answer = ::query::range(&view, &expr, from_ms, wanted.to_ms, step_ms, &options);
        let Value::Matrix(series) = answer.map_err(|e| e.to_string())?.value else {
            return Err(format!("{text} gives no series"));
        };
        let mut out = BTreeMap::new();
        for one in series {
            for (at, value) in one.timestamps_ms.iter().zip(&one.values) {
                *out.entry(*at).or_insert(0.0) += value;
            }
        }
        Ok(out)
    }

    /// Writes what was counted: once an hour, after reading of the past, and all of it at the end.
    pub(super) fn save_slos(&self, now_ms: i64, is_end: bool) {
        for group in self.groups() {
            let Some(slo) = &group.group.slo else { continue };
            let json = {
                let mut run = lock(&group.run);
                let Some(of) = run.slo.as_mut() else { continue };
                let age_ms = of.saved_ms.map_or(i64::MAX, |t| (now_ms - t).abs());
                // While the past is being read it is written once a minute.
                let is_due = is_end || age_ms >= SAVE_PERIOD_MS || (of.is_due && age_ms >= 60_000);
                if !of.is_dirty || !is_due {
                    continue;
                }
                (of.saved_ms, of.is_dirty, of.is_due) = (Some(now_ms), false, false);
                saved::to_json(slo, &of.history)
            };
            if replace(&file_of(self.folder(), slo), json.to_string().as_bytes()).is_err() {
                self.counters.keep_errors.inc();
                if let Some(of) = lock(&group.run).slo.as_mut() {
                    of.is_dirty = true;
                }
            }
        }
        if is_end {
            self.sweep();
        }
    }

    /// Takes away what was counted for objectives that are there no more.
    fn sweep(&self) {
        let groups = self.groups();
        let names: Vec<PathBuf> = groups
            .iter()
            .filter_map(|g| g.group.slo.as_ref().map(|slo| file_of(self.folder(), slo)))
            .collect();
        let Ok(entries) = std::fs::read_dir(self.folder().join("slos")) else { return };
        for entry in entries.take(FILES_MAX).flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "json") && !names.contains(&path) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// From when an objective needs its past: its window, and what its alerts look at.
pub fn from_ms(slo: &Slo, at_ms: i64) -> i64 {
    let longest_ms = slo.windows().last().copied().unwrap_or(0);
    slo.window.start(at_ms).min(at_ms - longest_ms)
}

/// Requests are counted, and none of them was ever good: more likely a wrong name than an outage of ever.
fn missing_part(slo: &Slo, history: &History, counted: &BTreeMap<i64, (f64, f64)>) -> Option<String> {
    let (good, total) = counted.values().fold((0.0, 0.0), |(g, t), (good, total)| (g + good, t + total));
    let part = match (&slo.sli, queries::events(&slo.sli, STEP_MS)) {
        (Sli::Ratio { is_bad: false, .. } | Sli::Latency { .. }, Asked::Events { part, .. }) => part,
        _ => return None,
    };
    let was_good = history.sum(i64::MIN / 2, i64::MAX / 2).good > 0.0;
    let hint = if matches!(slo.sli, Sli::Latency { .. }) {
        "; the limit has to be one of the histogram's bounds"
    } else {
        ""
    };
    (total > 0.0 && good == 0.0 && !was_good).then(|| {
        format!("{total:.0} events are counted, and none was ever good: does {part} find anything?{hint}")
    })
}
