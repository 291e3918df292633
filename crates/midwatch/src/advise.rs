//! `midwatch advise`: where to look first in a time that went wrong, on a terminal. It must never say more than the answer
//! does; into a pipe the answer itself is given.

mod ledger;

use crate::asking;
use crate::cli::DEFAULT_URL;
use crate::http::Client;
use crate::text::{Ink, Look, clean};
use anyhow::bail;
use clap::Args;
use serde_json::{Value as Json, json};
use std::io::IsTerminal;
use std::time::Duration;

/// Below the flags in the help.
pub const EXAMPLES: &str = "\
Examples:
  midwatch advise
  midwatch advise --from 2026-03-04T05:06:00Z --to 2026-03-04T05:20:00Z --baseline day
  midwatch advise --from 30m --symptom web:latency_seconds
  midwatch advise --match '{env=\"prod\"}' | jq '.directions[].title'
  midwatch advise judge 19a2b3c4d5e cart right --because 'the pool was too small'
  midwatch advise ledger

It weighs series, log records, spans, calls and changes together, and says where to look: never why it happened.
A text on a terminal; into a pipe, JSON. It says when nothing stands out. Advice is kept, and what people say of it: how often first
directions are right is counted from that, and shown once enough were judged.";

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Flags of `advise`.
#[derive(Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AdviseArgs {
    #[command(subcommand)]
    pub command: Option<ledger::LedgerCommand>,
    /// When it began to go wrong: RFC 3339, seconds since 1970, or how long ago (10m, 2h)
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub from: String,
    /// Until when
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub to: String,
    /// Compared with: before, hour, day, week, or a good period by its name
    #[arg(long, alias = "against", value_name = "WORD", default_value = "before")]
    pub baseline: String,
    /// Only these series, and log records and spans of where they come from
    #[arg(long = "match", value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Where it was noticed, as SERVICE or SERVICE:METRIC
    #[arg(long, value_name = "PLACE")]
    pub symptom: Option<String>,
    /// Leave out a kind of evidence: metrics, lines, spans, graph, symptom, changes, magnitude, rules, history
    #[arg(long, value_name = "KIND")]
    pub without: Vec<String>,
    /// How many directions
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub limit: usize,
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
pub fn run(args: &AdviseArgs, now_ms: i64) -> anyhow::Result<String> {
    if let Some(command) = &args.command {
        return ledger::run(command);
    }
    let client = Client::new(&args.url, TIMEOUT)?;
    let answer = asking::in_lines(&client, "/api/v1/advise", &body(args, now_ms)?, "")?;
    if args.json || !std::io::stdout().is_terminal() {
        return Ok(answer.to_string() + "\n");
    }
    Ok(shown(
        &answer,
        &Look { width: 100, colour: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) },
    ))
}

fn body(args: &AdviseArgs, now_ms: i64) -> anyhow::Result<Json> {
    let (from, to) = window_ms(&args.from, &args.to, now_ms)?;
    let mut body = json!({
        "window": [from, to], "baseline": args.baseline, "match": args.selector.as_deref().unwrap_or(""),
        "without": args.without, "limit": args.limit, "stream": true,
    });
    if let Some(place) = &args.symptom {
        let (service, metric) = place.split_once(':').unwrap_or((place, ""));
        body["symptom"] = json!({ "service": service, "metric": metric });
    }
    Ok(body)
}

/// A window of two times.
///
/// # Errors
/// One of them is none, or they are in the wrong order.
pub fn window_ms(from: &str, to: &str, now_ms: i64) -> anyhow::Result<(i64, i64)> {
    let (from_ms, to_ms) = (time_ms(from, now_ms)?, time_ms(to, now_ms)?);
    if to_ms <= from_ms {
        bail!("--from {from} is not before --to {to}");
    }
    Ok((from_ms, to_ms))
}

/// An instant, or how long ago.
///
/// # Errors
/// It is neither.
pub fn time_ms(text: &str, now_ms: i64) -> anyhow::Result<i64> {
    if text == "now" {
        return Ok(now_ms);
    }
    // A number alone is an instant; with a unit it is how long ago.
    if text.parse::<f64>().is_err()
        && let Ok(ago_ms) = model::time::parse_duration_ms(text)
    {
        return Ok(now_ms.saturating_sub(ago_ms));
    }
    model::time::parse_time_ms(text)
        .map_err(|e| anyhow::anyhow!("{text:?} is no time: {e}; 10m is ten minutes ago"))
}

fn shown(answer: &Json, look: &Look) -> String {
    let text = |v: &Json| clean(v.as_str().unwrap_or(""));
    let list = |v: &Json| v.as_array().cloned().unwrap_or_default();
    let mut out = look.paint(Ink::Bold, &text(&answer["sentence"])) + "\n";
    let note = text(&answer["note"]);
    if !note.is_empty() {
        out += &format!("{note}\n");
    }
    for note in list(&answer["partial"]) {
        out += &format!("not everything was looked at: {}\n", text(&note));
    }
    for one in list(&answer["left_out_here"]) {
        let rule = text(&one["rule"]);
        out += &format!(
            "rule {rule} holds of {} and is left out there: {}\n",
            text(&one["entity"]),
            text(&one["because"])
        );
    }
    for (i, direction) in list(&answer["directions"]).iter().enumerate() {
        out += &format!("\n{}  {}\n", i + 1, look.paint(Ink::Bold, &text(&direction["title"])));
        for (sign, pieces) in [("+", &direction["for"]), ("-", &direction["against"])] {
            for piece in list(pieces) {
                out += &format!("   {sign} {}\n", text(&piece["sentence"]));
            }
        }
        let next: Vec<String> = list(&direction["next"]).iter().map(|n| text(&n["text"])).collect();
        if !next.is_empty() {
            out += &look.paint(Ink::Dim, &format!("   look next at {}", next.join("; ")));
            out.push('\n');
        }
        out += &look.paint(Ink::Dim, &format!("   {}", text(&direction["risk"])));
        out.push('\n');
    }
    out += &ledger::after(answer, look);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(from: &str) -> AdviseArgs {
        AdviseArgs { from: from.into(), to: "now".into(), baseline: "before".into(), ..AdviseArgs::default() }
    }

    #[test]
    fn what_is_asked() {
        let mut args = args("10m");
        args.symptom = Some("web:latency".into());
        let body = body(&args, 1_000_000).unwrap();
        assert_eq!(body["window"], json!([400_000, 1_000_000]));
        assert_eq!(body["symptom"], json!({ "service": "web", "metric": "latency" }));
        assert_eq!(body["match"], "");
    }

    #[test]
    fn times_that_make_no_sense_are_told() {
        for (from, why) in [("soon", "is no time"), ("2999-01-01T00:00:00Z", "is not before")] {
            let error = body(&args(from), 1_000_000).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_answer_is_shown_and_nothing_of_it_is_obeyed() {
        let answer = json!({ "sentence": "One place to look at.", "partial": ["there is more"], "directions": [{
            "title": "db", "for": [{ "sentence": "cpu rose\u{1b}[2J" }], "against": [{ "sentence": "one sign" }],
            "next": [{ "text": "lines of db" }], "risk": "Looking costs nothing." }] });
        let text = shown(&answer, &Look { width: 80, colour: false });
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("1  db\n   + cpu rose"), "{text}");
        assert!(
            text.contains("   - one sign\n   look next at lines of db\n   Looking costs nothing.\n"),
            "{text}"
        );
        assert!(text.contains("not everything was looked at: there is more"), "{text}");
    }
}
