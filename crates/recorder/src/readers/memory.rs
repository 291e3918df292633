//! Memory, swap and the virtual memory's counters: /proc/meminfo, /proc/vmstat. Fields are taken as the
//! kernel names them, so a newer kernel's fields come by themselves.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, lines, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use model::{Labels, MetricKind};

const METRICS: &[Reference] = &[
    gauge(
        "node_memory_<field>_bytes",
        "bytes",
        &[],
        "/proc/meminfo",
        "The field of that name, such as MemTotal, MemAvailable, SwapFree; brackets become underscores (`Active(anon)` is `Active_anon`).",
    ),
    gauge(
        "node_memory_HugePages_<field>",
        "",
        &[],
        "/proc/meminfo",
        "Huge pages: Total, Free, Rsvd (reserved), Surp (surplus).",
    ),
    counter(
        "node_vmstat_<event>",
        "",
        &[],
        "/proc/vmstat",
        "How often the event of that name happened: page faults, swapping, reclaim, compaction, OOM kills.",
    ),
    gauge(
        "node_vmstat_<nr_field>",
        "",
        &[],
        "/proc/vmstat",
        "Pages (or other things) in the state of that name; the fields that begin with nr_ and a few others.",
    ),
];

pub(crate) fn reference() -> Vec<Reference> {
    METRICS.to_vec()
}

/// Fields of /proc/vmstat that go up and down although they do not begin with `nr_`.
const VMSTAT_GAUGES: [&[u8]; 2] = [b"workingset_nodes", b"swap_slots"];
/// Fields that begin with `nr_` and only grow.
const VMSTAT_COUNTERS: [&[u8]; 6] = [
    b"nr_dirtied",
    b"nr_written",
    b"nr_vmscan_write",
    b"nr_vmscan_immediate_reclaim",
    b"nr_throttled_written",
    b"nr_unstable",
];

pub(crate) struct Memory {
    meminfo: Source,
    vmstat: Source,
    meminfo_rows: Rows,
    vmstat_rows: Rows,
}

impl Memory {
    pub(crate) fn new(settings: &Settings) -> Memory {
        let proc = &settings.proc_root;
        Memory {
            meminfo: Source::new(proc.join("meminfo"), Shape::Whole),
            vmstat: Source::new(proc.join("vmstat"), Shape::Records),
            meminfo_rows: Rows::new(settings.things_max),
            vmstat_rows: Rows::new(settings.things_max),
        }
    }
}

impl Reader for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, cx: &mut Context) {
        if let Some(text) = self.meminfo.read(cx.io) {
            meminfo(text, &mut self.meminfo_rows, &mut cx.sink);
        }
        if let Some(text) = self.vmstat.read(cx.io) {
            vmstat(text, &mut self.vmstat_rows, &mut cx.sink);
        }
    }
}

fn meminfo(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    for line in lines(text) {
        let mut fields = Fields(line);
        let Some(name) = fields.next().and_then(|n| n.strip_suffix(b":")) else { continue };
        let Some(value) = fields.number() else { continue };
        let is_kib = fields.next() == Some(b"kB");
        let make = |s: &mut Sink| meminfo_labels(s, name, is_kib);
        if let Some(row) = rows.row(sink, name, make) {
            row.push(sink, 0, if is_kib { value as f64 * 1024.0 } else { value as f64 });
        }
    }
    rows.end(sink);
}

fn meminfo_labels(sink: &mut Sink, name: &[u8], is_kib: bool) -> Vec<Labels> {
    let name = metric_part(name).replace('(', "_").replace(')', "");
    let (suffix, unit) = if is_kib { ("_bytes", "bytes") } else { ("", "") };
    let metric = format!("node_memory_{name}{suffix}");
    sink.describe(&metric, MetricKind::Gauge, unit, format!("Memory information field {name}."));
    vec![sink.labels::<&str>(&metric, &[])]
}

fn vmstat(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    for line in lines(text) {
        let mut fields = Fields(line);
        let (Some(name), Some(value)) = (fields.next(), fields.next().and_then(unsigned)) else { continue };
        let make = |s: &mut Sink| {
            let is_gauge = (name.starts_with(b"nr_") && !VMSTAT_COUNTERS.contains(&name))
                || VMSTAT_GAUGES.contains(&name);
            let kind = if is_gauge { MetricKind::Gauge } else { MetricKind::Counter };
            let metric = format!("node_vmstat_{}", metric_part(name));
            s.describe(&metric, kind, "", format!("/proc/vmstat information field {}.", clean(name)));
            vec![s.labels::<&str>(&metric, &[])]
        };
        if let Some(row) = rows.row(sink, name, make) {
            row.push(sink, 0, value as f64);
        }
    }
    rows.end(sink);
}

/// A field's name as a part of a metric's name: what does not belong there becomes an underscore,
/// brackets stay for the caller.
pub(crate) fn metric_part(name: &[u8]) -> String {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'(' | b')');
    name.iter().take(64).map(|b| if keep(b) { char::from(*b) } else { '_' }).collect()
}
