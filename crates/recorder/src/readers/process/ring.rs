//! The table of processes for the ring: everyone, with the command line without secrets, and the open files of the
//! busiest. It must never read of a process what it may not, nor much at one time of many.

use super::Process;
use super::table::{Details, Table};
use crate::bytes::clean;
use crate::files::Shape;
use crate::flight::{Fill, Governor, hash};
use capture::class::{FILES, PROCESSES};
use capture::{Row, Told, redact};
use std::collections::BTreeMap;

/// Processes whose details are read in one tick: after a start it takes some seconds until all are known.
const DETAILS_MAX: usize = 100;
/// Details are read again in so many ticks: a program may alter its title.
const SWEEP_TICKS: u64 = 128;
/// Bytes of a command line that are looked at.
const COMMAND_BYTES_MAX: usize = 4_096;
/// The busiest processes whose open files are listed, and the most rows of that.
const BUSIEST: usize = 20;
const FILES_MAX: usize = 4_000;
const FILES_OF_ONE_MAX: usize = 512;

/// Pushes a row for each process.
pub(super) fn processes(table: &mut Table, page_bytes: u64, fill: &mut Fill) {
    let Some(dir) = &table.dir else {
        let told = Told { problem: "/proc cannot be read".into(), period_seconds: 1 };
        return fill.ring.tell(&PROCESSES, told);
    };
    let (tick, now_ms) = (fill.io.tick, fill.now_ms);
    let Some(track) = fill.ring.track(&PROCESSES) else { return };
    let mut left = DETAILS_MAX;
    let number = |n: u64| i64::try_from(n).ok();
    track.begin(now_ms);
    for p in &mut table.list {
        // One that was not read yet is nobody.
        if p.readings == 0 {
            continue;
        }
        let is_swept = (u64::from(p.pid) + tick).is_multiple_of(SWEEP_TICKS);
        if left > 0 && (p.details.is_none() || is_swept) {
            left -= 1;
            p.details = Some(Box::new(details(dir, p, fill.io)));
        }
        let (command, cgroup, uid) = match &p.details {
            Some(d) => (d.command.as_str(), d.cgroup.as_str(), d.uid),
            None => ("", "", None),
        };
        let s = &p.stat;
        let comm = String::from_utf8_lossy(&p.comm);
        let state = [s.state];
        let state = std::str::from_utf8(&state).unwrap_or("?");
        let numbers = [
            Some(i64::from(p.pid)),
            number(s.parent),
            uid.map(i64::from),
            fill.boot_ms.and_then(|boot| boot.checked_add(number(s.start_ticks.saturating_mul(10))?)),
            number(p.cpu_delta.saturating_mul(10)),
            number(s.user_ticks.saturating_mul(10)),
            number(s.system_ticks.saturating_mul(10)),
            number(s.resident_pages.saturating_mul(page_bytes)),
            number(s.virtual_bytes),
            number(s.threads),
            number(s.minor_faults),
            number(s.major_faults),
            p.io_bytes.and_then(|b| number(b[0])),
            p.io_bytes.and_then(|b| number(b[1])),
            p.fds.and_then(number),
        ];
        let key = hash(&[&p.pid.to_le_bytes(), &s.start_ticks.to_le_bytes()]);
        track.push(Row { key, texts: &[&comm, command, cgroup, state], numbers: &numbers });
    }
    track.end();
    let problem = match table.unwatched {
        0 => String::new(),
        n => format!("{n} processes beyond the bound on watched processes are missing"),
    };
    fill.ring.tell(&PROCESSES, Told { problem, period_seconds: 1 });
}

fn details(dir: &super::proc_dir::ProcDir, p: &Process, io: &mut crate::files::Io) -> Details {
    let mut text = |name: &str| -> Vec<u8> {
        let Ok(file) = dir.open_file(p.pid, name) else { return Vec::new() };
        io.read_file(&file, Shape::Whole).map(<[u8]>::to_vec).unwrap_or_default()
    };
    let command = redact::command(&text("cmdline"), COMMAND_BYTES_MAX);
    let command = match command.trim().is_empty() {
        // A thread of the kernel has none.
        true => format!("[{}]", clean(&p.comm)),
        false => command,
    };
    // `0::/path` of version 2, `N:controllers:/path` of version 1: the last line with a path that says something.
    let groups = String::from_utf8_lossy(&text("cgroup")).into_owned();
    let paths = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let cgroup = paths.max_by_key(|path| path.len()).unwrap_or_default().to_string();
    Details { command, cgroup, uid: dir.owner(p.pid).ok() }
}

/// Pushes where the open files of the busiest processes lead, if it is time for that.
pub(super) fn files(table: &mut Table, governor: &mut Governor, fill: &mut Fill) {
    let Some(dir) = &mut table.dir else { return };
    let tick = fill.io.tick;
    let now_ms = fill.now_ms;
    let Some(track) = fill.ring.track(&FILES) else { return };
    let list = &table.list;
    let mut denied = 0;
    let is_read = governor.run(tick, || {
        let mut busiest: Vec<&Process> =
            list.iter().filter(|p| p.cpu_delta > 0 || p.io_delta > 0 || tick < p.selected_until).collect();
        busiest.sort_by_key(|p| std::cmp::Reverse((p.cpu_delta, p.io_delta, p.fds)));
        track.begin(now_ms);
        let mut rows = 0;
        for p in busiest.into_iter().take(BUSIEST) {
            let mut targets: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
            let mut links = 0;
            let read = dir.each_fd(p.pid, |target| {
                *targets.entry(target.to_vec()).or_default() += 1;
                links += 1;
                links < FILES_OF_ONE_MAX
            });
            denied += u64::from(read.is_err());
            let comm = String::from_utf8_lossy(&p.comm);
            for (target, descriptors) in targets {
                rows += 1;
                if rows > FILES_MAX {
                    break;
                }
                let key = hash(&[&p.pid.to_le_bytes(), &target]);
                let texts = [&*comm, &clean(&target)];
                track.push(Row { key, texts: &texts, numbers: &[Some(i64::from(p.pid)), Some(descriptors)] });
            }
        }
        track.end();
    });
    if is_read {
        let problem = match denied {
            0 => String::new(),
            n => format!(
                "the open files of {n} of the {BUSIEST} busiest processes may not be read; they are other users'"
            ),
        };
        fill.ring.tell(&FILES, Told { problem, period_seconds: governor.period() });
    }
}
