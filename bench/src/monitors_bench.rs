//! What watching costs: thousands of monitors over tens of thousands of series that get a sample each interval, and how late
//! a sample is judged. The same load without monitors is measured first, so that what is left is the monitors' own. It must
//! never send faster than the load is in reality.

use crate::arguments::Arguments;
use crate::http::Http;
use crate::midwatch::{Midwatch, program};
use crate::table::{Table, figure};
use crate::{child, machine, stop};
use ingest::remote_write;
use model::labels::NAME;
use model::{Labels, SeriesData};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, Result};

/// Monitors, if nothing is said.
const MONITORS: usize = 5_000;
/// Rules of one group.
const GROUP: usize = 50;
/// Series of one request.
const REQUEST: usize = 2_000;

struct Load {
    monitors: usize,
    series: usize,
    interval: Duration,
    warmup: Duration,
    window: Duration,
}

/// What one window gave.
struct Run {
    cpu_percent: f64,
    rss_mib: f64,
    evaluations: f64,
    seconds: f64,
    missed: f64,
    detection_s: f64,
    others_percent: f64,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled, or the program cannot be started.
pub fn run(arguments: &Arguments) -> Result<String> {
    let load = Load {
        monitors: arguments.samples.unwrap_or(MONITORS),
        series: arguments.series.unwrap_or(30_000),
        interval: Duration::from_secs(arguments.interval_seconds.unwrap_or(5)),
        warmup: Duration::from_secs(arguments.warmup_seconds),
        window: Duration::from_secs(arguments.seconds.unwrap_or(60)),
    };
    let path = program(arguments).map_err(Error::invalid)?;
    let title = format!(
        "monitors: {} of them over {} series every {} s, {} s each",
        load.monitors,
        load.series,
        load.interval.as_secs(),
        load.window.as_secs()
    );
    let headers = [
        "",
        "CPU\n% of a core",
        "RSS\nMiB",
        "evaluations\n/s",
        "evaluating\n% of a core",
        "instants\nmissed",
        "detection\nworst, s",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    let mut cpu = Vec::new();
    for (name, monitors) in [("the samples alone", 0), ("and the monitors", load.monitors)] {
        eprintln!("monitors: {name}");
        let run = one(&path, &load, monitors)?;
        cpu.push(run.cpu_percent);
        table.row(vec![
            name.to_string(),
            figure(run.cpu_percent, 1),
            figure(run.rss_mib, 0),
            figure(run.evaluations / load.window.as_secs_f64(), 0),
            figure(run.seconds / load.window.as_secs_f64() * 100.0, 1),
            figure(run.missed, 0),
            figure(run.detection_s, 2),
            figure(run.others_percent, 0),
        ]);
    }
    table.note(format!(
        "The monitors themselves: {} % of a core. Goal: under 25 %.",
        figure(cpu[1] - cpu[0], 1)
    ));
    table.note(
        "Detection: how old the newest sample was when it was judged; the goal is one interval and 5 s.",
    );
    Ok(table.text())
}

fn one(path: &Path, load: &Load, monitors: usize) -> Result<Run> {
    let folder = child::folder()?;
    let rules = folder.path().join("rules.yml");
    write(&rules, &rule_file(load, monitors))?;
    let config = folder.path().join("midwatch.toml");
    write(&config, &format!("[monitors]\nfiles = [{:?}]\n", rules.display().to_string()))?;
    let config = config.display().to_string();
    let mut server = Midwatch::start(
        path,
        folder.path(),
        &["--no-host", "--no-otlp", "--no-postgres", "--config", &config],
    )?;
    let mut http = Http::connect(server.address)?;
    let begun = Instant::now();
    let mut next = begun;
    let mut before: Option<(f64, f64, [f64; 3])> = None;
    let total = load.warmup + load.window;
    let mut round = 0;
    while begun.elapsed() < total {
        send(&mut http, load, round)?;
        round += 1;
        next += load.interval;
        if before.is_none() && begun.elapsed() >= load.warmup {
            before =
                Some((server.process.usage()?.cpu_seconds, machine::busy_seconds(), counters(&mut http)?));
        }
        stop::sleep_until(next)?;
    }
    let Some((cpu, busy, counted)) = before else {
        return Err(Error::invalid("the window has to be longer than one interval"));
    };
    let usage = server.process.usage()?;
    let seconds = load.window.as_secs_f64();
    let now = counters(&mut http)?;
    let own = usage.cpu_seconds - cpu;
    Ok(Run {
        cpu_percent: own / seconds * 100.0,
        rss_mib: usage.rss_mib,
        evaluations: now[0] - counted[0],
        seconds: now[1] - counted[1],
        missed: now[2] - counted[2],
        detection_s: metric(&mut http, "midwatch_monitor_detection_seconds_max")?,
        others_percent: (machine::busy_seconds() - busy - own) / seconds * 100.0,
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|e| Error::wrap(stdx::ErrorKind::Unavailable, "cannot write a file of the bench", e))
}

/// Monitors of the kinds that people have: a level, a rate, a share of a sum. Each looks at series of its own.
fn rule_file(load: &Load, monitors: usize) -> String {
    let mut text = String::from("groups:\n");
    for n in 0..monitors {
        if n % GROUP == 0 {
            let _ = writeln!(
                text,
                "  - name: g{}\n    interval: {}s\n    rules:",
                n / GROUP,
                load.interval.as_secs()
            );
        }
        let of = format!("bench_watched{{unit=\"{n}\"}}");
        let expr = match n % 3 {
            0 => format!("{of} > 1e9"),
            1 => format!("sum by (unit) (rate({of}[1m])) > 1e9"),
            _ => format!("max by (unit) ({of}) / sum by (unit) ({of}) > 2"),
        };
        let _ =
            writeln!(text, "      - {{alert: A{n}, expr: '{expr}', for: 1m, labels: {{severity: ticket}}}}");
    }
    if monitors == 0 { "groups: []\n".into() } else { text }
}

fn send(http: &mut Http, load: &Load, round: usize) -> Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = now.as_millis() as i64;
    let headers = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";
    for from in (0..load.series).step_by(REQUEST) {
        let series: Vec<SeriesData> = (from..load.series.min(from + REQUEST))
            .map(|i| {
                let (unit, part) = (i % load.monitors.max(1), i / load.monitors.max(1));
                let labels = Labels::default()
                    .with(NAME, "bench_watched")
                    .with("unit", &unit.to_string())
                    .with("part", &part.to_string());
                let value = (round * 7 + i % 13) as f64;
                SeriesData {
                    labels,
                    timestamps_ms: vec![now_ms],
                    values: vec![value],
                    ..SeriesData::default()
                }
            })
            .collect();
        http.post_with("/api/v1/write", headers, &remote_write::encode(&series))?;
    }
    Ok(())
}

fn metric(http: &mut Http, name: &str) -> Result<f64> {
    let text = http.get("/metrics")?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.and_then(|v| v.trim().parse().ok()).unwrap_or(0.0))
}

fn counters(http: &mut Http) -> Result<[f64; 3]> {
    Ok([
        metric(http, "midwatch_monitor_evaluations_total")?,
        metric(http, "midwatch_monitor_evaluation_seconds_total")?,
        metric(http, "midwatch_monitor_iterations_missed_total")?,
    ])
}
