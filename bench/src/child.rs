//! Programs that the bench starts, each in a process group of its own, and idle processes to fill the machine. All
//! are ended when their value is dropped; it must never end what it did not start.

use crate::processes::{self, Process};
use crate::stop;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};

/// How long a program may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(20);

/// A program that runs, and what it started.
pub struct Started {
    child: Child,
    name: String,
    /// Every descendant that was ever seen: a program may leave some behind.
    seen: Vec<Process>,
}

impl Started {
    /// Starts a program. Standard input and output are as `command` says; Ctrl-C on a terminal reaches the bench alone.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn new(name: &str, command: &mut Command) -> Result<Started> {
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, format!("cannot start {name}"), e))?;
        Ok(Started { child, name: name.into(), seen: Vec::new() })
    }

    /// The process, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs; costs next to nothing, unlike its usage, which stops it for as long as its memory is counted.
    ///
    /// # Errors
    /// If it has ended.
    pub fn running(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                Err(Error::new(ErrorKind::Unavailable, format!("{} has ended: {status}", self.name)))
            }
            _ => Ok(()),
        }
    }

    /// What it and its descendants use.
    ///
    /// # Errors
    /// If it has ended.
    pub fn usage(&mut self) -> Result<processes::Usage> {
        self.running()?;
        let usage = processes::usage(self.child.id() as i32);
        let new = usage.processes[1.min(usage.processes.len())..].iter();
        let new: Vec<Process> = new.filter(|p| !self.seen.iter().any(|s| same(s, p))).copied().collect();
        self.seen.extend(new);
        Ok(usage)
    }

    /// Bytes that it has had written to storage.
    pub fn written_bytes(&self) -> f64 {
        processes::written_bytes(self.child.id() as i32)
    }

    /// Ends it and what it started at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.usage();
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn same(a: &Process, b: &Process) -> bool {
    (a.pid, a.started) == (b.pid, b.started)
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.usage();
        let group = Pid::from_child(&self.child);
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = kill_process(group, Signal::TERM);
            let end = Instant::now() + END_WITHIN;
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            if matches!(self.child.try_wait(), Ok(None)) {
                // The leader is not reaped yet, so the number still means its group.
                let _ = kill_process_group(group, Signal::KILL);
                let _ = self.child.wait();
            }
        }
        for process in &self.seen {
            let still = processes::one(process.pid).is_some_and(|now| same(&now, process));
            if let (true, Some(pid)) = (still, Pid::from_raw(process.pid)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Processes that only sleep.
pub struct Idle(Vec<Child>);

impl Idle {
    /// Starts so many that the machine has `total` processes. Should the bench be killed, they end by themselves
    /// after `seconds_max`.
    ///
    /// # Errors
    /// If one cannot be started.
    pub fn fill(total: usize, seconds_max: u64) -> Result<Idle> {
        let mut idle = Idle(Vec::new());
        for _ in processes::all().len()..total {
            stop::check()?;
            let child = Command::new("sleep")
                .arg(seconds_max.to_string())
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot start sleep", e))?;
            idle.0.push(child);
        }
        Ok(idle)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|child| drop(child.kill()));
        self.0.iter_mut().for_each(|child| drop(child.wait()));
    }
}

/// Where a program lies: on the path, or where Debian keeps programs of the administrator.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A folder for one run, under the folder for temporary files; it removes itself.
///
/// # Errors
/// If it cannot be made.
pub fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("midwatch-bench-").tempdir().map_err(|e| {
        Error::wrap(ErrorKind::Unavailable, "cannot make a folder for temporary files (TMPDIR)", e)
    })
}

/// A file for what a program says.
///
/// # Errors
/// If it cannot be made.
pub fn output(folder: &Path, name: &str) -> Result<Stdio> {
    let file = std::fs::File::create(folder.join(name));
    file.map(Stdio::from).map_err(|e| Error::wrap(ErrorKind::Unavailable, format!("cannot write {name}"), e))
}
