//! Quantiles and shares of histograms of both kinds: classic ones, which are series that differ in `le`, the upper bound of
//! a bucket that counts all observations up to it, and native ones, which are samples.

use super::column::{ABSENT, Column, Merged, Steps, is_present};
use super::{Eval, Held, Sink};
use crate::ast::Expr;
use crate::error::{QueryError, Span};
use crate::native::{self, NotANumber};
use model::Labels;
use std::collections::HashMap;

/// The label with the upper bound.
const LE: &str = "le";

/// One bucket at one step.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// A histogram of either kind at one step.
enum Of<'h> {
    Classic(&'h mut Vec<Bucket>),
    Native(&'h model::Histogram),
}

/// The buckets of one classic histogram, in order of their bounds.
struct Histogram {
    labels: Labels,
    /// The metric's name, for notes.
    name: String,
    bounds: Vec<f64>,
    columns: Vec<Vec<f64>>,
}

impl Eval<'_> {
    /// `histogram_quantile(q, buckets)`
    pub(super) fn histogram_quantile(
        &self,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let q = &self.params(&[&args[0]], steps)?[0];
        q.iter().for_each(|q| self.check_quantile(*q, args[0].span));
        let span = args[1].span;
        self.histograms(&args[1], steps, 1, &mut |_, column| sink(column), |step, of, name, out| match of {
            Of::Classic(buckets) => {
                let (value, forced) = quantile(q[step], buckets);
                if forced {
                    self.note_forced(span, name);
                }
                out[0] = value;
            }
            Of::Native(h) => out[0] = self.native_quantile(q[step], h, span, name),
        })
    }

    /// `histogram_quantiles(buckets, "label", q, ...)`: the quantile becomes a label.
    pub(super) fn histogram_quantiles(
        &self,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let label = self.string(&args[1]);
        super::labels::check_name(label, "histogram_quantiles", &args[1])?;
        let params = self.params(&args[2..].iter().collect::<Vec<_>>(), steps)?;
        for (q, arg) in params.iter().zip(&args[2..]) {
            q.iter().for_each(|q| self.check_quantile(*q, arg.span));
        }
        let mut merged = Merged::default();
        let take =
            &mut |i: usize, column: Column| self.label_by_quantile(&params[i], label, column, &mut merged);
        let span = args[0].span;
        self.histograms(&args[0], steps, params.len(), take, |step, mut of, name, out| {
            let mut forced = false;
            for (value, q) in out.iter_mut().zip(&params) {
                *value = match &mut of {
                    Of::Classic(buckets) => {
                        let (quantile, repaired) = quantile(q[step], buckets);
                        forced |= repaired;
                        quantile
                    }
                    Of::Native(h) => self.native_quantile(q[step], h, span, name),
                };
            }
            if forced {
                self.note_forced(span, name);
            }
        })?;
        let held = merged.columns.len() * steps.count;
        merged.columns.into_iter().try_for_each(sink)?;
        self.release(held);
        Ok(())
    }

    /// One series per value that the quantile has; mostly it has one.
    fn label_by_quantile(
        &self,
        q: &[f64],
        label: &str,
        column: Column,
        merged: &mut Merged,
    ) -> Result<(), QueryError> {
        let mut distinct: HashMap<u64, Vec<usize>> = HashMap::new();
        q.iter().enumerate().for_each(|(step, q)| distinct.entry(q.to_bits()).or_default().push(step));
        for (bits, at) in distinct {
            self.hold(column.values.len())?;
            let mut values = vec![ABSENT; column.values.len()];
            at.into_iter().for_each(|step| values[step] = column.values[step]);
            let labels = column.labels.with(label, &quantile_text(f64::from_bits(bits)));
            merged.push(Column { labels, nameless: column.nameless, values, histograms: None })?;
        }
        Ok(())
    }

    fn note_forced(&self, span: Span, name: &str) {
        let text = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {name:?}"
        );
        self.info(span, &text);
    }

    /// `histogram_fraction(lower, upper, buckets)`
    pub(super) fn histogram_fraction(
        &self,
        args: &[Expr],
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<(), QueryError> {
        let bounds = self.params(&[&args[0], &args[1]], steps)?;
        let (lower, upper) = (&bounds[0], &bounds[1]);
        let span = args[2].span;
        self.histograms(&args[2], steps, 1, &mut |_, column| sink(column), |step, of, name, out| match of {
            Of::Classic(buckets) => out[0] = fraction(lower[step], upper[step], buckets),
            Of::Native(h) => {
                let (share, not_a_number) = native::fraction(lower[step], upper[step], h);
                if not_a_number {
                    let what = "which are excluded from all fractions";
                    self.note_not_a_number("histogram_fraction", what, span, name);
                }
                out[0] = share;
            }
        })
    }

    fn native_quantile(&self, q: f64, h: &model::Histogram, span: Span, name: &str) -> f64 {
        let (value, note) = native::quantile(q, h);
        let what = match note {
            Some(NotANumber::Result) => "result is NaN",
            Some(NotANumber::Skew) => "result is skewed higher",
            None => return value,
        };
        self.note_not_a_number("histogram_quantile", what, span, name);
        value
    }

    fn note_not_a_number(&self, function: &str, what: &str, span: Span, name: &str) {
        let of = if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") };
        self.info(span, &format!("input to {function} has NaN observations, {what}{of}"));
    }

    /// Gathers buckets by histogram, and emits what `f` makes of each histogram at each step: `outputs`
    /// numbers, each the value of a column, which `sink` takes with its place among them.
    fn histograms(
        &self,
        expr: &Expr,
        steps: &Steps,
        outputs: usize,
        sink: &mut dyn FnMut(usize, Column) -> Result<(), QueryError>,
        mut f: impl FnMut(usize, Of<'_>, &str, &mut [f64]),
    ) -> Result<(), QueryError> {
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut found: Vec<Histogram> = Vec::new();
        let mut natives: Vec<Column> = Vec::new();
        let gathered = self.marking_resets(false, || {
            self.vector(expr, steps, &mut |mut column| {
                if let Some(histograms) = column.histograms.take() {
                    let (labels, values) = (column.labels.clone(), vec![ABSENT; steps.count]);
                    let native = Column { labels, nameless: true, values, histograms: Some(histograms) };
                    self.hold_column(&native)?;
                    natives.push(native);
                    if column.is_empty() {
                        return Ok(());
                    }
                }
                let Some(bound) = self.bound(&column.labels, expr) else { return Ok(()) };
                self.hold(steps.count)?;
                let labels = column.labels.filtered(|n| n != LE);
                let i = *index.entry(labels.clone()).or_insert_with(|| {
                    let name = column.labels.name().to_string();
                    found.push(Histogram { labels, name, bounds: Vec::new(), columns: Vec::new() });
                    found.len() - 1
                });
                let at = found[i].bounds.partition_point(|b| *b <= bound);
                found[i].bounds.insert(at, bound);
                found[i].columns.insert(at, column.values);
                Ok(())
            })
        });
        gathered?;
        for native in &mut natives {
            if let Some(i) = index.get(&native.labels) {
                self.drop_conflicts(native, &mut found[*i], expr.span);
            }
        }
        let held = Held::of(&natives);
        let mut out = vec![ABSENT; outputs];
        for native in natives {
            self.hold(outputs * steps.count)?;
            let mut columns = vec![Vec::with_capacity(steps.count); outputs];
            let name = native.labels.name().to_string();
            for (step, h) in native.histograms.iter().flatten().enumerate() {
                out.fill(ABSENT);
                if let Some(h) = h {
                    self.worked(native::work(h) * outputs)?;
                    f(step, Of::Native(h), &name, &mut out);
                }
                columns.iter_mut().zip(&out).for_each(|(column, v)| column.push(*v));
            }
            for (i, values) in columns.into_iter().enumerate() {
                let column =
                    Column { labels: native.labels.clone(), nameless: true, values, histograms: None };
                if !column.is_empty() {
                    sink(i, column)?;
                }
            }
            self.release(outputs * steps.count);
        }
        self.release_columns(held);
        let mut buckets = Vec::new();
        for h in found {
            self.hold(outputs * steps.count)?;
            let mut columns = vec![Vec::with_capacity(steps.count); outputs];
            for step in 0..steps.count {
                self.worked(h.bounds.len() * outputs)?;
                buckets.clear();
                let pairs = h.bounds.iter().zip(&h.columns).map(|(upper, c)| (*upper, c[step]));
                buckets.extend(
                    pairs.filter(|(_, v)| is_present(*v)).map(|(upper, count)| Bucket { upper, count }),
                );
                out.fill(ABSENT);
                if !buckets.is_empty() {
                    f(step, Of::Classic(&mut buckets), &h.name, &mut out);
                }
                columns.iter_mut().zip(&out).for_each(|(column, v)| column.push(*v));
            }
            self.release(h.columns.len() * steps.count);
            for (i, values) in columns.into_iter().enumerate() {
                let column = Column { labels: h.labels.clone(), nameless: true, values, histograms: None };
                if !column.is_empty() {
                    sink(i, column)?;
                }
            }
            self.release(outputs * steps.count);
        }
        Ok(())
    }

    /// A native and a classic histogram of the same labels: where both are there, neither counts.
    fn drop_conflicts(&self, native: &mut Column, classic: &mut Histogram, span: Span) {
        for step in 0..native.values.len() {
            let both = native.has(step) && classic.columns.iter().any(|c| is_present(c[step]));
            if both {
                let of = if classic.name.is_empty() {
                    String::new()
                } else {
                    format!(" for metric name {:?}", classic.name)
                };
                self.warn(span, &format!("vector contains a mix of classic and native histograms{of}"));
                native.set(step, None);
                classic.columns.iter_mut().for_each(|c| c[step] = ABSENT);
            }
        }
    }

    /// The upper bound that a series counts up to.
    fn bound(&self, labels: &Labels, expr: &Expr) -> Option<f64> {
        let text = labels.get(LE);
        let bound = text.parse::<f64>().ok();
        if bound.is_none() {
            let name = labels.name();
            let text = format!(
                "bucket label \"le\" is missing or has a malformed value of {text:?} for metric name {name:?}"
            );
            self.warn(expr.span, &text);
        }
        bound
    }
}

/// A quantile as the value of a label: always with a point or an exponent, as in OpenMetrics.
fn quantile_text(q: f64) -> String {
    let text = crate::number::short_text(q);
    if q.is_finite() && !text.contains(['.', 'e']) { text + ".0" } else { text }
}

/// One bucket per bound, and counts that never go down. True if counts had to be lifted by more than
/// rounding explains. `None` if there is no bucket without an upper bound.
fn repair(buckets: &mut Vec<Bucket>) -> Option<bool> {
    if buckets.last()?.upper != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
    let (mut lifted, mut before) = (false, buckets[0].count);
    for b in buckets.iter_mut().skip(1) {
        if nearly_equal(before, b.count) {
            b.count = before;
        } else if b.count < before {
            b.count = before;
            lifted = true;
        } else {
            before = b.count;
        }
    }
    Some(lifted)
}

/// Equal but for rounding (a relative difference below 1e-12).
fn nearly_equal(a: f64, b: f64) -> bool {
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    a == b || (a != 0.0 && b != 0.0 && difference / sum.min(f64::MAX) < 1e-12)
}

/// The q-quantile, linear within a bucket; and whether counts had to be repaired.
fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, false);
    }
    let Some(lifted) = repair(buckets) else { return (f64::NAN, false) };
    let [.., second_last, last] = buckets.as_slice() else { return (f64::NAN, lifted) };
    if last.count == 0.0 || last.count.is_nan() {
        return (f64::NAN, lifted);
    }
    let rank = q * last.count;
    let i = buckets[..buckets.len() - 1].partition_point(|b| b.count < rank);
    if i == buckets.len() - 1 {
        return (second_last.upper, lifted);
    }
    let b = buckets[i];
    if i == 0 {
        let value = if b.upper <= 0.0 { b.upper } else { b.upper * (rank / b.count) };
        return (value, lifted);
    }
    let below = buckets[i - 1];
    let value = below.upper + (b.upper - below.upper) * ((rank - below.count) / (b.count - below.count));
    (value, lifted)
}

/// The share of observations between two values, linear within a bucket.
fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if repair(buckets).is_none() || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    let total = buckets[buckets.len() - 1].count;
    if total == 0.0 || total.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    ((rank_of(upper, buckets) - rank_of(lower, buckets)) / total).clamp(0.0, 1.0)
}

/// How many observations are at most `v`.
fn rank_of(v: f64, buckets: &[Bucket]) -> f64 {
    let i = buckets.partition_point(|b| b.upper <= v);
    let below = if i == 0 { 0.0 } else { buckets[i - 1].count };
    let Some(b) = buckets.get(i) else { return below };
    // The first bucket starts at 0 if it ends above; the last has no end to interpolate to.
    let start = match i {
        0 if b.upper > 0.0 => 0.0,
        0 => return 0.0,
        _ => buckets[i - 1].upper,
    };
    if v <= start || b.upper.is_infinite() {
        return below;
    }
    below + (b.count - below) * (v - start) / (b.upper - start)
}
