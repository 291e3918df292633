//! `midwatch monitor`: what is watched and how it is, checking and testing rule files, trying a condition out on the past,
//! silences. It must never change a rule file.

mod people;
mod review;
mod run_test;

use crate::at::{At, AtJson, user};
use crate::text::{clean, counted};
use anyhow::{Context, bail};
use clap::Subcommand;
use model::time::{format_duration_ms, format_rfc3339_ms, parse_duration_ms};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// What can be done with monitors.
#[derive(Debug, Subcommand)]
pub enum MonitorCommand {
    /// What is watched, and how it is; what needs somebody first
    #[command(after_help = "\
Examples:
  midwatch monitor list
  midwatch monitor list --json | jq '.monitors[] | select(.state == \"no_data\").name'

Exit code 0: nothing fires. 2: something does.")]
    List {
        /// Whom to ask, and how.
        #[command(flatten)]
        at: AtJson,
    },
    /// Say all that is wrong with rule files of Prometheus, or with a configuration of Alertmanager
    #[command(after_help = "\
Examples:
  midwatch monitor check rules/*.yml
  midwatch monitor check --notifications alertmanager.yml")]
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// They are configurations of Alertmanager
        #[arg(long)]
        notifications: bool,
    },
    /// Run tests of rules, in the format of `promtool test rules`
    #[command(after_help = "\
Examples:
  midwatch monitor test tests/*.yml

Exit code 0: all hold. 1: one does not, and what came instead is said.")]
    Test {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Say when a condition would have fired in the past
    #[command(after_help = "\
Examples:
  midwatch monitor try 'node_load1 > 4' --for 5m
  midwatch monitor try 'rate(errors_total[5m]) > 1' --for 10m --last 30d")]
    Try {
        /// The condition
        #[arg(value_name = "PROMQL")]
        expr: String,
        /// How long it has to hold
        #[arg(long = "for", value_name = "DURATION", default_value = "0s")]
        hold: String,
        /// How far back
        #[arg(long, value_name = "DURATION", default_value = "7d")]
        last: String,
        /// Whom to ask, and how.
        #[command(flatten)]
        at: AtJson,
    },
    /// What became of each monitor this week, a proposal for each, and trouble that no monitor saw
    #[command(after_help = "\
Examples:
  midwatch monitor review
  midwatch monitor review --json | jq '.monitors[] | select(.kind == \"always_red\").name'")]
    Review {
        /// List monitors too that need no decision
        #[arg(long)]
        all: bool,
        /// Whom to ask, and how.
        #[command(flatten)]
        at: AtJson,
    },
    /// Take a proposal of the review: turn a monitor off, lower it, let it wait longer; or take that back
    #[command(after_help = "\
Examples:
  midwatch monitor decide 91c8434421e22ddc --severity ticket --reason 'nobody ever acted on it'
  midwatch monitor decide 91c8434421e22ddc --back

Rule files stay as they are: the decision stands beside them, and in the audit.")]
    Decide {
        /// The monitor, as `midwatch monitor review` has it
        #[arg(value_name = "ID")]
        id: String,
        /// Evaluate it no more
        #[arg(long)]
        off: bool,
        /// Its severity from now on
        #[arg(long, value_name = "WORD", conflicts_with = "off")]
        severity: Option<String>,
        /// How long its condition has to hold from now on
        #[arg(long = "for", value_name = "DURATION", conflicts_with_all = ["off", "severity"])]
        hold: Option<String>,
        /// Take back what was decided
        #[arg(long, conflicts_with_all = ["off", "severity", "hold"])]
        back: bool,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// The server.
        #[command(flatten)]
        server: At,
    },
    /// Say that you take care of what fires: nobody is told of it again until it is over
    #[command(after_help = "\
Examples:
  midwatch monitor ack 'alertname=\"HighLoad\"' --note 'restarting it'
  midwatch monitor ack 'service=\"shop\"' --end")]
    Ack(people::Ack),
    /// Record that a monitor led to an incident: it counts in the review, and stands as a line in charts
    #[command(after_help = "\
Examples:
  midwatch monitor incident HighErrors 'customers could not pay'
  midwatch monitor incident HighErrors --time 2026-11-22T06:10:00Z --link https://wiki.example/42

`midwatch change --kind incident --service NAME TEXT` does it without naming a monitor: those of
the service that were red then are counted, and if none was, the review says that none saw it.")]
    Incident(people::Incident),
    /// Say who is on call, now and in the next days; have somebody stand in
    #[command(
        name = "oncall",
        after_help = "\
Examples:
  midwatch monitor oncall
  midwatch monitor oncall --rota db --stand-in eve --from '2026-11-24 09:00' --to '2026-11-25 09:00'
  midwatch monitor oncall --end 01a201846677-0000-00005be4"
    )]
    OnCall(people::OnCall),
    /// Tell nobody of some alerts for a while
    #[command(after_help = "\
Examples:
  midwatch monitor silence 'alertname=\"HighLoad\"' 'instance=~\"db-.*\"' --for 2h --reason 'moving the database'
  midwatch monitor silence --end 01a201846677-0000-00005be4")]
    Silence {
        /// Labels of the alerts: all have to match
        #[arg(value_name = "MATCHER", required_unless_present = "end")]
        matchers: Vec<String>,
        /// For how long
        #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
        length: String,
        /// Why
        #[arg(long, value_name = "TEXT", required_unless_present = "end")]
        reason: Option<String>,
        /// Who says so [default: $USER]
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
        /// End the silence with this id instead
        #[arg(long, value_name = "ID", conflicts_with = "matchers")]
        end: Option<String>,
        /// The server.
        #[command(flatten)]
        server: At,
    },
}

/// Runs one of them.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(command: &MonitorCommand, now: fn() -> i64) -> anyhow::Result<ExitCode> {
    match command {
        MonitorCommand::List { at } => list(at, now()),
        MonitorCommand::Check { files, notifications } => check(files, *notifications),
        MonitorCommand::Test { files } => run_test::run(files),
        MonitorCommand::Review { all, at } => review::run(at, *all),
        MonitorCommand::Decide { id, off, severity, hold, back, reason, server } => {
            let body = match (off, severity, hold, back) {
                (_, _, _, true) => None,
                (true, ..) => Some(json!({ "off": true })),
                (_, Some(severity), ..) => Some(json!({ "severity": severity })),
                (_, _, Some(hold), _) => Some(json!({ "for": hold })),
                _ => bail!("say what: --off, --severity WORD, --for DURATION, or --back"),
            };
            review::decide(id, body, reason, server)
        }
        MonitorCommand::Try { expr, hold, last, at } => {
            let last_ms = parse_duration_ms(last).map_err(anyhow::Error::msg).context("--last")?;
            let end = now() as f64 / 1000.0;
            let body =
                json!({ "expr": expr, "for": hold, "start": end - last_ms as f64 / 1000.0, "end": end });
            let trial = at.server.post("/api/v1/monitors/try", &body)?;
            if at.json {
                return crate::print(&format!("{trial}\n"));
            }
            crate::print(&told(&trial))
        }
        MonitorCommand::Ack(ack) => people::ack(ack),
        MonitorCommand::Incident(incident) => people::incident(incident),
        MonitorCommand::OnCall(on) => people::on_call(on),
        MonitorCommand::Silence { end: Some(id), server, .. } => {
            let path = format!("/api/v1/silences/{}/end", clean(id));
            server.post(&path, &json!({}))?;
            crate::print("the silence has ended\n")
        }
        MonitorCommand::Silence { matchers, length, reason, author, server, .. } => {
            let length_ms = parse_duration_ms(length).map_err(anyhow::Error::msg).context("--for")?;
            let now = now();
            let body = json!({
                "matchers": matchers,
                "startsAt": format_rfc3339_ms(now),
                "endsAt": format_rfc3339_ms(now + length_ms),
                "createdBy": user(author.as_ref()),
                "comment": reason,
            });
            let made = server.post("/api/v1/silences", &body)?;
            crate::print(&format!("{}\n", made["id"].as_str().unwrap_or("")))
        }
    }
}

fn list(at: &AtJson, now_ms: i64) -> anyhow::Result<ExitCode> {
    let data = at.server.get("/api/v1/monitors")?;
    let all = data["monitors"].as_array().cloned().unwrap_or_default();
    let fires = all.iter().any(|m| m["state"] == "firing");
    if at.json {
        crate::print(&format!("{data}\n"))?;
    } else {
        crate::print(&table(&data, &all, now_ms))?;
    }
    Ok(if fires { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// A mark that is no colour alone, a word, since when, the name, and what it says.
fn table(data: &Json, all: &[Json], now_ms: i64) -> String {
    const ORDER: [(&str, &str, &str); 7] = [
        ("firing", "■", "firing"),
        ("pending", "▲", "pending"),
        ("cannot_judge", "?", "cannot be judged"),
        ("no_data", "○", "no data"),
        ("too_little", "○", "too little traffic"),
        ("unknown", "○", "not judged yet"),
        ("fine", "●", "fine"),
    ];
    let text = |json: &Json| clean(json.as_str().unwrap_or(""));
    let mut out = String::new();
    for (state, mark, word) in ORDER {
        for m in all.iter().filter(|m| m["state"] == state) {
            let since = match m["since_ms"].as_i64() {
                Some(ms) if ms > 0 => format_duration_ms((now_ms - ms).max(0) / 1000 * 1000),
                _ => "-".into(),
            };
            let says = if text(&m["why"]).is_empty() { text(&m["expr"]) } else { text(&m["why"]) };
            out += &format!("{mark} {word:<18} {since:>10}  {:<30} {says}\n", text(&m["name"]));
        }
    }
    if all.is_empty() {
        out += "nothing is watched: name rule files in `files` of the section [monitors], or make a monitor on the page\n";
    }
    for p in data["problems"].as_array().into_iter().flatten() {
        out += &format!("{}:{}: {}\n", text(&p["file"]), p["line"], text(&p["what"]));
    }
    out
}

/// A trial, for a person.
fn told(trial: &Json) -> String {
    let fired = trial["fired"].as_u64().unwrap_or(0);
    let seconds = |key: &str| (trial[key].as_f64().unwrap_or(0.0) * 1000.0) as i64;
    let mut out = match fired {
        0 => "It would not have fired.\n".to_string(),
        n => {
            let times = if n == 1 { "once".into() } else { format!("{n} times") };
            format!("It would have fired {times}, for {} in all.\n", format_duration_ms(seconds("firing_s")))
        }
    };
    let nearly = trial["nearly"].as_u64().unwrap_or(0);
    if nearly > 0 {
        out += &format!("{nearly} more were over before they fired.\n");
    }
    for e in trial["episodes"].as_array().into_iter().flatten() {
        let from = e["from_ms"].as_i64().unwrap_or(0);
        let length = match e["to_ms"].as_i64() {
            Some(to) => format!("for {}", format_duration_ms(to - from)),
            None => "and still".into(),
        };
        let labels: Vec<String> =
            e["labels"].as_object().into_iter().flatten().map(|(n, v)| format!("{n}={v}")).collect();
        out += &format!("  {} {length}  {}\n", format_rfc3339_ms(from), clean(&labels.join(" ")));
    }
    out += &format!("Looked at every {}, {} times.\n", format_duration_ms(seconds("step_s")), trial["steps"]);
    out
}

/// Whether a text is an expression that a rule can have.
pub fn check_expr(text: &str) -> Result<(), String> {
    let expr = ::query::parse(text).map_err(|e| e.to_string())?;
    match expr.value_type {
        ::query::ValueType::Vector | ::query::ValueType::Scalar => Ok(()),
        other => Err(format!("it is a {}; a rule needs an instant vector or a number", other.as_str())),
    }
}

fn check(files: &[PathBuf], is_notifications: bool) -> anyhow::Result<ExitCode> {
    let (mut is_bad, mut out) = (false, String::new());
    for path in files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let (problems, holds) = if is_notifications {
            let (config, problems) = monitor::notify::config::read(&name, &text);
            let receivers = config.map_or(0, |c| c.receivers.len());
            (problems, counted(receivers, "receiver"))
        } else {
            let file = monitor::read::read(&name, &text, 60_000, &check_expr);
            let rules: usize = file.groups.iter().map(|g| g.rules.len()).sum();
            (file.problems, format!("{}, {}", counted(file.groups.len(), "group"), counted(rules, "rule")))
        };
        problems.iter().for_each(|p| out += &format!("{p}\n"));
        let errors = problems.iter().filter(|p| p.is_error).count();
        is_bad |= errors > 0;
        out += &match errors {
            0 => format!("{name}: good; {holds}\n"),
            n => format!("{name}: {}; {holds} can be used\n", counted(n, "error")),
        };
    }
    crate::print(&out)?;
    if is_bad {
        bail!("something in these files cannot be used");
    }
    Ok(ExitCode::SUCCESS)
}
