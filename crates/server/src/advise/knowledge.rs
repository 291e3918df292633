//! What is known beside the data of the window: rules that hold of the things that directions point at, and the past of the same
//! signs there; and the booking of what was said. It must never make advice fail: directions stand without all of this, and what
//! could not be asked is told.

use super::ledger::{PLACES_MAX, SIGN_CHARS_MAX, SIGNS_MAX};
use super::{Partial, Question, tell};
use crate::app::App;
use crate::clock::now_ms;
use crate::critique::{Thing, findings_of};
use crate::gate::Stop;
use look::advise::{
    Advice, BACK_MS, Captured, Direction, Event, Given, Held, Past, Pointed, Red, Signals, Source, Without,
    before,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Directions that are looked up, the first.
pub const LOOKED_UP: usize = 6;
/// Directions that are booked, the first of those that stand out.
const BOOKED: usize = 3;
/// Captures that are considered, the newest.
const CAPTURES_MAX: usize = 100;

/// Adds to the signals what rules and the past say of the first directions of what was found without them.
pub fn gather(
    app: &App,
    question: &Question,
    found: &Advice,
    signals: &mut Signals,
    partial: &mut Partial,
    stop: &Stop,
) {
    if found.directions.is_empty() {
        return;
    }
    let directions = &found.directions[..found.directions.len().min(LOOKED_UP)];
    if !question.without.contains(&Without::Rules) {
        match rules(app, question, signals, directions, stop) {
            Ok((held, left_out)) => (signals.rules, partial.left_out_here) = (held, left_out),
            Err(why) => partial.notes.push(format!("rules could not be asked: {why}")),
        }
    }
    if !question.without.contains(&Without::History) {
        past(app, question, directions, signals, partial, stop);
    }
}

type Asked = (Vec<Held>, Vec<Json>);

fn rules(
    app: &App,
    question: &Question,
    signals: &Signals,
    directions: &[Direction],
    stop: &Stop,
) -> Result<Asked, String> {
    let thing = |d: &Direction| {
        let entity = &signals.entities[d.entity];
        Thing { kind: entity.kind, name: entity.name.clone(), part_of: entity.part_of.clone() }
    };
    let things: Vec<Thing> = directions.iter().map(thing).collect();
    let all = findings_of(app, &things, question.window, stop).map_err(|e| e.to_string())?;
    let (mut held, mut left_out) = (Vec::new(), Vec::new());
    for (direction, (found, adapted)) in directions.iter().zip(all) {
        held.extend(found.into_iter().map(|f| Held {
            entity: direction.entity,
            rule: f.rule,
            sentence: f.text,
            why: f.why,
            sources: f.sources,
            author: f.author,
            query: f.evidence.into_iter().next().map(|e| e.promql).unwrap_or_default(),
            held_before: f.held_before,
            is_own: f.is_own,
        }));
        let title = tell::title(&signals.entities[direction.entity]);
        let one = |a: critic::Adaptation| json!({ "rule": a.rule, "service": a.service, "because": a.because, "entity": title });
        left_out.extend(adapted.into_iter().map(one));
    }
    Ok((held, left_out))
}

fn past(
    app: &App,
    question: &Question,
    directions: &[Direction],
    signals: &mut Signals,
    partial: &mut Partial,
    stop: &Stop,
) {
    let given = app.advice.given();
    let red = red(app);
    let captures = captures(app);
    let ns = |ms: i64| ms.saturating_mul(1_000_000);
    let (from, to) = question.window;
    let range_ns = (ns(from.saturating_sub(BACK_MS)), ns(from));
    let is_anything = !given.is_empty() || !red.is_empty();
    // What was done is only asked for where there is a time after which it was done.
    let changes = match is_anything
        .then(|| crate::changes::list(app, &crate::changes::Asked { range_ns, ..Default::default() }, stop))
    {
        Some(Ok((changes, is_cut, _))) => {
            if is_cut {
                partial.notes.push("there are more changes in 30 days than could be read".into());
            }
            changes
        }
        Some(Err(e)) => {
            partial.notes.push(format!("changes before could not be read: {e}"));
            Vec::new()
        }
        None => Vec::new(),
    };
    let all = Past { given: &given, red: &red, changes: &changes, captures: &captures };
    for direction in directions {
        let entity = &signals.entities[direction.entity];
        let title = tell::title(entity);
        let short = entity.name.rsplit('/').next().unwrap_or(&entity.name);
        let host = entity.part_of.strip_prefix("host ").unwrap_or_default();
        let mut names = vec![title.as_str(), entity.name.as_str(), short, host];
        names.retain(|n| !n.is_empty());
        let was = before(&all, direction.entity, &names, &signs(signals, direction), (from, to));
        signals.past.extend(was);
    }
}

fn red(app: &App) -> Vec<Red> {
    let names: std::collections::BTreeMap<String, String> =
        app.monitors.review_facts().into_iter().map(|f| (f.key, f.name)).collect();
    app.monitors.with_book(|book| {
        let one = |e: &monitor::ledger::Episode| Red {
            id: e.key.clone(),
            name: names.get(&e.key).unwrap_or(&e.key).clone(),
            service: e.service.clone(),
            from_ms: e.from_ms,
            to_ms: e.to_ms,
        };
        book.ledger.episodes().filter(|e| !e.service.is_empty()).map(one).collect()
    })
}

fn captures(app: &App) -> Vec<Captured> {
    let all = app.captures.kept.list().unwrap_or_default();
    let one = |c: store::captures::Capture| {
        let at_ms = c.before.ok()?.trigger_ms;
        Some(Captured { id: c.id, at_ms })
    };
    all.into_iter().take(CAPTURES_MAX).filter_map(one).collect()
}

/// What a direction is known by, later: metrics, templates of lines, operations, rules.
fn signs(signals: &Signals, direction: &Direction) -> BTreeSet<String> {
    let name = |source: &Source| match source {
        Source::Series(i) => Some(signals.series[*i].labels.name().to_string()),
        Source::Differs(i) => match &signals.differs[*i].event {
            Event::Line(id) | Event::Place(id, _) => signals.lines.get(id).cloned(),
            Event::Operation(name) => Some(name.clone()),
            Event::Call(service) => Some(format!("call to {service}")),
        },
        Source::Slower(i) => {
            let slower = &signals.timing.slower[*i];
            Some(match &slower.callee {
                Some(callee) => format!("{} waits for {callee}", slower.service),
                None => format!("slow: {}", slower.operation),
            })
        }
        Source::Fails(i) => Some(format!("fails: {}", signals.timing.fails[*i].operation)),
        Source::Rule(i) => Some(format!("rule {}", signals.rules[*i].rule)),
        Source::Change(_) | Source::Calls(_) | Source::Past(_) | Source::None => None,
    };
    let short = |text: String| text.chars().take(SIGN_CHARS_MAX).collect::<String>();
    let all = direction.speaks_for.iter().filter_map(|e| name(&e.source));
    all.map(short).take(SIGNS_MAX).collect()
}

/// What a direction rests on most, in one word.
fn basis(direction: &Direction) -> &'static str {
    direction.speaks_for.first().map_or("", |e| e.knowledge.as_str())
}

/// Books what stands out, and says under which id; and how often a first direction of its kind was right, as far as that is known.
pub fn book(app: &App, question: &Question, signals: &Signals, advice: &Advice) -> Json {
    let place = |d: &Direction| {
        let entity = &signals.entities[d.entity];
        Pointed {
            entity: tell::title(entity).chars().take(SIGN_CHARS_MAX).collect(),
            kind: entity.kind.as_str().into(),
            basis: basis(d).into(),
            signs: signs(signals, d),
            said: None,
        }
    };
    let places: Vec<Pointed> =
        advice.directions.iter().filter(|d| d.stands_out).take(BOOKED.min(PLACES_MAX)).map(place).collect();
    let Some(first) = places.first() else {
        return json!({ "id": null, "note": "", "measured": measured(app, ("", "")) });
    };
    let shown = measured(app, (&first.kind, &first.basis));
    if !question.is_booked {
        return json!({ "id": null, "note": "", "measured": shown });
    }
    let given = Given { id: String::new(), asked_ms: now_ms(), window: question.window, places };
    match app.advice.book(given) {
        Ok(id) => json!({ "id": id, "note": "", "measured": shown }),
        Err(e) => {
            json!({ "id": null, "note": format!("this advice is in no ledger: {e}"), "measured": shown })
        }
    }
}

/// How often first directions of a kind were right; the sentence is empty while too few were judged.
pub fn measured(app: &App, of: (&str, &str)) -> Json {
    let m = app.advice.measured(of);
    json!({
        "kind": m.of.0, "basis": m.of.1, "given": m.given, "right": m.right, "wrong": m.wrong,
        "not_judged": m.given - m.right - m.wrong, "sentence": m.sentence(),
    })
}
