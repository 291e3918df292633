//! Numbers as PromQL computes and writes them: compensated sums, quantiles, and the shortest text.

/// A sum that keeps the digits which plain addition loses (Neumaier, "Rundungsfehleranalyse einiger
/// Verfahren zur Summation endlicher Summen", 1974).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) sum: f64,
    pub(crate) compensation: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, v: f64) {
        let t = self.sum + v;
        if t.is_infinite() {
            self.compensation = 0.0;
        } else if self.sum.abs() >= v.abs() {
            self.compensation += (self.sum - t) + v;
        } else {
            self.compensation += (v - t) + self.sum;
        }
        self.sum = t;
    }

    pub(crate) fn value(&self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.compensation }
    }
}

/// An average: the sum divided at the end, or, once the sum would overflow, a running mean.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: Sum,
    count: f64,
    running: bool,
}

impl Mean {
    pub(crate) fn add(&mut self, v: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum.sum = v;
            return;
        }
        if !self.running {
            let mut next = self.sum;
            next.add(v);
            if !next.sum.is_infinite() {
                self.sum = next;
                return;
            }
            self.running = true;
            self.sum.sum /= self.count - 1.0;
            self.sum.compensation /= self.count - 1.0;
        }
        let share = (self.count - 1.0) / self.count;
        self.sum.sum *= share;
        self.sum.compensation *= share;
        self.sum.add(v / self.count);
    }

    pub(crate) fn value(&self) -> f64 {
        if self.running {
            self.sum.sum + self.sum.compensation
        } else {
            self.sum.sum / self.count + self.sum.compensation / self.count
        }
    }
}

/// The q-quantile of the values, linear between neighbours; NaN counts as smallest. Sorts `values`.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| nan_first(*a, *b));
    let last = (values.len() - 1) as f64;
    let rank = q * last;
    let lower = rank.floor();
    let upper = (lower + 1.0).min(last);
    let weight = rank - lower;
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

/// By value, NaN before all.
pub(crate) fn nan_first(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// The shortest text that reads back as the same number, never with an exponent; as values in labels.
pub(crate) fn plain_text(v: f64) -> String {
    if v.is_nan() {
        "NaN".into()
    } else if v.is_infinite() {
        if v > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{v}")
    }
}

/// As [`plain_text`], but with an exponent where the number is very large or small; as in messages
/// and in PromQL.
pub(crate) fn short_text(v: f64) -> String {
    if v.is_finite() && v != 0.0 && (v.abs() >= 1e21 || v.abs() < 1e-4) {
        let text = format!("{v:e}");
        // Two digits of exponent, with its sign.
        return match text.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, n) = exponent.strip_prefix('-').map_or(('+', exponent), |n| ('-', n));
                format!("{digits}e{sign}{n:0>2}")
            }
            None => text,
        };
    }
    plain_text(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (v, plain, short) in [
            (1.0, "1", "1"),
            (0.1, "0.1", "0.1"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1.5e-7, "0.00000015", "1.5e-07"),
            (-1e300, &format!("-1{}", "0".repeat(300)), "-1e+300"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            assert_eq!((plain_text(v).as_str(), short_text(v).as_str()), (plain, short));
        }
    }

    #[test]
    fn sums_and_means_keep_small_digits_and_do_not_overflow() {
        let sum = |values: &[f64]| {
            let mut s = Sum::default();
            values.iter().for_each(|v| s.add(*v));
            s.value()
        };
        let mean = |values: &[f64]| {
            let mut m = Mean::default();
            values.iter().for_each(|v| m.add(*v));
            m.value()
        };
        assert_eq!(sum(&[2.0, 8.0, 1e100, -1e100]), 10.0);
        assert_eq!(mean(&[2.0, 8.0, 1e100, -1e100]), 2.5);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert_eq!(mean(&[1e308, 1e308, 1e308]), 1e308);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }
}
