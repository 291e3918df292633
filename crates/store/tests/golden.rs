//! A data folder as an earlier build wrote it, kept beside this file: what was kept once can be read for ever. It must
//! never be written anew without a new format number. `MIDWATCH_BLESS=1` writes one where there is none.

#[path = "support/golden_tables.rs"]
mod tables;

use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
use model::{
    Batch, Histogram, HistogramAt, HistogramSample, Labels, Matcher, Metadata, MetricKind, SeriesData,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// Series of format 3: native histograms of each kind, with numbers between them, and numbers with a start.
const NEW_KINDS: [&str; 4] = ["custom", "exponential", "started", "taking turns"];

fn histogram(kind: &str, i: i64) -> Histogram {
    let (n, step) = (i as f64, i as i32);
    let exponential = Histogram {
        schema: if i < 300 { 3 } else { 2 },
        hint: ResetHint::from_number(u64::from(i % 100 != 0) + 1),
        count: 3.0 * n + 5.0,
        sum: n * 0.37,
        zero_threshold: 1e-128,
        zero_count: 5.0,
        positive: Buckets::from_pairs([(-7, n), (step / 100, n)].into_iter().filter(|(_, c)| *c > 0.0)),
        negative: Buckets::from_pairs([(4, n)].into_iter().filter(|(_, c)| *c > 0.0)),
        ..Histogram::default()
    };
    match kind {
        _ if i % 250 == 249 => Histogram::stale(),
        "exponential" => exponential,
        "custom" => Histogram {
            schema: CUSTOM_SCHEMA,
            hint: ResetHint::Gauge,
            count: n * 0.5 + 1.0,
            sum: if i % 2 == 0 { f64::NEG_INFINITY } else { -n },
            positive: Buckets::from_pairs([(0, 0.25), (2, n + 0.5)]),
            custom_bounds: [-0.5, 2.0].into(),
            ..Histogram::default()
        },
        _ => Histogram { count: n, ..exponential },
    }
}

/// Since when a sample of a new kind counts; 0 is not known.
fn start(kind: &str, i: i64) -> i64 {
    match kind {
        "custom" => 0,
        // Each begins where the one before ended.
        "exponential" => time("3", (i - 1).max(0)),
        _ if i < 100 => 0,
        _ => START_MS - i / 400,
    }
}

fn append_new(store: &Store, range: std::ops::Range<i64>) {
    for i in range {
        let mut batch = Batch::default();
        for kind in NEW_KINDS {
            let (timestamp_ms, start_ms) = (time("3", i), start(kind, i));
            if kind == "started" || kind == "taking turns" && i % 3 == 0 {
                if start_ms != 0 {
                    batch.starts.push((batch.samples.len() as u32, start_ms));
                }
                batch.push(&labels(kind), timestamp_ms, i as f64 * 0.1);
            } else {
                let at = HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(histogram(kind, i)) };
                batch.histograms.push(HistogramSample { series: batch.series.len() as u32, at });
                batch.series.push(labels(kind));
            }
        }
        assert_eq!(store.append(batch).unwrap().wait_blocking().unwrap().accepted, 4);
    }
}

fn check_new(series: &SeriesData, kind: &str) {
    let mut number = 0;
    let mut histograms = series.histograms.iter();
    for i in 0..IN_BLOCK + IN_LOG {
        if kind == "started" || kind == "taking turns" && i % 3 == 0 {
            assert_eq!(series.timestamps_ms[number], time("3", i));
            assert_eq!(series.values[number], i as f64 * 0.1);
            assert_eq!(series.starts_ms[number], start(kind, i));
            number += 1;
        } else {
            let at = histograms.next().unwrap();
            assert_eq!((at.timestamp_ms, at.start_ms), (time("3", i), start(kind, i)), "{kind} {i}");
            let want = histogram(kind, i);
            assert_eq!(format!("{:?}", at.histogram), format!("{want:?}"), "{kind} {i}");
            assert_eq!(at.histogram.sum.to_bits(), want.sum.to_bits());
        }
    }
    assert_eq!((number, histograms.next()), (series.values.len(), None));
}

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
    if format == "3" {
        append_new(&store, 0..IN_BLOCK);
    }
    store.flush_head().unwrap();
    append(format, &store, IN_BLOCK..IN_BLOCK + IN_LOG);
    if format == "3" {
        append_new(&store, IN_BLOCK..IN_BLOCK + IN_LOG);
    }
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

#[test]
fn a_folder_of_format_2_reads_back() {
    let (_folder, store) = reads_back("2");
    check_summaries(&store);
}

#[test]
fn a_folder_of_format_3_reads_back() {
    let (_folder, store) = reads_back("3");
    check_summaries(&store);
    // Of native histograms there are none: who asks for them gets samples.
    for (kind, has_summaries) in [("started", true), ("custom", false), ("taking turns", false)] {
        let matchers = [Matcher::equal("kind", kind)];
        let query = SummaryQuery {
            matchers: &matchers,
            start_ms: START_MS - 1,
            end_ms: START_MS + HOUR_MS,
            resolutions: &[MINUTE_MS],
            any_for_removed: false,
            series_max: 10,
            samples_max: 10_000,
        };
        let found = store.view().summaries(&query).unwrap();
        assert_eq!(found.is_some(), has_summaries, "{kind}");
    }
}

/// With summaries in the file's own words: what they say is what the samples in the block say.
fn check_summaries(store: &Store) {
    for resolution_ms in [MINUTE_MS, HOUR_MS] {
        let numbers = Matcher::new("kind", model::MatchOp::Regex, KINDS.join("|")).unwrap();
        let query = SummaryQuery {
            matchers: &[numbers],
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
    let all_kinds = if format == "3" { 8 } else { 4 };
    assert_eq!((store.status().blocks, store.status().head_samples), (1, all_kinds * IN_LOG as u64));
    assert_eq!(store.metadata_of("golden"), Some(metadata()));
    let view = store.view();
    let mut found =
        view.select(&[Matcher::equal("__name__", "golden")], i64::MIN, i64::MAX, 10, 100_000).unwrap();
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    assert_eq!(view.warnings(), Vec::<String>::new());
    if format == "3" {
        for kind in NEW_KINDS {
            let at = found.iter().position(|s| s.labels == labels(kind)).unwrap();
            check_new(&found.remove(at), kind);
        }
    }
    assert_eq!(found.len(), KINDS.len());
    for (series, kind) in found.iter().zip(KINDS) {
        assert_eq!(series.labels, labels(kind));
        let want = (0..IN_BLOCK + IN_LOG).map(|i| (time(format, i), value(kind, i).to_bits()));
        let have = series.timestamps_ms.iter().copied().zip(series.values.iter().map(|v| v.to_bits()));
        assert!(have.eq(want), "{kind}");
    }
    (scratch, store)
}
