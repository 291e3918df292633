//! Files that are followed: through renames, truncation, restarts and kills every line is there once.

use crate::logs::bodies;
use crate::support::{Home, Midwatch, eventually};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

fn serve(home: &Home, more: &str) -> Midwatch {
    let path = home.path("logs/*.log").display().to_string();
    let text = format!("[[logs.files]]\npath = \"{path}\"\nservice = \"f\"\n{more}");
    home.write("midwatch.toml", &text);
    home.serve(&["--no-host", "--no-discover", "--config", "midwatch.toml"])
}

fn append(path: &Path, lines: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

fn numbered(range: std::ops::Range<usize>) -> String {
    range.map(|i| format!("line number {i} of the file\n")).collect()
}

/// Waits until so many are there, and checks that each is there once.
fn assert_all_once(midwatch: &Midwatch, count: usize) {
    let count_of = |found: &[String]| {
        let mut numbers: Vec<usize> =
            found.iter().filter_map(|b| b.split(' ').nth(2)?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    };
    let numbers = eventually("all lines are there", || {
        let numbers = count_of(&bodies(midwatch, "service:f"));
        if numbers.len() >= count { Ok(numbers) } else { Err(format!("{} of {count}", numbers.len())) }
    });
    assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "each line once");
}

#[test]
fn a_file_is_followed_through_rename_and_truncation() {
    let home = Home::new();
    std::fs::create_dir(home.path("logs")).unwrap();
    let path = home.path("logs/a.log");
    append(&path, &numbered(0..10));
    let midwatch = serve(&home, "");
    assert_all_once(&midwatch, 10);
    // Renamed while its writer still writes into it.
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    std::fs::rename(&path, home.path("logs/a.log.1")).unwrap();
    writer.write_all(numbered(10..20).as_bytes()).unwrap();
    append(&path, &numbered(20..30));
    assert_all_once(&midwatch, 30);
    // Copied and truncated.
    std::fs::copy(&path, home.path("logs/a.log.2")).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    append(&path, &numbered(30..32));
    assert_all_once(&midwatch, 32);
    // A line is only one once it is finished; a stack trace is one record.
    append(&path, "line number 32 ");
    append(&path, "of the file\nERROR boom\njava.lang.IllegalStateException: x\n\tat a.b(C.java:1)\n");
    assert_all_once(&midwatch, 33);
    let boom = eventually("the trace is one", || {
        let found = bodies(&midwatch, "level:error");
        found.first().cloned().ok_or("none".into())
    });
    assert_eq!(boom.lines().count(), 3, "{boom}");
}

#[test]
fn nothing_is_lost_or_doubled_by_kills() {
    let home = Home::new();
    std::fs::create_dir(home.path("logs")).unwrap();
    let path = home.path("logs/a.log");
    let mut written = 0;
    for round in 0..4 {
        let midwatch = serve(&home, "multiline = false\n");
        let until = written + 100 + round * 37;
        while written < until {
            append(&path, &numbered(written..written + 7));
            written += 7;
        }
        let want = written - 50;
        eventually("some are there", || {
            let count = bodies(&midwatch, "service:f").len();
            if count >= want { Ok(()) } else { Err(format!("{count} of {want}")) }
        });
        if round == 2 {
            midwatch.kill();
            // Rotated while nobody looks.
            append(&path, &numbered(written..written + 5));
            written += 5;
            std::fs::rename(&path, home.path("logs/a.log.1")).unwrap();
        } else {
            midwatch.kill();
        }
    }
    let midwatch = serve(&home, "multiline = false\n");
    assert_all_once(&midwatch, written);
}
