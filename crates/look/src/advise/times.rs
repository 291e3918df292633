//! Where time went: for each operation how long it worked itself, and for each call how long its caller waited beyond the
//! time that the other side worked. Compared by the mean of logarithms, so that one slow request does not decide; and where errors began: in spans that failed
//! without anything below them failing. It must never recurse, nor trust a parent to be there.

use foldhash::{HashMap, HashMapExt};
use model::{SpanId, TraceId};
use std::hash::BuildHasher;

/// Spans that are held.
pub const SPANS_MAX: usize = 400_000;
/// Added before logarithms are taken, so that microseconds of difference are none: 1 ms.
const SMALL_NS: f64 = 1e6;
/// Spans on each side, at the least.
const COUNT_MIN: f64 = 2.0;
/// Samples at which a mean is half believed.
const HALF_BELIEVED: f64 = 2.0;
/// What few spans are taken to vary by: so many spans of such a variance are added to those that were seen.
const PRIOR: (f64, f64) = (4.0, 0.1);
/// A mean logarithm that differs by so much is nothing.
const SHIFT_MIN: f64 = 0.5;
/// One that differs by so much counts fully (seven times as long).
const SHIFT_FULL: f64 = 2.0;
/// The most that one shift counts.
pub const TIME_NATS_MAX: f64 = 14.0;

/// A span as far as it is needed here.
#[derive(Clone, Copy, Debug)]
pub struct Timed<'a> {
    /// Whose.
    pub service: &'a str,
    /// What was done.
    pub operation: &'a str,
    /// Its trace, itself, who asked for it.
    pub ids: (TraceId, SpanId, Option<SpanId>),
    /// Nanoseconds since 1970.
    pub start_ns: i64,
    /// How long.
    pub duration_ns: u64,
    /// It failed.
    pub is_error: bool,
    /// It is of the window.
    pub is_inside: bool,
}

/// An operation, or a call, that takes longer.
#[derive(Clone, Debug, PartialEq)]
pub struct Slower {
    /// Who did it, or called.
    pub service: String,
    /// What was done.
    pub operation: String,
    /// Who was called; the time is what was waited beyond its work.
    pub callee: Option<String>,
    /// How many in the window, and before.
    pub counts: (u32, u32),
    /// Geometric means in seconds: before, and in the window.
    pub seconds: (f64, f64),
    /// 0 to [`TIME_NATS_MAX`].
    pub nats: f64,
}

/// An operation in which errors begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Fails {
    /// Whose.
    pub service: String,
    /// Which.
    pub operation: String,
    /// Of the window: failed without anything below failing, and all.
    pub inside: (u32, u32),
    /// The same before.
    pub before: (u32, u32),
    /// 0 to [`TIME_NATS_MAX`].
    pub nats: f64,
}

struct Row {
    trace: u64,
    span: u64,
    parent: u64,
    service: u32,
    operation: u32,
    start_ns: i64,
    end_ns: i64,
    is_error: bool,
    is_inside: bool,
}

/// Spans of the window and of before.
#[derive(Default)]
pub struct Times {
    names: Vec<String>,
    ids: HashMap<String, u32>,
    rows: Vec<Row>,
    left_out: u64,
    hasher: foldhash::fast::FixedState,
}

/// What spans say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// What takes longer, or does not: everything that was compared.
    pub slower: Vec<Slower>,
    /// Where errors begin more often.
    pub fails: Vec<Fails>,
    /// Who calls whom, as observed.
    pub calls: Vec<(String, String)>,
}

impl Times {
    /// Adds a span.
    pub fn add(&mut self, span: Timed<'_>) {
        if self.rows.len() >= SPANS_MAX {
            self.left_out += 1;
            return;
        }
        let (trace, id, parent) = span.ids;
        // 0 stands for nobody.
        let place = |id: SpanId, hasher: &foldhash::fast::FixedState| hasher.hash_one((trace, id)).max(1);
        let row = Row {
            trace: self.hasher.hash_one(trace),
            span: place(id, &self.hasher),
            parent: parent.map_or(0, |p| place(p, &self.hasher)),
            service: self.name(span.service),
            operation: self.name(span.operation),
            start_ns: span.start_ns,
            end_ns: span.start_ns.saturating_add(i64::try_from(span.duration_ns).unwrap_or(i64::MAX)),
            is_error: span.is_error,
            is_inside: span.is_inside,
        };
        self.rows.push(row);
    }

    /// Spans that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Spans that are held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn name(&mut self, name: &str) -> u32 {
        match self.ids.get(name) {
            Some(id) => *id,
            None => {
                let id = self.names.len() as u32;
                self.names.push(name.to_string());
                self.ids.insert(name.to_string(), id);
                id
            }
        }
    }

    /// Compares.
    pub fn compare(mut self) -> Timing {
        self.rows.sort_unstable_by_key(|r| (r.trace, r.span));
        self.rows.dedup_by_key(|r| (r.trace, r.span));
        let mut places: HashMap<u64, u32> = HashMap::with_capacity(self.rows.len());
        for (i, row) in self.rows.iter().enumerate() {
            places.insert(row.span, i as u32);
        }
        let mut children: Vec<(u32, u32)> = Vec::new();
        for (i, row) in self.rows.iter().enumerate().filter(|(_, r)| r.parent != 0) {
            if let Some(parent) = places.get(&row.parent).filter(|p| **p as usize != i) {
                children.push((*parent, i as u32));
            }
        }
        children
            .sort_unstable_by_key(|(parent, child)| (*parent, self.rows[*child as usize].start_ns, *child));
        let mut found = Found::default();
        let mut at = 0;
        for (i, row) in self.rows.iter().enumerate() {
            let first = at;
            while at < children.len() && children[at].0 as usize == i {
                at += 1;
            }
            let below = children[first..at].iter().map(|(_, c)| &self.rows[*c as usize]);
            found.add(row, below);
        }
        let name = |id: u32| self.names[id as usize].clone();
        let mut timing = Timing::default();
        for ((service, operation, callee), sums) in found.times {
            if let Some((nats, seconds)) = sums.shift() {
                let counts = (sums.inside.count as u32, sums.before.count as u32);
                let callee = (callee != u32::MAX).then(|| name(callee));
                let (service, operation) = (name(service), name(operation));
                timing.slower.push(Slower { service, operation, callee, counts, seconds, nats });
            }
        }
        for ((service, operation), n) in found.errors {
            let (inside, before) = ((n[0], n[1]), (n[2], n[3]));
            let nats = more_often(inside, before);
            if nats > 0.0 {
                timing.fails.push(Fails {
                    service: name(service),
                    operation: name(operation),
                    inside,
                    before,
                    nats,
                });
            }
        }
        timing.calls = found.calls.into_keys().map(|(a, b)| (name(a), name(b))).collect();
        timing.calls.sort_unstable();
        timing.slower.sort_by(|a, b| {
            let by = |s: &Slower| (s.service.clone(), s.operation.clone(), s.callee.clone());
            b.nats.total_cmp(&a.nats).then_with(|| by(a).cmp(&by(b)))
        });
        timing.fails.sort_by(|a, b| b.nats.total_cmp(&a.nats).then_with(|| a.operation.cmp(&b.operation)));
        timing
    }
}

#[derive(Default)]
struct Found {
    /// By service, operation, and callee or `u32::MAX`.
    times: HashMap<(u32, u32, u32), Sums>,
    /// By service and operation: failed and all in the window, failed and all before.
    errors: HashMap<(u32, u32), [u32; 4]>,
    calls: HashMap<(u32, u32), ()>,
}

impl Found {
    fn add<'a>(&mut self, row: &Row, below: impl Iterator<Item = &'a Row>) {
        let (mut covered, mut reached) = (0i64, row.start_ns);
        let (mut callee, mut is_below) = (u32::MAX, false);
        let mut is_of_several = false;
        for child in below {
            let (from, to) = (child.start_ns.max(reached), child.end_ns.min(row.end_ns));
            if to > from {
                covered += to - from;
                reached = to;
            }
            is_below |= child.is_error;
            if child.service != row.service {
                self.calls.insert((row.service, child.service), ());
                is_of_several |= callee != u32::MAX && callee != child.service;
                callee = child.service;
            }
        }
        if is_of_several {
            callee = u32::MAX;
        }
        let own_ns = (row.end_ns.saturating_sub(row.start_ns).saturating_sub(covered)).max(0) as f64;
        let sums = self.times.entry((row.service, row.operation, callee)).or_default();
        let side = if row.is_inside { &mut sums.inside } else { &mut sums.before };
        side.add((own_ns + SMALL_NS).ln());
        let counts = self.errors.entry((row.service, row.operation)).or_default();
        let first = if row.is_inside { 0 } else { 2 };
        counts[first] += u32::from(row.is_error && !is_below);
        counts[first + 1] += 1;
    }
}

/// Count, mean, and sum of squared distances from it (Welford 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let step = value - self.mean;
        self.mean += step / self.count;
        self.squares += step * (value - self.mean);
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    inside: Sum,
    before: Sum,
}

impl Sums {
    /// How strongly a longer time speaks, and the geometric means in seconds.
    fn shift(&self) -> Option<(f64, (f64, f64))> {
        let (w, b) = (&self.inside, &self.before);
        if w.count < COUNT_MIN || b.count < COUNT_MIN {
            return None;
        }
        let shift = w.mean - b.mean;
        let variance = (b.squares + PRIOR.0 * PRIOR.1) / (b.count + PRIOR.0);
        let far = shift.max(0.0) / variance.sqrt() * (w.count * b.count / (w.count + b.count)).sqrt();
        let full = ((shift - SHIFT_MIN) / (SHIFT_FULL - SHIFT_MIN)).clamp(0.0, 1.0);
        let believed = w.count / (w.count + HALF_BELIEVED);
        let nats = (far * far / 2.0).min(TIME_NATS_MAX) * full * believed;
        let seconds = |mean: f64| ((mean.exp() - SMALL_NS) / 1e9).max(0.0);
        Some((nats, (seconds(b.mean), seconds(w.mean))))
    }
}

/// Errors as a part of all, in the window against before: the logarithm of the likelihood ratio.
fn more_often((k, n): (u32, u32), (k0, n0): (u32, u32)) -> f64 {
    if k == 0 || n == 0 {
        return 0.0;
    }
    // Half a failure more than none was seen before: nothing was seen for ever.
    let (share, before) = (f64::from(k) / f64::from(n), (f64::from(k0) + 0.5) / (f64::from(n0) + 1.0));
    if share <= before {
        return 0.0;
    }
    let rest = if k < n { f64::from(n - k) * ((1.0 - share) / (1.0 - before).max(1e-9)).ln() } else { 0.0 };
    (f64::from(k) * (share / before).ln() + rest).clamp(0.0, TIME_NATS_MAX)
}
