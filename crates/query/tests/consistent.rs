//! A range query must answer at each step what an instant query answers there: on random data with gaps,
//! resets and stale markers, for expressions of every kind. Also: what a query answers does not depend on
//! where the range starts.

mod support;

use model::{Labels, STALE_NAN_BITS, SeriesData};
use query::{QueryOptions, Value, instant, parse, range};
use support::{Naive, labels, near};

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// Counters with resets and gauges with odd values, at jittered times, with gaps.
fn random_source(seed: u64) -> Naive {
    let mut random = Random(seed * 2 + 1);
    let mut source = Naive::default();
    for i in 0..24 {
        let counter = i < 12;
        let k = i % 12;
        let name = if counter { "c_total" } else { "g" };
        let text = format!("{name}{{job=\"{}\", host=\"{}\", le=\"{}\"}}", k % 2, k % 3, [1, 2, 4, 8][k / 3]);
        let (mut time, mut value, mut samples) = (0i64, 0.0, Vec::new());
        while time < 1_200_000 {
            time += 10_000 + random.below(1_000) as i64;
            match random.below(40) {
                0 => time += 400_000,
                1 => samples.push((time, f64::from_bits(STALE_NAN_BITS))),
                2 if counter => value = 0.0,
                2 => value = [f64::NAN, f64::INFINITY, -0.0][random.below(3) as usize],
                _ if counter => value += random.below(100) as f64 / 7.0,
                _ => value = random.below(1_000) as f64 / 13.0 - 30.0,
            }
            samples.push((time + 1, value));
            time += 1;
        }
        source.add(labels(&text), samples);
    }
    source
}

const EXPRESSIONS: [&str; 61] = [
    "c_total",
    "g offset 33s",
    "g offset -70s",
    "g @ 600",
    "sum(c_total) by (job)",
    "avg without (host) (g)",
    "min(g) + max(g)",
    "stddev by (job) (g)",
    "count by (host) (c_total > 20)",
    "group(c_total)",
    "quantile by (job) (0.7, g)",
    "topk(2, c_total)",
    "bottomk by (job) (1, g)",
    "limitk(3, g)",
    "limit_ratio(0.5, g)",
    "count_values by (job) (\"v\", round(g, 20))",
    "rate(c_total[1m])",
    "increase(c_total[90s] offset 45s)",
    "irate(c_total[2m])",
    "delta(g[2m])",
    "idelta(g[2m])",
    "deriv(g[3m])",
    "predict_linear(g[3m], 60)",
    "double_exponential_smoothing(g[2m], 0.3, 0.6)",
    "changes(g[2m]) + 1 or resets(c_total[2m])",
    "sum_over_time(g[1m]) / count_over_time(g[1m])",
    "avg_over_time(g[2m])",
    "stdvar_over_time(g[2m])",
    "quantile_over_time(0.3, g[2m])",
    "min_over_time(g[1m]) - ts_of_max_over_time(g[1m])",
    "mad_over_time(c_total[2m])",
    "last_over_time(g[15s]) or first_over_time(c_total[15s])",
    "present_over_time(g[20s]) unless on (job, host, le) absent_over_time(g[20s])",
    "absent(g{job=\"0\", host=\"1\", le=\"2\"})",
    "max_over_time(rate(c_total[1m])[3m:30s])",
    "sum_over_time((sum by (job) (g))[2m:20s] offset 10s)",
    "avg_over_time(g[2m:7s] @ 700)",
    "c_total * on (job, host, le) g",
    "g / on (job) group_left sum by (job) (c_total)",
    "g > bool on (job, host, le) c_total",
    "c_total and g or c_total unless g",
    "histogram_quantile(0.6, sum by (le) (rate(c_total[2m])) or label_replace(vector(99), \"le\", \"+Inf\", \"\", \"\"))",
    "label_join(g, \"to\", \"/\", \"job\", \"host\") * 2",
    "clamp(g, -10, scalar(sum(c_total)) / 10)",
    "timestamp(g) + time() + scalar(hour())",
    "-c_total ^ 2 % 7 atan2 3",
    "sort(abs(g)) > 5 < 25",
    "g smoothed",
    "max_over_time(g[3m]) - min_over_time(g[70s] offset 10s)",
    "min_over_time((g * 2)[2m:7s]) + max_over_time(g[2m] @ 600)",
    "g offset 20s anchored + g smoothed offset -30s",
    "rate(c_total[1m] anchored)",
    "increase(c_total[90s] smoothed offset 45s)",
    "delta(g[1m] smoothed)",
    "changes(g[2m] anchored) + resets(g[2m] anchored)",
    "increase(c_total[1m * 2 - 30s] anchored @ 600)",
    "g + on (job, host, le) fill(0) c_total",
    "c_total > on (job, host, le) fill_left(-5) fill_right(40) g",
    "c_total * on (job) group_left (extra) fill(2) sum by (job) (g > 25)",
    "info(g, {__name__=\"c_total\"})",
    "histogram_quantiles(sum by (le) (rate(c_total[2m])) or label_replace(vector(99), \"le\", \"+Inf\", \"\", \"\"), \"q\", 0.5, scalar(g{host=\"0\"} / 60))",
];

#[test]
fn a_range_is_its_instants() {
    for seed in 1..=4 {
        let source = random_source(seed);
        for text in EXPRESSIONS {
            let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let options = QueryOptions::default();
            let (start, end, step) = (-30_000, 1_700_000, 17_321);
            let got = match range(&source, &expr, start, end, step, &options).unwrap().value {
                Value::Matrix(m) => m,
                other => panic!("{text}: {other:?}"),
            };
            let mut found = 0;
            for time in (start..=end).step_by(step as usize) {
                let mut want = match instant(&source, &expr, time, &options).unwrap().value {
                    Value::Vector(v) => {
                        v.into_iter().filter_map(|(l, _, v)| Some((l, v.number()?))).collect::<Vec<_>>()
                    }
                    other => panic!("{text}: {other:?}"),
                };
                want.sort_by(|a, b| a.0.cmp(&b.0));
                let got = at(&got, time);
                found += got.len();
                let same = got.len() == want.len()
                    && got.iter().zip(&want).all(|(g, w)| g.0 == w.0 && near(g.1, w.1));
                assert!(same, "seed {seed}, {text} at {time}\n  range {got:?}\n  instant {want:?}");
            }
            assert!(found >= 5, "{text} finds only {found} values");
        }
    }
}

fn at(matrix: &[SeriesData], time: i64) -> Vec<(Labels, f64)> {
    let value =
        |s: &SeriesData| s.timestamps_ms.binary_search(&time).ok().map(|i| (s.labels.clone(), s.values[i]));
    matrix.iter().filter_map(value).collect()
}

#[test]
fn steps_do_not_depend_on_where_the_range_starts() {
    let source = random_source(9);
    for text in EXPRESSIONS {
        let expr = parse(text).unwrap();
        let ask = |start: i64| match range(&source, &expr, start, 900_000, 30_000, &QueryOptions::default()) {
            Ok(result) => match result.value {
                Value::Matrix(m) => m,
                other => panic!("{text}: {other:?}"),
            },
            Err(e) => panic!("{text}: {e}"),
        };
        let (long, short) = (ask(0), ask(600_000));
        for time in (600_000..=900_000).step_by(30_000) {
            let (a, b) = (at(&long, time), at(&short, time));
            let same = a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && near(x.1, y.1));
            assert!(same, "{text} at {time}\n  {a:?}\n  {b:?}");
        }
    }
}
