//! Days, weeks, months, quarters and years of the calendar, in UTC. It must never read a clock.

use super::DAY_MS;
use model::time::{civil_from_days, days_from_civil};

/// A part of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// From January, April, July or October.
    Quarter,
    /// From January.
    Year,
}

impl Period {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Quarter => "quarter",
            Period::Year => "year",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Period> {
        [Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year]
            .into_iter()
            .find(|p| p.as_str() == word)
    }

    /// Where the present one begins.
    pub fn start(self, now_ms: i64) -> i64 {
        let day = now_ms.div_euclid(DAY_MS);
        let (year, month, _) = civil_from_days(day);
        DAY_MS
            * match self {
                Period::Day => day,
                // 1970-01-01 was a Thursday.
                Period::Week => day - (day + 3).rem_euclid(7),
                Period::Month => days_from_civil(year, month, 1),
                Period::Quarter => days_from_civil(year, (month - 1) / 3 * 3 + 1, 1),
                Period::Year => days_from_civil(year, 1, 1),
            }
    }

    /// Where the next one begins.
    pub fn end(self, now_ms: i64) -> i64 {
        // No period is longer than this, and none of the next begins and ends within it.
        let beyond = match self {
            Period::Day => return self.start(now_ms) + DAY_MS,
            Period::Week => return self.start(now_ms) + 7 * DAY_MS,
            Period::Month => 32,
            Period::Quarter => 93,
            Period::Year => 367,
        };
        self.start(self.start(now_ms) + beyond * DAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::time::{format_rfc3339_ms, parse_time_ms};

    #[test]
    fn periods_begin_and_end() {
        for (now, period, start, end) in [
            ("2026-11-22T06:17:08Z", Period::Day, "2026-11-22", "2026-11-23"),
            ("2026-11-22T06:17:08Z", Period::Week, "2026-11-16", "2026-11-23"),
            ("2026-11-23T00:00:00Z", Period::Week, "2026-11-23", "2026-11-30"),
            ("2026-11-22T06:17:08Z", Period::Month, "2026-11-01", "2026-12-01"),
            ("2024-02-29T23:59:59Z", Period::Month, "2024-02-01", "2024-03-01"),
            ("2025-12-31T23:59:59Z", Period::Quarter, "2025-10-01", "2026-01-01"),
            ("2026-02-01T00:00:00Z", Period::Quarter, "2026-01-01", "2026-04-01"),
            ("2024-12-31T23:00:00Z", Period::Year, "2024-01-01", "2025-01-01"),
            ("1969-12-31T23:00:00Z", Period::Month, "1969-12-01", "1970-01-01"),
        ] {
            let now_ms = parse_time_ms(now).unwrap();
            let got = [period.start(now_ms), period.end(now_ms)].map(format_rfc3339_ms);
            assert_eq!(got.map(|t| t[..10].to_string()), [start, end], "{now} {period:?}");
        }
    }
}
