//! Reads every checksum of the tables: of each file both parts, of the log every frame. It must never write, nor take a
//! write that is going on for damage.

use super::header::{FileEntry, Header};
use super::list::{List, objects_of};
use super::{frame, log};
use crate::objects::{DAMAGED, Objects};
use crate::progress::Watch;
use crate::verify::{Finding, Lost, Report, Severity};
use std::collections::BTreeSet;
use std::path::Path;
use stdx::{ErrorKind, Result};

/// Checks files and log of the tables of a manifest. `is_current` says whether a file is in the newest manifest: what a
/// program that runs has replaced meanwhile is not missing.
///
/// # Errors
/// `Unavailable`, `Cancelled`.
pub(crate) fn check(
    objects: &Objects,
    log_folder: &Path,
    list: &List,
    is_current: &dyn Fn(&FileEntry) -> bool,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    watch.expect(2 * list.files.len() as u64, list.files.iter().map(FileEntry::size).sum());
    for entry in &list.files {
        let read = Header::read(objects, entry).and_then(|header| {
            header.parts(objects, entry).iter().try_for_each(|part| part.check(&mut |n| watch.bytes(n)))
        });
        match read {
            Ok(()) => report.bytes += entry.size(),
            Err(e) if e.kind == ErrorKind::NotFound && !is_current(entry) => continue,
            Err(e) if matches!(e.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {
                let lost = Lost {
                    first_ms: Some(entry.first_ns / 1_000_000),
                    last_ms: Some(entry.last_ns / 1_000_000),
                    ..Lost::default()
                };
                let what = format!("{e}; it has {} rows of {}", entry.rows, entry.table);
                report.add(Finding::new(&entry.paths()[0], Severity::Damage, what).lost(lost).advice(
                    "rows of it may be missing in answers, which say so; restore a backup to have them again",
                ));
            }
            Err(e) => return Err(e),
        }
        report.files += 2;
        watch.file()?;
    }
    check_log(log_folder, list.floor(""), report, watch)?;
    left_over(objects, list, report)
}

fn check_log(folder: &Path, floor: u64, report: &mut Report, watch: &mut Watch<'_>) -> Result<()> {
    let all = log::segments(folder)?;
    let newest = all.last().map(|(number, _)| *number);
    for (number, _) in all.into_iter().filter(|(number, _)| *number >= floor) {
        let path = log::segment_path(Path::new(log::FOLDER), number).display().to_string();
        let read = log::open_to_read(folder, number).and_then(|file| {
            log::read_segment((folder, file, number), |payload| frame::decode(payload).map(|_| ()))
        });
        match read {
            Err(e) if e.kind == ErrorKind::NotFound => continue,
            Err(e) => report.add(Finding::new(path, Severity::Damage, e.to_string()).lost(Lost::default())),
            Ok(rest) => {
                report.bytes += rest.whole;
                watch.bytes(rest.whole)?;
                // A write may be going on in the newest one.
                if rest.bytes > 0 && (rest.is_damage || newest != Some(number)) {
                    let what = format!(
                        "after byte {} follow {} bytes that are not whole records",
                        rest.whole, rest.bytes
                    );
                    let severity = if rest.is_damage { Severity::Damage } else { Severity::Doubt };
                    report.add(Finding::new(path, severity, what).advice(
                        "if the machine lost power while it wrote, this was not finished and nobody was told that it is \
                         kept; if it did not, records are damaged. The next start leaves it out and goes on",
                    ));
                }
            }
        }
        report.files += 1;
        report.segments += 1;
    }
    Ok(())
}

fn left_over(objects: &Objects, list: &List, report: &mut Report) -> Result<()> {
    let named: BTreeSet<String> = list.files.iter().flat_map(FileEntry::paths).collect();
    for (path, bytes) in objects_of(objects)? {
        if path.ends_with(DAMAGED) {
            let what =
                format!("{bytes} bytes that could not be read were set aside here by an earlier start");
            let advice = "remove it when nobody wants it any more";
            report.add(Finding::new(path, Severity::Note, what).advice(advice));
        } else if !named.contains(&path) && super::header::id_of(&path).is_some_and(|id| id < list.next_file)
        {
            let what = format!("{bytes} bytes that no list of files names");
            report.add(Finding::new(path, Severity::Note, what).advice("the next start removes it"));
        }
    }
    Ok(())
}
