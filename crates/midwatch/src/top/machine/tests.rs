//! From series to a reading of the machine.

use super::*;

fn series(labels: &str, points: &[(f64, f64)]) -> Series {
    let pair = |p: &str| p.split_once('=').map(|(n, v)| (n.to_string(), v.to_string()));
    let labels = format!("instance=vm {}", labels.replacen("", "__name__=", 1));
    Series { labels: labels.split(' ').filter_map(pair).collect(), points: points.to_vec() }
}

#[test]
fn a_machine() {
    let gauge = |labels: &str, value: f64| series(labels, &[(100.0, value)]);
    let counter = |labels: &str, growth: f64| {
        series(labels, &[(96.0, 1_000.0), (98.0, 1_000.0 + growth), (100.0, 1_000.0 + 2.0 * growth)])
    };
    let mut other = gauge("node_load1", 99.0);
    other.labels.insert("instance".into(), "elsewhere".into());
    let gauges = [
        gauge("midwatch_recorder_samples", 1.0),
        gauge("node_load1", 0.5),
        other,
        gauge("node_memory_MemTotal_bytes", 8e9),
        gauge("node_memory_MemAvailable_bytes", 6e9),
        gauge("node_boot_time_seconds", 40.0),
        gauge("node_filesystem_avail_bytes mountpoint=/", 10.0),
        gauge("node_filesystem_size_bytes mountpoint=/", 100.0),
        gauge("node_filesystem_size_bytes mountpoint=/proc", 0.0),
        gauge("process_memory_usage_bytes pid=7 comm=db\x1b[2J", 1e9),
        gauge("process_thread_count pid=7 comm=db", 12.0),
    ];
    let counters = [
        counter("node_cpu_seconds_total cpu=0 mode=user", 1.0),
        counter("node_cpu_seconds_total cpu=1 mode=user", 2.0),
        counter("node_pressure_cpu_waiting_seconds_total", 0.2),
        counter("node_disk_read_bytes_total device=sdb", 4096.0),
        counter("node_disk_io_time_seconds_total device=sda", 1.0),
        counter("node_network_receive_bytes_total device=eth0", 200.0),
        counter("process_cpu_time_seconds_total pid=7 comm=db mode=user", 1.0),
        counter("process_cpu_time_seconds_total pid=7 comm=db mode=system", 0.5),
        counter("process_disk_io_bytes_total pid=7 comm=db direction=write", 2048.0),
    ];
    let m = compute(&gauges, &counters, 100_000);
    assert_eq!((m.instance.as_str(), m.load[0], m.up_seconds, m.cores), ("vm", 0.5, 60.0, 2));
    assert_eq!(m.cpu["user"], 1.5);
    assert!((m.pressure["cpu_waiting"] - 0.1).abs() < 1e-9);
    assert_eq!(m.disks.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["sda", "sdb"]);
    assert_eq!((m.disks[0].busy, m.disks[1].read), (0.5, 2048.0));
    assert_eq!(m.interfaces, [("eth0".to_string(), 100.0, 0.0)]);
    assert_eq!(m.filesystems, [("/".to_string(), 0.9, 10.0)]);
    let p = &m.processes[0];
    assert_eq!(
        (p.comm.as_str(), p.cpu, p.memory, p.written, p.threads),
        ("db\\u{1b}[2J", 0.75, 1e9, 1024.0, 12.0)
    );
}

#[test]
fn rates() {
    for (points, want) in [
        (&[][..], 0.0),
        (&[(1.0, 5.0)], 0.0),
        (&[(1.0, 5.0), (1.0, 9.0)], 0.0),
        (&[(1.0, 5.0), (3.0, 9.0)], 2.0),
        (&[(1.0, 5.0), (2.0, 9.0), (3.0, 2.0)], 3.0),
        (&[(1.0, 5.0), (2.0, f64::NAN), (3.0, 9.0)], 0.0),
    ] {
        assert_eq!(rate(points), want, "{points:?}");
    }
}

#[test]
fn home_and_targets() {
    let home = serde_json::json!({"headline": "1 thing is worth a look", "subjects": [
        {"title": "vm", "tiles": [
            {"title": "CPU", "state": "fine", "value": "3 %"},
            {"title": "Disk", "state": "look", "value": "91 % of /"},
            {"title": "Clock", "state": "bad", "value": "stepped"}]}]});
    let targets = serde_json::json!({"activeTargets": [
        {"health": "up"},
        {"health": "down", "lastError": "refused\u{7}", "labels": {"job": "api", "instance": "a:1"}},
        {"health": "unknown"}]});
    let s = seldom(&home, &targets, 1);
    assert_eq!(
        s.tiles,
        [("bad".into(), "vm Clock: stepped".into()), ("look".into(), "vm Disk: 91 % of /".into())]
    );
    assert_eq!(
        (s.targets_up, s.targets_down),
        (1, vec![("api a:1".to_string(), "refused\\u{7}".to_string())])
    );
    assert_eq!(seldom(&Value::Null, &Value::Null, 1).headline, "");
}
