//! When a change began: the instant after which the line keeps away from its baseline. A cumulative sum (Page 1954)
//! of how far each sample lies on the side that it went to, less half of how far it went: while all is as before the
//! sum falls, from the change on it rises, so the change is at its lowest point before its highest.

use super::numbers::Numbers;
use super::{How, span};

/// Spreads from the middle within which a sample is as before.
const AS_BEFORE: f64 = 2.0;

/// The onset in milliseconds: the first sample of the change, looked for from the last sixth of the baseline on
/// (windows are drawn by hand, and begin late).
pub(super) fn of(
    how: How,
    times: &[i64],
    values: &[f64],
    window: (i64, i64),
    before: &Numbers,
    spread: f64,
) -> i64 {
    let lead = (window.1 - window.0) / 6;
    let (from, to) = span(times, (window.0 - lead, window.1));
    let spread = spread.max(f64::MIN_POSITIVE);
    let far = |v: f64| {
        let z = ((v - before.mean) / spread).clamp(-1e3, 1e3);
        match how {
            How::Fell | How::Lower => -z,
            How::Wider => z.abs(),
            How::Calmer => -z.abs(),
            _ => z,
        }
    };
    let went = values[from..to].iter().map(|v| far(*v)).fold(f64::MIN, f64::max);
    let (half, base) = match how {
        // Calm has no height of its own: what is left of its distance is measured against one spread.
        How::Calmer => (0.0, 0.5),
        // What swings wider is near its middle half of the time.
        How::Wider => ((went / 4.0).min(25.0), 0.0),
        _ => ((went / 2.0).min(25.0), 0.0),
    };
    let (mut sum, mut lowest, mut lowest_at) = (0.0f64, 0.0f64, from);
    let (mut best, mut onset) = (f64::MIN, from);
    for (i, value) in values.iter().enumerate().take(to).skip(from) {
        sum += far(*value).min(50.0) - half + base;
        if sum - lowest > best {
            best = sum - lowest;
            onset = lowest_at;
        }
        if sum < lowest {
            lowest = sum;
            lowest_at = i + 1;
        }
    }
    // The sum finds the middle of a slope: back to where the line was still as before.
    while onset > from && how != How::Calmer && far(values[onset - 1]) > AS_BEFORE {
        onset -= 1;
    }
    times.get(onset.min(to.saturating_sub(1))).copied().unwrap_or(window.0)
}
