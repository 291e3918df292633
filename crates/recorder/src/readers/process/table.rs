//! The table of processes: who is there, and the last reading of each. The folder is listed only when
//! the kernel says that something was created, or when something ended; files stay open within a
//! budget. It must never mix up two processes that had the same number one after the other.

use super::proc_dir::ProcDir;
use super::stat::{Stat, parse_stat};
use crate::files::{Shape, is_absence};
use crate::readers::Context;
use crate::series::Row;
use crate::settings::Settings;
use std::fs::File;

/// A process that has used no CPU time in so many readings and is not recorded on its own ...
const IDLE_READINGS: u32 = 60;
/// ... is read only once in so many ticks: on most machines that is nearly everyone.
const IDLE_TICKS: u64 = 4;

/// What is read of a process once, and seldom again.
pub(crate) struct Details {
    pub(crate) command: String,
    pub(crate) cgroup: String,
    pub(crate) uid: Option<u32>,
}

/// One process.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) comm: Vec<u8>,
    pub(crate) stat: Stat,
    /// How often it was read.
    pub(crate) readings: u32,
    /// How many readings in a row it has used no CPU time.
    idle_readings: u32,
    /// CPU time since the last reading, in hundredths of a second.
    pub(crate) cpu_delta: u64,
    /// Bytes read and written, if that may be known, and how many since the last look.
    pub(crate) io_bytes: Option<[u64; 2]>,
    pub(crate) io_delta: u64,
    pub(crate) io_denied: bool,
    pub(crate) io: Option<File>,
    pub(crate) fds: Option<u64>,
    pub(crate) listening: bool,
    /// Recorded one by one until this tick.
    pub(crate) selected_until: u64,
    pub(crate) row: Option<Row>,
    /// What only the ring wants, once it was read.
    pub(crate) details: Option<Box<Details>>,
    file: Option<File>,
    gone: bool,
}

impl Process {
    fn new(pid: u32) -> Process {
        Process {
            pid,
            comm: Vec::new(),
            stat: Stat::default(),
            readings: 0,
            idle_readings: 0,
            cpu_delta: 0,
            io_bytes: None,
            io_delta: 0,
            io_denied: false,
            io: None,
            fds: None,
            listening: false,
            selected_until: 0,
            row: None,
            details: None,
            file: None,
            gone: false,
        }
    }
}

pub(crate) struct Table {
    pub(crate) dir: Option<ProcDir>,
    /// Ascending by pid.
    pub(crate) list: Vec<Process>,
    /// Processes and threads that were seen for the first time, ever.
    pub(crate) arrivals: u64,
    /// Processes beyond the limit.
    pub(crate) unwatched: u64,
    /// Files that may still be kept open.
    pub(crate) files_left: usize,
    /// Scratch of the selection.
    pub(crate) chosen: Vec<usize>,
    pids: Vec<u32>,
    forks_listed: Option<u64>,
    relist: bool,
}

impl Table {
    pub(crate) fn new(_settings: &Settings) -> Table {
        Table {
            dir: None,
            list: Vec::new(),
            arrivals: 0,
            unwatched: 0,
            files_left: 0,
            chosen: Vec::new(),
            pids: Vec::new(),
            forks_listed: None,
            relist: true,
        }
    }

    /// Brings the list up to date and reads everyone.
    pub(crate) fn refresh(&mut self, cx: &mut Context) {
        if self.dir.is_none() {
            match ProcDir::open(&cx.settings.proc_root) {
                Ok(dir) => self.dir = Some(dir),
                Err(_) => {
                    cx.io.errors += 1;
                    return;
                }
            }
        }
        if self.relist || cx.forks.is_none() || cx.forks != self.forks_listed {
            self.forks_listed = cx.forks;
            self.relist = false;
            self.merge(cx);
        }
        let open =
            self.list.iter().map(|p| usize::from(p.file.is_some()) + usize::from(p.io.is_some())).sum();
        self.files_left = cx.settings.process_files_max.saturating_sub(open);
        let Some(dir) = &self.dir else { return };
        let tick = cx.io.tick;
        for p in &mut self.list {
            let is_idle = p.idle_readings >= IDLE_READINGS && tick >= p.selected_until;
            if is_idle && !(u64::from(p.pid) + tick).is_multiple_of(IDLE_TICKS) {
                p.cpu_delta = 0;
                continue;
            }
            match read_one(dir, p, cx, &mut self.files_left) {
                Some(new_threads) => self.arrivals += new_threads,
                None => {
                    p.gone = true;
                    if let Some(mut row) = p.row.take() {
                        row.end(&mut cx.sink);
                    }
                }
            }
        }
        // The number of one that ended may be another's already: look again next time.
        let before = self.list.len();
        self.list.retain(|p| !p.gone);
        self.relist |= self.list.len() != before;
    }

    /// Lists the folder and merges it into the list; both are in order.
    fn merge(&mut self, cx: &mut Context) {
        let Some(dir) = &mut self.dir else { return };
        if dir.list(&mut self.pids).is_err() {
            cx.io.errors += 1;
            return;
        }
        let limit = cx.settings.processes_watched_max;
        self.unwatched = self.pids.len().saturating_sub(limit) as u64;
        cx.sink.refused += self.unwatched;
        let known = self.list.len();
        let mut i = 0;
        for pid in self.pids.iter().take(limit) {
            while i < known && self.list[i].pid < *pid {
                i += 1;
            }
            if i >= known || self.list[i].pid != *pid {
                self.list.push(Process::new(*pid));
            }
        }
        // Those that ended are found out when they are read. A stable sort of two sorted runs is one
        // merge.
        if self.list.len() > known {
            self.list.sort_by_key(|p| p.pid);
        }
    }
}

/// Reads /proc/PID/stat. Returns the number of threads not seen before; None if the process is gone.
fn read_one(dir: &ProcDir, p: &mut Process, cx: &mut Context, files_left: &mut usize) -> Option<u64> {
    let opened;
    let file = match &p.file {
        Some(file) => file,
        None => {
            match dir.open_file(p.pid, "stat") {
                Ok(file) => opened = Some(file),
                // Gone, or hidden from us by a mount option: no fault either way.
                Err(_) => return None,
            }
            if *files_left > 0 {
                *files_left -= 1;
                p.file = opened;
                p.file.as_ref()?
            } else {
                opened.as_ref()?
            }
        }
    };
    let (comm, stat) = match cx.io.read_file(file, Shape::Whole) {
        Ok(text) => parse_stat(text)?,
        Err(e) => {
            cx.io.errors += u64::from(!is_absence(&e));
            return None;
        }
    };
    if p.readings > 0 && p.stat.start_ticks != stat.start_ticks {
        // Another process under the same number: end this one; the next listing finds the other.
        return None;
    }
    let comm = name_of(comm);
    if p.comm != comm {
        p.comm.clear();
        p.comm.extend_from_slice(comm);
        // Another program runs in it now.
        p.details = None;
        // The name is a label: other series begin.
        if let Some(mut row) = p.row.take() {
            row.end(&mut cx.sink);
        }
    }
    // All CPU time of one that was started after the recorder is news; of older ones only what comes.
    let known_ticks = if p.readings == 0 && cx.io.tick == 0 { stat.cpu_ticks() } else { p.stat.cpu_ticks() };
    p.cpu_delta = stat.cpu_ticks().saturating_sub(known_ticks);
    p.idle_readings = if p.cpu_delta == 0 { p.idle_readings.saturating_add(1) } else { 0 };
    let new_threads = stat.threads.saturating_sub(p.stat.threads);
    p.readings = p.readings.saturating_add(1);
    p.stat = stat;
    Some(new_threads)
}

/// The command name. The kernel's workers add what they do just now, which would be another name, and
/// other series, every second.
fn name_of(comm: &[u8]) -> &[u8] {
    if !comm.starts_with(b"kworker/") {
        return comm;
    }
    let end = comm.iter().position(|b| matches!(b, b'-' | b'+')).unwrap_or(comm.len());
    &comm[..end]
}

#[cfg(test)]
mod tests;
