//! The pace of a line and how sure it is: Theil and Sen's slope (the median of the slopes of all pairs of points), with the
//! interval of Sen (1968) from the distribution of Kendall's statistic, widened for points that repeat one another (Yue and Wang,
//! 2004). One outlier, a restart or a nightly peak does not move it. It must never give an interval narrower than that.

/// Points that are used; more are thinned out, since pairs are squared.
const POINTS_MAX: usize = 150;
/// Standard deviations of the interval: 90 of 100.
const Z: f64 = 1.645;

/// A pace per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The slope.
    pub per_s: f64,
    /// The low end of the interval.
    pub low: f64,
    /// The high end.
    pub high: f64,
}

/// The pace of points (seconds, value) in order of time; `None` if there are fewer than [`super::POINTS_MIN`].
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    let good: Vec<(f64, f64)> =
        points.iter().copied().filter(|(t, v)| t.is_finite() && v.is_finite()).collect();
    if good.len() < super::POINTS_MIN {
        return None;
    }
    let every = good.len().div_ceil(POINTS_MAX);
    let points: Vec<(f64, f64)> = good.iter().rev().step_by(every).rev().copied().collect();
    let n = points.len();
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (i, a) in points.iter().enumerate() {
        slopes.extend(points[i + 1..].iter().filter(|b| b.0 > a.0).map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let count = slopes.len();
    let per_s = slopes[count / 2];
    let nf = n as f64;
    let variance = nf * (nf - 1.0) * (2.0 * nf + 5.0) / 18.0 * repetition(&points, per_s);
    let half = Z * variance.sqrt() / 2.0;
    let middle = count as f64 / 2.0;
    let at = |rank: f64| slopes[(rank.max(0.0) as usize).min(count - 1)];
    Some(Trend { per_s, low: at((middle - half).floor()), high: at((middle + half).ceil()) })
}

/// By how much points that repeat one another widen the interval: (1 + r) / (1 - r), with r how much what is left beside the
/// slope goes on from one point to the next.
fn repetition(points: &[(f64, f64)], per_s: f64) -> f64 {
    let rest: Vec<f64> = points.iter().map(|(t, v)| v - per_s * (t - points[0].0)).collect();
    let mean = rest.iter().sum::<f64>() / rest.len() as f64;
    let square: f64 = rest.iter().map(|v| (v - mean).powi(2)).sum();
    if square <= f64::EPSILON * mean.abs().max(1.0) {
        return 1.0;
    }
    let next: f64 = rest.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    let r = (next / square).clamp(0.0, 0.98);
    (1.0 + r) / (1.0 - r)
}
