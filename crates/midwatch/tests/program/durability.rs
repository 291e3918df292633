//! What was acknowledged is there after the program was killed, however often and whatever it was doing. (A kill is no power
//! cut: what the kernel had still to write survives it. That is tested beside the store.)

use crate::support::{Home, Midwatch, eventually, now_ms, series};
use model::SeriesData;
use std::collections::BTreeMap;

const WRITERS: usize = 4;
const SERIES: usize = 50;
const ROUNDS: usize = 5;

/// Acknowledged numbers of each writer.
type Acknowledged = BTreeMap<usize, Vec<u64>>;

/// The series of one request: each has the number as its value, at a time of its own.
fn request(writer: usize, number: u64, start_ms: i64) -> Vec<SeriesData> {
    let writer = writer.to_string();
    let one = |i: usize| {
        let labels = [("writer", writer.as_str()), ("i", &*i.to_string())];
        series("durable", &labels, &[(start_ms + number as i64, number as f64)])
    };
    (0..SERIES).map(one).collect()
}

/// Writes until the server is gone. Returns the numbers that were acknowledged.
fn write_on(midwatch: &Midwatch, writer: usize, from: u64, start_ms: i64) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for number in from.. {
        let body = ingest::remote_write::encode(&request(writer, number, start_ms));
        // Once it is gone, an answer may be missing; then nobody said that anything was kept.
        match midwatch.remote_write(&body) {
            Ok(answer) if answer.status == 204 => acknowledged.push(number),
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(_) => break,
        }
    }
    acknowledged
}

fn assert_all_there(midwatch: &Midwatch, acknowledged: &Acknowledged, start_ms: i64) {
    let export = midwatch.export("durable");
    assert_eq!(export.len(), WRITERS * SERIES);
    for found in export {
        let writer: usize = found.labels.get("writer").parse().unwrap();
        let pairs = found.timestamps_ms.iter().zip(&found.values);
        let there: BTreeMap<u64, f64> = pairs.map(|(t, v)| ((t - start_ms) as u64, *v)).collect();
        assert!(
            there.iter().all(|(number, value)| *number as f64 == *value),
            "{}: a wrong value",
            found.labels
        );
        let lost: Vec<_> = acknowledged[&writer].iter().filter(|n| !there.contains_key(n)).collect();
        assert!(lost.is_empty(), "{} lost {lost:?} of {}", found.labels, acknowledged[&writer].len());
    }
}

#[test]
fn what_was_acknowledged_survives_being_killed_while_it_writes() {
    let home = Home::new();
    let start_ms = now_ms() - 3_600_000;
    let mut acknowledged: Acknowledged = (0..WRITERS).map(|w| (w, Vec::new())).collect();
    for round in 0..ROUNDS {
        let midwatch = home.serve_quietly();
        if round > 0 {
            assert_all_there(&midwatch, &acknowledged, start_ms);
        }
        // Numbers of a round begin where no earlier one can have come.
        let from = round as u64 * 100_000;
        std::thread::scope(|scope| {
            let midwatch = &midwatch;
            let writers: Vec<_> = (0..WRITERS)
                .map(|w| (w, scope.spawn(move || write_on(midwatch, w, from, start_ms))))
                .collect();
            let want = (20 + round * 13) as f64 * WRITERS as f64 * SERIES as f64;
            eventually("enough was written", || {
                let accepted = midwatch.own("midwatch_samples_accepted_total{source=\"remote_write\"}");
                if accepted >= want { Ok(()) } else { Err(format!("{accepted} of {want}")) }
            });
            midwatch.process.signal(rustix::process::Signal::KILL);
            for (writer, thread) in writers {
                acknowledged.get_mut(&writer).unwrap().extend(thread.join().unwrap());
            }
        });
        assert!(acknowledged.values().all(|numbers| numbers.len() > round), "{acknowledged:?}");
    }
    let midwatch = home.serve_quietly();
    assert_all_there(&midwatch, &acknowledged, start_ms);
    // What may be there twice in the log is there once for those who ask.
    let counted = midwatch.query("count_over_time(durable[2h])");
    assert_eq!(counted.len(), WRITERS * SERIES);
    // And a stop after all this is clean.
    assert_eq!(midwatch.stop().code, Some(0));
    assert_all_there(&home.serve_quietly(), &acknowledged, start_ms);
}

#[test]
fn a_sender_that_repeats_itself_after_a_kill_changes_nothing() {
    let home = Home::new();
    let start_ms = now_ms() - 60_000;
    let midwatch = home.serve_quietly();
    let all: Vec<SeriesData> = (0..20).flat_map(|number| request(0, number, start_ms)).collect();
    midwatch.write(&all);
    let before = midwatch.export("durable");
    midwatch.kill();
    let midwatch = home.serve_quietly();
    midwatch.write(&all);
    assert_eq!(midwatch.export("durable"), before);
    assert_eq!(midwatch.query("durable").len(), SERIES);
}

#[test]
fn the_recording_of_the_machine_goes_on_after_a_kill() {
    let home = Home::new();
    let readings = |midwatch: &Midwatch| midwatch.export("node_load1")[0].timestamps_ms.clone();
    let record = |least: usize| {
        let midwatch = home.serve(&["--no-discover"]);
        eventually("readings", || {
            let count = midwatch.value("count_over_time(node_load1[1h])")? as usize;
            if count >= least { Ok(()) } else { Err(format!("{count} readings")) }
        });
        let all = readings(&midwatch);
        midwatch.kill();
        all
    };
    let first = record(3);
    let second = record(first.len() + 2);
    assert_eq!(second[..first.len()], first, "what was seen before the kill is seen after it");
}
