//! Where points become samples: series are found by what surrounds them and by their attributes as they came, or made once.
//! Bounded by the limits of a request; it must never point a sample at labels that were not checked.

use super::attributes;
use super::context::{Metric, Resource, Scope};
use super::{Received, Settings};
use crate::exemplar::{self, BadExemplar, LABEL_CHARS_MAX};
use crate::known::Key;
use crate::series::{Refused, check, cut};
use crate::wire::{Field, Reader, WireError};
use crate::{KnownLabels, Limits};
use model::batch::count_reject;
use model::{HistogramAt, HistogramSample, Labels, NAME, RejectReason, Sample};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What of a metric a series is: the end of its name and one more label.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// The metric itself.
    Whole,
    Sum,
    Count,
    /// Up to a bound.
    Bucket(f64),
    Quantile(f64),
}

impl Role {
    fn suffix(self) -> &'static str {
        match self {
            Role::Whole | Role::Quantile(_) => "",
            Role::Sum => "_sum",
            Role::Count => "_count",
            Role::Bucket(_) => "_bucket",
        }
    }

    fn label(self) -> Option<(&'static str, String)> {
        // As Go writes floats: no point where none is needed, never an exponent.
        let text = |value: f64| if value == f64::INFINITY { "+Inf".into() } else { value.to_string() };
        match self {
            Role::Bucket(bound) => Some(("le", text(bound))),
            Role::Quantile(quantile) => Some(("quantile", text(quantile))),
            _ => None,
        }
    }

    fn key_bytes(self) -> [u8; 9] {
        let (kind, bits) = match self {
            Role::Whole => (0, 0),
            Role::Sum => (1, 0),
            Role::Count => (2, 0),
            Role::Bucket(bound) => (3, bound.to_bits()),
            Role::Quantile(quantile) => (4, quantile.to_bits()),
        };
        let mut out = [kind; 9];
        out[1..].copy_from_slice(&bits.to_le_bytes());
        out
    }
}

/// What surrounds the points of one metric.
#[derive(Clone, Copy)]
pub(super) struct Around<'c, 'a> {
    pub resource: &'c Resource,
    pub scope: &'c Scope,
    pub metric: &'c Metric<'a>,
}

/// The attributes of one point, and its labels once somebody needed them.
#[derive(Default)]
pub(super) struct Point<'a> {
    pub attributes: Vec<&'a [u8]>,
    /// More attributes than the limit allows are counted alone.
    pub attributes_count: usize,
    key: Option<Key>,
    base: Option<BTreeMap<String, String>>,
}

impl<'a> Point<'a> {
    pub fn clear(&mut self) {
        self.attributes.clear();
        self.attributes_count = 0;
        (self.key, self.base) = (None, None);
    }

    pub fn push_attribute(&mut self, message: &'a [u8], limits: &Limits) {
        self.attributes_count += 1;
        if self.attributes.len() <= limits.labels_per_series_max {
            self.attributes.push(message);
        }
    }
}

/// A batch in the making.
pub(super) struct Out<'l> {
    pub settings: &'l Settings,
    pub limits: &'l Limits,
    pub known: &'l KnownLabels,
    pub received: Received,
    pub new: Vec<(Key, Labels)>,
}

type Res<T> = Result<T, Refused>;

impl Out<'_> {
    /// Whether there is room for so many samples, histograms and exemplars more.
    pub fn room(&self, more: usize) -> Res<()> {
        let batch = &self.received.decoded.batch;
        let held = batch.samples.len() + batch.histograms.len() + batch.exemplars.len();
        let (samples_max, series_max) =
            (self.limits.samples_per_request_max, self.limits.series_per_request_max);
        if held + more <= samples_max && batch.series.len() + more <= series_max {
            return Ok(());
        }
        let message = format!(
            "a request may hold at most {samples_max} samples of {series_max} series; the rest is refused"
        );
        Err(Refused { reason: RejectReason::TooLarge, message })
    }

    pub fn refuse(&mut self, points: u64, refused: Refused) {
        let Refused { reason, message } = refused;
        count_reject(&mut self.received.decoded.rejects, reason, points, || message);
    }

    /// The labels of a series of a point.
    pub fn labels(&mut self, around: Around<'_, '_>, point: &mut Point<'_>, role: Role) -> Res<Labels> {
        let known = self.known;
        let of_point = *point.key.get_or_insert_with(|| {
            let around = [around.resource.key, around.scope.key, around.metric.key];
            known.key_of(around.into_iter().chain(point.attributes.iter().map(|a| known.key(a))))
        });
        let key = known.key_of([of_point, known.key(&role.key_bytes())].into_iter());
        if let Some(labels) = known.get(&key).filter(|_| point.attributes_count == point.attributes.len()) {
            return Ok(labels);
        }
        let name = around.metric.name.clone()?;
        if point.base.is_none() {
            point.base = Some(self.base(around, point)?);
        }
        let (name, more) = (name + role.suffix(), role.label());
        let base = point.base.iter().flatten();
        let mut pairs: Vec<(&str, &str)> = base
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(label, _)| *label != NAME && more.as_ref().is_none_or(|(own, _)| own != label))
            .collect();
        pairs.push((NAME, &name));
        pairs.extend(more.iter().map(|(label, value)| (*label, value.as_str())));
        let labels = check(&mut pairs, self.limits).map_err(|refused| Refused {
            message: format!("{}: {}", cut(&name), refused.message),
            ..refused
        })?;
        self.new.push((key, labels.clone()));
        Ok(labels)
    }

    /// The labels of a point but for the name: its attributes go before those of the resource, `job` and `instance` before all.
    fn base(&self, around: Around<'_, '_>, point: &Point<'_>) -> Res<BTreeMap<String, String>> {
        let max = self.limits.labels_per_series_max;
        if point.attributes_count > max {
            let message = format!("{} attributes; at most {max} labels are allowed", point.attributes_count);
            return Err(Refused { reason: RejectReason::TooManyLabels, message });
        }
        let mut base = attributes::labels(point.attributes.iter().copied(), self.settings.strategy, "")?;
        for (name, value) in around.resource.promoted.clone()? {
            base.entry(name).or_insert(value);
        }
        base.extend(around.scope.labels.clone()?);
        base.extend(around.resource.identity.clone());
        Ok(base)
    }

    /// A number of a series; `start_ms` 0: since when is not known. Returns the series' place.
    pub fn sample(&mut self, labels: Labels, timestamp_ms: i64, value: f64, start_ms: i64) -> u32 {
        let batch = &mut self.received.decoded.batch;
        let series = batch.series.len() as u32;
        batch.series.push(labels);
        if start_ms != 0 {
            batch.starts.push((batch.samples.len() as u32, start_ms));
        }
        batch.samples.push(Sample { series, timestamp_ms, value });
        series
    }

    /// A native histogram of a series.
    pub fn histogram(
        &mut self,
        labels: Labels,
        timestamp_ms: i64,
        histogram: model::Histogram,
        start_ms: i64,
    ) -> u32 {
        let batch = &mut self.received.decoded.batch;
        let series = batch.series.len() as u32;
        batch.series.push(labels);
        let at = HistogramAt { timestamp_ms, start_ms, histogram: Arc::new(histogram) };
        batch.histograms.push(HistogramSample { series, at });
        series
    }

    /// The exemplars of a point, which are in `field` of its message, each of the series that `series_of` gives for its value. A
    /// bad one spoils only itself, and is no data point.
    pub fn exemplars(
        &mut self,
        point: &[u8],
        field: u32,
        series_of: impl Fn(f64) -> u32,
    ) -> Result<(), WireError> {
        let mut reader = Reader::new(point);
        while let Some((number, value)) = reader.field()? {
            if number == field && self.room(1).is_ok() {
                self.exemplar(value.bytes()?, &series_of)?;
            }
        }
        Ok(())
    }

    fn exemplar(&mut self, message: &[u8], series_of: &impl Fn(f64) -> u32) -> Result<(), WireError> {
        let (mut time_ns, mut value, mut trace, mut span) = (0, 0.0, &b""[..], &b""[..]);
        let mut filtered = Vec::new();
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (2, Field::Fixed64(t)) => time_ns = t,
                (3, field) => value = field.double()?,
                (6, Field::Fixed64(v)) => value = v as i64 as f64,
                (4, field) => span = field.bytes()?,
                (5, field) => trace = field.bytes()?,
                (7, field) if filtered.len() < LABEL_CHARS_MAX => filtered.push(field.bytes()?),
                _ => {}
            }
        }
        let hex = |id: &[u8]| id.iter().take(32).map(|b| format!("{b:02x}")).collect::<String>();
        let mut pairs: Vec<(String, String)> = [("trace_id", hex(trace)), ("span_id", hex(span))]
            .into_iter()
            .filter(|(_, id)| id.bytes().any(|b| b != b'0'))
            .map(|(name, id)| (name.to_string(), id))
            .collect();
        let attributes: Vec<_> = filtered.into_iter().filter_map(|a| attributes::pair(a).ok()).collect();
        let chars = |name: &str, value: &str| name.chars().count() + value.chars().count();
        let ids: usize = pairs.iter().map(|(n, v)| chars(n, v)).sum();
        let more: usize = attributes.iter().map(|(n, v)| chars(n, v)).sum();
        // The trace is what it is for: the rest comes only if it fits.
        if ids + more <= LABEL_CHARS_MAX {
            pairs.extend(attributes.into_iter().map(|(n, v)| (n.to_string(), v)));
        }
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        match exemplar::build(series_of(value), (time_ns / 1_000_000) as i64, value, &pairs) {
            Ok(exemplar) => self.received.decoded.batch.exemplars.push(exemplar),
            Err(BadExemplar { reason, message }) => self.refuse(0, Refused { reason, message }),
        }
        Ok(())
    }
}
