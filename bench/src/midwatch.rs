//! The program itself, run with its data in a folder for temporary files. It must never touch data of anybody.

use crate::arguments::Arguments;
use crate::child::{self, Started};
use crate::http::Http;
use crate::stop;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};

/// A running `midwatch serve`.
pub struct Midwatch {
    /// The process.
    pub process: Started,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The program: as named, or where `make build` puts it. The other side is what to say if it is not there.
pub fn program(arguments: &Arguments) -> Result<PathBuf, String> {
    let built = || {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        // The bench lies beside it, if both were built for release.
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("midwatch"));
        target.map(|t| t.join("release/midwatch")).filter(|f| f.is_file()).or_else(beside)
    };
    let path = arguments.midwatch.clone().or_else(built).unwrap_or_else(|| "midwatch".into());
    if path.is_file() { Ok(path) } else { Err(format!("{} is not there: make build", path.display())) }
}

impl Midwatch {
    /// Starts it on a free port of loopback with these flags besides, and waits until it answers.
    ///
    /// # Errors
    /// If it does not start; with what it said.
    pub fn start(program: &Path, folder: &Path, flags: &[&str]) -> Result<Midwatch> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--no-discover", "--data"])
            .arg(folder.join("data"));
        command.args(flags).stdin(Stdio::null());
        command.stdout(child::output(folder, "out")?).stderr(child::output(folder, "err")?);
        let mut process = Started::new("midwatch serve", &mut command)?;
        let address = stop::wait_for("the start of midwatch serve", Duration::from_secs(600), || {
            if let Err(e) = process.running() {
                return Some(Err(e));
            }
            let said = std::fs::read_to_string(folder.join("out")).unwrap_or_default();
            let address = said.split("http://").nth(1)?.split_whitespace().next()?.parse().ok()?;
            Http::connect(address).ok()?.get("/-/ready").ok().map(|_| Ok(address))
        });
        let says = || std::fs::read_to_string(folder.join("err")).unwrap_or_default();
        let address = address.and_then(|inner| inner).map_err(|e| match e.kind {
            ErrorKind::Cancelled => e,
            _ => Error::new(e.kind, format!("{e}. It says: {}", says().trim())),
        })?;
        Ok(Midwatch { process, address })
    }

    /// Samples that it has taken in since its start, from all sources.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn samples(&self) -> Result<f64> {
        let text = Http::connect(self.address)?.get("/metrics")?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|l| l.starts_with("midwatch_samples_accepted_total"));
        Ok(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}
