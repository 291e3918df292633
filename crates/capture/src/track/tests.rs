//! What is pushed comes back, within the budget and the span: against a list that simply keeps everything.

use super::*;
use crate::class::{FILES, PROCESSES};
use proptest::prelude::*;

/// A reading of `files`: (key, comm, target, pid, descriptors).
type Reading = Vec<(u64, &'static str, String, i64, Option<i64>)>;

fn push(track: &mut Track, time_ms: i64, reading: &Reading) {
    track.begin(time_ms);
    for (key, comm, target, pid, descriptors) in reading {
        track.push(Row { key: *key, texts: &[comm, target], numbers: &[Some(*pid), *descriptors] });
    }
    track.end();
}

type Flat = (i64, String, String, Option<i64>, Option<i64>);

fn flat(columns: &Columns) -> Vec<Flat> {
    let text = |name: &str, row| columns.texts(name).unwrap().get(row).to_string();
    let number = |name: &str, row: usize| columns.integers(name).unwrap()[row];
    let row = |r| {
        (columns.times()[r], text("comm", r), text("target", r), number("pid", r), number("descriptors", r))
    };
    let mut all: Vec<Flat> = (0..columns.len()).map(row).collect();
    all.sort();
    all
}

fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let row = (0u64..12, 0usize..3, "[a-c]{0,3}", -3i64..3, prop::option::of(any::<i64>()));
    let reading = prop::collection::vec(row, 0..8).prop_map(|rows| {
        let mut seen = std::collections::HashSet::new();
        rows.into_iter()
            .filter(|row| seen.insert(row.0))
            .map(|(key, comm, target, pid, descriptors)| {
                let descriptors = descriptors.map(|d| d.max(i64::MIN + 1));
                (key, ["a", "", "\u{e9}t\u{e9}"][comm], target, pid, descriptors)
            })
            .collect::<Reading>()
    });
    prop::collection::vec(reading, 0..100)
}

proptest! {
    #[test]
    fn what_was_pushed_within_the_span_comes_back(all in readings(), step_ms in 1i64..3_000) {
        let mut track = Track::new(&FILES, 20_000, 16 << 20);
        let mut want = Vec::new();
        let mut now_ms = 0;
        for reading in &all {
            now_ms += step_ms;
            push(&mut track, now_ms, reading);
            want.extend(reading.iter().map(|(_, comm, target, pid, descriptors)| {
                (now_ms, comm.to_string(), target.clone(), Some(*pid), *descriptors)
            }));
        }
        let from_ms = now_ms - 20_000;
        want.retain(|row| row.0 >= from_ms);
        want.sort();
        let (columns, left_out) = track.freeze().columns(from_ms, i64::MAX, usize::MAX);
        prop_assert_eq!(flat(&columns), want);
        prop_assert_eq!((left_out, track.dropped_early, track.refused), (0, 0, 0));
        // Half a minute more than the span at the most.
        prop_assert!(track.since_ms().is_none_or(|since| since >= from_ms - SEGMENT_MS));
    }

    #[test]
    fn the_budget_holds_whatever_comes(sizes in prop::collection::vec((1usize..400, 1usize..3_000), 1..40)) {
        let budget_bytes = 200 << 10;
        let mut track = Track::new(&FILES, i64::MAX, budget_bytes);
        for (time_ms, (rows, bytes)) in sizes.iter().enumerate() {
            track.begin(time_ms as i64 * 1000);
            for row in 0..*rows {
                let target = format!("{row}{}", "x".repeat(*bytes));
                track.push(Row { key: row as u64, texts: &["c", &target], numbers: &[Some(row as i64), None] });
            }
            track.end();
            // What is pushed last may pass half of it by one row, and by the capacity that a list takes ahead.
            prop_assert!(track.memory_bytes() < budget_bytes + (64 << 10), "{}", track.memory_bytes());
        }
        let (columns, _) = track.freeze().columns(i64::MIN, i64::MAX, usize::MAX);
        prop_assert!(columns.len() as u64 + track.refused > 0);
    }
}

#[test]
fn too_many_rows_are_thinned_by_whole_readings_from_the_newest_back() {
    let mut track = Track::new(&FILES, 100_000, 1 << 20);
    let reading: Reading = (0..10).map(|n| (n, "c", "t".to_string(), n as i64, None)).collect();
    (1..=10).for_each(|second| push(&mut track, second * 1000, &reading));
    let (columns, left_out) = track.freeze().columns(0, 100_000, 40);
    assert_eq!(left_out, 6);
    let mut times = columns.times().to_vec();
    times.dedup();
    assert_eq!(times, [1_000, 4_000, 7_000, 10_000]);
}

#[test]
fn a_clock_that_is_set_back_begins_a_segment() {
    let mut track = Track::new(&FILES, 60_000, 1 << 20);
    let reading: Reading = vec![(1, "c", "t".into(), 1, Some(i64::MIN))];
    for time_ms in [10_000, 11_000, 5_000, 6_000] {
        push(&mut track, time_ms, &reading);
    }
    let (columns, _) = track.freeze().columns(0, 100_000, 100);
    assert_eq!(columns.times(), [10_000, 11_000, 5_000, 6_000]);
    // The smallest number stands for none: it is kept as the one above it.
    assert_eq!(columns.integers("descriptors").unwrap()[0], Some(i64::MIN + 1));
}

/// Five minutes of 300 processes, a tenth of them busy, in a few MiB.
#[test]
fn five_minutes_of_300_processes_are_small() {
    let mut track = Track::new(&PROCESSES, 300_000, PROCESSES.budget_bytes);
    for second in 0..600i64 {
        track.begin(second * 1000);
        for pid in 0..300i64 {
            let ran = if pid % 10 == 0 { second } else { 0 };
            let command = format!("/usr/lib/program-{pid} --serve --with-an-option={}", "x".repeat(150));
            let mut numbers = [Some(1_000_000 + pid); 15];
            (numbers[0], numbers[5], numbers[7]) = (Some(pid), Some(ran * 10), Some(ran * 4096));
            track.push(Row {
                key: pid as u64,
                texts: &["program", &command, "/system.slice/program.service", "S"],
                numbers: &numbers,
            });
        }
        track.end();
    }
    assert_eq!((track.dropped_early, track.refused), (0, 0));
    assert!(track.memory_bytes() < 3 << 20, "{} bytes", track.memory_bytes());
    let (columns, left_out) = track.freeze().columns(300_000, 599_000, usize::MAX);
    assert_eq!((columns.len(), left_out), (300 * 300, 0));
}
