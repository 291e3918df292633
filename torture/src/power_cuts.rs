//! Power cuts: the state of the disk at random instants while a writer appends, cuts, merges and removes, or opens the
//! store after the cut before. Each state is mounted and opened, twice; what was acknowledged before the instant has to
//! be there. Some states are cut once more while they are opened, and writers go on in what a cut has left.

use crate::arguments::{Arguments, copy};
use crate::child::{self, Writer};
use crate::disk::{Disks, FileSystem};
use crate::kills::{WRITERS, stream};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::report::{Progress, Row};
use crate::stop;
use crate::stream::Stream;
use crate::writer::{RETENTION_BATCHES, settings};
use std::path::PathBuf;
use std::time::Duration;

/// Cuts while one writer runs.
const CUTS_PER_WRITER: u64 = 4;
/// Writers one after the other on one disk.
const WRITERS_PER_DISK: u64 = 5;

/// What is tried.
pub struct Trial {
    program: PathBuf,
    bug: Option<String>,
    cuts: u64,
    seed: u64,
    stops_at_first: bool,
    /// Folders of what failed are kept here.
    keep: Option<PathBuf>,
}

impl Trial {
    /// A planted bug, until it is caught.
    ///
    /// # Errors
    /// If the program with bugs was not built.
    pub fn of_bug(bug: &str, arguments: &Arguments) -> Result<Trial, String> {
        let (program, bug) = (child::program(true)?, Some(bug.to_string()));
        let (cuts, seed) = (arguments.planted_cuts, arguments.seed);
        Ok(Trial { program, bug, cuts, seed, stops_at_first: true, keep: None })
    }
}

/// Cuts so many times.
///
/// # Errors
/// If somebody stopped it, or something of the machine fails.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    const NAME: &str = "power cuts";
    let disks = match Disks::new() {
        Ok(disks) => disks,
        Err(why) => return Ok(Row::not_run(NAME, arguments.seed, why)),
    };
    let (program, cuts, seed) = (child::program(false)?, arguments.cuts, arguments.seed);
    let mut row = Row::new(NAME, seed);
    let keep = arguments.keep.clone();
    let trial = Trial { program, bug: None, cuts, seed, stops_at_first: false, keep };
    cut(&disks, &trial, &mut row)?;
    Ok(row)
}

/// As [`run`], on disks that are there.
///
/// # Errors
/// As [`run`].
pub fn cut(disks: &Disks, trial: &Trial, row: &mut Row) -> Result<(), String> {
    let mut progress = Progress::new("power cuts", trial.cuts);
    let mut random = Random::new(trial.seed);
    let mut counts = Counts::default();
    while row.run < trial.cuts && row.failures.len() < if trial.stops_at_first { 1 } else { 20 } {
        let is_bug = trial.bug.is_some();
        let file_system = if random.percent(if is_bug { 20 } else { 50 }) {
            FileSystem::Ext4
        } else {
            FileSystem::NoJournal
        };
        let stream = stream(random.number() >> 16);
        disks.format("live", file_system)?;
        let mut one = Disk { disks, trial, stream, file_system, ledger: Ledger::new(WRITERS) };
        for _ in 0..WRITERS_PER_DISK {
            if row.run >= trial.cuts || !one.write_and_cut(&mut random, row, &mut counts)? {
                break;
            }
            progress.at(row.run);
        }
    }
    row.took = progress.took();
    row.notes.push(format!(
        "{} batches acknowledged; {} cuts while the store opened, {} without a journal",
        counts.batches, counts.opening, counts.no_journal
    ));
    Ok(())
}

#[derive(Default)]
struct Counts {
    batches: u64,
    opening: u64,
    no_journal: u64,
}

/// A disk, and what has been acknowledged on it.
struct Disk<'a> {
    disks: &'a Disks,
    trial: &'a Trial,
    stream: Stream,
    file_system: FileSystem,
    ledger: Ledger,
}

impl Disk<'_> {
    fn start(&self, path: &std::path::Path, from: &[u64]) -> Result<Writer, String> {
        Writer::start(&self.trial.program, self.trial.bug.as_deref(), path, &self.stream, from)
    }

    /// One writer, cuts while it runs, and the judgement of each. False if the disk is of no more use.
    fn write_and_cut(
        &mut self,
        random: &mut Random,
        row: &mut Row,
        counts: &mut Counts,
    ) -> Result<bool, String> {
        let live = self.disks.mount("live", self.file_system)?;
        let writer = self.start(&live.path.join("data"), &self.ledger.acknowledged)?;
        let mut cuts = Vec::new();
        for turn in 0..CUTS_PER_WRITER.min(self.trial.cuts - row.run) {
            let is_early = turn == 0 && random.percent(40);
            let most_us = if is_early { 20_000 } else { 150_000 };
            stop::sleep(Duration::from_micros(random.below(most_us)))?;
            let told = writer.told();
            self.disks.cut("live", &format!("cut-{turn}"))?;
            counts.opening += u64::from(!told.is_ready);
            counts.no_journal += u64::from(self.file_system == FileSystem::NoJournal);
            cuts.push((format!("cut-{turn}"), told.acknowledged));
        }
        let told = writer.kill();
        drop(live);
        let before: u64 = self.ledger.acknowledged.iter().sum();
        counts.batches += told.acknowledged.iter().sum::<u64>() - before;
        for (sent, acknowledged) in self.ledger.sent.iter_mut().zip(&told.acknowledged) {
            *sent = (*sent).max(acknowledged + 1);
        }
        let mut is_good = true;
        // A planted bug has to be caught by what a cut has left.
        if let (Some(wrong), None) = (told.wrong.first(), &self.trial.bug) {
            self.fail(row, &format!("while it ran: {wrong}"));
            is_good = false;
        }
        for (disk, acknowledged) in &cuts {
            stop::check()?;
            row.run += 1;
            self.ledger.acknowledged.clone_from(acknowledged);
            if let Err(e) = self.judge(disk, random, row, counts) {
                if e == stop::STOPPED_TEXT {
                    return Err(e);
                }
                self.fail(row, &e);
                is_good = false;
                break;
            }
        }
        // The next writer goes on in what the last cut has left.
        if let (true, Some((disk, _))) = (is_good, cuts.last()) {
            self.disks.rename(disk, "live")?;
        }
        Ok(is_good)
    }

    fn fail(&self, row: &mut Row, text: &str) {
        let bug = self.trial.bug.as_ref().map_or(String::new(), |bug| format!(" with {bug}"));
        let (run, seed, disk) = (row.run, self.trial.seed, self.file_system.name());
        row.fail(format!("cut {run} of seed {seed}{bug} on {disk}: {text}"));
    }

    /// Opens what a cut has left. Some are cut again while they are opened first.
    fn judge(
        &mut self,
        disk: &str,
        random: &mut Random,
        row: &mut Row,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let newest = self.ledger.sent.iter().copied().max().unwrap_or_default();
        self.ledger.oldest_ms = self.stream.time_ms(newest) - RETENTION_BATCHES * self.stream.step_ms;
        if random.percent(25) && row.run < self.trial.cuts {
            let mounted = self.disks.mount(disk, self.file_system)?;
            let writer = self.start(&mounted.path.join("data"), &self.ledger.acknowledged)?;
            stop::sleep(Duration::from_micros(random.below(20_000)))?;
            self.disks.cut(disk, "again")?;
            let told = writer.kill();
            drop(mounted);
            for (sent, acknowledged) in self.ledger.sent.iter_mut().zip(&told.acknowledged) {
                *sent = (*sent).max(acknowledged + 1);
            }
            row.run += 1;
            counts.opening += 1;
            counts.no_journal += u64::from(self.file_system == FileSystem::NoJournal);
            self.check("again").map_err(|e| format!("cut again while it was opened: {e}"))?;
        }
        self.check(disk)
    }

    fn check(&self, disk: &str) -> Result<(), String> {
        let mounted = self.disks.mount(disk, self.file_system)?;
        let data = mounted.path.join("data");
        // Opening it changes it.
        let kept = self.trial.keep.as_ref().map(|keep| keep.join("cut"));
        if let Some(kept) = kept.as_ref().filter(|_| data.exists()) {
            let _ = std::fs::remove_dir_all(kept);
            copy(&data, kept).map_err(|e| format!("cannot keep a folder: {e}"))?;
        }
        let checked = self.ledger.check_folder(&self.stream, &data, &settings(&self.stream)).map(drop);
        if let (Err(_), Some(kept)) = (&checked, &kept) {
            let acknowledged: u64 = self.ledger.acknowledged.iter().sum();
            let _ = std::fs::rename(kept, kept.with_file_name(format!("{disk}-after-{acknowledged}")));
            if self.file_system == FileSystem::NoJournal {
                let image = kept.with_file_name(format!("{disk}-after-{acknowledged}.img"));
                self.disks.keep_as_cut(&image).map_err(|e| format!("cannot keep the disk: {e}"))?;
            }
        }
        checked
    }
}
