//! A host that lies: names that are not text, numbers that are none, files without end. The recorder
//! reads on, keeps its limits, and never makes a label that it would not accept from others.

use model::Batch;
use recorder::{Recorder, Settings};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const FIXTURE: &str = include_str!("fixtures/host.txt");

fn write(root: &Path, path: &[u8], text: &[u8]) {
    let path = root.join(std::ffi::OsStr::from_bytes(path));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn files() -> Vec<(&'static str, &'static str)> {
    FIXTURE.split("== ").skip(1).filter_map(|part| part.split_once('\n')).collect()
}

fn settings_of(root: &Path) -> Settings {
    let folder = |name: &str| -> PathBuf {
        let path = root.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    Settings {
        instance: "test".into(),
        proc_root: folder("proc"),
        sys_root: folder("sys"),
        ..Settings::default()
    }
}

/// Reads `ticks` times and checks what must always hold. Returns the last batch.
fn read(settings: Settings, ticks: i64) -> Batch {
    let mut recorder = Recorder::new(settings);
    let mut batch = Batch::default();
    for second in 0..ticks {
        batch.clear();
        recorder.read(second * 1000, second as u64 * 1_000_000_000, &mut batch);
        assert!(batch.samples.len() < 20_000, "{} samples", batch.samples.len());
        for labels in &batch.series {
            assert!(!labels.name().is_empty(), "a series without a name");
            assert!(labels.iter().all(|(n, v)| n.len() <= 128 && v.len() <= 2_560), "{labels}");
        }
    }
    batch
}

/// A generator that gives the same numbers for the same seed (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

/// Changes a text in one of the ways in which texts are wrong.
fn spoil(text: &str, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + numbers.next(8) {
        let at = numbers.next(bytes.len());
        match numbers.next(8) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] = numbers.next(256) as u8,
            2 => drop(bytes.splice(at..at, *b"99999999999999999999999999")),
            3 => drop(bytes.splice(at..at, *b"\xff\xfe\0\n:)(= -")),
            4 => drop(bytes.drain(at..(at + 20).min(bytes.len()))),
            5 => bytes.extend_from_within(..at),
            6 => drop(bytes.splice(at..at, vec![b'x'; 5_000])),
            _ => drop(bytes.splice(at..at, *b" -1 ")),
        }
    }
    bytes
}

#[test]
fn spoiled_files_do_no_harm() {
    for seed in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let mut numbers = Numbers(seed);
        for (path, text) in files() {
            let spoiled =
                if numbers.next(3) == 0 { text.as_bytes().to_vec() } else { spoil(text, &mut numbers) };
            write(folder.path(), path.as_bytes(), &spoiled);
        }
        read(settings_of(folder.path()), 3);
    }
}

#[test]
fn names_that_are_not_text_become_text() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, b"proc/stat", b"btime 1\nprocesses 9\n");
    let comm = b"<img src=x onerror=alert(1)>\xff\n\"}";
    let stat =
        [b"9 (", comm.as_slice(), b") R 1 1 1 0 -1 0 5 0 6 0 1 0 0 0 20 0 90 0 1 8192 9000 0"].concat();
    write(root, b"proc/9/stat", &stat);
    write(root, b"sys/fs/cgroup/cgroup.controllers", b"cpu");
    write(root, b"sys/fs/cgroup/a\xffb\nc/cpu.stat", b"usage_usec 1\n");
    write(root, b"proc/diskstats", b"1 1 d\xfek 1 2 3 4 5 6 7 8 9 10 11\n");
    write(root, b"proc/net/dev", b"  e\xfd: 1 2 3\n");
    write(root, b"proc/meminfo", b"We\xfcird Name: 5 kB\nEvil\"x{}: 5 kB\n");
    let batch = read(settings_of(root), 3);
    let has = |name: &str, label: &str, value: &str| {
        batch.series.iter().any(|l| l.name() == name && (label.is_empty() || l.get(label) == value))
    };
    assert!(has("process_thread_count", "comm", "<img src=x onerror=alert(1)>\\xff\n\"}"));
    assert!(has("cgroup_cpu_usage_seconds_total", "cgroup", "/a\\xffb\nc"));
    assert!(has("node_disk_io_now", "device", "d\\xfek"));
    assert!(has("node_network_receive_bytes_total", "device", "e\\xfd"));
    assert!(has("node_memory_Evil_x___bytes", "", ""), "{:?}", batch.series);
}

#[test]
fn limits_hold_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let disks: String = (0..3_000).map(|i| format!("8 {i} disk{i}x 1 2 3 4 5 6 7 8 9 10 11\n")).collect();
    write(root, b"proc/diskstats", disks.as_bytes());
    write(root, b"proc/vmstat", &vec![b'a'; 8 << 20]);
    write(root, b"sys/fs/cgroup/cgroup.controllers", b"cpu");
    for i in 0..50 {
        write(root, format!("sys/fs/cgroup/group{i}/cpu.stat").as_bytes(), b"usage_usec 1\n");
    }
    let mut settings = settings_of(root);
    (settings.things_max, settings.cgroups_max) = (100, 10);
    let mut recorder = Recorder::new(settings);
    let mut batch = Batch::default();
    let report = recorder.read(0, 0, &mut batch);
    let count = |name: &str| batch.series.iter().filter(|l| l.name() == name).count();
    assert_eq!(count("node_disk_io_now"), 100);
    assert_eq!(count("cgroup_cpu_usage_seconds_total"), 9, "the top has no such file here");
    // 2,900 disks and 41 groups.
    assert_eq!(report.refused, 2_900 + 41);
    assert_eq!(report.errors, [("memory", 1)]);
}

#[test]
fn an_empty_host_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(settings_of(folder.path()));
    let mut batch = Batch::default();
    for second in 0..70 {
        let report = recorder.read(second * 1000, second as u64, &mut batch);
        assert_eq!(report.errors, [], "in second {second}");
    }
}
