//! Interrupts by line and CPU, softirqs by kind and CPU. Most cells of these tables are zero for ever on
//! a large machine: a cell that has always been zero has no series.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, lines, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use model::Labels;

pub(crate) const METRICS: &[Reference] = &[
    counter(
        "node_interrupts_total",
        "",
        &["cpu", "type", "info", "devices"],
        "/proc/interrupts",
        "Interrupts, by line and CPU. Every 5 s; those that never came have no series.",
    ),
    counter(
        "node_softirqs_functions_total",
        "",
        &["cpu", "type"],
        "/proc/softirqs",
        "Softirq calls, by kind and CPU. Every 5 s; those that never came have no series.",
    ),
];

/// CPUs beyond this are not told apart.
const CPUS_MAX: usize = 4_096;

pub(crate) struct Interrupts {
    sources: [Source; 2],
    rows: [Rows; 2],
    cpus: Vec<u16>,
}

impl Interrupts {
    pub(crate) fn new(settings: &Settings) -> Interrupts {
        let source = |name| Source::new(settings.proc_root.join(name), Shape::Records);
        Interrupts {
            sources: [source("interrupts"), source("softirqs")],
            rows: [Rows::new(settings.things_max), Rows::new(settings.things_max)],
            cpus: Vec::new(),
        }
    }
}

impl Reader for Interrupts {
    fn name(&self) -> &'static str {
        "interrupts"
    }

    fn read(&mut self, cx: &mut Context) {
        for (i, (source, rows)) in self.sources.iter_mut().zip(&mut self.rows).enumerate() {
            if !cx.is_slow_tick(1 + 2 * i as u64) {
                continue;
            }
            if let Some(text) = source.read(cx.io) {
                table(text, &METRICS[i], &mut self.cpus, rows, &mut cx.sink);
            }
        }
    }
}

/// A line of CPUs, then for each interrupt its name with a colon, a number for each CPU, and what it is.
fn table(text: &[u8], metric: &'static Reference, cpus: &mut Vec<u16>, rows: &mut Rows, sink: &mut Sink) {
    let mut lines = lines(text);
    cpus.clear();
    let ids = Fields(lines.next().unwrap_or_default()).map_while(|f| unsigned(f.strip_prefix(b"CPU")?));
    cpus.extend(ids.filter_map(|n| u16::try_from(n).ok()).take(CPUS_MAX));
    rows.begin();
    for line in lines {
        let mut fields = Fields(line);
        let Some(kind) = fields.next().and_then(|f| f.strip_suffix(b":")) else { continue };
        // The description begins after the last number; some lines have fewer numbers than CPUs.
        let mut rest = fields;
        let numbers = rest.by_ref().take(cpus.len()).take_while(|f| unsigned(f).is_some()).count();
        for (cpu, field) in cpus.iter().zip(fields).take(numbers) {
            let Some(value) = unsigned(field) else { break };
            let mut key = [0; 34];
            let length = kind.len().min(32);
            key[..length].copy_from_slice(&kind[..length]);
            key[32..].copy_from_slice(&cpu.to_le_bytes());
            if value == 0 && !rows.next_is(&key) {
                continue;
            }
            let make = |s: &mut Sink| vec![labels(s, metric, kind, *cpu, nth_rest(fields, numbers))];
            if let Some(row) = rows.row(sink, &key, make) {
                row.push(sink, 0, value as f64);
            }
        }
    }
    rows.end(sink);
}

fn nth_rest(mut fields: Fields, skip: usize) -> Fields {
    for _ in 0..skip {
        fields.next();
    }
    fields
}

/// A numbered line has its controller, then its devices; a named one has a description.
fn labels(sink: &Sink, metric: &Reference, kind: &[u8], cpu: u16, mut description: Fields) -> Labels {
    let join = |fields: Fields| {
        let words: Vec<String> = fields.map(clean).collect();
        words.join(" ")
    };
    let (info, devices) = match kind[0..].first().is_some_and(u8::is_ascii_digit) {
        true => (description.next().map(clean).unwrap_or_default(), join(description)),
        false => (join(description), String::new()),
    };
    let pairs = [("cpu", cpu.to_string()), ("type", clean(kind)), ("info", info), ("devices", devices)];
    sink.labels(metric.name, &pairs)
}
