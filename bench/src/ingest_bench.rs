//! What taking in remote write costs, beside what others take for the same requests. The programs run one after
//! another, in rounds, so that a busy minute of the machine does not strike the same one each time.

mod visible;

use crate::arguments::Arguments;
use crate::load::send::{self, Sent};
use crate::load::stream::{CONNECTIONS, Population, Requests, SCRAPE_MS, SELECTOR, Stream};
use crate::programs::{Options, Program, Server};
use crate::rounds::{self, Outcome};
use crate::table::{Table, figure, percentile, spread};
use crate::{machine, stop};
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};
use stdx::{Error, Result};

/// New samples whose way into a query is timed in each run.
const VISIBLE_TRIES: usize = 20;
/// After the last acknowledgement a program may still have work to do with what it took; it counts.
const SETTLE: Duration = Duration::from_secs(3);

/// All that is sent, made before anything is measured.
struct Plan {
    /// One scrape over one connection: all series are new.
    first: Requests,
    one: Requests,
    many: Requests,
    paced: Requests,
    series: usize,
    /// Scrapes over one connection, and over all.
    part: usize,
    /// Time of the first samples.
    start_ms: i64,
    samples: usize,
    scrapes: usize,
    metrics: BTreeSet<String>,
}

/// What one run of one program took.
#[derive(Default)]
struct Run {
    first: Phase,
    one: Phase,
    many: Phase,
    paced: Phase,
    latencies_ms: Vec<f64>,
    visible_ms: Vec<f64>,
    rss_mib: f64,
    disk_bytes_per_sample: f64,
}

#[derive(Default)]
struct Phase {
    cpu_us_per_sample: f64,
    samples_per_second: f64,
    others_percent: f64,
}

/// Runs every program and returns the tables.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let (series, rounds) = (arguments.series(), arguments.rounds());
    eprintln!("ingest: preparing {series} series");
    let plan = Plan::new(series, arguments.scrapes)?;
    let outcomes = rounds::all(arguments, rounds, "ingest", |program| run_one(program, arguments, &plan))?;
    Ok(cost_table(&plan, rounds, &outcomes).text() + &latency_table(&outcomes).text())
}

impl Plan {
    fn new(series: usize, scrapes: usize) -> Result<Plan> {
        let paced = scrapes.div_ceil(2);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let total = 1 + scrapes + scrapes + paced;
        // The last samples are of now, the others before them.
        let start_ms = now.as_millis() as i64 - (total as i64 + 1) * SCRAPE_MS;
        let mut stream = Stream::new(&Population::new(series, start_ms))?;
        Ok(Plan {
            metrics: stream.metrics(),
            first: stream.requests(1, 1),
            one: stream.requests(scrapes, 1),
            many: stream.requests(scrapes, CONNECTIONS),
            paced: stream.requests(paced, CONNECTIONS),
            start_ms,
            samples: total * series,
            series,
            part: scrapes,
            scrapes: total,
        })
    }
}

fn run_one(program: Program, arguments: &Arguments, plan: &Plan) -> Result<Run> {
    let mut server = program.start(arguments, &Options::default())?;
    let mut run = Run::default();
    (run.first, _) = phase(&mut server, &plan.first, None)?;
    (run.one, _) = phase(&mut server, &plan.one, None)?;
    (run.many, _) = phase(&mut server, &plan.many, None)?;
    let half = run.many.samples_per_second / 2.0;
    let (paced, sent) = phase(&mut server, &plan.paced, Some(half))?;
    (run.paced, run.latencies_ms) = (paced, sent.latencies_ms);
    run.rss_mib = server.process.usage()?.rss_mib;
    run.disk_bytes_per_sample = server.disk_bytes() as f64 / plan.samples as f64;
    run.visible_ms = visible::milliseconds(server.address, VISIBLE_TRIES)?;
    check(&server, plan)?;
    Ok(run)
}

fn phase(server: &mut Server, requests: &Requests, pace: Option<f64>) -> Result<(Phase, Sent)> {
    let (busy_before, begun) = (machine::busy_seconds(), Instant::now());
    let before = server.process.usage()?.cpu_seconds;
    let sent = send::all(server.address, requests, pace)?;
    stop::sleep_until(Instant::now() + SETTLE)?;
    let cpu = server.process.usage()?.cpu_seconds - before;
    let others = machine::busy_seconds() - busy_before - cpu;
    let phase = Phase {
        cpu_us_per_sample: cpu * 1e6 / sent.samples as f64,
        samples_per_second: sent.samples as f64 / sent.seconds,
        others_percent: others / begun.elapsed().as_secs_f64() * 100.0,
    };
    Ok((phase, sent))
}

/// Every series is there with every sample, or the run counts for nothing.
fn check(server: &Server, plan: &Plan) -> Result<()> {
    let end_ms = plan.start_ms + plan.scrapes as i64 * SCRAPE_MS;
    let seconds = (plan.scrapes as i64 + 1) * SCRAPE_MS / 1_000;
    // A range of all at once would have label sets that differ in nothing but the name that is dropped.
    let of = |metric| format!("sum(count_over_time({metric}{SELECTOR}[{seconds}s]))");
    let of_each: Vec<String> = plan.metrics.iter().map(of).collect();
    for (query, want, shown) in [
        (format!("count({SELECTOR})"), plan.series, "the number of series"),
        (of_each.join("+"), plan.samples, "the number of samples"),
    ] {
        let mut got = None;
        let found = stop::wait_for("finding what was sent", Duration::from_secs(30), || {
            got = Some(server.query(&query, end_ms));
            matches!(got, Some(Ok(Some(n))) if n == want as f64).then_some(())
        });
        if let Err(e) = found {
            let got = match got {
                Some(Ok(Some(n))) => n.to_string(),
                Some(Err(e)) => e.to_string(),
                _ => "nothing".into(),
            };
            return Err(Error::new(e.kind, format!("{shown} is {got} instead of {want}")));
        }
    }
    Ok(())
}

fn cost_table(plan: &Plan, rounds: usize, outcomes: &[Outcome<Run>]) -> Table {
    let title = format!(
        "ingest: remote write 1.0, {} series, {} scrapes of each by one connection and by {CONNECTIONS}; {rounds} \
         runs: median (least-most)",
        plan.series, plan.part
    );
    let headers = [
        "",
        "CPU, 1 connection\ns a million",
        "CPU, 8 connections\ns a million",
        "new series\nCPU us each",
        "1 connection\n1000 samples/s",
        "8 connections\n1000 samples/s",
        "RSS\nMiB",
        "disk\nbytes a sample",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            vec![
                spread(&o.column(|r| r.one.cpu_us_per_sample), 2),
                spread(&o.column(|r| r.many.cpu_us_per_sample), 2),
                spread(&o.column(|r| r.first.cpu_us_per_sample), 1),
                spread(&o.column(|r| r.one.samples_per_second / 1e3), 0),
                spread(&o.column(|r| r.many.samples_per_second / 1e3), 0),
                spread(&o.column(|r| r.rss_mib), 0),
                spread(&o.column(|r| r.disk_bytes_per_sample), 2),
                spread(&o.column(|r| (r.one.others_percent + r.many.others_percent) / 2.0), 0),
            ]
        });
    }
    table.note("Goal against the better peer: CPU at most 0.6 x, samples a second at least 1.3 x.");
    rounds::note_ratios(
        &mut table,
        outcomes,
        &[
            ("CPU with 1 connection", |r| r.one.cpu_us_per_sample, false),
            ("with 8", |r| r.many.cpu_us_per_sample, false),
            ("samples/s with 1", |r| r.one.samples_per_second, true),
            ("with 8", |r| r.many.samples_per_second, true),
            ("RSS", |r| r.rss_mib, false),
            ("disk", |r| r.disk_bytes_per_sample, false),
        ],
    );
    rounds::note_promises(&mut table, outcomes);
    let mean = |requests: &Requests| {
        let all: Vec<usize> = requests.iter().flatten().map(|r| r.body.len()).collect();
        all.iter().sum::<usize>() as f64 / 1024.0 / all.len().max(1) as f64
    };
    let series = |requests: &Requests| requests.iter().flatten().map(|r| r.samples).max().unwrap_or(0);
    table.note(format!(
        "Requests, the same for all and made before: one sample of each of {} series ({:.0} KiB of snappy) from one \
         connection,",
        series(&plan.one),
        mean(&plan.one)
    ));
    table.note(format!(
        "of {} series ({:.0} KiB) from each of {CONNECTIONS}; 6 to 8 labels, the name included; 15 s apart in sample \
         time, sent as fast as acknowledged.",
        series(&plan.many),
        mean(&plan.many)
    ));
    table.note(
        "CPU: user and system time of the program from /proc/PID/stat, 3 s after the last acknowledgement",
    );
    table.note("included; new series: of the first scrape. others: what all else on this machine used meanwhile, the sender included.");
    table.note(format!(
        "RSS and disk: at the end, after {} samples of each series. Each row's samples were counted by queries",
        plan.scrapes
    ));
    table.note("afterwards, and all were there. So short a run has merged little: midwatch's bytes are its write-ahead log");
    table.note("(no block yet), prometheus's its log, victoria-metrics's the parts that it has written.");
    table
}

fn latency_table(outcomes: &[Outcome<Run>]) -> Table {
    let title = format!(
        "ingest: time to the acknowledgement, {CONNECTIONS} connections, at half of what each program took in above; \
         time until a query sees the sample"
    );
    let headers = [
        "",
        "load\n1000 samples/s",
        "requests",
        "p50\nms (by run)",
        "p99\nms",
        "worst\nms",
        "visible, p50\nms (by run)",
        "worst\nms",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            let latencies: Vec<f64> = o.runs.iter().flat_map(|r| r.latencies_ms.iter().copied()).collect();
            let visible: Vec<f64> = o.runs.iter().flat_map(|r| r.visible_ms.iter().copied()).collect();
            vec![
                spread(&o.column(|r| r.paced.samples_per_second / 1e3), 0),
                latencies.len().to_string(),
                spread(&o.column(|r| percentile(&r.latencies_ms, 0.5)), 2),
                figure(percentile(&latencies, 0.99), 2),
                figure(percentile(&latencies, 1.0), 2),
                spread(&o.column(|r| percentile(&r.visible_ms, 0.5)), 1),
                figure(percentile(&visible, 1.0), 1),
                spread(&o.column(|r| r.paced.others_percent), 0),
            ]
        });
    }
    table.note("Goals: p99 under 50 ms with fsync; visible under 100 ms. From when a request was due, so that one slow answer counts for");
    table.note("those that had to wait behind it; p50: median of the runs' medians (least-most); p99 and worst: of all.");
    table.note(format!(
        "Visible: {VISIBLE_TRIES} new samples in each run, one after another, from the acknowledgement until a query that is asked \
         again and again"
    ));
    table.note("answers with it; with nothing else to do. The time that the query itself takes is in it.");
    table
}
