//! Which traces are kept when not all can be: those with an error and the slow ones whole, a share of the others, by trace id, so
//! that every machine decides the same. A trace is decided when nothing came of it for a while, or when too many wait. Spans
//! themselves are not here: they are stored as they come, and whoever writes them for long asks which to leave out.
//! It must never say that a trace may go of which it knows nothing, nor hold more than its bounds.

use super::mask::mask;
use super::metrics::service_label;
use foldhash::{HashMap, HashMapExt};
use model::{Span, SpanBatch, SpanKind, SpanStatus, TraceId};
use std::collections::{BTreeMap, VecDeque};

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailSettings {
    /// Of so many ordinary traces one is kept. At 1 all are, and nothing waits.
    pub keep_one_in: u64,
    /// Or slower than this, in milliseconds.
    pub slow_ms: u64,
    /// A trace is decided after so long without a span of it, in milliseconds.
    pub quiet_ms: i64,
    /// Spans of traces that wait for their decision, at the most.
    pub spans_max: usize,
}

impl Default for TailSettings {
    fn default() -> Self {
        TailSettings { keep_one_in: 1, slow_ms: 10_000, quiet_ms: 5_000, spans_max: 200_000 }
    }
}

/// A call is slow if it is slower than this share of those of its operation, as far as they are known.
const SLOW_QUANTILE: f64 = 0.99;
/// Traces whose decision is remembered, for spans that come late and until their rows are written for long.
const REMEMBERED_MAX: usize = 500_000;
/// Traces that are not decided when their rows are written are kept, unless they have more than one row of so many.
const UNDECIDED_FEW: usize = 10;
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

/// Traces of one service (that of the first span of each) that were decided since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Traces that are kept whole.
    pub kept: u64,
    /// Traces that are not.
    pub dropped: u64,
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

struct Waiting {
    /// Of its first span.
    service: String,
    spans: usize,
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

    /// Looks at spans that come, and decides the traces that are due.
    pub fn step(&mut self, batch: &SpanBatch, now_ms: i64) {
        if self.keeps_all() {
            return;
        }
        for span in &batch.spans {
            let Some(origin) = batch.origins.get(span.origin as usize) else { continue };
            let is_interesting = self.is_interesting(&origin.service, span);
            let id = span.trace_id;
            if let Some(is_kept) = self.remembered.get_mut(&id) {
                // An error that comes late saves what is still there of its trace.
                *is_kept |= is_interesting;
                continue;
            }
            let new = || Waiting {
                service: service_label(&origin.service).to_string(),
                spans: 0,
                seen_ms: now_ms,
                is_interesting: false,
            };
            let waiting = self.waiting.entry(id).or_insert_with(new);
            waiting.is_interesting |= is_interesting;
            waiting.seen_ms = now_ms;
            waiting.spans += 1;
            self.spans += 1;
            self.order.push_back((id, now_ms));
        }
        self.due(now_ms);
    }

    /// Which of these rows are worth keeping, each with the trace that it belongs to: they are written for long now. Traces that
    /// are not decided are kept whole where they are few; else they are decided by what is known of them. One of which nothing
    /// is known is kept, and from now on whole.
    pub fn keeps(&mut self, rows: &[TraceId]) -> Vec<bool> {
        let undecided = rows.iter().filter(|id| self.waiting.contains_key(*id)).count();
        let are_few = undecided.saturating_mul(UNDECIDED_FEW) <= rows.len();
        let keeps = |id: &TraceId| match self.remembered.get(id) {
            Some(is_kept) => *is_kept,
            None => {
                let is_kept = are_few || !self.waiting.contains_key(id) || self.is_worth(*id);
                self.settle(*id, is_kept);
                is_kept
            }
        };
        rows.iter().map(keeps).collect()
    }

    /// Spans and traces that wait.
    pub fn waiting(&self) -> (usize, usize) {
        (self.spans, self.waiting.len())
    }

    fn due(&mut self, now_ms: i64) {
        while let Some((id, at_ms)) = self.order.front().copied() {
            let is_quiet = now_ms.saturating_sub(at_ms) >= self.settings.quiet_ms;
            let is_full = self.spans > self.settings.spans_max;
            if !is_quiet && !is_full {
                break;
            }
            self.order.pop_front();
            // A later span of it stands further behind.
            let is_last = self.waiting.get(&id).is_some_and(|w| w.seen_ms <= at_ms);
            if is_last || is_full && self.waiting.contains_key(&id) {
                let is_kept = self.is_worth(id);
                self.settle(id, is_kept);
            }
        }
    }

    /// By what is known of it until now.
    fn is_worth(&self, id: TraceId) -> bool {
        let is_interesting = self.waiting.get(&id).is_some_and(|w| w.is_interesting);
        is_interesting || is_in_share(id, self.settings.keep_one_in)
    }

    fn settle(&mut self, id: TraceId, is_kept: bool) {
        if let Some(waiting) = self.waiting.remove(&id) {
            self.spans -= waiting.spans;
            let share = self.share_of(&waiting.service);
            match is_kept {
                true => share.kept += 1,
                false => share.dropped += 1,
            }
        }
        if self.remembered.insert(id, is_kept).is_none() {
            self.remembered_order.push_back(id);
        }
        while self.remembered_order.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.remembered_order.pop_front() {
                self.remembered.remove(&oldest);
            }
        }
    }

    fn share_of(&mut self, service: &str) -> &mut Shares {
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

#[cfg(test)]
mod tests;
