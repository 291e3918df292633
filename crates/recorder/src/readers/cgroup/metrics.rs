//! The metrics of a control group, and where each is in the table.

use crate::reference::{Reference, counter, gauge};

const GROUP: &[&str] = &["cgroup"];

/// The series of one group. Positions are named in [`at`].
pub(crate) const METRICS: &[Reference] = &[
    counter(
        "cgroup_cpu_usage_seconds_total",
        "seconds",
        GROUP,
        "cpu.stat, cpuacct.usage",
        "CPU time used by the group and those below it. All cgroup_ metrics are read every second while the group uses CPU time, else every 5 s; files in /sys/fs/cgroup.",
    ),
    counter(
        "cgroup_cpu_user_seconds_total",
        "seconds",
        GROUP,
        "cpu.stat, cpuacct.stat",
        "CPU time in user mode.",
    ),
    counter(
        "cgroup_cpu_system_seconds_total",
        "seconds",
        GROUP,
        "cpu.stat, cpuacct.stat",
        "CPU time in the kernel.",
    ),
    counter(
        "cgroup_cpu_periods_total",
        "",
        GROUP,
        "cpu.stat",
        "Periods in which the CPU limit was enforced.",
    ),
    counter(
        "cgroup_cpu_throttled_periods_total",
        "",
        GROUP,
        "cpu.stat",
        "Periods in which the group was throttled.",
    ),
    counter(
        "cgroup_cpu_throttled_seconds_total",
        "seconds",
        GROUP,
        "cpu.stat",
        "Time for which the group was throttled, added up over CPUs.",
    ),
    gauge(
        "cgroup_memory_usage_bytes",
        "bytes",
        GROUP,
        "memory.current, memory.usage_in_bytes",
        "Memory used, the page cache included.",
    ),
    gauge(
        "cgroup_memory_limit_bytes",
        "bytes",
        GROUP,
        "memory.max, memory.limit_in_bytes",
        "Memory limit; absent where there is none.",
    ),
    gauge("cgroup_memory_swap_bytes", "bytes", GROUP, "memory.swap.current, memory.stat", "Swap used."),
    gauge(
        "cgroup_memory_anon_bytes",
        "bytes",
        GROUP,
        "memory.stat",
        "Anonymous memory: what cannot be read again from a file.",
    ),
    gauge("cgroup_memory_file_bytes", "bytes", GROUP, "memory.stat", "Page cache."),
    counter(
        "cgroup_memory_oom_kills_total",
        "",
        GROUP,
        "memory.events, memory.oom_control",
        "Processes killed because memory ran out.",
    ),
    counter(
        "cgroup_memory_limit_hits_total",
        "",
        GROUP,
        "memory.events, memory.failcnt",
        "How often the group reached its memory limit.",
    ),
    counter(
        "cgroup_io_read_bytes_total",
        "bytes",
        GROUP,
        "io.stat, blkio.throttle.io_service_bytes",
        "Bytes read, all devices.",
    ),
    counter(
        "cgroup_io_written_bytes_total",
        "bytes",
        GROUP,
        "io.stat, blkio.throttle.io_service_bytes",
        "Bytes written, all devices.",
    ),
    counter("cgroup_io_reads_total", "", GROUP, "io.stat, blkio.throttle.io_serviced", "Reads, all devices."),
    counter(
        "cgroup_io_writes_total",
        "",
        GROUP,
        "io.stat, blkio.throttle.io_serviced",
        "Writes, all devices.",
    ),
    gauge("cgroup_pids", "", GROUP, "pids.current", "Processes and threads."),
    gauge(
        "cgroup_pids_limit",
        "",
        GROUP,
        "pids.max",
        "The most processes and threads; absent where there is no limit.",
    ),
    counter(
        "cgroup_pressure_cpu_waiting_seconds_total",
        "seconds",
        GROUP,
        "cpu.pressure",
        "Seconds in which some threads of the group waited for CPU time.",
    ),
    counter(
        "cgroup_pressure_cpu_stalled_seconds_total",
        "seconds",
        GROUP,
        "cpu.pressure",
        "Seconds in which all threads of the group waited for CPU time at once.",
    ),
    counter(
        "cgroup_pressure_memory_waiting_seconds_total",
        "seconds",
        GROUP,
        "memory.pressure",
        "Seconds in which some threads of the group waited for memory.",
    ),
    counter(
        "cgroup_pressure_memory_stalled_seconds_total",
        "seconds",
        GROUP,
        "memory.pressure",
        "Seconds in which all threads of the group waited for memory at once.",
    ),
    counter(
        "cgroup_pressure_io_waiting_seconds_total",
        "seconds",
        GROUP,
        "io.pressure",
        "Seconds in which some threads of the group waited for I/O.",
    ),
    counter(
        "cgroup_pressure_io_stalled_seconds_total",
        "seconds",
        GROUP,
        "io.pressure",
        "Seconds in which all threads of the group waited for I/O at once.",
    ),
];

/// Positions in [`METRICS`].
pub(crate) mod at {
    pub(crate) const CPU_USAGE: usize = 0;
    pub(crate) const CPU_USER: usize = 1;
    pub(crate) const CPU_SYSTEM: usize = 2;
    pub(crate) const CPU_PERIODS: usize = 3;
    pub(crate) const CPU_THROTTLED_PERIODS: usize = 4;
    pub(crate) const CPU_THROTTLED: usize = 5;
    pub(crate) const MEMORY: usize = 6;
    pub(crate) const MEMORY_LIMIT: usize = 7;
    pub(crate) const SWAP: usize = 8;
    pub(crate) const ANON: usize = 9;
    pub(crate) const FILE: usize = 10;
    pub(crate) const OOM_KILLS: usize = 11;
    pub(crate) const LIMIT_HITS: usize = 12;
    pub(crate) const READ_BYTES: usize = 13;
    pub(crate) const WRITTEN_BYTES: usize = 14;
    pub(crate) const READS: usize = 15;
    pub(crate) const WRITES: usize = 16;
    pub(crate) const PIDS: usize = 17;
    pub(crate) const PIDS_LIMIT: usize = 18;
    pub(crate) const PRESSURE_CPU: usize = 19;
    pub(crate) const PRESSURE_MEMORY: usize = 21;
    pub(crate) const PRESSURE_IO: usize = 23;
}
