//! What this server is and does: targets, discovery, status, its own metrics.

use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiResult, Params, header_text, success};
use crate::own;
use crate::scrape::Pairs;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::time::{format_duration_ms, format_rfc3339_ms};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn object(labels: &model::Labels) -> Map<String, Json> {
    labels.iter().map(|(n, v)| (n.to_string(), v.into())).collect()
}

fn pairs(pairs: &Pairs) -> Map<String, Json> {
    pairs.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect()
}

pub async fn targets(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let state = params.get("state").unwrap_or("any");
    let pool = params.get("scrapePool");
    let active: Vec<Json> = app
        .scrape
        .snapshot()
        .iter()
        .filter(|t| state != "dropped" && pool.is_none_or(|p| p == t.pool))
        .map(|t| {
            json!({
                "discoveredLabels": pairs(&t.discovered_labels),
                "labels": object(&t.labels),
                "scrapePool": t.pool,
                "scrapeUrl": t.scrape_url,
                "globalUrl": t.global_url,
                "lastError": t.last.error,
                "lastScrape": match t.last.at_ms {
                    0 => "0001-01-01T00:00:00Z".to_string(),
                    at_ms => format_rfc3339_ms(at_ms),
                },
                "lastScrapeDuration": t.last.duration_s,
                "health": t.last.health.as_str(),
                "scrapeInterval": format_duration_ms(t.interval_ms as i64),
                "scrapeTimeout": format_duration_ms(t.timeout_ms as i64),
                "lastSamples": t.last.samples,
                "found": t.found,
            })
        })
        .collect();
    let dropped = app.scrape.dropped();
    let mut dropped_counts: BTreeMap<&str, usize> = BTreeMap::new();
    dropped.iter().for_each(|d| *dropped_counts.entry(&d.pool).or_default() += 1);
    let dropped_targets: Vec<Json> = dropped
        .iter()
        .filter(|_| state != "active")
        .map(|d| json!({ "discoveredLabels": pairs(&d.discovered_labels), "scrapePool": d.pool }))
        .collect();
    Ok(success(&json!({
        "activeTargets": active,
        "droppedTargets": dropped_targets,
        "droppedTargetCounts": dropped_counts,
        "problems": app.scrape.problems(),
    })))
}

pub async fn discovery(State(app): State<Arc<App>>) -> ApiResult {
    let ports: Vec<Json> = app
        .discovery
        .as_ref()
        .map(|d| d.snapshot())
        .unwrap_or_default()
        .iter()
        .map(|p| {
            json!({
                "port": p.port, "address": p.address.to_string(), "process": p.process, "state": p.state.as_str(),
                "reason": p.reason, "checked_ms": p.checked_ms, "next_check_ms": p.next_check_ms,
            })
        })
        .collect();
    Ok(success(&json!({ "enabled": app.discovery.is_some(), "ports": ports })))
}

pub async fn buildinfo() -> ApiResult {
    Ok(success(&json!({
        "application": "Midwatch",
        // What clients look at to see which parts of the Prometheus API there are.
        "version": "2.45.0",
        "midwatchVersion": env!("CARGO_PKG_VERSION"),
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
    })))
}

pub async fn runtimeinfo(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&json!({
        "startTime": format_rfc3339_ms(app.started_ms),
        "CWD": "",
        "reloadConfigSuccess": true,
        "lastConfigTime": format_rfc3339_ms(app.started_ms),
        "corruptionCount": app.store.status().messages.len(),
        "storageRetention": format_duration_ms(app.store.settings().retention_ms),
    })))
}

pub async fn flags(State(app): State<Arc<App>>) -> ApiResult {
    let shown: Map<String, Json> =
        app.settings.shown.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect();
    Ok(success(&Json::Object(shown)))
}

pub async fn tsdb(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let limit = params.number("limit")?.unwrap_or(10).min(10_000);
    let inside = app.clone();
    let data = app
        .gate
        .run(None, move |_| -> stdx::Result<Json> {
            let status = inside.store.status();
            let view = inside.store.view();
            let top = view.with_head_index(|index| cardinality(index, limit)).unwrap_or_default();
            Ok(json!({
                "headStats": {
                    "numSeries": status.head_series,
                    "numLabelPairs": top.pairs,
                    "chunkCount": status.head_samples / store::chunk::SAMPLES_MAX as u64,
                    "minTime": status.oldest_ms,
                    "maxTime": now_ms(),
                },
                "seriesCountByMetricName": top.metrics,
                "labelValueCountByLabelName": top.values,
                "memoryInBytesByLabelName": top.memory,
                "seriesCountByLabelValuePair": top.by_pair,
            }))
        })
        .await?;
    Ok(success(&data))
}

#[derive(Default)]
struct Cardinality {
    pairs: usize,
    metrics: Vec<Json>,
    values: Vec<Json>,
    memory: Vec<Json>,
    by_pair: Vec<Json>,
}

fn cardinality(index: &store::LabelIndex, limit: usize) -> Cardinality {
    let (mut metrics, mut values, mut memory, mut by_pair) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut pairs = 0;
    for (name, of_name) in index.names() {
        let (mut count, mut bytes) = (0, 0);
        for (value, series) in of_name {
            count += 1;
            bytes += value.len();
            by_pair.push((format!("{name}={value}"), series));
            if name == model::NAME {
                metrics.push((value.to_string(), series));
            }
        }
        pairs += count;
        values.push((name.to_string(), count));
        memory.push((name.to_string(), bytes));
    }
    let top = |mut rows: Vec<(String, usize)>| -> Vec<Json> {
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        rows.into_iter().take(limit).map(|(name, value)| json!({ "name": name, "value": value })).collect()
    };
    Cardinality {
        pairs,
        metrics: top(metrics),
        values: top(values),
        memory: top(memory),
        by_pair: top(by_pair),
    }
}

pub async fn ready() -> &'static str {
    // Requests are only taken once the log has been read.
    "Midwatch is ready.\n"
}

pub async fn healthy() -> &'static str {
    "Midwatch is healthy.\n"
}

pub async fn metrics(State(app): State<Arc<App>>, request: Request) -> Response {
    let format = ingest::write_text::TextFormat::from_accept(&header_text(request.headers(), header::ACCEPT));
    let body = ingest::write_text::write(&own::families(&app), format);
    (StatusCode::OK, [(header::CONTENT_TYPE, format.content_type())], body).into_response()
}
