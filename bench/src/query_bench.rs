//! Time of queries as dashboards ask them, of all programs over the same samples, asked in turn. It must never compare
//! answers that differ in their number of series without saying so.

mod samples;

use crate::arguments::Arguments;
use crate::http::{Http, encode};
use crate::machine;
use crate::programs::{Options, Server};
use crate::rounds::{self, Outcome};
use crate::stop;
use crate::table::{Table, figure, percentile, spread};
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, ErrorKind, Result};

/// Times that each query is asked in one round, after as many as make it warm.
const ASKS: usize = 9;
const WARM: usize = 2;

/// What is asked.
struct Query {
    name: &'static str,
    promql: &'static str,
    /// Seconds before now and step of a range; `None` at one instant.
    range: Option<(i64, i64)>,
}

const fn query(name: &'static str, promql: &'static str, range: Option<(i64, i64)>) -> Query {
    Query { name, promql, range }
}

const HOURS_6: Option<(i64, i64)> = Some((21_600, 60));
const MINUTES_9: Option<(i64, i64)> = Some((540, 15));

const QUERIES: &[Query] = &[
    query("rate of 10,260 series by handler", "sum by (handler) (rate(http_requests_total[5m]))", None),
    query("1,080 series x 6 h at 60 s", "sum by (handler) (rate(rpc_requests_total[5m]))", HOURS_6),
    query("count of all series", "count({__name__=~\".+\"})", None),
    query(
        "one series x 6 h at 60 s",
        "rate(rpc_requests_total{instance=\"rpc-07\",handler=\"/v1/h3\"}[5m])",
        HOURS_6,
    ),
    query(
        "CPU of one node by mode, 9 min",
        "sum by (mode) (rate(node_cpu_seconds_total{node=\"worker-0007\"}[1m]))",
        MINUTES_9,
    ),
    query(
        "CPU of all nodes, 9 min",
        "1 - avg by (node) (rate(node_cpu_seconds_total{mode=\"idle\"}[1m]))",
        MINUTES_9,
    ),
    query("memory by namespace, 9 min", "sum by (namespace) (container_memory_working_set_bytes)", MINUTES_9),
    query("busiest 10 interfaces", "topk(10, rate(node_network_receive_bytes_total[5m]))", None),
    query(
        "regular expression on a label",
        "count by (mode) (node_cpu_seconds_total{node=~\"worker-00(1|2)[0-4]\"})",
        None,
    ),
    query(
        "share of errors, 9 min",
        "sum(rate(http_requests_total{code=~\"5..\"}[1m])) / sum(rate(http_requests_total[1m]))",
        MINUTES_9,
    ),
];

/// Of one query and one program.
#[derive(Default, Clone)]
struct Times {
    /// Milliseconds, by round.
    rounds: Vec<Vec<f64>>,
    cpu_seconds: f64,
    asked: usize,
    /// Series in the answer.
    series: Option<usize>,
}

struct Subject {
    server: Server,
    http: Http,
    times: Vec<Times>,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled; or if a query fails.
pub fn run(arguments: &Arguments) -> Result<String> {
    let series = arguments.series();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = now.as_millis() as i64;
    let mut outcomes: Vec<Outcome<Vec<Times>>> = rounds::prepare(arguments);
    let mut subjects = Vec::new();
    for outcome in outcomes.iter_mut().filter(|o| o.remark.is_none()) {
        eprintln!("query: filling {}", outcome.program.name());
        let server = outcome.program.start(arguments, &Options::default())?;
        samples::send(server.address, series, now_ms)?;
        let http = Http::connect(server.address)?;
        subjects.push(Subject { server, http, times: vec![Times::default(); QUERIES.len()] });
    }
    // What was taken in is to come to rest: flushed, merged, compacted.
    stop::sleep_until(Instant::now() + Duration::from_secs(arguments.seconds.unwrap_or(90)))?;
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
    for (outcome, subject) in outcomes.iter_mut().filter(|o| o.remark.is_none()).zip(subjects) {
        outcome.runs.push(subject.times);
    }
    Ok(table(arguments, series, others, &outcomes).text())
}

impl Subject {
    fn ask(&mut self, i: usize, query: &Query, now_ms: i64) -> Result<()> {
        let seconds = now_ms / 1_000;
        let path = match query.range {
            None => format!("/api/v1/query?query={}&time={seconds}", encode(query.promql)),
            Some((before, step)) => format!(
                "/api/v1/query_range?query={}&start={}&end={seconds}&step={step}",
                encode(query.promql),
                seconds - before
            ),
        };
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
        vec![spread(&medians, 1), figure(self.cpu_seconds * 1e3 / self.asked as f64, 1)]
    }
}

fn table(arguments: &Arguments, series: usize, others: f64, outcomes: &[Outcome<Vec<Times>>]) -> Table {
    let title = format!(
        "query: {series} series in each program, {} rounds of {ASKS} asks, warm; median of the rounds' medians (least-most) on the \
         clock, and CPU",
        arguments.rounds()
    );
    let mut headers = vec![String::new(), "series\nanswered".into()];
    for outcome in outcomes {
        headers.push(format!("{}\nms", outcome.program.name()));
        headers.push("CPU\nms".into());
    }
    headers.push("midwatch against the\nbetter peer, x".into());
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &headers);
    for (i, query) in QUERIES.iter().enumerate() {
        let of = |o: &Outcome<Vec<Times>>| o.runs.first().map(|times| times[i].clone());
        let all: Vec<Option<Times>> = outcomes.iter().map(of).collect();
        let counts: Vec<String> =
            all.iter().flatten().map(|t| t.series.map_or("none".into(), |n| n.to_string())).collect();
        let is_same = counts.windows(2).all(|w| w[0] == w[1]);
        let mut row = vec![query.name.to_string()];
        row.push(if is_same { counts.first().cloned().unwrap_or_default() } else { counts.join(" / ") });
        for times in &all {
            row.extend(times.as_ref().map_or(vec!["-".into(), "-".into()], Times::cells));
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
    table.note("cache of answers (-search.disableCache). series answered: as many from all, or of each. All had 10,260 series of http_requests_total");
    table.note(
        "and node and container metrics for 10 minutes, 1,080 of rpc_requests_total for 6 h, 15 s apart.",
    );
    for outcome in outcomes {
        if let Some(remark) = &outcome.remark {
            table.note(format!("{}: {remark}", outcome.program.name()));
        }
    }
    table
}
