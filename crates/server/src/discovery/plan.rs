//! Which port to ask for metrics, and when again. Pure: ports, answers and the time are arguments. It must never ask a
//! port whose service is known not to speak HTTP, nor forget that it asked.

use super::well_known;
use crate::settings::DiscoverySettings;
use recorder::ListeningPort;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// First requests are spread over this time, so that a start of this program is no burst for others.
const SPREAD_MS_MAX: u64 = 3_000;

/// A service that was scraped for so long is missed when it is gone; a younger one may be a test or a tool.
const SETTLED_MS: i64 = 10 * 60_000;
/// How long it is missed: asked on, and so shown as down.
const MISSED_MS: i64 = 3_600_000;

/// What is done with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// It answered with metrics, or a configuration names it.
    Scraped,
    /// It is not asked.
    Refused,
    /// It was asked, and did not answer with metrics.
    Failed,
    /// It will be asked.
    Waiting,
    /// It is our own.
    Own,
}

impl PortState {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            PortState::Scraped => "scraped",
            PortState::Refused => "refused",
            PortState::Failed => "failed",
            PortState::Waiting => "waiting",
            PortState::Own => "own",
        }
    }
}

/// What is known of one port.
#[derive(Clone, Debug, PartialEq)]
pub struct PortStatus {
    /// The port.
    pub port: u16,
    /// The address that it listens on.
    pub address: IpAddr,
    /// The command name of the process that listens, or "".
    pub process: String,
    /// What is done with it.
    pub state: PortState,
    /// Why, in words; or "".
    pub reason: String,
    /// When it was asked, milliseconds since 1970-01-01 UTC.
    pub checked_ms: Option<i64>,
    /// When it will be asked.
    pub next_check_ms: Option<i64>,
}

/// What a step asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The port is not to be scraped as a found service any more.
    Stop(u16),
}

/// A port to ask now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// Where to connect to.
    pub address: SocketAddr,
    /// The value of the label `job`.
    pub job: String,
    /// The socket, so that an answer is not taken for another's.
    inode: u64,
}

/// What a port answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Metrics.
    Metrics,
    /// Something else: what.
    Other(String),
    /// No answer: why.
    Nothing(String),
}

/// All ports and what is known of them.
pub(super) struct Plan {
    settings: DiscoverySettings,
    own_ports: Vec<u16>,
    seed: u64,
    entries: BTreeMap<u16, Entry>,
}

struct Entry {
    address: IpAddr,
    inode: u64,
    process: String,
    state: PortState,
    reason: String,
    checked_ms: Option<i64>,
    next_ms: Option<i64>,
    /// Scraped because it was found; a configured port is scraped by its job.
    found: bool,
    /// When it was found.
    found_ms: i64,
    /// When it was first seen that nothing listens any more.
    gone_ms: Option<i64>,
}

impl Plan {
    /// `seed` spreads the first requests.
    pub fn new(settings: DiscoverySettings, own_ports: Vec<u16>, seed: u64) -> Plan {
        Plan { settings, own_ports, seed, entries: BTreeMap::new() }
    }

    /// Takes the present listeners; `configured(port)` names the job that scrapes a port by configuration.
    pub fn step(
        &mut self,
        ports: &[ListeningPort],
        now_ms: i64,
        configured: impl Fn(u16) -> Option<String>,
    ) -> Vec<Action> {
        let listeners = best_listeners(ports);
        let mut actions = Vec::new();
        self.entries.retain(|port, entry| {
            let stays = listeners.contains_key(port) || entry.is_missed(now_ms);
            if !stays && entry.found {
                actions.push(Action::Stop(*port));
            }
            stays
        });
        let mut numbers: Vec<u16> = listeners.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let listener = listeners[&number];
            let known = self.entries.get(&number).is_some_and(|e| e.is_same(listener));
            let job = configured(number);
            if known && job.is_none() && !self.entries[&number].is_configured() {
                self.back(number);
                self.retry(number, now_ms);
                continue;
            }
            if !self.entries.contains_key(&number) && self.entries.len() >= self.settings.ports_max {
                continue;
            }
            let entry = self.judge(listener, job, now_ms);
            let before = self.entries.insert(number, entry);
            if before.is_some_and(|e| e.found) {
                actions.push(Action::Stop(number));
            }
        }
        actions
    }

    /// What is done with a listener that is new, or whose circumstances changed.
    fn judge(&self, listener: &ListeningPort, job: Option<String>, now_ms: i64) -> Entry {
        let port = listener.port;
        let mut entry = Entry {
            address: listener.address,
            inode: listener.inode,
            process: listener.comm.clone(),
            state: PortState::Refused,
            reason: String::new(),
            checked_ms: None,
            next_ms: None,
            found: false,
            found_ms: 0,
            gone_ms: None,
        };
        if self.own_ports.contains(&port) {
            entry.state = PortState::Own;
        } else if let Some(job) = job {
            entry.state = PortState::Scraped;
            entry.reason = format!("scraped by the configured job {job:?}");
        } else if reach(listener.address).is_none() {
            let address = listener.address;
            entry.reason = format!(
                "not asked: it listens on {address} alone; name it in scrape_configs if it has metrics"
            );
        } else if let Some(reason) = well_known::not_asked(port, &listener.comm) {
            entry.reason = reason;
        } else {
            entry.state = PortState::Waiting;
            entry.next_ms = Some(now_ms + self.jitter_ms(port));
        }
        entry
    }

    /// A service that was missed listens again.
    fn back(&mut self, port: u16) {
        if let Some(entry) = self.entries.get_mut(&port)
            && entry.gone_ms.take().is_some()
        {
            entry.reason = String::new();
        }
    }

    /// A port that failed is asked again when its time has come.
    fn retry(&mut self, port: u16, now_ms: i64) {
        let jitter_ms = self.jitter_ms(port);
        let Some(entry) = self.entries.get_mut(&port) else { return };
        if entry.state == PortState::Failed && entry.next_ms.is_some_and(|next| next <= now_ms) {
            entry.state = PortState::Waiting;
            entry.next_ms = Some(now_ms + jitter_ms);
        }
    }

    fn jitter_ms(&self, port: u16) -> i64 {
        let spread = self.settings.period_ms.clamp(1, SPREAD_MS_MAX);
        let mixed = (self.seed ^ u64::from(port)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 32) % spread) as i64
    }

    /// When the next port is to be asked.
    pub fn next_probe_ms(&self) -> Option<i64> {
        self.entries.values().filter(|e| e.state == PortState::Waiting).filter_map(|e| e.next_ms).min()
    }

    /// The port that has waited longest, if one is due.
    pub fn take_due(&mut self, now_ms: i64) -> Option<Probe> {
        let waiting = self.entries.iter_mut().filter(|(_, e)| e.state == PortState::Waiting);
        let due = waiting.filter(|(_, e)| e.next_ms.is_some_and(|next| next <= now_ms));
        let (port, entry) = due.min_by_key(|(port, e)| (e.next_ms, **port))?;
        entry.reason = "it is being asked".into();
        entry.next_ms = None;
        let job = match entry.process.as_str() {
            "" => format!("port-{port}"),
            process => process.to_string(),
        };
        let address = SocketAddr::new(reach(entry.address)?, *port);
        Some(Probe { address, job, inode: entry.inode })
    }

    /// What a port answered.
    pub fn answered(&mut self, probe: &Probe, found: Found, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(&probe.address.port()) else { return };
        if entry.inode != probe.inode {
            return;
        }
        entry.checked_ms = Some(now_ms);
        match found {
            Found::Metrics => {
                entry.state = PortState::Scraped;
                entry.reason = String::new();
                entry.next_ms = None;
                entry.found = true;
                entry.found_ms = now_ms;
            }
            Found::Other(reason) | Found::Nothing(reason) => {
                entry.state = PortState::Failed;
                entry.reason = reason;
                entry.next_ms = Some(now_ms.saturating_add(self.settings.retry_after_ms as i64));
            }
        }
    }

    /// Every port, by number.
    pub fn snapshot(&self) -> Vec<PortStatus> {
        let status = |(port, e): (&u16, &Entry)| PortStatus {
            port: *port,
            address: e.address,
            process: e.process.clone(),
            state: e.state,
            reason: e.reason.clone(),
            checked_ms: e.checked_ms,
            next_check_ms: e.next_ms,
        };
        self.entries.iter().map(status).collect()
    }
}

impl Entry {
    /// Whether a listener is the one that is known. A service that is being scraped may restart; workers that share a
    /// socket may come and go; and the owner of a socket may become known late.
    fn is_same(&self, listener: &ListeningPort) -> bool {
        let process = self.process == listener.comm;
        match self.found {
            true => process && reach(self.address) == reach(listener.address),
            false => process && self.inode == listener.inode && self.address == listener.address,
        }
    }

    /// Whether it goes on to be asked although nothing listens: a service that died is what people want to hear of.
    fn is_missed(&mut self, now_ms: i64) -> bool {
        let gone_ms = *self.gone_ms.get_or_insert(now_ms);
        self.reason = "nothing listens here any more; it is asked for an hour, in case it comes back".into();
        self.found && gone_ms - self.found_ms >= SETTLED_MS && now_ms - gone_ms < MISSED_MS
    }

    fn is_configured(&self) -> bool {
        self.state == PortState::Scraped && !self.found
    }
}

/// Where to connect to for an address that a port is bound to; none if that is neither loopback nor all addresses.
fn reach(bound: IpAddr) -> Option<IpAddr> {
    match bound {
        IpAddr::V4(a) if a.is_unspecified() => Some(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(a) if a.is_unspecified() => Some(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V6(a) if a.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()) => Some(bound.to_canonical()),
        a if a.is_loopback() => Some(a),
        _ => None,
    }
}

/// One listener for each port: several sockets may share one, for two families of addresses or several processes.
fn best_listeners(ports: &[ListeningPort]) -> HashMap<u16, &ListeningPort> {
    let rank = |p: &ListeningPort| {
        let nearness = match reach(p.address) {
            None => 2,
            Some(IpAddr::V6(_)) => 1,
            Some(IpAddr::V4(_)) => 0,
        };
        (nearness, !p.address.is_loopback(), p.comm.is_empty(), p.inode)
    };
    let mut best: HashMap<u16, &ListeningPort> = HashMap::new();
    for port in ports {
        let known = best.entry(port.port).or_insert(port);
        if rank(port) < rank(known) {
            *known = port;
        }
    }
    best
}

#[cfg(test)]
mod tests;
