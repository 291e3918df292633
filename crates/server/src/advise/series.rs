//! Series of the window and of its baselines, compared on all cores. Those that did not move are kept only where their not moving
//! says something. It must never keep more than its bounds.

use super::{Book, Partial, Question, begin, tell};
use crate::app::App;
use crate::changed::{is_still, shown};
use crate::sweep::{Watch, on_all_cores, read};
use foldhash::{HashMap, HashMapExt, HashSet};
use look::advise::{Place, Says, SeriesSignal, Signals, comparable, place, says};
use look::changed::{Ask, Comparer, Moved};
use model::Labels;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use stdx::Result;
use store::SeriesPieces;

/// Series that moved and are weighed, those that stand out most.
const MOVED_MAX: usize = 5_000;
/// Series that did not move and are kept: of calls, of requests, of the symptom.
const STILL_MAX: usize = 20_000;

/// What scores less is not even listed; what scores less than 1 is listed, and counts for nothing.
const SCORE_MIN: f64 = 0.3;

#[derive(Clone)]
struct Found {
    series: usize,
    mean: (f64, f64),
    moved: Option<Moved>,
}

struct Worker {
    comparer: Comparer,
    is_rate: HashMap<String, bool>,
}

pub fn gather(
    app: &App,
    (question, ask): (&Question, &Ask),
    signals: &mut Signals,
    book: &mut Book,
    partial: &mut Partial,
    watch: &Watch,
) -> Result<()> {
    let mut series = read(app, &app.store.view(), &question.selectors, ask.reach())?;
    // The buckets of a histogram say together what its sum and count say, hundreds of times over.
    series.retain(|s| s.labels.get("le").is_empty() && !s.has_histograms());
    partial.looked_at[0] = series.len();
    signals.compared = series.len();
    let (from, to) = ask.reach();
    let symptom = question.symptom.as_ref().map_or("", |s| s.metric.as_str());
    let is_kept = |labels: &Labels, place: &Place| {
        place.caller.is_some() || labels.name() == symptom || says(labels.name()) == Says::Traffic
    };
    let places: Vec<Place> = series.iter().map(|s| place(&s.labels)).collect();
    let was_before: Vec<AtomicBool> = series.iter().map(|_| AtomicBool::new(false)).collect();
    let start = || Worker { comparer: Comparer::telling_from(SCORE_MIN), is_rate: HashMap::new() };
    let one = |worker: &mut Worker, i: usize, found: &mut Vec<Found>| -> Result<()> {
        let one = &series[i];
        let is_kept = is_kept(&one.labels, &places[i]);
        if !is_kept && is_still(one, ask) {
            was_before[i].store(true, Relaxed);
            return Ok(());
        }
        let name = one.labels.name();
        let is_rate = match worker.is_rate.get(name) {
            Some(known) => *known,
            None => *worker.is_rate.entry(name.into()).or_insert_with(|| shown(app, &one.labels).is_rate),
        };
        let (times, values) = one.samples(from, to)?;
        let moved = worker.comparer.compare(ask, &times, &values, is_rate);
        let mean = worker.comparer.means(ask);
        was_before[i].store(mean.0.is_finite(), Relaxed);
        found.extend((is_kept || moved.is_some()).then_some(Found { series: i, mean, moved }));
        Ok(())
    };
    let trim = |found: &mut Vec<Found>| {
        if found.len() > 2 * (MOVED_MAX + STILL_MAX) {
            found.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.series.cmp(&b.series)));
            found.truncate(MOVED_MAX + STILL_MAX);
        }
    };
    let so_far = |found: Vec<Found>| {
        let (mut signals, mut book) = begin(question, ask);
        let mut partial = Partial { looked_at: [series.len(), 0, 0], ..Partial::default() };
        signals.compared = series.len();
        keep(app, question, (&series, &places), found, &mut signals, &mut book, &mut partial);
        tell::so_far(&signals, question, &partial)
    };
    let found = on_all_cores(series.len(), watch, start, one, trim, so_far)?;
    let measured = series.iter().zip(&was_before).filter(|(_, was)| was.load(Relaxed));
    for (one, _) in measured {
        let name = one.labels.name();
        if !signals.measured_before.contains(name) {
            signals.measured_before.insert(name.to_string());
        }
    }
    keep(app, question, (&series, &places), found, signals, book, partial);
    Ok(())
}

fn score(f: &Found) -> f64 {
    f.moved.as_ref().map_or(0.0, |m| m.score)
}

/// Makes signals of what was found, the farthest first, within the bounds.
fn keep(
    app: &App,
    question: &Question,
    (series, places): (&[SeriesPieces], &[Place]),
    mut found: Vec<Found>,
    signals: &mut Signals,
    book: &mut Book,
    partial: &mut Partial,
) {
    found.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.series.cmp(&b.series)));
    let moved = found.iter().filter(|f| f.moved.is_some()).count();
    if moved > MOVED_MAX {
        partial.notes.push(format!("{moved} series moved; the {MOVED_MAX} that stand out most are weighed"));
        found.drain(MOVED_MAX..moved);
    }
    found.truncate(MOVED_MAX.min(moved) + STILL_MAX);
    for (one, place) in series.iter().zip(places) {
        if place.caller.is_none()
            && says(one.labels.name()) == Says::Used
            && let Some(entity) = book.find(&mut signals.entities, place.entity.clone())
        {
            *signals.watched.entry(entity).or_default() += 1;
        }
    }
    let mut calls: HashSet<(String, String)> = HashSet::default();
    for one in found {
        let labels = series[one.series].labels.clone();
        let place = places[one.series].clone();
        if let Some(caller) = &place.caller {
            calls.insert((caller.clone(), place.entity.name.clone()));
        }
        let Some(entity) = book.find(&mut signals.entities, place.entity.clone()) else { continue };
        let unit = shown(app, &labels).unit;
        let key = comparable(&labels);
        signals.series.push(SeriesSignal {
            labels,
            place,
            entity,
            key,
            unit,
            mean: one.mean,
            moved: one.moved,
        });
    }
    if !question.without.contains(&look::advise::Without::Graph) {
        let mut calls: Vec<_> = calls.into_iter().collect();
        calls.sort_unstable();
        signals.add_calls(calls.iter().map(|(a, b)| (a, b)));
    }
}
