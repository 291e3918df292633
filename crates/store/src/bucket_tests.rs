//! The store on a bucket, beside the store on a folder where the same has to hold: what objects promise, faults of the
//! bucket, and two writers. The server is the tests' own; with `MIDWATCH_TEST_S3` set to the address of another one (and
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and a bucket `midwatch-test`), the first test asks that one as well.

use crate::objects::{Location, Objects};
use crate::place::Place;
use crate::s3::{Fault, S3, SECRET_KEY};
use crate::{Appended, Settings, Store};
use model::{Batch, Labels, Matcher};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use stdx::metrics::Registry;
use stdx::{ErrorKind, Result};

const NOW_MS: i64 = 1_700_000_000_000;
const DATA: &str = "s3://telemetry/prod";

fn location() -> Location {
    Location::parse(Path::new(DATA)).unwrap()
}

fn objects(s3: &S3) -> Objects {
    Objects::for_tests(&location(), &s3.environment())
}

fn try_open(s3: &S3, wal: &Path) -> Result<Store> {
    let settings = Settings { wal: wal.into(), merge_blocks: 2, ..Settings::default() };
    let place = Place::open_by(Path::new(DATA), &settings, |_| Ok(objects(s3)))?;
    Store::open_at(place, settings, &Registry::default())
}

fn open(s3: &S3, wal: &Path) -> Store {
    try_open(s3, wal).unwrap()
}

fn append(store: &Store, samples: &[(usize, i64, f64)]) -> Result<Appended> {
    let mut batch = Batch::default();
    for (series, t, v) in samples {
        let labels = Labels::from_pairs([("__name__", "m".to_string()), ("s", series.to_string())]).unwrap();
        batch.push(&labels, NOW_MS + t, *v);
    }
    store.append(batch)?.wait_blocking()
}

/// Series and time since `NOW_MS` of every sample, with its value; and what was left out.
fn read(store: &Store) -> (BTreeMap<(String, i64), f64>, Vec<String>) {
    let view = store.view();
    let found = view.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX, 1000, 1 << 30).unwrap();
    let mut out = BTreeMap::new();
    for series in found {
        for (t, v) in series.timestamps_ms.iter().zip(&series.values) {
            out.insert((series.labels.get("s").to_string(), t - NOW_MS), *v);
        }
    }
    (out, view.warnings())
}

fn check_objects(objects: &Objects) {
    let list = || {
        let mut all = objects.list("blocks").unwrap();
        all.sort();
        all
    };
    objects.put_new("blocks/a", b"0123456789").unwrap();
    assert_eq!(objects.put_new("blocks/a", b"other").unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(objects.get("blocks/a").unwrap(), "0123456789");
    assert_eq!(objects.get_range("blocks/a", 2, 3).unwrap(), "234");
    let parts = objects.get_ranges("blocks/a", &[7..10, 0..1, 4..4]).unwrap();
    assert_eq!(parts, ["789", "0", ""]);
    for (start, length) in [(8, 3), (10, 1), (99, 1), (u64::MAX, 1)] {
        let error = objects.get_range("blocks/a", start, length).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{start} {length}: {error}");
    }
    assert_eq!(objects.get("blocks/none").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(objects.get_range("blocks/none", 0, 1).unwrap_err().kind, ErrorKind::NotFound);

    // Large enough for several parts; not there before it is whole, and not at all if it is given up.
    let large: Vec<u8> = (0..9 << 20).map(|i: u32| (i >> 3) as u8).collect();
    for path in ["blocks/given-up", "blocks/large"] {
        let mut object = objects.create(path).unwrap();
        large.chunks(1 << 20).for_each(|piece| object.write_all(piece).unwrap());
        assert_eq!(list().len(), 1);
        if path == "blocks/large" {
            object.finish().unwrap();
        }
    }
    assert!(objects.get("blocks/large").unwrap() == large);
    assert_eq!(objects.put_new("blocks/large", &large).unwrap_err().kind, ErrorKind::Conflict);
    objects.delete("blocks/large").unwrap();
    objects.delete("blocks/large").unwrap();

    for i in 0..7 {
        objects.put_new(&format!("blocks/b{i}"), &vec![0; i]).unwrap();
    }
    objects.put_new("manifest/1", b"").unwrap();
    objects.set_aside("blocks/a").unwrap();
    let mut want: Vec<(String, u64)> = (0..7).map(|i| (format!("blocks/b{i}"), i)).collect();
    want.insert(0, ("blocks/a.damaged".into(), 10));
    assert_eq!(list(), want);
    want.iter().for_each(|(path, _)| objects.delete(path).unwrap());
    objects.delete("manifest/1").unwrap();
    assert!(list().is_empty());
}

#[test]
fn a_folder_and_a_bucket_keep_the_same_promises() {
    let folder = tempfile::tempdir().unwrap();
    check_objects(&Objects::local(folder.path()).unwrap());
    let s3 = S3::start(&["telemetry"]);
    check_objects(&objects(&s3));
    assert_eq!((s3.keys(), s3.open_uploads()), (vec![], 0));
    if let Ok(url) = std::env::var("MIDWATCH_TEST_S3") {
        let variable = |name| (name, std::env::var(name).unwrap_or_else(|_| "test".into()));
        let environment = [
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ALLOW_HTTP", "true".into()),
        ];
        let prefix = format!("s3://midwatch-test/{}", crate::lease::unique_name());
        let objects = Objects::for_tests(&Location::parse(Path::new(&prefix)).unwrap(), &environment);
        objects.claim("MIDWATCH", "a test").unwrap();
        check_objects(&objects);
        objects.delete("MIDWATCH").unwrap();
    }
}

#[test]
fn what_is_written_is_in_the_bucket_and_comes_back_on_any_machine() {
    let (s3, home) = (S3::start(&["telemetry"]), tempfile::tempdir().unwrap());
    let mut want = BTreeMap::new();
    for round in 0..6i64 {
        let store = open(&s3, &home.path().join("wal"));
        for i in 0..20 {
            let (series, t) = (i as usize % 3, round * 1000 + i);
            append(&store, &[(series, t, t as f64)]).unwrap();
            want.insert((series.to_string(), t), t as f64);
        }
        if round % 2 == 0 {
            store.flush_head().unwrap();
            store.maintain(NOW_MS + 60_000, 0).unwrap();
        }
        assert_eq!(read(&store), (want.clone(), vec![]));
    }
    drop(open(&s3, &home.path().join("wal")).flush_head());
    // Another machine has no log, and needs none for what is in blocks.
    let other = open(&s3, &home.path().join("another"));
    assert_eq!(read(&other), (want, vec![]));
    assert!(other.status().messages[0].contains("another machine wrote to this bucket"));
    assert!(s3.keys().iter().all(|key| key.starts_with("telemetry/prod/")));
    let blocks = s3.keys().iter().filter(|key| key.contains("/blocks/")).count();
    assert_eq!(blocks as u64, 2 * other.status().blocks);
}

#[test]
fn a_bucket_that_cannot_be_used_is_refused_with_what_to_do() {
    let (s3, home) = (S3::start(&["telemetry"]), tempfile::tempdir().unwrap());
    let refusal = || {
        let error = try_open(&s3, &home.path().join("wal")).err().unwrap();
        assert!(!error.to_string().contains(SECRET_KEY), "{error}");
        error.to_string()
    };
    s3.disappear();
    let text = refusal();
    assert!(text.contains("s3://telemetry/prod cannot be used now") && text.contains("refused"), "{text}");
    assert!(text.contains("check the network, AWS_ENDPOINT_URL"), "{text}");
    s3.come_back();
    s3.faults(|_| Some(Fault::Status(403)));
    assert!(refusal().contains("refuses the credentials"));
    s3.faults(|_| Some(Fault::Status(503)));
    assert!(refusal().contains("503"));
    s3.no_faults();
    s3.put("telemetry/prod/thesis.txt", b"years of work");
    assert!(refusal().contains("it holds prod/thesis.txt"));
    s3.remove("telemetry/prod/thesis.txt");
    s3.be_careless();
    assert!(refusal().contains("conditional writes"));
    let nowhere = Location::parse(Path::new("s3://nowhere/prod")).unwrap();
    let error = Objects::for_tests(&nowhere, &s3.environment()).claim("MIDWATCH", "").unwrap_err();
    assert!(error.message.starts_with("there is no bucket for s3://nowhere/prod"), "{error}");
}

#[test]
fn recording_and_the_head_do_not_need_the_bucket() {
    let (s3, home) = (S3::start(&["telemetry"]), tempfile::tempdir().unwrap());
    let store = open(&s3, home.path());
    append(&store, &[(0, 1, 1.0)]).unwrap();
    store.flush_head().unwrap();
    s3.disappear();
    append(&store, &[(0, 2, 2.0)]).unwrap();
    let (found, warnings) = read(&store);
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [("0".to_string(), 2)]);
    assert!(warnings.len() == 1 && warnings[0].contains("was left out"), "{warnings:?}");
    assert_eq!(store.flush_head().unwrap_err().kind, ErrorKind::Unavailable);
    append(&store, &[(0, 3, 3.0)]).unwrap();
    // Everything that waited goes once it is back.
    s3.come_back();
    store.flush_head().unwrap();
    let times = |store: &Store| read(store).0.into_keys().map(|key| key.1).collect::<Vec<_>>();
    assert_eq!(times(&store), [1, 2, 3]);
    drop(store);
    assert_eq!(times(&open(&s3, home.path())), [1, 2, 3]);
}

#[test]
fn the_writer_that_started_last_writes_and_the_other_says_so() {
    let (s3, home) = (S3::start(&["telemetry"]), tempfile::tempdir().unwrap());
    let first = open(&s3, &home.path().join("first"));
    append(&first, &[(0, 1, 1.0)]).unwrap();
    first.flush_head().unwrap();
    append(&first, &[(0, 2, 2.0)]).unwrap();
    let second = open(&s3, &home.path().join("second"));
    append(&second, &[(1, 1, 1.0)]).unwrap();
    second.flush_head().unwrap();
    // It finds out by itself, or when it has something to write.
    first.maintain(NOW_MS, 60_000).unwrap();
    assert_eq!(first.flush_head().unwrap_err().kind, ErrorKind::Conflict);
    let problem = first.status().problem.unwrap();
    assert!(problem.contains("another Midwatch writes to the same bucket"), "{problem}");
    assert_eq!(append(&first, &[(0, 3, 3.0)]).unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(read(&first).0.len(), 2, "what it has can be read");
    // What it acknowledged goes into the bucket when it is the writer again.
    drop((first, second));
    let first = open(&s3, &home.path().join("first"));
    let want: Vec<(String, i64)> = vec![("0".into(), 1), ("0".into(), 2), ("1".into(), 1)];
    assert_eq!(read(&first).0.into_keys().collect::<Vec<_>>(), want);
    first.flush_head().unwrap();
    drop(first);
    assert_eq!(read(&open(&s3, &home.path().join("third"))).0.into_keys().collect::<Vec<_>>(), want);
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

/// More for who has the time: each takes half a second.
fn seeds() -> u64 {
    std::env::var("MIDWATCH_TEST_SEEDS").map_or(6, |n| n.parse().unwrap())
}

/// Two writers on one bucket that starts to fail at any request: whatever order they act in, what either acknowledged is
/// there in the end, and nobody's block is lost.
#[test]
fn two_writers_lose_nothing_of_each_other_whatever_fails() {
    for seed in 0..seeds() {
        let (s3, home) = (S3::start(&["telemetry"]), tempfile::tempdir().unwrap());
        let mut dice = Dice(seed);
        let mut writers: [Option<Store>; 2] = [None, None];
        let mut acknowledged = BTreeMap::new();
        let wal = |who: usize| home.path().join(who.to_string());
        for step in 0..60i64 {
            let who = dice.roll(2) as usize;
            let mut faults = Dice(seed * 1000 + step as u64);
            let often = dice.roll(12);
            s3.faults(move |_| {
                let all = [Fault::Drop, Fault::LoseAnswer, Fault::Status(500), Fault::Truncate];
                (faults.roll(20) < often).then(|| all[faults.roll(4) as usize])
            });
            match (dice.roll(8), &mut writers[who]) {
                (0, writer) => *writer = None,
                (1, writer) | (_, writer @ None) => {
                    *writer = None;
                    *writer = try_open(&s3, &wal(who)).ok();
                }
                (2..5, Some(store)) => {
                    let (series, value) = (who, step as f64);
                    if append(store, &[(series, step, value)]).is_ok() {
                        acknowledged.insert((series.to_string(), step), value);
                    }
                }
                (5..7, Some(store)) => drop(store.flush_head()),
                (_, Some(store)) => drop(store.maintain(NOW_MS + 60_000, step as u64 * 1000)),
            }
        }
        s3.no_faults();
        drop(writers);
        for who in 0..2 {
            open(&s3, &wal(who)).flush_head().unwrap();
        }
        let last = open(&s3, &wal(2));
        let (found, warnings) = read(&last);
        let lost: Vec<_> = acknowledged.iter().filter(|(k, v)| found.get(k) != Some(v)).collect();
        assert!(lost.is_empty() && warnings.is_empty(), "seed {seed}: {lost:?} {warnings:?}");
        assert!(acknowledged.len() > 3, "seed {seed}");
        // Files that no manifest names were collected.
        let blocks = s3.keys().iter().filter(|key| key.contains("/blocks/")).count();
        assert_eq!(blocks as u64, 2 * last.status().blocks, "seed {seed}");
    }
}
