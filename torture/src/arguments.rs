//! What was asked for on the command line. It must never start anything.

use std::path::PathBuf;
use tempfile::TempDir;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say what there is.
    List,
    /// Cuts of power.
    PowerCuts,
    /// Kills of a writer, and of the program.
    Kills,
    /// Errors of system calls.
    Faults,
    /// Damaged files.
    Flips,
    /// Random operations against a naive model.
    Model,
    /// Planted bugs, each to be caught.
    Planted,
    /// Time to ready after a kill.
    Restart,
    /// All of these.
    All,
    /// The program that is killed; started by the others.
    Writer,
    /// The program whose system calls fail; started by the others.
    Steps,
}

/// The command line.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// What to run.
    pub command: Command,
    /// Decides everything that is random.
    pub seed: u64,
    /// Cuts of power.
    pub cuts: u64,
    /// Kills of the writer.
    pub kills: u64,
    /// Kills of the program.
    pub program_kills: u64,
    /// Every so many-th of the system calls is made to fail: 1 for all.
    pub faults_every: u64,
    /// Damaged files.
    pub flips: u64,
    /// Operations of the model.
    pub operations: u64,
    /// Series of the restart.
    pub series: u64,
    /// Planted bugs get so many cuts at the most until they have to be caught.
    pub planted_cuts: u64,
    /// The program, if it was named.
    pub midwatch: Option<PathBuf>,
    /// Writer and steps: where.
    pub data: PathBuf,
    /// Writer: the numbers to go on from.
    pub from: Vec<u64>,
    /// Steps: whom to tell.
    pub report: String,
    /// Folders of what failed are kept here rather than removed.
    pub keep: Option<PathBuf>,
}

/// The long form, or the short one that takes seconds.
fn defaults(is_short: bool) -> Arguments {
    let count = |long: u64, short: u64| if is_short { short } else { long };
    Arguments {
        command: Command::List,
        seed: 1,
        cuts: count(200, 6),
        kills: count(900, 12),
        program_kills: count(100, 3),
        faults_every: count(1, 40),
        flips: count(10_000, 300),
        operations: count(1_000_000, 4_000),
        series: count(1_000_000, 2_000),
        planted_cuts: count(60, 30),
        midwatch: None,
        data: PathBuf::new(),
        from: Vec::new(),
        report: String::new(),
        keep: None,
    }
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// A phrase that says what is wrong.
pub fn parse(texts: &[String]) -> Result<Arguments, String> {
    let mut out = defaults(texts.iter().any(|t| t == "--short"));
    let mut texts = texts.iter();
    while let Some(text) = texts.next() {
        let (flag, mut value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_string())),
            _ => (text.as_str(), None),
        };
        let mut value =
            || value.take().or_else(|| texts.next().cloned()).ok_or_else(|| format!("{flag} needs a value"));
        let number = |text: String| -> Result<u64, String> {
            text.parse().map_err(|_| format!("{flag} is a number, not {text:?}"))
        };
        match flag {
            "--help" | "-h" | "help" => return Ok(defaults(false)),
            "--short" => {}
            "--seed" => out.seed = number(value()?)?,
            "--cuts" => out.cuts = number(value()?)?,
            "--kills" => out.kills = number(value()?)?,
            "--program-kills" => out.program_kills = number(value()?)?,
            "--faults-every" => out.faults_every = number(value()?)?.max(1),
            "--flips" => out.flips = number(value()?)?,
            "--operations" => out.operations = number(value()?)?,
            "--series" => out.series = number(value()?)?,
            "--planted-cuts" => out.planted_cuts = number(value()?)?,
            "--midwatch" => out.midwatch = Some(value()?.into()),
            "--keep" => out.keep = Some(value()?.into()),
            "--data" => out.data = value()?.into(),
            "--report" => out.report = value()?,
            "--from" => out.from = value()?.split(',').map(|n| number(n.into())).collect::<Result<_, _>>()?,
            name if out.command == Command::List => {
                out.command = match name {
                    "power-cuts" => Command::PowerCuts,
                    "kills" => Command::Kills,
                    "faults" => Command::Faults,
                    "flips" => Command::Flips,
                    "model" => Command::Model,
                    "planted" => Command::Planted,
                    "restart" => Command::Restart,
                    "all" => Command::All,
                    "writer" => Command::Writer,
                    "steps" => Command::Steps,
                    _ if name.starts_with('-') => return Err(format!("there is no flag {name}")),
                    _ => return Err(format!("there is no method {name:?}")),
                }
            }
            name => return Err(format!("{name:?} is one word too many")),
        }
    }
    Ok(out)
}

impl Arguments {
    /// A folder for temporary files, in memory if there is room: what is tortured here is not the disk.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(&self) -> Result<TempDir, String> {
        let memory = PathBuf::from("/dev/shm");
        let is_roomy = rustix::fs::statvfs(&memory).is_ok_and(|s| s.f_bavail * s.f_frsize > 1 << 30);
        let parent = if is_roomy { memory } else { std::env::temp_dir() };
        tempfile::Builder::new()
            .prefix("midwatch-torture-")
            .tempdir_in(&parent)
            .map_err(|e| format!("cannot make a folder in {}: {e}", parent.display()))
    }

    /// Keeps what failed if that was asked for; says where, or how to ask.
    pub fn keep(&self, folder: TempDir) -> String {
        let Some(keep) = &self.keep else { return "no (--keep FOLDER keeps it)".into() };
        let to = keep.join(folder.path().file_name().unwrap_or_default());
        let copied = std::fs::create_dir_all(keep).and_then(|()| copy(folder.path(), &to));
        copied.map_or_else(|e| format!("no: {e}"), |()| to.display().to_string())
    }
}

/// Copies a folder with all that is in it.
///
/// # Errors
/// The first of the system.
pub fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(&line.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn command_lines() {
        let a = parsed("kills --kills 5 --seed=9").unwrap();
        assert_eq!((a.command, a.kills, a.seed, a.cuts), (Command::Kills, 5, 9, 200));
        let a = parsed("all --short --cuts 3").unwrap();
        assert_eq!((a.command, a.kills, a.cuts), (Command::All, 12, 3));
        assert_eq!(parsed("writer --data d --from 1,2").unwrap().from, [1, 2]);
        assert_eq!(parsed("all --help").unwrap().command, Command::List);
        for (line, want) in [
            ("what", "there is no method \"what\""),
            ("--what", "there is no flag --what"),
            ("kills all", "\"all\" is one word too many"),
            ("kills --seed", "--seed needs a value"),
            ("kills --seed x", "--seed is a number, not \"x\""),
        ] {
            assert_eq!(parsed(line).unwrap_err(), want);
        }
    }
}
