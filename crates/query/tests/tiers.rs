//! Summaries in place of samples: the same answer where windows are whole buckets, a stated one where they are not, and
//! always said.

use model::{Batch, Labels, Matcher, STALE_NAN_BITS};
use query::overview::{Mode, Window, slots, slots_of_summaries};
use query::{QueryOptions, QueryResult, Resolution, Value};
use std::sync::OnceLock;
use stdx::metrics::Registry;
use store::{HOUR_MS, MINUTE_MS, Settings, Store, SummaryQuery, View};

/// A time at which a window of both tiers begins.
const START_MS: i64 = 4918 * 96 * HOUR_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const END_MS: i64 = START_MS + 9 * DAY_MS + 7 * HOUR_MS;

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("job", "test")]).unwrap()
}

/// A few numbers that look like chance.
fn noise(i: i64) -> i64 {
    let mut x = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    (x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as i64
}

/// Samples of nine days and some hours.
fn samples() -> Batch {
    let mut batch = Batch::default();
    let stale = f64::from_bits(STALE_NAN_BITS);
    let (mut requests, mut fraction) = (0.0, 0.0);
    for i in 1..(END_MS - START_MS) / 30_000 {
        let t = START_MS + i * 30_000;
        // A counter that starts anew now and then, late by up to a second.
        requests = if noise(i) % 4001 == 0 { 3.0 } else { requests + (noise(i) % 50) as f64 };
        batch.push(&labels("requests_total"), t + noise(i + 7) % 1000, requests);
        // A gauge that is gone for a while each day.
        fraction += (noise(i * 3) % 201 - 100) as f64 / 128.0;
        let of_day = (t - START_MS) % DAY_MS;
        if of_day == 5 * HOUR_MS {
            batch.push(&labels("level"), t, stale);
        } else if !(5 * HOUR_MS..=7 * HOUR_MS).contains(&of_day) {
            batch.push(&labels("level"), t, fraction);
        }
        // Some samples a day.
        if noise(i) % 997 == 0 {
            batch.push(&labels("seldom"), t + 1, i as f64);
        }
    }
    batch
}

struct Stored {
    _folder: tempfile::TempDir,
    store: Store,
}

impl Stored {
    fn new(settings: Settings, now_ms: i64) -> Stored {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), settings, &Registry::default()).unwrap();
        store.append(samples()).unwrap().wait_blocking().unwrap();
        store.flush_head().unwrap();
        for _ in 0..20 {
            store.maintain(END_MS, 0).unwrap();
        }
        for i in 0..3 {
            store.maintain(now_ms, (now_ms - END_MS + i) as u64).unwrap();
        }
        Stored { _folder: folder, store }
    }
}

fn view() -> View {
    static STORE: OnceLock<Stored> = OnceLock::new();
    STORE.get_or_init(|| Stored::new(Settings::default(), END_MS)).store.view()
}

fn options(resolution: Resolution) -> QueryOptions {
    QueryOptions { resolution, ..QueryOptions::default() }
}

fn range(text: &str, from_ms: i64, to_ms: i64, step_ms: i64, resolution: Resolution) -> QueryResult {
    let expr = query::parse(text).unwrap();
    query::range(&view(), &expr, from_ms, to_ms, step_ms, &options(resolution)).unwrap()
}

fn at(view: &View, text: &str, time_ms: i64, resolution: Resolution) -> QueryResult {
    query::instant(view, &query::parse(text).unwrap(), time_ms, &options(resolution)).unwrap()
}

fn assert_same(a: &Value, b: &Value, what: &str) {
    let (Value::Matrix(a), Value::Matrix(b)) = (a, b) else { panic!("{what}") };
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert_eq!((&a.labels, &a.timestamps_ms), (&b.labels, &b.timestamps_ms), "{what}");
        for ((t, a), b) in a.timestamps_ms.iter().zip(&a.values).zip(&b.values) {
            assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "{what} at {t}: {a} instead of {b}");
        }
    }
}

const FUNCTIONS: [&str; 14] = [
    "rate(NAME)",
    "increase(NAME)",
    "delta(NAME)",
    "sum_over_time(NAME)",
    "avg_over_time(NAME)",
    "count_over_time(NAME)",
    "min_over_time(NAME)",
    "max_over_time(NAME)",
    "present_over_time(NAME)",
    "first_over_time(NAME)",
    "last_over_time(NAME)",
    "ts_of_first_over_time(NAME)",
    "ts_of_last_over_time(NAME)",
    "absent_over_time(NAME) or vector(7)",
];

/// How the infos begin: which tiers were used.
fn tiers(result: &QueryResult) -> Vec<&str> {
    let used = result.infos.iter().filter(|i| i.contains("summaries were used"));
    used.map(|i| i.split(' ').next().unwrap()).collect()
}

#[test]
fn windows_of_whole_buckets_give_what_samples_give() {
    let mut compared = 0;
    for (window, step, used) in [
        ("[1h]", HOUR_MS, &["1-hour", "1-minute"][..]),
        ("[5h]", 2 * HOUR_MS, &["1-hour", "1-minute"]),
        ("[1d]", HOUR_MS, &["1-hour", "1-minute"]),
        ("[7m]", 10 * MINUTE_MS, &["1-minute"]),
        ("[1h] offset 3m", HOUR_MS, &["1-minute"]),
    ] {
        for name in ["requests_total", "level", "seldom"] {
            for function in FUNCTIONS {
                let text = function.replace("NAME", &format!("{name}{window}"));
                let from_ms = START_MS + 2 * HOUR_MS;
                let summaries = range(&text, from_ms, END_MS, step, Resolution::Auto);
                let samples = range(&text, from_ms, END_MS, step, Resolution::Samples);
                assert_eq!((tiers(&summaries), tiers(&samples)), (used.to_vec(), vec![]), "{text}");
                assert_same(&summaries.value, &samples.value, &text);
                compared += values(&samples.value);
            }
        }
    }
    assert!(compared > 30_000, "{compared}");
}

fn values(value: &Value) -> usize {
    match value {
        Value::Matrix(rows) => rows.iter().map(|r| r.values.len()).sum(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn instants_at_the_end_of_buckets_are_what_samples_are() {
    for text in ["requests_total", "level", "seldom", "timestamp(level)", "absent(level)"] {
        for (step, used) in [(HOUR_MS, "1-hour"), (3 * HOUR_MS, "1-hour"), (15 * MINUTE_MS, "1-minute")] {
            let summaries = range(text, START_MS, END_MS, step, Resolution::Auto);
            let samples = range(text, START_MS, END_MS, step, Resolution::Samples);
            assert!(tiers(&summaries).contains(&used), "{text} {:?}", summaries.infos);
            assert_same(&summaries.value, &samples.value, text);
        }
    }
    let subquery = "max_over_time(sum(level)[1d:10m])";
    let summaries = range(subquery, START_MS + DAY_MS, END_MS, 6 * HOUR_MS, Resolution::Auto);
    assert_eq!(tiers(&summaries), ["1-minute"]);
    let samples = range(subquery, START_MS + DAY_MS, END_MS, 6 * HOUR_MS, Resolution::Samples);
    assert_same(&summaries.value, &samples.value, subquery);
}

/// An edge inside a bucket is taken for its start: the answer is that of up to a bucket earlier, exactly.
#[test]
fn other_windows_are_moved_by_less_than_a_bucket() {
    let view = view();
    for i in 0..8 {
        let time_ms = START_MS + 3 * DAY_MS + noise(i) % (5 * DAY_MS);
        for (bucket_ms, range) in [(HOUR_MS, "[24h]"), (MINUTE_MS, "[90m]")] {
            for name in ["requests_total", "level", "seldom"] {
                for function in FUNCTIONS {
                    let text = function.replace("NAME", &format!("{name}{range}"));
                    let moved = at(&view, &text, time_ms, Resolution::Buckets(bucket_ms));
                    let exact = at(&view, &text, time_ms - time_ms % bucket_ms, Resolution::Samples);
                    let values = |v: &Value| match v {
                        Value::Vector(rows) => rows.iter().filter_map(|r| r.2.number()).collect::<Vec<_>>(),
                        other => panic!("{other:?}"),
                    };
                    let (a, b) = (values(&moved.value), values(&exact.value));
                    assert_eq!(a.len(), b.len(), "{text} at {time_ms}");
                    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
                    assert!(a.iter().zip(&b).all(near), "{text} at {time_ms}: {a:?} instead of {b:?}");
                }
            }
        }
    }
}

#[test]
fn without_being_asked_a_moved_window_changes_little() {
    for i in 0..20 {
        let from_ms = START_MS + HOUR_MS + noise(i) % DAY_MS;
        let (text, step) = ("rate(requests_total[2h])", 20 * MINUTE_MS + noise(i + 1) % HOUR_MS);
        let summaries = range(text, from_ms, from_ms + 3 * DAY_MS, step, Resolution::Auto);
        let samples = range(text, from_ms, from_ms + 3 * DAY_MS, step, Resolution::Samples);
        assert_eq!(tiers(&summaries), ["1-minute"]);
        let (Value::Matrix(a), Value::Matrix(b)) = (summaries.value, samples.value) else { panic!() };
        assert_eq!(a[0].timestamps_ms, b[0].timestamps_ms);
        for (a, b) in a[0].values.iter().zip(&b[0].values) {
            // A minute of two hours, at either end: values differ by up to the spread of a minute's rates.
            assert!((a - b).abs() <= 2.0 / 120.0 * b.abs() * 2.0, "{a} instead of {b}");
        }
    }
}

#[test]
fn samples_are_read_where_buckets_would_not_do() {
    for (text, step) in [
        ("quantile_over_time(0.9, level[2h])", HOUR_MS),
        ("changes(level[2h])", HOUR_MS),
        ("irate(requests_total[2h])", HOUR_MS),
        ("rate(requests_total[5m] anchored)", HOUR_MS),
        ("rate(requests_total[5m])", 30_000),
        ("rate(requests_total[90s])", 7 * MINUTE_MS),
        ("level", 1000 * 601),
    ] {
        let result = range(text, START_MS + DAY_MS, START_MS + DAY_MS + 3 * HOUR_MS, step, Resolution::Auto);
        assert_eq!((tiers(&result), result.warnings.len()), (vec![], 0), "{text}");
    }
}

#[test]
fn where_samples_are_gone_summaries_answer_and_say_so() {
    let settings = Settings { retention_ms: DAY_MS, ..Settings::default() };
    let stored = Stored::new(settings, END_MS + 3 * DAY_MS);
    let view = stored.store.view();
    assert_eq!(stored.store.status().blocks, 0);
    let time_ms = START_MS + 2 * DAY_MS + 12_345;
    let full = self::view();
    for text in ["max_over_time(level[30m])", "level", "rate(requests_total[5m])"] {
        let result = at(&view, text, time_ms, Resolution::Auto);
        assert_eq!(tiers(&result), ["1-minute"], "{text}");
        let exact = at(&full, text, time_ms - 12_345, Resolution::Samples);
        let (Value::Vector(a), Value::Vector(b)) = (&result.value, &exact.value) else { panic!() };
        assert_eq!(
            a.iter().map(|r| r.2.number()).collect::<Vec<_>>(),
            b.iter().map(|r| r.2.number()).collect::<Vec<_>>(),
            "{text}"
        );
    }
    let result = at(&view, "quantile_over_time(0.5, level[4h])", time_ms, Resolution::Auto);
    assert!(matches!(&result.value, Value::Vector(rows) if rows.len() == 1));
    assert!(result.warnings[0].contains("only the last value of each minute"), "{:?}", result.warnings);
    assert_eq!(tiers(&result), ["1-minute"]);
    let none = at(&view, "level", time_ms, Resolution::Samples);
    assert!(matches!(&none.value, Value::Vector(rows) if rows.is_empty()));
    let matrix = at(&view, "level[10m]", time_ms, Resolution::Auto);
    assert!(matches!(&matrix.value, Value::Matrix(rows) if rows[0].values.len() == 10), "{matrix:?}");
}

#[test]
fn a_chart_of_removed_samples_looks_as_it_did() {
    let settings = Settings { retention_ms: DAY_MS, ..Settings::default() };
    let stored = Stored::new(settings, END_MS + 3 * DAY_MS);
    let (view, full) = (stored.store.view(), self::view());
    let (start_ms, end_ms) = (START_MS + 2 * DAY_MS, START_MS + 4 * DAY_MS);
    // Slots of half an hour, and of ten seconds, which no bucket of a minute can fill with more than it knows.
    for (metric, mode, points, length_ms, tolerance) in [
        ("level", Mode::Raw, 96, 2 * DAY_MS, 0.01),
        ("requests_total", Mode::Rate, 96, 2 * DAY_MS, 0.02),
        ("level", Mode::Raw, 360, HOUR_MS, 0.5),
    ] {
        let end_ms = end_ms.min(start_ms + length_ms);
        let window = Window { start_ms, end_ms, points, mode };
        let matchers = [Matcher::equal("__name__", metric)];
        let exact = full.pieces(&matchers, start_ms, end_ms, 10, usize::MAX).unwrap().remove(0);
        let exact = slots(&exact, window, false).unwrap();
        let query = SummaryQuery {
            matchers: &matchers,
            start_ms,
            end_ms,
            resolutions: &[],
            any_for_removed: true,
            series_max: 10,
            samples_max: usize::MAX,
        };
        assert!(full.summaries(&query).unwrap().is_none(), "as long as samples are there they are shown");
        let found = view.summaries(&query).unwrap().unwrap();
        let shown = slots_of_summaries(&found.series[0], window).unwrap();
        let finite = |f: fn(f64, f64) -> f64| exact.avg.iter().copied().filter(|v| v.is_finite()).reduce(f);
        let spread = finite(f64::max).unwrap() - finite(f64::min).unwrap();
        let mut gaps = 0;
        for (i, (a, b)) in exact.avg.iter().zip(&shown.avg).enumerate() {
            gaps += i32::from(a.is_nan() != b.is_nan());
            if a.is_finite() && b.is_finite() {
                assert!((a - b).abs() <= tolerance * spread, "{metric} of {points}, slot {i}: {a} {b}");
                assert!(shown.min[i] <= *b && *b <= shown.max[i]);
            }
        }
        assert!(gaps <= 8, "{metric} of {points}: {gaps} slots are empty in one alone");
        assert!(exact.avg.iter().filter(|v| v.is_finite()).count() > points / 2);
    }
}
