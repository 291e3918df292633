//! Interrupts and soft interrupts by processor, for the ring: those that ever came. It must never make a cell for each
//! line and processor of a large machine.

use super::{Fill, Governor, hash};
use crate::bytes::{Fields, clean, lines, unsigned};
use crate::files::{Shape, Source};
use capture::class::INTERRUPTS;
use capture::{Row, Told, Track};

/// CPU time for it in each second, nanoseconds.
const CPU_NS: u64 = 300_000;
/// Cells of one reading.
const CELLS_MAX: usize = 20_000;
/// Processors beyond this are not told apart.
const CPUS_MAX: usize = 4_096;

pub(super) struct Interrupts {
    governor: Governor,
    sources: [Source; 2],
}

impl Interrupts {
    pub(super) fn new(settings: &crate::Settings) -> Interrupts {
        let source = |name| Source::new(settings.proc_root.join(name), Shape::Records);
        Interrupts { governor: Governor::new(1, CPU_NS), sources: [source("interrupts"), source("softirqs")] }
    }

    pub(super) fn fill(&mut self, fill: &mut Fill) {
        let (mut cells, mut tables) = (0, 0);
        let tick = fill.io.tick;
        let (io, now_ms, sources) = (&mut *fill.io, fill.now_ms, &mut self.sources);
        let Some(track) = fill.ring.track(&INTERRUPTS) else { return };
        let is_read = self.governor.run(tick, || {
            track.begin(now_ms);
            for (i, source) in sources.iter_mut().enumerate() {
                if let Some(text) = source.read(io) {
                    tables += 1;
                    table(text, if i == 0 { "" } else { "softirq:" }, track, &mut cells);
                }
            }
            track.end();
        });
        if is_read {
            let problem = match (tables, cells >= CELLS_MAX) {
                (0, _) => "/proc/interrupts cannot be read".into(),
                (_, true) => format!("only the first {CELLS_MAX} interrupts by processor"),
                _ => String::new(),
            };
            fill.ring.tell(&INTERRUPTS, Told { problem, period_seconds: self.governor.period() });
        }
    }
}

/// One table: a heading with a word for each processor, then lines `name: count count ... chip devices`.
fn table(text: &[u8], prefix: &str, track: &mut Track, cells: &mut usize) {
    let mut rows = lines(text);
    let heading = rows.next().unwrap_or(&[]);
    let cpus: Vec<i64> = Fields(heading)
        .filter_map(|word| unsigned(word.strip_prefix(b"CPU")?))
        .map(|n| n as i64)
        .take(CPUS_MAX)
        .collect();
    let mut name = String::new();
    for line in rows {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        name.clear();
        name.push_str(prefix);
        name.push_str(&String::from_utf8_lossy(line[..colon].trim_ascii()));
        let rest = &line[colon + 1..];
        let mut fields = Fields(rest);
        // Lines such as ERR have one number for all processors.
        let counts: Vec<u64> = cpus.iter().map_while(|_| fields.next().and_then(unsigned)).collect();
        let about = match counts.len() == cpus.len() {
            true => clean(fields.0.trim_ascii()),
            false => String::new(),
        };
        for (cpu, count) in cpus.iter().zip(counts).filter(|(_, count)| *count > 0) {
            *cells += 1;
            if *cells > CELLS_MAX {
                return;
            }
            let key = hash(&[name.as_bytes(), &cpu.to_le_bytes()]);
            track.push(Row {
                key,
                texts: &[&name, &about],
                numbers: &[Some(*cpu), i64::try_from(count).ok()],
            });
        }
    }
}
