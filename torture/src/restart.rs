//! Time from the start of `midwatch serve` until it says that it is ready, after it was killed with many series in its
//! head. It must never count a start that has lost any of them.

use crate::arguments::Arguments;
use crate::http;
use crate::midwatch::{self, Midwatch};
use crate::report::{Progress, Row};
use crate::stop;
use model::{Labels, SeriesData};
use std::time::{Duration, SystemTime};

/// A start may take no longer.
const READY_WITHIN: Duration = Duration::from_secs(5);
const STARTS: usize = 3;
const SERIES_PER_REQUEST: u64 = 5_000;

/// Writes so many series, kills, and starts a few times.
///
/// # Errors
/// If somebody stopped it, or it cannot be started at all.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    const NAME: &str = "restart to ready";
    let mut row = Row::new(NAME, arguments.seed);
    let program = match midwatch::program(arguments) {
        Ok(program) => program,
        Err(why) => return Ok(Row::not_run(NAME, arguments.seed, why)),
    };
    let progress = Progress::new("restart", STARTS as u64);
    let folder = arguments.folder()?;
    let mut midwatch = Midwatch::start(&program, folder.path())?;
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    for from in (0..arguments.series).step_by(SERIES_PER_REQUEST as usize) {
        stop::check()?;
        let to = (from + SERIES_PER_REQUEST).min(arguments.series);
        let body =
            ingest::remote_write::encode(&(from..to).map(|n| series(n, now_ms as i64)).collect::<Vec<_>>());
        if !midwatch.write(&body)? {
            return Err("midwatch serve does not answer".into());
        }
    }
    let mut took = Vec::new();
    for _ in 0..STARTS {
        midwatch.kill();
        drop(midwatch);
        midwatch = Midwatch::start(&program, folder.path())?;
        row.run += 1;
        let (wall, cpu) = (midwatch.start_took.as_secs_f64(), midwatch.start_cpu.as_secs_f64());
        took.push(format!("{wall:.2} s ({cpu:.2} s of processor time)"));
        if midwatch.start_took > READY_WITHIN {
            match other_work() {
                Some(load) if midwatch.start_cpu < READY_WITHIN => row.not_run = Some(load),
                _ => drop(row.fail(format!("a start took {wall:.2} s"))),
            }
        }
        let path = "/api/v1/query?query=count(%7B__name__%3D~%22restart_.*%22%7D)";
        let answer = http::ask(midwatch.address, "GET", path, b"").map_err(|e| format!("no answer: {e}"))?;
        let text = String::from_utf8_lossy(&answer.1).into_owned();
        if !text.contains(&format!("\"{}\"", arguments.series)) {
            row.fail(format!("of {} series there are not all: {text}", arguments.series));
        }
    }
    row.took = progress.took();
    row.notes.push(format!("{} series; ready after {}", arguments.series, took.join(", ")));
    Ok(row)
}

/// A machine that has more to do than it has processors says nothing about how long a start takes.
fn other_work() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split(' ').next()?.parse().ok()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (load > processors as f64 * 1.5).then(|| {
        format!("the machine has other work (load {load:.0} on {processors} processors), time says nothing")
    })
}

/// As a service would have it: some metrics, instances, paths.
fn series(n: u64, now_ms: i64) -> SeriesData {
    let (metric, instance, path) = (n % 50, n / 50 % 200, n / 10_000);
    let pairs = [
        ("__name__", format!("restart_{metric}_total")),
        ("instance", format!("10.0.{}.{}:9100", instance / 100, instance % 100)),
        ("job", "node".to_string()),
        ("path", format!("/api/v1/item/{path}")),
    ];
    let labels = Labels::from_pairs(pairs).unwrap_or_default();
    SeriesData { labels, timestamps_ms: vec![now_ms], values: vec![n as f64], ..Default::default() }
}
