//! What series say of the things that they belong to: each that moved counts by how far it stands out and by how much it
//! changed, less where others of its metric changed by far more, and less where what the thing asked of others changed
//! and explains it. It must never count one movement twice because it is told by several percentiles.

use super::kind::{Place, Says, is_better_high, says};
use super::{SeriesSignal, Signals, Without};
use crate::changed::{How, Moved, PICTURE, SCORE_MIN};
use crate::entity::Kind as EntityKind;
use foldhash::{HashMap, HashMapExt, HashSet};
use model::Labels;
use std::collections::BTreeSet;

/// How much the logarithm of a score counts, and the most that one series does.
const LOGARITHM: f64 = 3.0;
/// See [`LOGARITHM`].
pub const SERIES_NATS_MAX: f64 = 14.0;
/// Logarithm of after over before: nothing below the first, all from the second (twice as much) on.
const EFFECT: (f64, f64) = (0.05, 0.7);
/// What processes and control groups count that come or go: they do all day.
const COMES_AND_GOES: f64 = 0.1;
/// The way to the mean that counts as there; the part of the time that counts fully; and what a single blip counts.
const LASTING: (f64, f64, f64) = (0.25, 0.5, 0.1);
/// Standard errors of the window by which its mean has to differ: nothing below the first, all from the second on. A few pulses among
/// zeros are far from a line that was nearly always zero, and no level.
const SUPPORT: (f64, f64) = (1.5, 4.0);
/// Points of the window below which nothing is said of how sure its mean is: so few are measured by the minute, and each is a mean
/// already.
const SUPPORT_POINTS_MIN: usize = 12;
/// Points that are looked at, at the least.
const LAST_POINTS_MIN: usize = 4;
/// What is measured for the first time anywhere counts so much: somebody began to measure it.
const NEWLY_MEASURED: f64 = 0.1;
/// Points of the window below which nothing is said of how long it lasted.
const LASTING_POINTS_MIN: usize = 8;
/// A callee explains a caller's movement if it stands out by so much of it ...
const NEAR: f64 = 0.7;
/// ... and then as often as it may be asked within one request.
const TIMES_ASKED: f64 = 5.0;
/// The most of a movement that is explained by others.
const EXPLAINED_MAX: f64 = 0.9;
/// What all further series of a thing that say the same kind of thing add.
const SECOND: f64 = 0.1;
/// A movement by less than this part of the largest value of its metric is small, whatever else moved.
const LEVEL: f64 = 0.05;
/// What went down counts so much: less work is usually a consequence.
const FELL: f64 = 0.3;

fn weight(says: Says) -> f64 {
    match says {
        Says::Used | Says::Time | Says::Failure => 1.0,
        Says::Shared => 0.2,
        Says::Traffic | Says::TimeOfOthers => 0.1,
    }
}

/// What one series says.
#[derive(Clone, Debug)]
pub struct Item {
    /// Index into [`Signals::series`].
    pub series: usize,
    /// What kind of thing it says.
    pub says: Says,
    /// How much it counts.
    pub nats: f64,
    /// What part of its movement its callees explain, and which of them.
    pub explained: Option<(f64, String)>,
    /// Its place in the list of a direction's series.
    pub order: f64,
}

/// What all series of one thing say.
#[derive(Clone, Debug, Default)]
pub struct OfEntity {
    /// All that moved, the weightiest first.
    pub items: Vec<Item>,
    /// Together.
    pub nats: f64,
}

/// How much a series changed, whatever it is measured in: 0 for rounding, 1 from twice as much on. `expected`: logarithm of how many
/// times as much it had to become, as far as more was asked.
fn effect(moved: &Moved, expected: f64) -> f64 {
    match moved.how {
        How::Appeared | How::Disappeared | How::Wider => 0.5,
        How::Calmer => 0.0,
        How::Rose | How::Fell | How::Higher | How::Lower => {
            let (before, after) = (moved.before.abs(), moved.after.abs());
            // Half the spread on both sides: from nearly nothing to nearly nothing is no multiple.
            let soft = 0.5 * (before - after).abs() / moved.score.max(1.0) + f64::MIN_POSITIVE;
            let ratio = ((after + soft) / (before + soft)).ln();
            // Of the same direction only: what falls while more is asked fell by itself.
            let ratio = if ratio * expected > 0.0 { ratio.abs() - expected.abs() } else { ratio.abs() };
            ((ratio - EFFECT.0) / (EFFECT.1 - EFFECT.0)).clamp(0.0, 1.0)
        }
    }
}

fn standing_out(s: &SeriesSignal, moved: &Moved, asked: &Asked<'_>) -> f64 {
    // An instant (when it was started, when it expires) says nothing by being another.
    if moved.score < SCORE_MIN || s.unit == "unix time" {
        return 0.0;
    }
    let is_presence = matches!(moved.how, How::Appeared | How::Disappeared);
    let is_fleeting = matches!(s.place.entity.kind, EntityKind::Process | EntityKind::Cgroup);
    let mut ordinary = if is_presence && is_fleeting { COMES_AND_GOES } else { 1.0 };
    if moved.how == How::Appeared {
        // A count of nothing is no news, and a first failure is.
        if moved.after == 0.0 {
            return 0.0;
        }
        if asked.is_newly_measured(s.labels.name()) && says(s.labels.name()) != Says::Failure {
            ordinary *= NEWLY_MEASURED;
        }
    }
    let nats = (moved.score.ln_1p() * LOGARITHM).min(SERIES_NATS_MAX);
    nats * effect(moved, asked.expected(s)) * lasting(moved).min(support(moved)) * ordinary
}

/// The part of the window, from the onset on, that is at least a quarter of the way to its mean, as a factor: a blip in a line
/// that never moved before has an enormous score. 1 where there are too few points to tell.
fn lasting(moved: &Moved) -> f64 {
    if !matches!(moved.how, How::Rose | How::Fell) {
        return 1.0;
    }
    let window = &moved.picture[moved.picture.len().min(PICTURE / 3)..];
    let way = moved.after - moved.before;
    let is_there = |v: f32| (f64::from(v) - moved.before) / way >= LASTING.0;
    let known = || window.iter().copied().filter(|v| v.is_finite());
    let Some(first) = known().position(is_there) else { return 1.0 };
    let count = known().count();
    if count < LASTING_POINTS_MIN {
        return 1.0;
    }
    let there = known().skip(first).filter(|v| is_there(*v)).count();
    // From its beginning, but at least over a quarter of the window: the last point alone is a blip as well.
    let over = (count - first).max(count / 4);
    (there as f64 / over as f64 / LASTING.1).clamp(LASTING.2, 1.0)
}

/// How sure the mean of the window is, from the onset on, as a factor; 1 where there are too few points to tell.
fn support(moved: &Moved) -> f64 {
    if !matches!(moved.how, How::Rose | How::Fell) {
        return 1.0;
    }
    let window = &moved.picture[moved.picture.len().min(PICTURE / 3)..];
    let known = || window.iter().copied().filter(|v| v.is_finite()).map(f64::from);
    let (count, way) = (known().count(), moved.after - moved.before);
    if count < SUPPORT_POINTS_MIN {
        return 1.0;
    }
    let first = known().position(|v| (v - moved.before) / way >= LASTING.0).unwrap_or(0);
    // At least the last quarter: a single last point is no level.
    let from = first.min(count - (count / 4).max(LAST_POINTS_MIN));
    let n = (count - from) as f64;
    let mean = known().skip(from).sum::<f64>() / n;
    let variance = known().skip(from).map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let errors = (mean - moved.before).abs() / (variance / n).sqrt().max(f64::MIN_POSITIVE);
    ((errors - SUPPORT.0) / (SUPPORT.1 - SUPPORT.0)).clamp(LASTING.2, 1.0)
}

/// How much is asked: of histograms how many times, of things how much of their main traffic; and what was measured before.
struct Asked<'a> {
    /// By the labels of the histogram, under its name without an ending: means before and in the window.
    times: HashMap<Labels, (f64, f64)>,
    /// By entity.
    traffic: HashMap<usize, (f64, f64)>,
    measured_before: Option<&'a BTreeSet<String>>,
}

impl Asked<'_> {
    fn of(signals: &Signals) -> Asked<'_> {
        let mut times = HashMap::new();
        let mut by_metric: HashMap<(usize, &str), (f64, f64)> = HashMap::new();
        for s in &signals.series {
            let name = s.labels.name();
            if let Some(base) = name.strip_suffix("_count") {
                times.insert(s.labels.with(model::NAME, base), s.mean);
            }
            if says(name) == Says::Traffic && s.place.caller.is_none() && s.unit.ends_with("/s") {
                let sum = by_metric.entry((s.entity, name)).or_default();
                let finite = |v: f64| if v.is_finite() { v } else { 0.0 };
                *sum = (sum.0 + finite(s.mean.0), sum.1 + finite(s.mean.1));
            }
        }
        let mut traffic: HashMap<usize, (f64, f64)> = HashMap::new();
        for ((entity, _), sum) in by_metric {
            let main = traffic.entry(entity).or_default();
            if sum.0 + sum.1 > main.0 + main.1 {
                *main = sum;
            }
        }
        let measured_before = Some(&signals.measured_before).filter(|names| !names.is_empty());
        Asked { times, traffic, measured_before }
    }

    /// Whether no series of this metric was there before.
    fn is_newly_measured(&self, metric: &str) -> bool {
        self.measured_before.is_some_and(|names| !names.contains(metric))
    }

    /// Logarithm of how many times as much a series had to become, with what was asked: all times together of a histogram, and the
    /// work that a thing does. Levels, such as memory, had to become nothing.
    fn expected(&self, s: &SeriesSignal) -> f64 {
        let growth = |(before, after): &(f64, f64)| match *before > 0.0 && *after > 0.0 {
            true => (after / before).ln(),
            false => 0.0,
        };
        let name = s.labels.name();
        if let Some(base) = name.strip_suffix("_sum") {
            return self.times.get(&s.labels.with(model::NAME, base)).map_or(0.0, growth);
        }
        let is_work = says(name) == Says::Used && s.unit.ends_with("/s");
        if is_work { self.traffic.get(&s.entity).map_or(0.0, growth) } else { 0.0 }
    }
}

struct Row<'a> {
    series: usize,
    place: &'a Place,
    key: &'a str,
    says: Says,
    moved: &'a Moved,
    /// How much worse, in the metric's own unit; negative for better.
    worse: f64,
    nats: f64,
}

/// By entity.
pub fn of_series(signals: &Signals) -> HashMap<usize, OfEntity> {
    let asked = Asked::of(signals);
    let mut rows = Vec::new();
    for (series, s) in signals.series.iter().enumerate() {
        let Some(moved) = &s.moved else { continue };
        let worse = (moved.after - moved.before) * if is_better_high(s.labels.name()) { -1.0 } else { 1.0 };
        let worse = if worse.is_finite() { worse } else { 0.0 };
        let says = says(s.labels.name());
        rows.push(Row {
            series,
            place: &s.place,
            key: &s.key,
            says,
            moved,
            worse,
            nats: standing_out(s, moved, &asked),
        });
    }
    let own = own_share(signals, &rows);
    let mut by_entity: HashMap<usize, OfEntity> = HashMap::new();
    for (row, (share, explained)) in rows.iter().zip(own) {
        let mut nats = row.nats * weight(row.says) * share;
        if row.worse < 0.0 {
            nats *= if matches!(row.says, Says::Time | Says::Failure) { 0.5 * FELL } else { FELL };
        }
        let is_first_hand = row.says == Says::Used;
        let order =
            row.moved.score * if is_first_hand { 3.0 } else { 1.0 } * (0.1 + effect(row.moved, 0.0)).min(1.0);
        let entity = signals.series[row.series].entity;
        let item = Item { series: row.series, says: row.says, nats, explained, order };
        by_entity.entry(entity).or_default().items.push(item);
    }
    let callers = callers(signals);
    for (entity, of) in &mut by_entity {
        of.items.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.series.cmp(&b.series)));
        of.nats = together(signals, &of.items, callers.get(entity).copied().unwrap_or(0));
    }
    by_entity
}

/// The strongest of each kind, and a little for the others; calls of several callers by the square root of how many there are, so
/// that one slow caller of ten speaks of the caller.
fn together(signals: &Signals, items: &[Item], callers: usize) -> f64 {
    let mut kinds: HashMap<(Says, Option<&str>), (f64, f64)> = HashMap::new();
    for item in items {
        let caller = signals.series[item.series].place.caller.as_deref();
        let (first, rest) = kinds.entry((item.says, caller)).or_default();
        // They come the weightiest first.
        if *first == 0.0 { *first = item.nats } else { *rest += item.nats }
    }
    let value = |(first, rest): &(f64, f64)| first + SECOND * rest;
    let own: f64 = kinds.iter().filter(|((_, c), _)| c.is_none()).map(|(_, v)| value(v)).sum();
    let calls: f64 = kinds.iter().filter(|((_, c), _)| c.is_some()).map(|(_, v)| value(v)).sum();
    own + calls / (callers.max(1) as f64).sqrt()
}

/// How many services are seen calling each.
fn callers(signals: &Signals) -> HashMap<usize, usize> {
    let mut seen: HashMap<usize, HashSet<&str>> = HashMap::new();
    for s in &signals.series {
        if let Some(caller) = s.place.caller.as_deref() {
            seen.entry(s.entity).or_default().insert(caller);
        }
    }
    seen.into_iter().map(|(entity, callers)| (entity, callers.len())).collect()
}

/// Metric, entity and caller, of series that are compared with each other.
type At<'a> = (&'a str, &'a str, Option<&'a str>);

/// For each row a factor: what part it is of the worst of its metric, after what callees explain; and who explains how much.
fn own_share(signals: &Signals, rows: &[Row<'_>]) -> Vec<(f64, Option<(f64, String)>)> {
    let has_graph = !signals.without.contains(&Without::Graph);
    let has_magnitude = !signals.without.contains(&Without::Magnitude);
    // The worst movement, and the farthest that one stands out.
    let mut worst: HashMap<At<'_>, (f64, f64)> = HashMap::new();
    for r in rows.iter().filter(|r| r.worse > 0.0) {
        let at = (r.key, r.place.entity.name.as_str(), r.place.caller.as_deref());
        let entry = worst.entry(at).or_default();
        *entry = (entry.0.max(r.worse), entry.1.max(r.nats));
    }
    let explained = |r: &Row<'_>| -> Option<(f64, String)> {
        if !has_graph || !matches!(r.says, Says::Time | Says::Failure) || r.worse <= 0.0 {
            return None;
        }
        let name = r.place.entity.name.as_str();
        let of = |callee: &str| -> f64 {
            let theirs =
                worst.get(&(r.key, callee, Some(name))).or_else(|| worst.get(&(r.key, callee, None)));
            theirs.map_or(0.0, |(worse, nats)| {
                let often = if *nats >= NEAR * r.nats { TIMES_ASKED } else { 1.0 };
                (worse * often / r.worse).min(1.0)
            })
        };
        let best = signals.callees(name).map(|callee| (of(callee), callee));
        let (share, callee) = best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))?;
        (share > 0.0).then(|| (share * EXPLAINED_MAX, callee.to_string()))
    };
    let explained: Vec<_> = rows.iter().map(explained).collect();
    let own = |r: &Row<'_>, e: &Option<(f64, String)>| r.worse * (1.0 - e.as_ref().map_or(0.0, |e| e.0));
    // A movement is large or small beside the others of its metric, and beside what things of it amount to at all.
    let mut most: HashMap<(&str, bool), f64> = HashMap::new();
    for (r, e) in rows.iter().zip(&explained) {
        let entry = most.entry((signals.series[r.series].labels.name(), r.worse > 0.0)).or_default();
        *entry = entry.max(own(r, e).abs());
    }
    for s in &signals.series {
        let level = s.mean.0.abs().max(s.mean.1.abs());
        for is_worse in [true, false] {
            if let Some(entry) = most.get_mut(&(s.labels.name(), is_worse)) {
                *entry = entry.max(LEVEL * level);
            }
        }
    }
    let factor = |(r, e): (&Row<'_>, Option<(f64, String)>)| {
        let largest =
            most.get(&(signals.series[r.series].labels.name(), r.worse > 0.0)).copied().unwrap_or(0.0);
        let share = match r.worse != 0.0 && largest > 0.0 && largest.is_finite() {
            true if has_magnitude => (own(r, &e).abs() / largest).min(1.0).sqrt(),
            true => 1.0 - e.as_ref().map_or(0.0, |e| e.0),
            false => 1.0,
        };
        (share, e)
    };
    rows.iter().zip(explained).map(factor).collect()
}
