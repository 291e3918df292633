//! `midwatch delete-series` and `midwatch audit`: deletion of personal data, by a running server or in a data folder that
//! no program uses, and what was done so far. It must never delete without `--yes`.

use crate::answer;
use crate::cli::{AuditArgs, DeleteArgs};
use crate::http::Client;
use crate::text::clean;
use anyhow::{Context, anyhow, bail};
use model::time::{format_rfc3339_ms, parse_time_ms};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use stdx::metrics::Registry;
use store::audit::{self, Line, Who};
use store::{Deletion, Store};

/// Rewriting a large store takes its time.
const TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// `midwatch delete-series`.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(args: &DeleteArgs, now: fn() -> i64) -> anyhow::Result<ExitCode> {
    let reach = match &args.data {
        Some(data) => in_folder(args, data, now)?,
        None => by_server(args)?,
    };
    println!("{}", text(&reach, args.yes));
    let remaining = texts(&reach["remaining"]);
    if remaining.is_empty() { Ok(ExitCode::SUCCESS) } else { Ok(ExitCode::FAILURE) }
}

fn texts(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(clean).collect()
}

fn in_folder(args: &DeleteArgs, data: &Path, now: fn() -> i64) -> anyhow::Result<Json> {
    if data.to_string_lossy().contains("://") {
        bail!(
            "data in a bucket is deleted by a running Midwatch: switch admin.delete_series on there, and use --url"
        );
    }
    if !data.join("MIDWATCH").exists() {
        bail!("{} is not a data folder of Midwatch; name one with --data", data.display());
    }
    let matchers: Result<Vec<_>, _> = args.matches.iter().map(|m| ::query::parse_selector(m)).collect();
    let matchers = matchers.map_err(|e| anyhow!("--match: {e}"))?;
    let time = |text: &Option<String>, flag: &str, default: i64| match text {
        Some(text) => parse_time_ms(text).map_err(|e| anyhow!("{flag}: {e}")),
        None => Ok(default),
    };
    let (start_ms, end_ms) = (time(&args.start, "--start", i64::MIN)?, time(&args.end, "--end", i64::MAX)?);
    let deletion = Deletion { matchers, start_ms, end_ms };
    let store = Store::open(data, store::Settings::default(), &Registry::default()).map_err(|e| match e.kind {
        stdx::ErrorKind::Conflict => anyhow!(
            "{} is in use by a running Midwatch; ask that one with --url (admin.delete_series has to be on there), \
             or stop it",
            data.display()
        ),
        _ => anyhow!("{e}"),
    })?;
    let reach = match args.yes {
        true => store.delete_series(&deletion, &who(args)?, &now).and_then(|reach| {
            let (max, registry) = (store.settings().exemplars_max, Default::default());
            let exemplars = store::exemplars::Exemplars::open(store.folder(), max, &registry);
            exemplars.delete(&deletion.matchers, deletion.start_ms, deletion.end_ms)?;
            Ok(reach)
        }),
        false => store.plan_delete(&deletion),
    };
    let reach = reach.map_err(|e| anyhow!("{e}"))?;
    Ok(json!({
        "series": reach.series, "samples": reach.samples, "blocks": reach.blocks, "in_memory": reach.in_head,
        "remaining": reach.remaining, "not_reached": server::NOT_REACHED,
    }))
}

fn who(args: &DeleteArgs) -> anyhow::Result<Who> {
    let reason = args.reason.clone().filter(|r| !r.trim().is_empty());
    let reason = reason.context("--reason is missing: say why; it goes into the audit")?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    let user = format!("{user} (uid {})", rustix::process::getuid().as_raw());
    Ok(Who { user, host, address: String::new(), reason })
}

fn by_server(args: &DeleteArgs) -> anyhow::Result<Json> {
    let client = Client::new(&args.url, TIMEOUT)?;
    let mut form: Vec<(&str, &str)> = args.matches.iter().map(|m| ("match[]", m.as_str())).collect();
    let bounds = [("start", &args.start), ("end", &args.end)];
    form.extend(bounds.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let who = if args.yes { who(args)? } else { Who::default() };
    if args.yes {
        form.extend([("yes", "1"), ("reason", &who.reason), ("user", &who.user), ("host", &who.host)]);
    }
    let shown = args.matches.first().map_or("", String::as_str);
    let answer = answer::ask(&client, "/api/v1/admin/tsdb/delete_series", &form, shown)?;
    let mut body: Json = serde_json::from_slice(&answer.body).context("the answer makes no sense")?;
    Ok(body["data"].take())
}

/// What was or would be deleted, for a person.
fn text(reach: &Json, is_done: bool) -> String {
    let count = |name: &str| reach[name].as_u64().unwrap_or(0);
    let blocks = reach["blocks"].as_array().map_or(0, Vec::len);
    let memory = if reach["in_memory"] == true { " and of the newest ones in memory" } else { "" };
    let mut lines = vec![match is_done {
        true => format!(
            "Deleted {} samples of {} series from {blocks} blocks.",
            count("samples"),
            count("series")
        ),
        false => format!(
            "Would delete up to {} samples of {} series, from {blocks} blocks{memory}.",
            count("samples"),
            count("series")
        ),
    }];
    for remaining in texts(&reach["remaining"]) {
        lines.push(format!("Not reached: {remaining}"));
    }
    lines.push("Never reached:".into());
    lines.extend(texts(&reach["not_reached"]).into_iter().map(|what| format!("  {what}")));
    if !is_done {
        lines.push("Nothing was changed. The same command with --yes and --reason does it.".into());
    }
    lines.join("\n")
}

/// `midwatch audit`: the text for standard output.
///
/// # Errors
/// One sentence with what to do next.
pub fn audit(args: &AuditArgs) -> anyhow::Result<String> {
    let lines = audit::read(&args.data).map_err(|e| anyhow!("{e}"))?;
    let sealed = match &args.value {
        Some(value) => match audit::sealed(&args.data, value).map_err(|e| anyhow!("{e}"))? {
            Some(sealed) => Some(sealed),
            None => return Ok("no value was ever deleted here\n".into()),
        },
        None => None,
    };
    let mut out = String::new();
    for line in lines {
        let entry = match line {
            Line::Whole(entry) => entry,
            Line::Damaged { number, why } => {
                out += &format!("line {number} is damaged: {why}\n");
                continue;
            }
        };
        let whole = entry.to_string();
        if sealed.as_ref().is_some_and(|sealed| !whole.contains(sealed.as_str())) {
            continue;
        }
        out += &if args.json { whole + "\n" } else { line_text(&entry) };
    }
    Ok(if out.is_empty() { "nothing\n".into() } else { out })
}

fn line_text(entry: &Json) -> String {
    let word = |name: &str| clean(entry[name].as_str().unwrap_or(""));
    let at = format_rfc3339_ms(entry["at_ms"].as_i64().unwrap_or(0));
    let counts = format!("{} series, {} samples", entry["series"], entry["samples"]);
    if entry["what"] == "delete_series_ended" {
        let mut text = format!("{at}  entry {} ended: {}", entry["entry"], word("result"));
        text += &match entry["result"] == "failed" {
            true => format!(": {}\n", word("error")),
            false => format!(", {counts}\n"),
        };
        for what in texts(&entry["remaining"]) {
            text += &format!("    not reached: {what}\n");
        }
        return text;
    }
    let sets: Vec<String> = entry["match"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|set| {
            let each = set.as_array().into_iter().flatten().map(|m| {
                let part = |name: &str| clean(m[name].as_str().unwrap_or(""));
                format!("{}{}{}", part("label"), part("op"), part("value"))
            });
            format!("{{{}}}", each.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let time =
        |name: &str, default: &str| entry[name].as_i64().map_or(default.to_string(), format_rfc3339_ms);
    format!(
        "{at}  entry {} begins: delete {} from {} to {}, {counts}\n    by {} on {} {}: {}\n",
        entry["number"],
        sets.join(" or "),
        time("start_ms", "ever"),
        time("end_ms", "now"),
        word("user"),
        word("host"),
        word("address"),
        word("reason"),
    )
}
