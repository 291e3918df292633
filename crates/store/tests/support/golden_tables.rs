//! The tables of such a folder: log records, spans and changes in files, merged and not, with columns for frequent attributes,
//! and in the log of the tables; found by word, by identifier, and whole.

use super::{START_MS, copy, open};
use model::{
    Change, LogBatch, LogRow, Origin, Pairs, Severity, Span, SpanBatch, SpanEvent, SpanKind, SpanLink,
    SpanStatus,
};
use std::path::PathBuf;
use store::tables::{Order, Predicate, Scan, Table, to_changes, to_log_batch, to_spans};
use store::{Settings, Store};

/// Rows of each table in one file; two files are merged, one is not, and as many rows as in one are in the log alone.
const ROWS: usize = 120;
const PARTS: usize = 4;

fn pairs(of: &[(&str, &str)]) -> Pairs {
    of.iter().copied().collect()
}

fn origin(i: usize) -> Origin {
    let version = format!("1.{}", i % 3);
    Origin {
        service: ["cart", "ünïcode", ""][i % 3].into(),
        host: format!("h{}", i % 2),
        attributes: pairs(&[("service.version", &version)]),
    }
}

fn time_ns(i: usize) -> i64 {
    (START_MS + i as i64) * 1_000_000 + 17
}

fn trace(i: usize) -> String {
    format!("{:032x}", i / 4 + 1)
}

fn logs(range: std::ops::Range<usize>) -> LogBatch {
    let mut batch = LogBatch::default();
    for i in range {
        batch.origins.push(origin(i));
        let (user, body) =
            (format!("u-{i}"), format!("request {i} took {}ms\nsecond line \"ä\" \u{1b}[31m", i * 7));
        let row = LogRow {
            time_ns: time_ns(i),
            origin: batch.origins.len() as u32 - 1,
            severity: Severity::from_number((i % 25) as u8),
            body: &body,
            pattern: (i as u64) << 40,
            trace_id: trace(i).parse().ok().filter(|_| i % 2 == 0),
            span_id: format!("{:016x}", i + 1).parse().ok().filter(|_| i % 2 == 0),
        };
        // One that all have, one that few have, and one that comes twice.
        let rare = format!("rare.{i}");
        batch.push(row, [("user.id", user.as_str()), (rare.as_str(), "x"), ("twice", "1"), ("twice", "2")]);
    }
    batch
}

fn spans(range: std::ops::Range<usize>) -> SpanBatch {
    let mut batch = SpanBatch::default();
    for i in range {
        batch.origins.push(origin(i));
        let at = |n: usize| format!("{:016x}", n + 1).parse().unwrap();
        batch.spans.push(Span {
            trace_id: trace(i).parse().unwrap(),
            span_id: at(i),
            parent_id: (i % 4 > 0).then(|| at(i - 1)),
            origin: batch.origins.len() as u32 - 1,
            name: format!("GET /{}", i % 5),
            kind: SpanKind::from_number((i % 6) as u8),
            start_ns: time_ns(i),
            duration_ns: i as u64 * 1_001,
            status: SpanStatus::from_number((i % 3) as u8),
            status_message: if i % 3 == 2 { "no stock".into() } else { String::new() },
            attributes: pairs(&[("http.route", "/x"), ("n", &i.to_string())]),
            events: vec![SpanEvent {
                time_ns: time_ns(i) + 1,
                name: "e".into(),
                attributes: pairs(&[("a", "b")]),
            }],
            links: vec![SpanLink {
                trace_id: trace(i + 4).parse().unwrap(),
                span_id: at(i),
                attributes: pairs(&[]),
            }],
        });
    }
    batch
}

fn changes(range: std::ops::Range<usize>) -> Vec<Change> {
    let change = |i: usize| Change {
        time_ns: time_ns(i),
        id: format!("change-{i}"),
        kind: "deploy".into(),
        title: format!("deployed cart 1.{i}"),
        service: "cart".into(),
        host: "h1".into(),
        author: "ann".into(),
        link: "https://ci.example/7".into(),
        attributes: pairs(&[("rollback", "1.41")]),
    };
    range.map(change).collect()
}

fn append(store: &Store, part: usize) {
    let range = part * ROWS..(part + 1) * ROWS;
    store.tables().append_logs(logs(range.clone())).unwrap().wait_blocking().unwrap();
    store.tables().append_spans(spans(range.clone())).unwrap().wait_blocking().unwrap();
    store.tables().append_changes(changes(range)).unwrap().wait_blocking().unwrap();
}

fn write(folder: &std::path::Path) {
    let mut settings = Settings::default();
    settings.tables.merge_files = 2;
    let store = Store::open(folder, settings, &stdx::metrics::Registry::default()).unwrap();
    for part in 0..PARTS - 1 {
        append(&store, part);
        store.flush_tables(START_MS).unwrap();
        store.maintain(START_MS, 0).unwrap();
    }
    append(&store, PARTS - 1);
}

fn scan<T>(store: &Store, scan: Scan, of: impl Fn(&arrow_array::RecordBatch) -> T) -> Vec<T> {
    store
        .tables()
        .scan(Scan { order: Order::OldestFirst, ..scan })
        .unwrap()
        .map(|rows| of(&rows.unwrap()))
        .collect()
}

/// The origins of what was read are said once each: each row is compared with its own.
fn same_logs(have: &[LogBatch], want: &LogBatch) {
    let rows = |batch: &LogBatch| -> Vec<String> {
        let one = |(i, row): (usize, LogRow<'_>)| {
            let mut attributes: Vec<_> = batch.attributes(i).collect();
            attributes.sort();
            format!(
                "{:?} {:?} {attributes:?}",
                LogRow { origin: 0, ..row },
                batch.origins[row.origin as usize]
            )
        };
        batch.rows().enumerate().map(one).collect()
    };
    assert_eq!(have.iter().flat_map(rows).collect::<Vec<_>>(), rows(want));
}

fn same_spans(have: &[SpanBatch], want: &SpanBatch) {
    let rows = |batch: &SpanBatch| -> Vec<String> {
        let one = |span: &Span| {
            let origin = format!("{:?}", batch.origins[span.origin as usize]);
            let mut span = Span { origin: 0, ..span.clone() };
            let mut attributes: Vec<_> =
                span.attributes.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            attributes.sort();
            span.attributes = attributes.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            format!("{span:?} {origin}")
        };
        batch.spans.iter().map(one).collect()
    };
    assert_eq!(have.iter().flat_map(rows).collect::<Vec<_>>(), rows(want));
}

#[test]
fn tables_of_format_4_are_read() {
    let golden = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/golden/4");
    let scratch = tempfile::tempdir().unwrap();
    if std::env::var_os("MIDWATCH_BLESS").is_some() && !golden.exists() {
        write(scratch.path());
        copy(scratch.path(), &golden);
        std::fs::remove_file(golden.join("LOCK")).unwrap();
    }
    let folder = scratch.path().join("copy");
    copy(&golden, &folder);
    let store = open(&folder);
    let status = store.tables().status();
    assert_eq!((status.messages, store.status().messages), (Vec::<String>::new(), Vec::<String>::new()));
    for table in status.tables {
        // One of two that were merged, one that was not.
        assert_eq!((table.files, table.recent_rows), (2, ROWS as u64), "{}", table.name);
        assert_eq!(table.damaged, Vec::<String>::new());
    }
    let all = 0..PARTS * ROWS;
    same_logs(&scan(&store, Scan::new(Table::Logs), to_log_batch), &logs(all.clone()));
    same_spans(&scan(&store, Scan::new(Table::Spans), to_spans), &spans(all.clone()));
    assert_eq!(scan(&store, Scan::new(Table::Changes), to_changes).concat(), changes(all.clone()));
    for i in [0, 2, ROWS + 6, 2 * ROWS + 8, 3 * ROWS + 4] {
        let find = |table, predicate| Scan { predicates: vec![predicate], ..Scan::new(table) };
        let word = find(Table::Logs, Predicate::Word(format!("request {i}")));
        same_logs(&scan(&store, word, to_log_batch), &logs(i..i + 1));
        let id = find(Table::Logs, Predicate::Id(format!("u-{i}")));
        same_logs(&scan(&store, id, to_log_batch), &logs(i..i + 1));
        let of_trace = find(Table::Spans, Predicate::Id(trace(i)));
        let first = i / 4 * 4;
        let found: Vec<SpanBatch> = scan(&store, of_trace, to_spans);
        // The trace before links to it.
        let mut own: Vec<_> =
            found.iter().flat_map(|b| &b.spans).filter(|s| s.trace_id.to_string() == trace(i)).collect();
        own.sort_by_key(|s| s.start_ns);
        assert_eq!(
            own.iter().map(|s| s.start_ns).collect::<Vec<_>>(),
            (first..first + 4).map(time_ns).collect::<Vec<_>>()
        );
        let change =
            find(Table::Changes, Predicate::Equals { column: "id".into(), value: format!("change-{i}") });
        assert_eq!(scan(&store, change, to_changes).concat(), changes(i..i + 1));
    }
}
