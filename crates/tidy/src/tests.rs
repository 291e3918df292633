//! The rules. Each names what it forbids and why; a failure lists every place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A crate and the crates of ours that it may import: only downwards, never sideways.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("stdx", &[]),
    ("model", &["stdx"]),
    ("ingest", &["stdx", "model"]),
    ("look", &["stdx", "model"]),
    // Its tests evaluate the queries of its rules; the crate itself asks whoever calls it.
    ("critic", &["stdx", "model", "look", "query"]),
    ("document", &["stdx"]),
    ("capture", &["model"]),
    ("monitor", &["stdx", "model", "document"]),
    ("demo", &["model"]),
    ("store", &["stdx", "model"]),
    ("recorder", &["stdx", "model", "capture"]),
    ("query", &["stdx", "model", "store"]),
    ("sql", &["stdx", "model", "store", "query"]),
    (
        "server",
        &[
            "stdx", "model", "ingest", "look", "critic", "store", "recorder", "query", "sql", "monitor",
            "capture",
        ],
    ),
    (
        "midwatch",
        &[
            "stdx", "model", "document", "monitor", "ingest", "look", "critic", "demo", "store", "recorder",
            "query", "sql", "server",
        ],
    ),
    ("tidy", &[]),
    ("bench", &["stdx", "model", "ingest", "look", "store", "recorder", "query", "sql", "server", "capture"]),
    ("torture", &["stdx", "model", "ingest", "store"]),
];

/// A library and the only crates that may name it: it is quarantined there.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("parquet", &["store"]),
    ("arrow-array", &["store", "torture"]),
    ("arrow-schema", &["store"]),
    ("datafusion", &["sql"]),
    ("datafusion-pg-catalog", &["sql"]),
    ("arrow-pg", &["sql"]),
    ("pgwire", &["sql"]),
    ("arrow-buffer", &["store"]),
    ("arrow-select", &["store"]),
    ("object_store", &["store"]),
    ("pco", &["store"]),
    ("roaring", &["stdx"]),
    ("granit-parser", &["document"]),
    ("regex-syntax", &["model"]),
    ("axum", &["server"]),
    ("landlock", &["server"]),
    ("seccompiler", &["server"]),
    ("reqwest", &["server", "store"]),
    ("rustls", &["server", "store"]),
    ("snap", &["ingest"]),
    ("anyhow", &["midwatch"]),
    ("clap", &["midwatch"]),
    ("toml", &["critic", "midwatch", "tidy"]),
    ("tokio", &["store", "sql", "server", "midwatch", "bench", "torture"]),
];

/// Lines of one source file; a longer one is two things.
const LINES_MAX: usize = 600;

pub(super) fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..").canonicalize().unwrap()
}

fn manifest(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// (name, folder, direct dependencies, those of its tests included).
fn crates() -> Vec<(String, PathBuf, BTreeSet<String>)> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|e| e.unwrap().path());
    folders
        .chain(["bench", "torture"].map(|name| root().join(name)))
        .map(|folder| {
            let table = manifest(&folder.join("Cargo.toml"));
            let name = table["package"]["name"].as_str().unwrap().to_string();
            let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
            let all = sections.iter().filter_map(|s| table.get(*s)?.as_table());
            (name, folder, all.flat_map(|t| t.keys().cloned()).collect())
        })
        .collect()
}

/// Files below a folder with one of the extensions, without what is built or fetched.
fn files(folder: &Path, extensions: &[&str], out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().to_string();
        if path.is_dir() {
            if !["target", "node_modules", "dist", ".git", "midwatch-data", "test-results"]
                .contains(&name.as_str())
            {
                files(&path, extensions, out);
            }
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| *x == e)) {
            out.push(path);
        }
    }
}

fn sources(extensions: &[&str]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for folder in ["crates", "bench", "torture", "lab", "web"] {
        files(&root().join(folder), extensions, &mut out);
    }
    out
}

pub(super) fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn crates_import_downwards_only() {
    let names: BTreeSet<&str> = MAY_IMPORT.iter().map(|(n, _)| *n).collect();
    let mut wrong = Vec::new();
    for (name, _, dependencies) in crates() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(n, _)| *n == name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let ours = dependencies.iter().filter(|d| names.contains(d.as_str()));
        wrong.extend(ours.filter(|d| !allowed.contains(&d.as_str())).map(|d| format!("{name} imports {d}")));
    }
    assert_none(&wrong, "imports go down only: see ARCHITECTURE.md");
}

#[test]
fn heavy_libraries_are_quarantined() {
    let mut wrong = Vec::new();
    for (name, _, dependencies) in crates() {
        for (library, allowed) in ONLY_IN {
            if dependencies.contains(*library) && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{name} names {library}, which only {allowed:?} may"));
            }
        }
    }
    assert_none(&wrong, "a library is named in one place");
}

#[test]
fn every_dependency_has_a_reason() {
    let reasons = std::fs::read_to_string(root().join("docs/decisions/dependencies.md")).unwrap();
    let ours: BTreeSet<&str> = MAY_IMPORT.iter().map(|(n, _)| *n).collect();
    let mut all = BTreeSet::new();
    for (_, _, dependencies) in crates() {
        all.extend(dependencies.into_iter().filter(|d| !ours.contains(d.as_str())));
    }
    let wrong: Vec<String> = all.into_iter().filter(|d| !reasons.contains(&format!("`{d}`"))).collect();
    assert_none(&wrong, "docs/decisions/dependencies.md gives no reason for");
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let says = |path: &PathBuf| std::fs::read_to_string(path).unwrap().starts_with("//!");
    let wrong: Vec<String> =
        sources(&["rs"]).iter().filter(|p| !says(p)).map(|p| p.display().to_string()).collect();
    assert_none(&wrong, "a file begins with `//!` and what it is for");
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for path in sources(&["rs", "ts", "tsx", "mjs"]) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert_none(&wrong, &format!("a file of more than {LINES_MAX} lines is two things"));
}

#[test]
fn lock_files_name_no_host() {
    let mut wrong = Vec::new();
    for (number, line) in
        std::fs::read_to_string(root().join("web/package-lock.json")).unwrap().lines().enumerate()
    {
        if line.contains("\"resolved\"") {
            wrong.push(format!("web/package-lock.json:{}", number + 1));
        }
    }
    assert_none(&wrong, "a lock file must not say where packages were fetched from");
}
