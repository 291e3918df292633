//! Durations and times as people and Prometheus write them: `5m`, `1h30m`, `15d`, `100y`, RFC 3339,
//! seconds since 1970. It reads no clock.

/// Milliseconds in the units a duration may have, longest first.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a Prometheus duration (`1h30m`, `500ms`, each unit at most once, longest first) or a plain
/// number of seconds (`0.5`). Returns milliseconds, never negative.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn parse_duration_ms(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is not a duration; write one like 30s, 5m, 1h30m, 15d or 1y");
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        return if (0.0..9.2e18).contains(&ms) { Ok(ms as i64) } else { Err(bad()) };
    }
    let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0i64);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| bad())?;
        let after = &rest[digits..];
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let position = units.iter().position(|(u, _)| *u == &after[..letters]).ok_or_else(bad)?;
        let part = number.checked_mul(units[position].1).ok_or_else(bad)?;
        total = total.checked_add(part).ok_or_else(bad)?;
        units = &units[position + 1..];
        rest = &after[letters..];
    }
    Ok(total)
}

/// Milliseconds as a Prometheus duration: `1h30m`, `0s`. The inverse of [`parse_duration_ms`].
pub fn format_duration_ms(ms: i64) -> String {
    let (mut rest, mut out) = (ms.max(0), String::new());
    for (unit, size) in UNITS {
        // 1y and 1w only when they divide: 15d reads better than 2w1d.
        if (unit == "y" || unit == "w") && rest % size != 0 {
            continue;
        }
        if rest >= size {
            out += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// Times are kept within 100 million days of 1970 (the range of ECMAScript's dates), so that the difference of any
/// two, in milliseconds, fits with much room.
pub const TIME_MS_MAX: i64 = 8_640_000_000_000_000;

/// Reads an instant: seconds since 1970 (fractions allowed) or RFC 3339. Returns milliseconds, at most
/// [`TIME_MS_MAX`] from 1970: clients ask for "all" with times far beyond.
///
/// # Errors
/// A sentence that says what a time looks like.
pub fn parse_time_ms(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        if ms.abs() < 1e19 {
            return Ok((ms as i64).clamp(-TIME_MS_MAX, TIME_MS_MAX));
        }
    }
    parse_rfc3339_ms(text).ok_or_else(|| {
        format!("{text:?} is not a time; write seconds since 1970 or RFC 3339 such as 2026-03-04T05:06:07Z")
    })
}

fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let at = |i: usize| text.as_bytes().get(i).copied();
    let shape = at(4)? == b'-' && at(7)? == b'-' && matches!(at(10)?, b'T' | b't' | b' ');
    if !shape || at(13)? != b':' || at(16)? != b':' {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let valid = (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(year, month)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid {
        return None;
    }
    let (mut rest, mut ms) = (text.get(19..)?, 0);
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        ms = format!("{:0<3}", &fraction[..digits])[..3].parse().ok()?;
        rest = &fraction[digits..];
    }
    let offset_minutes = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let digits = [h1, h2, m1, m2].map(|b| i64::from(b.wrapping_sub(b'0')));
            if digits.iter().any(|d| *d > 9) {
                return None;
            }
            let minutes = (digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3];
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - offset_minutes * 60) * 1000 + ms)
}

/// Milliseconds since 1970 as `2026-03-04T05:06:07.089Z`.
pub fn format_rfc3339_ms(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000);
    let in_day = ms.rem_euclid(86_400_000);
    let (y, m, d) = civil_from_days(days);
    let (h, min, s) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    let fraction = match in_day % 1000 {
        0 => String::new(),
        ms => format!(".{ms:03}"),
    };
    format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}{fraction}Z")
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month (1-12) and day (1-31) of a number of days since 1970-01-01. Inverse of
/// `days_from_civil`, same source.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("100y", 100 * 365 * 86_400_000),
            ("500ms", 500),
            ("1m500ms", 60_500),
            ("0", 0),
            ("2.5", 2_500),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for bad in ["", "5", "m", "5x", "1m1h", "1m1m", "-5m", "999999999999999y", "nan", "-1", "1e300"] {
            assert!(bad == "5" || parse_duration_ms(bad).is_err(), "{bad}");
        }
        for text in ["15d", "1h30m", "1y", "2w", "1s500ms", "0s"] {
            assert_eq!(format_duration_ms(parse_duration_ms(text).unwrap()), text);
        }
    }

    #[test]
    fn instants() {
        for (text, ms) in [
            ("0", 0),
            ("1700000000.5", 1_700_000_000_500),
            ("-1", -1000),
            ("1970-01-01T00:00:00Z", 0),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
            ("2024-02-29T14:34:56+02:00", 1_709_210_096_000),
            ("9223372036854775.807", TIME_MS_MAX),
            ("-9000000000000000", -TIME_MS_MAX),
        ] {
            assert_eq!(parse_time_ms(text), Ok(ms), "{text}");
        }
        for bad in ["", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01", "nan", "inf", "1e300"] {
            assert!(parse_time_ms(bad).is_err(), "{bad}");
        }
        for ms in [0, 1_709_210_096_789, -1, -62_135_596_800_000, 4_102_444_800_000] {
            assert_eq!(parse_time_ms(&format_rfc3339_ms(ms)), Ok(ms));
        }
    }
}
