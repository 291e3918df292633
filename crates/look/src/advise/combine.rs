//! Puts all evidence of each thing together, and ranks. Kinds of evidence are added up, each with its cap; what is told of
//! a service and what is told of calls to it are different kinds. It must never drop a thing because one kind is missing.

use super::metrics::{OfEntity, of_series};
use super::requests::LINE_NATS_MAX;
use super::walk::{Walk, walk};
use super::{Advice, Direction, Evidence, Knowledge, Next, Says, Signals, Source, Without, words};
use crate::changed::How;
use foldhash::{HashMap, HashMapExt};

/// What metrics count beside requests: single requests say where, metrics say that.
const METRICS_BESIDE_REQUESTS: f64 = 0.3;
/// The part of its own time that counts beside time that others waited for it: it is warm-up as often as not.
const OWN_TIME: f64 = 0.5;
/// How many calls that did not become slower are taken to be there beyond those that were seen, for a caller.
const CALLS_UNSEEN: f64 = 2.0;
/// A change of just this thing, shortly before.
const CHANGE_NATS: f64 = 2.0;
/// A rule that holds, did not before, and is measured at the thing itself. As a change, it only lifts what moved as well.
const RULE_NATS: f64 = 2.0;
/// Rules that are told of one direction.
const RULES_TOLD_MAX: usize = 3;
/// The end of the walk from the symptom, the step before it, the one before that, and all others.
const WALK_NATS: [f64; 4] = [30.0, 20.0, 15.0, 12.0];
/// As much excess as the symptom has, beside the path.
const EXCESS_NATS: f64 = 25.0;
/// Below this a direction does not stand out among a hundred series; among more, the logarithm of how many times more is added: the
/// farthest of many ordinary ones is far.
const STANDS_OUT_NATS: f64 = 2.5;
/// See [`STANDS_OUT_NATS`].
const STANDS_OUT_SERIES: f64 = 100.0;
/// Evidence that is told of one direction.
const TOLD_MAX: usize = 8;
/// Series of one direction.
const SERIES_MAX: usize = 50;
/// Onsets closer together than this are one moment, milliseconds.
const MOMENT_MS: i64 = 10_000;

#[derive(Default)]
struct Tally {
    nats: f64,
    /// The part of it that says where to look first, and nothing of whether there is anything to be seen.
    of_before: f64,
    /// What counts for whether there is anything to be seen, and not for where to look: what requests outweigh there; less what is
    /// found by chance where much is tried.
    to_be_seen: f64,
    speaks_for: Vec<Evidence>,
    speaks_against: Vec<Evidence>,
    series: Vec<usize>,
}

impl Tally {
    /// Whether there is anything to be seen at all, wherever it ranks.
    fn stands_out(&self, least: f64) -> bool {
        self.nats - self.of_before + self.to_be_seen >= least
    }
}

pub fn advise(signals: &Signals, directions_max: usize) -> Advice {
    let mut tallies: Vec<Tally> = Vec::new();
    tallies.resize_with(signals.entities.len(), Tally::default);
    let services: HashMap<&str, usize> =
        signals.entities.iter().enumerate().map(|(i, e)| (e.name.as_str(), i)).collect();
    let is_in = |what: Without| !signals.without.contains(&what);
    let has_requests = is_in(Without::Lines) && !signals.differs.is_empty()
        || is_in(Without::Spans) && !signals.timing.slower.is_empty();
    if is_in(Without::Metrics) {
        let scale = if has_requests { METRICS_BESIDE_REQUESTS } else { 1.0 };
        for (entity, of) in of_series(signals) {
            add_series(signals, &mut tallies[entity], &of, scale);
        }
    }
    if is_in(Without::Lines) {
        add_differences(signals, &services, &mut tallies);
    }
    if is_in(Without::Spans) {
        add_times(signals, &services, &mut tallies);
        add_failures(signals, &services, &mut tallies);
    }
    if is_in(Without::Changes) {
        add_changes(signals, &mut tallies);
    }
    let walked = if is_in(Without::Symptom) && is_in(Without::Graph) { walk(signals) } else { None };
    if let Some(walked) = &walked {
        add_walk(walked, &services, &mut tallies);
    }
    if is_in(Without::Rules) {
        add_rules(signals, &mut tallies);
    }
    if is_in(Without::History) {
        add_past(signals, &mut tallies);
    }
    let least = STANDS_OUT_NATS + (signals.compared as f64 / STANDS_OUT_SERIES).max(1.0).ln();
    let mut order: Vec<usize> =
        (0..tallies.len()).filter(|i| tallies[*i].nats > tallies[*i].of_before).collect();
    order.sort_by(|a, b| {
        let name = |i: &usize| &signals.entities[*i].name;
        let (a_tally, b_tally) = (&tallies[*a], &tallies[*b]);
        let stands_out = |t: &Tally| t.stands_out(least);
        stands_out(b_tally)
            .cmp(&stands_out(a_tally))
            .then_with(|| b_tally.nats.total_cmp(&a_tally.nats))
            .then_with(|| name(a).cmp(name(b)))
    });
    order.truncate(directions_max);
    let one = |i| direction(signals, i, std::mem::take(&mut tallies[i]), least);
    let mut directions: Vec<Direction> = order.into_iter().map(one).collect();
    say_who_was_first(signals, &mut directions);
    let stands_out = directions.first().is_some_and(|d| d.stands_out);
    let sentence = words::answer(signals, &directions, walked.as_ref());
    Advice { directions, stands_out, walk: walked, sentence }
}

fn add_series(signals: &Signals, tally: &mut Tally, of: &OfEntity, scale: f64) {
    tally.nats += of.nats * scale;
    tally.to_be_seen += of.nats * (1.0 - scale);
    let mut told = HashMap::new();
    for item in &of.items {
        let s = &signals.series[item.series];
        let Some(moved) = &s.moved else { continue };
        // One line for each kind of thing that is said; the others are in the list of series.
        let count: &mut usize = told.entry((item.says, s.place.caller.as_deref())).or_default();
        *count += 1;
        if *count > 1 || item.nats <= 0.0 {
            continue;
        }
        let knowledge = if s.place.caller.is_some() { Knowledge::Topology } else { Knowledge::Statistics };
        tally.speaks_for.push(Evidence {
            sentence: words::series(s, moved),
            knowledge,
            nats: item.nats * scale,
            onset_ms: Some(moved.onset_ms),
            source: Source::Series(item.series),
        });
        if let Some((share, callee)) = item.explained.as_ref().filter(|(share, _)| *share >= 0.3) {
            let source = Source::Series(item.series);
            tally.speaks_against.push(against(
                words::explained(s, *share, callee),
                Knowledge::Topology,
                source,
            ));
        }
        if item.says == Says::Traffic && moved.how == How::Rose && moved.after >= 1.5 * moved.before {
            let sentence = words::asked_more(s, moved);
            tally.speaks_against.push(against(sentence, Knowledge::Statistics, Source::Series(item.series)));
        }
    }
    let mut series: Vec<(f64, usize)> = of.items.iter().map(|i| (i.order, i.series)).collect();
    series.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    tally.series = series.into_iter().take(SERIES_MAX).map(|(_, s)| s).collect();
}

fn against(sentence: String, knowledge: Knowledge, source: Source) -> Evidence {
    Evidence { sentence, knowledge, nats: 0.0, onset_ms: None, source }
}

/// The strongest difference of a service counts; the others are told. They come strongest first for each service.
fn add_differences(signals: &Signals, services: &HashMap<&str, usize>, tallies: &mut [Tally]) {
    let mut best: HashMap<usize, f64> = HashMap::new();
    for (i, differs) in signals.differs.iter().enumerate() {
        let Some(entity) = services.get(differs.service.as_str()) else { continue };
        let counted = best.entry(*entity).or_default();
        let nats = (differs.nats - *counted).clamp(0.0, LINE_NATS_MAX);
        *counted += nats;
        tallies[*entity].nats += nats;
        tallies[*entity].to_be_seen -= differs.by_chance.min(nats);
        tallies[*entity].speaks_for.push(Evidence {
            sentence: words::differs(signals, differs),
            knowledge: Knowledge::Requests,
            nats: differs.nats,
            onset_ms: differs.onset_ms,
            source: Source::Differs(i),
        });
    }
}

/// Time that callers wait for a service counts for it, by the square root of how many callers there are; time that a
/// service waits for several that it calls counts for itself; and a part of its own.
fn add_times(signals: &Signals, services: &HashMap<&str, usize>, tallies: &mut [Tally]) {
    type ByOther<'a> = HashMap<&'a str, (f64, usize)>;
    let mut waited_for: HashMap<&str, ByOther<'_>> = HashMap::new();
    let mut waits: HashMap<&str, ByOther<'_>> = HashMap::new();
    let mut own: HashMap<&str, (f64, usize)> = HashMap::new();
    for (i, slower) in signals.timing.slower.iter().enumerate() {
        let keep = |place: &mut (f64, usize)| {
            if slower.nats > place.0 {
                *place = (slower.nats, i);
            }
        };
        match &slower.callee {
            Some(callee) => {
                keep(waited_for.entry(callee).or_default().entry(&slower.service).or_default());
                keep(waits.entry(&slower.service).or_default().entry(callee).or_default());
            }
            None => keep(own.entry(&slower.service).or_default()),
        }
    }
    let mut add = |service: &str, scale: f64, found: Vec<(f64, usize)>| {
        let Some(tally) = services.get(service).map(|e| &mut tallies[*e]) else { return };
        for (nats, i) in found.into_iter().filter(|(nats, _)| *nats > 0.0) {
            let slower = &signals.timing.slower[i];
            tally.nats += nats * scale;
            tally.speaks_for.push(Evidence {
                sentence: words::slower(slower, service),
                knowledge: Knowledge::Requests,
                nats: nats * scale,
                onset_ms: None,
                source: Source::Slower(i),
            });
        }
    };
    for (service, callers) in &waited_for {
        add(service, 1.0 / (callers.len() as f64).sqrt(), callers.values().copied().collect());
    }
    for (service, callees) in &waits {
        add(service, 1.0 / (callees.len() as f64 + CALLS_UNSEEN).sqrt(), callees.values().copied().collect());
    }
    for (service, found) in &own {
        add(service, OWN_TIME, vec![*found]);
    }
}

fn add_failures(signals: &Signals, services: &HashMap<&str, usize>, tallies: &mut [Tally]) {
    let mut seen: HashMap<&str, ()> = HashMap::new();
    for (i, fails) in signals.timing.fails.iter().enumerate() {
        let Some(entity) = services.get(fails.service.as_str()) else { continue };
        // They come strongest first: the others of the service are told, and count nothing more.
        let nats = if seen.insert(&fails.service, ()).is_none() { fails.nats } else { 0.0 };
        tallies[*entity].nats += nats;
        tallies[*entity].speaks_for.push(Evidence {
            sentence: words::fails(fails),
            knowledge: Knowledge::Requests,
            nats: fails.nats,
            onset_ms: None,
            source: Source::Fails(i),
        });
    }
}

/// A change speaks for what it was made on: alone it says little, so it only lifts what moved as well.
fn add_changes(signals: &Signals, tallies: &mut [Tally]) {
    for (i, change) in signals.changes.iter().enumerate() {
        for (entity, tally) in signals.entities.iter().zip(tallies.iter_mut()) {
            let is_of = |name: &str| {
                !name.is_empty() && (name == entity.name || entity.part_of == format!("host {name}"))
            };
            let is_of_it = is_of(&change.service) || change.service.is_empty() && is_of(&change.host);
            if !is_of_it {
                continue;
            }
            let is_first = !tally.speaks_for.iter().any(|e| e.knowledge == Knowledge::Changes);
            let nats = if is_first { CHANGE_NATS } else { 0.0 };
            tally.nats += nats;
            tally.speaks_for.push(Evidence {
                sentence: words::change(change, signals.ask.as_ref()),
                knowledge: Knowledge::Changes,
                nats,
                onset_ms: Some(change.time_ns / 1_000_000),
                source: Source::Change(i),
            });
        }
    }
}

/// A rule speaks for the thing that it is about; one that held before as well is how things are, and one of the machine beneath is
/// about all that run there: these are told, and count nothing.
fn add_rules(signals: &Signals, tallies: &mut [Tally]) {
    let mut told: HashMap<usize, usize> = HashMap::new();
    for (i, rule) in signals.rules.iter().enumerate() {
        let tally = &mut tallies[rule.entity];
        let count = told.entry(rule.entity).or_default();
        // Nothing but a rule is no direction: what moved is what is asked for.
        if tally.nats <= 0.0 || *count >= RULES_TOLD_MAX {
            continue;
        }
        *count += 1;
        let is_news = rule.is_own && !rule.held_before;
        let is_first = !tally.speaks_for.iter().any(|e| e.knowledge == Knowledge::Rule && e.nats > 0.0);
        let nats = if is_news && is_first { RULE_NATS } else { 0.0 };
        tally.nats += nats;
        tally.speaks_for.push(Evidence {
            sentence: words::rule(rule),
            knowledge: Knowledge::Rule,
            nats,
            onset_ms: None,
            source: Source::Rule(i),
        });
    }
}

/// What was before is to be known; only what people said in the end weighs, and not for whether anything stands out.
fn add_past(signals: &Signals, tallies: &mut [Tally]) {
    for (i, was) in signals.past.iter().enumerate() {
        let tally = &mut tallies[was.entity];
        if tally.nats <= tally.of_before {
            continue;
        }
        tally.nats += was.nats;
        tally.of_before += was.nats;
        let (sentence, knowledge) = (was.sentence.clone(), Knowledge::History);
        let told = Evidence { sentence, knowledge, nats: was.nats, onset_ms: None, source: Source::Past(i) };
        let side = if was.is_against { &mut tally.speaks_against } else { &mut tally.speaks_for };
        side.push(told);
    }
}

/// What speaks of this window, not of the ones before it.
fn is_of_now(e: &Evidence) -> bool {
    e.knowledge != Knowledge::History
}

fn add_walk(walked: &Walk, services: &HashMap<&str, usize>, tallies: &mut [Tally]) {
    let last = walked.path.len() - 1;
    for (step, service) in walked.path.iter().enumerate() {
        let Some(entity) = services.get(service.as_str()) else { continue };
        // A symptom that nothing below explains is a place of its own, not the end of a walk.
        let from_end = if last == 0 { 3 } else { last - step };
        let nats = WALK_NATS[from_end.min(WALK_NATS.len() - 1)];
        tallies[*entity].nats += nats;
        tallies[*entity].speaks_for.push(Evidence {
            sentence: words::walked(&walked.path, step),
            knowledge: Knowledge::Topology,
            nats,
            onset_ms: None,
            source: Source::Calls(walked.path[..=step].to_vec()),
        });
        if step < last {
            let sentence = words::goes_on(&walked.path[step + 1]);
            let source = Source::Calls(walked.path.clone());
            tallies[*entity].speaks_against.push(against(sentence, Knowledge::Topology, source));
        }
    }
    for (service, part) in walked.own.iter().filter(|(s, _)| !walked.path.contains(s)) {
        if let Some(entity) = services.get(service.as_str()) {
            tallies[*entity].nats += part * EXCESS_NATS;
        }
    }
}

fn direction(signals: &Signals, entity: usize, mut tally: Tally, least: f64) -> Direction {
    let stands_out = tally.stands_out(least);
    tally.speaks_for.sort_by(|a, b| b.nats.total_cmp(&a.nats).then_with(|| a.sentence.cmp(&b.sentence)));
    let is_moved = |what: Says| {
        let says = |s: &usize| super::says(signals.series[*s].labels.name()) == what;
        tally.series.iter().any(says)
    };
    let watched = signals.watched.get(&entity).copied().unwrap_or(0);
    if watched > 0 && !is_moved(Says::Used) {
        let sentence = words::nothing_used(watched);
        tally.speaks_against.push(against(sentence, Knowledge::Statistics, Source::None));
    }
    let kinds: Vec<Knowledge> =
        tally.speaks_for.iter().filter(|e| is_of_now(e)).map(|e| e.knowledge).collect();
    if kinds.len() == 1 {
        let sentence = "it is one sign alone; nothing else here moved with it".to_string();
        tally.speaks_against.push(against(sentence, Knowledge::Statistics, Source::None));
    }
    let mut next = Vec::new();
    if !tally.series.is_empty() {
        next.push(Next::Moved);
    }
    if kinds.contains(&Knowledge::Requests) {
        next.push(Next::Lines);
        next.push(Next::Traces);
    }
    if tally.speaks_against.iter().any(|e| e.knowledge == Knowledge::Topology) {
        next.push(Next::Callee);
    }
    if kinds.contains(&Knowledge::Changes) {
        next.push(Next::Changes);
    }
    // Rules and history last, whatever is cut off before: they are few, and nothing else says what they say.
    let (kept, mut seen): (Vec<Evidence>, Vec<Evidence>) = tally
        .speaks_for
        .into_iter()
        .partition(|e| matches!(e.knowledge, Knowledge::Rule | Knowledge::History));
    let rules = kept.iter().filter(|e| is_of_now(e)).count();
    let sentence = words::direction(&signals.entities[entity], &seen, rules);
    let risk = words::risk(seen.first());
    seen.truncate(TOLD_MAX);
    seen.extend(kept);
    Direction {
        entity,
        sentence,
        speaks_for: seen,
        speaks_against: tally.speaks_against,
        series: tally.series,
        next,
        risk,
        stands_out,
        nats: tally.nats,
    }
}

/// What began later than another direction did is less likely to be what made it.
fn say_who_was_first(signals: &Signals, directions: &mut [Direction]) {
    let onset = |d: &Direction| {
        d.speaks_for.iter().filter(|e| e.knowledge != Knowledge::Changes).filter_map(|e| e.onset_ms).min()
    };
    let onsets: Vec<Option<i64>> = directions.iter().map(onset).collect();
    let strong = directions.iter().zip(&onsets).filter(|(d, _)| d.stands_out);
    let first = strong.filter_map(|(d, o)| Some(((*o)?, d.entity))).min();
    let Some((first_ms, first)) = first else { return };
    for (direction, onset) in directions.iter_mut().zip(onsets) {
        let Some(later_ms) = onset.map(|o| o - first_ms).filter(|ms| *ms > MOMENT_MS) else { continue };
        if direction.entity != first {
            let sentence = words::later(&signals.entities[first], later_ms);
            direction.speaks_against.push(against(sentence, Knowledge::Statistics, Source::None));
        }
    }
}
