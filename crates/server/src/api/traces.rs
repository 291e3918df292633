//! Traces and the map of services over HTTP; and what Jaeger's interface asks for, so that Grafana shows them too.

use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use crate::traces::search::Search;
use crate::traces::{map, search, show};
use ::query::QueryError;
use axum::extract::{Path, Request, State};
use model::TraceId;
use serde_json::Value as Json;
use std::sync::Arc;

/// What is searched when no time is given.
const RANGE_MS: i64 = 3_600_000;
/// Conditions on attributes of one search.
const ATTRIBUTES_MAX: usize = 20;

fn range_ms(params: &Params) -> ApiResult<(i64, i64)> {
    let end_ms = params.time_ms("end")?.unwrap_or_else(now_ms);
    let start_ms = params.time_ms("start")?.unwrap_or(end_ms.saturating_sub(RANGE_MS));
    match start_ms <= end_ms {
        true => Ok((start_ms, end_ms)),
        false => Err(ApiError::bad("invalid parameter \"end\": it must not be before start")),
    }
}

fn ns(ms: i64) -> i64 {
    ms.saturating_mul(1_000_000)
}

/// A duration as nanoseconds: `1.5ms`, `20us`, or as everywhere (`2s`, a number of seconds).
pub(super) fn duration_ns(name: &str, text: &str) -> ApiResult<Option<i64>> {
    if text.is_empty() {
        return Ok(None);
    }
    let units = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let short =
        units.iter().find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale));
    match short.filter(|ns| ns.is_finite() && *ns >= 0.0) {
        Some(ns) => Ok(Some(ns as i64)),
        None => match model::time::parse_duration_ms(text) {
            Ok(ms) => Ok(Some(ns(ms))),
            Err(e) => Err(ApiError::bad(format!("invalid parameter {name:?}: {e}"))),
        },
    }
}

/// `name`, or `name=value`.
pub(super) fn attribute(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_string(), Some(value.to_string())),
        None => (text.to_string(), None),
    }
}

fn search_of(params: &Params) -> ApiResult<Search> {
    let (start_ms, end_ms) = range_ms(params)?;
    let text = |name: &str| params.get(name).unwrap_or("").to_string();
    let status = text("status");
    if !matches!(status.as_str(), "" | "error" | "ok" | "unset") {
        return Err(ApiError::bad("invalid parameter \"status\": it is error, ok or unset"));
    }
    let is_slowest = match params.get("order") {
        None | Some("newest") => false,
        Some("slowest") => true,
        Some(_) => return Err(ApiError::bad("invalid parameter \"order\": it is newest or slowest")),
    };
    let attributes: Vec<_> = params.all("attribute").filter(|a| !a.is_empty()).map(attribute).collect();
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(ApiError::bad(format!("a search has at most {ATTRIBUTES_MAX} conditions on attributes")));
    }
    Ok(Search {
        range_ns: (ns(start_ms), ns(end_ms).saturating_add(999_999)),
        service: text("service"),
        operation: text("operation"),
        status,
        duration_ns: (
            duration_ns("min_duration", params.get("min_duration").unwrap_or(""))?,
            duration_ns("max_duration", params.get("max_duration").unwrap_or(""))?,
        ),
        attributes,
        is_slowest,
        limit: params.number("limit")?.unwrap_or(20).clamp(1, search::SHOWN_MAX),
        offset: params.number("cursor")?.unwrap_or(0),
    })
}

pub async fn find(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let search = search_of(&Params::read(request).await?)?;
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| search::run(&inside, &search, &stop));
    Ok(success(&found.await?))
}

fn trace_id(text: &str) -> ApiResult<TraceId> {
    text.parse().map_err(|e| ApiError::bad(format!("{:.60?} is {e}", text)))
}

pub async fn one(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let id = trace_id(&id)?;
    let params = Params::read(request).await?;
    let range = |name: &str, none: i64| -> ApiResult<i64> { Ok(params.time_ms(name)?.map_or(none, ns)) };
    let range_ns = (range("start", i64::MIN)?, range("end", i64::MAX)?);
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| show::run(&inside, id, range_ns, &stop));
    Ok(success(&found.await?))
}

pub async fn services_map(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let (start_ms, end_ms) = range_ms(&Params::read(request).await?)?;
    let inside = app.clone();
    let found = app
        .gate
        .run(None, move |stop| -> Result<Json, QueryError> { map::run(&inside, start_ms, end_ms, &stop) });
    Ok(success(&found.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let request = Request::builder().uri(format!("/x?{query}")).body(axum::body::Body::empty()).unwrap();
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(Params::read(request))
            .unwrap()
    }

    #[test]
    fn what_is_asked_for() {
        let search = search_of(&params(
            "start=100&end=200&service=cart&status=error&min_duration=1.5ms&max_duration=2s&attribute=a=b=c&attribute=d&order=slowest&limit=900",
        ))
        .unwrap();
        assert_eq!(search.range_ns, (100_000_000_000, 200_000_999_999));
        assert_eq!(search.duration_ns, (Some(1_500_000), Some(2_000_000_000)));
        assert_eq!(search.attributes, [("a".into(), Some("b=c".into())), ("d".into(), None)]);
        assert_eq!((search.is_slowest, search.limit, search.offset), (true, search::SHOWN_MAX, 0));
        for bad in ["status=bad", "order=up", "start=2&end=1", "min_duration=x", "limit=-1"] {
            assert!(search_of(&params(bad)).is_err(), "{bad}");
        }
    }
}
