//! Bugs on purpose: a writer that acknowledges first, or does not sync, or does not look whether a sync failed, has to be
//! caught by these tests, or they prove nothing. It must never take "could not be tried" for "was caught".

use crate::arguments::Arguments;
use crate::disk::Disks;
use crate::faults;
use crate::power_cuts::{self, Trial};
use crate::report::{Progress, Row};
use crate::stop;

/// As the store's own list has them (crates/store/src/planted.rs).
const BUGS: [&str; 4] = ["acknowledge-first", "skip-fsync", "skip-folder-fsync", "swallow-eio"];
/// Bugs that a power cut alone cannot show: the disk has to fail.
const NEEDS_A_FAULT: &str = "swallow-eio";

/// Tries to catch each.
///
/// # Errors
/// If somebody stopped it.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    const NAME: &str = "planted bugs";
    if let Err(why) = crate::child::program(true) {
        return Ok(Row::not_run(NAME, arguments.seed, why));
    }
    let mut row = Row::new(NAME, arguments.seed);
    let progress = Progress::new("planted bugs", BUGS.len() as u64);
    let (mut caught, mut untried) = (0, Vec::new());
    for bug in BUGS {
        let mut by = Vec::new();
        let mut tried = 0;
        for (method, outcome) in
            [("power cuts", by_cuts(arguments, bug)), ("system calls", by_calls(arguments, bug))]
        {
            match outcome {
                Err(e) if e == stop::STOPPED_TEXT => return Err(e),
                Err(why) => untried.push(format!("{bug} by {method}: {why}")),
                Ok(None) => tried += 1,
                Ok(Some(what)) => {
                    tried += 1;
                    eprintln!("{bug}: caught by {method}: {what}");
                    by.push(method);
                }
            }
        }
        if tried == 0 {
            continue;
        }
        row.run += 1;
        if by.is_empty() {
            row.fail(format!("{bug} was not caught"));
        } else {
            caught += 1;
            row.notes.push(format!("{bug}: {}", by.join(" and ")));
        }
    }
    row.took = progress.took();
    row.notes.insert(0, format!("caught {caught} of {}", BUGS.len()));
    if !untried.is_empty() {
        row.not_run = Some(untried.join("; "));
    }
    Ok(row)
}

fn by_cuts(arguments: &Arguments, bug: &str) -> Result<Option<String>, String> {
    if bug == NEEDS_A_FAULT {
        return Ok(None);
    }
    let disks = Disks::new()?;
    let mut row = Row::new("planted", arguments.seed);
    row.is_quiet = true;
    power_cuts::cut(&disks, &Trial::of_bug(bug, arguments)?, &mut row)?;
    Ok(row.failures.into_iter().next())
}

fn by_calls(arguments: &Arguments, bug: &str) -> Result<Option<String>, String> {
    faults::catch(arguments, bug)
}
