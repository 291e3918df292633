//! Processes of a host made of text: who is recorded, what ends, who was never seen.

use crate::readers::testing::Host;

/// /proc/PID/stat of a process: name, state, CPU time in hundredths of a second, threads, start, pages.
fn stat(pid: u32, comm: &str, state: char, ticks: u64, threads: u64, start: u64, pages: u64) -> String {
    format!(
        "proc/{pid}/stat: {pid} ({comm}) {state} 1 1 1 0 -1 0 5 0 6 0 {ticks} 0 0 0 20 0 {threads} 0 {start} 8192 {pages} 0"
    )
}

fn machine(forks: u64) -> String {
    format!("proc/stat: btime 1000|processes {forks}")
}

/// Reads once and keeps what is said of processes.
fn processes(host: &mut Host) -> String {
    host.read(|line| line.starts_with("process_cpu") && line.contains("user"))
}

fn total(host: &mut Host, name: &str) -> String {
    host.read(|line| line.starts_with(name)).split(' ').nth(1).unwrap_or_default().trim().to_string()
}

#[test]
fn all_that_is_known_of_a_process() {
    let mut host = Host::new(&format!(
        "{}\n{}\nproc/7/io: rchar: 1|read_bytes: 4096|write_bytes: 512\nproc/7/fd/0: x\nproc/7/fd/1: x",
        machine(7),
        stat(7, "a (b) c", 'S', 250, 3, 150, 0)
    ));
    host.read(|_| false);
    host.write(&stat(7, "a (b) c", 'R', 300, 3, 150, 0));
    let got = host.read(|line| line.starts_with("process_"));
    let id = r#"comm="a (b) c", "#;
    let want = format!(
        r#"process_cpu_time_seconds_total{{{id}mode="user", pid="7"}} 3
process_cpu_time_seconds_total{{{id}mode="system", pid="7"}} 0
process_memory_usage_bytes{{{id}pid="7"}} 0
process_memory_virtual_bytes{{{id}pid="7"}} 8192
process_thread_count{{{id}pid="7"}} 3
process_paging_faults_total{{{id}pid="7", type="minor"}} 5
process_paging_faults_total{{{id}pid="7", type="major"}} 6
process_start_time_seconds{{{id}pid="7"}} 1001.5
process_disk_io_bytes_total{{{id}direction="read", pid="7"}} 4096
process_disk_io_bytes_total{{{id}direction="write", pid="7"}} 512
process_state{{{id}pid="7", state="running"}} 1
"#
    );
    assert_eq!(got, want);
    host.write(&stat(7, "a (b) c", 'D', 300, 3, 150, 0));
    let got = host.read(|line| line.starts_with("process_state") || line.starts_with("process_open"));
    // Now that it is recorded, its open files are counted too.
    let want = format!(
        "process_open_file_descriptor_count{{{id}pid=\"7\"}} 2\nprocess_state{{{id}pid=\"7\", state=\"running\"}} 0\nprocess_state{{{id}pid=\"7\", state=\"disk_sleep\"}} 1\n"
    );
    assert_eq!(got, want);
}

#[test]
fn the_busiest_by_each_measure_are_recorded() {
    let mut host = Host::with(
        &[
            machine(5),
            stat(1, "idle", 'S', 900, 1, 1, 10),
            stat(2, "large", 'S', 0, 1, 1, 9_000),
            stat(3, "small", 'S', 0, 1, 1, 2_000),
            stat(4, "threads", 'S', 0, 500, 1, 10),
            stat(5, "busy", 'R', 10, 1, 1, 10),
        ]
        .join("\n"),
        |s| s.processes_per_measure = 1,
    );
    assert_eq!(processes(&mut host), "");
    host.write(&stat(5, "busy", 'R', 20, 1, 1, 10));
    let want = r#"process_cpu_time_seconds_total{comm="large", mode="user", pid="2"} 0
process_cpu_time_seconds_total{comm="threads", mode="user", pid="4"} 0
process_cpu_time_seconds_total{comm="busy", mode="user", pid="5"} 0.2
"#;
    assert_eq!(processes(&mut host), want);
}

#[test]
fn the_limit_holds_and_what_it_leaves_out_is_counted() {
    let many: Vec<String> = (1..=20).map(|pid| stat(pid, "x", 'S', 0, 1, 1, 9_000)).collect();
    let mut host = Host::with(&format!("{}\n{}", machine(20), many.join("\n")), |s| {
        s.processes_max = 5;
        s.processes_watched_max = 15;
    });
    host.read(|_| false);
    assert_eq!(processes(&mut host).lines().count(), 5);
    assert_eq!(total(&mut host, "node_processes_pids"), "20");
    assert_ne!(total(&mut host, "midwatch_recorder_refused_total"), "0");
}

#[test]
fn a_process_that_ends_or_changes_its_name_ends_its_series() {
    let mut host = Host::new(&[machine(2), stat(2, "old", 'S', 0, 1, 1, 9_000)].join("\n"));
    host.read(|_| false);
    host.read(|_| false);
    host.write(&stat(2, "new", 'S', 0, 1, 1, 9_000));
    let got = processes(&mut host);
    let want = r#"process_cpu_time_seconds_total{comm="old", mode="user", pid="2"} stale
process_cpu_time_seconds_total{comm="new", mode="user", pid="2"} 0
"#;
    assert_eq!(got, want);
    // Another process under the same number: another start time.
    host.write(&stat(2, "new", 'S', 0, 1, 77, 9_000));
    assert_eq!(
        processes(&mut host),
        "process_cpu_time_seconds_total{comm=\"new\", mode=\"user\", pid=\"2\"} stale\n"
    );
    assert_eq!(processes(&mut host), "");
    assert_eq!(processes(&mut host).lines().count(), 1);
    host.write("proc/2/stat: ");
    assert!(processes(&mut host).contains("stale"));
    assert_eq!(processes(&mut host), "");
}

#[test]
fn what_began_and_ended_between_two_readings_is_counted() {
    let mut host = Host::new(&[machine(100), stat(2, "x", 'S', 0, 1, 1, 0)].join("\n"));
    assert_eq!(total(&mut host, "node_processes_unseen_total"), "0");
    // One of three created since is there, with two threads: none was missed.
    host.write(&[machine(103), stat(3, "y", 'S', 0, 3, 1, 0)].join("\n"));
    assert_eq!(total(&mut host, "node_processes_unseen_total"), "0");
    host.write(&machine(110));
    assert_eq!(total(&mut host, "node_processes_unseen_total"), "7");
    assert_eq!(total(&mut host, "node_processes_unseen_total"), "7");
}

#[test]
fn workers_of_the_kernel_have_one_name() {
    for (comm, want) in [
        ("kworker/0:1-events", "kworker/0:1"),
        ("kworker/u8:2+flush-254:0", "kworker/u8:2"),
        ("kworker/1:0H", "kworker/1:0H"),
        ("my-program", "my-program"),
    ] {
        assert_eq!(super::name_of(comm.as_bytes()), want.as_bytes());
    }
}
