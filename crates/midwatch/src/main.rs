//! The program: command line, configuration file, and what a person reads on a terminal. What Midwatch does is in the
//! crates below; this one must never hold a decision of theirs.

mod advise;
mod agent;
mod answer;
mod archive;
mod asking;
mod at;
mod capture;
mod change;
mod cli;
mod config;
mod critique;
mod delete;
mod demo;
mod export;
mod export_tables;
mod http;
mod keep;
mod logs;
mod look;
mod monitors;
mod plot;
mod query;
mod serve;
mod slos;
mod sql;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod top;
mod units;
mod working;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command, ConfigCommand, Shell};
use config::problems::Severity;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

/// Gives memory back that is no longer needed, and keeps what stays close together: docs/decisions/memory.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// Bugs that are planted to test the tests have no place in a program that keeps data.
const _: () = assert!(!store::PLANTED_BUGS, "build midwatch without the feature store/planted-bugs");

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(say_panic));
    match run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "midwatch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Agent(args) => agent::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Logs(args) => logs::run(&args, server::now_ms),
        Command::Query(args) => print(&query::run(&args, server::now_ms())?),
        Command::Sql(args) => sql::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Look(args) => print(&look::run(&args, server::now_ms())?),
        Command::Advise(args) => print(&advise::run(&args, server::now_ms())?),
        Command::Archive(command) => print(&archive::run(&command)?),
        Command::Backup(args) => keep::backup(&args, server::now_ms()),
        Command::Restore(args) => keep::restore(&args),
        Command::Export(args) => export::run(&args),
        Command::Verify(args) => keep::verify(&args),
        Command::DeleteSeries(args) => delete::run(&args, server::now_ms),
        Command::Change(args) => print(&change::run(&args)?),
        Command::Critique(args) => critique::run(&args),
        Command::Audit(args) => print(&delete::audit(&args)?),
        Command::Capture(command) => capture::run(&command),
        Command::Monitor(command) => monitors::run(&command, server::now_ms),
        Command::Slo(command) => slos::run(&command, server::now_ms),
        Command::Config(ConfigCommand::Check { file }) => Ok(check(&file)),
        Command::Config(ConfigCommand::Explain { markdown: true, .. }) => print(&config::explain::document()),
        Command::Config(ConfigCommand::Explain { name, .. }) => {
            print(&config::explain::text(name.as_deref()).map_err(anyhow::Error::msg)?)
        }
        Command::Completions { shell } => print(&completions(shell)),
    }
}

/// Says all that is wrong with a configuration file.
fn check(file: &Path) -> ExitCode {
    let (config, problems) = config::load(file);
    problems.iter().for_each(|p| eprintln!("{p}"));
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    if errors > 0 {
        eprintln!("{}: {}", file.display(), text::counted(errors, "error"));
        return ExitCode::FAILURE;
    }
    let warnings = if problems.is_empty() { "" } else { ", with what is named above left out" };
    let jobs = match config.scrape.len() {
        1 => "1 scrape job".to_string(),
        n => format!("{n} scrape jobs"),
    };
    println!("{}: good{warnings}; {jobs}", file.display());
    ExitCode::SUCCESS
}

fn completions(shell: Shell) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "midwatch", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// To standard output; that somebody stops reading (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(anyhow::anyhow!("cannot write: {e}")),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Short, with what to do; a panic of one task does not end the program.
fn say_panic(info: &std::panic::PanicHookInfo<'_>) {
    top::restore();
    let payload = info.payload();
    let text =
        payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|s| &**s));
    let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
    // Standard error may be gone: a panic inside a panic would end the program.
    let _ = writeln!(
        std::io::stderr(),
        "midwatch: a bug: {}{place}. Please report it with this line.",
        text.unwrap_or("unknown")
    );
}
