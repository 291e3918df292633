//! What stands around data points: the resource that they are of, the scope that made them, the metric. Each is read once, and
//! has a key for [`KnownLabels`]. It must never look at a data point.

use super::Settings;
use super::attributes;
use super::names::{self, Shape};
use crate::KnownLabels;
use crate::Limits;
use crate::known::Key;
use crate::remote_write::cut_to;
use crate::series::{Refused, cut_bytes};
use crate::wire::{Reader, WireError};
use model::{Metadata, MetricKind, RejectReason};
use std::collections::BTreeMap;

/// What became labels, or why not: then no point beneath it is kept.
type Pairs = Result<BTreeMap<String, String>, Refused>;

/// A resource: promoted attributes, `job` and `instance`; and all its other attributes for `target_info`.
pub(super) struct Resource {
    pub key: Key,
    pub promoted: Pairs,
    /// `job` and `instance`, which go before attributes of that name.
    pub identity: BTreeMap<String, String>,
    /// The labels of `target_info`; `None` if it would tell nothing, or nobody could join it.
    pub info: Option<BTreeMap<String, String>>,
}

/// Attributes of one resource or scope that are looked at; no series can have so many labels.
const ATTRIBUTES_MAX: usize = 1_024;

const NAME: &str = "service.name";
const NAMESPACE: &str = "service.namespace";
const INSTANCE: &str = "service.instance.id";

impl Resource {
    pub fn read(message: &[u8], settings: &Settings, known: &KnownLabels) -> Result<Resource, WireError> {
        let mut all = Vec::new();
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            if number == 1 && all.len() < ATTRIBUTES_MAX {
                all.push(field.bytes()?);
            }
        }
        let mut identity = BTreeMap::new();
        let (mut promoted, mut others) = (Vec::new(), Vec::new());
        let (mut service, mut namespace) = (None, None);
        for one in all {
            let (key, _) = attributes::key_value(one)?;
            let is = |name: &str| key == name.as_bytes();
            if settings.promote.iter().any(|name| is(name)) {
                promoted.push(one);
            }
            if !(is(NAME) || is(NAMESPACE) || is(INSTANCE)) {
                others.push(one);
                continue;
            }
            let Ok((_, text)) = attributes::pair(one) else { continue };
            match () {
                () if is(NAME) => service = Some(text),
                () if is(NAMESPACE) => namespace = Some(text),
                () => drop(identity.insert("instance".to_string(), text)),
            }
        }
        if let Some(service) = service {
            let job = match namespace {
                Some(namespace) => format!("{namespace}/{service}"),
                None => service,
            };
            identity.insert("job".into(), job);
        }
        let info = attributes::labels(others.into_iter(), settings.strategy, "").ok();
        Ok(Resource {
            key: known.key(message),
            promoted: attributes::labels(promoted.into_iter(), settings.strategy, ""),
            info: info.filter(|labels| !labels.is_empty() && !identity.is_empty()),
            identity,
        })
    }
}

/// An instrumentation scope, as labels if they are wanted.
pub(super) struct Scope {
    pub key: Key,
    pub labels: Pairs,
}

impl Scope {
    pub fn read(
        message: &[u8],
        schema_url: &[u8],
        settings: &Settings,
        known: &KnownLabels,
    ) -> Result<Scope, WireError> {
        if !settings.promote_scope {
            return Ok(Scope { key: Key::default(), labels: Ok(BTreeMap::new()) });
        }
        let (mut name, mut version, mut all) = (&b""[..], &b""[..], Vec::new());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => name = field.bytes()?,
                2 => version = field.bytes()?,
                3 if all.len() < ATTRIBUTES_MAX => all.push(field.bytes()?),
                _ => {}
            }
        }
        let labels = || {
            if name.is_empty() {
                return Ok(BTreeMap::new());
            }
            let mut labels = attributes::labels(all.into_iter(), settings.strategy, "otel_scope_")?;
            for (label, text) in [
                ("otel_scope_name", name),
                ("otel_scope_version", version),
                ("otel_scope_schema_url", schema_url),
            ] {
                let text = str::from_utf8(text).map_err(|_| not_utf8("the scope", text))?;
                labels.insert(label.into(), text.into());
            }
            Ok(labels)
        };
        let key = known.key_of([known.key(message), known.key(schema_url)].into_iter());
        Ok(Scope { key, labels: labels() })
    }
}

fn not_utf8(what: &str, text: &[u8]) -> Refused {
    Refused { reason: RejectReason::InvalidUtf8, message: format!("{what} {} is not UTF-8", cut_bytes(text)) }
}

/// The kinds of data that a metric can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// A metric without its points.
pub(super) struct Metric<'a> {
    pub key: Key,
    pub data: Data,
    /// The message that holds the points.
    pub body: &'a [u8],
    /// 1 deltas, 2 values since a start; anything else was not said.
    pub temporality: u64,
    pub is_monotonic: bool,
    /// Its name as Prometheus has it, or why it has none.
    pub name: Result<String, Refused>,
    pub metadata: Option<Metadata>,
}

impl<'a> Metric<'a> {
    /// `None` for a metric without data, or with data of a kind that is not known.
    pub fn read(
        message: &'a [u8],
        settings: &Settings,
        limits: &Limits,
        known: &KnownLabels,
    ) -> Result<Option<Metric<'a>>, WireError> {
        let (mut name, mut help, mut unit, mut data) = (&b""[..], &b""[..], &b""[..], None);
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => name = field.bytes()?,
                2 => help = field.bytes()?,
                3 => unit = field.bytes()?,
                5 => data = Some((Data::Gauge, field.bytes()?)),
                7 => data = Some((Data::Sum, field.bytes()?)),
                9 => data = Some((Data::Histogram, field.bytes()?)),
                10 => data = Some((Data::Exponential, field.bytes()?)),
                11 => data = Some((Data::Summary, field.bytes()?)),
                _ => {}
            }
        }
        let Some((data, body)) = data else { return Ok(None) };
        let (temporality, is_monotonic) = temporality(body)?;
        let (shape, kind) = match data {
            Data::Gauge => (Shape::Gauge, MetricKind::Gauge),
            Data::Sum if is_monotonic => (Shape::Counter, MetricKind::Counter),
            Data::Sum => (Shape::Other, MetricKind::Gauge),
            Data::Histogram | Data::Exponential => (Shape::Other, MetricKind::Histogram),
            Data::Summary => (Shape::Other, MetricKind::Summary),
        };
        let (key, help) = (
            known.key_of(
                [known.key(name), known.key(unit), known.key(&[data as u8, shape as u8])].into_iter(),
            ),
            str::from_utf8(help).map_or(String::new(), |text| cut_to(text, limits.help_bytes_max)),
        );
        let translated = match (str::from_utf8(name), str::from_utf8(unit)) {
            (Ok(name), Ok(unit)) => {
                let refused = || Refused {
                    reason: RejectReason::InvalidName,
                    message: format!(
                        "metric {} has a name of which nothing is left",
                        cut_bytes(name.as_bytes())
                    ),
                };
                let is_short = name.len() <= limits.label_value_bytes_max && unit.len() <= 256;
                let found = is_short.then(|| names::metric(settings.strategy, name, unit, shape)).flatten();
                found.map(|found| (found, names::unit(settings.strategy, unit))).ok_or_else(refused)
            }
            _ => Err(not_utf8("metric", name)),
        };
        let (name, metadata) = match translated {
            Ok((name, unit)) => {
                let metadata = Metadata { metric: name.clone(), kind, help, unit: cut_to(&unit, 64) };
                (Ok(name), Some(metadata))
            }
            Err(refused) => (Err(refused), None),
        };
        Ok(Some(Metric { key, data, body, temporality, is_monotonic, name, metadata }))
    }

    /// Whether its points are since the one before.
    pub fn is_delta(&self) -> bool {
        self.temporality == 1 && matches!(self.data, Data::Sum | Data::Histogram | Data::Exponential)
    }
}

/// Temporality and monotonicity of a sum or histogram; those of others mean nothing.
pub(super) fn temporality(body: &[u8]) -> Result<(u64, bool), WireError> {
    let (mut temporality, mut is_monotonic) = (0, false);
    let mut reader = Reader::new(body);
    while let Some((number, field)) = reader.field()? {
        match number {
            2 => temporality = field.varint()?,
            3 => is_monotonic = field.varint()? != 0,
            _ => {}
        }
    }
    Ok((temporality, is_monotonic))
}
