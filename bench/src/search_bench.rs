//! How long finding takes as one types: in the catalogue itself, and over HTTP as the page asks. The goal is 50 ms at
//! 100,000 series.

mod over_http;
mod population;
mod questions;

use crate::arguments::Arguments;
use crate::table::{Table, figure, percentile, spread};
use crate::{processes, stop};
use look::{Catalogue, Find, GroupBy};
use model::Labels;
use questions::KINDS;
use std::time::Instant;
use stdx::Result;

/// Times that each question is asked in one round.
const ASKS: usize = 30;

/// Milliseconds, by round.
#[derive(Default)]
struct Latencies(Vec<Vec<f64>>);

impl Latencies {
    fn round(&mut self, times_ms: Vec<f64>) {
        self.0.push(times_ms);
    }

    fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Name, number, median of the rounds' medians and their spread, p99 and worst of all.
    fn cells(&self, name: &str) -> Vec<String> {
        let all: Vec<f64> = self.0.iter().flatten().copied().collect();
        let medians: Vec<f64> = self.0.iter().map(|round| percentile(round, 0.5)).collect();
        let of_all = |p| figure(percentile(&all, p), 2);
        vec![name.into(), self.count().to_string(), spread(&medians, 2), of_all(0.99), of_all(1.0)]
    }
}

/// Asks, and returns the tables.
///
/// # Errors
/// Cancelled; or if the program fails.
pub fn run(arguments: &Arguments) -> Result<String> {
    Ok(in_the_catalogue(arguments)? + &over_http::run(arguments)?)
}

fn in_the_catalogue(arguments: &Arguments) -> Result<String> {
    let groups = [(GroupBy::Entity, "by entity"), (GroupBy::Metric, "by metric")];
    let mut rows: Vec<Vec<(Latencies, Vec<f64>)>> =
        groups.iter().map(|_| KINDS.iter().map(|_| Default::default()).collect()).collect();
    let (mut built_seconds, mut grown_mib, mut bytes) = (Vec::new(), f64::NAN, 0);
    for round in 0..arguments.rounds() {
        eprintln!("search: round {} of {}", round + 1, arguments.rounds());
        let resident_mib = || processes::usage(std::process::id() as i32).rss_mib;
        let before_mib = resident_mib();
        let begun = Instant::now();
        let catalogue = build(arguments.series());
        built_seconds.push(begun.elapsed().as_secs_f64());
        bytes = catalogue.heap_bytes();
        if round == 0 {
            // Later rounds find the memory of earlier ones.
            grown_mib = resident_mib() - before_mib;
        }
        for ((group, _), rows) in groups.iter().zip(&mut rows) {
            for (kind, (latencies, cpu_ms)) in KINDS.iter().zip(rows) {
                latencies.round(ask(&catalogue, &kind.questions(), *group, cpu_ms)?);
            }
        }
    }
    let title = format!("search: {} series, in the catalogue, one thread", arguments.series());
    let headers =
        ["typed", "asked", "p50\nms (by round)", "p99\nms", "worst\nms", "p99\nms CPU", "worst\nms CPU"];
    let mut table = Table::new(title, &headers);
    for ((_, name), rows) in groups.iter().zip(&rows) {
        for (kind, (latencies, cpu_ms)) in KINDS.iter().zip(rows) {
            let mut cells = latencies.cells(&format!("{}, {name}", kind.name));
            cells.extend([0.99, 1.0].map(|p| figure(percentile(cpu_ms, p), 2)));
            table.row(cells);
        }
    }
    table.note(
        "Goal: less than 50 ms. p50: median of the rounds' medians (least-most); p99 and worst: of all.",
    );
    table.note("ms is time on the clock, ms CPU is what the question itself took: where they differ, the machine was busy.");
    table.note(format!(
        "Building the catalogue takes {} s, {:.1} us a series; it holds {:.1} MiB, {} bytes a series besides labels (RSS grew by \
         {grown_mib:.1} MiB).",
        spread(&built_seconds, 2),
        percentile(&built_seconds, 0.5) * 1e6 / arguments.series() as f64,
        bytes as f64 / 1_048_576.0,
        bytes / arguments.series().max(1),
    ));
    Ok(table.text())
}

fn build(count: usize) -> Catalogue {
    let mut catalogue = Catalogue::default();
    population::each(count, &mut |pairs| {
        if let Ok(labels) = Labels::from_pairs(pairs.iter().copied()) {
            catalogue.add(&labels, 0);
        }
    });
    catalogue
}

fn ask(catalogue: &Catalogue, questions: &[&str], group: GroupBy, cpu_ms: &mut Vec<f64>) -> Result<Vec<f64>> {
    let mut times_ms = Vec::new();
    for q in (0..ASKS).flat_map(|_| questions) {
        stop::check()?;
        let (begun, cpu_before_ms) = (Instant::now(), thread_cpu_ms());
        let found = catalogue.find(Find { q, group, ..Find::default() });
        cpu_ms.push(thread_cpu_ms() - cpu_before_ms);
        times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        std::hint::black_box(found);
    }
    Ok(times_ms)
}

fn thread_cpu_ms() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}
