//! Which Midwatch a command asks, and its answers as JSON. It must never know what is asked.

use crate::answer;
use crate::cli::DEFAULT_URL;
use crate::http::{Answer, Client};
use anyhow::Context;
use clap::Args;
use serde_json::Value as Json;
use std::time::Duration;

/// The longest that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Whom to ask.
#[derive(Debug, Args)]
pub struct At {
    /// The Midwatch to ask
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Whom to ask, and how to print the answer.
#[derive(Debug, Args)]
pub struct AtJson {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The server.
    #[command(flatten)]
    pub server: At,
}

impl At {
    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url, TIMEOUT)?)
    }

    /// What the server answers to a question.
    ///
    /// # Errors
    /// Nobody answers, or it is refused: a sentence for a person.
    pub fn get(&self, path: &str) -> anyhow::Result<Json> {
        data(self.client()?.get(path)?)
    }

    /// What the server answers to what is told it.
    ///
    /// # Errors
    /// Nobody answers, or it is refused: a sentence for a person.
    pub fn post(&self, path: &str, body: &Json) -> anyhow::Result<Json> {
        data(self.client()?.post_json(path, &body.to_string())?)
    }
}

fn data(answer: Answer) -> anyhow::Result<Json> {
    let answer = answer::good(answer, "")?;
    let mut json: Json = serde_json::from_slice(&answer.body).context("the answer makes no sense")?;
    Ok(json["data"].take())
}

/// Who asks: as said, or as the terminal knows it.
pub fn user(given: Option<&String>) -> String {
    given.cloned().or_else(|| std::env::var("USER").ok()).unwrap_or_default()
}
