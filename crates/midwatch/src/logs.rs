//! `midwatch logs`: records of a running server, the oldest first as a terminal reads, and on as they come. It must never let an
//! escape sequence of a record through.

use crate::answer;
use crate::cli::LogsArgs;
use crate::http::Client;
use crate::text::{Ink, Look, clean};
use anyhow::{Context, bail};
use model::time::{parse_duration_ms, parse_time_ms};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How often new records are asked for.
const PERIOD: Duration = Duration::from_millis(700);
/// Records may come so much later than they happened, and are still shown while following.
const LATE_MS: i64 = 10_000;
/// Records of one question.
const LIMIT_MAX: usize = 1_000;
/// Records that are remembered so that none is shown twice.
const REMEMBERED_MAX: usize = 20_000;

/// Asks and prints, until interrupted with `--follow`.
///
/// # Errors
/// A flag is wrong, nobody answers, or the query makes no sense.
pub fn run(args: &LogsArgs, now_ms: impl Fn() -> i64) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.url, Duration::from_secs(60))?;
    let end_ms =
        args.at.as_deref().map(parse_time_ms).transpose().map_err(anyhow::Error::msg).context("--at")?;
    let since_ms = parse_duration_ms(&args.since).map_err(anyhow::Error::msg).context("--since")?;
    if args.follow && end_ms.is_some() {
        bail!("--follow shows what comes: it has no --at");
    }
    let terminal = std::io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let look = Look { width: 100, colour };
    let query = args.query.join(" ");
    let end_ms = end_ms.unwrap_or_else(&now_ms);
    let mut shown = HashSet::new();
    let first = ask(&client, &query, end_ms - since_ms, end_ms + 1_000, args.limit.min(LIMIT_MAX))?;
    if !show(&first, args.json, &look, &mut shown)? {
        return Ok(ExitCode::SUCCESS);
    }
    if args.follow {
        follow(&client, &query, end_ms - LATE_MS, args.json, &look, shown, now_ms)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what comes, until nobody reads any more.
fn follow(
    client: &Client,
    query: &str,
    mut from_ms: i64,
    json: bool,
    look: &Look,
    mut shown: HashSet<String>,
    now_ms: impl Fn() -> i64,
) -> anyhow::Result<()> {
    loop {
        std::thread::sleep(PERIOD);
        let now = now_ms();
        let new = ask(client, query, from_ms, now + 1_000, LIMIT_MAX)?;
        if shown.len() > REMEMBERED_MAX {
            shown.clear();
            shown.extend(new.iter().map(Json::to_string));
        }
        if !show(&new, json, look, &mut shown)? {
            return Ok(());
        }
        from_ms = now - LATE_MS;
    }
}

/// Records, the oldest first.
fn ask(client: &Client, query: &str, start_ms: i64, end_ms: i64, limit: usize) -> anyhow::Result<Vec<Json>> {
    let seconds = |ms: i64| (ms as f64 / 1000.0).to_string();
    let (start, end, limit) = (seconds(start_ms), seconds(end_ms), limit.to_string());
    let fields = [("query", query), ("start", &*start), ("end", &*end), ("limit", &*limit)];
    let answer = answer::ask(client, "/api/v1/logs/search", &fields, query)?;
    let mut body: Json = serde_json::from_slice(&answer.body).context("the answer is not JSON")?;
    let Json::Array(mut records) = body["data"]["records"].take() else {
        bail!("the answer holds no records")
    };
    records.reverse();
    Ok(records)
}

/// Prints those that were not printed before; false when nobody reads any more.
fn show(records: &[Json], json: bool, look: &Look, shown: &mut HashSet<String>) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    for record in records {
        let text = record.to_string();
        if !shown.insert(text.clone()) {
            continue;
        }
        let line = if json { text } else { line(record, look) };
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(false),
            Err(e) => return Err(e).context("cannot write"),
        }
    }
    Ok(true)
}

fn line(record: &Json, look: &Look) -> String {
    let text = |name: &str| clean(record[name].as_str().unwrap_or(""));
    let level = text("level");
    let ink = match level.as_str() {
        "error" | "fatal" => Ink::Red,
        "warn" => Ink::Yellow,
        "info" => Ink::Green,
        _ => Ink::Dim,
    };
    let body = record["body"].as_str().unwrap_or("");
    // Lines of a stack trace stay lines; whatever else steers a terminal is shown.
    let body: Vec<String> = body.split('\n').map(|l| clean(&l.replace('\t', "    "))).collect();
    format!(
        "{} {} {} {}",
        look.paint(Ink::Dim, &text("time")),
        look.paint(ink, &format!("{:5}", if level.is_empty() { "-".into() } else { level })),
        look.paint(Ink::Bold, &text("service")),
        body.join("\n    ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_one_harmless_line() {
        let record = json!({ "time": "2026-11-21T12:00:00Z", "level": "error", "service": "a\u{1b}b", "body": "x\u{1b}[31m\n\tat y" });
        let look = Look { width: 80, colour: false };
        assert_eq!(line(&record, &look), "2026-11-21T12:00:00Z error a\\u{1b}b x\\u{1b}[31m\n        at y");
        assert_eq!(line(&json!({ "body": "z" }), &look), " -      z");
    }
}
