//! Control groups of both versions, from folders made for the test.

use super::super::testing::Host;

fn cgroup_lines(host: &mut Host) -> String {
    host.read(|line| line.starts_with("cgroup_"))
}

#[test]
fn version_2() {
    let mut host = Host::new(
        "sys/fs/cgroup/cgroup.controllers: cpu io memory pids
sys/fs/cgroup/cpu.stat: usage_usec 9000000
sys/fs/cgroup/system.slice/a b.service/cpu.stat: usage_usec 2500000|user_usec 2000000|system_usec 500000|nr_periods 10|nr_throttled 4|throttled_usec 750000
sys/fs/cgroup/system.slice/a b.service/memory.current: 4096
sys/fs/cgroup/system.slice/a b.service/memory.max: max
sys/fs/cgroup/system.slice/a b.service/memory.stat: anon 1000|file 2000
sys/fs/cgroup/system.slice/a b.service/memory.events: low 0|high 0|max 7|oom 1|oom_kill 3
sys/fs/cgroup/system.slice/a b.service/io.stat: 8:0 rbytes=100 wbytes=200 rios=3 wios=4 dbytes=0 dios=0|8:16 rbytes=1 wbytes=2 rios=5 wios=6
sys/fs/cgroup/system.slice/a b.service/pids.current: 12
sys/fs/cgroup/system.slice/a b.service/pids.max: 100
sys/fs/cgroup/system.slice/a b.service/memory.pressure: some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000|full avg10=0.00 avg60=0.00 avg300=0.00 total=500000",
    );
    let id = r#"{cgroup="/system.slice/a b.service"}"#;
    let want = format!(
        r#"cgroup_cpu_usage_seconds_total{{cgroup="/"}} 9
cgroup_cpu_usage_seconds_total{id} 2.5
cgroup_cpu_user_seconds_total{id} 2
cgroup_cpu_system_seconds_total{id} 0.5
cgroup_cpu_periods_total{id} 10
cgroup_cpu_throttled_periods_total{id} 4
cgroup_cpu_throttled_seconds_total{id} 0.75
cgroup_memory_usage_bytes{id} 4096
cgroup_io_read_bytes_total{id} 101
cgroup_io_written_bytes_total{id} 202
cgroup_io_reads_total{id} 8
cgroup_io_writes_total{id} 10
cgroup_memory_anon_bytes{id} 1000
cgroup_memory_file_bytes{id} 2000
cgroup_memory_oom_kills_total{id} 3
cgroup_memory_limit_hits_total{id} 7
cgroup_pids{id} 12
cgroup_pids_limit{id} 100
cgroup_pressure_memory_waiting_seconds_total{id} 1.5
cgroup_pressure_memory_stalled_seconds_total{id} 0.5
"#
    );
    assert_eq!(cgroup_lines(&mut host), want);
}

#[test]
fn version_1() {
    let mut host = Host::new(
        "sys/fs/cgroup/cpu,cpuacct/cpu.shares: 1024
sys/fs/cgroup/cpu,cpuacct/cpuacct.usage: 5000000000
sys/fs/cgroup/cpu,cpuacct/docker/1f/cpuacct.usage: 1500000000
sys/fs/cgroup/cpu,cpuacct/docker/1f/cpuacct.stat: user 120|system 30
sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.stat: nr_periods 8|nr_throttled 2|throttled_time 250000000
sys/fs/cgroup/memory/memory.usage_in_bytes: 1
sys/fs/cgroup/memory/docker/1f/memory.usage_in_bytes: 8192
sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes: 9223372036854771712
sys/fs/cgroup/memory/docker/1f/memory.stat: cache 1|rss 2|total_cache 300|total_rss 400|total_swap 0
sys/fs/cgroup/memory/docker/1f/memory.oom_control: oom_kill_disable 0|under_oom 0|oom_kill 2
sys/fs/cgroup/memory/docker/1f/memory.failcnt: 6
sys/fs/cgroup/blkio/cgroup.procs: 1
sys/fs/cgroup/blkio/docker/1f/blkio.throttle.io_service_bytes: 8:0 Read 10|8:0 Write 20|8:0 Total 30|8:16 Read 1|Total 31
sys/fs/cgroup/pids/cgroup.procs: 1
sys/fs/cgroup/pids/docker/1f/pids.current: 3
sys/fs/cgroup/pids/docker/1f/pids.max: max",
    );
    let id = r#"{cgroup="/docker/1f"}"#;
    let want = format!(
        r#"cgroup_cpu_usage_seconds_total{{cgroup="/"}} 5
cgroup_memory_usage_bytes{{cgroup="/"}} 1
cgroup_cpu_usage_seconds_total{id} 1.5
cgroup_memory_usage_bytes{id} 8192
cgroup_io_read_bytes_total{id} 11
cgroup_io_written_bytes_total{id} 20
cgroup_cpu_periods_total{id} 8
cgroup_cpu_throttled_periods_total{id} 2
cgroup_cpu_throttled_seconds_total{id} 0.25
cgroup_cpu_user_seconds_total{id} 1.2
cgroup_cpu_system_seconds_total{id} 0.3
cgroup_memory_swap_bytes{id} 0
cgroup_memory_anon_bytes{id} 400
cgroup_memory_file_bytes{id} 300
cgroup_memory_oom_kills_total{id} 2
cgroup_memory_limit_hits_total{id} 6
cgroup_pids{id} 3
"#
    );
    assert_eq!(cgroup_lines(&mut host), want);
}

#[test]
fn an_idle_group_is_read_less_often_and_a_removed_one_ends() {
    let mut host = Host::new(
        "sys/fs/cgroup/cgroup.controllers: cpu
sys/fs/cgroup/x/cpu.stat: usage_usec 1000000
sys/fs/cgroup/x/memory.current: 4096",
    );
    let usage = "cgroup_cpu_usage_seconds_total{cgroup=\"/x\"} 1\n";
    let memory = "cgroup_memory_usage_bytes{cgroup=\"/x\"} 4096\n";
    assert_eq!(cgroup_lines(&mut host), format!("{usage}{memory}"));
    // Position 1 is due for its slow files in ticks 4, 9, ...; until then memory is not read.
    assert_eq!(cgroup_lines(&mut host), usage);
    host.write("sys/fs/cgroup/x/cpu.stat: usage_usec 2000000");
    let busy = usage.replace(" 1\n", " 2\n");
    assert_eq!(cgroup_lines(&mut host), format!("{busy}{memory}"));
    assert_eq!(cgroup_lines(&mut host), busy);
    assert_eq!(cgroup_lines(&mut host), format!("{busy}{memory}"));
    host.remove("sys/fs/cgroup/x");
    for _ in 5..10 {
        cgroup_lines(&mut host);
    }
    let ended = host.read(|line| line.starts_with("cgroup_"));
    assert!(ended.is_empty() || ended.contains("stale"), "{ended}");
}
