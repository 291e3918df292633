//! What `top` knows of the machine: one reading, computed from the series that the recorder writes. It must never ask
//! for a query per process: one question brings all gauges, one all counters.

use crate::answer::{self, Found, Series};
use crate::http::{Client, HttpError};
use crate::text::clean;
use serde_json::Value;
use std::collections::BTreeMap;

/// The window of rates: the shortest in which even seldom-read counters have two values.
const WINDOW: &str = "6s";
/// Home and targets are asked for this often only, in milliseconds.
const SELDOM_MS: i64 = 5_000;

const GAUGES: &str = "node_load1|node_load5|node_load15|node_memory_MemTotal_bytes|node_memory_MemAvailable_bytes|\
    node_memory_SwapTotal_bytes|node_memory_SwapFree_bytes|node_filesystem_avail_bytes|node_filesystem_size_bytes|\
    node_boot_time_seconds|node_processes_pids|process_memory_usage_bytes|process_thread_count|\
    midwatch_recorder_samples";
const COUNTERS: &str = "node_cpu_seconds_total|node_pressure_.+_seconds_total|node_disk_read_bytes_total|\
    node_disk_written_bytes_total|node_disk_io_time_seconds_total|node_network_receive_bytes_total|\
    node_network_transmit_bytes_total|process_cpu_time_seconds_total|process_disk_io_bytes_total";

/// One reading.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The host's name, or "" if this server records none.
    pub instance: String,
    /// Seconds since the machine started.
    pub up_seconds: f64,
    /// Over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Seconds per second of all cores together, by mode.
    pub cpu: BTreeMap<String, f64>,
    /// Cores.
    pub cores: usize,
    /// Total and available memory, total and free swap, in bytes.
    pub memory: [f64; 4],
    /// Ratio of time, by the words in the metric's name: `cpu_waiting`, `memory_stalled` ...
    pub pressure: BTreeMap<String, f64>,
    /// Disks by name, the busiest first.
    pub disks: Vec<Disk>,
    /// Interfaces by name, the busiest first: bytes received and sent a second.
    pub interfaces: Vec<(String, f64, f64)>,
    /// Mount points with the used part and the bytes that are left, the fullest first.
    pub filesystems: Vec<(String, f64, f64)>,
    /// Processes on the machine.
    pub processes_total: f64,
    /// Those that are recorded one by one.
    pub processes: Vec<Process>,
    /// What Home and the targets say; older than the rest.
    pub seldom: Seldom,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk {
    /// Its device.
    pub name: String,
    /// Bytes a second.
    pub read: f64,
    /// Bytes a second.
    pub written: f64,
    /// Ratio of time.
    pub busy: f64,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Its number, as text.
    pub pid: String,
    /// Its command name.
    pub comm: String,
    /// Cores.
    pub cpu: f64,
    /// Resident bytes.
    pub memory: f64,
    /// Bytes a second.
    pub read: f64,
    /// Bytes a second.
    pub written: f64,
    /// Threads.
    pub threads: f64,
}

/// What changes seldom.
#[derive(Clone, Debug, Default)]
pub struct Seldom {
    /// When it was asked for.
    pub at_ms: i64,
    /// Home's one line.
    pub headline: String,
    /// (state, what) of the tiles of Home that are not fine, the worst first.
    pub tiles: Vec<(String, String)>,
    /// Targets that are up.
    pub targets_up: usize,
    /// (job and address, why) of those that are down.
    pub targets_down: Vec<(String, String)>,
}

/// Reads the machine. What changes seldom is taken from `before` while it is young enough.
///
/// # Errors
/// Nobody answers, or not as Midwatch does.
pub fn read(client: &Client, now_ms: i64, before: Option<&Machine>) -> Result<Machine, HttpError> {
    let ask = |query: &str| -> Result<Vec<Series>, HttpError> {
        let answer = answer::ask(client, "/api/v1/query", &[("query", query)], query)?;
        match answer::read(&answer.body)?.0 {
            Found::Vector(list) | Found::Matrix(list) => Ok(list),
            Found::Single(_) => Ok(Vec::new()),
        }
    };
    let gauges = ask(&format!("{{__name__=~\"{GAUGES}\", job=~\"node|midwatch\"}}"))?;
    let counters = ask(&format!("{{__name__=~\"{COUNTERS}\", job=\"node\"}}[{WINDOW}]"))?;
    let mut machine = compute(&gauges, &counters, now_ms);
    machine.seldom = match before {
        Some(before) if now_ms - before.seldom.at_ms < SELDOM_MS => before.seldom.clone(),
        _ => read_seldom(client, now_ms)?,
    };
    Ok(machine)
}

/// From series to what is shown.
fn compute(gauges: &[Series], counters: &[Series], now_ms: i64) -> Machine {
    let recorder = gauges.iter().find(|s| s.label("__name__") == "midwatch_recorder_samples");
    let instance = recorder.map(|s| s.label("instance").to_string()).unwrap_or_default();
    let mut m = Machine { at_ms: now_ms, instance: clean(&instance), ..Machine::default() };
    let (mut disks, mut processes): (BTreeMap<String, Disk>, BTreeMap<String, Process>) = Default::default();
    let mut interfaces: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut filesystems: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut cores = std::collections::BTreeSet::new();
    let process_of = |s: &Series| Process {
        pid: clean(s.label("pid")),
        comm: clean(s.label("comm")),
        ..Default::default()
    };
    for s in gauges.iter().filter(|s| s.label("instance") == instance) {
        let value = s.last().unwrap_or(0.0);
        match s.label("__name__") {
            "node_load1" => m.load[0] = value,
            "node_load5" => m.load[1] = value,
            "node_load15" => m.load[2] = value,
            "node_memory_MemTotal_bytes" => m.memory[0] = value,
            "node_memory_MemAvailable_bytes" => m.memory[1] = value,
            "node_memory_SwapTotal_bytes" => m.memory[2] = value,
            "node_memory_SwapFree_bytes" => m.memory[3] = value,
            "node_boot_time_seconds" => m.up_seconds = (now_ms as f64 / 1000.0 - value).max(0.0),
            "node_processes_pids" => m.processes_total = value,
            "node_filesystem_avail_bytes" => {
                filesystems.entry(clean(s.label("mountpoint"))).or_default().0 = value
            }
            "node_filesystem_size_bytes" => {
                filesystems.entry(clean(s.label("mountpoint"))).or_default().1 = value
            }
            "process_memory_usage_bytes" => {
                processes.entry(s.label("pid").into()).or_insert_with(|| process_of(s)).memory = value;
            }
            "process_thread_count" => {
                processes.entry(s.label("pid").into()).or_insert_with(|| process_of(s)).threads = value;
            }
            _ => {}
        }
    }
    for s in counters.iter().filter(|s| s.label("instance") == instance) {
        let rate = rate(&s.points);
        let name = s.label("__name__");
        match name {
            "node_cpu_seconds_total" => {
                cores.insert(s.label("cpu"));
                *m.cpu.entry(s.label("mode").into()).or_default() += rate;
            }
            "node_disk_read_bytes_total" => disks.entry(clean(s.label("device"))).or_default().read = rate,
            "node_disk_written_bytes_total" => {
                disks.entry(clean(s.label("device"))).or_default().written = rate
            }
            "node_disk_io_time_seconds_total" => {
                disks.entry(clean(s.label("device"))).or_default().busy = rate
            }
            "node_network_receive_bytes_total" => {
                interfaces.entry(clean(s.label("device"))).or_default().0 = rate
            }
            "node_network_transmit_bytes_total" => {
                interfaces.entry(clean(s.label("device"))).or_default().1 = rate
            }
            "process_cpu_time_seconds_total" => {
                processes.entry(s.label("pid").into()).or_insert_with(|| process_of(s)).cpu += rate;
            }
            "process_disk_io_bytes_total" => {
                let process = processes.entry(s.label("pid").into()).or_insert_with(|| process_of(s));
                if s.label("direction") == "read" { process.read = rate } else { process.written = rate }
            }
            _ => {
                let words =
                    name.strip_prefix("node_pressure_").and_then(|n| n.strip_suffix("_seconds_total"));
                m.pressure.extend(words.map(|w| (w.to_string(), rate)));
            }
        }
    }
    m.cores = cores.len();
    m.disks = disks.into_iter().map(|(name, disk)| Disk { name, ..disk }).collect();
    m.disks.sort_by(|a, b| {
        (b.busy, b.read + b.written)
            .partial_cmp(&(a.busy, a.read + a.written))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    m.interfaces = interfaces.into_iter().map(|(name, (received, sent))| (name, received, sent)).collect();
    m.interfaces.sort_by(|a, b| (b.1 + b.2).total_cmp(&(a.1 + a.2)));
    let sized = filesystems.into_iter().filter(|(_, (_, size))| *size > 0.0);
    m.filesystems = sized.map(|(name, (left, size))| (name, 1.0 - left / size, left)).collect();
    m.filesystems.sort_by(|a, b| b.1.total_cmp(&a.1));
    m.processes = processes.into_values().collect();
    m
}

/// Growth per second from the first to the last point; a counter that began anew grew from zero.
fn rate(points: &[(f64, f64)]) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    let growth: f64 =
        points.windows(2).map(|p| if p[1].1 >= p[0].1 { p[1].1 - p[0].1 } else { p[1].1 }).sum();
    if last.0 > first.0 && growth.is_finite() { growth / (last.0 - first.0) } else { 0.0 }
}

fn read_seldom(client: &Client, now_ms: i64) -> Result<Seldom, HttpError> {
    let json = |path: &str| -> Result<Value, HttpError> {
        let answer = client.get(path)?;
        // A server without this page is still good for the rest.
        Ok(serde_json::from_slice::<Value>(&answer.body).map(|mut v| v["data"].take()).unwrap_or_default())
    };
    Ok(seldom(&json("/api/v1/home")?, &json("/api/v1/targets?state=active")?, now_ms))
}

fn seldom(home: &Value, targets: &Value, now_ms: i64) -> Seldom {
    let text = |v: &Value| clean(v.as_str().unwrap_or(""));
    let mut out = Seldom { at_ms: now_ms, headline: text(&home["headline"]), ..Seldom::default() };
    for subject in home["subjects"].as_array().into_iter().flatten() {
        for tile in subject["tiles"].as_array().into_iter().flatten() {
            let state = text(&tile["state"]);
            if state != "fine" {
                let what =
                    format!("{} {}: {}", text(&subject["title"]), text(&tile["title"]), text(&tile["value"]));
                out.tiles.push((state, what));
            }
        }
    }
    let rank = |state: &str| ["bad", "look", "silent"].iter().position(|s| *s == state).unwrap_or(3);
    out.tiles.sort_by_key(|(state, _)| rank(state));
    for target in targets["activeTargets"].as_array().into_iter().flatten() {
        match target["health"].as_str() {
            Some("up") => out.targets_up += 1,
            Some("down") => {
                let what =
                    format!("{} {}", text(&target["labels"]["job"]), text(&target["labels"]["instance"]));
                out.targets_down.push((what, text(&target["lastError"])));
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests;
