//! A data folder as an earlier build wrote it, kept beside this file: what was kept once can be read for ever. It must
//! never be written anew without a new format number. `MIDWATCH_BLESS=1` writes one where there is none.

use model::{Batch, Labels, Matcher, Metadata, MetricKind};
use std::path::{Path, PathBuf};
use stdx::metrics::Registry;
use store::{Grid, HOUR_MS, MINUTE_MS, Settings, Store, SummaryQuery};

const START_MS: i64 = 1_700_000_000_000;
/// More than one chunk of the block, and an open end in the log.
const IN_BLOCK: i64 = 700;
const IN_LOG: i64 = 50;

fn open(folder: &Path) -> Store {
    Store::open(folder, Settings::default(), &Registry::default()).unwrap()
}

fn labels(kind: &str) -> Labels {
    Labels::from_pairs([("__name__", "golden"), ("kind", kind), ("text", "ä \"x\"\n")]).unwrap()
}

/// One of each encoding: whole numbers, fractions, one value, and what is no number.
fn value(kind: &str, i: i64) -> f64 {
    match kind {
        "whole" => (i * i % 1009) as f64,
        "fraction" => (i as f64 * 0.37).sin(),
        "constant" => 42.0,
        _ => [f64::INFINITY, f64::from_bits(0x7ff0_0000_0000_0002), -0.0, 1e-300][(i % 4) as usize],
    }
}

const KINDS: [&str; 4] = ["constant", "fraction", "odd", "whole"];

/// In format 2 what is in the log comes hours later: of the hours before only summaries and samples on disk are asked.
fn time(format: &str, i: i64) -> i64 {
    let later_ms = if format != "1" && i >= IN_BLOCK { 8 * HOUR_MS } else { 0 };
    // Not quite regular, as scrapes are.
    START_MS + i * 1000 + i % 3 + later_ms
}

fn append(format: &str, store: &Store, range: std::ops::Range<i64>) {
    for i in range {
        let mut batch = Batch::default();
        for kind in KINDS {
            batch.push(&labels(kind), time(format, i), value(kind, i));
        }
        store.append(batch).unwrap().wait_blocking().unwrap();
    }
}

fn metadata() -> Metadata {
    let text = |t: &str| t.to_string();
    Metadata { metric: text("golden"), kind: MetricKind::Gauge, help: text("Old."), unit: text("bytes") }
}

fn write(format: &str, folder: &Path) {
    let store = open(folder);
    let batch = Batch { metadata: vec![metadata()], ..Batch::default() };
    store.append(batch).unwrap().wait_blocking().unwrap();
    append(format, &store, 0..IN_BLOCK);
    store.flush_head().unwrap();
    append(format, &store, IN_BLOCK..IN_BLOCK + IN_LOG);
    // Both tiers: days later all of it is over.
    store.maintain(START_MS + 6 * 86_400_000, 0).unwrap();
    store.maintain(START_MS + 6 * 86_400_000, 0).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => std::fs::copy(entry.path(), to).map(|_| ()).unwrap(),
        }
    }
}

#[test]
fn a_folder_of_format_1_reads_back() {
    reads_back("1");
}

/// With summaries in the file's own words: what they say is what the samples in the block say.
#[test]
fn a_folder_of_format_2_reads_back() {
    let (_folder, store) = reads_back("2");
    for resolution_ms in [MINUTE_MS, HOUR_MS] {
        let query = SummaryQuery {
            matchers: &[Matcher::equal("__name__", "golden")],
            start_ms: START_MS - 1,
            end_ms: START_MS + 2 * HOUR_MS,
            resolutions: &[resolution_ms],
            any_for_removed: false,
            series_max: 10,
            samples_max: 10_000,
        };
        let found = store.view().summaries(&query).unwrap().expect("summaries");
        assert_eq!(found.series.len(), KINDS.len());
        for series in found.series {
            let kind = series.labels.get("kind").to_string();
            let mut i = 0;
            for b in series.buckets(Grid::of(resolution_ms)).unwrap() {
                let inside = (i..IN_BLOCK).take_while(|i| time("2", *i) <= b.end_ms);
                let all: Vec<f64> = inside.clone().map(|i| value(&kind, i)).collect();
                i += all.len() as i64;
                let values: Vec<f64> = all.iter().copied().filter(|v| !model::is_stale(*v)).collect();
                assert_eq!(b.count, values.len() as u64);
                assert_eq!(b.first.to_bits(), values[0].to_bits());
                assert_eq!(b.last.to_bits(), values[values.len() - 1].to_bits());
                assert_eq!(b.max, values.iter().copied().fold(f64::NAN, f64::max));
                let sum: f64 = values.iter().sum();
                assert!(b.sum == sum || (b.sum - sum).abs() < 1e-9, "{} {sum}", b.sum);
                assert_eq!(b.stale_ms.is_some(), all.last().is_some_and(|v| model::is_stale(*v)));
            }
            assert_eq!(i, IN_BLOCK);
        }
    }
}

fn reads_back(format: &str) -> (tempfile::TempDir, Store) {
    let golden =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/golden").join(format);
    let scratch = tempfile::tempdir().unwrap();
    if std::env::var_os("MIDWATCH_BLESS").is_some() && !golden.exists() {
        write(format, scratch.path());
        copy(scratch.path(), &golden);
        std::fs::remove_file(golden.join("LOCK")).unwrap();
    }
    let folder = scratch.path().join("copy");
    copy(&golden, &folder);
    let store = open(&folder);
    assert_eq!(store.status().messages, Vec::<String>::new());
    assert_eq!((store.status().blocks, store.status().head_samples), (1, 4 * IN_LOG as u64));
    assert_eq!(store.metadata_of("golden"), Some(metadata()));
    let view = store.view();
    let mut found =
        view.select(&[Matcher::equal("__name__", "golden")], i64::MIN, i64::MAX, 10, 10_000).unwrap();
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    assert_eq!(view.warnings(), Vec::<String>::new());
    assert_eq!(found.len(), KINDS.len());
    for (series, kind) in found.iter().zip(KINDS) {
        assert_eq!(series.labels, labels(kind));
        let want = (0..IN_BLOCK + IN_LOG).map(|i| (time(format, i), value(kind, i).to_bits()));
        let have = series.timestamps_ms.iter().copied().zip(series.values.iter().map(|v| v.to_bits()));
        assert!(have.eq(want), "{kind}");
    }
    (scratch, store)
}
