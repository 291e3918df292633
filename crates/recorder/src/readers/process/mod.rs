//! Processes: /proc/PID/stat of all of them every tick, and of the busiest and the listening ones also
//! I/O and open files, each with series of its own. It must never read what the kernel finds costly
//! (smaps, status of everyone), nor open more files than its share.

mod listen;
mod metrics;
pub(crate) mod proc_dir;
mod ring;
mod select;
pub(crate) mod socket;
mod stat;
mod table;

pub use listen::{ListeningPort, listening_ports};

use super::{Context, Reader};
use crate::bytes::clean;
use crate::flight::{Fill, Governor};
use crate::series::{Fixed, Row, Rows, Sink};
use crate::settings::Settings;
pub(crate) use metrics::reference;
use metrics::{BY_STATE, FDS, IO, METRICS, STATE, STATES, STATES_AT, TOTALS};
use model::Labels;
use proc_dir::ProcDir;
use select::Ranking;
use stat::parse_io;
use table::{Process, Table};

/// A process is ranked by descriptors and I/O at least once in so many ticks, however idle.
const SWEEP_TICKS: u64 = 32;
/// A process that was among the busiest stays recorded for so many ticks more.
const KEEP_TICKS: u64 = 30;
/// Below these a process is not busy, whatever the others do.
const RESIDENT_PAGES_MIN: u64 = 1_024;
const THREADS_MIN: u64 = 8;
const FDS_MIN: u64 = 32;
/// Seconds between two looks at the open files of the busiest, for the ring, and the CPU time that a second of it may cost.
const FILES_PERIOD: u64 = 10;
const FILES_CPU_NS: u64 = 400_000;

pub(crate) struct Processes {
    table: Table,
    listeners: listen::Listeners,
    ranking: Ranking,
    fixed: Fixed,
    by_state: Rows,
    /// Processes and threads created before the first reading, or that were there already.
    unseen: u64,
    forks_at_start: Option<u64>,
    page_bytes: f64,
    files_governor: Governor,
}

impl Processes {
    pub(crate) fn new(settings: &Settings) -> Processes {
        Processes {
            table: Table::new(settings),
            listeners: listen::Listeners::new(settings),
            ranking: Ranking::default(),
            fixed: Fixed::default(),
            by_state: Rows::new(16),
            unseen: 0,
            forks_at_start: None,
            page_bytes: rustix::param::page_size() as f64,
            files_governor: Governor::new(FILES_PERIOD, FILES_CPU_NS),
        }
    }

    /// Reads what only the selected get, and ranks.
    fn select(&mut self, cx: &mut Context) {
        let (tick, settings) = (cx.io.tick, cx.settings);
        let Some(dir) = &mut self.table.dir else { return };
        for p in &mut self.table.list {
            let swept = (u64::from(p.pid) + tick).is_multiple_of(SWEEP_TICKS);
            let selected = tick < p.selected_until;
            if selected || p.cpu_delta > 0 || swept {
                read_io(dir, p, cx, &mut self.table.files_left);
            } else {
                p.io_delta = 0;
            }
            let slow = settings.slow_seconds.max(1);
            if swept || (selected && (p.fds.is_none() || (u64::from(p.pid) + tick).is_multiple_of(slow))) {
                cx.io.files += 1;
                p.fds = dir.count_fds(p.pid).ok();
            }
        }
        let list = &mut self.table.list;
        let count = settings.processes_per_measure;
        let mut chosen = std::mem::take(&mut self.table.chosen);
        chosen.clear();
        let mut rank = |value: &dyn Fn(&Process) -> u64, floor| {
            // A process is eligible when it is seen for the second time: then it has a rate.
            let values = list.iter().map(|p| if p.readings > 1 { value(p) } else { 0 });
            self.ranking.largest(values, count, floor, |i| chosen.push(i));
        };
        rank(&|p| p.cpu_delta, 1);
        rank(&|p| p.io_delta, 1);
        rank(&|p| p.stat.resident_pages, RESIDENT_PAGES_MIN);
        rank(&|p| p.stat.threads, THREADS_MIN);
        rank(&|p| p.fds.unwrap_or(0), FDS_MIN);
        let mut selected = list.iter().filter(|p| tick < p.selected_until).count();
        let mut refused = 0;
        let mut take = |p: &mut Process| {
            if tick >= p.selected_until {
                if selected >= settings.processes_max {
                    refused += 1;
                    return;
                }
                selected += 1;
            }
            p.selected_until = tick + KEEP_TICKS;
        };
        // Those that listen come first: they are the last to be left out at the limit.
        for p in list.iter_mut() {
            p.listening = self.listeners.is_listening(p.pid);
            if p.listening {
                take(p);
            }
        }
        chosen.iter().for_each(|i| take(&mut list[*i]));
        cx.sink.refused += refused;
        self.table.chosen = chosen;
    }

    fn push_each(&mut self, cx: &mut Context) -> usize {
        let (mut recorded, tick) = (0, cx.io.tick);
        for p in &mut self.table.list {
            if tick >= p.selected_until {
                if let Some(mut row) = p.row.take() {
                    row.end(&mut cx.sink);
                    p.io = None;
                }
                continue;
            }
            recorded += 1;
            push_process(p, self.page_bytes, cx.boot_time_seconds, &mut cx.sink);
        }
        recorded
    }

    fn push_totals(&mut self, cx: &mut Context, recorded: usize) {
        let mut counts = [0u64; STATES.len()];
        let mut threads = 0;
        for p in &self.table.list {
            threads += p.stat.threads;
            if let Some(i) = STATES.iter().position(|(letter, _)| *letter == p.stat.state) {
                counts[i] += 1;
            }
        }
        if let (Some(forks), Some(_)) = (cx.forks, &self.table.dir) {
            // Both sides grow from the first reading on; what one reads late the other reads later,
            // so that the difference mends itself and only its highest value counts.
            let start = *self.forks_at_start.get_or_insert(forks.wrapping_sub(self.table.arrivals));
            let created = forks.wrapping_sub(start);
            self.unseen = self.unseen.max(created.saturating_sub(self.table.arrivals));
        }
        let sink = &mut cx.sink;
        let all = self.table.list.len() as u64 + self.table.unwatched;
        let values = [all, threads, self.unseen, recorded as u64];
        for (i, value) in values.into_iter().enumerate() {
            self.fixed.push(sink, TOTALS, i, value as f64);
        }
        self.by_state.begin();
        for ((letter, _), count) in STATES.iter().zip(counts) {
            // A state in which there never was a process needs no series.
            if count == 0 && !self.by_state.next_is(&[*letter]) {
                continue;
            }
            let make =
                |s: &mut Sink| vec![s.labels(BY_STATE.name, &[("state", char::from(*letter).to_string())])];
            if let Some(row) = self.by_state.row(sink, &[*letter], make) {
                row.push(sink, 0, count as f64);
            }
        }
        if cx.is_slow_tick(4) {
            for (i, file) in ["sys/kernel/pid_max", "sys/kernel/threads-max"].into_iter().enumerate() {
                let text = cx.io.read_once(&cx.settings.proc_root.join(file));
                if let Some(v) = text.and_then(|t| crate::bytes::float(t.trim_ascii())) {
                    self.fixed.push(&mut cx.sink, TOTALS, 4 + i, v);
                }
            }
        }
    }
}

impl Reader for Processes {
    fn name(&self) -> &'static str {
        "process"
    }

    fn read(&mut self, cx: &mut Context) {
        self.table.refresh(cx);
        if let Some(dir) = &mut self.table.dir {
            self.listeners.refresh(cx, dir, &self.table.list);
        }
        self.listeners.push(cx);
        self.select(cx);
        let recorded = self.push_each(cx);
        self.push_totals(cx, recorded);
    }

    fn listening_ports(&self) -> &[ListeningPort] {
        self.listeners.ports()
    }

    fn fill(&mut self, fill: &mut Fill) {
        ring::processes(&mut self.table, self.page_bytes as u64, fill);
        ring::files(&mut self.table, &mut self.files_governor, fill);
    }
}

/// Bytes of storage I/O since the last look, if the process lets itself be looked at.
fn read_io(dir: &ProcDir, p: &mut Process, cx: &mut Context, files_left: &mut usize) {
    p.io_delta = 0;
    if p.io_denied {
        return;
    }
    let opened;
    let file = match &p.io {
        Some(file) => file,
        None => {
            match dir.open_file(p.pid, "io") {
                Ok(file) => opened = file,
                Err(_) => {
                    // Another user's process, or a kernel thread of another name space: not a fault.
                    p.io_denied = true;
                    return;
                }
            }
            &opened
        }
    };
    match cx.io.read_file(file, crate::files::Shape::Whole).map(parse_io) {
        Ok(Some(bytes)) => {
            let total = bytes[0].saturating_add(bytes[1]);
            p.io_delta = p.io_bytes.map_or(0, |b| total.saturating_sub(b[0].saturating_add(b[1])));
            p.io_bytes = Some(bytes);
        }
        _ => p.io_denied = true,
    }
    // Only the recorded keep the file open: the others are looked at too seldom.
    if p.io.is_none() && p.row.is_some() && *files_left > 0 && !p.io_denied {
        p.io = dir.open_file(p.pid, "io").ok();
    }
}

fn process_labels(sink: &Sink, pid: u32, comm: &[u8]) -> Vec<Labels> {
    let (pid, comm) = (pid.to_string(), clean(comm));
    let series = METRICS.iter().map(|(metric, value)| {
        let extra = metric.labels.get(2).copied().unwrap_or("mode");
        sink.labels(metric.name, &[("pid", pid.as_str()), ("comm", &comm), (extra, value)])
    });
    let states = STATES
        .iter()
        .map(|(_, word)| sink.labels(STATE.name, &[("pid", pid.as_str()), ("comm", &comm), ("state", word)]));
    series.chain(states).collect()
}

fn push_process(p: &mut Process, page_bytes: f64, boot_seconds: Option<f64>, sink: &mut Sink) {
    let s = p.stat;
    let row = p.row.get_or_insert_with(|| Row::new(b"", 0, process_labels(sink, p.pid, &p.comm)));
    row.push(sink, 0, s.user_ticks as f64 / 100.0);
    row.push(sink, 1, s.system_ticks as f64 / 100.0);
    row.push(sink, 2, s.resident_pages as f64 * page_bytes);
    row.push(sink, 3, s.virtual_bytes as f64);
    row.push(sink, 4, s.threads as f64);
    row.push(sink, 5, s.minor_faults as f64);
    row.push(sink, 6, s.major_faults as f64);
    row.push_some(sink, 7, boot_seconds.map(|b| b + s.start_ticks as f64 / 100.0));
    row.push_some(sink, FDS, p.fds.map(|n| n as f64));
    if let Some(bytes) = p.io_bytes {
        row.push(sink, IO, bytes[0] as f64);
        row.push(sink, IO + 1, bytes[1] as f64);
    }
    for (i, (letter, _)) in STATES.iter().enumerate() {
        if *letter == s.state {
            row.push(sink, STATES_AT + i, 1.0);
        } else if row.has_pushed(STATES_AT + i) {
            row.push(sink, STATES_AT + i, 0.0);
        }
    }
}
