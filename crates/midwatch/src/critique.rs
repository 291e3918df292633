//! `midwatch critique`: hands a plan to a running Midwatch and shows what speaks against it, a few lines each with its evidence. It
//! must never make more of an answer than it says: what could not be checked is shown as that.

use crate::answer;
use crate::cli::DEFAULT_URL;
use crate::http::Client;
use crate::text::clean;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value as Json};
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

/// What `--help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  midwatch critique 'restart api-7'
  midwatch critique 'it is the database' --since 30m
  midwatch critique 'add a member to etcd, then remove the dead one'
  midwatch critique --action fail_over --target postgres --goal restore
  midwatch critique 'restart api' --json | jq -r '.data.critiques[].text'

Say it as you would to a colleague; what is not understood is said. It looks at what is recorded, at changes on record, and at
rules (docs/guide/critique.md), and decides nothing. Exit code 0: it answered, whatever it said; 1: it could not.";

/// Columns of text.
const WIDTH: usize = 100;

/// Flags of `critique`.
#[derive(Debug, Default, Args)]
pub struct CritiqueArgs {
    /// What you are about to do, or what you believe, in plain words
    pub plan: Option<String>,
    /// The action, where the words are not clear: restart, roll_back, fail_over, scale_up, drain, kill, clear_cache ...
    #[arg(long, value_name = "WORD")]
    pub action: Option<String>,
    /// What it is done to: a service, an instance, a host
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// To what end: restore, diagnose or preserve
    #[arg(long, value_name = "WORD")]
    pub goal: Option<String>,
    /// How long ago the trouble began
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    pub since: String,
    /// The time of the plan: RFC 3339, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
    /// Where Midwatch answers
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    pub url: String,
}

/// Asks, and shows the answer.
///
/// # Errors
/// Nothing is said, nobody answers, or it is refused.
pub fn run(args: &CritiqueArgs) -> anyhow::Result<ExitCode> {
    if args.plan.is_none() && args.action.is_none() {
        bail!("say what you are about to do, as in `midwatch critique 'restart api-7'`");
    }
    let client = Client::new(&args.url, Duration::from_secs(60))?;
    let answer = answer::good(client.post_json("/api/v1/critique", &body(args).to_string())?, "")?;
    if args.json {
        return crate::print(&format!("{}\n", String::from_utf8_lossy(&answer.body)));
    }
    let answer: Json =
        serde_json::from_slice(&answer.body).context("the answer is not JSON; is it a Midwatch?")?;
    crate::print(&show(&answer["data"]))
}

fn body(args: &CritiqueArgs) -> Json {
    let mut body = Map::new();
    for (name, value) in [
        ("plan", args.plan.as_deref()),
        ("action", args.action.as_deref()),
        ("target", args.target.as_deref()),
        ("goal", args.goal.as_deref()),
        ("at", args.at.as_deref()),
        ("window", Some(args.since.as_str())),
    ] {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            body.insert(name.into(), value.into());
        }
    }
    body.into()
}

fn show(data: &Json) -> String {
    let text = |json: &Json| clean(json.as_str().unwrap_or_default());
    let list = |json: &Json| -> Vec<Json> { json.as_array().cloned().unwrap_or_default() };
    let words = |json: &Json| list(json).iter().map(text).collect::<Vec<_>>().join(", ");
    let mut out = String::new();
    let understood = &data["understood"];
    if data["is_understood"] == true {
        let _ = writeln!(out, "Understood: {}.", text(&understood["words"]));
    }
    for read in list(&understood["read_as"]) {
        let _ = writeln!(out, "  {} is read as {}.", text(&read["said"]), text(&read["as"]));
    }
    for (name, says) in
        [("unknown_names", "Nothing is known here by the name"), ("not_understood", "Not understood:")]
    {
        let all = words(&understood[name]);
        if !all.is_empty() {
            let _ = writeln!(out, "  {says} {all}.");
        }
    }
    let _ = writeln!(out, "\n{}", wrapped(&text(&data["headline"]), 0));
    for (i, critique) in list(&data["critiques"]).iter().enumerate() {
        let _ =
            writeln!(out, "\n{:>2}. {} ({})", i + 1, text(&critique["title"]), text(&critique["kind_words"]));
        let _ = writeln!(out, "{}", wrapped(&text(&critique["text"]), 4));
        for evidence in list(&critique["evidence"]) {
            let _ = writeln!(out, "{}", wrapped(&evidence_line(&evidence), 6));
        }
        let next = text(&critique["next"]);
        if !next.is_empty() {
            let _ = writeln!(out, "{}", wrapped(&format!("Next: {next}"), 4));
        }
    }
    let checked: Vec<String> = list(&data["checked"]).iter().map(|c| text(&c["checks"])).collect();
    if !checked.is_empty() {
        let _ = writeln!(
            out,
            "\n{}",
            wrapped(&format!("Checked, and nothing found: {}.", checked.join("; ")), 0)
        );
    }
    let unchecked: Vec<String> = list(&data["unchecked"])
        .iter()
        .map(|c| format!("{} ({})", text(&c["checks"]), text(&c["why"])))
        .collect();
    if !unchecked.is_empty() {
        let _ =
            writeln!(out, "\n{}", wrapped(&format!("Could not be checked: {}.", unchecked.join("; ")), 0));
    }
    for left in list(&data["adapted"]) {
        let line = format!("Left out here: {}, because {}.", text(&left["rule"]), text(&left["because"]));
        let _ = writeln!(out, "\n{}", wrapped(&line, 0));
    }
    out
}

fn evidence_line(evidence: &Json) -> String {
    let text = |name: &str| clean(evidence[name].as_str().unwrap_or_default());
    let before = text("before");
    let before = if before.is_empty() { String::new() } else { format!(", before {before}") };
    let query =
        evidence["query"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let query = if query.is_empty() { String::new() } else { format!("  [{}]", clean(&query)) };
    format!("{}: {}{before}{query}", text("says"), text("value"))
}

/// Lines of at most so many columns, indented.
fn wrapped(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let (mut out, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && crate::text::cells(&line) + 1 + crate::text::cells(word) + indent > WIDTH {
            out += &format!("{pad}{line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out + &pad + &line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_sent_and_what_is_shown() {
        let args =
            CritiqueArgs { plan: Some("restart api".into()), since: "5m".into(), ..CritiqueArgs::default() };
        assert_eq!(body(&args), json!({ "plan": "restart api", "window": "5m" }));
        assert!(run(&CritiqueArgs::default()).unwrap_err().to_string().contains("midwatch critique"));
        let shown = show(&json!({
            "is_understood": true, "headline": "One thing to consider.",
            "understood": { "words": "restarting api", "read_as": [{ "said": "api-7", "as": "api" }], "unknown_names": ["x\u{1b}[2J"] },
            "critiques": [{ "title": "T", "kind_words": "does harm", "text": "word ".repeat(40), "next": "look",
                "evidence": [{ "says": "memory", "value": "3 GiB", "before": "1 GiB", "query": "a{\n b=\"c\"}" }] }],
            "checked": [{ "checks": "whether it rains" }], "unchecked": [{ "checks": "whether it snows", "why": "no data" }],
            "adapted": [{ "rule": "r", "because": "b" }],
        }));
        for part in [
            "Understood: restarting api.",
            "api-7 is read as api.",
            "by the name x\\u{1b}[2J.",
            " 1. T (does harm)",
            "memory: 3 GiB, before 1 GiB  [a{ b=\"c\"}]".replace("  [", " [").as_str(),
            "Next: look",
            "nothing found: whether it rains.",
            "checked: whether it snows (no data).",
            "Left out here: r, because b.",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.lines().all(|l| l.len() <= WIDTH), "{shown}");
    }
}
