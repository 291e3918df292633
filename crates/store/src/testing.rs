//! What tests of data folders share: a small folder that has a file of every type.

use crate::{Settings, Store};
use model::{Batch, Labels, Matcher, Metadata, MetricKind, SeriesData};
use std::path::{Path, PathBuf};
use stdx::metrics::Registry;

/// Time of the first sample.
pub const START_MS: i64 = 1_700_000_000_000;
/// Series of every batch.
pub const SERIES: i64 = 6;

/// Opens a folder with the usual settings.
pub fn open(folder: &Path) -> Store {
    Store::open(folder, Settings::default(), &Registry::default()).unwrap()
}

/// Appends and waits: acknowledged. One sample of each series for each number.
pub fn append(store: &Store, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let mut batch = Batch::default();
        for s in 0..SERIES {
            let labels = Labels::from_pairs([("__name__", "m"), ("s", &s.to_string())]).unwrap();
            let value = if s == 0 { 7.0 } else { (number * s) as f64 * if s % 2 == 0 { 1.0 } else { 0.37 } };
            batch.push(&labels, START_MS + number * 1000 + number % 3, value);
        }
        let text = |t: &str| t.to_string();
        batch.metadata.push(Metadata {
            metric: text("m"),
            kind: MetricKind::Gauge,
            help: text("Help."),
            unit: text("bytes"),
        });
        store.append(batch).unwrap().wait_blocking().unwrap();
    }
}

/// Two blocks and a log with 30 numbers. Returns how many numbers there are.
pub fn fill(folder: &Path) -> i64 {
    let store = open(folder);
    append(&store, 0..50);
    store.flush_head().unwrap();
    append(&store, 50..90);
    store.flush_head().unwrap();
    append(&store, 90..120);
    120
}

/// Everything in a folder, by opening it.
pub fn contents(folder: &Path) -> Vec<SeriesData> {
    let store = open(folder);
    assert_eq!(store.status().messages, Vec::<String>::new());
    everything(&store.view())
}

/// Everything in a view, in order of labels.
pub fn everything(view: &crate::View) -> Vec<SeriesData> {
    let all = [Matcher::equal("__name__", "m")];
    let mut found = view.select(&all, i64::MIN, i64::MAX, 1_000, 10_000_000).unwrap();
    assert_eq!(view.warnings(), Vec::<String>::new());
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    found
}

/// Every file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => out.extend(files(&path)),
            false => out.push(path),
        }
    }
    out.sort();
    out
}
