//! `midwatch look`: what changed in a time, on a terminal, with how far it is while it takes long; lines like one; and fields that
//! differ. It must never say more than the answer does; into a pipe the answer itself is given.

mod fields;
mod words;

use crate::advise::{time_ms, window_ms};
use crate::answer;
use crate::asking;
use crate::cli::DEFAULT_URL;
use crate::http::Client;
use crate::text::{Look, clean};
use clap::Args;
use serde_json::{Value as Json, json};
use std::io::IsTerminal;
use std::time::Duration;

/// Below the flags in the help.
pub const EXAMPLES: &str = "\
Examples:
  midwatch look
  midwatch look --from 2026-03-04T05:06:00Z --to 2026-03-04T05:20:00Z --baseline day
  midwatch look --from 30m --match '{job=\"api\"}'
  midwatch look --from 1h --to 40m --save-as 'calm monday'
  midwatch look --from 10m --baseline 'calm monday'
  midwatch look --from 10m --baseline 2026-03-04T05:00:00Z..2026-03-04T05:05:00Z
  midwatch look --baseline peers --match '{job=\"node\"}'
  midwatch look --like 'node_load1{instance=\"db-2\"}' --from 1h
  midwatch look --fields logs --query 'service:api severity:error' --baseline others
  midwatch look --fields spans --service cart --min-duration 500ms --baseline others
  midwatch look | jq '.groups[0].members[].sentence'

Baselines: before (the last quiet time before it), hour, day, week (the same time then), peers (other hosts of the same kind, in the
same time), a good period by its name, or FROM..TO; for --fields also others (all other records of that time).
It says what moved and never why. A text on a terminal; into a pipe, JSON.";

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Flags of `look`.
#[derive(Debug, Default, Args)]
pub struct LookArgs {
    /// When it began: RFC 3339, seconds since 1970, or how long ago (10m, 2h)
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub from: String,
    /// Until when
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub to: String,
    /// Compared with: before, hour, day, week, peers, a good period by its name, or FROM..TO
    #[arg(long, value_name = "WORD", default_value = "before")]
    pub baseline: String,
    /// Only these series
    #[arg(long = "match", value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Lines with the shape of this one, instead of what changed
    #[arg(long, value_name = "SERIES", conflicts_with_all = ["baseline", "save_as"])]
    pub like: Option<String>,
    /// Fields that differ
    #[command(flatten)]
    pub fields: fields::FieldsArgs,
    /// How many groups, lines, or values each way
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Keep this time as a good period of this name, to compare with later
    #[arg(long, value_name = "NAME")]
    pub save_as: Option<String>,
    /// The answer as JSON, as it is into a pipe
    #[arg(long)]
    pub json: bool,
    /// Where Midwatch answers
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Asks, and gives the answer as text.
///
/// # Errors
/// A time makes no sense, nobody answers, or it is refused.
pub fn run(args: &LookArgs, now_ms: i64) -> anyhow::Result<String> {
    let client = Client::new(&args.url, TIMEOUT)?;
    if let Some(name) = &args.save_as {
        let (from, to) = window_ms(&args.from, &args.to, now_ms)?;
        let body = json!({ "name": name, "start": seconds(from), "end": seconds(to) });
        answer::good(client.post_json("/api/v1/look/periods", &body.to_string())?, "")?;
        let name = clean(name);
        return Ok(format!("Kept as a good period. Compare with it: midwatch look --baseline '{name}'\n"));
    }
    let (path, body) = question(args, now_ms)?;
    let asked = args.like.as_deref().or(args.selector.as_deref()).unwrap_or("");
    let data = asking::in_lines(&client, path, &body, asked)?;
    if args.json || !std::io::stdout().is_terminal() {
        return Ok(data.to_string() + "\n");
    }
    let look = Look { width: 100, colour: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) };
    Ok(match (&args.like, args.fields.signal) {
        (_, Some(signal)) => fields::shown(&data, signal, &look),
        (Some(_), None) => words::like(&data, &look),
        (None, None) => words::changed(&data, &look),
    })
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// Where to ask, and what.
fn question(args: &LookArgs, now_ms: i64) -> anyhow::Result<(&'static str, Json)> {
    let (from, to) = window_ms(&args.from, &args.to, now_ms)?;
    let mut body = json!({
        "start": seconds(from), "end": seconds(to), "match": args.selector.as_deref().unwrap_or(""),
        "limit": args.limit, "stream": true,
    });
    if let Some(signal) = args.fields.signal {
        fields::add(&mut body, signal, &args.fields);
    } else if let Some(series) = &args.like {
        body["series"] = series.as_str().into();
        return Ok(("/api/v1/look/like", body));
    }
    body["baseline"] = match args.baseline.split_once("..") {
        None => args.baseline.as_str().into(),
        Some((from, to)) => {
            let (from, to) = (time_ms(from, now_ms)?, time_ms(to, now_ms)?);
            json!({ "start": seconds(from), "end": seconds(to) })
        }
    };
    Ok((if args.fields.signal.is_some() { "/api/v1/look/fields" } else { "/api/v1/look" }, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(from: &str, baseline: &str) -> LookArgs {
        LookArgs {
            from: from.into(),
            to: "now".into(),
            baseline: baseline.into(),
            limit: 3,
            ..LookArgs::default()
        }
    }

    #[test]
    fn what_is_asked() {
        let (path, body) = question(&args("10m", "day"), 1_000_000).unwrap();
        assert_eq!(path, "/api/v1/look");
        let want = json!({ "start": 400.0, "end": 1000.0, "match": "", "limit": 3, "stream": true, "baseline": "day" });
        assert_eq!(body, want);
        let (_, body) = question(&args("1m", "10m..5m"), 1_000_000).unwrap();
        assert_eq!(body["baseline"], json!({ "start": 400.0, "end": 700.0 }));
        let like = LookArgs { like: Some("up{job=\"a\"}".into()), ..args("1m", "before") };
        let (path, body) = question(&like, 1_000_000).unwrap();
        assert_eq!((path, &body["series"]), ("/api/v1/look/like", &json!("up{job=\"a\"}")));
        assert!(body["baseline"].is_null());
    }

    #[test]
    fn times_that_make_no_sense_are_told() {
        for (from, baseline, why) in [
            ("soon", "day", "is no time"),
            ("1m", "then..now", "is no time"),
            ("2999-01-01T00:00:00Z", "", "is not before"),
        ] {
            let error = question(&args(from, baseline), 1_000_000).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
