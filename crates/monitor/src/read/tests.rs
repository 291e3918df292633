//! Rule files, good and bad.

use super::*;

fn check(expr: &str) -> Result<(), String> {
    if expr.contains("((") { Err("1:3: parse error: unclosed".into()) } else { Ok(()) }
}

fn show(file: &ReadFile) -> Vec<String> {
    file.problems.iter().map(|p| format!("{}: {}", p.line, p.what)).collect()
}

#[test]
fn a_file_as_prometheus_has_it() {
    let text = r#"
groups:
  - name: node
    interval: 15s
    limit: 10
    query_offset: 1m
    labels: {team: infra}
    rules:
      - record: instance:cpu:rate5m
        expr: sum by (instance) (rate(node_cpu_seconds_total[5m]))
        labels: {team: other}
      - alert: HighCpu
        expr: instance:cpu:rate5m > 0.9
        for: 10m
        keep_firing_for: 5m
        labels:
          severity: page
        annotations:
          summary: "{{ $labels.instance }} is at {{ $value | humanizePercentage }}"
          midwatch_enough: sum by (instance) (x) > 5
  - name: quick
    rules: []
"#;
    let file = read("r.yml", text, 5_000, &check);
    assert_eq!(show(&file), Vec::<String>::new());
    let node = &file.groups[0];
    assert_eq!((node.interval_ms, node.limit, node.query_offset_ms), (15_000, 10, 60_000));
    assert_eq!(node.rules[0].label("team"), "other");
    let high = &node.rules[1];
    let alerting = high.alerting().unwrap();
    assert_eq!((high.label("team"), high.label("severity")), ("infra", "page"));
    assert_eq!((alerting.for_ms, alerting.keep_firing_for_ms), (600_000, 300_000));
    assert_eq!(alerting.annotations.len(), 1);
    assert_eq!(alerting.enough.as_deref(), Some("sum by (instance) (x) > 5"));
    assert_eq!(file.groups[1].interval_ms, 5_000);
    assert_eq!(node.rule_key(1), "r.yml;node;HighCpu;0");
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_the_rest_is_used() {
    let rule = |text: &str| {
        format!("groups:\n- name: g\n  rules:\n  - {text}\n  - alert: Good\n    expr: up == 0\n")
    };
    for (text, want) in [
        ("{alert: A, expr: up((}", "4: A: expr: 1:3: parse error: unclosed"),
        ("{alert: A, expr: up, fore: 5m}", "4: unknown key \"fore\" in a rule; did you mean \"for\"?"),
        ("{alert: A, expr: up, for: 5}", "4: for: \"5\" has no unit; write 5s or 5m"),
        ("{alert: A, record: b, expr: up}", "4: a rule has either `record:` or `alert:`, not both"),
        ("{expr: up}", "4: a rule needs `record:` or `alert:`"),
        ("{alert: A}", "4: A: there is no expr"),
        ("{record: a-b, expr: up}", "4: \"a-b\" is not a name for a metric"),
        ("{record: a, expr: up, for: 5m}", "4: a: a recording rule has no for"),
        ("{alert: A, expr: up, labels: {a-b: c}}", "4: labels: \"a-b\" is not a name for a label"),
        (
            "{alert: A, expr: up, annotations: {s: '{{ nope $value }}'}}",
            "4: annotations.s: the function \"nope\" is not supported in templates",
        ),
        ("[1, 2]", "4: expected a rule, found a list"),
    ] {
        let file = read("r.yml", &rule(text), 60_000, &check);
        assert_eq!(show(&file), [want], "{text}");
        assert_eq!(file.groups[0].rules.len(), 1, "{text}");
    }
    for (text, want) in [
        ("groups:\n- name: g\n- name: g\n", "3: the group \"g\" is here for the second time, and left out"),
        ("group: []\n", "1: unknown key \"group\"; did you mean \"groups\"?"),
        ("groups:\n- rules: []\n", "2: a group needs a name"),
        ("- a\n", "1: a rule file begins with `groups:`"),
    ] {
        assert_eq!(show(&read("r.yml", text, 60_000, &check))[0], want, "{text}");
    }
    assert!(!read("r.yml", "groups: [", 1, &check).is_readable);
    assert!(read("r.yml", "", 1, &check).is_readable);
}
