//! The tests inside a rule: given facts by the names of its queries, does it speak? They run when the program is tested,
//! and when somebody writes a rule of their own. They never ask a store.

use super::Rule;
use crate::condition::{Circumstances, Seen, Truth};
use crate::plan::{Asked, Entity, EntityKind, Names, Plan, read};
use std::collections::BTreeMap;

/// A test of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The plan in words.
    pub plan: String,
    /// Values by name: `heap`, `heap.before`, `history.count`. What is not named was not measured.
    pub facts: BTreeMap<String, f64>,
    /// Must it speak?
    pub fires: bool,
    /// A part of what it must say; may be empty.
    pub says: String,
}

/// What is known by name in the tests of rules: these services (each with an instance `-1` and `-2`), and the host `h1`.
pub const SERVICES: &[&str] =
    &["api", "payment", "postgres", "redis", "etcd", "kafka", "rabbitmq", "nginx", "worker", "cart"];

/// The names of the tests.
pub fn known_in_trials() -> Names {
    let label = |name: &str, value: String| vec![(name.to_string(), vec![value])];
    let mut all = Vec::new();
    for service in SERVICES {
        let of_service = label("job", service.to_string());
        let of_hosts = label("instance", "h1".into());
        let new = |kind, name: String, own| Entity {
            kind,
            name,
            service: service.to_string(),
            own,
            of_service: of_service.clone(),
            of_hosts: of_hosts.clone(),
        };
        all.push(new(EntityKind::Service, service.to_string(), of_service.clone()));
        for n in [1, 2] {
            let name = format!("{service}-{n}");
            let mut own = of_service.clone();
            own.extend(label("instance", name.clone()));
            all.push(new(EntityKind::Instance, name, own));
        }
    }
    let own = label("instance", "h1".into());
    all.push(Entity {
        kind: EntityKind::Host,
        name: "h1".into(),
        service: String::new(),
        own: own.clone(),
        of_service: own.clone(),
        of_hosts: own,
    });
    Names::new(all)
}

/// Runs all tests of a rule.
///
/// # Errors
/// A sentence for each that fails.
pub fn run(rule: &Rule) -> Result<(), Vec<String>> {
    let names = known_in_trials();
    let one = |(i, trial): (usize, &Trial)| {
        let wrong = |text: String| Some(format!("test {} ({:?}): {text}", i + 1, trial.plan));
        let is_known = |name: &String| {
            let base = name.strip_suffix(".before").unwrap_or(name);
            let is_builtin = crate::history::NAMES.iter().any(|(n, _)| n == name);
            is_builtin || rule.questions.iter().any(|q| q.name == base)
        };
        if let Some(unknown) = trial.facts.keys().find(|k| !is_known(k)) {
            return wrong(format!("nothing is called {unknown:?}"));
        }
        let plan = match read(&Asked { text: trial.plan.clone(), ..Asked::default() }, &names) {
            Ok(plan) => plan,
            Err(e) => return wrong(e.to_string()),
        };
        let seen = |name: &str| trial.facts.get(name).map_or(Seen::Absent, |v| Seen::Is(*v));
        let applies = rule.applies_to(&plan);
        let holds = rule.when.holds(&Circumstances { values: &seen, plan: &plan });
        let fires = applies && holds == Truth::Yes;
        if fires != trial.fires {
            let state = if applies { format!("it comes to {holds:?}") } else { "it does not apply".into() };
            return wrong(format!("it {} speak; {state}", if trial.fires { "does not" } else { "does" }));
        }
        // Where nobody has a plan, the same facts have to be enough.
        if fires && !rule.finding.is_empty() {
            let plan = Plan::default();
            let holds = rule.when.holds(&Circumstances { values: &seen, plan: &plan });
            if holds != Truth::Yes {
                return wrong(format!(
                    "without a plan it comes to {holds:?}, so that its finding is never said"
                ));
            }
        }
        let value = |name: &str| {
            let base = name.strip_suffix(".before").unwrap_or(name);
            let unit = rule.questions.iter().find(|q| q.name == base).map_or("", |q| &q.unit);
            trial.facts.get(name).map(|v| crate::value::in_words(*v, unit))
        };
        let text = crate::fill::text(&rule.text, &value);
        (fires && !text.contains(&trial.says)).then(|| wrong(format!("it says {text:?}"))).flatten()
    };
    let wrong: Vec<String> = rule.trials.iter().enumerate().filter_map(one).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
