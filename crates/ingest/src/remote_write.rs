//! Prometheus remote write 1.0: a `prometheus.WriteRequest` in snappy's block format, decoded and encoded.
//! It must never let one series decide about another: only a body that cannot be split into series is an error.

use crate::exemplar::{BadExemplar, LABEL_CHARS_MAX};
use crate::histogram::from_remote_write;
use crate::known::Key;
use crate::series::{RawPairs, Refused};
use crate::wire::{Field, Reader, WireError, put_bytes_field, put_double_field, put_varint_field};
use crate::{Decoded, KnownLabels, Limits};
use model::batch::count_reject;
use model::{HistogramSample, Labels, Metadata, MetricKind, Reject, RejectReason, Sample, SeriesData};
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// Decodes a request body. Call [`crate::check_times`] afterwards.
///
/// A native histogram or an exemplar that makes no sense is refused alone; a duplicate, empty, too long or non-UTF-8 label
/// refuses its own series alone. Values keep their bits, stale markers included. Labels may come in any order. Series
/// that are in `known` cost a look; the others are added to it.
///
/// # Errors
/// `Invalid` for a body that is not snappy or not the protobuf message (of which nothing may be kept), `TooLarge`
/// past `body_bytes_max` or `decoded_bytes_max`.
pub fn decode(body: &[u8], limits: &Limits, known: &KnownLabels) -> Result<Decoded> {
    decode_message(&decompress(body, limits)?, limits, known)
}

/// The most that one byte of snappy's block format can stand for: a copy of 64 bytes takes three.
const SNAPPY_RATIO_MAX: usize = 22;

/// The bytes of a body in snappy's block format; both sizes are checked before memory is taken.
///
/// # Errors
/// `Invalid` for what is not snappy, `TooLarge` past `body_bytes_max` or `decoded_bytes_max`.
pub fn decompress(body: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    if body.len() > limits.body_bytes_max {
        let message = format!(
            "the request has {} bytes; at most {} are taken at once: send fewer samples per request",
            body.len(),
            limits.body_bytes_max
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let not_snappy = |e| Error::wrap(ErrorKind::Invalid, "the body is not snappy (block format)", e);
    let declared = snap::raw::decompress_len(body).map_err(not_snappy)?;
    if declared > limits.decoded_bytes_max {
        let message = format!(
            "the body says that it holds {declared} bytes; at most {} are taken at once: send fewer samples per request",
            limits.decoded_bytes_max
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    if declared > body.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(Error::invalid(format!(
            "the body says that it holds {declared} bytes, which {} bytes of snappy cannot: its header is wrong",
            body.len()
        )));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(not_snappy)
}

/// Series that are looked up together: the lock is held for so many.
const LOOK_UP_SERIES: usize = 1024;

/// Decodes the protobuf message alone (already decompressed).
///
/// # Errors
/// `Invalid` when the bytes cannot be split into series.
pub fn decode_message(message: &[u8], limits: &Limits, known: &KnownLabels) -> Result<Decoded> {
    let bad = |e: WireError| Error::invalid(format!("the body is not a remote write 1.0 request: {e}"));
    let mut decoder = Decoder {
        limits,
        known,
        out: Decoded::default(),
        pairs: RawPairs::default(),
        new: Vec::new(),
        buckets: 0,
        bounds: Arc::default(),
    };
    let (mut reader, mut is_version_1, mut is_version_2) = (Reader::new(message), false, false);
    let mut waiting = Vec::new();
    while let Some((number, field)) = reader.field().map_err(bad)? {
        match number {
            1 => {
                waiting.push(field.bytes().map_err(bad)?);
                if waiting.len() == LOOK_UP_SERIES {
                    decoder.all(&mut waiting);
                }
            }
            3 => decoder.metadata(field.bytes().map_err(bad)?),
            4 | 5 => is_version_2 = true,
            _ => {}
        }
        is_version_1 |= number == 1 || number == 3;
    }
    decoder.all(&mut waiting);
    if is_version_2 && !is_version_1 {
        return Err(Error::invalid(
            "this looks like remote write 2.0, which is not supported here: \
             set protobuf_message: prometheus.WriteRequest in the sender's remote_write",
        ));
    }
    known.add(decoder.new);
    Ok(decoder.out)
}

/// What one series held, kept or not.
#[derive(Default)]
struct Count {
    samples: u64,
    exemplars: u64,
    histograms: u64,
    /// Histograms and exemplars that make no sense; the series is not named in the messages.
    bad: Vec<Reject>,
    /// Position after the last label.
    labels_end: usize,
}

struct Decoder<'a, 'l> {
    limits: &'l Limits,
    known: &'l KnownLabels,
    out: Decoded,
    pairs: RawPairs<'a>,
    /// What `known` did not have.
    new: Vec<(Key, Labels)>,
    /// Buckets and bounds of histograms so far.
    buckets: usize,
    /// Bounds of the last histogram.
    bounds: Arc<[f64]>,
}

impl<'a> Decoder<'a, '_> {
    /// Decodes and forgets the messages of some series.
    fn all(&mut self, messages: &mut Vec<&'a [u8]>) {
        let raw: Vec<usize> = messages.iter().map(|message| labels_bytes(message)).collect();
        let keys: Vec<Key> = messages.iter().zip(&raw).map(|(m, n)| self.known.key(&m[..*n])).collect();
        let known = self.known;
        known.find(&keys, |i, labels| match labels {
            Some(labels) if self.known_series(&messages[i][raw[i]..], labels) => {}
            _ => self.series(messages[i], labels.is_none().then(|| (keys[i], raw[i]))),
        });
        messages.clear();
    }

    /// Reads what follows the labels. False, and nothing taken, for all that is not plain: samples that are within the
    /// limits and nothing else.
    fn known_series(&mut self, message: &'a [u8], labels: &Labels) -> bool {
        let samples_max = self.limits.samples_per_request_max;
        let batch = &mut self.out.batch;
        let before = batch.samples.len();
        let series = batch.series.len() as u32;
        let others = batch.histograms.len() + batch.exemplars.len();
        if others >= samples_max {
            return false;
        }
        let samples_max = samples_max - others;
        let mut reader = Reader::new(message);
        let is_plain = loop {
            match reader.field() {
                Ok(None) => break true,
                Ok(Some((2, Field::Bytes(sample)))) if batch.samples.len() < samples_max => {
                    match read_sample(sample) {
                        Ok((timestamp_ms, value)) => {
                            batch.samples.push(Sample { series, timestamp_ms, value })
                        }
                        Err(_) => break false,
                    }
                }
                _ => break false,
            }
        };
        let is_plain = is_plain && batch.series.len() < self.limits.series_per_request_max;
        if !is_plain {
            batch.samples.truncate(before);
        } else if batch.samples.len() > before {
            batch.series.push(labels.clone());
        }
        is_plain
    }

    /// Reads a series with its labels, checks them, and remembers them under a key if they are good and the key stands
    /// for all of them: for that many bytes.
    fn series(&mut self, message: &'a [u8], key: Option<(Key, usize)>) {
        let batch = &self.out.batch;
        let before = (batch.samples.len(), batch.histograms.len(), batch.exemplars.len());
        let mut count = Count::default();
        self.pairs.clear();
        let parsed = self.series_fields(message, &mut count);
        let labels = match parsed {
            Ok(()) => self.pairs.build(self.limits),
            Err(e) => Err(self.pairs.refused(RejectReason::Malformed, &e.to_string())),
        };
        let rejects = &mut self.out.rejects;
        let labels = match labels {
            Ok(labels) => labels,
            Err(Refused { reason, message }) => {
                self.out.batch.samples.truncate(before.0);
                self.out.batch.histograms.truncate(before.1);
                self.out.batch.exemplars.truncate(before.2);
                let broken = u64::from(reason == RejectReason::Malformed);
                let lost = count.samples + count.histograms + count.exemplars + broken;
                return count_reject(rejects, reason, lost, || message);
            }
        };
        let shown = || crate::series::cut(&labels.to_string());
        let bad: u64 = count.bad.iter().map(|r| r.samples).sum();
        for Reject { reason, samples, message } in count.bad {
            count_reject(rejects, reason, samples, || format!("{}: {message}", shown()));
        }
        if self.out.batch.series.len() >= self.limits.series_per_request_max {
            self.out.batch.samples.truncate(before.0);
            self.out.batch.histograms.truncate(before.1);
            self.out.batch.exemplars.truncate(before.2);
        }
        let batch = &self.out.batch;
        let (samples, histograms) = (batch.samples.len() - before.0, batch.histograms.len() - before.1);
        let kept = (samples + histograms + batch.exemplars.len() - before.2) as u64;
        let came = count.samples + count.histograms + count.exemplars;
        if kept + bad < came {
            count_reject(rejects, RejectReason::TooLarge, came - bad - kept, || {
                format!(
                    "{}: a request may hold at most {} samples of {} series, and {} buckets of histograms; the rest is refused",
                    shown(),
                    self.limits.samples_per_request_max,
                    self.limits.series_per_request_max,
                    self.limits.histogram_buckets_per_request_max
                )
            });
        }
        if let Some((key, _)) = key.filter(|(_, bytes)| *bytes == count.labels_end) {
            self.new.push((key, labels.clone()));
        }
        // Prometheus sends exemplars as series without samples.
        if kept > 0 {
            self.out.batch.series.push(labels);
        }
    }

    /// Reads labels into `pairs` and samples into the batch.
    fn series_fields(&mut self, message: &'a [u8], count: &mut Count) -> Res {
        let mut reader = Reader::new(message);
        let series = self.out.batch.series.len() as u32;
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => {
                    let (name, value) = label(field)?;
                    self.pairs.push(name, value, self.limits);
                    count.labels_end = message.len() - reader.rest().len();
                }
                2 => {
                    let (timestamp_ms, value) = read_sample(field.bytes()?)?;
                    count.samples += 1;
                    // Memory is bounded here: two bytes of input can be a sample.
                    if self.has_room() {
                        self.out.batch.samples.push(Sample { series, timestamp_ms, value });
                    }
                }
                3 => {
                    count.exemplars += 1;
                    let bytes = field.bytes()?;
                    if self.has_room() {
                        match exemplar(series, bytes)? {
                            Ok(exemplar) => self.out.batch.exemplars.push(exemplar),
                            Err(BadExemplar { reason, message }) => {
                                count_reject(&mut count.bad, reason, 1, || message);
                            }
                        }
                    }
                }
                4 => {
                    count.histograms += 1;
                    self.histogram(field.bytes()?, series, &mut count.bad);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let batch = &self.out.batch;
        let held = batch.samples.len() + batch.histograms.len() + batch.exemplars.len();
        held < self.limits.samples_per_request_max
    }

    fn histogram(&mut self, message: &[u8], series: u32, bad: &mut Vec<Reject>) {
        if !self.has_room() || self.buckets >= self.limits.histogram_buckets_per_request_max {
            return;
        }
        match from_remote_write(message, &mut self.bounds) {
            Ok(at) => {
                let h = &at.histogram;
                self.buckets += h.positive.counts.len() + h.negative.counts.len() + h.custom_bounds.len();
                self.out.batch.histograms.push(HistogramSample { series, at });
            }
            Err(Refused { reason, message }) => count_reject(bad, reason, 1, || message),
        }
    }

    fn metadata(&mut self, message: &[u8]) {
        let parsed = metadata(message, self.limits);
        match parsed {
            Ok(Some(m)) if self.out.batch.metadata.len() < self.limits.metadata_per_request_max => {
                self.out.batch.metadata.push(m);
            }
            Ok(_) => {}
            Err(e) => {
                count_reject(&mut self.out.rejects, RejectReason::Malformed, 0, || format!("metadata: {e}"))
            }
        }
    }
}

type Res<T = ()> = std::result::Result<T, WireError>;

/// Bytes of the labels at the beginning of a series: fields of number 1, one after another.
fn labels_bytes(message: &[u8]) -> usize {
    const LABEL: u8 = 1 << 3 | 2;
    let mut rest = message;
    while let [LABEL, length @ 0..=127, after @ ..] = rest {
        match after.get(usize::from(*length)..) {
            Some(after) => rest = after,
            None => break,
        }
    }
    if rest.first() == Some(&LABEL) {
        // A label of 128 bytes and more.
        let mut reader = Reader::new(rest);
        while reader.rest().first() == Some(&LABEL) {
            let before = reader.rest();
            if reader.field().is_err() {
                return message.len() - before.len();
            }
        }
        rest = reader.rest();
    }
    message.len() - rest.len()
}

/// Time in milliseconds and value. Both are left out where they are 0.
#[inline]
/// Name and value of a label.
fn label<'a>(field: Field<'a>) -> Res<(&'a [u8], &'a [u8])> {
    let (mut name, mut value) = (&b""[..], &b""[..]);
    let mut label = Reader::new(field.bytes()?);
    while let Some((number, field)) = label.field()? {
        match number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn read_sample(message: &[u8]) -> Res<(i64, f64)> {
    let (mut value, mut timestamp_ms) = (0.0, 0);
    let mut sample = Reader::new(message);
    while let Some((number, field)) = sample.field()? {
        match number {
            1 => value = field.double()?,
            2 => timestamp_ms = field.varint()? as i64,
            _ => {}
        }
    }
    Ok((timestamp_ms, value))
}

/// An exemplar with labels of its own, or why there is none.
fn exemplar(series: u32, message: &[u8]) -> Res<std::result::Result<model::Exemplar, BadExemplar>> {
    let (mut pairs, mut value, mut timestamp_ms) = (Vec::new(), 0.0, 0);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match number {
            // One more than there can be shows that there are too many.
            1 if pairs.len() <= LABEL_CHARS_MAX => {
                let (name, value) = label(field)?;
                pairs.push((name, value));
            }
            2 => value = field.double()?,
            3 => timestamp_ms = field.varint()? as i64,
            _ => {}
        }
    }
    Ok(crate::exemplar::build(series, timestamp_ms, value, &pairs))
}

/// `None` when it names nothing, or is not UTF-8: metadata is a courtesy, never a reason to refuse.
fn metadata(message: &[u8], limits: &Limits) -> Res<Option<Metadata>> {
    let (mut kind, mut metric, mut help, mut unit) = (0, &b""[..], &b""[..], &b""[..]);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match number {
            1 => kind = field.varint()?,
            2 => metric = field.bytes()?,
            4 => help = field.bytes()?,
            5 => unit = field.bytes()?,
            _ => {}
        }
    }
    let text = |b: &[u8], max: usize| std::str::from_utf8(b).ok().map(|t| cut_to(t, max));
    let name_max = limits.label_value_bytes_max;
    let parts = (text(metric, name_max), text(help, limits.help_bytes_max), text(unit, 64));
    Ok(match parts {
        (Some(metric), Some(help), Some(unit)) if !metric.is_empty() => {
            Some(Metadata { metric, kind: KINDS.get(kind as usize).copied().unwrap_or_default(), help, unit })
        }
        _ => None,
    })
}

/// `MetricMetadata.MetricType` by number.
const KINDS: [MetricKind; 8] = [
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::Histogram,
    MetricKind::GaugeHistogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

/// Cuts at a character boundary to at most `max` bytes.
pub(crate) fn cut_to(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max.min(text.len()))].to_string()
}

/// Encodes series (and no metadata) as a request body, as a client would send it.
pub fn encode(series: &[SeriesData]) -> Vec<u8> {
    encode_with_metadata(series, &[])
}

/// Encodes series and metadata as a request body.
pub fn encode_with_metadata(series: &[SeriesData], metadata: &[Metadata]) -> Vec<u8> {
    let (mut message, mut one, mut part) = (Vec::new(), Vec::new(), Vec::new());
    for data in series {
        one.clear();
        for (name, value) in data.labels.iter() {
            part.clear();
            put_bytes_field(&mut part, 1, name.as_bytes());
            put_bytes_field(&mut part, 2, value.as_bytes());
            put_bytes_field(&mut one, 1, &part);
        }
        for (timestamp_ms, value) in data.timestamps_ms.iter().zip(&data.values) {
            part.clear();
            put_double_field(&mut part, 1, *value);
            put_varint_field(&mut part, 2, *timestamp_ms as u64);
            put_bytes_field(&mut one, 2, &part);
        }
        put_bytes_field(&mut message, 1, &one);
    }
    for m in metadata {
        one.clear();
        let kind = KINDS.iter().position(|k| *k == m.kind).unwrap_or(0);
        put_varint_field(&mut one, 1, kind as u64);
        put_bytes_field(&mut one, 2, m.metric.as_bytes());
        put_bytes_field(&mut one, 4, m.help.as_bytes());
        put_bytes_field(&mut one, 5, m.unit.as_bytes());
        put_bytes_field(&mut message, 3, &one);
    }
    compress(&message)
}

/// Snappy's block format of a message.
pub(crate) fn compress(message: &[u8]) -> Vec<u8> {
    // It fails only for more than 4 GiB; an empty body is then refused by whoever receives it.
    snap::raw::Encoder::new().compress_vec(message).unwrap_or_default()
}

mod batches;
pub mod v2;

pub use batches::{encode_batches, series_of};

#[cfg(test)]
mod tests;
