//! Faults: each system call of the write path fails once (EIO, ENOSPC), at its first, second, third occurrence and so on
//! to the last, and also from there on until the fault is over. strace makes them fail and writes down the order of all,
//! which is held against the rules of `trace`. It must never count a fault that did not occur.

use crate::arguments::{Arguments, copy};
use crate::child;
use crate::ledger::Ledger;
use crate::report::{Progress, Row};
use crate::steps::{self, BATCHES};
use crate::stop;
use crate::stream::Stream;
use crate::trace::{self, Event};
use crate::writer::settings;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The calls that are made to fail: all that change what is on disk or make it durable, and opening.
const CALLS: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "openat",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "ftruncate",
    "mkdir",
];
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// A process that is killed when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What one run showed.
struct Outcome {
    events: Vec<(u64, Event)>,
    /// What was wrong.
    wrong: Vec<String>,
    partial: u64,
}

/// Makes each call fail.
///
/// # Errors
/// If somebody stopped it, or something of the machine fails.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    const NAME: &str = "failing system calls";
    let mut row = Row::new(NAME, arguments.seed);
    let stream = steps::stream(arguments.seed);
    let template = arguments.folder()?;
    let lab = Lab { arguments, stream, template: template.path(), bug: None };
    let counts = match lab.prepare() {
        Ok(counts) => counts,
        Err(e) if e == stop::STOPPED_TEXT => return Err(e),
        Err(why) => return Ok(Row::not_run(NAME, arguments.seed, why)),
    };
    let mut trials = Vec::new();
    for (call, most) in &counts {
        for error in ERRORS {
            let once = (1..=*most).map(|n| format!("{call}:error={error}:when={n}"));
            let lasting =
                (1..=*most).filter(|n| n % 3 == 1).map(|n| format!("{call}:error={error}:when={n}+"));
            trials.extend(once.chain(lasting));
        }
    }
    let every = arguments.faults_every as usize;
    let trials: Vec<String> =
        trials.into_iter().skip((arguments.seed as usize) % every).step_by(every).collect();
    let mut progress = Progress::new("failing system calls", trials.len() as u64);
    let (mut injected, mut partial) = (0, 0);
    for trial in &trials {
        stop::check()?;
        let outcome = lab.trial(Some(trial))?;
        row.run += 1;
        injected += outcome.events.iter().filter(|(_, e)| e.is_injected).count();
        partial += outcome.partial;
        if let Some(wrong) = outcome.wrong.first()
            && row.fail(format!("{trial}: {wrong}"))
        {
            break;
        }
        progress.at(row.run);
    }
    row.took = progress.took();
    let calls: Vec<String> = counts.iter().map(|(call, most)| format!("{call} {most}")).collect();
    row.notes
        .push(format!("{injected} failures made ({}), {partial} answers partial and told", calls.join(", ")));
    Ok(row)
}

/// Whether a planted bug breaks a rule or loses something, with no fault and with each sync failing. What was seen.
///
/// # Errors
/// If it cannot be tried.
pub fn catch(arguments: &Arguments, bug: &str) -> Result<Option<String>, String> {
    let stream = steps::stream(arguments.seed);
    let template = arguments.folder()?;
    let lab = Lab { arguments, stream, template: template.path(), bug: Some(bug) };
    let counts = lab.prepare()?;
    let outcome = lab.trial(None)?;
    if let Some(wrong) = outcome.wrong.first() {
        return Ok(Some(wrong.clone()));
    }
    for call in ["fdatasync", "fsync"] {
        for n in 1..=counts.get(call).copied().unwrap_or_default() {
            stop::check()?;
            let trial = format!("{call}:error=EIO:when={n}");
            if let Some(wrong) = lab.trial(Some(&trial))?.wrong.first() {
                return Ok(Some(format!("{trial}: {wrong}")));
            }
        }
    }
    Ok(None)
}

struct Lab<'a> {
    arguments: &'a Arguments,
    stream: Stream,
    /// A data folder that each trial begins with a copy of.
    template: &'a Path,
    bug: Option<&'a str>,
}

impl Lab<'_> {
    /// Fills the folder that the trials begin with, and counts how often one thread makes each call.
    fn prepare(&self) -> Result<BTreeMap<&'static str, u64>, String> {
        let outcome = self.trial(None)?;
        let mut counts: BTreeMap<(u64, &str), u64> = BTreeMap::new();
        for (pid, event) in &outcome.events {
            if let Some(call) = CALLS.iter().find(|call| **call == event.call) {
                *counts.entry((*pid, call)).or_default() += 1;
            }
        }
        let mut most: BTreeMap<&'static str, u64> = BTreeMap::new();
        for ((_, call), count) in counts {
            let call = CALLS.iter().find(|c| **c == call).copied().unwrap_or_default();
            let entry = most.entry(call).or_default();
            *entry = (*entry).max(count);
        }
        if most.is_empty() {
            return Err("strace saw no system call".into());
        }
        Ok(most)
    }

    /// Runs the steps with this fault, or with none, and judges what was told, the order of calls, and what is there
    /// afterwards.
    fn trial(&self, fault: Option<&str>) -> Result<Outcome, String> {
        let folder = self.arguments.folder()?;
        let data = folder.path().join("data");
        let failed = |e: std::io::Error| format!("a folder for temporary files: {e}");
        // The first run fills the template: what comes after begins with a log, blocks and manifests.
        let is_first = !self.template.join("data").exists();
        let from = if is_first { 0 } else { BATCHES };
        if !is_first {
            copy(&self.template.join("data"), &data).map_err(failed)?;
        }
        let log = folder.path().join("trace");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no port of loopback: {e}"))?;
        let address = listener.local_addr().map_err(|e| format!("no port of loopback: {e}"))?.to_string();
        let mut command = Command::new(child::program(self.bug.is_some())?);
        command.args(["steps", "--report", &address, "--seed", &self.arguments.seed.to_string()]);
        command.args(["--from", &from.to_string(), "--data"]).arg(&data);
        if let Some(bug) = self.bug {
            command.env("MIDWATCH_PLANTED_BUG", bug);
        }
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let steps = Ended(command.spawn().map_err(|e| format!("cannot start the steps: {e}"))?);
        let (connection, _) = accept(&listener)?;
        let mut told = Told::new(connection)?;
        told.until(&["hold"])?;
        let strace = attach(steps.0.id(), fault, &log)?;
        let mut wrong = told.follow(strace)?;
        // As it is: what was not synced is there all the same, but the store was never closed.
        drop(steps);
        let text = std::fs::read_to_string(&log).map_err(failed)?;
        let events = trace::parse(&text);
        wrong.extend(trace::broken_rules(&events));
        let acknowledged = vec![told.acknowledged.max(from)];
        let sent = vec![told.acknowledged.max(from) + 1];
        let ledger = Ledger { acknowledged, sent, oldest_ms: i64::MIN };
        if let Err(e) = ledger.check_folder(&self.stream, &data, &settings(&self.stream)) {
            wrong.push(format!("afterwards: {e}"));
        }
        if told.acknowledged < from + BATCHES && wrong.is_empty() {
            wrong.push("it ended early".into());
        }
        if is_first && wrong.is_empty() {
            copy(&data, &self.template.join("data")).map_err(failed)?;
        }
        if !wrong.is_empty()
            && let Some(keep) = &self.arguments.keep
        {
            let _ = std::fs::create_dir_all(keep).and_then(|()| {
                let name = fault.unwrap_or("none").replace([':', '='], "-");
                copy(folder.path(), &keep.join(name))
            });
        }
        Ok(Outcome { events, wrong, partial: told.partial })
    }
}

/// The steps connect at once, or never.
fn accept(listener: &TcpListener) -> Result<(TcpStream, std::net::SocketAddr), String> {
    let failed = |e: std::io::Error| format!("the steps do not connect: {e}");
    listener.set_nonblocking(true).map_err(failed)?;
    let accepted =
        stop::wait_for("the start of the steps", Duration::from_secs(20), || listener.accept().ok())?;
    accepted.0.set_nonblocking(false).map_err(failed)?;
    Ok(accepted)
}

/// Attaches strace; comes back when it has.
fn attach(pid: u32, fault: Option<&str>, log: &Path) -> Result<Ended, String> {
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "64", "-e", &format!("trace={},sendto", CALLS.join(","))]);
    if let Some(fault) = fault {
        command.args(["-e", &format!("inject={fault}")]);
    }
    command.arg("-o").arg(log).args(["-p", &pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut strace = Ended(command.spawn().map_err(|e| format!("strace is not there ({e})"))?);
    let mut said = String::new();
    if let Some(err) = strace.0.stderr.take() {
        let mut lines = BufReader::new(err);
        while !said.contains("attached") {
            if lines.read_line(&mut said).unwrap_or(0) == 0 {
                return Err(format!("strace cannot attach: {}", said.trim()));
            }
        }
        // It may say more: somebody has to read it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    }
    Ok(strace)
}

/// What the steps tell.
struct Told {
    lines: BufReader<TcpStream>,
    out: TcpStream,
    /// The number after the last that was acknowledged.
    acknowledged: u64,
    partial: u64,
}

impl Told {
    fn new(out: TcpStream) -> Result<Told, String> {
        let failed = |e: std::io::Error| format!("a connection of loopback: {e}");
        out.set_read_timeout(Some(Duration::from_secs(30))).map_err(failed)?;
        let lines = BufReader::new(out.try_clone().map_err(failed)?);
        Ok(Told { lines, out, acknowledged: 0, partial: 0 })
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Err("the steps ended".into()),
            Ok(_) => Ok(line.trim_end().to_string()),
            Err(e) => Err(format!("the steps hang: {e}")),
        }
    }

    fn until(&mut self, words: &[&str]) -> Result<(), String> {
        while !words.contains(&self.line()?.as_str()) {}
        Ok(())
    }

    fn go(&mut self) -> Result<(), String> {
        self.out.write_all(b"go\n").map_err(|e| format!("the steps do not listen: {e}"))
    }

    /// Lets the steps run to their end; when they are stuck the fault ends. Returns what they found to be wrong.
    fn follow(&mut self, strace: Ended) -> Result<Vec<String>, String> {
        self.go()?;
        let mut strace = Some(strace);
        let mut wrong = Vec::new();
        loop {
            let line = match self.line() {
                Ok(line) => line,
                Err(e) => {
                    wrong.push(e);
                    return Ok(wrong);
                }
            };
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("stuck", _) => {
                    detach(strace.take());
                    self.go()?;
                }
                ("done", _) => {
                    detach(strace.take());
                    return Ok(wrong);
                }
                ("ack", number) => self.acknowledged = number.parse::<u64>().map_or(0, |n| n + 1),
                ("partial", _) => self.partial += 1,
                ("wrong", text) => wrong.push(text.to_string()),
                _ => {}
            }
        }
    }
}

/// Ends strace so that the program goes on without it.
fn detach(strace: Option<Ended>) {
    if let Some(mut strace) = strace {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&strace.0),
            rustix::process::Signal::TERM,
        );
        let _ = strace.0.wait();
    }
}
