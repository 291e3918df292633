//! The metrics of processes: of each one, and of all together.

use crate::reference::{Reference, counter, gauge};

const EACH: &[&str] = &["pid", "comm"];
const MODE: &[&str] = &["pid", "comm", "mode"];
const DIRECTION: &[&str] = &["pid", "comm", "direction"];
const STAT: &str = "/proc/PID/stat";

/// The series of one process, in the order of its row.
pub(crate) const METRICS: &[(Reference, &str)] = &[
    (
        counter(
            "process_cpu_time_seconds_total",
            "seconds",
            MODE,
            STAT,
            "CPU time used. As all process_ metrics, of the 30 busiest by each measure and of every process that listens on a port.",
        ),
        "user",
    ),
    (counter("process_cpu_time_seconds_total", "seconds", MODE, STAT, ""), "system"),
    (gauge("process_memory_usage_bytes", "bytes", EACH, STAT, "Memory that is resident (RSS)."), ""),
    (gauge("process_memory_virtual_bytes", "bytes", EACH, STAT, "Size of the address space."), ""),
    (gauge("process_thread_count", "", EACH, STAT, "Threads."), ""),
    (
        counter(
            "process_paging_faults_total",
            "",
            &["pid", "comm", "type"],
            STAT,
            "Page faults; those of type major waited for storage.",
        ),
        "minor",
    ),
    (counter("process_paging_faults_total", "", &["pid", "comm", "type"], STAT, ""), "major"),
    (
        gauge(
            "process_start_time_seconds",
            "seconds",
            EACH,
            STAT,
            "When it was started, in seconds since 1970.",
        ),
        "",
    ),
    (
        gauge(
            "process_open_file_descriptor_count",
            "",
            EACH,
            "/proc/PID/fd",
            "Open file descriptors. Every 5 s.",
        ),
        "",
    ),
    (
        counter(
            "process_disk_io_bytes_total",
            "bytes",
            DIRECTION,
            "/proc/PID/io",
            "Bytes that it caused to be read from and written to storage.",
        ),
        "read",
    ),
    (counter("process_disk_io_bytes_total", "bytes", DIRECTION, "/proc/PID/io", ""), "write"),
];
pub(crate) const FDS: usize = 8;
pub(crate) const IO: usize = 9;
pub(crate) const STATES_AT: usize = 11;

pub(crate) const STATE: Reference = gauge(
    "process_state",
    "",
    &["pid", "comm", "state"],
    STAT,
    "1 for the state it is in (running, sleeping, disk_sleep, stopped, traced, zombie, dead, idle), 0 for the others that it was in before.",
);

/// Letters of /proc/PID/stat and the words for them.
pub(crate) const STATES: [(u8, &str); 8] = [
    (b'R', "running"),
    (b'S', "sleeping"),
    (b'D', "disk_sleep"),
    (b'T', "stopped"),
    (b't', "traced"),
    (b'Z', "zombie"),
    (b'X', "dead"),
    (b'I', "idle"),
];

pub(crate) const TOTALS: &[Reference] = &[
    gauge("node_processes_pids", "", &[], "/proc", "Processes on the machine."),
    gauge("node_processes_threads", "", &[], STAT, "Threads on the machine."),
    counter(
        "node_processes_unseen_total",
        "",
        &[],
        "/proc/stat, /proc",
        "Processes and threads that began and ended between two readings: those created, less those that were seen.",
    ),
    gauge("node_processes_recorded", "", &[], "", "Processes that are recorded one by one now."),
    gauge(
        "node_processes_max_processes",
        "",
        &[],
        "/proc/sys/kernel/pid_max",
        "The highest process number. Every 5 s.",
    ),
    gauge(
        "node_processes_max_threads",
        "",
        &[],
        "/proc/sys/kernel/threads-max",
        "The most threads that the machine may have. Every 5 s.",
    ),
];

pub(crate) const BY_STATE: Reference =
    gauge("node_processes_state", "", &["state"], STAT, "Processes in each state, by its letter.");

pub(crate) fn reference() -> Vec<Reference> {
    let own = METRICS.iter().map(|(m, _)| *m).filter(|m| !m.help.is_empty());
    own.chain([STATE])
        .chain(TOTALS.iter().copied())
        .chain([BY_STATE])
        .chain(super::listen::METRICS.iter().copied())
        .collect()
}
