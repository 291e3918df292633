//! The programs that take in the same requests: how each is started, and how much it holds. It must treat all
//! alike: flags differ from the defaults only where answers would else be late or samples too old.

use crate::arguments::Arguments;
use crate::child::{self, Started};
use crate::http::{Http, encode, free_port};
use crate::midwatch::{self, Midwatch};
use crate::stop;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
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

/// A program that runs.
pub struct Server {
    /// The process.
    pub process: Started,
    /// Where it listens.
    pub address: SocketAddr,
    // Stands after the process, which is to end before its files go.
    folder: TempDir,
}

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

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(self, arguments: &Arguments) -> Result<Server> {
        let folder = child::folder()?;
        if self == Program::Midwatch {
            let program = midwatch::program(arguments).map_err(|e| Error::new(ErrorKind::NotFound, e))?;
            let flags = ["--no-host", "--retention", "100y"];
            let Midwatch { process, address } = Midwatch::start(&program, folder.path(), &flags)?;
            return Ok(Server { process, address, folder });
        }
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let (at, data) = (folder.path(), folder.path().join("data"));
        let mut command = Command::new(child::find(self.name()).unwrap_or_default());
        let ready = if self == Program::Victoria {
            command.arg(format!("-httpListenAddr={address}")).args(VICTORIA);
            command.arg(format!("-storageDataPath={}", data.display()));
            "/health"
        } else {
            let config = at.join("prometheus.yml");
            std::fs::write(&config, "global: {evaluation_interval: 1m}\n").map_err(|e| {
                Error::wrap(ErrorKind::Unavailable, "cannot write the configuration of prometheus", e)
            })?;
            command.arg(format!("--web.listen-address={address}")).args(PROMETHEUS);
            command.arg(format!("--config.file={}", config.display()));
            command.arg(format!("--storage.tsdb.path={}", data.display()));
            "/-/ready"
        };
        command.stdin(Stdio::null()).stdout(child::output(at, "out")?).stderr(child::output(at, "err")?);
        let process = Started::new(self.name(), &mut command)?;
        stop::wait_for(&format!("the start of {}", self.name()), Duration::from_secs(30), || {
            Http::connect(address).ok()?.get(ready).ok()
        })?;
        Ok(Server { process, address, folder })
    }
}

impl Server {
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

    /// Bytes of all files of its data, as the disk counts them where files have holes.
    pub fn disk_bytes(&self) -> u64 {
        folder_bytes(&self.folder.path().join("data"))
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(|entry| {
        let (path, data) = (entry.as_ref().ok()?.path(), entry.ok()?.metadata().ok()?);
        Some(if data.is_dir() { folder_bytes(&path) } else { data.len().min(data.blocks() * 512) })
    });
    sizes.sum()
}
