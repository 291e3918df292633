//! Sends what the shop tells to a Midwatch, by the same requests as any sender. It must never know a shorter way, and
//! never end the demonstration because something was refused: that is told, once for each path.

use crate::http::Client;
use crate::serve::tell;
use crate::text::clean;
use anyhow::Context;
use demo::Told;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where to send.
pub struct Feed {
    client: Client,
    /// Paths of which a refusal was told.
    refused: BTreeSet<&'static str>,
    /// Paths that this Midwatch does not have.
    missing: BTreeSet<&'static str>,
}

impl Feed {
    /// The Midwatch at `url`.
    pub fn new(url: &str) -> anyhow::Result<Feed> {
        let client = Client::new(url, TIMEOUT)?;
        Ok(Feed { client, refused: BTreeSet::new(), missing: BTreeSet::new() })
    }

    /// All of it, or an error if nobody answers.
    pub fn send(&mut self, told: &Told) -> anyhow::Result<()> {
        if !told.snapshots.is_empty() {
            self.post("/v1/metrics", || demo::metrics(&told.snapshots))?;
        }
        if !told.logs.is_empty() {
            self.post("/v1/logs", || demo::logs(&told.logs))?;
        }
        if !told.spans.spans.is_empty() {
            self.post("/v1/traces", || demo::spans(&told.spans))?;
        }
        for change in &told.changes {
            self.post("/api/v1/changes", || demo::change(change))?;
        }
        Ok(())
    }

    fn post(&mut self, path: &'static str, body: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.missing.contains(path) {
            return Ok(());
        }
        let answer =
            self.client.post_json(path, &body()).with_context(|| format!("cannot send to {path}"))?;
        let text = String::from_utf8_lossy(&answer.body);
        match answer.status {
            404 | 405 => {
                self.missing.insert(path);
            }
            // A partial success is an answer with what was refused.
            200..=299 if !text.contains("rejected") => {}
            status => {
                if self.refused.insert(path) {
                    let text: String = clean(&text).chars().take(300).collect();
                    tell!(stderr, "{path} answered {status}, and refused some of it: {text}");
                }
            }
        }
        Ok(())
    }
}
