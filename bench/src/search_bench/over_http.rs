//! The same questions to the running program, as the page asks them. It must never ask for what a page would not.

use super::{Latencies, population, questions::KINDS};
use crate::arguments::Arguments;
use crate::child;
use crate::http::{Http, encode};
use crate::midwatch::{self, Midwatch};
use crate::stop;
use crate::table::{Table, figure};
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, ErrorKind, Result};

/// Times that each question is asked in one round.
const ASKS: usize = 10;
/// The page shows the last 15 minutes unless told otherwise.
const RANGE: Duration = Duration::from_secs(900);
/// Bytes of one import.
const BODY_BYTES: usize = 8 << 20;

/// Feeds a program of its own, asks, and returns the table; if the program is not there, a line that says so.
///
/// # Errors
/// Cancelled; or if the program fails.
pub fn run(arguments: &Arguments) -> Result<String> {
    let program = match midwatch::program(arguments) {
        Ok(program) => program,
        Err(missing) => return Ok(format!("\nsearch over HTTP: not measured, {missing}\n")),
    };
    let folder = child::folder()?;
    let mut midwatch = Midwatch::start(&program, folder.path(), &["--no-host"])?;
    let mut http = Http::connect(midwatch.address)?;
    eprintln!("search over HTTP: feeding {} series", arguments.series);
    let begun = Instant::now();
    feed(&mut http, arguments.series)?;
    let fed_seconds = begun.elapsed().as_secs_f64();
    // The program's own series are searched too.
    stop::wait_for("finding all series", Duration::from_secs(120), || {
        let answer = http.get(&path("", "entity")).ok()?;
        (total(&answer)? >= arguments.series as u64).then_some(())
    })?;
    let found_seconds = begun.elapsed().as_secs_f64();
    let mut rows: Vec<(Latencies, usize)> = KINDS.iter().map(|_| Default::default()).collect();
    for round in 0..arguments.rounds {
        eprintln!("search over HTTP: round {} of {}", round + 1, arguments.rounds);
        for (kind, (latencies, bytes)) in KINDS.iter().zip(&mut rows) {
            let mut times_ms = Vec::new();
            for group in ["entity", "metric"] {
                for question in (0..ASKS).flat_map(|_| kind.questions()) {
                    stop::check()?;
                    let asked = Instant::now();
                    let answer = http.get(&path(question, group))?;
                    times_ms.push(asked.elapsed().as_secs_f64() * 1e3);
                    *bytes = (*bytes).max(answer.len());
                }
            }
            latencies.round(times_ms);
        }
    }
    let usage = midwatch.process.usage()?;
    let title = format!(
        "search over HTTP: {} series in midwatch serve, GET /api/v1/look/find on loopback, last 15 minutes",
        arguments.series
    );
    let headers = ["typed", "asked", "p50\nms (by round)", "p99\nms", "worst\nms", "largest answer\nKiB"];
    let mut table = Table::new(title, &headers);
    for (kind, (latencies, bytes)) in KINDS.iter().zip(&rows) {
        let mut cells = latencies.cells(kind.name);
        cells.push(figure(*bytes as f64 / 1024.0, 1));
        table.row(cells);
    }
    table.note("From sending the request to having read the whole JSON, over one connection; half by entity, half by");
    table.note("metric. Goal: less than 50 ms.");
    table.note(format!(
        "Import of one sample each took {fed_seconds:.1} s, and all were found after {found_seconds:.1} s. Memory of \
         the program after the questions: RSS {:.0} MiB, PSS {:.0} MiB.",
        usage.rss_mib, usage.pss_mib
    ));
    Ok(table.text())
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn path(question: &str, group: &str) -> String {
    let end = now();
    let start = end.saturating_sub(RANGE).as_millis() as f64 / 1e3;
    let end = end.as_millis() as f64 / 1e3;
    format!("/api/v1/look/find?q={}&group={group}&start={start}&end={end}", encode(question))
}

fn total(answer: &[u8]) -> Option<u64> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    answer["data"]["total"].as_u64()
}

/// One sample of each series, in several requests.
fn feed(http: &mut Http, count: usize) -> Result<()> {
    let now_ms = now().as_millis() as u64;
    let mut body = Vec::new();
    let mut result = Ok(());
    population::each(count, &mut |pairs| {
        let metric: serde_json::Map<String, serde_json::Value> =
            pairs.iter().map(|(name, value)| (name.to_string(), (*value).into())).collect();
        let line = serde_json::json!({ "metric": metric, "values": [1], "timestamps": [now_ms] });
        body.extend(line.to_string().bytes());
        body.push(b'\n');
        if body.len() >= BODY_BYTES && result.is_ok() {
            result = stop::check().and_then(|()| http.post("/api/v1/import", &body).map(drop));
            body.clear();
        }
    });
    result?;
    http.post("/api/v1/import", &body)
        .map(drop)
        .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the import failed", e))
}
