//! How often a template was seen, minute by minute and hour by hour, and what follows: what is new, what is gone, what comes
//! more or less often than before. Counted by the records' own times; late ones count where they belong while that is kept.

use super::{Patterns, Template};
use model::Severity;

const MINUTE_NS: i64 = 60_000_000_000;
/// Minutes that are kept.
pub(super) const MINUTES: usize = 60;
/// Hours that are kept.
pub(super) const HOURS: usize = 48;

/// Counts of the last hour by minute, and of the last two days by hour.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    pub(super) total: u64,
    /// The newest minute and hour since 1970 that have a place.
    pub(super) minute: i64,
    pub(super) hour: i64,
    pub(super) minutes: [u32; MINUTES],
    pub(super) hours: [u32; HOURS],
}

fn advance(counts: &mut [u32], newest: &mut i64, to: i64) {
    let length = counts.len() as i64;
    if to <= *newest {
        return;
    }
    if to - *newest >= length {
        counts.fill(0);
    } else {
        for slot in *newest + 1..=to {
            counts[slot.rem_euclid(length) as usize] = 0;
        }
    }
    *newest = to;
}

fn at(counts: &[u32], newest: i64, slot: i64) -> Option<usize> {
    let length = counts.len() as i64;
    (slot <= newest && newest - slot < length).then(|| slot.rem_euclid(length) as usize)
}

impl History {
    /// Of a template that was first seen then; nothing is counted yet.
    pub fn new(first_ns: i64) -> History {
        let minute = first_ns.div_euclid(MINUTE_NS);
        History {
            first_ns,
            last_ns: first_ns,
            total: 0,
            minute,
            hour: minute.div_euclid(60),
            minutes: [0; MINUTES],
            hours: [0; HOURS],
        }
    }

    /// One more.
    pub fn count(&mut self, time_ns: i64) {
        let minute = time_ns.div_euclid(MINUTE_NS);
        self.total += 1;
        self.first_ns = self.first_ns.min(time_ns);
        self.last_ns = self.last_ns.max(time_ns);
        advance(&mut self.minutes, &mut self.minute, minute);
        advance(&mut self.hours, &mut self.hour, minute.div_euclid(60));
        if let Some(i) = at(&self.minutes, self.minute, minute) {
            self.minutes[i] = self.minutes[i].saturating_add(1);
        }
        if let Some(i) = at(&self.hours, self.hour, minute.div_euclid(60)) {
            self.hours[i] = self.hours[i].saturating_add(1);
        }
    }

    /// Those of another, too.
    pub(super) fn add(&mut self, other: &History) {
        advance(&mut self.minutes, &mut self.minute, other.minute);
        advance(&mut self.hours, &mut self.hour, other.hour);
        for back in 0..MINUTES as i64 {
            let from = at(&other.minutes, other.minute, other.minute - back);
            if let (Some(from), Some(to)) = (from, at(&self.minutes, self.minute, other.minute - back)) {
                self.minutes[to] = self.minutes[to].saturating_add(other.minutes[from]);
            }
        }
        for back in 0..HOURS as i64 {
            let from = at(&other.hours, other.hour, other.hour - back);
            if let (Some(from), Some(to)) = (from, at(&self.hours, self.hour, other.hour - back)) {
                self.hours[to] = self.hours[to].saturating_add(other.hours[from]);
            }
        }
        self.total += other.total;
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
    }

    /// The time of the first.
    pub fn first_ns(&self) -> i64 {
        self.first_ns
    }

    /// The time of the last.
    pub fn last_ns(&self) -> i64 {
        self.last_ns
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts of the minutes up to that of `now_ns`, the oldest first: always [`MINUTES`].
    pub fn per_minute(&self, now_ns: i64) -> Vec<u32> {
        let now = now_ns.div_euclid(MINUTE_NS);
        let of = |slot: i64| at(&self.minutes, self.minute, slot).map_or(0, |i| self.minutes[i]);
        (now - MINUTES as i64 + 1..=now).map(of).collect()
    }

    /// Counts of the hours before that of `now_ns`, the oldest first.
    fn past_hours(&self, now_ns: i64) -> Vec<u32> {
        let now = now_ns.div_euclid(MINUTE_NS * 60);
        let first = self.first_ns.div_euclid(MINUTE_NS * 60);
        let of = |slot: i64| at(&self.hours, self.hour, slot).map_or(0, |i| self.hours[i]);
        (now - HOURS as i64 + 1..now).filter(|hour| *hour > first).map(of).collect()
    }
}

/// What there is to say of one template.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// First seen within the last hour. `is_service_new` if its service was hardly known before.
    New {
        /// The service's first line came at most ten minutes before.
        is_service_new: bool,
    },
    /// Came steadily, and does not any more.
    Vanished {
        /// So many would have come since.
        expected: f64,
    },
    /// Comes more or less often than before.
    Changed {
        /// In the last ten minutes.
        now: f64,
        /// In ten minutes, before.
        before: f64,
    },
}

/// What is new, what is gone, what has changed, each with the most telling first.
#[derive(Debug, Default)]
pub struct Review<'a> {
    /// First seen within the last hour: errors first.
    pub new: Vec<(&'a Template, Seen)>,
    /// Came steadily and stopped.
    pub vanished: Vec<(&'a Template, Seen)>,
    /// Comes at another rate.
    pub changed: Vec<(&'a Template, Seen)>,
}

/// Minutes that are "now" when rates are compared.
const RECENT: usize = 10;
/// A service needs so long until what it says can be new.
const LEARNING_NS: i64 = 10 * MINUTE_NS;
/// What was not seen for so long is no news.
const OLD_NS: i64 = 24 * 60 * MINUTE_NS;

fn judge(template: &Template, service_since_ns: i64, now_ns: i64) -> Option<Seen> {
    let history = &template.history;
    if history.first_ns > now_ns - 60 * MINUTE_NS {
        return Some(Seen::New { is_service_new: history.first_ns < service_since_ns + LEARNING_NS });
    }
    let minutes = history.per_minute(now_ns);
    let (before, recent) = minutes.split_at(MINUTES - RECENT);
    let recent: f64 = recent.iter().map(|n| f64::from(*n)).sum();
    let hours = history.past_hours(now_ns);
    // By the hours if there are some, else by the rest of this hour.
    let per_ten = match hours.iter().map(|n| f64::from(*n)).sum::<f64>() {
        sum if sum > 0.0 => sum / hours.len() as f64 / 6.0,
        _ => before.iter().map(|n| f64::from(*n)).sum::<f64>() / (before.len() as f64 / RECENT as f64),
    };
    let gap_ns = now_ns - history.last_ns;
    if gap_ns > RECENT as i64 * MINUTE_NS {
        let expected = per_ten * gap_ns as f64 / (RECENT as i64 * MINUTE_NS) as f64;
        let active = hours.iter().filter(|n| **n > 0).count();
        let is_steady = hours.len() < 3 || active * 2 > hours.len();
        let is_gone = expected >= 10.0 && history.total >= 20 && is_steady && gap_ns < OLD_NS;
        return is_gone.then_some(Seen::Vanished { expected });
    }
    // Four standard deviations of a Poisson process, and three times as many or as few.
    let difference = (recent - per_ten).abs();
    let is_far = difference > 4.0 * recent.max(per_ten).sqrt() && difference >= 10.0;
    let is_large = recent > 3.0 * per_ten || recent * 3.0 < per_ten;
    (is_far && is_large).then_some(Seen::Changed { now: recent, before: per_ten })
}

impl Patterns {
    /// What there is to say of all templates that are at least so grave.
    pub fn review(&self, least: Severity, now_ns: i64) -> Review<'_> {
        let mut review = Review::default();
        for template in self.iter().filter(|t| t.severity >= least) {
            let since = self.service_since_ns(&template.service).unwrap_or(i64::MIN);
            match judge(template, since, now_ns) {
                Some(seen @ Seen::New { .. }) => review.new.push((template, seen)),
                Some(seen @ Seen::Vanished { .. }) => review.vanished.push((template, seen)),
                Some(seen @ Seen::Changed { .. }) => review.changed.push((template, seen)),
                None => {}
            }
        }
        let is_known = |seen: &Seen| !matches!(seen, Seen::New { is_service_new: true });
        let by_news = |(t, seen): &(&Template, Seen)| {
            std::cmp::Reverse((is_known(seen), t.severity, t.history.first_ns, t.id))
        };
        review.new.sort_by_key(by_news);
        let size = |seen: &Seen| match seen {
            Seen::New { .. } => 0.0,
            Seen::Vanished { expected } => *expected,
            Seen::Changed { now, before } => (now - before).abs() / now.max(*before).sqrt(),
        };
        for list in [&mut review.vanished, &mut review.changed] {
            list.sort_by(|a, b| size(&b.1).total_cmp(&size(&a.1)).then(a.0.id.cmp(&b.0.id)));
        }
        review
    }
}
