//! Times as programs write them at the beginning of a line or in a field. It must never guess a date that was not written,
//! except the year of forms that leave it out: then the one that puts the time next to the arrival.

use super::Context;
use model::time::civil_from_days;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_S: i64 = 86_400;

/// Reads a text from its beginning.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn is(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn any(&mut self, of: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|b| of.contains(b))?;
        self.at += 1;
        Some(byte)
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let part = self.bytes.get(self.at..self.at + count)?;
        let value =
            part.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))?;
        self.at += count;
        Some(value)
    }

    /// One or two digits, the first of which may be a space.
    fn day(&mut self) -> Option<i64> {
        if self.peek() == Some(b' ') {
            self.at += 1;
            return self.digits(1);
        }
        self.digits(2).or_else(|| self.digits(1))
    }

    fn month(&mut self) -> Option<i64> {
        let name = self.bytes.get(self.at..self.at + 3)?;
        let month = MONTHS.iter().position(|m| m.as_bytes().eq_ignore_ascii_case(name))?;
        self.at += 3;
        Some(month as i64 + 1)
    }

    /// `.123`, `,123456`, or nothing: in nanoseconds.
    fn fraction(&mut self) -> i64 {
        let is_digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        if !matches!(self.peek(), Some(b'.' | b',')) || !is_digit(self.bytes.get(self.at + 1)) {
            return 0;
        }
        self.at += 1;
        let (mut ns, mut digits) = (0, 0);
        while let Some(byte) = self.peek().filter(u8::is_ascii_digit) {
            if digits < 9 {
                ns = ns * 10 + i64::from(byte - b'0');
                digits += 1;
            }
            self.at += 1;
        }
        ns * 10i64.pow(9 - digits)
    }

    /// Seconds of the day and nanoseconds.
    fn clock(&mut self) -> Option<(i64, i64)> {
        let hour = self.digits(2).filter(|h| *h < 24)?;
        self.is(b':')?;
        let minute = self.digits(2).filter(|m| *m < 60)?;
        self.is(b':')?;
        let second = self.digits(2).filter(|s| *s <= 60)?;
        Some((hour * 3600 + minute * 60 + second, self.fraction()))
    }

    /// `Z`, `+01:00`, `+0100`, `+01`, ` UTC`, ` GMT`, each perhaps after a space: in seconds. Nothing is taken if it is none.
    fn offset(&mut self) -> Option<i64> {
        let start = self.at;
        let found = self.offset_here();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn offset_here(&mut self) -> Option<i64> {
        if self.peek() == Some(b'Z') {
            self.at += 1;
            return Some(0);
        }
        let _ = self.is(b' ');
        for name in [&b"UTC"[..], b"GMT"] {
            let rest = self.bytes.get(self.at..)?;
            if rest.starts_with(name) && !rest.get(3).is_some_and(u8::is_ascii_alphanumeric) {
                self.at += 3;
                return Some(0);
            }
        }
        let sign = if self.any(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.digits(2).filter(|h| *h < 24)?;
        let colon = self.is(b':').is_some();
        let minutes = match self.digits(2) {
            Some(minutes) if minutes < 60 => minutes,
            _ if colon => return None,
            _ => 0,
        };
        (!self.peek().is_some_and(|b| b.is_ascii_digit())).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": days_from_civil.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Seconds of local time and nanoseconds to an instant; `None` for what does not fit into 64 bits.
fn instant(local_s: i64, ns: i64, offset_s: Option<i64>, context: &Context<'_>) -> Option<i64> {
    let utc_s = offset_s.map_or_else(|| context.zone.to_utc_s(local_s), |offset| local_s - offset);
    utc_s.checked_mul(1_000_000_000)?.checked_add(ns)
}

/// `2026-03-04T05:06:07.089+01:00` and everything like it: a space or `T`, `/` for `-`, a comma before the fraction, no zone.
/// Returns nanoseconds since 1970 and the bytes that were read.
pub fn iso(text: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    let mut scan = Scan { bytes: text, at: 0 };
    let year = scan.digits(4)?;
    let separator = scan.any(b"-/.")?;
    let month = scan.digits(2)?;
    scan.is(separator)?;
    let day = scan.digits(2)?;
    scan.any(b"T t_:")?;
    let (clock_s, ns) = scan.clock()?;
    let offset_s = scan.offset();
    let time_ns = instant(days(year, month, day)? * DAY_S + clock_s, ns, offset_s, context)?;
    Some((time_ns, scan.at))
}

/// `22/Nov/2026:00:12:22 +0000`, as access logs have it.
pub fn access(text: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    let mut scan = Scan { bytes: text, at: 0 };
    let day = scan.day()?;
    scan.is(b'/')?;
    let month = scan.month()?;
    scan.is(b'/')?;
    let year = scan.digits(4)?;
    scan.is(b':')?;
    let (clock_s, ns) = scan.clock()?;
    let offset_s = scan.offset();
    Some((instant(days(year, month, day)? * DAY_S + clock_s, ns, offset_s, context)?, scan.at))
}

/// `Nov 22 00:12:22`, `Nov  2 2026 00:12:22`, `Nov 22 00:12:22 2026`, with a fraction or without, perhaps after `Sun `.
pub fn bsd(text: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    let mut scan = Scan { bytes: text, at: 0 };
    if WEEKDAYS.iter().any(|name| text.starts_with(name)) {
        scan.at = 3;
        let _ = scan.is(b',');
        scan.is(b' ')?;
    }
    let month = scan.month()?;
    scan.is(b' ')?;
    let day = scan.day()?;
    scan.is(b' ')?;
    let mut year = year_before(&mut scan);
    let (clock_s, ns) = scan.clock()?;
    if year.is_none() {
        year = year_behind(&mut scan);
    }
    let offset_s = scan.offset();
    let at = scan.at;
    let time_ns = match year {
        Some(year) => instant(days(year, month, day)? * DAY_S + clock_s, ns, offset_s, context)?,
        None => nearest_year(month, day, clock_s, ns, offset_s, context)?,
    };
    Some((time_ns, at))
}

fn year_before(scan: &mut Scan<'_>) -> Option<i64> {
    let start = scan.at;
    let year = scan.digits(4).filter(|y| (1970..2200).contains(y));
    if year.is_none() || scan.is(b' ').is_none() {
        scan.at = start;
        return None;
    }
    year
}

fn year_behind(scan: &mut Scan<'_>) -> Option<i64> {
    let start = scan.at;
    let year = scan.is(b' ').and_then(|()| scan.digits(4)).filter(|y| (1970..2200).contains(y));
    if year.is_none() || scan.peek().is_some_and(|b| b.is_ascii_alphanumeric()) {
        scan.at = start;
        return None;
    }
    year
}

/// The year that puts it at most a day after the arrival, otherwise the last one.
fn nearest_year(
    month: i64,
    day: i64,
    clock_s: i64,
    ns: i64,
    offset_s: Option<i64>,
    context: &Context<'_>,
) -> Option<i64> {
    let today = context.now_ns.div_euclid(DAY_S * 1_000_000_000);
    let this_year = civil_from_days(today).0;
    let of = |year: i64| instant(days(year, month, day)? * DAY_S + clock_s, ns, offset_s, context);
    let is_past = |at: &i64| *at <= context.now_ns.saturating_add(DAY_S * 1_000_000_000);
    // The 29th of February may lie four years back.
    (0..=8).map(|back| this_year + 1 - back).filter_map(of).find(is_past)
}

/// `22 Nov 2026 00:12:22.123`, as Redis and some others have it.
pub fn day_first(text: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    let mut scan = Scan { bytes: text, at: 0 };
    let day = scan.day()?;
    scan.any(b" -")?;
    let month = scan.month()?;
    scan.any(b" -")?;
    let year = scan.digits(4)?;
    scan.any(b" T:")?;
    let (clock_s, ns) = scan.clock()?;
    let offset_s = scan.offset();
    Some((instant(days(year, month, day)? * DAY_S + clock_s, ns, offset_s, context)?, scan.at))
}

/// `1122 00:12:22.123456`, as behind the letter of glog and klog.
pub fn klog(text: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    let mut scan = Scan { bytes: text, at: 0 };
    let (month, day) = (scan.digits(2)?, scan.digits(2)?);
    scan.is(b' ')?;
    let (clock_s, ns) = scan.clock()?;
    Some((nearest_year(month, day, clock_s, ns, None, context)?, scan.at))
}

/// Any form with a date in it, at the beginning.
pub fn any(text: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    match text.first()? {
        b'0'..=b'9' => {
            iso(text, context).or_else(|| day_first(text, context)).or_else(|| access(text, context))
        }
        b' ' | b'A'..=b'Z' => bsd(text, context),
        _ => None,
    }
}

/// The value of a field: any of the forms, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told
/// apart by its size.
pub fn field(text: &str, context: &Context<'_>) -> Option<i64> {
    let text = text.trim();
    match any(text.as_bytes(), context) {
        Some((time_ns, used)) if used == text.len() => Some(time_ns),
        _ => number(text),
    }
}

/// See [`field`]. What is not after 1973 is taken for a number that is no time.
pub fn number(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || whole.len() > 19
        || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
    {
        // 1.795e9 and such.
        let value: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
        return (1e8..1e10).contains(&value).then_some((value * 1e9) as i64);
    }
    let whole: i64 = whole.parse().ok()?;
    let scale: i64 = match whole {
        100_000_000..=9_999_999_999 => 1_000_000_000,
        100_000_000_000..=9_999_999_999_999 => 1_000_000,
        100_000_000_000_000..=9_999_999_999_999_999 => 1_000,
        100_000_000_000_000_000.. => 1,
        _ => return None,
    };
    let mut ns = 0;
    let mut unit = scale;
    for digit in fraction.bytes() {
        unit /= 10;
        ns += i64::from(digit - b'0') * unit;
    }
    whole.checked_mul(scale)?.checked_add(ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::context;
    use super::*;
    use crate::Limits;
    use crate::logs::Zone;
    use model::time::format_rfc3339_ms;

    fn shown(read: Option<(i64, usize)>) -> String {
        read.map_or("none".into(), |(ns, used)| {
            format!("{} {used}", format_rfc3339_ms(ns.div_euclid(1_000_000)))
        })
    }

    #[test]
    fn forms_of_time() {
        let limits = Limits::default();
        let context = context(&limits);
        for (text, want) in [
            ("2026-11-20T05:06:07Z x", "2026-11-20T05:06:07Z 20"),
            ("2026-11-20T05:06:07.089123+01:00", "2026-11-20T04:06:07.089Z 32"),
            ("2026-11-20 05:06:07,089 INFO", "2026-11-20T05:06:07.089Z 23"),
            ("2026/11/20 05:06:07 [error]", "2026-11-20T05:06:07Z 19"),
            ("2026-11-20 05:06:07.089 UTC [1]", "2026-11-20T05:06:07.089Z 27"),
            ("2026-11-20 05:06:07 -0530", "2026-11-20T10:36:07Z 25"),
            ("2026-11-20 05:06:07 -  x", "2026-11-20T05:06:07Z 19"),
            ("20/Nov/2026:05:06:07 +0100", "2026-11-20T04:06:07Z 26"),
            ("Nov 20 05:06:07 host", "2026-11-20T05:06:07Z 15"),
            ("Nov  2 05:06:07 host", "2026-11-02T05:06:07Z 15"),
            ("Dec 24 05:06:07 host", "2025-12-24T05:06:07Z 15"),
            ("Feb 29 05:06:07 host", "2024-02-29T05:06:07Z 15"),
            ("Nov 20 2024 05:06:07 host", "2024-11-20T05:06:07Z 20"),
            ("Sun Nov 20 05:06:07.5 2022] x", "2022-11-20T05:06:07.500Z 26"),
            ("20 Nov 2026 05:06:07.089 *", "2026-11-20T05:06:07.089Z 24"),
            ("2026-13-20 05:06:07", "none"),
            ("2026-02-30 05:06:07", "none"),
            ("2026-11-20 25:06:07", "none"),
            ("Nov 31 05:06:07", "none"),
            ("9999-12-31 05:06:07", "none"),
            ("20 apples", "none"),
            ("", "none"),
        ] {
            assert_eq!(shown(any(text.as_bytes(), &context)), want, "{text}");
        }
        assert_eq!(shown(klog(b"1120 05:06:07.089123   1 a.go:1]", &context)), "2026-11-20T05:06:07.089Z 20");
        let east = Context { zone: &Zone::fixed(3600), ..context };
        assert_eq!(shown(any(b"2026-11-20 05:06:07", &east)), "2026-11-20T04:06:07Z 19");
    }

    #[test]
    fn numbers_are_times_by_their_size() {
        for (text, want) in [
            ("1795262400", Some(1_795_262_400_000_000_000)),
            ("1795262400.5", Some(1_795_262_400_500_000_000)),
            ("1795262400123", Some(1_795_262_400_123_000_000)),
            ("1795262400123.25", Some(1_795_262_400_123_250_000)),
            ("1795262400123456", Some(1_795_262_400_123_456_000)),
            ("1795262400123456789", Some(1_795_262_400_123_456_789)),
            ("1.7952624e9", Some(1_795_262_400_000_000_000)),
            ("9999999999999999999", None),
            ("12", None),
            ("-1795262400", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
    }
}
