//! What was told, as OpenTelemetry's JSON (opentelemetry-proto 1.x, JSON mapping), and changes as Midwatch's API takes
//! them: what any sender of the shop would have sent. It must never lose anything of it.

use crate::tell::{BOUNDS, Histogram, Snapshot, Value};
use model::{Change, LogBatch, Origin, Pairs, SpanBatch, SpanStatus};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn attributes<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Json {
    pairs.into_iter().map(|(k, v)| json!({ "key": k, "value": { "stringValue": v } })).collect()
}

fn resource(service: &str, host: &str, more: &Pairs) -> Json {
    let instance = format!("{service}-1");
    let own = [("service.name", service), ("service.instance.id", instance.as_str()), ("host.name", host)];
    json!({ "attributes": attributes(own.into_iter().chain(more.iter())) })
}

fn unit(name: &str) -> &'static str {
    match name {
        "process.memory.usage" => "By",
        n if n.ends_with(".duration") || n.ends_with(".time") => "s",
        _ => "",
    }
}

/// The body of a request to `/v1/metrics`.
pub fn metrics(snapshots: &[Snapshot]) -> String {
    let mut resources: BTreeMap<(&str, &str), BTreeMap<&str, Vec<Json>>> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, &Value> = BTreeMap::new();
    for snapshot in snapshots {
        for ((service, name, labels), value) in &snapshot.series {
            let version = snapshot.versions.get(service).map_or("", String::as_str);
            let labels = attributes(labels.iter().map(|(k, v)| (*k, v.as_str())));
            let of = resources.entry((service, version)).or_default();
            of.entry(name).or_default().push(point(snapshot, labels, value));
            kinds.entry(name).or_insert(value);
        }
    }
    let list: Json = resources
        .into_iter()
        .map(|((service, version), by_name)| {
            let version = [("service.version", version)].into_iter().collect();
            let metrics: Json = by_name
                .into_iter()
                .map(|(name, points)| {
                    let (kind, mut data) = match kinds[name] {
                        Value::Counter(_) => {
                            ("sum", json!({ "aggregationTemporality": 2, "isMonotonic": true }))
                        }
                        Value::Gauge(_) => ("gauge", json!({})),
                        Value::Histogram(_) => ("histogram", json!({ "aggregationTemporality": 2 })),
                    };
                    data["dataPoints"] = points.into();
                    json!({ "name": name, "unit": unit(name), kind: data })
                })
                .collect();
            let scope = json!({ "scope": { "name": "demo" }, "metrics": metrics });
            json!({ "resource": resource(service, "demo", &version), "scopeMetrics": [scope] })
        })
        .collect();
    json!({ "resourceMetrics": list }).to_string()
}

fn point(snapshot: &Snapshot, labels: Json, value: &Value) -> Json {
    let mut point = json!({
        "attributes": labels,
        "startTimeUnixNano": snapshot.start_ns.to_string(),
        "timeUnixNano": snapshot.time_ns.to_string(),
    });
    match value {
        Value::Counter(n) | Value::Gauge(n) => point["asDouble"] = (*n).into(),
        Value::Histogram(h) => {
            let Histogram { buckets, sum, exemplar } = h.as_ref();
            point["count"] = buckets.iter().sum::<u64>().to_string().into();
            point["sum"] = (*sum).into();
            point["bucketCounts"] = buckets.iter().map(u64::to_string).collect();
            point["explicitBounds"] = BOUNDS.to_vec().into();
            if let Some((time_ns, seconds, trace, span)) = exemplar {
                point["exemplars"] = json!([{
                    "timeUnixNano": time_ns.to_string(),
                    "asDouble": seconds,
                    "traceId": trace.to_string(),
                    "spanId": span.to_string(),
                }]);
            }
        }
    }
    point
}

/// The body of a request to `/v1/logs`.
pub fn logs(batch: &LogBatch) -> String {
    let mut by_origin: Vec<Vec<Json>> = vec![vec![]; batch.origins.len()];
    for (i, row) in batch.rows().enumerate() {
        let mut record = json!({
            "timeUnixNano": row.time_ns.to_string(),
            "severityNumber": row.severity.number(),
            "severityText": row.severity.name().to_uppercase(),
            "body": { "stringValue": row.body },
            "attributes": attributes(batch.attributes(i)),
        });
        if let (Some(trace), Some(span)) = (row.trace_id, row.span_id) {
            record["traceId"] = trace.to_string().into();
            record["spanId"] = span.to_string().into();
        }
        by_origin[row.origin as usize].push(record);
    }
    let list = grouped(&batch.origins, by_origin, "scopeLogs", "logRecords");
    json!({ "resourceLogs": list }).to_string()
}

/// The body of a request to `/v1/traces`.
pub fn spans(batch: &SpanBatch) -> String {
    let mut by_origin: Vec<Vec<Json>> = vec![vec![]; batch.origins.len()];
    for span in &batch.spans {
        let mut told = json!({
            "traceId": span.trace_id.to_string(),
            "spanId": span.span_id.to_string(),
            "name": span.name,
            "kind": span.kind.number(),
            "startTimeUnixNano": span.start_ns.to_string(),
            "endTimeUnixNano": (span.start_ns + span.duration_ns as i64).to_string(),
            "attributes": attributes(span.attributes.iter()),
        });
        if let Some(parent) = span.parent_id {
            told["parentSpanId"] = parent.to_string().into();
        }
        if span.status != SpanStatus::Unset {
            told["status"] = json!({ "code": span.status.number(), "message": span.status_message });
        }
        by_origin[span.origin as usize].push(told);
    }
    let list = grouped(&batch.origins, by_origin, "scopeSpans", "spans");
    json!({ "resourceSpans": list }).to_string()
}

/// The body of a request to `/api/v1/changes`.
pub fn change(change: &Change) -> String {
    let Change { time_ns, id, kind, title, service, host, author, link, attributes } = change;
    let more: serde_json::Map<_, _> =
        attributes.iter().map(|(k, v)| (k.to_string(), Json::from(v))).collect();
    json!({
        "time": model::time::format_rfc3339_ms(time_ns / 1_000_000),
        "id": id, "kind": kind, "title": title, "service": service, "host": host, "author": author, "link": link,
        "attributes": more,
    })
    .to_string()
}

fn grouped(origins: &[Origin], lists: Vec<Vec<Json>>, scope: &str, name: &str) -> Json {
    let told = origins.iter().zip(lists).filter(|(_, list)| !list.is_empty());
    told.map(|(origin, list)| {
        json!({
            "resource": resource(&origin.service, &origin.host, &origin.attributes),
            scope: [{ "scope": { "name": "demo" }, name: list }],
        })
    })
    .collect()
}
