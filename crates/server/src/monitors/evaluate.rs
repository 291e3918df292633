//! Evaluates groups when they are due, on threads that do nothing else. It must never hold a lock while it asks.

use super::loaded::{LoadedGroup, Parsed};
use super::{Monitors, lock};
use crate::clock::now_ms;
use ingest::Decoded;
use model::labels::NAME;
use model::{Batch, Labels, STALE_NAN_BITS};
use monitor::alert::{Around, Seen};
use monitor::news::About;
use monitor::{AlertState, Kind, Rule};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long a thread sleeps at the most.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// The most rows of one recording rule.
const ROWS_MAX: usize = 100_000;

/// A thread's work: until the program stops.
pub fn run(monitors: &Monitors) {
    while !monitors.is_stopping() {
        let mut due = lock(&monitors.due);
        match due.take(now_ms()) {
            Ok((at_ms, place, group, generation)) => {
                drop(due);
                let at_ms = monitors.evaluate_at(&group, at_ms);
                let mut due = lock(&monitors.due);
                if due.generation == generation {
                    due.queue.insert((group.schedule.next_after(at_ms), place));
                }
            }
            Err(next_ms) => {
                let wait = next_ms
                    .map_or(SLEEP_MAX, |at| Duration::from_millis((at - now_ms()).clamp(1, 1_000) as u64));
                let _ = monitors.changed.wait_timeout(due, wait.min(SLEEP_MAX));
            }
        }
    }
}

impl Monitors {
    /// Evaluates a group that was due at `due_ms`; returns the instant that was evaluated: a later one if that is long ago.
    fn evaluate_at(&self, group: &LoadedGroup, due_ms: i64) -> i64 {
        let at_ms = due_ms.max(group.schedule.last_until(now_ms()));
        let started = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| self.evaluate(group, at_ms)));
        if done.is_err() {
            self.counters.failures.inc();
        }
        let took_s = started.elapsed().as_secs_f64();
        self.counters.seconds.add(took_s);
        let mut run = lock(&group.run);
        let missed = run.last_ms.map_or(0, |last| group.schedule.missed(last, at_ms));
        run.missed += missed;
        self.counters.missed.add(missed as f64);
        (run.last_ms, run.took_s) = (Some(at_ms), took_s);
        at_ms
    }

    fn evaluate(&self, loaded: &LoadedGroup, at_ms: i64) {
        let group = &loaded.group;
        let mut batch = Batch::default();
        let counted = match &group.slo {
            Some(slo) => self.count_slo(loaded, slo, at_ms),
            None => Ok(()),
        };
        for (i, (rule, parsed)) in group.rules.iter().zip(&loaded.parsed).enumerate() {
            if self.is_stopping() {
                return;
            }
            let started = Instant::now();
            let asked_ms = at_ms - group.query_offset_ms;
            let (series, error) = match rule.kind {
                Kind::Recording => self.record(rule, parsed, asked_ms, group),
                Kind::Alerting(_) => self.judge(loaded, i, at_ms, asked_ms, &counted),
            };
            self.counters.evaluations.inc();
            if !error.is_empty() {
                self.counters.failures.inc();
            }
            let mut guard = lock(&loaded.run);
            let Some(run) = guard.rules.get_mut(i) else { continue };
            // Of a rule that failed nothing is known: its series neither go on nor end.
            if error.is_empty() || rule.alerting().is_some() {
                write(&mut batch, &series, &mut run.series, asked_ms);
            }
            (run.error, run.last_ms) = (error, Some(at_ms));
            run.took_s = started.elapsed().as_secs_f64();
            drop(guard);
            // The next rule may ask for what this one recorded.
            if rule.alerting().is_none() {
                self.deliver(&mut batch);
            }
        }
        self.deliver(&mut batch);
    }

    pub(super) fn deliver(&self, batch: &mut Batch) {
        if !batch.samples.is_empty() {
            let batch = std::mem::take(batch);
            // A failure is counted by the sink, and shown with its sources.
            let _ = self.sink.deliver_blocking("rules", Decoded { batch, rejects: Vec::new() });
        }
    }

    /// A recording rule: its series, or why there are none.
    fn record(
        &self,
        rule: &Rule,
        parsed: &Parsed,
        at_ms: i64,
        group: &monitor::Group,
    ) -> (Vec<(Labels, f64)>, String) {
        let rows = match self.ask(&parsed.expr, at_ms, group.interval_ms) {
            Ok(answer) => answer.rows,
            Err(e) => return (Vec::new(), e),
        };
        let limit = if group.limit == 0 { ROWS_MAX } else { group.limit };
        if rows.len() > limit {
            let text = format!(
                "it gives {} series, more than its limit of {limit}; nothing was recorded",
                rows.len()
            );
            return (Vec::new(), text);
        }
        let mut known = BTreeSet::new();
        let mut out = Vec::with_capacity(rows.len());
        for (labels, value) in rows {
            let named = labels.with(NAME, &rule.name);
            let labels = rule.labels.iter().fold(named, |l, (name, text)| l.with(name, text.text()));
            if !known.insert(labels.clone()) {
                let text =
                    format!("it gives two series {labels}; aggregate, or take a label of the rule away");
                return (Vec::new(), text);
            }
            out.push((labels, value));
        }
        (out, String::new())
    }

    /// An alerting rule: its series, and what went wrong.
    fn judge(
        &self,
        loaded: &LoadedGroup,
        i: usize,
        at_ms: i64,
        asked_ms: i64,
        counted: &Result<(), String>,
    ) -> (Vec<(Labels, f64)>, String) {
        let (group, rule, parsed) = (&loaded.group, &loaded.group.rules[i], &loaded.parsed[i]);
        let asked = counted.clone().and_then(|()| self.ask(&parsed.expr, asked_ms, group.interval_ms));
        let asked = asked.and_then(|answer| {
            let enough =
                parsed.enough.as_ref().map(|e| self.ask(e, asked_ms, group.interval_ms)).transpose()?;
            let newest_ms = answer.newest_ms;
            let (more, rows) = (enough.as_ref().map_or(0, |e| e.series), enough.map(|e| e.rows));
            Ok((Seen { rows: answer.rows, enough: rows, series: answer.series + more }, newest_ms))
        });
        let newest_ms = asked.as_ref().ok().and_then(|(_, newest)| *newest);
        let error = asked.as_ref().err().cloned().unwrap_or_default();
        let ask = |text: &str| self.ask_text(text, asked_ms);
        let around = Around { external_url: &self.base, ask: &ask };
        let mut guard = lock(&loaded.run);
        let Some(run) = guard.rules.get_mut(i) else { return (Vec::new(), error) };
        let changes = run.state.step(rule, group.limit, at_ms, asked.map(|(seen, _)| seen), around);
        // What an objective's alerts look at was recorded a moment ago, and says nothing of how old its sources are.
        if let Some(newest_ms) = newest_ms.filter(|_| group.slo.is_none()) {
            run.measure((now_ms() - newest_ms).max(0));
        }
        run.note(at_ms);
        let fired = changes.iter().filter(|c| c.to == AlertState::Firing).count() as u64;
        run.fired += fired;
        let red = run.state.active().filter(|a| a.state == AlertState::Firing);
        let red_since_ms = red.filter_map(|a| a.fired_at_ms).min();
        self.book_judged(&parsed.id, rule, red_since_ms, fired, at_ms);
        let error = match run.state.judgement() {
            monitor::Judgement::CannotJudge(why) => why.clone(),
            _ => error,
        };
        let url = self.url_of(parsed);
        let about = About { url: &url, limit: &parsed.limit };
        let (firing, over) = (about.firing(&run.state), about.over(&mut run.state, &changes, at_ms));
        let series = run.state.series();
        let began =
            changes.iter().filter(|c| c.to == AlertState::Firing && c.from != Some(AlertState::Firing));
        if let (Some(captures), Some(change)) = (self.captures.get(), began.into_iter().next()) {
            captures.trigger(store::captures::Cause {
                kind: "monitor".into(),
                name: rule.name.clone(),
                text: format!("the monitor {} began to fire", rule.name),
                labels: change.labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
                at_ms: now_ms(),
            });
        }
        let has_changed = run.state.take_changed();
        if has_changed {
            self.is_dirty.store(true, Relaxed);
        }
        drop(guard);
        if !firing.is_empty() || !over.is_empty() {
            let now_ms = now_ms();
            let mut notify = self.notify();
            firing.into_iter().chain(over).for_each(|alert| notify.notifier.put(alert, now_ms));
            drop(notify);
            if has_changed {
                self.wake();
            }
        }
        (series, error)
    }

    /// Where people look at a monitor.
    pub(super) fn url_of(&self, parsed: &Parsed) -> String {
        format!("{}/monitors?monitor={}", self.base, parsed.id)
    }

    /// Ends the series that a rule wrote that is there no more.
    pub(super) fn end_series(&self, series: &[Labels], at_ms: i64) {
        let mut batch = Batch::default();
        series.iter().for_each(|labels| batch.push(labels, at_ms, f64::from_bits(STALE_NAN_BITS)));
        self.deliver(&mut batch);
    }
}

/// Adds series to a batch, and the end of those that were there before and are no more.
pub(super) fn write(batch: &mut Batch, series: &[(Labels, f64)], before: &mut Vec<Labels>, at_ms: i64) {
    let now: BTreeSet<&Labels> = series.iter().map(|(labels, _)| labels).collect();
    for gone in before.iter().filter(|l| !now.contains(l)) {
        batch.push(gone, at_ms, f64::from_bits(STALE_NAN_BITS));
    }
    series.iter().for_each(|(labels, value)| batch.push(labels, at_ms, *value));
    *before = series.iter().map(|(labels, _)| labels.clone()).collect();
}
