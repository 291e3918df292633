//! The program itself, `midwatch serve`, on a folder for temporary files: killed while it takes remote write, and started
//! again. It must never touch data of anybody.

use crate::arguments::Arguments;
use crate::http;
use crate::stop;
use model::{Labels, SeriesData};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that runs; killed when this is dropped.
pub struct Midwatch {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process until it said that it is ready.
    pub start_took: Duration,
    /// Processor time until then.
    pub start_cpu: Duration,
}

/// The program: as named, or beside this one. The other side is what to say if it is not there.
pub fn program(arguments: &Arguments) -> Result<PathBuf, String> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("midwatch"));
    let path = arguments.midwatch.clone().or_else(beside).unwrap_or_else(|| "midwatch".into());
    if path.is_file() { Ok(path) } else { Err(format!("{} is not there: make build", path.display())) }
}

impl Midwatch {
    /// Starts it on a free port of loopback and waits until it is ready; `folder` also takes what it says.
    ///
    /// # Errors
    /// If it does not start; with what it said.
    pub fn start(program: &Path, folder: &Path) -> Result<Midwatch, String> {
        let output = |name: &str| File::create(folder.join(name)).map_err(|e| format!("no file: {e}"));
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-host", "--no-discover", "--data"]);
        command.arg(folder.join("data"));
        command.stdin(Stdio::null()).stdout(output("out")?).stderr(output("err")?);
        let began = Instant::now();
        let child = command.spawn().map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        let (address, none) = (SocketAddr::from(([127, 0, 0, 1], 0)), Duration::ZERO);
        let mut started = Midwatch { child, address, start_took: none, start_cpu: none };
        let address = stop::wait_for("the start of midwatch serve", Duration::from_secs(60), || {
            if let Ok(Some(status)) = started.child.try_wait() {
                return Some(Err(format!("midwatch serve has ended: {status}")));
            }
            let said = std::fs::read_to_string(folder.join("out")).unwrap_or_default();
            let address: SocketAddr =
                said.split("http://").nth(1)?.split_whitespace().next()?.parse().ok()?;
            let (status, _) = http::ask(address, "GET", "/-/ready", b"").ok()?;
            (status == 200).then_some(Ok(address))
        });
        started.start_took = began.elapsed();
        started.start_cpu = cpu(started.child.id());
        started.address = address.and_then(|inner| inner).map_err(|e| {
            let said = std::fs::read_to_string(folder.join("err")).unwrap_or_default();
            format!("{e}; it says: {}", said.trim())
        })?;
        Ok(started)
    }

    /// Sends a body of remote write. True if it was acknowledged, false if there is no answer.
    ///
    /// # Errors
    /// If the answer is a refusal.
    pub fn write(&self, body: &[u8]) -> Result<bool, String> {
        match http::ask(self.address, "POST", "/api/v1/write", body) {
            Ok((204 | 200, _)) => Ok(true),
            Ok((status, answer)) => Err(format!("{status}: {}", String::from_utf8_lossy(&answer))),
            Err(_) => Ok(false),
        }
    }

    /// All samples of a metric.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub fn export(&self, metric: &str) -> Result<Vec<SeriesData>, String> {
        let answer = http::ask(self.address, "GET", &format!("/api/v1/export?match[]={metric}"), b"");
        let (status, body) = answer.map_err(|e| format!("no answer to an export: {e}"))?;
        if status != 200 {
            return Err(format!("export answered {status}: {}", String::from_utf8_lossy(&body)));
        }
        let limits =
            ingest::Limits { decoded_bytes_max: 1 << 30, line_bytes_max: 1 << 30, ..Default::default() };
        let decoded = ingest::json_lines::decode(&body, &limits).map_err(|e| format!("export: {e}"))?;
        if let Some(reject) = decoded.rejects.first() {
            return Err(format!("an export that cannot be read: {reject}"));
        }
        let mut found: BTreeMap<Labels, SeriesData> = BTreeMap::new();
        for sample in &decoded.batch.samples {
            let labels = &decoded.batch.series[sample.series as usize];
            let empty = || SeriesData {
                labels: labels.clone(),
                timestamps_ms: vec![],
                values: vec![],
                ..Default::default()
            };
            let series = found.entry(labels.clone()).or_insert_with(empty);
            series.timestamps_ms.push(sample.timestamp_ms);
            series.values.push(sample.value);
        }
        Ok(found.into_values().collect())
    }

    /// Kills it at once (SIGKILL); also while others wait for answers.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time that a process has used, to a hundredth of a second.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold anything; user and system time are the 12th and 13th field behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

impl Drop for Midwatch {
    fn drop(&mut self) {
        self.kill();
    }
}
