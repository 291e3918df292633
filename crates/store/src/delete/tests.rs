//! Deletion from inside: what was deleted is in no file of the folder, what was not is as it was, and a deletion that
//! breaks off is asked for again.

use super::*;
use crate::audit::{self, Line};
use crate::objects::Objects;
use crate::testing::files;
use crate::wal_read::{Replay, replay_file};
use crate::{Settings, block, parquet_io as pq};
use model::{Batch, HistogramAt, MatchOp, Metadata};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use stdx::metrics::Registry;

type Samples = BTreeMap<(String, i64), f64>;

fn open(folder: &Path) -> Store {
    let settings = Settings { merge_blocks: 2, ..Settings::default() };
    Store::open(folder, settings, &Registry::default()).unwrap()
}

fn append(store: &Store, samples: &[(&str, i64, f64)]) {
    let mut batch = Batch::default();
    for (user, t, v) in samples {
        batch.push(&Labels::from_pairs([("__name__", "m"), ("user", user)]).unwrap(), *t, *v);
    }
    store.append(batch).unwrap().wait_blocking().unwrap();
}

fn read(store: &Store) -> Samples {
    let view = store.view();
    let found = view.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX, 1000, 1 << 30).unwrap();
    assert_eq!(view.warnings(), Vec::<String>::new());
    let each = |s: &model::SeriesData| {
        let user = s.labels.get("user").to_string();
        s.timestamps_ms.iter().zip(&s.values).map(move |(t, v)| ((user.clone(), *t), *v)).collect::<Vec<_>>()
    };
    found.iter().flat_map(each).collect()
}

fn of(user: &str, start_ms: i64, end_ms: i64) -> Deletion {
    Deletion { matchers: vec![vec![Matcher::equal("user", user)]], start_ms, end_ms }
}

fn who() -> Who {
    Who { user: "op".into(), reason: "asked for".into(), ..Who::default() }
}

/// Every label value and every sample that any file of the folder holds, whoever names it.
fn everything_on_disk(folder: &Path) -> (Vec<String>, Vec<(i64, f64)>) {
    #[derive(Default)]
    struct All(Vec<String>, Vec<(i64, f64)>);
    impl Replay for All {
        fn series(&mut self, _: u32, labels: Labels) -> Result<()> {
            self.0.extend(labels.iter().map(|(_, v)| v.to_string()));
            Ok(())
        }
        fn sample(&mut self, _: u32, t: i64, bits: u64, _: i64) -> Result<()> {
            self.1.push((t, f64::from_bits(bits)));
            Ok(())
        }
        fn histogram(&mut self, _: u32, at: HistogramAt) -> Result<()> {
            self.1.push((at.timestamp_ms, at.histogram.count));
            Ok(())
        }
        fn metadata(&mut self, _: Metadata) {}
    }
    let objects = Objects::local(folder).unwrap();
    let mut all = All::default();
    for path in files(folder) {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_string();
        let bytes = std::fs::read(&path).unwrap();
        if name.ends_with(".series.parquet") {
            let mut reader = pq::SeriesReader::new(bytes.into()).unwrap();
            while let Some(group) = reader.group().unwrap() {
                all.0.extend(
                    group.iter().flat_map(|l| l.iter().map(|(_, v)| v.to_string()).collect::<Vec<_>>()),
                );
            }
        } else if name.ends_with(".chunks.parquet") {
            let id = block::id_of(&name).unwrap();
            let [series, _] = block::paths(id);
            let series_bytes = std::fs::metadata(folder.join(series)).unwrap().len();
            let entry = block::entry_of(&objects, id, series_bytes, bytes.len() as u64).unwrap();
            let block = Block::new(entry, objects.clone());
            for (_, pieces) in block.read(&[], i64::MIN, i64::MAX, usize::MAX, &mut Vec::new()).unwrap() {
                let (t, v) = crate::head::merge(&pieces, i64::MIN, i64::MAX).unwrap();
                all.1.extend(t.into_iter().zip(v));
            }
        } else if let Some(number) = name.strip_prefix("wal/").and_then(|n| n.strip_suffix(".wal")) {
            replay_file(&folder.join("wal"), number.parse().unwrap(), &mut all).unwrap();
        } else {
            all.0.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    (all.0, all.1)
}

#[test]
fn what_was_deleted_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for part in 0..3i64 {
        for t in 0..50 {
            let t = part * 50 + t;
            append(&store, &[("ada", t, 4711.5), ("bob", t, t as f64), ("ada", t - 20, 4711.5)]);
        }
        if part < 2 {
            store.flush_head().unwrap();
        }
    }
    append(&store, &[("ada2", 7, 1.0)]);
    let mut want = read(&store);
    let (texts, samples) = everything_on_disk(folder.path());
    assert!(
        texts.iter().any(|t| t == "ada") && samples.iter().any(|(_, v)| *v == 4711.5),
        "the search finds it"
    );

    let all = of("ada", i64::MIN, i64::MAX);
    let plan = store.plan_delete(&all).unwrap();
    assert_eq!((plan.series, plan.blocks.len(), plan.in_head), (1, 2, true));
    assert_eq!(read(&store), want, "a plan changes nothing");
    let reach = store.delete_series(&all, &who(), &|| 5).unwrap();
    assert_eq!((reach.series, reach.blocks.len(), reach.remaining.len()), (1, 3, 0), "{reach:?}");
    want.retain(|(user, _), _| user != "ada");
    assert_eq!(read(&store), want);
    let (texts, samples) = everything_on_disk(folder.path());
    assert!(!texts.iter().any(|t| t == "ada" || t.contains("\"ada\"")), "{texts:?}");
    assert!(samples.iter().all(|(_, v)| *v != 4711.5));
    assert!(texts.iter().any(|t| t == "bob") && samples.len() >= 150);
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.status().messages, Vec::<String>::new());
    assert_eq!(read(&store), want);
    // What comes later is new.
    append(&store, &[("ada", 1, 1.0)]);
    assert_eq!(read(&store).len(), want.len() + 1);
    let lines = audit::read(folder.path()).unwrap();
    assert!(
        matches!(&lines[..], [Line::Whole(b), Line::Whole(e)]
        if b["what"] == "delete_series_begins" && e["result"] == "done" && e["samples"] == reach.samples),
        "{lines:?}"
    );
}

#[test]
fn what_was_set_aside_is_told_and_everything_is_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, &[("ada", 1, 1.0)]);
    std::fs::write(folder.path().join("wal/000000000009.wal.damaged"), b"ada").unwrap();
    let reach = store.delete_series(&of("ada", 0, 9), &who(), &|| 5).unwrap();
    assert_eq!(reach.remaining.len(), 1);
    assert!(reach.remaining[0].contains("wal/000000000009.wal.damaged"), "{reach:?}");
    for matchers in [vec![], vec![vec![]], vec![vec![Matcher::new("user", MatchOp::Regex, ".*").unwrap()]]] {
        let all = Deletion { matchers, start_ms: 0, end_ms: 9 };
        assert_eq!(store.delete_series(&all, &who(), &|| 5).unwrap_err().kind, ErrorKind::Invalid);
    }
    assert_eq!(audit::read(folder.path()).unwrap().len(), 2);
}

#[test]
fn without_an_audit_nothing_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, &[("ada", 1, 1.0)]);
    let before = read(&store);
    std::fs::create_dir(folder.path().join("audit.log")).unwrap();
    assert_eq!(
        store.delete_series(&of("ada", 0, 9), &who(), &|| 5).unwrap_err().kind,
        ErrorKind::Unavailable
    );
    assert_eq!(read(&store), before);
}

#[test]
fn one_that_breaks_off_is_noted_and_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for t in [1, 2] {
        append(&store, &[("ada", t, 1.0), ("bob", t, 1.0)]);
        store.flush_head().unwrap();
    }
    let before = read(&store);
    // A folder in the way of the files of the next block.
    let next = store.maintenance.lock().unwrap().manifest.next_block + 1;
    let [series, _] = block::paths(next);
    let in_the_way = folder.path().join(&series);
    std::fs::create_dir(&in_the_way).unwrap();
    store.delete_series(&of("ada", 0, 9), &who(), &|| 5).unwrap_err();
    assert_eq!(read(&store), before);
    std::fs::remove_dir(&in_the_way).unwrap();
    let reach = store.delete_series(&of("ada", 0, 9), &who(), &|| 6).unwrap();
    assert_eq!((reach.samples, reach.remaining.len()), (2, 0));
    assert_eq!(read(&store).len(), 2);
    let results = audit::read(folder.path()).unwrap();
    let results = results.iter().filter_map(|line| match line {
        Line::Whole(entry) => entry["result"].as_str().map(str::to_string),
        Line::Damaged { .. } => None,
    });
    assert_eq!(results.collect::<Vec<_>>(), ["failed", "done"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Against a map, with cuts, merges and restarts in between.
    #[test]
    fn the_same_as_a_map_without_it(
        parts in prop::collection::vec(prop::collection::vec((0..3usize, 0..900i64), 1..700), 1..5),
        deletions in prop::collection::vec((0..3usize, 0..900i64, 0..500i64), 1..4),
        cuts in prop::collection::vec(any::<bool>(), 5),
    ) {
        let users = ["ada", "bob", "eve"];
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        for (part, cut) in parts.iter().zip(&cuts) {
            let samples: Vec<_> = part.iter().map(|(u, t)| (users[*u], *t, *t as f64 * 0.5)).collect();
            append(&store, &samples);
            if *cut {
                store.flush_head().unwrap();
                store.maintain(1_000, 1_000).unwrap();
            }
        }
        let mut want = read(&store);
        for (user, start_ms, length_ms) in deletions {
            let deletion = of(users[user], start_ms, start_ms + length_ms);
            let before = want.len();
            want.retain(|(u, t), _| u != users[user] || *t < start_ms || *t > start_ms + length_ms);
            let reach = store.delete_series(&deletion, &who(), &|| 5).unwrap();
            prop_assert!(reach.samples >= (before - want.len()) as u64);
            prop_assert_eq!(&read(&store), &want);
            drop(store);
            store = open(folder.path());
            prop_assert_eq!(&read(&store), &want);
        }
    }
}
