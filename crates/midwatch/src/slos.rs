//! `midwatch slo`: objectives and how they are, one in plain words, checking files of objectives, importing OpenSLO. It must never
//! change a file, but what the server keeps itself.

use crate::at::{At, AtJson};
use crate::http::encode;
use crate::monitors::check_expr;
use crate::text::{clean, counted};
use anyhow::{Context, bail};
use clap::Subcommand;
use model::time::format_duration_ms;
use monitor::slo::{read, words, write};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// What can be done with objectives.
#[derive(Debug, Subcommand)]
pub enum SloCommand {
    /// What is promised, and whether it is kept; what needs somebody first
    #[command(after_help = "\
Examples:
  midwatch slo list
  midwatch slo list --json | jq '.slos[] | select(.budget.left < 0.2).name'

Exit code 0: no budget burns fast. 2: one does.")]
    List {
        /// Whom to ask, and how.
        #[command(flatten)]
        at: AtJson,
    },
    /// One objective: the promise, how it is, how fast its budget burns, on what it is spent, who is affected
    #[command(after_help = "\
Examples:
  midwatch slo show checkout-works")]
    Show {
        /// Its address, as `midwatch slo list` has it
        #[arg(value_name = "ID")]
        id: String,
        /// Whom to ask, and how.
        #[command(flatten)]
        at: AtJson,
    },
    /// Say all that is wrong with files of objectives, ours or OpenSLO's
    #[command(after_help = "\
Examples:
  midwatch slo check slos/*.yml")]
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Take objectives of files over into the server, OpenSLO v1 or ours; what is not understood is said
    #[command(after_help = "\
Examples:
  midwatch slo import openslo.yaml
  midwatch slo import openslo.yaml --print > slos.yml

With --print nothing is asked of a server: the objectives are printed in our form.")]
    Import {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Print them in our form instead
        #[arg(long)]
        print: bool,
        /// Change those that are there already
        #[arg(long)]
        change: bool,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// The server.
        #[command(flatten)]
        server: At,
    },
}

/// Runs one of them.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(command: &SloCommand, now: fn() -> i64) -> anyhow::Result<ExitCode> {
    match command {
        SloCommand::List { at } => list(at, now()),
        SloCommand::Show { id, at } => show(id, at),
        SloCommand::Check { files } => check(files),
        SloCommand::Import { files, print, change, reason, server } => {
            import(files, *print, *change, reason, server)
        }
    }
}

fn text(json: &Json) -> String {
    clean(json.as_str().unwrap_or(""))
}

/// States in the order of what needs somebody first: a mark that is no colour alone.
const ORDER: [(&str, &str); 8] = [
    ("burns_fast", "■"),
    ("burns_slowly", "▲"),
    ("spent", "▲"),
    ("cannot_judge", "?"),
    ("no_data", "○"),
    ("too_little", "○"),
    ("unknown", "○"),
    ("fine", "●"),
];

fn list(at: &AtJson, now_ms: i64) -> anyhow::Result<ExitCode> {
    let data = at.server.get("/api/v1/slos")?;
    let all = data["slos"].as_array().cloned().unwrap_or_default();
    let burns = all.iter().any(|s| s["state"] == "burns_fast");
    let out = if at.json { format!("{data}\n") } else { table(&data, &all, now_ms) };
    crate::print(&out)?;
    Ok(if burns { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn table(data: &Json, all: &[Json], now_ms: i64) -> String {
    let mut out = String::new();
    for (state, mark) in ORDER {
        for s in all.iter().filter(|s| s["state"] == state) {
            let since = match s["since_ms"].as_i64() {
                Some(ms) if ms > 0 => format_duration_ms((now_ms - ms).max(0) / 1000 * 1000),
                _ => "-".into(),
            };
            let left = match s["budget"]["left_words"].as_str() {
                Some(left) => format!("{left} left"),
                None => "-".into(),
            };
            let words = text(&s["state_words"]);
            let (id, promise) = (text(&s["id"]), text(&s["promise"]));
            out += &format!("{mark} {words:<27} {since:>10}  {left:<18} {id:<28} {promise}\n");
        }
    }
    if all.is_empty() {
        out += "nothing is promised: name files of objectives in `files` of the section [monitors], make one on the page SLOs, or import OpenSLO\n";
    }
    for p in data["problems"].as_array().into_iter().flatten() {
        out += &format!("{}:{}: {}\n", text(&p["file"]), p["line"], text(&p["what"]));
    }
    out
}

fn show(id: &str, at: &AtJson) -> anyhow::Result<ExitCode> {
    let slo = at.server.get(&format!("/api/v1/slos/{}", encode(id)))?;
    if at.json {
        return crate::print(&format!("{slo}\n"));
    }
    let mut out = format!(
        "{} ({})\n\n{}\n{}\n",
        text(&slo["name"]),
        text(&slo["state_words"]),
        text(&slo["promise"]),
        text(&slo["says"])
    );
    for (key, title) in
        [("about", "Promise"), ("service", "Service"), ("owner", "Owner"), ("action", "What to do")]
    {
        if !text(&slo[key]).is_empty() {
            out += &format!("{title}: {}\n", text(&slo[key]));
        }
    }
    out += "\nOver        burns      bad of all\n";
    for b in slo["burns"].as_array().into_iter().flatten() {
        let rate = b["rate"]
            .as_f64()
            .map_or_else(|| "-".into(), |r| format!("{}x", words::number((r * 100.0).round() / 100.0)));
        let (bad, total) = (b["bad"].as_f64().unwrap_or(0.0), b["total"].as_f64().unwrap_or(0.0));
        out += &format!(
            "{:<10} {rate:>7}  {:>8} of {}\n",
            text(&b["window"]),
            words::count(bad),
            words::count(total)
        );
    }
    crate::print(&out)
}

fn check(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let (mut is_bad, mut out) = (false, String::new());
    for path in files {
        let (name, text) = read_file(path)?;
        let file = read::read(&name, &text, &check_expr);
        file.problems.iter().for_each(|p| out += &format!("{p}\n"));
        let errors = file.problems.iter().filter(|p| p.is_error).count();
        is_bad |= errors > 0;
        out += &match errors {
            0 => format!("{name}: good; {}\n", counted(file.slos.len(), "objective")),
            n => format!(
                "{name}: {}; {} can be used\n",
                counted(n, "error"),
                counted(file.slos.len(), "objective")
            ),
        };
        for slo in &file.slos {
            out += &format!("  {}: {}\n", clean(&slo.id), clean(&words::promise(slo)));
        }
    }
    crate::print(&out)?;
    if is_bad {
        bail!("something in these files cannot be used");
    }
    Ok(ExitCode::SUCCESS)
}

fn read_file(path: &std::path::Path) -> anyhow::Result<(String, String)> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    Ok((name, text))
}

fn import(
    files: &[PathBuf],
    is_print: bool,
    is_change: bool,
    reason: &str,
    server: &At,
) -> anyhow::Result<ExitCode> {
    let mut out = if is_print { "slos:\n".to_string() } else { String::new() };
    let mut problems = 0;
    for path in files {
        let (name, yaml) = read_file(path)?;
        let file = read::read(&name, &yaml, &check_expr);
        for p in &file.problems {
            eprintln!("{p}");
            problems += usize::from(p.is_error);
        }
        if is_print {
            file.slos.iter().for_each(|slo| out += &write::yaml(slo));
            continue;
        }
        if file.slos.is_empty() {
            continue;
        }
        // Only what was understood is taken over.
        let all: String =
            std::iter::once("slos:\n".to_string()).chain(file.slos.iter().map(write::yaml)).collect();
        let body = json!({ "yaml": all, "change": is_change, "user": std::env::var("USER").unwrap_or_default(), "reason": reason });
        server.post("/api/v1/slos", &body)?;
        file.slos
            .iter()
            .for_each(|slo| out += &format!("{}: {}\n", clean(&slo.id), clean(&words::promise(slo))));
    }
    crate::print(&out)?;
    if problems > 0 {
        bail!("{} in these files; what was understood was taken over", counted(problems, "error"));
    }
    Ok(ExitCode::SUCCESS)
}
