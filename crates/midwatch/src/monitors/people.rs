//! `midwatch monitor ack`, `incident` and `oncall`: who takes care of what fires, what it led to, and who is on call. Times of
//! rotas are on the rota's clock, and so shown. It must never call something an incident that nobody called one.

use crate::at::{At, AtJson, user};
use crate::text::clean;
use clap::Args;
use serde_json::{Value as Json, json};
use std::process::ExitCode;

/// Which alerts somebody takes care of.
#[derive(Debug, Args)]
pub struct Ack {
    /// Labels of the alerts: all have to match
    #[arg(value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// What others should know
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Who takes care of it [default: $USER]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Nobody takes care of it any more
    #[arg(long)]
    end: bool,
    /// The server.
    #[command(flatten)]
    server: At,
}

/// What a monitor led to.
#[derive(Debug, Args)]
pub struct Incident {
    /// The monitor's name or id; several with commas between them
    #[arg(value_name = "MONITOR")]
    monitor: String,
    /// What broke for whom, in a sentence [default: that it was an incident]
    #[arg(value_name = "TEXT")]
    title: Option<String>,
    /// The service that it concerns [default: the monitor's]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// When it began: RFC 3339, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Where to read more
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Who says so [default: $USER]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The server.
    #[command(flatten)]
    server: At,
}

/// Who is on call.
#[derive(Debug, Args)]
pub struct OnCall {
    /// The rota; needed for an override where there are several
    #[arg(long, value_name = "NAME")]
    rota: Option<String>,
    /// How many days ahead
    #[arg(long, default_value_t = 7, value_name = "N")]
    days: u32,
    /// Have somebody stand in
    #[arg(long, value_name = "PERSON", requires = "to")]
    stand_in: Option<String>,
    /// From, on the rota's clock [default: now]
    #[arg(long, value_name = "TIME", requires = "stand_in")]
    from: Option<String>,
    /// Until, on the rota's clock: 2026-11-24 09:00
    #[arg(long, value_name = "TIME", requires = "stand_in")]
    to: Option<String>,
    /// End the override with this id
    #[arg(long, value_name = "ID", conflicts_with = "stand_in")]
    end: Option<String>,
    /// Who says so [default: $USER]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Whom to ask, and how.
    #[command(flatten)]
    at: AtJson,
}

/// Acknowledges, or takes it back.
///
/// # Errors
/// One sentence with what to do next.
pub fn ack(ack: &Ack) -> anyhow::Result<ExitCode> {
    let body = json!({ "matchers": ack.matchers, "reason": ack.note, "user": user(ack.user.as_ref()) });
    let path = if ack.end { "/api/v1/alerts/unack" } else { "/api/v1/alerts/ack" };
    let count = ack.server.post(path, &body)?["alerts"].as_u64().unwrap_or(0);
    crate::print(&match (count, ack.end) {
        (0, false) => "somebody takes care of it already\n".to_string(),
        (0, true) => "nobody took care of it\n".to_string(),
        (n, false) => format!("acknowledged: {n}; they are told no more until they are over\n"),
        (n, true) => format!("nobody takes care of {n} any more: they are told again\n"),
    })
}

/// Records an incident that a monitor led to.
///
/// # Errors
/// One sentence with what to do next.
pub fn incident(incident: &Incident) -> anyhow::Result<ExitCode> {
    let title = incident.title.clone().unwrap_or_else(|| format!("{}: an incident", incident.monitor));
    let mut body = json!({
        "kind": "incident", "title": title, "service": incident.service, "link": incident.link,
        "author": user(incident.user.as_ref()), "attributes": { "monitor": incident.monitor },
    });
    if let Some(time) = &incident.time {
        body["time"] = time.as_str().into();
    }
    let made = incident.server.post("/api/v1/changes", &body)?;
    let names = made["monitors"].as_array().into_iter().flatten();
    let names: Vec<String> = names.map(|m| clean(m["name"].as_str().unwrap_or(""))).collect();
    crate::print(&format!("{}: counted for {}\n", clean(made["id"].as_str().unwrap_or("")), names.join(", ")))
}

/// Shows rotas, or changes overrides.
///
/// # Errors
/// One sentence with what to do next.
pub fn on_call(on: &OnCall) -> anyhow::Result<ExitCode> {
    let user = user(on.user.as_ref());
    if let Some(id) = &on.end {
        let path = format!("/api/v1/oncall/overrides/{}/end", clean(id));
        on.at.server.post(&path, &json!({ "user": user }))?;
        return crate::print("the override has ended\n");
    }
    if let Some(person) = &on.stand_in {
        let body = json!({ "rota": on.rota, "person": person, "from": on.from, "to": on.to, "user": user });
        let made = on.at.server.post("/api/v1/oncall/overrides", &body)?;
        return crate::print(&format!("{}\n", made["id"].as_str().unwrap_or("")));
    }
    let data = on.at.server.get(&format!("/api/v1/oncall?days={}", on.days))?;
    if on.at.json {
        return crate::print(&format!("{data}\n"));
    }
    crate::print(&table(&data, on.rota.as_deref()))
}

fn table(data: &Json, wanted: Option<&str>) -> String {
    let text = |json: &Json| clean(json.as_str().unwrap_or(""));
    let mut out = String::new();
    for rota in data["rotas"].as_array().into_iter().flatten() {
        let name = text(&rota["name"]);
        if wanted.is_some_and(|w| w != name) {
            continue;
        }
        let now = match rota["now"].as_str() {
            Some(person) => format!("{} is on call until {}", clean(person), text(&rota["until"])),
            None => "nobody is on call: everybody in it is told".to_string(),
        };
        out += &format!("{name}: {now} ({})\n", text(&rota["time_zone"]));
        for shift in rota["shifts"].as_array().into_iter().flatten() {
            let person = shift["person"].as_str().map_or("-".to_string(), clean);
            out += &format!("  {}  {person}\n", text(&shift["from"]));
        }
        for o in rota["overrides"].as_array().into_iter().flatten() {
            out += &format!("  override {}: {}\n", text(&o["id"]), text(&o["person"]));
        }
    }
    if out.is_empty() {
        out += "there is no such rota: name them in `rotas` of the file of notifications (docs/guide/monitors.md)\n";
    }
    out
}
