//! `midwatch change`: tells a running Midwatch that something was changed, or more about a change. It must never invent what was
//! not said: empty fields are not sent.

use crate::answer;
use crate::cli::DEFAULT_URL;
use crate::http::Client;
use crate::text::clean;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// What `--help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  midwatch change 'deployed api 1.42' --service api --kind deploy --link https://ci.example/7
  midwatch change 'raised the pool to 200' --service api --kind config --answer 'rollback=set it to 100'
  midwatch change --id deploy-api-1.42 --outcome worked
  midwatch change 'customers cannot pay' --kind incident --service checkout

It prints the id of the change. Given an --id that is known, it says more about that change; the same twice is one.
Six questions may be answered: solves, done_before, when, expected_effect, rollback, test_of_success.";

/// Flags of `change`.
#[derive(Debug, Default, Args)]
pub struct ChangeArgs {
    /// What was changed, in a sentence
    pub title: Option<String>,
    /// deploy, config, restart, package, kernel, build, membership, clock, flag, schema, certificate, incident, or any other word
    #[arg(long, value_name = "WORD")]
    pub kind: Option<String>,
    /// The service that it concerns
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The host that it concerns
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Where to read more
    #[arg(long, value_name = "URL")]
    pub link: Option<String>,
    /// When it took effect: RFC 3339, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// Who says so [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Names the change: letters, digits, - and _ [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// An answer to one of the six questions
    #[arg(long = "answer", value_name = "QUESTION=TEXT")]
    pub answers: Vec<String>,
    /// Anything else
    #[arg(long = "attribute", value_name = "NAME=TEXT")]
    pub attributes: Vec<String>,
    /// What became of it: worked, failed, rolled back
    #[arg(long, value_name = "WORD")]
    pub outcome: Option<String>,
    /// Where Midwatch answers
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Tells it, and gives the id as a line.
///
/// # Errors
/// A flag is wrong, nobody answers, or it is refused.
pub fn run(args: &ChangeArgs) -> anyhow::Result<String> {
    let client = Client::new(&args.url, Duration::from_secs(30))?;
    let body = body(args, std::env::var("USER").ok())?;
    let answer = answer::good(client.post_json("/api/v1/changes", &body.to_string())?, "")?;
    let answer: Json =
        serde_json::from_slice(&answer.body).context("the answer is not JSON; is it a Midwatch?")?;
    let id = answer["data"]["id"].as_str().context("the answer names no id; is it a Midwatch?")?;
    Ok(clean(id) + "\n")
}

fn body(args: &ChangeArgs, user: Option<String>) -> anyhow::Result<Json> {
    if args.title.is_none() && args.id.is_none() {
        bail!(
            "say what was changed, as in `midwatch change 'deployed api 1.42'`, or which change is meant with --id"
        );
    }
    let mut body = Map::new();
    // Who says more about a change is not its author.
    let author = args.author.clone().or(user.filter(|_| args.id.is_none()));
    for (name, value) in [
        ("title", &args.title),
        ("kind", &args.kind),
        ("service", &args.service),
        ("host", &args.host),
        ("link", &args.link),
        ("time", &args.time),
        ("author", &author),
        ("id", &args.id),
        ("outcome", &args.outcome),
    ] {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            body.insert(name.into(), value.as_str().into());
        }
    }
    for (name, flag, list) in
        [("answers", "--answer", &args.answers), ("attributes", "--attribute", &args.attributes)]
    {
        let mut object = Map::new();
        for text in list {
            let Some((key, value)) = text.split_once('=') else {
                bail!("{flag} {text:?}: write the name, = and the text");
            };
            object.insert(key.trim().into(), value.trim().into());
        }
        if !object.is_empty() {
            body.insert(name.into(), object.into());
        }
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_sent() {
        let args = ChangeArgs {
            title: Some("deployed api 1.42".into()),
            service: Some("api".into()),
            kind: Some(String::new()),
            answers: vec!["solves = the crash".into()],
            ..ChangeArgs::default()
        };
        let want = json!({ "title": "deployed api 1.42", "service": "api", "author": "ada", "answers": { "solves": "the crash" } });
        assert_eq!(body(&args, Some("ada".into())).unwrap(), want);
        let later =
            ChangeArgs { id: Some("x".into()), outcome: Some("worked".into()), ..ChangeArgs::default() };
        assert_eq!(body(&later, Some("ada".into())).unwrap(), json!({ "id": "x", "outcome": "worked" }));
        assert!(body(&ChangeArgs::default(), None).is_err());
        let wrong = ChangeArgs { answers: vec!["solves".into()], ..args };
        assert!(body(&wrong, None).unwrap_err().to_string().contains("--answer"));
    }
}
