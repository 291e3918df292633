//! Connection tracking and neighbours: how full the tables are, and what did not fit. A machine without
//! connection tracking has no such series.

use super::{Context, Reader};
use crate::bytes::{Fields, clean, hex, lines, trim, unsigned};
use crate::files::{Shape, Source};
use crate::reference::{Reference, counter, gauge};
use crate::series::{Fixed, Rows, Sink};
use crate::settings::Settings;
use std::path::PathBuf;

const STAT: &str = "/proc/net/stat/nf_conntrack";

const TABLE: &[Reference] = &[
    gauge("node_nf_conntrack_entries", "", &[], "/proc/sys/net/netfilter", "Connections that are tracked."),
    gauge(
        "node_nf_conntrack_entries_limit",
        "",
        &[],
        "/proc/sys/net/netfilter",
        "The most connections that can be tracked; beyond it packets are dropped.",
    ),
];

const COUNTS: &[Reference] = &[
    counter("node_nf_conntrack_stat_found", "", &[], STAT, "Searched entries that were found."),
    counter("node_nf_conntrack_stat_invalid", "", &[], STAT, "Packets that cannot be tracked."),
    counter(
        "node_nf_conntrack_stat_ignore",
        "",
        &[],
        STAT,
        "Packets that belong to a tracked connection already.",
    ),
    counter("node_nf_conntrack_stat_insert", "", &[], STAT, "Entries inserted."),
    counter("node_nf_conntrack_stat_insert_failed", "", &[], STAT, "Entries that could not be inserted."),
    counter("node_nf_conntrack_stat_drop", "", &[], STAT, "Packets dropped because tracking failed."),
    counter(
        "node_nf_conntrack_stat_early_drop",
        "",
        &[],
        STAT,
        "Entries dropped to make room for new ones because the table was full.",
    ),
    counter(
        "node_nf_conntrack_stat_search_restart",
        "",
        &[],
        STAT,
        "Searches that had to begin again because the table was resized.",
    ),
];

const ARP: &[Reference] = &[gauge(
    "node_arp_entries",
    "",
    &["device"],
    "/proc/net/arp",
    "Neighbours known on the interface. Every 5 s.",
)];

pub(crate) fn reference() -> Vec<Reference> {
    [TABLE, COUNTS, ARP].concat()
}

pub(crate) struct Conntrack {
    table: [Source; 2],
    stat: Source,
    arp: PathBuf,
    table_fixed: Fixed,
    counts_fixed: Fixed,
    arp_rows: Rows,
    /// Neighbours by interface: reused.
    arp_counts: Vec<(Vec<u8>, u64)>,
}

impl Conntrack {
    pub(crate) fn new(settings: &Settings) -> Conntrack {
        let proc = &settings.proc_root;
        let table = |name: &str| Source::new(proc.join("sys/net/netfilter").join(name), Shape::Whole);
        Conntrack {
            table: [table("nf_conntrack_count"), table("nf_conntrack_max")],
            stat: Source::new(proc.join("net/stat/nf_conntrack"), Shape::Records),
            arp: proc.join("net/arp"),
            table_fixed: Fixed::default(),
            counts_fixed: Fixed::default(),
            arp_rows: Rows::new(settings.things_max),
            arp_counts: Vec::new(),
        }
    }

    fn read_arp(&mut self, cx: &mut Context) {
        self.arp_counts.clear();
        let counts = &mut self.arp_counts;
        cx.io.each_line(&self.arp, 1 << 16, |line| {
            // Six columns; the first line is the heading.
            let device = Fields(line).nth(5).filter(|_| line.first().is_some_and(u8::is_ascii_digit));
            if let Some(device) = device {
                match counts.iter().position(|(name, _)| name == device) {
                    Some(i) => counts[i].1 += 1,
                    None if counts.len() < 256 => counts.push((device.to_vec(), 1)),
                    None => {}
                }
            }
            true
        });
        self.arp_rows.begin();
        for (device, count) in &self.arp_counts {
            let make = |s: &mut Sink| s.labels_of(ARP, &[("device", clean(device))]);
            if let Some(row) = self.arp_rows.row(&mut cx.sink, device, make) {
                row.push(&mut cx.sink, 0, *count as f64);
            }
        }
        self.arp_rows.end(&mut cx.sink);
    }
}

impl Reader for Conntrack {
    fn name(&self) -> &'static str {
        "conntrack"
    }

    fn read(&mut self, cx: &mut Context) {
        for (i, source) in self.table.iter_mut().enumerate() {
            if let Some(n) = source.read(cx.io).map(trim).and_then(unsigned) {
                self.table_fixed.push(&mut cx.sink, TABLE, i, n as f64);
            }
        }
        if let Some(text) = self.stat.read(cx.io) {
            for (i, sum) in sums(text).into_iter().enumerate() {
                if let Some(sum) = sum {
                    self.counts_fixed.push(&mut cx.sink, COUNTS, i, sum as f64);
                }
            }
        }
        if cx.is_slow_tick(0) {
            self.read_arp(cx);
        }
    }
}

/// A line of names, then a line of hexadecimal numbers for each CPU: summed, in the order of [`COUNTS`].
fn sums(text: &[u8]) -> [Option<u64>; COUNTS.len()] {
    let mut sums = [None; COUNTS.len()];
    let mut lines = lines(text);
    let names = Fields(lines.next().unwrap_or_default());
    for line in lines {
        for (name, field) in names.zip(Fields(line)) {
            let column = |m: &Reference| {
                m.name.strip_prefix("node_nf_conntrack_stat_").map(str::as_bytes) == Some(name)
            };
            if let (Some(i), Some(n)) = (COUNTS.iter().position(column), hex(field)) {
                sums[i] = Some(sums[i].unwrap_or(0u64).saturating_add(n));
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_summed() {
        let text = b"entries  found invalid insert_failed drop\n00000010 0000000a 00000001 00000000 ff\n10 2 0 0 1\n";
        let none = None;
        assert_eq!(sums(text), [Some(12), Some(1), none, none, Some(0), Some(256), none, none]);
        assert_eq!(sums(b""), [None; 8]);
    }
}
