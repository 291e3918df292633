//! What lines of an access log cost: CPU time for each GB that comes in, everything that is done with it later included, size on
//! disk, how long one identifier among all of them takes to find, and when a new line can be found. Both programs take the same
//! pushes of Loki's own API. It must never compare what is not both there.

mod lines;
mod programs;

use crate::arguments::Arguments;
use crate::http::Http;
use crate::stop;
use crate::table::{Table, figure, percentile};
use lines::{BATCH, STEP_NS};
use programs::{PROGRAMS, Program, Server};
use std::time::{Duration, Instant, SystemTime};
use stdx::{ErrorKind, Result};

/// A program has done its work when it used less than this share of a core for so long.
const IDLE_SHARE: f64 = 0.05;
const IDLE_FOR: Duration = Duration::from_secs(10);
/// It is not waited for longer.
const IDLE_WITHIN: Duration = Duration::from_secs(900);
/// Identifiers that are looked for, spread over all lines.
const NEEDLES: u64 = 20;
/// New lines whose way to an answer is timed.
const FRESH: u64 = 20;

struct Run {
    raw_gb: f64,
    cpu_per_gb: f64,
    cpu_push_per_gb: f64,
    disk_percent: f64,
    pushed_p99_ms: f64,
    rss_mib: f64,
    first_ms: Vec<f64>,
    warm_ms: Vec<f64>,
    fresh_ms: Vec<f64>,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let megabytes = arguments.megabytes.unwrap_or(2_000);
    let mut rows = Vec::new();
    for program in PROGRAMS {
        if arguments.only.as_deref().is_some_and(|only| only != program.name()) {
            continue;
        }
        let outcome = match program.missing(arguments) {
            Some(remark) => Err(remark),
            None => match one(arguments, program, megabytes) {
                Ok(run) => Ok(run),
                Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
                Err(e) => Err(format!("failed: {e}")),
            },
        };
        rows.push((program, outcome));
    }
    Ok(table(megabytes, &rows).text())
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

fn one(arguments: &Arguments, program: Program, megabytes: u64) -> Result<Run> {
    eprintln!("logs: {} takes {megabytes} MB", program.name());
    let mut server = program.start(arguments)?;
    let begin = server.process.usage()?.cpu_seconds;
    let mut http = Http::connect(server.address)?;
    let headers = "Content-Type: application/json\r\n";
    let (mut body, mut raw, mut next, mut pushed_ms) = (Vec::new(), 0, 0, Vec::new());
    // About 260 bytes a line: the newest end a little before now.
    let start_ns = now_ns() - (megabytes as i64 * 4_000 + 100_000) * STEP_NS;
    while raw < megabytes * 1_000_000 {
        stop::check()?;
        raw += lines::push(next, start_ns, &mut body);
        next += BATCH;
        let sent = Instant::now();
        http.post_with("/loki/api/v1/push", headers, &body)?;
        pushed_ms.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    let pushed = server.process.usage()?;
    server.flush()?;
    idle(&mut server)?;
    let done = server.process.usage()?.cpu_seconds;
    let kept = server.kept_bytes();
    let range = (start_ns, start_ns + next as i64 * STEP_NS);
    eprintln!("logs: {} is asked", program.name());
    let (first_ms, warm_ms) = (needles(&server, next, range)?, needles(&server, next, range)?);
    let fresh_ms = fresh(&server)?;
    let gb = raw as f64 / 1e9;
    Ok(Run {
        raw_gb: gb,
        cpu_per_gb: (done - begin) / gb,
        cpu_push_per_gb: (pushed.cpu_seconds - begin) / gb,
        disk_percent: kept as f64 * 100.0 / raw as f64,
        pushed_p99_ms: percentile(&pushed_ms, 0.99),
        rss_mib: pushed.rss_mib,
        first_ms,
        warm_ms,
        fresh_ms,
    })
}

/// Waits until nothing is left to be done.
fn idle(server: &mut Server) -> Result<()> {
    let end = Instant::now() + IDLE_WITHIN;
    while Instant::now() < end {
        let (before, begun) = (server.process.usage()?.cpu_seconds, Instant::now());
        stop::sleep_until(begun + IDLE_FOR)?;
        let used = server.process.usage()?.cpu_seconds - before;
        if used < IDLE_SHARE * begun.elapsed().as_secs_f64() {
            return Ok(());
        }
    }
    eprintln!("logs: it is still busy; its figures are without the rest");
    Ok(())
}

/// How long each of some identifiers takes to find in all lines.
fn needles(server: &Server, lines: u64, (from_ns, to_ns): (i64, i64)) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for n in 0..NEEDLES {
        let id = lines::id(n * (lines / NEEDLES) + 17);
        let begun = Instant::now();
        let found = server.count(&id, from_ns, to_ns)?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        if found != 1 {
            let text = format!("the identifier {id} was found {found} times, not once");
            return Err(stdx::Error::new(ErrorKind::Internal, text));
        }
    }
    Ok(took)
}

/// How long after it was pushed a line is found.
fn fresh(server: &Server) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for n in 0..FRESH {
        let now = now_ns();
        let id = lines::id(u64::MAX - n);
        let body = format!(
            "{{\"streams\":[{{\"stream\":{{\"service_name\":\"nginx\",\"host\":\"web-1\"}},\"values\":[[\"{now}\",\"new {id}\"]]}}]}}"
        );
        let begun = Instant::now();
        let headers = "Content-Type: application/json\r\n";
        Http::connect(server.address)?.post_with("/loki/api/v1/push", headers, body.as_bytes())?;
        loop {
            stop::check()?;
            if server.count(&id, now - 60_000_000_000, now + 60_000_000_000)? == 1 {
                break;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                let text = "a new line was not found within a minute";
                return Err(stdx::Error::new(ErrorKind::Unavailable, text));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}

fn table(megabytes: u64, rows: &[(Program, std::result::Result<Run, String>)]) -> Table {
    let title = format!(
        "logs: {megabytes} MB of lines of an access log, pushed by Loki's API (JSON, {BATCH} lines each)"
    );
    let headers = [
        "",
        "CPU\ns a GB",
        "of that pushing\ns a GB",
        "on disk\n% of the lines",
        "acknowledged\np99 ms",
        "RSS\nMiB",
        "one id, first\nms median (worst)",
        "one id, warm\nms median (worst)",
        "new line found\nms median (worst)",
    ];
    let mut table = Table::new(title, &headers);
    let two = |values: &[f64]| {
        format!("{} ({})", figure(percentile(values, 0.5), 1), figure(percentile(values, 1.0), 1))
    };
    for (program, outcome) in rows {
        let mut row = vec![program.name().to_string()];
        match outcome {
            Err(remark) => row.push(remark.clone()),
            Ok(run) => row.extend([
                figure(run.cpu_per_gb, 1),
                figure(run.cpu_push_per_gb, 1),
                figure(run.disk_percent, 2),
                figure(run.pushed_p99_ms, 1),
                figure(run.rss_mib, 0),
                two(&run.first_ms),
                two(&run.warm_ms),
                two(&run.fresh_ms),
            ]),
        }
        table.row(row);
    }
    if let [(_, Ok(own)), (_, Ok(peer))] = rows {
        table.note(format!(
            "midwatch against loki: CPU {} x, disk {} x.",
            figure(own.cpu_per_gb / peer.cpu_per_gb, 2),
            figure(own.disk_percent / peer.disk_percent, 2)
        ));
        table.note(format!("{} and {} GB were taken.", figure(own.raw_gb, 2), figure(peer.raw_gb, 2)));
    }
    table.note("Goals: half of Loki's CPU, at most 12 % of the lines on disk, one identifier in 10 GB under 300 ms warm, a new line within 1 s.");
    table.note("CPU: user and system time from the start of the first push until the program was idle, everything written and merged.");
    table.note("On disk: midwatch without its log, Loki without its write-ahead log. One identifier: among all lines, over HTTP.");
    table.note("At the acknowledgement midwatch has synced the lines to disk; Loki has written them to its log and not synced it.");
    table.note(programs::note());
    table
}
