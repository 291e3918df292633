//! Screens against text.

use super::*;
use crate::top::machine::{Disk, Seldom};

fn machine() -> Machine {
    let process = |pid: &str, comm: &str, cpu, memory, read| Process {
        pid: pid.into(),
        comm: comm.into(),
        cpu,
        memory,
        read,
        written: 0.0,
        threads: 4.0,
    };
    Machine {
        at_ms: 45_296_000,
        instance: "db-7".into(),
        up_seconds: 200_000.0,
        load: [0.52, 1.0, 12.0],
        cpu: [("user", 1.0), ("system", 0.5), ("iowait", 0.1), ("idle", 2.4)]
            .map(|(m, v)| (m.to_string(), v))
            .into(),
        cores: 4,
        memory: [8.0 * 1024f64.powi(3), 2.0 * 1024f64.powi(3), 0.0, 0.0],
        pressure: [("cpu_waiting", 0.123), ("io_waiting", 0.0), ("io_stalled", 0.0)]
            .map(|(m, v)| (m.to_string(), v))
            .into(),
        disks: vec![Disk { name: "nvme0n1".into(), read: 1e6, written: 2048.0, busy: 0.25 }],
        interfaces: vec![("lo".into(), 9e9, 9e9), ("eth0".into(), 1000.0, 500.0)],
        filesystems: vec![("/".into(), 0.915, 1e9)],
        processes_total: 120.0,
        processes: vec![
            process("1", "init", 0.0, 1e6, 0.0),
            process("77", "postgres", 1.5, 5e8, 1e5),
            process("8", "cc1", 0.9, 9e8, 0.0),
        ],
        seldom: Seldom {
            at_ms: 0,
            headline: "1 thing is worth a look".into(),
            tiles: vec![("look".into(), "db-7 Disk space: 91 % of /".into())],
            targets_up: 2,
            targets_down: vec![("api a:1".into(), "connection refused".into())],
        },
    }
}

fn view(sort: SortBy) -> View {
    View { sort, help: false, problem: None }
}

const URL: &str = "http://127.0.0.1:4004";
const SMALL: Look = Look { width: 80, colour: false };

#[test]
fn eighty_by_twenty_four() {
    let lines = draw(&machine(), &view(SortBy::Cpu), URL, 24, &SMALL);
    assert_eq!(
        lines.join("\n"),
        "\
db-7  up 2.31 d  12:34:56 UTC  http://127.0.0.1:4004      q quit  s sort  ? help
CPU ████████░░░░░░░░░░░░ 37.5 %  user 25 %  sys 12.5 %  wait 2.5 %  steal 0 %
Mem ███████████████░░░░░   75 %  6 GiB of 8 GiB  no swap
Load 0.52 1 12 on 4 cores  PSI cpu 12 % memory 0 % io 0/0 %
1 thing is worth a look  targets: 2 up, 1 down
  ▲ db-7 Disk space: 91 % of /
  ✖ down: api a:1: connection refused
disk            read    written   busy   interface       received       sent
nvme0n1    977 KiB/s    2 KiB/s   25 %   eth0            1000 B/s    500 B/s
fullest: / 91.5 % (954 MiB left)
     pid    cpu▾    memory       read    written threads  command (3 of 120)
      77   150 %   477 MiB 97.7 KiB/s      0 B/s       4  postgres
       8    90 %   858 MiB      0 B/s      0 B/s       4  cc1
       1     0 %   977 KiB      0 B/s      0 B/s       4  init"
    );
}

#[test]
fn the_order_of_processes() {
    for (sort, want) in [
        (SortBy::Cpu, ["postgres", "cc1", "init"]),
        (SortBy::Memory, ["cc1", "postgres", "init"]),
        (SortBy::Io, ["postgres", "cc1", "init"]),
    ] {
        let lines = draw(&machine(), &view(sort), URL, 24, &SMALL);
        let last: Vec<&str> =
            lines[lines.len() - 3..].iter().filter_map(|l| l.split(' ').next_back()).collect();
        assert_eq!(last, want, "{sort:?}");
    }
}

#[test]
fn every_size_and_state_fits() {
    let mut m = machine();
    m.processes = vec![m.processes[0].clone(); 500];
    m.processes[0].comm = "漢字".repeat(100);
    let nothing = Machine::default();
    let failed =
        View { problem: Some("no Midwatch answers at x; start one\nwith".into()), ..view(SortBy::Cpu) };
    let help = View { help: true, ..view(SortBy::Cpu) };
    for machine in [&m, &nothing] {
        for view in [&view(SortBy::Io), &failed, &help] {
            for (width, height) in [(20, 5), (80, 24), (200, 60), (400, 6)] {
                let look = Look { width, colour: false };
                let lines = draw(machine, view, URL, height, &look);
                assert!(lines.len() <= height, "{width}x{height}");
                let wide = lines.iter().find(|l| cells(l) > width);
                assert_eq!(wide, None, "{width}x{height}");
            }
        }
    }
    let coloured = draw(&m, &view(SortBy::Cpu), URL, 24, &Look { width: 80, colour: true }).join("\n");
    assert_eq!(coloured.matches("\x1b[0m").count() * 2, coloured.matches("\x1b[").count());
}

#[test]
fn without_a_host_or_an_answer_it_says_what_to_do() {
    let lines = draw(&Machine::default(), &view(SortBy::Cpu), URL, 24, &SMALL).join("\n");
    assert!(lines.contains("start it without --no-host"), "{lines}");
    let failed = View { problem: Some("no Midwatch answers".into()), ..view(SortBy::Cpu) };
    let lines = draw(&machine(), &failed, URL, 24, &SMALL);
    assert_eq!(lines[1], "No answer: no Midwatch answers");
}
