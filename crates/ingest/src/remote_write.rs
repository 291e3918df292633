//! Prometheus remote write 1.0: a `prometheus.WriteRequest` in snappy's block format, decoded and encoded.
//! It must never let one series decide about another: only a body that cannot be split into series is an error.

use crate::series::{RawPairs, Refused};
use crate::wire::{Reader, WireError, put_bytes_field, put_double_field, put_varint_field};
use crate::{Decoded, Limits};
use model::batch::count_reject;
use model::{Metadata, MetricKind, RejectReason, Sample, SeriesData};
use stdx::{Error, ErrorKind, Result};

/// Decodes a request body. Call [`crate::check_times`] afterwards.
///
/// Exemplars and native histograms are counted as unsupported; a duplicate, empty, too long or non-UTF-8 label
/// refuses its own series alone. Values keep their bits, stale markers included. Labels may come in any order.
///
/// # Errors
/// `Invalid` for a body that is not snappy or not the protobuf message (of which nothing may be kept), `TooLarge`
/// past `body_bytes_max` or `decoded_bytes_max`.
pub fn decode(body: &[u8], limits: &Limits) -> Result<Decoded> {
    decode_message(&decompress(body, limits)?, limits)
}

/// The most that one byte of snappy's block format can stand for: a copy of 64 bytes takes three.
const SNAPPY_RATIO_MAX: usize = 22;

fn decompress(body: &[u8], limits: &Limits) -> Result<Vec<u8>> {
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

/// Decodes the protobuf message alone (already decompressed).
///
/// # Errors
/// `Invalid` when the bytes cannot be split into series.
pub fn decode_message(message: &[u8], limits: &Limits) -> Result<Decoded> {
    let bad = |e: WireError| Error::invalid(format!("the body is not a remote write 1.0 request: {e}"));
    let mut decoder = Decoder { limits, out: Decoded::default(), pairs: RawPairs::default() };
    let (mut reader, mut known, mut version_2) = (Reader::new(message), false, false);
    while let Some((number, field)) = reader.field().map_err(bad)? {
        match number {
            1 => decoder.series(field.bytes().map_err(bad)?),
            3 => decoder.metadata(field.bytes().map_err(bad)?),
            4 | 5 => version_2 = true,
            _ => {}
        }
        known |= number == 1 || number == 3;
    }
    if version_2 && !known {
        return Err(Error::invalid(
            "this looks like remote write 2.0, which is not supported here: \
             set protobuf_message: prometheus.WriteRequest in the sender's remote_write",
        ));
    }
    Ok(decoder.out)
}

/// What one series held, kept or not.
#[derive(Default)]
struct Count {
    samples: u64,
    exemplars: u64,
    histograms: u64,
}

struct Decoder<'a, 'l> {
    limits: &'l Limits,
    out: Decoded,
    pairs: RawPairs<'a>,
}

impl<'a> Decoder<'a, '_> {
    fn series(&mut self, message: &'a [u8]) {
        let before = self.out.batch.samples.len();
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
                self.out.batch.samples.truncate(before);
                let broken = u64::from(reason == RejectReason::Malformed);
                return count_reject(rejects, reason, count.samples + count.histograms + broken, || message);
            }
        };
        for (count, what) in [(count.exemplars, "exemplars"), (count.histograms, "native histograms")] {
            if count > 0 {
                count_reject(rejects, RejectReason::Unsupported, count, || {
                    format!("{}: {what} are not kept", crate::series::cut(&labels.to_string()))
                });
            }
        }
        if self.out.batch.series.len() >= self.limits.series_per_request_max {
            self.out.batch.samples.truncate(before);
        }
        let kept = (self.out.batch.samples.len() - before) as u64;
        if kept < count.samples {
            count_reject(rejects, RejectReason::TooLarge, count.samples - kept, || {
                format!(
                    "{}: a request may hold at most {} samples of {} series; the rest is refused",
                    crate::series::cut(&labels.to_string()),
                    self.limits.samples_per_request_max,
                    self.limits.series_per_request_max
                )
            });
        }
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
                    let (mut name, mut value) = (&b""[..], &b""[..]);
                    let mut label = Reader::new(field.bytes()?);
                    while let Some((number, field)) = label.field()? {
                        match number {
                            1 => name = field.bytes()?,
                            2 => value = field.bytes()?,
                            _ => {}
                        }
                    }
                    self.pairs.push(name, value, self.limits);
                }
                2 => {
                    let (mut value, mut timestamp_ms) = (0.0, 0);
                    let mut sample = Reader::new(field.bytes()?);
                    while let Some((number, field)) = sample.field()? {
                        match number {
                            1 => value = field.double()?,
                            2 => timestamp_ms = field.varint()? as i64,
                            _ => {}
                        }
                    }
                    count.samples += 1;
                    // Memory is bounded here: two bytes of input can be a sample.
                    if self.out.batch.samples.len() < self.limits.samples_per_request_max {
                        self.out.batch.samples.push(Sample { series, timestamp_ms, value });
                    }
                }
                3 => count.exemplars += 1,
                4 => count.histograms += 1,
                _ => {}
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests;
