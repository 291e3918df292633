//! The program whose system calls fail: opens a store, appends one batch after the other, cuts, merges, reads, and tells
//! each step over a socket, since writing a file may be what fails. It tries again what failed, as a sender would, and
//! when nothing works it says so and waits until the fault is over. It must never tell an acknowledgement that it has
//! not got.

use crate::ledger::{Ledger, read};
use crate::rows;
use crate::stream::{SAMPLES, Stream};
use crate::writer::settings;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use stdx::metrics::Registry;
use store::Store;

/// Batches that are appended.
pub const BATCHES: u64 = 24;
/// After so many failures one after the other it waits until the fault is over.
const PATIENCE: u32 = 3;
/// So many more, and it does not go on by itself.
const PATIENCE_AFTER: u32 = 20;

/// The stream of a run: one sender.
pub fn stream(seed: u64) -> Stream {
    Stream { seed, writers: 1, start_ms: 1_700_000_000_000, step_ms: 1000 }
}

/// Whoever started this.
struct Parent {
    out: TcpStream,
    answers: BufReader<TcpStream>,
    failures: u32,
    is_over: bool,
}

impl Parent {
    fn tell(&mut self, line: &str) {
        if self.out.write_all(format!("{line}\n").as_bytes()).is_err() {
            std::process::exit(0);
        }
    }

    /// Waits for a line.
    fn wait(&mut self) {
        let mut line = String::new();
        if self.answers.read_line(&mut line).unwrap_or(0) == 0 {
            std::process::exit(0);
        }
    }

    /// Something failed. When it goes on failing, asks for an end of the fault.
    fn failed(&mut self, what: &str, error: &str) {
        self.failures += 1;
        self.tell(&format!("failed {what}: {}", error.replace('\n', " ")));
        if self.failures == PATIENCE && !self.is_over {
            self.tell("stuck");
            self.wait();
            self.is_over = true;
        }
        if self.failures >= PATIENCE + PATIENCE_AFTER {
            self.tell(&format!("wrong it does not go on after the fault: {what}: {error}"));
            std::process::exit(1);
        }
        if self.is_over {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn worked(&mut self) {
        self.failures = 0;
    }
}

/// Runs all steps. `from` batches are in the folder already.
///
/// # Errors
/// If whoever started this cannot be reached.
pub fn run(folder: &Path, report: &str, stream: &Stream, from: u64) -> Result<(), String> {
    let out = TcpStream::connect(report).map_err(|e| format!("{report}: {e}"))?;
    let _ = out.set_nodelay(true);
    let answers = BufReader::new(out.try_clone().map_err(|e| format!("{report}: {e}"))?);
    let mut parent = Parent { out, answers, failures: 0, is_over: false };
    parent.tell("hold");
    parent.wait();
    let store = loop {
        match Store::open(folder, settings(stream), &Registry::default()) {
            Ok(store) => break store,
            Err(e) => parent.failed("open", &e.to_string()),
        }
    };
    parent.worked();
    parent.tell("ready");
    for number in from..from + BATCHES {
        append(&store, &mut parent, stream, number);
        // The clock goes on by itself: what is tried again later has to be tried again some day.
        let now_ms = stream.time_ms(number);
        let uptime_ms = (number as i64 * stream.step_ms) as u64;
        if number % 4 == 1 {
            maintain(&store, &mut parent, |store| store.flush_head());
            maintain(&store, &mut parent, |store| store.flush_tables(now_ms));
        }
        if number % 6 == 2 {
            maintain(&store, &mut parent, |store| store.maintain(now_ms, uptime_ms));
        }
        if number % 8 == 3 {
            query(&store, &mut parent, stream, number + 1);
        }
    }
    query(&store, &mut parent, stream, from + BATCHES);
    parent.tell("done");
    parent.wait();
    Ok(())
}

fn append(store: &Store, parent: &mut Parent, stream: &Stream, number: u64) {
    loop {
        parent.tell(&format!("send {number}"));
        match store.append(stream.batch(0, number)).and_then(|pending| pending.wait_blocking()) {
            Ok(outcome) if outcome.accepted == SAMPLES => match rows::append(store, stream, 0, number) {
                Ok(()) => {
                    parent.tell(&format!("ack {number}"));
                    return parent.worked();
                }
                Err(e) => parent.failed("append rows", &e.to_string()),
            },
            Ok(outcome) => {
                parent.tell(&format!("wrong {} of {SAMPLES} taken: {:?}", outcome.accepted, outcome.rejects));
                return;
            }
            Err(e) => {
                parent.failed("append", &e.to_string());
                // What is stored can be read all the while.
                query(store, parent, stream, number);
            }
        }
    }
}

/// A failure is told by the store and tried again by the next call: none of it may stop anything.
fn maintain(store: &Store, parent: &mut Parent, call: impl Fn(&Store) -> stdx::Result<()>) {
    if let Err(e) = call(store) {
        parent.tell(&format!("note {}", e.to_string().replace('\n', " ")));
    }
}

/// Everything that was acknowledged is in the answer with its value, or the answer says that it is partial.
fn query(store: &Store, parent: &mut Parent, stream: &Stream, acknowledged: u64) {
    let ledger =
        Ledger { acknowledged: vec![acknowledged], sent: vec![acknowledged + 1], oldest_ms: i64::MIN };
    match read(store) {
        Err(e) => parent.tell(&format!("wrong {e}")),
        Ok((found, warnings)) => match ledger.check(stream, &found) {
            Ok(_) => {}
            // A block that cannot be read now is left out, and told.
            Err(e) if e.contains("lost") && !warnings.is_empty() => parent.tell("partial"),
            Err(e) => parent.tell(&format!("wrong {e}")),
        },
    }
    match rows::check(&ledger, stream, store) {
        Ok(()) => {}
        Err(e) if e.contains("lost") && e.contains(rows::PARTIAL) => parent.tell("partial"),
        Err(e) => parent.tell(&format!("wrong {e}")),
    }
}
