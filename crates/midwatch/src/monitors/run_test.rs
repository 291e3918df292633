//! Runs tests of rules: a world of series in memory, rules evaluated from time 0 on, and what fires compared with what was
//! expected. It must never call a test good that was not run.

use super::check_expr;
use anyhow::Context;
use model::labels::NAME;
use model::{Labels, MatchOp, Matcher, STALE_NAN_BITS, SeriesData};
use monitor::alert::{Around, Seen};
use monitor::unit_test::{Test, TestFile};
use monitor::{AlertState, Group, Kind, RuleState};
use query::{Expr, QueryOptions, ReadLimits, Source, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The most evaluations of one test.
const STEPS_MAX: i64 = 200_000;

/// Runs files of tests.
///
/// # Errors
/// A file cannot be read.
pub fn run(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    for path in files {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let wrong = run_text(&path.display().to_string(), &text, &|name| {
            std::fs::read_to_string(folder.join(name)).map_err(|e| format!("{name} cannot be read: {e}"))
        });
        match wrong {
            Ok(0) => println!("{}: no test", path.display()),
            Ok(n) => println!("{}: {n} hold", path.display()),
            Err(lines) => {
                failed += 1;
                lines.iter().for_each(|l| println!("{l}"));
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many checks hold.
///
/// # Errors
/// Everything that does not.
fn run_text(
    file: &str,
    text: &str,
    open: &dyn Fn(&str) -> Result<String, String>,
) -> Result<usize, Vec<String>> {
    let show = |problems: Vec<monitor::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let tests = monitor::unit_test::read(file, text).map_err(show)?;
    let mut groups = Vec::new();
    for name in &tests.rule_files {
        let text = open(name).map_err(|e| vec![e])?;
        let read = monitor::read::read(name, &text, tests.interval_ms, &check_expr);
        if read.problems.iter().any(|p| p.is_error) {
            return Err(show(read.problems));
        }
        groups.extend(read.groups);
    }
    let (mut held, mut wrong) = (0, Vec::new());
    for test in &tests.tests {
        match run_one(&tests, test, &groups) {
            Ok(n) => held += n,
            Err(lines) => wrong.extend(lines.into_iter().map(|l| format!("{file}:{l}"))),
        }
    }
    if wrong.is_empty() { Ok(held) } else { Err(wrong) }
}

/// Series of one test.
#[derive(Default)]
struct World(BTreeMap<Labels, (Vec<i64>, Vec<f64>)>);

impl World {
    fn push(&mut self, labels: &Labels, at_ms: i64, value: f64) {
        let (times, values) = self.0.entry(labels.clone()).or_default();
        if times.last().is_none_or(|last| *last < at_ms) {
            times.push(at_ms);
            values.push(value);
        }
    }
}

impl Source for World {
    fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        _: ReadLimits,
    ) -> stdx::Result<Vec<SeriesData>> {
        let chosen = self.0.iter().filter(|(labels, _)| Matcher::all(matchers, labels));
        let cut = chosen.filter_map(|(labels, (times, values))| {
            let (from, to) =
                (times.partition_point(|t| *t < start_ms), times.partition_point(|t| *t <= end_ms));
            let data =
                || SeriesData::numbers(labels.clone(), times[from..to].to_vec(), values[from..to].to_vec());
            (from < to).then(data)
        });
        Ok(cut.collect())
    }
}

fn ask(world: &World, expr: &Expr, at_ms: i64) -> Result<Vec<(Labels, f64)>, String> {
    match query::instant(world, expr, at_ms, &QueryOptions::default()).map_err(|e| e.to_string())?.value {
        Value::Vector(rows) => Ok(rows.into_iter().filter_map(|(l, _, v)| Some((l, v.number()?))).collect()),
        Value::Scalar(v) => Ok(vec![(Labels::default(), v)]),
        _ => Err("it gives neither rows nor a number".into()),
    }
}

fn selector(text: &str) -> Result<Labels, String> {
    let matchers = query::parse_selector(text).map_err(|e| e.to_string())?;
    if matchers.iter().any(|m| m.op != MatchOp::Equal) {
        return Err(format!("{text}: a series has labels with =, nothing else"));
    }
    Labels::from_pairs(matchers.iter().map(|m| (&m.name, &m.value))).map_err(|e| e.to_string())
}

/// A rule with what is known of it.
struct Running<'a> {
    group: &'a Group,
    rule: &'a monitor::Rule,
    expr: Expr,
    enough: Option<Expr>,
    state: RuleState,
    before: Vec<Labels>,
}

fn run_one(file: &TestFile, test: &Test, groups: &[Group]) -> Result<usize, Vec<String>> {
    let at_line = |line: usize, e: String| vec![format!("{line}: {e}")];
    let mut world = World::default();
    for (text, values) in &test.series {
        let labels = selector(text).map_err(|e| at_line(test.line, e))?;
        for (i, value) in values.iter().enumerate() {
            if let Some(value) = value {
                world.push(&labels, i as i64 * test.interval_ms, *value);
            }
        }
    }
    let mut rules = Vec::new();
    for group in groups {
        for rule in &group.rules {
            let parse = |text: &str| query::parse(text).map_err(|e| at_line(rule.line, e.to_string()));
            let enough = rule.alerting().and_then(|a| a.enough.as_deref()).map(parse).transpose()?;
            let (state, before) = (RuleState::default(), Vec::new());
            rules.push(Running { group, rule, expr: parse(&rule.expr)?, enough, state, before });
        }
    }
    let times = test.alerts.iter().map(|a| a.at_ms).chain(test.exprs.iter().map(|e| e.at_ms));
    let last_ms = times.max().unwrap_or(0);
    if last_ms / file.interval_ms > STEPS_MAX {
        return Err(at_line(test.line, format!("more than {STEPS_MAX} evaluations; take a larger interval")));
    }
    let (mut held, mut wrong, mut at_ms) = (0, Vec::new(), 0);
    loop {
        // Groups that name an interval are evaluated at its instants.
        for r in rules.iter_mut().filter(|r| at_ms % r.group.interval_ms.max(file.interval_ms) == 0) {
            step(&mut world, r, at_ms);
        }
        let next_ms = at_ms + file.interval_ms;
        for alert in test.alerts.iter().filter(|a| (at_ms..next_ms).contains(&a.at_ms)) {
            match compare_alerts(&rules, alert) {
                Ok(()) => held += 1,
                Err(e) => wrong.push(format!("{}: {e}", alert.line)),
            }
        }
        for expr in test.exprs.iter().filter(|e| (at_ms..next_ms).contains(&e.at_ms)) {
            match compare_expr(&world, expr) {
                Ok(()) => held += 1,
                Err(e) => wrong.push(format!("{}: {e}", expr.line)),
            }
        }
        if next_ms > last_ms {
            break;
        }
        at_ms = next_ms;
    }
    if wrong.is_empty() { Ok(held) } else { Err(wrong) }
}

fn step(world: &mut World, r: &mut Running<'_>, at_ms: i64) {
    let rows = ask(world, &r.expr, at_ms);
    let series = match r.rule.kind {
        Kind::Recording => {
            let named = |(labels, value): (Labels, f64)| {
                let labels = labels.with(NAME, &r.rule.name);
                (r.rule.labels.iter().fold(labels, |l, (n, t)| l.with(n, t.text())), value)
            };
            rows.unwrap_or_default().into_iter().map(named).collect()
        }
        Kind::Alerting(_) => {
            let enough = r.enough.as_ref().map(|e| ask(world, e, at_ms).unwrap_or_default());
            let seen = rows.map(|rows| Seen { rows, enough, series: 1 });
            let ask_text = |text: &str| ask(world, &query::parse(text).map_err(|e| e.to_string())?, at_ms);
            let around = Around { external_url: "", ask: &ask_text };
            r.state.step(r.rule, r.group.limit, at_ms, seen, around);
            r.state.series()
        }
    };
    for gone in r.before.iter().filter(|l| !series.iter().any(|(s, _)| s == *l)) {
        world.push(gone, at_ms, f64::from_bits(STALE_NAN_BITS));
    }
    series.iter().for_each(|(labels, value)| world.push(labels, at_ms, *value));
    r.before = series.into_iter().map(|(labels, _)| labels).collect();
}

fn compare_alerts(rules: &[Running<'_>], test: &monitor::unit_test::AlertTest) -> Result<(), String> {
    let own = rules.iter().filter(|r| r.rule.name == test.name);
    let firing = own.flat_map(|r| r.state.active().filter(|a| a.state == AlertState::Firing));
    let show = |labels: &Labels, annotations: &[(String, String)]| {
        let mut all: Vec<String> = annotations.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        all.sort();
        format!("{labels} {}", all.join(" ")).trim().to_string()
    };
    let mut got: Vec<String> = firing.map(|a| show(&a.labels, &a.annotations)).collect();
    let mut want = Vec::new();
    for (labels, annotations) in &test.expected {
        let labels = Labels::from_pairs(labels.iter().map(|(n, v)| (n, v))).map_err(|e| e.to_string())?;
        want.push(show(&labels.with("alertname", &test.name), annotations));
    }
    got.sort();
    want.sort();
    if got == want {
        return Ok(());
    }
    let list = |all: &[String]| if all.is_empty() { "nothing".to_string() } else { all.join("\n      ") };
    let at = model::time::format_duration_ms(test.at_ms);
    Err(format!("{} at {at}\n  expected\n      {}\n  fires\n      {}", test.name, list(&want), list(&got)))
}

fn compare_expr(world: &World, test: &monitor::unit_test::ExprTest) -> Result<(), String> {
    let expr = query::parse(&test.expr).map_err(|e| e.to_string())?;
    let show = |labels: &Labels, value: f64| format!("{labels} {value}");
    let rows = ask(world, &expr, test.at_ms)?;
    let mut got: Vec<String> = rows.iter().map(|(l, v)| show(l, *v)).collect();
    let mut want = Vec::new();
    for (labels, value) in &test.expected {
        let labels = if labels.trim().is_empty() { Labels::default() } else { selector(labels)? };
        want.push(show(&labels, *value));
    }
    got.sort();
    want.sort();
    if got == want { Ok(()) } else { Err(format!("{}\n  expected {want:?}\n  got      {got:?}", test.expr)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
groups:
- name: g
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: job:up:sum < 2
    for: 5m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} has {{ $value }} up'}
";

    fn run(tests: &str) -> Result<usize, Vec<String>> {
        let text = format!("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n{tests}");
        run_text("t.yml", &text, &|_| Ok(RULES.to_string()))
    }

    #[test]
    fn what_holds_and_what_does_not() {
        let test = "
- interval: 1m
  input_series:
  - {series: 'up{job=\"api\", instance=\"a\"}', values: '1x20'}
  - {series: 'up{job=\"api\", instance=\"b\"}', values: '1x4 0x9 1x10'}
  alert_rule_test:
  - {eval_time: 9m, alertname: Down}
  - eval_time: 10m
    alertname: Down
    exp_alerts:
    - exp_labels: {severity: page, job: api}
      exp_annotations: {summary: api has 1 up}
  - {eval_time: 16m, alertname: Down, exp_alerts: []}
  promql_expr_test:
  - expr: job:up:sum
    eval_time: 7m
    exp_samples: [{labels: 'job:up:sum{job=\"api\"}', value: 1}]
  - expr: count(ALERTS{alertstate=\"pending\"})
    eval_time: 6m
    exp_samples: [{value: 1}]
";
        assert_eq!(run(test), Ok(5));
        let wrong = run(&test
            .replace("severity: page, job", "severity: ticket, job")
            .replace("value: 1}]\n  - expr", "value: 2}]\n  - expr"));
        let lines = wrong.unwrap_err();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines.iter().any(|l| l.starts_with("t.yml:11: Down at 10m") && l.contains("severity=\"ticket\"")),
            "{lines:?}"
        );
    }
}
