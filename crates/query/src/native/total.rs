//! Sums and means of histograms, with compensated addition in every bucket. Two histograms that differ in their buckets
//! meet in what both can say.

use super::bounds::{coarser, exponential};
use crate::number::Sum;
use model::Histogram;
use model::histogram::{Buckets, CUSTOM_SCHEMA, ResetHint};
use std::sync::Arc;

/// One has exponential buckets and the other bounds of its own: they cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incompatible;

/// What a person should know about an addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One says that its counter was reset, the other that it was not.
    pub(crate) hints_collide: bool,
    /// Custom bounds differed, and those that both have were kept.
    pub(crate) bounds_reconciled: bool,
}

/// Buckets of one side by index, in order.
type Side = Vec<(i32, Sum)>;

/// A running sum of histograms.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    schema: i8,
    hint: ResetHint,
    zero_threshold: f64,
    zero: Sum,
    count: Sum,
    sum: Sum,
    positive: Side,
    negative: Side,
    bounds: Arc<[f64]>,
}

fn plain(sum: f64) -> Sum {
    Sum { sum, compensation: 0.0 }
}

fn side(buckets: &Buckets) -> Side {
    populated(buckets).map(|(i, c)| (i, plain(c))).collect()
}

/// Buckets that hold anything.
fn populated(buckets: &Buckets) -> impl Iterator<Item = (i32, f64)> + '_ {
    buckets.iter().filter(|(_, c)| *c != 0.0)
}

impl Total {
    pub(crate) fn new(h: &Histogram) -> Total {
        Total {
            schema: h.schema,
            hint: h.hint,
            zero_threshold: h.zero_threshold,
            zero: plain(h.zero_count),
            count: plain(h.count),
            sum: plain(h.sum),
            positive: side(&h.positive),
            negative: side(&h.negative),
            bounds: h.custom_bounds.clone(),
        }
    }

    fn is_custom(&self) -> bool {
        self.schema == CUSTOM_SCHEMA
    }

    /// Adds a histogram.
    ///
    /// # Errors
    /// If the kinds of buckets differ; nothing is changed then.
    pub(crate) fn add(&mut self, h: &Histogram) -> Result<Outcome, Incompatible> {
        self.add_signed(h, 1.0)
    }

    /// Takes a histogram away.
    ///
    /// # Errors
    /// As [`Total::add`].
    pub(crate) fn subtract(&mut self, h: &Histogram) -> Result<Outcome, Incompatible> {
        self.add_signed(h, -1.0)
    }

    fn add_signed(&mut self, h: &Histogram, sign: f64) -> Result<Outcome, Incompatible> {
        if self.is_custom() != h.is_custom() {
            return Err(Incompatible);
        }
        let mut outcome = Outcome { hints_collide: self.take_hint(h.hint), bounds_reconciled: false };
        self.count.add(sign * h.count);
        self.sum.add(sign * h.sum);
        if self.is_custom() {
            outcome.bounds_reconciled = self.add_custom(h, sign);
            return Ok(outcome);
        }
        if self.zero_threshold == h.zero_threshold && self.schema == h.schema {
            self.zero.add(sign * h.zero_count);
            merge(&mut self.positive, populated(&h.positive).map(|(i, c)| (i, sign * c)));
            merge(&mut self.negative, populated(&h.negative).map(|(i, c)| (i, sign * c)));
            return Ok(outcome);
        }
        let mut other = Total::new(h);
        self.meet_zero_buckets(&mut other);
        let schema = self.schema.min(other.schema);
        self.reduce(schema);
        other.reduce(schema);
        self.zero.add(sign * other.zero.value());
        merge(&mut self.positive, other.positive.iter().map(|(i, c)| (*i, sign * c.value())));
        merge(&mut self.negative, other.negative.iter().map(|(i, c)| (*i, sign * c.value())));
        Ok(outcome)
    }

    /// Takes over what is known of resets; true if the two contradict each other.
    fn take_hint(&mut self, other: ResetHint) -> bool {
        let (hint, collide) = match (self.hint, other) {
            (a, b) if a == b => (a, false),
            (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => (ResetHint::Gauge, false),
            (ResetHint::Unknown, _) | (_, ResetHint::Unknown) => (ResetHint::Unknown, false),
            _ => (ResetHint::Unknown, true),
        };
        self.hint = hint;
        collide
    }

    /// Adds buckets with custom bounds; true if the bounds differed.
    fn add_custom(&mut self, h: &Histogram, sign: f64) -> bool {
        if same_bounds(&self.bounds, &h.custom_bounds) {
            merge(&mut self.positive, populated(&h.positive).map(|(i, c)| (i, sign * c)));
            return false;
        }
        let common = common_bounds(&self.bounds, &h.custom_bounds);
        let held = std::mem::take(&mut self.positive);
        let held = Mapped::new(held.into_iter(), &self.bounds, &common);
        for (i, c) in held {
            match self.positive.last_mut() {
                Some((last, sum)) if *last == i => {
                    sum.add(c.sum);
                    sum.add(c.compensation);
                }
                _ => self.positive.push((i, c)),
            }
        }
        let other = populated(&h.positive).map(|(i, c)| (i, sign * c));
        merge(&mut self.positive, Mapped::new(other, &h.custom_bounds, &common));
        self.bounds = common;
        true
    }

    /// Widens the zero buckets of both until they are the same, and end in no bucket that holds anything.
    fn meet_zero_buckets(&mut self, other: &mut Total) {
        loop {
            if self.zero_threshold > other.zero_threshold {
                other.widen(self.zero_threshold);
            } else if self.zero_threshold < other.zero_threshold {
                self.widen(other.zero_threshold);
            } else {
                return;
            }
        }
    }

    fn widen(&mut self, threshold: f64) {
        (self.zero, self.zero_threshold) =
            widened(self.schema, self.zero, &self.positive, &self.negative, threshold);
        let (schema, threshold) = (self.schema, self.zero_threshold);
        let outside = |(i, _): &(i32, Sum)| exponential(schema, *i).0 >= threshold;
        self.positive.retain(outside);
        self.negative.retain(outside);
    }

    /// To a coarser schema, or the same.
    pub(crate) fn reduce(&mut self, schema: i8) {
        if self.is_custom() || schema >= self.schema {
            return;
        }
        for side in [&mut self.positive, &mut self.negative] {
            let mut reduced = Side::with_capacity(side.len());
            for (i, c) in side.drain(..) {
                let i = coarser(i, self.schema, schema);
                match reduced.last_mut() {
                    Some((last, sum)) if *last == i => {
                        sum.add(c.sum);
                        sum.add(c.compensation);
                    }
                    _ => reduced.push((i, c)),
                }
            }
            *side = reduced;
        }
        self.schema = schema;
    }

    fn numbers(&mut self) -> impl Iterator<Item = &mut Sum> {
        let sides = self.positive.iter_mut().chain(&mut self.negative).map(|(_, c)| c);
        [&mut self.zero, &mut self.count, &mut self.sum].into_iter().chain(sides)
    }

    /// Multiplies everything.
    pub(crate) fn scale(&mut self, factor: f64) {
        for n in self.numbers() {
            n.sum *= factor;
            n.compensation *= factor;
        }
        if factor < 0.0 {
            self.hint = ResetHint::Gauge;
        }
    }

    fn divide(&mut self, by: f64) {
        for n in self.numbers() {
            n.sum /= by;
            n.compensation /= by;
        }
    }

    fn overflows(&mut self) -> bool {
        self.numbers().any(|n| n.sum.is_infinite())
    }

    /// Memory of the buckets, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        (self.positive.capacity() + self.negative.capacity()) * size_of::<(i32, Sum)>()
    }

    /// Observations so far.
    pub(crate) fn observations(&self) -> f64 {
        self.count.value()
    }

    /// Says that the result is no counter.
    pub(crate) fn into_gauge(mut self) -> Total {
        self.hint = ResetHint::Gauge;
        self
    }

    /// The sum as a histogram, without buckets that hold nothing.
    pub(crate) fn histogram(&self) -> Histogram {
        let buckets = |side: &Side| {
            let values = side.iter().map(|(i, c)| (*i, c.value()));
            Buckets::from_pairs(values.filter(|(_, c)| *c != 0.0))
        };
        Histogram {
            schema: self.schema,
            hint: self.hint,
            count: self.count.value(),
            sum: self.sum.value(),
            zero_threshold: self.zero_threshold,
            zero_count: self.zero.value(),
            positive: buckets(&self.positive),
            negative: buckets(&self.negative),
            custom_bounds: self.bounds.clone(),
        }
    }
}

/// What a zero bucket of this width or a little more would hold: it must not end inside a bucket that holds anything.
fn widened(schema: i8, zero: Sum, positive: &Side, negative: &Side, threshold: f64) -> (Sum, f64) {
    let mut threshold = threshold;
    loop {
        let (mut total, before) = (zero, threshold);
        for side in [positive, negative] {
            for (i, c) in side {
                let (lower, upper) = exponential(schema, *i);
                if lower >= threshold {
                    break;
                }
                total.add(c.sum);
                total.add(c.compensation);
                if upper > threshold {
                    threshold = upper;
                    break;
                }
            }
        }
        if threshold == before {
            return (total, threshold);
        }
    }
}

/// As [`widened`], of a histogram that is only looked at.
pub(super) fn widened_zero_bucket(h: &Histogram, threshold: f64) -> (f64, f64) {
    let (zero, width) =
        widened(h.schema, plain(h.zero_count), &side(&h.positive), &side(&h.negative), threshold);
    (zero.value(), width)
}

/// Adds buckets in order of index. Where all are there already, which is mostly so, nothing moves.
fn merge(into: &mut Side, from: impl Iterator<Item = (i32, f64)>) {
    let mut at = 0;
    let mut from = from.peekable();
    while let Some((index, _)) = from.peek() {
        while into.get(at).is_some_and(|(i, _)| i < index) {
            at += 1;
        }
        match into.get_mut(at) {
            Some((i, sum)) if i == index => sum.add(from.next().map_or(0.0, |(_, c)| c)),
            _ => break,
        }
    }
    if from.peek().is_none() {
        return;
    }
    let mut rest = into.split_off(at).into_iter().peekable();
    for (index, c) in from {
        while let Some(held) = rest.next_if(|(i, _)| *i < index) {
            into.push(held);
        }
        match rest.next_if(|(i, _)| *i == index) {
            Some((i, mut sum)) => {
                sum.add(c);
                into.push((i, sum));
            }
            None => match into.last_mut() {
                // Two buckets of the source can be one here.
                Some((i, sum)) if *i == index => sum.add(c),
                _ => into.push((index, plain(c))),
            },
        }
    }
    into.extend(rest);
}

/// Whether two lists of custom bounds are the same.
pub(super) fn same_bounds(a: &Arc<[f64]>, b: &Arc<[f64]>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// The bounds that are in both lists, each in increasing order.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    let mut others = b.iter().peekable();
    let is_common = |bound: &&f64| {
        while others.next_if(|o| *o < *bound).is_some() {}
        others.peek() == Some(bound)
    };
    a.iter().filter(is_common).copied().collect()
}

/// Buckets of custom bounds, each by the index of the bucket of other bounds in which it ends.
struct Mapped<'b, I> {
    buckets: I,
    from: &'b [f64],
    to: &'b [f64],
    at: usize,
}

impl<'b, I> Mapped<'b, I> {
    fn new(buckets: I, from: &'b [f64], to: &'b [f64]) -> Self {
        Mapped { buckets, from, to, at: 0 }
    }
}

impl<C, I: Iterator<Item = (i32, C)>> Iterator for Mapped<'_, I> {
    type Item = (i32, C);

    fn next(&mut self) -> Option<(i32, C)> {
        let (i, count) = self.buckets.next()?;
        match usize::try_from(i).ok().and_then(|i| self.from.get(i)) {
            Some(upper) => {
                while self.to.get(self.at).is_some_and(|bound| bound < upper) {
                    self.at += 1;
                }
            }
            None => self.at = self.to.len(),
        }
        Some((self.at as i32, count))
    }
}

/// A mean: the sum divided at the end, or, once the sum would overflow, a running mean.
#[derive(Clone, Debug)]
pub(crate) struct Mean {
    total: Total,
    count: f64,
    running: bool,
    /// No number of the sum is larger than this.
    largest: f64,
}

impl Mean {
    pub(crate) fn new(h: &Histogram) -> Mean {
        Mean { total: Total::new(h), count: 1.0, running: false, largest: largest(h) }
    }

    /// As [`Total::add`].
    pub(crate) fn add(&mut self, h: &Histogram) -> Result<Outcome, Incompatible> {
        self.count += 1.0;
        if !self.running {
            self.largest += largest(h);
            if self.largest.is_finite() {
                return self.total.add(h);
            }
            let mut next = self.total.clone();
            let outcome = next.add(h)?;
            if !next.overflows() {
                self.total = next;
                return Ok(outcome);
            }
            self.running = true;
            self.total.divide(self.count - 1.0);
        }
        self.total.scale((self.count - 1.0) / self.count);
        self.total.add(&divided(h, self.count))
    }

    /// As [`Total::bytes`].
    pub(crate) fn bytes(&self) -> usize {
        self.total.bytes()
    }

    pub(crate) fn histogram(mut self) -> Histogram {
        if !self.running {
            self.total.divide(self.count);
        }
        self.total.histogram()
    }
}

fn largest(h: &Histogram) -> f64 {
    let counts = h.positive.counts.iter().chain(&h.negative.counts);
    [h.count, h.sum, h.zero_count].iter().chain(counts).fold(0.0, |largest: f64, n| largest.max(n.abs()))
}

/// Every number changed; buckets that hold nothing then are left out.
fn mapped(h: &Histogram, f: impl Fn(f64) -> f64) -> Histogram {
    let side = |buckets: &Buckets| {
        let changed = buckets.iter().map(|(i, c)| (i, f(c)));
        Buckets::from_pairs(changed.filter(|(_, c)| *c != 0.0))
    };
    Histogram {
        count: f(h.count),
        sum: f(h.sum),
        zero_count: f(h.zero_count),
        positive: side(&h.positive),
        negative: side(&h.negative),
        custom_bounds: h.custom_bounds.clone(),
        ..*h
    }
}

/// Multiplied by a number; a negative one makes a gauge of a counter.
pub(crate) fn scaled(h: &Histogram, factor: f64) -> Histogram {
    let hint = if factor < 0.0 { ResetHint::Gauge } else { h.hint };
    Histogram { hint, ..mapped(h, |n| n * factor) }
}

/// Divided by a number; by zero no bucket is left.
pub(crate) fn divided(h: &Histogram, by: f64) -> Histogram {
    let hint = if by < 0.0 { ResetHint::Gauge } else { h.hint };
    let mut quotient = Histogram { hint, ..mapped(h, |n| n / by) };
    if by == 0.0 {
        quotient.positive = Buckets::default();
        quotient.negative = Buckets::default();
    }
    quotient
}
