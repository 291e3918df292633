//! Times ahead in words, as coarse as they are known. It must never give a digit more than the interval bears.

const UNITS: [(&str, &str, f64); 4] = [
    ("minute", "minutes", 60.0),
    ("hour", "hours", 3_600.0),
    ("day", "days", 86_400.0),
    ("week", "weeks", 604_800.0),
];

/// The unit in which a time is a small number; weeks only beyond 60 days.
fn unit(seconds: f64) -> (&'static str, &'static str, f64) {
    match seconds {
        s if s < 90.0 * 60.0 => UNITS[0],
        s if s < 48.0 * 3_600.0 => UNITS[1],
        s if s < 60.0 * 86_400.0 => UNITS[2],
        _ => UNITS[3],
    }
}

fn amount(n: f64, (one, many, _): (&str, &str, f64)) -> String {
    if n == 1.0 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// One time.
pub(super) fn about(seconds: f64) -> String {
    if seconds < 60.0 {
        return "a minute".into();
    }
    let unit = unit(seconds);
    amount((seconds / unit.2).round().max(1.0), unit)
}

/// An interval, its ends rounded outwards.
pub(super) fn between(soonest: f64, latest: f64) -> String {
    let unit = unit(latest);
    let (low, high) = ((soonest / unit.2).floor(), (latest / unit.2).ceil().max(1.0));
    match low {
        _ if latest < 60.0 => "less than a minute".into(),
        low if low < 1.0 => format!("less than {}", amount(high, unit)),
        low if low == high => amount(high, unit),
        low => format!("{low} to {}", amount(high, unit)),
    }
}
