//! A metrics request, walked from resources down to data points: which values each point has, and as which samples it is kept.

use super::context::{Data, Metric, Resource, Scope, temporality};
use super::delta::{Added, Adding, Amount};
use super::fields;
use super::histogram::{Bad, Parts, Side, push};
use super::series::{Around, Out, Point, Role};
use super::{Received, Settings};
use crate::series::Refused;
use crate::wire::{Field, Reader, WireError};
use crate::{KnownLabels, Limits};
use foldhash::{HashSet, HashSetExt};
use model::batch::count_reject;
use model::{Histogram, Labels, NAME, RejectReason, STALE_NAN_BITS};
use std::collections::BTreeMap;
use stdx::{Error, ErrorKind, Result};

const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;
/// The sender has no value any more.
const NO_RECORDED_VALUE: u64 = 1;
/// Samples of `target_info` that one resource gets for one request at the most.
const INFO_SAMPLES_MAX: i64 = 1_000;

fn broken(e: WireError) -> Error {
    Error::invalid(format!("the body is not an OTLP metrics request: {e}"))
}

/// The messages of one field, in order.
fn each<'a>(message: &'a [u8], number: u32, f: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    fields::each(message, number, broken, f)
}

/// The last bytes of a field, or none.
fn last(message: &[u8], number: u32) -> Result<&[u8]> {
    let mut found = &b""[..];
    each(message, number, |bytes| {
        found = bytes;
        Ok(())
    })?;
    Ok(found)
}

/// See [`super::has_deltas`].
pub(super) fn has_deltas(message: &[u8]) -> Result<bool> {
    let mut found = false;
    each(message, 1, |resource| {
        each(resource, 2, |scope| {
            each(scope, 2, |metric| {
                let mut reader = Reader::new(metric);
                while let Some((number, field)) = reader.field().map_err(broken)? {
                    if matches!(number, 7 | 9 | 10) {
                        let body = field.bytes().map_err(broken)?;
                        found |= temporality(body).map_err(broken)?.0 == DELTA;
                    }
                }
                Ok(())
            })
        })
    })?;
    Ok(found)
}

/// See [`super::decode_metrics`].
pub(super) fn decode(
    message: &[u8],
    settings: &Settings,
    limits: &Limits,
    known: &KnownLabels,
    adding: Option<&mut Adding<'_>>,
) -> Result<Received> {
    let out = Out { settings, limits, known, received: Received::default(), new: Vec::new() };
    let mut decoder =
        Decoder { out, adding, point: Point::default(), described: HashSet::new(), times: None, parts: 0 };
    each(message, 1, |resource| decoder.resource(resource))?;
    let Out { received, new, .. } = decoder.out;
    known.add(new);
    Ok(received)
}

struct Decoder<'a, 'l, 'd, 'r> {
    out: Out<'l>,
    adding: Option<&'r mut Adding<'d>>,
    point: Point<'a>,
    /// Metrics of which metadata is in the batch.
    described: HashSet<String>,
    /// Resources, scopes and metrics so far.
    parts: usize,
    /// First and last time of the points of the present resource.
    times: Option<(i64, i64)>,
}

/// What all points have.
#[derive(Clone, Copy, Default)]
struct Times {
    time_ms: i64,
    /// 0: not known.
    start_ms: i64,
    /// The series ends here.
    is_stale: bool,
}

type Kept = std::result::Result<(), Refused>;

fn malformed(message: impl Into<String>) -> Refused {
    Refused { reason: RejectReason::Malformed, message: message.into() }
}

impl<'a> Decoder<'a, '_, '_, '_> {
    /// Each resource, scope and metric costs time, whether it holds points or not.
    fn one_part_more(&mut self) -> Result<()> {
        self.parts += 1;
        let max = self.out.limits.series_per_request_max;
        match self.parts > max {
            true => {
                let text = format!(
                    "the request has more than {max} resources, scopes and metrics together, the most that are taken at once"
                );
                Err(Error::new(ErrorKind::TooLarge, text))
            }
            false => Ok(()),
        }
    }

    fn resource(&mut self, message: &'a [u8]) -> Result<()> {
        self.one_part_more()?;
        let resource =
            Resource::read(last(message, 1)?, self.out.settings, self.out.known).map_err(broken)?;
        self.times = None;
        each(message, 2, |scope_metrics| {
            self.one_part_more()?;
            let (scope, schema_url) = (last(scope_metrics, 1)?, last(scope_metrics, 3)?);
            let scope = Scope::read(scope, schema_url, self.out.settings, self.out.known).map_err(broken)?;
            each(scope_metrics, 2, |metric| {
                self.one_part_more()?;
                let (settings, limits, known) = (self.out.settings, self.out.limits, self.out.known);
                match Metric::read(metric, settings, limits, known).map_err(broken)? {
                    Some(metric) => {
                        self.metric(Around { resource: &resource, scope: &scope, metric: &metric })
                    }
                    None => Ok(()),
                }
            })
        })?;
        self.target_info(&resource);
        Ok(())
    }

    fn metric(&mut self, around: Around<'_, 'a>) -> Result<()> {
        let metric = around.metric;
        let is_cumulative =
            matches!(metric.data, Data::Gauge | Data::Summary) || metric.temporality == CUMULATIVE;
        each(metric.body, 1, |point| {
            self.out.received.points += 1;
            let points_max = self.out.limits.samples_per_request_max;
            if self.out.received.points > points_max as u64 {
                // Not even looked at: two bytes can be a point.
                count_reject(&mut self.out.received.decoded.rejects, RejectReason::TooLarge, 1, || {
                    format!("a request may hold at most {points_max} data points; the rest is refused")
                });
                return Ok(());
            }
            self.point.clear();
            let kept = match () {
                () if is_cumulative || metric.is_delta() => self.one_point(around, point),
                () => Err(malformed("it does not say whether its points are deltas or since a start")),
            };
            if let Err(Refused { reason, message }) = kept {
                let name = metric.name.as_ref().map_or("", |name| name.as_str());
                let message = match name {
                    "" => message,
                    _ if message.contains(name) => message,
                    _ => format!("{}: {message}", crate::series::cut(name)),
                };
                self.out.refuse(1, Refused { reason, message });
            }
            Ok(())
        })?;
        let batch = &mut self.out.received.decoded.batch;
        if let Some(metadata) = &metric.metadata
            && batch.metadata.len() < self.out.limits.metadata_per_request_max
            && !self.described.contains(&metadata.metric)
        {
            self.described.insert(metadata.metric.clone());
            batch.metadata.push(metadata.clone());
        }
        Ok(())
    }

    fn one_point(&mut self, around: Around<'_, 'a>, message: &'a [u8]) -> Kept {
        let read = match around.metric.data {
            Data::Gauge | Data::Sum => self.number(around, message),
            Data::Histogram | Data::Exponential => self.histogram(around, message),
            Data::Summary => self.summary(around, message),
        };
        read.unwrap_or_else(|e| Err(malformed(e.to_string())))
    }

    /// Times and flags, wherever the kind of point has them.
    fn times(
        &mut self,
        number: u32,
        flags_at: u32,
        field: Field<'_>,
        times: &mut Times,
    ) -> std::result::Result<(), WireError> {
        match (number, field) {
            // Nanoseconds of a u64 fit into milliseconds of an i64.
            (2, Field::Fixed64(ns)) => times.start_ms = (ns / 1_000_000) as i64,
            (3, Field::Fixed64(ns)) => times.time_ms = (ns / 1_000_000) as i64,
            (2 | 3, _) => return Err(WireError::WrongType),
            (n, field) if n == flags_at => times.is_stale = field.varint()? & NO_RECORDED_VALUE != 0,
            _ => {}
        }
        Ok(())
    }

    fn seen(&mut self, time_ms: i64) {
        let (first, last) = self.times.unwrap_or((time_ms, time_ms));
        self.times = Some((first.min(time_ms), last.max(time_ms)));
    }

    fn number(&mut self, around: Around<'_, 'a>, message: &'a [u8]) -> std::result::Result<Kept, WireError> {
        let (mut times, mut value) = (Times::default(), None);
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (7, field) => self.point.push_attribute(field.bytes()?, self.out.limits),
                (4, field) => value = Some(field.double()?),
                (6, Field::Fixed64(v)) => value = Some(v as i64 as f64),
                (6, _) => return Err(WireError::WrongType),
                (n, field) => self.times(n, 8, field, &mut times)?,
            }
        }
        let kept = self.keep_number(around, times, value);
        if let Ok(Some(series)) = kept {
            self.out.exemplars(message, 5, |_| series)?;
        }
        Ok(kept.map(drop))
    }

    fn keep_number(
        &mut self,
        around: Around<'_, 'a>,
        times: Times,
        value: Option<f64>,
    ) -> std::result::Result<Option<u32>, Refused> {
        self.out.room(1)?;
        let labels = self.out.labels(around, &mut self.point, Role::Whole)?;
        let metric = around.metric;
        let (value, start_ms) = match value {
            _ if times.is_stale => (f64::from_bits(STALE_NAN_BITS), 0),
            None => return Err(malformed("a point has no value")),
            Some(delta) if metric.is_delta() => match self.add(&labels, times, Amount::Number(delta))? {
                Some((Amount::Number(value), start_ms)) => (value, start_ms),
                _ => return Ok(None),
            },
            Some(value) => (value, times.start_ms),
        };
        self.seen(times.time_ms);
        // What goes up and down has no start.
        let start_ms = if metric.data == Data::Sum && metric.is_monotonic { start_ms } else { 0 };
        Ok(Some(self.out.sample(labels, times.time_ms, value, start_ms)))
    }

    /// What a delta adds up to, and since when; `None` if it was added before.
    fn add(
        &mut self,
        labels: &Labels,
        times: Times,
        delta: Amount,
    ) -> std::result::Result<Option<(Amount, i64)>, Refused> {
        let Some(adding) = self.adding.as_mut() else {
            return Err(Refused {
                reason: RejectReason::Unsupported,
                message: "deltas are not added up here".into(),
            });
        };
        match adding.add(labels, times.start_ms, times.time_ms, delta) {
            Added::Total { amount, start_ms } => Ok(Some((amount, start_ms))),
            Added::Again => Ok(None),
            Added::Late => Err(Refused {
                reason: RejectReason::OutOfOrder,
                message: "a delta is older than one that was added already".into(),
            }),
            Added::Full => Err(Refused {
                reason: RejectReason::TooManySeries,
                message: "the sums of more deltas do not fit into otlp.delta_memory; let the sender use cumulative temporality, or \
                          raise it"
                    .into(),
            }),
        }
    }

    fn histogram(
        &mut self,
        around: Around<'_, 'a>,
        message: &'a [u8],
    ) -> std::result::Result<Kept, WireError> {
        let is_exponential = around.metric.data == Data::Exponential;
        let (attributes_at, flags_at, exemplars_at) = if is_exponential { (1, 10, 11) } else { (9, 10, 8) };
        let (mut times, mut parts) = (Times::default(), Parts::default());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (n, field) if n == attributes_at => {
                    self.point.push_attribute(field.bytes()?, self.out.limits);
                }
                (4, Field::Fixed64(count)) => parts.count = count,
                (5, field) => parts.sum = Some(field.double()?),
                (6, field) if is_exponential => {
                    let raw = field.varint()? as u32;
                    parts.scale = (raw >> 1) as i32 ^ -((raw & 1) as i32);
                }
                (7, Field::Fixed64(count)) if is_exponential => parts.zero_count = count,
                (8, field) if is_exponential => parts.positive = Side::read(field.bytes()?)?,
                (9, field) if is_exponential => parts.negative = Side::read(field.bytes()?)?,
                (14, field) if is_exponential => parts.zero_threshold = field.double()?,
                (6, field) => fixed(field, |bits| push(&mut parts.counts, bits))?,
                (7, field) => fixed(field, |bits| push(&mut parts.bounds, f64::from_bits(bits)))?,
                (4, _) => return Err(WireError::WrongType),
                (n, field) => self.times(n, flags_at, field, &mut times)?,
            }
        }
        let kept = match is_exponential || self.out.settings.native_histograms {
            true => self.keep_native(around, times, &mut parts).map(|series| (series, Vec::new())),
            false => self.keep_classic(around, times, &mut parts),
        };
        match kept {
            Ok((Some(first), bounds)) => {
                // Buckets are one series after the other: the first whose bound is not below the value.
                let of_value = |value: f64| first + bounds.partition_point(|bound| *bound < value) as u32;
                self.out.exemplars(message, exemplars_at, of_value)?;
                Ok(Ok(()))
            }
            Ok((None, _)) => Ok(Ok(())),
            Err(refused) => Ok(Err(refused)),
        }
    }

    fn keep_native(
        &mut self,
        around: Around<'_, 'a>,
        times: Times,
        parts: &mut Parts,
    ) -> std::result::Result<Option<u32>, Refused> {
        let bad = |text: Bad| malformed(text);
        self.out.room(1)?;
        let histogram = match around.metric.data {
            _ if times.is_stale => Histogram::stale(),
            Data::Exponential => parts.exponential().map_err(bad)?,
            _ => {
                parts.explicit().map_err(bad)?;
                parts.custom().map_err(bad)?
            }
        };
        let labels = self.out.labels(around, &mut self.point, Role::Whole)?;
        let (histogram, start_ms) = match around.metric.is_delta() && !times.is_stale {
            false => (histogram, if times.is_stale { 0 } else { times.start_ms }),
            true => match self.add(&labels, times, Amount::Histogram(histogram, parts.sum.is_some()))? {
                Some((Amount::Histogram(total, _), start_ms)) => (total, start_ms),
                _ => return Ok(None),
            },
        };
        self.seen(times.time_ms);
        Ok(Some(self.out.histogram(labels, times.time_ms, histogram, start_ms)))
    }

    /// Returns the place of the first bucket's series, and the bounds of the buckets without infinity.
    fn keep_classic(
        &mut self,
        around: Around<'_, 'a>,
        times: Times,
        parts: &mut Parts,
    ) -> std::result::Result<(Option<u32>, Vec<f64>), Refused> {
        parts.explicit().map_err(malformed)?;
        self.out.room(parts.bounds.len() + 3)?;
        let mut start_ms = times.start_ms;
        let (mut counts, mut count, mut sum): (Vec<f64>, f64, Option<f64>) =
            (parts.counts.iter().map(|c| *c as f64).collect(), parts.count as f64, parts.sum);
        if around.metric.is_delta() && !times.is_stale {
            let delta = Amount::Histogram(parts.custom().map_err(malformed)?, sum.is_some());
            let labels = self.out.labels(around, &mut self.point, Role::Whole)?;
            let Some((Amount::Histogram(total, has_sum), since)) = self.add(&labels, times, delta)? else {
                return Ok((None, Vec::new()));
            };
            (start_ms, count, sum) = (since, total.count, has_sum.then_some(total.sum));
            counts.iter_mut().for_each(|c| *c = 0.0);
            for (i, bucket) in total.positive.iter() {
                if let Some(slot) = usize::try_from(i).ok().and_then(|i| counts.get_mut(i)) {
                    *slot = bucket;
                }
            }
        }
        // All labels first: a point is kept whole or not at all.
        let roles = [sum.map(|_| Role::Sum), Some(Role::Count)].into_iter().flatten();
        let bounds = parts.bounds.iter().copied().chain([f64::INFINITY]);
        let roles: Vec<Role> = roles.chain(bounds.map(Role::Bucket)).collect();
        let mut all = Vec::with_capacity(roles.len());
        for role in &roles {
            all.push(self.out.labels(around, &mut self.point, *role)?);
        }
        self.seen(times.time_ms);
        let (mut below, mut bucket, mut first) = (0.0, counts.iter(), None);
        for (role, labels) in roles.into_iter().zip(all) {
            let value = match role {
                Role::Sum => sum.unwrap_or(0.0),
                Role::Bucket(bound) if bound < f64::INFINITY => {
                    below += bucket.next().copied().unwrap_or(0.0);
                    below
                }
                _ => count,
            };
            let (value, start_ms) = match times.is_stale {
                true => (f64::from_bits(STALE_NAN_BITS), 0),
                false => (value, start_ms),
            };
            let series = self.out.sample(labels, times.time_ms, value, start_ms);
            if matches!(role, Role::Bucket(_)) {
                first = first.or(Some(series));
            }
        }
        Ok((first, std::mem::take(&mut parts.bounds)))
    }

    fn summary(&mut self, around: Around<'_, 'a>, message: &'a [u8]) -> std::result::Result<Kept, WireError> {
        let (mut times, mut count, mut sum, mut quantiles) = (Times::default(), 0, 0.0, Vec::new());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (7, field) => self.point.push_attribute(field.bytes()?, self.out.limits),
                (4, Field::Fixed64(n)) => count = n,
                (4, _) => return Err(WireError::WrongType),
                (5, field) => sum = field.double()?,
                (6, field) => {
                    let (mut quantile, mut value) = (0.0, 0.0);
                    let mut inside = Reader::new(field.bytes()?);
                    while let Some((number, field)) = inside.field()? {
                        match number {
                            1 => quantile = field.double()?,
                            2 => value = field.double()?,
                            _ => {}
                        }
                    }
                    push(&mut quantiles, (Role::Quantile(quantile), value));
                }
                (n, field) => self.times(n, 8, field, &mut times)?,
            }
        }
        let values = [(Role::Sum, sum), (Role::Count, count as f64)].into_iter().chain(quantiles);
        Ok(self.keep_summary(around, times, &values.collect::<Vec<_>>()))
    }

    fn keep_summary(&mut self, around: Around<'_, 'a>, times: Times, values: &[(Role, f64)]) -> Kept {
        self.out.room(values.len())?;
        let mut all = Vec::with_capacity(values.len());
        for (role, _) in values {
            all.push(self.out.labels(around, &mut self.point, *role)?);
        }
        self.seen(times.time_ms);
        for ((role, value), labels) in values.iter().zip(all) {
            let is_counter = !matches!(role, Role::Quantile(_)) && !times.is_stale;
            let start_ms = if is_counter { times.start_ms } else { 0 };
            let value = if times.is_stale { f64::from_bits(STALE_NAN_BITS) } else { *value };
            self.out.sample(labels, times.time_ms, value, start_ms);
        }
        Ok(())
    }

    /// What is known of the resource, as a series to join: at the times of its points, and often enough between them.
    fn target_info(&mut self, resource: &Resource) {
        let (Some((first_ms, last_ms)), Some(info)) = (self.times, &resource.info) else { return };
        let key = self.out.known.key_of([resource.key, self.out.known.key(b"target_info")].into_iter());
        let labels = self.out.known.get(&key).or_else(|| {
            let all = info.iter().chain(&resource.identity);
            let mut pairs: BTreeMap<&str, &str> = all.map(|(n, v)| (n.as_str(), v.as_str())).collect();
            pairs.insert(NAME, "target_info");
            let mut pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
            match crate::series::check(&mut pairs, self.out.limits) {
                Ok(labels) => {
                    self.out.new.push((key, labels.clone()));
                    Some(labels)
                }
                Err(Refused { reason, message }) => {
                    self.out.refuse(0, Refused { reason, message: format!("target_info: {message}") });
                    None
                }
            }
        });
        let Some(labels) = labels else { return };
        let step_ms = (self.out.settings.lookback_ms / 2).max(1).max((last_ms - first_ms) / INFO_SAMPLES_MAX);
        let mut at_ms = first_ms;
        while at_ms < last_ms && self.out.room(2).is_ok() {
            self.out.sample(labels.clone(), at_ms, 1.0, 0);
            at_ms = at_ms.saturating_add(step_ms);
        }
        if self.out.room(1).is_ok() {
            self.out.sample(labels, last_ms, 1.0, 0);
        }
    }
}

/// Packed or single 64-bit values.
fn fixed(field: Field<'_>, mut f: impl FnMut(u64)) -> std::result::Result<(), WireError> {
    match field {
        Field::Fixed64(bits) => f(bits),
        Field::Bytes(packed) => {
            let (all, rest) = packed.as_chunks::<8>();
            all.iter().for_each(|bytes| f(u64::from_le_bytes(*bytes)));
            if !rest.is_empty() {
                return Err(WireError::Truncated);
            }
        }
        _ => return Err(WireError::WrongType),
    }
    Ok(())
}
