//! What became of each monitor: how often it fired, whom that was told, who looked, whether anybody did something, whether it led to an incident; how long it was
//! red. Counted by days, so that a week can be reviewed ([`review`]), and by episodes, so that trouble that no monitor saw can be
//! found ([`unseen`]). It must never grow without bound, nor count what it was not told.

pub mod incidents;
pub mod review;
pub mod unseen;

use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, VecDeque};

/// Days that are kept of a monitor.
pub const DAYS_MAX: i64 = 100;
/// Monitors that are known; those that were there last are kept.
pub const MONITORS_MAX: usize = 20_000;
/// Episodes that are kept, of all monitors.
pub const EPISODES_MAX: usize = 5_000;
/// Firing again this soon after it was over is a flap.
pub const FLAP_MS: i64 = 900_000;
/// A monitor that is in no file any more is forgotten after this long.
const GONE_MS: i64 = DAYS_MAX * DAY_MS;
const DAY_MS: i64 = 86_400_000;
const FORMAT: u64 = 1;
/// Where each of [`Counts::fields`] stands in a day as it is kept; at 7 is how long it was red. Incidents came later: days of before
/// have none.
const COUNTS_AT: [usize; 7] = [1, 2, 3, 4, 5, 6, 8];

/// What became of it on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts that began to fire.
    pub fired: u64,
    /// Notifications of it that a receiver took.
    pub notified: u64,
    /// Times that somebody looked at it while it fired.
    pub seen: u64,
    /// Times that somebody did something about it, or said so.
    pub acted: u64,
    /// Times that somebody silenced it.
    pub silenced: u64,
    /// Times that it fired again soon after it was over.
    pub flaps: u64,
    /// Incidents that it led to, as people recorded them.
    pub incidents: u64,
    /// For how long it was red, milliseconds.
    pub red_ms: i64,
}

impl Counts {
    fn fields(&mut self) -> [&mut u64; 7] {
        [
            &mut self.fired,
            &mut self.notified,
            &mut self.seen,
            &mut self.acted,
            &mut self.silenced,
            &mut self.flaps,
            &mut self.incidents,
        ]
    }

    fn add(&mut self, mut more: Counts) {
        for (own, other) in self.fields().into_iter().zip(more.fields()) {
            *own = own.saturating_add(*other);
        }
        self.red_ms = self.red_ms.saturating_add(more.red_ms);
    }
}

/// What is counted one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A notification was taken by its receiver.
    Notified,
    /// Somebody looked at it.
    Seen,
    /// Somebody did something, or said so.
    Acted,
    /// Somebody silenced it.
    Silenced,
    /// Somebody recorded an incident that it led to.
    Incident,
}

/// What is known of a monitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// By days since 1970, UTC.
    pub days: BTreeMap<i64, Counts>,
    /// Since when it is red.
    pub red_since_ms: Option<i64>,
    /// When it was red for the last time.
    pub red_until_ms: Option<i64>,
    /// When it was seen first.
    pub since_ms: i64,
    /// What it was written as.
    pub definition: u64,
    /// When it was written otherwise for the last time; `None` if that was never seen.
    pub changed_ms: Option<i64>,
    /// When it led to something for the last time.
    pub useful_ms: Option<i64>,
    /// When it was in a file for the last time.
    pub there_ms: i64,
}

/// A time in which a monitor was red.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The monitor's key.
    pub key: String,
    /// The service of its alerts, or "".
    pub service: String,
    /// From.
    pub from_ms: i64,
    /// Until; `None` if it still is.
    pub to_ms: Option<i64>,
}

/// The ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    episodes: VecDeque<Episode>,
    /// Monitors and episodes that were forgotten because there were too many.
    pub forgotten: u64,
}

impl Ledger {
    /// A monitor is there, written as `definition` (a checksum).
    pub fn there(&mut self, key: &str, definition: u64, now_ms: i64) {
        if !self.entries.contains_key(key) {
            self.make_room(now_ms);
            let new = Entry { since_ms: now_ms, definition, ..Entry::default() };
            self.entries.insert(key.to_string(), new);
        }
        if let Some(entry) = self.entries.get_mut(key) {
            entry.there_ms = now_ms;
            if entry.definition != definition {
                (entry.definition, entry.changed_ms) = (definition, Some(now_ms));
            }
        }
    }

    fn make_room(&mut self, now_ms: i64) {
        if self.entries.len() < MONITORS_MAX {
            return;
        }
        self.entries.retain(|_, e| now_ms - e.there_ms < GONE_MS);
        if self.entries.len() >= MONITORS_MAX
            && let Some(key) = self.entries.iter().min_by_key(|(_, e)| e.there_ms).map(|(k, _)| k.clone())
        {
            self.entries.remove(&key);
            self.forgotten += 1;
        }
    }

    /// How a monitor is after an evaluation: red or not, and how many of its alerts began to fire. `red_since_ms` is when
    /// the first of them did. True if that is news.
    pub fn judged(
        &mut self,
        key: &str,
        service: &str,
        red_since_ms: Option<i64>,
        fired: u64,
        now_ms: i64,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        let day = entry.days.entry(now_ms.div_euclid(DAY_MS)).or_default();
        day.fired += fired;
        let mut is_news = fired > 0;
        match (entry.red_since_ms, red_since_ms) {
            (None, Some(from_ms)) => {
                let soon = entry.red_until_ms.is_some_and(|until| now_ms - until < FLAP_MS);
                day.flaps += u64::from(soon);
                entry.red_since_ms = Some(from_ms);
                if self.episodes.len() >= EPISODES_MAX {
                    self.episodes.pop_front();
                    self.forgotten += 1;
                }
                let (key, service) = (key.to_string(), service.to_string());
                self.episodes.push_back(Episode { key, service, from_ms, to_ms: None });
                is_news = true;
            }
            (Some(from_ms), None) => {
                red(&mut entry.days, from_ms, now_ms);
                (entry.red_since_ms, entry.red_until_ms) = (None, Some(now_ms));
                let open = self.episodes.iter_mut().rev().find(|e| e.key == key && e.to_ms.is_none());
                open.into_iter().for_each(|e| e.to_ms = Some(now_ms));
                is_news = true;
            }
            _ => {}
        }
        if entry.days.get(&now_ms.div_euclid(DAY_MS)) == Some(&Counts::default()) {
            entry.days.remove(&now_ms.div_euclid(DAY_MS));
        }
        if is_news {
            let first = now_ms.div_euclid(DAY_MS) - DAYS_MAX;
            entry.days = entry.days.split_off(&first);
        }
        is_news
    }

    /// Something happened to a monitor at a time.
    pub fn note(&mut self, key: &str, event: Event, at_ms: i64) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let day = entry.days.entry(at_ms.div_euclid(DAY_MS)).or_default();
        let count = match event {
            Event::Notified => &mut day.notified,
            Event::Seen => &mut day.seen,
            Event::Acted => &mut day.acted,
            Event::Silenced => &mut day.silenced,
            Event::Incident => &mut day.incidents,
        };
        *count = count.saturating_add(1);
        if matches!(event, Event::Acted | Event::Incident) {
            entry.useful_ms = entry.useful_ms.max(Some(at_ms));
        }
        // What is told of long ago must not add days for ever.
        if entry.days.len() > DAYS_MAX as usize + 1 {
            entry.days.pop_first();
        }
    }

    /// What is known of a monitor.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// All of the last `days` days, the present one among them, until `now_ms`.
    pub fn counts(&self, key: &str, days: i64, now_ms: i64) -> Counts {
        let Some(entry) = self.entries.get(key) else { return Counts::default() };
        let first = now_ms.div_euclid(DAY_MS) + 1 - days;
        let mut all = Counts::default();
        entry.days.range(first..).for_each(|(_, day)| all.add(*day));
        if let Some(from_ms) = entry.red_since_ms {
            all.red_ms += (now_ms - from_ms.max(first * DAY_MS)).max(0);
        }
        all
    }

    /// How many monitors are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Times in which monitors were red, in the order in which they began.
    pub fn episodes(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.iter()
    }

    /// The clock was set by so much.
    pub fn shift(&mut self, by_ms: i64) {
        for entry in self.entries.values_mut() {
            [&mut entry.red_since_ms, &mut entry.red_until_ms]
                .into_iter()
                .flatten()
                .for_each(|t| *t += by_ms);
        }
        self.episodes.iter_mut().filter(|e| e.to_ms.is_none()).for_each(|e| e.from_ms += by_ms);
    }

    /// As it is kept. Format: docs/formats/monitors.md.
    pub fn to_json(&self) -> Json {
        let mut monitors = Map::new();
        for (key, e) in &self.entries {
            let days = e.days.iter().map(|(day, c)| {
                json!([day, c.fired, c.notified, c.seen, c.acted, c.silenced, c.flaps, c.red_ms, c.incidents])
            });
            monitors.insert(
                key.clone(),
                json!({
                    "days": days.collect::<Vec<_>>(), "red_since_ms": e.red_since_ms, "red_until_ms": e.red_until_ms,
                    "since_ms": e.since_ms, "definition": format!("{:016x}", e.definition),
                    "changed_ms": e.changed_ms, "useful_ms": e.useful_ms, "there_ms": e.there_ms,
                }),
            );
        }
        let episodes =
            self.episodes.iter().map(|e| json!([e.key, e.service, e.from_ms, e.to_ms])).collect::<Vec<_>>();
        json!({ "format": FORMAT, "monitors": monitors, "episodes": episodes, "forgotten": self.forgotten })
    }

    /// What [`Ledger::to_json`] wrote; what makes no sense of it is left out.
    pub fn from_json(json: &Json) -> Ledger {
        let mut ledger = Ledger { forgotten: json["forgotten"].as_u64().unwrap_or(0), ..Ledger::default() };
        for (key, e) in json["monitors"].as_object().into_iter().flatten().take(MONITORS_MAX) {
            let mut entry = Entry {
                red_since_ms: e["red_since_ms"].as_i64(),
                red_until_ms: e["red_until_ms"].as_i64(),
                since_ms: e["since_ms"].as_i64().unwrap_or(0),
                definition: u64::from_str_radix(e["definition"].as_str().unwrap_or(""), 16).unwrap_or(0),
                changed_ms: e["changed_ms"].as_i64(),
                useful_ms: e["useful_ms"].as_i64(),
                there_ms: e["there_ms"].as_i64().unwrap_or(0),
                ..Entry::default()
            };
            for day in e["days"].as_array().into_iter().flatten().take(DAYS_MAX as usize + 2) {
                let Some(number) = day[0].as_i64() else { continue };
                let mut counts = Counts { red_ms: day[7].as_i64().unwrap_or(0), ..Counts::default() };
                for (field, at) in counts.fields().into_iter().zip(COUNTS_AT) {
                    *field = day[at].as_u64().unwrap_or(0);
                }
                entry.days.insert(number, counts);
            }
            ledger.entries.insert(key.clone(), entry);
        }
        for e in json["episodes"].as_array().into_iter().flatten().take(EPISODES_MAX) {
            let text = |i: usize| e[i].as_str().unwrap_or("").to_string();
            let Some(from_ms) = e[2].as_i64() else { continue };
            ledger.episodes.push_back(Episode {
                key: text(0),
                service: text(1),
                from_ms,
                to_ms: e[3].as_i64(),
            });
        }
        ledger
    }
}

/// Adds a red time to the days that it lies in.
fn red(days: &mut BTreeMap<i64, Counts>, from_ms: i64, to_ms: i64) {
    let last = to_ms.div_euclid(DAY_MS);
    for day in from_ms.div_euclid(DAY_MS).max(last - DAYS_MAX)..=last {
        let inside = to_ms.min((day + 1) * DAY_MS) - from_ms.max(day * DAY_MS);
        if inside > 0 {
            days.entry(day).or_default().red_ms += inside;
        }
    }
}

#[cfg(test)]
mod tests;
