//! Selectors and functions over time that are answered from summaries (buckets) of samples instead of the samples. It must
//! never do so by itself where the answer would be another than that of the samples, but for what
//! `docs/decisions/tiers.md` allows; and never without saying so.

use super::column::{ABSENT, Column, Steps};
use super::rates::{Change, seconds};
use super::selector::{Give, Shifted};
use super::{Eval, Sink};
use crate::ast::{Expr, ExprKind, Selector};
use crate::duration::Duration;
use crate::error::QueryError;
use crate::functions::{Body, Function};
use crate::number::Sum;
use crate::options::Resolution;
use crate::source::{Bucket, Grid, Summarised, SummaryQuery, Used};
use model::time::{format_duration_ms, format_rfc3339_ms};
use model::{Labels, NAME, SeriesData};

/// An edge inside a bucket is taken for the bucket's start: windows and steps have to be at least this many buckets
/// long for that to be done without being asked.
const UNALIGNED_BUCKETS_MIN: i64 = 20;
/// A query that looks at less than this many buckets of time reads samples.
const BUCKETS_MIN: i64 = 60;
/// A bucket takes as much memory as this many samples.
const BUCKET_SAMPLES: usize = 6;

/// The buckets with samples of one series in a window `start_ms < t <= end_ms`, never none. Edges are those that the
/// buckets really have.
pub(super) struct BucketWindow<'a> {
    buckets: &'a [Bucket],
    start_ms: i64,
    end_ms: i64,
}

type OverBuckets = fn(&BucketWindow<'_>) -> Option<f64>;

/// What gives over buckets what the function of this name gives over samples.
fn over_buckets(name: &str) -> Option<OverBuckets> {
    Some(match name {
        "rate" => |w| w.extrapolated(true, seconds(w.start_ms, w.end_ms)),
        "increase" => |w| w.extrapolated(true, 1.0),
        "delta" => |w| w.extrapolated(false, 1.0),
        "sum_over_time" => |w| Some(w.sum()),
        "avg_over_time" => |w| Some(w.sum() / w.count()),
        "count_over_time" => |w| Some(w.count()),
        "min_over_time" => |w| Some(w.buckets.iter().fold(f64::NAN, |min, b| b.min.min(min))),
        "max_over_time" => |w| Some(w.buckets.iter().fold(f64::NAN, |max, b| b.max.max(max))),
        "present_over_time" => present,
        "first_over_time" => |w| w.buckets.first().map(|b| b.first),
        "last_over_time" => |w| w.buckets.last().map(|b| b.last),
        "ts_of_first_over_time" => |w| w.buckets.first().map(|b| seconds(0, b.first_ms)),
        "ts_of_last_over_time" => |w| w.buckets.last().map(|b| seconds(0, b.last_ms)),
        _ => return None,
    })
}

pub(super) fn present(_: &BucketWindow<'_>) -> Option<f64> {
    Some(1.0)
}

impl BucketWindow<'_> {
    fn sum(&self) -> f64 {
        let mut sum = Sum::default();
        self.buckets.iter().for_each(|b| sum.add(b.sum));
        sum.value()
    }

    fn count(&self) -> f64 {
        self.buckets.iter().map(|b| b.count).sum::<u64>() as f64
    }

    fn extrapolated(&self, counter: bool, per: f64) -> Option<f64> {
        let (first, last) = (self.buckets.first()?, self.buckets.last()?);
        let samples = self.count();
        if samples < 2.0 {
            return None;
        }
        let mut change = last.last - first.first;
        if counter {
            change += self.buckets.iter().map(|b| b.falls).sum::<f64>();
            change += self.buckets.windows(2).map(|w| w[0].fall_to(&w[1])).sum::<f64>();
        }
        let (first, first_ms, last_ms) = (first.first, first.first_ms, last.last_ms);
        let change = Change { change, first, first_ms, last_ms, samples };
        Some(change.extrapolated((self.start_ms, self.end_ms), counter, per))
    }
}

/// What is looked at: at each step one instant, or a window before it.
struct Look<'a> {
    times: &'a Shifted,
    steps: &'a Steps,
    /// Length of the windows; of instants, how far back a sample may lie.
    range_ms: i64,
    is_instant: bool,
}

impl Look<'_> {
    fn is_single(&self) -> bool {
        self.steps.count == 1 || self.times.fixed_ms.is_some()
    }

    /// Whether buckets of this length may stand for samples without being asked for.
    fn allows(&self, resolution_ms: i64) -> bool {
        let step_ms = if self.is_single() { 0 } else { self.steps.step_ms };
        let span_ms = self.times.last() - self.times.first() + self.range_ms;
        if span_ms < resolution_ms.saturating_mul(BUCKETS_MIN) || (self.is_instant && self.is_single()) {
            return false;
        }
        let is_whole = |ms: i64| ms % resolution_ms == 0;
        let is_aligned =
            is_whole(self.times.first()) && is_whole(step_ms) && (self.is_instant || is_whole(self.range_ms));
        let is_long = |ms: i64| ms >= resolution_ms.saturating_mul(UNALIGNED_BUCKETS_MIN);
        is_aligned || ((self.is_single() || is_long(step_ms)) && (self.is_instant || is_long(self.range_ms)))
    }

    /// Stretches such that every edge of every window lies between two: samples are summed up on them.
    fn grid(&self) -> Grid {
        let step_ms = if self.is_single() { 0 } else { self.steps.step_ms };
        let width_ms = match (self.is_instant, step_ms) {
            (true, 0) => self.range_ms,
            (true, step_ms) => step_ms,
            (false, step_ms) => gcd(self.range_ms, step_ms),
        };
        Grid { phase_ms: self.times.first(), width_ms: width_ms.max(1) }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Where an edge really is: inside what was read from a tier, at the start of its bucket.
fn edge(used: &[Used], t: i64, is_start: bool) -> i64 {
    let i = used.partition_point(|u| u.to_ms < t || (is_start && u.to_ms == t));
    match used.get(i) {
        Some(u) if u.from_ms < t || (is_start && u.from_ms == t) => t - t.rem_euclid(u.resolution_ms),
        _ => t,
    }
}

impl Eval<'_> {
    /// The series of a selector, from summaries where that is allowed and possible; `None` if it is nowhere.
    fn summaries(
        &self,
        selector: &Selector,
        start_ms: i64,
        end_ms: i64,
        allows: impl Fn(i64) -> bool,
    ) -> Result<Option<Summarised>, QueryError> {
        let all = self.source.resolutions();
        let resolutions: Vec<i64> = match self.options.resolution {
            _ if all.is_empty() => return Ok(None),
            Resolution::Samples => return Ok(None),
            Resolution::Buckets(ms) => vec![ms],
            Resolution::Auto => all.iter().copied().filter(|ms| allows(*ms)).collect(),
        };
        self.go_on()?;
        let limits = self.read_limits();
        let query = SummaryQuery {
            matchers: &selector.matchers,
            start_ms,
            end_ms,
            resolutions: &resolutions,
            any_for_removed: true,
            series_max: limits.series_max,
            samples_max: limits.samples_max,
        };
        let found = self.source.summaries(&query)?;
        for (resolution_ms, from, to) in found.iter().flat_map(|f| stretches(&f.used)) {
            self.tell(format!(
                "{} summaries were used for {} {from} {to}",
                adjective(resolution_ms),
                name(selector)
            ));
        }
        Ok(found)
    }

    /// Instants from summaries; false if there are none to use.
    pub(super) fn instant_summaries(
        &self,
        selector: &Selector,
        times: &Shifted,
        steps: &Steps,
        give: Give,
        sink: Sink<'_>,
    ) -> Result<bool, QueryError> {
        let range_ms = self.lookback_ms();
        let look = Look { times, steps, range_ms, is_instant: true };
        let start_ms = times.first() - range_ms;
        let found = self.summaries(selector, start_ms, times.last(), |ms| look.allows(ms))?;
        let Some(Summarised { series, used }) = found else { return Ok(false) };
        for series in series {
            let buckets = series.buckets(look.grid())?;
            self.hold(buckets.len() * BUCKET_SAMPLES)?;
            self.worked(steps.count)?;
            let (mut values, mut seen) = (Vec::with_capacity(steps.count), 0);
            for step in 0..steps.count {
                let time = times.time(step);
                while buckets.get(seen).is_some_and(|b| b.end_ms <= time) {
                    seen += 1;
                }
                let oldest_ms = edge(&used, time, false) - range_ms;
                values.push(match seen.checked_sub(1).map(|i| &buckets[i]) {
                    Some(b) if b.stale_ms.is_none() && b.last_ms > oldest_ms => match give {
                        Give::Value => b.last,
                        Give::Timestamp | Give::Start => seconds(0, b.last_ms),
                    },
                    _ => ABSENT,
                });
            }
            let column = Column::new(series.labels, values);
            if !column.is_empty() {
                sink(column)?;
            }
            self.release(buckets.len() * BUCKET_SAMPLES);
        }
        Ok(true)
    }

    /// A function over windows from summaries; false if it cannot be had from them, or there are none to use.
    pub(super) fn window_summaries(
        &self,
        function: &Function,
        range: &Expr,
        steps: &Steps,
        sink: Sink<'_>,
    ) -> Result<bool, QueryError> {
        let (ExprKind::Range(selector, length), Some(f)) = (&range.inner().kind, over_buckets(function.name))
        else {
            return Ok(false);
        };
        let nameless = !matches!(function.body, Body::WindowKeepsName(_));
        let counter = matches!(function.name, "rate" | "increase");
        self.over_buckets(selector, length, steps, f, &mut |labels, values| {
            let column = Column { labels, nameless, values, histograms: None };
            if column.is_empty() {
                return Ok(());
            }
            if counter {
                self.check_counter_name(column.labels.name(), range.span);
            }
            sink(column)
        })
    }

    /// Gives each series with a value per step; false if there are no summaries to use.
    pub(super) fn over_buckets(
        &self,
        selector: &Selector,
        length: &Duration,
        steps: &Steps,
        f: OverBuckets,
        sink: &mut dyn FnMut(Labels, Vec<f64>) -> Result<(), QueryError>,
    ) -> Result<bool, QueryError> {
        let times = self.shifted(&selector.shift, steps)?;
        let range_ms = self.duration(length, "range", true)?;
        let look = Look { times: &times, steps, range_ms, is_instant: false };
        let start_ms = times.first() - range_ms;
        let found = self.summaries(selector, start_ms, times.last(), |ms| look.allows(ms))?;
        let Some(Summarised { series, used }) = found else { return Ok(false) };
        let edges: Vec<(i64, i64)> = (0..steps.count)
            .map(|step| {
                (edge(&used, times.time(step) - range_ms, true), edge(&used, times.time(step), false))
            })
            .collect();
        for series in series {
            let mut buckets = series.buckets(look.grid())?;
            // Stale markers are no samples of a range.
            buckets.retain(|b| b.count > 0);
            self.hold(buckets.len() * BUCKET_SAMPLES)?;
            let (mut low, mut high) = (0, 0);
            let mut values = Vec::with_capacity(steps.count);
            for (step, (start_ms, end_ms)) in edges.iter().enumerate() {
                let time = times.time(step);
                while buckets.get(high).is_some_and(|b| b.end_ms <= time) {
                    high += 1;
                }
                while low < high && buckets[low].end_ms <= time - range_ms {
                    low += 1;
                }
                self.worked(high - low + 1)?;
                let window =
                    BucketWindow { buckets: &buckets[low..high], start_ms: *start_ms, end_ms: *end_ms };
                values.push(if low == high { None } else { f(&window) }.unwrap_or(ABSENT));
            }
            sink(series.labels, values)?;
            self.release(buckets.len() * BUCKET_SAMPLES);
        }
        Ok(true)
    }

    /// Samples for what buckets cannot answer, where there are only buckets: the last of each. `None` if the samples
    /// are there.
    pub(super) fn last_values(
        &self,
        selector: &Selector,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Option<Vec<SeriesData>>, QueryError> {
        let Some(found) = self.summaries(selector, start_ms, end_ms, |_| false)? else { return Ok(None) };
        for (resolution_ms, from, to) in stretches(&found.used) {
            self.caution(format!(
                "of {} only the last value of each {} was used {from} {to}: this function needs samples",
                name(selector),
                unit(resolution_ms),
            ));
        }
        let mut out = Vec::new();
        for series in found.series {
            let (times, values) = series.samples()?;
            // The first bucket may end after the start with samples before it.
            let from = times.partition_point(|t| *t <= start_ms);
            let (timestamps_ms, values) = (times[from..].to_vec(), values[from..].to_vec());
            self.hold(values.len())?;
            if !values.is_empty() {
                out.push(SeriesData { labels: series.labels, timestamps_ms, values, ..Default::default() });
            }
        }
        Ok(Some(out))
    }
}

/// For each tier from when to when it was used, holes left aside.
fn stretches(used: &[Used]) -> Vec<(i64, String, String)> {
    let mut resolutions: Vec<i64> = used.iter().map(|u| u.resolution_ms).collect();
    resolutions.sort_unstable();
    resolutions.dedup();
    let of = |resolution_ms: i64| {
        let of = || used.iter().filter(move |u| u.resolution_ms == resolution_ms);
        let from = of().map(|u| u.from_ms).min().unwrap_or_default();
        let to = of().map(|u| u.to_ms).max().unwrap_or_default();
        (resolution_ms, format!("from {}", format_rfc3339_ms(from)), format!("to {}", format_rfc3339_ms(to)))
    };
    resolutions.into_iter().map(of).collect()
}

fn unit(resolution_ms: i64) -> String {
    match resolution_ms {
        store::MINUTE_MS => "minute".into(),
        store::HOUR_MS => "hour".into(),
        other => format_duration_ms(other),
    }
}

fn adjective(resolution_ms: i64) -> String {
    format!("1-{}", unit(resolution_ms))
}

fn name(selector: &Selector) -> &str {
    let equal = selector.matchers.iter().find(|m| m.name == NAME && m.op == model::MatchOp::Equal);
    equal.map_or("the selected series", |m| &m.value)
}
