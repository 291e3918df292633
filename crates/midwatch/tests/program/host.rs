//! Started with nothing but a port: this machine is recorded each second, and what is recorded is true.

use crate::support::{Home, Midwatch, eventually, text};

/// With these flags, once some readings are there.
fn recording(home: &Home, flags: &[&str]) -> Midwatch {
    let midwatch = home.serve(flags);
    eventually("five readings of the host", || {
        let ticks = midwatch.own("midwatch_recorder_ticks_total");
        if ticks >= 5.0 { Ok(()) } else { Err(format!("{ticks} ticks")) }
    });
    midwatch
}

#[test]
fn with_no_configuration_the_machine_is_recorded() {
    let home = Home::new();
    let midwatch = recording(&home, &[]);
    assert!(midwatch.process.stdout().contains("records this machine into ./midwatch-data"));
    assert!(home.path("midwatch-data/MIDWATCH").is_file(), "the folder of data is where it says");

    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let cores = std::thread::available_parallelism().unwrap().get();
    for mode in ["user", "system", "idle", "iowait", "irq", "softirq", "nice", "steal"] {
        let rows = midwatch.query(&format!("node_cpu_seconds_total{{mode={mode:?}, job=\"node\"}}"));
        assert!(rows.len() >= cores, "{mode}: {} rows for {cores} cores", rows.len());
        assert!(rows.iter().all(|(labels, _)| labels["instance"] == hostname), "{rows:?}");
    }
    // One series at the least of each thing that a machine has.
    for promql in [
        "node_load1",
        "node_memory_MemAvailable_bytes",
        "node_vmstat_pgfault",
        "node_disk_reads_completed_total",
        "node_filesystem_avail_bytes{mountpoint=\"/\"}",
        "node_network_receive_bytes_total{device=\"lo\"}",
        "node_netstat_Tcp_CurrEstab",
        "node_sockstat_sockets_used",
        "node_context_switches_total",
        "node_softirqs_total",
        "node_filefd_allocated",
        "node_processes_pids",
        "node_processes_threads",
        "node_entropy_available_bits",
        "node_time_seconds",
        "node_boot_time_seconds",
        "node_uname_info",
    ] {
        assert!(!midwatch.query(promql).is_empty(), "{promql} found nothing");
    }
    let kind = |metric: &str| midwatch.data(&format!("/api/v1/metadata?metric={metric}"))[metric][0].clone();
    assert_eq!(kind("node_cpu_seconds_total")["type"], "counter");
    assert_eq!(kind("node_load1")["type"], "gauge");
}

#[test]
fn counters_grow_as_the_kernel_counts() {
    let home = Home::new();
    let midwatch = recording(&home, &["--no-discover"]);
    // All modes of a core together are one second a second.
    eventually("rates of CPU time", || {
        let rows = midwatch.query("sum by (cpu) (rate(node_cpu_seconds_total[10s]))");
        let whole = rows.iter().all(|(_, v)| (0.8..1.2).contains(v));
        if whole && !rows.is_empty() { Ok(()) } else { Err(format!("{rows:?}")) }
    });
    let steps = midwatch.value("count_over_time(node_context_switches_total[5s])").unwrap();
    assert!((4.0..=6.0).contains(&steps), "{steps} readings in 5 s");
    assert!(midwatch.value("increase(node_context_switches_total[5s])").unwrap() > 0.0);

    let kernel = |file: &str| std::fs::read_to_string(file).unwrap();
    let meminfo = kernel("/proc/meminfo");
    let total = meminfo.lines().find(|l| l.starts_with("MemTotal:")).unwrap();
    let kib: f64 = total.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(midwatch.value("node_memory_MemTotal_bytes"), Ok(kib * 1024.0));
    let stat = kernel("/proc/stat");
    let boot: f64 = stat.lines().find_map(|l| l.strip_prefix("btime ")?.parse().ok()).unwrap();
    assert!((midwatch.value("node_boot_time_seconds").unwrap() - boot).abs() <= 1.0);
    let now = crate::support::now_ms() as f64 / 1000.0;
    assert!((midwatch.value("node_time_seconds").unwrap() - now).abs() < 10.0);
}

#[test]
fn a_process_that_listens_is_recorded_by_its_number() {
    let home = Home::new();
    let midwatch = recording(&home, &["--no-discover"]);
    let pid = midwatch.process.id();
    let memory = format!("process_memory_usage_bytes{{pid=\"{pid}\"}}");
    let (labels, bytes) = eventually("this very process", || {
        midwatch.query(&memory).into_iter().next().ok_or("it is not there".into())
    });
    assert_eq!(labels["comm"], "midwatch");
    assert!((1e6..1e9).contains(&bytes), "{bytes} bytes");
    let cpu = format!("sum(process_cpu_time_seconds_total{{pid=\"{pid}\"}})");
    assert!(midwatch.value(&cpu).unwrap() > 0.0);
}

#[test]
fn its_own_cost_is_a_metric_and_nothing_is_refused() {
    let home = Home::new();
    let midwatch = recording(&home, &["--no-discover"]);
    // Recorded like all else, and given out to others.
    eventually("its own cost is recorded", || {
        let cost = midwatch.query("process_cpu_seconds_total{job=\"midwatch\"}");
        if cost.is_empty() { Err("not there".into()) } else { Ok(()) }
    });
    assert!(midwatch.value("sum(midwatch_recorder_cpu_seconds_total{job=\"node\"})").unwrap() > 0.0);
    assert!(midwatch.own("process_resident_memory_bytes") > 1e6);
    assert!(midwatch.own("midwatch_samples_accepted_total{source=\"host\"}") > 1000.0);
    assert_eq!(midwatch.own("midwatch_recorder_dropped_ticks_total"), 0.0);
    assert_eq!(midwatch.own("midwatch_recorder_read_errors_total"), 0.0);
    assert_eq!(midwatch.value("sum(midwatch_recorder_refused_total)"), Ok(0.0));
    let metrics = midwatch.get("/metrics").text();
    let refused = |l: &&str| l.starts_with("midwatch_samples_rejected_total{") && l.contains("\"host\"");
    assert_eq!(metrics.lines().find(refused), None);

    let status = midwatch.data("/api/v1/status/midwatch");
    let sources = status["sources"].as_array().unwrap();
    let host = sources.iter().find(|s| s["source"] == "host").unwrap_or_else(|| panic!("{status}"));
    assert_eq!(host["rejected"].as_array().map(Vec::len), Some(0), "{host}");
    assert!(host["samples"].as_u64() > Some(1000), "{host}");
    assert_eq!(status["store"]["state"], "ok", "{status}");
}

#[test]
fn its_own_metrics_are_in_the_format_that_was_asked_for() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    let ask = |accept: &str| {
        crate::support::http::ask(midwatch.address, "GET", "/metrics", &[("Accept", accept)], &[]).unwrap()
    };
    let plain = ask("*/*");
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let open = ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(open.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(open.text().ends_with("\n# EOF\n"), "{}", open.text());
    for line in plain.text().lines().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && name.starts_with(|c: char| c.is_ascii_lowercase()), "{line}");
    }
}

#[test]
fn what_is_switched_off_stays_off() {
    let home = Home::new();
    let data = home.path("elsewhere/deep");
    let midwatch = home.serve(&["--no-host", "--no-discover", "--data", text(&data)]);
    assert!(midwatch.process.stdout().contains("records what is sent to it"));
    assert!(data.join("MIDWATCH").is_file());
    assert_eq!(midwatch.data("/api/v1/discovery")["enabled"], false);
    let flags = midwatch.data("/api/v1/status/flags");
    assert_eq!((&flags["host.enabled"], &flags["discover.enabled"]), (&"false".into(), &"false".into()));
    assert_eq!(midwatch.data("/api/v1/targets")["activeTargets"].as_array().map(Vec::len), Some(0));
    assert_eq!(midwatch.data("/api/v1/labels").as_array().map(Vec::len), Some(0));
    assert!(!home.path("midwatch-data").exists());
}
