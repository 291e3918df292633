//! Tiers from outside: what is read from summaries is what the samples say, whatever came late, was cut, merged, removed,
//! damaged or reopened in between.

use model::{Batch, Labels, Matcher};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stdx::metrics::Registry;
use store::{Bucket, Grid, HOUR_MS, MINUTE_MS, Settings, Store, Summarised, SummaryQuery, View};

/// A time at which a window of both tiers begins.
const START_MS: i64 = 4918 * 96 * HOUR_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const ALL: [i64; 2] = [HOUR_MS, MINUTE_MS];

fn open(folder: &Path, settings: Settings) -> Store {
    Store::open(folder, settings, &Registry::default()).unwrap()
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_string()), ("s", series.to_string())]).unwrap()
}

fn append(store: &Store, samples: &[(usize, i64, f64)]) {
    let mut batch = Batch::default();
    samples.iter().for_each(|(s, t, v)| batch.push(&labels(*s), *t, *v));
    store.append(batch).unwrap().wait_blocking().unwrap();
}

/// A sample of two series every 20 s, as a counter that starts anew each 100 samples, and a cut at the end.
fn record(store: &Store, from_ms: i64, to_ms: i64) {
    let samples: Vec<_> = (from_ms / 20_000 + 1..=to_ms / 20_000)
        .flat_map(|i| [(0, i * 20_000, (i % 100 * 3) as f64), (1, i * 20_000 + i % 7, (i as f64).sin())])
        .collect();
    append(store, &samples);
    store.flush_head().unwrap();
}

/// Lets the store do all that is due at a time.
fn settle(store: &Store, now_ms: i64) {
    for _ in 0..200 {
        store.maintain(now_ms, 0).unwrap();
    }
}

fn read(view: &View, from_ms: i64, to_ms: i64, resolutions: &[i64]) -> Option<Summarised> {
    let matchers = [Matcher::equal("__name__", "m")];
    let query = SummaryQuery {
        matchers: &matchers,
        start_ms: from_ms,
        end_ms: to_ms,
        resolutions,
        any_for_removed: false,
        series_max: 100,
        samples_max: 1 << 30,
    };
    view.summaries(&query).unwrap()
}

/// How many hours of a range are read from which tier.
fn hours(found: &Option<Summarised>) -> Vec<(i64, i64)> {
    let mut out = BTreeMap::new();
    for used in found.iter().flat_map(|f| &f.used) {
        *out.entry(used.resolution_ms).or_insert(0) += (used.to_ms - used.from_ms) / HOUR_MS;
    }
    out.into_iter().collect()
}

/// Every bucket is what the samples of its time say.
fn assert_same_as_samples(view: &View, from_ms: i64, to_ms: i64, found: &Summarised) {
    let samples: BTreeMap<Labels, Vec<(i64, f64)>> = view
        .select(&[Matcher::equal("__name__", "m")], from_ms + 1, to_ms, 100, 1 << 30)
        .unwrap()
        .into_iter()
        .map(|s| (s.labels, s.timestamps_ms.into_iter().zip(s.values).collect()))
        .collect();
    assert_eq!(found.series.len(), samples.len());
    for series in &found.series {
        let mut rest = &samples[&series.labels][..];
        for b in series.buckets(Grid::of(HOUR_MS)).unwrap() {
            let n = rest.partition_point(|(t, _)| *t <= b.end_ms);
            check(&rest[..n], &b);
            rest = &rest[n..];
        }
        assert_eq!(rest, [], "{}", series.labels);
    }
}

fn check(samples: &[(i64, f64)], b: &Bucket) {
    let values = || samples.iter().map(|s| s.1).filter(|v| !model::is_stale(*v));
    let falls = |w: &[f64]| if w[1] < w[0] { w[0] } else { 0.0 };
    let sum: f64 = values().sum();
    assert_eq!(b.count, values().count() as u64, "{b:?}");
    assert!((b.sum - sum).abs() <= 1e-9 * (1.0 + sum.abs()), "{b:?} {sum}");
    assert_eq!(b.stale_ms, samples.last().filter(|s| model::is_stale(s.1)).map(|s| s.0), "{b:?}");
    if b.count > 0 {
        let all: Vec<f64> = values().collect();
        assert_eq!((b.first, b.last), (all[0], all[all.len() - 1]));
        assert_eq!(b.min, all.iter().copied().fold(f64::NAN, f64::min));
        assert_eq!(b.max, all.iter().copied().fold(f64::NAN, f64::max));
        assert!((b.falls - all.windows(2).map(falls).sum::<f64>()).abs() < 1e-9);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("tiers")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn windows_that_are_over_are_summarised_and_the_rest_is_read_from_samples() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    let end_ms = START_MS + 10 * DAY_MS + 5 * HOUR_MS;
    record(&store, START_MS, START_MS + 6 * DAY_MS);
    record(&store, START_MS + 6 * DAY_MS, end_ms);
    settle(&store, end_ms);
    let view = store.view();
    let found = read(&view, START_MS, end_ms, &ALL);
    assert_eq!(hours(&found), [(MINUTE_MS, 48), (HOUR_MS, 192)]);
    assert_same_as_samples(&view, START_MS, end_ms, &found.unwrap());
    let found = read(&view, START_MS + DAY_MS, end_ms, &[MINUTE_MS]);
    assert_eq!(hours(&found), [(MINUTE_MS, 9 * 24)]);
    assert_same_as_samples(&view, START_MS + DAY_MS, end_ms, &found.unwrap());
    assert_eq!(view.warnings(), Vec::<String>::new());
    // Nothing of it is done twice, and all of it is there after a new start.
    let before = files(folder.path());
    settle(&store, end_ms);
    drop((view, store));
    let store = open(folder.path(), Settings::default());
    settle(&store, end_ms);
    assert_eq!((files(folder.path()), store.status().messages), (before, Vec::<String>::new()));
    assert_eq!(hours(&read(&store.view(), START_MS, end_ms, &ALL)), [(MINUTE_MS, 48), (HOUR_MS, 192)]);
}

#[test]
fn late_samples_are_seen_at_once_and_only_their_windows_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings { merge_blocks: 2, ..Settings::default() });
    let end_ms = START_MS + 8 * DAY_MS;
    record(&store, START_MS, end_ms);
    settle(&store, end_ms);
    let before = files(folder.path());
    assert_eq!(hours(&read(&store.view(), START_MS, end_ms, &ALL)), [(HOUR_MS, 192)]);
    // In memory, in a block, and summarised.
    append(&store, &[(0, end_ms + 1000, 1.0), (0, START_MS + DAY_MS + 7, 1e6)]);
    for step in 0..3 {
        match step {
            0 => assert_eq!(
                hours(&read(&store.view(), START_MS, end_ms, &ALL)),
                [(MINUTE_MS, 90), (HOUR_MS, 96)]
            ),
            1 => store.flush_head().unwrap(),
            _ => {
                settle(&store, end_ms);
                assert_eq!(hours(&read(&store.view(), START_MS, end_ms, &ALL)), [(HOUR_MS, 192)]);
            }
        }
        let view = store.view();
        let found = read(&view, START_MS, end_ms, &ALL).unwrap();
        assert_same_as_samples(&view, START_MS, end_ms, &found);
    }
    let after = files(folder.path());
    assert_eq!(before.len(), after.len());
    // One window of minutes and one of hours, each of two files.
    assert_eq!(after.iter().filter(|f| !before.contains(f)).count(), 4);
    drop(store);
    let store = open(folder.path(), Settings { merge_blocks: 2, ..Settings::default() });
    settle(&store, end_ms);
    assert_eq!(files(folder.path()), after);
}

#[test]
fn each_tier_has_its_own_retention() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        retention_ms: 4 * DAY_MS,
        tier_minute_retention_ms: 12 * DAY_MS,
        tier_hour_retention_ms: 100 * DAY_MS,
        merge_bytes_max: 0,
        ..Settings::default()
    };
    let store = open(folder.path(), settings.clone());
    let end_ms = START_MS + 16 * DAY_MS;
    for day in 0..16 {
        record(&store, START_MS + day * DAY_MS, START_MS + (day + 1) * DAY_MS);
        store.maintain(START_MS + (day + 1) * DAY_MS, day as u64 * DAY_MS as u64).unwrap();
    }
    let uptime_ms = 16 * DAY_MS as u64;
    for _ in 0..50 {
        store.maintain(end_ms, uptime_ms).unwrap();
    }
    let view = store.view();
    let days = |resolutions: &[i64]| {
        hours(&read(&view, START_MS, end_ms, resolutions)).iter().map(|h| h.1 / 24).collect::<Vec<_>>()
    };
    let samples = view.select(&[], START_MS, end_ms, 10, 1 << 30).unwrap();
    assert!(samples[0].timestamps_ms[0] >= end_ms - 5 * DAY_MS);
    assert_eq!((days(&[MINUTE_MS]), days(&[HOUR_MS])), (vec![12], vec![16]));
    // What is gone is not made again of the samples that are left.
    let kept = files(folder.path());
    drop((view, store));
    let store = open(folder.path(), Settings { tier_minute_retention_ms: 0, ..settings.clone() });
    for _ in 0..50 {
        store.maintain(end_ms, uptime_ms).unwrap();
    }
    let view = store.view();
    assert_eq!(hours(&read(&view, START_MS, end_ms, &ALL)), [(HOUR_MS, 16 * 24)]);
    assert!(files(folder.path()).len() < kept.len());
    // A limit on size removes the oldest.
    drop((view, store));
    let store =
        open(folder.path(), Settings { tier_minute_retention_ms: 0, tiers_bytes_max: 10_000, ..settings });
    store.maintain(end_ms, uptime_ms).unwrap();
    let kept: u64 = files(folder.path()).iter().map(|f| f.metadata().unwrap().len()).sum();
    assert!(kept <= 10_000, "{kept}");
}

#[test]
fn a_damaged_window_is_told_read_from_samples_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    let end_ms = START_MS + 4 * DAY_MS;
    record(&store, START_MS, end_ms);
    settle(&store, end_ms);
    drop(store);
    let all = files(folder.path());
    for file in all.iter().take(2).chain(all.iter().rev().take(2)) {
        let whole = std::fs::read(file).unwrap();
        for at in [whole.len() / 3, whole.len() / 2, whole.len() - 20] {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            std::fs::write(file, &damaged).unwrap();
            let store = open(folder.path(), Settings::default());
            let view = store.view();
            for resolutions in [&[HOUR_MS], &[MINUTE_MS]] {
                if let Some(found) = read(&view, START_MS, end_ms, resolutions) {
                    assert_same_as_samples(&view, START_MS, end_ms, &found);
                }
            }
        }
        std::fs::write(file, &whole).unwrap();
    }
    // The hours, which are asked for first.
    let last = all.last().unwrap();
    std::fs::write(last, b"PAR1").unwrap();
    let store = open(folder.path(), Settings::default());
    assert_eq!(store.status().messages.len(), 1);
    let view = store.view();
    assert!(hours(&read(&view, START_MS, end_ms, &[HOUR_MS])).is_empty() && view.warnings().len() == 1);
    drop(view);
    settle(&store, end_ms);
    let view = store.view();
    assert_eq!(hours(&read(&view, START_MS, end_ms, &[HOUR_MS])), [(HOUR_MS, 96)]);
    assert_eq!(view.warnings(), Vec::<String>::new());
    assert!(!last.exists());
}

/// Files that were written, and a manifest that does not name them.
#[test]
fn a_crash_before_the_commit_leaves_the_state_before_and_one_after_it_the_state_after() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    let end_ms = START_MS + DAY_MS;
    record(&store, START_MS, end_ms);
    let manifests = |folder: &Path| {
        let mut all: Vec<_> =
            std::fs::read_dir(folder.join("manifest")).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all
    };
    let before = manifests(folder.path()).len();
    store.maintain(end_ms, 0).unwrap();
    assert_eq!((manifests(folder.path()).len(), files(folder.path()).len()), (before + 1, 8));
    drop(store);
    // As if the crash had come before the last manifest was there.
    std::fs::remove_file(manifests(folder.path()).pop().unwrap()).unwrap();
    let store = open(folder.path(), Settings::default());
    assert_eq!((files(folder.path()).len(), store.status().messages.len()), (0, 0));
    assert!(read(&store.view(), START_MS, end_ms, &ALL).is_none());
    store.maintain(end_ms, 0).unwrap();
    let view = store.view();
    let found = read(&view, START_MS, end_ms, &ALL).unwrap();
    assert_same_as_samples(&view, START_MS, end_ms, &found);
    drop((view, store));
    // And if the last one is damaged: what only it names is made again.
    std::fs::write(manifests(folder.path()).pop().unwrap(), b"").unwrap();
    let store = open(folder.path(), Settings::default());
    settle(&store, end_ms);
    assert_eq!(hours(&read(&store.view(), START_MS, end_ms, &ALL)), [(MINUTE_MS, 24)]);
    assert_eq!(files(folder.path()).len(), 8);
}

#[derive(Clone, Debug)]
enum Step {
    /// Series, minute, value.
    Append(Vec<(usize, i64, i8)>),
    Cut,
    Maintain,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sample = (0..3usize, 0..8 * 1440i64, -1..4i8);
    let step = prop_oneof![
        6 => prop::collection::vec(sample, 0..60).prop_map(Step::Append),
        3 => Just(Step::Cut),
        4 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: buckets and samples agree at every moment.
    #[test]
    fn the_same_as_the_samples(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { merge_blocks: 2, ..Settings::default() };
        let mut store = Some(open(folder.path(), settings.clone()));
        let end_ms = START_MS + 8 * DAY_MS;
        for step in steps {
            let s = store.as_ref().unwrap();
            match step {
                Step::Append(samples) => {
                    let stale = f64::from_bits(model::STALE_NAN_BITS);
                    let value = |v: i8| if v < 0 { stale } else { f64::from(v) };
                    let samples: Vec<_> = samples.iter().map(|(s, t, v)| (*s, START_MS + t * MINUTE_MS / 2 + 1, value(*v))).collect();
                    append(s, &samples);
                }
                Step::Cut => s.flush_head().unwrap(),
                Step::Maintain => s.maintain(end_ms + DAY_MS, 0).unwrap(),
                Step::Reopen => {
                    drop(store.take());
                    store = Some(open(folder.path(), settings.clone()));
                }
            }
            let view = store.as_ref().unwrap().view();
            for resolutions in [&ALL[..], &ALL[..1], &ALL[1..]] {
                if let Some(found) = read(&view, START_MS, end_ms, resolutions) {
                    assert_same_as_samples(&view, START_MS, end_ms, &found);
                }
            }
            prop_assert_eq!(view.warnings(), Vec::<String>::new());
        }
    }
}

#[test]
fn deleted_series_are_in_no_summary() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    let end_ms = START_MS + 4 * DAY_MS;
    record(&store, START_MS, end_ms);
    settle(&store, end_ms);
    let matchers = vec![vec![Matcher::equal("s", "1")]];
    let (from_ms, to_ms) = (START_MS + DAY_MS + 1, START_MS + 2 * DAY_MS);
    let deletion = store::Deletion { matchers, start_ms: from_ms, end_ms: to_ms };
    store.delete_series(&deletion, &store::audit::Who::default(), &|| end_ms).unwrap();
    settle(&store, end_ms);
    let view = store.view();
    for resolution in ALL {
        let found = read(&view, START_MS, end_ms, &[resolution]).unwrap();
        assert_same_as_samples(&view, START_MS, end_ms, &found);
    }
    assert_eq!(hours(&read(&view, START_MS, end_ms, &[HOUR_MS])), [(HOUR_MS, 96)]);
}
