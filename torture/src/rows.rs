//! Log records, spans and changes beside the samples of a batch, and the judgement of what is found of them: every try
//! that was acknowledged is there with all its rows, none is there twice, and none in part. It must never excuse a row
//! for any reason but retention.

use crate::ledger::Ledger;
use crate::random::mix;
use crate::stream::Stream;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampNanosecondType;
use model::{
    Change, LogBatch, LogRow, Origin, Severity, Span, SpanBatch, SpanId, SpanKind, SpanStatus, TraceId,
};
use std::collections::BTreeMap;
use store::Store;
use store::tables::{Scan, Table};

/// Rows of one append.
const ROWS: u32 = 3;

/// One try of a sender to have its rows kept. Rows carry no identity that a store could tell a second try by, so each
/// try says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Try {
    writer: usize,
    number: u64,
    attempt: u64,
}

/// Tells tries of this process apart, and from those of the processes before it.
pub fn attempt() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let start = now.map_or(0, |d| d.as_nanos() as u64);
    let _ = NEXT.compare_exchange(0, start, Relaxed, Relaxed);
    NEXT.fetch_add(1, Relaxed)
}

/// Tables that have rows of this batch: log records come with every one.
fn has(table: Table, number: u64) -> bool {
    match table {
        Table::Logs => true,
        Table::Spans => number.is_multiple_of(3),
        Table::Changes => number.is_multiple_of(10),
    }
}

/// The words of a row, which say all that there is to know of it.
fn words(stream: &Stream, of: Try, row: u32) -> String {
    let Try { writer, number, attempt } = of;
    let check = mix(stream.seed ^ mix(writer as u64 ^ mix(number ^ mix(attempt ^ u64::from(row)))));
    format!("{writer} {number} {attempt} {row} {check:016x}")
}

/// Which row it is, if it is one that was ever made.
fn read(stream: &Stream, text: &str) -> Option<(Try, u32)> {
    let mut parts = text.split(' ');
    let mut next = || parts.next()?.parse::<u64>().ok();
    let of = Try { writer: next()? as usize, number: next()?, attempt: next()? };
    let row = next()? as u32;
    (row < ROWS && words(stream, of, row) == text).then_some((of, row))
}

/// Appends the rows that belong to a batch, and waits until all are acknowledged.
///
/// # Errors
/// If one is not.
pub fn append(store: &Store, stream: &Stream, writer: usize, number: u64) -> stdx::Result<()> {
    let of = Try { writer, number, attempt: attempt() };
    let time_ns = stream.time_ms(number) * 1_000_000;
    let origin = || Origin { service: format!("torture-{writer}"), ..Origin::default() };
    let tables = store.tables();
    let mut logs = LogBatch::default();
    logs.origins.push(origin());
    for row in 0..ROWS {
        let (body, severity) = (words(stream, of, row), Severity::default());
        let (trace_id, span_id) = (None, None);
        let row =
            LogRow { time_ns, origin: 0, severity, body: &body, pattern: number % 7, trace_id, span_id };
        logs.push(row, [("number", number.to_string().as_str())]);
    }
    let mut waiting = vec![tables.append_logs(logs)?];
    if has(Table::Spans, number) {
        // Neither is all zeros, which would be no id.
        let ids =
            |row: u32| TraceId::new(&[1 + (number % 200) as u8; 16]).zip(SpanId::new(&[1 + row as u8; 8]));
        let span = |row: u32, trace_id, span_id| Span {
            trace_id,
            span_id,
            parent_id: None,
            origin: 0,
            name: words(stream, of, row),
            kind: SpanKind::default(),
            start_ns: time_ns,
            duration_ns: number,
            status: SpanStatus::default(),
            status_message: String::new(),
            attributes: Default::default(),
            events: Vec::new(),
            links: Vec::new(),
        };
        let spans = (0..ROWS).filter_map(|row| ids(row).map(|(trace, id)| span(row, trace, id))).collect();
        let spans = SpanBatch { origins: vec![origin()], spans };
        waiting.push(tables.append_spans(spans)?);
    }
    if has(Table::Changes, number) {
        let change = |row: u32| Change {
            time_ns,
            id: format!("{writer}-{number}-{row}"),
            kind: "deploy".into(),
            title: words(stream, of, row),
            service: origin().service,
            host: String::new(),
            author: "torture".into(),
            link: String::new(),
            attributes: Default::default(),
        };
        waiting.push(tables.append_changes((0..ROWS).map(change).collect())?);
    }
    waiting.into_iter().try_for_each(|pending| pending.wait_blocking().map(drop))
}

/// The log records of a batch as lines of text, which the program itself gives their times.
pub fn lines(stream: &Stream, writer: usize, number: u64) -> Vec<u8> {
    let of = Try { writer, number, attempt: attempt() };
    (0..ROWS).map(|row| words(stream, of, row) + "\n").collect::<String>().into_bytes()
}

/// Judges all rows of a store.
///
/// # Errors
/// Says in words what is lost, doubled, or was never sent; with [`PARTIAL`] if the store said that it cannot read all.
pub fn check(ledger: &Ledger, stream: &Stream, store: &Store) -> Result<(), String> {
    check_tables(&Table::ALL, true, ledger, stream, store)
}

/// Judges log records that came as [`lines`].
///
/// # Errors
/// As [`check`].
pub fn check_lines(ledger: &Ledger, stream: &Stream, store: &Store) -> Result<(), String> {
    check_tables(&[Table::Logs], false, ledger, stream, store)
}

fn check_tables(
    tables: &[Table],
    has_times: bool,
    ledger: &Ledger,
    stream: &Stream,
    store: &Store,
) -> Result<(), String> {
    tables.iter().try_for_each(|&table| {
        let mut found: BTreeMap<Try, u32> = BTreeMap::new();
        let columns = Some(vec!["time".to_string(), table.text_column().to_string()]);
        let mut rows = store
            .tables()
            .scan(Scan { columns, ..Scan::new(table) })
            .map_err(|e| format!("no answer from the table {}: {e}", table.name()))?;
        for batch in &mut rows {
            let batch = batch.map_err(|e| format!("no answer from the table {}: {e}", table.name()))?;
            let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
            let texts = batch.column(1).as_string::<i32>();
            for (time, text) in times.values().iter().zip(texts) {
                let text = text.unwrap_or_default();
                let known = read(stream, text).filter(|(of, _)| {
                    let is_sent = ledger.sent.get(of.writer).is_some_and(|end| of.number < *end);
                    let is_then = !has_times || stream.time_ms(of.number) * 1_000_000 == *time;
                    is_sent && is_then && has(table, of.number)
                });
                let Some((of, row)) = known else {
                    return Err(format!("{text:?} in the table {} was never sent", table.name()));
                };
                let seen = found.entry(of).or_default();
                if *seen & (1 << row) != 0 {
                    return Err(format!("{text:?} is in the table {} twice", table.name()));
                }
                *seen |= 1 << row;
            }
        }
        let damaged = rows.stats().damaged.join("; ");
        let or_damaged = |e: String| match damaged.is_empty() {
            true => Err(e),
            false => Err(format!("{e}; {PARTIAL} {damaged}")),
        };
        if let Some((of, _)) = found.iter().find(|(_, rows)| **rows != (1 << ROWS) - 1) {
            return or_damaged(format!("rows of {of:?} are lost from the table {}, and others are there", table.name()));
        }
        for (writer, end) in ledger.acknowledged.iter().enumerate() {
            let must = |n: &u64| has(table, *n) && stream.time_ms(*n) >= ledger.oldest_ms;
            for number in (0..*end).filter(must) {
                let tries = Try { writer, number, attempt: 0 }..=Try { writer, number, attempt: u64::MAX };
                if found.range(tries).next().is_none() {
                    return or_damaged(format!(
                        "acknowledged rows of batch {number} of writer {writer} are lost from the table {} (acknowledged: below {end})",
                        table.name()
                    ));
                }
            }
        }
        Ok(())
    })
}

/// What stands in an error before the words of the store, if it said that something could not be read.
pub const PARTIAL: &str = "the answer is partial:";

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::metrics::Registry;
    use store::Settings;

    #[test]
    fn it_finds_what_is_lost_or_was_never_sent() {
        let stream = Stream { seed: 3, writers: 1, start_ms: 1_700_000_000_000, step_ms: 10 };
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Settings::default(), &Registry::default()).unwrap();
        for number in 0..20 {
            append(&store, &stream, 0, number).unwrap();
        }
        let of = |acknowledged, sent| Ledger {
            acknowledged: vec![acknowledged],
            sent: vec![sent],
            oldest_ms: i64::MIN,
        };
        check(&of(20, 20), &stream, &store).unwrap();
        assert!(check(&of(20, 19), &stream, &store).unwrap_err().contains("never sent"));
        assert!(check(&of(21, 21), &stream, &store).unwrap_err().contains("are lost from the table logs"));
        // A second try of the same is no defect; the same row twice is.
        append(&store, &stream, 0, 7).unwrap();
        check(&of(20, 20), &stream, &store).unwrap();
        let twice = || {
            let mut logs = LogBatch::default();
            logs.origins.push(Origin::default());
            let body = words(&stream, Try { writer: 0, number: 5, attempt: 1 }, 0);
            let (time_ns, severity) = (stream.time_ms(5) * 1_000_000, Severity::default());
            let (trace_id, span_id) = (None, None);
            logs.push(
                LogRow { time_ns, origin: 0, severity, body: &body, pattern: 0, trace_id, span_id },
                [],
            );
            store.tables().append_logs(logs).unwrap().wait_blocking().unwrap();
        };
        twice();
        assert!(check(&of(20, 20), &stream, &store).unwrap_err().contains("others are there"));
        twice();
        assert!(check(&of(20, 20), &stream, &store).unwrap_err().contains("twice"));
    }
}
