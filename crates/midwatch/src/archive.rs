//! `midwatch archive`: what a running server has archived, and bringing it back. It must never decide what is moved.

use crate::at::At;
use crate::cli::ArchiveCommand;
use crate::http::Client;
use crate::text::clean;
use crate::units::{Unit, show};
use anyhow::{Context, bail};
use model::time::{format_duration_ms, format_rfc3339_ms, parse_duration_ms, parse_time_ms};
use serde_json::Value as Json;
use std::fmt::Write;
use std::time::Duration;

/// Asks and gives the text for standard output.
///
/// # Errors
/// A flag is wrong, nobody answers, or the server refuses.
pub fn run(command: &ArchiveCommand) -> anyhow::Result<String> {
    match command {
        ArchiveCommand::List { json, server } => {
            let body = ask(server, "/api/v1/archive", None)?;
            Ok(if *json { format!("{body}\n") } else { list(&body["data"]) })
        }
        ArchiveCommand::Restore { start, end, keep, server } => {
            let time = |flag: &'static str, text: &str| {
                let ms = parse_time_ms(text).map_err(anyhow::Error::msg).context(flag)?;
                anyhow::Ok((ms as f64 / 1000.0).to_string())
            };
            parse_duration_ms(keep).map_err(anyhow::Error::msg).context("--keep")?;
            let (start, end) = (time("--start", start)?, time("--end", end)?);
            let fields = [("start", start.as_str()), ("end", end.as_str()), ("keep", keep.as_str())];
            let body = ask(server, "/api/v1/archive/restore", Some(&fields))?;
            Ok(restored(&body["data"]))
        }
    }
}

fn ask(server: &At, path: &str, form: Option<&[(&str, &str)]>) -> anyhow::Result<Json> {
    let client = Client::new(&server.url, Duration::from_secs(120))?;
    let answer = match form {
        Some(fields) => client.post_form(path, fields)?,
        None => client.get(path)?,
    };
    let body: Json = serde_json::from_slice(&answer.body)
        .with_context(|| format!("{} is no Midwatch: its answer is not JSON", clean(&server.url)))?;
    if answer.status != 200 {
        bail!("{}", clean(body["error"].as_str().unwrap_or("the server refused")));
    }
    Ok(body)
}

fn list(data: &Json) -> String {
    let ms = |value: &Json| value.as_i64().unwrap_or_default();
    let size = |value: &Json| show(value.as_f64().unwrap_or_default(), Unit::Bytes);
    let Some(location) = data["location"].as_str() else {
        return "There is no archive. Name a folder or a bucket with `archive` in the configuration, or \
                `midwatch serve --archive`.\n"
            .into();
    };
    let mut out = String::new();
    let blocks = data["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !blocks.is_empty() {
        out += "FROM                      TO                              SIZE     SERIES       SAMPLES  STATE\n";
    }
    for block in blocks {
        let state = match block["state"].as_str().unwrap_or_default() {
            "here" => format!("here until {}", format_rfc3339_ms(ms(&block["here_until_ms"]))),
            state => state.to_string(),
        };
        let (first, last) =
            (format_rfc3339_ms(ms(&block["first_ms"])), format_rfc3339_ms(ms(&block["last_ms"])));
        let (series, samples) = (ms(&block["series"]), ms(&block["samples"]));
        let bytes = size(&block["bytes"]);
        let _ = writeln!(
            out,
            "{first:<24}  {last:<24}  {bytes:>10} {series:>10} {samples:>13}  {}",
            clean(&state)
        );
    }
    let _ = writeln!(
        out,
        "{} blocks, {}, in {}; blocks move there when they are older than {}",
        blocks.len(),
        size(&data["bytes"]),
        clean(location),
        format_duration_ms(ms(&data["after_ms"])),
    );
    for capture in data["captures"].as_array().into_iter().flatten() {
        let id = clean(capture["id"].as_str().unwrap_or_default());
        let here = if capture["is_here"].as_bool() == Some(true) { ", here too" } else { "" };
        let _ = writeln!(out, "capture {id}, {}{here}", size(&capture["bytes"]));
    }
    if let Some(problem) = data["problem"].as_str() {
        let _ = writeln!(out, "It cannot be used now: {}", clean(problem));
    }
    out
}

fn restored(data: &Json) -> String {
    let number = |name: &str| data[name].as_u64().unwrap_or_default();
    let until = format_rfc3339_ms(data["until_ms"].as_i64().unwrap_or_default());
    let bytes = show(number("bytes") as f64, Unit::Bytes);
    match number("to_copy") {
        0 => format!(
            "{} blocks of this period are here or on their way; they stay until {until}\n",
            number("blocks")
        ),
        n => format!(
            "{n} of {} blocks ({bytes}) are on their way and stay until {until}; `midwatch archive list` shows when they \
             are here\n",
            number("blocks")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_person_reads() {
        assert!(list(&json!({ "location": null })).starts_with("There is no archive."));
        let text = list(&json!({
            "location": "s3://cold/a", "after_ms": 1_209_600_000, "bytes": 3000, "problem": "it is\u{1b}[31m gone",
            "blocks": [
                { "first_ms": 0, "last_ms": 7_200_000, "bytes": 3000, "series": 7, "samples": 1234, "state": "archived" },
                { "first_ms": 0, "last_ms": 1, "bytes": 0, "series": 1, "samples": 1, "state": "here", "here_until_ms": 1000 },
            ],
            "captures": [{ "id": "20261122-061710-123", "bytes": 2048, "is_here": true }],
        }));
        assert!(text.contains("1970-01-01T00:00:00Z") && text.contains("1970-01-01T02:00:00Z"), "{text}");
        assert!(text.contains("here until 1970-01-01T00:00:01Z"), "{text}");
        assert!(text.contains("capture 20261122-061710-123, 2") && text.contains(", here too"), "{text}");
        assert!(
            text.contains("2 blocks, ") && text.contains("in s3://cold/a; ") && text.contains("2w"),
            "{text}"
        );
        assert!(text.contains("cannot be used now") && !text.contains('\u{1b}'), "{text}");
        let text = restored(&json!({ "blocks": 3, "to_copy": 2, "bytes": 4096, "until_ms": 0 }));
        assert!(text.starts_with("2 of 3 blocks ("), "{text}");
    }
}
