//! Scripts: alerts in, notifications out, over days, with restarts. A line with a time lets it pass until then and tells
//! what was told at that time; `+ LABELS` fires an alert, `- LABELS` ends it.

use super::super::config;
use super::*;
use model::time::parse_duration_ms;

const PEOPLE: &str = r#"
route:
  receiver: chat
  group_by: [alertname]
  group_wait: 0s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    - matchers: ['team="db"']
      escalation: db
    - matchers: ['team="web"']
      receiver: web
    - matchers: ['team="office"']
      receiver: log
      active_time_intervals: [office]
receivers:
  - {name: chat, webhook_configs: [{url: 'http://127.0.0.1:1/c'}]}
  - {name: lead, webhook_configs: [{url: 'http://127.0.0.1:1/l'}]}
  - {name: log, webhook_configs: [{url: 'http://127.0.0.1:1/o'}]}
  - {name: ada, webhook_configs: [{url: 'http://127.0.0.1:1/a'}]}
  - {name: bob, webhook_configs: [{url: 'http://127.0.0.1:1/b'}]}
  - {name: web, oncall_configs: [{rota: web}]}
people:
  - {name: Ada, receiver: ada}
  - {name: Bob, receiver: bob}
rotas:
  - name: web
    layers: [{people: [Ada, Bob], start: '1970-01-01 00:00', every: 12h}]
escalations:
  - name: db
    steps:
      - receivers: [chat]
      - {after: 10m, receivers: [lead, chat]}
    repeat: 1
    repeat_after: 20m
time_intervals:
  - name: office
    time_intervals: [{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday']}]
"#;

const CONFIG: &str = r#"
route:
  receiver: team
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    - matchers: ['severity="page"']
      receiver: pager
      group_wait: 0s
      continue: true
    - matchers: ['severity="page"']
      receiver: log
      group_wait: 0s
      group_by: ['...']
    - matchers: ['team=~"db|cache"', 'env!="test"']
      receiver: dba
receivers:
  - name: team
    webhook_configs: [{url: 'http://127.0.0.1:1/t'}]
  - name: pager
    webhook_configs: [{url: 'http://127.0.0.1:1/p', send_resolved: false}]
  - name: log
    webhook_configs: [{url: 'http://127.0.0.1:1/l'}]
  - name: dba
    webhook_configs: [{url: 'http://127.0.0.1:1/d'}]
inhibit_rules:
  - source_matchers: ['severity="page"']
    target_matchers: ['severity="warn"']
    equal: [host]
"#;

fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split_whitespace().map(|p| p.split_once('=').unwrap())).unwrap()
}

fn show(n: &Notification) -> String {
    let names = |list: Vec<&Alert>| -> Vec<String> {
        list.iter().map(|a| format!("{}{}", a.labels.get("alertname"), a.labels.get("host"))).collect()
    };
    let (firing, over) = (names(n.firing().collect()), names(n.resolved().collect()));
    let over = if over.is_empty() { String::new() } else { format!(" over:{}", over.join(",")) };
    format!("{} {} {}{over}", n.receiver, n.why.as_str(), firing.join(",")).trim().replace("  ", " ")
}

fn run(script: &str) {
    run_with(CONFIG, script);
}

fn run_with(config: &str, script: &str) {
    let (config, problems) = config::read("am.yml", config);
    assert_eq!(problems, []);
    let config = Arc::new(config.unwrap());
    let mut notifier = Notifier::new(config.clone());
    let mut now = 0;
    for (number, line) in script.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let alert =
            |ends_at_ms| Alert { labels: labels(rest), starts_at_ms: now, ends_at_ms, ..Alert::default() };
        match word {
            "+" => notifier.put(alert(None), now),
            "-" => notifier.put(alert(Some(now)), now),
            "silence" => {
                let (length, matcher) = rest.split_once(' ').unwrap();
                let silence = Silence {
                    id: "s".into(),
                    matchers: vec![super::super::matchers::parse_one(matcher).unwrap()],
                    starts_at_ms: now,
                    ends_at_ms: now + parse_duration_ms(length).unwrap(),
                    author: "ada".into(),
                    reason: "moving".into(),
                    updated_at_ms: now,
                };
                notifier.silence(silence, now).unwrap();
            }
            "ack" => {
                let wanted = labels(rest);
                notifier.acknowledge(|l| wanted.iter().all(|(n, v)| l.get(n) == v), "ada", "", now);
            }
            "unack" => {
                notifier.unacknowledge(|_| true);
            }
            "restart" => {
                // What fires is told again by its rules; what was told is remembered.
                let firing: Vec<Alert> =
                    notifier.alerts.values().filter(|a| !a.is_resolved(now)).cloned().collect();
                let told = notifier.told.clone();
                let silences = notifier.silences.clone();
                let (acks, progress) = (notifier.acks.clone(), notifier.escalated.clone());
                notifier = Notifier::new(config.clone());
                told.into_iter().for_each(|(k, t)| notifier.remember(k, t, now));
                silences.into_iter().for_each(|s| notifier.silence(s, now).unwrap());
                acks.into_values().for_each(|a| notifier.remember_ack(a));
                progress.into_iter().for_each(|(k, p)| notifier.remember_progress(k, p));
                firing.into_iter().for_each(|a| notifier.put(a, now));
            }
            at => {
                let until = parse_duration_ms(at).unwrap();
                let mut told = Vec::new();
                while now <= until {
                    told.extend(notifier.step(now).notifications.iter().map(show));
                    now += 1_000;
                }
                now = until;
                assert_eq!(told.join("; "), rest.trim(), "line {}: {line}\n{script}", number + 1);
                now += 1_000;
            }
        }
    }
}

#[test]
fn a_group_waits_tells_what_changes_and_repeats() {
    run("
        + alertname=A host=1
        20s
        + alertname=A host=2
        40s    team new A1,A2
        + alertname=A host=3
        4m
        6m     team new A1,A2,A3
        - alertname=A host=2
        12m    team fewer A1,A3 over:A2
        4h5m
        4h15m  team repeat A1,A3
        - alertname=A host=1
        - alertname=A host=3
        4h25m  team resolved over:A1,A3
        40h
        + alertname=A host=1
        41h    team new A1
    ");
}

#[test]
fn routes_and_who_does_not_want_to_hear_of_the_end() {
    run("
        + alertname=A severity=page host=1
        10s    log new A1; pager new A1
        + alertname=B team=db env=prod
        50s    dba new B
        + alertname=C team=db env=test
        2m     team new C
        - alertname=A severity=page host=1
        20m    log resolved over:A1
        + alertname=A severity=page host=1
        21m    log new A1; pager new A1
    ");
}

#[test]
fn silences_and_inhibition() {
    run("
        + alertname=P severity=page host=1
        + alertname=W severity=warn host=1
        + alertname=W severity=warn host=2
        1m     log new P1; pager new P1; team new W2
        - alertname=P severity=page host=1
        12m    log resolved over:P1; team new W1,W2
        silence 1h host=2
        + alertname=S host=2
        2h     team new S2
        silence 1h alertname=S
        - alertname=S host=2
        2h50m
        3h10m  team resolved over:S2
        + alertname=S host=2
        3h20m  team new S2
    ");
}

#[test]
fn steps_go_on_until_somebody_takes_care() {
    run_with(
        PEOPLE,
        "
        + alertname=A team=db
        10s    chat new A
        9m
        11m    chat escalated A; lead escalated A
        29m
        31m    chat escalated A
        41m    chat escalated A; lead escalated A
        4h
        - alertname=A team=db
        5h     chat resolved over:A; lead resolved over:A
    ",
    );
    run_with(
        PEOPLE,
        "
        + alertname=A team=db host=1
        1m     chat new A1
        ack alertname=A
        restart
        5h
        + alertname=A team=db host=2
        5h6m   chat new A1,A2
        - alertname=A team=db host=2
        5h20m  chat fewer A1 over:A2
        7h
        - alertname=A team=db host=1
        8h     chat resolved over:A1
        + alertname=A team=db host=1
        8h5m   chat new A1
        restart
        8h13m  chat escalated A1; lead escalated A1
    ",
    );
}

#[test]
fn an_acknowledged_alert_is_repeated_to_nobody() {
    run_with(
        PEOPLE,
        "
        + alertname=A
        1m     chat new A
        ack alertname=A
        9h
        unack
        9h6m   chat repeat A
        ack alertname=A
        - alertname=A
        10h    chat resolved over:A
        + alertname=A
        11h    chat new A
        16h    chat repeat A
    ",
    );
}

#[test]
fn whoever_is_on_call_is_told_and_a_hand_over_tells_the_next() {
    run_with(
        PEOPLE,
        "
        + alertname=A team=web
        1m      ada new A
        3h59m
        11h     ada repeat A; ada repeat A
        12h5m   bob new A
        - alertname=A team=web
        13h     bob resolved over:A; ada resolved over:A
    ",
    );
}

#[test]
fn outside_the_hours_of_a_route_nothing_is_lost() {
    // The first day is a Thursday.
    run_with(
        PEOPLE,
        "
        + alertname=A team=office
        8h59m
        9h10m   log new A
        16h59m  log repeat A
        17h1m
        - alertname=A team=office
        32h
        33h10m  log resolved over:A
        + alertname=B team=office
        - alertname=B team=office
        40h
    ",
    );
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    run("
        + alertname=A host=1
        40s    team new A1
        restart
        10m
        restart
        - alertname=A host=1
        20m    team resolved over:A1
        restart
        21m
        + alertname=A host=1
        restart
        23m    team new A1
        silence 1h alertname=A
        restart
        50m
        - alertname=A host=1
        1h20m
        2h     team resolved over:A1
    ");
}

#[test]
fn what_ended_unheard_is_told_to_nobody() {
    run("
        - alertname=A host=1
        5m
        + alertname=A host=1
        5m10s
        - alertname=A host=1
        20m
    ");
}
