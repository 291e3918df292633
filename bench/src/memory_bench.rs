//! Memory with hours' worth of samples of many series. The programs run at the same time, so that what is measured after
//! the load is measured of all under the same conditions. It must never compare a program that has lost samples.

use crate::arguments::Arguments;
use crate::load::feed;
use crate::load::stream::{Population, Stream};
use crate::programs::{Options, Program, Server};
use crate::rounds::{self, Outcome};
use crate::table::{Table, figure, percentile, spread};
use crate::{machine, stop};
use std::time::{Duration, Instant, SystemTime};
use stdx::Result;

/// Samples of each series in one request of the load.
pub const BATCH: usize = 12;
/// Points of the curve while samples are sent.
const POINTS: usize = 12;

/// One run of one program.
/// How often background work is asked how far it is behind.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Run {
    /// RSS, MiB, at each twelfth of the load.
    curve: Vec<f64>,
    peak_mib: f64,
    /// The most that any background work was behind, seconds; none of a program that does not tell.
    behind_s: Option<f64>,
    cpu_us_per_sample: f64,
    /// After the load went on at its real pace for a while.
    rss_mib: f64,
    pss_mib: f64,
    anonymous_mib: f64,
    bytes_per_series: f64,
    disk_bytes_per_sample: f64,
    others_percent: f64,
}

/// What is sent.
struct Load {
    series: usize,
    samples: usize,
    interval: Duration,
    settle: Duration,
}

/// Runs and returns the tables.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let load = Load {
        series: arguments.series(),
        samples: arguments.samples.unwrap_or(480),
        interval: Duration::from_secs(arguments.interval_seconds.unwrap_or(15)),
        settle: Duration::from_secs(arguments.seconds.unwrap_or(180)),
    };
    let mut outcomes: Vec<Outcome<Run>> = rounds::prepare(arguments);
    let total = arguments.rounds();
    for round in 0..total {
        eprintln!("memory: round {} of {total}", round + 1);
        one_round(arguments, &load, &mut outcomes)?;
    }
    Ok(table(&load, total, &outcomes).text() + &curves(&load, &outcomes).text())
}

/// A program that runs, and what is to be sent to it.
struct Subject {
    server: Server,
    parts: Vec<Stream>,
    run: Run,
}

fn one_round(arguments: &Arguments, load: &Load, outcomes: &mut [Outcome<Run>]) -> Result<()> {
    let mut subjects = Vec::new();
    for (i, outcome) in outcomes.iter_mut().enumerate().filter(|(_, o)| o.remark.is_none()) {
        match fill(arguments, load, outcome.program) {
            Ok(subject) => subjects.push((i, subject)),
            Err(e) => outcome.take(Err(e))?,
        }
    }
    eprintln!("memory: going on at the real pace for {} s", load.settle.as_secs());
    let (busy, begun) = (machine::busy_seconds(), Instant::now());
    let before: Vec<f64> = subjects.iter_mut().map(|(_, s)| s.cpu_seconds()).collect();
    let mut next = begun;
    let mut failed = Vec::new();
    while begun.elapsed() < load.settle {
        for (i, subject) in &mut subjects {
            subject.run.behind_s = worse(subject.run.behind_s, subject.server.behind_s()?);
            if let Err(e) = feed::all(subject.server.address, &mut subject.parts, 1, 1, |_| Ok(())) {
                failed.push((*i, e));
            }
        }
        if let Some((i, e)) = failed.pop() {
            subjects.retain(|s| s.0 != i);
            outcomes[i].take(Err(e))?;
        }
        next = (next + load.interval).max(Instant::now());
        stop::sleep_until(next)?;
    }
    let cpu: f64 = subjects.iter_mut().zip(before).map(|((_, s), before)| s.cpu_seconds() - before).sum();
    let others_percent = (machine::busy_seconds() - busy - cpu) / begun.elapsed().as_secs_f64() * 100.0;
    for (i, subject) in subjects {
        outcomes[i].take(finish(load, subject, others_percent))?;
    }
    Ok(())
}

/// Starts a program and sends it all samples but the last, which have the present time.
fn fill(arguments: &Arguments, load: &Load, program: Program) -> Result<Subject> {
    eprintln!("memory: filling {}", program.name());
    let server = program.start(arguments, &Options::default())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let interval_ms = load.interval.as_millis() as i64;
    let start_ms = now.as_millis() as i64 - interval_ms * load.samples as i64;
    let population = Population { interval_ms, ..Population::new(load.series, start_ms) };
    let parts = Stream::new(&population)?.split(feed::CONNECTIONS);
    let mut subject = Subject { server, parts, run: Run::default() };
    let (server, run) = (&mut subject.server, &mut subject.run);
    let before = server.process.usage()?.cpu_seconds;
    let mut looked = Instant::now();
    feed::all(server.address, &mut subject.parts, load.samples, BATCH, |share| {
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            run.behind_s = worse(run.behind_s, server.behind_s()?);
        }
        let usage = server.process.usage()?;
        run.peak_mib = run.peak_mib.max(usage.rss_mib);
        while run.curve.len() < POINTS && share >= (run.curve.len() + 1) as f64 / POINTS as f64 {
            run.curve.push(usage.rss_mib);
        }
        Ok(())
    })?;
    let cpu = server.process.usage()?.cpu_seconds - before;
    run.cpu_us_per_sample = cpu * 1e6 / (load.series * load.samples) as f64;
    Ok(subject)
}

fn worse(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

fn finish(load: &Load, mut subject: Subject, others_percent: f64) -> Result<Run> {
    let (server, mut run) = (&mut subject.server, subject.run);
    let usage = server.process.usage()?;
    run.peak_mib = run.peak_mib.max(usage.rss_mib);
    (run.rss_mib, run.pss_mib, run.anonymous_mib) = (usage.rss_mib, usage.pss_mib, usage.anonymous_mib);
    run.bytes_per_series = usage.rss_mib * 1_048_576.0 / load.series as f64;
    run.disk_bytes_per_sample = server.disk_bytes() as f64 / (load.series * load.samples) as f64;
    run.others_percent = others_percent;
    Ok(run)
}

impl Subject {
    fn cpu_seconds(&mut self) -> f64 {
        self.server.process.usage().map_or(f64::NAN, |u| u.cpu_seconds)
    }
}

fn table(load: &Load, total: usize, outcomes: &[Outcome<Run>]) -> Table {
    let title = format!(
        "memory: {} series with {} samples each, {} s apart ({:.1} h); {total} runs: median (least-most)",
        load.series,
        load.samples,
        load.interval.as_secs(),
        load.interval.as_secs_f64() * load.samples as f64 / 3_600.0
    );
    let headers = [
        "",
        "RSS\nMiB",
        "PSS\nMiB",
        "anonymous\nMiB",
        "RSS\nbytes a series",
        "peak RSS\nMiB",
        "CPU of the load\ns a million",
        "work behind\nmost, s",
        "disk\nbytes a sample",
        "others\n% of a core",
    ];
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            vec![
                spread(&o.column(|r| r.rss_mib), 0),
                spread(&o.column(|r| r.pss_mib), 0),
                spread(&o.column(|r| r.anonymous_mib), 0),
                spread(&o.column(|r| r.bytes_per_series), 0),
                spread(&o.column(|r| r.peak_mib), 0),
                spread(&o.column(|r| r.cpu_us_per_sample), 2),
                match o.column(|r| r.behind_s.unwrap_or(f64::NAN)) {
                    none if none.iter().any(|s| s.is_nan()) => "-".to_string(),
                    all => spread(&all, 0),
                },
                spread(&o.column(|r| r.disk_bytes_per_sample), 2),
                spread(&o.column(|r| r.others_percent), 0),
            ]
        });
    }
    table.note("Goal against the better peer: RSS at most 0.6 x at 100,000 series, 0.8 x at 1,000,000.");
    let figures: [rounds::Figure<Run>; 2] =
        [("RSS", |r| r.rss_mib, false), ("anonymous", |r| r.anonymous_mib, false)];
    rounds::note_ratios(&mut table, outcomes, &figures);
    rounds::note_promises(&mut table, outcomes);
    table.note(format!(
        "The load is sent as fast as acknowledged over {} connections, {BATCH} samples of each series in a request, and ends at the \
         present;",
        feed::CONNECTIONS
    ));
    table.note(format!(
        "then it goes on for {} s with one sample of each series every {} s, to all programs at the same time. RSS, PSS, anonymous: after",
        load.settle.as_secs(),
        load.interval.as_secs()
    ));
    table.note("that; anonymous is what no file stands behind (victoria-metrics maps its files). peak: of the load and after.");
    table.note("work behind: for how long writing blocks, merging or summarising waited without a break, asked each half second of the load.");
    table.note("others: what all else used after the load, the sender included. Programs that go by the clock of the machine (midwatch cuts");
    table.note("its head by age, victoria-metrics merges) have seen minutes, not hours.");
    table
}

fn curves(load: &Load, outcomes: &[Outcome<Run>]) -> Table {
    let title = "memory: RSS in MiB while the load is sent, by the share that is done; median of the runs";
    let mut headers = vec![String::new()];
    let hours = load.interval.as_secs_f64() * load.samples as f64 / 3_600.0;
    headers.extend((1..=POINTS).map(|i| format!("{:.2} h", hours * i as f64 / POINTS as f64)));
    headers.push("after it".into());
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            let at = |i: usize| o.column(|r| r.curve.get(i).copied().unwrap_or(f64::NAN));
            let mut cells: Vec<String> = (0..POINTS).map(|i| figure(percentile(&at(i), 0.5), 0)).collect();
            cells.push(figure(percentile(&o.column(|r| r.rss_mib), 0.5), 0));
            cells
        });
    }
    table
}
