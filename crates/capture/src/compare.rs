//! What is different between two captures: what one has and the other has not, and what is much more or less, at the
//! trigger of each and in the minutes before. It must never call a difference what is within what either had anyway.

use model::Columns;
use std::collections::BTreeMap;

/// Differences that are told.
const TOLD_MAX: usize = 200;
/// How much more or less counts.
const FACTOR: f64 = 2.0;
/// Milliseconds before the trigger over which CPU time is added up.
const CPU_MS: i64 = 60_000;

/// A capture, by what is compared.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The trigger, milliseconds since 1970.
    pub trigger_ms: i64,
    /// The process table.
    pub processes: &'a Columns,
    /// The sockets.
    pub sockets: &'a Columns,
    /// The kernel's messages.
    pub kernel: &'a Columns,
    /// Texts of log records with how often each came, of warnings and worse.
    pub logs: &'a BTreeMap<String, f64>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `process`, `cpu`, `memory`, `listening`, `connections`, `kernel` or `log`.
    pub kind: &'static str,
    /// What differs.
    pub what: String,
    /// How much here.
    pub here: f64,
    /// How much there.
    pub there: f64,
    /// How much it weighs: what comes first.
    pub weight: f64,
}

/// Kinds, what of them is too little to matter, and what one weighs.
const KINDS: [(&str, f64, f64); 7] = [
    ("kernel", 0.0, 3.0),
    ("log", 0.0, 2.5),
    ("process", 0.0, 2.0),
    ("listening", 0.0, 2.0),
    ("cpu", 500.0, 1.0),
    ("memory", 64e6, 1.0),
    ("connections", 5.0, 1.0),
];

/// What differs, what matters most first.
pub fn compare(here: &Side, there: &Side) -> Vec<Difference> {
    let (here, there) = (counts(here), counts(there));
    let mut out = Vec::new();
    for (kind, floor, weight) in KINDS {
        let keys = here.keys().chain(there.keys()).filter(|(k, _)| *k == kind);
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let value = |all: &Counts| all.get(key).copied().unwrap_or(0.0);
            let (a, b) = (value(&here), value(&there));
            let (low, high) = (a.min(b), a.max(b));
            let is_only_presence = matches!(kind, "process" | "listening" | "kernel" | "log") && low > 0.0;
            if high - low <= floor || high < low * FACTOR || is_only_presence && high < low * 4.0 {
                continue;
            }
            // What is there at all weighs more than how much there is of it.
            let presence = if low == 0.0 { 2.0 } else { 1.0 };
            let ratio = (high + floor + 1.0) / (low + floor + 1.0);
            out.push(Difference {
                kind,
                what: key.1.clone(),
                here: a,
                there: b,
                weight: weight * presence * ratio.ln(),
            });
        }
    }
    out.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.what.cmp(&b.what)));
    out.truncate(TOLD_MAX);
    out
}

type Counts = BTreeMap<(&'static str, String), f64>;

/// The rows of the last reading at or before a time.
pub fn rows_at(columns: &Columns, at_ms: i64) -> Vec<usize> {
    let times = columns.times();
    let last = times.iter().copied().filter(|t| *t <= at_ms).max();
    (0..times.len()).filter(|row| Some(times[*row]) == last).collect()
}

/// A text with numbers and long hexadecimal words replaced: two messages that differ in these are one.
pub fn shape(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
        let is_number = word.bytes().any(|b| b.is_ascii_digit());
        let end = word.char_indices().next_back().filter(|(_, c)| !c.is_ascii_alphanumeric());
        match (is_number, end) {
            (true, Some((at, _))) => out.extend(["#", &word[at..]]),
            (true, None) => out.push('#'),
            (false, _) => out.push_str(word),
        }
    }
    out.truncate(out.floor_char_boundary(200));
    out
}

fn counts(side: &Side) -> Counts {
    let mut out = Counts::new();
    let mut add = |kind, what: String, n: f64| *out.entry((kind, what)).or_insert(0.0) += n;
    if let (Some(names), Some(memory), Some(cpu)) = (
        side.processes.texts("comm"),
        side.processes.integers("resident_bytes"),
        side.processes.integers("cpu_ms"),
    ) {
        for row in rows_at(side.processes, side.trigger_ms) {
            let name = shape(names.get(row));
            add("process", name.clone(), 1.0);
            add("memory", name, memory[row].unwrap_or(0) as f64);
        }
        let since_ms = side.trigger_ms - CPU_MS;
        for (row, time_ms) in side.processes.times().iter().enumerate() {
            if (since_ms..=side.trigger_ms).contains(time_ms) {
                add("cpu", shape(names.get(row)), cpu[row].unwrap_or(0) as f64);
            }
        }
    }
    if let (Some(state), Some(local), Some(peer), Some(peer_port)) = (
        side.sockets.texts("state"),
        side.sockets.integers("local_port"),
        side.sockets.texts("peer_address"),
        side.sockets.integers("peer_port"),
    ) {
        for row in rows_at(side.sockets, side.trigger_ms) {
            match state.get(row) {
                "LISTEN" => add("listening", format!("port {}", local[row].unwrap_or(0)), 1.0),
                state => {
                    // Ports above are mostly chosen for one connection.
                    let to = match peer_port[row] {
                        Some(port) if port < 32_768 => format!("{}:{port}", peer.get(row)),
                        _ => format!("port {} of this machine", local[row].unwrap_or(0)),
                    };
                    add("connections", format!("{state} {to}"), 1.0);
                }
            }
        }
    }
    if let Some(messages) = side.kernel.texts("message") {
        for row in 0..side.kernel.len() {
            add("kernel", shape(messages.get(row)), 1.0);
        }
    }
    for (text, n) in side.logs {
        add("log", text.clone(), *n);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::{PROCESSES, SOCKETS};
    use crate::{Row, Track};

    fn processes(rows: &[(&str, i64, i64)]) -> Columns {
        let mut track = Track::new(&PROCESSES, 100_000, 1 << 20);
        for time_ms in [900, 1_000] {
            track.begin(time_ms);
            for (pid, (comm, cpu_ms, resident)) in rows.iter().enumerate() {
                let mut numbers = [Some(0); 15];
                (numbers[0], numbers[4], numbers[7]) = (Some(pid as i64), Some(*cpu_ms), Some(*resident));
                track.push(Row { key: pid as u64, texts: &[comm, "", "", "S"], numbers: &numbers });
            }
            track.end();
        }
        track.freeze().columns(0, 10_000, 1_000).0
    }

    fn sockets(rows: &[(&str, i64, &str, i64)]) -> Columns {
        let mut track = Track::new(&SOCKETS, 100_000, 1 << 20);
        track.begin(1_000);
        for (i, (state, local, peer, port)) in rows.iter().enumerate() {
            let numbers = [Some(*local), Some(*port), Some(0), Some(0), Some(0), Some(0), Some(i as i64)];
            track.push(Row { key: i as u64, texts: &["tcp", state, "127.0.0.1", peer], numbers: &numbers });
        }
        track.end();
        track.freeze().columns(0, 10_000, 1_000).0
    }

    #[test]
    fn what_is_new_gone_more_and_less() {
        let none = Columns::default();
        let many: Vec<(&str, i64, &str, i64)> =
            (0..40).map(|_| ("CLOSE_WAIT", 50_000, "10.0.0.7", 5432)).collect();
        let (a, b) = (
            processes(&[("shop", 900, 500 << 20), ("worker/1", 0, 1), ("backup", 0, 1)]),
            processes(&[("shop", 100, 100 << 20), ("worker/2", 0, 1), ("cron", 0, 1)]),
        );
        let (c, d) = (sockets(&many), sockets(&[("LISTEN", 8080, "0.0.0.0", 0), many[0]]));
        let logs = [BTreeMap::from([("pool is empty".to_string(), 9.0)]), BTreeMap::new()];
        let side =
            |processes, sockets, logs| Side { trigger_ms: 1_000, processes, sockets, kernel: &none, logs };
        let found = compare(&side(&a, &c, &logs[0]), &side(&b, &d, &logs[1]));
        let mut shown: Vec<String> =
            found.iter().map(|d| format!("{} {}: {} {}", d.kind, d.what, d.here, d.there)).collect();
        assert!(found.is_sorted_by(|a, b| a.weight >= b.weight));
        shown.sort();
        assert_eq!(
            shown,
            [
                "connections CLOSE_WAIT 10.0.0.7:5432: 40 1",
                "cpu shop: 1800 200",
                "listening port 8080: 0 1",
                "log pool is empty: 9 0",
                "memory shop: 524288000 104857600",
                "process backup: 1 0",
                "process cron: 0 1",
            ]
        );
        assert_eq!(compare(&side(&a, &c, &logs[0]), &side(&a, &c, &logs[0])), []);
        assert_eq!(compare(&side(&none, &none, &logs[1]), &side(&none, &none, &logs[1])), []);
    }

    #[test]
    fn shapes() {
        for (text, want) in [
            ("Killed process 1234 (shop)", "Killed process # (shop)"),
            ("eth0: link up 1000Mbps", "#: link up #"),
            ("10.0.0.1:80 refused", "#:# refused"),
            ("", ""),
            ("\u{e9}t\u{e9} 5", "\u{e9}t\u{e9} #"),
        ] {
            assert_eq!(shape(text), want);
        }
        assert!(shape(&"x ".repeat(1_000)).len() <= 200);
    }
}
