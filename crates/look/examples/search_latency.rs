//! How long finding takes at 100,000 series: prints median and p99 of each query. Run it with `--release`;
//! an argument is another number of series.

use look::{Catalogue, Facts, Find, GroupBy};
use model::Labels;
use std::time::Instant;

/// Metrics of a service, as a Go or Java program exposes them.
const SERVICE: &[&str] = &[
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "http_request_duration_seconds_sum",
    "http_request_duration_seconds_count",
    "grpc_server_handled_total",
    "grpc_server_msg_received_total",
    "db_connections_open",
    "db_query_duration_seconds_sum",
    "cache_hits_total",
    "cache_misses_total",
    "queue_length",
    "queue_oldest_message_age_seconds",
    "jvm_memory_used_bytes",
    "jvm_gc_pause_seconds_count",
    "kafka_consumer_lag_records",
    "retry_budget_ratio",
];
const HOST: &[(&str, &str)] = &[
    ("node_cpu_seconds_total", "cpu"),
    ("node_disk_io_time_seconds_total", "device"),
    ("node_disk_read_bytes_total", "device"),
    ("node_disk_written_bytes_total", "device"),
    ("node_filesystem_avail_bytes", "mountpoint"),
    ("node_filesystem_size_bytes", "mountpoint"),
    ("node_network_receive_bytes_total", "device"),
    ("node_network_transmit_bytes_total", "device"),
    ("node_softirqs_total", "cpu"),
    ("node_schedstat_running_seconds_total", "cpu"),
];
const PROCESS: &[&str] = &[
    "process_cpu_time_seconds_total",
    "process_memory_usage_bytes",
    "process_open_file_descriptor_count",
    "process_thread_count",
];
const COMMANDS: &[&str] =
    &["nginx", "postgres", "java", "sshd", "python3", "kworker/u8:2", "containerd-shim"];
const QUERIES: &[&str] = &[
    "",
    "n",
    "no",
    "nod",
    "node",
    "node_cpu",
    "cpu",
    "disk",
    "disk io",
    "sda",
    "device=sda",
    "instance=host-07",
    "http",
    "http latency",
    "\"request duration\"",
    "requests code=500",
    "handler=/api/v1/orders",
    "memory -jvm",
    "nginx",
    "postgres memory",
    "memroy",
    "kafak lag",
    "reqeusts",
    "checkout",
    "9",
    "xyzzyxyzzy",
    "e s t o",
];

fn build(count: usize) -> Catalogue {
    let mut catalogue = Catalogue::default();
    let mut add = |pairs: &[(&str, &str)]| {
        if let Ok(labels) = Labels::from_pairs(pairs.iter().copied()) {
            catalogue.add(&labels, Facts::default());
        }
        catalogue.len() >= count
    };
    for host in 0.. {
        let host = format!("host-{host:02}");
        for (metric, label) in HOST {
            for i in 0..24 {
                let value = match *label {
                    "cpu" => i.to_string(),
                    "mountpoint" => format!("/var/lib/volume{i}"),
                    _ if metric.contains("network") => format!("eth{i}"),
                    _ => format!("sd{}", char::from(b'a' + i)),
                };
                if add(&[("__name__", metric), ("job", "node"), ("instance", &host), (label, &value)]) {
                    return catalogue;
                }
            }
        }
        for pid in 0..300 {
            let (comm, pid) = (COMMANDS[pid % COMMANDS.len()], (1000 + pid * 17).to_string());
            for metric in PROCESS {
                let pairs = [("job", "node"), ("instance", &host), ("pid", &pid), ("comm", comm)];
                let mut all = vec![("__name__", *metric)];
                all.extend(pairs.map(|(n, v)| (n, v as &str)));
                if add(&all) {
                    return catalogue;
                }
            }
        }
        for service in ["checkout", "cart", "payments", "search", "catalog"] {
            let instance = format!("{host}:8080");
            for metric in SERVICE {
                for handler in ["orders", "users", "items", "login", "health", "prices"] {
                    for code in ["200", "404", "500"] {
                        let handler = format!("/api/v1/{handler}");
                        let pairs = [
                            ("__name__", *metric),
                            ("job", service),
                            ("instance", instance.as_str()),
                            ("handler", handler.as_str()),
                            ("code", code),
                        ];
                        if add(&pairs) {
                            return catalogue;
                        }
                    }
                }
            }
        }
    }
    catalogue
}

fn main() {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let started = Instant::now();
    let catalogue = build(count);
    let seconds = started.elapsed().as_secs_f64();
    let bytes = catalogue.heap_bytes();
    println!(
        "{} series added in {seconds:.2} s ({:.1} µs each), {:.1} MiB, {} bytes a series",
        catalogue.len(),
        seconds * 1e6 / catalogue.len() as f64,
        bytes as f64 / 1048576.0,
        bytes / catalogue.len()
    );
    println!("{:28} {:>8} {:>7} {:>10} {:>10}", "query", "series", "groups", "median ms", "p99 ms");
    for group in [GroupBy::Entity, GroupBy::Metric] {
        println!("by {group:?}");
        for q in QUERIES {
            let mut times = Vec::new();
            let mut found = catalogue.find(Find { q, group, ..Find::default() });
            for _ in 0..100 {
                let started = Instant::now();
                found = catalogue.find(Find { q, group, ..Find::default() });
                times.push(started.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            println!("{q:28} {:8} {:7} {median:10.2} {p99:10.2}", found.total, found.groups.len());
        }
    }
}
