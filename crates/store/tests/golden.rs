//! A data folder as an earlier build wrote it, kept beside this file: what was kept once can be read for ever. It must
//! never be written anew without a new format number. `MIDWATCH_BLESS=1` writes one where there is none.

use model::{Batch, Labels, Matcher, Metadata, MetricKind};
use std::path::{Path, PathBuf};
use stdx::metrics::Registry;
use store::{Settings, Store};

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

fn append(store: &Store, range: std::ops::Range<i64>) {
    for i in range {
        let mut batch = Batch::default();
        for kind in KINDS {
            // Not quite regular, as scrapes are.
            batch.push(&labels(kind), START_MS + i * 1000 + i % 3, value(kind, i));
        }
        store.append(batch).unwrap().wait_blocking().unwrap();
    }
}

fn metadata() -> Metadata {
    let text = |t: &str| t.to_string();
    Metadata { metric: text("golden"), kind: MetricKind::Gauge, help: text("Old."), unit: text("bytes") }
}

fn write(folder: &Path) {
    let store = open(folder);
    let batch = Batch { metadata: vec![metadata()], ..Batch::default() };
    store.append(batch).unwrap().wait_blocking().unwrap();
    append(&store, 0..IN_BLOCK);
    store.flush_head().unwrap();
    append(&store, IN_BLOCK..IN_BLOCK + IN_LOG);
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
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/1");
    let scratch = tempfile::tempdir().unwrap();
    if std::env::var_os("MIDWATCH_BLESS").is_some() && !golden.exists() {
        write(scratch.path());
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
        let want = (0..IN_BLOCK + IN_LOG).map(|i| (START_MS + i * 1000 + i % 3, value(kind, i).to_bits()));
        let have = series.timestamps_ms.iter().copied().zip(series.values.iter().map(|v| v.to_bits()));
        assert!(have.eq(want), "{kind}");
    }
}
