//! Proof of durability: power cuts, kills, failing system calls, damaged files, and random operations against a naive
//! model; and bugs planted on purpose, each of which has to be caught. It looks at the store from outside, as a user
//! would, and must never know how it works inside but for the names of files. A method that cannot run on this machine
//! says so and is not counted.

mod arguments;
mod child;
mod disk;
mod faults;
mod flips;
mod http;
mod kills;
mod ledger;
mod midwatch;
mod naive;
mod planted;
mod power_cuts;
mod program_kills;
mod random;
mod report;
mod restart;
mod rows;
mod steps;
mod stop;
mod stream;
mod trace;
mod writer;

use arguments::{Arguments, Command};
use report::Row;
use std::process::ExitCode;

const LIST: &str = "\
Tries to make the store lose what it acknowledged, and tells in a table what it tried.

Usage: torture METHOD [FLAGS]        (make torture builds all and runs the long form)

  power-cuts  the state of the disk at random instants, opened again (needs root, btrfs, loop devices)
  kills       SIGKILL at random instants: of a writer, and of midwatch serve
  faults      EIO and ENOSPC at each system call of the write path (needs strace)
  flips       flipped bits and cut-off files of every kind
  model       random operations, crashes among them, against a naive model
  planted     bugs on purpose, each of which has to be caught
  restart     time from start to ready after a kill, with many series
  all         one after the other

Flags:
  --short             counts for seconds rather than minutes; flags after it change single ones
  --seed N            decides everything that is random [default: 1]
  --cuts N            power cuts [default: 200]
  --kills N           kills of the writer [default: 900]
  --program-kills N   kills of midwatch serve [default: 100]
  --faults-every N    one of so many system calls is made to fail [default: 1, so all]
  --flips N           damaged files [default: 10000]
  --operations N      operations of the model [default: 1000000]
  --series N          series of the restart [default: 1000000]
  --planted-cuts N    cuts in which a planted bug has to be caught [default: 60]
  --midwatch PATH     the program [default: beside this one]
  --keep FOLDER       keep the data folders of what failed there
  --help              this

The table goes to standard output, progress to standard error. Exit code 1 if anything failed, 2 if the command
line is wrong. Ctrl-C ends it and what it started.
";

/// The program, whichever it is.
pub fn main() -> ExitCode {
    let texts: Vec<String> = std::env::args().skip(1).collect();
    let arguments = match arguments::parse(&texts) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("torture: {message}; torture --help lists what there is");
            return ExitCode::from(2);
        }
    };
    let done = match arguments.command {
        Command::List => {
            println!("{LIST}");
            return ExitCode::SUCCESS;
        }
        Command::Writer => writer::run(&arguments.data, kills::stream(arguments.seed), &arguments.from),
        Command::Steps => {
            let from = arguments.from.first().copied().unwrap_or_default();
            steps::run(&arguments.data, &arguments.report, &steps::stream(arguments.seed), from)
        }
        _ => return methods(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("torture: {e}");
            ExitCode::FAILURE
        }
    }
}

type Method = fn(&Arguments) -> Result<Row, String>;

fn methods(arguments: &Arguments) -> ExitCode {
    let all: &[(Command, Method)] = &[
        (Command::PowerCuts, power_cuts::run),
        (Command::Kills, kills::run),
        (Command::Kills, program_kills::run),
        (Command::Faults, faults::run),
        (Command::Flips, flips::run),
        (Command::Model, naive::run),
        (Command::Planted, planted::run),
        (Command::Restart, restart::run),
    ];
    if matches!(arguments.command, Command::PowerCuts | Command::Planted | Command::All) {
        disk::enter_namespace();
    }
    if let Err(e) = stop::listen() {
        eprintln!("torture: {e}");
        return ExitCode::FAILURE;
    }
    let mut rows = Vec::new();
    for (_, method) in all.iter().filter(|(c, _)| [*c, Command::All].contains(&arguments.command)) {
        match method(arguments) {
            Ok(row) => rows.push(row),
            Err(e) => {
                print!("{}", report::table(&rows));
                eprintln!("torture: {e}");
                return if e == stop::STOPPED_TEXT { ExitCode::from(130) } else { ExitCode::FAILURE };
            }
        }
    }
    print!("{}", report::table(&rows));
    if rows.iter().all(|row| row.failures.is_empty()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
