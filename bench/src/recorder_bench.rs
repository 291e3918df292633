//! What recording this machine once a second costs, beside what others take for it. The programs run one after
//! another, in rounds, so that a busy minute of the machine does not strike the same one each time.

mod netdata;
pub mod own_loop;
mod subjects;

use crate::arguments::Arguments;
use crate::child::Idle;
use crate::table::{Table, percentile, spread};
use crate::{machine, processes, stop};
use std::time::{Duration, Instant};
use stdx::{ErrorKind, Result};
use subjects::{Running, SUBJECTS, Subject};

/// What one run of one program took.
struct Run {
    cpu_percent: f64,
    rss_mib: f64,
    pss_mib: f64,
    series_per_second: f64,
    processes: f64,
    others_percent: f64,
    capture_ms: Option<f64>,
}

/// What there is to say of one program.
#[derive(Default)]
struct Results {
    runs: Vec<Run>,
    /// Why there is nothing to measure, or what went wrong.
    remark: Option<String>,
    /// Lines for the table of readers.
    readers: Vec<Vec<(String, f64)>>,
    readings_us: Vec<f64>,
}

/// Runs every program and returns the tables.
///
/// # Errors
/// Cancelled; or if the idle processes cannot be started.
pub fn run(arguments: &Arguments) -> Result<String> {
    let rounds = arguments.rounds();
    let seconds = seconds_of(arguments) + arguments.warmup_seconds;
    let all_seconds = seconds * (rounds * SUBJECTS.len()) as u64;
    let before = processes::all().len();
    let idle = Idle::fill(arguments.processes, 2 * all_seconds + 600)?;
    eprintln!(
        "recorder: {before} processes and {} idle ones; about {} minutes",
        idle.len(),
        all_seconds / 60 + 1
    );
    let mut results: Vec<Results> = SUBJECTS.iter().map(|_| Results::default()).collect();
    for (subject, result) in SUBJECTS.iter().zip(&mut results) {
        result.remark = subject.missing(arguments);
    }
    for round in 0..rounds {
        for i in 0..SUBJECTS.len() {
            let i = (i + round) % SUBJECTS.len();
            let (subject, result) = (&SUBJECTS[i], &mut results[i]);
            if result.remark.is_some() {
                continue;
            }
            eprintln!("recorder: round {} of {}, {}", round + 1, rounds, subject.name());
            match run_one(subject, arguments, result) {
                Ok(()) => {}
                Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
                Err(e) => result.remark = Some(format!("failed: {e}")),
            }
        }
    }
    let total = before + idle.len();
    drop(idle);
    Ok(main_table(arguments, total, &results).text() + &readers_table(&results))
}

/// Length of one run.
fn seconds_of(arguments: &Arguments) -> u64 {
    arguments.seconds.unwrap_or(60)
}

fn run_one(subject: &Subject, arguments: &Arguments, result: &mut Results) -> Result<()> {
    let mut running = subject.start(arguments)?;
    pass(&mut *running, arguments.warmup_seconds)?;
    running.begin()?;
    let (busy_before, begun) = (machine::busy_seconds(), Instant::now());
    let before = running.process().usage()?;
    pass(&mut *running, seconds_of(arguments))?;
    let after = running.process().usage()?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = after.cpu_seconds - before.cpu_seconds;
    let others = machine::busy_seconds() - busy_before - cpu;
    result.runs.push(Run {
        cpu_percent: cpu / seconds * 100.0,
        rss_mib: after.rss_mib,
        pss_mib: after.pss_mib,
        series_per_second: running.series_per_second(seconds)?,
        processes: after.processes.len() as f64,
        others_percent: others / seconds * 100.0,
        capture_ms: running.capture_ms()?,
    });
    if let Some((readers, mut readings_us)) = running.readers() {
        result.readers.push(readers);
        result.readings_us.append(&mut readings_us);
    }
    Ok(())
}

/// Lets so many seconds go by.
fn pass(running: &mut dyn Running, seconds: u64) -> Result<()> {
    let begun = Instant::now();
    for second in 1..=seconds {
        running.each_second()?;
        stop::sleep_until(begun + Duration::from_secs(second))?;
    }
    Ok(())
}

fn main_table(arguments: &Arguments, total: usize, results: &[Results]) -> Table {
    let title = format!(
        "recorder: this machine at 1 s, {total} processes; {} runs of {} s after {} s of warm-up: median (least-most)",
        arguments.rounds(),
        seconds_of(arguments),
        arguments.warmup_seconds
    );
    let headers = [
        "",
        "CPU\n% of a core",
        "RSS\nMiB",
        "PSS\nMiB",
        "series\na second",
        "processes",
        "others\n% of a core",
        "a capture\nms",
    ];
    let mut table = Table::new(title, &headers);
    for (subject, result) in SUBJECTS.iter().zip(results) {
        let column = |f: fn(&Run) -> f64| result.runs.iter().map(f).collect::<Vec<f64>>();
        if let Some(remark) = &result.remark {
            table.row(vec![subject.name().into(), remark.clone()]);
            continue;
        }
        table.row(vec![
            subject.name().into(),
            spread(&column(|r| r.cpu_percent), 2),
            spread(&column(|r| r.rss_mib), 1),
            spread(&column(|r| r.pss_mib), 1),
            format!("{:.0}", percentile(&column(|r| r.series_per_second), 0.5)),
            format!("{:.0}", percentile(&column(|r| r.processes), 0.5)),
            spread(&column(|r| r.others_percent), 0),
            match column(|r| r.capture_ms.unwrap_or(f64::NAN)) {
                none if none.iter().any(|ms| ms.is_nan()) => "-".to_string(),
                all => spread(&all, 0),
            },
        ]);
    }
    table.note("Goal of the recorder: at most 1 % of a core and 40 MiB at 300 processes; of the ring: at most 0.5 % and 64 MiB more.");
    table.note("A capture: from a person's request until it is durable; under 2 s. The ring holds what the warm-up and the run gave it, of 5 minutes.");
    for subject in SUBJECTS {
        table.note(format!("{}: {}.", subject.name(), subject.about()));
    }
    table.note("CPU: user and system time of the program and all that it started, from /proc/PID/stat. Memory: at the");
    table.note("end of the run. others: what all else on this machine used meanwhile, the bench included.");
    table
}

/// Where the recorder's time goes: medians of the runs.
fn readers_table(results: &[Results]) -> String {
    let Some(result) = results.iter().find(|r| !r.readers.is_empty()) else { return String::new() };
    let headers = ["reader", "CPU\nus a reading", "share\n%"];
    let mut table =
        Table::new("recorder: CPU time of one reading, by reader (medians of the runs)", &headers);
    let mut rows: Vec<(&str, f64)> = Vec::new();
    for (name, _) in &result.readers[0] {
        let values = result.readers.iter().flatten().filter(|(n, _)| n == name).map(|(_, us)| *us);
        rows.push((name, percentile(&values.collect::<Vec<f64>>(), 0.5)));
    }
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let total: f64 = rows.iter().map(|r| r.1).sum();
    for (name, us) in rows {
        table.row(vec![name.into(), format!("{us:.0}"), format!("{:.0}", us / total * 100.0)]);
    }
    let all = &result.readings_us;
    table.note(format!(
        "Of {} readings: median {:.0} us, p99 {:.0} us, worst {:.0} us of CPU time.",
        all.len(),
        percentile(all, 0.5),
        percentile(all, 0.99),
        percentile(all, 1.0)
    ));
    table.text()
}
