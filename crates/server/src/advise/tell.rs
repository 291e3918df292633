//! Advice as JSON: each thing that is said with where it can be looked at. It must never add a number that was not measured.

use super::{DIRECTIONS_MAX, Partial, Question};
use crate::changed::{number, seconds};
use look::advise::{
    Advice, Direction, Entity, Event, Evidence, Knowledge, Next, SeriesSignal, Signals, Source, Then,
};
use look::entity::Kind;
use model::Labels;
use serde_json::{Map, Value as Json, json};

/// What is shown before and after a change of long ago, milliseconds.
const AROUND_MS: i64 = 1_800_000;
/// Earlier times that are told of one direction.
const TIMES_MAX: usize = 20;

/// What can be said while not everything was looked at.
pub fn so_far(signals: &Signals, question: &Question, partial: &Partial) -> Json {
    let advice = look::advise::advise(signals, question.directions_max.min(DIRECTIONS_MAX));
    let mut told = answer(signals, &advice, partial);
    told["note"] = "".into();
    told["ledger"] = json!({ "id": null, "note": "", "measured": null });
    told
}

pub fn answer(signals: &Signals, advice: &Advice, partial: &Partial) -> Json {
    let directions: Vec<Json> = advice.directions.iter().map(|d| direction(signals, d)).collect();
    let window = signals.ask.as_ref().map(|a| seconds(a.window));
    let baselines: Vec<_> = signals.ask.iter().flat_map(|a| &a.baselines).map(|b| seconds(*b)).collect();
    let [series, lines, spans] = partial.looked_at;
    json!({
        "window": window,
        "baselines": baselines,
        "stands_out": advice.stands_out,
        "sentence": advice.sentence,
        "directions": directions,
        "path": advice.walk.as_ref().map(|w| &w.path),
        "calls": signals.calls().count(),
        "looked_at": { "series": series, "log_records": lines, "spans": spans, "changes": signals.changes.len() },
        "partial": partial.notes,
        "left_out_here": partial.left_out_here,
    })
}

fn direction(signals: &Signals, d: &Direction) -> Json {
    let entity = &signals.entities[d.entity];
    let all = |list: &[Evidence]| list.iter().map(|e| evidence(signals, e)).collect::<Vec<_>>();
    let mut knowledge: Vec<Knowledge> = d.speaks_for.iter().map(|e| e.knowledge).collect();
    knowledge.sort_unstable();
    knowledge.dedup();
    let onset = d.speaks_for.iter().filter_map(|e| e.onset_ms).min();
    json!({
        "entity": entity_json(entity),
        "title": title(entity),
        "stands_out": d.stands_out,
        "sentence": d.sentence,
        "for": all(&d.speaks_for),
        "against": all(&d.speaks_against),
        "series": d.series.iter().map(|s| labels(&signals.series[*s].labels)).collect::<Vec<_>>(),
        "next": d.next.iter().map(|n| next(signals, d, *n)).collect::<Vec<_>>(),
        "risk": d.risk,
        "knowledge": knowledge.iter().map(|k| k.as_str()).collect::<Vec<_>>(),
        "onset": onset.map(|ms| ms as f64 / 1000.0),
    })
}

/// By kind and name: `{"service":"cart"}`, or `{"disk":"sda","part_of":"host vm"}`.
fn entity_json(entity: &Entity) -> Json {
    let mut out = Map::new();
    out.insert(entity.kind.as_str().into(), entity.name.as_str().into());
    if !entity.part_of.is_empty() {
        out.insert("part_of".into(), entity.part_of.as_str().into());
    }
    Json::Object(out)
}

/// As it is called in sentences and in the ledger.
pub fn title(entity: &Entity) -> String {
    match entity.part_of.as_str() {
        "" => entity.name.clone(),
        whole => format!("{} of {whole}", entity.name),
    }
}

fn labels(labels: &Labels) -> Json {
    labels.iter().map(|(n, v)| (n.to_string(), Json::from(v))).collect::<Map<_, _>>().into()
}

/// The series alone, as a selector.
fn selector(labels: &Labels) -> String {
    let quoted = |v: &str| serde_json::to_string(v).unwrap_or_default();
    let pairs: Vec<String> =
        labels.iter().filter(|(n, _)| *n != model::NAME).map(|(n, v)| format!("{n}={}", quoted(v))).collect();
    let is_plain = !labels.name().is_empty()
        && labels.name().chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    match is_plain {
        true => format!("{}{{{}}}", labels.name(), pairs.join(",")),
        false => {
            let name = format!("__name__={}", quoted(labels.name()));
            format!("{{{}}}", std::iter::once(name).chain(pairs).collect::<Vec<_>>().join(","))
        }
    }
}

fn evidence(signals: &Signals, e: &Evidence) -> Json {
    let (shown, before_after, picture) = source(signals, &e.source);
    json!({
        "sentence": e.sentence,
        "knowledge": e.knowledge.as_str(),
        "onset": e.onset_ms.map(|ms| ms as f64 / 1000.0),
        "show": shown,
        "before": before_after.map(|b| number(b.0)),
        "after": before_after.map(|b| number(b.1)),
        "picture": picture,
        "rule": rule(signals, &e.source),
    })
}

/// Why a rule matters and what it rests on; nothing for other evidence.
fn rule(signals: &Signals, source: &Source) -> Json {
    let Source::Rule(i) = source else { return Json::Null };
    let rule = &signals.rules[*i];
    json!({
        "id": rule.rule, "why": rule.why, "sources": rule.sources, "author": rule.author,
        "held_before": rule.held_before, "is_own": rule.is_own,
    })
}

type Shown = (Json, Option<(f64, f64)>, Json);

fn source(signals: &Signals, source: &Source) -> Shown {
    let share = |(k, n): (u32, u32)| f64::from(k) / f64::from(n.max(1));
    let traces = |service: &str, operation: &str| json!({ "kind": "traces", "service": service, "operation": operation });
    match source {
        Source::Series(i) => {
            let SeriesSignal { labels, mean, moved, .. } = &signals.series[*i];
            let picture = moved.as_ref().map(|m| {
                m.picture
                    .iter()
                    .map(|v| if v.is_finite() { json!(v) } else { Json::Null })
                    .collect::<Vec<_>>()
            });
            (json!({ "kind": "metrics", "query": selector(labels) }), Some(*mean), json!(picture))
        }
        Source::Differs(i) => {
            let d = &signals.differs[*i];
            let shown = match &d.event {
                Event::Line(id) | Event::Place(id, _) => {
                    json!({ "kind": "logs", "query": format!("service:{} pattern:{id:016x}", word(&d.service)) })
                }
                Event::Operation(name) => traces(&d.service, name),
                Event::Call(_) => traces(&d.service, ""),
            };
            (shown, Some((share(d.before), share(d.inside))), Json::Null)
        }
        Source::Slower(i) => {
            let s = &signals.timing.slower[*i];
            (traces(&s.service, &s.operation), Some(s.seconds), Json::Null)
        }
        Source::Fails(i) => {
            let f = &signals.timing.fails[*i];
            let mut shown = traces(&f.service, &f.operation);
            shown["status"] = "error".into();
            (shown, Some((share(f.before), share(f.inside))), Json::Null)
        }
        Source::Change(i) => (json!({ "kind": "changes", "id": signals.changes[*i].id }), None, Json::Null),
        Source::Rule(i) => (json!({ "kind": "query", "query": signals.rules[*i].query }), None, Json::Null),
        Source::Past(i) => (then(&signals.past[*i].then), None, Json::Null),
        Source::Calls(path) => (json!({ "kind": "map", "path": path }), None, Json::Null),
        Source::None => (Json::Null, None, Json::Null),
    }
}

/// Where what was before can be looked at; times in seconds, the newest first.
fn then(then: &Then) -> Json {
    match then {
        Then::Times(windows) => {
            let windows: Vec<_> = windows.iter().take(TIMES_MAX).map(|w| seconds(*w)).collect();
            json!({ "kind": "then", "windows": windows })
        }
        Then::Monitor(id) => json!({ "kind": "monitor", "id": id }),
        Then::Change(id, at_ms) => {
            let around = seconds((at_ms - AROUND_MS, at_ms + AROUND_MS));
            json!({ "kind": "changes", "id": id, "windows": [around] })
        }
        Then::Capture(id) => json!({ "kind": "capture", "id": id }),
    }
}

/// A value as it is written in the search box of logs.
fn word(value: &str) -> String {
    let is_plain = value.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c));
    if is_plain { value.into() } else { format!("\"{}\"", value.replace(['\\', '"'], "")) }
}

fn next(signals: &Signals, d: &Direction, next: Next) -> Json {
    let entity = &signals.entities[d.entity];
    let name = entity.name.as_str();
    match next {
        Next::Moved => {
            // By the label that says whose the series are.
            let query = d.series.first().map_or(String::new(), |first| {
                let labels = &signals.series[*first].labels;
                let label = match entity.kind {
                    Kind::Service => {
                        labels.iter().find(|(n, v)| *n != model::NAME && *v == name).map(|(n, _)| n)
                    }
                    Kind::Process => Some("comm"),
                    _ => Some("instance"),
                };
                let label = label.unwrap_or("service");
                format!("{{{label}={}}}", serde_json::to_string(labels.get(label)).unwrap_or_default())
            });
            json!({ "text": format!("everything that moved in {name}"), "show": { "kind": "moved", "query": query } })
        }
        Next::Lines => {
            let show = json!({ "kind": "logs", "query": format!("service:{}", word(name)) });
            json!({ "text": format!("lines of {name}"), "show": show })
        }
        Next::Traces => {
            let show = json!({ "kind": "traces", "service": name, "operation": "" });
            json!({ "text": format!("requests through {name}, the slowest first"), "show": show })
        }
        Next::Callee => {
            let callees: Vec<&str> = signals.callees(name).take(10).collect();
            let show = json!({ "kind": "map", "path": callees });
            json!({ "text": format!("what {name} calls: {}", callees.join(", ")), "show": show })
        }
        Next::Changes => {
            json!({ "text": format!("changes of {name}"), "show": { "kind": "changes", "service": name } })
        }
    }
}
