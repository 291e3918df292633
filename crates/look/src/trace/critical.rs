//! Time of one's own, and the critical path: walking back from the end of a trace, at each moment the span whose end let the
//! work go on (H. Zhang et al., CRISP, USENIX ATC 2022, section 3). Intervals are as drawn. It must never recurse.

/// A part of the critical path: this span itself was what everything waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index into the spans of the trace.
    pub span: usize,
    /// From when, in nanoseconds since 1970-01-01 UTC.
    pub from_ns: i64,
    /// To when.
    pub to_ns: i64,
}

/// The length of an interval that none of the others covers.
pub(super) fn self_time((start, end): (i64, i64), children: impl Iterator<Item = (i64, i64)>) -> u64 {
    let mut inside: Vec<(i64, i64)> =
        children.map(|(s, e)| (s.max(start), e.min(end))).filter(|(s, e)| s < e).collect();
    inside.sort_unstable();
    let (mut covered, mut until) = (0, start);
    for (s, e) in inside {
        let s = s.max(until);
        if s < e {
            covered += (e - s) as u64;
            until = e;
        }
    }
    ((end - start) as u64).saturating_sub(covered)
}

struct Frame {
    span: usize,
    /// What is still to be explained ends here.
    cursor: i64,
    /// The part of the span that counts begins here.
    floor: i64,
    /// Children by their end, the last one first.
    children: std::vec::IntoIter<usize>,
}

/// The path through a root, from its beginning to its end.
pub(super) fn path(root: usize, intervals: &[(i64, i64)], children: &[Vec<usize>]) -> Vec<Segment> {
    let frame = |span: usize, floor: i64, cursor: i64| {
        let mut last_first = children[span].clone();
        last_first.sort_by_key(|c| (std::cmp::Reverse(intervals[*c].1), *c));
        Frame { span, cursor, floor, children: last_first.into_iter() }
    };
    let mut out = Vec::new();
    let mut put = |span: usize, from_ns: i64, to_ns: i64| {
        if from_ns < to_ns {
            out.push(Segment { span, from_ns, to_ns });
        }
    };
    let (start, end) = intervals[root];
    let mut stack = vec![frame(root, start, end)];
    while let Some(top) = stack.last_mut() {
        let Some(child) = top.children.next() else {
            put(top.span, top.floor, top.cursor);
            stack.pop();
            continue;
        };
        let (s, e) = intervals[child];
        let (s, e) = (s.max(top.floor), e.min(top.cursor));
        // Began after what is explained already, or lies outside of who asked.
        if s >= e {
            continue;
        }
        put(top.span, e, top.cursor);
        top.cursor = s;
        stack.push(frame(child, s, e));
    }
    out.reverse();
    out
}
