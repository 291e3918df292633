//! An aggregate in SQL over `metrics` is what PromQL says of the same samples: two ways through the program, one answer.

use crate::support::{NOON_MS, Stored, labels};
use model::Batch;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The numbers of a job and a code, and samples: a second and a value.
type Drawn = (usize, usize, Vec<(u16, i32)>);

/// Samples of a few series at whole seconds of ten minutes, some of them missing, some series ended.
fn batches() -> impl Strategy<Value = Vec<Drawn>> {
    let samples = prop::collection::btree_map(0u16..600, -1_000i32..1_000, 0..60);
    prop::collection::vec((0usize..3, 0usize..4, samples.prop_map(|m| m.into_iter().collect())), 1..12)
}

fn stored(series: &[Drawn]) -> Stored {
    let mut all: BTreeMap<(usize, usize), BTreeMap<u16, i32>> = BTreeMap::new();
    for (job, code, samples) in series {
        all.entry((*job, *code)).or_default().extend(samples.iter().copied());
    }
    let mut batch = Batch::default();
    for ((job, code), samples) in &all {
        let (job, code) = (format!("job-{job}"), format!("{code}00"));
        let set = labels(&[("__name__", "x"), ("job", &job), ("code", &code)]);
        for (second, value) in samples {
            batch.push(&set, NOON_MS + i64::from(*second) * 1_000, f64::from(*value));
        }
        if let Some((last, _)) = samples.last_key_value() {
            let stale = f64::from_bits(model::STALE_NAN_BITS);
            batch.push(&set, NOON_MS + i64::from(*last) * 1_000 + 500, stale);
        }
    }
    Stored::new(batch)
}

/// job -> value, from lines of `job,value`.
fn rows(csv: &str) -> BTreeMap<String, f64> {
    csv.lines()
        .skip(1)
        .map(|l| l.split_once(',').unwrap())
        .map(|(j, v)| (j.into(), v.parse().unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sums_counts_and_extremes(series in batches(), from in 0i64..400, length in 1i64..300) {
        let stored = stored(&series);
        // A range of PromQL leaves its start out.
        let (start, end) = (NOON_MS / 1_000 + from, NOON_MS / 1_000 + from + length);
        for (sql, promql) in [
            ("sum(value)", "sum by (job) (sum_over_time(x[R]))"),
            ("count(value)", "sum by (job) (count_over_time(x[R]))"),
            ("min(value)", "min by (job) (min_over_time(x[R]))"),
            ("max(value)", "max by (job) (max_over_time(x[R]))"),
        ] {
            let direct = format!(
                "SELECT labels['job'] AS job, {sql} AS v FROM metrics WHERE name = 'x' \
                 AND time > to_timestamp({start}) AND time <= to_timestamp({end}) GROUP BY 1"
            );
            let promql = promql.replace("[R]", &format!("[{length}s]"));
            let through = format!("SELECT labels['job'] AS job, value AS v FROM promql('{promql}', {end})");
            prop_assert_eq!(rows(&stored.csv(&direct).unwrap()), rows(&stored.csv(&through).unwrap()), "{}", direct);
        }
    }

    #[test]
    fn filters_of_labels(series in batches(), code in 0usize..5, job in 0usize..4) {
        let stored = stored(&series);
        // A range of PromQL leaves its start out: it begins before the first sample.
        let end = NOON_MS / 1_000 + 700;
        for (sql, matcher) in [
            (format!("labels['code'] = '{code}00'"), format!("code=\"{code}00\"")),
            (format!("labels['code'] != '{code}00'"), format!("code!=\"{code}00\"")),
            (format!("labels['code'] IN ('{code}00', '100')"), format!("code=~\"{code}00|100\"")),
            (format!("labels['code'] NOT IN ('{code}00', '100')"), format!("code!~\"{code}00|100\"")),
            (format!("labels['job'] LIKE '%-{job}'"), format!("job=~\".*-{job}\"")),
            (format!("labels['job'] NOT LIKE '%-{job}'"), format!("job!~\".*-{job}\"")),
        ] {
            let direct = format!("SELECT labels['job'] AS job, count(*) FROM metrics WHERE {sql} GROUP BY 1");
            // Taken from the store, and looked at row by row: a cast that the store does not take.
            let slow = format!("SELECT labels['job'] AS job, count(*) FROM (SELECT *, random() AS r FROM metrics) WHERE {sql} AND r >= 0 GROUP BY 1");
            let through = format!("SELECT labels['job'] AS job, value FROM promql('sum by (job) (count_over_time(x{{{matcher}}}[701s]))', {end})");
            let got = rows(&stored.csv(&direct).unwrap());
            prop_assert_eq!(&got, &rows(&stored.csv(&slow).unwrap()), "{}", direct);
            prop_assert_eq!(&got, &rows(&stored.csv(&through).unwrap()), "{}", direct);
        }
    }
}
