//! `midwatch monitor review`: what became of each monitor in a week, a proposal for each, and trouble that none saw. It must never take a
//! proposal by itself.

use crate::at::{At, AtJson, user};
use crate::text::clean;
use model::time::{format_duration_ms, format_rfc3339_ms};
use monitor::slo::words::count;
use serde_json::{Value as Json, json};
use std::process::ExitCode;

/// Prints the review.
///
/// # Errors
/// One sentence with what to do next.
pub fn run(at: &AtJson, is_all: bool) -> anyhow::Result<ExitCode> {
    let data = at.server.get("/api/v1/monitors/review")?;
    crate::print(&if at.json { format!("{data}\n") } else { told(&data, is_all) })
}

fn told(data: &Json, is_all: bool) -> String {
    let text = |json: &Json| clean(json.as_str().unwrap_or(""));
    let mut out = String::new();
    let mut left_out = 0;
    for m in data["monitors"].as_array().into_iter().flatten() {
        if !is_all && ["quiet", "new"].contains(&m["kind"].as_str().unwrap_or("")) {
            left_out += 1;
            continue;
        }
        let week = &m["week"];
        let number = |key: &str| count(week[key].as_f64().unwrap_or(0.0));
        out += &format!("{} ({})\n  {}\n", text(&m["name"]), text(&m["id"]), text(&m["says"]));
        let red_ms = (week["red_s"].as_f64().unwrap_or(0.0) * 1000.0) as i64;
        out += &format!(
            "  this week: fired {}, notified {}, seen {}, acted on {}, led to incidents {}, silenced {}, flaps {}, red {}\n",
            number("fired"),
            number("notified"),
            number("seen"),
            number("acted"),
            number("incidents"),
            number("silenced"),
            number("flaps"),
            format_duration_ms(red_ms / 1000 * 1000)
        );
        for t in m["takes"].as_array().into_iter().flatten() {
            out += &format!(
                "  could be: {} (midwatch monitor decide {} {})\n",
                text(&t["words"]),
                text(&m["id"]),
                flags(&t["take"])
            );
        }
    }
    if left_out > 0 {
        out += &format!("{left_out} more need no decision; --all lists them\n");
    }
    let unseen = data["unseen"].as_array().map(Vec::as_slice).unwrap_or_default();
    for t in unseen {
        let time = |key: &str| format_rfc3339_ms(t[key].as_i64().unwrap_or(0));
        let number = |key: &str| count(t[key].as_f64().unwrap_or(0.0));
        out += &format!(
            "no monitor saw: {} of {} requests of {} went wrong from {} to {}\n",
            number("bad"),
            number("total"),
            text(&t["service"]),
            time("from_ms"),
            time("to_ms")
        );
    }
    let missed = data["unseen_incidents"].as_array().map(Vec::as_slice).unwrap_or_default();
    for i in missed {
        let of = match text(&i["service"]) {
            service if service.is_empty() => String::new(),
            service => format!(" of {service}"),
        };
        let at = format_rfc3339_ms(i["at_ms"].as_i64().unwrap_or(0));
        out += &format!("no monitor saw the incident{of} at {at}: {}\n", text(&i["title"]));
    }
    match data["unseen_problem"].as_str() {
        Some(problem) => {
            out += &format!("trouble that no monitor saw could not be looked for: {}\n", clean(problem))
        }
        None if unseen.is_empty() && missed.is_empty() => out += "no trouble was found that no monitor saw\n",
        None => {}
    }
    for d in data["decisions"].as_array().into_iter().flatten() {
        out += &format!(
            "decided of {} ({}) by {:?}: {}\n",
            text(&d["name"]),
            text(&d["id"]),
            text(&d["user"]),
            decided(d)
        );
    }
    out
}

fn flags(take: &Json) -> String {
    match (take["severity"].as_str(), take["for"].as_str()) {
        (Some(severity), _) => format!("--severity {}", clean(severity)),
        (None, Some(length)) => format!("--for {}", clean(length)),
        (None, None) => "--off".into(),
    }
}

fn decided(d: &Json) -> String {
    let severity = d["severity"].as_str().map(|s| format!("severity {}", clean(s)));
    let hold = d["for_ms"].as_i64().map(|ms| format!("for {}", format_duration_ms(ms)));
    let off = (d["off"] == true).then(|| "off".to_string());
    [off, severity, hold].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Takes a proposal, or takes it back.
///
/// # Errors
/// One sentence with what to do next.
pub fn decide(id: &str, body: Option<Json>, reason: &str, server: &At) -> anyhow::Result<ExitCode> {
    let (path, mut body) = match body {
        Some(body) => ("decide", body),
        None => ("undecide", json!({})),
    };
    body["user"] = user(None).into();
    body["reason"] = reason.into();
    server.post(&format!("/api/v1/monitors/{}/{path}", crate::http::encode(id)), &body)?;
    crate::print(if path == "decide" {
        "done; --back takes it back\n"
    } else {
        "it is as its file has it again\n"
    })
}
