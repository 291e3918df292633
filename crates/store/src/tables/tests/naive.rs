//! The tables against the simplest possible ones: a list in memory. Whatever is appended, written to files, merged,
//! reopened or cut off at a power loss in between, every scan gives exactly the rows that the list gives.

use super::*;
use proptest::prelude::*;

/// A row as it is compared; attributes in order, because files order them anew.
type Row = (i64, String, String, u8, Option<String>, Vec<(String, String)>);

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Row>),
    Flush,
    Maintain,
    Reopen,
    /// What a crash leaves of a write that was not acknowledged stands at the end of the log.
    Crash(Vec<u8>),
    Ask(Vec<Predicate>, i64, i64, Order, Option<usize>),
}

const WORDS: [&str; 8] = ["error", "Refused", "10.0.0.1", "8f3a-11", "user_id", "x", "ünï", "a.b.Cd"];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![4 => prop::sample::select(&WORDS[..]).prop_map(String::from), 1 => "[ -~é]{0,6}"],
        0..5,
    )
    .prop_map(|words| words.join(" "))
}

fn row() -> impl Strategy<Value = Row> {
    let time = prop_oneof![20 => 0i64..200, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let name = prop::sample::select(&["a", "b", "rare", ""][..]).prop_map(String::from);
    let pairs = prop::collection::vec((name, text()), 0..4);
    let service = prop::sample::select(&["", "cart", "pay"][..]).prop_map(String::from);
    let trace = prop::option::of((1u8..9).prop_map(|i| format!("{i:032x}")));
    (time, service, text(), 0u8..25, trace, pairs)
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let word = || prop::sample::select(&WORDS[..]).prop_map(String::from);
    let leaf = prop_oneof![
        word().prop_map(Predicate::Word),
        word().prop_map(Predicate::Id),
        text().prop_map(Predicate::Contains),
        (1u8..9).prop_map(|i| Predicate::Id(format!("{i:032x}"))),
        (0u8..25).prop_map(|n| Predicate::SeverityAtLeast(Severity::from_number(n))),
        prop::sample::select(&["", "cart", "none"][..])
            .prop_map(|v| Predicate::Equals { column: "service".into(), value: v.into() }),
        (text(), any::<bool>()).prop_map(|(v, is)| Predicate::Attribute {
            name: "a".into(),
            test: if is { AttributeTest::Equals(v) } else { AttributeTest::NotEquals(v) },
        }),
        Just(Predicate::Attribute { name: "rare".into(), test: AttributeTest::Exists }),
    ];
    (leaf, any::<bool>()).prop_map(|(p, not)| if not { Predicate::Not(Box::new(p)) } else { p })
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop::sample::select(&[Order::Any, Order::NewestFirst, Order::OldestFirst][..]);
    let asked = (
        prop::collection::vec(predicate(), 0..3),
        -5i64..205,
        -5i64..205,
        order,
        prop::option::of(0usize..9),
    );
    prop_oneof![
        4 => prop::collection::vec(row(), 0..30).prop_map(Step::Append),
        2 => Just(Step::Flush),
        1 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Crash),
        8 => asked.prop_map(|(p, a, b, order, limit)| Step::Ask(p, a.min(b), a.max(b), order, limit)),
    ]
}

fn batch(rows: &[Row]) -> LogBatch {
    let mut batch = LogBatch::default();
    for (i, (time_ns, service, body, severity, trace, pairs)) in rows.iter().enumerate() {
        batch.origins.push(Origin { service: service.clone(), ..Origin::default() });
        let row = LogRow {
            time_ns: *time_ns,
            origin: i as u32,
            severity: Severity::from_number(*severity),
            body,
            pattern: 0,
            trace_id: trace.as_ref().map(|t| t.parse().unwrap()),
            span_id: None,
        };
        batch.push(row, pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    }
    batch
}

fn rows_of(found: Rows) -> Vec<Row> {
    let mut out = Vec::new();
    for rows in found {
        let batch = to_log_batch(&rows.unwrap());
        for (i, row) in batch.rows().enumerate() {
            let mut pairs: Vec<_> =
                batch.attributes(i).map(|(n, v)| (n.to_string(), v.to_string())).collect();
            pairs.sort();
            let trace = row.trace_id.map(|t| t.to_string());
            let service = batch.origin(i).service.clone();
            out.push((row.time_ns, service, row.body.to_string(), row.severity.number(), trace, pairs));
        }
    }
    out
}

fn is_wanted(row: &Row, predicate: &Predicate) -> bool {
    let (_, service, body, severity, trace, pairs) = row;
    match predicate {
        Predicate::Not(inner) => !is_wanted(row, inner),
        Predicate::Contains(text) => body.contains(text.as_str()),
        Predicate::Equals { value, .. } => service == value,
        Predicate::SeverityAtLeast(least) => *severity >= least.number(),
        Predicate::Attribute { name, test } => {
            let values: Vec<&String> = pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect();
            match test {
                AttributeTest::Exists => !values.is_empty(),
                AttributeTest::Equals(v) => values.contains(&v),
                AttributeTest::NotEquals(v) => !values.is_empty() && !values.contains(&v),
            }
        }
        Predicate::Word(word) => has_word(body, word),
        Predicate::Id(word) => {
            let texts = [body, service].into_iter().chain(trace).chain(pairs.iter().map(|(_, v)| v));
            { texts }.any(|text| has_word(text, word))
        }
        other => unreachable!("{other:?} is not asked"),
    }
}

/// Words by their definition: taken apart, and compared.
fn has_word(text: &str, word: &str) -> bool {
    let mut all: Vec<String> = Vec::new();
    for run in text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"._@-".contains(c)) {
        let long = run.trim_matches(|c| "._@-".contains(c));
        all.push(long.to_ascii_lowercase());
        let shorts = long.split(|c| "._@-".contains(c));
        all.extend(
            shorts
                .filter(|s| s.len() > 1 && !s.contains(|c: char| c.is_ascii_digit()))
                .map(str::to_ascii_lowercase),
        );
    }
    all.contains(&word.to_ascii_lowercase())
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

fn check(store: &Store, model: &[Row], scan: &Scan) {
    let mut wanted: Vec<Row> = model
        .iter()
        .filter(|r| {
            (scan.from_ns..=scan.to_ns).contains(&r.0) && scan.predicates.iter().all(|p| is_wanted(r, p))
        })
        .cloned()
        .collect();
    wanted.iter_mut().for_each(|r| r.5.sort());
    let found = rows_of(store.tables().scan(scan.clone()).unwrap());
    let times: Vec<i64> = found.iter().map(|r| r.0).collect();
    match scan.order {
        Order::Any => {}
        Order::NewestFirst => assert!(times.is_sorted_by(|a, b| a >= b), "{scan:?}: {times:?}"),
        Order::OldestFirst => assert!(times.is_sorted(), "{scan:?}: {times:?}"),
    }
    let Some(limit) = scan.limit.filter(|limit| *limit < wanted.len()) else {
        assert_eq!(sorted(found), sorted(wanted), "{scan:?}");
        return;
    };
    // Of rows of one time any may come.
    assert_eq!(found.len(), limit, "{scan:?}");
    assert!(found.iter().all(|r| wanted.contains(r)), "{scan:?}");
    wanted.sort_by_key(|r| r.0);
    let best: Vec<i64> = match scan.order {
        Order::Any => return,
        Order::NewestFirst => wanted.iter().rev().take(limit).map(|r| r.0).collect(),
        Order::OldestFirst => wanted.iter().take(limit).map(|r| r.0).collect(),
    };
    assert_eq!(times, best, "{scan:?}");
}

fn reopen(store: Store, folder: &Path) -> Store {
    drop(store);
    open_small(folder)
}

fn open_small(folder: &Path) -> Store {
    let tables = Settings { merge_files: 2, ..Settings::default() };
    let settings = crate::Settings { tables, ..crate::Settings::default() };
    Store::open(folder, settings, &Registry::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_scan_gives_what_a_list_gives(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open_small(folder.path());
        let mut model: Vec<Row> = Vec::new();
        let mut uptime_ms = 0;
        for step in steps.into_iter().chain([Step::Reopen]) {
            match step {
                Step::Append(rows) => {
                    let kept = store.tables().append_logs(batch(&rows)).unwrap().wait_blocking().unwrap();
                    prop_assert_eq!(kept.rows, rows.len() as u64);
                    model.extend(rows);
                }
                Step::Flush => store.flush_tables(0).unwrap(),
                Step::Maintain => {
                    uptime_ms += 5_000;
                    store.maintain_tables(0, uptime_ms, true).unwrap();
                }
                Step::Reopen => store = reopen(store, folder.path()),
                Step::Crash(bytes) => {
                    drop(store);
                    let log = folder.path().join(log::FOLDER);
                    if let Some((number, _)) = log::segments(&log).unwrap().last() {
                        use std::io::Write;
                        let path = log::segment_path(&log, *number);
                        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&bytes).unwrap();
                    }
                    store = open_small(folder.path());
                }
                Step::Ask(predicates, from_ns, to_ns, order, limit) => {
                    check(&store, &model, &Scan { predicates, from_ns, to_ns, order, limit, ..Scan::new(Table::Logs) });
                }
            }
        }
        check(&store, &model, &Scan::new(Table::Logs));
    }
}
