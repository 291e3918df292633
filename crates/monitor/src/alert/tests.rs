//! Scripts: each line is an evaluation. Rows of the condition stand left of the first bar, the alerts that follow from
//! them between the bars, and how the monitor is right of the last.

use super::*;
use crate::saved;
use crate::template::Template;
use model::time::parse_duration_ms;

/// `NAME=VALUE` rows; `-` is none with data, `nothing` is none without, `error` cannot be evaluated.
fn seen(text: &str, enough: Option<&str>) -> Result<Seen, String> {
    let row = |word: &str| {
        let (name, value) = word.split_once('=').unwrap();
        (Labels::from_pairs([("__name__", "m"), ("x", name)]).unwrap(), value.parse().unwrap())
    };
    let enough = enough.map(|names| {
        let guard = |name: &str| (Labels::from_pairs([("x", name)]).unwrap(), 1.0);
        names.split_whitespace().map(guard).collect()
    });
    match text {
        "error" => Err("the query took too long".into()),
        "nothing" => Ok(Seen { rows: Vec::new(), enough, series: 0 }),
        "-" => Ok(Seen { rows: Vec::new(), enough, series: 3 }),
        rows => Ok(Seen { rows: rows.split_whitespace().map(row).collect(), enough, series: 3 }),
    }
}

fn show(state: &RuleState) -> String {
    let one = |a: &Active| format!("{} {}", a.labels.get("x"), a.state.as_str());
    let blind = state.blind().map(|a| format!("blind {}", a.state.as_str()));
    state.alerts().map(one).chain(blind).collect::<Vec<_>>().join(", ")
}

fn run(script: &str) {
    let mut alerting = Alerting {
        annotations: vec![("s".into(), Template::parse("{{ $value }}").unwrap())],
        ..Alerting::default()
    };
    let (mut state, mut limit, mut now) = (RuleState::default(), 0, 1_000_000_000);
    let mut base = now;
    for (number, line) in script.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let ms = |text: &str| parse_duration_ms(text).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "for" => alerting.for_ms = ms(words[1]),
            "keep" => alerting.keep_firing_for_ms = ms(words[1]),
            "limit" => limit = words[1].parse().unwrap(),
            "blind" => alerting.blind_for_ms = Some(ms(words[1])),
            "clock" => {
                let by = ms(&words[1][1..]) * if words[1].starts_with('-') { -1 } else { 1 };
                state.shift(by);
                base += by;
            }
            "restart" => {
                let json = saved::to_json(&state).unwrap_or_else(|| "[]".parse().unwrap());
                let begin = now + ms(words[1]);
                state = saved::from_json(&json, now, begin).unwrap();
            }
            at => {
                now = base + ms(at);
                let parts: Vec<&str> = line.trim()[at.len()..].split('|').map(str::trim).collect();
                let (rows, guard) = match parts[0].split_once(" enough") {
                    Some((rows, guard)) => (rows.trim(), Some(guard)),
                    None => (parts[0], None),
                };
                let rule = Rule {
                    name: "A".into(),
                    expr: "m".into(),
                    labels: Vec::new(),
                    kind: crate::Kind::Alerting(alerting.clone()),
                    line: 1,
                };
                let around = Around { external_url: "", ask: &|_| Ok(Vec::new()) };
                state.step(&rule, limit, now, seen(rows, guard), around);
                assert_eq!(show(&state), parts[1], "line {}: {line}\n{script}", number + 1);
                assert_eq!(state.judgement().as_str(), parts[2], "line {}: {line}\n{script}", number + 1);
            }
        }
    }
}

#[test]
fn pending_firing_resolved() {
    run("
        for 2m
        0m  -          |                             | fine
        1m  a=1        | a pending                   | pending
        2m  a=1 b=1    | a pending, b pending        | pending
        3m  a=2        | a firing                    | firing
        4m  a=2 b=1    | a firing, b pending         | firing
        5m  b=1        | a inactive, b pending       | pending
        6m  b=1        | a inactive, b firing        | firing
        7m  -          | a inactive, b inactive      | fine
        21m -          | b inactive                  | fine
        23m a=1        | a pending                   | pending
    ");
}

#[test]
fn without_for_it_fires_at_once_and_keep_firing_for_bridges_gaps() {
    run("
        keep 2m
        0m  a=1        | a firing                    | firing
        1m  -          | a firing                    | firing
        2m  a=1        | a firing                    | firing
        3m  -          | a firing                    | firing
        4m  -          | a firing                    | firing
        5m  -          | a inactive                  | fine
        6m  a=1        | a firing                    | firing
    ");
}

#[test]
fn what_is_not_known_is_not_fine() {
    run("
        for 1m
        0m  nothing    |                             | no_data
        1m  a=1        | a pending                   | pending
        2m  error      | a pending                   | cannot_judge
        3m  a=1        | a firing                    | firing
        4m  error      | a firing                    | cannot_judge
        5m  nothing    | a inactive                  | no_data
        6m  -          | a inactive                  | fine
    ");
}

#[test]
fn one_failed_request_pages_nobody() {
    run("
        for 1m
        0m  a=1 b=1 enough b | b pending                   | pending
        1m  a=1 b=1 enough b | b firing                    | firing
        2m  a=1 enough       | b inactive                  | too_little
        3m  - enough         | b inactive                  | too_little
        4m  - enough a       | b inactive                  | fine
        5m  a=1 enough a     | a pending, b inactive       | pending
        6m  a=1 enough a     | a firing, b inactive        | firing
        7m  a=1 enough       | a firing, b inactive        | firing
        8m  - enough         | a inactive, b inactive      | too_little
    ");
}

#[test]
fn restarts_neither_fire_nor_forget() {
    run("
        for 5m
        0m  a=1        | a pending                   | pending
        3m  a=1        | a pending                   | pending
        restart 10m
        13m a=1        | a pending                   | pending
        14m a=1        | a pending                   | pending
        15m a=1        | a firing                    | firing
        restart 3h
        200m a=1       | a firing                    | firing
        restart 1m
        202m -         | a inactive                  | fine
        203m b=1       | a inactive, b pending       | pending
        restart 2h
        330m b=1       | b pending                   | pending
        334m b=1       | b pending                   | pending
        335m b=1       | b firing                    | firing
    ");
}

#[test]
fn a_clock_that_is_set_neither_fires_nor_delays() {
    run("
        for 5m
        0m  a=1        | a pending                   | pending
        1m  a=1        | a pending                   | pending
        clock +1h
        2m  a=1        | a pending                   | pending
        5m  a=1        | a firing                    | firing
        6m  b=1        | a inactive, b pending       | pending
        clock -3h
        7m  b=1        | a inactive, b pending       | pending
        11m b=1        | a inactive, b firing        | firing
    ");
}

#[test]
fn too_many_alerts_are_none_and_said() {
    run("
        limit 2
        0m  a=1 b=1     | a firing, b firing          | firing
        1m  a=1 b=1 c=1 |                             | cannot_judge
        2m  a=1         | a firing                    | firing
    ");
}

#[test]
fn a_monitor_that_judged_and_sees_nothing_any_more_is_told_of() {
    run("
        blind 10m
        for 5m
        0m  nothing |                            | no_data
        30m nothing |                            | no_data
        31m -       |                            | fine
        32m nothing | blind pending              | no_data
        41m nothing | blind pending              | no_data
        42m nothing | blind firing               | no_data
        restart 1m
        44m error   | blind firing               | cannot_judge
        45m a=1     | a pending                  | pending
        46m error   | a pending, blind pending   | cannot_judge
        50m -       |                            | fine
        51m nothing | blind pending              | no_data
        clock +1h
        52m nothing | blind pending              | no_data
        restart 3m
        56m nothing | blind pending              | no_data
        64m nothing | blind firing               | no_data
    ");
    // One that cannot be evaluated from the start is broken itself.
    run("
        blind 10m
        0m  error   | blind pending              | cannot_judge
        10m error   | blind firing               | cannot_judge
    ");
    run("
        0m  -       |                            | fine
        30m nothing |                            | no_data
    ");
}

#[test]
fn days_of_one_monitor() {
    // A daily peak of ten minutes for three weeks: it fires each day after five, and is fine in between.
    let alerting = Alerting { for_ms: 300_000, ..Alerting::default() };
    let rule = Rule {
        name: "A".into(),
        expr: "m".into(),
        labels: Vec::new(),
        kind: crate::Kind::Alerting(alerting),
        line: 1,
    };
    let mut state = RuleState::default();
    let around = Around { external_url: "", ask: &|_| Ok(Vec::new()) };
    let (mut fired, mut resolved) = (Vec::new(), 0);
    for minute in 0..21 * 1440_i64 {
        let rows = if (600..610).contains(&(minute % 1440)) { "a=1" } else { "-" };
        for change in state.step(&rule, 0, minute * 60_000, seen(rows, None), around) {
            match change.to {
                AlertState::Firing => fired.push(minute % 1440),
                AlertState::Resolved => resolved += 1,
                AlertState::Pending => {}
            }
        }
        if minute % 997 == 0 {
            let json = saved::to_json(&state).unwrap_or_else(|| "[]".parse().unwrap());
            state = saved::from_json(&json, minute * 60_000, minute * 60_000 + 1_000).unwrap();
        }
    }
    assert_eq!((fired, resolved), (vec![605; 21], 21));
}

#[test]
fn labels_annotations_and_series() {
    let mut state = RuleState::default();
    let text = |t: &str| Template::parse(t).unwrap();
    let alerting = Alerting {
        annotations: vec![("summary".into(), text("{{ $labels.x }} is {{ $value }}"))],
        ..Alerting::default()
    };
    let mut rule = Rule {
        name: "Hot".into(),
        expr: "m".into(),
        labels: vec![("severity".into(), text("{{ if gt $value 5.0 }}page{{ else }}ticket{{ end }}"))],
        kind: crate::Kind::Alerting(alerting),
        line: 1,
    };
    let around = Around { external_url: "", ask: &|_| Ok(Vec::new()) };
    state.step(&rule, 0, 90_500, seen("a=7.5", None), around);
    let alert = state.alerts().next().unwrap();
    assert_eq!(alert.labels.to_string(), r#"{alertname="Hot", severity="page", x="a"}"#);
    assert_eq!(alert.annotations, [("summary".to_string(), "a is 7.5".to_string())]);
    let series: Vec<String> = state.series().iter().map(|(l, v)| format!("{l} {v}")).collect();
    assert_eq!(
        series,
        [
            r#"ALERTS{alertname="Hot", alertstate="firing", severity="page", x="a"} 1"#,
            r#"ALERTS_FOR_STATE{alertname="Hot", severity="page", x="a"} 90"#,
        ]
    );
    // Two rows that the rule's labels make the same cannot be told apart.
    rule.labels = vec![("x".into(), text("one"))];
    state.step(&rule, 0, 91_000, seen("a=1 b=1", None), around);
    assert!(matches!(state.judgement(), Judgement::CannotJudge(why) if why.contains("the same labels")));
}
