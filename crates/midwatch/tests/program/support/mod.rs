//! Starts the real program in a folder of its own, waits until it is ready, asks it, and ends it, whatever becomes of the
//! test. Nothing here waits for a fixed time: it looks again until a deadline.

pub mod http;
mod process;
pub mod service;

pub use process::{Finished, Running};

use http::{Answer, encode};
use model::{Labels, SeriesData};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// How long something that should happen within seconds may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Labels of one series.
pub type Pairs = BTreeMap<String, String>;

/// Looks again and again until there is an answer. Panics with what was missing at the deadline.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) if start.elapsed() > PATIENCE => panic!("{what}: not within {PATIENCE:?}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A series to send: `labels` without the name.
pub fn series(name: &str, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> SeriesData {
    let pairs = labels.iter().copied().chain([("__name__", name)]);
    SeriesData {
        labels: Labels::from_pairs(pairs).unwrap(),
        timestamps_ms: samples.iter().map(|s| s.0).collect(),
        values: samples.iter().map(|s| s.1).collect(),
        ..Default::default()
    }
}

/// A folder for one test. It goes when the test ends.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// `midwatch ARGS`, in this folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_midwatch"));
        command.args(args).current_dir(self.0.path()).env_remove("NO_COLOR");
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        Running::start(self.command(args)).finish()
    }

    /// `midwatch serve` on a free port with more flags, once it is ready. The ports of OTLP and of PostgreSQL's protocol are the
    /// machine's: not for tests.
    pub fn serve(&self, flags: &[&str]) -> Midwatch {
        self.serve_with_otlp(&[&["--no-otlp"], flags].concat())
    }

    /// As [`Home::serve`], with the ports of OTLP that the flags name.
    pub fn serve_with_otlp(&self, flags: &[&str]) -> Midwatch {
        Midwatch::start(
            self.command(&[&["serve", "--listen", "127.0.0.1:0", "--no-postgres"], flags].concat()),
        )
    }

    /// One that records nothing unasked.
    pub fn serve_quietly(&self) -> Midwatch {
        self.serve(&["--no-host", "--no-discover"])
    }

    /// One that scrapes what a configuration of Prometheus says, and nothing else.
    pub fn serve_scraping(&self, prometheus_yml: &str) -> Midwatch {
        self.write("prometheus.yml", prometheus_yml);
        self.serve(&["--no-host", "--no-discover", "--config", "prometheus.yml"])
    }
}

/// A server that answers.
pub struct Midwatch {
    pub process: Running,
    pub address: SocketAddr,
}

impl Midwatch {
    /// Starts it and waits until it is ready.
    pub fn start(command: Command) -> Midwatch {
        let mut process = Running::start(command);
        let address = eventually("the address is printed", || {
            if let Some(code) = process.ended() {
                panic!("it ended with {code:?} instead of starting");
            }
            let out = process.stdout();
            let url = out.lines().find_map(|line| line.strip_prefix("Look at it: http://"));
            url.and_then(|url| url.split('/').next()?.parse().ok()).ok_or(out)
        });
        let midwatch = Midwatch { process, address };
        eventually("it is ready", || match midwatch.try_get("/-/ready") {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        });
        midwatch
    }

    pub fn try_get(&self, path: &str) -> std::io::Result<Answer> {
        http::ask(self.address, "GET", path, &[], &[])
    }

    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// The `data` of an answer of the API that has to be a success.
    pub fn data(&self, path: &str) -> Json {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        let mut body = answer.json();
        assert_eq!(body["status"], "success", "GET {path}: {body}");
        body["data"].take()
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Answer> {
        http::ask(self.address, "POST", path, headers, body)
    }

    /// A request of remote write as senders make it.
    pub fn remote_write(&self, body: &[u8]) -> std::io::Result<Answer> {
        let headers = [
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
        ];
        self.post("/api/v1/write", &headers, body)
    }

    /// A request of remote write 2.0.
    pub fn remote_write_2(&self, body: &[u8]) -> std::io::Result<Answer> {
        let headers = [
            ("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", "2.0.0"),
        ];
        self.post("/api/v1/write", &headers, body)
    }

    /// Series by remote write, all of which have to be taken.
    pub fn write(&self, all: &[SeriesData]) {
        let answer = self.remote_write(&ingest::remote_write::encode(all)).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// The rows of an instant query.
    pub fn query(&self, promql: &str) -> Vec<(Pairs, f64)> {
        let data = self.data(&format!("/api/v1/query?query={}", encode(promql)));
        let rows = data["result"].as_array().unwrap_or_else(|| panic!("{promql}: {data}"));
        let row = |row: &Json| (pairs(&row["metric"]), number(&row["value"][1]));
        rows.iter().map(row).collect()
    }

    /// The value of a query that finds one thing.
    pub fn value(&self, promql: &str) -> Result<f64, String> {
        match self.query(promql).as_slice() {
            [(_, value)] => Ok(*value),
            rows => Err(format!("{promql} found {rows:?}")),
        }
    }

    /// Every sample of the series that a selector finds, bit for bit.
    pub fn export(&self, selector: &str) -> Vec<SeriesData> {
        let answer = self.get(&format!("/api/v1/export?match[]={}", encode(selector)));
        assert_eq!(answer.status, 200, "{selector}: {}", answer.text());
        decode_lines(&answer.body)
    }

    /// A value of the program's own metrics, by the text before the value; 0 if it is not there.
    pub fn own(&self, series: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// SIGTERM, and what became of it.
    pub fn stop(self) -> Finished {
        self.process.signal(rustix::process::Signal::TERM);
        self.process.finish()
    }

    /// SIGKILL.
    pub fn kill(self) -> Finished {
        self.process.signal(rustix::process::Signal::KILL);
        self.process.finish()
    }
}

/// Series of JSON lines.
pub fn decode_lines(body: &[u8]) -> Vec<SeriesData> {
    let limits = ingest::Limits::default();
    let decoded = ingest::json_lines::decode(body, &limits).unwrap();
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    let mut all: Vec<SeriesData> = decoded.batch.series.into_iter().map(|labels| empty(&labels)).collect();
    for sample in decoded.batch.samples {
        let series = &mut all[sample.series as usize];
        series.timestamps_ms.push(sample.timestamp_ms);
        series.values.push(sample.value);
    }
    all
}

fn empty(labels: &Labels) -> SeriesData {
    SeriesData { labels: labels.clone(), timestamps_ms: Vec::new(), values: Vec::new(), ..Default::default() }
}

/// An object of texts.
pub fn pairs(object: &Json) -> Pairs {
    let object = object.as_object().unwrap_or_else(|| panic!("not an object: {object}"));
    object.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_string())).collect()
}

/// A number in quotes, as the API gives values.
pub fn number(value: &Json) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("not a value: {value}"))
}

/// Whether namespaces of mounts can be made here; if not, why.
pub fn can_mount() -> Result<(), String> {
    let script = "mount -t tmpfs none /mnt";
    let out = Command::new("unshare").args(["-rm", "sh", "-c", script]).output();
    match out {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(String::from_utf8_lossy(&out.stderr).trim().to_string()),
        Err(e) => Err(format!("unshare: {e}")),
    }
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
