//! Finding traces: those with a span like the one that is asked for. Of each that is shown the whole is read, small enough to draw
//! beside its name. What was looked at is bounded; an answer that does not cover everything says so.

use super::{extend, read, stats};
use crate::app::App;
use crate::gate::Stop;
use look::trace::assemble;
use model::{Origin, Span, SpanBatch, SpanStatus, TraceId};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use stdx::Result;
use store::tables::{AttributeTest, Order, Predicate, Scan, Table};

/// Matching spans that one search looks at.
const SPANS_MAX: usize = 300_000;
/// Traces that one search finds; the newest, if the newest are asked for.
const TRACES_MAX: usize = 2_000;
/// Traces that are shown at once.
pub const SHOWN_MAX: usize = 100;
/// Spans of one trace that are read for the list.
const SPANS_OF_SHOWN_MAX: usize = 40_000;
/// Bars of a small drawing.
const BARS_MAX: usize = 40;
/// Names of one facet.
const NAMES_MAX: usize = 50;
/// How much longer than its first match a trace may have begun before or ended after.
const AROUND_NS: i64 = 3_600_000_000_000;

/// What is asked for. Empty texts ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Starts of spans, first and last, in nanoseconds since 1970.
    pub range_ns: (i64, i64),
    /// The service of a span.
    pub service: String,
    /// Its name.
    pub operation: String,
    /// `error`, `ok` or `unset`.
    pub status: String,
    /// Durations of it, in nanoseconds.
    pub duration_ns: (Option<i64>, Option<i64>),
    /// Attributes of it, or of its resource: name and, if it matters, value.
    pub attributes: Vec<(String, Option<String>)>,
    /// Slowest first, not newest.
    pub is_slowest: bool,
    /// How many are shown.
    pub limit: usize,
    /// How many come before.
    pub offset: usize,
}

impl Search {
    /// For the table of spans.
    pub fn predicates(&self) -> Vec<Predicate> {
        let equals =
            |column: &str, value: &str| Predicate::Equals { column: column.into(), value: value.into() };
        let mut all = Vec::new();
        for (column, value) in [("service", &self.service), ("name", &self.operation)] {
            if !value.is_empty() {
                all.push(equals(column, value));
            }
        }
        match self.status.as_str() {
            "" => {}
            "unset" => all.push(equals("status", "")),
            status => all.push(equals("status", status)),
        }
        let column = || "duration_ns".to_string();
        if let Some(value) = self.duration_ns.0 {
            all.push(Predicate::AtLeast { column: column(), value });
        }
        if let Some(value) = self.duration_ns.1 {
            all.push(Predicate::AtMost { column: column(), value });
        }
        for (name, value) in &self.attributes {
            let test = match value {
                Some(value) => AttributeTest::Equals(value.clone()),
                None => AttributeTest::Exists,
            };
            all.push(Predicate::Attribute { name: name.clone(), test });
        }
        all
    }

    /// The same of one span that was read.
    pub fn is_met(&self, span: &Span, origin: &Origin) -> bool {
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        let status = if self.status == "unset" { "" } else { self.status.as_str() };
        let duration = i64::try_from(span.duration_ns).unwrap_or(i64::MAX);
        let has = |(name, value): &(String, Option<String>)| {
            let found = span.attributes.get(name).or_else(|| origin.attributes.get(name));
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        is(&self.service, &origin.service)
            && is(&self.operation, &span.name)
            && (self.status.is_empty() || span.status.name() == status)
            && self.duration_ns.0.is_none_or(|least| duration >= least)
            && self.duration_ns.1.is_none_or(|most| duration <= most)
            && self.attributes.iter().all(has)
    }
}

/// A trace as far as its matching spans tell.
struct Match {
    id: TraceId,
    start_ns: i64,
    duration_ns: u64,
    is_error: bool,
    spans: u32,
}

#[derive(Default)]
struct Facets {
    services: BTreeMap<String, u64>,
    operations: BTreeMap<String, u64>,
    statuses: BTreeMap<&'static str, u64>,
}

/// Finds, and writes the answer.
///
/// # Errors
/// `Invalid` for what makes no sense, `Cancelled` if it takes too long.
pub fn run(app: &App, search: &Search, stop: &Stop) -> Result<Json> {
    let scan = Scan {
        from_ns: search.range_ns.0,
        to_ns: search.range_ns.1,
        predicates: search.predicates(),
        columns: Some(columns(&[
            "time",
            "duration_ns",
            "trace_id",
            "span_id",
            "parent_id",
            "service",
            "name",
            "status",
        ])),
        order: Order::NewestFirst,
        ..Scan::new(Table::Spans)
    };
    let (mut found, mut places) = (Vec::<Match>::new(), HashMap::<TraceId, usize>::new());
    let (mut facets, mut seen, mut is_cut) = (Facets::default(), 0, false);
    let cost = read(app, scan, stop, |batch| {
        for span in &batch.spans {
            seen += 1;
            let service = &batch.origin(span).service;
            facets.add(service, span);
            match places.get(&span.trace_id) {
                Some(at) => found[*at].add(span),
                None if found.len() >= TRACES_MAX && !search.is_slowest => is_cut = true,
                None => {
                    places.insert(span.trace_id, found.len());
                    found.push(Match::new(span));
                }
            }
        }
        is_cut |= seen >= SPANS_MAX;
        !is_cut
    })?;
    if search.is_slowest {
        found.sort_by_key(|m| (std::cmp::Reverse(m.duration_ns), std::cmp::Reverse(m.start_ns)));
        is_cut |= found.len() > TRACES_MAX;
        found.truncate(TRACES_MAX);
    }
    let shown: Vec<&Match> = found.iter().skip(search.offset).take(search.limit.min(SHOWN_MAX)).collect();
    let traces = whole(app, &shown, stop)?;
    let next = search.offset + shown.len();
    let point = |m: &Match| {
        json!([m.start_ns / 1_000_000, m.duration_ns as f64 / 1e6, u8::from(m.is_error), m.id.to_string()])
    };
    let shares: Vec<Json> = app
        .spans
        .shares()
        .iter()
        .map(|(service, s)| json!({ "service": service, "kept": s.kept, "dropped": s.dropped }))
        .collect();
    Ok(json!({
        "traces": traces,
        "next": if next < found.len() { Json::from(next) } else { Json::Null },
        "found": found.len(),
        "is_cut": is_cut,
        "points": found.iter().map(point).collect::<Vec<_>>(),
        "facets": facets.to_json(),
        "sampled": shares,
        "stats": stats(&cost),
    }))
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

impl Match {
    fn new(span: &Span) -> Match {
        let mut new =
            Match { id: span.trace_id, start_ns: span.start_ns, duration_ns: 0, is_error: false, spans: 0 };
        new.add(span);
        new
    }

    fn add(&mut self, span: &Span) {
        self.start_ns = self.start_ns.min(span.start_ns);
        self.duration_ns = self.duration_ns.max(span.duration_ns);
        self.is_error |= span.status == SpanStatus::Error;
        self.spans += 1;
    }
}

impl Facets {
    fn add(&mut self, service: &str, span: &Span) {
        for (names, name) in [(&mut self.services, service), (&mut self.operations, span.name.as_str())] {
            let room = names.len();
            match names.get_mut(name) {
                Some(count) => *count += 1,
                None if room < 20 * NAMES_MAX => drop(names.insert(name.to_string(), 1)),
                None => {}
            }
        }
        let status = if span.status == SpanStatus::Unset { "unset" } else { span.status.name() };
        *self.statuses.entry(status).or_default() += 1;
    }

    fn to_json(&self) -> Json {
        let top = |names: &BTreeMap<String, u64>| {
            let mut all: Vec<(&String, &u64)> = names.iter().collect();
            all.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), name.as_str()));
            all.into_iter().take(NAMES_MAX).map(|(name, count)| json!([name, count])).collect::<Vec<_>>()
        };
        let statuses: Vec<Json> = self.statuses.iter().map(|(name, count)| json!([name, count])).collect();
        json!({ "service": top(&self.services), "operation": top(&self.operations), "status": statuses })
    }
}

/// The traces that are shown, whole.
fn whole(app: &App, shown: &[&Match], stop: &Stop) -> Result<Vec<Json>> {
    let wanted: Vec<(TraceId, i64)> = shown.iter().map(|m| (m.id, m.start_ns)).collect();
    let by_id = whole_traces(app, &wanted, SPANS_OF_SHOWN_MAX, stop)?;
    let empty = SpanBatch::default();
    Ok(shown.iter().map(|m| summary(m, by_id.get(&m.id).unwrap_or(&empty))).collect())
}

/// All spans of some traces, at most so many, by what a span of each is known to begin at.
///
/// # Errors
/// `Cancelled` if it takes too long.
pub fn whole_traces(
    app: &App,
    wanted: &[(TraceId, i64)],
    spans_max: usize,
    stop: &Stop,
) -> Result<HashMap<TraceId, SpanBatch>> {
    let starts = || wanted.iter().map(|(_, start_ns)| *start_ns);
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else {
        return Ok(HashMap::new());
    };
    let scan = Scan {
        from_ns: first.saturating_sub(AROUND_NS),
        to_ns: last.saturating_add(AROUND_NS),
        predicates: vec![Predicate::In {
            column: "trace_id".into(),
            values: wanted.iter().map(|(id, _)| id.to_string()).collect(),
        }],
        columns: Some(columns(&[
            "time",
            "duration_ns",
            "trace_id",
            "span_id",
            "parent_id",
            "service",
            "host",
            "name",
            "kind",
            "status",
        ])),
        ..Scan::new(Table::Spans)
    };
    let (mut by_id, mut count) = (HashMap::<TraceId, SpanBatch>::new(), 0);
    read(app, scan, stop, |batch| {
        let SpanBatch { origins, spans } = batch;
        for span in spans {
            count += 1;
            let origin = origins.get(span.origin as usize).cloned().unwrap_or_default();
            extend(
                by_id.entry(span.trace_id).or_default(),
                SpanBatch { origins: vec![origin], spans: vec![Span { origin: 0, ..span }] },
            );
        }
        count < spans_max
    })?;
    Ok(by_id)
}

/// One trace of the list: its root, its services, and bars to draw.
fn summary(found: &Match, batch: &SpanBatch) -> Json {
    let trace = assemble(batch);
    let root = trace.root.map(|r| &batch.spans[trace.spans[r].span]);
    let length_ns = trace.end_ns.saturating_sub(trace.start_ns).max(1);
    let services: Vec<Json> = trace
        .services
        .iter()
        .map(|(name, s)| json!({ "service": name, "spans": s.spans, "errors": s.errors, "self_ns": s.self_ns }))
        .collect();
    let name_of = |at: usize| &batch.origin(&batch.spans[trace.spans[at].span]).service;
    // The highest ones say most of the shape.
    let mut order: Vec<usize> = (0..trace.spans.len()).collect();
    order.sort_by_key(|i| (trace.spans[*i].depth, *i));
    order.truncate(BARS_MAX);
    order.sort_unstable();
    let bars: Vec<Json> = order
        .iter()
        .map(|i| {
            let placed = &trace.spans[*i];
            let span = &batch.spans[placed.span];
            let from = span.start_ns.saturating_add(placed.shift_ns).saturating_sub(trace.start_ns);
            let share = |ns: f64| (ns / length_ns as f64 * 10_000.0).round() / 10_000.0;
            let service = trace.services.keys().position(|s| s == name_of(*i)).unwrap_or(0);
            json!([
                service,
                share(from as f64),
                share(span.duration_ns as f64),
                u8::from(span.status == SpanStatus::Error)
            ])
        })
        .collect();
    let errors: u64 = trace.services.values().map(|s| s.errors).sum();
    json!({
        "trace_id": found.id.to_string(),
        "start_ms": if trace.spans.is_empty() { found.start_ns } else { trace.start_ns } / 1_000_000,
        "duration_ns": if trace.spans.is_empty() { found.duration_ns as i64 } else { length_ns },
        "root_service": root.map_or("", |r| &batch.origin(r).service),
        "root_name": root.map_or("", |r| &r.name),
        "is_whole": trace.orphans == 0 && root.is_some(),
        "spans": trace.spans.len(),
        "errors": errors,
        "matched": found.spans,
        "services": services,
        "bars": bars,
    })
}
