//! Every socket of TCP and UDP with its peer and its queues, for the ring, and once more at the moment of a capture. It
//! must never read more lines than its bound: a machine may have a million connections.

use super::{Fill, Governor, hash};
use crate::bytes::{Fields, hex};
use crate::files::Io;
use crate::readers::process::socket::{parse_address, parse_socket};
use capture::class::SOCKETS;
use capture::{Ring, Row, Told, Track};
use model::Columns;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// CPU time for it in each second, nanoseconds.
const CPU_NS: u64 = 1_500_000;
/// Lines of each table.
const LINES_MAX: u64 = 20_000;
/// The tables, and what their sockets are called.
const TABLES: [(&str, &str); 4] =
    [("net/tcp", "tcp"), ("net/tcp6", "tcp6"), ("net/udp", "udp"), ("net/udp6", "udp6")];
/// Names of states by the kernel's numbers, from 1 (include/net/tcp_states.h); 0 is none.
const STATES: [&str; 13] = [
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

pub(super) struct Sockets {
    governor: Governor,
    paths: [PathBuf; 4],
}

impl Sockets {
    pub(super) fn new(settings: &crate::Settings) -> Sockets {
        let paths = TABLES.map(|(file, _)| settings.proc_root.join(file));
        Sockets { governor: Governor::new(1, CPU_NS), paths }
    }

    pub(super) fn fill(&mut self, fill: &mut Fill) {
        let tick = fill.io.tick;
        let (io, now_ms, paths) = (&mut *fill.io, fill.now_ms, &self.paths);
        let Some(track) = fill.ring.track(&SOCKETS) else { return };
        let mut problem = String::new();
        if self.governor.run(tick, || problem = read(paths, io, now_ms, track)) {
            fill.ring.tell(&SOCKETS, Told { problem, period_seconds: self.governor.period() });
        }
    }
}

/// One reading of all tables; what could not be read, in words.
fn read(paths: &[PathBuf; 4], io: &mut Io, now_ms: i64, track: &mut Track) -> String {
    let mut texts = [String::new(), String::new()];
    let mut is_cut = false;
    let mut all = 0;
    track.begin(now_ms);
    for (path, (_, protocol)) in paths.iter().zip(TABLES) {
        let mut count = 0;
        io.each_line(path, LINES_MAX, |line| {
            count += 1;
            push(line, protocol, &mut texts, track);
            true
        });
        is_cut |= count + 1 >= LINES_MAX;
        all += count;
    }
    track.end();
    match (all, is_cut) {
        (0, _) => "the tables of sockets (/proc/net/tcp, udp) cannot be read".into(),
        (_, true) => format!("only the first {LINES_MAX} sockets of each protocol"),
        _ => String::new(),
    }
}

/// Pushes the socket of one line; the heading and what is broken are left out.
fn push(line: &[u8], protocol: &str, [local, peer]: &mut [String; 2], track: &mut Track) {
    let Some(socket) = parse_socket(line) else { return };
    let mut fields = Fields(line);
    let (Some(local_text), Some(peer_text)) = (fields.nth(1), fields.next()) else { return };
    // After state, queues and timer.
    let retransmits = fields.nth(3).and_then(hex);
    let uid = fields.number();
    let (peer_address, peer_port) = match parse_address(peer_text) {
        Some((address, port)) => (Some(address), port),
        None => (None, 0),
    };
    local.clear();
    peer.clear();
    let _ = write!(local, "{}", socket.address);
    if let Some(address) = peer_address {
        let _ = write!(peer, "{address}");
    }
    let state = match (protocol.starts_with("udp"), socket.state) {
        // Of a protocol without connections the state says only whether there is a peer.
        (true, 1) => "ESTABLISHED",
        (true, _) => "UNCONNECTED",
        (false, state) => STATES.get(state as usize).copied().unwrap_or(""),
    };
    let number = |n: u64| i64::try_from(n).ok();
    let numbers = [
        Some(i64::from(socket.port)),
        Some(i64::from(peer_port)),
        number(socket.tx_queue),
        number(socket.rx_queue),
        retransmits.and_then(number),
        uid.and_then(number),
        number(socket.inode),
    ];
    let key = hash(&[protocol.as_bytes(), local_text, peer_text, &socket.inode.to_le_bytes()]);
    track.push(Row { key, texts: &[protocol, state, local, peer], numbers: &numbers });
}

/// The sockets that there are now.
pub fn sockets_now(proc_root: &Path, now_ms: i64) -> Columns {
    let mut ring = Ring::new(capture::Settings::default());
    let paths = TABLES.map(|(file, _)| proc_root.join(file));
    if let Some(track) = ring.track(&SOCKETS) {
        read(&paths, &mut Io::new(), now_ms, track);
    }
    ring.freeze().columns(&SOCKETS, i64::MIN, i64::MAX, usize::MAX).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn sockets_with_their_peers_and_queues() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("net")).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join("net").join(name), text).unwrap();
        write(
            "tcp",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20 0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 77 1\n\
             \x20 1: 0100007F:1F90 0100007F:9C40 01 00000010:00000020 01:00000014 00000005  1000        0 78 4\n\
             broken\n",
        );
        write(
            "udp6",
            "  0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9 2\n",
        );
        let columns = sockets_now(folder.path(), 5);
        let text = |name: &str, row| columns.texts(name).unwrap().get(row).to_string();
        let number = |name: &str, row: usize| columns.integers(name).unwrap()[row].unwrap();
        let shown: Vec<String> = (0..columns.len())
            .map(|row| {
                format!(
                    "{} {} {}:{} {}:{} queues {}/{} again {} uid {} inode {}",
                    text("protocol", row),
                    text("state", row),
                    text("local_address", row),
                    number("local_port", row),
                    text("peer_address", row),
                    number("peer_port", row),
                    number("send_queue_bytes", row),
                    number("receive_queue_bytes", row),
                    number("retransmits", row),
                    number("uid", row),
                    number("inode", row),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "tcp LISTEN 127.0.0.1:8080 0.0.0.0:0 queues 0/3 again 0 uid 1000 inode 77",
                "tcp ESTABLISHED 127.0.0.1:8080 127.0.0.1:40000 queues 16/32 again 5 uid 1000 inode 78",
                "udp6 UNCONNECTED ::1:53 :::0 queues 0/0 again 0 uid 0 inode 9",
            ]
        );
    }
}
