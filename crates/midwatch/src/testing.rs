//! What tests share: files that are generated from the code and kept beside it.

use std::path::Path;

/// Fails if the file (named from the root of the repository) is not `want`; writes it when `MIDWATCH_BLESS` is set.
pub fn golden(file: &str, want: &str) {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..").join(file);
    if std::env::var_os("MIDWATCH_BLESS").is_some() {
        std::fs::write(&path, want).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        have == want,
        "{file} is not up to date: run the tests with MIDWATCH_BLESS=1 and look at the difference"
    );
}
