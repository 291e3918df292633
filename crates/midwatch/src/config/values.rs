//! Durations, sizes, counts and the like: from the text of a file or flag to numbers and back. It must never guess a
//! unit.

use model::time::{format_duration_ms, parse_duration_ms};

/// A duration in milliseconds; a unit is needed, but for 0.
///
/// # Errors
/// A sentence that shows how one is written.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    if text.parse::<f64>().is_ok_and(|n| n != 0.0) {
        return Err(format!("{text:?} has no unit; write a duration like {text}s, 5m, 1h30m or 15d"));
    }
    parse_duration_ms(text).map(|ms| ms.unsigned_abs())
}

/// Milliseconds as text that [`duration_ms`] reads back.
pub fn show_duration(ms: u64) -> String {
    format_duration_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

const SIZES: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A size in bytes: `20GiB`, `1.5GiB`, `500MB`, `4096`.
///
/// # Errors
/// A sentence that shows how one is written.
pub fn size_bytes(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a size; write one like 512MiB, 20GiB or 4096 (bytes)");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = text[digits..].trim();
    let (_, size) = SIZES.iter().find(|(u, _)| *u == unit).ok_or_else(bad)?;
    if let Ok(whole) = text[..digits].parse::<u64>() {
        return whole.checked_mul(*size).ok_or_else(bad);
    }
    let bytes = text[..digits].parse::<f64>().map_err(|_| bad())? * *size as f64;
    if (0.0..1.8e19).contains(&bytes) { Ok(bytes as u64) } else { Err(bad()) }
}

/// A size as Prometheus's own configuration has it, where `KB` is 1024 bytes like `KiB`.
///
/// # Errors
/// As [`size_bytes`].
pub fn prometheus_size_bytes(text: &str) -> Result<u64, String> {
    let binary = match text.strip_suffix("B").filter(|t| t.ends_with(['K', 'M', 'G', 'T'])) {
        Some(rest) => format!("{rest}iB"),
        None => text.to_string(),
    };
    size_bytes(&binary).map_err(|_| size_bytes(text).err().unwrap_or_default())
}

/// Bytes as text that [`size_bytes`] reads back, in the largest binary unit that divides them.
pub fn show_size(bytes: u64) -> String {
    let unit = SIZES[2..6].iter().rev().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes}B"), |(name, size)| format!("{}{name}", bytes / size))
}

/// A whole number; `_` may divide it.
///
/// # Errors
/// A sentence that shows how one is written.
pub fn count(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text:?} is not a whole number such as 1000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("20GiB", 20 << 30),
            ("1.5GiB", 3 << 29),
            ("500MB", 500_000_000),
            ("4096", 4096),
            ("0", 0),
            ("7B", 7),
            ("3 MiB", 3 << 20),
        ] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "GiB", "-1", "1.2.3GiB", "20 gigs", "99999999999TiB", "1e30TiB", "∞"] {
            assert!(size_bytes(bad).is_err(), "{bad}");
        }
        for (text, bytes) in [("10MB", 10 << 20), ("10MiB", 10 << 20), ("5B", 5), ("100", 100)] {
            assert_eq!(prometheus_size_bytes(text), Ok(bytes), "{text}");
        }
        for bytes in [0, 1, 1023, 1 << 10, 20 << 30, (1 << 30) + 1, u64::MAX] {
            assert_eq!(size_bytes(&show_size(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration_ms("30d"), Ok(30 * 86_400_000));
        assert_eq!(duration_ms("0"), Ok(0));
        assert!(duration_ms("30").unwrap_err().contains("30s"));
        assert!(duration_ms("1.5h").is_err());
    }
}
