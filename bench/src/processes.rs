//! Processes as /proc shows them: CPU time and memory of one and all that it started. It must never end one.

use std::collections::BTreeMap;
use std::fs::read_to_string;

/// One line of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// The id of the one that started it, or of what took its place.
    pub parent: i32,
    /// When it was started, in ticks after the start of the machine: an id that is used again differs here.
    pub started: u64,
    /// CPU seconds, user and system, its ended and awaited children included.
    pub cpu_seconds: f64,
}

/// What a process and its descendants use.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The processes.
    pub processes: Vec<Process>,
    /// CPU seconds since they were started.
    pub cpu_seconds: f64,
    /// Resident memory, MiB; pages that several of them share count several times.
    pub rss_mib: f64,
    /// Proportional memory, MiB: a page that n processes share counts 1/n in each.
    pub pss_mib: f64,
    /// Memory that no file stands behind, MiB.
    pub anonymous_mib: f64,
}

/// All processes of this machine, kernel threads included.
pub fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(one).collect()
}

/// One process, unless it is gone.
pub fn one(pid: i32) -> Option<Process> {
    parse_stat(&read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Process> {
    let pid = text.split(' ').next()?.parse().ok()?;
    // The command stands in parentheses and may hold spaces and parentheses.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 2..)?.split_whitespace().collect();
    let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; 22: starttime. fields[0] is number 3.
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        started: number(19)?,
        cpu_seconds: ticks as f64 / per_second,
    })
}

/// A process, all that it started, and all that those started; and what they use together.
pub fn usage(root: i32) -> Usage {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    let mut processes = Vec::new();
    for process in all() {
        if process.pid == root {
            processes.push(process);
        } else {
            children.entry(process.parent).or_default().push(process);
        }
    }
    let mut next = 0;
    while next < processes.len() {
        let pid = processes[next].pid;
        processes.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    let memory = |name: &str| processes.iter().map(|p| rollup_mib(p.pid, name)).sum();
    Usage {
        cpu_seconds: processes.iter().map(|p| p.cpu_seconds).sum(),
        rss_mib: memory("Rss:"),
        pss_mib: memory("Pss:"),
        anonymous_mib: memory("Anonymous:"),
        processes,
    }
}

/// Bytes that a process alone has had written to storage, page cache that was written back included; NaN if unknown.
pub fn written_bytes(pid: i32) -> f64 {
    let text = read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("write_bytes:"));
    line.and_then(|l| l.trim().parse().ok()).unwrap_or(f64::NAN)
}

/// A line of `/proc/PID/smaps_rollup`; NaN if it cannot be read (the process of another user).
fn rollup_mib(pid: i32, name: &str) -> f64 {
    let text = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 9876 1 2";
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let want = Process { pid: 42, parent: 7, started: 9876, cpu_seconds: 200.0 / per_second };
        assert_eq!(parse_stat(line), Some(want));
        assert_eq!(parse_stat("42 (a"), None);
    }
}
