//! Who calls whom: services and their calls over a window, from what was counted as spans arrived; where nothing was counted
//! (spans of long ago that were brought in later), from the spans themselves. It must never guess a call that was not seen.

use super::{read, stats};
use crate::app::App;
use crate::gate::Stop;
use ::query::{QueryError, Value};
use ingest::spans::graph;
use model::{SpanId, SpanKind, SpanStatus, TraceId};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use store::tables::{Order, Scan, Table};

/// Spans that a map is made of, where it is made of spans.
const SPANS_MAX: usize = 200_000;

#[derive(Default)]
struct Edge {
    calls: f64,
    failed: f64,
    /// Median and 99th percentile, in seconds.
    seconds: Option<(f64, f64)>,
    connection: String,
}

#[derive(Default)]
struct Map {
    edges: BTreeMap<(String, String), Edge>,
    /// Spans that answered, errors, seconds of each service.
    nodes: BTreeMap<String, Edge>,
    source: &'static str,
    is_cut: bool,
    cost: Json,
}

/// Reads, and writes the answer.
///
/// # Errors
/// If it takes too long or needs too much.
pub fn run(app: &App, start_ms: i64, end_ms: i64, stop: &Stop) -> Result<Json, QueryError> {
    let mut map = counted(app, start_ms, end_ms, stop.clone())?;
    if map.edges.is_empty() && map.nodes.is_empty() {
        map = of_spans(app, (start_ms, end_ms), stop)?;
    }
    let mut answer = to_json(&map, start_ms, end_ms);
    super::risk::mark(app, &mut answer, end_ms, &crate::api::query_options(app, stop.clone()))?;
    Ok(answer)
}

fn counted(app: &App, start_ms: i64, end_ms: i64, stop: Stop) -> Result<Map, QueryError> {
    let view = app.store.view();
    let options = crate::api::query_options(app, stop);
    let window = format!("[{}ms]", (end_ms - start_ms).max(1));
    let ask = |text: String| -> Result<Vec<(model::Labels, f64)>, QueryError> {
        let expr = ::query::parse(&text).map_err(QueryError::from)?;
        match ::query::instant(&view, &expr, end_ms, &options)?.value {
            Value::Vector(rows) => {
                Ok(rows.into_iter().filter_map(|(labels, _, v)| Some((labels, v.number()?))).collect())
            }
            _ => Ok(Vec::new()),
        }
    };
    let mut map = Map { source: "metrics", ..Map::default() };
    let text = |labels: &model::Labels, name: &str| labels.get(name).to_string();
    let edge = |labels: &model::Labels| (text(labels, "client"), text(labels, "server"));
    let by = "sum by (client, server, connection_type)";
    for (labels, calls) in ask(format!("{by} (increase({}{window})) > 0", graph::TOTAL))? {
        let entry = map.edges.entry(edge(&labels)).or_default();
        entry.calls += calls;
        entry.connection = text(&labels, "connection_type");
    }
    for (labels, failed) in ask(format!("{by} (increase({}{window})) > 0", graph::FAILED))? {
        map.edges.entry(edge(&labels)).or_default().failed += failed;
    }
    for (quantile, is_high) in [("0.5", false), ("0.99", true)] {
        for seconds in [graph::SERVER_SECONDS, graph::CLIENT_SECONDS] {
            let rows = ask(format!(
                "histogram_quantile({quantile}, sum by (client, server) (increase({seconds}{window})))"
            ))?;
            for (labels, value) in rows.into_iter().filter(|(_, v)| v.is_finite()) {
                let edge = map.edges.entry(edge(&labels)).or_default();
                // What the one that asked saw comes last: it is what counts.
                let (low, high) = edge.seconds.unwrap_or_default();
                edge.seconds = Some(if is_high { (low, value) } else { (value, high) });
            }
        }
    }
    let entry = r#"span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER""#;
    let calls = ingest::spans::metrics::CALLS;
    let duration = ingest::spans::metrics::DURATION;
    for (labels, n) in ask(format!("sum by (service_name) (increase({calls}{{{entry}}}{window})) > 0"))? {
        map.nodes.entry(text(&labels, "service_name")).or_default().calls = n;
    }
    let failed = format!(r#"{entry},status_code="STATUS_CODE_ERROR""#);
    for (labels, n) in ask(format!("sum by (service_name) (increase({calls}{{{failed}}}{window})) > 0"))? {
        map.nodes.entry(text(&labels, "service_name")).or_default().failed = n;
    }
    for (quantile, is_high) in [("0.5", false), ("0.99", true)] {
        let rows = ask(format!(
            "histogram_quantile({quantile}, sum by (service_name) (increase({duration}{{{entry}}}{window})))"
        ))?;
        for (labels, value) in rows.into_iter().filter(|(_, v)| v.is_finite()) {
            let node = map.nodes.entry(text(&labels, "service_name")).or_default();
            let (low, high) = node.seconds.unwrap_or_default();
            node.seconds = Some(if is_high { (low, value) } else { (value, high) });
        }
    }
    Ok(map)
}

/// The newest spans of the window: calls are where a span and its parent are of different services.
fn of_spans(app: &App, (start_ms, end_ms): (i64, i64), stop: &Stop) -> Result<Map, QueryError> {
    let scan = Scan {
        from_ns: start_ms.saturating_mul(1_000_000),
        to_ns: end_ms.saturating_mul(1_000_000),
        columns: Some(
            ["time", "duration_ns", "trace_id", "span_id", "parent_id", "service", "kind", "status"]
                .map(String::from)
                .to_vec(),
        ),
        order: Order::NewestFirst,
        ..Scan::new(Table::Spans)
    };
    struct Known {
        service: String,
        parent: Option<SpanId>,
        kind: SpanKind,
        is_error: bool,
        seconds: f64,
    }
    let mut spans: HashMap<(TraceId, SpanId), Known> = HashMap::new();
    let cost = read(app, scan, stop, |batch| {
        for span in &batch.spans {
            let known = Known {
                service: batch.origin(span).service.clone(),
                parent: span.parent_id,
                kind: span.kind,
                is_error: span.status == SpanStatus::Error,
                seconds: span.duration_ns as f64 / 1e9,
            };
            spans.insert((span.trace_id, span.span_id), known);
        }
        spans.len() < SPANS_MAX
    })?;
    let mut map =
        Map { source: "spans", is_cut: spans.len() >= SPANS_MAX, cost: stats(&cost), ..Map::default() };
    let mut times: HashMap<(String, String), Vec<f64>> = HashMap::new();
    let mut own: HashMap<String, Vec<f64>> = HashMap::new();
    for ((trace, _), span) in &spans {
        let parent = span.parent.and_then(|p| spans.get(&(*trace, p)));
        let is_entry = parent.is_none_or(|p| p.service != span.service);
        if is_entry || matches!(span.kind, SpanKind::Server | SpanKind::Consumer) {
            let node = map.nodes.entry(span.service.clone()).or_default();
            node.calls += 1.0;
            node.failed += f64::from(u8::from(span.is_error));
            own.entry(span.service.clone()).or_default().push(span.seconds);
        }
        if let Some(parent) = parent.filter(|_| is_entry) {
            let key = (parent.service.clone(), span.service.clone());
            let edge = map.edges.entry(key.clone()).or_default();
            edge.calls += 1.0;
            edge.failed += f64::from(u8::from(span.is_error));
            times.entry(key).or_default().push(span.seconds);
        }
    }
    let quantiles = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        let at = |q: f64| all[((all.len() - 1) as f64 * q).round() as usize];
        (at(0.5), at(0.99))
    };
    for (key, all) in times {
        map.edges.entry(key).or_default().seconds = Some(quantiles(all));
    }
    for (service, all) in own {
        map.nodes.entry(service).or_default().seconds = Some(quantiles(all));
    }
    Ok(map)
}

fn to_json(map: &Map, start_ms: i64, end_ms: i64) -> Json {
    let seconds = ((end_ms - start_ms) as f64 / 1000.0).max(0.001);
    let facts = |e: &Edge| {
        json!({
            "rate": e.calls / seconds,
            "error_ratio": if e.calls > 0.0 { Json::from((e.failed / e.calls).min(1.0)) } else { Json::Null },
            "p50_s": e.seconds.map(|s| s.0),
            "p99_s": e.seconds.map(|s| s.1),
        })
    };
    let mut nodes: BTreeMap<&str, Json> = BTreeMap::new();
    for (name, node) in &map.nodes {
        nodes.insert(name, json!({ "name": name, "kind": "service", "facts": facts(node) }));
    }
    for ((client, server), edge) in &map.edges {
        for (name, is_server) in [(client, false), (server, true)] {
            let kind = match (edge.connection.as_str(), is_server) {
                ("database", true) => "database",
                ("messaging_system", true) => "queue",
                ("virtual_node", true) => "outside",
                ("virtual_node", false) if name == graph::USER => "user",
                _ => "service",
            };
            nodes.entry(name).or_insert_with(|| {
                let of = if is_server { facts(edge) } else { facts(&Edge::default()) };
                json!({ "name": name, "kind": kind, "facts": of })
            });
        }
    }
    let edges: Vec<Json> = map
        .edges
        .iter()
        .map(|((client, server), e)| {
            json!({ "client": client, "server": server, "connection": e.connection, "facts": facts(e) })
        })
        .collect();
    json!({
        "nodes": nodes.into_values().collect::<Vec<_>>(), "edges": edges, "source": map.source,
        "is_cut": map.is_cut, "stats": map.cost, "start_ms": start_ms, "end_ms": end_ms,
    })
}
