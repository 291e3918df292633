//! Memory while series come and go: all series are replaced by new ones every 10 minutes of simulated time, as by
//! rollouts. All programs run at the same time. It must never let simulated time run ahead of the sender.

use crate::arguments::Arguments;
use crate::load::feed;
use crate::load::stream::{Population, SCRAPE_MS, Stream};
use crate::memory_bench::BATCH;
use crate::programs::{Options, Program, Server};
use crate::rounds::{self, Outcome};
use crate::stop;
use crate::table::{Table, figure};
use std::time::{Duration, Instant, SystemTime};
use stdx::Result;

/// How long a series lives, simulated.
const LIFE_MS: i64 = 600_000;
/// Lives in the title of a column.
const PER_COLUMN: usize = 3;

/// One run of one program.
#[derive(Default)]
struct Run {
    /// The most memory during each life, RSS, MiB.
    peaks_mib: Vec<f64>,
    cpu_us_per_sample: f64,
    seconds: f64,
    disk_mib: f64,
}

struct Load {
    series: usize,
    lives: usize,
    /// Time on the clock for each life.
    life: Duration,
    start_ms: i64,
}

/// Runs and returns the table.
///
/// # Errors
/// Cancelled.
pub fn run(arguments: &Arguments) -> Result<String> {
    let hours = arguments.hours.unwrap_or(6) as i64;
    let lives = (hours * 3_600_000 / LIFE_MS) as usize;
    let seconds = arguments.seconds.unwrap_or(600) as f64;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let load = Load {
        series: arguments.series(),
        lives,
        life: Duration::from_secs_f64(seconds / lives as f64),
        start_ms: now.as_millis() as i64 - lives as i64 * LIFE_MS,
    };
    // Midwatch cuts by the clock of the machine, which is slower here than that of the samples.
    let faster = LIFE_MS as f64 / 1e3 / load.life.as_secs_f64();
    let head_age_seconds = ((store::Settings::default().head_age_ms as f64 / 1e3 / faster) as u64).max(60);
    let options =
        Options { midwatch_store: format!("head_age = \"{head_age_seconds}s\"\n"), ..Options::default() };
    let mut outcomes: Vec<Outcome<Run>> = rounds::prepare(arguments);
    let runs: Vec<Option<Result<Run>>> = std::thread::scope(|scope| {
        let one = |program| {
            let (options, load) = (&options, &load);
            scope.spawn(move || one_program(arguments, options, load, program))
        };
        let threads: Vec<_> = outcomes.iter().map(|o| o.remark.is_none().then(|| one(o.program))).collect();
        threads.into_iter().map(|t| t.and_then(|t| t.join().ok())).collect()
    });
    for (outcome, run) in outcomes.iter_mut().zip(runs) {
        if let Some(run) = run {
            outcome.take(run)?;
        }
    }
    Ok(table(&load, faster, head_age_seconds, &outcomes).text())
}

fn one_program(arguments: &Arguments, options: &Options, load: &Load, program: Program) -> Result<Run> {
    let mut server = program.start(arguments, options)?;
    let begun = Instant::now();
    let (mut run, mut first_node, mut due) = (Run::default(), 0, begun);
    let samples = (LIFE_MS / SCRAPE_MS) as usize;
    for life in 0..load.lives {
        let start_ms = load.start_ms + life as i64 * LIFE_MS;
        let population = Population { first_node, ..Population::new(load.series, start_ms) };
        first_node = population.next_node();
        let mut parts = vec![Stream::new(&population)?];
        let mut peak_mib = 0.0;
        let watch = |server: &mut Server, peak_mib: &mut f64| -> Result<()> {
            *peak_mib = f64::max(*peak_mib, server.process.usage()?.rss_mib);
            Ok(())
        };
        let address = server.address;
        feed::all(address, &mut parts, samples, BATCH, |_| watch(&mut server, &mut peak_mib))?;
        due = (due + load.life).max(Instant::now());
        while Instant::now() < due {
            stop::sleep_until(due.min(Instant::now() + Duration::from_millis(500)))?;
            watch(&mut server, &mut peak_mib)?;
        }
        run.peaks_mib.push(peak_mib);
        eprintln!("churn: {}: {} of {} lives, {peak_mib:.0} MiB", program.name(), life + 1, load.lives);
    }
    run.seconds = begun.elapsed().as_secs_f64();
    let sent = (load.series * load.lives * samples) as f64;
    run.cpu_us_per_sample = server.process.usage()?.cpu_seconds * 1e6 / sent;
    run.disk_mib = server.disk_bytes() as f64 / 1_048_576.0;
    Ok(run)
}

/// The most of each third of the run.
fn thirds(peaks: &[f64]) -> [f64; 3] {
    let of = |i: usize| &peaks[peaks.len() * i / 3..peaks.len() * (i + 1) / 3];
    [0, 1, 2].map(|i| of(i).iter().copied().fold(f64::NAN, f64::max))
}

/// How much the figure rises an hour over the last two thirds: the line through all points with the least squares.
fn slope_per_hour(peaks: &[f64]) -> f64 {
    let points: Vec<(f64, f64)> = peaks
        .iter()
        .enumerate()
        .skip(peaks.len() / 3)
        .map(|(i, y)| (i as f64 * LIFE_MS as f64 / 3.6e6, *y))
        .collect();
    let n = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    above / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

fn table(load: &Load, faster: f64, head_age_seconds: u64, outcomes: &[Outcome<Run>]) -> Table {
    let hours = load.lives as f64 * LIFE_MS as f64 / 3.6e6;
    let title = format!(
        "churn: {} series replaced every 10 minutes for {hours:.1} h of simulated time ({} series in all); most RSS, MiB; 1 run",
        load.series,
        load.series * load.lives
    );
    let mut headers: Vec<String> = vec![String::new()];
    let columns = load.lives.div_ceil(PER_COLUMN);
    headers.extend((0..columns).map(|i| format!("to {:.1} h", ((i + 1) * PER_COLUMN) as f64 / 6.0)));
    for (name, unit) in [
        ("third / second third", "x"),
        ("slope, last 2/3", "MiB/h"),
        ("CPU", "s a million"),
        ("disk", "MiB"),
        ("took", "s"),
    ] {
        headers.push(format!("{name}\n{unit}"));
    }
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &headers);
    for outcome in outcomes {
        outcome.row(&mut table, |o| {
            let Some(run) = o.runs.first() else { return vec!["was not run".into()] };
            let most = |part: &[f64]| figure(part.iter().copied().fold(f64::NAN, f64::max), 0);
            let mut cells: Vec<String> = run.peaks_mib.chunks(PER_COLUMN).map(most).collect();
            let thirds = thirds(&run.peaks_mib);
            cells.push(figure(thirds[2] / thirds[1], 2));
            cells.push(figure(slope_per_hour(&run.peaks_mib), 1));
            cells.push(figure(run.cpu_us_per_sample, 2));
            cells.push(figure(run.disk_mib, 0));
            cells.push(figure(run.seconds, 0));
            cells
        });
    }
    table.note("Goal: memory level. third / second third: the most of the last third of the run against the most of the one before it.");
    table.note(format!(
        "Samples 15 s apart, {BATCH} of a series in a request, all programs at the same time; simulated time ran {faster:.0} times as fast as \
         the clock"
    ));
    table.note(format!(
        "of the machine (slower where the run took longer than asked for). Midwatch cuts its head by that clock: store.head_age is \
         {head_age_seconds} s"
    ));
    table.note("here, its default divided by the same. Prometheus goes by the time of the samples; victoria-metrics flushes and merges by the clock.");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saw_is_level_and_a_ramp_is_not() {
        let saw: Vec<f64> = (0..36).map(|i| 100.0 + f64::from(i % 12)).collect();
        assert_eq!(thirds(&saw), [111.0; 3]);
        assert!(slope_per_hour(&saw) < 4.0);
        let ramp: Vec<f64> = (0..36).map(f64::from).collect();
        assert!((slope_per_hour(&ramp) - 6.0).abs() < 1e-9);
        assert_eq!(thirds(&ramp), [11.0, 23.0, 35.0]);
    }
}
