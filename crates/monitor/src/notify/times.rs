//! Times at which people are told, or not: Alertmanager's `time_intervals`, with its semantics (`timeinterval.go`). Each
//! field that is there has to match; within a field one of its ranges has to. It must never count hours that a clock in
//! that place does not show.

use chrono::{DateTime, Datelike, Duration, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;

/// A named time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeInterval {
    /// As routes and layers name it.
    pub name: String,
    /// One of them has to match.
    pub spans: Vec<Span>,
}

/// What has to match together. An empty list matches always.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Span {
    /// Minutes of the day, the end not among them.
    pub times: Vec<(u32, u32)>,
    /// Days of the week from Sunday, 0, to Saturday, both ends among them.
    pub weekdays: Vec<(i32, i32)>,
    /// Days of the month from 1; negative ones count from its end.
    pub days_of_month: Vec<(i32, i32)>,
    /// Months from 1.
    pub months: Vec<(i32, i32)>,
    /// Years.
    pub years: Vec<(i32, i32)>,
    /// Whose clock; UTC if nothing is said.
    pub zone: Option<Tz>,
}

/// A time on the clock of a zone; `None` beyond what calendars hold.
pub fn local(at_ms: i64, zone: Tz) -> Option<DateTime<Tz>> {
    Some(DateTime::<Utc>::from_timestamp_millis(at_ms)?.with_timezone(&zone))
}

impl TimeInterval {
    /// Whether a time is in it.
    pub fn contains(&self, at_ms: i64) -> bool {
        self.spans.iter().any(|s| s.contains(at_ms))
    }
}

impl Span {
    fn contains(&self, at_ms: i64) -> bool {
        let Some(at) = local(at_ms, self.zone.unwrap_or(Tz::UTC)) else { return false };
        let within = |list: &[(i32, i32)], is: i32| {
            list.is_empty() || list.iter().any(|(a, b)| (*a..=*b).contains(&is))
        };
        let minute = at.hour() * 60 + at.minute();
        let last = days_in_month(at.year(), at.month());
        // A range that lies beyond the end of a short month is cut off there, and matches nothing if none of it is left.
        let is_day = |(a, b): &(i32, i32)| {
            let of = |day: i32| if day < 0 { last + day + 1 } else { day };
            let (from, to) = (of(*a), of(*b));
            from <= last && (from.max(1)..=to.clamp(1, last)).contains(&(at.day() as i32))
        };
        (self.times.is_empty() || self.times.iter().any(|(a, b)| (*a..*b).contains(&minute)))
            && within(&self.weekdays, at.weekday().num_days_from_sunday() as i32)
            && (self.days_of_month.is_empty() || self.days_of_month.iter().any(is_day))
            && within(&self.months, at.month() as i32)
            && within(&self.years, at.year())
    }
}

fn days_in_month(year: i32, month: u32) -> i32 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let first = NaiveDate::from_ymd_opt(next_year, next, 1);
    first.and_then(|d| d.checked_sub_signed(Duration::days(1))).map_or(31, |d| d.day() as i32)
}

const WEEKDAYS: &[&str] = &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A range of days of the week: `monday:friday`, `sunday`.
///
/// # Errors
/// How one is written.
pub fn weekdays(text: &str) -> Result<(i32, i32), String> {
    let day = |t: &str| WEEKDAYS.iter().position(|d| *d == t.to_ascii_lowercase()).map(|i| i as i32);
    range(text, day, 0, 6).ok_or_else(|| format!("{text:?} is no day or range of days such as monday:friday"))
}

/// A range of months: `january:march`, `5`.
///
/// # Errors
/// How one is written.
pub fn months(text: &str) -> Result<(i32, i32), String> {
    let month = |t: &str| {
        let named = MONTHS.iter().position(|m| *m == t.to_ascii_lowercase()).map(|i| i as i32 + 1);
        named.or_else(|| t.parse().ok())
    };
    range(text, month, 1, 12)
        .ok_or_else(|| format!("{text:?} is no month or range of months such as may:august"))
}

/// A range of days of the month: `1:5`, `-3:-1`.
///
/// # Errors
/// How one is written.
pub fn days_of_month(text: &str) -> Result<(i32, i32), String> {
    let bad = || format!("{text:?} is no day of the month or range of them such as 1:5 or -3:-1");
    let (a, b) = text.split_once(':').unwrap_or((text, text));
    let (a, b): (i32, i32) = (a.trim().parse().map_err(|_| bad())?, b.trim().parse().map_err(|_| bad())?);
    let is_good = |d: i32| d != 0 && (-31..=31).contains(&d);
    // From the end to a day from the begin says nothing that every month has.
    let is_ordered = (a < 0 && b < 0 && a <= b) || (a > 0 && (b < 0 || a <= b));
    if is_good(a) && is_good(b) && is_ordered { Ok((a, b)) } else { Err(bad()) }
}

/// A range of years: `2026:2028`.
///
/// # Errors
/// How one is written.
pub fn years(text: &str) -> Result<(i32, i32), String> {
    range(text, |t| t.parse().ok(), 1, 9_999)
        .ok_or_else(|| format!("{text:?} is no year or range of years such as 2026:2028"))
}

/// A time of the day as minutes: `09:30`; 24:00 is the end of the day.
///
/// # Errors
/// How one is written.
pub fn minute_of_day(text: &str) -> Result<u32, String> {
    let bad = || format!("{text:?} is no time of the day such as 09:30");
    let (h, m) = text.trim().split_once(':').ok_or_else(bad)?;
    let (h, m): (u32, u32) = (h.parse().map_err(|_| bad())?, m.parse().map_err(|_| bad())?);
    if (h < 24 && m < 60) || (h, m) == (24, 0) { Ok(h * 60 + m) } else { Err(bad()) }
}

/// A time zone by its name in the IANA database.
///
/// # Errors
/// What such a name looks like.
pub fn zone(text: &str) -> Result<Tz, String> {
    let short: String = text.chars().take(60).collect();
    text.trim().parse().map_err(|_| format!("there is no time zone {short:?}; one is Europe/Zurich, or UTC"))
}

fn range(text: &str, one: impl Fn(&str) -> Option<i32>, min: i32, max: i32) -> Option<(i32, i32)> {
    let (a, b) = text.split_once(':').unwrap_or((text, text));
    let (a, b) = (one(a.trim())?, one(b.trim())?);
    (min <= a && a <= b && b <= max).then_some((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::parse_time_ms;

    fn span(text: &str) -> Span {
        let mut span = Span::default();
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap();
            match key {
                "time" => {
                    let (a, b) = value.split_once('-').unwrap();
                    span.times.push((minute_of_day(a).unwrap(), minute_of_day(b).unwrap()));
                }
                "days" => span.weekdays.push(weekdays(value).unwrap()),
                "dom" => span.days_of_month.push(days_of_month(value).unwrap()),
                "months" => span.months.push(months(value).unwrap()),
                "years" => span.years.push(years(value).unwrap()),
                _ => span.zone = Some(zone(value).unwrap()),
            }
        }
        span
    }

    #[test]
    fn table() {
        for (text, at, want) in [
            ("time=09:00-17:00 days=monday:friday", "2026-11-20T09:00:00Z", true),
            ("time=09:00-17:00 days=monday:friday", "2026-11-20T17:00:00Z", false),
            ("time=09:00-17:00 days=monday:friday", "2026-11-22T12:00:00Z", false),
            // The same clock, another offset before and after the clocks are set.
            ("time=09:00-17:00 zone=Europe/Zurich", "2026-10-24T07:00:00Z", true),
            ("time=09:00-17:00 zone=Europe/Zurich", "2026-10-26T07:30:00Z", false),
            ("time=09:00-17:00 zone=Europe/Zurich", "2026-10-26T08:00:00Z", true),
            // Sunday in Auckland is still Saturday in UTC.
            ("days=sunday zone=Pacific/Auckland", "2026-11-21T12:00:00Z", true),
            ("dom=-1", "2026-02-28T12:00:00Z", true),
            ("dom=-1", "2028-02-28T12:00:00Z", false),
            ("dom=29:31", "2026-02-28T12:00:00Z", false),
            ("dom=1:-1", "2026-02-28T12:00:00Z", true),
            ("months=november:december years=2026", "2026-12-31T23:59:59Z", true),
            ("months=november:december years=2026", "2027-12-31T23:59:59Z", false),
            ("time=22:00-24:00", "2026-12-31T23:59:59Z", true),
            ("", "2026-12-31T23:59:59Z", true),
        ] {
            assert_eq!(span(text).contains(parse_time_ms(at).unwrap()), want, "{text} at {at}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        assert!(weekdays("friday:monday").is_err() && weekdays("frday").is_err());
        assert!(months("0").is_err() && months("13").is_err() && months("may:april").is_err());
        assert!(
            days_of_month("0").is_err() && days_of_month("-1:3").is_err() && days_of_month("5:1").is_err()
        );
        assert!(minute_of_day("24:01").is_err() && minute_of_day("9").is_err());
        assert!(zone("Europe/Zuerich").is_err() && zone("Europe/Zurich").is_ok());
        assert!(!span("").contains(i64::MAX));
    }
}
