//! The series that are searched: hosts as node_exporter shows them, their processes, and services with handlers and
//! codes, until there are enough. The same every time. It must never hold them all as text at once.

/// Metrics of a service, as a program in Go or Java exposes them.
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
const SERVICES: &[&str] = &["checkout", "cart", "payments", "search", "catalog"];
const HANDLERS: &[&str] = &["orders", "users", "items", "login", "health", "prices"];
const CODES: &[&str] = &["200", "404", "500"];
/// Metrics of a host, each with the label that tells its parts apart.
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
const PARTS: u8 = 24;
const PROCESS: &[&str] = &[
    "process_cpu_time_seconds_total",
    "process_memory_usage_bytes",
    "process_open_file_descriptor_count",
    "process_thread_count",
];
const PROCESSES: usize = 300;
const COMMANDS: &[&str] =
    &["nginx", "postgres", "java", "sshd", "python3", "kworker/u8:2", "containerd-shim"];

/// Takes the labels of one series.
pub type Add<'a> = dyn FnMut(&[(&str, &str)]) + 'a;
/// Takes the labels of one series, and says whether more are wanted.
type One<'a> = dyn FnMut(&[(&str, &str)]) -> bool + 'a;

/// Calls `add` with the labels of each of so many series.
pub fn each(count: usize, add: &mut Add) {
    let mut left = count;
    let mut host = 0;
    while left > 0 {
        let name = format!("host-{host:02}");
        // False once there are enough.
        let mut one = |pairs: &[(&str, &str)]| {
            if left > 0 {
                add(pairs);
                left -= 1;
            }
            left > 0
        };
        let _ = parts(&name, &mut one) && processes(&name, &mut one) && services(&name, &mut one);
        host += 1;
    }
}

fn parts(host: &str, one: &mut One) -> bool {
    HOST.iter().all(|(metric, label)| {
        (0..PARTS).all(|i| {
            let value = match *label {
                "cpu" => i.to_string(),
                "mountpoint" => format!("/var/lib/volume{i}"),
                _ if metric.contains("network") => format!("eth{i}"),
                _ => format!("sd{}", char::from(b'a' + i)),
            };
            one(&[("__name__", metric), ("job", "node"), ("instance", host), (label, &value)])
        })
    })
}

fn processes(host: &str, one: &mut One) -> bool {
    (0..PROCESSES).all(|i| {
        let (command, pid) = (COMMANDS[i % COMMANDS.len()], (1000 + i * 17).to_string());
        PROCESS.iter().all(|metric| {
            let who = [("instance", host), ("pid", &pid), ("comm", command)];
            one(&[("__name__", metric), ("job", "node"), who[0], who[1], who[2]])
        })
    })
}

fn services(host: &str, one: &mut One) -> bool {
    let instance = format!("{host}:8080");
    SERVICES.iter().all(|service| {
        SERVICE.iter().all(|metric| {
            HANDLERS.iter().all(|handler| {
                let handler = format!("/api/v1/{handler}");
                let who = [("__name__", *metric), ("job", *service), ("instance", &instance)];
                CODES.iter().all(|code| one(&[who[0], who[1], who[2], ("handler", &handler), ("code", code)]))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn as_many_as_asked_for_and_all_different() {
        let mut all = HashSet::new();
        super::each(7_000, &mut |pairs| {
            all.insert(format!("{pairs:?}"));
        });
        assert_eq!(all.len(), 7_000);
    }
}
