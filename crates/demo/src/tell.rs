//! What the shop's services tell: metrics that add up, spans and log records that come out when their time has come.
//! It must never tell of what has not happened yet.

use crate::News;
use model::{
    Change, LogBatch, LogRow, Origin, Pairs, Severity, Span, SpanBatch, SpanId, SpanStatus, TraceId,
};
use std::collections::BTreeMap;

/// Bounds of all histograms, in seconds.
pub const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];

/// What happened in a step.
#[derive(Debug, Default)]
pub struct Told {
    /// Metrics, one for each time at which they are told.
    pub snapshots: Vec<Snapshot>,
    /// Log records.
    pub logs: LogBatch,
    /// Spans that ended.
    pub spans: SpanBatch,
    /// Changes.
    pub changes: Vec<Change>,
    /// What a person is told.
    pub news: Vec<News>,
}

/// A metric of one service at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Only grows.
    Counter(f64),
    /// Any number.
    Gauge(f64),
    /// A count for each bucket, one more than there are bounds, and the sum; a trace that ended up in it.
    Histogram(Box<Histogram>),
}

/// See [`Value::Histogram`].
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Histogram {
    /// One for each bound, and one for what is above the last.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// Seconds, all together.
    pub sum: f64,
    /// (time, seconds, trace, span) of a measurement since the last time it was told.
    pub exemplar: Option<(i64, f64, TraceId, SpanId)>,
}

/// Which series: service, metric, attributes.
pub type Key = (&'static str, &'static str, Vec<(&'static str, String)>);

/// All metrics of all services at one time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// Since when counters count.
    pub start_ns: i64,
    /// Each series with its value, those of one service and metric side by side.
    pub series: Vec<(Key, Value)>,
    /// The version of each service.
    pub versions: BTreeMap<&'static str, String>,
}

/// A log record that waits for its time.
#[derive(Debug)]
pub struct Line {
    pub time_ns: i64,
    pub service: &'static str,
    pub severity: Severity,
    pub body: String,
    pub trace: Option<(TraceId, SpanId)>,
    pub attributes: Vec<(&'static str, String)>,
}

/// What is to be told.
#[derive(Debug)]
pub struct Tell {
    start_ns: i64,
    detail_from_ns: i64,
    series: BTreeMap<Key, Value>,
    spans: Vec<(&'static str, Span)>,
    lines: Vec<Line>,
    /// The version of each service.
    pub versions: BTreeMap<&'static str, String>,
}

impl Tell {
    /// Nothing yet. Before `detail_from_ns` most of what went well is left out.
    pub fn new(start_ns: i64, detail_from_ns: i64) -> Tell {
        Tell {
            start_ns,
            detail_from_ns,
            series: BTreeMap::new(),
            spans: vec![],
            lines: vec![],
            versions: BTreeMap::new(),
        }
    }

    /// Adds to a counter.
    pub fn count(
        &mut self,
        service: &'static str,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        by: f64,
    ) {
        if let Value::Counter(n) = self.slot(service, name, attributes, Value::Counter(0.0)) {
            *n += by;
        }
    }

    /// Sets a gauge.
    pub fn gauge(
        &mut self,
        service: &'static str,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        to: f64,
    ) {
        *self.slot(service, name, attributes, Value::Gauge(0.0)) = Value::Gauge(to);
    }

    /// Adds a duration to a histogram, which belongs to a span that ends at `at_ns`.
    pub fn measure(
        &mut self,
        service: &'static str,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        took_ns: i64,
        (at_ns, trace, span): (i64, TraceId, SpanId),
    ) {
        let seconds = took_ns as f64 / 1e9;
        if let Value::Histogram(h) = self.slot(service, name, attributes, Value::Histogram(Box::default())) {
            h.buckets[BOUNDS.partition_point(|b| *b < seconds)] += 1;
            h.sum += seconds;
            // The slowest is the one that somebody wants to see.
            if h.exemplar.is_none_or(|(_, slowest, ..)| slowest < seconds) {
                h.exemplar = Some((at_ns, seconds, trace, span));
            }
        }
    }

    fn slot(
        &mut self,
        service: &'static str,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        empty: Value,
    ) -> &mut Value {
        let attributes = attributes.iter().map(|(k, v)| (*k, (*v).to_string())).collect();
        self.series.entry((service, name, attributes)).or_insert(empty)
    }

    /// Whether something of this trace is told although nothing went wrong: in the long past one in fifty.
    fn is_told(&self, time_ns: i64, trace: Option<TraceId>) -> bool {
        time_ns >= self.detail_from_ns || trace.is_some_and(|t| t.bytes()[0] < 5)
    }

    /// A span; it comes out when it has ended.
    pub fn span(&mut self, service: &'static str, span: Span) {
        if span.status == SpanStatus::Error || self.is_told(span.start_ns, Some(span.trace_id)) {
            self.spans.push((service, span));
        }
    }

    /// A log record; it comes out when its time has come.
    pub fn line(&mut self, line: Line) {
        if line.severity >= Severity::WARN || self.is_told(line.time_ns, line.trace.map(|(t, _)| t)) {
            self.lines.push(line);
        }
    }

    /// All metrics as they are.
    pub fn snapshot(&mut self, time_ns: i64) -> Snapshot {
        let series = self.series.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        for value in self.series.values_mut() {
            if let Value::Histogram(h) = value {
                h.exemplar = None;
            }
        }
        Snapshot { time_ns, start_ns: self.start_ns, series, versions: self.versions.clone() }
    }

    /// Spans that ended and records whose time has come.
    pub fn take(&mut self, now_ns: i64, told: &mut Told) {
        let versions = &self.versions;
        let origin = |service: &'static str| Origin {
            service: service.to_string(),
            host: "demo".to_string(),
            attributes: [("service.version", versions.get(service).map_or("", String::as_str))]
                .into_iter()
                .collect(),
        };
        let mut places = BTreeMap::new();
        let (mut ended, running) =
            self.spans.drain(..).partition::<Vec<_>, _>(|(_, s)| s.start_ns + s.duration_ns as i64 <= now_ns);
        self.spans = running;
        ended.sort_by_key(|(_, s)| s.start_ns);
        for (service, mut span) in ended {
            span.origin = *places.entry(service).or_insert_with(|| {
                told.spans.origins.push(origin(service));
                told.spans.origins.len() as u32 - 1
            });
            told.spans.spans.push(span);
        }
        let mut places = BTreeMap::new();
        let (mut due, later) = self.lines.drain(..).partition::<Vec<_>, _>(|l| l.time_ns <= now_ns);
        self.lines = later;
        due.sort_by_key(|l| l.time_ns);
        for line in due {
            let at = *places.entry(line.service).or_insert_with(|| {
                told.logs.origins.push(origin(line.service));
                told.logs.origins.len() as u32 - 1
            });
            let row = LogRow {
                time_ns: line.time_ns,
                origin: at,
                severity: line.severity,
                body: &line.body,
                pattern: 0,
                trace_id: line.trace.map(|(t, _)| t),
                span_id: line.trace.map(|(_, s)| s),
            };
            told.logs.push(row, line.attributes.iter().map(|(k, v)| (*k, v.as_str())));
        }
    }
}

/// Attributes from pairs.
pub fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter().copied().collect()
}
