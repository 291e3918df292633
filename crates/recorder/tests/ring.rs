//! The ring is filled from a host made of text files, and from this machine: every class has its rows, secrets are not
//! among them, and what cannot be read is told.

use capture::class::{CGROUPS, FILES, INTERRUPTS, KERNEL, PROCESSES, SOCKETS};
use capture::{Class, Ring};
use model::{Batch, Columns, Values};
use recorder::{Recorder, Settings};
use std::path::Path;

const HOST: &str = include_str!("fixtures/ring.txt");

/// Lines `path: text`; `|` ends a line, `^` is the zero between arguments.
fn write(root: &Path, files: &str) {
    for line in files.lines().filter(|l| !l.is_empty()) {
        let (path, text) = line.split_once(": ").unwrap();
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace('|', "\n").replace('^', "\0") + "\n").unwrap();
    }
}

fn rows(columns: &Columns, names: &[&str]) -> Vec<String> {
    let value = |row: usize, name: &&str| match columns.get(name).unwrap() {
        Values::Times(times) => times[row].to_string(),
        Values::Integers(numbers) => numbers[row].map_or("-".into(), |n| n.to_string()),
        Values::Texts(texts) => texts.get(row).to_string(),
    };
    (0..columns.len()).map(|row| names.iter().map(|n| value(row, n)).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_host_made_of_text_comes_into_the_ring() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, HOST);
    std::fs::create_dir_all(root.join("proc/7/fd")).unwrap();
    for (fd, target) in [("0", "/dev/null"), ("1", "socket:[78]"), ("2", "/dev/null")] {
        std::os::unix::fs::symlink(target, root.join("proc/7/fd").join(fd)).unwrap();
    }
    let settings = Settings {
        proc_root: root.join("proc"),
        sys_root: root.join("sys"),
        kernel_log: root.join("kmsg"),
        ..Settings::default()
    };
    let mut recorder = Recorder::new(settings);
    let mut ring = Ring::new(capture::Settings::default());
    let mut batch = Batch::default();
    recorder.read(1_000_000, 0, &mut batch);
    recorder.fill(&mut ring);
    // The process runs for a tenth of a second.
    let stat = HOST.lines().find(|l| l.starts_with("proc/7/stat")).unwrap();
    write(root, &stat.replace(" 250 31 ", " 260 31 "));
    recorder.read(1_001_000, 1_000_000_000, &mut batch);
    recorder.fill(&mut ring);
    let frozen = ring.freeze();
    let of = |class: &Class, names: &[&str]| rows(&frozen.columns(class, 0, i64::MAX, 1_000_000).0, names);

    let names =
        ["time", "pid", "parent_pid", "comm", "command", "cgroup", "state", "cpu_ms", "user_ms", "start_ms"];
    assert_eq!(
        of(&PROCESSES, &names),
        [
            "1000000 7 1 shop /usr/bin/shop --db-password *** /shop.slice S 0 2500 1700000100000",
            "1001000 7 1 shop /usr/bin/shop --db-password *** /shop.slice S 100 2600 1700000100000",
        ]
    );
    assert_eq!(
        of(&SOCKETS, &["time", "local_port", "peer_port", "state", "inode"]),
        ["1000000 8080 40000 ESTABLISHED 78", "1001000 8080 40000 ESTABLISHED 78"]
    );
    assert_eq!(of(&KERNEL, &["level", "message"]), ["err Out of memory: Killed process 7"]);
    assert_eq!(
        of(&INTERRUPTS, &["time", "interrupt", "cpu", "count", "about"])[..3],
        ["1000000 24 0 5 PCI-MSI eth0", "1000000 24 1 7 PCI-MSI eth0", "1000000 softirq:NET_RX 1 9 "]
    );
    assert_eq!(
        of(&CGROUPS, &["time", "path", "cpu_us"])[..2],
        ["1000000 / 5000000", "1000000 /shop.slice 2000000"]
    );
    assert_eq!(
        of(&FILES, &["pid", "target", "descriptors"]),
        Vec::<String>::new(),
        "nobody was busy at the first look"
    );
    let told = ring.read();
    assert!(told.iter().all(|r| r.told.problem.is_empty()), "{told:?}");

    let (everyone, denied) = recorder::files_of_everyone(&root.join("proc"), 5, 100);
    assert_eq!(
        rows(&everyone, &["comm", "target", "descriptors"]),
        ["shop /dev/null 2", "shop socket:[78] 1"]
    );
    assert_eq!(denied, 0);
}

#[test]
fn what_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let settings = Settings {
        proc_root: root.join("proc"),
        sys_root: root.join("sys"),
        kernel_log: root.join("kmsg"),
        ..Settings::default()
    };
    let mut recorder = Recorder::new(settings);
    let mut ring = Ring::new(capture::Settings::default());
    recorder.read(0, 0, &mut Batch::default());
    recorder.fill(&mut ring);
    for reading in ring.read().iter().filter(|r| r.class.name != "files") {
        assert!(!reading.told.problem.is_empty(), "{}", reading.class.name);
        assert_eq!(reading.rows, 0);
    }
    assert_eq!(recorder::files_of_everyone(&root.join("proc"), 0, 10).0.len(), 0);
}

/// This machine, read as it is: this process is in the table, with its arguments.
#[test]
fn this_machine_comes_into_the_ring() {
    let mut recorder = Recorder::new(Settings::default());
    let mut ring = Ring::new(capture::Settings::default());
    // Command lines are read a hundred at a time.
    for second in 1..=20 {
        recorder.read(second * 1_000, 0, &mut Batch::default());
        recorder.fill(&mut ring);
    }
    let (columns, _) = ring.freeze().columns(&PROCESSES, 20_000, i64::MAX, usize::MAX);
    let own = i64::from(std::process::id());
    let at = columns.integers("pid").unwrap().iter().position(|pid| *pid == Some(own)).unwrap();
    assert!(columns.texts("command").unwrap().get(at).contains("ring"));
    assert!(columns.integers("resident_bytes").unwrap()[at] > Some(1 << 20));
    assert!(ring.read().iter().all(|r| r.memory_bytes <= r.budget_bytes));
}
