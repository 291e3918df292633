//! Alerts that others send in the form of Alertmanager's API, version 2. One alert that makes no sense never spoils the
//! others.

use super::Alert;
use model::Labels;
use model::time::parse_time_ms;
use serde_json::Value as Json;

/// The most alerts of one request.
pub const ALERTS_PER_REQUEST_MAX: usize = 10_000;

/// Reads a body: alerts, and what is wrong with others.
///
/// # Errors
/// It is no list, or too long.
pub fn read(json: &Json, now_ms: i64, resolve_timeout_ms: i64) -> Result<(Vec<Alert>, Vec<String>), String> {
    let list = json.as_array().ok_or("the body is no list of alerts")?;
    if list.len() > ALERTS_PER_REQUEST_MAX {
        return Err(format!("more than {ALERTS_PER_REQUEST_MAX} alerts; send them in smaller parts"));
    }
    let (mut alerts, mut wrong) = (Vec::new(), Vec::new());
    for (i, item) in list.iter().enumerate() {
        match one(item, now_ms, resolve_timeout_ms) {
            Ok(alert) => alerts.push(alert),
            Err(e) => wrong.push(format!("alert {i}: {e}")),
        }
    }
    Ok((alerts, wrong))
}

fn one(json: &Json, now_ms: i64, resolve_timeout_ms: i64) -> Result<Alert, String> {
    let labels = super::pairs(&json["labels"]).ok_or("\"labels\" are missing, or are no texts")?;
    let labels = Labels::from_pairs(labels).map_err(|e| e.to_string())?;
    if labels.is_empty() {
        return Err("it has no labels".into());
    }
    let time = |key: &str| -> Result<Option<i64>, String> {
        match json[key].as_str().filter(|t| !t.is_empty() && !t.starts_with("0001-")) {
            Some(text) => parse_time_ms(text).map(Some).map_err(|e| format!("{key:?}: {e}")),
            None => Ok(None),
        }
    };
    let ends_at_ms = time("endsAt")?;
    let starts_at_ms = time("startsAt")?.unwrap_or_else(|| now_ms.min(ends_at_ms.unwrap_or(now_ms)));
    if ends_at_ms.is_some_and(|end| end < starts_at_ms) {
        return Err("it ends before it starts".into());
    }
    Ok(Alert {
        labels,
        annotations: super::pairs(&json["annotations"]).unwrap_or_default(),
        starts_at_ms,
        ends_at_ms: ends_at_ms.or(Some(now_ms + resolve_timeout_ms)),
        url: json["generatorURL"].as_str().unwrap_or("").chars().take(2_000).collect(),
        ..Alert::default()
    })
}
