//! What belongs to a data folder beside manifest, blocks and log, by its names. It must never name what a copy elsewhere
//! would do once more.

use crate::objects::io_error;
use std::path::Path;
use stdx::Result;

/// Files of a data folder that belong to it beside manifest, blocks and log; not every folder has them.
/// What was still to be told to others is not among them: a copy elsewhere would tell it once more.
pub(super) const BESIDE: [&str; 12] = [
    "audit.log",
    "AUDIT_KEY",
    "usage.jsonl",
    "exemplars.log",
    "queries.json",
    "log-metrics.json",
    "periods.json",
    "advice/ledger.jsonl",
    "critic/ledger.jsonl",
    "monitors/alerts.json",
    "monitors/own.yml",
    "monitors/silences.json",
];
/// And all files of this folder with such an end: the rules that operators wrote.
const BESIDE_IN: (&str, &str) = ("critic/rules", ".toml");

/// Names of what lies beside the samples, whether it is there or not.
pub(super) fn beside_of(data: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = BESIDE.iter().map(|name| name.to_string()).collect();
    let (folder, end) = BESIDE_IN;
    let entries = match std::fs::read_dir(data.join(folder)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(names),
        entries => entries.map_err(|e| io_error(&data.join(folder), e))?,
    };
    for entry in entries {
        let name = entry.map_err(|e| io_error(&data.join(folder), e))?.file_name();
        names.extend(name.to_str().filter(|n| n.ends_with(end)).map(|n| format!("{folder}/{n}")));
    }
    Ok(names)
}
