//! Objectives as JSON, with all that is known, and as Home shows them. It must never change anything, nor judge.

use super::files::OWN_SLOS;
use super::slos::SloRun;
use super::{LoadedGroup, Monitors, lock};
use look::home::{State as HomeState, Watched};
use model::time::format_duration_ms;
use monitor::ledger::unseen::Step;
use monitor::notify::object;
use monitor::notify::words::since_words;
use monitor::slo::queries::{self, Asked};
use monitor::slo::{Budget, Burn, STEP_MS, Slo, State, TierOf, Verdict, words, write};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Points of the picture of a budget.
const POINTS: i64 = 240;

/// The group of an objective.
pub fn find(monitors: &Monitors, id: &str) -> Option<(Arc<LoadedGroup>, Arc<Slo>)> {
    monitors.groups().into_iter().find_map(|g| {
        let slo = g.group.slo.clone().filter(|s| s.id == id)?;
        Some((g, slo))
    })
}

/// Every objective.
pub fn slos(monitors: &Monitors) -> Vec<Json> {
    let of = |g: Arc<LoadedGroup>| g.group.slo.clone().map(|slo| one(&g, &slo, false));
    monitors.groups().into_iter().filter_map(of).collect()
}

/// How an objective is, if it was judged.
pub fn verdict(group: &LoadedGroup) -> Option<Verdict> {
    lock(&group.run).slo.as_ref().and_then(|of| of.verdict.clone())
}

/// What happened in the last so many milliseconds, and since when it has been going wrong.
pub fn since(group: &LoadedGroup, range_ms: i64) -> Json {
    let run = lock(&group.run);
    let Some(of) = run.slo.as_ref() else { return Json::Null };
    let until_ms = of.history.until_ms().unwrap_or(0);
    let sum = of.history.sum(until_ms - range_ms, until_ms);
    let first = of
        .history
        .buckets()
        .filter(|(at, b)| *at >= until_ms - range_ms && b.total > b.good)
        .map(|(at, _)| at)
        .next();
    json!({ "bad": sum.bad(), "total": sum.total, "first_bad_ms": first, "until_ms": until_ms })
}

/// What each objective that has a service counted, in steps.
pub fn steps(monitors: &Monitors, from_ms: i64, to_ms: i64, step_ms: i64) -> Vec<(String, Vec<Step>)> {
    let of = |group: &Arc<LoadedGroup>| {
        let slo = group.group.slo.as_ref().filter(|slo| !slo.service.is_empty())?;
        let run = lock(&group.run);
        let history = &run.slo.as_ref()?.history;
        let count = ((to_ms - from_ms) / step_ms).max(0);
        let steps = (1..=count).map(|i| {
            let at_ms = from_ms + i * step_ms;
            let sum = history.sum(at_ms - step_ms, at_ms);
            Step { at_ms, length_ms: step_ms, bad: sum.bad(), total: sum.total }
        });
        Some((slo.service.clone(), steps.collect()))
    };
    monitors.groups().iter().filter_map(of).collect()
}

fn burn(burn: &Burn) -> Json {
    json!({
        "window": format_duration_ms(burn.window_ms), "window_ms": burn.window_ms, "rate": burn.rate,
        "bad": burn.sum.bad(), "total": burn.sum.total, "known": burn.sum.known_ms / burn.window_ms as f64,
    })
}

fn budget(b: &Budget) -> Json {
    json!({
        "from_ms": b.from_ms, "good": b.sum.good, "total": b.sum.total, "bad": b.sum.bad(), "allowed": b.allowed,
        "left": b.left, "left_words": b.left.map(words::left), "measured": b.measured, "unread": b.unread,
        "share": (b.sum.total > 0.0).then(|| b.sum.good / b.sum.total),
        "share_words": (b.sum.total > 0.0).then(|| words::percent(b.sum.good / b.sum.total)),
    })
}

/// One objective; `is_whole` with what only its own page needs.
pub fn one(group: &LoadedGroup, slo: &Slo, is_whole: bool) -> Json {
    let monitors: Vec<Json> = group.each(|i, rule, parsed, rule_run| {
        json!({
            "id": parsed.id, "name": rule.name, "state": rule_run.state.judgement().as_str(),
            "severity": rule.label("severity"), "place": i,
        })
    });
    let run = lock(&group.run);
    let none = SloRun::default();
    let of = run.slo.as_ref().unwrap_or(&none);
    let verdict = of.verdict.as_ref();
    let state = verdict.map_or(State::Unknown, |v| v.state.clone());
    let why = match &state {
        State::CannotJudge(why) => why.as_str(),
        _ => "",
    };
    let mut json = json!({
        "id": slo.id, "name": slo.name, "service": slo.service, "about": slo.about, "owner": slo.owner,
        "action": slo.action, "state": state.as_str(), "state_words": state.words(), "why": why,
        "since_ms": of.since_ms, "promise": words::promise(slo),
        "says": verdict.map_or_else(|| "It was not looked at yet; the first count comes within seconds.".to_string(), |v| words::present(slo, v)),
        "objective": slo.objective, "window": write_window(slo), "window_words": slo.window.words(),
        "events": slo.events(), "enough": slo.enough,
        "budget": verdict.map(|v| budget(&v.budget)),
        "burns": verdict.map(|v| v.burns.iter().map(burn).collect::<Vec<_>>()),
        "lasts_ms": verdict.and_then(|v| v.lasts_ms),
        "monitors": monitors, "labels": object(slo.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
        "file": slo.file, "line": slo.line, "is_own": slo.file == OWN_SLOS,
        "last_ms": of.last_ms, "took_s": of.took_s,
    });
    if is_whole {
        let alerts = verdict.map(|v| {
            let each = v.pairs.iter().map(|p| {
                json!({
                    "words": p.pair.words(), "severity": p.pair.severity, "factor": p.pair.factor,
                    "long": burn(&p.long), "short": burn(&p.short), "fires": p.fires, "held_back": p.is_held_back,
                })
            });
            each.collect::<Vec<_>>()
        });
        let asks = match queries::events(&slo.sli, STEP_MS) {
            Asked::Events { total, part, is_bad } => {
                json!({ "total": total, if is_bad { "bad" } else { "good" }: part })
            }
            Asked::Value(value) => json!({ "value": value }),
        };
        let tiers = slo.tiers.iter().map(|t| {
            let (services, expr) = match &t.of {
                TierOf::Services(services) => (services.clone(), ""),
                TierOf::Expr(expr) => (Vec::new(), expr.as_str()),
            };
            json!({ "name": t.name, "budget_s": t.budget_s, "services": services, "expr": expr })
        });
        json["alerts"] = alerts.into();
        json["asks"] = asks;
        json["tiers"] = tiers.collect();
        json["yaml"] = write::yaml(slo).into();
        json["definition"] = write::keys(slo)
            .into_iter()
            .map(|(k, v)| (k.to_string(), v))
            .collect::<serde_json::Map<_, _>>()
            .into();
        json["changes"] =
            of.changes.iter().map(|(at, state)| json!({ "at_ms": at, "state": state })).collect();
        json["past_problem"] = of.past_problem.as_str().into();
        json["picture"] = verdict.map(|v| picture(of, v)).into();
    }
    json
}

fn write_window(slo: &Slo) -> Json {
    write::keys(slo).into_iter().find(|(k, _)| *k == "window").map_or(Json::Null, |(_, v)| v)
}

/// How the budget was spent: for each time of the window, bad events, all, how much was left then of what the whole window
/// allows, and whether there was data.
fn picture(of: &SloRun, verdict: &Verdict) -> Json {
    let budget = &verdict.budget;
    let until_ms = of.history.until_ms().unwrap_or(budget.from_ms);
    // What was before the first data is no part of the picture, but for a margin that shows that there was none.
    let first_ms = of.history.buckets().find(|(_, b)| b.known_ms > 0).map_or(budget.from_ms, |(at, _)| at);
    let from_ms = budget.from_ms.max(first_ms - (until_ms - first_ms) / 20);
    let step_ms = ((until_ms - from_ms) / POINTS).max(STEP_MS);
    let mut spent = 0.0;
    let mut points = Vec::new();
    let mut at = from_ms;
    while at < until_ms && points.len() <= POINTS as usize {
        let end = (at + step_ms).min(until_ms);
        let sum = of.history.sum(at, end);
        spent += sum.bad();
        let left = (budget.allowed > 0.0).then(|| 1.0 - spent / budget.allowed);
        points.push(json!([end, sum.bad(), sum.total, left, sum.known_ms > 0.0]));
        at = end;
    }
    json!({ "from_ms": from_ms, "to_ms": until_ms, "step_ms": step_ms, "points": points })
}

/// Objectives as Home shows them.
pub fn watched(monitors: &Monitors, now_ms: i64) -> Vec<Watched> {
    let groups = monitors.groups();
    let of = |group: &Arc<LoadedGroup>| {
        let slo = group.group.slo.as_ref()?;
        let run = lock(&group.run);
        let run = run.slo.as_ref()?;
        let state = run.verdict.as_ref().map_or(State::Unknown, |v| v.state.clone());
        let home = match state {
            State::Fine => HomeState::Fine,
            State::BurnsFast => HomeState::Bad,
            State::BurnsSlowly | State::Spent => HomeState::Look,
            State::Unknown | State::TooLittle | State::NoData | State::CannotJudge(_) => HomeState::Silent,
        };
        let left = run.verdict.as_ref().and_then(|v| v.budget.left).map(words::left);
        let value = match (&state, left) {
            (State::Fine, Some(left)) => format!("{left} of the budget left"),
            (State::BurnsFast | State::BurnsSlowly, _) => {
                format!("{} since {}", state.words(), since_words(run.since_ms, now_ms))
            }
            (state, _) => state.words().to_string(),
        };
        let says = run.verdict.as_ref().map(|v| words::present(slo, v)).unwrap_or_default();
        let detail = format!("{} {says} {}", words::promise(slo), slo.action).trim().to_string();
        let (id, name, service) = (slo.id.clone(), slo.name.clone(), slo.service.clone());
        Some(Watched { id, name, service, is_slo: true, state: home, value, detail })
    };
    groups.iter().filter_map(of).collect()
}
