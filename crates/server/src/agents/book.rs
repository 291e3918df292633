//! What is known of agents and what each is asked for. It reads no clock: time is an argument. It must never grow past its
//! bounds, nor ask an agent twice for one capture.

use super::{AGENTS, name_at};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use stdx::{Error, ErrorKind, Result};
use store::captures::Cause;

/// Agents that are remembered.
pub const AGENTS_MAX: usize = 1_000;
/// Captures that one agent is asked for and has not taken yet; the oldest goes.
const ASKS_MAX: usize = 8;
/// Agents that are asked for one capture.
const ASKED_MAX: usize = 50;
/// One that was not heard of for so long is not asked, and makes room for another one.
const ALIVE_MS: i64 = 120_000;
/// One that was not heard of for so long is forgotten.
const FORGOTTEN_MS: i64 = 7 * 86_400_000;
/// Questions that one agent may ask at once, and how many more each second.
const QUESTIONS: f64 = 30.0;
const QUESTIONS_PER_SECOND: f64 = 1.0;

/// What an agent tells of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Its number, made when its folder was.
    pub id: String,
    /// Its host.
    pub host: String,
    /// Of the program.
    pub version: String,
    /// Captures that it has begun to take.
    pub taken: Vec<String>,
    /// Samples that wait.
    pub buffered_samples: u64,
    /// Of its buffer.
    pub buffer_bytes: u64,
    /// The bound.
    pub buffer_bytes_max: u64,
    /// Samples that went because the buffer was full.
    pub dropped_samples: u64,
    /// About how old the oldest is that waits.
    pub behind_ms: u64,
    /// What it may not read or cannot do, in words.
    pub problems: Vec<String>,
}

/// A capture that an agent is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// How the server calls its own.
    pub capture: String,
    /// How the agent is to call its.
    pub name: String,
    /// Why.
    pub cause: Cause,
    /// When the server was triggered.
    pub trigger_ms: i64,
    /// How long it is to be added to.
    pub after_ms: i64,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it told last.
    pub told: Told,
    /// Where it came from.
    pub address: String,
    /// When it was heard of last, milliseconds since 1970.
    pub last_ms: i64,
    /// It was heard of in the last minutes.
    pub is_alive: bool,
    /// Captures that it was asked for and has not begun.
    pub asks: VecDeque<Ask>,
    /// Another agent calls its host the same.
    pub has_namesake: bool,
    /// What it was asked for, the newest last.
    asked: VecDeque<String>,
    questions: f64,
}

/// Whom a capture concerns.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Everyone.
    All,
    /// Hosts of these names or addresses.
    Hosts(Vec<String>),
}

impl Wanted {
    /// Those that the labels `host`, `instance` or `nodename` name; everyone if there are none.
    pub fn of(cause: &Cause) -> Wanted {
        let labels = ["host", "instance", "nodename", "host_name"];
        let named: Vec<String> = labels
            .iter()
            .filter_map(|name| cause.labels.get(*name))
            .map(|v| without_port(v).to_string())
            .collect();
        if named.is_empty() { Wanted::All } else { Wanted::Hosts(named) }
    }

    fn is(&self, known: &Known) -> bool {
        let Wanted::Hosts(hosts) = self else { return true };
        let host = without_port(&known.told.host);
        let address: Option<IpAddr> = known.address.parse().ok();
        hosts.iter().any(|wanted| {
            let short = |name: &str| name.split('.').next().unwrap_or(name).to_ascii_lowercase();
            let is_name = wanted.eq_ignore_ascii_case(host)
                || (wanted.parse::<IpAddr>().is_err()
                    && (!wanted.contains('.') || !host.contains('.'))
                    && short(wanted) == short(host));
            is_name || wanted.parse::<IpAddr>().is_ok_and(|ip| !ip.is_loopback() && Some(ip) == address)
        })
    }
}

/// `db-7:9100` is `db-7`, `[fe80::1]:80` is `fe80::1`.
fn without_port(text: &str) -> &str {
    if let Some(v6) = text.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => text,
    }
}

/// All agents.
#[derive(Debug, Default)]
pub struct Book {
    agents: BTreeMap<String, Known>,
}

impl Book {
    /// Notes what an agent tells.
    ///
    /// # Errors
    /// `Busy` if there are too many, or it asks too often.
    pub fn hear(&mut self, told: Told, address: String, now_ms: i64) -> Result<()> {
        if let Some(known) = self.agents.get_mut(&told.id) {
            let seconds = (now_ms - known.last_ms).clamp(0, 3_600_000) as f64 / 1000.0;
            known.questions = (known.questions + seconds * QUESTIONS_PER_SECOND).min(QUESTIONS);
            known.last_ms = now_ms;
            if known.questions < 1.0 {
                return Err(Error::new(ErrorKind::Busy, "an agent asks once and waits for the answer"));
            }
            known.questions -= 1.0;
            known.asks.retain(|ask| !told.taken.contains(&ask.capture));
            known.told = told;
            known.address = address;
            return Ok(());
        }
        self.agents.retain(|_, known| now_ms.saturating_sub(known.last_ms) < FORGOTTEN_MS);
        if self.agents.len() >= AGENTS_MAX {
            let oldest = self.agents.iter().min_by_key(|(_, known)| known.last_ms);
            let gone = oldest.filter(|(_, known)| !known.is_heard(now_ms)).map(|(id, _)| id.clone());
            let Some(gone) = gone else {
                let text = format!("there are {AGENTS_MAX} agents already; more need another server");
                return Err(Error::new(ErrorKind::Busy, text).bound(AGENTS));
            };
            self.agents.remove(&gone);
        }
        let known = Known {
            address,
            last_ms: now_ms,
            is_alive: true,
            asks: VecDeque::new(),
            has_namesake: false,
            asked: VecDeque::new(),
            questions: QUESTIONS - 1.0,
            told,
        };
        self.agents.insert(known.told.id.clone(), known);
        Ok(())
    }

    /// What an agent is asked for and has not begun.
    pub fn asks_of(&mut self, id: &str, now_ms: i64) -> Vec<Ask> {
        let Some(known) = self.agents.get_mut(id) else { return Vec::new() };
        // It is there as long as it waits.
        known.last_ms = known.last_ms.max(now_ms);
        known.asks.iter().cloned().collect()
    }

    /// Asks those that are there and wanted; returns their hosts, and how many were left out.
    pub fn ask(
        &mut self,
        capture: &str,
        cause: &Cause,
        after_ms: i64,
        wanted: &Wanted,
        now_ms: i64,
    ) -> (Vec<String>, usize) {
        let (mut hosts, mut left_out, mut asked) = (Vec::new(), 0, 0);
        for known in self.agents.values_mut().filter(|k| k.is_heard(now_ms) && wanted.is(k)) {
            if known.asked.iter().any(|a| a == capture) {
                asked += 1;
                continue;
            }
            if asked + hosts.len() >= ASKED_MAX {
                left_out += 1;
                continue;
            }
            if known.asks.len() >= ASKS_MAX {
                known.asks.pop_front();
                left_out += 1;
            }
            if known.asked.len() >= 2 * ASKS_MAX {
                known.asked.pop_front();
            }
            known.asked.push_back(capture.into());
            let name = name_at(capture, &known.told.host);
            let trigger_ms = cause.at_ms;
            known.asks.push_back(Ask {
                capture: capture.into(),
                name,
                cause: cause.clone(),
                trigger_ms,
                after_ms,
            });
            hosts.push(known.told.host.clone());
        }
        (hosts, left_out)
    }

    /// All of them, by host.
    pub fn list(&self, now_ms: i64) -> Vec<Known> {
        let mut all: Vec<Known> = self.agents.values().cloned().collect();
        let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
        for known in &mut all {
            known.is_alive = known.is_heard(now_ms);
            *hosts.entry(known.told.host.clone()).or_default() += usize::from(known.is_alive);
        }
        for known in &mut all {
            known.has_namesake = known.is_alive && hosts.get(&known.told.host).is_some_and(|n| *n > 1);
        }
        all.sort_by(|a, b| (&a.told.host, &a.told.id).cmp(&(&b.told.host, &b.told.id)));
        all
    }

    /// How many were heard of in the last minutes.
    pub fn alive(&self, now_ms: i64) -> usize {
        self.agents.values().filter(|k| k.is_heard(now_ms)).count()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// The host of an agent.
    pub fn host_of(&self, id: &str) -> Option<String> {
        self.agents.get(id).map(|k| k.told.host.clone())
    }
}

impl Known {
    fn is_heard(&self, now_ms: i64) -> bool {
        // One from the future was heard before the clock was set back.
        now_ms.saturating_sub(self.last_ms) < ALIVE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(n: usize, host: &str) -> Told {
        Told { id: format!("{n:016x}"), host: host.into(), ..Told::default() }
    }

    fn cause(labels: &[(&str, &str)]) -> Cause {
        let labels = labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Cause { kind: "monitor".into(), labels, at_ms: 5, ..Cause::default() }
    }

    fn book() -> Book {
        let mut book = Book::default();
        for (n, host, address) in
            [(1, "web-1", "10.0.0.1"), (2, "web-2.example.org", "10.0.0.2"), (3, "db", "10.0.0.3")]
        {
            book.hear(told(n, host), address.into(), 0).unwrap();
        }
        book
    }

    #[test]
    fn the_labels_of_an_alert_say_who_is_asked() {
        for (labels, want) in [
            (&[][..], &["web-1", "web-2.example.org", "db"][..]),
            (&[("severity", "page")], &["web-1", "web-2.example.org", "db"]),
            (&[("instance", "web-1")], &["web-1"]),
            (&[("instance", "WEB-1:9100")], &["web-1"]),
            (&[("instance", "web-2")], &["web-2.example.org"]),
            (&[("instance", "web-2.elsewhere.org")], &[]),
            (&[("host", "10.0.0.3")], &["db"]),
            (&[("instance", "127.0.0.1:5432")], &[]),
            (&[("instance", "web-1:80"), ("host", "db")], &["web-1", "db"]),
        ] {
            let cause = cause(labels);
            let asked = book().ask("c", &cause, 0, &Wanted::of(&cause), 0).0;
            assert_eq!(asked, want, "{labels:?}");
        }
    }

    #[test]
    fn an_ask_stays_until_the_agent_has_begun_and_comes_once() {
        let mut book = book();
        let all = |book: &mut Book, capture: &str| book.ask(capture, &cause(&[]), 9, &Wanted::All, 0).0.len();
        assert_eq!((all(&mut book, "c1"), all(&mut book, "c1"), all(&mut book, "c2")), (3, 0, 3));
        let id = told(1, "web-1").id;
        let names = |book: &mut Book| book.asks_of(&id, 0).into_iter().map(|a| a.name).collect::<Vec<_>>();
        assert_eq!(names(&mut book), ["c1-at-web-1", "c2-at-web-1"]);
        assert_eq!(names(&mut book).len(), 2, "an answer that got lost is given again");
        book.hear(Told { taken: vec!["c1".into()], ..told(1, "web-1") }, String::new(), 0).unwrap();
        assert_eq!(names(&mut book), ["c2-at-web-1"]);
        assert_eq!(all(&mut book, "c1"), 0, "not once more");
        for n in 0..3 * ASKS_MAX {
            all(&mut book, &format!("more-{n}"));
        }
        assert_eq!(names(&mut book).len(), ASKS_MAX);
    }

    #[test]
    fn who_is_gone_is_not_asked_and_makes_room() {
        let mut book = book();
        assert_eq!(book.ask("c", &cause(&[]), 0, &Wanted::All, ALIVE_MS).0.len(), 0);
        assert_eq!((book.list(ALIVE_MS)[0].is_alive, book.alive(0)), (false, 3));
        for n in 10..AGENTS_MAX + 7 {
            book.hear(told(n, "x"), String::new(), 1).unwrap();
        }
        let e = book.hear(told(9_999, "y"), String::new(), 1).unwrap_err();
        assert_eq!((e.kind, e.bound), (ErrorKind::Busy, Some(AGENTS)));
        book.hear(told(9_999, "y"), String::new(), ALIVE_MS).unwrap();
        assert_eq!(book.len(), AGENTS_MAX);
        let (asked, left_out) = book.ask("c", &cause(&[]), 0, &Wanted::All, 1);
        assert_eq!((asked.len(), left_out), (ASKED_MAX, AGENTS_MAX - ASKED_MAX));
    }

    #[test]
    fn who_asks_too_often_is_refused_and_two_of_one_name_are_told() {
        let mut book = book();
        let refused = (0..100).filter(|_| book.hear(told(1, "web-1"), String::new(), 0).is_err()).count();
        assert_eq!(refused, 100 - (QUESTIONS as usize - 1));
        assert!(book.hear(told(1, "web-1"), String::new(), 2_000).is_ok());
        book.hear(told(4, "db"), String::new(), 2_000).unwrap();
        let namesakes: Vec<bool> = book.list(2_000).iter().map(|k| k.has_namesake).collect();
        assert_eq!(namesakes, [true, true, false, false]);
    }
}
