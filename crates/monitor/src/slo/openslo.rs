//! Reads OpenSLO, version 1 (github.com/OpenSLO/OpenSLO, README): services, indicators (ratio and threshold metrics in PromQL), objectives,
//! alert policies with burn-rate conditions. Each objective of an SLO becomes one of ours. What is not understood is said, with
//! its line, and never guessed. References hold within one file.

use super::queries::simplified;
use super::read::{ReadSlos, distinct, finish, rounded, share};
use super::{DAY_MS, ENOUGH, Op, Pair, Period, SLOS_MAX, Sli, Slo, Window, usual_pairs};
use crate::problem::Problems;
use crate::read::{Check, short};
use document::{Entry, Node, Value};
use model::time::parse_duration_ms;

/// The most documents of one file.
const DOCUMENTS_MAX: usize = 5_000;

/// Reads a file.
pub fn read(file: &str, text: &str, check: Check<'_>) -> ReadSlos {
    let mut problems = Problems::of(file);
    let mut documents = Vec::new();
    for (offset, text) in split(text) {
        match document::parse(&text) {
            Ok(Node { value: Value::Null, .. }) => {}
            Ok(root) => documents.push(moved(root, offset)),
            Err(e) => problems.error(e.line + offset, e.what),
        }
        if documents.len() > DOCUMENTS_MAX {
            problems.error(offset, format!("more than {DOCUMENTS_MAX} documents; the others are left out"));
            break;
        }
    }
    let is_readable = !documents.is_empty();
    let mut slos = Vec::new();
    for root in &documents {
        match (text_at(root, "apiVersion"), text_at(root, "kind")) {
            ("openslo/v1", "SLO") => {
                let mut reader = Reader { documents: &documents, check, problems: &mut problems };
                slos.extend(reader.slo(root));
            }
            ("openslo/v1", "SLI" | "AlertPolicy" | "AlertCondition" | "Service" | "DataSource") => {}
            ("openslo/v1", "AlertNotificationTarget") => problems.warning(
                root.line,
                "AlertNotificationTarget: who is told stands in the configuration of notifications, by routes",
            ),
            ("openslo/v1", kind) => {
                problems.error(root.line, format!("kind {:?} is not one of OpenSLO v1", short(kind)));
            }
            (version, _) => {
                let what = format!("apiVersion {:?}: openslo/v1 is read", short(version));
                problems.error(root.line, what);
            }
        }
    }
    if slos.len() > SLOS_MAX {
        problems.error(0, format!("more than {SLOS_MAX} objectives; the others are left out"));
        slos.truncate(SLOS_MAX);
    }
    let slos = distinct(slos, &mut problems);
    ReadSlos { slos, problems: problems.list, is_readable }
}

/// The documents of a file, each with the number of lines before it.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut out = vec![(0, String::new())];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" || line.trim_end() == "..." {
            out.push((number + 1, String::new()));
        } else if let Some(last) = out.last_mut() {
            last.1.push_str(line);
        }
    }
    out.retain(|(_, text)| !text.trim().is_empty());
    out
}

/// A tree further down in its file. The parser bounds how deep it is.
fn moved(node: Node, by: usize) -> Node {
    let value = match node.value {
        Value::List(items) => Value::List(items.into_iter().map(|n| moved(n, by)).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|e| Entry { line: e.line + by, value: moved(e.value, by), ..e })
                .collect(),
        ),
        value => value,
    };
    Node { line: node.line + by, value }
}

/// What stands at a path of keys.
fn at<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('/').try_fold(node, |node, key| match &node.value {
        Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
        _ => None,
    })
}

fn text_at<'n>(node: &'n Node, path: &str) -> &'n str {
    at(node, path).and_then(Node::text).unwrap_or("").trim()
}

fn items<'n>(node: &'n Node, path: &str) -> &'n [Node] {
    match at(node, path).map(|n| &n.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

struct Reader<'n, 'p> {
    documents: &'n [Node],
    check: Check<'p>,
    problems: &'p mut Problems,
}

impl<'n> Reader<'n, '_> {
    fn find(&mut self, kind: &str, name: &str, line: usize) -> Option<&'n Node> {
        let found =
            self.documents.iter().find(|d| text_at(d, "kind") == kind && text_at(d, "metadata/name") == name);
        if found.is_none() {
            self.problems.error(line, format!("there is no {kind} {:?} in this file", short(name)));
        }
        found
    }

    fn slo(&mut self, root: &'n Node) -> Vec<Slo> {
        let named = |node: &Node| match text_at(node, "metadata/displayName") {
            "" => text_at(node, "metadata/name").to_string(),
            name => name.to_string(),
        };
        let name = named(root);
        let Some(window) = self.window(root) else { return Vec::new() };
        let method = text_at(root, "spec/budgetingMethod");
        if !["", "Occurrences"].contains(&method) {
            let line = at(root, "spec/budgetingMethod").map_or(root.line, |n| n.line);
            let what = format!(
                "{name}: budgetingMethod {:?} is not supported: each event counts once (Occurrences)",
                short(method)
            );
            self.problems.error(line, what);
            return Vec::new();
        }
        let common = match (at(root, "spec/indicator"), text_at(root, "spec/indicatorRef")) {
            (Some(indicator), _) => Some(indicator),
            (None, "") => None,
            (None, reference) => self.find("SLI", reference, root.line),
        };
        let objectives = items(root, "spec/objectives");
        let mut out = Vec::new();
        for (i, objective) in objectives.iter().enumerate() {
            for key in ["compositeWeight", "timeSliceTarget", "timeSliceWindow"] {
                if let Some(node) = at(objective, key) {
                    self.problems.error(node.line, format!("{name}: {key} is not supported"));
                }
            }
            let own = match (at(objective, "indicator"), text_at(objective, "indicatorRef")) {
                (Some(indicator), _) => Some(indicator),
                (None, "") => common,
                (None, reference) => self.find("SLI", reference, objective.line),
            };
            let Some(indicator) = own else {
                self.problems.error(objective.line, format!("{name}: there is no indicator"));
                continue;
            };
            let Some(sli) = self.sli(indicator, objective) else { continue };
            let target = match (text_at(objective, "target"), text_at(objective, "targetPercent")) {
                ("", percent) => share(&format!("{percent} %")),
                (target, _) => share(target),
            };
            let Ok(target) = target.map_err(|e| self.problems.error(objective.line, format!("{name}: {e}")))
            else {
                continue;
            };
            let title = match (text_at(objective, "displayName"), objectives.len()) {
                ("", 1) => name.clone(),
                ("", _) => format!("{name} {}", i + 1),
                (own, 1) if own == name => name.clone(),
                (own, _) => format!("{name}: {own}"),
            };
            let pairs = self.pairs(root, target, window);
            let slo = Slo {
                id: String::new(),
                name: title,
                service: text_at(root, "spec/service").to_string(),
                about: text_at(root, "spec/description").split_whitespace().collect::<Vec<_>>().join(" "),
                owner: text_at(root, "metadata/annotations/owner").to_string(),
                action: String::new(),
                sli,
                objective: target,
                window,
                enough: ENOUGH,
                pairs,
                tiers: Vec::new(),
                labels: Vec::new(),
                file: String::new(),
                line: objective.line,
            };
            out.extend(finish(slo, self.check, self.problems));
        }
        if objectives.is_empty() {
            self.problems.error(root.line, format!("{name}: it has no objectives"));
        }
        out
    }

    fn window(&mut self, root: &Node) -> Option<Window> {
        let windows = items(root, "spec/timeWindow");
        let Some(window) = windows.first() else { return Some(Window::Rolling(28 * DAY_MS)) };
        let text = text_at(window, "duration");
        let is_rolling =
            at(window, "isRolling").and_then(Node::truth).unwrap_or(at(window, "calendar").is_none());
        if is_rolling {
            let read = length_ms(text)
                .ok_or_else(|| format!("duration {:?}: one such as 30d or 4w", short(text)))
                .and_then(|ms| super::read::window(&model::time::format_duration_ms(ms)));
            return read.map_err(|e| self.problems.error(window.line, e)).ok();
        }
        let zone = text_at(window, "calendar/timeZone");
        if !["", "UTC", "Etc/UTC", "GMT", "Z"].contains(&zone) {
            let line = at(window, "calendar/timeZone").map_or(window.line, |n| n.line);
            let what = format!(
                "timeZone {:?} is read as UTC: windows of the calendar begin at midnight there",
                short(zone)
            );
            self.problems.warning(line, what);
        }
        let period = match text {
            "1d" => Period::Day,
            "1w" | "7d" => Period::Week,
            "1M" => Period::Month,
            "1Q" | "3M" => Period::Quarter,
            "1Y" | "1y" => Period::Year,
            other => {
                let what =
                    format!("a window of the calendar is 1d, 1w, 1M, 1Q or 1Y, not {:?}", short(other));
                self.problems.error(window.line, what);
                return None;
            }
        };
        Some(Window::Calendar(period))
    }

    fn sli(&mut self, indicator: &Node, objective: &Node) -> Option<Sli> {
        let spec = at(indicator, "spec").unwrap_or(indicator);
        if let Some(ratio) = at(spec, "ratioMetric") {
            let query = |key: &str| at(ratio, key).map(|node| (query_of(node), node.line));
            for key in ["raw", "rawType"] {
                if let Some(node) = at(ratio, key) {
                    self.problems.error(
                        node.line,
                        format!("ratioMetric.{key} is not supported: give total, and good or bad"),
                    );
                    return None;
                }
            }
            if at(ratio, "counter").and_then(Node::truth) == Some(false) {
                let what = "counter: false is not supported: give counters, or an expression with rate() or increase()";
                self.problems.error(ratio.line, what);
                return None;
            }
            let (part, is_bad) = match (query("good"), query("bad")) {
                (Some(good), _) => (good, false),
                (None, Some(bad)) => (bad, true),
                (None, None) => {
                    self.problems.error(ratio.line, "ratioMetric: it has neither good nor bad");
                    return None;
                }
            };
            let Some(total) = query("total") else {
                self.problems.error(ratio.line, "ratioMetric: it has no total");
                return None;
            };
            for (text, line) in [&total, &part] {
                if text.is_empty() {
                    self.problems.error(*line, "there is no query in metricSource.spec; PromQL is read");
                    return None;
                }
            }
            return Some(Sli::Ratio { total: simplified(&total.0), part: simplified(&part.0), is_bad });
        }
        let Some(threshold) = at(spec, "thresholdMetric") else {
            self.problems.error(spec.line, "an indicator has a ratioMetric or a thresholdMetric");
            return None;
        };
        let op = match text_at(objective, "op") {
            "lte" => Op::AtMost,
            "lt" => Op::Below,
            "gte" => Op::AtLeast,
            "gt" => Op::Above,
            other => {
                self.problems
                    .error(objective.line, format!("op is lte, lt, gte or gt, not {:?}", short(other)));
                return None;
            }
        };
        let limit = text_at(objective, "value").parse::<f64>().ok().filter(|n| n.is_finite());
        if limit.is_none() {
            self.problems.error(objective.line, "value: a number that the metric is compared with");
        }
        let value = query_of(threshold);
        if value.is_empty() {
            self.problems.error(threshold.line, "there is no query in metricSource.spec; PromQL is read");
            return None;
        }
        Some(Sli::Threshold { value, op, limit: limit? })
    }

    /// Alerts of the policies; the usual ones where there is none that is understood.
    fn pairs(&mut self, root: &'n Node, objective: f64, window: Window) -> Vec<Pair> {
        let policies = items(root, "spec/alertPolicies");
        let mut out = Vec::new();
        for policy in policies {
            let name = policy.text().or_else(|| at(policy, "alertPolicyRef").and_then(Node::text));
            let policy = match name {
                Some(name) => self.find("AlertPolicy", name, policy.line),
                None => Some(policy),
            };
            let Some(policy) = policy else { continue };
            for condition in items(policy, "spec/conditions") {
                let found = match text_at(condition, "conditionRef") {
                    "" => Some(condition),
                    name => self.find("AlertCondition", name, condition.line),
                };
                out.extend(found.and_then(|node| self.pair(node)));
            }
        }
        let length_ms = window.length(0);
        if out.is_empty() { usual_pairs(objective, length_ms) } else { out }
    }

    fn pair(&mut self, node: &Node) -> Option<Pair> {
        let kind = text_at(node, "spec/condition/kind");
        if !kind.eq_ignore_ascii_case("burnrate") {
            self.problems.error(
                node.line,
                format!("a condition of kind {:?} is not supported: burnrate is", short(kind)),
            );
            return None;
        }
        let duration = |key: &str| length_ms(text_at(node, key));
        let factor = text_at(node, "spec/condition/threshold").parse::<f64>().ok().filter(|f| *f > 0.0);
        let (Some(factor), Some(long_ms)) = (factor, duration("spec/condition/lookbackWindow")) else {
            self.problems.error(node.line, "a burnrate condition needs threshold and lookbackWindow");
            return None;
        };
        let short_ms = rounded(
            duration("spec/condition/alertAfter")
                .filter(|ms| *ms > 0 && *ms <= long_ms)
                .unwrap_or(long_ms / 12),
        );
        let severity = match text_at(node, "spec/severity") {
            "" => "page".to_string(),
            severity => severity.to_lowercase(),
        };
        Some(Pair { long_ms, short_ms, factor, severity })
    }
}

/// The PromQL of a metric source.
fn query_of(node: &Node) -> String {
    let source = at(node, "metricSource").unwrap_or(node);
    let text = ["spec/query", "spec/promql", "spec/expr", "query"]
        .into_iter()
        .map(|p| text_at(source, p))
        .find(|t| !t.is_empty());
    text.unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A duration of OpenSLO: `1M` is a month, taken as 30 days where it rolls.
fn length_ms(text: &str) -> Option<i64> {
    let months = |unit: char, days: i64| -> Option<i64> {
        let n: i64 = text.strip_suffix(unit)?.parse().ok()?;
        n.checked_mul(days * DAY_MS)
    };
    let long = months('M', 30).or_else(|| months('Q', 90)).or_else(|| months('Y', 365));
    long.or_else(|| parse_duration_ms(text).ok().filter(|ms| *ms > 0))
}
