//! One trace whole: every span with what was said of it, where it is drawn, and what made the trace as long as it was.

use super::{extend, read, stats};
use crate::app::App;
use crate::gate::Stop;
use look::trace::{Placed, Trace, assemble};
use model::{Pairs, SpanBatch, TraceId};
use serde_json::{Value as Json, json};
use stdx::{Error, ErrorKind, Result};
use store::tables::{Predicate, Scan, Table};

/// Spans of one trace that are shown.
pub const SPANS_MAX: usize = 50_000;

/// The spans of a trace, within nanoseconds since 1970, at most [`SPANS_MAX`]; whether there are more; and what reading cost.
///
/// # Errors
/// `Cancelled` if it takes too long.
pub fn spans(app: &App, id: TraceId, range_ns: (i64, i64), stop: &Stop) -> Result<(SpanBatch, bool, Json)> {
    let scan = Scan {
        from_ns: range_ns.0,
        to_ns: range_ns.1,
        predicates: vec![Predicate::Equals { column: "trace_id".into(), value: id.to_string() }],
        ..Scan::new(Table::Spans)
    };
    let (mut all, mut is_cut) = (SpanBatch::default(), false);
    let cost = read(app, scan, stop, |batch| {
        extend(&mut all, batch);
        is_cut = all.spans.len() > SPANS_MAX;
        all.spans.truncate(SPANS_MAX);
        !is_cut
    })?;
    Ok((all, is_cut, stats(&cost)))
}

/// Reads, puts together, and writes the answer.
///
/// # Errors
/// `NotFound` if there is no span of it; `Cancelled` if it takes too long.
pub fn run(app: &App, id: TraceId, range_ns: (i64, i64), stop: &Stop) -> Result<Json> {
    let (batch, is_cut, cost) = spans(app, id, range_ns, stop)?;
    if batch.spans.is_empty() {
        let text = format!(
            "no span of trace {id} is here: it was never sent, not kept, or is older than what is kept"
        );
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    Ok(to_json(id, &batch, &assemble(&batch), is_cut, cost))
}

fn object(pairs: &Pairs) -> Json {
    pairs.iter().map(|(n, v)| (n.to_string(), Json::from(v))).collect::<serde_json::Map<_, _>>().into()
}

fn to_json(id: TraceId, batch: &SpanBatch, trace: &Trace, is_cut: bool, cost: Json) -> Json {
    let span = |placed: &Placed| {
        let span = &batch.spans[placed.span];
        let origin = batch.origin(span);
        let events: Vec<Json> = span
            .events
            .iter()
            .map(|e| json!({ "offset_ns": e.time_ns.saturating_sub(span.start_ns), "name": e.name, "attributes": object(&e.attributes) }))
            .collect();
        let links: Vec<Json> = span
            .links
            .iter()
            .map(|l| json!({ "trace_id": l.trace_id.to_string(), "span_id": l.span_id.to_string(), "attributes": object(&l.attributes) }))
            .collect();
        json!({
            "span_id": span.span_id.to_string(),
            "parent_id": span.parent_id.map(|p| p.to_string()),
            "parent": placed.parent,
            "depth": placed.depth,
            "below": placed.below,
            "service": origin.service,
            "host": origin.host,
            "name": span.name,
            "kind": span.kind.name(),
            "status": span.status.name(),
            "message": span.status_message,
            "offset_ns": span.start_ns.saturating_add(placed.shift_ns).saturating_sub(trace.start_ns),
            "duration_ns": span.duration_ns,
            "self_ns": placed.self_ns,
            "critical_ns": placed.critical_ns,
            "shift_ns": placed.shift_ns,
            "is_orphan": placed.is_orphan,
            "was_in_circle": placed.was_in_circle,
            "attributes": object(&span.attributes),
            "resource": object(&origin.attributes),
            "events": events,
            "links": links,
        })
    };
    let services: Vec<Json> = trace
        .services
        .iter()
        .map(|(name, s)| {
            json!({ "service": name, "spans": s.spans, "errors": s.errors, "self_ns": s.self_ns, "critical_ns": s.critical_ns })
        })
        .collect();
    let critical: Vec<Json> = trace
        .critical
        .iter()
        .map(|s| {
            json!([s.span, s.from_ns.saturating_sub(trace.start_ns), s.to_ns.saturating_sub(trace.start_ns)])
        })
        .collect();
    json!({
        "trace_id": id.to_string(),
        "start_ms": trace.start_ns as f64 / 1e6,
        "duration_ns": trace.end_ns.saturating_sub(trace.start_ns),
        "root": trace.root,
        "spans": trace.spans.iter().map(span).collect::<Vec<_>>(),
        "services": services,
        "critical": critical,
        "duplicates": trace.duplicates,
        "orphans": trace.orphans,
        "circles": trace.circles,
        "shifted": trace.shifted,
        "is_cut": is_cut,
        "stats": cost,
    })
}
