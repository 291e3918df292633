//! Measures the tables with access logs as web servers write them: CPU time for each GB that comes in (merging
//! included), size on disk, time until an acknowledgement, and how long one identifier takes to find. The rows are what
//! decoding gives: the request as the text, the other fields as attributes. It must never be taken for a test.
//!
//! `cargo run --release -p store --example logs_speed -- MEGABYTES FOLDER`

use model::{LogBatch, LogRow, Origin, Severity};
use std::path::Path;
use std::time::Instant;
use stdx::metrics::Registry;
use store::tables::{Order, Predicate, Scan, Table};
use store::{Settings, Store};

/// Lines sent at once.
const BATCH: u64 = 2_000;
/// 2026-01-01.
const START_MS: i64 = 1_767_225_600_000;

const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const PATHS: [&str; 8] = [
    "/",
    "/cart",
    "/api/v1/items",
    "/static/app.js",
    "/static/style.css",
    "/search",
    "/checkout",
    "/api/v1/users",
];

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Small numbers more often than large ones, below `n`.
    fn skewed(&mut self, n: u64) -> u64 {
        let (a, b) = (self.next() % n, self.next() % n);
        a.min(b).min(self.next() % n)
    }
}

/// User and kernel time of this process, seconds.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Lines as rows; returns the bytes that the lines would have.
fn batch(random: &mut Random, first: u64, out: &mut LogBatch) -> u64 {
    out.clear();
    let attributes = [("log.file.name", "access.log")].into_iter().collect();
    out.origins.push(Origin { service: "nginx".into(), host: "web-1".into(), attributes });
    let mut raw = 0;
    for i in first..first + BATCH {
        // 500 requests a second.
        let time_ns = (START_MS + i as i64 * 2) * 1_000_000;
        let user = random.skewed(200_000);
        let address = format!("{}.{}.{}.{}", 11 + user % 180, user / 7 % 256, user / 11 % 256, user % 251);
        let path = PATHS[random.skewed(8) as usize];
        let target = match path {
            "/api/v1/items" => format!("{path}/{}", random.skewed(50_000)),
            "/api/v1/users" => format!("{path}/{user}/orders?page={}", random.skewed(9)),
            "/search" => format!("{path}?q=term{}", random.skewed(5_000)),
            _ => path.to_string(),
        };
        let status = ["200", "200", "200", "304", "404", "500"][random.skewed(6) as usize];
        let size = (random.skewed(60_000)).to_string();
        let took = format!("0.{:03}", random.skewed(900));
        let method = if path == "/checkout" { "POST" } else { "GET" };
        let agent = AGENTS[(user % 6) as usize];
        let request_id = format!("{:016x}{:016x}", random.next(), random.next());
        let body = format!("{method} {target} HTTP/1.1 {status}");
        // ADDRESS - - [01/Jan/2026:00:00:00 +0000] "REQUEST" STATUS SIZE "REFERER" "AGENT" TOOK ID
        raw += (address.len()
            + target.len()
            + method.len()
            + size.len()
            + agent.len()
            + took.len()
            + request_id.len()) as u64;
        raw += "  - - [01/Jan/2026:00:00:00 +0000] \" HTTP/1.1\" 200  \"https://shop.example/\" \"\"  \n"
            .len() as u64;
        let row = LogRow {
            time_ns,
            origin: 0,
            severity: if status == "500" { Severity::ERROR } else { Severity::INFO },
            body: &body,
            pattern: 1 + random.0 % 12,
            trace_id: None,
            span_id: None,
        };
        let fields = [
            ("client.address", address.as_str()),
            ("http.request.method", method),
            ("url.path", target.split('?').next().unwrap_or_default()),
            ("http.response.status_code", status),
            ("http.response.body.size", size.as_str()),
            ("http.request.header.referer", "https://shop.example/"),
            ("user_agent.original", agent),
            ("request_time", took.as_str()),
            ("request_id", request_id.as_str()),
        ];
        out.push(row, fields);
    }
    raw
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let megabytes: u64 = arguments.get(1).and_then(|a| a.parse().ok()).unwrap_or(500);
    let folder = arguments.get(2).map_or("./logs-speed", String::as_str);
    let store = Store::open(Path::new(folder), Settings::default(), &Registry::default()).expect("opens");
    let tables = store.tables().clone();
    let (mut random, mut next, mut raw) = (Random(7), 0, 0u64);
    let mut rows = LogBatch::default();
    let mut waits_us = Vec::new();
    let (began, mut made_s) = (Instant::now(), 0.0);
    let before = cpu_seconds();
    while raw < megabytes * 1_000_000 {
        let making = cpu_seconds();
        raw += batch(&mut random, next, &mut rows);
        made_s += cpu_seconds() - making;
        next += BATCH;
        let sent = Instant::now();
        tables.append_logs(rows.clone()).expect("is taken").wait_blocking().expect("is kept");
        waits_us.push(sent.elapsed().as_micros());
        let uptime_ms = began.elapsed().as_millis() as u64;
        store.write_tables_when_due(START_MS, uptime_ms).expect("is written");
    }
    let written_s = cpu_seconds() - before - made_s;
    store.flush_tables(START_MS).expect("is written");
    loop {
        let files = tables.status().tables[0].files;
        store.maintain(START_MS, 0).expect("is merged");
        if tables.status().tables[0].files == files {
            break;
        }
    }
    let all_s = cpu_seconds() - before - made_s;
    let gb = raw as f64 / 1e9;
    let status = &tables.status().tables[0];
    let share = |bytes: u64| bytes as f64 * 100.0 / raw as f64;
    waits_us.sort_unstable();
    println!("{next} lines, {gb:.2} GB as lines; {} files", status.files);
    println!("CPU for a GB: {:.1} s ({:.1} s without merging)", all_s / gb, written_s / gb);
    println!(
        "disk: {:.2} % of the lines (rows {:.2} %, index {:.2} %)",
        share(status.files_bytes),
        share(status.files_bytes - status.index_bytes),
        share(status.index_bytes)
    );
    println!(
        "acknowledged after {} us (median), {} us (99 %)",
        waits_us[waits_us.len() / 2],
        waits_us[waits_us.len() * 99 / 100]
    );
    // Every 1000th batch's first identifier is asked for.
    let mut again = Random(7);
    let mut ids = Vec::new();
    let mut first = 0;
    while first < next {
        batch(&mut again, first, &mut rows);
        if ids.len() < 20 && first % (next / 20).max(1) < BATCH {
            ids.extend(rows.attributes(0).last().map(|(_, id)| id.to_string()));
        }
        first += BATCH;
    }
    for round in ["first", "warm"] {
        let mut took_ms = Vec::new();
        for id in &ids {
            let began = Instant::now();
            let scan = Scan {
                predicates: vec![Predicate::Id(id.clone())],
                order: Order::NewestFirst,
                ..Scan::new(Table::Logs)
            };
            let mut found = tables.scan(scan).expect("can be asked");
            let rows: usize = found.by_ref().map(|r| r.expect("is whole").num_rows()).sum();
            assert_eq!(rows, 1, "{id}");
            took_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        took_ms.sort_by(f64::total_cmp);
        println!(
            "one identifier, {round}: {:.1} ms (median), {:.1} ms (worst)",
            took_ms[took_ms.len() / 2],
            took_ms[took_ms.len() - 1]
        );
    }
}
