//! TCP sockets: which ports this machine listens on and which process does, how many connections are in
//! each state, and what waits in UDP queues. It must never search the files of all processes unless a
//! listening socket is new.

use super::proc_dir::ProcDir;
use super::socket::{Socket, parse_socket};
use super::table::Process;
use crate::bytes::unsigned;
use crate::readers::{Context, thread_cpu_ns};
use crate::reference::{Reference, gauge};
use crate::series::{Rows, Sink};
use crate::settings::Settings;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub(crate) const METRICS: &[Reference] = &[
    gauge(
        "node_tcp_connection_states",
        "",
        &["state"],
        "/proc/net/tcp, tcp6",
        "TCP sockets in each state. Every 5 s to 60 s, the less often the more it costs.",
    ),
    gauge(
        "node_tcp_accept_queue",
        "",
        &["address", "port"],
        "/proc/net/tcp, tcp6",
        "Connections that wait to be accepted by the program that listens there. As often as the states.",
    ),
    gauge(
        "node_udp_queues",
        "bytes",
        &["queue", "ip"],
        "/proc/net/udp, udp6",
        "Bytes that wait in the queues (rx, tx) of UDP sockets. As often as the states.",
    ),
];

/// A TCP port that this machine listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListeningPort {
    /// The address that it is bound to; unspecified (0.0.0.0 or ::) for all.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The socket's inode: another socket has another one.
    pub inode: u64,
    /// The process that has it open, the lowest if there are several; None if it cannot be known
    /// (another user's process, another name space).
    pub pid: Option<u32>,
    /// That process's command name, or "".
    pub comm: String,
}

/// The most listening sockets that are told apart.
const PORTS_MAX: usize = 4_096;
/// The kernel looks through its whole table of connections, whose size follows the machine's memory, to
/// list them: as often as costs less than this part of a core, but within these ticks.
const COST_PART: u64 = 1_000;
const TICK_NS: u64 = 1_000_000_000;
const TICKS_MIN: u64 = 5;
const TICKS_MAX: u64 = 60;
/// The most lines that are read of one socket table.
const LINES_MAX: u64 = 1 << 20;
/// Ticks after which the owner of a socket is searched again, if it was not found.
const SEARCH_AGAIN_TICKS: u64 = 60;

const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "new_syn_recv",
];
const LISTEN: u64 = 10;

pub(crate) struct Listeners {
    tcp: [PathBuf; 2],
    udp: [PathBuf; 2],
    ports: Vec<ListeningPort>,
    /// Address, port, and connections that wait there.
    accept_queues: Vec<(IpAddr, u16, u64)>,
    /// When the owner of an inode is to be searched again.
    search_again: HashMap<u64, u64>,
    /// Processes that listen, ascending.
    pids: Vec<u32>,
    states: [u64; STATES.len()],
    due_tick: u64,
    udp_queues: [[u64; 2]; 2],
    fresh: bool,
    state_rows: Rows,
    port_rows: Rows,
    udp_rows: Rows,
}

impl Listeners {
    pub(crate) fn new(settings: &Settings) -> Listeners {
        let net = settings.proc_root.join("net");
        Listeners {
            tcp: ["tcp", "tcp6"].map(|f| net.join(f)),
            udp: ["udp", "udp6"].map(|f| net.join(f)),
            ports: Vec::new(),
            accept_queues: Vec::new(),
            search_again: HashMap::new(),
            pids: Vec::new(),
            states: [0; STATES.len()],
            due_tick: 0,
            udp_queues: [[0; 2]; 2],
            fresh: false,
            state_rows: Rows::new(STATES.len()),
            port_rows: Rows::new(settings.things_max),
            udp_rows: Rows::new(4),
        }
    }

    pub(crate) fn ports(&self) -> &[ListeningPort] {
        &self.ports
    }

    pub(crate) fn is_listening(&self, pid: u32) -> bool {
        self.pids.binary_search(&pid).is_ok()
    }

    /// If it is time, reads the tables of sockets, and finds the owners of new listening ones.
    pub(crate) fn refresh(&mut self, cx: &mut Context, dir: &mut ProcDir, list: &[Process]) {
        if cx.io.tick < self.due_tick {
            return;
        }
        let before_ns = thread_cpu_ns();
        self.read_sockets(cx, dir, list);
        let cost_ns = thread_cpu_ns().saturating_sub(before_ns);
        self.due_tick =
            cx.io.tick + (cost_ns.saturating_mul(COST_PART) / TICK_NS).clamp(TICKS_MIN, TICKS_MAX);
    }

    fn read_sockets(&mut self, cx: &mut Context, dir: &mut ProcDir, list: &[Process]) {
        let known = std::mem::take(&mut self.ports);
        self.read_tcp(cx);
        self.read_udp(cx);
        self.fresh = true;
        let tick = cx.io.tick;
        self.search_again.retain(|inode, _| self.ports.iter().any(|p| p.inode == *inode));
        let is_alive = |pid: u32| list.binary_search_by_key(&pid, |p| p.pid).is_ok();
        let mut wanted = Vec::new();
        for (i, port) in self.ports.iter_mut().enumerate() {
            let owner = known.iter().find(|k| k.inode == port.inode && k.pid.is_some_and(is_alive));
            if let Some(owner) = owner {
                (port.pid, port.comm) = (owner.pid, owner.comm.clone());
            } else if self.search_again.get(&port.inode).is_none_or(|again| *again <= tick) {
                self.search_again.insert(port.inode, tick + SEARCH_AGAIN_TICKS);
                wanted.push((port.inode, i));
            }
        }
        if !wanted.is_empty() {
            // Kernel threads have no address space and no files.
            let users = list.iter().filter(|p| p.stat.virtual_bytes > 0);
            find_owners(dir, users.map(|p| (p.pid, p.comm.as_slice())), &mut wanted, &mut self.ports);
        }
        self.pids.clear();
        self.pids.extend(self.ports.iter().filter_map(|p| p.pid));
        self.pids.sort_unstable();
        self.pids.dedup();
    }

    fn read_tcp(&mut self, cx: &mut Context) {
        let mut states = [0; STATES.len()];
        self.accept_queues.clear();
        for path in &self.tcp {
            let (ports, queues) = (&mut self.ports, &mut self.accept_queues);
            cx.io.each_line(path, LINES_MAX, |line| {
                let Some(socket) = parse_socket(line) else { return true };
                if let Some(count) = states.get_mut((socket.state as usize).wrapping_sub(1)) {
                    *count += 1;
                }
                if socket.state != LISTEN {
                    return true;
                }
                if ports.len() < PORTS_MAX {
                    let Socket { address, port, inode, .. } = socket;
                    ports.push(ListeningPort { address, port, inode, pid: None, comm: String::new() });
                    queues.push((address, port, socket.rx_queue));
                }
                true
            });
        }
        self.states = states;
    }

    fn read_udp(&mut self, cx: &mut Context) {
        for (path, sums) in self.udp.iter().zip(&mut self.udp_queues) {
            *sums = [0, 0];
            cx.io.each_line(path, LINES_MAX, |line| {
                if let Some(socket) = parse_socket(line) {
                    sums[0] = sums[0].saturating_add(socket.tx_queue);
                    sums[1] = sums[1].saturating_add(socket.rx_queue);
                }
                true
            });
        }
    }

    /// Pushes what the last [`Listeners::refresh`] found, once.
    pub(crate) fn push(&mut self, cx: &mut Context) {
        if !std::mem::take(&mut self.fresh) {
            return;
        }
        let sink = &mut cx.sink;
        self.state_rows.begin();
        for (state, count) in STATES.iter().zip(self.states) {
            let make = |s: &mut Sink| vec![s.labels(METRICS[0].name, &[("state", state)])];
            if let Some(row) = self.state_rows.row(sink, state.as_bytes(), make) {
                row.push(sink, 0, count as f64);
            }
        }
        self.port_rows.begin();
        // Several sockets may share one port: their queues are one number.
        self.accept_queues.sort_unstable();
        for same in self.accept_queues.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (address, port, _) = same[0];
            let mut key = [0; 19];
            match address {
                IpAddr::V4(v4) => key[..4].copy_from_slice(&v4.octets()),
                IpAddr::V6(v6) => key[..16].copy_from_slice(&v6.octets()),
            }
            key[16..18].copy_from_slice(&port.to_le_bytes());
            key[18] = u8::from(address.is_ipv6());
            let make =
                |s: &mut Sink| {
                    vec![s.labels(
                        METRICS[1].name,
                        &[("address", address.to_string()), ("port", port.to_string())],
                    )]
                };
            if let Some(row) = self.port_rows.row(sink, &key, make) {
                row.push(sink, 0, same.iter().map(|(_, _, waiting)| *waiting as f64).sum());
            }
        }
        self.port_rows.end(sink);
        self.udp_rows.begin();
        for (ip, sums) in ["v4", "v6"].iter().zip(self.udp_queues) {
            let make = |s: &mut Sink| {
                ["tx", "rx"].iter().map(|q| s.labels(METRICS[2].name, &[("ip", ip), ("queue", q)])).collect()
            };
            if let Some(row) = self.udp_rows.row(sink, ip.as_bytes(), make) {
                row.push(sink, 0, sums[0] as f64);
                row.push(sink, 1, sums[1] as f64);
            }
        }
    }
}

/// Looks through the open files of processes for the sockets in `wanted` (inode, position in `ports`),
/// until all are found. Processes that cannot be looked into are passed over.
fn find_owners<'a>(
    dir: &mut ProcDir,
    processes: impl Iterator<Item = (u32, &'a [u8])>,
    wanted: &mut Vec<(u64, usize)>,
    ports: &mut [ListeningPort],
) {
    for (pid, comm) in processes {
        if wanted.is_empty() {
            return;
        }
        let _ = dir.each_fd(pid, |target| {
            let inode =
                target.strip_prefix(b"socket:[").and_then(|t| t.strip_suffix(b"]")).and_then(unsigned);
            if let Some(inode) = inode {
                wanted.retain(|(w, i)| {
                    let found = *w == inode;
                    if found {
                        ports[*i].pid = Some(pid);
                        ports[*i].comm = crate::bytes::clean(comm);
                    }
                    !found
                });
            }
            !wanted.is_empty()
        });
    }
}

/// The TCP ports that this machine listens on now, with their owners. Reads the files of processes: call
/// it seldom; a running [`crate::Recorder`] knows the same from its own readings.
pub fn listening_ports(proc_root: &Path) -> Vec<ListeningPort> {
    let settings = Settings { proc_root: proc_root.into(), ..Settings::default() };
    let mut listeners = Listeners::new(&settings);
    let mut io = crate::files::Io::new();
    let mut batch = model::Batch::default();
    let sink = Sink::new(&mut batch, 0, "");
    listeners.read_tcp(&mut Context::new(&settings, &mut io, sink));
    let mut ports = listeners.ports;
    let Ok(mut dir) = ProcDir::open(proc_root) else { return ports };
    let mut pids = Vec::new();
    if dir.list(&mut pids).is_ok() {
        let mut wanted: Vec<(u64, usize)> = ports.iter().enumerate().map(|(i, p)| (p.inode, i)).collect();
        find_owners(&mut dir, pids.iter().map(|pid| (*pid, b"".as_slice())), &mut wanted, &mut ports);
    }
    for port in &mut ports {
        if let Some(pid) = port.pid {
            let text = dir
                .open_file(pid, "comm")
                .ok()
                .and_then(|f| io.read_file(&f, crate::files::Shape::Whole).ok());
            port.comm = text.map(|t| crate::bytes::clean(t.trim_ascii_end())).unwrap_or_default();
        }
    }
    ports
}
