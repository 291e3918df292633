//! The file of a rule: TOML to a [`Rule`], every name checked. A key that means nothing is an error: it is a spelling
//! mistake.

use super::{Applies, Kind, LIST_MAX, Pick, Question, Rule, TESTS_MAX, Trial};
use crate::plan::{Action, Goal, Hypothesis};
use serde::Deserialize;
use std::collections::BTreeMap;
use stdx::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    title: String,
    checks: String,
    kind: String,
    weight: u8,
    #[serde(default)]
    always: bool,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    beliefs: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    things: Vec<String>,
    #[serde(default)]
    goals: Vec<String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    when: String,
    text: String,
    #[serde(default)]
    finding: String,
    #[serde(default)]
    next: String,
    why: String,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    supersedes: Vec<String>,
    #[serde(default)]
    author: String,
    #[serde(default)]
    query: Vec<FileQuery>,
    #[serde(default)]
    test: Vec<FileTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    name: String,
    promql: String,
    #[serde(default)]
    pick: String,
    says: String,
    #[serde(default)]
    unit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTest {
    plan: String,
    #[serde(default)]
    facts: BTreeMap<String, f64>,
    fires: bool,
    #[serde(default)]
    says: String,
}

pub(super) fn read(text: &str) -> Result<Rule> {
    let file: File = toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(0, |s| text.get(..s.start).map_or(0, |t| t.matches('\n').count() + 1));
        Error::invalid(format!("line {line}: {}", e.message().trim()))
    })?;
    let lists = [
        ("actions", file.actions.len()),
        ("beliefs", file.beliefs.len()),
        ("words", file.words.len()),
        ("things", file.things.len()),
        ("goals", file.goals.len()),
        ("services", file.services.len()),
        ("sources", file.sources.len()),
        ("supersedes", file.supersedes.len()),
    ];
    if let Some((name, n)) = lists.iter().find(|(_, n)| *n > LIST_MAX) {
        return Err(Error::invalid(format!("{name} has {n} entries; at most {LIST_MAX}")));
    }
    if file.test.len() > TESTS_MAX {
        return Err(Error::invalid(format!(
            "a rule has at most {TESTS_MAX} tests; this has {}",
            file.test.len()
        )));
    }
    let kind = Kind::ALL.iter().find(|k| k.as_str() == file.kind).copied().ok_or_else(|| {
        let all: Vec<&str> = Kind::ALL.iter().map(|k| k.as_str()).collect();
        Error::invalid(format!("kind {:.40?} is none of {}", file.kind, all.join(", ")))
    })?;
    let small = |list: Vec<String>| list.into_iter().map(|w| w.to_lowercase()).collect::<Vec<_>>();
    let applies = Applies {
        always: file.always,
        actions: file.actions.iter().map(|a| Action::parse(a)).collect::<Result<_>>()?,
        beliefs: file.beliefs.iter().map(|b| Hypothesis::parse(b)).collect::<Result<_>>()?,
        words: small(file.words),
        things: file.things.iter().map(|t| super::thing(t)).collect::<Result<_>>()?,
        goals: file.goals.iter().map(|g| Goal::parse(g)).collect::<Result<_>>()?,
        services: file.services,
    };
    let trials =
        file.test.into_iter().map(|t| Trial { plan: t.plan, facts: t.facts, fires: t.fires, says: t.says });
    Ok(Rule {
        id: file.id,
        title: file.title,
        checks: file.checks,
        kind,
        weight: file.weight,
        applies,
        questions: file.query.into_iter().map(question).collect::<Result<_>>()?,
        when: super::condition_of(&file.when)?,
        text: file.text,
        finding: file.finding,
        next: file.next,
        why: file.why,
        sources: file.sources,
        supersedes: file.supersedes,
        author: file.author,
        trials: trials.collect(),
    })
}

fn question(query: FileQuery) -> Result<Question> {
    let pick = match query.pick.as_str() {
        "" | "max" => Pick::Max,
        "min" => Pick::Min,
        "sum" => Pick::Sum,
        "count" => Pick::Count,
        other => {
            let text =
                format!("query {:.40?}: pick {other:.40?} is none of max, min, sum, count", query.name);
            return Err(Error::invalid(text));
        }
    };
    Ok(Question {
        name: query.name,
        promql: query.promql.trim().to_string(),
        pick,
        says: query.says,
        unit: query.unit,
        before: false,
    })
}
