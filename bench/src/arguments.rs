//! What was asked for on the command line. It must never start anything.

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
    /// All of these.
    All,
    /// Record until standard input ends: what `recorder` measures, started by it as a process of its own.
    RecorderLoop,
}

/// The command line.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Which bench to run.
    pub command: Command,
    /// Length of one run, seconds.
    pub seconds: u64,
    /// What comes before it and does not count, seconds.
    pub warmup_seconds: u64,
    /// Rounds.
    pub rounds: usize,
    /// Processes on the machine while the recorder is measured.
    pub processes: usize,
    /// Series of the search, and of ingest.
    pub series: usize,
    /// Samples of each series in each part of ingest.
    pub scrapes: usize,
    /// The program, if it was named.
    pub midwatch: Option<PathBuf>,
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// A phrase that says what is wrong.
pub fn parse(texts: &[String]) -> Result<Arguments, String> {
    let mut out = Arguments {
        command: Command::List,
        seconds: 60,
        warmup_seconds: 30,
        rounds: 3,
        processes: 300,
        series: 100_000,
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
            "--seconds" => out.seconds = number(1, 86_400)?,
            "--warmup" => out.warmup_seconds = number(0, 3_600)?,
            "--rounds" => out.rounds = number(1, 1_000)? as usize,
            "--processes" => out.processes = number(0, 20_000)? as usize,
            "--series" => out.series = number(1, 1_000_000)? as usize,
            "--scrapes" => out.scrapes = number(1, 1_000)? as usize,
            "--midwatch" => out.midwatch = Some(value()?.into()),
            name if out.command == Command::List => {
                out.command = match name {
                    "recorder" => Command::Recorder,
                    "search" => Command::Search,
                    "ingest" => Command::Ingest,
                    "all" => Command::All,
                    "recorder-loop" => Command::RecorderLoop,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(&line.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn command_lines() {
        let a = parsed("recorder --seconds 5 --rounds=2 --midwatch /m").unwrap();
        assert_eq!((a.command, a.seconds, a.rounds), (Command::Recorder, 5, 2));
        assert_eq!(a.midwatch.as_deref(), Some(std::path::Path::new("/m")));
        let a = parsed("ingest --scrapes 3").unwrap();
        assert_eq!((a.command, a.series, a.scrapes), (Command::Ingest, 100_000, 3));
        assert_eq!(parsed("").unwrap().command, Command::List);
        assert_eq!(parsed("search --help").unwrap().command, Command::List);
        for (line, want) in [
            ("what", "there is no bench \"what\""),
            ("--what", "there is no flag --what"),
            ("search all", "\"all\" is one word too many"),
            ("search --series", "--series needs a value"),
            ("search --series 0", "--series is a number from 1 to 1000000, not \"0\""),
        ] {
            assert_eq!(parsed(line).unwrap_err(), want);
        }
    }
}
