//! The same questions to the running program, as the page asks them. It must never ask for what a page would not.

use super::{
    Latencies, population,
    questions::{KINDS, Kind},
};
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
    eprintln!("search over HTTP: feeding {} series", arguments.series());
    let begun = Instant::now();
    feed(&mut http, arguments.series())?;
    let fed_seconds = begun.elapsed().as_secs_f64();
    // The program's own series are searched too.
    stop::wait_for("finding all series", Duration::from_secs(120), || {
        let answer = http.get(&path("", "entity", Some(RANGE))).ok()?;
        (total(&answer)? >= arguments.series() as u64).then_some(())
    })?;
    let found_seconds = begun.elapsed().as_secs_f64();
    // Each kind in the range that the page asks for; the last kind once more without one.
    let mut rows: Vec<Row> = KINDS.iter().map(|kind| Row::new(kind, Some(RANGE))).collect();
    rows.extend(KINDS.last().map(|kind| Row::new(kind, None)));
    for round in 0..arguments.rounds() {
        eprintln!("search over HTTP: round {} of {}", round + 1, arguments.rounds());
        for row in &mut rows {
            let before = midwatch.process.usage()?.cpu_seconds;
            row.ask(&mut http)?;
            row.cpu_seconds += midwatch.process.usage()?.cpu_seconds - before;
        }
    }
    let usage = midwatch.process.usage()?;
    let title = format!(
        "search over HTTP: {} series in midwatch serve, GET /api/v1/look/find on loopback, last 15 minutes",
        arguments.series()
    );
    let headers = [
        "typed",
        "asked",
        "p50\nms (by round)",
        "p99\nms",
        "worst\nms",
        "mean\nms CPU",
        "largest answer\nKiB",
    ];
    let mut table = Table::new(title, &headers);
    for row in &rows {
        table.row(row.cells());
    }
    table.note("Goal: less than 50 ms. From sending the request to having read the whole JSON, over one connection; half");
    table.note("by entity, half by metric. The program remembers for 1 s which series are alive in a range: the question");
    table.note("that comes first after that pays for all.");
    table.note("ms CPU is what the program took for a question on all cores: where p50 is far above, the machine was busy.");
    table.note(format!(
        "Import of one sample each took {fed_seconds:.1} s, and all were found after {found_seconds:.1} s. Memory of \
         the program after the questions: RSS {:.0} MiB, PSS {:.0} MiB.",
        usage.rss_mib, usage.pss_mib
    ));
    Ok(table.text())
}

/// One kind of question.
struct Row {
    kind: &'static Kind,
    /// How far back, or all time.
    range: Option<Duration>,
    latencies: Latencies,
    /// CPU time that the program took for all.
    cpu_seconds: f64,
    /// The largest answer.
    bytes: usize,
}

impl Row {
    fn new(kind: &'static Kind, range: Option<Duration>) -> Row {
        Row { kind, range, latencies: Latencies::default(), cpu_seconds: 0.0, bytes: 0 }
    }

    /// One round.
    fn ask(&mut self, http: &mut Http) -> Result<()> {
        let mut times_ms = Vec::new();
        for group in ["entity", "metric"] {
            for question in (0..ASKS).flat_map(|_| self.kind.questions()) {
                stop::check()?;
                let asked = Instant::now();
                let answer = http.get(&path(question, group, self.range))?;
                times_ms.push(asked.elapsed().as_secs_f64() * 1e3);
                self.bytes = self.bytes.max(answer.len());
            }
        }
        self.latencies.round(times_ms);
        Ok(())
    }

    fn cells(&self) -> Vec<String> {
        let all_time = if self.range.is_none() { ", all time" } else { "" };
        let mut cells = self.latencies.cells(&format!("{}{all_time}", self.kind.name));
        cells.push(figure(self.cpu_seconds * 1e3 / self.latencies.count() as f64, 2));
        cells.push(figure(self.bytes as f64 / 1024.0, 1));
        cells
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn path(question: &str, group: &str, range: Option<Duration>) -> String {
    let mut path = format!("/api/v1/look/find?q={}&group={group}", encode(question));
    if let Some(range) = range {
        let seconds = |time: Duration| time.as_millis() as f64 / 1e3;
        path += &format!("&start={}&end={}", seconds(now().saturating_sub(range)), seconds(now()));
    }
    path
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
