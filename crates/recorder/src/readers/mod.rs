//! The readers, one for each part of the machine, and the recorder that calls them in turn. A reader
//! must never end the others: what it cannot read it counts.

mod cgroup;
mod clock;
mod conntrack;
mod cpu;
mod disk;
mod filesystem;
mod hardware;
mod interrupts;
mod memory;
mod network;
mod pressure;
pub(crate) mod process;
mod redundancy;
mod sockets;
mod system;
#[cfg(test)]
mod testing;

pub use process::{ListeningPort, listening_ports};

use crate::files::Io;
use crate::flight::{Fill, Flight};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Fixed, Rows, Sink};
use crate::settings::Settings;
use model::Batch;
use rustix::time::{ClockId, clock_gettime};

/// What a reader gets: where to read, where to write, and when it is.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) io: &'a mut Io,
    pub(crate) sink: Sink<'a>,
    /// Processes and threads created since the machine was started, once /proc/stat is read.
    pub(crate) forks: Option<u64>,
    /// When the machine was started, in seconds since 1970, once /proc/stat is read.
    pub(crate) boot_time_seconds: Option<f64>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(settings: &'a Settings, io: &'a mut Io, sink: Sink<'a>) -> Context<'a> {
        Context { settings, io, sink, forks: None, boot_time_seconds: None }
    }

    /// True once every `slow_seconds` ticks; `phase` spreads the work of several readers over them.
    pub(crate) fn is_slow_tick(&self, phase: u64) -> bool {
        (self.io.tick + phase).is_multiple_of(self.settings.slow_seconds.max(1)) || self.io.tick == 0
    }

    /// True once a minute, on a slow tick of phase 3 and on the first.
    pub(crate) fn is_minute_tick(&self) -> bool {
        let slow = self.settings.slow_seconds.max(1);
        self.is_slow_tick(3) && ((self.io.tick + 3) / slow).is_multiple_of((60 / slow).max(1))
            || self.io.tick == 0
    }
}

/// One part of the machine.
pub(crate) trait Reader: Send {
    /// The value of the label `reader` in the recorder's own metrics.
    fn name(&self) -> &'static str;
    /// Reads everything of this part and pushes it.
    fn read(&mut self, cx: &mut Context);
    /// Pushes into the ring what was read last, and what the ring alone wants of this part.
    fn fill(&mut self, _fill: &mut Fill) {}
    /// The ports that this machine listens on, from the reader that knows.
    fn listening_ports(&self) -> &[ListeningPort] {
        &[]
    }
}

/// What one reading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// Samples appended.
    pub samples: usize,
    /// Files read.
    pub files: u64,
    /// Reads that failed although the thing is there: (reader, number), only where there were any.
    pub errors: Vec<(&'static str, u64)>,
    /// Things that were not recorded because a limit was reached.
    pub refused: u64,
}

struct Entry {
    reader: Box<dyn Reader>,
    errors: u64,
    cpu_ns: u64,
}

/// Reads the machine. One thread owns it.
pub struct Recorder {
    settings: Settings,
    io: Io,
    entries: Vec<Entry>,
    own: Rows,
    own_fixed: Fixed,
    missed_ticks: u64,
    refused: u64,
    last_ns: Option<u64>,
    last_ms: i64,
    boot_time_seconds: Option<f64>,
    flight: Flight,
    ring_cpu_ns: u64,
}

const OWN_PER_READER: &[Reference] = &[
    counter(
        "midwatch_recorder_cpu_seconds_total",
        "seconds",
        &["reader"],
        "clock_gettime",
        "CPU time that the recorder itself has used, by reader.",
    ),
    counter(
        "midwatch_recorder_errors_total",
        "",
        &["reader"],
        "",
        "Reads that failed although the file was there, by reader.",
    ),
];

const OWN: &[Reference] = &[
    gauge(
        "midwatch_recorder_interval_seconds",
        "seconds",
        &[],
        "",
        "Time between this reading of the host and the one before; 0 at the first.",
    ),
    counter(
        "midwatch_recorder_missed_ticks_total",
        "",
        &[],
        "",
        "Readings that were due and not done in time.",
    ),
    counter(
        "midwatch_recorder_refused_total",
        "",
        &[],
        "",
        "Things not recorded because a limit was reached, counted at each reading.",
    ),
    gauge("midwatch_recorder_samples", "", &[], "", "Samples of one reading of the host."),
    gauge("midwatch_recorder_files", "", &[], "", "Files read for one reading of the host."),
];

/// The rows of all readers, by heading.
pub(crate) fn reference() -> Vec<(&'static str, Vec<Reference>)> {
    let join = |tables: &[&[Reference]]| tables.concat();
    vec![
        ("CPU and scheduling", cpu::reference()),
        ("Pressure", join(&[pressure::METRICS])),
        ("Memory", memory::reference()),
        ("Disks", join(&[disk::METRICS, disk::INFO])),
        ("File systems", join(&[filesystem::METRICS])),
        ("Network interfaces", network::reference()),
        ("Sockets and protocols", sockets::reference()),
        ("Connection tracking and neighbours", conntrack::reference()),
        ("Interrupts", join(&[interrupts::METRICS])),
        ("System", system::reference()),
        ("Clock", join(&[clock::METRICS, clock::SOURCES])),
        ("Hardware", join(&[hardware::METRICS])),
        ("Redundancy", join(&[redundancy::METRICS])),
        ("Processes", process::reference()),
        ("Control groups", join(&[cgroup::METRICS])),
        ("The recorder itself", join(&[OWN_PER_READER, OWN])),
    ]
}

impl Recorder {
    /// A recorder that has read nothing yet. Opens no file.
    pub fn new(settings: Settings) -> Recorder {
        let s = &settings;
        let readers: Vec<Box<dyn Reader>> = vec![
            Box::new(cpu::Cpu::new(s)),
            Box::new(pressure::Pressure::new(s)),
            Box::new(memory::Memory::new(s)),
            Box::new(disk::Disks::new(s)),
            Box::new(filesystem::Filesystems::new(s)),
            Box::new(network::Network::new(s)),
            Box::new(sockets::Sockets::new(s)),
            Box::new(system::System::new(s)),
            Box::new(clock::Clock::new(s)),
            Box::new(conntrack::Conntrack::new(s)),
            Box::new(interrupts::Interrupts::new(s)),
            Box::new(hardware::Hardware::new(s)),
            Box::new(redundancy::Redundancy::new(s)),
            Box::new(process::Processes::new(s)),
            Box::new(cgroup::Cgroups::new(s)),
        ];
        let flight = Flight::new(s);
        let entries = readers.into_iter().map(|reader| Entry { reader, errors: 0, cpu_ns: 0 }).collect();
        Recorder {
            settings,
            io: Io::new(),
            entries,
            own: Rows::new(64),
            own_fixed: Fixed::default(),
            missed_ticks: 0,
            refused: 0,
            last_ns: None,
            last_ms: 0,
            boot_time_seconds: None,
            flight,
            ring_cpu_ns: 0,
        }
    }

    /// Pushes into the ring what was read last, and reads what the ring alone wants. Call it after [`Recorder::read`]. What
    /// costs more than its share is read less often, which the ring tells.
    pub fn fill(&mut self, ring: &mut capture::Ring) {
        let begun_ns = thread_cpu_ns();
        let boot_ms = self.boot_time_seconds.map(|seconds| (seconds * 1000.0) as i64);
        let mut fill = Fill { io: &mut self.io, ring, now_ms: self.last_ms, boot_ms };
        self.entries.iter_mut().for_each(|entry| entry.reader.fill(&mut fill));
        self.flight.fill(&mut fill);
        self.ring_cpu_ns += thread_cpu_ns().saturating_sub(begun_ns);
    }

    /// Adds to the count of ticks that were due and not held; see [`crate::Ticker`].
    pub fn count_missed_ticks(&mut self, missed: u64) {
        self.missed_ticks = self.missed_ticks.saturating_add(missed);
    }

    /// The TCP ports that this machine listened on at the last look, at most a few seconds ago.
    pub fn listening_ports(&self) -> Vec<ListeningPort> {
        self.entries.iter().flat_map(|e| e.reader.listening_ports()).cloned().collect()
    }

    /// Reads everything once and appends it to `out`, all samples at `now_ms` (milliseconds since
    /// 1970, aligned by the caller). `monotonic_ns` is a clock that never steps. Never fails as a
    /// whole: what cannot be read is counted in the report.
    pub fn read(&mut self, now_ms: i64, monotonic_ns: u64, out: &mut Batch) -> ReadReport {
        let before = out.samples.len();
        let mut report = ReadReport::default();
        self.io.files = 0;
        let sink = Sink::new(out, now_ms, &self.settings.instance);
        let mut cx = Context::new(&self.settings, &mut self.io, sink);
        let mut cpu_before = thread_cpu_ns();
        for entry in &mut self.entries {
            cx.io.errors = 0;
            entry.reader.read(&mut cx);
            if cx.io.errors > 0 {
                report.errors.push((entry.reader.name(), cx.io.errors));
                entry.errors += cx.io.errors;
            }
            let cpu_now = thread_cpu_ns();
            entry.cpu_ns += cpu_now.saturating_sub(cpu_before);
            cpu_before = cpu_now;
        }
        (self.last_ms, self.boot_time_seconds) = (now_ms, cx.boot_time_seconds);
        self.refused += cx.sink.refused;
        report.refused = cx.sink.refused;
        report.files = cx.io.files;
        let mut sink = cx.sink;
        self.own.begin();
        for entry in &self.entries {
            let name = entry.reader.name();
            let make = |s: &mut Sink| s.labels_of(OWN_PER_READER, &[("reader", name.to_string())]);
            if let Some(row) = self.own.row(&mut sink, name.as_bytes(), make) {
                row.push(&mut sink, 0, entry.cpu_ns as f64 / 1e9);
                row.push(&mut sink, 1, entry.errors as f64);
            }
        }
        if self.ring_cpu_ns > 0 {
            let make = |s: &mut Sink| s.labels_of(OWN_PER_READER, &[("reader", "ring".to_string())]);
            if let Some(row) = self.own.row(&mut sink, b"ring", make) {
                row.push(&mut sink, 0, self.ring_cpu_ns as f64 / 1e9);
            }
        }
        let samples = sink.out.samples.len() - before + OWN.len();
        let interval_ns = self.last_ns.map_or(0, |last| monotonic_ns.saturating_sub(last));
        self.last_ns = Some(monotonic_ns);
        let values = [
            interval_ns as f64 / 1e9,
            self.missed_ticks as f64,
            self.refused as f64,
            samples as f64,
            report.files as f64,
        ];
        for (i, value) in values.into_iter().enumerate() {
            self.own_fixed.push(&mut sink, OWN, i, value);
        }
        self.io.tick += 1;
        report.samples = samples;
        report
    }
}

/// CPU time of this thread in nanoseconds: the cost of the recorder is one of the things it measures.
pub(crate) fn thread_cpu_ns() -> u64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}
