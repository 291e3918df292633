//! Puts the files of `web/dist` into the program, if they were built.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let dist = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
        .join("../../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    list(&dist, &mut files);
    files.sort();
    let mut out = String::from(
        "/// Name, content and ETag of each file.\nstatic ASSETS: &[(&str, &[u8], &str)] = &[\n",
    );
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let Ok(name) = file.strip_prefix(&dist) else { continue };
        let Ok(content) = std::fs::read(&file) else { continue };
        let mut hash = DefaultHasher::new();
        content.hash(&mut hash);
        let hash = hash.finish();
        // A copy of our own: the folder may be rebuilt while the program is.
        let copy = out_dir.join(format!("{hash:016x}"));
        std::fs::write(&copy, content).expect("cannot copy a file of web/dist");
        let tag = format!("\"{hash:016x}\"");
        let _ = writeln!(out, "    ({:?}, include_bytes!({copy:?}), {tag:?}),", name.display().to_string());
    }
    out.push_str("];\n");
    std::fs::write(out_dir.join("assets.rs"), out).expect("cannot write the list of assets");
}

fn list(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => list(&path, out),
            path => out.push(path),
        }
    }
}
