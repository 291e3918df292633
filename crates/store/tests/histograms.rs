//! Native histograms and start times from outside: what was acknowledged is there, once, beside the numbers, whatever is
//! cut, merged, deleted or reopened in between.

use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
use model::{Batch, Histogram, HistogramAt, HistogramSample, Labels, Matcher, SeriesData};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stdx::metrics::Registry;
use store::audit::Who;
use store::{Deletion, ReadOnly, Settings, Store};

const NOW_MS: i64 = 1_700_000_000_000;

fn open(folder: &Path, settings: Settings) -> Store {
    Store::open(folder, settings, &Registry::default()).unwrap()
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_string()), ("s", series.to_string())]).unwrap()
}

/// One of a few histograms of each kind.
fn histogram(n: u8) -> Histogram {
    let n = f64::from(n);
    match n as u8 % 5 {
        0 => Histogram::stale(),
        1 => Histogram {
            schema: CUSTOM_SCHEMA,
            count: n,
            sum: n * 0.3,
            positive: Buckets::from_pairs([(0, n - 1.0), (2, 1.0)].into_iter().filter(|(_, c)| *c != 0.0)),
            custom_bounds: [0.5, 1.0].into(),
            ..Histogram::default()
        },
        2 => Histogram {
            hint: ResetHint::Gauge,
            count: n * 0.5,
            sum: f64::NAN,
            negative: Buckets::from_pairs([(-3, n * 0.5)]),
            ..Histogram::default()
        },
        _ => Histogram {
            schema: 2,
            hint: if n > 6.0 { ResetHint::NotReset } else { ResetHint::Unknown },
            count: n + 2.0,
            sum: n,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive: Buckets::from_pairs([(n as i32, n), (n as i32 + 1, 1.0)]),
            ..Histogram::default()
        },
    }
}

/// What a sample is, in words: equal texts are equal bits.
fn number(value: f64, start_ms: i64) -> String {
    format!("{value} since {start_ms}")
}

fn text(at: &HistogramAt) -> String {
    format!("{:?} since {}", at.histogram, at.start_ms)
}

/// Series, time in seconds, what, start in seconds.
type Sent = (usize, i64, u8, u8);

fn batch(samples: &[Sent]) -> Batch {
    let mut batch = Batch::default();
    for (series, t, what, start) in samples {
        let (timestamp_ms, start_ms) = (NOW_MS + t * 1000, i64::from(*start) * 1000);
        if *what < 4 {
            if *start > 0 {
                batch.starts.push((batch.samples.len() as u32, start_ms));
            }
            batch.push(&labels(*series), timestamp_ms, f64::from(*what));
        } else {
            let at = HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(histogram(*what)) };
            batch.histograms.push(HistogramSample { series: batch.series.len() as u32, at });
            batch.series.push(labels(*series));
        }
    }
    batch
}

fn append(store: &Store, samples: &[Sent]) -> store::Appended {
    store.append(batch(samples)).unwrap().wait_blocking().unwrap()
}

fn said(samples: &Sent) -> String {
    let (_, _, what, start) = *samples;
    let start_ms = i64::from(start) * 1000;
    match what {
        0..4 => number(f64::from(what), start_ms),
        _ => text(&HistogramAt { timestamp_ms: 0, start_ms, histogram: Arc::new(histogram(what)) }),
    }
}

fn all_of(found: Vec<SeriesData>) -> BTreeMap<(String, i64), String> {
    let mut out = BTreeMap::new();
    for series in found {
        assert!(series.timestamps_ms.is_sorted_by(|a, b| a < b));
        assert!(series.histograms.is_sorted_by(|a, b| a.timestamp_ms < b.timestamp_ms));
        assert!(series.starts_ms.is_empty() || series.starts_ms.len() == series.values.len());
        let s = series.labels.get("s").to_string();
        for (i, (t, v)) in series.timestamps_ms.iter().zip(&series.values).enumerate() {
            let start_ms = series.starts_ms.get(i).copied().unwrap_or(0);
            assert!(out.insert((s.clone(), *t), number(*v, start_ms)).is_none());
        }
        for at in &series.histograms {
            assert_eq!(at.histogram.check(), Ok(()));
            assert!(out.insert((s.clone(), at.timestamp_ms), text(at)).is_none(), "one of both kinds");
        }
    }
    out
}

fn read(store: &Store) -> BTreeMap<(String, i64), String> {
    let view = store.view();
    let found = view.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX, 1000, 1 << 30).unwrap();
    assert_eq!(view.warnings(), Vec::<String>::new());
    all_of(found)
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Sent>),
    Cut,
    Maintain,
    Reopen,
    /// Seconds, both inclusive, of one series.
    Delete(usize, i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sample = (0..3usize, 0..60i64, 0..12u8, prop_oneof![2 => Just(0u8), 1 => 1..3u8]);
    let step = prop_oneof![
        8 => prop::collection::vec(sample, 0..80).prop_map(Step::Append),
        2 => Just(Step::Cut),
        2 => Just(Step::Maintain),
        2 => Just(Step::Reopen),
        1 => (0..3usize, 0..60i64, 0..20i64).prop_map(|(s, from, n)| Step::Delete(s, from, from + n)),
    ];
    prop::collection::vec(step, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Against a map: every acknowledged instant is there once, and is one of what was sent for it.
    #[test]
    fn the_same_as_a_map(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { merge_blocks: 2, ..Settings::default() };
        let mut store = Some(open(folder.path(), settings.clone()));
        let mut sent: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
        for step in steps {
            let s = store.as_ref().unwrap();
            match step {
                Step::Append(samples) => {
                    let outcome = append(s, &samples);
                    let rejected: u64 = outcome.rejects.iter().map(|r| r.samples).sum();
                    prop_assert_eq!(outcome.accepted + rejected, samples.len() as u64);
                    for sample in samples {
                        let key = (sample.0.to_string(), NOW_MS + sample.1 * 1000);
                        sent.entry(key).or_default().push(said(&sample));
                    }
                }
                Step::Cut => s.flush_head().unwrap(),
                Step::Maintain => s.maintain(NOW_MS + 60_000, 0).unwrap(),
                Step::Reopen => {
                    drop(store.take());
                    store = Some(open(folder.path(), settings.clone()));
                }
                Step::Delete(series, from, to) => {
                    let (start_ms, end_ms) = (NOW_MS + from * 1000, NOW_MS + to * 1000);
                    let matchers = vec![vec![Matcher::equal("s", series.to_string())]];
                    let deletion = Deletion { matchers, start_ms, end_ms };
                    s.delete_series(&deletion, &Who::default(), &|| NOW_MS).unwrap();
                    sent.retain(|(s, t), _| *s != series.to_string() || *t < start_ms || *t > end_ms);
                }
            }
            let found = read(store.as_ref().unwrap());
            prop_assert!(found.keys().eq(sent.keys()), "instants differ");
            for (key, value) in &found {
                prop_assert!(sent[key].contains(value), "{:?} has {} of {:?}", key, value, sent[key]);
            }
        }
        // Whoever reads the folder without the program gets the same.
        let store = store.take().unwrap();
        let want = read(&store);
        drop(store);
        let mut series = Vec::new();
        let every = [vec![Matcher::equal("__name__", "m")]];
        let problems = ReadOnly::open(folder.path()).unwrap().for_each_series(&every, i64::MIN, i64::MAX, |one| {
            series.push(one);
            Ok(())
        });
        prop_assert_eq!(problems.unwrap(), Vec::<String>::new());
        prop_assert_eq!(all_of(series), want);
    }
}

#[test]
fn the_first_sample_of_an_instant_stays_whatever_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    let first = [(0, 1, 3, 0), (0, 2, 8, 0), (0, 3, 7, 1), (0, 4, 3, 1)];
    assert_eq!(append(&store, &first).accepted, 4);
    let before = read(&store);
    // A repeat is no error, in order or not; another start of the same is a repeat too.
    assert_eq!(append(&store, &first).accepted, 4);
    assert_eq!(append(&store, &[(0, 3, 7, 2), (0, 2, 8, 0), (0, 4, 3, 0)]).accepted, 3);
    for (other, words) in [
        ((0, 1, 8, 0), "has the value 3 at"),
        ((0, 2, 9, 0), "has a histogram of 10 observations at"),
        ((0, 2, 3, 0), "has a native histogram of 10 observations at"),
        ((0, 4, 8, 0), "has the value 3 at"),
        ((0, 4, 2, 0), "has the value 3 at"),
    ] {
        let outcome = append(&store, &[other]);
        assert_eq!((outcome.accepted, outcome.rejects.len()), (0, 1), "{other:?}");
        assert!(outcome.rejects[0].message.contains(words), "{}", outcome.rejects[0].message);
    }
    // Within one batch numbers come first.
    let outcome = append(&store, &[(1, 5, 8, 0), (1, 5, 3, 0), (1, 4, 9, 0), (1, 4, 8, 0)]);
    assert_eq!((outcome.accepted, outcome.rejects[0].samples), (2, 2));
    assert_eq!(read(&store).range(("0".into(), 0)..("1".into(), 0)).count(), 4);
    assert!(before.iter().all(|(k, v)| read(&store).get(k) == Some(v)));
}

/// More than one chunk, a restart, a gap in what is known: all of it in few bytes, and back.
#[test]
fn long_series_are_sealed_cut_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings { merge_blocks: 2, ..Settings::default() });
    let start = |i: i64| if i < 700 { 1 } else { (i % 900 / 450) as u8 };
    for part in 0..4 {
        let samples: Vec<Sent> = (part * 300..part * 300 + 300)
            .flat_map(|i| [(0, i, (i % 3) as u8, start(i)), (1, i, 8 + 5 * (i % 9) as u8, start(i))])
            .collect();
        assert_eq!(append(&store, &samples).accepted, 600);
        if part % 2 == 1 {
            store.flush_head().unwrap();
        }
    }
    let want: BTreeMap<_, _> = (0..1200)
        .flat_map(|i| [(0, i, (i % 3) as u8, start(i)), (1, i, 8 + 5 * (i % 9) as u8, start(i))])
        .map(|s| ((s.0.to_string(), NOW_MS + s.1 * 1000), said(&s)))
        .collect();
    assert_eq!(read(&store), want);
    store.maintain(NOW_MS + 2_000_000, 0).unwrap();
    store.maintain(NOW_MS + 2_000_000, 0).unwrap();
    assert_eq!((store.status().blocks, store.status().blocks_samples), (1, 2400));
    assert_eq!(read(&store), want);
    drop(store);
    let report = store::verify(folder.path(), &mut |_| true).unwrap();
    assert_eq!((report.samples, report.findings.len()), (2400, 0), "{:?}", report.findings);
}

/// Histograms weigh what their numbers weigh, against the limit of a read.
#[test]
fn a_read_of_many_buckets_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Settings::default());
    let wide = Histogram {
        count: 1.0,
        positive: Buckets::from_pairs((0..1000).map(|i| (i, 1.0))),
        ..Histogram::default()
    };
    let mut batch = Batch { series: vec![labels(0)], ..Batch::default() };
    for t in 0..10 {
        let at = HistogramAt { timestamp_ms: NOW_MS + t, start_ms: 0, histogram: Arc::new(wide.clone()) };
        batch.histograms.push(HistogramSample { series: 0, at });
    }
    store.append(batch).unwrap().wait_blocking().unwrap();
    for _ in 0..2 {
        let view = store.view();
        assert!(view.select(&[], 0, i64::MAX, 10, 4_000).is_err());
        assert_eq!(view.select(&[], 0, i64::MAX, 10, 6_000).unwrap()[0].histograms.len(), 10);
        store.flush_head().unwrap();
    }
}
