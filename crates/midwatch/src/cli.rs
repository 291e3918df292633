//! The command line: what can be asked for, with help and examples. It must never do anything.

mod sql;

pub use sql::{SqlArgs, SqlFormat};

use crate::at::At;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Where a running Midwatch answers by default.
pub const DEFAULT_URL: &str = "http://127.0.0.1:4004";

/// Records everything this machine does, keeps it, and makes looking around effortless.
#[derive(Debug, Parser)]
#[command(name = "midwatch", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  midwatch demo                        see it at work on a shop that is not real
  midwatch serve                       record this machine; look at it on http://127.0.0.1:4004
  midwatch top                         the same machine on a terminal, over ssh
  midwatch query 'node_load1' --plot   one number, as a chart of the last hour

Each command has examples of its own: midwatch query --help")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record this machine, scrape services, keep it all, and answer on HTTP
    #[command(after_help = "\
Examples:
  midwatch serve
  midwatch serve --data /var/lib/midwatch --retention 90d --retention-size 100GiB
  midwatch serve --data s3://telemetry/prod --wal /var/lib/midwatch-wal
  midwatch serve --config midwatch.toml
  midwatch serve --config prometheus.yml --no-host --no-discover

Flags go before the configuration file. `midwatch config explain` lists all settings.
Ctrl-C stops it after what it has is safe; a second Ctrl-C stops it at once, and loses nothing acknowledged.")]
    Serve(ServeArgs),
    /// Record this machine and send it to a Midwatch elsewhere
    #[command(after_help = crate::agent::EXAMPLES)]
    Agent(crate::agent::AgentArgs),
    /// See it at work: a small shop that is not real, and breaks; nothing to install, nothing kept
    #[command(after_help = "\
Examples:
  midwatch demo
  midwatch demo --fault bad-deploy
  midwatch demo --list

It starts a Midwatch with a temporary folder, which a shop of eight services fills by OTLP: they exist in arithmetic
alone. Their last hour is there at once; after 20 s the first fault begins, and it says what happens and where to look.
On a terminal, the name of a fault and Enter breaks the shop with it, the same again heals it.
Ctrl-C ends it and removes the folder.")]
    Demo(DemoArgs),
    /// Ask a running Midwatch in PromQL
    #[command(after_help = "\
Examples:
  midwatch query 'node_load1'
  midwatch query 'rate(node_network_receive_bytes_total[1m])' --range 6h --plot
  midwatch query 'topk(5, process_memory_usage_bytes)' --at 2026-03-04T05:06:07Z
  midwatch query 'up == 0' | jq '.data.result[].metric.instance'

A table on a terminal; into a pipe, the JSON of Prometheus's HTTP API. NO_COLOR=1 turns colours off.
It fails with 1 when the query fails, and not when it finds nothing.")]
    Query(QueryArgs),
    /// Log records, the oldest first, and on as they come
    #[command(after_help = "\
Examples:
  midwatch logs
  midwatch logs level:error service:checkout --since 6h
  midwatch logs '\"connection refused\" -retry' --follow
  midwatch logs 'status>=500' --json | jq .attributes

Words must all be there; \"a phrase\", /regex/, level:warn (and graver), service:, host:, trace:, field:value,
field>number, and - before what must not be. Escape sequences in records are shown, never obeyed.")]
    Logs(LogsArgs),
    /// Ask a running Midwatch in SQL
    #[command(after_help = "\
Examples:
  midwatch sql 'SHOW TABLES'
  midwatch sql \"SELECT name, count(*) FROM series GROUP BY name ORDER BY 2 DESC LIMIT 10\"
  midwatch sql \"SELECT time, value FROM metrics WHERE name = 'node_load1' AND time > now() - interval '5 minutes'\"
  midwatch sql \"SELECT labels['job'] AS job, value FROM promql('sum by (job) (up)')\"
  midwatch sql --file report.sql --format csv > report.csv
  echo 'SELECT count(*) FROM metrics' | midwatch sql -

A table on a terminal, at most 1000 rows unless --limit says otherwise; into a pipe, CSV. Nothing can be changed with SQL.
The same questions can be asked with psql: midwatch serve prints how. It fails with 1 when the query fails.")]
    Sql(SqlArgs),
    /// What changed in a time: every series against a baseline, what moved together as one group
    #[command(after_help = crate::look::EXAMPLES)]
    Look(crate::look::LookArgs),
    /// Where to look first in a time that went wrong, with what speaks for it and against it
    #[command(after_help = crate::advise::EXAMPLES)]
    Advise(crate::advise::AdviseArgs),
    /// This machine and what is busy on it, on a terminal, every second
    #[command(after_help = "\
Examples:
  midwatch top
  midwatch top --sort memory
  ssh -t db-7 midwatch top

Keys: q quits, s sorts processes by the next measure, ? helps. It reads from a running `midwatch serve`.")]
    Top(TopArgs),
    /// Make a backup of a data folder, while it is in use or not
    #[command(after_help = "\
Examples:
  midwatch backup /mnt/other-disk/midwatch
  midwatch backup /mnt/other-disk/midwatch --data /var/lib/midwatch
  midwatch backup before-the-change && midwatch verify before-the-change

It needs no running Midwatch and does not disturb one: all that was acknowledged before the command began is in the
backup. Into the same folder again it brings only what is new, and drops what is gone.
Exit code 0: the backup is whole and durable. 1: it is not, or the data is damaged.")]
    Backup(BackupArgs),
    /// Bring a backup back as a new data folder
    #[command(after_help = "\
Examples:
  midwatch restore /mnt/other-disk/midwatch --data /var/lib/midwatch
  midwatch restore before-the-change --data trial && midwatch serve --data trial

All checksums are compared before the first file is written.")]
    Restore(RestoreArgs),
    /// Read every checksum of a data folder or a backup, and say what is wrong
    #[command(after_help = "\
Examples:
  midwatch verify midwatch-data
  midwatch verify /mnt/other-disk/midwatch --json | jq '.findings[].lost'

It decodes every sample, changes nothing, and may run beside the program that uses the folder.
Exit code 0: all is whole. 1: something is damaged or doubtful, which is said with what is lost and what to do.")]
    Verify(VerifyArgs),
    /// Delete series for good: personal data that must not be kept
    #[command(after_help = "\
Examples:
  midwatch delete-series --match '{user=\"ada\"}'
  midwatch delete-series --match '{user=\"ada\"}' --reason 'request 4711' --yes
  midwatch delete-series --match 'logins_total{user=\"ada\"}' --end 2026-03-01T00:00:00Z --data /var/lib/midwatch

Without --yes it says what it would delete, and changes nothing. With --data it works in a folder that no program uses;
else a running Midwatch does it, if admin.delete_series is on there. Every file that holds a deleted sample is written
anew without it. The audit keeps who, when, why and how much; of values only a keyed hash: see midwatch audit --help.
Exit code 0: it is gone. 1: it is not, or not all of it could be reached, which is said.")]
    DeleteSeries(DeleteArgs),
    /// Say that something was changed: a deploy, a configuration, anything that may explain what is seen later
    #[command(after_help = crate::change::EXAMPLES)]
    Change(crate::change::ChangeArgs),
    /// Ask what speaks against a plan, or against what you believe
    #[command(after_help = crate::critique::EXAMPLES)]
    Critique(crate::critique::CritiqueArgs),
    /// What was deleted on somebody's word, by whom and why
    #[command(after_help = "\
Examples:
  midwatch audit
  midwatch audit --data /var/lib/midwatch --json
  midwatch audit --value ada

Values of labels stand in the audit as a keyed hash: --value finds the entries of a value that you know.")]
    Audit(AuditArgs),
    /// Write what is kept as files that other programs read
    #[command(after_help = "\
Examples:
  midwatch export --format parquet --out load.parquet --match 'node_load1'
  midwatch export --format parquet --out day.parquet --start 2026-03-04T00:00:00Z --end 2026-03-05T00:00:00Z
  midwatch export --format jsonl --match '{job=\"api\"}' --match 'up' | gzip > api.jsonl.gz
  midwatch export --format openmetrics --match 'http_requests_total' --out requests.om

It reads the data folder, also while it is in use, and changes nothing. Parquet has one row for each sample: metric,
labels (a map), timestamp, value. JSON lines are those of the API, and `POST /api/v1/import` reads them back.
If something is damaged it says so, makes no file, and ends with 1, unless --partial is given.")]
    Export(ExportArgs),
    /// List what was archived, or bring it back
    #[command(subcommand, arg_required_else_help = true)]
    Archive(ArchiveCommand),
    /// What is watched: list, check, test, try out on the past, silence
    #[command(subcommand, arg_required_else_help = true)]
    Monitor(crate::monitors::MonitorCommand),
    /// What is promised (service level objectives): list, show, check, import from OpenSLO
    #[command(subcommand, arg_required_else_help = true)]
    Slo(crate::slos::SloCommand),
    /// The last minutes of everything: take, list, export, verify, open
    #[command(subcommand, arg_required_else_help = true, after_help = crate::capture::EXAMPLES)]
    Capture(crate::capture::CaptureCommand),
    /// Check or explain the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  midwatch completions bash > /etc/bash_completion.d/midwatch
  midwatch completions zsh > ~/.zfunc/_midwatch
  midwatch completions fish > ~/.config/fish/completions/midwatch.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Flags of `serve`. Values are checked by the table of settings, so that flags and file say the same.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:4004]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The folder in which everything is kept, or a bucket: s3://BUCKET/PREFIX [default: ./midwatch-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<String>,
    /// With a bucket: the folder for what is not in the bucket yet, on a disk that stays [default: ./midwatch-wal]
    #[arg(long, value_name = "FOLDER")]
    pub wal: Option<String>,
    /// Move old blocks to this folder or bucket, from where they can be brought back
    #[arg(long, value_name = "FOLDER")]
    pub archive: Option<String>,
    /// Settings in TOML; or a configuration of Prometheus, if the name ends in .yml or .yaml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Remove samples older than this [default: 30d]
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// Remove the oldest blocks when all together are larger than this [default: 20GiB]
    #[arg(long, value_name = "SIZE")]
    pub retention_size: Option<String>,
    /// Do not record this machine
    #[arg(long)]
    pub no_host: bool,
    /// Do not look for services that expose metrics
    #[arg(long)]
    pub no_discover: bool,
    /// Take OpenTelemetry's protocol on the main port only
    #[arg(long)]
    pub no_otlp: bool,
    /// Do not speak PostgreSQL's protocol
    #[arg(long)]
    pub no_postgres: bool,
    /// Listen where other machines can reach it, although there is no password and no TLS
    #[arg(long)]
    pub insecure_listen: bool,
}

/// Flags of `demo`.
#[derive(Debug, Default, Args)]
pub struct DemoArgs {
    /// Only this fault, again and again; none: nothing breaks by itself
    #[arg(long, value_name = "NAME")]
    pub fault: Option<String>,
    /// List the faults
    #[arg(long)]
    pub list: bool,
    /// Where to listen [default: 127.0.0.1:4004, or any free port if that is taken]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

/// Flags of `query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The query
    #[arg(value_name = "PROMQL")]
    pub promql: String,
    /// Over this time until now (or --at), rather than at one instant
    #[arg(long, value_name = "DURATION")]
    pub range: Option<String>,
    /// Time between two values of a range [default: fits the range]
    #[arg(long, value_name = "DURATION")]
    pub step: Option<String>,
    /// The instant, or the end of the range: seconds since 1970, or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Draw a chart; without --range, of the last hour
    #[arg(long, conflicts_with = "json")]
    pub plot: bool,
    /// Print JSON on a terminal too
    #[arg(long)]
    pub json: bool,
    /// The Midwatch to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Flags of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Which records; nothing is all of them
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// Go on as records come
    #[arg(short, long)]
    pub follow: bool,
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub since: String,
    /// The end of the range: seconds since 1970, or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// The newest so many
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 200)]
    pub limit: usize,
    /// A line of JSON for each
    #[arg(long)]
    pub json: bool,
    /// The Midwatch to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Flags of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The Midwatch to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// Sort processes by this at first
    #[arg(long, value_enum, default_value_t = SortBy::Cpu)]
    pub sort: SortBy,
}

/// What processes are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// CPU time.
    Cpu,
    /// Resident memory.
    Memory,
    /// Bytes read from and written to storage.
    Io,
}

/// Where `serve` keeps everything by default.
const DEFAULT_DATA: &str = "./midwatch-data";

/// Flags of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// A new or empty folder, or one that holds an earlier backup of the same data
    #[arg(value_name = "DEST")]
    pub dest: PathBuf,
    /// The folder in which everything is kept
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// Copy blocks even if DEST is on the same file system, rather than give them a second name
    #[arg(long)]
    pub copy: bool,
}

/// Flags of `delete-series`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Series to delete: a selector; more may be given
    #[arg(long = "match", value_name = "SELECTOR", required = true)]
    pub matches: Vec<String>,
    /// Only samples from here on: seconds since 1970, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// Only samples up to here
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
    /// Why: goes into the audit, so name no person in it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do it
    #[arg(long, requires = "reason")]
    pub yes: bool,
    /// A data folder that no program uses
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
    pub data: Option<PathBuf>,
    /// The Midwatch to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Flags of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The folder in which everything is kept
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// Only entries that name this value of a label
    #[arg(long, value_name = "TEXT")]
    pub value: Option<String>,
    /// Print JSON, one entry a line
    #[arg(long)]
    pub json: bool,
}

/// Flags of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The folder that a backup was made into
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// A new or empty folder
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
    /// Restore a damaged backup as far as it goes
    #[arg(long)]
    pub partial: bool,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A data folder or a backup
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Log records, spans or changes instead of samples
    #[arg(long, value_enum, value_name = "TABLE", conflicts_with = "selectors")]
    pub table: Option<TableName>,
    /// A selector, as in PromQL; may be given several times [default: everything]
    #[arg(long = "match", value_name = "SELECTOR")]
    pub selectors: Vec<String>,
    /// The first instant: seconds since 1970, or RFC 3339 [default: the oldest sample]
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// The last instant [default: the newest sample]
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,
    /// What to write
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The file to write [default: standard output; parquet needs a file]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The folder in which everything is kept
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
    /// Leave out what is damaged, and say what that was
    #[arg(long)]
    pub partial: bool,
}

/// Tables beside the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableName {
    /// Log records.
    Logs,
    /// Spans of traces.
    Spans,
    /// Changes.
    Changes,
}

/// Formats of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Parquet, a row for each sample.
    Parquet,
    /// JSON lines, a line for each series.
    Jsonl,
    /// OpenMetrics text, a line for each sample.
    Openmetrics,
}

/// `midwatch archive ...`
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// List the archived blocks: their time, size, series and samples
    #[command(after_help = "\
Examples:
  midwatch archive list
  midwatch archive list --json | jq '.data.blocks[].bytes'")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Bring the archived blocks of a period back for a while
    #[command(after_help = "\
Examples:
  midwatch archive restore --start 2026-03-04T00:00:00Z --end 2026-03-05T00:00:00Z
  midwatch archive restore --start 2026-03-04T00:00:00Z --end 2026-03-05T00:00:00Z --keep 30d

They are copied in the background, and stay in the archive too. --keep 0s sends them away again.")]
    Restore {
        /// The beginning of the period: seconds since 1970, or RFC 3339
        #[arg(long, value_name = "TIME")]
        start: String,
        /// Its end
        #[arg(long, value_name = "TIME")]
        end: String,
        /// How long they stay
        #[arg(long, value_name = "DURATION", default_value = "7d")]
        keep: String,
        /// The server.
        #[command(flatten)]
        server: At,
    },
}

/// `midwatch config ...`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with a configuration file
    #[command(after_help = "\
Examples:
  midwatch config check midwatch.toml
  midwatch config check prometheus.yml

Exit code 0: it can be used (there may be warnings). 1: it cannot.")]
    Check {
        /// midwatch.toml, or a configuration of Prometheus (.yml, .yaml)
        file: PathBuf,
    },
    /// Describe every setting, one setting, or a section
    #[command(after_help = "\
Examples:
  midwatch config explain | less
  midwatch config explain retention
  midwatch config explain store")]
    Explain {
        /// A setting or section
        name: Option<String>,
        /// The whole as a page in Markdown, the keys of Prometheus included
        #[arg(long, conflicts_with = "name")]
        markdown: bool,
    },
}

/// Shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

/// The text of docs/reference/command-line.md: the help of every command.
#[cfg(test)]
fn document() -> String {
    use clap::CommandFactory;
    fn walk(mut command: clap::Command, name: &str, out: &mut String) {
        let children: Vec<clap::Command> =
            command.get_subcommands().filter(|c| c.get_name() != "help").cloned().collect();
        command = command.bin_name(name).term_width(100);
        *out +=
            &format!("\n## {name}\n\n```text\n{}\n```\n", command.render_long_help().to_string().trim_end());
        children.into_iter().for_each(|child| {
            let name = format!("{name} {}", child.get_name());
            walk(child, &name, out);
        });
    }
    let mut out = "\
# Command line

Generated from the code: do not edit. `midwatch --help` and `midwatch COMMAND --help` print the same.

Exit codes: 0 it worked, 1 it did not (one sentence on standard error says why and what to do), 2 the command line is wrong,
130 stopped at once by a second Ctrl-C. `NO_COLOR=1` turns colours off.
"
    .to_string();
    walk(Cli::command(), "midwatch", &mut out);
    out
}

#[cfg(test)]
mod tests;
