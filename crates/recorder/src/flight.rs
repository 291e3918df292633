//! What the ring of the last minutes has beyond the metrics: the whole table of processes, sockets, messages of the
//! kernel, control groups, interrupts, open files. Each has its share of CPU time, and is read less often where it costs
//! more. It must never fail as a whole: what cannot be read is told to the ring.

mod interrupts;
mod kernel;
mod sockets;

pub use sockets::sockets_now;

use crate::files::Io;
use crate::readers::process::proc_dir::ProcDir;
use crate::readers::thread_cpu_ns;
use crate::settings::Settings;
use capture::Ring;
use capture::class::FILES;
use model::{Columns, Texts, Values};
use std::collections::BTreeMap;
use std::path::Path;

/// What is handed around while the ring is filled.
pub(crate) struct Fill<'a> {
    pub(crate) io: &'a mut Io,
    pub(crate) ring: &'a mut Ring,
    /// The time of the reading.
    pub(crate) now_ms: i64,
    /// When the machine was started, milliseconds since 1970.
    pub(crate) boot_ms: Option<i64>,
}

/// The longest time between two readings of something that costs too much, seconds.
const PERIOD_MAX: u64 = 10;

/// Decides how often something is read: as often as is wanted, and less where that costs more than its share.
pub(crate) struct Governor {
    wanted: u64,
    share_ns: u64,
    cost_ns: u64,
    next_tick: u64,
}

impl Governor {
    /// Every `wanted` seconds, for at most `share_ns` of CPU time in each second.
    pub(crate) fn new(wanted: u64, share_ns: u64) -> Governor {
        Governor { wanted, share_ns, cost_ns: 0, next_tick: 0 }
    }

    /// Seconds between two readings as things are.
    pub(crate) fn period(&self) -> u64 {
        self.cost_ns.div_ceil(self.share_ns.max(1)).clamp(self.wanted, PERIOD_MAX.max(self.wanted))
    }

    /// Reads, if it is time. Returns whether it was.
    pub(crate) fn run(&mut self, tick: u64, read: impl FnOnce()) -> bool {
        if tick < self.next_tick {
            return false;
        }
        let begun_ns = thread_cpu_ns();
        read();
        self.note(tick, thread_cpu_ns().saturating_sub(begun_ns));
        true
    }

    fn note(&mut self, tick: u64, cost_ns: u64) {
        // One cheap reading does not make the next dear one cheap.
        self.cost_ns = cost_ns.max(self.cost_ns - self.cost_ns / 4);
        self.next_tick = tick + self.period();
    }
}

/// What only the ring reads.
pub(crate) struct Flight {
    sockets: sockets::Sockets,
    interrupts: interrupts::Interrupts,
    kernel: kernel::Kernel,
}

impl Flight {
    pub(crate) fn new(settings: &Settings) -> Flight {
        Flight {
            sockets: sockets::Sockets::new(settings),
            interrupts: interrupts::Interrupts::new(settings),
            kernel: kernel::Kernel::new(settings),
        }
    }

    pub(crate) fn fill(&mut self, fill: &mut Fill) {
        self.sockets.fill(fill);
        self.interrupts.fill(fill);
        self.kernel.fill(fill);
    }
}

/// The same parts give the same key (FNV-1a by Fowler, Noll, Vo).
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let step = |n: u64, b: u8| (n ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |n, part| step(part.iter().fold(n, |n, b| step(n, *b)), 0xff))
}

/// Where the open files of every process that may be looked into lead, at most `rows_max` rows, and for how many processes
/// that may not be known. Reads a link for each open file: for the moment of a capture only.
pub fn files_of_everyone(proc_root: &Path, now_ms: i64, rows_max: usize) -> (Columns, u64) {
    let mut denied = 0;
    let mut rows: Vec<(String, u32, String, i64)> = Vec::new();
    let mut pids = Vec::new();
    if let Ok(mut dir) = ProcDir::open(proc_root)
        && dir.list(&mut pids).is_ok()
    {
        for pid in pids {
            let mut targets: BTreeMap<String, i64> = BTreeMap::new();
            let left = rows_max.saturating_sub(rows.len());
            let read = dir.each_fd(pid, |target| {
                *targets.entry(crate::bytes::clean(target)).or_default() += 1;
                targets.len() < left
            });
            denied += u64::from(read == Err(rustix::io::Errno::ACCESS));
            if targets.is_empty() || left == 0 {
                continue;
            }
            let comm = std::fs::read(proc_root.join(pid.to_string()).join("comm")).unwrap_or_default();
            let comm = crate::bytes::clean(comm.trim_ascii_end());
            rows.extend(targets.into_iter().map(|(target, n)| (comm.clone(), pid, target, n)));
        }
    }
    rows.truncate(rows_max);
    let words = |of: fn(&(String, u32, String, i64)) -> &str| Texts {
        words: rows.iter().map(|r| of(r).into()).collect(),
        at: (0..rows.len() as u32).collect(),
    };
    let values = [
        Values::Times(vec![now_ms; rows.len()]),
        Values::Texts(words(|r| &r.0)),
        Values::Texts(words(|r| &r.2)),
        Values::Integers(rows.iter().map(|r| Some(i64::from(r.1))).collect()),
        Values::Integers(rows.iter().map(|r| Some(r.3)).collect()),
    ];
    let names = std::iter::once("time").chain(FILES.columns.iter().map(|c| c.name)).map(String::from);
    (Columns { columns: names.zip(values).collect() }, denied)
}

#[cfg(test)]
mod tests {
    use super::Governor;

    /// Wanted every second for 1,000 ns: (what a reading costs, seconds until the next).
    #[test]
    fn what_costs_more_is_read_less_often() {
        let mut governor = Governor::new(1, 1_000);
        let mut tick = 0;
        for (cost_ns, period) in [(500, 1), (1_500, 2), (100, 2), (100, 1), (1_000_000, 10)] {
            governor.note(tick, cost_ns);
            assert_eq!(governor.period(), period, "after {cost_ns} ns");
            assert!(!governor.run(tick, || ()));
            tick += period;
        }
        assert_eq!(Governor::new(10, 1).period(), 10);
    }
}
