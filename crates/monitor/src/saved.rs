//! Alerts as they are kept over a restart: JSON, one object for each rule that has any. Format: docs/formats/monitors.md.
//! It must never make an alert fire by the time in which nobody looked.

use crate::alert::{Active, AlertState, RuleState};
use model::Labels;
use serde_json::{Map, Value as Json, json};

/// A pending alert of a process that ended longer ago than this begins anew.
pub const DOWN_MS_MAX: i64 = 3_600_000;

/// A rule's alerts as JSON, an empty list if it was judged and has none; `None` if nothing is known of it.
pub fn to_json(state: &RuleState) -> Option<Json> {
    let alerts: Vec<Json> = state
        .active()
        .map(|a| (a, false))
        .chain(state.blind().map(|a| (a, true)))
        .map(|(a, is_blind)| {
            let pairs = |list: &mut dyn Iterator<Item = (&str, &str)>| -> Map<String, Json> {
                list.map(|(n, v)| (n.to_string(), v.into())).collect()
            };
            json!({
                "labels": pairs(&mut a.labels.iter()),
                "annotations": pairs(&mut a.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
                "state": a.state.as_str(),
                "value": a.value.to_string(),
                "active_at_ms": a.active_at_ms,
                "fired_at_ms": a.fired_at_ms,
                "kept_since_ms": a.kept_since_ms,
                "is_blind": is_blind,
            })
        })
        .collect();
    (state.has_judged() || !alerts.is_empty()).then_some(Json::Array(alerts))
}

/// The state that [`to_json`] wrote at `saved_ms`, as it is when the next process begins at `now_ms`. What fired goes on
/// firing until it was looked at again; what waited has to wait the time longer in which nobody looked.
///
/// # Errors
/// What is wrong with it.
pub fn from_json(json: &Json, saved_ms: i64, now_ms: i64) -> Result<RuleState, String> {
    let down_ms = (now_ms - saved_ms).max(0);
    let (mut alerts, mut blind) = (Vec::new(), None);
    for item in json.as_array().ok_or("alerts are no list")? {
        let mut alert = alert(item).ok_or("an alert is not whole")?;
        // A clock that was set back meanwhile makes nobody wait for it.
        alert.active_at_ms = alert.active_at_ms.min(now_ms - down_ms);
        if alert.state == AlertState::Pending {
            if down_ms > DOWN_MS_MAX {
                continue;
            }
            alert.active_at_ms += down_ms;
        }
        if item["is_blind"] == true {
            blind = Some(alert);
        } else {
            alerts.push(alert);
        }
    }
    Ok(RuleState::with(alerts, blind))
}

fn alert(item: &Json) -> Option<Active> {
    let pairs = |key: &str| -> Option<Vec<(String, String)>> {
        item[key].as_object()?.iter().map(|(n, v)| Some((n.clone(), v.as_str()?.to_string()))).collect()
    };
    let state = match item["state"].as_str()? {
        "pending" => AlertState::Pending,
        "firing" => AlertState::Firing,
        _ => return None,
    };
    Some(Active {
        labels: Labels::from_pairs(pairs("labels")?).ok()?,
        annotations: pairs("annotations")?,
        state,
        value: item["value"].as_str()?.parse().ok()?,
        active_at_ms: item["active_at_ms"].as_i64()?,
        fired_at_ms: item["fired_at_ms"].as_i64(),
        resolved_at_ms: None,
        kept_since_ms: item["kept_since_ms"].as_i64(),
    })
}
