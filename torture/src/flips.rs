//! Damage: flipped bits, cut-off files, zeros and missing files of every kind that a data folder has. The store opens,
//! and what it answers is right, or partial and said to be; never wrong, never a panic. It must never take an answer for
//! right because it could not be judged.

use crate::arguments::{Arguments, copy};
use crate::ledger::{Ledger, read};
use crate::random::Random;
use crate::report::{Progress, Row};
use crate::rows;
use crate::stop;
use crate::stream::Stream;
use crate::writer::settings;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use stdx::metrics::Registry;
use store::{Settings, Store};

/// Batches in the folder that is damaged.
const BATCHES: u64 = 70;

/// Damages so many times.
///
/// # Errors
/// If somebody stopped it, or a folder cannot be made.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    let mut row = Row::new("damaged files", arguments.seed);
    let mut progress = Progress::new("damaged files", arguments.flips);
    let stream = Stream { seed: arguments.seed, writers: 1, start_ms: 1_700_000_000_000, step_ms: 1000 };
    let settings = Settings { retention_ms: i64::MAX / 4, ..settings(&stream) };
    let lab = arguments.folder()?;
    let template = lab.path().join("template");
    fill(&template, &stream, &settings).map_err(|e| format!("cannot fill a folder: {e}"))?;
    let files = files(&template)?;
    let mut random = Random::new(arguments.seed);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    let data = lab.path().join("data");
    let kinds: Vec<&String> = files.keys().collect();
    // A panic is counted, not printed ten thousand times.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    while row.run < arguments.flips {
        stop::check()?;
        let _ = std::fs::remove_dir_all(&data);
        copy(&template, &data).map_err(|e| format!("cannot copy a folder: {e}"))?;
        let kind = *random.pick(&kinds);
        let among: &[PathBuf] = &files[kind];
        let file: &PathBuf = random.pick(among);
        let what = damage(&data, file, &mut random)?;
        *counts.entry(kind.clone()).or_default() += 1;
        let goes_on = random.percent(20);
        let judge = AssertUnwindSafe(|| judge(&data, &stream, &settings, goes_on));
        row.run += 1;
        match catch_unwind(judge).unwrap_or_else(|_| Err("it panics".into())) {
            Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
            // Of bytes that end between two frames nobody can say that there were more.
            Err(e) if e == SILENT && what.is_cut && is_log(kind) => {
                *outcomes.entry("logs cut off exactly behind a batch").or_default() += 1;
            }
            Err(e) => {
                if let Some(keep) = &arguments.keep {
                    let _ = copy(&data, &keep.join(format!("flip-{}", row.run)));
                }
                if row.fail(format!("damage {} of seed {}: {}: {e}", row.run, row.seed, what.text)) {
                    break;
                }
            }
        }
        progress.at(row.run);
    }
    std::panic::set_hook(hook);
    row.took = progress.took();
    let list = |counts: Vec<String>| counts.join(", ");
    row.notes.push(list(counts.iter().map(|(kind, n)| format!("{kind} {n}")).collect()));
    row.notes.push(list(outcomes.iter().map(|(outcome, n)| format!("{outcome}: {n}")).collect()));
    Ok(row)
}

/// Whether it is a log, which has no end but that of its bytes.
fn is_log(kind: &str) -> bool {
    kind.starts_with("wal") || kind.starts_with("tables-log")
}

/// Blocks of two levels, files of tables, several manifests, and logs of more than one segment.
fn fill(folder: &Path, stream: &Stream, settings: &Settings) -> stdx::Result<()> {
    for (from, to) in [(0, BATCHES / 2), (BATCHES / 2, BATCHES - 10), (BATCHES - 10, BATCHES)] {
        let store = Store::open(folder, settings.clone(), &Registry::default())?;
        for number in from..to {
            store.append(stream.batch(0, number))?.wait_blocking()?;
            rows::append(&store, stream, 0, number)?;
            if number % 9 == 8 && to < BATCHES {
                store.flush_head()?;
                store.flush_tables(stream.time_ms(number))?;
                if number < 40 {
                    store.maintain(stream.time_ms(number), 1)?;
                }
            }
        }
    }
    Ok(())
}

/// Files by kind: where they lie, and what their names end with.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, String> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(sub) = folders.pop() {
        let failed = |e: std::io::Error| format!("cannot list a folder: {e}");
        for entry in std::fs::read_dir(folder.join(&sub)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(sub.join(name));
            } else if name != "LOCK" {
                let end = name.split_once('.').map_or(name.as_str(), |(_, end)| end);
                let kind = sub.join(end).display().to_string();
                found.entry(kind).or_default().push(sub.join(&name));
            }
        }
    }
    found.values_mut().for_each(|files| files.sort());
    Ok(found)
}

struct Damage {
    text: String,
    /// Nothing else than the end is missing.
    is_cut: bool,
}

fn damage(data: &Path, file: &Path, random: &mut Random) -> Result<Damage, String> {
    let failed = |e: std::io::Error| format!("cannot damage {}: {e}", file.display());
    let path = data.join(file);
    let mut bytes = std::fs::read(&path).map_err(failed)?;
    let at = random.index(bytes.len());
    let (kind, is_cut) = match random.below(100) {
        0..60 if !bytes.is_empty() => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            (format!("bit {bit} of byte {at} flipped"), false)
        }
        60..85 => {
            bytes.truncate(at);
            (format!("cut off at {at}"), true)
        }
        85..95 if !bytes.is_empty() => {
            let end = bytes.len().min(at + 1 + random.index(64));
            let before = bytes.clone();
            bytes[at..end].fill(0);
            if before == bytes {
                bytes[at] = 1;
            }
            (format!("zeros from {at} to {end}"), false)
        }
        _ => {
            let more: Vec<u8> = (0..1 + random.below(40)).map(|_| random.number() as u8).collect();
            bytes.extend(more);
            ("more bytes at the end".to_string(), false)
        }
    };
    std::fs::write(&path, bytes).map_err(failed)?;
    Ok(Damage { text: format!("{} {kind}", file.display()), is_cut })
}

/// Something is missing and nobody says so.
const SILENT: &str = "samples or rows are missing, and nothing says so";

/// Opens it twice; after the first time it may go on, with new samples, cuts and merges.
fn judge(data: &Path, stream: &Stream, settings: &Settings, goes_on: bool) -> Result<&'static str, String> {
    let mut end = BATCHES;
    let (mut is_told, mut is_whole) = (false, true);
    for opening in 0..2 {
        let store = match Store::open(data, settings.clone(), &Registry::default()) {
            Ok(store) => store,
            Err(e) => return Err(format!("it does not open: {e}")),
        };
        is_told |= !store.status().messages.is_empty();
        is_whole &= check(&store, stream, end, &mut is_told)?;
        if goes_on && opening == 0 {
            let failed = |e: stdx::Error| format!("it does not go on: {e}");
            for _ in 0..3 {
                let batch = stream.batch(0, end);
                store.append(batch).and_then(|p| p.wait_blocking()).map_err(failed)?;
                rows::append(&store, stream, 0, end).map_err(failed)?;
                end += 1;
                store.flush_head().map_err(failed)?;
                store.flush_tables(stream.time_ms(end)).map_err(failed)?;
                store.maintain(stream.time_ms(end), end * 1000).map_err(failed)?;
                check(&store, stream, end, &mut is_told)?;
            }
        }
    }
    Ok(if is_whole { "whole answers" } else { "partial and told" })
}

/// What is there is right, and if it is not all, that was told, here or when the folder was first opened. True if all is
/// there.
fn check(store: &Store, stream: &Stream, end: u64, is_told: &mut bool) -> Result<bool, String> {
    let (found, warnings) = read(store)?;
    *is_told |= !warnings.is_empty();
    let ledger = Ledger { acknowledged: vec![end], sent: vec![end], oldest_ms: i64::MIN };
    let mut is_whole = true;
    for checked in [ledger.check(stream, &found).map(drop), rows::check(&ledger, stream, store)] {
        match checked {
            Ok(()) => {}
            Err(e) if e.contains("lost") => {
                *is_told |= e.contains(rows::PARTIAL);
                is_whole = false;
                if !*is_told {
                    return Err(SILENT.into());
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(is_whole)
}
