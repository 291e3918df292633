//! Captures in a data folder or a backup: every file against the checksum that its manifest has of it. It must never call
//! damaged what is removed while it is read.

use super::report::{Finding, Report, Severity};
use crate::captures::{self, FOLDER};
use crate::progress::Watch;
use std::path::Path;
use stdx::Result;

/// Adds what is wrong with captures.
pub(super) fn check(folder: &Path, report: &mut Report, watch: &mut Watch<'_>) -> Result<()> {
    let folder = folder.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    for id in captures::ids(&folder)? {
        let place = folder.join(&id);
        let found = captures::verify_folder(&place);
        watch.expect(found.files, found.bytes);
        watch.bytes(found.bytes)?;
        report.files += found.files;
        report.bytes += found.bytes;
        if !place.is_dir() {
            continue;
        }
        for problem in found.problems {
            let advice = "look whether an export, a backup or the host itself has this capture still; what the other \
                          files of it hold can be read";
            report.add(Finding::new(format!("{FOLDER}/{id}"), Severity::Damage, problem).advice(advice));
        }
    }
    Ok(())
}
