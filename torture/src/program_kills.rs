//! Kills of the program itself, `midwatch serve`, while it takes remote write on several connections. As `kills`, with
//! all that lies between a sender and the store.

use crate::arguments::Arguments;
use crate::ledger::Ledger;
use crate::midwatch::{self, Midwatch};
use crate::random::Random;
use crate::report::{Progress, Row};
use crate::stop;
use crate::stream::{METRIC, Stream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

/// Connections that send.
const WRITERS: usize = 4;
/// Kills in one folder.
const KILLS_PER_FOLDER: u64 = 20;

/// Kills so many times.
///
/// # Errors
/// If somebody stopped it.
pub fn run(arguments: &Arguments) -> Result<Row, String> {
    const NAME: &str = "kill -9 of midwatch serve";
    let mut row = Row::new(NAME, arguments.seed);
    let program = match midwatch::program(arguments) {
        Ok(program) => program,
        Err(why) => return Ok(Row::not_run(NAME, arguments.seed, why)),
    };
    let mut progress = Progress::new("kills of midwatch serve", arguments.program_kills);
    let mut random = Random::new(arguments.seed);
    let mut batches = 0;
    'folders: while row.run < arguments.program_kills {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let start_ms = since.as_millis() as i64 - 86_400_000;
        let stream = Stream { seed: random.number() >> 16, writers: WRITERS, start_ms, step_ms: 1 };
        let folder = arguments.folder()?;
        let mut ledger = Ledger::new(WRITERS);
        let kills = KILLS_PER_FOLDER.min(arguments.program_kills - row.run);
        // The last start checks only.
        for turn in 0..=kills {
            stop::check()?;
            let mut midwatch = Midwatch::start(&program, folder.path())?;
            let checked = midwatch.export(METRIC).and_then(|found| ledger.check(&stream, &found));
            let outcome = match checked {
                Ok(_) if turn == kills => continue,
                Ok(_) => {
                    let before: u64 = ledger.acknowledged.iter().sum();
                    let wait = Duration::from_micros(random.below(200_000));
                    let outcome = write_and_kill(&mut midwatch, &stream, &mut ledger, wait);
                    batches += ledger.acknowledged.iter().sum::<u64>() - before;
                    row.run += 1;
                    outcome
                }
                Err(e) => Err(e),
            };
            if let Err(e) = outcome {
                drop(midwatch);
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
    row.notes.push(format!("{batches} requests acknowledged"));
    Ok(row)
}

/// Sends on all connections, kills the program after `wait`, and notes what was acknowledged until then.
fn write_and_kill(
    midwatch: &mut Midwatch,
    stream: &Stream,
    ledger: &mut Ledger,
    wait: Duration,
) -> Result<(), String> {
    let next: Vec<AtomicU64> = ledger.acknowledged.iter().map(|n| AtomicU64::new(*n)).collect();
    let is_killed = AtomicBool::new(false);
    let address = midwatch.address;
    let outcome = std::thread::scope(|scope| {
        let send = |writer: usize| -> Result<(), String> {
            while !is_killed.load(SeqCst) {
                let number = next[writer].load(SeqCst);
                match crate::http::ask(address, "POST", "/api/v1/write", &stream.body(writer, number)) {
                    Ok((200 | 204, _)) => next[writer].store(number + 1, SeqCst),
                    Ok((status, answer)) => {
                        return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)));
                    }
                    // Nobody said that anything was kept.
                    Err(_) => {}
                }
            }
            Ok(())
        };
        let senders: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || send(writer))).collect();
        let slept = stop::sleep(wait);
        midwatch.kill();
        is_killed.store(true, SeqCst);
        let ended = senders.into_iter().map(|s| s.join().unwrap_or_else(|_| Err("a sender panicked".into())));
        ended.fold(slept, Result::and)
    });
    ledger.acknowledged = next.iter().map(|n| n.load(SeqCst)).collect();
    ledger.sent = ledger.acknowledged.iter().map(|n| n + 1).collect();
    outcome
}
