//! A trace put together from its spans: who asked whom, how long each worked itself, and the chain of work that made the whole as
//! long as it was (the critical path). Spans come from many machines and may be doubled, without parents, in circles, or stamped by
//! clocks that disagree: each of that is told, none of it is hidden, and no time is altered but for drawing.
//! It must never recurse: a trace may be ten thousand deep.

mod critical;
mod tree;

pub use critical::Segment;

use model::{SpanBatch, SpanStatus};
use std::collections::BTreeMap;

/// One span in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Index into the batch.
    pub span: usize,
    /// Index into [`Trace::spans`] of who asked for it.
    pub parent: Option<usize>,
    /// Steps from its root.
    pub depth: u32,
    /// Spans beneath it.
    pub below: u32,
    /// What to add to its times to draw it where it must have been, in nanoseconds; not 0 where clocks disagree.
    pub shift_ns: i64,
    /// Time of its own, without that of the spans it asked for, in nanoseconds.
    pub self_ns: u64,
    /// Time of its own on the critical path, in nanoseconds.
    pub critical_ns: u64,
    /// It names a parent that is not there.
    pub is_orphan: bool,
    /// It was its own ancestor; it stands as a root.
    pub was_in_circle: bool,
}

/// What one service did in a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceTime {
    /// Spans of it.
    pub spans: u64,
    /// Those with an error.
    pub errors: u64,
    /// Time of their own, in nanoseconds.
    pub self_ns: u64,
    /// Of it on the critical path.
    pub critical_ns: u64,
}

/// A trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Parents before children, children in order of their drawn start.
    pub spans: Vec<Placed>,
    /// When the first began, as drawn, in nanoseconds since 1970-01-01 UTC.
    pub start_ns: i64,
    /// When the last ended, as drawn.
    pub end_ns: i64,
    /// From the beginning to the end of the main root.
    pub critical: Vec<Segment>,
    /// By name.
    pub services: BTreeMap<String, ServiceTime>,
    /// Index into `spans` of the root that the critical path belongs to: the longest.
    pub root: Option<usize>,
    /// Spans that came more than once; the longest of each is shown.
    pub duplicates: usize,
    /// Spans whose parent is not there.
    pub orphans: usize,
    /// Circles that were cut.
    pub circles: usize,
    /// Spans that are drawn elsewhere because clocks disagree.
    pub shifted: usize,
}

/// Puts the spans of one trace together.
pub fn assemble(batch: &SpanBatch) -> Trace {
    let mut trace = tree::build(batch);
    let Some((start_ns, end_ns)) = trace.bounds(batch) else { return trace };
    (trace.start_ns, trace.end_ns) = (start_ns, end_ns);
    let children = trace.children();
    let intervals: Vec<(i64, i64)> = trace.spans.iter().map(|p| drawn(batch, p)).collect();
    for i in 0..trace.spans.len() {
        trace.spans[i].self_ns = critical::self_time(intervals[i], children[i].iter().map(|c| intervals[*c]));
    }
    let is_whole = |p: &Placed| !p.is_orphan && !p.was_in_circle;
    let roots = trace.spans.iter().enumerate().filter(|(_, p)| p.parent.is_none());
    let length = |i: usize| intervals[i].1 - intervals[i].0;
    trace.root = roots.max_by_key(|(i, p)| (is_whole(p), length(*i), std::cmp::Reverse(*i))).map(|(i, _)| i);
    if let Some(root) = trace.root {
        trace.critical = critical::path(root, &intervals, &children);
    }
    for segment in &trace.critical {
        trace.spans[segment.span].critical_ns += (segment.to_ns - segment.from_ns) as u64;
    }
    for placed in &trace.spans {
        let span = &batch.spans[placed.span];
        let of = trace.services.entry(batch.origin(span).service.clone()).or_default();
        of.spans += 1;
        of.errors += u64::from(span.status == SpanStatus::Error);
        of.self_ns = of.self_ns.saturating_add(placed.self_ns);
        of.critical_ns = of.critical_ns.saturating_add(placed.critical_ns);
    }
    trace
}

/// Begin and end as drawn.
fn drawn(batch: &SpanBatch, placed: &Placed) -> (i64, i64) {
    let span = &batch.spans[placed.span];
    let start = span.start_ns.saturating_add(placed.shift_ns);
    (start, start.saturating_add(i64::try_from(span.duration_ns).unwrap_or(i64::MAX)))
}

impl Trace {
    fn bounds(&self, batch: &SpanBatch) -> Option<(i64, i64)> {
        let all = self.spans.iter().map(|p| drawn(batch, p));
        all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The children of each, in order.
    pub fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.spans.len()];
        for (i, placed) in self.spans.iter().enumerate() {
            if let Some(parent) = placed.parent {
                children[parent].push(i);
            }
        }
        children
    }
}

#[cfg(test)]
mod tests;
