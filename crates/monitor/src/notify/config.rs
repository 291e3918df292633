//! Reads a configuration of notifications: a file of Alertmanager's, with receivers of our own besides (`ntfy_configs`,
//! `alertmanager_configs`, `heartbeat`). What is not supported is said with its line. It must never show a secret.

mod people;
mod receivers;

use super::escalate::Escalation;
use super::matchers::{parse_many, parse_one};
use super::rota::{Person, Rota};
use super::route::{GroupBy, Inhibit, Route};
use super::times::TimeInterval;
use crate::problem::{Problem, Problems};
use crate::read::duration_ms;
use document::{Entry, Node, Value, did_you_mean};
use model::{MatchOp, Matcher};
use std::fmt;
use std::path::PathBuf;

pub use receivers::{Auth, Receiver, Secret, Target, TargetKind};

/// The most routes of a file.
const ROUTES_MAX: usize = 5_000;
/// How deep routes may be nested.
const DEPTH_MAX: usize = 30;

/// Who is told what.
#[derive(Clone, Debug)]
pub struct Config {
    /// The root of the tree.
    pub route: Route,
    /// In order of the file.
    pub receivers: Vec<Receiver>,
    /// Which alerts keep others quiet.
    pub inhibit: Vec<Inhibit>,
    /// An alert from elsewhere that names no end is over so long after it was told last.
    pub resolve_timeout_ms: i64,
    /// Who can be on call.
    pub people: Vec<Person>,
    /// Who is on call when.
    pub rotas: Vec<Rota>,
    /// Who else is told of what nobody takes care of.
    pub escalations: Vec<Escalation>,
    /// Who is told that this program is alive and judges.
    pub heartbeat: Option<Heartbeat>,
}

/// A dead man's switch: a request every so often, as long as everything is judged.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Where to.
    pub url: Secret,
    /// How often.
    pub interval_ms: i64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            route: Route::silent(),
            receivers: Vec::new(),
            inhibit: Vec::new(),
            resolve_timeout_ms: 300_000,
            people: Vec::new(),
            rotas: Vec::new(),
            escalations: Vec::new(),
            heartbeat: None,
        }
    }
}

/// Reads a file; `None` if it cannot be used at all.
pub fn read(file: &str, text: &str) -> (Option<Config>, Vec<Problem>) {
    let mut problems = Problems::of(file);
    let config = match document::parse(text) {
        Ok(root) => Reader { problems: &mut problems, routes: 0 }.root(&root),
        Err(e) => {
            problems.error(e.line, e.what);
            None
        }
    };
    (config, problems.list)
}

const TOP: &[&str] = &[
    "global",
    "route",
    "receivers",
    "inhibit_rules",
    "templates",
    "time_intervals",
    "mute_time_intervals",
    "heartbeat",
    "people",
    "rotas",
    "escalations",
];
const ROUTE: &[&str] = &[
    "receiver",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "continue",
    "escalation",
    "mute_time_intervals",
    "active_time_intervals",
    "match",
    "match_re",
    "matchers",
    "routes",
];
const INHIBIT: &[&str] = &[
    "name",
    "source_match",
    "source_match_re",
    "source_matchers",
    "target_match",
    "target_match_re",
    "target_matchers",
    "equal",
];

/// What routes name.
struct Named<'a> {
    receivers: &'a [Receiver],
    times: &'a [TimeInterval],
    escalations: &'a [Escalation],
}

pub(super) struct Reader<'a> {
    pub problems: &'a mut Problems,
    routes: usize,
}

/// Keys of a table.
pub(super) struct Table<'n>(pub &'n [Entry]);

impl<'n> Table<'n> {
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    pub fn text(&self, key: &str) -> Option<&'n str> {
        self.get(key).and_then(Node::text).filter(|t| !t.is_empty())
    }

    pub fn truth(&self, key: &str) -> Option<bool> {
        self.get(key).and_then(Node::truth)
    }
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) -> Option<Config> {
        let top = self.table(root, "the file", TOP)?;
        if let Some(node) = top.get("templates") {
            self.problems.warning(node.line, "templates has no effect here");
        }
        if let Some(node) = top.get("mute_time_intervals") {
            self.problems.error(node.line, "mute_time_intervals is the old name; write time_intervals");
        }
        let times = self.time_intervals(&top);
        let globals = receivers::Globals::read(self, top.get("global"));
        let mut receivers: Vec<Receiver> = Vec::new();
        for node in self.list(top.get("receivers"), "receivers") {
            let Some(receiver) = receivers::read(self, node, &globals) else { continue };
            if receivers.iter().any(|r| r.name == receiver.name) {
                let what = format!("the receiver {:?} is here for the second time", receiver.name);
                self.problems.error(node.line, what);
                continue;
            }
            receivers.push(receiver);
        }
        let people = self.people(&top, &receivers);
        let rotas = self.rotas(&top, &people, &times);
        let escalations = self.escalations(&top, &receivers);
        self.check_rotas(&mut receivers, &rotas, top.get("receivers").map_or(0, |n| n.line));
        let named = Named { receivers: &receivers, times: &times, escalations: &escalations };
        let Some(node) = top.get("route") else {
            self.problems.error(root.line, "there is no `route:`, so nobody would be told of anything");
            return None;
        };
        let mut base = Route::silent();
        base.group_by = GroupBy::Names(Vec::new());
        let route = self.route(node, &base, &named, 0)?;
        if route.receiver.is_empty() && route.escalation.is_none() {
            self.problems.error(node.line, "the first route needs a receiver");
            return None;
        }
        let inhibit = self.list(top.get("inhibit_rules"), "inhibit_rules");
        let inhibit = inhibit.into_iter().filter_map(|n| self.inhibit(n)).collect();
        let heartbeat = top.get("heartbeat").and_then(|n| self.heartbeat(n));
        let resolve_timeout_ms = globals.resolve_timeout_ms;
        Some(Config { route, receivers, inhibit, resolve_timeout_ms, heartbeat, people, rotas, escalations })
    }

    fn heartbeat(&mut self, node: &Node) -> Option<Heartbeat> {
        let table = self.table(node, "heartbeat", &["url", "url_file", "interval"])?;
        let url = Secret::of(&table, "url");
        if url.is_none() {
            self.problems.error(node.line, "heartbeat needs a url");
        }
        let interval_ms = self.duration(&table, "interval").unwrap_or(60_000).max(1_000);
        Some(Heartbeat { url: url?, interval_ms })
    }

    fn route(&mut self, node: &Node, base: &Route, named: &Named<'_>, depth: usize) -> Option<Route> {
        if self.routes >= ROUTES_MAX || depth > DEPTH_MAX {
            let what = format!("more than {ROUTES_MAX} routes, or nested deeper than {DEPTH_MAX}");
            self.problems.error(node.line, what);
            return None;
        }
        let table = self.table(node, "a route", ROUTE)?;
        let matchers = self.matchers(&table, "")?;
        if depth == 0 && !matchers.is_empty() {
            self.problems.error(node.line, "the first route takes every alert: it has no matchers");
            return None;
        }
        let written: Vec<String> =
            matchers.iter().map(|m| format!("{}{}{:?}", m.name, m.op.as_str(), m.value)).collect();
        let own = format!("{{{}}}", written.join(","));
        let mut route = Route {
            matchers,
            id: self.routes,
            key: if depth == 0 { own } else { format!("{}/{own}", base.key) },
            continues: table.truth("continue").unwrap_or(false),
            routes: Vec::new(),
            ..base.clone()
        };
        self.routes += 1;
        if let Some(name) = table.text("receiver") {
            if !named.receivers.iter().any(|r| r.name == name) {
                let hint = did_you_mean(name, named.receivers.iter().map(|r| r.name.as_str()));
                self.problems.error(node.line, format!("there is no receiver {name:?}{hint}"));
                return None;
            }
            route.receiver = name.to_string();
            route.escalation = None;
        }
        if let Some(name) = table.text("escalation") {
            if !named.escalations.iter().any(|e| e.name == name) {
                let hint = did_you_mean(name, named.escalations.iter().map(|e| e.name.as_str()));
                self.problems.error(node.line, format!("there is no escalation {name:?}{hint}"));
                return None;
            }
            route.escalation = Some(name.to_string());
        }
        // As in Alertmanager, a branch has no times but its own.
        route.mute = self.times_of(&table, "mute_time_intervals", named.times);
        route.active = self.times_of(&table, "active_time_intervals", named.times);
        if depth == 0 && !(route.mute.is_empty() && route.active.is_empty()) {
            self.problems.error(node.line, "the first route tells at all times: it has no time intervals");
            (route.mute, route.active) = (Vec::new(), Vec::new());
        }
        if let Some(by) = table.get("group_by") {
            let names: Vec<String> =
                self.list(Some(by), "group_by").iter().filter_map(|n| n.text().map(str::to_string)).collect();
            let is_all = names.iter().any(|n| n == "...");
            route.group_by = if is_all { GroupBy::All } else { GroupBy::Names(names) };
        }
        for (key, slot) in [
            ("group_wait", &mut route.group_wait_ms),
            ("group_interval", &mut route.group_interval_ms),
            ("repeat_interval", &mut route.repeat_interval_ms),
        ] {
            if let Some(ms) = self.duration(&table, key) {
                *slot = ms;
            }
        }
        route.group_interval_ms = route.group_interval_ms.max(1_000);
        let below = self.list(table.get("routes"), "routes");
        route.routes =
            below.into_iter().filter_map(|n| self.route(n, &route.clone(), named, depth + 1)).collect();
        Some(route)
    }

    fn inhibit(&mut self, node: &Node) -> Option<Inhibit> {
        let table = self.table(node, "an inhibition", INHIBIT)?;
        let source = self.matchers(&table, "source_")?;
        let target = self.matchers(&table, "target_")?;
        let equal = self.list(table.get("equal"), "equal");
        let equal = equal.iter().filter_map(|n| n.text().map(str::to_string)).collect();
        Some(Inhibit { source, target, equal })
    }

    /// All three ways to write matchers; `None` if one of them cannot be read.
    fn matchers(&mut self, table: &Table<'_>, prefix: &str) -> Option<Vec<Matcher>> {
        let (mut out, mut is_bad) = (Vec::new(), false);
        let mut take = |reader: &mut Self, line: usize, result: Result<Vec<Matcher>, String>| match result {
            Ok(list) => out.extend(list),
            Err(e) => {
                reader.problems.error(line, e);
                is_bad = true;
            }
        };
        for (key, op) in [("match", MatchOp::Equal), ("match_re", MatchOp::Regex)] {
            let Some(Value::Map(entries)) = table.get(&format!("{prefix}{key}")).map(|n| &n.value) else {
                continue;
            };
            for entry in entries {
                let value = entry.value.text().unwrap_or("");
                take(self, entry.line, Matcher::new(entry.key.clone(), op, value).map(|m| vec![m]));
            }
        }
        if let Some(node) = table.get(&format!("{prefix}matchers")) {
            match &node.value {
                Value::List(items) => {
                    for item in items {
                        take(
                            self,
                            item.line,
                            item.text().map_or(Ok(Vec::new()), |t| {
                                if t.contains(',') { parse_many(t) } else { parse_one(t).map(|m| vec![m]) }
                            }),
                        );
                    }
                }
                _ => take(self, node.line, node.text().map_or(Ok(Vec::new()), parse_many)),
            }
        }
        (!is_bad).then_some(out)
    }

    /// Keys of a table; those that are not known are told.
    pub fn table<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Table<'n>> {
        let Value::Map(entries) = &node.value else {
            self.problems
                .error(node.line, format!("expected {what} as a table of keys, found {}", node.kind()));
            return None;
        };
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let key: String = entry.key.chars().take(100).collect();
            let hint = did_you_mean(&key, known.iter().copied());
            self.problems.error(entry.line, format!("{key:?} in {what} is not supported{hint}"));
        }
        Some(Table(entries))
    }

    pub fn list<'n>(&mut self, node: Option<&'n Node>, what: &str) -> Vec<&'n Node> {
        match node.map(|n| (&n.value, n.line)) {
            Some((Value::List(items), _)) => items.iter().collect(),
            None | Some((Value::Null, _)) => Vec::new(),
            Some((_, line)) => {
                self.problems.error(line, format!("{what}: expected a list"));
                Vec::new()
            }
        }
    }

    pub fn duration(&mut self, table: &Table<'_>, key: &str) -> Option<i64> {
        let node = table.get(key)?;
        match node.text().map(duration_ms) {
            Some(Ok(ms)) => Some(ms),
            Some(Err(e)) => {
                self.problems.error(node.line, format!("{key}: {e}"));
                None
            }
            None => None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Secret {
    /// The secret under a key, or in the file that `KEY_file` names. `$NAME` alone is a variable of the environment.
    pub(super) fn of(table: &Table<'_>, key: &str) -> Option<Secret> {
        if let Some(path) = table.text(&format!("{key}_file")) {
            return Some(Secret::File(PathBuf::from(path)));
        }
        let text = table.text(key)?;
        let name = text.strip_prefix('$').map(|n| n.trim_matches(['{', '}']));
        let is_name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        Some(match name.filter(|n| is_name(n)) {
            Some(name) => Secret::Env(name.to_string()),
            None => Secret::Text(text.to_string()),
        })
    }
}

#[cfg(test)]
mod tests;
