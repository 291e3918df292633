//! Tests of rules, in the format of `promtool test rules`: series in, alerts and values expected. Reading only; whoever has an
//! evaluator runs them. It must never run without bounds on what a short text may stand for.

use crate::problem::{Problem, Problems};
use crate::read::duration_ms;
use document::{Entry, Node, Value};
use model::STALE_NAN_BITS;

/// The most values of one series.
const VALUES_MAX: usize = 1_000_000;

/// A file of tests.
#[derive(Debug, Default)]
pub struct TestFile {
    /// Rule files, relative to the file.
    pub rule_files: Vec<String>,
    /// How often groups are evaluated that say nothing of it.
    pub interval_ms: i64,
    /// The tests.
    pub tests: Vec<Test>,
}

/// One test: its own world, beginning at time 0.
#[derive(Debug, Default)]
pub struct Test {
    /// For people; may be empty.
    pub name: String,
    /// Time between two values of a series.
    pub interval_ms: i64,
    /// Selectors with their values; `None` is no sample.
    pub series: Vec<(String, Vec<Option<f64>>)>,
    /// What has to fire.
    pub alerts: Vec<AlertTest>,
    /// What expressions have to give.
    pub exprs: Vec<ExprTest>,
    /// Where it begins.
    pub line: usize,
}

/// Which alerts of a name fire at a time.
#[derive(Debug, Default)]
pub struct AlertTest {
    /// When.
    pub at_ms: i64,
    /// Which rule.
    pub name: String,
    /// Labels (without the name), and annotations.
    pub expected: Vec<(Pairs, Pairs)>,
    /// Where it stands.
    pub line: usize,
}

/// What an expression gives at a time.
#[derive(Debug, Default)]
pub struct ExprTest {
    /// When.
    pub at_ms: i64,
    /// The expression.
    pub expr: String,
    /// Selectors and values.
    pub expected: Vec<(String, f64)>,
    /// Where it stands.
    pub line: usize,
}

/// Names with texts.
pub type Pairs = Vec<(String, String)>;

/// Reads a file of tests.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(file: &str, text: &str) -> Result<TestFile, Vec<Problem>> {
    let mut problems = Problems::of(file);
    let out = match document::parse(text) {
        Ok(root) => Reader(&mut problems).root(&root),
        Err(e) => {
            problems.error(e.line, e.what);
            TestFile::default()
        }
    };
    if problems.has_errors() { Err(problems.list) } else { Ok(out) }
}

struct Reader<'a>(&'a mut Problems);

impl Reader<'_> {
    fn root(&mut self, root: &Node) -> TestFile {
        let keys = ["rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare"];
        let top = self.table(root, &keys);
        let rule_files = self.list(get(top, "rule_files"));
        TestFile {
            rule_files: rule_files.iter().filter_map(|n| n.text().map(str::to_string)).collect(),
            interval_ms: self.duration(get(top, "evaluation_interval")).unwrap_or(60_000).max(1),
            tests: self.list(get(top, "tests")).into_iter().map(|n| self.test(n)).collect(),
        }
    }

    fn test(&mut self, node: &Node) -> Test {
        let keys = [
            "name",
            "interval",
            "input_series",
            "alert_rule_test",
            "promql_expr_test",
            "external_labels",
            "external_url",
            "start_timestamp",
        ];
        let own = self.table(node, &keys);
        let text =
            |entries: &[Entry], key: &str| get(entries, key).and_then(Node::text).unwrap_or("").to_string();
        let mut test = Test {
            name: text(own, "name"),
            interval_ms: self.duration(get(own, "interval")).unwrap_or(60_000).max(1),
            line: node.line,
            ..Test::default()
        };
        for item in self.list(get(own, "input_series")) {
            let one = self.table(item, &["series", "values"]);
            match values(&text(one, "values")) {
                Ok(values) => test.series.push((text(one, "series"), values)),
                Err(e) => self.0.error(item.line, format!("values: {e}")),
            }
        }
        for item in self.list(get(own, "alert_rule_test")) {
            let one = self.table(item, &["eval_time", "alertname", "exp_alerts"]);
            let mut alert = AlertTest {
                at_ms: self.duration(get(one, "eval_time")).unwrap_or(0),
                name: text(one, "alertname"),
                line: item.line,
                ..AlertTest::default()
            };
            for expected in self.list(get(one, "exp_alerts")) {
                let own = self.table(expected, &["exp_labels", "exp_annotations"]);
                let labels = self.pairs(get(own, "exp_labels"));
                let annotations = self.pairs(get(own, "exp_annotations"));
                alert.expected.push((labels, annotations));
            }
            test.alerts.push(alert);
        }
        for item in self.list(get(own, "promql_expr_test")) {
            let one = self.table(item, &["expr", "eval_time", "exp_samples"]);
            let mut expr = ExprTest {
                at_ms: self.duration(get(one, "eval_time")).unwrap_or(0),
                expr: text(one, "expr"),
                line: item.line,
                ..ExprTest::default()
            };
            for sample in self.list(get(one, "exp_samples")) {
                let own = self.table(sample, &["labels", "value"]);
                match number(&text(own, "value")) {
                    Some(value) => expr.expected.push((text(own, "labels"), value)),
                    None => self.0.error(sample.line, "value: expected a number"),
                }
            }
            test.exprs.push(expr);
        }
        test
    }

    fn table<'n>(&mut self, node: &'n Node, known: &[&str]) -> &'n [Entry] {
        let Value::Map(entries) = &node.value else {
            self.0.error(node.line, format!("expected a table of keys, found {}", node.kind()));
            return &[];
        };
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let hint = document::did_you_mean(&entry.key, known.iter().copied());
            self.0.error(entry.line, format!("{:?} is not supported{hint}", entry.key));
        }
        entries
    }

    fn list<'n>(&mut self, node: Option<&'n Node>) -> Vec<&'n Node> {
        match node.map(|n| (&n.value, n.line)) {
            Some((Value::List(items), _)) => items.iter().collect(),
            None | Some((Value::Null, _)) => Vec::new(),
            Some((_, line)) => {
                self.0.error(line, "expected a list");
                Vec::new()
            }
        }
    }

    fn duration(&mut self, node: Option<&Node>) -> Option<i64> {
        let node = node?;
        match duration_ms(node.text()?) {
            Ok(ms) => Some(ms),
            Err(e) => {
                self.0.error(node.line, e);
                None
            }
        }
    }

    fn pairs(&mut self, node: Option<&Node>) -> Pairs {
        let Some(Value::Map(entries)) = node.map(|n| &n.value) else { return Vec::new() };
        entries.iter().map(|e| (e.key.clone(), e.value.text().unwrap_or("").to_string())).collect()
    }
}

fn get<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Node> {
    entries.iter().find(|e| e.key == key).map(|e| &e.value)
}

fn number(text: &str) -> Option<f64> {
    match text {
        "Inf" | "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// Values as Prometheus's tests write them: `1 2 _ stale 1x3 0+10x5 5-1x4 _x3`.
///
/// # Errors
/// The part that makes no sense, or that it stands for too many.
pub fn values(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let bad = || format!("{word:?} is not understood; write values like 1, _, stale, 1x5 or 0+10x5");
        let (what, times) = match word.rsplit_once('x') {
            Some((what, times)) => (what, Some(times.parse::<usize>().map_err(|_| bad())?)),
            None => (word, None),
        };
        if out.len() + times.unwrap_or(0) >= VALUES_MAX {
            return Err(format!("more than {VALUES_MAX} values"));
        }
        if what == "_" {
            // `_x3` is three, where `1x3` is four.
            out.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            continue;
        }
        if what == "stale" {
            out.push(Some(f64::from_bits(STALE_NAN_BITS)));
            continue;
        }
        // The sign of the step is the last one that belongs to no exponent.
        let split = what
            .char_indices()
            .filter(|(i, c)| *i > 0 && matches!(c, '+' | '-') && !what[..*i].ends_with(['e', 'E', '+', '-']))
            .map(|(i, _)| i)
            .next_back();
        let (start, step) = match split {
            Some(at) => (number(&what[..at]).ok_or_else(bad)?, number(&what[at..]).ok_or_else(bad)?),
            None => (number(what).ok_or_else(bad)?, 0.0),
        };
        match (times, split) {
            (None, Some(_)) => return Err(bad()),
            (times, _) => out.extend((0..=times.unwrap_or(0)).map(|i| Some(start + step * i as f64))),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_people_write_them() {
        let show = |v: &Option<f64>| match v {
            None => "_".to_string(),
            Some(v) if model::is_stale(*v) => "stale".into(),
            Some(v) => v.to_string(),
        };
        for (text, want) in [
            ("1 2.5 _ stale -3", "1 2.5 _ stale -3"),
            ("1x3", "1 1 1 1"),
            ("0+10x3 100-5x2", "0 10 20 30 100 95 90"),
            ("-2+4x2", "-2 2 6"),
            ("_x3 1", "_ _ _ 1"),
            ("1e3 1e-2 Inf NaN", "1000 0.01 inf NaN"),
        ] {
            let got: Vec<String> = values(text).unwrap().iter().map(show).collect();
            assert_eq!(got.join(" "), want, "{text}");
        }
        for bad in ["a", "1+2", "1x", "{{schema:1}}", "1x9999999999", "1x99999999"] {
            assert!(values(bad).is_err(), "{bad}");
        }
    }
}
