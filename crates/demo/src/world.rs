//! What the shop is made of: threads, connections, shards, a cache, a queue; and how a request goes through them. It
//! must never know which requests there are (`requests.rs`), nor why a knob is turned (`faults.rs`).

use crate::chance::Chance;
use crate::requests;
use crate::tell::{Line, Tell, pairs};
use crate::{METRICS_NS, SECOND_NS, VERSION};
use model::{Severity, Span, SpanId, SpanKind, SpanStatus, TraceId};
use std::collections::{BTreeMap, VecDeque};

/// The services, in the order of a request.
pub const SERVICES: [&str; 8] =
    ["gateway", "catalogue", "cart", "checkout", "payment", "stock", "mailer", "worker"];
/// Products on sale; 1 is the most popular.
pub const PRODUCTS: usize = 2_000;
/// How long a request waits for a connection of the pool.
const POOL_WAIT_NS: i64 = SECOND_NS;
/// Connections of checkout's pool.
pub const CONNECTIONS: usize = 6;

/// Why a request fails: an HTTP status and a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Fail(pub u16, pub String);

/// When something ended, and how.
pub type End = (i64, Result<(), Fail>);

/// What faults turn.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Median of `select orders of user`, ms.
    pub orders_ms: f64,
    /// Median of an update of each shard of stock, ms.
    pub shard_ms: [f64; 4],
    /// Connections that checkout lost.
    pub pool_leaks: bool,
    /// Bytes that each request to cart leaves behind.
    pub leak_bytes: f64,
    /// How many times as long everything takes in catalogue.
    pub catalogue_slower: f64,
    /// The disk of the mailer is full.
    pub spool_full: bool,
    /// (ms, times): how long the gateway waits for catalogue, and how often it asks again.
    pub patience: (i64, u32),
}

impl Default for Knobs {
    fn default() -> Knobs {
        Knobs {
            orders_ms: 2.0,
            shard_ms: [2.0; 4],
            pool_leaks: false,
            leak_bytes: 0.0,
            catalogue_slower: 1.0,
            spool_full: false,
            patience: (2_000, 1),
        }
    }
}

/// Who asks, for attributes and log lines.
#[derive(Clone, Debug)]
pub struct Who {
    /// `u00042`.
    pub user: String,
    /// The API key.
    pub key: &'static str,
    /// Names the request in every service.
    pub request_id: String,
}

/// The span that something belongs to.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The service.
    pub service: &'static str,
    trace: TraceId,
    span: SpanId,
}

/// The shop.
pub struct World {
    /// Chance.
    pub chance: Chance,
    /// What is told.
    pub tell: Tell,
    /// What faults turn.
    pub knobs: Knobs,
    /// When each thread of a service is free.
    threads: BTreeMap<&'static str, Vec<i64>>,
    /// When each connection of checkout's pool is free; a lost one never is.
    pub pool: Vec<i64>,
    /// When each shard of stock is free.
    pub shards: [i64; 4],
    /// Which products the cache holds.
    pub cached: Vec<bool>,
    /// Orders that wait for their mail: (since when, order, attempt, its span).
    pub queue: VecDeque<(i64, u64, u32, At)>,
    /// When the worker is free.
    pub worker_free_ns: i64,
    /// What cart has lost.
    pub leaked_bytes: f64,
    /// The last order.
    pub orders: u64,
    busy_s: BTreeMap<&'static str, f64>,
    next_arrival_ns: i64,
    next_gauges_ns: i64,
}

impl World {
    /// A healthy shop with a warm cache.
    pub fn new(seed: u64, start_ns: i64, detail_from_ns: i64) -> World {
        let mut tell = Tell::new(start_ns, detail_from_ns);
        tell.versions = SERVICES.iter().map(|s| (*s, VERSION.to_string())).collect();
        World {
            chance: Chance::new(seed),
            tell,
            knobs: Knobs::default(),
            threads: SERVICES.iter().map(|s| (*s, vec![start_ns; 2])).collect(),
            pool: vec![start_ns; CONNECTIONS],
            shards: [start_ns; 4],
            cached: vec![true; PRODUCTS],
            queue: VecDeque::new(),
            worker_free_ns: start_ns,
            leaked_bytes: 0.0,
            orders: 400_000,
            busy_s: SERVICES.iter().map(|s| (*s, 0.0)).collect(),
            next_arrival_ns: start_ns,
            next_gauges_ns: start_ns,
        }
    }

    /// Lets requests come until then: eight a second, more and fewer over twenty minutes, which is this shop's day.
    pub fn run(&mut self, until_ns: i64) {
        while self.next_arrival_ns.min(self.next_gauges_ns) < until_ns {
            if self.next_gauges_ns <= self.next_arrival_ns {
                self.gauges();
                self.next_gauges_ns += METRICS_NS;
                continue;
            }
            let at = self.next_arrival_ns;
            requests::arrive(self, at);
            requests::work_off(self, at);
            let phase = (at % (1_200 * SECOND_NS)) as f64 / (1_200 * SECOND_NS) as f64;
            let per_second = 8.0 + 2.5 * (phase * std::f64::consts::TAU).sin();
            self.next_arrival_ns += self.chance.exponential(1e9 / per_second).max(1);
        }
    }

    fn gauges(&mut self) {
        let now = self.next_gauges_ns;
        let used = self.pool.iter().filter(|free| **free > now).count();
        for (state, n) in [("used", used), ("idle", self.pool.len() - used)] {
            self.tell.gauge("checkout", "db.client.connection.count", &[("state", state)], n as f64);
        }
        self.tell.gauge("worker", "shop.queue.depth", &[("queue", "jobs")], self.queue.len() as f64);
        for (i, service) in SERVICES.iter().enumerate() {
            let leaked = if *service == "cart" { self.leaked_bytes } else { 0.0 };
            let wobble = self.chance.unit() * 4e6;
            let base = 38e6 + 7e6 * i as f64;
            self.tell.gauge(service, "process.memory.usage", &[], base + wobble + leaked);
            let attributes = [("cpu.mode", "user")];
            let busy = self.busy_s.get_mut(service).map(std::mem::take).unwrap_or(0.0);
            self.tell.count(service, "process.cpu.time", &attributes, busy);
        }
    }

    fn span_id(&mut self) -> SpanId {
        SpanId::new(&(self.chance.bits() | 1).to_be_bytes()).expect("8 bytes, not all zero")
    }

    fn trace_id(&mut self) -> TraceId {
        let bits = (u128::from(self.chance.bits()) << 64) | u128::from(self.chance.bits()) | 1;
        TraceId::new(&bits.to_be_bytes()).expect("16 bytes, not all zero")
    }

    /// Work of a service's own: waits for one of its threads, then takes around `median_ms` of it. When it ended.
    pub fn compute(&mut self, service: &'static str, at_ns: i64, median_ms: f64) -> i64 {
        let took = self.chance.around(median_ms);
        let Some(thread) = self.threads.get_mut(service).and_then(|t| t.iter_mut().min()) else {
            return at_ns;
        };
        let end = at_ns.max(*thread) + took;
        *thread = end;
        *self.busy_s.entry(service).or_default() += took as f64 / 1e9;
        end
    }

    /// A request that a service answers, with what it does to answer it.
    pub fn answer(
        &mut self,
        caller: Option<At>,
        service: &'static str,
        (method, route): (&'static str, &'static str),
        who: &Who,
        at_ns: i64,
        work: impl FnOnce(&mut World, At, i64) -> End,
    ) -> End {
        let trace = caller.map_or_else(|| self.trace_id(), |c| c.trace);
        let at = At { service, trace, span: self.span_id() };
        let slower = if service == "catalogue" { self.knobs.catalogue_slower } else { 1.0 };
        let begun = self.compute(service, at_ns, 0.8 * slower);
        let (end, result) = work(self, at, begun);
        let status = result.as_ref().map_or_else(|f| f.0, |()| 200).to_string();
        let labels =
            [("http.request.method", method), ("http.route", route), ("http.response.status_code", &*status)];
        self.tell.measure(
            service,
            "http.server.request.duration",
            &labels,
            end - at_ns,
            (end, trace, at.span),
        );
        if let Err(Fail(code, message)) = &result {
            let severity = if *code >= 500 { Severity::ERROR } else { Severity::WARN };
            let more = [
                ("http.route", route),
                ("status", &*status),
                ("user.id", &*who.user),
                ("request.id", &*who.request_id),
            ];
            self.log(at, end, severity, message.clone(), &more);
        }
        let attributes = [
            ("http.request.method", method),
            ("http.route", route),
            ("http.response.status_code", &*status),
            ("user.id", &*who.user),
            ("request.id", &*who.request_id),
            ("api.key", who.key),
        ];
        let failed = result.as_ref().err().filter(|f| f.0 >= 500);
        self.span(
            at,
            caller,
            format!("{method} {route}"),
            SpanKind::Server,
            (at_ns, end),
            failed,
            &attributes,
        );
        (end, result)
    }

    /// A call of one service to another: there and back again, and no longer than `timeout_ms`.
    pub fn call(
        &mut self,
        from: At,
        to: &'static str,
        operation: (&'static str, &'static str),
        who: &Who,
        (at_ns, timeout_ms): (i64, i64),
        work: impl FnOnce(&mut World, At, i64) -> End,
    ) -> End {
        let here = At { span: self.span_id(), ..from };
        let there = at_ns + self.chance.around(0.25);
        let (answered, mut result) = self.answer(Some(here), to, operation, who, there, work);
        let mut end = answered + self.chance.around(0.25);
        if end - at_ns > timeout_ms * 1_000_000 {
            end = at_ns + timeout_ms * 1_000_000;
            result = Err(Fail(504, format!("{to} did not answer within {timeout_ms} ms")));
        } else if let Err(Fail(code, message)) = &result
            && *code >= 500
        {
            result = Err(Fail(502, format!("{to} answered {code}: {message}")));
        }
        let status = result.as_ref().map_or_else(|f| f.0, |()| 200).to_string();
        let labels = [
            ("http.request.method", operation.0),
            ("peer.service", to),
            ("http.response.status_code", &*status),
        ];
        self.tell.measure(
            from.service,
            "http.client.request.duration",
            &labels,
            end - at_ns,
            (end, here.trace, here.span),
        );
        let failed = result.as_ref().err();
        let name = format!("{} {to}", operation.0);
        self.span(here, Some(from), name, SpanKind::Client, (at_ns, end), failed, &labels);
        (end, result)
    }

    /// An operation of a data base (`postgresql`, `redis`) that takes around `median_ms`.
    pub fn ask(
        &mut self,
        at: At,
        system: &'static str,
        operation: &'static str,
        at_ns: i64,
        median_ms: f64,
    ) -> i64 {
        let end = at_ns + self.chance.around(median_ms);
        self.asked(at, system, operation, (at_ns, end));
        end
    }

    /// The same, for one whose end is known.
    pub fn asked(&mut self, at: At, system: &'static str, operation: &'static str, (begun, end): (i64, i64)) {
        let here = At { span: self.span_id(), ..at };
        let labels = [("db.system.name", system), ("db.operation.name", operation)];
        self.tell.measure(
            at.service,
            "db.client.operation.duration",
            &labels,
            end - begun,
            (end, here.trace, here.span),
        );
        self.span(here, Some(at), operation.to_string(), SpanKind::Client, (begun, end), None, &labels);
    }

    /// A query of checkout, on a connection of its pool.
    pub fn ask_pooled(&mut self, at: At, operation: &'static str, at_ns: i64, median_ms: f64) -> End {
        let leaks = self.knobs.pool_leaks;
        let took = self.chance.around(median_ms);
        let begun = self.pool.iter().min().copied().unwrap_or(i64::MAX).max(at_ns);
        if begun - at_ns > POOL_WAIT_NS {
            let message =
                format!("no connection of the pool became free in 1000 ms: all {CONNECTIONS} are in use");
            return (at_ns + POOL_WAIT_NS, Err(Fail(503, message)));
        }
        if let Some(connection) = self.pool.iter_mut().min() {
            *connection = if leaks { i64::MAX } else { begun + took };
        }
        self.asked(at, "postgresql", operation, (begun, begun + took));
        (begun + took, Ok(()))
    }

    /// A log record of the span `at`.
    pub fn log(
        &mut self,
        at: At,
        time_ns: i64,
        severity: Severity,
        body: String,
        more: &[(&'static str, &str)],
    ) {
        let attributes = more.iter().map(|(k, v)| (*k, (*v).to_string())).collect();
        let trace = Some((at.trace, at.span));
        self.tell.line(Line { time_ns, service: at.service, severity, body, trace, attributes });
    }

    /// A span of work that began elsewhere: what a queue gave to the worker.
    pub fn job(&mut self, of: At, service: &'static str) -> At {
        At { service, trace: of.trace, span: self.span_id() }
    }

    /// Tells a span.
    #[allow(clippy::too_many_arguments)] // All of it is what a span is.
    pub fn span(
        &mut self,
        at: At,
        parent: Option<At>,
        name: String,
        kind: SpanKind,
        (begun, end): (i64, i64),
        failed: Option<&Fail>,
        attributes: &[(&str, &str)],
    ) {
        let span = Span {
            trace_id: at.trace,
            span_id: at.span,
            parent_id: parent.map(|p| p.span),
            origin: 0,
            name,
            kind,
            start_ns: begun,
            duration_ns: (end - begun).max(0) as u64,
            status: if failed.is_some() { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: failed.map_or_else(String::new, |f| f.1.clone()),
            attributes: pairs(attributes),
            events: vec![],
            links: vec![],
        };
        self.tell.span(at.service, span);
    }
}
