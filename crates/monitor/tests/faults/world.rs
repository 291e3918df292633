//! The made-up world: what is true, receivers with their faults, a disk, two clocks, and whoever kills the process.

use super::process::{Flight, INTERVAL_MS, Process};
use model::Labels;
use monitor::Group;
use monitor::alert::{BLIND, STATE_LABEL, Seen};
use monitor::notify::config::{self, Config};
use monitor::notify::dispatch::{Notification, Notifier};
use monitor::notify::outbox::Outcome;
use monitor::notify::silence::Silence;
use monitor::notify::{fingerprint, matchers};
use std::collections::BTreeMap;
use std::sync::Arc;

pub const TICK_MS: i64 = 10_000;
/// How long things fail, and how long everything is well after that.
const STORM_MS: i64 = 4 * 3_600_000;
const CALM_MS: i64 = 3_600_000;
pub const RULES: usize = 2;
const HOSTS: usize = 3;
/// When it begins, at a time of evaluation.
const START_MS: i64 = 1_700_000_000_000 / INTERVAL_MS * INTERVAL_MS;
/// How long the program waits for an answer.
const TIMEOUT_MS: i64 = 20_000;

const NOTIFICATIONS: &str = r#"
route:
  receiver: team
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
  routes:
    - matchers: ['alertname="R1"']
      receiver: pager
      group_wait: 0s
      group_by: ['...']
receivers:
  - name: team
    webhook_configs: [{url: 'http://127.0.0.1:1/t'}, {url: 'http://127.0.0.1:1/u'}]
  - name: pager
    webhook_configs: [{url: 'http://127.0.0.1:1/p'}]
"#;
pub const REPEAT_MS: i64 = 3_600_000;

const RULE_FILE: &str = r#"
groups:
- name: g
  rules:
  - {alert: R0, expr: m > 1, for: 1m, labels: {severity: ticket}}
  - {alert: R1, expr: n > 1, for: 1m, labels: {severity: page}, annotations: {summary: 'it is {{ $value }}'}}
"#;

/// The process is gone.
pub struct Killed;

/// A generator of numbers, the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[derive(Default)]
pub struct Disk {
    pub outbox: String,
    pub alerts: String,
    pub silences: Vec<Silence>,
    pub is_full: bool,
}

/// How a receiver fails for a while.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// No connection.
    Down,
    /// 503, nothing was taken.
    Errors,
    /// It takes what it gets, and its answer comes too late.
    Slow,
    /// Nothing arrives.
    Partition,
    /// It takes what it gets, and the connection breaks before its answer.
    NoAnswer,
}

pub struct Receiver {
    fault: Fault,
    until_ms: i64,
    /// What it took, in order.
    pub taken: Vec<Notification>,
    /// Deliveries whose sender could not know of them.
    pub unheard: usize,
}

/// What a rule's data is like.
#[derive(Clone, Copy, PartialEq)]
enum Data {
    There,
    Absent,
    Error,
}

/// How one thing was from a time on; `None`: nobody can know.
pub type Truth = Vec<(i64, Option<bool>)>;

pub struct World {
    pub seed: u64,
    random: Random,
    pub true_ms: i64,
    offset_ms: i64,
    pub disk: Disk,
    pub receivers: BTreeMap<String, Receiver>,
    met: [[bool; HOSTS]; RULES],
    data: [Data; RULES],
    /// By fingerprint of labels: the rule, and what was true.
    pub truth: BTreeMap<u64, (usize, Truth)>,
    /// When which rule was silenced.
    pub silenced: Vec<(usize, i64, i64)>,
    /// When the process was killed, and when the next one started.
    pub kills: Vec<(i64, i64)>,
    pub steps: Vec<i64>,
    pub full: Vec<(i64, i64)>,
    pub torn: usize,
    /// True time of each decision, by id.
    pub decided: BTreeMap<String, i64>,
    is_calm: bool,
}

fn labels(rule: usize, host: Option<usize>) -> Labels {
    let base = Labels::default()
        .with("alertname", &format!("R{rule}"))
        .with("severity", if rule == 0 { "ticket" } else { "page" });
    match host {
        Some(host) => base.with("host", &host.to_string()),
        None => base.with(STATE_LABEL, BLIND),
    }
}

impl World {
    pub fn new(seed: u64) -> World {
        let receiver = || Receiver { fault: Fault::None, until_ms: 0, taken: Vec::new(), unheard: 0 };
        World {
            seed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            true_ms: START_MS,
            offset_ms: 0,
            disk: Disk::default(),
            receivers: ["team/0", "team/1", "pager/0"].map(|n| (n.to_string(), receiver())).into(),
            met: [[false; HOSTS]; RULES],
            data: [Data::There; RULES],
            truth: BTreeMap::new(),
            silenced: Vec::new(),
            kills: Vec::new(),
            steps: Vec::new(),
            full: Vec::new(),
            torn: 0,
            decided: BTreeMap::new(),
            is_calm: false,
        }
    }

    pub fn wall_ms(&self) -> i64 {
        self.true_ms + self.offset_ms
    }

    /// Runs the scenario to its end.
    pub fn run(&mut self) {
        let (config, problems) = config::read("am.yml", NOTIFICATIONS);
        assert_eq!(problems, []);
        let config: Arc<Config> = Arc::new(config.unwrap());
        let group: Group =
            monitor::read::read("rules.yml", RULE_FILE, 20_000, &|_| Ok(())).groups.swap_remove(0);
        let begin_ms = self.true_ms;
        let mut process = Some(Process::start(self, config.clone(), &group));
        // A little longer for what is just under way.
        let (end_ms, last_ms) = (begin_ms + STORM_MS + CALM_MS, begin_ms + STORM_MS + CALM_MS + 20 * TICK_MS);
        let is_idle = |p: &Option<Process>| p.as_ref().is_some_and(Process::is_idle);
        while self.true_ms < end_ms || (!is_idle(&process) && self.true_ms < last_ms) {
            self.true_ms += TICK_MS;
            self.is_calm = self.true_ms >= begin_ms + STORM_MS;
            self.change();
            let next_start = self.kills.last().map_or(0, |(_, start)| *start);
            let running = match &mut process {
                Some(running) => running,
                None if self.true_ms < next_start => continue,
                none => none.insert(Process::start(self, config.clone(), &group)),
            };
            if running.tick(self, &group).is_err() {
                let down_ms = TICK_MS * (1 + self.random.below(40) as i64);
                self.kills.push((self.true_ms, self.true_ms + down_ms));
                process = None;
            }
        }
        assert!(is_idle(&process), "seed {}: something waits in the end", self.seed);
    }

    /// Lets the world change, and notes what is true.
    fn change(&mut self) {
        let ticks_of_hour = 3_600_000 / TICK_MS as u64;
        if !self.is_calm {
            for rule in 0..RULES {
                for host in 0..HOSTS {
                    let often = if self.met[rule][host] { 3 } else { 2 };
                    self.met[rule][host] ^= self.random.below(ticks_of_hour) < often;
                }
                // A monitor that never judged is not called blind.
                if self.true_ms > START_MS + 600_000 && self.random.below(ticks_of_hour) < 2 {
                    let kinds = [Data::There, Data::There, Data::Absent, Data::Error];
                    self.data[rule] = kinds[self.random.below(4) as usize];
                }
            }
            // Clocks are set by up to two days, rarely.
            if self.random.below(2 * ticks_of_hour) == 0 {
                let by_ms = (self.random.below(345_600) as i64 - 172_800) * 1_000 + 5_000;
                self.offset_ms += if self.random.below(2) == 0 { by_ms / 48 } else { by_ms };
                self.steps.push(self.true_ms);
            }
            if self.random.below(2 * ticks_of_hour) == 0 && !self.disk.is_full {
                self.disk.is_full = true;
                self.full.push((self.true_ms, i64::MAX));
            }
        }
        if self.disk.is_full && (self.is_calm || self.random.below(30) == 0) {
            self.disk.is_full = false;
            self.full.last_mut().unwrap().1 = self.true_ms;
        }
        let (is_calm, now_ms) = (self.is_calm, self.true_ms);
        for receiver in self.receivers.values_mut() {
            if is_calm || now_ms >= receiver.until_ms {
                receiver.fault = Fault::None;
                let which = self.random.below(ticks_of_hour / 2);
                let faults = [Fault::Down, Fault::Errors, Fault::Slow, Fault::Partition, Fault::NoAnswer];
                if let Some(fault) = faults.get(which as usize).filter(|_| !is_calm) {
                    receiver.fault = *fault;
                    receiver.until_ms = now_ms + TICK_MS * (1 + self.random.below(120) as i64);
                }
            }
        }
        self.note_truth();
    }

    fn note_truth(&mut self) {
        let now_ms = self.true_ms;
        let mut note = |rule: usize, host: Option<usize>, is: Option<bool>| {
            let known = self.truth.entry(fingerprint(&labels(rule, host))).or_insert((rule, Vec::new()));
            if known.1.last().is_none_or(|(_, last)| *last != is) {
                known.1.push((now_ms, is));
            }
        };
        for rule in 0..RULES {
            let data = self.data[rule];
            for host in 0..HOSTS {
                note(
                    rule,
                    Some(host),
                    (data != Data::Error).then_some(data == Data::There && self.met[rule][host]),
                );
            }
            note(rule, None, Some(data != Data::There));
        }
    }

    /// What a rule's condition gives.
    pub fn rows(&self, rule: usize) -> Result<Seen, String> {
        let met = self.met[rule].iter().enumerate().filter(|(_, is)| **is);
        let row = |(host, _): (usize, &bool)| (Labels::default().with("host", &host.to_string()), 2.0);
        match self.data[rule] {
            Data::There => Ok(Seen { rows: met.map(row).collect(), enough: None, series: HOSTS }),
            Data::Absent => Ok(Seen::default()),
            Data::Error => Err("too slow".into()),
        }
    }

    /// A point at which the process may be killed.
    pub fn step(&mut self) -> Result<(), Killed> {
        if !self.is_calm && self.random.below(700) == 0 { Err(Killed) } else { Ok(()) }
    }

    /// Appends to the outbox; a kill leaves any part of it.
    pub fn append(&mut self, text: &str) -> Result<(), Killed> {
        if !self.is_calm && self.random.below(150) == 0 {
            let mut cut = self.random.below(text.len() as u64) as usize;
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            self.disk.outbox += &text[..cut];
            self.torn += 1;
            return Err(Killed);
        }
        self.disk.outbox += text;
        Ok(())
    }

    pub fn note_decided(&mut self, n: &Notification) {
        self.decided.insert(n.id.clone(), self.true_ms);
    }

    /// Somebody silences a rule now and then.
    pub fn silence_sometimes(&mut self, notifier: &mut Notifier) {
        if self.is_calm || self.random.below(1_500) != 0 {
            return;
        }
        let (rule, length_ms) =
            (self.random.below(RULES as u64) as usize, 60_000 * (5 + self.random.below(40) as i64));
        let now_ms = self.wall_ms();
        let silence = Silence {
            id: format!("{now_ms}"),
            matchers: vec![matchers::parse_one(&format!("alertname=R{rule}")).unwrap()],
            starts_at_ms: now_ms,
            ends_at_ms: now_ms + length_ms,
            author: "ada".into(),
            reason: "a trial".into(),
            updated_at_ms: now_ms,
        };
        notifier.silence(silence.clone(), now_ms).unwrap();
        self.disk.silences.push(silence);
        // A clock that is set lengthens or shortens it: of that time nothing is asked.
        self.silenced.push((rule, self.true_ms, self.true_ms + length_ms));
    }

    /// A request, and when its outcome comes back.
    pub fn send(&mut self, n: Notification) -> Flight {
        let receiver = self.receivers.get_mut(&n.target).unwrap();
        let (outcome, after_ms, is_taken) = match receiver.fault {
            Fault::None => (Outcome::Taken, 0, true),
            Fault::Down => (Outcome::Later("no connection".into()), 0, false),
            Fault::Errors => (Outcome::Later("it answers 503".into()), 0, false),
            Fault::Slow => (Outcome::Later("no answer in time".into()), TIMEOUT_MS, true),
            Fault::Partition => (Outcome::Later("no answer in time".into()), TIMEOUT_MS, false),
            Fault::NoAnswer => (Outcome::Later("it broke off".into()), 0, true),
        };
        let id = n.id.clone();
        if is_taken {
            receiver.unheard += usize::from(outcome != Outcome::Taken);
            receiver.taken.push(n);
        }
        Flight { at_ms: self.true_ms + after_ms, id, outcome }
    }
}
