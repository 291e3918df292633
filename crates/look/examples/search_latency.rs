//! What the catalogue holds for a series, and how long finding takes as one types:
//! `cargo run --release -p look --example search_latency [SERIES]`. The series are those of `bench search`.

use look::{Catalogue, Find, GroupBy};
use model::Labels;
use std::time::Instant;

#[path = "../../../bench/src/search_bench/population.rs"]
mod population;

const QUESTIONS: &[&str] = &[
    "",
    "c",
    "cpu",
    "http",
    "http requests",
    "host-07",
    "nginx",
    "checkout 500",
    "job=shop",
    "handler=/api/v1/orders",
    "device=sda io",
    "e",
    "requets",
    "disk -sda",
    "xyzzy",
];

fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|p| p.parse::<f64>().ok()).unwrap_or_default() * 4096.0
}

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let mut all = Vec::new();
    population::each(count, &mut |pairs| all.extend(Labels::from_pairs(pairs.iter().copied())));
    let labels_bytes: usize = all.iter().map(Labels::heap_bytes).sum();
    let (before, begun) = (resident_bytes(), Instant::now());
    let mut catalogue = Catalogue::default();
    all.iter().for_each(|labels| {
        catalogue.add(labels, 0);
    });
    println!(
        "{count} series: {} B a series besides labels ({:.0} resident), labels {} B; {:.1} us to add one",
        catalogue.heap_bytes() / count,
        (resident_bytes() - before) / count as f64,
        labels_bytes / count,
        begun.elapsed().as_secs_f64() * 1e6 / count as f64,
    );
    let mut worst_ms = 0.0f64;
    for group in [GroupBy::Entity, GroupBy::Metric] {
        for q in QUESTIONS {
            let mut times: Vec<f64> = (0..9)
                .map(|_| {
                    let begun = Instant::now();
                    std::hint::black_box(catalogue.find(Find { q, group, ..Find::default() }));
                    begun.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let total = catalogue.find(Find { q, group, ..Find::default() }).total;
            worst_ms = worst_ms.max(times[4]);
            println!("{:8.2} ms  {total:8} found  {q:?} by {group:?}", times[4]);
        }
    }
    println!("slowest question (median of 9): {worst_ms:.1} ms");
}
