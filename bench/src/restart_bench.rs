//! How long a start takes after kill -9, and whether what was acknowledged last is there. It must never call a program
//! ready that cannot answer.

use crate::arguments::Arguments;
use crate::load::feed;
use crate::load::stream::{Population, SCRAPE_MS, Stream};
use crate::programs::{Options, Program};
use crate::rounds::{self, Outcome};
use crate::table::{Table, spread};
use crate::{machine, stop};
use model::Labels;
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, ErrorKind, Result};

/// Samples of each series in one request of the load.
const BATCH: usize = 5;
/// The metric whose samples are counted afterwards.
const COUNTED: &str = "node_cpu_seconds_total";
/// How long a sample that is not there at once is looked for.
const LOOK_FOR: Duration = Duration::from_secs(10);

/// One start.
struct Start {
    ready_seconds: f64,
    /// Until a query has answered, with the last acknowledged sample if it is still there.
    answer_seconds: f64,
    cpu_seconds: f64,
    rss_mib: f64,
    is_last_there: bool,
    there_percent: f64,
    others_percent: f64,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let series = arguments.series.unwrap_or(1_000_000);
    let samples = arguments.samples.unwrap_or(10);
    let starts = arguments.rounds();
    let mut outcomes: Vec<Outcome<Start>> = rounds::prepare(arguments);
    for outcome in outcomes.iter_mut().filter(|o| o.remark.is_none()) {
        eprintln!("restart: {}", outcome.program.name());
        match one_program(arguments, outcome.program, series, samples, starts) {
            Ok(all) => outcome.runs = all,
            Err(e) => outcome.take(Err(e))?,
        }
    }
    Ok(table(series, samples, starts, &outcomes).text())
}

fn one_program(
    arguments: &Arguments,
    program: Program,
    series: usize,
    samples: usize,
    starts: usize,
) -> Result<Vec<Start>> {
    let mut server = program.start(arguments, &Options::default())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start_ms = now.as_millis() as i64 - samples as i64 * SCRAPE_MS;
    let mut parts = Stream::new(&Population::new(series, start_ms))?.split(feed::CONNECTIONS);
    feed::all(server.address, &mut parts, samples, BATCH, |_| Ok(()))?;
    let counted: usize = parts.iter().map(|p| p.series_of(COUNTED)).sum::<usize>() * samples;
    let last = parts.last().and_then(|p| Some((selector(p.last_series()?), p.newest_ms())));
    let (last, newest_ms) = last.ok_or_else(|| Error::new(ErrorKind::Internal, "there are no series"))?;
    let mut out = Vec::new();
    for _ in 0..starts {
        stop::check()?;
        let (busy, begun) = (machine::busy_seconds(), Instant::now());
        let ready_seconds = server.kill_and_start()?;
        let usage = server.process.usage()?;
        let seconds = begun.elapsed().as_secs_f64();
        let others_percent = (machine::busy_seconds() - busy - usage.cpu_seconds) / seconds * 100.0;
        let found = stop::wait_for("finding the last sample", LOOK_FOR, || {
            server.query(&format!("timestamp({last})"), newest_ms).ok()?
        });
        let answer_seconds = begun.elapsed().as_secs_f64();
        // A series lives in steps of one interval: its last sample is within one of the newest.
        let is_last_there = found.is_ok_and(|t| (t * 1e3) as i64 > newest_ms - SCRAPE_MS);
        let window = (samples as i64 + 1) * SCRAPE_MS / 1_000;
        let query = format!("sum(count_over_time({COUNTED}[{window}s]))");
        let there = server.query(&query, newest_ms)?.unwrap_or(0.0);
        out.push(Start {
            ready_seconds,
            answer_seconds: if is_last_there { answer_seconds } else { ready_seconds },
            cpu_seconds: usage.cpu_seconds,
            rss_mib: usage.rss_mib,
            is_last_there,
            there_percent: there / counted as f64 * 100.0,
            others_percent,
        });
    }
    Ok(out)
}

fn selector(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn table(series: usize, samples: usize, starts: usize, outcomes: &[Outcome<Start>]) -> Table {
    let title = format!(
        "restart: kill -9 after {samples} samples of each of {series} series, then a start; {starts} times: median (least-most)"
    );
    let headers = [
        "",
        "until ready\ns",
        "until an answer\ns",
        "CPU until ready\ns",
        "RSS when ready\nMiB",
        "last sample\nthere",
        "samples there\n%",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            let there = o.runs.iter().filter(|r| r.is_last_there).count();
            vec![
                spread(&o.column(|r| r.ready_seconds), 2),
                spread(&o.column(|r| r.answer_seconds), 2),
                spread(&o.column(|r| r.cpu_seconds), 2),
                spread(&o.column(|r| r.rss_mib), 0),
                format!("{there} of {}", o.runs.len()),
                spread(&o.column(|r| r.there_percent), 2),
                spread(&o.column(|r| r.others_percent), 0),
            ]
        });
    }
    table.note("Goal: at most 1 x the better peer, and under 5 s.");
    let figures: [rounds::Figure<Start>; 3] = [
        ("until ready", |r| r.ready_seconds, false),
        ("until an answer", |r| r.answer_seconds, false),
        ("CPU", |r| r.cpu_seconds, false),
    ];
    rounds::note_ratios(&mut table, outcomes, &figures);
    rounds::note_promises(&mut table, outcomes);
    table.note("Killed at once after the last acknowledgement, and again right after each start: no start follows a clean end. Ready: the");
    table.note("program says so (/-/ready, /health); asked every 50 ms. Until an answer: a query answers with the sample that was");
    table.note(
        "acknowledged last; where that is lost, as ready. Samples there: of those of one metric, by a query.",
    );
    table
}
