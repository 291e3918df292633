//! What rules say of a thing while nobody has a plan yet: those with a `finding` whose condition holds of it. It must never speak of a
//! thing that the rows of a query do not name, nor of the machines beneath where these are not known.

use super::{Adaptation, Asker, Checked, Evidence, Judged, adaptation};
use crate::condition::{Circumstances, Seen, Truth};
use crate::facts::{Facts, When};
use crate::fill;
use crate::history::Past;
use crate::library::Library;
use crate::plan::{Entity, EntityKind, Matched, Plan, Target};
use crate::rule::{Question, Rule};
use std::collections::{BTreeSet, HashMap};

/// Something that a rule finds in a thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// What it says, with the values in it.
    pub text: String,
    /// Why it matters.
    pub why: String,
    /// What the rule rests on.
    pub sources: Vec<String>,
    /// Who wrote the rule; empty for one that came with the program.
    pub author: String,
    /// 1 to 100.
    pub weight: u8,
    /// Whether it held at the beginning of the window already.
    pub held_before: bool,
    /// Whether it is measured at the thing itself, not at the machines beneath.
    pub is_own: bool,
    /// What was measured.
    pub evidence: Vec<Evidence>,
}

/// What was found, the weightiest first, and what would have been said and was taken out here.
pub type Findings = (Vec<Finding>, Vec<Adaptation>);

/// What rules say of a thing. `names`: of its parts and members, besides its own: rows of queries without a place are of it if
/// a label is one of these. `part`: only rows that name this part of it count (`sda` of a host).
pub fn findings(
    entity: &Entity,
    names: &BTreeSet<String>,
    part: Option<&str>,
    library: &Library,
    adaptations: &[Adaptation],
    facts: &mut dyn Facts,
) -> Findings {
    let target = Target { entity: entity.clone(), said: entity.name.clone(), matched: Matched::Exactly };
    let plan = Plan { targets: vec![target], ..Plan::default() };
    let past = Past::of(&Plan::default(), facts);
    let mut whose = names.clone();
    whose.insert(entity.name.clone());
    let all = entity.own.iter().chain(&entity.of_service).flat_map(|(_, values)| values);
    whose.extend(all.filter(|v| !v.is_empty()).cloned());
    let mut asker = Asker { facts, plan: &plan, known: HashMap::new(), asked: 0, whose: Some(&whose) };
    let (mut found, mut adapted) = (Vec::new(), Vec::new());
    for rule in library.rules().iter().filter(|r| speaks_of(r, entity)) {
        // Whoever named the service in the rule knows whose its rows are.
        asker.whose = rule.applies.services.is_empty().then_some(&whose);
        let judged = Judged::of(rule, &past, &mut asker);
        if judged.truth != Truth::Yes || !judged.measured(rule, &past) || !names_part(&judged, part) {
            continue;
        }
        match adaptation(rule, &plan, adaptations) {
            Some(adaptation) => adapted.push(adaptation.clone()),
            None => {
                let held_before = held_before(rule, &past, &mut asker);
                found.push(finding(rule, &judged, &plan, held_before));
            }
        }
    }
    let quiet: BTreeSet<&str> = found
        .iter()
        .filter_map(|f| library.get(&f.rule))
        .flat_map(|r| r.supersedes.iter().map(String::as_str))
        .collect();
    found.retain(|f| !quiet.contains(f.rule.as_str()));
    found.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.rule.cmp(&b.rule)));
    (found, adapted)
}

/// A rule without queries says nothing of a thing; one of machines needs to know them.
fn speaks_of(rule: &Rule, entity: &Entity) -> bool {
    let services = &rule.applies.services;
    let is = |s: &String| s.eq_ignore_ascii_case(&entity.service) || s.eq_ignore_ascii_case(&entity.name);
    !rule.finding.is_empty()
        && !rule.questions.is_empty()
        && (services.is_empty() || services.iter().any(is))
        && (!entity.of_hosts.is_empty() || !needed(rule).any(|q| fill::is_of_host(&q.promql)))
}

fn needed(rule: &Rule) -> impl Iterator<Item = &Question> {
    let names = rule.needs();
    rule.questions.iter().filter(move |q| names.contains(&q.name))
}

fn names_part(judged: &Judged, part: Option<&str>) -> bool {
    part.is_none_or(|part| judged.found.iter().any(|(_, f)| f.labels.iter().any(|(_, value)| value == part)))
}

/// The same a window earlier. What compares with before is news by its own words.
fn held_before(rule: &Rule, past: &Past, asker: &mut Asker<'_>) -> bool {
    let window_ms = asker.facts.now_ms() - asker.facts.since_ms();
    let mut values: HashMap<&str, Seen> = HashMap::new();
    for question in &rule.questions {
        let promql = fill::query(&question.promql, asker.plan.target(), window_ms);
        let rows = promql.ok_or(()).and_then(|q| asker.ask(&q, When::Before).map_err(|_| ()));
        let seen = match rows {
            Err(()) => Seen::Unknown,
            Ok(rows) => {
                let rows = asker.of_whom(rows, fill::has_place(&question.promql));
                super::pick(&rows, question.pick).map_or(Seen::Absent, |(value, _)| Seen::Is(value))
            }
        };
        values.insert(&question.name, seen);
    }
    let value = |name: &str| {
        let known = past.value(name).or_else(|| values.get(name).copied());
        known.unwrap_or(Seen::Unknown)
    };
    rule.when.holds(&Circumstances { values: &value, plan: asker.plan }) == Truth::Yes
}

fn finding(rule: &Rule, judged: &Judged, plan: &Plan, held_before: bool) -> Finding {
    let value = |name: &str| match name {
        "target" => plan.target().map(|t| t.entity.name.clone()),
        "service" => plan.target().map(|t| match t.entity.service.as_str() {
            "" => t.entity.name.clone(),
            service => service.to_string(),
        }),
        _ => judged.value(name),
    };
    let is_host = plan.target().is_some_and(|t| t.entity.kind == EntityKind::Host);
    let Checked { evidence, .. } = judged.checked(rule, String::new());
    Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        text: fill::text(&rule.finding, &value),
        why: rule.why.clone(),
        sources: rule.sources.clone(),
        author: rule.author.clone(),
        weight: rule.weight,
        held_before,
        is_own: is_host || !needed(rule).any(|q| fill::is_of_host(&q.promql)),
        evidence,
    }
}

#[cfg(test)]
mod tests;
