//! The programs that take in the same requests: how each is started, killed and started again, and how much it holds.
//! It must treat all alike: flags differ from the defaults only where answers would else be late or samples too old.

use crate::arguments::Arguments;
use crate::child::{self, Started};
use crate::http::{Http, encode, free_port};
use crate::midwatch::{self, Midwatch};
use crate::stop;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use tempfile::TempDir;

/// A program that can be measured.
#[derive(Clone, Copy, PartialEq)]
pub enum Program {
    /// The whole program.
    Midwatch,
    /// Debian's victoria-metrics.
    Victoria,
    /// Debian's prometheus.
    Prometheus,
}

/// In the order of the table.
pub const PROGRAMS: &[Program] = &[Program::Midwatch, Program::Victoria, Program::Prometheus];

const VICTORIA: &[&str] = &[
    "-retentionPeriod=100y",
    "-search.latencyOffset=0s",
    "-search.disableCache",
    "-search.maxStalenessInterval=5m",
    "-search.minStalenessInterval=5m",
    "-search.maxPointsPerTimeseries=1000000",
    "-search.maxUniqueTimeseries=2000000",
    "-search.maxQueryDuration=5m",
    "-memory.allowedBytes=1GiB",
    "-loggerLevel=WARN",
];
const PROMETHEUS: &[&str] = &[
    "--web.enable-remote-write-receiver",
    "--enable-feature=promql-at-modifier,promql-negative-offset,native-histograms,exemplar-storage",
    "--storage.tsdb.retention.time=100y",
    "--query.max-samples=500000000",
    "--log.level=warn",
];

/// What one bench wants otherwise.
#[derive(Clone, Default)]
pub struct Options {
    /// Lines of midwatch.toml in its section `[store]`; those of the command line come after them.
    pub midwatch_store: String,
    /// Other sections of midwatch.toml.
    pub midwatch_more: String,
    /// More flags.
    pub victoria_flags: Vec<String>,
    /// More flags.
    pub prometheus_flags: Vec<String>,
}

/// A program that runs.
pub struct Server {
    /// Which.
    pub program: Program,
    /// The process.
    pub process: Started,
    /// Where it listens.
    pub address: SocketAddr,
    arguments: Arguments,
    options: Options,
    // Stands after the process, which is to end before its files go.
    folder: TempDir,
}

/// How long a start may take: a long log is read again.
const START_WITHIN: Duration = Duration::from_secs(600);

impl Program {
    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Program::Midwatch => "midwatch",
            Program::Victoria => "victoria-metrics",
            Program::Prometheus => "prometheus",
        }
    }

    /// What it promises when it acknowledges.
    pub fn promise(self) -> &'static str {
        match self {
            Program::Midwatch => "the samples are in its log, and fsync has returned",
            Program::Victoria => "the samples are in its memory; a crash loses what it has not written yet",
            Program::Prometheus => {
                "the samples are written to its log without fsync: a crash of the machine may lose them"
            }
        }
    }

    /// Why it cannot run here, if so.
    pub fn missing(self, arguments: &Arguments) -> Option<String> {
        match self {
            Program::Midwatch => midwatch::program(arguments).err(),
            _ => child::find(self.name())
                .is_none()
                .then(|| format!("not installed: apt-get install {}", self.name())),
        }
    }

    /// Starts it in a folder of its own and waits until it answers.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(self, arguments: &Arguments, options: &Options) -> Result<Server> {
        let folder = child::folder()?;
        let (process, address) = self.run(arguments, options, folder.path())?;
        let (arguments, options) = (arguments.clone(), options.clone());
        Ok(Server { program: self, process, address, arguments, options, folder })
    }

    fn run(self, arguments: &Arguments, options: &Options, at: &Path) -> Result<(Started, SocketAddr)> {
        if self == Program::Midwatch {
            let program = midwatch::program(arguments).map_err(|e| Error::new(ErrorKind::NotFound, e))?;
            let config = at.join("midwatch.toml");
            write(
                &config,
                &format!("[store]\n{}{}{}", options.midwatch_store, arguments.store, options.midwatch_more),
            )?;
            let config = config.display().to_string();
            let flags = ["--no-host", "--retention", "100y", "--retention-size", "1TiB", "--config", &config];
            let Midwatch { process, address } = Midwatch::start(&program, at, &flags)?;
            return Ok((process, address));
        }
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let data = at.join("data");
        let mut command = Command::new(child::find(self.name()).unwrap_or_default());
        let ready = if self == Program::Victoria {
            command.arg(format!("-httpListenAddr={address}")).args(VICTORIA).args(&options.victoria_flags);
            command.arg(format!("-storageDataPath={}", data.display()));
            "/health"
        } else {
            let config = at.join("prometheus.yml");
            write(&config, "global: {evaluation_interval: 1m}\n")?;
            command.arg(format!("--web.listen-address={address}")).args(PROMETHEUS);
            command.args(&options.prometheus_flags);
            command.arg(format!("--config.file={}", config.display()));
            command.arg(format!("--storage.tsdb.path={}", data.display()));
            "/-/ready"
        };
        command.stdin(Stdio::null()).stdout(child::output(at, "out")?).stderr(child::output(at, "err")?);
        let process = Started::new(self.name(), &mut command)?;
        stop::wait_for(&format!("the start of {}", self.name()), START_WITHIN, || {
            Http::connect(address).ok()?.get(ready).ok()
        })?;
        Ok((process, address))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |e| Error::wrap(ErrorKind::Unavailable, format!("cannot write {}", path.display()), e);
    std::fs::write(path, text).map_err(failed)
}

impl Server {
    /// Kills it as `kill -9` does and starts it again on what it left behind: seconds from the start until it says
    /// that it is ready.
    ///
    /// # Errors
    /// If it does not start.
    pub fn kill_and_start(&mut self) -> Result<f64> {
        self.process.kill();
        let begun = Instant::now();
        (self.process, self.address) =
            self.program.run(&self.arguments, &self.options, self.folder.path())?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// The one number that a query gives at a time; `None` if it gives none, or several.
    ///
    /// # Errors
    /// If there is no good answer.
    pub fn query(&self, query: &str, time_ms: i64) -> Result<Option<f64>> {
        let path = format!("/api/v1/query?query={}&time={}", encode(query), time_ms as f64 / 1e3);
        let answer = Http::connect(self.address)?.get(&path)?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the answer is not JSON", e))?;
        let result = answer["data"]["result"].as_array().filter(|all| all.len() == 1);
        Ok(result.and_then(|all| all[0]["value"][1].as_str()?.parse().ok()))
    }

    /// A number of its own metrics: the sum of all series of that name whose line has the text.
    ///
    /// # Errors
    /// If there is no good answer.
    pub fn own_metric(&self, name: &str, text: &str) -> Result<f64> {
        Ok(self.own_metrics(name, text)?.iter().sum())
    }

    /// For how long background work of some kind has been waiting without a break, seconds; none of a program that does
    /// not tell.
    ///
    /// # Errors
    /// If there is no good answer.
    pub fn behind_s(&self) -> Result<Option<f64>> {
        let kinds = self.own_metrics("midwatch_store_work_behind_seconds", "")?;
        Ok(kinds.into_iter().reduce(f64::max))
    }

    fn own_metrics(&self, name: &str, text: &str) -> Result<Vec<f64>> {
        let answer = Http::connect(self.address)?.get("/metrics")?;
        let answer = String::from_utf8_lossy(&answer);
        let lines = answer.lines().filter(|l| {
            l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && l.contains(text)
        });
        Ok(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).collect())
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Bytes of all files of its data, as the disk counts them where files have holes.
    pub fn disk_bytes(&self) -> u64 {
        folder_bytes(&self.data())
    }
}

/// Bytes of all files under a folder, as the disk counts them where files have holes.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(|entry| {
        let (path, data) = (entry.as_ref().ok()?.path(), entry.ok()?.metadata().ok()?);
        Some(if data.is_dir() { folder_bytes(&path) } else { data.len().min(data.blocks() * 512) })
    });
    sizes.sum()
}
