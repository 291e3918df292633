//! What is scraped: `targets`, `targets/metadata`, `scrape_pools`, and `discovery`.

use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use crate::scrape::{Pairs, TargetStatus};
use axum::extract::{Request, State};
use model::time::{format_duration_ms, format_rfc3339_ms};
use model::{Matcher, Metadata};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn object(labels: &model::Labels) -> Map<String, Json> {
    labels.iter().map(|(n, v)| (n.to_string(), v.into())).collect()
}

fn pairs(pairs: &Pairs) -> Map<String, Json> {
    pairs.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect()
}

pub async fn targets(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let state = params.get("state").unwrap_or("any").to_ascii_lowercase();
    let pool = params.get("scrapePool");
    let is_wanted = |name: &str| pool.is_none_or(|p| p == name);
    let active: Vec<Json> = app
        .scrape
        .snapshot()
        .iter()
        .filter(|t| state != "dropped" && is_wanted(&t.pool))
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
        .filter(|d| state != "active" && is_wanted(&d.pool))
        .map(|d| json!({ "discoveredLabels": pairs(&d.discovered_labels), "scrapePool": d.pool }))
        .collect();
    Ok(success(&json!({
        "activeTargets": active,
        "droppedTargets": dropped_targets,
        "droppedTargetCounts": dropped_counts,
        "problems": app.scrape.problems(),
    })))
}

pub async fn scrape_pools(State(app): State<Arc<App>>) -> ApiResult {
    let configured = app.settings.scrape.iter().map(|job| job.job.clone());
    let found = app.scrape.snapshot().into_iter().map(|t| t.pool);
    let pools: BTreeSet<String> = configured.chain(found).collect();
    Ok(success(&json!({ "scrapePools": pools })))
}

/// How far back a series counts as one that its target has now.
const PRESENT_MS: i64 = 300_000;

/// What targets say about their metrics. What is kept of it is one text for each metric, so all targets that have the
/// metric give the same.
pub async fn metadata(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let matchers = match params.get("match_target") {
        Some(text) => ::query::parse_selector(text).map_err(|e| ApiError::parse("match_target", e))?,
        None => Vec::new(),
    };
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    let metric = params.get("metric").map(str::to_string);
    let fits = |t: &TargetStatus| matchers.iter().all(|m| m.matches(t.labels.get(&m.name)));
    let targets: Vec<TargetStatus> = app.scrape.snapshot().into_iter().filter(fits).collect();
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| -> stdx::Result<Vec<Json>> {
        let (view, known) = (inside.store.view(), inside.store.metadata());
        let mut all = Vec::new();
        for target in targets {
            if stop() || all.len() >= limit {
                break;
            }
            let of_target: Vec<Matcher> = target.labels.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
            let since_ms = now_ms() - PRESENT_MS;
            let series = view.series(&of_target, since_ms, i64::MAX, inside.settings.query.series_max)?;
            let families: BTreeMap<&str, &Metadata> = series
                .iter()
                .filter_map(|l| model::metadata::family_names(l.name()).find_map(|name| known.get(name)))
                .map(|m| (m.metric.as_str(), m))
                .filter(|(name, _)| metric.as_ref().is_none_or(|wanted| wanted == name))
                .collect();
            for (name, m) in families.into_iter().take(limit - all.len()) {
                let mut entry = json!({
                    "target": object(&target.labels), "type": m.kind.as_str(), "help": m.help, "unit": m.unit,
                });
                if metric.is_none() {
                    entry["metric"] = name.into();
                }
                all.push(entry);
            }
        }
        Ok(all)
    });
    Ok(success(&found.await?.into()))
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
