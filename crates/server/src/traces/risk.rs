//! Which copies there are of the services of a map, for the marks of `look::redundancy`. It must never guess: what is not
//! scraped, nor sends its own metrics, has no copies that are known.

use crate::app::App;
use ::query::{QueryError, QueryOptions, Value};
use look::redundancy::{Place, marks};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Copies of a service: which answer, and which there are.
#[derive(Default)]
struct Copies {
    up: BTreeSet<String>,
    all: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

/// Marks the nodes of a map in place, by their callers and the copies that are known at `end_ms`.
///
/// # Errors
/// If it takes too long.
pub fn mark(app: &App, map: &mut Json, end_ms: i64, options: &QueryOptions) -> Result<(), QueryError> {
    let view = app.store.view();
    let ask = |text: &str| -> Result<Vec<(model::Labels, f64)>, QueryError> {
        let expr = ::query::parse(text).map_err(QueryError::from)?;
        match ::query::instant(&view, &expr, end_ms, options)?.value {
            Value::Vector(rows) => {
                Ok(rows.into_iter().filter_map(|(labels, _, v)| Some((labels, v.number()?))).collect())
            }
            _ => Ok(Vec::new()),
        }
    };
    let mut copies: BTreeMap<String, Copies> = BTreeMap::new();
    // A job of OpenTelemetry is namespace/name, and spans have the name.
    let name = |labels: &model::Labels| labels.get("job").rsplit('/').next().unwrap_or_default().to_string();
    for (labels, _) in ask(
        "group by (job, instance, host_name) (last_over_time(target_info[1h]) or last_over_time(up[1h]))",
    )? {
        let of = copies.entry(name(&labels)).or_default();
        of.all.insert(labels.get("instance").to_string());
        let host = labels.get("host_name");
        if !host.is_empty() {
            of.hosts.insert(host.to_string());
        }
    }
    for (labels, _) in ask("group by (job, instance) (target_info or up == 1)")? {
        copies.entry(name(&labels)).or_default().up.insert(labels.get("instance").to_string());
    }
    let mut spare: BTreeMap<String, i64> = BTreeMap::new();
    let voting = r#"sum by (job) (up{job=~".*(etcd|consul|zookeeper|vault).*"}) - floor(count by (job) (up{job=~".*(etcd|consul|zookeeper|vault).*"}) / 2) - 1"#;
    for (labels, value) in ask(voting)? {
        spare.insert(name(&labels), value as i64);
    }
    let edges = map["edges"].as_array().cloned().unwrap_or_default();
    for node in map["nodes"].as_array_mut().into_iter().flatten() {
        let called = node["name"].as_str().unwrap_or_default().to_string();
        let of = copies.get(&called);
        let place = Place {
            copies: of.filter(|c| !c.all.is_empty()).map(|c| (c.up.len(), c.all.len())),
            callers: edges
                .iter()
                .filter(|e| e["server"] == called.as_str() && e["client"] != called.as_str())
                .count(),
            hosts: of.map(|c| c.hosts.iter().cloned().collect()).unwrap_or_default(),
            spare: spare.get(&called).copied(),
        };
        let all: Vec<Json> = marks(&place)
            .into_iter()
            .map(|(mark, why)| json!({ "mark": mark.as_str(), "why": why }))
            .collect();
        node["marks"] = all.into();
    }
    Ok(())
}
