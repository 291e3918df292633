//! What damage does: never a wrong row, never a panic; what is whole is given, and the answer says that it is partial.

use super::*;

fn scan_all(store: &Store) -> (usize, bool) {
    let mut rows = store.tables().scan(Scan::new(Table::Logs)).unwrap();
    let mut count = 0;
    for batch in rows.by_ref() {
        for row in to_log_batch(&batch.unwrap()).rows() {
            assert!(row.body.starts_with("line ") && row.body.ends_with(" of all"), "{:?}", row.body);
            count += 1;
        }
    }
    (count, rows.stats().is_partial())
}

fn lines(range: std::ops::Range<i64>) -> LogBatch {
    let texts: Vec<String> = range.clone().map(|i| format!("line {i} of all")).collect();
    let rows: Vec<_> = range.zip(&texts).map(|(i, text)| (i, "s", text.as_str())).collect();
    log_batch(&rows)
}

#[test]
fn a_changed_byte_anywhere_in_a_file_gives_fewer_rows_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.tables().append_logs(lines(0..500)).unwrap().wait_blocking().unwrap();
    store.flush_tables(0).unwrap();
    drop(store);
    assert_eq!(scan_all(&open(folder.path())), (500, false));
    for part in ["000000000000.parquet", "000000000000.index"] {
        let path = folder.path().join("tables/logs").join(part);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 20 + 1).chain([whole.len() - 1]) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            let store = open(folder.path());
            let (rows, is_partial) = scan_all(&store);
            assert!(rows == 500 || is_partial, "{part}, byte {at}: {rows} rows and not partial");
            drop(store);
            let report = crate::verify(folder.path(), &mut |_| true).unwrap();
            assert!(!report.is_whole(), "{part}, byte {at} is not found");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(scan_all(&open(folder.path())).1, "{part} cut off");
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(crate::verify(folder.path(), &mut |_| true).unwrap().is_whole());
}

#[test]
fn files_that_only_a_damaged_manifest_named_are_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let newest_manifest = || {
        let mut all = crate::testing::files(&folder.path().join("manifest"));
        all.pop().unwrap()
    };
    let store = open(folder.path());
    store.tables().append_logs(lines(0..10)).unwrap().wait_blocking().unwrap();
    store.flush_tables(0).unwrap();
    store.tables().append_logs(lines(10..15)).unwrap().wait_blocking().unwrap();
    drop(store);
    std::fs::write(newest_manifest(), "gone").unwrap();
    let store = open(folder.path());
    assert_eq!(scan_all(&store), (15, false));
    assert!(store.status().messages.iter().any(|m| m.contains("taken in")), "{:?}", store.status().messages);
}

#[test]
fn a_backup_has_the_tables() {
    let (folder, parent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (copy, new) = (parent.path().join("copy"), parent.path().join("new"));
    let store = open(folder.path());
    store.tables().append_logs(lines(0..10)).unwrap().wait_blocking().unwrap();
    store.flush_tables(0).unwrap();
    store.tables().append_logs(lines(10..15)).unwrap().wait_blocking().unwrap();
    for _ in 0..2 {
        crate::backup(folder.path(), &copy, crate::BackupOptions::default(), 0, &mut |_| true).unwrap();
    }
    assert!(crate::verify(&copy, &mut |_| true).unwrap().is_whole());
    crate::restore(&copy, &new, false, &mut |_| true).unwrap();
    assert_eq!(scan_all(&open(&new)), (15, false));
}

#[test]
fn retention_goes_by_the_time_of_rows_and_never_keeps_what_lies_ahead_longer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let day_ms = 86_400_000;
    let far = [(i64::MAX / 1_000_000_000, "s", "line 1 of all")];
    store.tables().append_logs(log_batch(&far)).unwrap().wait_blocking().unwrap();
    store.flush_tables(0).unwrap();
    store.tables().append_logs(lines(1..3)).unwrap().wait_blocking().unwrap();
    store.flush_tables(40 * day_ms).unwrap();
    store.maintain_tables(29 * day_ms, 0, false).unwrap();
    assert_eq!(scan_all(&store).0, 3);
    store.maintain_tables(31 * day_ms, 0, true).unwrap();
    assert_eq!(scan_all(&store).0, 3, "a clock that jumped removes nothing");
    store.maintain_tables(31 * day_ms, 0, false).unwrap();
    assert_eq!(scan_all(&store).0, 0);
    drop(store);
    let left = crate::testing::files(&folder.path().join("tables/logs"));
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

#[test]
fn large_and_strange_rows_are_kept_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut batch = LogBatch::default();
    batch.origins.push(Origin::default());
    let body = "x y\0\u{1b}[31m".repeat(100_000);
    let row = LogRow {
        time_ns: i64::MIN,
        origin: 0,
        severity: Severity::UNKNOWN,
        body: &body,
        pattern: u64::MAX,
        trace_id: None,
        span_id: None,
    };
    let names: Vec<String> = (0..10_000).map(|i| format!("name{i}")).collect();
    batch.push(row, names.iter().map(|n| (n.as_str(), "")));
    batch.push(LogRow { body: "", time_ns: i64::MAX, ..row }, []);
    store.tables().append_logs(batch).unwrap().wait_blocking().unwrap();
    store.tables().append_logs(LogBatch::default()).unwrap().wait_blocking().unwrap();
    for _ in 0..2 {
        let scan = Scan { order: Order::OldestFirst, ..Scan::new(Table::Logs) };
        let rows: Vec<_> = store.tables().scan(scan).unwrap().map(|r| to_log_batch(&r.unwrap())).collect();
        assert_eq!((rows[0].row(0).body.len(), rows[0].attributes(0).len()), (body.len(), 10_000));
        assert_eq!((rows[0].row(1).time_ns, rows[0].row(1).pattern), (i64::MAX, u64::MAX));
        store.flush_tables(0).unwrap();
    }
}
