//! Kills: a writer is killed (SIGKILL) at a random instant, while it opens the store too, and the next one goes on in
//! the same folder. It shows that every state that files can be left in by a process is one that can be opened; that
//! data reaches the disk it cannot show (`power_cuts` does).

use crate::arguments::Arguments;
use crate::child::{Writer, program};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::report::{Progress, Row};
use crate::stop;
use crate::stream::Stream;
use crate::writer::{RETENTION_BATCHES, settings};
use std::time::Duration;

/// Threads that append.
pub const WRITERS: usize = 4;
/// Kills in one folder; then a new one, with another stream.
const KILLS_PER_FOLDER: u64 = 50;

/// The stream of a run.
pub fn stream(seed: u64) -> Stream {
    Stream { seed, writers: WRITERS, start_ms: 1_700_000_000_000, step_ms: 1000 }
}

/// Kills so many times.
///
/// # Errors
/// If somebody stopped it, or a process cannot be started.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    let mut row = Row::new("kill -9 of a writer", arguments.seed);
    let mut progress = Progress::new("kills", arguments.kills);
    let mut random = Random::new(arguments.seed);
    let (mut batches, mut opening) = (0, 0);
    'folders: while row.run < arguments.kills {
        let stream = stream(random.number() >> 16);
        let folder = arguments.folder()?;
        let data = folder.path().join("data");
        let mut ledger = Ledger::new(WRITERS);
        for _ in 0..KILLS_PER_FOLDER.min(arguments.kills - row.run) {
            stop::check()?;
            let writer = Writer::start(&program(false)?, None, &data, &stream, &ledger.acknowledged)?;
            // A store opens within some milliseconds: some are killed before that, some long after.
            let most_ms = if random.percent(30) { 15 } else { 150 };
            stop::sleep(Duration::from_micros(random.below(most_ms * 1000)))?;
            let told = writer.kill();
            row.run += 1;
            opening += u64::from(!told.is_ready);
            batches += told.acknowledged.iter().zip(&ledger.acknowledged).map(|(a, b)| a - b).sum::<u64>();
            let sent: Vec<u64> = told.acknowledged.iter().map(|n| n + 1).collect();
            let newest = sent.iter().copied().max().unwrap_or_default();
            let oldest_ms = stream.time_ms(newest) - RETENTION_BATCHES * stream.step_ms;
            ledger = Ledger { acknowledged: told.acknowledged, sent, oldest_ms };
            let checked = ledger.check_folder(&stream, &data, &settings(&stream)).map(drop);
            let checked = match told.wrong.first() {
                Some(wrong) => Err(format!("while it ran: {wrong}")),
                None => checked,
            };
            if let Err(e) = checked {
                let kept = arguments.keep(folder);
                if row.fail(format!("kill {} of seed {}: {e}; the folder is kept: {kept}", row.run, row.seed))
                {
                    break 'folders;
                }
                continue 'folders;
            }
            progress.at(row.run);
        }
    }
    row.took = progress.took();
    row.notes.push(format!("{batches} batches acknowledged; {opening} kills while it opened"));
    Ok(row)
}
