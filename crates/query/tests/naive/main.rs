//! The evaluator, which computes column by column, against one that is as simple as can be (`eval`): on random data
//! (`data`) both must give the same answers to random queries (`queries`). The long form takes the number of queries from
//! the environment: `MIDWATCH_QUERIES=100000 cargo test -p query --test naive`.

#[path = "../support/mod.rs"]
mod support;

mod data;
mod eval;
mod histograms;
mod queries;
mod windows;

use data::Random;
use eval::{Element, OneByOne};
use query::{Point, QueryOptions, Value, parse, range};
use support::{at_steps, histograms::near as near_histograms};

/// Queries of the short form.
const QUERIES: u64 = 1_000;
/// Queries on the same data.
const QUERIES_PER_DATA: u64 = 50;

/// The times that are asked for: some before the data and some after.
const TIMES: (i64, i64, i64) = (-30_000, 620_000, 65_000);

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn same(a: &Option<Point>, b: &Option<Point>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Point::Number(a)), Some(Point::Number(b))) => near(*a, *b),
        (Some(Point::Histogram(a)), Some(Point::Histogram(b))) => near_histograms(a, b),
        _ => false,
    }
}

#[test]
fn both_evaluators_give_the_same_answers() {
    let queries: u64 =
        std::env::var("MIDWATCH_QUERIES").ok().map_or(QUERIES, |n| n.parse().expect("a number of queries"));
    let (mut answered, mut with_samples, mut with_histograms) = (0u64, 0u64, 0u64);
    for round in 0..queries.div_ceil(QUERIES_PER_DATA) {
        let mut random = Random::new(round);
        let source = data::source(&mut random);
        for _ in 0..QUERIES_PER_DATA {
            let text = queries::query(&mut random);
            let expr = parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let (start, end, step) = TIMES;
            let got = range(&source, &expr, start, end, step, &QueryOptions::default());
            let naive = OneByOne { source: &source, start_ms: start, end_ms: end };
            let times: Vec<i64> = (start..=end).step_by(step as usize).collect();
            let want: Result<Vec<Vec<Element>>, String> =
                times.iter().map(|t| naive.answer(&expr, *t)).collect();
            let (got, want) = match (got, want) {
                (Ok(got), Ok(want)) => (got.value, want),
                (Err(_), Err(_)) => continue,
                (got, want) => panic!("round {round}: {text}\n  got {got:?}\n  wanted {want:?}"),
            };
            answered += 1;
            let Value::Matrix(rows) = got else { panic!("{text}: {got:?}") };
            with_samples += u64::from(!rows.is_empty());
            with_histograms += u64::from(rows.iter().any(|r| !r.histograms.is_empty()));
            for (i, step_wanted) in want.iter().enumerate() {
                let time = times[i];
                let mut found = 0;
                for row in &rows {
                    let got = at_steps(row, (time, time, 1)).remove(0);
                    let want = step_wanted.iter().find(|(l, ..)| *l == row.labels).map(|(.., p)| p.clone());
                    found += usize::from(got.is_some());
                    assert!(
                        same(&got, &want),
                        "round {round}: {text} at {time}, {}\n  got {got:?}\n  wanted {want:?}",
                        row.labels
                    );
                }
                assert_eq!(
                    found,
                    step_wanted.len(),
                    "round {round}: {text} at {time}\n  wanted {step_wanted:?}"
                );
            }
        }
    }
    // A generator that only makes errors and empty answers proves nothing.
    assert!(answered * 10 > queries * 8, "only {answered} of {queries} have an answer");
    assert!(with_samples * 10 > queries * 6, "only {with_samples} of {queries} answers hold anything");
    assert!(with_histograms * 10 > queries, "only {with_histograms} of {queries} answers hold histograms");
}
