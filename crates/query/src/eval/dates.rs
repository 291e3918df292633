//! Parts of dates, UTC, from seconds since 1970. NaN for what is no date within a million years.

use model::time::civil_from_days;

/// Day number since 1970 and second of the day.
fn split(seconds: f64) -> Option<(i64, i64)> {
    // Within this bound every number below fits.
    let whole = seconds.trunc();
    (whole.abs() < 3.2e13).then(|| ((whole as i64).div_euclid(86_400), (whole as i64).rem_euclid(86_400)))
}

fn part(seconds: f64, f: impl Fn(i64, i64) -> i64) -> f64 {
    split(seconds).map_or(f64::NAN, |(day, second)| f(day, second) as f64)
}

pub(crate) fn year(v: f64) -> f64 {
    part(v, |day, _| civil_from_days(day).0)
}

pub(crate) fn month(v: f64) -> f64 {
    part(v, |day, _| civil_from_days(day).1)
}

pub(crate) fn day_of_month(v: f64) -> f64 {
    part(v, |day, _| civil_from_days(day).2)
}

/// Sunday is 0; 1970-01-01 was a Thursday.
pub(crate) fn day_of_week(v: f64) -> f64 {
    part(v, |day, _| (day + 4).rem_euclid(7))
}

pub(crate) fn day_of_year(v: f64) -> f64 {
    part(v, |day, _| {
        // Back by months to the first of January.
        let mut first = day - civil_from_days(day).2 + 1;
        while civil_from_days(first).1 != 1 {
            first -= civil_from_days(first - 1).2;
        }
        day - first + 1
    })
}

pub(crate) fn days_in_month(v: f64) -> f64 {
    part(v, |day, _| {
        let month = civil_from_days(day).1;
        let mut last = day;
        while civil_from_days(last + 1).1 == month {
            last += 1;
        }
        civil_from_days(last).2
    })
}

pub(crate) fn hour(v: f64) -> f64 {
    part(v, |_, second| second / 3600)
}

pub(crate) fn minute(v: f64) -> f64 {
    part(v, |_, second| second / 60 % 60)
}
