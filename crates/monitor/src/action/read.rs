//! Reads a file of actions. One that is not wholly right is left out: half of a command is another command.

use super::Action;
use crate::notify::matchers::parse_many;
use crate::problem::{Problem, Problems};
use crate::read::duration_ms;
use document::{Entry, Node, Value, did_you_mean};

/// The most actions of a file.
const ACTIONS_MAX: usize = 100;
/// The longest that a command may be given.
const TIMEOUT_MS_MAX: i64 = 600_000;
const KEYS: &[&str] =
    &["name", "command", "environment", "matchers", "approved_by", "timeout", "every", "per_day", "hold"];

/// Reads a file: what may run, and what is wrong.
pub fn read(file: &str, text: &str) -> (Vec<Action>, Vec<Problem>) {
    let mut problems = Problems::of(file);
    let mut actions: Vec<Action> = Vec::new();
    let root = match document::parse(text) {
        Ok(root) => root,
        Err(e) => {
            problems.error(e.line, e.what);
            return (actions, problems.list);
        }
    };
    let list = match &root.value {
        Value::Map(entries) => entries.iter().find(|e| e.key == "actions").map(|e| &e.value.value),
        _ => None,
    };
    let Some(Value::List(items)) = list else {
        problems.error(root.line, "a file of actions begins with `actions:`, a list");
        return (actions, problems.list);
    };
    for node in items.iter().take(ACTIONS_MAX) {
        match action(node) {
            Ok(new) if actions.iter().any(|a| a.name == new.name) => {
                problems.error(node.line, format!("the action {:?} is here for the second time", new.name));
            }
            Ok(new) => actions.push(new),
            Err(what) => problems.error(node.line, what),
        }
    }
    (actions, problems.list)
}

fn action(node: &Node) -> Result<Action, String> {
    let Value::Map(entries) = &node.value else { return Err("an action is a table of keys".into()) };
    if let Some(unknown) = entries.iter().find(|e| !KEYS.contains(&e.key.as_str())) {
        let key: String = unknown.key.chars().take(100).collect();
        return Err(format!("{key:?} is not supported{}", did_you_mean(&key, KEYS.iter().copied())));
    }
    let get = |key: &str| entries.iter().find(|e: &&Entry| e.key == key).map(|e| &e.value);
    let text = |key: &str| get(key).and_then(Node::text).unwrap_or("").trim().to_string();
    let needed = |key: &str, what: &str| match text(key) {
        t if t.is_empty() => Err(format!("an action needs {key}: {what}")),
        t => Ok(t),
    };
    let texts = |key: &str| -> Result<Vec<String>, String> {
        match get(key).map(|n| &n.value) {
            Some(Value::List(items)) => items
                .iter()
                .map(|n| n.text().map(str::to_string).ok_or_else(|| format!("{key} is a list of texts")))
                .collect(),
            _ => Err(format!("an action needs {key}: a list of texts")),
        }
    };
    let name = needed("name", "what it is called")?;
    let command = texts("command")?;
    if !command.first().is_some_and(|program| program.starts_with('/')) {
        return Err(format!("{name}: command begins with the whole path of a program, /usr/bin/systemctl"));
    }
    if command.iter().any(|part| part.contains('\0')) {
        return Err(format!("{name}: command holds a character that no argument can have"));
    }
    let mut matchers = Vec::new();
    for text in texts("matchers")? {
        matchers.extend(parse_many(&text).map_err(|e| format!("{name}: {e}"))?);
    }
    if matchers.iter().all(model::Matcher::matches_empty) {
        return Err(format!("{name}: matchers have to say which alerts, not all"));
    }
    let duration = |key: &str, default_ms: i64| match text(key).as_str() {
        "" => Ok(default_ms),
        text => duration_ms(text).map_err(|e| format!("{name}: {key}: {e}")),
    };
    let per_day = match text("per_day").as_str() {
        "" => 4,
        text => text.parse().map_err(|_| format!("{name}: per_day is a whole number"))?,
    };
    let environment = match get("environment").map(|n| &n.value) {
        Some(Value::Map(pairs)) => pairs
            .iter()
            .map(|e| {
                let value = e.value.text().filter(|v| !v.contains('\0'));
                let is_name = !e.key.is_empty() && !e.key.contains(['=', '\0']);
                value.filter(|_| is_name).map(|v| (e.key.clone(), v.to_string()))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("{name}: environment holds names with texts"))?,
        None => Vec::new(),
        Some(_) => return Err(format!("{name}: environment holds names with texts")),
    };
    Ok(Action {
        approved_by: needed("approved_by", "who answers for it, and since when")?,
        timeout_ms: duration("timeout", 30_000)?.clamp(1_000, TIMEOUT_MS_MAX),
        every_ms: duration("every", 1_800_000)?.max(60_000),
        hold_ms: duration("hold", 900_000)?.max(10_000),
        per_day,
        name,
        command,
        environment,
        matchers,
    })
}
