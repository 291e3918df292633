//! Bytes a sample on disk, index included, once everything is merged. Each program merges in the way that its own
//! documentation gives. It must never count a log that is going to be removed, of any of them.

mod telemetry;

use crate::arguments::Arguments;
use crate::http::Http;
use crate::load::send::HEADERS;
use crate::programs::{Options, Program, Server, folder_bytes};
use crate::rounds::{self, Outcome};
use crate::stop;
use crate::table::{Table, figure, percentile, spread};
use ingest::remote_write;
use model::SeriesData;
use std::path::Path;
use std::time::{Duration, SystemTime};
use stdx::{Error, ErrorKind, Result};
use telemetry::Dataset;

/// Stretches of time that are sent one after the other, all series in each.
const WINDOWS: i64 = 50;
/// Samples in one request.
const REQUEST_SAMPLES: usize = 6_000;
/// How long cutting, flushing and merging may take.
const WITHIN: Duration = Duration::from_secs(900);

/// One program and one set.
struct Run {
    samples: f64,
    there_percent: f64,
    bytes: f64,
    index_bytes: f64,
    cpu_us_per_sample: f64,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled; or if there is no telemetry.
pub fn run(arguments: &Arguments) -> Result<String> {
    let Some(folder) = &arguments.telemetry else {
        return Ok("\ndisk: not measured, it needs --telemetry FOLDER\n".into());
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    eprintln!("disk: reading {}", folder.display());
    let mut all = Vec::new();
    for set in telemetry::load(folder, now.as_millis() as i64)? {
        // What lies on disk does not depend on how busy the machine is: once is enough unless more is asked for.
        let rounds = arguments.rounds.unwrap_or(1);
        let what = format!("disk: {}", set.name);
        let outcomes = rounds::all(arguments, rounds, &what, |program| one_set(arguments, program, &set))?;
        all.push((set.name, set.goal, set.series.len(), set.samples(), outcomes));
    }
    Ok(table(&all).text())
}

fn one_set(arguments: &Arguments, program: Program, set: &Dataset) -> Result<Run> {
    let flags = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
    let options = Options {
        // Two cuts and one merge, as soon as the settings allow.
        midwatch_store: "head_age = \"1m\"\nmerge_blocks = 2\nmerge_size = \"1GiB\"\n".into(),
        // The peers keep no summaries.
        midwatch_more: "\n[tiers]\nminute_retention = \"0s\"\nhour_retention = \"0s\"\n".into(),
        // One block of all: the fewest indexes.
        prometheus_flags: flags(&[
            "--web.enable-admin-api",
            "--storage.tsdb.min-block-duration=5000h",
            "--storage.tsdb.max-block-duration=5000h",
        ]),
        ..Options::default()
    };
    let mut server = program.start(arguments, &options)?;
    let (start_ms, end_ms) = set.range_ms();
    let span_ms = (end_ms - start_ms) / WINDOWS + 1;
    for window in 0..WINDOWS {
        let from_ms = start_ms + window * span_ms;
        send(&server, &set.series, from_ms, from_ms + span_ms)?;
        let is_half = window + 1 == WINDOWS / 2;
        if program == Program::Midwatch && (is_half || window + 1 == WINDOWS) {
            wait_for_blocks(&server, if is_half { 1 } else { set.samples() as u64 })?;
        }
    }
    let (bytes, index_bytes, samples) = match program {
        Program::Midwatch => midwatch(&server)?,
        Program::Victoria => victoria(&server, set.samples() as f64)?,
        Program::Prometheus => prometheus(&server)?,
    };
    let usage = server.process.usage()?;
    Ok(Run {
        samples,
        there_percent: samples / set.samples() as f64 * 100.0,
        bytes: bytes as f64,
        index_bytes: index_bytes as f64,
        cpu_us_per_sample: usage.cpu_seconds * 1e6 / samples,
    })
}

fn send(server: &Server, series: &[SeriesData], from_ms: i64, to_ms: i64) -> Result<()> {
    let mut http = Http::connect(server.address)?;
    let (mut request, mut samples) = (Vec::new(), 0);
    for data in series {
        let at = |ms: i64| data.timestamps_ms.partition_point(|t| *t < ms);
        let (from, to) = (at(from_ms), at(to_ms));
        if from < to {
            request.push(SeriesData {
                labels: data.labels.clone(),
                timestamps_ms: data.timestamps_ms[from..to].to_vec(),
                values: data.values[from..to].to_vec(),
                ..Default::default()
            });
            samples += to - from;
        }
        if samples >= REQUEST_SAMPLES {
            stop::check()?;
            http.post_with("/api/v1/write", HEADERS, &remote_write::encode(&request))?;
            request.clear();
            samples = 0;
        }
    }
    if samples > 0 {
        http.post_with("/api/v1/write", HEADERS, &remote_write::encode(&request))?;
    }
    Ok(())
}

fn store_status(server: &Server, name: &str) -> Result<u64> {
    let answer = Http::connect(server.address)?.get("/api/v1/status/midwatch")?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the answer is not JSON", e))?;
    Ok(answer["data"]["store"][name].as_u64().unwrap_or(0))
}

/// Until blocks hold so many samples.
fn wait_for_blocks(server: &Server, samples: u64) -> Result<()> {
    stop::wait_for("cutting the head", WITHIN, || {
        (store_status(server, "blocks_samples").ok()? >= samples).then_some(())
    })
}

/// Bytes, those that are for the index alone, and samples.
type Size = (u64, u64, f64);

fn midwatch(server: &Server) -> Result<Size> {
    stop::wait_for("merging the blocks", WITHIN, || {
        (store_status(server, "blocks").ok()? == 1).then_some(())
    })?;
    // Files go a moment after the last reader has, on a busy machine a long one.
    let files = || std::fs::read_dir(server.data().join("blocks")).map_or(0, Iterator::count);
    stop::wait_for("removing what was merged", WITHIN, || (files() == 2).then_some(()))?;
    let samples = store_status(server, "blocks_samples")? as f64;
    let bytes = folder_bytes(&server.data().join("blocks")) + folder_bytes(&server.data().join("manifest"));
    Ok((bytes, bytes_of(&server.data().join("blocks"), "series.parquet"), samples))
}

fn victoria(server: &Server, sent: f64) -> Result<Size> {
    let mut http = Http::connect(server.address)?;
    http.get("/internal/force_flush")?;
    http.get("/internal/force_merge")?;
    // It merges in the background, and once more if something was flushed meanwhile.
    std::thread::sleep(Duration::from_secs(5));
    let is_merged = || -> Option<()> {
        let merging = server.own_metric("vm_active_force_merges", "").ok()?
            + server.own_metric("vm_active_merges", "").ok()?;
        (merging == 0.0).then_some(())
    };
    stop::wait_for("merging", WITHIN, is_merged)?;
    std::thread::sleep(Duration::from_secs(5));
    stop::wait_for("merging", WITHIN, is_merged)?;
    let rows = || server.own_metric("vm_rows", "storage/").unwrap_or(0.0);
    // Some rows come late to the parts; some do not come.
    let mut samples = 0.0;
    let _ = stop::wait_for("counting the rows", Duration::from_secs(30), || {
        samples = rows();
        (samples >= sent).then_some(())
    });
    stop::check()?;
    let index = folder_bytes(&server.data().join("indexdb"));
    Ok((folder_bytes(&server.data().join("data")) + index, index, samples))
}

fn prometheus(server: &Server) -> Result<Size> {
    let samples = server.own_metric("prometheus_tsdb_head_samples_appended_total", "").unwrap_or(0.0);
    let answer = Http::connect(server.address)?.post("/api/v1/admin/tsdb/snapshot", &[])?;
    drop(answer);
    let snapshots = server.data().join("snapshots");
    Ok((folder_bytes(&snapshots), bytes_of(&snapshots, "index"), samples))
}

/// Bytes of the files under a folder whose name ends so.
fn bytes_of(folder: &Path, end: &str) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_of(&entry.path(), end),
        Ok(data) if entry.file_name().to_string_lossy().ends_with(end) => data.len(),
        _ => 0,
    };
    entries.map(of).sum()
}

type Set = (&'static str, f64, usize, usize, Vec<Outcome<Run>>);

fn table(sets: &[Set]) -> Table {
    let title = "disk: bytes a sample after merging, index included";
    let headers = [
        "",
        "program",
        "samples there\n%",
        "bytes a sample\nthat is there",
        "of it index\nbytes a sample",
        "bytes a series\nof index",
        "CPU, all in all\ns a million",
        "against the\nbetter peer, x",
        "goal\nx",
    ];
    let mut table = Table::new(title, &headers);
    for (name, goal, series, samples, outcomes) in sets {
        let ratio = rounds::ratio(outcomes, false, |r: &Run| r.bytes / r.samples);
        for outcome in outcomes {
            let own = outcome.program == Program::Midwatch;
            let mut row = vec![(*name).to_string(), outcome.program.name().to_string()];
            if let Some(remark) = &outcome.remark {
                row.push(remark.clone());
                table.row(row);
                continue;
            }
            row.push(spread(&outcome.column(|r| r.there_percent), 2));
            row.push(spread(&outcome.column(|r| r.bytes / r.samples), 3));
            row.push(spread(&outcome.column(|r| r.index_bytes / r.samples), 3));
            row.push(figure(percentile(&outcome.column(|r| r.index_bytes / *series as f64), 0.5), 0));
            row.push(spread(&outcome.column(|r| r.cpu_us_per_sample), 2));
            row.push(ratio.filter(|_| own).map_or(String::new(), |r| figure(r, 2)));
            row.push(if own { format!("{goal:.2}") } else { String::new() });
            table.row(row);
        }
        table.note(format!("{name}: {series} series, {samples} samples."));
    }
    table.note("The same remote write requests for all, in the order of time; one run unless --rounds says otherwise: bytes do not depend on how busy");
    table.note(
        "the machine is. Samples there: as each program counts them; victoria-metrics keeps no NaN. No log that goes away by itself is counted.",
    );
    table.note("15 s: 15 instances of the machine that was scraped every second, each with every 15th scrape. aligned: times to the nearest second.");
    table.note("NAB: all series moved to one start.");
    table.note("midwatch: two cuts of the head (store.head_age 1m) and one merge (store.merge_blocks 2); folders blocks and manifest.");
    table.note("victoria-metrics: /internal/force_flush, then /internal/force_merge until nothing merges; folders data and indexdb.");
    table.note("prometheus: one block of all (--storage.tsdb.min-block-duration=5000h), written by the snapshot of the admin API; the whole snapshot.");
    table
}
