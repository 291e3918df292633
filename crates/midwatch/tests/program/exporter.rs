//! Beside Debian's node_exporter on the same machine: what both record has the same names, labels and values, so that
//! dashboards and queries made for it work here. `make test` installs it; without it this fails, since a check that was
//! not made is none.

use crate::support::service::free_port;
use crate::support::{Home, Midwatch, Pairs, Running, eventually};
use std::process::Command;

const EXPORTER: &str = "/usr/bin/prometheus-node-exporter";

/// How near two values have to be, which were read up to a second or two apart.
#[derive(Clone, Copy, Debug)]
enum Near {
    Same,
    /// By this much at the most.
    Within(f64),
    /// By this part of the larger one, or by this much.
    Ratio(f64, f64),
}

use Near::{Ratio, Same, Within};

/// A metric, and how near its values have to be.
const METRICS: &[(&str, Near)] = &[
    ("node_memory_MemTotal_bytes", Same),
    ("node_memory_SwapTotal_bytes", Same),
    ("node_memory_MemFree_bytes", Ratio(0.1, 500e6)),
    ("node_memory_Active_anon_bytes", Ratio(0.2, 500e6)),
    ("node_boot_time_seconds", Within(1.0)),
    ("node_time_seconds", Within(5.0)),
    ("node_filesystem_size_bytes", Same),
    ("node_filesystem_avail_bytes", Ratio(0.05, 2e9)),
    ("node_filesystem_files", Same),
    ("node_filesystem_readonly", Same),
    ("node_cpu_seconds_total", Within(6.0)),
    ("node_cpu_guest_seconds_total", Within(6.0)),
    ("node_load1", Within(1.0)),
    ("node_load15", Within(0.5)),
    ("node_context_switches_total", Ratio(0.05, 200e3)),
    ("node_forks_total", Ratio(0.05, 2000.0)),
    ("node_intr_total", Ratio(0.05, 200e3)),
    ("node_procs_running", Within(200.0)),
    ("node_filefd_maximum", Same),
    ("node_filefd_allocated", Within(2000.0)),
    ("node_network_receive_bytes_total", Ratio(0.05, 50e6)),
    ("node_network_transmit_packets_total", Ratio(0.05, 100e3)),
    ("node_network_receive_errs_total", Same),
    ("node_network_mtu_bytes", Same),
    ("node_network_up", Same),
    ("node_network_flags", Same),
    ("node_disk_reads_completed_total", Ratio(0.05, 1000.0)),
    ("node_disk_written_bytes_total", Ratio(0.05, 500e6)),
    ("node_disk_io_now", Within(1000.0)),
    ("node_netstat_Tcp_CurrEstab", Within(500.0)),
    ("node_netstat_Udp_InDatagrams", Ratio(0.05, 1000.0)),
    ("node_sockstat_sockets_used", Within(1000.0)),
    ("node_sockstat_TCP_mem_bytes", Within(1e9)),
    ("node_vmstat_pgfault", Ratio(0.05, 1e6)),
    ("node_vmstat_oom_kill", Same),
    ("node_softnet_processed_total", Ratio(0.05, 100e3)),
    ("node_schedstat_running_seconds_total", Within(6.0)),
    ("node_pressure_cpu_waiting_seconds_total", Within(6.0)),
    ("node_pressure_io_stalled_seconds_total", Within(6.0)),
    ("node_entropy_available_bits", Within(4096.0)),
    ("node_arp_entries", Within(5.0)),
    ("node_uname_info", Same),
    ("node_os_info", Same),
    ("node_timex_tai_offset_seconds", Same),
];

/// Metrics of which the two may have different series: which of the kernel's make-believe disks, mounts and interfaces are
/// left out is up to each.
const SHARED_ONLY: &[&str] = &["node_disk_", "node_filesystem_", "node_network_", "node_arp_entries"];

/// A running exporter, and its address.
fn start_exporter() -> (Running, String) {
    assert!(
        std::path::Path::new(EXPORTER).exists(),
        "{EXPORTER} is missing: install Debian's package prometheus-node-exporter (scripts/setup test does)"
    );
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(EXPORTER);
    command.args([format!("--web.listen-address={address}"), "--no-collector.systemd".into()]);
    let mut exporter = Running::start(command);
    eventually("the exporter answers", || {
        assert_eq!(exporter.ended(), None, "{}", exporter.stderr());
        std::net::TcpStream::connect(&address).map(|_| ()).map_err(|e| e.to_string())
    });
    (exporter, address)
}

/// Every series of the metric in that job, by its labels without `job` and `instance`.
fn series(midwatch: &Midwatch, metric: &str, job: &str) -> Vec<(Pairs, f64)> {
    let mut rows = midwatch.query(&format!("{metric}{{job={job:?}}}"));
    for (labels, _) in &mut rows {
        labels.retain(|name, _| !["__name__", "job", "instance"].contains(&name.as_str()));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn near(how: Near, a: f64, b: f64) -> bool {
    let apart = (a - b).abs();
    match how {
        Same => a == b,
        Within(most) => apart <= most,
        Ratio(part, least) => apart <= least.max(part * a.abs().max(b.abs())),
    }
}

/// Adds what is wrong with one metric, in words. Returns whether there was anything to compare.
fn compare(midwatch: &Midwatch, metric: &str, how: Near, wrong: &mut Vec<String>) -> bool {
    let (ours, theirs) = (series(midwatch, metric, "node"), series(midwatch, metric, "exporter"));
    if ours.is_empty() && theirs.is_empty() {
        // This kernel does not have it.
        return false;
    }
    let shared = theirs.iter().filter_map(|(labels, theirs)| {
        ours.iter().find(|(l, _)| l == labels).map(|(_, ours)| (labels, *ours, *theirs))
    });
    let shared: Vec<_> = shared.collect();
    let exact = !SHARED_ONLY.iter().any(|prefix| metric.starts_with(prefix));
    if exact && (shared.len() != theirs.len() || theirs.len() != ours.len()) || shared.is_empty() {
        wrong.push(format!("{metric}: other series: ours {ours:?}, the exporter's {theirs:?}"));
    }
    for (labels, ours, theirs) in shared {
        if !near(how, ours, theirs) {
            wrong.push(format!("{metric}{labels:?}: {ours} here, {theirs} there; they should be {how:?}"));
        }
    }
    true
}

#[test]
fn the_same_names_labels_and_values_as_node_exporter() {
    let (_exporter, address) = start_exporter();
    let home = Home::new();
    home.write(
        "prometheus.yml",
        &format!(
            "scrape_configs: [{{job_name: exporter, scrape_interval: 1s, static_configs: [{{targets: ['{address}']}}]}}]"
        ),
    );
    let midwatch = home.serve(&["--no-discover", "--config", "prometheus.yml"]);
    eventually("both are there", || {
        midwatch.value("node_time_seconds{job=\"exporter\"}")?;
        midwatch.value("node_time_seconds{job=\"node\"}")
    });
    // Some are read every few seconds only: the first comparison may come too early for them.
    eventually("the same values", || {
        let mut wrong = Vec::new();
        let compared =
            METRICS.iter().filter(|(name, how)| compare(&midwatch, name, *how, &mut wrong)).count();
        assert!(compared >= 30, "only {compared} metrics are there at all");
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    });
}
