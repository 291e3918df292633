//! `midwatch advise judge` and `midwatch advise ledger`: what became of advice, in people's words, and how often first directions
//! were right. It must never count anything itself.

use crate::answer;
use crate::asking::count;
use crate::cli::DEFAULT_URL;
use crate::http::Client;
use crate::text::{Ink, Look, clean};
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use std::io::IsTerminal;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

const JUDGE_EXAMPLES: &str = "\
Examples:
  midwatch advise judge 19a2b3c4d5e cart right --because 'the pool was too small'
  midwatch advise judge 19a2b3c4d5e web rejected --because 'it only waits for cart'";

const LEDGER_EXAMPLES: &str = "\
Examples:
  midwatch advise ledger
  midwatch advise ledger --json | jq '.by_kind[].sentence'";

/// What is said, or asked.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Say what became of a direction: what is shown of how often they are right is counted from this
    #[command(after_help = JUDGE_EXAMPLES)]
    Judge {
        /// The advice, by the id that stands below its directions
        #[arg(value_name = "ID")]
        id: String,
        /// The direction, as it is called there
        #[arg(value_name = "DIRECTION")]
        entity: String,
        /// What became of it
        verdict: Verdict,
        /// Why; needed with rejected and wrong
        #[arg(long, value_name = "TEXT", default_value = "")]
        because: String,
        /// Who says so [default: $USER]
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
        /// Where Midwatch answers
        #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
        url: String,
    },
    /// The last advice, what was said of it, and how often first directions were right
    #[command(after_help = LEDGER_EXAMPLES)]
    Ledger {
        /// The answer as JSON, as it is into a pipe
        #[arg(long)]
        json: bool,
        /// Where Midwatch answers
        #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
        url: String,
    },
}

/// What became of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// Somebody looks there
    Accepted,
    /// It leads nowhere, as somebody knew at once
    Rejected,
    /// It was there in the end
    Right,
    /// It was elsewhere in the end
    Wrong,
}

/// Says or asks it.
///
/// # Errors
/// Nobody answers, or it is refused.
pub fn run(command: &LedgerCommand) -> anyhow::Result<String> {
    let look = Look { width: 100, colour: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) };
    match command {
        LedgerCommand::Judge { id, entity, verdict, because, author, url } => {
            let verdict = verdict.to_possible_value().map(|v| v.get_name().to_string()).unwrap_or_default();
            let author = author.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default();
            let body = json!({ "id": id, "entity": entity, "verdict": verdict, "because": because, "author": author });
            let data = data(&Client::new(url, TIMEOUT)?, |c| {
                c.post_json("/api/v1/advise/judge", &body.to_string())
            })?;
            let measured = clean(data["measured"]["sentence"].as_str().unwrap_or_default());
            let rest = if measured.is_empty() { String::new() } else { format!(" {measured}") };
            Ok(format!("Kept: {} was {verdict}.{rest}\n", clean(entity)))
        }
        LedgerCommand::Ledger { json, url } => {
            let data = data(&Client::new(url, TIMEOUT)?, |c| c.get("/api/v1/advise/ledger"))?;
            if *json || !std::io::stdout().is_terminal() {
                return Ok(data.to_string() + "\n");
            }
            Ok(ledger(&data, &look))
        }
    }
}

fn data(
    client: &Client,
    ask: impl FnOnce(&Client) -> Result<crate::http::Answer, crate::http::HttpError>,
) -> anyhow::Result<Json> {
    let answer = answer::good(ask(client)?, "")?;
    let mut whole: Json =
        serde_json::from_slice(&answer.body).context("the answer is not JSON; is it a Midwatch?")?;
    Ok(whole["data"].take())
}

/// What stands below directions: under which id they are kept, and how often such were right.
pub fn after(answer: &Json, look: &Look) -> String {
    let ledger = &answer["ledger"];
    let text = |json: &Json| clean(json.as_str().unwrap_or_default());
    let mut lines = Vec::new();
    for line in [text(&ledger["measured"]["sentence"]), text(&ledger["note"])] {
        if !line.is_empty() {
            lines.push(line);
        }
    }
    let id = text(&ledger["id"]);
    if !id.is_empty() {
        lines.push(format!(
            "What became of it? midwatch advise judge {id} DIRECTION right|wrong|accepted|rejected"
        ));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n{}\n", look.paint(Ink::Dim, &lines.join("\n"))),
    }
}

fn ledger(data: &Json, look: &Look) -> String {
    let text = |json: &Json| clean(json.as_str().unwrap_or_default());
    let list = |json: &Json| json.as_array().cloned().unwrap_or_default();
    let measured = list(&data["by_kind"])
        .iter()
        .chain([&data["measured"]])
        .map(|m| text(&m["sentence"]))
        .collect::<Vec<_>>();
    let measured: Vec<String> = measured.into_iter().filter(|m| !m.is_empty()).collect();
    let mut out = match measured.is_empty() {
        true => format!(
            "How often first directions are right is not known yet: fewer than {} of a kind were judged.\n",
            count(&data["judged_min"])
        ),
        false => measured.join("\n") + "\n",
    };
    if data["damaged"].as_u64().unwrap_or(0) > 0 {
        out += &format!("{} lines of the ledger could not be read.\n", count(&data["damaged"]));
    }
    for one in list(&data["advice"]) {
        let at = model::time::format_rfc3339_ms((one["window"][0].as_f64().unwrap_or(0.0) * 1000.0) as i64);
        let at = at.get(..16).map_or(at.clone(), |t| format!("{}Z", t.replace('T', " ")));
        out += &format!("\n{}  {}\n", look.paint(Ink::Bold, &at), look.paint(Ink::Dim, &text(&one["id"])));
        for place in list(&one["directions"]) {
            let said = &place["said"];
            let word = match said["what"].as_str() {
                None => "not judged".to_string(),
                Some(what) => {
                    let (why, who) = (text(&said["because"]), text(&said["author"]));
                    let why = if why.is_empty() { why } else { format!(": {why}") };
                    let who = if who.is_empty() { who } else { format!(" ({who})") };
                    format!("{}{why}{who}", clean(what))
                }
            };
            out += &format!("  {}, {}  {word}\n", text(&place["entity"]), text(&place["basis"]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: 80, colour: false };

    #[test]
    fn below_directions_stands_how_to_judge_them_and_no_share_of_few() {
        let answer = json!({ "ledger": { "id": "19a", "note": "", "measured": { "sentence": "" } } });
        assert_eq!(
            after(&answer, &PLAIN),
            "\nWhat became of it? midwatch advise judge 19a DIRECTION right|wrong|accepted|rejected\n"
        );
        let answer = json!({ "ledger": { "id": null, "note": "", "measured": { "sentence": "Of the last 9 \u{1b}[2J." } } });
        assert_eq!(after(&answer, &PLAIN), "\nOf the last 9 \\u{1b}[2J.\n");
        assert_eq!(after(&json!({}), &PLAIN), "");
    }

    #[test]
    fn the_ledger_is_told() {
        let data = json!({
            "measured": { "sentence": "" }, "by_kind": [{ "sentence": "" }], "judged_min": 5, "damaged": 1,
            "advice": [{ "id": "19a", "window": [1_795_314_000.0, 1], "directions": [
                { "entity": "cart", "basis": "requests", "said": { "what": "wrong", "because": "the disk", "author": "ada" } },
                { "entity": "web", "basis": "statistics", "said": null }] }],
        });
        assert_eq!(
            ledger(&data, &PLAIN),
            "How often first directions are right is not known yet: fewer than 5 of a kind were judged.\n\
             1 lines of the ledger could not be read.\n\n2026-11-22 02:20Z  19a\n  cart, requests  wrong: the disk (ada)\n  \
             web, statistics  not judged\n"
        );
    }
}
