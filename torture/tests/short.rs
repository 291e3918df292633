//! The short forms: seconds of what `make torture` does for minutes. What this machine lacks for a method (root, strace,
//! btrfs) is told, and then that method was not run.

use std::process::Command;

/// Runs a method; its table has to say that nothing failed.
fn torture(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_torture")).args(arguments).arg("--short").output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{table}");
    assert!(output.status.success(), "{table}\n{said}");
    assert!(table.starts_with("method"), "{table}\n{said}");
}

#[test]
fn kills() {
    torture(&["kills", "--program-kills", "0"]);
}

#[test]
fn power_cuts() {
    torture(&["power-cuts"]);
}

#[test]
fn damaged_files() {
    torture(&["flips"]);
}

#[test]
fn operations_against_a_model() {
    torture(&["model"]);
}

#[test]
fn failing_system_calls() {
    torture(&["faults"]);
}
