//! Measures Midwatch, where there is one beside its peers on the same machine, and prints tables. It is a program
//! and never a test: nothing here passes or fails, it installs nothing, and it ends what it started.

mod arguments;
mod child;
mod churn_bench;
mod disk_bench;
mod etsy_bench;
mod http;
mod ingest_bench;
mod load;
mod logs_bench;
mod look_bench;
mod machine;
mod memory_bench;
mod midwatch;
mod monitors_bench;
mod processes;
mod programs;
mod query_bench;
mod recorder_bench;
mod restart_bench;
mod rounds;
mod scale_bench;
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

  recorder    CPU and memory of recording this machine every second: the recorder, the same with the ring of the
              last minutes, midwatch serve, prometheus-node-exporter, netdata; and how long a capture takes
  search      time to find series as one types: in the catalogue, and over HTTP as the page asks
  ingest      cost of remote write, time to the acknowledgement, and until a query sees a sample
  memory      memory with two hours' worth of samples
  disk        bytes a sample on disk after merging, of real telemetry
  restart     start after kill -9 with a million series
  etsy        CPU, memory and disk writes of a steady load: 30,000 series every 20 s
  churn       memory while all series are replaced every 10 minutes of simulated time
  query       time of queries as dashboards ask them
  scale       cost of a sample, a series and a query at 10 thousand to a million series
  logs        lines of an access log beside gzip and zgrep: CPU a GB, size on disk, finding one identifier
  look        what moved among 100,000 and a million series
  monitors    cost of 5,000 monitors over 30,000 series every 5 s, and how late a sample is judged
  all         one after the other

From ingest to scale, victoria-metrics and prometheus are measured beside midwatch serve, if they are installed.

Flags:
  --rounds N          rounds; windows of etsy, starts of restart [default: 3, disk: 1]
  --series N          series [default: 100000, restart: 1000000, etsy: 30000, scale: at most 1000000]
  --scrapes N         samples of each series in each part of ingest [default: 20]
  --samples N         monitors of monitors [5000]; samples of each series: memory [480], restart [10], etsy before its windows [360], scale [8]
  --interval N        seconds between them: memory [15], etsy [20]
  --megabytes N       lines of logs [default: 2000]
  --hours N           simulated time of churn [default: 6]
  --seconds N         length of: one run of recorder, after its warm-up [60]; memory after its load [180]; a window
                      of etsy [120]; all of churn [600]; the rest before query [90]
  --warmup N          seconds before each run of recorder that do not count [default: 30]
  --processes N       recorder starts idle processes until the machine has so many [default: 300]
  --telemetry FOLDER  recorded telemetry for disk; without it disk measures nothing
  --only PROGRAM      measure this one alone: midwatch, victoria-metrics or prometheus; gzip
  --store LINE        a setting of midwatch's section [store], as in its file; may be given several times
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

/// Measures, and returns tables.
type Bench = fn(&Arguments) -> Result<String>;

fn run(arguments: &Arguments) -> Result<()> {
    match arguments.command {
        Command::List => return print(LIST),
        Command::RecorderLoop => return recorder_bench::own_loop::run(false),
        Command::RingLoop => return recorder_bench::own_loop::run(true),
        _ => {}
    }
    stop::listen()?;
    print(&machine::describe())?;
    let benches: [(Command, Bench); 13] = [
        (Command::Recorder, recorder_bench::run),
        (Command::Search, search_bench::run),
        (Command::Ingest, ingest_bench::run),
        (Command::Memory, memory_bench::run),
        (Command::Disk, disk_bench::run),
        (Command::Restart, restart_bench::run),
        (Command::Etsy, etsy_bench::run),
        (Command::Churn, churn_bench::run),
        (Command::Query, query_bench::run),
        (Command::Scale, scale_bench::run),
        (Command::Logs, logs_bench::run),
        (Command::Look, look_bench::run),
        (Command::Monitors, monitors_bench::run),
    ];
    for (command, bench) in benches {
        if arguments.command == command || arguments.command == Command::All {
            print(&bench(arguments)?)?;
        }
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
