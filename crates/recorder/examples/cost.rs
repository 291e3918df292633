//! Prints what one reading of this machine costs. Arguments: number of readings (default 150),
//! milliseconds between them (default 1000), and `dump` to print every sample of the last one.

use model::Batch;
use recorder::{Recorder, Settings, Ticker};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

fn nanoseconds(clock: ClockId) -> u64 {
    let t = clock_gettime(clock);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
    line.trim_start_matches("VmRSS:").trim().to_string()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: u64| arguments.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (readings, period_ms) = (number(0, 150).max(1), number(1, 1000));
    let mut recorder = Recorder::new(Settings::default());
    let mut ticker = Ticker::new(Duration::from_millis(period_ms));
    let mut batch = Batch::default();
    let (mut costs_ns, mut samples, mut files) = (Vec::new(), 0, 0);
    for _ in 0..readings {
        let tick = ticker.next(nanoseconds(ClockId::Monotonic));
        recorder.count_missed_ticks(tick.missed);
        std::thread::sleep(Duration::from_nanos(tick.due_ns.saturating_sub(nanoseconds(ClockId::Monotonic))));
        batch.clear();
        let before = nanoseconds(ClockId::ThreadCPUTime);
        let now_ms = (nanoseconds(ClockId::Realtime) / 1_000_000) as i64;
        let report = recorder.read(now_ms, nanoseconds(ClockId::Monotonic), &mut batch);
        costs_ns.push(nanoseconds(ClockId::ThreadCPUTime) - before);
        (samples, files) = (report.samples, report.files);
        for (reader, errors) in report.errors {
            println!("{errors} errors in {reader}");
        }
    }
    if arguments.iter().any(|a| a == "dump") {
        for sample in &batch.samples {
            println!("{} {}", batch.series[sample.series as usize], sample.value);
        }
        return;
    }
    // What is idle is found out within the first minute: the second half is the steady state.
    let steady = &costs_ns[costs_ns.len() / 2..];
    let mean_us = steady.iter().sum::<u64>() as f64 / steady.len() as f64 / 1000.0;
    let mut sorted = steady.to_vec();
    sorted.sort_unstable();
    println!("readings {readings}, first {} us; of the second half:", costs_ns[0] / 1000);
    println!(
        "mean {mean_us:.0} us, median {} us, most {} us",
        sorted[sorted.len() / 2] / 1000,
        sorted[sorted.len() - 1] / 1000
    );
    println!("at 1 Hz {:.3} % of one core", mean_us / 10_000.0);
    println!("last reading: {samples} samples, {files} files; resident {}", resident_kib());
    for sample in &batch.samples {
        let labels = &batch.series[sample.series as usize];
        if labels.name() == "midwatch_recorder_cpu_seconds_total" {
            println!(
                "{:>12} {:8.0} us per reading",
                labels.get("reader"),
                sample.value / readings as f64 * 1e6
            );
        }
    }
}
