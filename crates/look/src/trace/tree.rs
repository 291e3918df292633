//! Parents and children: doubles are joined, circles cut, orphans made roots, and calls between machines whose clocks disagree
//! moved to where they must have been. It must never leave a span out.

use super::{Placed, Trace};
use model::{Span, SpanBatch, SpanId, SpanKind};
use std::collections::HashMap;

/// The tree of the spans of a batch; times of its own are not known yet.
pub(super) fn build(batch: &SpanBatch) -> Trace {
    let mut trace = Trace::default();
    let kept = unique(batch, &mut trace);
    let mut by_id: HashMap<SpanId, usize> = HashMap::new();
    for (i, span) in kept.iter().map(|i| &batch.spans[*i]).enumerate() {
        // Of two sides that share an id, children belong to the one that answers.
        if span.kind == SpanKind::Server || !by_id.contains_key(&span.span_id) {
            by_id.insert(span.span_id, i);
        }
    }
    let asked: HashMap<SpanId, usize> = kept
        .iter()
        .enumerate()
        .filter(|(_, i)| batch.spans[**i].kind == SpanKind::Client)
        .map(|(i, at)| (batch.spans[*at].span_id, i))
        .collect();
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(kept.len());
    let mut orphans = vec![false; kept.len()];
    for (i, at) in kept.iter().enumerate() {
        let span = &batch.spans[*at];
        let shared = asked.get(&span.span_id).filter(|j| **j != i && span.kind == SpanKind::Server);
        let parent = match (shared, span.parent_id) {
            (Some(j), _) => Some(*j),
            (None, Some(id)) => by_id.get(&id).copied(),
            (None, None) => None,
        };
        orphans[i] = parent.is_none() && span.parent_id.is_some();
        parents.push(parent);
    }
    let circles = cut_circles(&mut parents, |i| batch.spans[kept[i]].start_ns);
    trace.circles = circles.len();
    trace.orphans = orphans.iter().filter(|o| **o).count();
    place(batch, &kept, &parents, &mut trace);
    // `place` has put them into another order: by index into the batch they are found again.
    let of: HashMap<usize, usize> = kept.iter().enumerate().map(|(i, at)| (*at, i)).collect();
    for placed in &mut trace.spans {
        let i = of[&placed.span];
        placed.is_orphan = orphans[i];
        placed.was_in_circle = circles.contains(&i);
    }
    trace
}

/// Indexes of spans, each span once: of those with the same id, kind and service the longest, which is the last word.
fn unique(batch: &SpanBatch, trace: &mut Trace) -> Vec<usize> {
    let mut seen: HashMap<(SpanId, SpanKind, &str), usize> = HashMap::new();
    let mut kept: Vec<usize> = Vec::with_capacity(batch.spans.len());
    for (i, span) in batch.spans.iter().enumerate() {
        let key = (span.span_id, span.kind, batch.origin(span).service.as_str());
        match seen.get(&key) {
            Some(at) => {
                trace.duplicates += 1;
                if batch.spans[kept[*at]].duration_ns < span.duration_ns {
                    kept[*at] = i;
                }
            }
            None => {
                seen.insert(key, kept.len());
                kept.push(i);
            }
        }
    }
    kept
}

/// Cuts each circle before its earliest span, and returns those that became roots by it.
fn cut_circles(parents: &mut [Option<usize>], start: impl Fn(usize) -> i64) -> Vec<usize> {
    const NEW: u32 = 0;
    let mut walk = vec![NEW; parents.len()];
    let mut cut = Vec::new();
    for first in 0..parents.len() {
        let number = first as u32 + 1;
        let (mut at, mut path) = (Some(first), Vec::new());
        while let Some(i) = at {
            if walk[i] == number {
                // Everything from `i` on is the circle.
                let from = path.iter().position(|p| *p == i).unwrap_or(0);
                let earliest = path[from..].iter().copied().min_by_key(|p| (start(*p), *p)).unwrap_or(i);
                parents[earliest] = None;
                cut.push(earliest);
                break;
            }
            if walk[i] != NEW {
                break;
            }
            walk[i] = number;
            path.push(i);
            at = parents[i];
        }
    }
    cut
}

/// Depth first, earlier ones first, each shifted as its clock demands.
fn place(batch: &SpanBatch, kept: &[usize], parents: &[Option<usize>], trace: &mut Trace) {
    let mut children = vec![Vec::new(); kept.len()];
    let mut roots = Vec::new();
    for (i, parent) in parents.iter().enumerate() {
        match parent {
            Some(p) => children[*p].push(i),
            None => roots.push(i),
        }
    }
    let start = |i: usize, shift: i64| batch.spans[kept[i]].start_ns.saturating_add(shift);
    roots.sort_by_key(|i| (start(*i, 0), *i));
    // (which, place of the parent, depth, shift), the next one last.
    let mut stack: Vec<(usize, Option<usize>, u32, i64)> =
        roots.into_iter().rev().map(|i| (i, None, 0, 0)).collect();
    while let Some((i, parent, depth, shift_ns)) = stack.pop() {
        let at = trace.spans.len();
        trace.shifted += usize::from(shift_ns != 0);
        trace.spans.push(Placed {
            span: kept[i],
            parent,
            depth,
            below: 0,
            shift_ns,
            self_ns: 0,
            critical_ns: 0,
            is_orphan: false,
            was_in_circle: false,
        });
        let mut below: Vec<(usize, i64)> =
            children[i].iter().map(|c| (*c, shift(batch, kept[i], kept[*c], shift_ns))).collect();
        below.sort_by_key(|(c, shift)| (std::cmp::Reverse(start(*c, *shift)), std::cmp::Reverse(*c)));
        stack.extend(below.into_iter().map(|(c, shift)| (c, Some(at), depth + 1, shift)));
    }
    for i in (0..trace.spans.len()).rev() {
        if let Some(parent) = trace.spans[i].parent {
            trace.spans[parent].below += trace.spans[i].below + 1;
        }
    }
}

/// The shift of a child. Within a process it is its parent's. An answer that seems to lie outside of the question, though it is not
/// longer, was stamped by another clock: it is put into the middle, so that way there and way back are equally long.
fn shift(batch: &SpanBatch, parent: usize, child: usize, parent_shift_ns: i64) -> i64 {
    let (p, c): (&Span, &Span) = (&batch.spans[parent], &batch.spans[child]);
    let (po, co) = (batch.origin(p), batch.origin(c));
    if (&po.service, &po.host) == (&co.service, &co.host) {
        return parent_shift_ns;
    }
    if !(p.kind == SpanKind::Client && c.kind == SpanKind::Server) || c.duration_ns > p.duration_ns {
        return 0;
    }
    let asked = p.start_ns.saturating_add(parent_shift_ns);
    let whole = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let (asked_ns, answered_ns) = (whole(p.duration_ns), whole(c.duration_ns));
    let is_inside =
        c.start_ns >= asked && c.start_ns.saturating_add(answered_ns) <= asked.saturating_add(asked_ns);
    match is_inside {
        true => 0,
        false => asked.saturating_add((asked_ns - answered_ns) / 2).saturating_sub(c.start_ns),
    }
}
