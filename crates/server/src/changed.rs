//! What changed in a window, over all series that are asked about: reads them, compares each with its baseline on all
//! cores, and puts what moved together side by side. How a change is measured is for [`look::changed`]; this must never
//! rank by itself, nor hold more than the best few thousand.

use crate::app::App;
use crate::baseline::{self, Against, Chosen};
use crate::catalogue::{kind_and_unit, shown_as};
use crate::sweep::{Watch, on_all_cores, read};
use foldhash::{HashMap, HashMapExt};
use look::changed::{
    Ask, Comparer, Group, How, Line, Moved, PEERS_MIN, PICTURE, beside, groups, kind_of, sentence,
};
use model::{Labels, Matcher};
use query::overview::Mode;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use stdx::Result;
use store::{Part, SeriesPieces, View};

/// Changes that are grouped, the most outstanding ones.
const MOVED_MAX: usize = 2_000;
/// Changes that one thread holds before it forgets the least.
const HELD_MAX: usize = 4 * MOVED_MAX;
/// Members of a group that are told; the others are counted.
const MEMBERS_MAX: usize = 25;
/// Series of one kind that are compared with one another at once.
const PART_MAX: usize = 256;
/// Onsets that lie closer together than this are one moment, whatever the window: about a scrape interval.
const MOMENT_MS: i64 = 10_000;

/// What is asked.
pub struct Question {
    /// Where something looks odd, milliseconds since 1970, ends included.
    pub window: (i64, i64),
    /// What it is compared with.
    pub against: Against,
    /// Which series; all when empty.
    pub matchers: Vec<Matcher>,
    /// Groups in the answer.
    pub groups_max: usize,
}

/// What of a metric has to be known to compare it.
#[derive(Clone)]
pub struct Shown {
    /// Its rate is compared.
    pub is_rate: bool,
    /// The unit of what is compared.
    pub unit: String,
}

/// One change, and the series that it is of.
#[derive(Clone)]
struct Found {
    series: usize,
    moved: Moved,
}

/// How much of what was found is told.
struct Told {
    groups_max: usize,
    members_max: usize,
}

/// Of a part of the answer: what stands out most.
const PART: Told = Told { groups_max: 10, members_max: 5 };

/// What was compared, as far as the answer tells it.
struct Compared<'a> {
    app: &'a App,
    chosen: Chosen,
    view: &'a View,
    series: &'a [SeriesPieces],
    buckets: usize,
    still: AtomicUsize,
    alone: AtomicUsize,
    moved: AtomicUsize,
}

/// What is read: with peers a little before the window, for pictures and rates.
fn reach(chosen: &Chosen) -> (i64, i64) {
    let (from, to) = chosen.ask.reach();
    if chosen.is_peers { (from.saturating_sub((to - from) / 2), to) } else { (from, to) }
}

/// Forgets what stands out least.
fn trim(found: &mut Vec<Found>) {
    if found.len() > HELD_MAX {
        let by = |a: &Found, b: &Found| b.moved.score.total_cmp(&a.moved.score);
        found.select_nth_unstable_by(MOVED_MAX, by);
        found.truncate(MOVED_MAX);
    }
}

/// The answer as JSON.
///
/// # Errors
/// `TooLarge` past a limit; `Cancelled` when the client has left or the time is over.
pub fn answer(app: &App, question: &Question, watch: &Watch) -> Result<Json> {
    let view = app.store.view();
    let chosen = baseline::choose(app, question.window, &question.against)?;
    let mut series = read(app, &view, std::slice::from_ref(&question.matchers), reach(&chosen))?;
    let count = series.len();
    // The buckets of a histogram say together what its sum and count say, hundreds of times over.
    series.retain(|s| s.labels.get("le").is_empty() && !s.has_histograms());
    let compared = Compared {
        app,
        chosen,
        view: &view,
        buckets: count - series.len(),
        series: &series,
        still: AtomicUsize::new(0),
        alone: AtomicUsize::new(0),
        moved: AtomicUsize::new(0),
    };
    let found =
        if compared.chosen.is_peers { compared.beside(watch)? } else { compared.compare_all(watch)? };
    Ok(compared.tell(found, &Told { groups_max: question.groups_max, members_max: MEMBERS_MAX }))
}

impl Compared<'_> {
    /// Compares on all cores.
    fn compare_all(&self, watch: &Watch) -> Result<Vec<Found>> {
        let ask = &self.chosen.ask;
        let start = || Worker::new(self.app, ask);
        let one = |worker: &mut Worker<'_>, i: usize, found: &mut Vec<Found>| -> Result<()> {
            if is_still(&self.series[i], ask) {
                self.still.fetch_add(1, Relaxed);
                return Ok(());
            }
            let moved = worker.compare(&self.series[i])?;
            self.moved.fetch_add(usize::from(moved.is_some()), Relaxed);
            found.extend(moved.map(|moved| Found { series: i, moved }));
            Ok(())
        };
        on_all_cores(self.series.len(), watch, start, one, trim, |found| self.tell(found, &PART))
    }

    /// Compares each series with those of the same kind on other hosts.
    fn beside(&self, watch: &Watch) -> Result<Vec<Found>> {
        let ask = &self.chosen.ask;
        let mut kinds: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, series) in self.series.iter().enumerate() {
            if let Some(kind) = kind_of(&series.labels) {
                kinds.entry(kind).or_default().push(i);
            }
        }
        let kinds: Vec<Vec<usize>> = kinds.into_values().filter(|k| k.len() > PEERS_MIN).collect();
        // A kind with very many members is compared in parts: all of a part are in memory at once.
        let parts: Vec<&[usize]> = kinds
            .iter()
            .flat_map(|kind| kind.chunks(kind.len().div_ceil(kind.len().div_ceil(PART_MAX))))
            .collect();
        let alone = self.series.len() - parts.iter().map(|p| p.len()).sum::<usize>();
        self.alone.store(alone, Relaxed);
        let start = || Worker::new(self.app, ask);
        let one = |worker: &mut Worker<'_>, i: usize, found: &mut Vec<Found>| -> Result<()> {
            let lines: Result<Vec<Line>> = parts[i].iter().map(|s| worker.line(&self.series[*s])).collect();
            let lines = lines?;
            for (place, series) in parts[i].iter().enumerate() {
                if let Some(moved) = beside(ask, &lines, place) {
                    self.moved.fetch_add(1, Relaxed);
                    found.push(Found { series: *series, moved });
                }
            }
            Ok(())
        };
        on_all_cores(parts.len(), watch, start, one, trim, |found| self.tell(found, &PART))
    }

    /// What was found, grouped.
    fn tell(&self, mut found: Vec<Found>, told: &Told) -> Json {
        found.sort_by(|a, b| b.moved.score.total_cmp(&a.moved.score).then(a.series.cmp(&b.series)));
        found.truncate(MOVED_MAX);
        let Chosen { ask, is_peers, note } = &self.chosen;
        let window = ask.window;
        let bin_ms = (window.1 - window.0) * 3 / 2 / PICTURE as i64;
        let (indexes, moved): (Vec<usize>, Vec<Moved>) =
            found.into_iter().map(|f| (f.series, f.moved)).unzip();
        let grouped = groups(&moved, bin_ms.max(MOMENT_MS));
        let one = |g: &Group| group_json(self.app, g, &moved, &indexes, self.series, told.members_max);
        let shown: Vec<Json> = grouped.iter().take(told.groups_max).map(one).collect();
        let moved_count = self.moved.load(Relaxed);
        json!({
            "window": seconds(window),
            "baselines": ask.baselines.iter().map(|b| seconds(*b)).collect::<Vec<_>>(),
            "compared": self.series.len(),
            "still": self.still.load(Relaxed),
            "moved": moved_count,
            "left_out": {
                "buckets": self.buckets,
                "beyond_limit": moved_count.saturating_sub(MOVED_MAX),
                "without_peers": self.alone.load(Relaxed),
            },
            "is_peers": is_peers,
            "note": note,
            "groups": shown,
            "groups_total": grouped.len(),
            "picture_s": bin_ms as f64 / 1000.0,
            "warnings": self.view.warnings(),
        })
    }
}

struct Worker<'a> {
    app: &'a App,
    ask: &'a Ask,
    comparer: Comparer,
    metrics: HashMap<String, bool>,
    samples: (Vec<i64>, Vec<f64>),
}

impl<'a> Worker<'a> {
    fn new(app: &'a App, ask: &'a Ask) -> Worker<'a> {
        Worker {
            app,
            ask,
            comparer: Comparer::default(),
            metrics: HashMap::new(),
            samples: Default::default(),
        }
    }

    fn is_rate(&mut self, series: &SeriesPieces) -> bool {
        let name = series.labels.name();
        match self.metrics.get(name) {
            Some(known) => *known,
            None => {
                let is_rate = shown(self.app, &series.labels).is_rate;
                self.metrics.insert(name.to_string(), is_rate);
                is_rate
            }
        }
    }

    fn line(&mut self, series: &SeriesPieces) -> Result<Line> {
        let is_rate = self.is_rate(series);
        let (from, to) = self.ask.window;
        let (times, values) =
            series.samples_in(from.saturating_sub((to - from) / 2), to, &mut self.samples)?;
        Ok(Line::of(self.ask, times, values, is_rate))
    }

    fn compare(&mut self, series: &SeriesPieces) -> Result<Option<Moved>> {
        let is_rate = self.is_rate(series);
        let (from, to) = self.ask.reach();
        // What counts up needs the sample before the first.
        let (times, values) = series.samples_in(from, to, &mut self.samples)?;
        Ok(self.comparer.compare(self.ask, times, values, is_rate))
    }
}

/// What has to be known of a series to compare it.
pub fn shown(app: &App, labels: &Labels) -> Shown {
    let (kind, unit) = kind_and_unit(&app.store, labels);
    let (mode, unit) = shown_as(kind, labels.name(), &unit, false);
    Shown { is_rate: mode == Mode::Rate, unit }
}

/// Whether a series has one value all the time, as most have, seen from the summaries of its chunks alone; and is there
/// before and at the end of the window.
pub fn is_still(series: &SeriesPieces, ask: &Ask) -> bool {
    let before = ask.baselines.iter().map(|b| b.1).max().unwrap_or(i64::MIN);
    constant(series).is_some_and(|(first, last)| {
        first <= before && last >= ask.window.1 - (ask.window.1 - ask.window.0) / 4
    })
}

/// The first and last time of a series that has one value all the time.
pub fn constant(series: &SeriesPieces) -> Option<(i64, i64)> {
    let (mut value, mut first, mut last) = (None, i64::MAX, i64::MIN);
    for part in series.parts() {
        let (low, high, from, to) = match part {
            Part::Summary(s) => (s.min, s.max, s.first_ms, s.last_ms),
            Part::Open(open) => match (open.constant(), open.range_ms()) {
                (Some(value), Some((from, to))) if value.is_finite() => (value, value, from, to),
                (_, None) => continue,
                _ => return None,
            },
            Part::Samples(times, values) => {
                let (Some(from), Some(to)) = (times.first(), times.last()) else { continue };
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                // A marker of the end is no value, but says that there is an end.
                if values.iter().any(|v| !v.is_finite()) {
                    return None;
                }
                (low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max), *from, *to)
            }
        };
        if low != high || value.is_some_and(|v| v != low) {
            return None;
        }
        value = Some(low);
        first = first.min(from);
        last = last.max(to);
    }
    value.map(|_| (first, last))
}

fn group_json(
    app: &App,
    group: &Group,
    moved: &[Moved],
    indexes: &[usize],
    series: &[SeriesPieces],
    members_max: usize,
) -> Json {
    let members: Vec<Json> = group
        .members
        .iter()
        .take(members_max)
        .map(|m| member_json(app, &moved[m.index], m.against, &series[indexes[m.index]].labels))
        .collect();
    json!({
        "onset": group.onset_ms as f64 / 1000.0,
        "score": round(group.score),
        "count": group.members.len(),
        "members": members,
    })
}

fn member_json(app: &App, moved: &Moved, against: bool, labels: &Labels) -> Json {
    let unit = shown(app, labels).unit;
    let mut json = series_json(labels, &unit);
    json["how"] = moved.how.as_str().into();
    json["against"] = against.into();
    json["score"] = round(moved.score).into();
    json["onset"] = json!(moved.onset_ms as f64 / 1000.0);
    json["before"] = number(moved.before);
    json["after"] = number(moved.after);
    json["is_presence"] = matches!(moved.how, How::Appeared | How::Disappeared).into();
    json["sentence"] = sentence(moved, &unit).into();
    json["picture"] = moved.picture.iter().map(|v| number(f64::from(*v))).collect();
    json
}

/// Which series, and what it is to people.
pub fn series_json(labels: &Labels, unit: &str) -> Json {
    let belongs = look::entity::belongs(labels);
    let pairs: serde_json::Map<String, Json> =
        labels.iter().map(|(n, v)| (n.to_string(), v.into())).collect();
    json!({
        "labels": pairs,
        "title": look::unit::title(labels.name()),
        "entity": { "kind": belongs.kind.as_str(), "title": belongs.title, "parent": belongs.parent },
        "unit": unit,
    })
}

/// No number is null.
pub fn number(v: f64) -> Json {
    if v.is_finite() { json!(v) } else { Json::Null }
}

/// A score has no more than two digits of meaning behind the point.
pub fn round(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}

/// Milliseconds as seconds.
pub fn seconds((from, to): (i64, i64)) -> [f64; 2] {
    [from as f64 / 1000.0, to as f64 / 1000.0]
}
