//! Control groups, version 1 and 2: CPU, throttling, memory, OOM kills, I/O, processes, pressure, for
//! each group. It must never walk the tree every tick, nor follow a link out of it.

mod metrics;
mod parse;
mod tree;

use super::{Context, Reader};
use crate::bytes::clean;
use crate::files::{Shape, is_absence};
use crate::flight::{Fill, hash};
use crate::series::{Row, Sink};
use crate::settings::Settings;
use capture::class::CGROUPS;
use capture::{Row as RingRow, Told};
pub(crate) use metrics::METRICS;
use metrics::at;
use parse::Values;
use std::fs::File;
use std::path::PathBuf;
use tree::{Root, Tree};

/// When a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Every tick: it says whether the group ran.
    Always,
    /// Every tick in which the group ran, and every few seconds.
    Running,
    /// Every few seconds.
    Slow,
}

/// One file of a group: which root it is under, and what it is turned into.
struct FileKind {
    root: Root,
    name: &'static str,
    when: When,
    parse: fn(&[u8], &mut Values),
}

const fn file(root: Root, name: &'static str, when: When, parse: fn(&[u8], &mut Values)) -> FileKind {
    FileKind { root, name, when, parse }
}

/// The files that are read always come first.
const FILES: &[FileKind] = &[
    file(Root::Unified, "cpu.stat", When::Always, parse::cpu_stat),
    file(Root::CpuAcct, "cpuacct.usage", When::Always, parse::cpuacct_usage),
    file(Root::Unified, "memory.current", When::Running, |t, v| parse::single(t, v, at::MEMORY)),
    file(Root::Memory, "memory.usage_in_bytes", When::Running, |t, v| parse::single(t, v, at::MEMORY)),
    file(Root::Unified, "io.stat", When::Running, parse::io_stat),
    file(Root::Blkio, "blkio.throttle.io_service_bytes", When::Running, |t, v| {
        parse::blkio(t, v, at::READ_BYTES)
    }),
    file(Root::Blkio, "blkio.throttle.io_serviced", When::Running, |t, v| parse::blkio(t, v, at::READS)),
    file(Root::Cpu, "cpu.stat", When::Slow, parse::cpu_stat_v1),
    file(Root::CpuAcct, "cpuacct.stat", When::Slow, parse::cpuacct_stat),
    file(Root::Unified, "memory.max", When::Slow, |t, v| parse::limit(t, v, at::MEMORY_LIMIT)),
    file(Root::Memory, "memory.limit_in_bytes", When::Slow, |t, v| parse::limit(t, v, at::MEMORY_LIMIT)),
    file(Root::Unified, "memory.swap.current", When::Slow, |t, v| parse::single(t, v, at::SWAP)),
    file(Root::Unified, "memory.stat", When::Slow, parse::memory_stat),
    file(Root::Memory, "memory.stat", When::Slow, parse::memory_stat_v1),
    file(Root::Unified, "memory.events", When::Slow, parse::memory_events),
    file(Root::Memory, "memory.oom_control", When::Slow, parse::memory_events),
    file(Root::Memory, "memory.failcnt", When::Slow, |t, v| parse::single(t, v, at::LIMIT_HITS)),
    file(Root::Unified, "pids.current", When::Slow, |t, v| parse::single(t, v, at::PIDS)),
    file(Root::Pids, "pids.current", When::Slow, |t, v| parse::single(t, v, at::PIDS)),
    file(Root::Unified, "pids.max", When::Slow, |t, v| parse::limit(t, v, at::PIDS_LIMIT)),
    file(Root::Pids, "pids.max", When::Slow, |t, v| parse::limit(t, v, at::PIDS_LIMIT)),
    file(Root::Unified, "cpu.pressure", When::Slow, |t, v| parse::pressure(t, v, at::PRESSURE_CPU)),
    file(Root::Unified, "memory.pressure", When::Slow, |t, v| parse::pressure(t, v, at::PRESSURE_MEMORY)),
    file(Root::Unified, "io.pressure", When::Slow, |t, v| parse::pressure(t, v, at::PRESSURE_IO)),
];

/// What the ring has of a group: places among the metrics, and what a value is multiplied with to be a whole number.
const RING: [(usize, f64); 8] = [
    (at::CPU_USAGE, 1e6),
    (at::CPU_THROTTLED, 1e6),
    (at::MEMORY, 1.0),
    (at::MEMORY_LIMIT, 1.0),
    (at::PIDS, 1.0),
    (at::OOM_KILLS, 1.0),
    (at::READ_BYTES, 1.0),
    (at::WRITTEN_BYTES, 1.0),
];

/// Slow ticks between two walks of the tree.
const WALK_SLOW_TICKS: u64 = 2;

/// One control group.
struct Group {
    /// Its path from the root: `/`, `/system.slice/ssh.service`.
    path: Vec<u8>,
    /// The roots under which it is: bits of [`Root`].
    roots: u8,
    /// Files that it has not: bits of positions in [`FILES`].
    absent: u32,
    /// The file that is read always, kept open within the budget.
    kept: Option<(usize, File)>,
    usage: Option<f64>,
    /// What was read last, for the ring.
    last: [Option<f64>; RING.len()],
    row: Option<Row>,
    seen: bool,
}

pub(crate) struct Cgroups {
    tree: Tree,
    /// Ascending by path.
    groups: Vec<Group>,
    kept_max: usize,
    path: PathBuf,
    values: Values,
}

impl Cgroups {
    pub(crate) fn new(settings: &Settings) -> Cgroups {
        Cgroups {
            tree: Tree::new(settings.sys_root.join("fs/cgroup"), settings.cgroups_max),
            groups: Vec::new(),
            kept_max: settings.cgroup_files_max,
            path: PathBuf::new(),
            values: Values::default(),
        }
    }

    /// Walks the tree and brings the list of groups up to date.
    fn walk(&mut self, sink: &mut Sink) {
        let (found, left_out) = self.tree.walk();
        sink.refused += left_out;
        for group in &mut self.groups {
            group.seen = false;
            // A controller may have been switched on since.
            group.absent = 0;
        }
        let known = self.groups.len();
        for (path, roots) in found {
            match self.groups[..known].binary_search_by(|g| g.path.as_slice().cmp(&path)) {
                Ok(i) => (self.groups[i].roots, self.groups[i].seen) = (roots, true),
                Err(_) => self.groups.push(Group {
                    path,
                    roots,
                    absent: 0,
                    kept: None,
                    usage: None,
                    last: [None; RING.len()],
                    row: None,
                    seen: true,
                }),
            }
        }
        self.groups.retain_mut(|group| {
            if let (false, Some(row)) = (group.seen, &mut group.row) {
                row.end(sink);
            }
            group.seen
        });
        self.groups.sort_by(|a, b| a.path.cmp(&b.path));
        for group in self.groups.iter_mut().skip(self.kept_max) {
            group.kept = None;
        }
    }
}

impl Reader for Cgroups {
    fn name(&self) -> &'static str {
        "cgroup"
    }

    fn read(&mut self, cx: &mut Context) {
        let slow = cx.settings.slow_seconds.max(1);
        if cx.io.tick.is_multiple_of(slow * WALK_SLOW_TICKS) {
            self.walk(&mut cx.sink);
        }
        for (i, group) in self.groups.iter_mut().enumerate() {
            let is_slow = group.row.is_none() || cx.is_slow_tick(i as u64);
            let mut is_running = is_slow;
            let mut pushed = 0u32;
            for (position, kind) in FILES.iter().enumerate() {
                let due = match kind.when {
                    When::Always => true,
                    When::Running => is_running,
                    When::Slow => is_slow,
                };
                if !due {
                    // Every later file is due less often still.
                    break;
                }
                if group.roots & kind.root.bit() == 0 || group.absent >> position & 1 == 1 {
                    continue;
                }
                self.values.clear();
                let keep = i < self.kept_max;
                if !read_file(&self.tree, &mut self.path, group, position, keep, cx) {
                    continue;
                }
                (kind.parse)(cx.io.last_text(), &mut self.values);
                if kind.when == When::Always {
                    let usage = self.values.get(at::CPU_USAGE);
                    is_running |= usage != group.usage;
                    group.usage = usage;
                }
                let row = group.row.get_or_insert_with(|| {
                    Row::new(b"", 0, cx.sink.labels_of(METRICS, &[("cgroup", clean(&group.path))]))
                });
                for (index, value) in self.values.iter() {
                    // Where both versions are mounted, both may know the same: the first one counts.
                    if pushed >> index & 1 == 0 {
                        pushed |= 1 << index;
                        row.push(&mut cx.sink, index, value);
                        if let Some(n) = RING.iter().position(|(at, _)| *at == index) {
                            group.last[n] = Some(value);
                        }
                    }
                }
            }
        }
    }

    fn fill(&mut self, fill: &mut Fill) {
        let now_ms = fill.now_ms;
        let Some(track) = fill.ring.track(&CGROUPS) else { return };
        track.begin(now_ms);
        for group in &self.groups {
            let mut numbers = [None; RING.len()];
            for ((number, value), (_, factor)) in numbers.iter_mut().zip(group.last).zip(RING) {
                *number = value.map(|v| (v * factor) as i64);
            }
            let path = String::from_utf8_lossy(&group.path);
            track.push(RingRow { key: hash(&[&group.path]), texts: &[&path], numbers: &numbers });
        }
        track.end();
        let problem = match self.groups.is_empty() {
            true => "there are no control groups here that can be read",
            false => "",
        };
        fill.ring.tell(&CGROUPS, Told { problem: problem.into(), period_seconds: 1 });
    }
}

/// Reads one file of a group into the shared buffer; false if there is nothing.
fn read_file(
    tree: &Tree,
    path: &mut PathBuf,
    group: &mut Group,
    position: usize,
    keep: bool,
    cx: &mut Context,
) -> bool {
    let kind = &FILES[position];
    let kept = group.kept.as_ref().filter(|(p, _)| *p == position).map(|(_, file)| file);
    let opened;
    let file = match kept {
        Some(file) => file,
        None => {
            tree.path_of(kind.root, &group.path, kind.name, path);
            match File::open(&path) {
                Ok(file) => opened = file,
                Err(e) => {
                    cx.io.errors += u64::from(!is_absence(&e));
                    group.absent |= 1 << position;
                    return false;
                }
            }
            &opened
        }
    };
    if let Err(e) = cx.io.read_file(file, Shape::Records) {
        // The group is gone, or the controller does not answer for it.
        cx.io.errors += u64::from(!is_absence(&e));
        group.absent |= 1 << position;
        group.kept = None;
        return false;
    }
    if kept.is_none() && keep && kind.when == When::Always && group.kept.is_none() {
        group.kept = File::open(&path).ok().map(|file| (position, file));
    }
    true
}

#[cfg(test)]
mod tests;
