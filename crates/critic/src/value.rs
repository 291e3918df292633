//! Numbers in sentences, with no more digits than mean something.

/// A value with its unit: `ratio`, `s`, `bytes`, "", or any word that stands behind it.
pub fn in_words(value: f64, unit: &str) -> String {
    let value = if unit.starts_with("bytes") { value } else { three_digits(value) };
    match unit {
        _ if !value.is_finite() => "no number".into(),
        "bytes" => bytes(value),
        "bytes/s" => format!("{}/s", bytes(value)),
        "" | "/s" if value.abs() >= 1e4 => format!("{}{unit}", thousands(value)),
        "/s" => format!("{}{unit}", look::home::value(value, "")),
        _ => look::home::value(value, unit),
    }
}

/// More digits mean nothing, and 99.99999 is 100; what is counted stays whole.
fn three_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() || (value == value.round() && value.abs() < 1e4) {
        return value;
    }
    let scale = 10f64.powf(2.0 - value.abs().log10().floor());
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut v, mut i) = (value, 0);
    while v.abs() >= 1024.0 && i + 1 < units.len() {
        v /= 1024.0;
        i += 1;
    }
    if i == 0 || v.abs() >= 100.0 { format!("{v:.0} {}", units[i]) } else { format!("{v:.1} {}", units[i]) }
}

fn thousands(value: f64) -> String {
    let (v, suffix) = match value.abs() {
        a if a >= 1e9 => (value / 1e9, "G"),
        a if a >= 1e6 => (value / 1e6, "M"),
        _ => (value / 1e3, "k"),
    };
    if v.abs() >= 100.0 { format!("{v:.0}{suffix}") } else { format!("{v:.1}{suffix}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn table() {
        for (value, unit, want) in [
            (0.913, "ratio", "91 %"),
            (7_200.0, "s", "2 h"),
            (3.25 * 1_073_741_824.0, "bytes", "3.2 GiB"),
            (12.0, "bytes", "12 B"),
            (2_048.0, "bytes/s", "2.0 KiB/s"),
            (45_600.0, "", "45.6k"),
            (0.25, "/s", "0.25/s"),
            (98_000.0, "/s", "98.0k/s"),
            (3.0, "connections", "3 connections"),
            (99.99999, "/s", "100/s"),
            (f64::NAN, "s", "no number"),
        ] {
            assert_eq!(super::in_words(value, unit), want);
        }
    }
}
