//! Kills of the program itself, `midwatch serve`, while it takes remote write and lines of log on several
//! connections. As `kills`, with all that lies between a sender and the store.

use crate::arguments::Arguments;
use crate::ledger::Ledger;
use crate::midwatch::{self, Midwatch};
use crate::random::Random;
use crate::report::{Progress, Row};
use crate::rows;
use crate::stop;
use crate::stream::{METRIC, Stream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, SystemTime};
use stdx::metrics::Registry;
use store::{Settings, Store};

/// Connections that send samples.
const WRITERS: usize = 4;
/// Connections that send lines of log.
const LINE_WRITERS: usize = 2;
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
        let lines = Stream { writers: LINE_WRITERS, ..stream };
        let mut of_lines = Ledger::new(LINE_WRITERS);
        let kills = KILLS_PER_FOLDER.min(arguments.program_kills - row.run);
        // The last start checks only.
        for turn in 0..=kills {
            stop::check()?;
            let checked = check_lines(&folder.path().join("data"), &lines, &of_lines);
            let mut midwatch = Midwatch::start(&program, folder.path())?;
            let checked = checked.and_then(|()| midwatch.export(METRIC));
            let checked = checked.and_then(|found| ledger.check(&stream, &found));
            let outcome = match checked {
                Ok(_) if turn == kills => continue,
                Ok(_) => {
                    let count = |ledgers: [&Ledger; 2]| -> u64 {
                        ledgers.iter().flat_map(|ledger| &ledger.acknowledged).sum()
                    };
                    let before = count([&ledger, &of_lines]);
                    let wait = Duration::from_micros(random.below(200_000));
                    let outcome = write_and_kill(
                        &mut midwatch,
                        [(&stream, &mut ledger), (&lines, &mut of_lines)],
                        wait,
                    );
                    batches += count([&ledger, &of_lines]) - before;
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

/// Reads the folder as the program does at its start, and judges the log records.
fn check_lines(data: &Path, stream: &Stream, ledger: &Ledger) -> Result<(), String> {
    if !data.exists() {
        return Ok(());
    }
    let store = Store::open(data, Settings::default(), &Registry::default())
        .map_err(|e| format!("it does not open: {e}"))?;
    rows::check_lines(ledger, stream, &store)
}

/// Sends on all connections, samples on those of the first ledger and lines on those of the second, kills the program
/// after `wait`, and notes what was acknowledged until then.
fn write_and_kill(
    midwatch: &mut Midwatch,
    senders: [(&Stream, &mut Ledger); 2],
    wait: Duration,
) -> Result<(), String> {
    let is_killed = &AtomicBool::new(false);
    let address = midwatch.address;
    let next = senders.each_ref().map(|(_, ledger)| -> Vec<AtomicU64> {
        ledger.acknowledged.iter().map(|n| AtomicU64::new(*n)).collect()
    });
    let outcome = std::thread::scope(|scope| {
        let send = |stream: Stream, writer: usize, next: &AtomicU64, is_lines: bool| -> Result<(), String> {
            while !is_killed.load(SeqCst) {
                let number = next.load(SeqCst);
                let (path, body) = match is_lines {
                    false => ("/api/v1/write", stream.body(writer, number)),
                    true => ("/api/v1/logs?format=plain", rows::lines(&stream, writer, number)),
                };
                match crate::http::ask(address, "POST", path, &body) {
                    Ok((200 | 204, _)) => next.store(number + 1, SeqCst),
                    Ok((status, answer)) => {
                        return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)));
                    }
                    // Nobody said that anything was kept.
                    Err(_) => {}
                }
            }
            Ok(())
        };
        let mut running = Vec::new();
        for (kind, (stream, _)) in senders.iter().enumerate() {
            for (writer, next) in next[kind].iter().enumerate() {
                let stream = **stream;
                running.push(scope.spawn(move || send(stream, writer, next, kind == 1)));
            }
        }
        let slept = stop::sleep(wait);
        midwatch.kill();
        is_killed.store(true, SeqCst);
        let ended = running.into_iter().map(|s| s.join().unwrap_or_else(|_| Err("a sender panicked".into())));
        ended.fold(slept, Result::and)
    });
    for ((_, ledger), next) in senders.into_iter().zip(&next) {
        ledger.acknowledged = next.iter().map(|n| n.load(SeqCst)).collect();
        ledger.sent = ledger.acknowledged.iter().map(|n| n + 1).collect();
    }
    outcome
}
