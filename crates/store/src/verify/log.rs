//! Checks segments of the write-ahead log, every frame. It must never take a write that is going on for damage.

use super::report::{About, Finding, Lost, Report, Severity};
use crate::progress::Watch;
use crate::segment::settled_end;
use crate::wal;
use crate::wal_read::{Replay, replay_file};
use model::{HistogramAt, Labels, Metadata};
use std::collections::BTreeSet;
use std::path::Path;
use stdx::{ErrorKind, Result};

#[derive(Default)]
struct Count {
    samples: u64,
    series: u64,
    last_ms: Option<i64>,
}

impl Replay for Count {
    fn series(&mut self, _: u32, _: Labels) -> Result<()> {
        self.series += 1;
        Ok(())
    }
    fn sample(&mut self, _: u32, timestamp_ms: i64, _: u64, _: i64) -> Result<()> {
        self.samples += 1;
        self.last_ms = self.last_ms.max(Some(timestamp_ms));
        Ok(())
    }
    fn histogram(&mut self, _: u32, at: HistogramAt) -> Result<()> {
        self.samples += 1;
        self.last_ms = self.last_ms.max(Some(at.timestamp_ms));
        Ok(())
    }
    fn metadata(&mut self, _: Metadata) {}
}

/// Checks the segments that count and were not seen yet.
pub(super) fn check_new(
    folder: &Path,
    floor: u64,
    seen: &mut BTreeSet<u64>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let all =
        match wal::segments(folder) {
            Ok(all) => all,
            Err(e) if e.kind == ErrorKind::NotFound => {
                let what = "the folder of the log is missing";
                report.add(Finding::new("wal", Severity::Damage, what).lost(Lost::default()).advice(
                    "what was recorded since the newest block is lost; the next start makes a new log",
                ));
                return Ok(());
            }
            Err(e) => return Err(e),
        };
    let newest = all.last().map(|(number, _)| *number);
    let new: Vec<_> = all.into_iter().filter(|(n, _)| *n >= floor && !seen.contains(n)).collect();
    watch.expect(new.len() as u64, new.iter().map(|(_, bytes)| bytes).sum());
    for (number, _) in new {
        seen.insert(number);
        segment(folder, number, newest == Some(number), report, watch)?;
    }
    Ok(())
}

fn segment(
    folder: &Path,
    number: u64,
    is_newest: bool,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let mut count = Count::default();
    let read = replay_file(folder, number, &mut count).and_then(|(length, rest)| {
        let whole = length - rest.bytes;
        match is_newest && (rest.bytes > 0 || whole == 0) {
            true => settled_end(folder, number).map(|end| (end.whole.max(whole), end.rest)),
            false => Ok((whole, rest)),
        }
    });
    match read {
        // In a block by now.
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            let finding = Finding::new(name(number), Severity::Damage, e.to_string()).lost(Lost::default());
            report.add(finding.about(About::Segment(number)));
        }
        Ok((whole, rest)) => {
            report.bytes += whole;
            if rest.bytes > 0 || whole == 0 {
                report.add(finding(number, whole, rest.bytes, rest.is_damage, &count));
            }
            watch.bytes(whole)?;
        }
    }
    report.files += 1;
    report.segments += 1;
    report.samples += count.samples;
    watch.file()
}

fn name(number: u64) -> String {
    wal::segment_path(Path::new("wal"), number).display().to_string()
}

fn finding(number: u64, whole: u64, rest: u64, is_damage: bool, count: &Count) -> Finding {
    let lost = Lost { first_ms: count.last_ms, ..Lost::default() };
    let after = match count.last_ms {
        Some(_) => format!("; {} samples before that are whole", count.samples),
        None => String::new(),
    };
    let what = format!("after byte {whole} follow {rest} bytes that are not whole records{after}");
    let (severity, advice) = if is_damage {
        (
            Severity::Damage,
            "what came in this segment after that is lost; the next start keeps a copy beside it and goes on with the \
             next segment; restore a backup if it was made after that time",
        )
    } else {
        (
            Severity::Doubt,
            "if the machine lost power while it wrote, this is the write that was not finished, nobody was told that \
             it is kept, and nothing is lost; if it did not, the last records of this segment are damaged. The next start \
             leaves it out and goes on",
        )
    };
    Finding::new(name(number), severity, what).lost(lost).advice(advice).about(About::Segment(number))
}
