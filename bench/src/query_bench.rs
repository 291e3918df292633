//! Time of queries as dashboards ask them, of all programs over the same samples, asked in turn. It must never compare
//! answers that differ in their number of series without saying so.

mod dashboards;
mod queries;
mod samples;

use crate::arguments::Arguments;
use crate::http::{Http, path_of};
use crate::machine;
use crate::programs::{Options, Server};
use crate::rounds::{self, Outcome};
use crate::stop;
use crate::table::{Table, figure, percentile, spread};
use queries::{QUERIES, Query};
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, ErrorKind, Result};

/// Times that each query is asked in one round, after as many as make it warm.
const ASKS: usize = 20;
const WARM: usize = 2;

/// Of one query and one program.
#[derive(Default, Clone)]
struct Times {
    /// Milliseconds, by round.
    rounds: Vec<Vec<f64>>,
    /// The first ask after a start of the program, milliseconds.
    cold_ms: f64,
    cpu_seconds: f64,
    asked: usize,
    /// Series in the answer.
    series: Option<usize>,
}

struct Subject {
    server: Server,
    http: Http,
    times: Vec<Times>,
    dashboards: Option<dashboards::Outcome>,
}

/// Of one program.
struct Run {
    times: Vec<Times>,
    dashboards: Option<dashboards::Outcome>,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled; or if a query fails.
pub fn run(arguments: &Arguments) -> Result<String> {
    let series = arguments.series();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = now.as_millis() as i64;
    let mut outcomes: Vec<Outcome<Run>> = rounds::prepare(arguments);
    let mut subjects = Vec::new();
    for outcome in outcomes.iter_mut().filter(|o| o.remark.is_none()) {
        eprintln!("query: filling {}", outcome.program.name());
        let server = outcome.program.start(arguments, &Options::default())?;
        samples::send(server.address, series, now_ms)?;
        let http = Http::connect(server.address)?;
        subjects.push(Subject {
            server,
            http,
            times: vec![Times::default(); QUERIES.len()],
            dashboards: None,
        });
    }
    // What was taken in is to come to rest: flushed, merged, compacted.
    stop::sleep_until(Instant::now() + Duration::from_secs(arguments.seconds.unwrap_or(90)))?;
    for subject in &mut subjects {
        eprintln!("query: a start of {}, and what is asked first", subject.server.program.name());
        subject.server.kill_and_start()?;
        for (i, query) in QUERIES.iter().enumerate() {
            subject.ask_cold(i, query, now_ms)?;
        }
    }
    let (busy, begun) = (machine::busy_seconds(), Instant::now());
    for round in 0..arguments.rounds() {
        eprintln!("query: round {} of {}", round + 1, arguments.rounds());
        for (i, query) in QUERIES.iter().enumerate() {
            for k in 0..subjects.len() {
                let k = (k + round) % subjects.len();
                subjects[k].ask(i, query, now_ms)?;
            }
        }
    }
    let cpu: f64 = subjects.iter().flat_map(|s| &s.times).map(|t| t.cpu_seconds).sum();
    let others = (machine::busy_seconds() - busy - cpu) / begun.elapsed().as_secs_f64() * 100.0;
    for subject in &mut subjects {
        eprintln!("query: dashboards at {}", subject.server.program.name());
        subject.dashboards = Some(dashboards::run(&mut subject.server, now_ms)?);
    }
    for (outcome, subject) in outcomes.iter_mut().filter(|o| o.remark.is_none()).zip(subjects) {
        outcome.runs.push(Run { times: subject.times, dashboards: subject.dashboards });
    }
    Ok(table(arguments, series, others, &outcomes).text() + &dashboards_table(&outcomes).text())
}

impl Subject {
    /// The first time that a program is asked this since it started: nothing of its own is in memory yet, though what it
    /// reads may be in the system's cache of files.
    fn ask_cold(&mut self, i: usize, query: &Query, now_ms: i64) -> Result<()> {
        let mut http = Http::connect(self.server.address)?;
        let begun = Instant::now();
        http.get(&path_of(query.promql, query.range, now_ms))?;
        self.times[i].cold_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }

    fn ask(&mut self, i: usize, query: &Query, now_ms: i64) -> Result<()> {
        let path = path_of(query.promql, query.range, now_ms);
        let mut times_ms = Vec::new();
        // A connection that rests while others are asked is closed.
        self.http = Http::connect(self.server.address)?;
        for _ in 0..WARM {
            self.http.get(&path)?;
        }
        let before = self.server.process.usage()?.cpu_seconds;
        let mut answer = Vec::new();
        for _ in 0..ASKS {
            stop::check()?;
            let begun = Instant::now();
            answer = self.http.get(&path)?;
            times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let times = &mut self.times[i];
        times.cpu_seconds += self.server.process.usage()?.cpu_seconds - before;
        times.asked += ASKS;
        times.rounds.push(times_ms);
        let answer: serde_json::Value = serde_json::from_slice(&answer)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the answer is not JSON", e))?;
        let count = answer["data"]["result"].as_array().map(Vec::len);
        times.series = count.filter(|n| *n > 0);
        Ok(())
    }
}

impl Times {
    fn median(&self) -> f64 {
        percentile(&self.rounds.concat(), 0.5)
    }

    fn cells(&self) -> Vec<String> {
        let medians: Vec<f64> = self.rounds.iter().map(|r| percentile(r, 0.5)).collect();
        vec![
            spread(&medians, 1),
            figure(percentile(&self.rounds.concat(), 0.99), 1),
            figure(self.cold_ms, 1),
            figure(self.cpu_seconds * 1e3 / self.asked as f64, 1),
        ]
    }
}

fn table(arguments: &Arguments, series: usize, others: f64, outcomes: &[Outcome<Run>]) -> Table {
    let title = format!(
        "query: {series} series in each program, {} rounds of {ASKS} asks, warm; median of the rounds' medians (least-most) on the \
         clock, and CPU",
        arguments.rounds()
    );
    let mut headers = vec![String::new(), "series\nanswered".into()];
    for outcome in outcomes {
        headers.push(format!("{}\nms", outcome.program.name()));
        headers.extend(["p99\nms".to_string(), "first\nms".into(), "CPU\nms".into()]);
    }
    headers.push("midwatch against the\nbetter peer, x".into());
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &headers);
    for (i, query) in QUERIES.iter().enumerate() {
        let of = |o: &Outcome<Run>| o.runs.first().map(|run| run.times[i].clone());
        let all: Vec<Option<Times>> = outcomes.iter().map(of).collect();
        let counts: Vec<String> =
            all.iter().flatten().map(|t| t.series.map_or("none".into(), |n| n.to_string())).collect();
        let is_same = counts.windows(2).all(|w| w[0] == w[1]);
        let mut row = vec![query.name.to_string()];
        row.push(if is_same { counts.first().cloned().unwrap_or_default() } else { counts.join(" / ") });
        for times in &all {
            row.extend(times.as_ref().map_or(vec!["-".into(); 4], Times::cells));
        }
        let peers = all.iter().skip(1).flatten().map(Times::median).reduce(f64::min);
        let own = all.first().and_then(|t| t.as_ref().map(Times::median));
        row.push(match (own, peers) {
            (Some(own), Some(peers)) => figure(own / peers, 2),
            _ => "-".into(),
        });
        table.row(row);
    }
    for query in QUERIES {
        table.note(format!("{}: {}", query.name, query.promql));
    }
    table.note(format!(
        "On loopback over one kept connection, the programs in turn; others used {others:.0} % of a core meanwhile. victoria-metrics without its"
    ));
    table.note("first: once, in the order of the table, after the program was killed and started again; the files are in the system's cache.");
    table.note("cache of answers (-search.disableCache). series answered: as many from all, or of each. All had 10,260 series of http_requests_total");
    table.note(
        "6,000 of rpc_duration_seconds_bucket, and node and container metrics for 10 minutes; 1,080 of rpc_requests_total for 6 h; 15 s apart.",
    );
    for outcome in outcomes {
        if let Some(remark) = &outcome.remark {
            table.note(format!("{}: {remark}", outcome.program.name()));
        }
    }
    table
}

fn dashboards_table(outcomes: &[Outcome<Run>]) -> Table {
    let title = format!(
        "query: {} dashboards of 20 panels (9 minutes at 15 s), each refreshed every {} s",
        dashboards::DASHBOARDS,
        dashboards::EVERY.as_secs()
    );
    let headers = ["", "panels", "failed", "empty", "p50\nms", "p99\nms", "worst\nms", "CPU\n% of a core"];
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            let Some(d) = o.runs.first().and_then(|run| run.dashboards.as_ref()) else { return Vec::new() };
            let at = |p| figure(percentile(&d.panels_ms, p), 1);
            let answered = d.panels_ms.len().to_string();
            vec![
                answered,
                d.failed.to_string(),
                d.empty.to_string(),
                at(0.5),
                at(0.99),
                at(1.0),
                figure(d.cpu_percent, 1),
            ]
        });
    }
    table.note("From when the refresh of a dashboard was due until a panel's answer was there, over six connections a dashboard, as a browser has.");
    table
}
