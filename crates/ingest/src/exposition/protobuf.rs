//! Delimited `io.prometheus.client.MetricFamily` messages: counters, gauges, untyped, summaries and histograms, classic
//! ones as their series, native ones as what they are; one that is both becomes both. `created_timestamp` is since when
//! they count.

use crate::histogram::{Parts, doubles, zigzag};
use crate::scrape::{Collector, Described, Pairs, Point, Said};
use crate::series::{Refused, cut_bytes};
use crate::wire::{Field, Reader, WireError};
use model::histogram::ResetHint;
use model::labels::NAME;
use model::{MetricKind, RejectReason};
use stdx::{Error, Result};

type Res<T = ()> = std::result::Result<T, WireError>;

/// Splits a body and hands every sample and description to the collector. A family or metric that is broken inside
/// spoils only itself.
pub(crate) fn scan(body: &[u8], out: &mut Collector<'_>) -> Result<()> {
    let mut families = Reader::new(body);
    let mut number = 0;
    loop {
        let bad = |e: WireError| Error::invalid(format!("the answer is not delimited protobuf: {e}"));
        let Some(message) = families.delimited().map_err(bad)? else { return Ok(()) };
        number += 1;
        if let Err(e) = family(message, number, out) {
            out.refuse(RejectReason::Malformed, 1, || format!("metric family {number}: {e}"));
        }
    }
}

fn family(message: &[u8], number: u64, out: &mut Collector<'_>) -> Res {
    let mut described = Described::default();
    let mut kind = 0;
    let mut fields = Reader::new(message);
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => described.name = field.bytes()?,
            2 => described.help = field.bytes()?,
            3 => kind = field.varint()?,
            5 => described.unit = field.bytes()?,
            _ => {}
        }
    }
    described.kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Summary,
        4 => MetricKind::Histogram,
        5 => MetricKind::GaugeHistogram,
        _ => MetricKind::Unknown,
    };
    out.describe(&described, false);
    // The name may stand after the metrics, so they are read in a second pass.
    let mut fields = Reader::new(message);
    let is_gauge = described.kind == MetricKind::GaugeHistogram;
    let mut series = Series { family: described.name, is_gauge, number, key: Vec::new() };
    while let Some((number, field)) = fields.field()? {
        if number != 4 {
            continue;
        }
        if let Err(e) = field.bytes().and_then(|m| metric(m, &mut series, out)) {
            let name = cut_bytes(described.name);
            out.refuse(RejectReason::Malformed, 1, || {
                format!("metric family {}: {name}: {e}", series.number)
            });
        }
    }
    Ok(())
}

/// Times that a metric has of its own.
#[derive(Clone, Copy)]
struct When {
    own_ms: Option<i64>,
    /// Since when it counts; 0 is not known.
    start_ms: i64,
}

struct Series<'a> {
    family: &'a [u8],
    /// A histogram of it is no counter.
    is_gauge: bool,
    number: u64,
    /// Reused: what identifies a series within the target.
    key: Vec<u8>,
}

fn metric(message: &[u8], series: &mut Series<'_>, out: &mut Collector<'_>) -> Res {
    let (mut own_ms, mut value, mut parts, mut exemplar, mut start_ms) = (None, None, None, None, 0);
    let mut fields = Reader::new(message);
    while let Some((number, field)) = fields.field()? {
        match number {
            3 => {
                let counter = field.bytes()?;
                value = Some(first_double(counter)?);
                exemplar = field_of(counter, 2)?;
                start_ms = created(counter, 3)?;
            }
            2 | 5 => value = Some(first_double(field.bytes()?)?),
            4 | 7 => parts = Some((number, field.bytes()?)),
            6 => own_ms = Some(field.varint()? as i64),
            _ => {}
        }
    }
    let time = When { own_ms, start_ms };
    if let Some(value) = value {
        emit(message, series, "", None, value, time, out)?;
        return emit_exemplar(exemplar, series, out);
    }
    match parts {
        Some((4, summary)) => {
            let start_ms = created(summary, 4)?;
            summary_parts(message, summary, When { own_ms, start_ms }, series, out)
        }
        Some((_, histogram)) => {
            let start_ms = if series.is_gauge { 0 } else { created(histogram, 15)? };
            let time = When { own_ms, start_ms };
            native(message, histogram, time, series, out)?;
            histogram_parts(message, histogram, time, series, out)
        }
        None => {
            let name = cut_bytes(series.family);
            out.refuse(RejectReason::Malformed, 1, || format!("{name} has a metric without a value"));
            Ok(())
        }
    }
}

/// Field 1 of a gauge, counter or untyped value; zero is left out of protobuf.
fn first_double(message: &[u8]) -> Res<f64> {
    let (mut value, mut fields) = (0.0, Reader::new(message));
    while let Some((number, field)) = fields.field()? {
        if number == 1 {
            value = field.double()?;
        }
    }
    Ok(value)
}

fn summary_parts(
    metric: &[u8],
    summary: &[u8],
    time: When,
    series: &mut Series<'_>,
    out: &mut Collector<'_>,
) -> Res {
    let (mut count, mut sum, mut fields) = (0, 0.0, Reader::new(summary));
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => count = field.varint()?,
            2 => sum = field.double()?,
            3 => {
                let (quantile, value) = pair(field.bytes()?)?;
                emit(metric, series, "", Some(("quantile", quantile)), value, time, out)?;
            }
            _ => {}
        }
    }
    emit(metric, series, "_count", None, count as f64, time, out)?;
    emit(metric, series, "_sum", None, sum, time, out)
}

fn pair(message: &[u8]) -> Res<(f64, f64)> {
    let (mut first, mut second, mut fields) = (0.0, 0.0, Reader::new(message));
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => first = field.double()?,
            2 => second = field.double()?,
            _ => {}
        }
    }
    Ok((first, second))
}

fn histogram_parts(
    metric: &[u8],
    histogram: &[u8],
    time: When,
    series: &mut Series<'_>,
    out: &mut Collector<'_>,
) -> Res {
    let (mut count, mut sum, mut buckets, mut native, mut infinite) = (0.0, 0.0, 0, false, false);
    let mut fields = Reader::new(histogram);
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => count = field.varint()? as f64,
            2 => sum = field.double()?,
            3 => {
                let message = field.bytes()?;
                let (bound, value) = bucket(message)?;
                buckets += 1;
                infinite |= bound == f64::INFINITY;
                emit(metric, series, "_bucket", Some(("le", bound)), value, time, out)?;
                emit_exemplar(field_of(message, 3)?, series, out)?;
            }
            4 => count = field.double()?,
            _ => native |= makes_native(number, field),
        }
    }
    if buckets == 0 && native {
        return Ok(());
    }
    if !infinite {
        emit(metric, series, "_bucket", Some(("le", f64::INFINITY)), count, time, out)?;
    }
    emit(metric, series, "_count", None, count, time, out)?;
    emit(metric, series, "_sum", None, sum, time, out)
}

/// Whether this field is only there in a histogram that is a native one too; senders put an empty span where there is nothing
/// else.
fn makes_native(number: u32, field: Field<'_>) -> bool {
    match number {
        6 | 8 => field.double().is_ok_and(|n| n > 0.0),
        7 => field.varint().is_ok_and(|n| n > 0),
        9 | 12 => true,
        _ => false,
    }
}

/// Since when something counts, milliseconds since 1970; 0 if it does not say.
fn created(message: &[u8], field: u32) -> Res<i64> {
    field_of(message, field)?.map_or(Ok(0), timestamp_ms)
}

/// Hands a native histogram on, if this is one.
fn native(
    metric: &[u8],
    histogram: &[u8],
    time: When,
    series: &mut Series<'_>,
    out: &mut Collector<'_>,
) -> Res {
    let read = match native_parts(histogram) {
        Ok(None) => return Ok(()),
        Ok(Some(mut parts)) => {
            if series.is_gauge {
                parts.hint = ResetHint::Gauge;
            }
            parts.finish(&mut out.bounds)
        }
        Err(refused) => Err(refused),
    };
    let histogram_value = match read {
        Ok(histogram) => histogram,
        Err(Refused { reason, message }) => {
            let name = cut_bytes(series.family);
            out.refuse(reason, 1, || format!("metric family {}: {name}: {message}", series.number));
            return Ok(());
        }
    };
    emit_said(metric, series, ("", None), Said::Histogram(histogram_value), time, out)?;
    let mut fields = Reader::new(histogram);
    while let Some((number, field)) = fields.field()? {
        if number == 16 {
            emit_exemplar(Some(field.bytes()?), series, out)?;
        }
    }
    Ok(())
}

fn native_parts(histogram: &[u8]) -> std::result::Result<Option<Parts>, Refused> {
    let (mut parts, mut is_native) = (Parts::default(), false);
    let mut fields = Reader::new(histogram);
    while let Some((number, field)) = fields.field()? {
        is_native |= makes_native(number, field);
        match number {
            1 => parts.whole_count = field.varint()?,
            2 => parts.sum = field.double()?,
            4 => parts.count = field.double()?,
            5 => parts.schema = zigzag(field.varint()?) as i32,
            6 => parts.zero_threshold = field.double()?,
            7 => parts.whole_zero_count = field.varint()?,
            8 => parts.zero_count = field.double()?,
            9 => parts.negative.span(field)?,
            10 => parts.negative.deltas(field)?,
            11 => doubles(field, &mut parts.negative.counts)?,
            12 => parts.positive.span(field)?,
            13 => parts.positive.deltas(field)?,
            14 => doubles(field, &mut parts.positive.counts)?,
            _ => {}
        }
    }
    parts.is_float = parts.count > 0.0 || parts.zero_count > 0.0;
    Ok(is_native.then_some(parts))
}

/// Upper bound and cumulative count of a classic bucket.
fn bucket(message: &[u8]) -> Res<(f64, f64)> {
    let (mut bound, mut count, mut fields) = (0.0, 0.0, Reader::new(message));
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => count = field.varint()? as f64,
            2 => bound = field.double()?,
            4 => count = field.double()?,
            _ => {}
        }
    }
    Ok((bound, count))
}

/// Hands one sample on: `metric` holds its labels, `extra` is the bucket's or quantile's own.
fn emit(
    metric: &[u8],
    series: &mut Series<'_>,
    suffix: &str,
    extra: Option<(&'static str, f64)>,
    value: f64,
    time: When,
    out: &mut Collector<'_>,
) -> Res {
    emit_said(metric, series, (suffix, extra), Said::Number(value), time, out)
}

fn emit_said(
    metric: &[u8],
    series: &mut Series<'_>,
    (suffix, extra): (&str, Option<(&'static str, f64)>),
    value: Said,
    time: When,
    out: &mut Collector<'_>,
) -> Res {
    let key = &mut series.key;
    key.clear();
    key.extend(series.family);
    key.extend(suffix.as_bytes());
    // Lengths make the key unambiguous; it starts with the name so that messages can show it.
    key.extend((series.family.len() as u32).to_le_bytes());
    if let Some((name, bound)) = extra {
        key.push(name.as_bytes()[0]);
        key.extend(bound.to_bits().to_le_bytes());
    }
    let mut fields = Reader::new(metric);
    while let Some((number, field)) = fields.field()? {
        if number == 1 {
            let pair = field.bytes()?;
            key.extend((pair.len() as u32).to_le_bytes());
            key.extend(pair);
        }
    }
    let (family, limits) = (series.family, out.limits);
    let fill = || labels_of(metric, family, suffix, extra, limits);
    let place = || format!("metric family {}: ", series.number);
    let When { own_ms, start_ms } = time;
    out.sample(&series.key, fill, Point { value, own_ms, start_ms }, place);
    Ok(())
}

/// The last message that stands in a field of this number.
fn field_of(message: &[u8], wanted: u32) -> Res<Option<&[u8]>> {
    let (mut found, mut fields) = (None, Reader::new(message));
    while let Some((number, field)) = fields.field()? {
        if number == wanted {
            found = Some(field.bytes()?);
        }
    }
    Ok(found)
}

/// Hands the exemplar of the last sample on.
fn emit_exemplar(exemplar: Option<&[u8]>, series: &Series<'_>, out: &mut Collector<'_>) -> Res {
    let Some(message) = exemplar else { return Ok(()) };
    let (mut value, mut time, mut labels) = (0.0, None, Pairs::new());
    let (mut is_utf8, mut fields) = (true, Reader::new(message));
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => {
                let (mut name, mut text, mut pair) = (&b""[..], &b""[..], Reader::new(field.bytes()?));
                while let Some((number, field)) = pair.field()? {
                    match number {
                        1 => name = field.bytes()?,
                        2 => text = field.bytes()?,
                        _ => {}
                    }
                }
                match (std::str::from_utf8(name), std::str::from_utf8(text)) {
                    (Ok(n), Ok(t)) => labels.push((n.into(), t.into())),
                    _ => is_utf8 = false,
                }
            }
            2 => value = field.double()?,
            3 => time = Some(timestamp_ms(field.bytes()?)?),
            _ => {}
        }
    }
    let fill = || match is_utf8 {
        true => Ok(labels),
        false => Err(Refused {
            reason: RejectReason::InvalidUtf8,
            message: "a label of an exemplar is not UTF-8".into(),
        }),
    };
    out.exemplar(message, fill, value, time, || format!("metric family {}: ", series.number));
    Ok(())
}

/// A `google.protobuf.Timestamp`.
fn timestamp_ms(message: &[u8]) -> Res<i64> {
    let (mut seconds, mut nanos, mut fields) = (0i64, 0i64, Reader::new(message));
    while let Some((number, field)) = fields.field()? {
        match number {
            1 => seconds = field.varint()? as i64,
            2 => nanos = field.varint()? as i64,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

fn labels_of<'a>(
    metric: &'a [u8],
    family: &'a [u8],
    suffix: &str,
    extra: Option<(&'static str, f64)>,
    limits: &crate::Limits,
) -> std::result::Result<Pairs<'a>, Refused> {
    let mut labels = Pairs::with_capacity(16);
    let refuse = |reason, what: &str| {
        Err(Refused { reason, message: format!("{}{suffix}: {what}", cut_bytes(family)) })
    };
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let Some(name) = text(family) else {
        return refuse(RejectReason::InvalidUtf8, "the name is not UTF-8");
    };
    labels.push((NAME.into(), format!("{name}{suffix}").into()));
    if let Some((name, bound)) = extra {
        labels.push((name.into(), crate::write_text::go_float(bound).into()));
    }
    let (mut fields, mut count) = (Reader::new(metric), 0);
    while let Ok(Some((number, field))) = fields.field() {
        let (1, Ok(message)) = (number, field.bytes()) else { continue };
        count += 1;
        if count > limits.labels_per_series_max {
            let what = format!("more than {} labels", limits.labels_per_series_max);
            return refuse(RejectReason::TooManyLabels, &what);
        }
        let (mut name, mut value, mut pair) = (&b""[..], &b""[..], Reader::new(message));
        loop {
            match pair.field() {
                Ok(Some((1, field))) => name = field.bytes().unwrap_or(b""),
                Ok(Some((2, field))) => value = field.bytes().unwrap_or(b""),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(e) => return refuse(RejectReason::Malformed, &format!("a label: {e}")),
            }
        }
        match (text(name), text(value)) {
            (Some(""), _) => return refuse(RejectReason::InvalidName, "a label has an empty name"),
            (Some(n), Some(v)) => labels.push((n.into(), v.into())),
            _ => return refuse(RejectReason::InvalidUtf8, "a label is not UTF-8"),
        }
    }
    Ok(labels)
}
