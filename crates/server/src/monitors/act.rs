//! Runs approved commands when a monitor fires: noted in the audit and on the timeline first, without a shell, in an
//! environment of its own, with a limit on its time; and says afterwards whether it held. Off unless a file names them. It
//! must never act on an alert that somebody else sent, nor on one that is silenced or taken care of.

use super::keep::{read_json, replace};
use super::{Monitors, files, lock};
use crate::captures::Capturing;
use crate::clock::now_ms;
use model::{Change, Labels, Pairs};
use monitor::action::{Action, Book, Run, Verdict};
use monitor::notify::{Alert, object};
use monitor::{AlertState, Problem};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use stdx::{ErrorKind, Result};
use store::audit::{Audit, Who};
use tokio::runtime::Handle;

const KEPT: &str = "actions.json";
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What is kept of what a command says, in bytes.
const OUTPUT_BYTES_MAX: u64 = 2_000;

/// What may run, and what ran.
pub struct Acts {
    pub actions: Vec<Action>,
    pub book: Book,
    pub problems: Vec<Problem>,
    stamp: files::Stamp,
    ended: Receiver<(u64, bool, String)>,
    ends: Sender<(u64, bool, String)>,
}

impl Acts {
    /// What was kept of earlier runs.
    pub fn open(folder: &std::path::Path) -> Acts {
        let kept = read_json(&folder.join(KEPT));
        let runs = kept["runs"].as_array().cloned().unwrap_or_default();
        let before =
            runs.iter().filter_map(|r| Some((r["action"].as_str()?.to_string(), r["at_ms"].as_i64()?)));
        let (ends, ended) = channel();
        let book = Book::with(before);
        Acts { actions: Vec::new(), book, problems: Vec::new(), stamp: None, ended, ends }
    }

    fn read(&mut self, path: &PathBuf) {
        let stamp = files::stamp(path);
        if stamp == self.stamp && (stamp.is_some() || !self.problems.is_empty()) {
            return;
        }
        self.stamp = stamp;
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => (self.actions, self.problems) = monitor::action::read(&name, &text),
            Err(e) => {
                let what = format!("it cannot be read, so no command runs: {e}");
                self.actions = Vec::new();
                self.problems = vec![Problem { file: name, line: 0, what, is_error: true }];
            }
        }
    }
}

impl Monitors {
    /// Starts what is to be run now, and judges what ran.
    pub(super) fn act(self: &Arc<Self>, runtime: &Handle, now_ms: i64) {
        let Some(path) = &self.settings.actions else { return };
        let mut acts = lock(&self.acts);
        acts.read(path);
        while let Ok((number, is_good, how)) = acts.ended.try_recv() {
            acts.book.ended(number, is_good, &how, now_ms);
            let run = acts.book.runs().iter().find(|r| r.number == number).cloned();
            let known =
                run.and_then(|r| Some((acts.actions.iter().find(|a| a.name == r.action)?.clone(), r)));
            if let Some((action, run)) = known {
                self.on_timeline(runtime, &action, &run, &format!("{how}; whether it held is not known yet"));
            }
        }
        if acts.actions.is_empty() {
            return;
        }
        let firing = self.own_firing(now_ms);
        let actions = acts.actions.clone();
        for run in acts.book.judge(&actions, |labels| firing.iter().any(|a| a.labels == *labels), now_ms) {
            if let Some(action) = actions.iter().find(|a| a.name == run.action) {
                self.on_timeline(runtime, action, &run, &outcome(&run));
            }
        }
        let wanted: Vec<&Alert> = firing.iter().collect();
        let started = acts.book.decide(&actions, &wanted, now_ms);
        if started.is_empty() {
            return;
        }
        // A kill must not make it run once more than was approved.
        let runs: Vec<Json> =
            acts.book.runs().iter().map(|r| json!({ "action": r.action, "at_ms": r.at_ms })).collect();
        let kept =
            replace(&self.folder.join(KEPT), json!({ "format": 1, "runs": runs }).to_string().as_bytes());
        for (number, action, alert) in started {
            let noted = self.note_act(&action, &alert, now_ms);
            if let Some(why) =
                kept.as_ref().err().map(ToString::to_string).or(noted.err().map(|e| e.to_string()))
            {
                acts.book.ended(
                    number,
                    false,
                    &format!("it did not run, since it cannot be noted: {why}"),
                    now_ms,
                );
                continue;
            }
            if let Some(run) = acts.book.runs().iter().find(|r| r.number == number) {
                self.on_timeline(runtime, &action, run, "");
            }
            let (ends, captures) = (acts.ends.clone(), self.captures.get().cloned());
            let spawned = std::thread::Builder::new().name("monitor-action".into()).spawn(move || {
                let without = captures.map_or(String::new(), |c| capture_first(&c, &alert));
                let (is_good, how) = run(&action, &alert);
                let _ = ends.send((number, is_good, how + &without));
            });
            if spawned.is_err() {
                acts.book.ended(number, false, "there can be no more threads", now_ms);
            }
        }
    }

    /// Alerts of our own monitors that fire, and that nobody silenced or took care of.
    fn own_firing(&self, now_ms: i64) -> Vec<Alert> {
        let mut own: Vec<Labels> = Vec::new();
        for group in self.groups() {
            group.each(|_, _, _, run| {
                let firing = run.state.active().filter(|a| a.state == AlertState::Firing);
                own.extend(firing.map(|a| a.labels.clone()));
            });
        }
        let notify = self.notify();
        let all = notify.notifier.alerts(now_ms).into_iter();
        let open = all.filter(|(a, muted)| {
            own.contains(&a.labels)
                && !a.is_resolved(now_ms)
                && !muted.is_muted()
                && notify.notifier.ack_of(a, now_ms).is_none()
        });
        open.map(|(a, _)| a.clone()).collect()
    }

    fn note_act(&self, action: &Action, alert: &Alert, now_ms: i64) -> Result<()> {
        let who = Who { user: "midwatch".into(), reason: alert.labels.to_string(), ..Who::default() };
        let details =
            json!({ "action": action.name, "command": action.command, "approved_by": action.approved_by });
        Audit::open(self.store.folder())?.note(now_ms, "action", &who, details)
    }

    /// A word on a run among the changes; the first is the run itself.
    fn on_timeline(&self, runtime: &Handle, action: &Action, run: &Run, outcome: &str) {
        let mut attributes = Pairs::default();
        attributes.set("command", &action.command.join(" "));
        attributes.set("approved_by", &action.approved_by);
        attributes.set("alert", &run.alert.to_string());
        if !outcome.is_empty() {
            attributes.set("outcome", outcome);
        }
        let change = Change {
            time_ns: run.at_ms.saturating_mul(1_000_000),
            id: format!("action-{:x}-{}", run.at_ms, run.number),
            kind: "action".into(),
            title: format!("{} ran for {}", action.name, monitor::notify::words::name(&run.alert)),
            service: run.alert.get("service").to_string(),
            host: run.alert.get("host").to_string(),
            author: "midwatch".into(),
            link: String::new(),
            attributes,
        };
        let change = crate::changes::said(change, now_ms());
        let store = self.store.clone();
        runtime.spawn(async move {
            if let Ok(written) = store.tables().append_changes(vec![change]) {
                let _ = written.wait().await;
            }
        });
    }
}

/// What the machine was like is kept before anything is done to it; says why where it is not.
fn capture_first(captures: &Capturing, alert: &Alert) -> String {
    let name = monitor::notify::words::name(&alert.labels).to_string();
    let cause = store::captures::Cause {
        kind: "monitor".into(),
        text: format!("before an action for the monitor {name}"),
        name,
        labels: alert.labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        at_ms: now_ms(),
    };
    match captures.take(cause) {
        // It was captured when it began to fire.
        Ok(_) => String::new(),
        Err(e) if e.kind == ErrorKind::Busy => String::new(),
        Err(e) => format!("; without a capture: {e}"),
    }
}

/// What came of a run, for people.
fn outcome(run: &Run) -> String {
    let minutes = |ms: i64| format!("{} min", ms / 60_000);
    match &run.verdict {
        Verdict::Held => format!("{}; it held", run.how),
        Verdict::CameBack { after_ms } => format!("{}; it came back after {}", run.how, minutes(*after_ms)),
        Verdict::DidNotHelp => format!("{}; it did not help", run.how),
        other => format!("{}; {}", run.how, other.as_str()),
    }
}

/// Runs a command to its end; whether it ended well, and how.
fn run(action: &Action, alert: &Alert) -> (bool, String) {
    let started = Instant::now();
    let mut command = Command::new(&action.command[0]);
    command
        .args(&action.command[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(action.environment.iter().map(|(n, v)| (n, v)))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) => return (false, format!("it cannot be started: {e}")),
    };
    // What the alert says goes in as data: no argument and no variable is made of it.
    let input = format!("{}\n", json!({ "labels": object(alert.labels.iter()), "value": alert.value }));
    if let Some(mut stdin) = child.stdin.take() {
        std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
    }
    let said = child.stdout.take().map(|out| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut out = out;
            let _ = (&mut out).take(OUTPUT_BYTES_MAX).read_to_end(&mut text);
            // What is not kept is still read, so that the command does not wait for a reader.
            let _ = std::io::copy(&mut out, &mut std::io::sink());
            String::from_utf8_lossy(&text).trim().to_string()
        })
    });
    let within = Duration::from_millis(action.timeout_ms.unsigned_abs());
    let ended: std::result::Result<ExitStatus, String> = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if started.elapsed() >= within => {
                let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                let _ = group.map(|g| kill_process_group(g, Signal::KILL));
                let _ = child.wait();
                break Err(format!("ended after {} s, the most that it may take", within.as_secs()));
            }
            Ok(None) => std::thread::sleep(LOOK),
            Err(e) => break Err(format!("nobody knows how it ended: {e}")),
        }
    };
    let took = started.elapsed().as_secs_f64();
    // Somebody it started may hold the pipe open: what was said is only asked for where it ended by itself.
    let said = said.filter(|s| ended.is_ok() || s.is_finished());
    let said = said.filter(|s| {
        let until = Instant::now() + Duration::from_millis(500);
        while !s.is_finished() && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
        s.is_finished()
    });
    let said = said.and_then(|s| s.join().ok()).filter(|s| !s.is_empty());
    let said = said.map_or(String::new(), |s| format!(", saying: {}", s.lines().next().unwrap_or("")));
    match ended {
        Ok(status) if status.success() => (true, format!("exit code 0 after {took:.1} s{said}")),
        Ok(status) => (false, format!("{status} after {took:.1} s{said}")),
        Err(why) => (false, why),
    }
}

/// What may run and what ran, as JSON.
pub fn told(monitors: &Monitors) -> Json {
    let acts = lock(&monitors.acts);
    let actions: Vec<Json> = acts
        .actions
        .iter()
        .map(|a| {
            let matchers: Vec<String> =
                a.matchers.iter().map(|m| format!("{}{}{:?}", m.name, m.op.as_str(), m.value)).collect();
            json!({
                "name": a.name,
                "command": a.command,
                "matchers": matchers,
                "approved_by": a.approved_by,
                "timeout_ms": a.timeout_ms,
                "every_ms": a.every_ms,
                "per_day": a.per_day,
                "hold_ms": a.hold_ms,
            })
        })
        .collect();
    let runs = acts.book.runs().iter().filter(|r| !r.alert.is_empty()).rev().map(|r| {
        json!({
            "action": r.action,
            "alert": object(r.alert.iter()),
            "at_ms": r.at_ms,
            "ended_ms": r.ended_ms,
            "how": r.how,
            "did_it_hold": r.verdict.as_str(),
        })
    });
    let held = acts.book.held_back().map(|(action, why)| json!({ "action": action, "why": why }));
    let problems = acts
        .problems
        .iter()
        .map(|p| json!({ "file": p.file, "line": p.line, "what": p.what, "is_error": p.is_error }));
    json!({
        "configured": monitors.settings.actions.is_some(),
        "actions": actions,
        "runs": runs.collect::<Vec<_>>(),
        "held_back": held.collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
    })
}
