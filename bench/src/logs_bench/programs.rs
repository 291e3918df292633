//! The two programs that take the same pushes: Midwatch, and Debian's Loki with its defaults but for limits that would refuse the
//! load. How each is started, made to write what it holds, and asked. It must treat both alike.

use super::lines::FORMAT;
use crate::arguments::Arguments;
use crate::child::{self, Started};
use crate::http::{Http, encode, free_port};
use crate::midwatch::{self, Midwatch};
use crate::programs::folder_bytes;
use crate::stop;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tempfile::TempDir;

/// Which.
#[derive(Clone, Copy, PartialEq)]
pub enum Program {
    /// Every line taken apart into fields.
    Midwatch,
    /// The same, each line kept as its text alone.
    Loki,
}

/// In the order of the table.
pub const PROGRAMS: [Program; 2] = [Program::Midwatch, Program::Loki];

/// How long a start may take.
const START_WITHIN: Duration = Duration::from_secs(120);
/// Recent rows become files after this, so that all of the work is done while it is measured.
const RECENT_SECONDS: u64 = 20;

/// A program that runs.
pub struct Server {
    program: Program,
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
            Program::Loki => "loki",
        }
    }

    /// Why it cannot run here, if so.
    pub fn missing(self, arguments: &Arguments) -> Option<String> {
        match self {
            Program::Midwatch => midwatch::program(arguments).err(),
            Program::Loki => {
                let is_there = child::find("loki").is_some();
                (!is_there).then(|| "not installed: apt-get install loki (and end the service)".into())
            }
        }
    }

    /// Starts it in a folder of its own and waits until it answers.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(self, arguments: &Arguments) -> Result<Server> {
        let folder = child::folder()?;
        let (process, address) = match self {
            Program::Midwatch => start_midwatch(arguments, &folder)?,
            Program::Loki => start_loki(&folder)?,
        };
        Ok(Server { program: self, process, address, folder })
    }
}

fn write(folder: &TempDir, name: &str, text: &str) -> Result<String> {
    let path = folder.path().join(name);
    let failed = |e| Error::wrap(ErrorKind::Unavailable, format!("cannot write {}", path.display()), e);
    std::fs::write(&path, text).map_err(failed)?;
    Ok(path.display().to_string())
}

fn start_midwatch(arguments: &Arguments, folder: &TempDir) -> Result<(Started, SocketAddr)> {
    let program = midwatch::program(arguments).map_err(|e| Error::new(ErrorKind::NotFound, e))?;
    let text = format!("[tables]\nrecent_age = \"{RECENT_SECONDS}s\"\n[store]\n{}", arguments.store);
    let config = write(folder, "midwatch.toml", &text)?;
    let flags = ["--no-host", "--no-otlp", "--no-postgres", "--config", &config];
    let Midwatch { process, address } = Midwatch::start(&program, folder.path(), &flags)?;
    Ok((process, address))
}

fn start_loki(folder: &TempDir) -> Result<(Started, SocketAddr)> {
    let (port, grpc, data) = (free_port()?, free_port()?, folder.path().join("data").display().to_string());
    let config = format!(
        "auth_enabled: false\n\
         server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc}, \
         log_level: error, grpc_server_max_recv_msg_size: 67108864, grpc_server_max_send_msg_size: 67108864}}\n\
         common: {{path_prefix: {data}, replication_factor: 1, ring: {{instance_addr: 127.0.0.1, kvstore: {{store: inmemory}}}}, \
         storage: {{filesystem: {{chunks_directory: {data}/chunks, rules_directory: {data}/rules}}}}}}\n\
         schema_config: {{configs: [{{from: 2020-10-24, store: boltdb-shipper, object_store: filesystem, schema: v11, \
         index: {{prefix: index_, period: 24h}}}}]}}\n\
         limits_config: {{reject_old_samples: false, ingestion_rate_mb: 10000, ingestion_burst_size_mb: 10000, \
         per_stream_rate_limit: 10GB, per_stream_rate_limit_burst: 10GB, max_query_length: 0h}}\n\
         analytics: {{reporting_enabled: false}}\n"
    );
    let config = write(folder, "loki.yaml", &config)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = Command::new(child::find("loki").unwrap_or_default());
    command.arg(format!("-config.file={config}")).current_dir(folder.path()).stdin(Stdio::null());
    command.stdout(child::output(folder.path(), "out")?).stderr(child::output(folder.path(), "err")?);
    let mut process = Started::new("loki", &mut command)?;
    let ready = stop::wait_for("the start of loki", START_WITHIN, || {
        if let Err(e) = process.running() {
            return Some(Err(e));
        }
        Http::connect(address).ok()?.get("/ready").ok().map(|_| Ok(()))
    });
    let says = || std::fs::read_to_string(folder.path().join("err")).unwrap_or_default();
    ready.and_then(|inner| inner).map_err(|e| match e.kind {
        ErrorKind::Cancelled => e,
        _ => Error::new(e.kind, format!("{e}. It says: {}", says().trim())),
    })?;
    Ok((process, address))
}

impl Server {
    /// Has everything written that it holds in memory.
    ///
    /// # Errors
    /// If it does not answer, or not in time.
    pub fn flush(&mut self) -> Result<()> {
        if self.program == Program::Loki {
            return Http::connect(self.address)?.post("/flush", b"").map(drop);
        }
        let limit = Duration::from_secs(RECENT_SECONDS * 10);
        stop::wait_for("writing the recent rows", limit, || {
            let json = self.json("/api/v1/status/tables").ok()?;
            let tables = json["data"]["tables"].as_array()?;
            tables.iter().all(|table| table["recent_rows"].as_u64() == Some(0)).then_some(())
        })
    }

    /// Bytes on disk of what it keeps: without logs that only wait to be deleted.
    pub fn kept_bytes(&self) -> u64 {
        let data = self.folder.path().join("data");
        match self.program {
            Program::Midwatch => folder_bytes(&data.join("tables")),
            Program::Loki => folder_bytes(&data) - folder_bytes(&data.join("wal")),
        }
    }

    fn json(&self, path: &str) -> Result<serde_json::Value> {
        let answer = Http::connect(self.address)?.get(path)?;
        serde_json::from_slice(&answer)
            .map_err(|e| Error::wrap(ErrorKind::Unavailable, "the answer is not JSON", e))
    }

    /// How many lines have this identifier in them, of those from and until then.
    ///
    /// # Errors
    /// If there is no good answer.
    pub fn count(&self, id: &str, from_ns: i64, to_ns: i64) -> Result<usize> {
        match self.program {
            Program::Midwatch => {
                let (from, to) = (from_ns as f64 / 1e9, to_ns as f64 / 1e9);
                let path = format!("/api/v1/logs/search?limit=10&query={id}&start={from:.3}&end={to:.3}");
                let found = self.json(&path)?;
                Ok(found["data"]["records"].as_array().map_or(0, Vec::len))
            }
            Program::Loki => {
                let query = encode(&format!("{{service_name=\"nginx\"}} |= \"{id}\""));
                let path =
                    format!("/loki/api/v1/query_range?limit=10&query={query}&start={from_ns}&end={to_ns}");
                let found = self.json(&path)?;
                let streams = found["data"]["result"].as_array().cloned().unwrap_or_default();
                Ok(streams.iter().filter_map(|s| s["values"].as_array()).map(Vec::len).sum())
            }
        }
    }
}

/// The format is not told to either: both take the lines as they come.
pub fn note() -> String {
    format!("Lines: {FORMAT}.")
}
