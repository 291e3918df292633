//! Calls, errors and durations of each operation of each service, as spans arrive: `traces_span_metrics_calls_total` and
//! `traces_span_metrics_duration_seconds` (a native histogram), named and labelled as OpenTelemetry's span metrics are
//! (docs/decisions/traces.md). Counters of the process: after a restart they begin at zero, and say since when.
//! It must never make more series than its bounds: operations past them are `other`, and counted.

use super::distribution::{Distribution, Example};
use super::mask::mask;
use foldhash::{HashMap, HashMapExt};
use model::{
    Batch, Exemplar, HistogramAt, HistogramSample, Labels, Metadata, MetricKind, NAME, Sample, Span,
    SpanBatch, SpanKind, SpanStatus,
};
use std::sync::Arc;

/// Calls of an operation.
pub const CALLS: &str = "traces_span_metrics_calls_total";
/// How long they took.
pub const DURATION: &str = "traces_span_metrics_duration_seconds";
/// Services that are counted one by one.
pub const SERVICES_MAX: usize = 1_000;
/// Names of operations of one service that are counted one by one.
pub const OPERATIONS_PER_SERVICE_MAX: usize = 300;
/// Series of calls, and of durations: service, operation, kind and status together.
pub const SERIES_MAX: usize = 20_000;
/// After this long without a span an operation is no longer written, and makes room.
const IDLE_MS: i64 = 3_600_000;
/// What stands for services and operations past the bounds.
const OTHER: &str = "other";
/// What stands for a service that did not say its name, as OpenTelemetry's SDKs write it.
pub const UNKNOWN: &str = "unknown_service";

/// The name of a service as metrics have it.
pub(super) fn service_label(name: &str) -> &str {
    match name.is_empty() {
        true => UNKNOWN,
        false => &name[..name.floor_char_boundary(name.len().min(200))],
    }
}

/// Everything counted so far.
#[derive(Default)]
pub struct SpanMetrics {
    operations: HashMap<Key, Operation>,
    /// Names of operations of each service.
    names: HashMap<String, HashMap<String, ()>>,
    /// Spans that were counted as `other`.
    pub overflowed: u64,
    described: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    service: String,
    name: String,
    kind: SpanKind,
    status: SpanStatus,
}

struct Operation {
    durations: Distribution,
    calls: Labels,
    duration: Labels,
    since_ms: i64,
    seen_ms: i64,
    /// A counter that begins with 5 shows no increase: a zero stands before it.
    is_new: bool,
}

impl SpanMetrics {
    /// Counts the spans of a batch.
    pub fn observe(&mut self, batch: &SpanBatch, now_ms: i64) {
        for span in &batch.spans {
            let service = service_label(&batch.origin(span).service);
            let key = self.key(service, span);
            let operation = self.operations.entry(key).or_insert_with_key(|key| Operation::new(key, now_ms));
            let seconds = span.duration_ns as f64 / 1e9;
            let end_ns = span.start_ns.saturating_add(span.duration_ns.min(i64::MAX as u64) as i64);
            let example = Example { seconds, end_ns, trace_id: span.trace_id, span_id: span.span_id };
            operation.durations.add(span.duration_ns, Some(example));
            operation.seen_ms = now_ms;
        }
    }

    fn key(&mut self, service: &str, span: &Span) -> Key {
        let (kind, status) = (span.kind, span.status);
        let masked = mask(&span.name);
        let masked = if masked.is_empty() { "unnamed".into() } else { masked };
        let of = |service: &str, name: &str| Key { service: service.into(), name: name.into(), kind, status };
        if !self.names.contains_key(service) && self.names.len() >= SERVICES_MAX {
            self.overflowed += 1;
            return of(OTHER, OTHER);
        }
        if !self.names.contains_key(service) {
            self.names.insert(service.into(), HashMap::new());
        }
        let Some(names) = self.names.get_mut(service) else { return of(OTHER, OTHER) };
        if !names.contains_key(masked.as_ref()) {
            if names.len() >= OPERATIONS_PER_SERVICE_MAX {
                self.overflowed += 1;
                return of(service, OTHER);
            }
            names.insert(masked.to_string(), ());
        }
        let key = of(service, &masked);
        if self.operations.len() >= SERIES_MAX && !self.operations.contains_key(&key) {
            self.overflowed += 1;
            return Key { kind: SpanKind::Unspecified, status: SpanStatus::Unset, ..of(OTHER, OTHER) };
        }
        key
    }

    /// The counters as they stand, at `now_ms`. `period_ms` is how long ago they were written before.
    pub fn collect(&mut self, now_ms: i64, period_ms: i64) -> Batch {
        let mut batch = Batch::default();
        let idle = |o: &Operation| now_ms.saturating_sub(o.seen_ms) > IDLE_MS;
        if self.operations.values().any(idle) {
            self.operations.retain(|_, o| !idle(o));
            self.names.clear();
            for key in self.operations.keys() {
                self.names.entry(key.service.clone()).or_default().insert(key.name.clone(), ());
            }
        }
        for operation in self.operations.values_mut() {
            operation.write(&mut batch, now_ms, period_ms);
        }
        if !self.described && !self.operations.is_empty() {
            self.described = true;
            batch.metadata.extend([
                describe(CALLS, MetricKind::Counter, "Spans, by service and operation.", ""),
                describe(DURATION, MetricKind::Histogram, "How long spans took.", "seconds"),
            ]);
        }
        batch
    }

    /// Operations that are counted now.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

pub(super) fn describe(metric: &str, kind: MetricKind, help: &str, unit: &str) -> Metadata {
    Metadata { metric: metric.into(), kind, help: help.into(), unit: unit.into() }
}

/// Adds a counter; when it is new, a zero before it.
pub(super) fn put_counter(batch: &mut Batch, labels: &Labels, at: (i64, i64), value: u64, is_new: bool) {
    let (now_ms, since_ms) = at;
    if is_new && since_ms < now_ms {
        batch.push(labels, since_ms, 0.0);
    }
    let series = batch.series.len() as u32;
    batch.series.push(labels.clone());
    batch.starts.push((batch.samples.len() as u32, since_ms.min(now_ms)));
    batch.samples.push(Sample { series, timestamp_ms: now_ms, value: value as f64 });
}

/// Adds a histogram and its slowest example; returns the place of its series.
pub(super) fn put_histogram(
    batch: &mut Batch,
    labels: &Labels,
    at: (i64, i64),
    durations: &mut Distribution,
    is_new: bool,
) {
    let (now_ms, since_ms) = at;
    let series = batch.series.len() as u32;
    batch.series.push(labels.clone());
    let mut put = |timestamp_ms: i64, histogram| {
        let at = HistogramAt {
            timestamp_ms,
            start_ms: since_ms.min(timestamp_ms),
            histogram: Arc::new(histogram),
        };
        batch.histograms.push(HistogramSample { series, at });
    };
    if is_new && since_ms < now_ms {
        put(since_ms, Distribution::default().histogram());
    }
    put(now_ms, durations.histogram());
    if let Some(slowest) = durations.take_slowest() {
        let (trace, span) = (slowest.trace_id.to_string(), slowest.span_id.to_string());
        if let Ok(labels) = Labels::from_pairs([("trace_id", trace.as_str()), ("span_id", span.as_str())]) {
            // When it ended, as long as that is not ahead of the sample.
            let timestamp_ms = (slowest.end_ns / 1_000_000).min(now_ms);
            batch.exemplars.push(Exemplar { series, timestamp_ms, value: slowest.seconds, labels });
        }
    }
}

/// As OpenTelemetry writes kinds and statuses in labels.
fn label_words(kind: SpanKind, status: SpanStatus) -> (&'static str, &'static str) {
    let kind = match kind {
        SpanKind::Unspecified => "SPAN_KIND_UNSPECIFIED",
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    };
    let status = match status {
        SpanStatus::Unset => "STATUS_CODE_UNSET",
        SpanStatus::Ok => "STATUS_CODE_OK",
        SpanStatus::Error => "STATUS_CODE_ERROR",
    };
    (kind, status)
}

impl Operation {
    fn new(key: &Key, now_ms: i64) -> Operation {
        let (kind, status) = label_words(key.kind, key.status);
        let labels = |name: &str| {
            Labels::from_pairs([
                (NAME, name),
                ("service_name", key.service.as_str()),
                ("span_kind", kind),
                ("span_name", key.name.as_str()),
                ("status_code", status),
            ])
            .unwrap_or_default()
        };
        Operation {
            durations: Distribution::default(),
            calls: labels(CALLS),
            duration: labels(DURATION),
            since_ms: now_ms,
            seen_ms: now_ms,
            is_new: true,
        }
    }

    fn write(&mut self, batch: &mut Batch, now_ms: i64, period_ms: i64) {
        let is_new = std::mem::take(&mut self.is_new);
        if is_new {
            // Before its first span, and not before the last time that others were written.
            self.since_ms = self.since_ms.min(now_ms.saturating_sub(period_ms)).max(0);
        }
        let at = (now_ms, self.since_ms);
        put_counter(batch, &self.calls, at, self.durations.count, is_new);
        put_histogram(batch, &self.duration, at, &mut self.durations, is_new);
    }
}

#[cfg(test)]
mod tests;
