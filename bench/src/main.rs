//! Measures Midwatch, where there is one beside its peers on the same machine, and prints tables. It is a program
//! and never a test: nothing here passes or fails, it installs nothing, and it ends what it started.

mod arguments;
mod child;
mod http;
mod ingest_bench;
mod machine;
mod midwatch;
mod processes;
mod recorder_bench;
mod search_bench;
mod stop;
mod table;

use arguments::{Arguments, Command};
use std::io::Write;
use std::process::ExitCode;
use stdx::{ErrorKind, Result};

const LIST: &str = "\
Measures Midwatch beside its peers and prints tables.

Usage: bench NAME [FLAGS]        (make bench ARGS=\"NAME FLAGS\" builds all first)

  recorder    CPU and memory of recording this machine every second: the recorder, midwatch serve,
              prometheus-node-exporter, netdata
  search      time to find series as one types: in the catalogue, and over HTTP as the page asks
  ingest      cost of remote write: midwatch serve, victoria-metrics, prometheus
  all         one after the other

Flags:
  --seconds N         length of one run of recorder, after its warm-up [default: 60]
  --warmup N          seconds before each run of recorder that do not count [default: 30]
  --rounds N          rounds: of all programs in recorder and ingest, of all questions in search [default: 3]
  --processes N       recorder starts idle processes until the machine has so many [default: 300]
  --series N          series of search and ingest [default: 100000]
  --scrapes N         samples of each series in each part of ingest [default: 20]
  --midwatch PATH     the program [default: $CARGO_TARGET_DIR/release/midwatch, which make build builds]
  --help              this

Tables go to standard output, progress to standard error. Ctrl-C ends it and what it started.
";

fn main() -> ExitCode {
    let texts: Vec<String> = std::env::args().skip(1).collect();
    let arguments = match arguments::parse(&texts) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("bench: {message}; bench --help lists what there is");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind == ErrorKind::Cancelled => {
            eprintln!("bench: stopped");
            ExitCode::from(130)
        }
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match arguments.command {
        Command::List => return print(LIST),
        Command::RecorderLoop => return recorder_bench::own_loop::run(),
        _ => {}
    }
    stop::listen()?;
    print(&machine::describe())?;
    if matches!(arguments.command, Command::Recorder | Command::All) {
        print(&recorder_bench::run(arguments)?)?;
    }
    if matches!(arguments.command, Command::Search | Command::All) {
        print(&search_bench::run(arguments)?)?;
    }
    if matches!(arguments.command, Command::Ingest | Command::All) {
        print(&ingest_bench::run(arguments)?)?;
    }
    Ok(())
}

/// To standard output; that somebody stops reading (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(stdx::Error::wrap(ErrorKind::Unavailable, "cannot write to standard output", e))
        }
        _ => Ok(()),
    }
}
