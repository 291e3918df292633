//! Blocks on their way to the archive and back: what is read, what is told, and what a crash or a fault leaves.

use crate::{Settings, Store};
use model::{Batch, Labels, Matcher};
use std::cell::Cell;
use std::path::Path;
use stdx::ErrorKind;
use stdx::metrics::Registry;

const DAY_MS: i64 = 86_400_000;
const NOW_MS: i64 = 1_700_000_000_000;

fn settings(home: &Path) -> Settings {
    Settings { archive: Some(home.join("archive")), archive_after_ms: 10 * DAY_MS, ..Settings::default() }
}

fn open(home: &Path, settings: &Settings) -> Store {
    Store::open(&home.join("data"), settings.clone(), &Registry::default()).unwrap()
}

/// A block with one sample of one series for each of some days before now.
fn block(store: &Store, days: &[i64], value: f64) {
    let mut batch = Batch::default();
    let labels = Labels::from_pairs([("__name__", "m")]).unwrap();
    days.iter().for_each(|day| batch.push(&labels, NOW_MS - day * DAY_MS, value));
    store.append(batch).unwrap().wait_blocking().unwrap();
    store.flush_head().unwrap();
}

/// Days before now and values of what a query finds, oldest first, and whether it says that something is archived.
fn read(store: &Store) -> (Vec<(i64, f64)>, bool) {
    let view = store.view();
    let found = view.select(&[Matcher::equal("__name__", "m")], 0, NOW_MS, 10, 1000).unwrap();
    let samples = found.iter().flat_map(|s| s.timestamps_ms.iter().zip(&s.values));
    let samples = samples.map(|(t, v)| ((NOW_MS - t) / DAY_MS, *v)).collect();
    let warnings = view.warnings();
    assert!(warnings.iter().all(|w| w.contains("midwatch archive restore --start 20")), "{warnings:?}");
    (samples, !warnings.is_empty())
}

fn files(home: &Path, folder: &str) -> usize {
    std::fs::read_dir(home.join(folder).join("blocks")).map_or(0, |files| files.count())
}

#[test]
fn old_blocks_move_away_and_come_back_for_a_while() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let store = open(home, &settings(home));
    // The first value of an instant counts, wherever its block is: day 15 is in two.
    block(&store, &[25, 15], 1.0);
    block(&store, &[15, 12], 2.0);
    block(&store, &[3, 1], 3.0);
    let all = vec![(25, 1.0), (15, 1.0), (12, 2.0), (3, 3.0), (1, 3.0)];
    assert_eq!(read(&store), (all.clone(), false));
    store.archive(NOW_MS, &|| true).unwrap();
    store.maintain(NOW_MS, 0).unwrap();
    assert_eq!(read(&store), (vec![(3, 3.0), (1, 3.0)], true));
    assert_eq!((files(home, "data"), files(home, "archive")), (2, 4));
    let archived = store.archive_reading().blocks;
    let days = |t: i64| (NOW_MS - t) / DAY_MS;
    assert_eq!(
        archived.iter().map(|b| (days(b.first_ms), days(b.last_ms))).collect::<Vec<_>>(),
        [(25, 15), (15, 12)]
    );
    assert!(
        archived.iter().all(|b| b.bytes > 0 && b.samples == 2 && b.series == 1 && b.here_until_ms.is_none())
    );

    // The later of the two comes first, then the other.
    let at = |day: i64| NOW_MS - day * DAY_MS;
    let until = NOW_MS + 7 * DAY_MS;
    assert_eq!(store.bring_back(at(13), at(12), until, NOW_MS).unwrap().to_copy, 1);
    assert!(store.archive_reading().blocks[1].is_coming);
    drop(store);
    let store = open(home, &settings(home));
    store.archive(NOW_MS, &|| true).unwrap();
    assert_eq!(read(&store), (vec![(15, 2.0), (12, 2.0), (3, 3.0), (1, 3.0)], true));
    assert_eq!(store.bring_back(at(40), at(11), until, NOW_MS).unwrap().to_copy, 1);
    store.archive(NOW_MS, &|| true).unwrap();
    assert_eq!(read(&store), (all, false));
    assert!(store.archive_reading().blocks.iter().all(|b| !b.is_coming && b.here_until_ms == Some(until)));

    // It stays for that time, whatever retention says, is not archived anew, and goes then.
    store.archive(NOW_MS, &|| true).unwrap();
    store.maintain(until - 1, 7 * DAY_MS as u64).unwrap();
    assert_eq!((files(home, "data"), files(home, "archive")), (6, 4));
    store.bring_back(at(13), at(12), NOW_MS, NOW_MS).unwrap();
    store.maintain(until - 1, 7 * DAY_MS as u64).unwrap();
    assert_eq!(files(home, "data"), 4);
    store.maintain(until, 7 * DAY_MS as u64 + 1).unwrap();
    assert_eq!((files(home, "data"), files(home, "archive")), (2, 4));

    let error = store.bring_back(at(9), at(8), until, NOW_MS).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    // The archive has a retention of its own.
    drop(store);
    let short = Settings { archive_retention_ms: Some(14 * DAY_MS), ..settings(home) };
    open(home, &short).archive(NOW_MS, &|| true).unwrap();
    assert_eq!(files(home, "archive"), 2);
}

#[test]
fn the_limit_on_size_archives_before_it_removes() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let store = open(home, &settings(home));
    block(&store, &[3], 1.0);
    block(&store, &[2], 2.0);
    let both = store.status().blocks_bytes;
    drop(store);
    let store = open(home, &Settings { blocks_bytes_max: both + 1, ..settings(home) });
    store.archive(NOW_MS, &|| true).unwrap();
    store.maintain(NOW_MS, 0).unwrap();
    assert_eq!(read(&store), (vec![(2, 2.0)], true));
    let error = store.bring_back(0, NOW_MS, NOW_MS + 1, NOW_MS - 1).err();
    assert_eq!(error.map(|e| e.kind), None);
}

#[test]
fn the_archive_of_another_or_none_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let one = open(home, &settings(home));
    block(&one, &[20], 1.0);
    one.archive(NOW_MS, &|| true).unwrap();
    drop(one);
    let refusal = |settings: &Settings, data: &str| {
        let store = Store::open(&home.join(data), settings.clone(), &Registry::default()).unwrap();
        block(&store, &[20], 1.0);
        let error = store.archive(NOW_MS, &|| true).unwrap_err();
        assert_eq!(store.archive_reading().problem.unwrap(), error.to_string());
        error.message
    };
    let text = refusal(&settings(home), "another");
    assert!(text.contains("is the archive of another Midwatch"), "{text}");
    let text = refusal(&Settings { archive: Some(home.join("empty")), ..settings(home) }, "data");
    assert!(text.contains("is not the archive that blocks have gone to"), "{text}");
    let text = refusal(&Settings { archive: Some(home.join("data")), ..settings(home) }, "data");
    assert!(text.contains("is the data folder itself"), "{text}");
    let store = open(home, &Settings { archive: None, ..settings(home) });
    assert_eq!(store.bring_back(0, NOW_MS, NOW_MS + 1, NOW_MS).unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn an_end_at_any_moment_leaves_each_block_in_one_place() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let store = open(home, &settings(home));
    block(&store, &[25, 15], 1.0);
    drop(store);
    for moment in 0..8 {
        let store = open(home, &settings(home));
        let left = Cell::new(moment);
        let go_on = || left.replace(left.get() - 1) > 0;
        // It may end in the middle of a file; a process that ends there does not tidy up.
        drop(store.archive(NOW_MS, &go_on));
        let is_archived = !store.archive_reading().blocks.is_empty();
        drop(store);
        assert_eq!(files(home, "data") == 2, !is_archived || files(home, "data") == 2);
        let store = open(home, &settings(home));
        assert_eq!(
            read(&store),
            if is_archived { (vec![], true) } else { (vec![(25, 1.0), (15, 1.0)], false) }
        );
    }
    let store = open(home, &settings(home));
    assert_eq!(store.archive_reading().blocks.len(), 1);
    assert_eq!((files(home, "data"), files(home, "archive")), (0, 2));
}

#[test]
fn what_was_not_named_is_collected_and_a_damaged_copy_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let store = open(home, &settings(home));
    block(&store, &[20], 1.0);
    drop(store);
    let blocks = home.join("archive/blocks");
    let store = open(home, &settings(home));
    store.archive(NOW_MS - 30 * DAY_MS, &|| true).unwrap();
    drop(store);
    // Of an epoch before, and of this one but other bytes.
    std::fs::write(blocks.join("000000000000.1.series.parquet"), "left over").unwrap();
    let store = open(home, &settings(home));
    store.archive(NOW_MS - 30 * DAY_MS, &|| true).unwrap();
    assert_eq!(files(home, "archive"), 0);
    std::fs::write(blocks.join("000000000000.3.series.parquet"), "damaged").unwrap();
    let error = store.archive(NOW_MS, &|| true).unwrap_err();
    assert!(error.message.contains("was not read back as it was written"), "{error}");
    assert_eq!(read(&store).0.len(), 1);
    store.archive(NOW_MS, &|| true).unwrap();
    assert_eq!((read(&store).0.len(), files(home, "archive")), (0, 2));
}
