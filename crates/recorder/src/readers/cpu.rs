//! CPU time per core and mode, context switches, forks, interrupts: /proc/stat, and run queue times of
//! /proc/schedstat. It must never let idle time run backwards, as the kernel sometimes does.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, lines, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Fixed, Rows, Sink};
use crate::settings::Settings;

const CPU: &[Reference] = &[
    counter(
        "node_cpu_seconds_total",
        "seconds",
        &["cpu", "mode"],
        "/proc/stat",
        "Seconds the CPU spent in each mode: user, nice, system, idle, iowait, irq, softirq, steal.",
    ),
    counter(
        "node_cpu_guest_seconds_total",
        "seconds",
        &["cpu", "mode"],
        "/proc/stat",
        "Seconds the CPU ran virtual machines (also counted as user or nice).",
    ),
];

const STAT: &[Reference] = &[
    counter("node_intr_total", "", &[], "/proc/stat", "Interrupts serviced."),
    counter("node_context_switches_total", "", &[], "/proc/stat", "Context switches."),
    counter("node_forks_total", "", &[], "/proc/stat", "Processes and threads created."),
    gauge(
        "node_boot_time_seconds",
        "seconds",
        &[],
        "/proc/stat",
        "When the machine was started, in seconds since 1970.",
    ),
    gauge("node_procs_running", "", &[], "/proc/stat", "Threads that run or could run."),
    gauge("node_procs_blocked", "", &[], "/proc/stat", "Threads that wait for I/O."),
];

const SOFTIRQS: Reference =
    counter("node_softirqs_total", "", &["vector"], "/proc/stat", "Softirq calls, by vector.");

const SCHEDSTAT: &[Reference] = &[
    counter(
        "node_schedstat_running_seconds_total",
        "seconds",
        &["cpu"],
        "/proc/schedstat",
        "Seconds the CPU ran a thread.",
    ),
    counter(
        "node_schedstat_waiting_seconds_total",
        "seconds",
        &["cpu"],
        "/proc/schedstat",
        "Seconds that threads waited for this CPU although they could run.",
    ),
    counter(
        "node_schedstat_timeslices_total",
        "",
        &["cpu"],
        "/proc/schedstat",
        "Time slices executed by the CPU.",
    ),
];

pub(crate) fn reference() -> Vec<Reference> {
    [CPU, STAT, &[SOFTIRQS], SCHEDSTAT].concat()
}

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: [&str; 2] = ["user", "nice"];
const SOFTIRQ_VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/// The kernel gives CPU times to programs in hundredths of a second, whatever its own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// A drop of idle time by more ticks than this is a CPU that was taken out and put back.
const IDLE_DROP_TICKS_MAX: u64 = 300;

pub(crate) struct Cpu {
    stat: Source,
    stat_state: Stat,
    schedstat: Source,
    sched: Rows,
}

/// What /proc/stat is turned into.
struct Stat {
    cpus: Rows,
    /// The last idle and iowait time of each CPU, in the order of the file.
    idle: Vec<[u64; 2]>,
    fixed: Fixed,
    softirqs: Rows,
    forks: Option<u64>,
    boot_time_seconds: Option<f64>,
}

impl Cpu {
    pub(crate) fn new(settings: &Settings) -> Cpu {
        let (proc, max) = (&settings.proc_root, settings.things_max);
        Cpu {
            stat: Source::new(proc.join("stat"), Shape::Whole),
            stat_state: Stat {
                cpus: Rows::new(max),
                idle: Vec::new(),
                fixed: Fixed::default(),
                softirqs: Rows::new(1),
                forks: None,
                boot_time_seconds: None,
            },
            schedstat: Source::new(proc.join("schedstat"), Shape::Records),
            sched: Rows::new(max),
        }
    }
}

impl Reader for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self, cx: &mut Context) {
        if let Some(text) = self.stat.read(cx.io) {
            self.stat_state.read(text, &mut cx.sink);
            (cx.forks, cx.boot_time_seconds) = (self.stat_state.forks, self.stat_state.boot_time_seconds);
        }
        if let Some(text) = self.schedstat.read(cx.io) {
            schedstat(text, &mut self.sched, &mut cx.sink);
        }
    }
}

impl Stat {
    fn read(&mut self, text: &[u8], sink: &mut Sink) {
        self.cpus.begin();
        self.softirqs.begin();
        let mut position = 0;
        for line in lines(text) {
            let mut fields = Fields(line);
            let Some(name) = fields.next() else { continue };
            let index = match name {
                b"intr" => 0,
                b"ctxt" => 1,
                b"processes" => 2,
                b"btime" => 3,
                b"procs_running" => 4,
                b"procs_blocked" => 5,
                b"softirq" => {
                    self.softirq_line(sink, fields);
                    continue;
                }
                _ => {
                    // "cpu" alone is the sum of all.
                    if let Some(id) = name.strip_prefix(b"cpu").filter(|id| !id.is_empty()) {
                        self.cpu_line(sink, position, id, fields);
                        position += 1;
                    }
                    continue;
                }
            };
            if let Some(n) = fields.number() {
                match index {
                    2 => self.forks = Some(n),
                    3 => self.boot_time_seconds = Some(n as f64),
                    _ => {}
                }
                self.fixed.push(sink, STAT, index, n as f64);
            }
        }
        self.cpus.end(sink);
    }

    fn cpu_line(&mut self, sink: &mut Sink, position: usize, id: &[u8], fields: Fields) {
        let make = |s: &mut Sink| {
            let cpu = clean(id);
            let row = |metric: &Reference, mode: &&str| {
                s.labels(metric.name, &[("cpu", cpu.as_str()), ("mode", mode)])
            };
            let modes = MODES.iter().map(|mode| row(&CPU[0], mode));
            modes.chain(GUEST_MODES.iter().map(|mode| row(&CPU[1], mode))).collect()
        };
        let Some(row) = self.cpus.row(sink, id, make) else { return };
        if position >= self.idle.len() {
            self.idle.resize(position + 1, [0, 0]);
        }
        for (i, field) in fields.take(MODES.len() + GUEST_MODES.len()).enumerate() {
            let Some(mut ticks) = unsigned(field) else { continue };
            if let 3 | 4 = i {
                let last = &mut self.idle[position][i - 3];
                if ticks < *last && *last - ticks < IDLE_DROP_TICKS_MAX {
                    ticks = *last;
                }
                *last = ticks;
            }
            row.push(sink, i, ticks as f64 / TICKS_PER_SECOND);
        }
    }

    fn softirq_line(&mut self, sink: &mut Sink, fields: Fields) {
        let make = |s: &mut Sink| {
            SOFTIRQ_VECTORS.iter().map(|v| s.labels(SOFTIRQS.name, &[("vector", v)])).collect()
        };
        let Some(row) = self.softirqs.row(sink, b"", make) else { return };
        // The first number is the sum of the others.
        for (i, field) in fields.skip(1).take(SOFTIRQ_VECTORS.len()).enumerate() {
            row.push_some(sink, i, unsigned(field).map(|n| n as f64));
        }
    }
}

/// Lines `cpuN` with nine numbers; the last three are run time, wait time (ns) and time slices.
fn schedstat(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    for line in lines(text) {
        let mut fields = Fields(line);
        let Some(id) = fields.next().and_then(|n| n.strip_prefix(b"cpu")).filter(|id| !id.is_empty()) else {
            continue;
        };
        let make = |s: &mut Sink| s.labels_of(SCHEDSTAT, &[("cpu", clean(id))]);
        let Some(row) = rows.row(sink, id, make) else { continue };
        let mut fields = fields.skip(6).map(unsigned);
        for (i, scale) in [1e9, 1e9, 1.0].into_iter().enumerate() {
            row.push_some(sink, i, fields.next().flatten().map(|n| n as f64 / scale));
        }
    }
    rows.end(sink);
}
