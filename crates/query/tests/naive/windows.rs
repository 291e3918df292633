//! Functions over the samples of one series in a range, from the words of the documentation.

use super::eval::{Sample, Window, fold, histogram, is_histogram, mean, of, operate, variance};
use super::histograms as h;
use model::Histogram;
use query::{AggregateOp, BinaryOp, Point};

/// Whether a sample starts anew after the one before it, by what is known of starts.
fn starts_anew(before: &Sample, now: &Sample) -> bool {
    let known = |s: &Sample| s.1 != 0 && s.1 < s.0;
    known(now) && (now.1 > before.0 || (now.1 == before.0 && known(before)))
}

pub fn over_window(name: &str, w: &Window) -> Option<Point> {
    let numbers: Vec<f64> = w.samples.iter().filter_map(|s| s.2.number()).collect();
    let all_numbers = numbers.len() == w.samples.len();
    let all_histograms = numbers.is_empty();
    let (first, last) = (w.samples.first()?, w.samples.last()?);
    let seconds = |ms: i64| Some(Point::Number(ms as f64 / 1000.0));
    let plain = |v: f64| Some(Point::Number(v));
    match name {
        "count_over_time" => plain(w.samples.len() as f64),
        "present_over_time" => plain(1.0),
        "first_over_time" => Some(first.2.clone()),
        "last_over_time" => Some(last.2.clone()),
        "ts_of_first_over_time" => seconds(first.0),
        "ts_of_last_over_time" => seconds(last.0),
        "changes" | "resets" => {
            let counts = w.samples.windows(2).filter(|p| {
                let (a, b) = (&p[0], &p[1]);
                match (&a.2, &b.2) {
                    (Point::Number(x), Point::Number(y)) if name == "changes" => x != y,
                    (Point::Number(x), Point::Number(y)) => y < x || starts_anew(a, b),
                    (Point::Histogram(x), Point::Histogram(y)) if name == "changes" => {
                        operate(BinaryOp::NotEqual, &of((**x).clone()), &of((**y).clone())).unwrap().1
                            == Some(true)
                    }
                    (Point::Histogram(x), Point::Histogram(y)) => h::is_reset(y, x) || starts_anew(a, b),
                    _ => true,
                }
            });
            plain(counts.count() as f64)
        }
        "rate" | "increase" | "delta" if all_numbers || all_histograms => extrapolated(name, w),
        "irate" | "idelta" => instant_rate(name == "irate", w),
        "sum_over_time" | "avg_over_time" if all_numbers || all_histograms => {
            let points: Vec<&Point> = w.samples.iter().map(|s| &s.2).collect();
            fold(if name == "sum_over_time" { AggregateOp::Sum } else { AggregateOp::Avg }, &points, 0.0)
        }
        "rate" | "increase" | "delta" | "sum_over_time" | "avg_over_time" => None,
        _ if numbers.is_empty() => None,
        "min_over_time" => plain(numbers.iter().copied().fold(f64::NAN, f64::min)),
        "max_over_time" => plain(numbers.iter().copied().fold(f64::NAN, f64::max)),
        "stdvar_over_time" => plain(variance(&numbers)),
        "deriv" if numbers.len() < 2 => None,
        "deriv" => {
            let times: Vec<f64> =
                w.samples.iter().filter(|s| !is_histogram(&s.2)).map(|s| s.0 as f64 / 1000.0).collect();
            let (x, y) = (mean(&times), mean(&numbers));
            let pairs = times.iter().zip(&numbers);
            let covariance: f64 = pairs.map(|(t, v)| (t - x) * (v - y)).sum();
            plain(covariance / times.iter().map(|t| (t - x) * (t - x)).sum::<f64>())
        }
        other => panic!("what is {other}?"),
    }
}

/// A difference of two samples of one kind.
fn difference(a: &Point, b: &Point) -> Option<Point> {
    operate(BinaryOp::Sub, a, b).map(|(p, _)| p)
}

/// No observation, in the buckets of another histogram.
fn nothing_like(p: &Point) -> Point {
    match p {
        Point::Number(_) => Point::Number(0.0),
        Point::Histogram(x) => of(Histogram { zero_threshold: x.zero_threshold, ..h::scaled(x, 0.0) }),
    }
}

fn is_reset(before: &Sample, now: &Sample) -> bool {
    let fell = match (&before.2, &now.2) {
        (Point::Number(a), Point::Number(b)) => b < a,
        (a, b) => h::is_reset(histogram(b), histogram(a)),
    };
    fell || starts_anew(before, now)
}

/// The number that tells how far a counter may be extended back.
fn size(p: &Point) -> f64 {
    p.number().unwrap_or_else(|| histogram(p).count)
}

fn extrapolated(name: &str, w: &Window) -> Option<Point> {
    let counter = name != "delta";
    let (first, last) = (w.samples.first()?, w.samples.last()?);
    let began = counter && first.1 != 0 && first.1 > w.from_ms && first.1 < first.0;
    if w.samples.len() < 2 && !began {
        return None;
    }
    if is_histogram(&last.2) {
        // Kinds must not be mixed, but for what is before a reset at the beginning.
        let skip = usize::from(counter && w.samples.len() > 1 && is_reset(&w.samples[0], &w.samples[1]));
        let custom = |s: &Sample| histogram(&s.2).is_custom();
        let looked_at: Vec<&Sample> =
            if counter { w.samples.iter().skip(skip).collect() } else { vec![first, last] };
        if looked_at.iter().any(|s| custom(s) != custom(last)) || (began && custom(first) != custom(last)) {
            return None;
        }
    }
    // From the first to the last, and what resets took away. What is before a reset at the beginning does not count,
    // but the buckets after it do.
    let mut change = last.2.clone();
    if w.samples.len() == 1 {
        // Only what came since it began.
    } else if counter && is_reset(first, &w.samples[1]) {
        change = difference(&change, &nothing_like(&w.samples[1].2))?;
    } else {
        change = difference(&change, &first.2)?;
    }
    for (i, pair) in w.samples.windows(2).enumerate() {
        if counter && i > 0 && is_reset(&pair[0], &pair[1]) {
            change = operate(BinaryOp::Add, &change, &pair[0].2)?.0;
        }
    }
    if began && w.samples.len() > 1 {
        change = operate(BinaryOp::Add, &change, &first.2)?.0;
    }
    let zero_ms = if began { first.1 } else { first.0 };
    let sampled = (last.0 - zero_ms) as f64;
    let gap =
        if w.samples.len() > 1 { (last.0 - first.0) as f64 / (w.samples.len() - 1) as f64 } else { 0.0 };
    let to_edge = |ms: i64| if ms as f64 >= 1.1 * gap { gap / 2.0 } else { ms as f64 };
    let mut before = if began { 0.0 } else { to_edge(first.0 - w.from_ms) };
    if counter && !began && size(&change) > 0.0 && size(&first.2) >= 0.0 {
        before = before.min(sampled * size(&first.2) / size(&change));
    }
    let mut factor = (sampled + before + to_edge(w.to_ms - last.0)) / sampled;
    if name == "rate" {
        factor /= (w.to_ms - w.from_ms) as f64 / 1000.0;
    }
    Some(match change {
        Point::Number(v) => Point::Number(v * factor),
        Point::Histogram(x) => of(h::scaled(&x, factor)),
    })
}

fn instant_rate(counter: bool, w: &Window) -> Option<Point> {
    let [.., before, now] = &w.samples[..] else { return None };
    if is_histogram(&before.2) != is_histogram(&now.2) {
        return None;
    }
    let change = match counter && is_reset(before, now) {
        true => now.2.clone(),
        false => difference(&now.2, &before.2)?,
    };
    let seconds = if counter { (now.0 - before.0) as f64 / 1000.0 } else { 1.0 };
    Some(match change {
        Point::Number(v) => Point::Number(v / seconds),
        Point::Histogram(x) => of(h::scaled(&x, 1.0 / seconds)),
    })
}
