//! Tables as their owner sees them: what is appended is found, at once and after a restart.

mod ask;
mod damage;
mod naive;

use super::*;
use crate::Store;
use model::{LogRow, Origin, Pairs, Severity, Span, SpanEvent, SpanKind, SpanLink, SpanStatus};

pub(super) fn open(folder: &Path) -> Store {
    Store::open(folder, crate::Settings::default(), &Registry::default()).unwrap()
}

fn origin(service: &str) -> Origin {
    let attributes = [("service.version", "1.2")].into_iter().collect();
    Origin { service: service.into(), host: "h1".into(), attributes }
}

/// Times are given in seconds.
fn log_batch(rows: &[(i64, &str, &str)]) -> LogBatch {
    let mut batch = LogBatch::default();
    for (i, (time_s, service, body)) in rows.iter().enumerate() {
        batch.origins.push(origin(service));
        let row = LogRow {
            time_ns: time_s * 1_000_000_000,
            origin: i as u32,
            severity: Severity::from_number((i % 25) as u8),
            body,
            pattern: i as u64,
            trace_id: format!("{:032x}", i + 1).parse().ok().filter(|_| i % 2 == 0),
            span_id: format!("{:016x}", i + 1).parse().ok().filter(|_| i % 2 == 0),
        };
        batch.push(row, [("user", format!("u{i}").as_str()), ("path", "/cart")]);
    }
    batch
}

fn bodies(store: &Store, scan: Scan) -> Vec<String> {
    let rows = store.tables().scan(scan).unwrap().map(Result::unwrap);
    rows.flat_map(|r| to_log_batch(&r).rows().map(|r| r.body.to_string()).collect::<Vec<_>>()).collect()
}

fn fill_more(store: &Store) {
    store.tables().append_logs(log_batch(&[(60, "late", "later")])).unwrap().wait_blocking().unwrap();
}

fn matching(store: &Store, predicate: Predicate) -> Vec<String> {
    bodies(store, Scan { predicates: vec![predicate], order: Order::OldestFirst, ..Scan::new(Table::Logs) })
}

const LINES: [(i64, &str, &str); 5] = [
    (10, "cart", "GET /cart from 10.0.0.1 took 12.5ms"),
    (30, "pay", "connection refused by java.net.Socket"),
    (20, "cart", "request 8f3a-11 Connection reset"),
    (40, "mail", ""),
    (50, "mail", "ünïcode and more"),
];

fn fill(folder: &Path) -> Store {
    let store = open(folder);
    for line in LINES.chunks(2) {
        store.tables().append_logs(log_batch(line)).unwrap().wait_blocking().unwrap();
    }
    store
}

#[test]
fn rows_are_found_at_once_in_order_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let check = |tables: &Store| {
        let scan = |order, limit| Scan { order, limit, ..Scan::new(Table::Logs) };
        let [a, b, c, d, e] = LINES.map(|l| l.2);
        assert_eq!(bodies(tables, scan(Order::OldestFirst, None)), [a, c, b, d, e]);
        assert_eq!(bodies(tables, scan(Order::NewestFirst, None)), [e, d, b, c, a]);
        assert_eq!(bodies(tables, scan(Order::NewestFirst, Some(2))), [e, d]);
        assert_eq!(bodies(tables, scan(Order::Any, Some(3))).len(), 3);
        let range = Scan { from_ns: 20_000_000_000, to_ns: 30_000_000_000, ..scan(Order::OldestFirst, None) };
        assert_eq!(bodies(tables, range), [c, b]);
    };
    let store = fill(folder.path());
    check(&store);
    drop(store);
    let store = open(folder.path());
    check(&store);
    store.flush_tables(0).unwrap();
    check(&store);
    fill_more(&store);
    store.flush_tables(0).unwrap();
    assert_eq!(store.tables().status().tables[0].files, 2);
    drop(store);
    let scan = Scan { order: Order::NewestFirst, limit: Some(1), ..Scan::new(Table::Logs) };
    assert_eq!(bodies(&open(folder.path()), scan), ["later"]);
}

#[test]
fn predicates_choose_rows() {
    let folder = tempfile::tempdir().unwrap();
    let tables = fill(folder.path());
    let text = |t: &str| t.to_string();
    let attribute = |name: &str, test| Predicate::Attribute { name: name.into(), test };
    let [a, b, c, d, e] = LINES.map(|l| l.2);
    let all = [a, c, b, d, e];
    let not = |p| Predicate::Not(Box::new(p));
    let table: Vec<(Predicate, Vec<&str>)> = vec![
        (Predicate::Equals { column: text("service"), value: text("cart") }, vec![a, c]),
        (Predicate::In { column: text("service"), values: vec![text("pay"), text("mail")] }, vec![b, d, e]),
        (Predicate::Contains(text("onnection re")), vec![c, b]),
        (Predicate::Contains(text("connection")), vec![b]),
        (Predicate::Word(text("connection")), vec![c, b]),
        (Predicate::Word(text("onnection")), vec![]),
        (Predicate::Word(text("socket")), vec![b]),
        (Predicate::Word(text("10.0.0.1")), vec![a]),
        (Predicate::Word(text("10.0.0")), vec![]),
        (Predicate::Word(text("11")), vec![]),
        (Predicate::Word(text("8F3A-11")), vec![c]),
        (Predicate::Word(text("connection refused")), vec![b]),
        (Predicate::Regex(text("took [0-9.]+ms$")), vec![a]),
        (not(Predicate::Regex(text("o"))), vec![d]),
        (Predicate::Pattern(1), vec![b, d]),
        (Predicate::SeverityAtLeast(Severity::TRACE), vec![b, d]),
        (attribute("user", AttributeTest::Equals(text("u1"))), vec![b, d]),
        (attribute("user", AttributeTest::NotEquals(text("u1"))), vec![a, c, e]),
        (attribute("service.version", AttributeTest::Exists), all.to_vec()),
        (attribute("nothing", AttributeTest::NotEquals(text("u1"))), vec![]),
        (Predicate::Id(text("u1")), vec![b, d]),
        (Predicate::Id(text("PAY")), vec![b]),
        (Predicate::Id(format!("{:032x}", 1)), vec![a, c, e]),
        (Predicate::AtLeast { column: text("time"), value: 40_000_000_000 }, vec![d, e]),
        (Predicate::AtMost { column: text("pattern"), value: 0 }, vec![]),
    ];
    for (predicate, wanted) in &table {
        assert_eq!(matching(&tables, predicate.clone()), *wanted, "{predicate:?}");
    }
    tables.flush_tables(0).unwrap();
    for (predicate, wanted) in &table {
        assert_eq!(matching(&tables, predicate.clone()), *wanted, "in a file: {predicate:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let tables = store.tables();
    let refused = |predicate| {
        let scan = Scan { predicates: vec![predicate], ..Scan::new(Table::Changes) };
        tables.scan(scan).err().unwrap().message
    };
    assert!(refused(Predicate::SeverityAtLeast(Severity::WARN)).contains("changes has no column `severity`"));
    assert!(refused(Predicate::Regex("(".into())).contains("cannot be used"));
    assert!(refused(Predicate::Word("--".into())).contains("no letter"));
    assert!(
        refused(Predicate::Equals { column: "attributes".into(), value: "".into() })
            .contains("single values")
    );
    let mut deep = Predicate::Contains("x".into());
    for _ in 0..2000 {
        deep = Predicate::Not(Box::new(deep));
    }
    assert!(refused(deep).contains("conditions"));
    let scan = Scan { columns: Some(vec!["nope".into()]), ..Scan::new(Table::Logs) };
    assert!(
        tables.scan(scan).err().unwrap().message.contains("logs has no column `nope`; it has time, service")
    );
}

pub(super) fn span(i: u64) -> Span {
    let pairs = |text: &str| -> Pairs { [("k", text), ("k2", "")].into_iter().collect() };
    Span {
        trace_id: format!("{:032x}", i + 1).parse().unwrap(),
        span_id: format!("{:016x}", i + 7).parse().unwrap(),
        parent_id: i.is_multiple_of(2).then(|| format!("{:016x}", i + 6).parse().unwrap()),
        origin: (i % 2) as u32,
        name: format!("op{i}"),
        kind: SpanKind::from_number((i % 6) as u8),
        start_ns: i as i64 * 1000,
        duration_ns: i * 10,
        status: SpanStatus::from_number((i % 3) as u8),
        status_message: "failed".into(),
        attributes: pairs("a"),
        events: (0..i % 3)
            .map(|e| SpanEvent { time_ns: e as i64, name: "ev".into(), attributes: pairs("e") })
            .collect(),
        links: (0..i % 2)
            .map(|_| SpanLink {
                trace_id: "1".repeat(32).parse().unwrap(),
                span_id: "2".repeat(16).parse().unwrap(),
                attributes: pairs("l"),
            })
            .collect(),
    }
}

#[test]
fn spans_and_changes_come_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let spans = SpanBatch { origins: vec![origin("a"), origin("b")], spans: (0..10).map(span).collect() };
    let change = Change { time_ns: 5, id: "c-1".into(), title: "deployed".into(), ..Change::default() };
    {
        let store = open(folder.path());
        let tables = store.tables();
        let pending = tables.append_spans(spans.clone()).unwrap();
        assert_eq!(pending.wait_blocking().unwrap().rows, 10);
        tables.append_changes(vec![change.clone()]).unwrap().wait_blocking().unwrap();
    }
    let store = open(folder.path());
    let tables = store.tables();
    for is_in_file in [false, true] {
        if is_in_file {
            store.flush_tables(0).unwrap();
        }
        let scan = Scan { order: Order::OldestFirst, ..Scan::new(Table::Spans) };
        let rows: Vec<_> = tables.scan(scan).unwrap().map(Result::unwrap).collect();
        let back = to_spans(&rows[0]);
        assert_eq!(back.spans, spans.spans);
        assert_eq!(back.origins, spans.origins);
        let rows: Vec<_> = tables.scan(Scan::new(Table::Changes)).unwrap().map(Result::unwrap).collect();
        assert_eq!(to_changes(&rows[0]), std::slice::from_ref(&change));
        let link = Predicate::Id("1".repeat(32));
        let found = tables.scan(Scan { predicates: vec![link], ..Scan::new(Table::Spans) }).unwrap();
        assert_eq!(found.map(|r| r.unwrap().num_rows()).sum::<usize>(), 5);
    }
}
