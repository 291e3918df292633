//! Heads that follow one another share the index of their series as long as these go on: what is known of a series is
//! kept once, and what has ended does not pile up.

use model::{Batch, Labels, Matcher};
use std::ops::Range;
use std::path::Path;
use stdx::metrics::Registry;
use store::audit::Who;
use store::{Deletion, Settings, Store};

const MINUTE_MS: i64 = 60_000;
const START_MS: i64 = 1_700_000_000_000;

fn open(folder: &Path) -> Store {
    Store::open(folder, Settings::default(), &Registry::default()).unwrap()
}

/// A sample of each of these series in each of these minutes.
fn append(store: &Store, series: Range<usize>, minutes: Range<i64>) {
    let mut batch = Batch::default();
    for s in series {
        let labels = Labels::from_pairs([("__name__", "m".to_string()), ("s", s.to_string())]).unwrap();
        minutes.clone().for_each(|m| batch.push(&labels, START_MS + m * MINUTE_MS, (s as f64) + m as f64));
    }
    let sent = batch.samples.len() as u64;
    assert_eq!(store.append(batch).unwrap().wait_blocking().unwrap().accepted, sent);
}

/// Series, and samples of all.
fn read(store: &Store) -> (usize, usize) {
    let view = store.view();
    let found = view.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX, 1000, 1 << 30).unwrap();
    for series in &found {
        let s: f64 = series.labels.get("s").parse().unwrap();
        for (t, v) in series.timestamps_ms.iter().zip(&series.values) {
            assert_eq!(*v, s + ((t - START_MS) / MINUTE_MS) as f64, "{} at {t}", series.labels);
        }
    }
    (found.len(), found.iter().map(|series| series.values.len()).sum())
}

fn known(store: &Store) -> u64 {
    store.status().head_series
}

#[test]
fn series_that_go_on_are_known_once_and_those_that_ended_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 0..100, 0..20);
    store.flush_head().unwrap();
    assert_eq!((known(&store), store.take_new_series().len()), (100, 100));

    append(&store, 0..100, 20..40);
    assert_eq!((known(&store), store.take_new_series().len(), read(&store)), (100, 0, (100, 4_000)));
    store.flush_head().unwrap();

    // One in eight may have ended before the index is made anew.
    append(&store, 0..90, 40..60);
    store.flush_head().unwrap();
    assert_eq!((known(&store), read(&store)), (100, (100, 5_800)));
    append(&store, 50..110, 60..80);
    assert_eq!((known(&store), store.take_new_series().len()), (110, 10));
    store.flush_head().unwrap();
    assert_eq!((known(&store), read(&store)), (0, (110, 7_000)));
    append(&store, 50..110, 80..100);
    assert_eq!((known(&store), read(&store)), (60, (110, 8_200)));

    drop(store);
    let store = open(folder.path());
    assert_eq!((known(&store), read(&store)), (60, (110, 8_200)));
}

#[test]
fn a_short_head_says_little_of_which_series_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 0..100, 0..2);
    store.flush_head().unwrap();
    append(&store, 0..60, 2..4);
    store.flush_head().unwrap();
    assert_eq!((known(&store), read(&store)), (100, (100, 320)));
    append(&store, 0..40, 4..6);
    store.flush_head().unwrap();
    assert_eq!((known(&store), read(&store)), (0, (100, 400)), "more than half are missing");
}

#[test]
fn nothing_is_known_of_what_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 0..3, 0..20);
    let matchers = vec![vec![Matcher::equal("s", "1")]];
    let deletion = Deletion { matchers, start_ms: i64::MIN, end_ms: i64::MAX };
    let who = Who { user: "test".into(), host: "here".into(), address: String::new(), reason: "test".into() };
    store.delete_series(&deletion, &who, &|| START_MS).unwrap();
    let names = |store: &Store| {
        let values = |index: &store::LabelIndex| -> Vec<String> {
            index.names().flat_map(|(_, values)| values.map(|(v, _)| v.to_string())).collect()
        };
        store.view().with_head_index(values).unwrap()
    };
    assert_eq!((names(&store), read(&store)), (Vec::new(), (2, 40)));
    append(&store, 2..3, 20..21);
    assert_eq!(names(&store), ["m", "2"]);
}
