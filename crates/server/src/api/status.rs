//! What this server is: build, settings, state of the store, its own metrics.

use super::config_yaml;
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiResult, Params, header_text, success};
use crate::own;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::time::{format_duration_ms, format_rfc3339_ms};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

pub async fn buildinfo() -> ApiResult {
    Ok(success(&json!({
        "application": "Midwatch",
        // What clients look at to see which parts of the Prometheus API there are.
        "version": "3.8.0",
        "midwatchVersion": env!("CARGO_PKG_VERSION"),
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
    })))
}

pub async fn runtimeinfo(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&json!({
        "startTime": format_rfc3339_ms(app.started_ms),
        "serverTime": format_rfc3339_ms(now_ms()),
        "hostname": app.settings.hostname,
        "CWD": std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default(),
        // The configuration is read once, at the start.
        "reloadConfigSuccess": true,
        "lastConfigTime": format_rfc3339_ms(app.started_ms),
        "corruptionCount": app.store.status().messages.len(),
        // Of Go's runtime there is nothing; clients expect the names.
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, |n| n.get()),
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": format_duration_ms(app.store.settings().retention_ms),
    })))
}

/// What is scraped, in the form of a configuration of Prometheus, without secrets.
pub async fn config(State(app): State<Arc<App>>) -> ApiResult {
    Ok(success(&json!({ "yaml": config_yaml::write(&app.settings.scrape) })))
}

/// The log is read before requests are taken, so it is always read to its end.
pub async fn walreplay() -> ApiResult {
    Ok(success(&json!({ "min": 0, "max": 0, "current": 0, "state": "done" })))
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
