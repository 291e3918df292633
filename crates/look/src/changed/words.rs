//! How a series changed, as one plain sentence. It must never say more than was measured, nor more digits than mean
//! something.

use super::{How, Moved};

/// "rose from 0.20 to 5.1 per second", with `unit` as [`crate::unit`] gives it ("" for none).
pub fn sentence(moved: &Moved, unit: &str) -> String {
    let (before, after) = (amount(moved.before, unit), amount(moved.after, unit));
    match moved.how {
        How::Rose | How::Fell => {
            let word = if moved.how == How::Rose { "rose" } else { "fell" };
            format!("{word} from {before} to {after}{}", times(moved))
        }
        How::Wider => format!("swings wider than before around {after}"),
        How::Calmer => format!("hardly moves any more, at {after}"),
        How::Appeared => format!("was not there before; now {after}"),
        How::Disappeared => format!("is gone; before {before}"),
        How::Higher => format!("is higher than its peers: {after}, theirs {before}"),
        How::Lower => format!("is lower than its peers: {after}, theirs {before}"),
    }
}

/// Three digits, and what they count.
fn amount(value: f64, unit: &str) -> String {
    let digits = three(value);
    match unit {
        _ if value == 0.0 => digits,
        "" => digits,
        "/s" => format!("{digits} per second"),
        "percent" => format!("{digits} %"),
        _ => format!("{digits} {unit}"),
    }
}

fn three(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    let (scaled, suffix) = match size {
        s if s >= 1e12 => (value / 1e12, "T"),
        s if s >= 1e9 => (value / 1e9, "G"),
        s if s >= 1e6 => (value / 1e6, "M"),
        s if s >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let decimals = match scaled.abs() {
        s if s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 1.0 => 2,
        s if s >= 1e-4 => (2 - s.log10().floor() as i32) as usize,
        _ => return format!("{value:.2e}"),
    };
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{suffix}")
}

/// How many times, where it is a round thing to say.
fn times(moved: &Moved) -> String {
    let (small, large) =
        (moved.before.abs().min(moved.after.abs()), moved.before.abs().max(moved.after.abs()));
    if small <= 0.0 || moved.before.signum() != moved.after.signum() {
        return String::new();
    }
    match (large / small, moved.how) {
        (ratio, How::Rose) if ratio >= 1.5 => format!(" ({} times as much)", three(ratio)),
        (ratio, How::Fell) if ratio >= 1.5 => format!(" (a {} part)", ordinal(ratio)),
        _ => String::new(),
    }
}

fn ordinal(ratio: f64) -> String {
    match ratio.round() as u64 {
        0..=2 => "half".into(),
        3 => "third".into(),
        n => format!("{n}th"),
    }
}
