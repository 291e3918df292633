//! What a steady load costs: 30,000 series every 20 s, with two hours of them there already. All programs run at the
//! same time, each with a sender of its own. It must never send faster than the load is in reality.

use crate::arguments::Arguments;
use crate::load::feed;
use crate::load::send;
use crate::load::stream::{Population, REQUEST_SERIES, Requests, Stream};
use crate::memory_bench::BATCH;
use crate::programs::{Options, Program, Server};
use crate::rounds::{self, Outcome};
use crate::table::{Table, percentile, spread};
use crate::{machine, stop};
use std::time::{Duration, Instant, SystemTime};
use stdx::Result;

/// Nothing that the filling left to do is to count.
const REST: Duration = Duration::from_secs(30);

/// One window of one program.
struct Run {
    cpu_percent: f64,
    rss_mib: f64,
    anonymous_mib: f64,
    written_kib_per_second: f64,
    p99_ms: f64,
    others_percent: f64,
}

struct Load {
    series: usize,
    interval: Duration,
    /// Samples of each series before.
    samples: usize,
    window: Duration,
}

struct Subject {
    server: Server,
    stream: Stream,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let load = Load {
        series: arguments.series.unwrap_or(30_000),
        interval: Duration::from_secs(arguments.interval_seconds.unwrap_or(20)),
        samples: arguments.samples.unwrap_or(360),
        window: Duration::from_secs(arguments.seconds.unwrap_or(120)),
    };
    let mut outcomes: Vec<Outcome<Run>> = rounds::prepare(arguments);
    let mut subjects: Vec<Option<Subject>> = Vec::new();
    for outcome in &mut outcomes {
        let subject = match outcome.remark {
            Some(_) => None,
            None => match fill(arguments, &load, outcome.program) {
                Ok(subject) => Some(subject),
                Err(e) => {
                    outcome.take(Err(e))?;
                    None
                }
            },
        };
        subjects.push(subject);
    }
    stop::sleep_until(Instant::now() + REST)?;
    for round in 0..arguments.rounds() {
        eprintln!("etsy: window {} of {}", round + 1, arguments.rounds());
        window(&load, &mut outcomes, &mut subjects)?;
    }
    Ok(table(&load, arguments.rounds(), &outcomes).text())
}

fn fill(arguments: &Arguments, load: &Load, program: Program) -> Result<Subject> {
    eprintln!("etsy: filling {}", program.name());
    let server = program.start(arguments, &Options::default())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let interval_ms = load.interval.as_millis() as i64;
    let start_ms = now.as_millis() as i64 - interval_ms * load.samples as i64;
    let population = Population { interval_ms, ..Population::new(load.series, start_ms) };
    let mut one = vec![Stream::new(&population)?];
    feed::all(server.address, &mut one, load.samples, BATCH, |_| Ok(()))?;
    let stream = one.remove(0);
    Ok(Subject { server, stream })
}

/// One window of all programs at once.
fn window(load: &Load, outcomes: &mut [Outcome<Run>], subjects: &mut [Option<Subject>]) -> Result<()> {
    let scrapes = (load.window.as_secs_f64() / load.interval.as_secs_f64()).round().max(1.0) as usize;
    let rate = load.series as f64 / load.interval.as_secs_f64();
    let mut ready: Vec<(usize, &mut Server, Requests, f64, f64)> = Vec::new();
    for (i, subject) in subjects.iter_mut().enumerate() {
        if let (Some(Subject { server, stream }), None) = (subject, &outcomes[i].remark) {
            let requests = stream.requests(scrapes, 1);
            ready.push((i, server, requests, 0.0, 0.0));
        }
    }
    for (_, server, _, cpu, written) in &mut ready {
        (*cpu, *written) = (server.process.usage()?.cpu_seconds, server.process.written_bytes());
    }
    let (busy, begun) = (machine::busy_seconds(), Instant::now());
    let sent: Vec<Result<send::Sent>> = std::thread::scope(|scope| {
        let send = |address, requests| scope.spawn(move || send::all(address, requests, Some(rate)));
        let threads: Vec<_> =
            ready.iter().map(|(_, server, requests, ..)| send(server.address, requests)).collect();
        threads.into_iter().filter_map(|t| t.join().ok()).collect()
    });
    // The last interval goes to its end.
    stop::sleep_until(begun + load.window)?;
    let seconds = begun.elapsed().as_secs_f64();
    let busy = machine::busy_seconds() - busy;
    for ((i, server, _, cpu, written), sent) in ready.into_iter().zip(sent) {
        let run = sent.and_then(|sent| {
            let usage = server.process.usage()?;
            let cpu = usage.cpu_seconds - cpu;
            Ok(Run {
                cpu_percent: cpu / seconds * 100.0,
                rss_mib: usage.rss_mib,
                anonymous_mib: usage.anonymous_mib,
                written_kib_per_second: (server.process.written_bytes() - written) / 1024.0 / seconds,
                p99_ms: percentile(&sent.latencies_ms, 0.99),
                others_percent: (busy - cpu) / seconds * 100.0,
            })
        });
        outcomes[i].take(run)?;
    }
    Ok(())
}

fn table(load: &Load, windows: usize, outcomes: &[Outcome<Run>]) -> Table {
    let title = format!(
        "etsy: {} series every {} s, after {} samples of each ({:.1} h); {windows} windows of {} s: median (least-most)",
        load.series,
        load.interval.as_secs(),
        load.samples,
        load.samples as f64 * load.interval.as_secs_f64() / 3_600.0,
        load.window.as_secs(),
    );
    let headers = [
        "",
        "CPU\n% of a core",
        "RSS\nMiB",
        "anonymous\nMiB",
        "written to disk\nKiB/s",
        "acknowledged, p99\nms (by window)",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            vec![
                spread(&o.column(|r| r.cpu_percent), 2),
                spread(&o.column(|r| r.rss_mib), 0),
                spread(&o.column(|r| r.anonymous_mib), 0),
                spread(&o.column(|r| r.written_kib_per_second), 0),
                spread(&o.column(|r| r.p99_ms), 1),
                spread(&o.column(|r| r.others_percent), 0),
            ]
        });
    }
    table.note("Goal: under 2 % of one core, under 150 MiB.");
    let figures: [rounds::Figure<Run>; 2] =
        [("CPU", |r| r.cpu_percent, false), ("RSS", |r| r.rss_mib, false)];
    rounds::note_ratios(&mut table, outcomes, &figures);
    rounds::note_promises(&mut table, outcomes);
    table.note(format!(
        "Requests of at most {REQUEST_SERIES} series, spread evenly over the interval, to all programs at the same time. Written: what \
         the kernel"
    ));
    table.note("counts for the process (write_bytes of /proc/PID/io): whole pages, those that are written back later included.");
    table
}
