//! DataFusion is built once, whichever packages are built: cargo unifies features over what is selected, so a library on which it
//! stands that has other features in another selection would be a second build of everything above it, minutes of processor time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What people and `make` build that has SQL in it.
const SELECTIONS: &[&[&str]] = &[
    &["--workspace", "--features", "midwatch/sql"],
    &["-p", "midwatch", "--features", "sql"],
    &["-p", "server", "--features", "sql"],
    &["-p", "sql"],
];

/// The libraries of a selection, `name version`, each with the sets of features that it has there.
fn tree(selection: &[&str], more: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p} [{f}]"]);
    let ended = command.args(selection).args(more).current_dir(super::tests::root()).output().unwrap();
    assert!(ended.status.success(), "{selection:?}: {}", String::from_utf8_lossy(&ended.stderr));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // An empty line stands between the packages of the workspace.
    for line in String::from_utf8(ended.stdout).unwrap().lines().filter(|l| !l.is_empty()) {
        let (package, features) = line.trim_end_matches(" (*)").split_once(" [").unwrap();
        // Behind them it says where ours lie, and what is a procedural macro.
        let package = package.split(' ').take(2).collect::<Vec<_>>().join(" ");
        all.entry(package).or_default().insert(features.to_string());
    }
    all
}

#[test]
fn datafusion_is_built_once() {
    let edges = ["--edges", "normal,build,dev"];
    let whole = tree(SELECTIONS[0], &edges);
    let stands_on = tree(&["-p", "datafusion"], &["--edges", "normal,build"]);
    assert!(stands_on.len() > 100, "{} libraries", stands_on.len());
    let mut wrong = Vec::new();
    for selection in &SELECTIONS[1..] {
        let here = tree(selection, &edges);
        for library in stands_on.keys() {
            let (here, whole) = (&here[library], &whole[library]);
            // For a procedural macro the workspace may have a further set of its own.
            if !here.is_subset(whole) {
                wrong.push(format!("{library} {selection:?}: {here:?}, in the workspace {whole:?}"));
            }
        }
    }
    super::tests::assert_none(&wrong, "ask for the missing features in crates/sql/Cargo.toml");
}
