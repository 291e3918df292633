//! Calls between services, as spans arrive: the span that asks and the span that answers are two, from two processes, at two
//! times; within a window they are matched by trace and span. What never answers with a span of its own (a database, a queue,
//! somebody else's service) is named by the attributes of the span that asks. `traces_service_graph_request_total` and its
//! companions, with the labels `client`, `server` and `connection_type`.
//! It must never wait for a match without bounds: what is too old or too much is given up, and counted.

use super::distribution::{Distribution, Example};
use super::metrics::{describe, put_counter, put_histogram, service_label};
use foldhash::HashMap;
use model::{Batch, Labels, MetricKind, NAME, Pairs, Span, SpanBatch, SpanId, SpanKind, SpanStatus, TraceId};
use std::collections::VecDeque;

/// Calls from one service to another.
pub const TOTAL: &str = "traces_service_graph_request_total";
/// Those that failed on either side.
pub const FAILED: &str = "traces_service_graph_request_failed_total";
/// How long they took for the one that asked.
pub const CLIENT_SECONDS: &str = "traces_service_graph_request_client_seconds";
/// How long they took for the one that answered.
pub const SERVER_SECONDS: &str = "traces_service_graph_request_server_seconds";
/// Calls that wait for their other side.
pub const PENDING_MAX: usize = 50_000;
/// How long one waits.
pub const WINDOW_MS: i64 = 15_000;
/// Edges that are counted.
pub const EDGES_MAX: usize = 5_000;
/// Links of a consumer that are looked at.
const LINKS_MAX: usize = 8;
const IDLE_MS: i64 = 3_600_000;
/// Who calls a service from outside.
pub const USER: &str = "user";

type Place = (TraceId, SpanId);

/// Every edge so far, and the calls that wait for their other side.
#[derive(Default)]
pub struct Graph {
    edges: HashMap<EdgeKey, Edge>,
    pending: HashMap<Place, Half>,
    /// In the order in which they came: the place, and when.
    order: VecDeque<(Place, i64)>,
    /// Answers whose question never came.
    pub unpaired: u64,
    /// Calls that were given up early or not counted for want of room.
    pub overflowed: u64,
    described: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct EdgeKey {
    client: String,
    server: String,
    connection: &'static str,
}

struct Edge {
    failed: u64,
    client: Distribution,
    server: Distribution,
    total: u64,
    labels: [Labels; 4],
    since_ms: i64,
    seen_ms: i64,
    is_new: bool,
}

/// One side of a call.
#[derive(Clone)]
struct Half {
    is_client: bool,
    service: String,
    duration_ns: u64,
    is_error: bool,
    connection: &'static str,
    /// The other end, if no span of it comes.
    peer: Option<(String, &'static str)>,
    example: Example,
}

/// The other end by the attributes of the span that asks.
fn peer(attributes: &Pairs) -> Option<(String, &'static str)> {
    let get = |names: &[&str]| names.iter().find_map(|n| attributes.get(n)).filter(|v| !v.is_empty());
    let cut = |text: &str| text[..text.floor_char_boundary(text.len().min(100))].to_string();
    let with = |system: &str, name: Option<&str>| match name {
        Some(name) => format!("{}:{}", cut(system), cut(name)),
        None => cut(system),
    };
    if let Some(system) = get(&["db.system.name", "db.system"]) {
        let name = get(&["peer.service"]).map(cut);
        let name = name.unwrap_or_else(|| with(system, get(&["db.namespace", "db.name"])));
        return Some((name, "database"));
    }
    if let Some(system) = get(&["messaging.system"]) {
        return Some((
            with(system, get(&["messaging.destination.name", "messaging.destination"])),
            "messaging_system",
        ));
    }
    let name = get(&["peer.service", "server.address", "net.peer.name", "rpc.service"])?;
    Some((cut(name), "virtual_node"))
}

impl Graph {
    /// Takes the spans of a batch. Those of the kinds internal and unspecified say nothing of calls.
    pub fn observe(&mut self, batch: &SpanBatch, now_ms: i64) {
        for span in &batch.spans {
            let service = service_label(&batch.origin(span).service);
            match span.kind {
                SpanKind::Client | SpanKind::Producer => self.asks(service, span, now_ms),
                SpanKind::Server | SpanKind::Consumer => self.answers(service, span, now_ms),
                SpanKind::Internal | SpanKind::Unspecified => {}
            }
        }
        self.expire(now_ms);
    }

    fn half(service: &str, span: &Span) -> Half {
        let is_client = matches!(span.kind, SpanKind::Client | SpanKind::Producer);
        let is_message = matches!(span.kind, SpanKind::Producer | SpanKind::Consumer);
        let end_ns = span.start_ns.saturating_add(span.duration_ns.min(i64::MAX as u64) as i64);
        Half {
            is_client,
            service: service.to_string(),
            duration_ns: span.duration_ns,
            is_error: span.status == SpanStatus::Error,
            connection: if is_message { "messaging_system" } else { "" },
            peer: if is_client { peer(&span.attributes) } else { None },
            example: Example {
                seconds: span.duration_ns as f64 / 1e9,
                end_ns,
                trace_id: span.trace_id,
                span_id: span.span_id,
            },
        }
    }

    fn asks(&mut self, service: &str, span: &Span, now_ms: i64) {
        let half = Graph::half(service, span);
        let place = (span.trace_id, span.span_id);
        match self.pending.get(&place) {
            Some(other) if !other.is_client => {
                if let Some(other) = self.pending.remove(&place) {
                    self.matched(half, other, now_ms);
                }
            }
            // The same span again.
            Some(_) => {}
            // Databases send no spans: there is nothing to wait for.
            None if matches!(half.peer, Some((_, "database"))) => self.alone(half, now_ms),
            None => self.wait(place, half, now_ms),
        }
    }

    fn answers(&mut self, service: &str, span: &Span, now_ms: i64) {
        let half = Graph::half(service, span);
        let linked = span.links.iter().take(LINKS_MAX).map(|l| (l.trace_id, l.span_id));
        let places: Vec<Place> =
            span.parent_id.map(|p| (span.trace_id, p)).into_iter().chain(linked).collect();
        for place in &places {
            if self.pending.get(place).is_some_and(|other| other.is_client)
                && let Some(other) = self.pending.remove(place)
            {
                return self.matched(other, half, now_ms);
            }
        }
        match places.first() {
            Some(place) if !self.pending.contains_key(place) => self.wait(*place, half, now_ms),
            Some(_) => {}
            None if span.kind == SpanKind::Server => {
                let edge = (USER.to_string(), half.service.clone(), "virtual_node");
                self.count(edge, None, Some(&half), now_ms);
            }
            None => {}
        }
    }

    fn wait(&mut self, place: Place, half: Half, now_ms: i64) {
        if self.pending.len() >= PENDING_MAX {
            self.overflowed += 1;
            self.give_up_oldest(now_ms);
        }
        self.pending.insert(place, half);
        self.order.push_back((place, now_ms));
    }

    fn expire(&mut self, now_ms: i64) {
        while self.order.front().is_some_and(|(_, at_ms)| now_ms.saturating_sub(*at_ms) > WINDOW_MS)
            // Those that were matched leave their places behind.
            || self.order.len() > 2 * PENDING_MAX
        {
            self.give_up_oldest(now_ms);
        }
    }

    /// Gives up the first in order that is still there, or finds that none is.
    fn give_up_oldest(&mut self, now_ms: i64) {
        if let Some((place, _)) = self.order.pop_front()
            && let Some(half) = self.pending.remove(&place)
        {
            self.alone(half, now_ms);
        }
    }

    /// No other side came.
    fn alone(&mut self, half: Half, now_ms: i64) {
        match &half.peer {
            Some((peer, connection)) => {
                let edge = (half.service.clone(), peer.clone(), *connection);
                self.count(edge, Some(&half), None, now_ms);
            }
            None => self.unpaired += 1,
        }
    }

    fn matched(&mut self, client: Half, server: Half, now_ms: i64) {
        let connection = if client.connection.is_empty() { server.connection } else { client.connection };
        let edge = (client.service.clone(), server.service.clone(), connection);
        self.count(edge, Some(&client), Some(&server), now_ms);
    }

    fn count(
        &mut self,
        (client, server, connection): (String, String, &'static str),
        asked: Option<&Half>,
        answered: Option<&Half>,
        now_ms: i64,
    ) {
        let key = EdgeKey { client, server, connection };
        if self.edges.len() >= EDGES_MAX && !self.edges.contains_key(&key) {
            self.overflowed += 1;
            return;
        }
        let edge = self.edges.entry(key).or_insert_with_key(|key| Edge::new(key, now_ms));
        edge.total += 1;
        edge.seen_ms = now_ms;
        edge.failed += u64::from([asked, answered].into_iter().flatten().any(|half| half.is_error));
        for (half, durations) in [(asked, &mut edge.client), (answered, &mut edge.server)] {
            if let Some(half) = half {
                durations.add(half.duration_ns, Some(half.example));
            }
        }
    }

    /// The counters as they stand, at `now_ms`. `period_ms` is how long ago they were written before.
    pub fn collect(&mut self, now_ms: i64, period_ms: i64) -> Batch {
        self.expire(now_ms);
        let mut batch = Batch::default();
        self.edges.retain(|_, edge| now_ms.saturating_sub(edge.seen_ms) <= IDLE_MS);
        for edge in self.edges.values_mut() {
            edge.write(&mut batch, now_ms, period_ms);
        }
        if !self.described && !self.edges.is_empty() {
            self.described = true;
            use MetricKind::{Counter, Histogram};
            batch.metadata.extend([
                describe(TOTAL, Counter, "Calls from one service to another.", ""),
                describe(FAILED, Counter, "Calls from one service to another that failed.", ""),
                describe(CLIENT_SECONDS, Histogram, "How long calls took for who asked.", "seconds"),
                describe(SERVER_SECONDS, Histogram, "How long calls took for who answered.", "seconds"),
            ]);
        }
        batch
    }

    /// Edges, and calls that wait for their other side.
    pub fn len(&self) -> (usize, usize) {
        (self.edges.len(), self.pending.len())
    }

    /// Whether there is neither.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.pending.is_empty()
    }
}

impl Edge {
    fn new(key: &EdgeKey, now_ms: i64) -> Edge {
        let labels = [TOTAL, FAILED, CLIENT_SECONDS, SERVER_SECONDS].map(|name| {
            let mut pairs = vec![(NAME, name), ("client", key.client.as_str())];
            if !key.connection.is_empty() {
                pairs.push(("connection_type", key.connection));
            }
            pairs.push(("server", key.server.as_str()));
            Labels::from_pairs(pairs).unwrap_or_default()
        });
        Edge {
            failed: 0,
            total: 0,
            client: Distribution::default(),
            server: Distribution::default(),
            labels,
            since_ms: now_ms,
            seen_ms: now_ms,
            is_new: true,
        }
    }

    fn write(&mut self, batch: &mut Batch, now_ms: i64, period_ms: i64) {
        let is_new = std::mem::take(&mut self.is_new);
        if is_new {
            self.since_ms = self.since_ms.min(now_ms.saturating_sub(period_ms)).max(0);
        }
        let at = (now_ms, self.since_ms);
        put_counter(batch, &self.labels[0], at, self.total, is_new);
        put_counter(batch, &self.labels[1], at, self.failed, is_new);
        for (durations, labels) in [(&mut self.client, &self.labels[2]), (&mut self.server, &self.labels[3])]
        {
            if durations.count > 0 {
                put_histogram(batch, labels, at, durations, is_new);
            }
        }
    }
}

#[cfg(test)]
mod tests;
