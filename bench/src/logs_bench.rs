//! What lines of an access log cost: CPU time for each GB that comes in, everything that is done with it later included, size on
//! disk, how long one identifier among all of them takes to find, and when a new line can be found. It takes pushes of Loki's
//! API; beside it stand gzip and zgrep on files with the same lines. It must never time what was not found.

mod files;
mod lines;
mod server;

use crate::arguments::Arguments;
use crate::http::Http;
use crate::table::{Table, figure, percentile};
use crate::{midwatch, stop};
use files::Yardstick;
use lines::{BATCH, Form, STEP_NS};
use server::Server;
use std::path::Path;
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
    cpu_per_gb: f64,
    cpu_push_per_gb: f64,
    disk_percent: f64,
    pushed_p99_ms: f64,
    rss_mib: f64,
    first_ms: Vec<f64>,
    warm_ms: Vec<f64>,
    fresh_ms: Vec<f64>,
}

/// What came of it, or why nothing did.
type Told<T> = std::result::Result<T, String>;

/// Runs and returns the table.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let megabytes = arguments.megabytes.unwrap_or(2_000);
    let wanted = |name| arguments.only.as_deref().is_none_or(|only| only == name);
    let mut table = table(megabytes);
    for (form, what) in [(Form::Identified, "with an identifier"), (Form::Combined, "combined")] {
        if wanted("midwatch") {
            let told = match midwatch::program(arguments) {
                Err(missing) => Err(missing),
                Ok(path) => told(one(&path, &arguments.store, form, megabytes))?,
            };
            row(&mut table, format!("midwatch: {what}"), told.map(|run| run.cells()));
        }
        if wanted("gzip") {
            let told = match files::missing() {
                Some(missing) => Err(missing),
                None => told(files::run(form, megabytes))?,
            };
            row(&mut table, format!("gzip -6, zgrep: {what}"), told.map(|run| run.cells()));
        }
    }
    Ok(table.text())
}

fn row(table: &mut Table, name: String, told: Told<Vec<String>>) {
    let cells = told.unwrap_or_else(|remark| vec![remark]);
    table.row(std::iter::once(name).chain(cells).collect());
}

/// A failure is a remark in the table, unless somebody stopped it.
fn told<T>(outcome: Result<T>) -> Result<Told<T>> {
    match outcome {
        Err(e) if e.kind == ErrorKind::Cancelled => Err(e),
        outcome => Ok(outcome.map_err(|e| format!("failed: {e}"))),
    }
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

fn one(program: &Path, store: &str, form: Form, megabytes: u64) -> Result<Run> {
    eprintln!("logs: midwatch takes {megabytes} MB");
    let mut server = Server::start(program, store)?;
    let begin = server.process.usage()?.cpu_seconds;
    let mut http = Http::connect(server.address)?;
    let headers = "Content-Type: application/json\r\n";
    let (mut body, mut raw, mut next, mut pushed_ms) = (Vec::new(), 0, 0, Vec::new());
    // About 260 bytes a line: the newest end a little before now.
    let start_ns = now_ns() - (megabytes as i64 * 4_000 + 100_000) * STEP_NS;
    while raw < megabytes * 1_000_000 {
        stop::check()?;
        raw += lines::push(next, start_ns, form, &mut body);
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
    eprintln!("logs: midwatch is asked");
    let has_needles = form == Form::Identified;
    let ask = || if has_needles { needles(&server, next, range) } else { Ok(Vec::new()) };
    let (first_ms, warm_ms) = (ask()?, ask()?);
    let fresh_ms = fresh(&server)?;
    let gb = raw as f64 / 1e9;
    Ok(Run {
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

/// Median and worst, if there is any.
fn two(values: &[f64]) -> String {
    match values {
        [] => "-".to_string(),
        all => format!("{} ({})", figure(percentile(all, 0.5), 1), figure(percentile(all, 1.0), 1)),
    }
}

impl Run {
    fn cells(&self) -> Vec<String> {
        vec![
            figure(self.cpu_per_gb, 1),
            figure(self.cpu_push_per_gb, 1),
            figure(self.disk_percent, 2),
            figure(self.pushed_p99_ms, 1),
            figure(self.rss_mib, 0),
            two(&self.first_ms),
            two(&self.warm_ms),
            two(&self.fresh_ms),
        ]
    }
}

impl Yardstick {
    fn cells(&self) -> Vec<String> {
        let nothing = || "-".to_string();
        let disk = figure(self.disk_percent, 2);
        vec![
            figure(self.cpu_per_gb, 1),
            nothing(),
            disk,
            nothing(),
            nothing(),
            nothing(),
            two(&self.found_ms),
            nothing(),
        ]
    }
}

fn table(megabytes: u64) -> Table {
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
    table.note("Goals: at most 12 % of the lines on disk, one identifier in 10 GB under 300 ms warm, a new line within 1 s.");
    table.note("CPU: user and system time from the start of the first push until the program was idle, everything written and merged; of");
    table.note("files that of gzip alone. On disk: midwatch without its log. One identifier: among all lines, over HTTP; of files by zgrep");
    table.note("through all of them. At the acknowledgement midwatch has synced the lines to disk.");
    table.note(server::note());
    table
}
