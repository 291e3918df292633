//! What changed in a window, over all series that are asked about: reads them, compares each with its baseline on all
//! cores, and puts what moved together side by side. How a change is measured is for [`look::changed`]; this must never
//! rank by itself, nor hold more than the best few thousand.

use crate::app::App;
use crate::catalogue::{kind_and_unit, shown_as};
use crate::gate::Stop;
use foldhash::{HashMap, HashMapExt};
use look::changed::{Ask, Comparer, Group, How, Moved, PICTURE, groups, sentence};
use model::{Labels, Matcher};
use query::overview::Mode;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use stdx::{Error, ErrorKind, Result};
use store::{Part, SeriesPieces};

/// Changes that are grouped, the most outstanding ones.
const MOVED_MAX: usize = 2_000;
/// Changes that one thread holds before it forgets the least.
const HELD_MAX: usize = 4 * MOVED_MAX;
/// Members of a group that are told; the others are counted.
const MEMBERS_MAX: usize = 25;
/// Samples that are read for one answer: 100,000 series at 1 s for 45 minutes.
pub const SAMPLES_MAX: usize = 300_000_000;
/// Series that a thread takes at a time.
const AT_A_TIME: usize = 64;
/// Threads that compare.
const THREADS_MAX: usize = 4;
/// Onsets that lie closer together than this are one moment, whatever the window: about a scrape interval.
const MOMENT_MS: i64 = 10_000;

/// What is asked.
pub struct Question {
    /// The window and its baselines.
    pub ask: Ask,
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
struct Found {
    series: usize,
    moved: Moved,
}

/// The answer as JSON.
///
/// # Errors
/// `TooLarge` past a limit; `Cancelled` when the client has left or the time is over.
pub fn answer(app: &App, question: &Question, stop: &Stop) -> Result<Json> {
    let view = app.store.view();
    let (from, to) = question.ask.reach();
    let series_max = app.settings.query.series_max.max(1_000_000);
    let mut series = view.pieces(&question.matchers, from, to, series_max, SAMPLES_MAX)?;
    let read = series.len();
    // The buckets of a histogram say together what its sum and count say, hundreds of times over.
    series.retain(|s| s.labels.get("le").is_empty() && !s.has_histograms());
    let buckets = read - series.len();
    let (mut found, still) = compare_all(app, &question.ask, &series, stop)?;
    let moved_count = found.len();
    found.sort_by(|a, b| b.moved.score.total_cmp(&a.moved.score).then(a.series.cmp(&b.series)));
    found.truncate(MOVED_MAX);
    let window = question.ask.window;
    let bin_ms = (window.1 - window.0) * 3 / 2 / PICTURE as i64;
    let (indexes, moved): (Vec<usize>, Vec<Moved>) = found.into_iter().map(|f| (f.series, f.moved)).unzip();
    let grouped = groups(&moved, bin_ms.max(MOMENT_MS));
    let shown = grouped.iter().take(question.groups_max);
    let told: Vec<Json> = shown.map(|g| group_json(app, g, &moved, &indexes, &series)).collect();
    Ok(json!({
        "window": seconds(window),
        "baselines": question.ask.baselines.iter().map(|b| seconds(*b)).collect::<Vec<_>>(),
        "compared": series.len(),
        "still": still,
        "moved": moved_count,
        "left_out": { "buckets": buckets, "beyond_limit": moved_count.saturating_sub(MOVED_MAX) },
        "groups": told,
        "groups_total": grouped.len(),
        "picture_s": bin_ms as f64 / 1000.0,
        "warnings": view.warnings(),
    }))
}

/// Compares on all cores; returns what moved, and how many series were left aside because they are constant.
fn compare_all(app: &App, ask: &Ask, series: &[SeriesPieces], stop: &Stop) -> Result<(Vec<Found>, usize)> {
    let still = AtomicUsize::new(0);
    let start = || Worker { app, ask, comparer: Comparer::default(), metrics: HashMap::new() };
    let one = |worker: &mut Worker<'_>, i: usize| -> Result<Option<Found>> {
        if is_still(&series[i], ask) {
            still.fetch_add(1, Relaxed);
            return Ok(None);
        }
        Ok(worker.compare(&series[i])?.map(|moved| Found { series: i, moved }))
    };
    let trim = |found: &mut Vec<Found>| {
        if found.len() > HELD_MAX {
            let by = |a: &Found, b: &Found| b.moved.score.total_cmp(&a.moved.score);
            found.select_nth_unstable_by(MOVED_MAX, by);
            found.truncate(MOVED_MAX);
        }
    };
    let found = on_all_cores(series.len(), stop, start, one, trim)?;
    Ok((found, still.into_inner()))
}

/// Looks at `count` things on all cores, each thread with a state of its own. `trim` may forget the least of what a thread holds.
///
/// # Errors
/// `Cancelled` when the client has left or the time is over; those of `one`.
pub fn on_all_cores<T: Send, S>(
    count: usize,
    stop: &Stop,
    start: impl Fn() -> S + Sync,
    one: impl Fn(&mut S, usize) -> Result<Option<T>> + Sync,
    trim: impl Fn(&mut Vec<T>) + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(THREADS_MAX).min(count / AT_A_TIME + 1);
    let run = || -> Result<Vec<T>> {
        let (mut state, mut found) = (start(), Vec::new());
        loop {
            let first = next.fetch_add(AT_A_TIME, Relaxed);
            if first >= count {
                return Ok(found);
            }
            if stop() {
                next.store(count, Relaxed);
                return Err(Error::new(ErrorKind::Cancelled, "the time is over").bound("query.timeout"));
            }
            for i in first..(first + AT_A_TIME).min(count) {
                found.extend(one(&mut state, i)?);
            }
            trim(&mut found);
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut all = run()?;
        for other in others {
            let theirs =
                other.join().map_err(|_| Error::new(ErrorKind::Internal, "a comparison panicked"))?;
            all.extend(theirs?);
        }
        Ok::<_, Error>(all)
    })
}

struct Worker<'a> {
    app: &'a App,
    ask: &'a Ask,
    comparer: Comparer,
    metrics: HashMap<String, bool>,
}

impl Worker<'_> {
    fn compare(&mut self, series: &SeriesPieces) -> Result<Option<Moved>> {
        let name = series.labels.name();
        let is_rate = match self.metrics.get(name) {
            Some(known) => *known,
            None => {
                let is_rate = shown(self.app, &series.labels).is_rate;
                self.metrics.insert(name.to_string(), is_rate);
                is_rate
            }
        };
        let (from, to) = self.ask.reach();
        // What counts up needs the sample before the first.
        let (times, values) = series.samples(from, to)?;
        Ok(self.comparer.compare(self.ask, &times, &values, is_rate))
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
    let (mut value, mut first, mut last) = (None, i64::MAX, i64::MIN);
    for part in series.parts() {
        let (low, high, from, to) = match part {
            Part::Summary(s) => (s.min, s.max, s.first_ms, s.last_ms),
            Part::Samples(times, values) => {
                let (Some(from), Some(to)) = (times.first(), times.last()) else { continue };
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                // A marker of the end is no value, but says that there is an end.
                if values.iter().any(|v| !v.is_finite()) {
                    return false;
                }
                (low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max), *from, *to)
            }
        };
        if low != high || value.is_some_and(|v| v != low) {
            return false;
        }
        value = Some(low);
        first = first.min(from);
        last = last.max(to);
    }
    let before = ask.baselines.iter().map(|b| b.1).max().unwrap_or(i64::MIN);
    value.is_some() && first <= before && last >= ask.window.1 - (ask.window.1 - ask.window.0) / 4
}

fn group_json(app: &App, group: &Group, moved: &[Moved], indexes: &[usize], series: &[SeriesPieces]) -> Json {
    let members: Vec<Json> = group
        .members
        .iter()
        .take(MEMBERS_MAX)
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
    let belongs = look::entity::belongs(labels);
    let pairs: serde_json::Map<String, Json> =
        labels.iter().map(|(n, v)| (n.to_string(), v.into())).collect();
    let picture: Vec<Json> =
        moved.picture.iter().map(|v| if v.is_finite() { json!(v) } else { Json::Null }).collect();
    json!({
        "labels": pairs,
        "title": look::unit::title(labels.name()),
        "entity": { "kind": belongs.kind.as_str(), "title": belongs.title, "parent": belongs.parent },
        "unit": unit,
        "how": moved.how.as_str(),
        "against": against,
        "score": round(moved.score),
        "onset": moved.onset_ms as f64 / 1000.0,
        "before": number(moved.before),
        "after": number(moved.after),
        "is_presence": matches!(moved.how, How::Appeared | How::Disappeared),
        "sentence": sentence(moved, &unit),
        "picture": picture,
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
