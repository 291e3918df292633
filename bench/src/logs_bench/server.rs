//! The program that takes the lines: how it is started, made to write what it holds, and asked.

use super::lines::FORMAT;
use crate::child::{self, Started};
use crate::http::Http;
use crate::midwatch::Midwatch;
use crate::programs::folder_bytes;
use crate::stop;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tempfile::TempDir;

/// Recent rows become files after this, so that all of the work is done while it is measured.
const RECENT_SECONDS: u64 = 20;

/// A program that runs.
pub struct Server {
    /// The process.
    pub process: Started,
    /// Where it listens.
    pub address: SocketAddr,
    // Stands after the process, which is to end before its files go.
    folder: TempDir,
}

fn write(folder: &TempDir, name: &str, text: &str) -> Result<String> {
    let path = folder.path().join(name);
    let failed = |e| Error::wrap(ErrorKind::Unavailable, format!("cannot write {}", path.display()), e);
    std::fs::write(&path, text).map_err(failed)?;
    Ok(path.display().to_string())
}

impl Server {
    /// Starts it in a folder of its own and waits until it answers.
    ///
    /// # Errors
    /// If it does not.
    pub fn start(program: &Path, store: &str) -> Result<Server> {
        let folder = child::folder()?;
        let text = format!("[tables]\nrecent_age = \"{RECENT_SECONDS}s\"\n[store]\n{store}");
        let config = write(&folder, "midwatch.toml", &text)?;
        let flags = ["--no-host", "--no-otlp", "--no-postgres", "--config", &config];
        let Midwatch { process, address } = Midwatch::start(program, folder.path(), &flags)?;
        Ok(Server { process, address, folder })
    }

    /// Has everything written that it holds in memory.
    ///
    /// # Errors
    /// If it does not answer, or not in time.
    pub fn flush(&mut self) -> Result<()> {
        let limit = Duration::from_secs(RECENT_SECONDS * 10);
        stop::wait_for("writing the recent rows", limit, || {
            let json = self.json("/api/v1/status/tables").ok()?;
            let tables = json["data"]["tables"].as_array()?;
            tables.iter().all(|table| table["recent_rows"].as_u64() == Some(0)).then_some(())
        })
    }

    /// Bytes on disk of what it keeps: without logs that only wait to be deleted.
    pub fn kept_bytes(&self) -> u64 {
        folder_bytes(&self.folder.path().join("data/tables"))
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
        let (from, to) = (from_ns as f64 / 1e9, to_ns as f64 / 1e9);
        let path = format!("/api/v1/logs/search?limit=10&query={id}&start={from:.3}&end={to:.3}");
        let found = self.json(&path)?;
        Ok(found["data"]["records"].as_array().map_or(0, Vec::len))
    }
}

/// The format is not told: lines are taken as they come.
pub fn note() -> String {
    format!("Lines: {FORMAT}.")
}
