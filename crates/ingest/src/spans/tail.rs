//! Which traces are kept when not all can be: those with an error and the slow ones whole, a share of the others, by trace id, so
//! that every machine decides the same. A trace is decided when nothing came of it for a while, or when the buffer is full.
//! It must never drop a span without counting it, nor hold more than its bounds.

use super::mask::mask;
use super::metrics::service_label;
use foldhash::{HashMap, HashMapExt};
use model::{Span, SpanBatch, SpanKind, SpanStatus, TraceId};
use std::collections::{BTreeMap, VecDeque};

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailSettings {
    /// Of so many ordinary traces one is kept. At 1 nothing is dropped, and nothing waits.
    pub keep_one_in: u64,
    /// Or slower than this, in milliseconds.
    pub slow_ms: u64,
    /// A trace is decided after so long without a span of it, in milliseconds.
    pub quiet_ms: i64,
    /// Spans that wait at the most.
    pub spans_max: usize,
}

impl Default for TailSettings {
    fn default() -> Self {
        TailSettings { keep_one_in: 1, slow_ms: 10_000, quiet_ms: 5_000, spans_max: 200_000 }
    }
}

/// A call is slow if it is slower than this share of those of its operation, as far as they are known.
const SLOW_QUANTILE: f64 = 0.99;
/// Traces whose decision is remembered for spans that come late.
const REMEMBERED_MAX: usize = 200_000;
/// Operations of which the usual duration is estimated.
const OPERATIONS_MAX: usize = 10_000;
/// Calls of an operation that must be known before any is called slow.
const KNOWN_MIN: u32 = 100;
/// After so many calls the older ones count half.
const HALVED_AT: u32 = 20_000;
/// Buckets of durations: four for each doubling from 1 ns.
const BUCKETS: usize = 256;
/// Services with a count of their own.
const SERVICES_MAX: usize = 1_000;

/// Traces of one service (that of the first span of each) since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Traces that are kept whole.
    pub kept: u64,
    /// Traces that were dropped.
    pub dropped: u64,
    /// Spans that were dropped.
    pub dropped_spans: u64,
}

/// What became of spans that waited.
#[derive(Debug, Default)]
pub struct Decided {
    /// To be written.
    pub keep: SpanBatch,
    /// Spans that are gone.
    pub dropped_spans: u64,
}

/// Traces that wait for their decision.
pub struct Tail {
    settings: TailSettings,
    waiting: HashMap<TraceId, Waiting>,
    spans: usize,
    /// In the order of their last span; entries of traces that moved on are old news.
    order: VecDeque<(TraceId, i64)>,
    remembered: HashMap<TraceId, bool>,
    remembered_order: VecDeque<TraceId>,
    usual: HashMap<(String, String), Usual>,
    /// By service.
    pub shares: BTreeMap<String, Shares>,
}

#[derive(Default)]
struct Waiting {
    batch: SpanBatch,
    seen_ms: i64,
    is_interesting: bool,
}

/// Durations of an operation, newer ones counting more.
struct Usual {
    counts: Box<[u32; BUCKETS]>,
    total: u32,
}

impl Usual {
    fn bucket(duration_ns: u64) -> usize {
        ((duration_ns.max(1) as f64).log2() * 4.0) as usize % BUCKETS
    }

    fn add(&mut self, duration_ns: u64) {
        self.counts[Usual::bucket(duration_ns)] += 1;
        self.total += 1;
        if self.total >= HALVED_AT {
            self.counts.iter_mut().for_each(|c| *c /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// Whether more than the quantile of all are in lower buckets.
    fn is_slow(&self, duration_ns: u64, quantile: f64) -> bool {
        let below: u32 = self.counts[..Usual::bucket(duration_ns)].iter().sum();
        self.total >= KNOWN_MIN && f64::from(below) >= quantile * f64::from(self.total)
    }
}

/// Whether a trace is in the share, by its last seven bytes, which W3C Trace Context wants to be random.
fn is_in_share(id: TraceId, one_in: u64) -> bool {
    let random = id.bytes()[9..].iter().fold(0u64, |all, b| all << 8 | u64::from(*b));
    random <= ((1u64 << 56) - 1) / one_in.max(1)
}

impl Tail {
    /// Nothing waits.
    pub fn new(settings: TailSettings) -> Tail {
        Tail {
            settings,
            waiting: HashMap::new(),
            spans: 0,
            order: VecDeque::new(),
            remembered: HashMap::new(),
            remembered_order: VecDeque::new(),
            usual: HashMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// Whether everything is kept at once.
    pub fn keeps_all(&self) -> bool {
        self.settings.keep_one_in <= 1
    }

    /// Takes spans, and returns those that are decided by now.
    pub fn step(&mut self, batch: SpanBatch, now_ms: i64) -> Decided {
        if self.keeps_all() {
            return Decided { keep: batch, dropped_spans: 0 };
        }
        let mut decided = Decided::default();
        let SpanBatch { origins, spans } = batch;
        for mut span in spans {
            let Some(origin) = origins.get(span.origin as usize) else { continue };
            let is_interesting = self.is_interesting(&origin.service, &span);
            match self.remembered.get(&span.trace_id) {
                // An error that comes late is kept, though the rest of its trace is gone.
                Some(true) => put(&mut decided.keep, span, origin),
                Some(false) if is_interesting => put(&mut decided.keep, span, origin),
                Some(false) => {
                    decided.dropped_spans += 1;
                    self.share_of(&origin.service).dropped_spans += 1;
                }
                None => {
                    let id = span.trace_id;
                    let waiting = self.waiting.entry(id).or_default();
                    waiting.is_interesting |= is_interesting;
                    waiting.seen_ms = now_ms;
                    span.origin = place(&mut waiting.batch, origin);
                    waiting.batch.spans.push(span);
                    self.spans += 1;
                    self.order.push_back((id, now_ms));
                }
            }
        }
        self.due(now_ms, &mut decided);
        decided
    }

    /// Decides everything that waits, as at the end of the process.
    pub fn flush(&mut self) -> Decided {
        let mut decided = Decided::default();
        while let Some((id, _)) = self.order.pop_front() {
            self.decide(id, &mut decided);
        }
        decided
    }

    /// Spans and traces that wait.
    pub fn waiting(&self) -> (usize, usize) {
        (self.spans, self.waiting.len())
    }

    fn due(&mut self, now_ms: i64, decided: &mut Decided) {
        while let Some((id, at_ms)) = self.order.front().copied() {
            let is_quiet = now_ms.saturating_sub(at_ms) >= self.settings.quiet_ms;
            let is_full = self.spans > self.settings.spans_max;
            if !is_quiet && !is_full {
                break;
            }
            self.order.pop_front();
            // A later span of it stands further behind.
            let is_last = self.waiting.get(&id).is_some_and(|w| w.seen_ms <= at_ms);
            if is_last || is_full {
                self.decide(id, decided);
            }
        }
    }

    fn decide(&mut self, id: TraceId, decided: &mut Decided) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        self.spans -= waiting.batch.spans.len();
        let keep = waiting.is_interesting || is_in_share(id, self.settings.keep_one_in);
        let spans = waiting.batch.spans.len() as u64;
        let service = waiting.batch.origins.first().map_or("", |o| &o.service);
        let share = self.share_of(service);
        match keep {
            true => {
                share.kept += 1;
                for span in waiting.batch.spans {
                    let origin = &waiting.batch.origins[span.origin as usize];
                    put(&mut decided.keep, span, origin);
                }
            }
            false => {
                share.dropped += 1;
                share.dropped_spans += spans;
                decided.dropped_spans += spans;
            }
        }
        if self.remembered.insert(id, keep).is_none() {
            self.remembered_order.push_back(id);
        }
        while self.remembered_order.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.remembered_order.pop_front() {
                self.remembered.remove(&oldest);
            }
        }
    }

    fn share_of(&mut self, service: &str) -> &mut Shares {
        let service = service_label(service);
        let full = self.shares.len() >= SERVICES_MAX && !self.shares.contains_key(service);
        self.shares.entry(if full { "other" } else { service }.to_string()).or_default()
    }

    /// An error, or slow for its operation; only whole calls and roots are judged by time.
    fn is_interesting(&mut self, service: &str, span: &Span) -> bool {
        if span.status == SpanStatus::Error || span.duration_ns / 1_000_000 >= self.settings.slow_ms {
            return true;
        }
        if span.parent_id.is_some() && !matches!(span.kind, SpanKind::Server | SpanKind::Consumer) {
            return false;
        }
        let key = (service.to_string(), mask(&span.name).into_owned());
        if self.usual.len() >= OPERATIONS_MAX && !self.usual.contains_key(&key) {
            return false;
        }
        let empty = || Usual { counts: Box::new([0; BUCKETS]), total: 0 };
        let usual = self.usual.entry(key).or_insert_with(empty);
        let is_slow = usual.is_slow(span.duration_ns, SLOW_QUANTILE);
        usual.add(span.duration_ns);
        is_slow
    }
}

/// The place of an origin in a batch; batches have few.
fn place(batch: &mut SpanBatch, origin: &model::Origin) -> u32 {
    let found = batch.origins.iter().rposition(|o| o == origin);
    found.unwrap_or_else(|| {
        batch.origins.push(origin.clone());
        batch.origins.len() - 1
    }) as u32
}

fn put(batch: &mut SpanBatch, mut span: Span, origin: &model::Origin) {
    span.origin = match batch.origins.last() == Some(origin) {
        true => batch.origins.len() as u32 - 1,
        false => {
            batch.origins.push(origin.clone());
            batch.origins.len() as u32 - 1
        }
    };
    batch.spans.push(span);
}

#[cfg(test)]
mod tests;
