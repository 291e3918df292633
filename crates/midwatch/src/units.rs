//! Numbers scaled for people: `1.5 GiB`, `230 ms`, `12.3 k`; and which unit a query's answer has, as far as names
//! tell. It must never show more digits than help.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing that is known.
    Plain,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
}

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// The number with its unit, about three digits.
pub fn show(value: f64, unit: Unit) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    match unit {
        Unit::Plain => scaled(value, 1000.0, &DECIMAL),
        Unit::Bytes => scaled(value, 1024.0, &BINARY),
        Unit::BytesPerSecond => scaled(value, 1024.0, &BINARY) + "/s",
        Unit::Seconds => seconds(value),
    }
}

fn scaled(value: f64, base: f64, names: &[&str]) -> String {
    let (mut value, mut at) = (value, 0);
    // Just below the next unit, three digits would show as 1000.
    while value.abs() >= base * 0.9995 && at + 1 < names.len() {
        value /= base;
        at += 1;
    }
    let space = if names[at].is_empty() { "" } else { " " };
    format!("{}{space}{}", digits(value), names[at])
}

fn seconds(value: f64) -> String {
    let (size, name) = match value.abs() {
        0.0 => (1.0, "s"),
        v if v < 1e-6 => (1e-9, "ns"),
        v if v < 1e-3 => (1e-6, "us"),
        v if v < 1.0 => (1e-3, "ms"),
        v if v < 120.0 => (1.0, "s"),
        v if v < 7_200.0 => (60.0, "min"),
        v if v < 172_800.0 => (3_600.0, "h"),
        _ => (86_400.0, "d"),
    };
    format!("{} {name}", digits(value / size))
}

/// Three digits that count, without zeros at the end; very small numbers as `1.2e-7`.
pub fn digits(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = match size {
        v if v >= 99.95 || v == 0.0 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.0995 => 2,
        v if v >= 0.00995 => 3,
        _ => 5,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// The unit of what `query` answers, by the names of metrics in it; plain where arithmetic makes it uncertain.
pub fn unit_of(query: &str) -> Unit {
    let inside_strings_removed: String = query.split('"').step_by(2).collect();
    let query = inside_strings_removed.as_str();
    let uncertain = query.contains(['/', '*', '^', '%', '>', '<'])
        || [
            "==",
            "!=",
            "count",
            "absent",
            "changes",
            "resets",
            "quantile_over",
            "timestamp",
            "stdvar",
            "bool",
        ]
        .iter()
        .any(|word| query.contains(word));
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let metrics: Vec<&str> = words.filter(|w| w.contains('_')).collect();
    let all = |part: &str| {
        let mut named = metrics
            .iter()
            .filter(|w| !w.ends_with("_over_time") && **w != "histogram_quantile" && **w != "label_replace")
            .peekable();
        named.peek().is_some() && named.all(|w| w.contains(part))
    };
    let rate = ["rate(", "irate(", "deriv("].iter().any(|word| query.contains(word));
    let quantile = query.contains("histogram_quantile(");
    match (uncertain && !quantile, all("_bytes"), all("_seconds")) {
        (true, ..) => Unit::Plain,
        (_, true, _) if rate && !quantile => Unit::BytesPerSecond,
        (_, true, _) => Unit::Bytes,
        (_, _, true) if rate && !quantile => Unit::Plain,
        (_, _, true) if query.contains("_time_seconds") && !query.contains("_total") => Unit::Plain,
        (_, _, true) => Unit::Seconds,
        _ => Unit::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (value, unit, want) in [
            (0.0, Unit::Plain, "0"),
            (1.0, Unit::Plain, "1"),
            (0.456, Unit::Plain, "0.46"),
            (0.0321, Unit::Plain, "0.032"),
            (-1234.0, Unit::Plain, "-1.23 k"),
            (999.9, Unit::Plain, "1 k"),
            (123_456_789.0, Unit::Plain, "123 M"),
            (1.2e-7, Unit::Plain, "1.20e-7"),
            (1023.9, Unit::Bytes, "1 KiB"),
            (1.5 * 1024.0 * 1024.0 * 1024.0, Unit::Bytes, "1.5 GiB"),
            (512.0, Unit::BytesPerSecond, "512 B/s"),
            (0.0023, Unit::Seconds, "2.3 ms"),
            (90.0, Unit::Seconds, "90 s"),
            (3_600.0, Unit::Seconds, "60 min"),
            (200_000.0, Unit::Seconds, "2.31 d"),
            (f64::NAN, Unit::Bytes, "NaN"),
            (f64::NEG_INFINITY, Unit::Seconds, "-Inf"),
        ] {
            assert_eq!(show(value, unit), want, "{value} {unit:?}");
        }
    }

    #[test]
    fn units_by_names() {
        for (query, want) in [
            ("node_memory_MemFree_bytes", Unit::Bytes),
            ("sum by (device) (rate(node_disk_read_bytes_total[1m]))", Unit::BytesPerSecond),
            ("a_bytes / b_bytes", Unit::Plain),
            ("node_filesystem_avail_bytes{mountpoint=\"/\"}", Unit::Bytes),
            ("rate(node_cpu_seconds_total[1m])", Unit::Plain),
            ("histogram_quantile(0.9, rate(http_request_duration_seconds_bucket[5m]))", Unit::Seconds),
            ("node_boot_time_seconds", Unit::Plain),
            ("scrape_duration_seconds", Unit::Seconds),
            ("count(node_memory_MemFree_bytes)", Unit::Plain),
            ("node_load1", Unit::Plain),
            ("max_over_time(a_bytes[5m])", Unit::Bytes),
        ] {
            assert_eq!(unit_of(query), want, "{query}");
        }
    }
}
