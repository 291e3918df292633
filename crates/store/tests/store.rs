//! The store from outside: what was acknowledged is there, once, whatever is cut, merged, removed or
//! reopened in between.

use model::{Batch, Labels, Matcher, MetricKind};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use stdx::ErrorKind;
use stdx::metrics::Registry;
use store::{Settings, Store};

const NOW_MS: i64 = 1_700_000_000_000;

fn open(folder: &Path, settings: Settings) -> Store {
    Store::open(folder, settings, &Registry::default()).unwrap()
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_string()), ("s", series.to_string())]).unwrap()
}

fn append(store: &Store, samples: &[(usize, i64, f64)]) -> store::Appended {
    let mut batch = Batch::default();
    samples.iter().for_each(|(s, t, v)| batch.push(&labels(*s), *t, *v));
    store.append(batch).unwrap().wait_blocking().unwrap()
}

fn read(store: &Store) -> BTreeMap<(String, i64), f64> {
    let view = store.view();
    let found = view.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX, 1000, 1 << 30).unwrap();
    assert_eq!(view.warnings(), Vec::<String>::new());
    let mut out = BTreeMap::new();
    for series in found {
        for (t, v) in series.timestamps_ms.iter().zip(&series.values) {
            assert!(out.insert((series.labels.get("s").to_string(), *t), *v).is_none());
        }
    }
    out
}

#[derive(Clone, Debug)]
enum Step {
    /// Series, time, value.
    Append(Vec<(usize, i64, i8)>),
    Cut,
    Maintain,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sample = (0..4usize, 0..60i64, 0..3i8);
    let step = prop_oneof![
        6 => prop::collection::vec(sample, 0..80).prop_map(Step::Append),
        2 => Just(Step::Cut),
        2 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Against a map: every acknowledged instant is there once, and its value is one that was sent and
    /// acknowledged for it.
    #[test]
    fn the_same_as_a_map(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { merge_blocks: 2, ..Settings::default() };
        let mut store = Some(open(folder.path(), settings.clone()));
        let mut sent: BTreeMap<(String, i64), Vec<f64>> = BTreeMap::new();
        for step in steps {
            let s = store.as_ref().unwrap();
            match step {
                Step::Append(samples) => {
                    let samples: Vec<_> =
                        samples.iter().map(|(s, t, v)| (*s, NOW_MS + t * 1000, f64::from(*v))).collect();
                    let outcome = append(s, &samples);
                    let rejected: u64 = outcome.rejects.iter().map(|r| r.samples).sum();
                    prop_assert_eq!(outcome.accepted + rejected, samples.len() as u64);
                    for (s, t, v) in samples {
                        sent.entry((s.to_string(), t)).or_default().push(v);
                    }
                }
                Step::Cut => s.flush_head().unwrap(),
                Step::Maintain => s.maintain(NOW_MS + 60_000, 0).unwrap(),
                Step::Reopen => {
                    drop(store.take());
                    store = Some(open(folder.path(), settings.clone()));
                }
            }
            let found = read(store.as_ref().unwrap());
            prop_assert!(found.keys().eq(sent.keys()), "instants differ");
            for (key, value) in &found {
                prop_assert!(sent[key].contains(value), "{:?} has {} of {:?}", key, value, sent[key]);
            }
        }
    }
}

#[test]
fn the_first_value_of_an_instant_stays_and_a_retry_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    assert_eq!(append(&store, &[(0, 1000, 1.0), (0, 2000, 2.0)]).accepted, 2);
    assert_eq!(append(&store, &[(0, 1000, 1.0), (0, 2000, 2.0)]).accepted, 2);
    let outcome = append(&store, &[(0, 1000, 9.0), (0, 2000, 9.0), (0, 3000, 3.0)]);
    assert_eq!((outcome.accepted, outcome.rejects.len(), outcome.rejects[0].samples), (1, 1, 2));
    assert!(outcome.rejects[0].message.contains("1000"), "{:?}", outcome.rejects);
    assert_eq!(read(&store).values().copied().collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
}

#[test]
fn a_late_value_cannot_contradict_another_of_its_own_batch() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    append(&store, &[(0, 9000, 9.0)]);
    let outcome =
        append(&store, &[(0, 1000, 1.0), (0, 1000, 2.0), (0, 1000, 1.0), (1, 7000, 1.0), (1, 7000, 2.0)]);
    assert_eq!((outcome.accepted, outcome.rejects[0].samples), (3, 2));
    assert_eq!(read(&store).values().copied().collect::<Vec<_>>(), [1.0, 9.0, 1.0]);
}

#[test]
fn retention_by_age_and_by_size_removes_whole_blocks_and_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention_ms: 10_000, ..Settings::default() };
    let store = open(folder.path(), settings.clone());
    append(&store, &[(0, 1000, 1.0)]);
    store.flush_head().unwrap();
    append(&store, &[(0, 8000, 2.0)]);
    store.flush_head().unwrap();
    let view = store.view();
    store.maintain(12_000, 0).unwrap();
    assert_eq!(read(&store).len(), 1);
    let files = || std::fs::read_dir(folder.path().join("blocks")).unwrap().count();
    // A reader that began before still reads what it saw.
    assert_eq!((view.select(&[], 0, 1 << 40, 10, 10).unwrap()[0].values.len(), files()), (2, 4));
    drop(view);
    store.maintain(12_000, 0).unwrap();
    assert_eq!(files(), 2);
    drop(store);

    let store = open(folder.path(), Settings { blocks_bytes_max: 10, ..settings });
    store.maintain(12_000, 0).unwrap();
    store.maintain(12_000, 0).unwrap();
    assert_eq!((read(&store).len(), files()), (0, 0));
}

#[test]
fn the_log_is_short_again_after_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings { wal_bytes_max: 2000, ..Settings::default() });
    for t in 0..1000 {
        append(&store, &[(0, t * 1000, t as f64), (1, t * 1000, 0.5)]);
    }
    let before = store.status();
    store.maintain(0, 0).unwrap();
    let after = store.status();
    assert!(before.wal_bytes > 2000 && after.wal_bytes == 0, "{} {}", before.wal_bytes, after.wal_bytes);
    assert_eq!((after.blocks, after.blocks_samples, after.head_samples), (1, 2000, 0));
    assert_eq!(read(&store).len(), 2000);
}

#[test]
fn metadata_and_limits() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { series_max: 2, ..Settings::default() };
    let store = open(folder.path(), settings.clone());
    let metadata = model::Metadata {
        metric: "m".into(),
        kind: MetricKind::Counter,
        help: "Help.".into(),
        unit: String::new(),
    };
    let batch = Batch { metadata: vec![metadata.clone()], ..Batch::default() };
    store.append(batch).unwrap().wait_blocking().unwrap();
    let outcome = append(&store, &[(0, 1, 1.0), (1, 1, 1.0), (2, 1, 1.0), (0, 2, 2.0)]);
    assert_eq!((outcome.accepted, outcome.rejects[0].reason.as_str()), (3, "too_many_series"));
    let error = store.view().select(&[], 0, 10, 1, 10).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    // It survives the cut, the removal of the old segments, and a new start.
    append(&store, &[(0, 3, 1.0)]);
    store.flush_head().unwrap();
    append(&store, &[(0, 4, 1.0)]);
    drop(store);
    let store = open(folder.path(), settings);
    assert_eq!(store.metadata_of("m"), Some(metadata));
    assert_eq!(store.take_new_series().len(), 1);
}

#[test]
fn a_damaged_block_is_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    append(&store, &[(0, 1000, 1.0)]);
    store.flush_head().unwrap();
    append(&store, &[(0, 2000, 2.0)]);
    store.flush_head().unwrap();
    drop(store);
    let damaged = folder.path().join("blocks/000000000000.chunks.parquet");
    std::fs::write(&damaged, b"PAR1 nonsense").unwrap();
    let store = open(folder.path(), Settings::default());
    assert_eq!(store.status().messages.len(), 1);
    let view = store.view();
    let found = view.select(&[], 0, 10_000, 10, 10).unwrap();
    assert_eq!((found[0].values.as_slice(), view.warnings().len()), ([2.0].as_slice(), 1));
}

#[test]
fn labels_are_confirmed_by_a_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    append(&store, &[(0, 1000, 1.0)]);
    store.flush_head().unwrap();
    drop(store);
    let file = folder.path().join("blocks/000000000000.series.parquet");
    let whole = std::fs::read(&file).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        let view = open(folder.path(), Settings::default()).view();
        assert_eq!(view.select(&[], 0, 10_000, 10, 10).unwrap(), vec![], "byte {at}");
        assert_eq!(view.warnings().len(), 1);
    }
}

/// What a power cut can leave: a manifest that is there, and empty, while older blocks and their log are gone.
#[test]
fn a_damaged_newest_manifest_costs_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { merge_blocks: 2, ..Settings::default() };
    let store = open(folder.path(), settings.clone());
    for t in 1..=5 {
        append(&store, &[(0, t * 1000, t as f64), (1, t * 1000, 0.5)]);
        store.flush_head().unwrap();
        if t == 3 {
            store.maintain(10_000, 0).unwrap();
            store.maintain(10_000, 0).unwrap();
        }
    }
    append(&store, &[(0, 6000, 6.0)]);
    let want = read(&store);
    drop(store);
    for damaged in 1..=3 {
        let mut manifests: Vec<_> =
            std::fs::read_dir(folder.path().join("manifest")).unwrap().map(|e| e.unwrap().path()).collect();
        manifests.sort();
        for path in manifests.iter().rev().take(damaged) {
            std::fs::write(path, b"").unwrap();
        }
        let store = open(folder.path(), settings.clone());
        assert!(store.status().messages.len() >= damaged, "{:?}", store.status().messages);
        assert_eq!(read(&store), want);
    }
}

#[test]
fn what_a_crash_left_half_written_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    append(&store, &[(0, 1000, 1.0)]);
    store.flush_head().unwrap();
    drop(store);
    for name in [
        "blocks/000000000001.chunks.parquet#1",
        "manifest/000000000009.json#1",
        "blocks/000000000007.series.parquet",
    ] {
        std::fs::write(folder.path().join(name), b"half").unwrap();
    }
    let store = open(folder.path(), Settings::default());
    let count = |sub: &str| std::fs::read_dir(folder.path().join(sub)).unwrap().count();
    assert_eq!((count("blocks"), count("manifest"), read(&store).len()), (2, 3, 1));
}

#[test]
fn a_clock_that_jumps_ahead_removes_nothing_for_a_day() {
    const DAY_MS: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention_ms: 10 * DAY_MS, ..Settings::default() };
    let store = open(folder.path(), settings.clone());
    append(&store, &[(0, NOW_MS, 1.0)]);
    store.flush_head().unwrap();
    store.maintain(NOW_MS, 1000).unwrap();
    assert!(store.status().messages.is_empty());
    // Set ahead, and right again an hour later.
    store.maintain(NOW_MS + 400 * DAY_MS, 2000).unwrap();
    assert_eq!(store.status().messages.len(), 1);
    store.maintain(NOW_MS, 3_600_000).unwrap();
    assert_eq!(read(&store).len(), 1);
    // A clock that stays there for a day is believed, as is one that got there by running.
    store.maintain(NOW_MS + 400 * DAY_MS, 3_700_000).unwrap();
    store.maintain(NOW_MS + 402 * DAY_MS, 3_700_000 + 2 * DAY_MS as u64).unwrap();
    assert_eq!((read(&store).len(), store.status().messages.len()), (0, 0));
    append(&store, &[(0, NOW_MS, 1.0)]);
    store.flush_head().unwrap();
    drop(store);
    // A start long after the last sample is no reason either.
    let store = open(folder.path(), settings);
    store.maintain(NOW_MS + 400 * DAY_MS, 5000).unwrap();
    assert_eq!(read(&store).len(), 1);
    store.maintain(NOW_MS + 401 * DAY_MS, 5000 + DAY_MS as u64).unwrap();
    assert_eq!(read(&store).len(), 0);
}

/// A day of retention, and blocks of an hour each for two days: what is kept stays near what was asked for.
#[test]
fn merging_does_not_keep_samples_for_much_longer_than_retention() {
    const HOUR_MS: i64 = 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { retention_ms: 24 * HOUR_MS, merge_blocks: 2, ..Settings::default() };
    let store = open(folder.path(), settings);
    for hour in 0..48 {
        let at_ms = NOW_MS + hour * HOUR_MS;
        append(&store, &[(0, at_ms, hour as f64), (0, at_ms + HOUR_MS - 1, 0.5)]);
        store.flush_head().unwrap();
        for _ in 0..4 {
            store.maintain(at_ms + HOUR_MS, (hour * HOUR_MS) as u64).unwrap();
        }
    }
    let oldest_ms = store.status().oldest_ms.unwrap();
    let kept = (NOW_MS + 48 * HOUR_MS - oldest_ms) / HOUR_MS;
    assert!((24..=26).contains(&kept), "{kept} hours are kept");
    assert!(store.status().blocks < 20, "neighbours are merged: {} blocks", store.status().blocks);
}

/// A folder that stands where a file should be: reading fails, and not because nothing is there.
#[test]
fn what_cannot_be_read_is_left_out_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings { merge_blocks: 2, ..Settings::default() });
    for t in 1..=3 {
        append(&store, &[(0, t * 1000, t as f64)]);
        store.flush_head().unwrap();
    }
    append(&store, &[(0, 9000, 9.0)]);
    drop(store);
    let file = folder.path().join("blocks/000000000000.chunks.parquet");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    std::fs::create_dir(folder.path().join("wal/000000000099.wal")).unwrap();
    let store = open(folder.path(), Settings { merge_blocks: 2, ..Settings::default() });
    assert!(
        store.status().messages.iter().any(|m| m.contains("segment 99")),
        "{:?}",
        store.status().messages
    );
    for _ in 0..4 {
        store.maintain(10_000, 0).unwrap();
    }
    let view = store.view();
    let found = view.select(&[], 0, 10_000, 10, 10).unwrap();
    assert_eq!((found[0].values.as_slice(), view.warnings().len()), ([2.0, 3.0, 9.0].as_slice(), 1));
    // The two that can be read are merged all the same.
    assert_eq!(store.status().blocks, 2);
}

/// The log of many batches with one damaged byte: what comes before is there, and the file is kept.
#[test]
fn a_damaged_log_is_kept_for_whoever_can_read_more_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    for t in 1..=100 {
        append(&store, &[(0, t * 1000, t as f64)]);
    }
    drop(store);
    let segment = folder.path().join("wal/000000000001.wal");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&segment, &bytes).unwrap();
    let store = open(folder.path(), Settings::default());
    let kept = read(&store).len();
    assert!((40..60).contains(&kept), "{kept}");
    assert!(store.status().messages[0].contains("damaged"), "{:?}", store.status().messages);
    store.flush_head().unwrap();
    assert!(!segment.exists());
    assert_eq!(std::fs::read(folder.path().join("wal/000000000001.wal.damaged")).unwrap(), bytes);
}

#[test]
fn a_block_that_only_a_damaged_manifest_named_is_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    append(&store, &[(0, 1000, 1.0)]);
    store.flush_head().unwrap();
    drop(store);
    let newest = folder.path().join("manifest/000000000002.json");
    std::fs::write(newest, b"").unwrap();
    let chunks = folder.path().join("blocks/000000000000.chunks.parquet");
    let whole = std::fs::read(&chunks).unwrap();
    std::fs::write(&chunks, &whole[..whole.len() - 1]).unwrap();
    for _ in 0..2 {
        let store = open(folder.path(), Settings::default());
        assert_eq!(read(&store).len(), 0);
        assert!(folder.path().join("blocks/000000000000.chunks.parquet.damaged").exists());
    }
}

/// A commit that fails may have given the manifest its name all the same. The store goes on past it.
#[test]
fn a_failed_commit_is_superseded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    append(&store, &[(0, 1000, 1.0)]);
    std::fs::copy(
        folder.path().join("manifest/000000000001.json"),
        folder.path().join("manifest/000000000002.json"),
    )
    .unwrap();
    assert_eq!(store.flush_head().unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(read(&store).len(), 1);
    append(&store, &[(0, 2000, 2.0)]);
    store.flush_head().unwrap();
    assert_eq!((store.status().blocks, read(&store).len()), (1, 2));
    drop(store);
    assert_eq!(read(&open(folder.path(), Settings::default())).len(), 2);
}

/// A rollout replaces every series: what has ended goes into a block long before the head is old.
#[test]
fn series_that_end_do_not_pile_up_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings { silent_series_min: 20, ..Settings::default() });
    let generation = |n: i64, at_ms: i64| {
        let mut batch = Batch::default();
        for i in 0..20 {
            let labels =
                Labels::from_pairs([("__name__", "up".into()), ("pod", format!("{n}-{i}"))]).unwrap();
            batch.push(&labels, at_ms, 1.0);
        }
        store.append(batch).unwrap().wait_blocking().unwrap();
    };
    generation(0, 0);
    generation(1, 600_000);
    store.maintain(600_000, 1_000).unwrap();
    assert_eq!((store.status().blocks, store.status().head_series), (0, 40), "the first may go on");
    generation(2, 600_001);
    store.maintain(600_001, 2_000).unwrap();
    assert_eq!(store.status().blocks, 0, "not counted at every call");
    generation(1, 600_002);
    store.maintain(600_002, 40_000).unwrap();
    assert_eq!(store.status().blocks, 0, "a third has ended, which is not most");
    for n in 3..6 {
        generation(n, 1_300_000);
    }
    store.maintain(1_300_000, 80_000).unwrap();
    assert_eq!((store.status().blocks, store.status().head_series), (1, 0));
    assert_eq!(store.view().series(&[], i64::MIN, i64::MAX, usize::MAX).unwrap().len(), 120);
}

/// Samples leave memory when they outweigh their series; series that are more than the budget are no reason to refuse.
#[test]
fn memory_is_given_back_early_and_never_by_refusing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { head_samples_bytes_min: 1000, ..Settings::default() };
    let store = open(folder.path(), settings.clone());
    for t in 0..200i64 {
        append(&store, &[(0, t * 1000, t as f64 * 0.7)]);
    }
    store.maintain(0, 0).unwrap();
    assert_eq!((store.status().blocks, store.status().head_samples), (1, 0));
    for t in 200..210i64 {
        append(&store, &[(0, t * 1000, t as f64 * 0.7)]);
    }
    store.maintain(0, 5_000).unwrap();
    assert_eq!((store.status().blocks, store.status().head_samples), (1, 10), "not worth a block");
    drop(store);

    let store = open(folder.path(), Settings { head_bytes_max: 1, ..settings });
    for round in 0..5i64 {
        append(&store, &(0..100).map(|s| (s, (300 + round) * 1000, 1.0)).collect::<Vec<_>>());
        store.maintain(0, round as u64 * 5_000).unwrap();
    }
    assert_eq!(read(&store).len(), 210 + 500);
}

/// What waits for the writer is bounded in bytes; what is refused says by which bound, and what was taken is kept.
#[test]
fn the_queue_has_a_bound_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings { queue_bytes_max: 1, ..Settings::default() });
    let batch = |from: i64, count: i64| {
        let mut batch = Batch::default();
        (from..from + count).for_each(|t| batch.push(&labels(0), t, 1.0));
        batch
    };
    // While the writer has the first, the others wait.
    let mut taken = vec![store.append(batch(0, 100_000)).unwrap()];
    let refused = (100_000..200_000).find_map(|t| match store.append(batch(t, 1)) {
        Ok(pending) => {
            taken.push(pending);
            None
        }
        Err(e) => Some(e),
    });
    let refused = refused.expect("the writer was never busy");
    assert_eq!((refused.kind, refused.bound), (ErrorKind::Busy, Some("store.queue_memory")), "{refused}");
    let kept = taken.len() - 1 + 100_000;
    taken.into_iter().for_each(|pending| drop(pending.wait_blocking().unwrap()));
    assert_eq!(read(&store).len(), kept);
    append(&store, &[(1, 0, 1.0)]);
}
