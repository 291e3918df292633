//! Cost against work: taking in a sample, memory of a series and time of queries at 10 thousand, 100 thousand and a
//! million series. It must never be read as a comparison at one size: the other benches are for that.

use crate::arguments::Arguments;
use crate::http::{Http, encode};
use crate::load::send;
use crate::load::stream::{CONNECTIONS, Population, SCRAPE_MS, SELECTOR, Stream};
use crate::programs::{Options, Program, Server};
use crate::rounds::{self, Outcome};
use crate::stop;
use crate::table::{Table, figure, percentile, spread};
use std::time::{Duration, Instant, SystemTime};
use stdx::Result;

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// Samples of each series, the first included, so that the largest size takes minutes and not hours.
const SCRAPES: usize = 8;
/// After the last acknowledgement a program may still have work to do with what it took; it counts.
const SETTLE: Duration = Duration::from_secs(5);
/// Times that a query is asked, after once.
const ASKS: usize = 5;

/// One size of one program.
struct Run {
    series: usize,
    new_us: f64,
    cpu_us_per_sample: f64,
    bytes_per_series: f64,
    /// Over all series, over a hundredth of them, of one; milliseconds on the clock, NaN without an answer.
    query_ms: [f64; 3],
    /// What has how many series, asked for the first time, the slowest of what the program offers; milliseconds.
    cardinality_ms: f64,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let rounds = arguments.rounds();
    let most = arguments.series.unwrap_or(1_000_000);
    let mut tables = Vec::new();
    for size in SIZES.into_iter().filter(|s| *s <= most) {
        let what = format!("scale: {size} series");
        let one = |program| one_size(arguments, program, size, arguments.samples.unwrap_or(SCRAPES));
        tables.push(rounds::all(arguments, rounds, &what, one)?);
    }
    Ok(table(arguments, rounds, &tables).text())
}

fn one_size(arguments: &Arguments, program: Program, series: usize, scrapes: usize) -> Result<Run> {
    let mut server = program.start(arguments, &Options::default())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start_ms = now.as_millis() as i64 - (scrapes as i64 + 1) * SCRAPE_MS;
    let mut stream = Stream::new(&Population::new(series, start_ms))?;
    let first = stream.requests(1, CONNECTIONS);
    let started = server.process.usage()?.cpu_seconds;
    send::all(server.address, &first, None)?;
    stop::sleep_until(Instant::now() + SETTLE)?;
    let after_first = server.process.usage()?.cpu_seconds;
    // Few at a time: a million series would take a lot of memory at once.
    let mut samples = 0;
    for _ in 1..scrapes {
        let requests = stream.requests(1, CONNECTIONS);
        samples += send::all(server.address, &requests, None)?.samples;
    }
    stop::sleep_until(Instant::now() + SETTLE)?;
    let usage = server.process.usage()?;
    let cpu = usage.cpu_seconds - after_first;
    let newest_ms = stream.newest_ms();
    let all = format!("count by (region) ({SELECTOR})");
    let part = "sum by (mode) (rate(node_cpu_seconds_total{cpu=\"3\"}[1m]))".to_string();
    let one = "node_cpu_seconds_total{node=\"worker-0003\",cpu=\"3\",mode=\"user\"}".to_string();
    Ok(Run {
        series,
        new_us: (after_first - started) * 1e6 / series as f64,
        cpu_us_per_sample: cpu * 1e6 / samples.max(1) as f64,
        bytes_per_series: usage.rss_mib * 1_048_576.0 / series as f64,
        query_ms: [
            ask(&server, &all, newest_ms)?,
            ask(&server, &part, newest_ms)?,
            ask(&server, &one, newest_ms)?,
        ],
        cardinality_ms: cardinality(&server, program)?,
    })
}

/// Nothing of it was asked before, so that nothing is remembered.
fn cardinality(server: &Server, program: Program) -> Result<f64> {
    let paths: &[&str] = match program {
        Program::Midwatch => &["/api/v1/cardinality?by=metric", "/api/v1/cardinality?by=pair"],
        Program::Victoria | Program::Prometheus => &["/api/v1/status/tsdb"],
    };
    let mut worst = f64::NAN;
    for path in paths {
        stop::check()?;
        let mut http = Http::connect(server.address)?;
        let begun = Instant::now();
        if http.get(path).is_ok() {
            worst = worst.max(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(worst)
}

fn ask(server: &Server, query: &str, time_ms: i64) -> Result<f64> {
    let mut http = Http::connect(server.address)?;
    let path = format!("/api/v1/query?query={}&time={}", encode(query), time_ms as f64 / 1e3);
    // A program may refuse what is too large for it, or not come to an end.
    if http.get(&path).is_err() {
        return Ok(f64::NAN);
    }
    let mut times_ms = Vec::new();
    for _ in 0..ASKS {
        stop::check()?;
        let begun = Instant::now();
        http.get(&path)?;
        times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(percentile(&times_ms, 0.5))
}

fn table(arguments: &Arguments, rounds: usize, sizes: &[Vec<Outcome<Run>>]) -> Table {
    let title = format!(
        "scale: cost against the number of series, {} samples of each; {rounds} runs: median (least-most)",
        arguments.samples.unwrap_or(SCRAPES)
    );
    let headers = [
        "",
        "series",
        "CPU\ns a million",
        "new series\nCPU us each",
        "RSS\nbytes a series",
        "query of all\nms",
        "of a hundredth\nms",
        "of one series\nms",
        "cardinality\nms",
        "CPU a sample\nx smallest",
        "RSS a series\nx smallest",
        "query of all, a series\nx smallest",
    ];
    let mut table = Table::new(title, &headers);
    let programs = sizes.first().map_or(0, Vec::len);
    for k in 0..programs {
        let median = |o: &Outcome<Run>, f: fn(&Run) -> f64| percentile(&o.column(f), 0.5);
        let smallest = &sizes[0][k];
        for size in sizes {
            size[k].row(&mut table, |o| {
                let times = |f: fn(&Run) -> f64| figure(median(o, f) / median(smallest, f), 2);
                vec![
                    o.runs.first().map_or(String::new(), |r| r.series.to_string()),
                    spread(&o.column(|r| r.cpu_us_per_sample), 2),
                    spread(&o.column(|r| r.new_us), 1),
                    spread(&o.column(|r| r.bytes_per_series), 0),
                    spread(&o.column(|r| r.query_ms[0]), 1),
                    spread(&o.column(|r| r.query_ms[1]), 1),
                    spread(&o.column(|r| r.query_ms[2]), 1),
                    spread(&o.column(|r| r.cardinality_ms), 0),
                    times(|r| r.cpu_us_per_sample),
                    times(|r| r.bytes_per_series),
                    times(|r| r.query_ms[0] / r.series as f64),
                ]
            });
        }
    }
    table.note("Goal: no faster than linearly (the last three columns do not rise much above 1), memory of a series falls or stays level.");
    table.note(format!(
        "One sample of each of at most 2000 series in a request, {CONNECTIONS} connections, as fast as acknowledged; {} s after it counted. RSS",
        SETTLE.as_secs()
    ));
    table.note("holds the program itself too, which weighs on the smallest size. Queries: median of 5 after one, on the clock of a busy machine;");
    table.note("?: no answer within a minute. Cardinality: which metrics and labels have how many series, asked once (midwatch: the slower of");
    table.note("by=metric and by=pair; the others: status/tsdb).");
    table
}
