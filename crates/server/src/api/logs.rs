//! Asking for logs: search, counts over time, fields, templates, records as they come, and everything that is known of one
//! identifier.

use super::asked::blocking;
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, read_body, success};
use crate::logs::search::{self, Ask, Cursor};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ingest::patterns::{Seen, Template};
use look::logs::metric::Spec;
use look::logs::{Compiled, parse};
use model::time::format_rfc3339_ms;
use model::{LogBatch, Severity};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use store::tables::{Order, Predicate, Scan, Table, to_changes, to_log_batch, to_spans};
use tokio::sync::broadcast::error::RecvError;

/// Records of one page.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 200;
/// What is shown when no range is asked for.
const RANGE_MS: i64 = 3_600_000;
/// Bytes of one text in an answer; the rest is had by asking for that record alone.
const TEXT_BYTES: usize = 64 << 10;
/// Who may watch records as they come.
pub const WATCHERS_MAX: usize = 32;

fn range(params: &Params) -> ApiResult<(i64, i64)> {
    let now_ms = now_ms();
    let end_ms = params.time_ms("end")?.unwrap_or(now_ms + 1_000);
    let start_ms = params.time_ms("start")?.unwrap_or(end_ms - RANGE_MS);
    if start_ms > end_ms {
        return Err(ApiError::bad("invalid parameter \"end\": it is before \"start\""));
    }
    Ok((start_ms, end_ms))
}

fn ask(app: &App, params: &Params) -> ApiResult<Ask> {
    let (start_ms, end_ms) = range(params)?;
    let bad = |e: String| ApiError::bad(format!("invalid parameter \"query\": {e}"));
    let query = parse(params.get("query").unwrap_or("")).map_err(bad)?;
    let ns = |ms: i64| ms.saturating_mul(1_000_000);
    Ok(app
        .logs
        .patterns
        .read(|patterns| Ask::new(query, ns(start_ms), ns(end_ms).saturating_add(999_999), patterns))?)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(text.len().min(TEXT_BYTES))]
}

fn hex(pattern: u64) -> Json {
    if pattern == 0 { Json::Null } else { format!("{pattern:016x}").into() }
}

fn pairs<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Json {
    Json::Object(all.map(|(n, v)| (n.to_string(), cut(v).into())).collect::<Map<_, _>>())
}

/// A record as the API gives it.
fn record(batch: &LogBatch, i: usize) -> Json {
    let (row, origin) = (batch.row(i), batch.origin(i));
    let mut out = json!({
        "time_ns": row.time_ns.to_string(),
        "time": format_rfc3339_ms(row.time_ns.div_euclid(1_000_000)),
        "level": row.severity.name(),
        "severity": row.severity.number(),
        "service": origin.service,
        "host": origin.host,
        "body": cut(row.body),
        "pattern": hex(row.pattern),
        "trace_id": row.trace_id.map(|id| id.to_string()),
        "span_id": row.span_id.map(|id| id.to_string()),
        "attributes": pairs(batch.attributes(i)),
        "resource": pairs(origin.attributes.iter()),
    });
    if row.body.len() > TEXT_BYTES {
        out["body_bytes"] = row.body.len().into();
    }
    out
}

/// `GET /api/v1/logs/search?query=&start=&end=&limit=&cursor=`.
pub async fn find(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let ask = ask(&app, &params)?;
    let limit = params.number("limit")?.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let cursor = match params.get("cursor") {
        None => None,
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| {
            ApiError::bad("invalid parameter \"cursor\": give back the \"next\" of an answer")
        })?),
    };
    let inside = app.clone();
    let page =
        app.gate.run(None, move |stop| search::page(&inside.store, &ask, cursor, limit, &stop)).await?;
    let records: Vec<Json> = page.records.iter().map(|(batch, i)| record(batch, *i)).collect();
    Ok(success(&json!({
        "records": records,
        "next": page.next.map(Cursor::text),
        "partial": page.is_partial,
    })))
}

/// `GET /api/v1/logs/histogram?query=&start=&end=&steps=`.
pub async fn histogram(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let (start_ms, end_ms) = range(&params)?;
    let ask = ask(&app, &params)?;
    let steps = params.number("steps")?.unwrap_or(60).clamp(1, 500);
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| search::histogram(&inside.store, &ask, steps, &stop)).await?;
    let counts: Map<String, Json> = found
        .counts
        .into_iter()
        .map(|(name, counts)| (if name.is_empty() { "unknown" } else { name }.to_string(), json!(counts)))
        .collect();
    Ok(success(&json!({
        "start_ms": start_ms,
        "end_ms": end_ms,
        "steps": steps,
        "counts": counts,
        "total": found.total,
        "partial": found.is_partial,
    })))
}

/// `GET /api/v1/logs/fields?query=&start=&end=`.
pub async fn fields(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let ask = ask(&app, &params)?;
    let records_max = params.number("records")?.unwrap_or(2_000).clamp(1, 20_000);
    let inside = app.clone();
    let (facets, looked_at) =
        app.gate.run(None, move |stop| search::facets(&inside.store, &ask, records_max, &stop)).await?;
    let one = |f: search::Facet| {
        let values: Vec<Json> = f.values.iter().map(|(v, n)| json!({ "value": v, "count": n })).collect();
        json!({ "name": f.name, "records": f.records, "distinct": f.distinct, "values": values })
    };
    Ok(success(&json!({ "looked_at": looked_at, "fields": facets.into_iter().map(one).collect::<Vec<_>>() })))
}

fn template(t: &Template, seen: Option<&Seen>, now_ns: i64) -> Json {
    let h = &t.history;
    let mut out = json!({
        "id": hex(t.id),
        "service": t.service,
        "host": t.host,
        "text": t.text,
        "example": t.example,
        "level": t.severity.name(),
        "first_ms": h.first_ns() / 1_000_000,
        "last_ms": h.last_ns() / 1_000_000,
        "count": h.total(),
        "per_minute": h.per_minute(now_ns),
    });
    match seen {
        Some(Seen::New { is_service_new }) => out["is_service_new"] = (*is_service_new).into(),
        Some(Seen::Vanished { expected }) => out["expected"] = json!(expected.round()),
        Some(Seen::Changed { now, before }) => {
            out["now_per_10m"] = json!(now.round());
            out["before_per_10m"] = json!((before * 10.0).round() / 10.0);
        }
        None => {}
    }
    out
}

/// `GET /api/v1/logs/patterns?level=&service=&limit=`.
pub async fn patterns(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let limit = params.number("limit")?.unwrap_or(100).clamp(1, 1_000);
    let level = params.get("level").map(|text| {
        let bad = || ApiError::bad(format!("invalid parameter \"level\": {text:?} is no level"));
        Severity::from_word(text).ok_or_else(bad)
    });
    let level = level.transpose()?.unwrap_or(Severity::UNKNOWN);
    let service = params.get("service").map(str::to_string);
    let now_ns = now_ms().saturating_mul(1_000_000);
    let inside = app.clone();
    let body = app.gate.run(None, move |_| -> stdx::Result<Json> {
        Ok(inside.logs.patterns.read(|patterns| {
            let is_wanted = |t: &Template| service.as_ref().is_none_or(|s| *s == t.service);
            let review = patterns.review(level, now_ns);
            let list = |all: &[(&Template, Seen)]| -> Vec<Json> {
                let wanted = all.iter().filter(|(t, _)| is_wanted(t)).take(limit);
                wanted.map(|(t, seen)| template(t, Some(seen), now_ns)).collect()
            };
            let mut most: Vec<&Template> =
                patterns.iter().filter(|t| t.severity >= level && is_wanted(t)).collect();
            let recent =
                |t: &Template| t.history.per_minute(now_ns).iter().map(|n| u64::from(*n)).sum::<u64>();
            most.sort_by_cached_key(|t| std::cmp::Reverse((recent(t), t.history.last_ns(), t.id)));
            json!({
                "known": patterns.len(),
                "new": list(&review.new),
                "vanished": list(&review.vanished),
                "changed": list(&review.changed),
                "most": most.iter().take(limit).map(|t| template(t, None, now_ns)).collect::<Vec<_>>(),
            })
        }))
    });
    Ok(success(&body.await?))
}

/// `GET /api/v1/logs/tail?query=`: server-sent events, one for each record; `missed` with a number when the watcher was too slow.
pub async fn tail(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let bad = |e: String| ApiError::bad(format!("invalid parameter \"query\": {e}"));
    let query = parse(params.get("query").unwrap_or("")).and_then(Compiled::new).map_err(bad)?;
    if app.logs.live.watchers() >= WATCHERS_MAX {
        let text = format!("{WATCHERS_MAX} are watching logs already; close one of them");
        return Err(stdx::Error::new(stdx::ErrorKind::Busy, text).into());
    }
    let mut watched = app.logs.live.watch();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(16);
    tokio::spawn(async move {
        // So that a watcher who has gone is noticed while nothing comes.
        let mut beat = tokio::time::interval(Duration::from_secs(10));
        loop {
            let text = tokio::select! {
                _ = beat.tick() => ": still here\n\n".to_string(),
                () = sender.closed() => return,
                batch = watched.recv() => match batch {
                    Ok(batch) => (0..batch.len())
                        .filter(|i| look::logs::matches(&query, &batch, *i))
                        .map(|i| format!("data: {}\n\n", record(&batch, i)))
                        .collect(),
                    Err(RecvError::Lagged(missed)) => format!("event: missed\ndata: {missed}\n\n"),
                    Err(RecvError::Closed) => return,
                },
            };
            if !text.is_empty() && sender.send(Ok(Bytes::from(text))).await.is_err() {
                return;
            }
        }
    });
    let stream = super::data::ReceiverStream(receiver);
    let types = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((types, Body::from_stream(stream)).into_response())
}

/// `GET /api/v1/logs/metrics`.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let one = |(spec, series, dropped): (Spec, usize, u64)| json!({ "name": spec.name, "query": spec.query, "field": spec.field, "by": spec.by, "series": series, "dropped": dropped });
    success(&Json::Array(app.logs.metrics().into_iter().map(one).collect()))
}

/// `POST /api/v1/logs/metrics` with `{"name":"","query":"","field":"","by":[]}`.
pub async fn add_metric(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, 64 << 10).await?;
    let json: Json =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not JSON: {e}")))?;
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or("").to_string();
    let by = json.get("by").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let by = by.iter().filter_map(|v| v.as_str().map(String::from)).collect();
    let spec = Spec { name: text("name"), query: text("query"), field: text("field"), by };
    change_metrics(app, move |app| app.logs.add_metric(spec)).await
}

/// `DELETE /api/v1/logs/metrics?name=`.
pub async fn remove_metric(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let name = params.required("name", params.get("name"))?.to_string();
    change_metrics(app, move |app| app.logs.remove_metric(&name)).await
}

async fn change_metrics(
    app: Arc<App>,
    change: impl FnOnce(&App) -> stdx::Result<()> + Send + 'static,
) -> ApiResult {
    blocking(&app, change).await?;
    Ok(metrics(State(app)).await)
}

/// Of each signal at the most.
const KNOWN_MAX: usize = 500;

/// `GET /api/v1/trace-a-bullet?id=&start=&end=`: everything that is known of one identifier, in the order of time.
pub async fn bullet(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let id = params.required("id", params.get("id").map(|t| t.trim().to_string()))?;
    if id.is_empty() || id.len() > 512 {
        return Err(ApiError::bad("invalid parameter \"id\": an identifier has 1 to 512 bytes"));
    }
    let end_ms = params.time_ms("end")?.unwrap_or(i64::MAX / 1_000_000);
    let start_ms = params.time_ms("start")?.unwrap_or(i64::MIN / 1_000_000);
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| -> stdx::Result<Json> {
        let mut events: Vec<(i64, Json)> = Vec::new();
        let mut is_cut = false;
        let mut is_partial = false;
        for table in [Table::Logs, Table::Spans, Table::Changes] {
            let scan = Scan {
                from_ns: start_ms.saturating_mul(1_000_000),
                to_ns: end_ms.saturating_mul(1_000_000),
                predicates: vec![Predicate::Id(id.clone())],
                order: Order::NewestFirst,
                limit: Some(KNOWN_MAX),
                ..Scan::new(table)
            };
            let before = events.len();
            let mut rows = inside.store.tables().scan(scan)?;
            for found in rows.by_ref() {
                if stop() {
                    let text = "it took longer than it may; give a range of time";
                    return Err(stdx::Error::new(stdx::ErrorKind::Cancelled, text).bound("query.timeout"));
                }
                let found = found?;
                match table {
                    Table::Logs => {
                        let batch = to_log_batch(&found);
                        let one = |i| (batch.row(i).time_ns, json!({ "kind": "log", "log": record(&batch, i) }));
                        events.extend((0..batch.len()).map(one));
                    }
                    Table::Spans => {
                        let batch = to_spans(&found);
                        events.extend(batch.spans.iter().map(|s| (s.start_ns, span(&batch, s))));
                    }
                    Table::Changes => events.extend(to_changes(&found).iter().map(|c| {
                        let what = json!({
                            "kind": "change",
                            "change": { "id": c.id, "kind": c.kind, "title": c.title, "service": c.service, "host": c.host, "link": c.link },
                        });
                        (c.time_ns, what)
                    })),
                }
            }
            is_cut |= events.len() - before >= KNOWN_MAX;
            is_partial |= rows.stats().is_partial();
        }
        let all = inside.sink.exemplars().select(&[Vec::new()], start_ms, end_ms);
        for (series, examples) in all {
            for e in examples.iter().filter(|e| e.labels.iter().any(|(_, v)| v == id)).take(KNOWN_MAX) {
                let what = json!({ "kind": "exemplar", "exemplar": { "series": series.to_string(), "value": e.value } });
                events.push((e.timestamp_ms.saturating_mul(1_000_000), what));
            }
        }
        events.sort_by_key(|(time_ns, _)| *time_ns);
        let events: Vec<Json> = events
            .into_iter()
            .map(|(time_ns, mut event)| {
                event["time_ns"] = time_ns.to_string().into();
                event["time"] = format_rfc3339_ms(time_ns.div_euclid(1_000_000)).into();
                event
            })
            .collect();
        Ok(json!({ "id": id, "events": events, "cut": is_cut, "partial": is_partial }))
    });
    Ok(success(&found.await?))
}

fn span(batch: &model::SpanBatch, s: &model::Span) -> Json {
    let origin = batch.origins.get(s.origin as usize);
    json!({
        "kind": "span",
        "span": {
            "trace_id": s.trace_id.to_string(),
            "span_id": s.span_id.to_string(),
            "service": origin.map_or("", |o| o.service.as_str()),
            "host": origin.map_or("", |o| o.host.as_str()),
            "name": s.name,
            "duration_ns": s.duration_ns,
            "status": s.status.name(),
            "attributes": pairs(s.attributes.iter()),
        },
    })
}
