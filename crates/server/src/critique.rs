//! Criticism of plans, in the shell: the rules in force, whom the critic asks, and what people said of its rules. What is said of a
//! plan is for [`critic`]; this must never add a word of its own, nor hold up anything that is not a critique.

mod entities;
mod facts;
mod findings;
mod ledger;
mod shelf;

pub use findings::{Thing, findings_of};
pub use ledger::{BYTES as LEDGER_BYTES, FILE_BYTES_MAX as LEDGER_BYTES_MAX};
pub use ledger::{Entry, Ledger, Verdict, to_json as entry_json};
pub use shelf::Shelf;

use crate::app::App;
use crate::gate::Stop;
use ::query::QueryError;
use critic::plan::{Asked, Entity, Plan, Target, read};
use critic::{Critique, Evidence, Report, critique};
use facts::Known;
use serde_json::{Value as Json, json};
use std::path::Path;
use stdx::metrics::Registry;

/// How criticism is set up.
#[derive(Clone, Debug, Default)]
pub struct CriticSettings {
    /// Files of rules of the user's own; `None`: only those that come with the program or were written in the page.
    pub rules: Option<std::path::PathBuf>,
}

/// What a server keeps of the critic.
pub struct Critics {
    /// The rules.
    pub shelf: Shelf,
    /// What was said of them.
    pub ledger: Ledger,
}

impl Critics {
    /// Reads rules and ledger. What is broken is named, and no reason not to start.
    pub fn open(settings: &CriticSettings, data: &Path, registry: &Registry) -> Critics {
        let folder = data.join("critic");
        Critics {
            shelf: Shelf::open(settings.rules.clone(), folder.join("rules"), registry),
            ledger: Ledger::open(folder.join("ledger.jsonl")),
        }
    }
}

/// A plan, and when.
#[derive(Clone, Debug)]
pub struct Question {
    /// What was said.
    pub asked: Asked,
    /// The time of the plan, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// When the trouble began.
    pub since_ms: i64,
}

/// The answer as JSON.
///
/// # Errors
/// `Invalid` for a plan that cannot be read, `Cancelled` if the time is over before anything was asked.
pub fn answer(app: &App, question: &Question, stop: Stop) -> Result<Json, QueryError> {
    let library = app.critics.shelf.library();
    let mut known = Known::new(app, question, stop)?;
    let names = entities::names(&mut known);
    let plan = read(&question.asked, &names).map_err(QueryError::from)?;
    known.look_back(&plan);
    let report = critique(&plan, &library, &app.critics.ledger.adaptations(), &mut known);
    app.critics.ledger.shown(report.critiques.iter().map(|c| c.rule.as_str()));
    Ok(to_json(app, question, &plan, &report))
}

fn to_json(app: &App, question: &Question, plan: &Plan, report: &Report) -> Json {
    let critiques: Vec<Json> = report.critiques.iter().map(|c| critique_json(app, c)).collect();
    let checked = |list: &[critic::critique::Checked]| -> Vec<Json> {
        let one = |c: &critic::critique::Checked| {
            let evidence: Vec<Json> = c.evidence.iter().map(evidence_json).collect();
            json!({ "rule": c.rule, "checks": c.checks, "why": c.why, "evidence": evidence })
        };
        list.iter().map(one).collect()
    };
    let adapted: Vec<Json> = report
        .adapted
        .iter()
        .map(|a| json!({ "rule": a.rule, "service": a.service, "because": a.because }))
        .collect();
    json!({
        "at": question.at_ms as f64 / 1000.0,
        "since": question.since_ms as f64 / 1000.0,
        "understood": plan_json(plan),
        "is_understood": report.is_understood,
        "headline": report.headline(),
        "critiques": critiques,
        "more": report.more,
        "checked": checked(&report.checked),
        "unchecked": checked(&report.unchecked),
        "absent": report.absent,
        "adapted": adapted,
    })
}

fn plan_json(plan: &Plan) -> Json {
    let entity = |e: &Entity| json!({ "name": e.name, "kind": e.kind.as_str(), "service": e.service });
    let target = |t: &Target| json!({ "said": t.said, "entity": entity(&t.entity) });
    let read_as: Vec<Json> =
        plan.read_as.iter().map(|(said, name)| json!({ "said": said, "as": name })).collect();
    json!({
        "words": plan.in_words(),
        "actions": plan.actions.iter().map(|a| a.as_str()).collect::<Vec<_>>(),
        "hypotheses": plan.hypotheses.iter().map(|h| h.as_str()).collect::<Vec<_>>(),
        "targets": plan.targets.iter().map(target).collect::<Vec<_>>(),
        "suspects": plan.suspects.iter().map(target).collect::<Vec<_>>(),
        "goal": plan.goal.map(|g| g.as_str()),
        "said": plan.said.iter().map(|s| s.words()).collect::<Vec<_>>(),
        "unknown_names": plan.unknown_names,
        "read_as": read_as,
        "not_understood": plan.not_understood,
    })
}

fn critique_json(app: &App, c: &Critique) -> Json {
    let counts = app.critics.ledger.counts(&c.rule);
    json!({
        "rule": c.rule, "kind": c.kind.as_str(), "kind_words": c.kind.words(), "title": c.title, "text": c.text,
        "next": c.next, "why": c.why, "sources": c.sources, "author": c.author, "weight": c.weight,
        "evidence": c.evidence.iter().map(evidence_json).collect::<Vec<_>>(),
        "shown": counts.shown, "helpful": counts.helpful, "wrong": counts.wrong,
    })
}

fn evidence_json(e: &Evidence) -> Json {
    let labels: serde_json::Map<String, Json> =
        e.labels.iter().map(|(n, v)| (n.clone(), Json::from(v.as_str()))).collect();
    json!({
        "says": e.says, "query": e.promql, "value": e.value, "before": e.before, "labels": labels,
        "changes": e.changes,
    })
}
