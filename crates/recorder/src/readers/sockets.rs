//! What the network protocols count: /proc/net/snmp, snmp6, netstat, sockstat, sockstat6,
//! softnet_stat. Fields are taken as the kernel names them.

use super::memory::metric_part;
use super::{Context, Reader};
use crate::bytes::{Fields, clean, float, hex, lines};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use model::{Labels, MetricKind};

const NETSTAT: &[Reference] = &[
    counter(
        "node_netstat_<protocol>_<field>",
        "",
        &[],
        "/proc/net/snmp, snmp6, netstat",
        "The counter of that name: `Tcp_RetransSegs`, `TcpExt_ListenDrops`, `Udp_RcvbufErrors`, `IpExt_InOctets`, `Udp6_InErrors`.",
    ),
    gauge(
        "node_netstat_Tcp_CurrEstab",
        "",
        &[],
        "/proc/net/snmp",
        "TCP connections that are established (or half closed).",
    ),
];

const SOCKSTAT: &[Reference] = &[
    gauge("node_sockstat_sockets_used", "", &[], "/proc/net/sockstat", "Sockets in use."),
    gauge(
        "node_sockstat_<protocol>_<state>",
        "",
        &[],
        "/proc/net/sockstat, sockstat6",
        "Sockets of that protocol in that state: `TCP_inuse`, `TCP_orphan`, `TCP_tw`, `UDP6_inuse`.",
    ),
    gauge(
        "node_sockstat_<protocol>_mem_bytes",
        "bytes",
        &[],
        "/proc/net/sockstat",
        "Memory of the sockets of that protocol.",
    ),
];

const SOFTNET: &[Reference] = &[
    counter("node_softnet_processed_total", "", &["cpu"], "/proc/net/softnet_stat", "Packets processed."),
    counter(
        "node_softnet_dropped_total",
        "",
        &["cpu"],
        "/proc/net/softnet_stat",
        "Packets dropped because the backlog was full.",
    ),
    counter(
        "node_softnet_times_squeezed_total",
        "",
        &["cpu"],
        "/proc/net/softnet_stat",
        "How often processing stopped with packets left, for lack of time.",
    ),
];

pub(crate) fn reference() -> Vec<Reference> {
    [NETSTAT, SOCKSTAT, SOFTNET].concat()
}

/// Fields of snmp that are settings or states rather than counters.
const NETSTAT_GAUGES: [&str; 8] = [
    "Ip_Forwarding",
    "Ip_DefaultTTL",
    "Tcp_RtoAlgorithm",
    "Tcp_RtoMin",
    "Tcp_RtoMax",
    "Tcp_MaxConn",
    "Tcp_CurrEstab",
    "Ip6_DefaultTTL",
];

/// The kernel counts socket memory in pages.
const PAGE_BYTES: f64 = 4096.0;

pub(crate) struct Sockets {
    /// Tables of two lines each: names, then numbers.
    tables: [(Source, Rows); 2],
    snmp6: Source,
    snmp6_rows: Rows,
    sockstat: [(Source, Rows); 2],
    softnet: Source,
    softnet_rows: Rows,
}

impl Sockets {
    pub(crate) fn new(settings: &Settings) -> Sockets {
        let max = settings.things_max;
        let source = |name: &str| Source::new(settings.proc_root.join("net").join(name), Shape::Records);
        Sockets {
            tables: ["snmp", "netstat"].map(|name| (source(name), Rows::new(max))),
            snmp6: source("snmp6"),
            snmp6_rows: Rows::new(max),
            sockstat: ["sockstat", "sockstat6"].map(|name| (source(name), Rows::new(max))),
            softnet: source("softnet_stat"),
            softnet_rows: Rows::new(max),
        }
    }
}

impl Reader for Sockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn read(&mut self, cx: &mut Context) {
        for (source, rows) in &mut self.tables {
            if let Some(text) = source.read(cx.io) {
                tables(text, rows, &mut cx.sink);
            }
        }
        if let Some(text) = self.snmp6.read(cx.io) {
            snmp6(text, &mut self.snmp6_rows, &mut cx.sink);
        }
        for (source, rows) in &mut self.sockstat {
            if let Some(text) = source.read(cx.io) {
                sockstat(text, rows, &mut cx.sink);
            }
        }
        if let Some(text) = self.softnet.read(cx.io) {
            softnet(text, &mut self.softnet_rows, &mut cx.sink);
        }
    }
}

/// Pairs of lines `Tcp: name name ...` and `Tcp: number number ...`. A table is a row per field, its key
/// the line of names from its start to the field's end: unique, and found without copying.
fn tables(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    let mut lines = lines(text);
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let (mut names_left, mut numbers_left) = (Fields(names), Fields(numbers));
        let Some(protocol) = names_left.next().and_then(|p| p.strip_suffix(b":")) else { continue };
        if numbers_left.next().and_then(|p| p.strip_suffix(b":")) != Some(protocol) {
            continue;
        }
        // Codes of message types have names that depend on what came.
        if protocol == b"IcmpMsg" {
            continue;
        }
        for (name, number) in names_left.zip(numbers_left) {
            let Some(value) = float(number) else { continue };
            let key = Key::new(protocol, name);
            let make = |s: &mut Sink| netstat_labels(s, protocol, name);
            if let Some(row) = rows.row(sink, key.bytes(), make) {
                row.push(sink, 0, value);
            }
        }
    }
    rows.end(sink);
}

/// `protocol_field` in a buffer of fixed size; longer names are cut.
struct Key([u8; 96], usize);

impl Key {
    fn new(protocol: &[u8], name: &[u8]) -> Key {
        let mut key = Key([0; 96], 0);
        for part in [protocol, b"_", name] {
            let length = part.len().min(96 - key.1);
            key.0[key.1..key.1 + length].copy_from_slice(&part[..length]);
            key.1 += length;
        }
        key
    }

    fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

fn netstat_labels(sink: &mut Sink, protocol: &[u8], name: &[u8]) -> Vec<Labels> {
    let field = format!("{}_{}", metric_part(protocol), metric_part(name));
    let is_gauge = NETSTAT_GAUGES.contains(&field.as_str());
    let kind = if is_gauge { MetricKind::Gauge } else { MetricKind::Counter };
    let metric = format!("node_netstat_{field}");
    sink.describe(&metric, kind, "", format!("Statistic {}{}.", clean(protocol), clean(name)));
    vec![sink.labels::<&str>(&metric, &[])]
}

/// Lines `Ip6InReceives  5`: the protocol is the name up to and with its 6.
fn snmp6(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    for line in lines(text) {
        let mut fields = Fields(line);
        let (Some(name), Some(value)) = (fields.next(), fields.float()) else { continue };
        let make = |s: &mut Sink| {
            let six = name.iter().position(|b| *b == b'6');
            // Codes of message types have names that depend on what came.
            let (protocol, field) = match six.map(|i| name.split_at(i + 1)) {
                Some((p, f)) if !f.is_empty() && !f.starts_with(b"InType") && !f.starts_with(b"OutType") => {
                    (p, f)
                }
                _ => return Vec::new(),
            };
            netstat_labels(s, protocol, field)
        };
        if let Some(row) = rows.row(sink, name, make) {
            row.push(sink, 0, value);
        }
    }
    rows.end(sink);
}

/// Lines `TCP: inuse 1 orphan 0 mem 171`.
fn sockstat(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    for line in lines(text) {
        let mut fields = Fields(line);
        let Some(protocol) = fields.next().and_then(|p| p.strip_suffix(b":")) else { continue };
        while let (Some(name), Some(value)) = (fields.next(), fields.float()) {
            let key = Key::new(protocol, name);
            let is_pages = name == b"mem";
            let make = |s: &mut Sink| {
                let metric = format!("node_sockstat_{}_{}", metric_part(protocol), metric_part(name));
                let help = format!("Number of {} sockets in state {}.", clean(protocol), clean(name));
                s.describe(&metric, MetricKind::Gauge, "", help);
                let mut labels = vec![s.labels::<&str>(&metric, &[])];
                if is_pages {
                    let bytes = format!("{metric}_bytes");
                    let help = format!("Memory of {} sockets.", clean(protocol));
                    s.describe(&bytes, MetricKind::Gauge, "bytes", help);
                    labels.push(s.labels::<&str>(&bytes, &[]));
                }
                labels
            };
            if let Some(row) = rows.row(sink, key.bytes(), make) {
                row.push(sink, 0, value);
                row.push(sink, 1, value * PAGE_BYTES);
            }
        }
    }
    rows.end(sink);
}

/// A line of hexadecimal numbers for each CPU; the 13th is the CPU's number in newer kernels.
fn softnet(text: &[u8], rows: &mut Rows, sink: &mut Sink) {
    rows.begin();
    for (position, line) in lines(text).enumerate() {
        let mut numbers = [None; 13];
        for (slot, field) in numbers.iter_mut().zip(Fields(line)) {
            *slot = hex(field);
        }
        let cpu = numbers[12].unwrap_or(position as u64);
        let key = cpu.to_le_bytes();
        let make = |s: &mut Sink| s.labels_of(SOFTNET, &[("cpu", cpu.to_string())]);
        if let Some(row) = rows.row(sink, &key, make) {
            for (i, number) in numbers[..3].iter().enumerate() {
                row.push_some(sink, i, number.map(|n| n as f64));
            }
        }
    }
    rows.end(sink);
}
