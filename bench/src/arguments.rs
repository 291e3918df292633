//! What was asked for on the command line. It must never start anything.

use crate::programs::PROGRAMS;
use std::path::PathBuf;

/// Which bench to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say what there is.
    List,
    /// Cost of recording.
    Recorder,
    /// Latency of searching.
    Search,
    /// Cost of taking in remote write.
    Ingest,
    /// Memory with two hours' worth of samples.
    Memory,
    /// Bytes a sample on disk.
    Disk,
    /// Start after kill -9.
    Restart,
    /// A steady load: 30,000 series every 20 s.
    Etsy,
    /// Memory while series come and go.
    Churn,
    /// Time of queries.
    Query,
    /// Cost against the number of series.
    Scale,
    /// Lines of logs.
    Logs,
    /// What moved among many series.
    Look,
    /// Cost of watching.
    Monitors,
    /// All of these.
    All,
    /// Record until standard input ends: what `recorder` measures, started by it as a process of its own.
    RecorderLoop,
    /// The same, with the ring.
    RingLoop,
}

/// The command line.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Which bench to run.
    pub command: Command,
    /// Length of one run, seconds; each bench has its own default, as have those below.
    pub seconds: Option<u64>,
    /// What comes before it and does not count, seconds.
    pub warmup_seconds: u64,
    /// Rounds.
    pub rounds: Option<usize>,
    /// Processes on the machine while the recorder is measured.
    pub processes: usize,
    /// Series.
    pub series: Option<usize>,
    /// Samples of each series.
    pub samples: Option<usize>,
    /// Time between two samples of a series, seconds.
    pub interval_seconds: Option<u64>,
    /// Lines of logs, megabytes.
    pub megabytes: Option<u64>,
    /// Simulated time, hours.
    pub hours: Option<u64>,
    /// The folder of recorded telemetry.
    pub telemetry: Option<PathBuf>,
    /// The one program to measure.
    pub only: Option<String>,
    /// Settings of midwatch: lines for its section `[store]`.
    pub store: String,
    /// Samples of each series in each part of ingest.
    pub scrapes: usize,
    /// The program, if it was named.
    pub midwatch: Option<PathBuf>,
}

impl Arguments {
    /// Rounds, where nothing else is right.
    pub fn rounds(&self) -> usize {
        self.rounds.unwrap_or(3)
    }

    /// Series, where nothing else is right.
    pub fn series(&self) -> usize {
        self.series.unwrap_or(100_000)
    }
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// A phrase that says what is wrong.
pub fn parse(texts: &[String]) -> Result<Arguments, String> {
    let mut out = Arguments {
        command: Command::List,
        seconds: None,
        warmup_seconds: 30,
        rounds: None,
        processes: 300,
        series: None,
        samples: None,
        interval_seconds: None,
        megabytes: None,
        hours: None,
        telemetry: None,
        only: None,
        store: String::new(),
        scrapes: 20,
        midwatch: None,
    };
    let mut texts = texts.iter();
    let mut help = false;
    while let Some(text) = texts.next() {
        let (flag, mut value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_string())),
            _ => (text.as_str(), None),
        };
        let mut value =
            || value.take().or_else(|| texts.next().cloned()).ok_or_else(|| format!("{flag} needs a value"));
        let mut number = |least: u64, most: u64| {
            let value = value()?;
            value
                .parse()
                .ok()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| format!("{flag} is a number from {least} to {most}, not {value:?}"))
        };
        match flag {
            "--help" | "-h" | "help" => help = true,
            "--seconds" => out.seconds = Some(number(1, 86_400)?),
            "--warmup" => out.warmup_seconds = number(0, 3_600)?,
            "--rounds" => out.rounds = Some(number(1, 1_000)? as usize),
            "--processes" => out.processes = number(0, 20_000)? as usize,
            "--series" => out.series = Some(number(1, 1_000_000)? as usize),
            "--samples" => out.samples = Some(number(1, 100_000)? as usize),
            "--interval" => out.interval_seconds = Some(number(1, 3_600)?),
            "--megabytes" => out.megabytes = Some(number(1, 1_000_000)?),
            "--hours" => out.hours = Some(number(1, 100)?),
            "--telemetry" => out.telemetry = Some(value()?.into()),
            "--only" => out.only = Some(program(value()?)?),
            "--store" => {
                out.store += &value()?;
                out.store.push('\n');
            }
            "--scrapes" => out.scrapes = number(1, 1_000)? as usize,
            "--midwatch" => out.midwatch = Some(value()?.into()),
            name if out.command == Command::List => {
                out.command = match name {
                    "recorder" => Command::Recorder,
                    "search" => Command::Search,
                    "ingest" => Command::Ingest,
                    "memory" => Command::Memory,
                    "disk" => Command::Disk,
                    "restart" => Command::Restart,
                    "etsy" => Command::Etsy,
                    "look" => Command::Look,
                    "monitors" => Command::Monitors,
                    "churn" => Command::Churn,
                    "query" => Command::Query,
                    "scale" => Command::Scale,
                    "logs" => Command::Logs,
                    "all" => Command::All,
                    "recorder-loop" => Command::RecorderLoop,
                    "ring-loop" => Command::RingLoop,
                    _ if name.starts_with('-') => return Err(format!("there is no flag {name}")),
                    _ => return Err(format!("there is no bench {name:?}")),
                }
            }
            name => return Err(format!("{name:?} is one word too many")),
        }
    }
    if help {
        out.command = Command::List;
    }
    Ok(out)
}

fn program(name: String) -> Result<String, String> {
    if name == "gzip" || PROGRAMS.iter().any(|p| p.name() == name) {
        Ok(name)
    } else {
        Err(format!("there is no program {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(&line.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn command_lines() {
        let a = parsed("recorder --seconds 5 --rounds=2 --midwatch /m").unwrap();
        assert_eq!((a.command, a.seconds, a.rounds), (Command::Recorder, Some(5), Some(2)));
        assert_eq!(a.midwatch.as_deref(), Some(std::path::Path::new("/m")));
        let a = parsed("ingest --scrapes 3").unwrap();
        assert_eq!((a.command, a.series, a.scrapes), (Command::Ingest, None, 3));
        let a = parsed("churn --only midwatch --store head_age=\"1m\" --store=wal_size=\"1GiB\"").unwrap();
        assert_eq!(
            (a.only.as_deref(), &*a.store),
            (Some("midwatch"), "head_age=\"1m\"\nwal_size=\"1GiB\"\n")
        );
        assert_eq!(parsed("").unwrap().command, Command::List);
        assert_eq!(parsed("search --help").unwrap().command, Command::List);
        for (line, want) in [
            ("what", "there is no bench \"what\""),
            ("--what", "there is no flag --what"),
            ("search all", "\"all\" is one word too many"),
            ("ingest --only graphite", "there is no program \"graphite\""),
            ("search --series", "--series needs a value"),
            ("search --series 0", "--series is a number from 1 to 1000000, not \"0\""),
        ] {
            assert_eq!(parsed(line).unwrap_err(), want);
        }
    }
}
