//! Sends what the shop tells to a Midwatch, by the same requests as any sender. It must never know a shorter way.

use crate::http::Client;
use anyhow::{Context, bail};
use demo::Told;
use std::time::Duration;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where to send.
pub struct Feed(Client);

impl Feed {
    /// The Midwatch at `url`.
    pub fn new(url: &str) -> anyhow::Result<Feed> {
        Ok(Feed(Client::new(url, TIMEOUT)?))
    }

    /// All of it, or an error with what was said.
    pub fn send(&self, told: &Told) -> anyhow::Result<()> {
        if !told.snapshots.is_empty() {
            self.post("/v1/metrics", &demo::metrics(&told.snapshots))?;
        }
        Ok(())
    }

    fn post(&self, path: &str, body: &str) -> anyhow::Result<()> {
        let answer = self.0.post_json(path, body).with_context(|| format!("cannot send to {path}"))?;
        if answer.status != 200 {
            bail!("{path} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        // A partial success is an answer with what was refused.
        let text = String::from_utf8_lossy(&answer.body);
        if text.contains("rejected") {
            bail!("{path} refused something: {text}");
        }
        Ok(())
    }
}
