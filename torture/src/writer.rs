//! The program that is killed: opens a store on a folder, appends from several threads while it maintains and reads the
//! store, and tells each acknowledgement on standard output after it has it. It must never tell one before.

use crate::rows;
use crate::stream::{SAMPLES, Stream};
use model::{Matcher, Metadata, MetricKind};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use stdx::metrics::Registry;
use store::{Settings, Store, tables};

/// Batches that retention keeps at the least.
pub const RETENTION_BATCHES: i64 = 600;

/// Settings under which everything that a store ever does happens all the time.
pub fn settings(stream: &Stream) -> Settings {
    let retention_ms = RETENTION_BATCHES * stream.step_ms;
    Settings {
        retention_ms,
        tables: tables::Settings {
            logs_retention_ms: retention_ms,
            spans_retention_ms: retention_ms,
            changes_retention_ms: retention_ms,
            memory_bytes_max: 256 << 10,
            recent_age_ms: 20 * stream.step_ms,
            log_bytes_max: 128 << 10,
            merge_files: 3,
            file_bytes_max: 256 << 10,
            ..tables::Settings::default()
        },
        head_age_ms: 30 * stream.step_ms,
        merge_blocks: 3,
        merge_bytes_max: 256 << 10,
        index_bytes_max: 64 << 10,
        ..Settings::default()
    }
}

/// Runs until it is killed or nobody reads what it tells. `from` are the first numbers of the writers.
///
/// # Errors
/// Says why the store does not open.
pub fn run(folder: &Path, stream: Stream, from: &[u64]) -> Result<(), String> {
    let store = Store::open(folder, settings(&stream), &Registry::default()).map_err(|e| e.to_string())?;
    tell("ready");
    let next: Vec<AtomicU64> = from.iter().map(|n| AtomicU64::new(*n)).collect();
    std::thread::scope(|scope| {
        for writer in 0..stream.writers {
            let (store, next) = (&store, &next);
            scope.spawn(move || append(store, &stream, writer, &next[writer]));
        }
        scope.spawn(|| maintain(&store, &stream, &next));
        read(&store, &stream, &next);
    });
    Ok(())
}

/// One line, at once. Whoever started this reads; when they are gone there is nothing left to do.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn append(store: &Store, stream: &Stream, writer: usize, next: &AtomicU64) {
    loop {
        let number = next.load(SeqCst);
        let mut batch = stream.batch(writer, number);
        if number % 50 == 1 {
            let metric = format!("torture_{writer}_{number}");
            let (kind, help) = (MetricKind::Gauge, "Help.".to_string());
            batch.metadata.push(Metadata { metric, kind, help, unit: String::new() });
        }
        if send(store, batch) && send_rows(store, stream, writer, number) {
            tell(&format!("ack {writer} {number}"));
            next.store(number + 1, SeqCst);
        }
        // A sender that has not seen the answer sends again.
        if number % 7 == 3 {
            send(store, stream.batch(writer, number - 2));
        }
    }
}

fn send(store: &Store, batch: model::Batch) -> bool {
    match store.append(batch).and_then(|pending| pending.wait_blocking()) {
        Ok(outcome) if outcome.accepted == SAMPLES && outcome.rejects.is_empty() => true,
        Ok(outcome) => {
            tell(&format!("wrong {} of {SAMPLES} taken: {:?}", outcome.accepted, outcome.rejects));
            false
        }
        Err(e) => {
            tell(&format!("error {e}"));
            std::thread::sleep(Duration::from_millis(1));
            false
        }
    }
}

fn send_rows(store: &Store, stream: &Stream, writer: usize, number: u64) -> bool {
    let sent = rows::append(store, stream, writer, number);
    if let Err(e) = &sent {
        tell(&format!("error {e}"));
        std::thread::sleep(Duration::from_millis(1));
    }
    sent.is_ok()
}

/// The clock of the store goes with the batches.
fn newest(next: &[AtomicU64]) -> u64 {
    next.iter().map(|n| n.load(SeqCst)).max().unwrap_or_default()
}

fn maintain(store: &Store, stream: &Stream, next: &[AtomicU64]) {
    loop {
        let now_ms = stream.time_ms(newest(next));
        if let Err(e) = store.maintain(now_ms, (now_ms - stream.start_ms) as u64) {
            tell(&format!("error {e}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What was acknowledged can be read at once, whatever else is going on.
fn read(store: &Store, stream: &Stream, next: &[AtomicU64]) {
    for turn in 0usize.. {
        let writer = turn % stream.writers;
        let end = next[writer].load(SeqCst);
        let (label, name) = (writer.to_string(), if turn.is_multiple_of(3) { "late" } else { "7" });
        let matchers = [Matcher::equal("writer", label), Matcher::equal("i", name)];
        let view = store.view();
        let found = view.select(&matchers, i64::MIN, i64::MAX, 10, usize::MAX);
        let oldest_ms = stream.time_ms(newest(next) + 1) - RETENTION_BATCHES * stream.step_ms;
        let found = match found {
            Ok(found) => found,
            Err(e) => {
                tell(&format!("wrong no answer: {e}"));
                continue;
            }
        };
        if let Some(warning) = view.warnings().first() {
            tell(&format!("wrong partial answer: {warning}"));
        }
        let mut numbers = std::collections::BTreeSet::new();
        for series in &found {
            let known = stream.series(&series.labels);
            for (t, value) in series.timestamps_ms.iter().zip(&series.values) {
                match known.as_ref().and_then(|known| known.place(*t)) {
                    Some(place) if place.bits == value.to_bits() => drop(numbers.insert(place.number)),
                    _ => tell(&format!("wrong {} at {t}: {value}", series.labels)),
                }
            }
        }
        let must = |n: &u64| stream.time_ms(n.saturating_sub(8)) >= oldest_ms;
        if let Some(lost) = (0..end).filter(must).find(|n| !numbers.contains(n)) {
            tell(&format!("wrong batch {lost} of writer {writer} is acknowledged and not in the answer"));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}
