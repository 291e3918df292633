//! Reads rule files of Prometheus. What is wrong is said with its line; a rule that cannot be used is left out, and the
//! others of its file are used. It must never let a key pass that it does not know.

use crate::problem::{Problem, Problems};
use crate::rule::{Alerting, BLIND_FOR, BLIND_FOR_MS, ENOUGH, Group, Kind, Rule};
use crate::template::Template;
use document::{Entry, Node, Value, did_you_mean};
use model::time::parse_duration_ms;
use std::collections::BTreeSet;

/// The most rules of one file.
pub const RULES_MAX: usize = 20_000;
/// The shortest interval of a group.
pub const INTERVAL_MS_MIN: i64 = 100;

/// Says whether a text is PromQL.
pub type Check<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// What was read of a file.
#[derive(Debug)]
pub struct ReadFile {
    /// Groups with the rules that can be used.
    pub groups: Vec<Group>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// False if it is no YAML at all, or no rule file: nothing of it was read.
    pub is_readable: bool,
}

/// Reads a rule file. `interval_ms` is for groups that name none.
pub fn read(file: &str, text: &str, interval_ms: i64, check: Check<'_>) -> ReadFile {
    let mut problems = Problems::of(file);
    let groups = match document::parse(text) {
        Ok(root) => Reader { file, interval_ms, check, rules: 0, problems: &mut problems }.root(&root),
        Err(e) => {
            problems.error(e.line, e.what);
            None
        }
    };
    let is_readable = groups.is_some();
    ReadFile { groups: groups.unwrap_or_default(), problems: problems.list, is_readable }
}

const GROUP_KEYS: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const RULE_KEYS: &[&str] = &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

struct Reader<'a> {
    file: &'a str,
    interval_ms: i64,
    check: Check<'a>,
    rules: usize,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) -> Option<Vec<Group>> {
        let entries = match &root.value {
            Value::Map(entries) => entries,
            Value::Null => return Some(Vec::new()),
            _ => {
                self.problems.error(root.line, "a rule file begins with `groups:`");
                return None;
            }
        };
        for entry in entries.iter().filter(|e| e.key != "groups") {
            let hint = did_you_mean(&entry.key, ["groups"]);
            self.problems.error(entry.line, format!("unknown key {:?}{hint}", short(&entry.key)));
        }
        let list = entries.iter().find(|e| e.key == "groups").map(|e| &e.value);
        let items = match list.map(|n| (&n.value, n.line)) {
            Some((Value::List(items), _)) => items,
            Some((Value::Null, _)) => return Some(Vec::new()),
            None => {
                self.problems.error(root.line, "there is no `groups:`; is this a rule file?");
                return None;
            }
            Some((_, line)) => {
                self.problems.error(line, "groups: expected a list");
                return None;
            }
        };
        let mut names = BTreeSet::new();
        let mut groups = Vec::new();
        for item in items {
            let Some(group) = self.group(item) else { continue };
            if !names.insert(group.name.clone()) {
                let what = format!("the group {:?} is here for the second time, and left out", group.name);
                self.problems.error(group.line, what);
                continue;
            }
            groups.push(group);
        }
        Some(groups)
    }

    fn group(&mut self, node: &Node) -> Option<Group> {
        let entries = self.entries(node, "a group", GROUP_KEYS)?;
        let get = |key: &str| entries.iter().find(|e| e.key == key).map(|e| &e.value);
        let name = get("name").and_then(Node::text).unwrap_or("").to_string();
        if name.is_empty() {
            self.problems.error(node.line, "a group needs a name");
            return None;
        }
        let mut interval_ms = self.duration(get("interval"), "interval").unwrap_or(self.interval_ms);
        if interval_ms == 0 {
            interval_ms = self.interval_ms;
        }
        let limit = get("limit").and_then(Node::text).map_or(Ok(0), str::parse);
        let limit = limit.unwrap_or_else(|_| {
            self.problems.error(node.line, format!("limit of {name:?} is not a whole number"));
            0
        });
        let query_offset_ms = self.duration(get("query_offset"), "query_offset").unwrap_or(0);
        let common = get("labels").map_or(Vec::new(), |n| self.pairs(n, "labels", true));
        let rules = match get("rules").map(|n| (&n.value, n.line)) {
            Some((Value::List(items), _)) => items.as_slice(),
            None | Some((Value::Null, _)) => &[],
            Some((_, line)) => {
                self.problems.error(line, "rules: expected a list");
                &[]
            }
        };
        let rules = rules.iter().filter_map(|n| self.rule(n, &common)).collect();
        let interval_ms = interval_ms.max(INTERVAL_MS_MIN);
        let (file, line) = (self.file.to_string(), node.line);
        Some(Group { file, name, interval_ms, query_offset_ms, limit, rules, line, slo: None })
    }

    fn rule(&mut self, node: &Node, common: &[(String, Template)]) -> Option<Rule> {
        self.rules += 1;
        if self.rules > RULES_MAX {
            if self.rules == RULES_MAX + 1 {
                let what = format!("more than {RULES_MAX} rules in one file; the others are left out");
                self.problems.error(node.line, what);
            }
            return None;
        }
        let before = self.problems.list.len();
        let entries = self.entries(node, "a rule", RULE_KEYS)?;
        let get = |key: &str| entries.iter().find(|e| e.key == key).map(|e| &e.value);
        let text = |key: &str| get(key).and_then(Node::text).unwrap_or("").trim().to_string();
        let (record, alert) = (text("record"), text("alert"));
        let name = match (record.is_empty(), alert.is_empty()) {
            (false, true) => record.clone(),
            (true, false) => alert.clone(),
            (true, true) => {
                self.problems.error(node.line, "a rule needs `record:` or `alert:`");
                return None;
            }
            (false, false) => {
                self.problems.error(node.line, "a rule has either `record:` or `alert:`, not both");
                return None;
            }
        };
        let expr = text("expr");
        match expr.as_str() {
            "" => self.problems.error(node.line, format!("{name}: there is no expr")),
            expr => self.check_expr(&name, "expr", expr, get("expr").map_or(node.line, |n| n.line)),
        }
        let is_alert = record.is_empty();
        let mut labels = get("labels").map_or(Vec::new(), |n| self.pairs(n, "labels", is_alert));
        for pair in common {
            if !labels.iter().any(|(n, _)| *n == pair.0) {
                labels.push(pair.clone());
            }
        }
        let kind = if is_alert {
            Kind::Alerting(self.alerting(&name, &get))
        } else {
            for key in ["for", "keep_firing_for", "annotations"] {
                if let Some(node) = get(key) {
                    self.problems.error(node.line, format!("{name}: a recording rule has no {key}"));
                }
            }
            if !is_metric_name(&name) {
                let what = format!("{:?} is not a name for a metric", short(&name));
                self.problems.error(node.line, what);
            }
            Kind::Recording
        };
        let is_bad = self.problems.list[before..].iter().any(|p| p.is_error);
        (!is_bad).then_some(Rule { name, expr, labels, kind, line: node.line })
    }

    fn alerting<'n>(&mut self, name: &str, get: &dyn Fn(&str) -> Option<&'n Node>) -> Alerting {
        let mut annotations = get("annotations").map_or(Vec::new(), |n| self.pairs(n, "annotations", true));
        let enough = annotations.iter().position(|(n, _)| n == ENOUGH);
        let enough = enough.map(|at| annotations.remove(at).1.text().to_string());
        let blind_for = annotations.iter().position(|(n, _)| n == BLIND_FOR);
        let blind_for = blind_for.map(|at| annotations.remove(at).1.text().trim().to_string());
        let blind_for_ms = match blind_for.as_deref().map(|text| (text, duration_ms(text))) {
            None => Some(BLIND_FOR_MS),
            Some(("never", _)) => None,
            Some((_, Ok(ms))) => Some(ms),
            Some((_, Err(e))) => {
                let line = get("annotations").map_or(0, |n| n.line);
                self.problems.error(line, format!("{name}: {BLIND_FOR}: {e}; or write never"));
                None
            }
        };
        if let (Some(text), Some(node)) = (&enough, get("annotations")) {
            self.check_expr(name, ENOUGH, text, node.line);
        }
        Alerting {
            for_ms: self.duration(get("for"), "for").unwrap_or(0),
            keep_firing_for_ms: self.duration(get("keep_firing_for"), "keep_firing_for").unwrap_or(0),
            annotations,
            blind_for_ms,
            enough,
        }
    }

    fn check_expr(&mut self, name: &str, key: &str, expr: &str, line: usize) {
        if let Err(e) = (self.check)(expr) {
            self.problems.error(line, format!("{name}: {key}: {e}"));
        }
    }

    fn entries<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<&'n [Entry]> {
        entries(self.problems, node, what, known)
    }

    fn duration(&mut self, node: Option<&Node>, key: &str) -> Option<i64> {
        let node = node?;
        match (&node.value, node.text()) {
            (Value::Null, _) => None,
            (_, Some(text)) => match duration_ms(text) {
                Ok(ms) => Some(ms),
                Err(e) => {
                    self.problems.error(node.line, format!("{key}: {e}"));
                    None
                }
            },
            _ => {
                self.problems.error(node.line, format!("{key}: expected a duration, found {}", node.kind()));
                None
            }
        }
    }

    fn pairs(&mut self, node: &Node, key: &str, is_template: bool) -> Vec<(String, Template)> {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => return Vec::new(),
            _ => {
                self.problems.error(node.line, format!("{key}: expected names with texts"));
                return Vec::new();
            }
        };
        let mut pairs = Vec::new();
        for entry in entries {
            let text = match &entry.value.value {
                Value::Scalar { text, .. } => text.as_str(),
                Value::Null => "",
                _ => {
                    self.problems.error(entry.line, format!("{key}.{}: expected a text", short(&entry.key)));
                    continue;
                }
            };
            if !is_label_name(&entry.key) || (key == "labels" && entry.key == model::labels::NAME) {
                let what = format!("{key}: {:?} is not a name for a label", short(&entry.key));
                self.problems.error(entry.line, what);
                continue;
            }
            // What is no template is one that says itself.
            let read = if is_template && ![ENOUGH, BLIND_FOR].contains(&entry.key.as_str()) {
                Template::parse(text)
            } else {
                Ok(Template::plain(text))
            };
            match read {
                Ok(template) => pairs.push((entry.key.clone(), template)),
                Err(e) => self.problems.error(entry.value.line, format!("{key}.{}: {e}", short(&entry.key))),
            }
        }
        pairs
    }
}

/// Keys of a table, after those that are unknown were told.
pub(crate) fn entries<'n>(
    problems: &mut Problems,
    node: &'n Node,
    what: &str,
    known: &[&str],
) -> Option<&'n [Entry]> {
    let Value::Map(entries) = &node.value else {
        problems.error(node.line, format!("expected {what}, found {}", node.kind()));
        return None;
    };
    for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
        let hint = did_you_mean(&entry.key, known.iter().copied());
        problems.error(entry.line, format!("unknown key {:?} in {what}{hint}", short(&entry.key)));
    }
    Some(entries)
}

/// A duration as Prometheus's files have it: with a unit, but for 0.
///
/// # Errors
/// A sentence that shows how one is written.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    if text.parse::<f64>().is_ok_and(|n| n != 0.0) {
        return Err(format!("{text:?} has no unit; write {text}s or {text}m"));
    }
    parse_duration_ms(text)
}

pub(crate) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

pub(crate) fn is_label_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_metric_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

#[cfg(test)]
mod tests;
