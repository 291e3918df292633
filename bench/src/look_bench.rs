//! What moved, asked over HTTP: every series of a window against what was just before it, ranked and grouped. It must never
//! count an answer that compared fewer series than there are.

use crate::arguments::Arguments;
use crate::http::Http;
use crate::load::feed;
use crate::load::stream::{Population, Stream};
use crate::memory_bench::BATCH;
use crate::midwatch::{Midwatch, program};
use crate::table::{Table, figure, percentile};
use crate::{child, machine, stop};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, ErrorKind, Result};

/// Series, the interval of their samples, and how often a goal wants the answer.
const SIZES: [(usize, i64, f64); 2] = [(100_000, 1_000, 500.0), (1_000_000, 15_000, 3_000.0)];
/// What is compared, window and baseline together.
const SPAN_MS: i64 = 900_000;
/// Times that it is asked, after once.
const ASKS: usize = 5;
/// Blocks are written and merged meanwhile.
const SETTLE: Duration = Duration::from_secs(30);

/// One size.
struct Run {
    compared: f64,
    moved: f64,
    first_ms: f64,
    warm_ms: Vec<f64>,
    cpu_s: f64,
    line_ms: f64,
    before_mib: f64,
    rss_mib: f64,
    others_percent: f64,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled, or the program cannot be started.
pub fn run(arguments: &Arguments) -> Result<String> {
    let path = program(arguments).map_err(Error::invalid)?;
    let title = "look: what moved in 5 minutes against the 10 before, over HTTP";
    let headers = [
        "",
        "compared",
        "moved",
        "first\nms",
        "warm\nms median (worst)",
        "goal\nms",
        "CPU\ns an answer",
        "first line\nms",
        "RSS before\nMiB",
        "RSS after\nMiB",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    let most = arguments.series.unwrap_or(1_000_000);
    for (series, interval_ms, goal_ms) in SIZES.into_iter().filter(|size| size.0 <= most) {
        let name = format!("{series} series every {} s", interval_ms / 1_000);
        eprintln!("look: {name}");
        let mut row = vec![name];
        match one(&path, arguments, series, interval_ms) {
            Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
            Err(e) => row.push(format!("failed: {e}")),
            Ok(run) => row.extend([
                figure(run.compared, 0),
                figure(run.moved, 0),
                figure(run.first_ms, 0),
                format!(
                    "{} ({})",
                    figure(percentile(&run.warm_ms, 0.5), 0),
                    figure(percentile(&run.warm_ms, 1.0), 0)
                ),
                figure(goal_ms, 0),
                figure(run.cpu_s, 2),
                figure(run.line_ms, 0),
                figure(run.before_mib, 0),
                figure(run.rss_mib, 0),
                figure(run.others_percent, 0),
            ]),
        }
        table.row(row);
    }
    table.note("The values are those of ingest: counters of processors, disks and networks, memory, levels; a third hardly moves. CPU: of the program,");
    table.note("for each of the warm answers. First line: asked to stream, when its first line was there.");
    Ok(table.text())
}

fn one(path: &Path, arguments: &Arguments, series: usize, interval_ms: i64) -> Result<Run> {
    let folder = child::folder()?;
    let config = folder.path().join("midwatch.toml");
    std::fs::write(&config, format!("[store]\n{}", arguments.store))
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "cannot write a file of the bench", e))?;
    let config = config.display().to_string();
    let flags = ["--no-host", "--no-otlp", "--no-postgres", "--config", &config];
    let mut server = Midwatch::start(path, folder.path(), &flags)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let end_ms = now.as_millis() as i64;
    let population = Population { interval_ms, ..Population::new(series, end_ms - SPAN_MS) };
    let mut parts = Stream::new(&population)?.split(feed::CONNECTIONS);
    feed::all(server.address, &mut parts, (SPAN_MS / interval_ms) as usize, BATCH, |_| Ok(()))?;
    stop::sleep_until(Instant::now() + SETTLE)?;
    let before = server.process.usage()?;
    let start = (end_ms - SPAN_MS / 3) as f64 / 1e3;
    let body =
        |stream: bool| format!("{{\"start\":{start},\"end\":{},\"stream\":{stream}}}", end_ms as f64 / 1e3);
    let mut http = Http::connect(server.address)?;
    let (first_ms, answer) = ask(&mut http, &body(false))?;
    let number = |name: &str| answer["data"][name].as_f64().unwrap_or(f64::NAN);
    let (compared, moved) = (number("compared"), number("moved"));
    if compared < series as f64 {
        let text =
            format!("only {compared} of {series} series were compared: {}", answer["data"]["warnings"]);
        return Err(Error::new(ErrorKind::Internal, text));
    }
    let (busy, begun, cpu) = (machine::busy_seconds(), Instant::now(), server.process.usage()?.cpu_seconds);
    let mut warm_ms = Vec::new();
    for _ in 0..ASKS {
        stop::check()?;
        warm_ms.push(ask(&mut http, &body(false))?.0);
    }
    let usage = server.process.usage()?;
    let used = usage.cpu_seconds - cpu;
    let others_percent = (machine::busy_seconds() - busy - used) / begun.elapsed().as_secs_f64() * 100.0;
    Ok(Run {
        compared,
        moved,
        first_ms,
        warm_ms,
        cpu_s: used / ASKS as f64,
        line_ms: first_line(&server, &body(true))?,
        before_mib: before.rss_mib,
        rss_mib: usage.rss_mib,
        others_percent,
    })
}

fn ask(http: &mut Http, body: &str) -> Result<(f64, serde_json::Value)> {
    let begun = Instant::now();
    let answer = http.post("/api/v1/look", body.as_bytes())?;
    let took_ms = begun.elapsed().as_secs_f64() * 1e3;
    let answer = serde_json::from_slice(&answer)
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the answer is not JSON", e))?;
    Ok((took_ms, answer))
}

/// When the head and the first line of the answer are there.
fn first_line(server: &Midwatch, body: &str) -> Result<f64> {
    use std::io::{Read, Write};
    let failed = |e| Error::wrap(ErrorKind::Unavailable, "cannot ask for what moved", e);
    let mut stream = std::net::TcpStream::connect(server.address).map_err(failed)?;
    let head = format!(
        "POST /api/v1/look HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let begun = Instant::now();
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let (mut got, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece).map_err(failed)?;
        got.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&got);
        let has_line = text.split_once("\r\n\r\n").is_some_and(|(_, rest)| rest.contains("\"status\""));
        if has_line || read == 0 {
            return Ok(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
}
