//! Who is on call: layers of people that take turns by the clock of a place, and overrides. A hand-over at 09:00 is at
//! 09:00 before and after the clocks are set. It must never leave a notification without a reader: where a rota names
//! nobody, everybody in it is told.

use super::times::{TimeInterval, local};
use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// The most days that are looked ahead.
pub const AHEAD_DAYS_MAX: i64 = 92;
/// Shifts are looked for so often, and then to the minute.
const LOOK_MS: i64 = 300_000;
/// The most shifts that are listed.
const SHIFTS_MAX: usize = 2_000;
/// The most overrides that are kept.
pub const OVERRIDES_MAX: usize = 1_000;

/// Who can be told of something, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// As rotas name them.
    pub name: String,
    /// The receiver by which they are told.
    pub receiver: String,
}

/// Who is on call when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rota {
    /// As receivers name it.
    pub name: String,
    /// Whose clock.
    pub zone: Tz,
    /// A later one is above an earlier one.
    pub layers: Vec<Layer>,
    /// Of the file; those made by request come besides.
    pub overrides: Vec<Override>,
}

/// People that take turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// In order of their turns.
    pub people: Vec<String>,
    /// The first hand-over, on the rota's clock.
    pub start: NaiveDateTime,
    /// How long a turn is, on the same clock.
    pub every: Duration,
    /// It counts only then; an empty list is always.
    pub during: Vec<TimeInterval>,
}

/// Somebody stands in for whoever would be on call.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// What names it, "" if it stands in the file.
    pub id: String,
    /// Which rota.
    pub rota: String,
    /// Who.
    pub person: String,
    /// From.
    pub from_ms: i64,
    /// Until.
    pub to_ms: i64,
}

/// A time in which one person is on call, or nobody.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// From.
    pub from_ms: i64,
    /// Until.
    pub to_ms: i64,
    /// Who; `None` is a gap.
    pub person: Option<String>,
}

/// The instant that a clock in a zone shows as this. Of two, the first; of none, when the clocks are set.
pub fn instant_ms(at: NaiveDateTime, zone: Tz) -> i64 {
    let utc = |t: DateTime<Tz>| t.with_timezone(&Utc).timestamp_millis();
    let later = |minutes: i64| at.checked_add_signed(Duration::minutes(minutes));
    match zone.from_local_datetime(&at) {
        LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => utc(t),
        // Clocks are set by at most a day.
        LocalResult::None => (1..=24 * 4)
            .find_map(|q| zone.from_local_datetime(&later(15 * q)?).earliest())
            .map_or(i64::MAX, |t| utc(t) - i64::from(t.minute() % 15) * 60_000),
    }
}

impl Layer {
    /// Whose turn it is.
    fn at(&self, at_ms: i64, zone: Tz) -> Option<&str> {
        if !self.during.is_empty() && !self.during.iter().any(|t| t.contains(at_ms)) {
            return None;
        }
        let now = local(at_ms, zone)?.naive_local();
        let every_s = self.every.num_seconds().max(1);
        let guess = now.signed_duration_since(self.start).num_seconds().div_euclid(every_s);
        // An hour that a clock shows twice counts once: the last hand-over that was, as an instant.
        let hand_over = |turn: i64| -> Option<i64> {
            let since = Duration::try_seconds(every_s.checked_mul(turn)?)?;
            Some(instant_ms(self.start.checked_add_signed(since)?, zone))
        };
        let turn =
            [guess + 1, guess, guess - 1].into_iter().find(|k| hand_over(*k).is_some_and(|t| t <= at_ms))?;
        let place = usize::try_from(turn).ok()? % self.people.len().max(1);
        self.people.get(place).map(String::as_str)
    }
}

impl Rota {
    /// Who is on call; `None` is a gap. `more` are overrides besides those of the file: a later one counts.
    pub fn at<'r>(&'r self, at_ms: i64, more: &'r [Override]) -> Option<&'r str> {
        let mut own = self.overrides.iter().chain(more.iter().filter(|o| o.rota == self.name));
        let stands_in = own.rfind(|o| (o.from_ms..o.to_ms).contains(&at_ms));
        let by_turn = || self.layers.iter().rev().find_map(|l| l.at(at_ms, self.zone));
        stands_in.map(|o| o.person.as_str()).or_else(by_turn)
    }

    /// Who is told now: whoever is on call; if nobody is, everybody.
    pub fn told(&self, at_ms: i64, more: &[Override]) -> Vec<String> {
        match self.at(at_ms, more) {
            Some(person) => vec![person.to_string()],
            None => self.people(),
        }
    }

    /// Everybody in it, once.
    pub fn people(&self) -> Vec<String> {
        let all = self.layers.iter().flat_map(|l| &l.people).chain(self.overrides.iter().map(|o| &o.person));
        let mut people: Vec<String> = Vec::new();
        for person in all {
            if !people.contains(person) {
                people.push(person.clone());
            }
        }
        people
    }

    /// Shifts from a time to another, to the minute.
    pub fn shifts(&self, from_ms: i64, to_ms: i64, more: &[Override]) -> Vec<Shift> {
        let to_ms = to_ms.min(from_ms.saturating_add(AHEAD_DAYS_MAX * 86_400_000));
        let mut shifts: Vec<Shift> = Vec::new();
        let mut at_ms = from_ms;
        while at_ms < to_ms && shifts.len() < SHIFTS_MAX {
            let person = self.at(at_ms, more);
            let mut next_ms = at_ms;
            while next_ms < to_ms && self.at(next_ms, more) == person {
                next_ms += LOOK_MS;
            }
            let (mut same, mut other) = ((next_ms - LOOK_MS).max(at_ms), next_ms.min(to_ms));
            if next_ms < to_ms {
                while other - same > 1 {
                    let middle = same + (other - same) / 2;
                    if self.at(middle, more) == person { same = middle } else { other = middle }
                }
            }
            shifts.push(Shift { from_ms: at_ms, to_ms: other, person: person.map(str::to_string) });
            at_ms = other;
        }
        shifts
    }
}

/// A time on a clock as people write it: `2026-11-02 09:00`, the time may be missing.
///
/// # Errors
/// How one is written.
pub fn wall_time(text: &str) -> Result<NaiveDateTime, String> {
    let bad = || format!("{text:?} is no time such as 2026-11-02 09:00");
    let text = text.trim();
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let mut parts = day.splitn(3, '-').map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok).ok_or_else(bad);
    let (year, month, day) = (next()?, next()?, next()?);
    let mut parts = clock.splitn(3, ':').map(str::parse::<u32>);
    let (hour, minute) = (parts.next().and_then(Result::ok), parts.next().and_then(Result::ok));
    let year = i32::try_from(year).ok().filter(|y| (1970..=9_999).contains(y)).ok_or_else(bad)?;
    let day = chrono::NaiveDate::from_ymd_opt(year, month, day).ok_or_else(bad)?;
    day.and_hms_opt(hour.ok_or_else(bad)?, minute.ok_or_else(bad)?, 0).ok_or_else(bad)
}

/// A time on the rota's clock, as people read it: `2026-11-02 09:00`.
pub fn wall_words(at_ms: i64, zone: Tz) -> String {
    local(at_ms, zone).map_or_else(
        || "-".to_string(),
        |t| format!("{:04}-{:02}-{:02} {:02}:{:02}", t.year(), t.month(), t.day(), t.hour(), t.minute()),
    )
}

#[cfg(test)]
mod tests;
