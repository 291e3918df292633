//! How long finding takes as one types: in the catalogue itself, and over HTTP as the page asks. The goal is 50 ms at
//! 100,000 series.

mod over_http;
mod population;
mod questions;

use crate::arguments::Arguments;
use crate::table::{Table, figure, percentile, spread};
use crate::{processes, stop};
use look::{Catalogue, Facts, Find, GroupBy};
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

    /// Name, number, median of the rounds' medians and their spread, p99 and worst of all.
    fn cells(&self, name: &str) -> Vec<String> {
        let all: Vec<f64> = self.0.iter().flatten().copied().collect();
        let medians: Vec<f64> = self.0.iter().map(|round| percentile(round, 0.5)).collect();
        let of_all = |p| figure(percentile(&all, p), 2);
        vec![name.into(), all.len().to_string(), spread(&medians, 2), of_all(0.99), of_all(1.0)]
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
    let mut rows: Vec<Vec<Latencies>> =
        groups.iter().map(|_| KINDS.iter().map(|_| Latencies::default()).collect()).collect();
    let (mut built_seconds, mut grown_mib, mut bytes) = (Vec::new(), f64::NAN, 0);
    for round in 0..arguments.rounds {
        eprintln!("search: round {} of {}", round + 1, arguments.rounds);
        let resident_mib = || processes::usage(std::process::id() as i32).rss_mib;
        let before_mib = resident_mib();
        let begun = Instant::now();
        let catalogue = build(arguments.series);
        built_seconds.push(begun.elapsed().as_secs_f64());
        bytes = catalogue.heap_bytes();
        if round == 0 {
            // Later rounds find the memory of earlier ones.
            grown_mib = resident_mib() - before_mib;
        }
        for ((group, _), rows) in groups.iter().zip(&mut rows) {
            for (kind, latencies) in KINDS.iter().zip(rows) {
                latencies.round(ask(&catalogue, &kind.questions(), *group)?);
            }
        }
    }
    let title = format!("search: {} series, in the catalogue, one thread", arguments.series);
    let mut table = Table::new(title, &["typed", "asked", "p50\nms (by round)", "p99\nms", "worst\nms"]);
    for ((_, name), rows) in groups.iter().zip(&rows) {
        for (kind, latencies) in KINDS.iter().zip(rows) {
            table.row(latencies.cells(&format!("{}, {name}", kind.name)));
        }
    }
    table.note(
        "Goal: less than 50 ms. p50: median of the rounds' medians (least-most); p99 and worst: of all.",
    );
    table.note(format!(
        "Building the catalogue takes {} s, {:.1} us a series; it holds {:.1} MiB, {} bytes a series (RSS grew by \
         {grown_mib:.1} MiB).",
        spread(&built_seconds, 2),
        percentile(&built_seconds, 0.5) * 1e6 / arguments.series as f64,
        bytes as f64 / 1_048_576.0,
        bytes / arguments.series.max(1),
    ));
    Ok(table.text())
}

fn build(count: usize) -> Catalogue {
    let mut catalogue = Catalogue::default();
    population::each(count, &mut |pairs| {
        if let Ok(labels) = Labels::from_pairs(pairs.iter().copied()) {
            catalogue.add(&labels, Facts::default());
        }
    });
    catalogue
}

fn ask(catalogue: &Catalogue, questions: &[&str], group: GroupBy) -> Result<Vec<f64>> {
    let mut times_ms = Vec::new();
    for q in (0..ASKS).flat_map(|_| questions) {
        stop::check()?;
        let begun = Instant::now();
        let found = catalogue.find(Find { q, group, ..Find::default() });
        times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        std::hint::black_box(found);
    }
    Ok(times_ms)
}
