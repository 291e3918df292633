//! Lines like one: which series have the same shape over the same time, perhaps upside down, perhaps earlier or later. Shapes are
//! compared by Pearson's correlation at the best of some lags: coarse lines first, so that most series cost little, and what may
//! be alike again in full. Two lines that look alike need not have anything to do with one another: it must never say why.

use crate::changed::prepare;

/// Points of a shape.
pub const POINTS: usize = 240;
/// Points of the coarse shape; a divisor of [`POINTS`].
const COARSE: usize = 48;
/// The farthest lag, as a part of the shape.
const LAG: usize = 8;
/// Less of a correlation than this is not alike, whichever way.
pub const ALIKE_MIN: f64 = 0.7;
/// What a coarse lag between two points may cost of a correlation.
const SLACK: f64 = 0.15;
/// What the farthest lag has to be better by: among lines that hardly differ when shifted, the nearest in time is meant.
const FAR_COSTS: f64 = 0.03;
/// The part of the points that both must have.
const KNOWN_MIN: f64 = 0.5;

/// A line as means over equal parts of a range.
#[derive(Clone, Debug)]
pub struct Shape {
    /// NaN where there is nothing.
    means: Vec<f64>,
    full: Standard,
    coarse: Standard,
    /// The part of its variance that the coarse line has.
    kept: f64,
}

/// Values with mean 0 and deviation 1, and their running sums.
#[derive(Clone, Debug)]
struct Standard {
    values: Vec<f64>,
    /// Of the values before each place, and of their squares; empty if there are gaps.
    sums: Vec<(f64, f64)>,
}

/// How alike two lines are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike {
    /// Pearson's correlation at the best lag: -1 (one falls where the other rises) to 1.
    pub correlation: f64,
    /// Milliseconds by which the other line is later; negative: it is earlier.
    pub lag_ms: i64,
}

impl Shape {
    /// The shape of samples in a range, milliseconds, ends included. What counts up is taken by its rate. `None` if too little
    /// is known, or if it never changes.
    pub fn of(times: &[i64], values: &[f64], range: (i64, i64), cumulative: bool) -> Option<Shape> {
        let (mut at, mut value) = (Vec::new(), Vec::new());
        prepare(times, values, cumulative, &mut at, &mut value);
        let means = means(&at, &value, range);
        let known = means.iter().filter(|v| v.is_finite()).count();
        if (known as f64) < KNOWN_MIN * POINTS as f64 {
            return None;
        }
        let full = Standard::of(means.clone())?;
        let coarse: Vec<f64> = full.values.chunks(POINTS / COARSE).map(mean).collect();
        // The full line has a variance of 1.
        let kept = coarse.iter().filter(|v| v.is_finite()).map(|v| v * v).sum::<f64>() / COARSE as f64;
        let coarse = Standard::of(coarse).unwrap_or(Standard { values: vec![0.0; COARSE], sums: Vec::new() });
        Some(Shape { means, full, coarse, kept: kept.clamp(0.0, 1.0) })
    }

    /// The means, for a picture; NaN where there is nothing.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// How alike another line is, both over the same range of so many milliseconds; `None` if it is not.
    pub fn alike(&self, other: &Shape, range_ms: i64) -> Option<Alike> {
        let (coarse, _) = best(&self.coarse, &other.coarse, COARSE / LAG);
        // The most that there can be in full: what both have in common beside the coarse lines is at most all of the rest.
        let rest = ((1.0 - self.kept) * (1.0 - other.kept)).sqrt();
        if (self.kept * other.kept).sqrt() * coarse.abs() + rest + SLACK < ALIKE_MIN {
            return None;
        }
        let (correlation, lag) = best(&self.full, &other.full, POINTS / LAG);
        let lag_ms = (lag as f64 * range_ms as f64 / POINTS as f64) as i64;
        (correlation.abs() >= ALIKE_MIN).then_some(Alike { correlation, lag_ms })
    }
}

impl Standard {
    /// `None` if the values never change.
    fn of(mut values: Vec<f64>) -> Option<Standard> {
        // Values near the largest that there are would overflow when squared.
        let known =
            |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|v| v.is_finite()).collect() };
        let largest = known(&values).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        values.iter_mut().for_each(|v| *v /= largest.max(f64::MIN_POSITIVE));
        let (middle, count) = (mean(&values), known(&values).len() as f64);
        values.iter_mut().for_each(|v| *v -= middle);
        let deviation = (known(&values).iter().map(|v| v * v).sum::<f64>() / count).sqrt();
        // What is left of rounding is not movement.
        if deviation.is_nan() || deviation <= 1e-9 {
            return None;
        }
        values.iter_mut().for_each(|v| *v /= deviation);
        let mut sums = Vec::new();
        if values.iter().all(|v| v.is_finite()) {
            let (mut sum, mut squares) = (0.0, 0.0);
            sums.push((sum, squares));
            for v in &values {
                sum += v;
                squares += v * v;
                sums.push((sum, squares));
            }
        }
        Some(Standard { values, sums })
    }
}

fn mean(values: &[f64]) -> f64 {
    let known = values.iter().filter(|v| v.is_finite());
    let (sum, n) = known.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
    if n > 0.0 { sum / n } else { f64::NAN }
}

fn means(times: &[i64], values: &[f64], (from, to): (i64, i64)) -> Vec<f64> {
    let mut sums = vec![(0.0f64, 0.0f64); POINTS];
    let width = ((to - from).max(1) as f64 + 1.0) / POINTS as f64;
    let first = times.partition_point(|t| *t < from);
    for (t, v) in times[first..].iter().zip(&values[first..]).take_while(|(t, _)| **t <= to) {
        let (sum, count) = &mut sums[(((t - from) as f64 / width) as usize).min(POINTS - 1)];
        *count += 1.0;
        // As a running mean, which does not overflow.
        *sum += v / *count - *sum / *count;
    }
    let mut line: Vec<f64> = sums.iter().map(|(mean, n)| if *n == 0.0 { f64::NAN } else { *mean }).collect();
    // Scraped less often than there are points: a line holds its value for a few of them.
    let (mut held, mut since) = (f64::NAN, 0);
    for value in &mut line {
        match value.is_nan() {
            false => (held, since) = (*value, 0),
            true if since < POINTS / COARSE => {
                *value = held;
                since += 1;
            }
            true => {}
        }
    }
    line
}

/// The best correlation within so many points of lag, and the lag: positive if `b` is later. A farther lag has to be better by
/// a part of [`FAR_COSTS`].
fn best(a: &Standard, b: &Standard, lag_max: usize) -> (f64, isize) {
    let (mut found, mut merit) = ((0.0f64, 0isize), 0.0f64);
    for distance in 0..=lag_max {
        let costs = FAR_COSTS * distance as f64 / lag_max.max(1) as f64;
        for lag in [-(distance as isize), distance as isize] {
            let r = correlation(a, b, lag);
            if r.abs() - costs > merit {
                (found, merit) = ((r, lag), r.abs() - costs);
            }
        }
    }
    found
}

/// Pearson's correlation of `a` with `b` that is later by `lag` points, over those that both have.
fn correlation(a: &Standard, b: &Standard, lag: isize) -> f64 {
    let count = a.values.len() - lag.unsigned_abs();
    let (i, j) = if lag >= 0 { (0, lag.unsigned_abs()) } else { (lag.unsigned_abs(), 0) };
    let (x, y) = (&a.values[i..i + count], &b.values[j..j + count]);
    let [n, sx, sy, sxx, syy, sxy] = if a.sums.is_empty() || b.sums.is_empty() {
        let both = x.iter().zip(y).filter(|(x, y)| x.is_finite() && y.is_finite());
        both.fold([0.0f64; 6], |s, (x, y)| {
            [s[0] + 1.0, s[1] + x, s[2] + y, s[3] + x * x, s[4] + y * y, s[5] + x * y]
        })
    } else {
        let of = |s: &Standard, from: usize| {
            let (first, last) = (s.sums[from], s.sums[from + count]);
            (last.0 - first.0, last.1 - first.1)
        };
        let ((sx, sxx), (sy, syy)) = (of(a, i), of(b, j));
        [count as f64, sx, sy, sxx, syy, dot(x, y)]
    };
    if n < KNOWN_MIN * count as f64 || n < 2.0 {
        return 0.0;
    }
    let (vx, vy) = (sxx - sx * sx / n, syy - sy * sy / n);
    // A stretch that does not move is like nothing: of a deviation of 1, less than this is rounding.
    if vx < 1e-9 * n || vy < 1e-9 * n {
        return 0.0;
    }
    ((sxy - sx * sy / n) / (vx * vy).sqrt()).clamp(-1.0, 1.0)
}

/// Four sums at a time, so that one addition need not wait for the other.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0f64; 4];
    let (mut xs, mut ys) = (x.chunks_exact(4), y.chunks_exact(4));
    for (a, b) in (&mut xs).zip(&mut ys) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f64>() + xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum::<f64>()
}

/// "the same shape, 20 s later", for lags that are known to `point_ms`.
pub fn sentence(alike: &Alike, point_ms: i64) -> String {
    let shape = if alike.correlation < 0.0 { "the same shape upside down" } else { "the same shape" };
    // Half a point either way is the same time.
    let when = match alike.lag_ms {
        lag if lag.abs() <= point_ms / 2 => "at the same time".into(),
        lag if lag > 0 => format!("{} later", words(lag)),
        lag => format!("{} earlier", words(-lag)),
    };
    format!("{shape}, {when}")
}

fn words(ms: i64) -> String {
    match ms {
        ms if ms < 1_000 => format!("{ms} ms"),
        ms if ms < 120_000 => format!("{} s", ms / 1_000),
        ms if ms < 7_200_000 => format!("{} min", ms / 60_000),
        ms => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests;
