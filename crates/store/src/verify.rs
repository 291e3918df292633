//! Reads every checksum of a data folder or a backup, decodes every sample, and says in words what is wrong, what is
//! lost, and what to do. It works beside a running program: what that one changes meanwhile is followed. It must never
//! write, and never call a folder whole in which a bit that means something was changed.
//!
//! Each type of file has one function here or below that adds what it finds to the [`Report`].

mod block;
mod captures;
mod log;
mod report;
#[cfg(test)]
mod tests;

pub use report::{Finding, Lost, Report, Severity};

use crate::backup;
use crate::manifest::{self, Manifest};
use crate::objects::{DAMAGED, Objects};
use crate::progress::{Progress, Watch};
use report::About;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stdx::{ErrorKind, Result};

/// How often a list of blocks that changes all the time is read anew.
const ROUNDS_MAX: usize = 20;

/// Where the parts of what is checked lie.
struct Place {
    objects: Objects,
    wal: PathBuf,
    tables_log: PathBuf,
}

/// What was read already.
#[derive(Default)]
struct Seen {
    blocks: BTreeSet<u64>,
    segments: BTreeSet<u64>,
}

/// Checks a data folder or a backup. `go_on` is told how far it is; false ends it.
///
/// # Errors
/// `Invalid` if the folder is neither; `NotFound` or `Unavailable` if it cannot be read; `Cancelled`. That something in
/// it is damaged is no error: see [`Report`].
pub fn verify(folder: &Path, go_on: &mut dyn FnMut(&Progress) -> bool) -> Result<Report> {
    let mut watch = Watch::new(go_on);
    let mut report = Report::default();
    let Some(place) = place_of(folder, &mut report, &mut watch)? else { return Ok(report) };
    captures::check(folder, &mut report, &mut watch)?;
    let mut newest = manifests(&place, &mut report)?;
    let mut seen = Seen::default();
    for _ in 0..ROUNDS_MAX {
        let Some(manifest) = &newest else { return Ok(report) };
        let new = || manifest.parts().filter(|(_, b)| !seen.blocks.contains(&b.id));
        watch.expect(2 * new().count() as u64, new().map(|(_, b)| b.series_bytes + b.chunks_bytes).sum());
        for (sub, entry) in manifest.parts() {
            if seen.blocks.insert(entry.id) {
                block::check(&place.objects, (sub, entry), &mut report, &mut watch)?;
            }
        }
        log::check_new(&place.wal, manifest.wal_floor, &mut seen.segments, &mut report, &mut watch)?;
        // What a running program committed meanwhile.
        let now = load(&place)?;
        let is_settled = now.as_ref().is_none_or(|now| now.number == manifest.number);
        newest = now;
        if is_settled {
            break;
        }
    }
    if let Some(manifest) = &newest {
        left_over(&place, manifest, &mut report)?;
        let is_current = |entry: &crate::tables::header::FileEntry| {
            load(&place).ok().flatten().is_none_or(|now| now.tables.files.contains(entry))
        };
        let (objects, log) = (&place.objects, &place.tables_log);
        crate::tables::check(objects, log, &manifest.tables, &is_current, &mut report, &mut watch)?;
        // What went while it was read was replaced by what was read later.
        report.findings.retain(|f| match f.about {
            About::Block(id) => manifest.parts().any(|(_, b)| b.id == id),
            About::Segment(number) => number >= manifest.wal_floor,
            About::Other => true,
        });
    }
    Ok(report)
}

/// Finds out what the folder is. `None` if nothing in it can be read: the report says why.
fn place_of(folder: &Path, report: &mut Report, watch: &mut Watch<'_>) -> Result<Option<Place>> {
    if backup::is_backup(folder) {
        let Some(wal) = backup::check_list(folder, report, watch)? else { return Ok(None) };
        return Ok(Some(Place { objects: Objects::existing(folder)?, tables_log: wal.clone(), wal }));
    }
    crate::folder::must_be_ours(folder)?;
    let tables_log = folder.join(crate::tables::log::FOLDER);
    Ok(Some(Place { objects: Objects::existing(folder)?, wal: folder.join("wal"), tables_log }))
}

/// The newest manifest that can be read, if any.
fn load(place: &Place) -> Result<Option<Manifest>> {
    match Manifest::load(&place.objects) {
        Ok((manifest, _)) => Ok(Some(manifest)),
        Err(e) if e.kind == ErrorKind::Corrupt => Ok(None),
        Err(e) => Err(e),
    }
}

/// Checks every list of blocks that is there, and gives the one that counts.
fn manifests(place: &Place, report: &mut Report) -> Result<Option<Manifest>> {
    let numbers = Manifest::numbers(&place.objects)?;
    let mut damaged = Vec::new();
    for number in &numbers {
        report.files += 1;
        match Manifest::read(&place.objects, *number) {
            Ok(manifest) if manifest.number == *number => {}
            Ok(manifest) => damaged.push((*number, format!("it says that it is number {}", manifest.number))),
            Err(e) if e.kind == ErrorKind::Corrupt => damaged.push((*number, e.to_string())),
            // The four newest are kept: an older one may go while this reads.
            Err(e) if e.kind == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let newest = load(place)?;
    let is_newest = |number: u64| numbers.last() == Some(&number);
    for (number, what) in damaged {
        let advice = match &newest {
            None => {
                "no list of blocks is left that can be read: the program cannot start on it; restore a backup"
            }
            Some(_) if is_newest(number) => {
                "the next start uses the list before it and takes in the blocks that only this one named; \
                 what it cannot find again is the order of blocks, so check the disk and keep a backup"
            }
            Some(_) => {
                "it is an older list, kept in case the newest is damaged; nothing uses it now; check the disk"
            }
        };
        report.add(Finding::new(manifest::path(number), Severity::Damage, what).advice(advice));
    }
    Ok(newest)
}

/// Files that nothing names. They take space and are never read.
fn left_over(place: &Place, manifest: &Manifest, report: &mut Report) -> Result<()> {
    let paths = |(sub, b): (&str, &crate::manifest::BlockEntry)| crate::block::paths_in(sub, b.id);
    let named: BTreeSet<String> = manifest.parts().flat_map(paths).collect();
    let there = place.objects.list("blocks")?.into_iter().chain(place.objects.list("tiers")?);
    for (path, bytes) in there {
        if path.ends_with(DAMAGED) {
            let what =
                format!("{bytes} bytes that could not be read were set aside here by an earlier start");
            report.add(
                Finding::new(path, Severity::Note, what).advice("remove it when nobody wants it any more"),
            );
        } else if !named.contains(&path)
            && crate::block::id_of(&path).is_some_and(|id| id < manifest.next_block)
        {
            let what = format!("{bytes} bytes that no list of blocks names");
            report.add(Finding::new(path, Severity::Note, what).advice("the next start removes it"));
        }
    }
    Ok(())
}
