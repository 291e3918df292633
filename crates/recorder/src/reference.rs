//! What every metric of the recorder means: one row each, kept beside the code that fills it. The
//! metadata and docs/reference/metrics.md are made of these rows. It must never hold a value.

use crate::readers;
use model::{Metadata, MetricKind};
use std::fmt::Write;
use std::sync::OnceLock;

/// One metric, or one family of metrics whose names are made from what the kernel lists: then the
/// variable part of the name is in angle brackets, as in `node_vmstat_<field>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The metric's name.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Base unit in the plural (`seconds`, `bytes`), or "" where numbers are counted.
    pub unit: &'static str,
    /// Labels beside `instance` and `job`, which every series has.
    pub labels: &'static [&'static str],
    /// The file or system call that it is read from.
    pub source: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// A row for a counter.
pub(crate) const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    source: &'static str,
    help: &'static str,
) -> Reference {
    Reference { name, kind: MetricKind::Counter, unit, labels, source, help }
}

/// A row for a gauge.
pub(crate) const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    source: &'static str,
    help: &'static str,
) -> Reference {
    Reference { name, kind: MetricKind::Gauge, unit, labels, source, help }
}

/// Every metric, grouped as in the documentation: (heading, rows).
pub fn groups() -> &'static [(&'static str, Vec<Reference>)] {
    static GROUPS: OnceLock<Vec<(&'static str, Vec<Reference>)>> = OnceLock::new();
    GROUPS.get_or_init(readers::reference)
}

/// Every metric, in the order of the documentation.
pub fn reference() -> &'static [Reference] {
    static ROWS: OnceLock<Vec<Reference>> = OnceLock::new();
    ROWS.get_or_init(|| groups().iter().flat_map(|(_, rows)| rows.iter().copied()).collect())
}

/// Kind, help and unit of every metric whose name is fixed. Metrics whose names the kernel makes are
/// described in the batch in which they come for the first time.
pub fn metadata() -> Vec<Metadata> {
    let fixed = reference().iter().filter(|r| !r.name.contains('<'));
    fixed
        .map(|r| Metadata { metric: r.name.into(), kind: r.kind, help: r.help.into(), unit: r.unit.into() })
        .collect()
}

/// The text of docs/reference/metrics.md.
pub fn document() -> String {
    let mut out = String::from(PREFACE);
    for (heading, rows) in groups() {
        let _ = write!(
            out,
            "\n## {heading}\n\n| metric | kind | unit | labels | source | meaning |\n|---|---|---|---|---|---|\n"
        );
        for r in rows {
            let labels: Vec<String> = r.labels.iter().map(|l| format!("`{l}`")).collect();
            let cells =
                [&format!("`{}`", r.name), r.kind.as_str(), r.unit, &labels.join(", "), r.source, r.help];
            let _ = writeln!(out, "| {} |", cells.map(|c| c.replace('|', "\\|")).join(" | "));
        }
    }
    out
}

const PREFACE: &str = "\
# Metrics of the host recorder

Generated from the code: do not edit. Where node_exporter has a metric, it has the same name, labels and
unit here, so that its queries and dashboards work.

Every series also has the labels `job=\"node\"` and `instance`, the host's name. Values are read every
second; where the meaning says so, less often. A series whose thing disappears (a process that ends, a disk
that is taken out) ends with a stale marker. `<...>` in a name stands for what the kernel lists.
";
