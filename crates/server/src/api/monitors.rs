//! Monitors over HTTP: `rules` and `alerts` as in Prometheus, `monitors` with all that is known. Making and removing a
//! monitor writes the rule file in the data folder, and is audited.

use super::asked::{blocking, only_who, said};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use crate::monitors::tell::{self, Wanted};
use crate::monitors::{NewMonitor, add_monitor, remove_monitor};
use axum::extract::{Path, Request, State};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

/// The longest body of a new monitor, in bytes.
const BODY_BYTES_MAX: usize = 256 << 10;

pub async fn rules(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let kind = params.get("type").map(str::to_ascii_lowercase);
    if let Some(kind) = kind.as_ref().filter(|k| !["alert", "record"].contains(&k.as_str())) {
        let kind: String = kind.chars().take(40).collect();
        return Err(ApiError::bad(format!(
            "invalid parameter \"type\": not supported value {kind:?}; it is alert or record"
        )));
    }
    let without_alerts = match params.get("exclude_alerts").map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0" | "f") => false,
        Some("true" | "1" | "t") => true,
        Some(_) => return Err(ApiError::bad("invalid parameter \"exclude_alerts\": it is true or false")),
    };
    let limit = params.number("group_limit")?.filter(|n| *n > 0);
    let token = params.get("group_next_token").map(str::to_string);
    let list = |name: &str| params.all(name).map(str::to_string).collect::<Vec<_>>();
    let wanted = Wanted {
        kind,
        rules: list("rule_name[]"),
        groups: list("rule_group[]"),
        files: list("file[]"),
        matchers: super::series::matcher_sets(&params)?,
        without_alerts,
    };
    let mut groups = tell::rules(&app.monitors, &wanted);
    let key = |g: &Json| format!("{};{}", g["file"].as_str().unwrap_or(""), g["name"].as_str().unwrap_or(""));
    if let Some(token) = token {
        let at = groups.iter().position(|g| key(g) == token);
        let text = "invalid parameter \"group_next_token\": it is of no group; ask again without it";
        groups = groups.split_off(at.ok_or_else(|| ApiError::bad(text))?);
    }
    let mut data = json!({});
    if let Some(limit) = limit.filter(|n| *n < groups.len()) {
        data["groupNextToken"] = key(&groups[limit]).into();
        groups.truncate(limit);
    }
    data["groups"] = Json::Array(groups);
    Ok(success(&data))
}

pub async fn alerts(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&json!({ "alerts": tell::alerts(&app.monitors) })))
}

pub async fn alertmanagers(State(app): State<Arc<App>>) -> ApiResult {
    // Rules of ours are told by ourselves.
    let own = json!([{ "url": format!("{}/api/v2/alerts", app.monitors.base) }]);
    Ok(success(&json!({ "activeAlertmanagers": own, "droppedAlertmanagers": [] })))
}

pub async fn list(State(app): State<Arc<App>>) -> ApiResult {
    let now_ms = now_ms();
    let monitors = tell::monitors(&app.monitors, now_ms);
    Ok(success(&json!({
        "now_ms": now_ms,
        "monitors": monitors,
        "problems": tell::problems(&app.monitors),
        "notifications": tell::notifications(&app.monitors, now_ms),
    })))
}

pub async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    let found = tell::monitors(&app.monitors, now_ms()).into_iter().find(|m| m["id"] == id.as_str());
    found.map(|m| success(&m)).ok_or_else(|| not_there().into())
}

fn not_there() -> Error {
    Error::new(ErrorKind::NotFound, "there is no monitor with this id; GET /api/v1/monitors lists all")
}

/// What a monitor of this text would be, without making it.
pub async fn check(request: Request) -> ApiResult {
    let new = NewMonitor::from_json(&said(request, BODY_BYTES_MAX).await?.0).map_err(ApiError::bad)?;
    Ok(success(&json!({ "rule": new.yaml() })))
}

pub async fn make(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let (json, who) = said(request, BODY_BYTES_MAX).await?;
    let new = NewMonitor::from_json(&json).map_err(ApiError::bad)?;
    let id = blocking(&app, move |app| add_monitor(&app.monitors, &new, &who)).await?;
    Ok(success(&json!({ "id": id, "file": app.monitors.own_file().display().to_string() })))
}

pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let who = only_who(request).await?;
    blocking(&app, move |app| remove_monitor(&app.monitors, &id, &who)).await?;
    Ok(success(&json!({})))
}
