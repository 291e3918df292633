//! Lines of many kinds of software with the label of the statement that wrote them, made from texts with places for values; and
//! how well they are grouped.

use super::{Line, Patterns, Settings};
use crate::damage::Random;
use model::Severity;
use std::collections::{HashMap, HashSet};

/// Service and text; `{x}` are values: `n` number, `f` fraction, `h` hexadecimal, `u` UUID, `i` IP address, `p` path, `w` one of many
/// words, `k` one of three words (by which people would tell statements apart), `t` time.
const TEXTS: &[(&str, &str)] = &[
    (
        "nginx",
        "{t} [error] {n}#{n}: *{n} connect() failed (111: Connection refused) while connecting to upstream, client: {i}, server: shop",
    ),
    ("nginx", "{t} [error] {n}#{n}: *{n} open() \"{p}\" failed (2: No such file or directory), client: {i}"),
    ("nginx", "{t} [warn] {n}#{n}: *{n} upstream server temporarily disabled while reading response header"),
    ("nginx", "{t} [notice] {n}#{n}: signal process started"),
    (
        "nginx",
        "{t} [crit] {n}#{n}: *{n} SSL_do_handshake() failed while SSL handshaking, client: {i}, server: 0.0.0.0:443",
    ),
    ("postgres", "{t} UTC [{n}] LOG:  checkpoint complete: wrote {n} buffers ({f}%); 0 WAL file(s) added"),
    ("postgres", "{t} UTC [{n}] LOG:  checkpoint starting: time"),
    ("postgres", "{t} UTC [{n}] ERROR:  relation \"{w}\" does not exist at character {n}"),
    ("postgres", "{t} UTC [{n}] ERROR:  duplicate key value violates unique constraint \"{w}_pkey\""),
    ("postgres", "{t} UTC [{n}] FATAL:  password authentication failed for user \"{w}\""),
    ("postgres", "{t} UTC [{n}] LOG:  automatic vacuum of table \"shop.public.{w}\": index scans: {n}"),
    ("postgres", "{t} UTC [{n}] LOG:  duration: {f} ms  statement: SELECT"),
    ("postgres", "{t} UTC [{n}] FATAL:  sorry, too many clients already"),
    (
        "postgres",
        "{t} UTC [{n}] LOG:  process {n} still waiting for ShareLock on transaction {n} after {f} ms",
    ),
    ("redis", "{n}:M {t} * Background saving started by pid {n}"),
    ("redis", "{n}:C {t} * DB saved on disk"),
    ("redis", "{n}:M {t} * {n} changes in {n} seconds. Saving..."),
    ("redis", "{n}:M {t} # Connection with replica {i}:{n} lost."),
    ("redis", "{n}:M {t} # Out Of Memory allocating {n} bytes!"),
    ("etcd", "took too long (expected <100ms) {f}ms to execute, request \"{w}\""),
    ("etcd", "compacted raft log at {n}"),
    ("etcd", "{h} became leader at term {n}"),
    ("etcd", "{h} became follower at term {n}"),
    ("etcd", "{h} is starting a new election at term {n}"),
    ("etcd", "lost the TCP streaming connection with peer {h}"),
    ("java", "{t} ERROR [http-{n}] c.e.CartController - cannot load cart for user {w}"),
    ("java", "{t} INFO  [main] o.s.b.w.e.t.TomcatWebServer - Tomcat started on port(s): {n} (http)"),
    (
        "java",
        "{t} WARN  [pool-{n}-thread-{n}] c.z.h.p.HikariPool - Connection is not available, request timed out after {n}ms.",
    ),
    ("java", "{t} DEBUG [main] c.e.Cache - evicted {n} entries of {w} in {f} s"),
    ("java", "{t} INFO  [scheduler-{n}] c.e.Jobs - job {w} finished in {n} ms"),
    ("java", "{t} INFO  [scheduler-{n}] c.e.Jobs - job {w} skipped"),
    ("kernel", "[{f}] Out of memory: Killed process {n} ({w}) total-vm:{n}kB, anon-rss:{n}kB"),
    ("kernel", "[{f}] eth{n}: link becomes ready"),
    ("kernel", "[{f}] EXT4-fs (sda{n}): mounted filesystem with ordered data mode"),
    ("kernel", "[{f}] TCP: request_sock_TCP: Possible SYN flooding on port {n}. Sending cookies."),
    ("kernel", "[{f}] EDAC MC{n}: {n} CE memory read error on CPU_SrcID#{n}"),
    ("kernel", "[{f}] usb {n}-{n}: new high-speed USB device number {n} using xhci_hcd"),
    ("sshd", "Accepted publickey for {w} from {i} port {n} ssh2: RSA SHA256:{h}"),
    ("sshd", "Failed password for {w} from {i} port {n} ssh2"),
    ("sshd", "Failed password for invalid user {w} from {i} port {n} ssh2"),
    ("sshd", "Invalid user {w} from {i}"),
    ("sshd", "pam_unix(sshd:session): session opened for user {w} by (uid=0)"),
    ("sshd", "pam_unix(sshd:session): session closed for user {w}"),
    ("sshd", "Received disconnect from {i}: 11: Bye Bye [preauth]"),
    ("sshd", "Connection closed by {i} [preauth]"),
    ("kubelet", "I1120 {t} {n} kubelet.go:{n}] SyncLoop (ADD, \"api\"): \"{w}-{h}\""),
    (
        "kubelet",
        "W1120 {t} {n} prober.go:{n}] Readiness probe for \"{w}-{h}\" failed (failure): Get http://{i}:{n}/health: dial tcp: connection refused",
    ),
    (
        "kubelet",
        "E1120 {t} {n} pod_workers.go:{n}] Error syncing pod {u}, skipping: failed to start container with CrashLoopBackOff",
    ),
    ("kubelet", "I1120 {t} {n} operation_generator.go:{n}] MountVolume.SetUp succeeded for volume \"{w}\""),
    ("hdfs", "Receiving block blk_{n} src: /{i}:{n} dest: /{i}:{n}"),
    ("hdfs", "PacketResponder {n} for block blk_{n} terminating"),
    ("hdfs", "Verification succeeded for blk_{n}"),
    ("hdfs", "BLOCK* NameSystem.addStoredBlock: blockMap updated: {i}:{n} is added to blk_{n} size {n}"),
    ("hdfs", "Deleting block blk_{n} file {p}"),
    ("payment", "charged order {u} amount={f} currency=EUR card=visa"),
    ("payment", "declined order {u} reason=insufficient_funds"),
    ("payment", "retrying request {h} attempt {n} of 5 in {n}ms"),
    ("payment", "user {w} exceeded the limit of {n} requests"),
    ("payment", "cannot reach bank gateway at {i}:{n}: timeout after {f}s"),
    ("payment", "flushed {n} events to {p}"),
    ("payment", "connection opened by {i}"),
    ("payment", "connection closed by {i}"),
    ("worker", "queue {w} depth={n} lag={f}s"),
    ("worker", "message {u} acknowledged after {n} attempts"),
    ("worker", "cannot decode message {u}: unexpected end of input"),
    ("worker", "heartbeat ok"),
];

const WORDS: [&str; 24] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj",
    "olivia", "peggy", "rupert", "sybil", "trent", "victor", "walter", "orders", "carts", "users", "items",
    "stock",
];

impl Random {
    fn value(&mut self, kind: &str) -> String {
        match kind {
            "n" => self.below(100_000).to_string(),
            "f" => format!("{}.{}", self.below(1_000), self.below(1_000)),
            "h" => format!("{:x}", self.0 >> self.below(24)),
            "u" => format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                self.below(1 << 31),
                self.below(1 << 16),
                self.below(1 << 12),
                self.below(1 << 12),
                self.0 >> 16
            ),
            "i" => format!("10.{}.{}.{}", self.below(256), self.below(256), self.below(256)),
            "p" => format!(
                "/var/{}/{}.{}",
                WORDS[self.below(24)],
                WORDS[self.below(24)],
                ["log", "tmp"][self.below(2)]
            ),
            "w" => WORDS[self.below(24)].into(),
            "t" => format!(
                "2026-11-{:02} {:02}:{:02}:{:02}.{:03}",
                1 + self.below(28),
                self.below(24),
                self.below(60),
                self.below(60),
                self.below(1000)
            ),
            other => other.into(),
        }
    }
}

/// So many lines of each statement, mixed: label, service, text.
pub fn lines(each: usize) -> Vec<(usize, &'static str, String)> {
    let mut random = Random(42);
    let mut out = Vec::new();
    for _ in 0..each {
        for (label, (service, text)) in TEXTS.iter().enumerate() {
            let mut line = String::new();
            let mut rest = *text;
            while let Some((before, tail)) = rest.split_once('{') {
                let (kind, behind) = tail.split_once('}').unwrap_or((tail, ""));
                line.push_str(before);
                line.push_str(&random.value(kind));
                rest = behind;
            }
            line.push_str(rest);
            out.push((label, *service, line));
        }
    }
    for i in (1..out.len()).rev() {
        out.swap(i, random.below(i + 1));
    }
    out
}

/// The share of lines whose group holds exactly the lines of their label, and an example of each label that has none.
pub fn accuracy(lines: &[(usize, &'static str, String)]) -> (f64, Vec<String>) {
    let mut patterns = Patterns::new(Settings::default());
    let ids: Vec<u64> = lines
        .iter()
        .map(|(_, service, body)| {
            patterns.learn(Line { service, host: "", body, severity: Severity::UNKNOWN, time_ns: 0 })
        })
        .collect();
    // What was merged later is one group.
    let ids: Vec<u64> = ids.into_iter().map(|id| patterns.get(id).map_or(id, |t| t.id)).collect();
    let (mut by_label, mut by_id): (HashMap<usize, HashSet<u64>>, HashMap<u64, HashSet<usize>>) =
        Default::default();
    for ((label, ..), id) in lines.iter().zip(&ids) {
        by_label.entry(*label).or_default().insert(*id);
        by_id.entry(*id).or_default().insert(*label);
    }
    let is_right =
        |label: usize| by_label[&label].len() == 1 && by_label[&label].iter().all(|id| by_id[id].len() == 1);
    let right = lines.iter().filter(|(label, ..)| is_right(*label)).count();
    let mut wrong: Vec<usize> = by_label.keys().copied().filter(|label| !is_right(*label)).collect();
    wrong.sort_unstable();
    let texts = |label: usize| -> Vec<String> {
        by_label[&label].iter().take(4).filter_map(|id| Some(patterns.get(*id)?.text.clone())).collect()
    };
    let wrong = wrong.into_iter().map(|l| format!("{} groups: {:?}", by_label[&l].len(), texts(l))).collect();
    (right as f64 / lines.len() as f64, wrong)
}
