//! What of a series is compared: its values, or for what counts up, its rate. And the small picture of it. It must
//! never let a value through that is no number.

use super::PICTURE;

/// Fills `out_times` and `out_values` with finite values; for what counts up with the rate per second between one
/// sample and the next, at the later one's time. Where the count fell it began again: how much it rose in between nobody knows, so there is no
/// rate there.
pub(crate) fn prepare(
    times: &[i64],
    values: &[f64],
    cumulative: bool,
    out_times: &mut Vec<i64>,
    out_values: &mut Vec<f64>,
) {
    out_times.clear();
    out_values.clear();
    let is_clean = values.iter().all(|v| v.is_finite());
    if !cumulative && is_clean {
        out_times.extend_from_slice(times);
        out_values.extend_from_slice(values);
        return;
    }
    let samples =
        times.iter().copied().zip(values.iter().copied()).filter(|(_, v)| is_clean || v.is_finite());
    if !cumulative {
        for (t, v) in samples {
            out_times.push(t);
            out_values.push(v);
        }
        return;
    }
    // The places are there before they are filled, and samples are mostly equally far apart: this is where much of the time of
    // a comparison goes.
    out_times.resize(times.len(), 0);
    out_values.resize(times.len(), 0.0);
    let (mut count, mut last) = (0, None);
    let (mut step_ms, mut per_second) = (1000, 1.0);
    for (t, v) in samples {
        if let Some((t0, v0)) = last
            && t > t0
            && v >= v0
        {
            if t - t0 != step_ms {
                step_ms = t - t0;
                per_second = 1000.0 / step_ms as f64;
            }
            out_times[count] = t;
            out_values[count] = (v - v0) * per_second;
            count += 1;
        }
        last = Some((t, v));
    }
    out_times.truncate(count);
    out_values.truncate(count);
}

/// The line as [`PICTURE`] means: a third before the window, two thirds the window; NaN where nothing is.
pub(super) fn picture(times: &[i64], values: &[f64], (from, to): (i64, i64)) -> Vec<f32> {
    let length = (to - from).max(1);
    let start = from - length / 2;
    let width = ((length + length / 2) as f64 / PICTURE as f64).max(1.0);
    let mut sums = [(0.0f64, 0u32); PICTURE];
    let first = times.partition_point(|t| *t < start);
    for (t, v) in times[first..].iter().zip(&values[first..]).take_while(|(t, _)| **t <= to) {
        let bin = (((t - start) as f64 / width) as usize).min(PICTURE - 1);
        sums[bin].0 += v;
        sums[bin].1 += 1;
    }
    sums.iter().map(|(sum, n)| if *n == 0 { f32::NAN } else { (sum / f64::from(*n)) as f32 }).collect()
}
