//! Pressure stall information: how long threads waited for CPU, memory, I/O. It must never take a
//! kernel without it for a fault.

use super::{Context, Reader};
use crate::bytes::{Fields, lines, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter};
use crate::series::Fixed;
use crate::settings::Settings;

pub(crate) const METRICS: &[Reference] = &[
    counter(
        "node_pressure_cpu_waiting_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/cpu",
        "Seconds in which some threads waited for CPU time.",
    ),
    counter(
        "node_pressure_cpu_stalled_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/cpu",
        "Seconds in which all threads waited for CPU time at once.",
    ),
    counter(
        "node_pressure_memory_waiting_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/memory",
        "Seconds in which some threads waited for memory.",
    ),
    counter(
        "node_pressure_memory_stalled_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/memory",
        "Seconds in which all threads waited for memory at once.",
    ),
    counter(
        "node_pressure_io_waiting_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/io",
        "Seconds in which some threads waited for I/O.",
    ),
    counter(
        "node_pressure_io_stalled_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/io",
        "Seconds in which all threads waited for I/O at once.",
    ),
    counter(
        "node_pressure_irq_stalled_seconds_total",
        "seconds",
        &[],
        "/proc/pressure/irq",
        "Seconds in which all threads waited because interrupts were served.",
    ),
];

pub(crate) struct Pressure {
    /// The file, and the number of its first metric (`some`; `full` is the next).
    sources: [(Source, usize); 4],
    fixed: Fixed,
}

impl Pressure {
    pub(crate) fn new(settings: &Settings) -> Pressure {
        let source = |name: &str, index| {
            (Source::new(settings.proc_root.join("pressure").join(name), Shape::Whole), index)
        };
        // `irq` has no `some`: its place would be 5, which is never used for it.
        let sources = [source("cpu", 0), source("memory", 2), source("io", 4), source("irq", 5)];
        Pressure { sources, fixed: Fixed::default() }
    }
}

impl Reader for Pressure {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn read(&mut self, cx: &mut Context) {
        for (source, first) in &mut self.sources {
            let Some(text) = source.read(cx.io) else { continue };
            for (full, micros) in totals(text) {
                if !full && *first == 5 {
                    continue;
                }
                self.fixed.push(&mut cx.sink, METRICS, *first + usize::from(full), micros as f64 / 1e6);
            }
        }
    }
}

/// The lines of a pressure file: (is it `full`, total microseconds).
pub(crate) fn totals(text: &[u8]) -> impl Iterator<Item = (bool, u64)> {
    lines(text).filter_map(|line| {
        let mut fields = Fields(line);
        let full = match fields.next()? {
            b"some" => false,
            b"full" => true,
            _ => return None,
        };
        Some((full, unsigned(fields.last()?.strip_prefix(b"total=")?)?))
    })
}
