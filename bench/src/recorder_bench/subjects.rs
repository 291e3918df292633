//! The programs that are compared: how each is started, what it is asked for each second, and how many series it
//! gives. It must treat all alike: nobody gets flags that make it slower than what it is for.

use super::netdata;
use super::own_loop::Alone;
use crate::arguments::Arguments;
use crate::child::{self, Started};
use crate::http::{Http, free_port};
use crate::midwatch::{self, Midwatch};
use crate::stop;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use stdx::{Error, ErrorKind, Result};
use tempfile::TempDir;

/// A program that can be measured.
#[derive(Clone, Copy)]
pub enum Subject {
    /// The crate, in a process of its own.
    Recorder,
    /// The same, with the ring that captures are made of.
    Ring,
    /// The whole program.
    Serve,
    /// Debian's prometheus-node-exporter.
    NodeExporter,
    /// Debian's netdata.
    Netdata,
}

/// In the order of the table.
pub const SUBJECTS: &[Subject] =
    &[Subject::Recorder, Subject::Ring, Subject::Serve, Subject::NodeExporter, Subject::Netdata];

/// CPU microseconds of one reading by reader, and of each reading.
pub type Readers = (Vec<(String, f64)>, Vec<f64>);

/// A program that runs.
pub trait Running {
    /// The process.
    fn process(&mut self) -> &mut Started;
    /// The warm-up is over.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }
    /// Called once a second.
    fn each_second(&mut self) -> Result<()> {
        Ok(())
    }
    /// Series (netdata: dimensions) that it recorded a second; called once, `seconds` after [`Running::begin`].
    fn series_per_second(&mut self, seconds: f64) -> Result<f64>;
    /// From a trigger to a capture that is durable, milliseconds, of a program that makes such; called after the run.
    fn capture_ms(&mut self) -> Result<Option<f64>> {
        Ok(None)
    }
    /// Where its time went, if it says so; called after all else.
    fn readers(&mut self) -> Option<Readers> {
        None
    }
}

impl Subject {
    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Recorder => "midwatch: the recorder alone",
            Subject::Ring => "midwatch: and the ring",
            Subject::Serve => "midwatch serve",
            Subject::NodeExporter => "prometheus-node-exporter",
            Subject::Netdata => "netdata",
        }
    }

    /// What it does, for the lines below the table.
    pub fn about(self) -> &'static str {
        match self {
            Subject::Recorder => "reads the host, processes and control groups; keeps nothing",
            Subject::Ring => {
                "and keeps the last 5 minutes in memory: processes, sockets, kernel messages and more"
            }
            Subject::Serve => "both, written to disk with fsync, kept, and searchable; --no-discover",
            Subject::NodeExporter => {
                "its default collectors, no processes, no control groups; scraped at 1 s without gzip; keeps nothing"
            }
            Subject::Netdata => {
                "plugins proc, diskspace, cgroups, apps (groups of processes), timex; dbengine; no health checks, \
                 no machine learning"
            }
        }
    }

    /// Why it cannot run here, if so.
    pub fn missing(self, arguments: &Arguments) -> Option<String> {
        let package =
            |name| child::find(name).is_none().then(|| format!("not installed: apt-get install {name}"));
        match self {
            Subject::Recorder | Subject::Ring => None,
            Subject::Serve => midwatch::program(arguments).err(),
            Subject::NodeExporter => package("prometheus-node-exporter"),
            Subject::Netdata => package("netdata"),
        }
    }

    /// Starts it and waits until it works.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(self, arguments: &Arguments) -> Result<Box<dyn Running>> {
        match self {
            Subject::Recorder => Ok(Box::new(Alone::start(false)?)),
            Subject::Ring => Ok(Box::new(Alone::start(true)?)),
            Subject::Serve => {
                let program = midwatch::program(arguments).map_err(|e| Error::new(ErrorKind::NotFound, e))?;
                let folder = child::folder()?;
                let midwatch = Midwatch::start(&program, folder.path(), &[])?;
                Ok(Box::new(Serve { midwatch, samples_before: 0.0, _folder: folder }))
            }
            Subject::NodeExporter => Ok(Box::new(NodeExporter::start()?)),
            Subject::Netdata => Ok(Box::new(Netdata::start()?)),
        }
    }
}

// In all that runs here the process stands before the folder, so that it ends before its files go.

struct Serve {
    midwatch: Midwatch,
    samples_before: f64,
    _folder: TempDir,
}

impl Running for Serve {
    fn process(&mut self) -> &mut Started {
        &mut self.midwatch.process
    }

    fn begin(&mut self) -> Result<()> {
        self.samples_before = self.midwatch.samples()?;
        Ok(())
    }

    fn series_per_second(&mut self, seconds: f64) -> Result<f64> {
        Ok((self.midwatch.samples()? - self.samples_before) / seconds)
    }

    fn capture_ms(&mut self) -> Result<Option<f64>> {
        let mut http = Http::connect(self.midwatch.address)?;
        let begun = Instant::now();
        http.post("/api/v1/captures", b"{\"text\":\"bench\"}")?;
        Ok(Some(begun.elapsed().as_secs_f64() * 1e3))
    }
}

struct NodeExporter {
    process: Started,
    http: Http,
    samples: f64,
    _folder: TempDir,
}

impl NodeExporter {
    fn start() -> Result<NodeExporter> {
        let (folder, port) = (child::folder()?, free_port()?);
        let mut command = Command::new(child::find("prometheus-node-exporter").unwrap_or_default());
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdin(Stdio::null());
        command.stdout(child::output(folder.path(), "out")?).stderr(child::output(folder.path(), "err")?);
        let process = Started::new("prometheus-node-exporter", &mut command)?;
        let (http, _) = answering(port, "the start of prometheus-node-exporter", "/")?;
        Ok(NodeExporter { process, http, samples: 0.0, _folder: folder })
    }
}

impl Running for NodeExporter {
    fn process(&mut self) -> &mut Started {
        &mut self.process
    }

    fn begin(&mut self) -> Result<()> {
        self.samples = 0.0;
        Ok(())
    }

    fn each_second(&mut self) -> Result<()> {
        let body = self.http.get("/metrics")?;
        let lines = body.split(|b| *b == b'\n').filter(|l| !l.is_empty() && l[0] != b'#');
        self.samples += lines.count() as f64;
        Ok(())
    }

    fn series_per_second(&mut self, seconds: f64) -> Result<f64> {
        Ok(self.samples / seconds)
    }
}

struct Netdata {
    process: Started,
    port: u16,
    _folder: TempDir,
}

impl Netdata {
    fn start() -> Result<Netdata> {
        let (folder, port) = (child::folder()?, free_port()?);
        let mut command = Command::new(child::find("netdata").unwrap_or_default());
        command.arg("-D").arg("-c").arg(netdata::configure(folder.path(), port)?);
        command.arg("-P").arg(folder.path().join("pid")).stdin(Stdio::null());
        command.stdout(child::output(folder.path(), "out")?).stderr(child::output(folder.path(), "err")?);
        let process = Started::new("netdata", &mut command)?;
        answering(port, "the start of netdata", "/api/v1/info")?;
        Ok(Netdata { process, port, _folder: folder })
    }
}

impl Running for Netdata {
    fn process(&mut self) -> &mut Started {
        &mut self.process
    }

    fn series_per_second(&mut self, _seconds: f64) -> Result<f64> {
        let (_, charts) = answering(self.port, "the list of netdata's charts", "/api/v1/charts")?;
        let charts: serde_json::Value = serde_json::from_slice(&charts).map_err(|e| {
            Error::wrap(ErrorKind::Unavailable, "netdata lists its charts in no known form", e)
        })?;
        Ok(charts["dimensions_count"].as_f64().unwrap_or(f64::NAN))
    }
}

/// A connection and what it was asked for, once there is an answer. Netdata closes a connection after each one.
fn answering(port: u16, what: &str, path: &str) -> Result<(Http, Vec<u8>)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    stop::wait_for(what, Duration::from_secs(30), || {
        let mut http = Http::connect(address).ok()?;
        let body = http.get(path).ok()?;
        Some((http, body))
    })
}
