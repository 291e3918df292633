//! Scripts: alerts in, notifications out, over days, with restarts. A line with a time lets it pass until then and tells
//! what was told at that time; `+ LABELS` fires an alert, `- LABELS` ends it.

use super::super::config;
use super::super::outbox::{Outbox, Outcome};
use super::*;
use model::time::parse_duration_ms;

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
    let (config, problems) = config::read("am.yml", CONFIG);
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
            "restart" => {
                // What fires is told again by its rules; what was told is remembered.
                let firing: Vec<Alert> =
                    notifier.alerts.values().filter(|a| !a.is_resolved(now)).cloned().collect();
                let told = notifier.told.clone();
                let silences = notifier.silences.clone();
                notifier = Notifier::new(config.clone());
                told.into_iter().for_each(|(k, t)| notifier.remember(k, t));
                silences.into_iter().for_each(|s| notifier.silence(s, now).unwrap());
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
        4h
    ");
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
        2h
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

/// A generator of numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What a receiver has heard.
#[derive(Default)]
struct Receiver {
    /// The last state of each alert: fires or not.
    known: BTreeMap<u64, bool>,
    taken: BTreeMap<String, usize>,
}

/// A thousand runs of some hours: alerts come and go, receivers fail in every way, the process is killed at any point
/// between two writes. In the end each receiver knows what fires and what does not, and has got nothing twice more often
/// than something failed.
#[test]
fn whatever_fails_nothing_is_missed() {
    let (config, _) = config::read("am.yml", CONFIG);
    let config = Arc::new(config.unwrap());
    let (mut delivered, mut killed, mut doubled) = (0, 0, 0);
    for seed in 1..=1_000_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut file: Vec<String> = Vec::new();
        let mut receivers: BTreeMap<String, Receiver> = BTreeMap::new();
        let (mut notifier, mut outbox) = (Notifier::new(config.clone()), Outbox::default());
        let mut fires: BTreeMap<Labels, i64> = BTreeMap::new();
        let mut faults = 0;
        let (mut now, calm_from) = (0_i64, 2 * 3_600_000_i64);
        // After two hours nothing fails any more: everything has to arrive.
        while now < calm_from + 1_800_000 {
            now += 30_000;
            let is_calm = now >= calm_from;
            if !is_calm && random.below(7) == 0 {
                let name = format!("alertname=A{} host={} severity=none", random.below(3), random.below(3));
                let labels = labels(&name);
                let alert = match fires.remove(&labels) {
                    Some(since) => {
                        Alert { starts_at_ms: since, ends_at_ms: Some(now), labels, ..Alert::default() }
                    }
                    None => {
                        fires.insert(labels.clone(), now);
                        Alert { starts_at_ms: now, labels, ..Alert::default() }
                    }
                };
                notifier.put(alert, now);
            }
            let mut is_killed = false;
            let decided = notifier.step(now);
            let lines = outbox.queue(decided);
            // Killed before the write: as if nothing had been decided.
            if !is_calm && !lines.is_empty() && random.below(30) == 0 {
                is_killed = true;
            } else {
                file.extend(lines);
            }
            for n in if is_killed { Vec::new() } else { outbox.take_due(now) } {
                let outcome = match random.below(if is_calm { 1 } else { 6 }) {
                    0..=2 => Outcome::Taken,
                    3 => Outcome::Later("it answers 503".into()),
                    // The receiver took it, but its answer was lost.
                    4 => {
                        faults += 1;
                        take(&mut receivers, &n);
                        Outcome::Later("no answer".into())
                    }
                    _ => {
                        // Killed between the delivery and the note of it.
                        faults += 1;
                        take(&mut receivers, &n);
                        is_killed = true;
                        break;
                    }
                };
                if outcome == Outcome::Taken {
                    take(&mut receivers, &n);
                    delivered += 1;
                }
                file.extend(outbox.settle(&n.id, outcome, now));
            }
            if is_killed {
                killed += 1;
                let (kept, told, damaged) = Outbox::replay(file.iter().map(String::as_str));
                assert_eq!(damaged, 0);
                outbox = kept;
                notifier = Notifier::new(config.clone());
                told.into_iter().for_each(|(k, t)| notifier.remember(k, t));
                now += 30_000;
                for (labels, since) in &fires {
                    notifier
                        .put(Alert { labels: labels.clone(), starts_at_ms: *since, ..Alert::default() }, now);
                }
                // Rules say of what fired before, and does not any more, that it is over.
                for host in 0..9 {
                    let labels = labels(&format!("alertname=A{} host={} severity=none", host / 3, host % 3));
                    if !fires.contains_key(&labels) {
                        let over =
                            Alert { labels, starts_at_ms: now, ends_at_ms: Some(now), ..Alert::default() };
                        notifier.put(over, now);
                    }
                }
            }
        }
        assert_eq!(outbox.waiting().count(), 0, "seed {seed}");
        let want: BTreeSet<u64> = fires.keys().map(fingerprint).collect();
        let team = receivers.entry("team".into()).or_default();
        let knows: BTreeSet<u64> = team.known.iter().filter(|(_, f)| **f).map(|(p, _)| *p).collect();
        assert_eq!(knows, want, "seed {seed}");
        let twice: usize = team.taken.values().map(|n| n - 1).sum();
        assert!(twice <= faults, "seed {seed}: {twice} duplicates of {faults} faults");
        doubled += twice;
    }
    assert!(
        delivered > 10_000 && killed > 1_000 && doubled > 100,
        "{delivered} {killed} {doubled}: too little happened"
    );
}

fn take(receivers: &mut BTreeMap<String, Receiver>, n: &Notification) {
    let receiver = receivers.entry(n.receiver.clone()).or_default();
    *receiver.taken.entry(n.id.clone()).or_default() += 1;
    for alert in &n.alerts {
        receiver.known.insert(fingerprint(&alert.labels), !alert.is_resolved(n.at_ms));
    }
}
