//! The last spans as they arrived, before it is decided which are kept: a capture has them all. It must never hold more
//! than its bounds.

use model::SpanBatch;
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

/// Spans that are held, and about how many bytes.
const SPANS_MAX: usize = 20_000;
const BYTES_MAX: usize = 4 << 20;
/// What a span costs beside its texts.
const SPAN_BYTES: usize = 256;

/// The last spans.
pub struct RecentSpans {
    span_ms: i64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    batches: VecDeque<(i64, SpanBatch, usize)>,
    spans: usize,
    bytes: usize,
}

impl RecentSpans {
    /// Holds what arrived in the last `span_ms`.
    pub fn new(span_ms: i64) -> RecentSpans {
        RecentSpans { span_ms, held: Mutex::default() }
    }

    /// Takes spans as they arrive.
    pub fn push(&self, batch: &SpanBatch, now_ms: i64) {
        let texts = |s: &model::Span| {
            s.name.len() + s.attributes.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>()
        };
        let bytes = batch.spans.iter().map(|s| SPAN_BYTES + texts(s)).sum();
        if batch.spans.len() > SPANS_MAX || bytes > BYTES_MAX {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(|e| e.into_inner());
        held.spans += batch.spans.len();
        held.bytes += bytes;
        held.batches.push_back((now_ms, batch.clone(), bytes));
        let oldest_ms = now_ms.saturating_sub(self.span_ms);
        while held.spans > SPANS_MAX
            || held.bytes > BYTES_MAX
            || held.batches.front().is_some_and(|(at, _, _)| *at < oldest_ms)
        {
            let Some((_, batch, bytes)) = held.batches.pop_front() else { break };
            held.spans -= batch.spans.len();
            held.bytes -= bytes;
        }
    }

    /// Spans that began in `from_ns..=to_ns` and are not among those that are kept, by their ids.
    pub fn others(
        &self,
        kept: &HashSet<(model::TraceId, model::SpanId)>,
        from_ns: i64,
        to_ns: i64,
    ) -> SpanBatch {
        let held = self.held.lock().unwrap_or_else(|e| e.into_inner());
        let mut out = SpanBatch::default();
        for (_, batch, _) in &held.batches {
            let base = out.origins.len() as u32;
            out.origins.extend_from_slice(&batch.origins);
            for span in &batch.spans {
                let is_wanted = (from_ns..=to_ns).contains(&span.start_ns);
                if is_wanted && !kept.contains(&(span.trace_id, span.span_id)) {
                    let mut span = span.clone();
                    span.origin += base;
                    out.spans.push(span);
                }
            }
        }
        out
    }
}
