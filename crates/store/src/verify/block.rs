//! Checks the two files of one block. It must never stop at the first damaged chunk.

use super::report::{About, Finding, Lost, Report, Severity};
use crate::block::{Block, FOLDER, paths_in};
use crate::manifest::BlockEntry;
use crate::objects::Objects;
use crate::progress::Watch;
use std::collections::BTreeSet;
use stdx::{ErrorKind, Result};

/// Series that are named in a finding.
const EXAMPLES: usize = 3;
/// Bytes that are read at once for the checksum of a whole file.
const PIECE_BYTES: u64 = 4 << 20;

pub(super) fn check(
    objects: &Objects,
    (sub, entry): (&str, &BlockEntry),
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let is_block = sub == FOLDER;
    report.blocks += u64::from(is_block);
    let found =
        |file: &str, what: String| Finding::new(file, Severity::Damage, what).about(About::Block(entry.id));
    let [series_path, chunks_path] = paths_in(sub, entry.id);
    let advice = match is_block {
        true => {
            "queries leave this out and say so; restore the file from a backup into the same place, with the program \
             stopped"
        }
        false => {
            "queries read the samples instead where they are there, and the program then makes these summaries again; \
             where samples are gone, restore the file from a backup into the same place, with the program stopped"
        }
    };
    let whole = |finding: Finding| match is_block {
        true => finding.lost(Lost::block(entry)).advice(advice),
        // No sample is lost with a summary of it.
        false => finding.advice(advice),
    };
    let (mut checksum, mut unread) = (None, false);
    for (path, bytes) in [(&series_path, entry.series_bytes), (&chunks_path, entry.chunks_bytes)] {
        report.files += 1;
        match crc32_of(objects, path, bytes, watch) {
            Ok(crc32) => {
                report.bytes += bytes;
                checksum = Some(crc32);
            }
            Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
            Err(e) if e.kind == ErrorKind::NotFound => {
                report.add(whole(found(path, "it is missing".into())));
                unread = true;
            }
            Err(e) => {
                report.add(whole(found(path, e.to_string())));
                unread = true;
            }
        }
        watch.file()?;
    }
    if unread {
        return Ok(());
    }
    let block = Block::in_folder(sub, entry.clone(), objects.clone());
    let (mut lost, mut damaged, mut chunks, mut samples) = (Lost::default(), 0u64, 0u64, 0u64);
    let (mut series, mut why) = (BTreeSet::new(), String::new());
    let (mut first_ms, mut last_ms) = (i64::MAX, i64::MIN);
    let read = block.check(|labels, summary, problem| {
        chunks += 1;
        samples += u64::from(summary.count);
        (first_ms, last_ms) = (first_ms.min(summary.first_ms), last_ms.max(summary.last_ms));
        if let Some(problem) = problem {
            damaged += 1;
            lost.add(summary);
            if series.insert(labels.clone()) && lost.examples.len() < EXAMPLES {
                lost.examples.push(labels.to_string());
            }
            why = problem;
        }
        // A few chunks cost more than a question does.
        if chunks.is_multiple_of(1024) { watch.bytes(0) } else { Ok(()) }
    });
    report.chunks += chunks - damaged;
    if is_block {
        report.samples += samples - lost.samples.unwrap_or(0);
    }
    match read {
        Err(e) if e.kind == ErrorKind::Cancelled => return Err(e),
        Err(e) => report.add(whole(found(&chunks_path, e.to_string()))),
        Ok(()) if damaged > 0 => {
            lost.series = Some(series.len() as u64);
            let what = format!("{damaged} of {chunks} chunks cannot be read ({why})");
            let finding = found(&chunks_path, what).advice(advice);
            report.add(if is_block { finding.lost(lost) } else { finding });
        }
        Ok(()) => {
            let index = block.index()?;
            let have = (index.labels.series().len() as u64, samples, first_ms, last_ms);
            if have != (entry.series, entry.samples, entry.first_ms, entry.last_ms) {
                let what = "its series, samples or times are not those that the list of blocks says";
                report.add(found(&chunks_path, what.into()).advice("report this: it is a bug"));
            } else if entry.chunks_crc32.is_some() && entry.chunks_crc32 != checksum {
                let what = "the file is not as it was written, although every sample in it is";
                report.add(found(&chunks_path, what.into()).advice(
                    "nothing is lost for Midwatch; other programs may be misled by what surrounds the samples; check \
                     the disk, and restore the file from a backup",
                ));
            }
        }
    }
    Ok(())
}

/// The checksum of a whole file, which has to have this length.
fn crc32_of(objects: &Objects, path: &str, bytes: u64, watch: &mut Watch<'_>) -> Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    let mut at = 0;
    while at < bytes {
        let length = PIECE_BYTES.min(bytes - at);
        crc.update(&objects.get_range(path, at, length)?);
        at += length;
        watch.bytes(length)?;
    }
    let more = objects.size(path)?;
    if more != bytes {
        let text = format!("it has {more} bytes instead of {bytes}");
        return Err(stdx::Error::corrupt(text));
    }
    Ok(crc.finalize())
}
