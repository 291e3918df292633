//! Starts that cannot work: each ends soon, with an exit code that is not 0 and one line that says what to do next, and
//! leaves everything as it was.

use crate::support::{Home, Midwatch, can_mount, eventually, text};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

/// Runs `midwatch serve FLAGS`, which has to fail with `code` and one line that holds all of `parts`.
fn refused(home: &Home, flags: &[&str], parts: &[&str]) -> String {
    let args = [&["serve", "--no-host", "--no-discover"], flags].concat();
    says(home.command(&args), parts)
}

fn says(command: Command, parts: &[&str]) -> String {
    let shown = format!("{command:?}");
    let ended = crate::support::Running::start(command).finish();
    assert_eq!(ended.code, Some(1), "{shown}: {ended:?}");
    assert!(ended.took < Duration::from_secs(10), "{shown}: {ended:?}");
    assert_eq!(ended.stdout, "", "{shown}");
    let line = ended.stderr.trim_end().to_string();
    assert!(line.starts_with("midwatch: ") && !line.contains('\n'), "{shown}: not one line: {line}");
    for part in parts {
        assert!(line.contains(part), "{shown}: {part:?} is not in {line}");
    }
    line
}

#[test]
fn a_port_in_use_names_who_uses_it() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let pid = format!("process {}", std::process::id());
    refused(&home, &["--listen", &listen], &[&listen, "is in use", "--listen", &pid]);
    assert!(!home.path("midwatch-data").exists(), "nothing is made for a start that fails");
}

#[test]
fn a_folder_that_another_one_has_open() {
    let home = Home::new();
    let first = home.serve_quietly();
    let parts = ["midwatch-data", "in use by another process", "stop that one", "--data"];
    refused(&home, &["--listen", "127.0.0.1:0"], &parts);
    assert_eq!(first.get("/-/ready").status, 200, "the first one goes on");
    // A kill leaves no lock behind.
    first.kill();
    home.serve_quietly();
}

#[test]
fn a_folder_with_files_of_others() {
    let home = Home::new();
    std::fs::create_dir(home.path("thesis")).unwrap();
    home.write("thesis/chapter.txt", "years of work");
    let parts = ["thesis", "not a data folder of Midwatch", "chapter.txt", "--data"];
    refused(&home, &["--listen", "127.0.0.1:0", "--data", "thesis"], &parts);
    let left = std::fs::read_dir(home.path("thesis")).unwrap().count();
    assert_eq!(left, 1, "nothing was added to it");
    assert_eq!(std::fs::read_to_string(home.path("thesis/chapter.txt")).unwrap(), "years of work");
}

#[test]
fn a_folder_that_cannot_be_one() {
    let home = Home::new();
    home.write("file", "x");
    refused(&home, &["--listen", "127.0.0.1:0", "--data", "file"], &["file is not a folder", "--data"]);
    refused(&home, &["--listen", "127.0.0.1:0", "--data", "file/data"], &["file/data", "Not a directory"]);
    refused(&home, &["--listen", "127.0.0.1:0", "--data", "/proc/midwatch"], &["/proc/midwatch"]);
}

#[test]
fn a_folder_that_cannot_be_used_names_the_flag_that_chooses_another() {
    let home = Home::new();
    home.write("file", "x");
    for data in ["file/data", "/proc/midwatch"] {
        refused(&home, &["--listen", "127.0.0.1:0", "--data", data], &[data, "--data"]);
    }
}

#[test]
fn a_folder_on_a_read_only_file_system() {
    if let Err(why) = can_mount() {
        // The start below a file, above, is the nearest that can be had without.
        eprintln!("not tested on a read-only mount, which this machine does not let us make: {why}");
        return;
    }
    let home = Home::new();
    // It is ours, from a run before; now its disk has become read-only.
    home.serve_quietly().stop();
    let read_only = "mount --bind midwatch-data midwatch-data && mount -o remount,bind,ro midwatch-data && \
                     exec \"$0\" serve --no-host --no-discover --listen 127.0.0.1:0";
    let mut command = home.command(&[]);
    let program = command.get_program().to_owned();
    command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", read_only]).arg(program).current_dir(home.path(""));
    says(command, &["midwatch-data", "read-only file system"]);
    // And one that is to be made there.
    let fresh = "mkdir ro && mount -t tmpfs -o ro none ro && \
                 exec \"$0\" serve --no-host --no-discover --listen 127.0.0.1:0 --data ro/data";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", fresh, env!("CARGO_BIN_EXE_midwatch")]).current_dir(home.path(""));
    says(command, &["ro/data", "read-only file system"]);
}

#[test]
fn an_address_that_others_can_reach() {
    let home = Home::new();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.7:4004"] {
        refused(&home, &["--listen", listen], &[listen, "no password", "--insecure-listen"]);
    }
    // Who says so gets it, with a warning.
    let args = ["serve", "--no-host", "--no-discover", "--listen", "0.0.0.0:0", "--insecure-listen"];
    let midwatch = Midwatch::start(home.command(&args));
    let said = midwatch.process.stdout();
    assert!(said.contains("Anyone who can reach") && said.contains("http://127.0.0.1:"), "{said}");
}

#[test]
fn flags_that_make_no_sense() {
    let home = Home::new();
    for (flags, parts) in [
        (["--retention", "30"], ["--retention", "has no unit", "15d"]),
        (["--retention", "soon"], ["--retention", "\"soon\"", "15d"]),
        (["--retention", "1s"], ["--retention", "out of bounds", "1h"]),
        (["--retention-size", "1KiB"], ["--retention-size", "out of bounds", "64MiB"]),
        (["--listen", "4004"], ["--listen", "not an address", "127.0.0.1:4004"]),
        (["--listen", "example.org:80"], ["--listen", "not an address", "127.0.0.1:4004"]),
        (["--data", ""], ["--data", "must not be empty", ""]),
    ] {
        refused(&home, &flags, &parts);
    }
    // What is no flag at all is the command line's own error, with a hint.
    let ended = home.run(&["serve", "--retntion", "3d"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--retention"), "{}", ended.stderr);
    assert!(!home.path("midwatch-data").exists());
}

#[test]
fn a_configuration_with_mistakes_is_refused_and_each_is_named_with_its_line() {
    let home = Home::new();
    let config = home.write(
        "midwatch.toml",
        "retention = \"30d\"\nretnetion_size = \"1GiB\"\n[query]\ntimeout = 5\n[stroe]\nx = 1\n",
    );
    let ended = home.run(&["serve", "--listen", "127.0.0.1:0", "--config", text(&config)]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in [
        "midwatch.toml:2: error: unknown key \"retnetion_size\"; did you mean \"retention_size\"?",
        "midwatch.toml:4: error: query.timeout:",
        "midwatch.toml:5: error: unknown key \"stroe\"; did you mean \"store\"?",
        "midwatch: the configuration has 3 errors; mend them",
    ] {
        assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), 4, "{}", ended.stderr);
    assert!(!home.path("midwatch-data").exists());
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let home = Home::new();
    for (name, part) in [("gone.toml", "No such file"), ("gone.yml", "No such file"), ("", "Is a directory")]
    {
        let config = home.path(name);
        let ended = home.run(&["serve", "--listen", "127.0.0.1:0", "--config", text(&config)]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(part) && ended.stderr.contains(name), "{}", ended.stderr);
    }
    assert!(!home.path("midwatch-data").exists());
}

#[test]
fn a_damaged_end_of_the_log_is_no_reason_not_to_start() {
    let home = Home::new();
    let midwatch = home.serve_quietly();
    midwatch.write(&[crate::support::series("kept", &[], &[(crate::support::now_ms(), 1.0)])]);
    midwatch.kill();
    let wal = std::fs::read_dir(home.path("midwatch-data/wal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&wal).unwrap();
    bytes.extend([7; 1000]);
    std::fs::write(&wal, bytes).unwrap();
    let midwatch = home.serve_quietly();
    eventually("it says what it found", || {
        let said = midwatch.process.stderr();
        if said.contains("1000 bytes are not whole records") { Ok(()) } else { Err(said) }
    });
    assert_eq!(midwatch.export("kept")[0].values, [1.0]);
}
