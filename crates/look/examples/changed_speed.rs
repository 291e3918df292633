//! What comparing costs: 100,000 lines of 15 minutes at 1 s against the 30 minutes before, made up: three quarters never
//! move, the others are noise, and one in a hundred takes a step. Decoding is not in it.
//! `cargo run --release -p look --example changed_speed -- [SERIES]`

use look::changed::{Ask, Comparer, groups};
use std::time::Instant;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let times: Vec<i64> = (0..2700).map(|i| i * 1000).collect();
    let ask = Ask::just_before((1_800_000, 2_699_000));
    // A thousand lines stand for all: what is measured is the comparison, not the memory that they take.
    let mut state = 7u64;
    let mut noise = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f64 / f64::from(1u32 << 24)
    };
    let lines: Vec<Vec<f64>> = (0..1000)
        .map(|n| {
            let step = if n % 100 == 0 { 30.0 } else { 0.0 };
            (0..2700)
                .map(|i| match n % 4 {
                    0 => 10.0 + noise() * 5.0 + if i >= 2000 { step } else { 0.0 },
                    _ => 3.0,
                })
                .collect()
        })
        .collect();
    for round in 0..3 {
        let started = Instant::now();
        let mut comparer = Comparer::default();
        let moved: Vec<_> =
            (0..count).filter_map(|i| comparer.compare(&ask, &times, &lines[i % 1000], false)).collect();
        let compared = started.elapsed();
        let started = Instant::now();
        let found = groups(&moved, 30_000).len();
        println!(
            "round {round}: {count} series compared in {:.0} ms on one core, {} moved; {found} groups in {:.1} ms",
            compared.as_secs_f64() * 1e3,
            moved.len(),
            started.elapsed().as_secs_f64() * 1e3
        );
    }
}
