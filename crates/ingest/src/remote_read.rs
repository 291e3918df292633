//! Prometheus remote read: a `prometheus.ReadRequest` in snappy's block format to queries, and series to an answer, as one
//! message or as a stream of chunks. It must never take more memory than the limits allow for what a request says.

mod xor;

use crate::Limits;
pub use crate::remote_write::decompress;
use crate::wire::{
    Field, Reader, WireError, put_bytes_field, put_double_field, put_packed_doubles, put_sint_field,
    put_varint, put_varint_field,
};
use model::histogram::{Buckets, ResetHint};
use model::{Histogram, HistogramAt, Labels, MatchOp, Matcher, SeriesData};
use stdx::{Error, ErrorKind, Result};

/// Queries of one request at the most.
pub const QUERIES_MAX: usize = 64;
/// Matchers of one request at the most: a regular expression of a few bytes can take a megabyte.
const MATCHERS_MAX: usize = 128;
/// Bytes of their names and values together.
const MATCHERS_BYTES_MAX: usize = 64 << 10;
/// Samples of one chunk, as Prometheus cuts them.
const CHUNK_SAMPLES: usize = 120;
/// A frame of a stream has about so many bytes, as in Prometheus.
const FRAME_BYTES: usize = 1 << 20;
/// An answer in one message has at most so many bytes before it is compressed.
pub const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// In what form the asker takes an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One `ReadResponse`, in snappy's block format.
    Samples,
    /// Frames of `ChunkedReadResponse`, each with its length and checksum.
    Chunks,
}

/// One query: series by matchers, from `start_ms` to `end_ms`, both included.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Milliseconds since 1970-01-01 UTC.
    pub start_ms: i64,
    /// Milliseconds since 1970-01-01 UTC.
    pub end_ms: i64,
    /// All must pass.
    pub matchers: Vec<Matcher>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Answered in this order.
    pub queries: Vec<Query>,
    /// The forms that are taken, best first; never empty.
    pub forms: Vec<Form>,
}

/// Decodes a request body.
///
/// # Errors
/// `Invalid` for what is not such a request; `TooLarge` past a limit.
pub fn decode(body: &[u8], limits: &Limits) -> Result<Request> {
    let message = decompress(body, limits)?;
    let bad = |e: WireError| Error::invalid(format!("the body is not a remote read request: {e}"));
    let (mut queries, mut forms, mut unknown, mut room) = (Vec::new(), Vec::new(), false, Room::default());
    let mut form = |number: u64| match number {
        0 => forms.push(Form::Samples),
        1 => forms.push(Form::Chunks),
        _ => unknown = true,
    };
    let mut reader = Reader::new(&message);
    while let Some((number, field)) = reader.field().map_err(bad)? {
        match (number, field) {
            (1, field) => {
                if queries.len() >= QUERIES_MAX {
                    let text = format!("a request may hold at most {QUERIES_MAX} queries; send several");
                    return Err(Error::new(ErrorKind::TooLarge, text));
                }
                queries.push(query(field.bytes().map_err(bad)?, &mut room)?);
            }
            (2, Field::Varint(n)) => form(n),
            (2, field) => {
                let mut packed = Reader::new(field.bytes().map_err(bad)?);
                while let Some(n) = packed.packed_varint().map_err(bad)? {
                    form(n);
                }
            }
            _ => {}
        }
    }
    if forms.is_empty() && unknown {
        return Err(Error::invalid(
            "none of the accepted response types is known; there are SAMPLES and STREAMED_XOR_CHUNKS",
        ));
    }
    if forms.is_empty() {
        forms.push(Form::Samples);
    }
    forms.dedup();
    Ok(Request { queries, forms })
}

/// What matchers of a request took so far.
#[derive(Default)]
struct Room {
    matchers: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, message: &[u8]) -> Result<()> {
        self.matchers += 1;
        self.bytes += message.len();
        if self.matchers <= MATCHERS_MAX && self.bytes <= MATCHERS_BYTES_MAX {
            return Ok(());
        }
        let text = format!(
            "a request may hold at most {MATCHERS_MAX} matchers of {MATCHERS_BYTES_MAX} bytes; send several"
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }
}

fn query(message: &[u8], room: &mut Room) -> Result<Query> {
    let bad = |e: WireError| Error::invalid(format!("a query of the remote read request: {e}"));
    let mut query = Query { start_ms: 0, end_ms: 0, matchers: Vec::new() };
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field().map_err(bad)? {
        match number {
            1 => query.start_ms = field.varint().map_err(bad)? as i64,
            2 => query.end_ms = field.varint().map_err(bad)? as i64,
            3 => {
                let message = field.bytes().map_err(bad)?;
                room.take(message)?;
                query.matchers.push(matcher(message)?);
            }
            // Hints say what the samples are for; all are given, so they change nothing.
            _ => {}
        }
    }
    Ok(query)
}

fn matcher(message: &[u8]) -> Result<Matcher> {
    let bad = |e: WireError| Error::invalid(format!("a matcher of the remote read request: {e}"));
    let (mut op, mut name, mut value) = (0, &b""[..], &b""[..]);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field().map_err(bad)? {
        match number {
            1 => op = field.varint().map_err(bad)?,
            2 => name = field.bytes().map_err(bad)?,
            3 => value = field.bytes().map_err(bad)?,
            _ => {}
        }
    }
    let text = |bytes| {
        std::str::from_utf8(bytes)
            .map_err(|_| Error::invalid("a matcher of the remote read request is not UTF-8"))
    };
    let op = match op {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        n => return Err(Error::invalid(format!("a matcher of the remote read request has the type {n}"))),
    };
    Matcher::new(text(name)?, op, text(value)?)
        .map_err(|e| Error::invalid(format!("a matcher of the remote read request: {e}")))
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    let mut pair = Vec::new();
    for (name, value) in labels.iter() {
        pair.clear();
        put_bytes_field(&mut pair, 1, name.as_bytes());
        put_bytes_field(&mut pair, 2, value.as_bytes());
        put_bytes_field(out, 1, &pair);
    }
}

/// One message of all series of each query, compressed.
///
/// # Errors
/// `TooLarge` past [`MESSAGE_BYTES_MAX`].
pub fn encode_samples(results: &[Vec<SeriesData>]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for series in results {
        let mut result = Vec::new();
        for s in series {
            put_bytes_field(&mut result, 1, &time_series(s));
            if out.len() + result.len() > MESSAGE_BYTES_MAX {
                let text = format!(
                    "the answer is larger than {} MiB; ask for a shorter range, or accept STREAMED_XOR_CHUNKS",
                    MESSAGE_BYTES_MAX >> 20
                );
                return Err(Error::new(ErrorKind::TooLarge, text));
            }
        }
        put_bytes_field(&mut out, 1, &result);
    }
    let failed = |e| Error::wrap(ErrorKind::Internal, "the answer cannot be compressed", e);
    snap::raw::Encoder::new().compress_vec(&out).map_err(failed)
}

fn time_series(series: &SeriesData) -> Vec<u8> {
    let (mut out, mut part) = (Vec::new(), Vec::new());
    put_labels(&mut out, &series.labels);
    for (t, v) in series.timestamps_ms.iter().zip(&series.values) {
        part.clear();
        put_double_field(&mut part, 1, *v);
        put_varint_field(&mut part, 2, *t as u64);
        put_bytes_field(&mut out, 2, &part);
    }
    for at in &series.histograms {
        put_bytes_field(&mut out, 4, &histogram(at));
    }
    out
}

/// A `prometheus.Histogram` with counts as floats, which hold all that there can be.
fn histogram(at: &HistogramAt) -> Vec<u8> {
    let (h, mut out): (&Histogram, _) = (&at.histogram, Vec::new());
    put_double_field(&mut out, 2, h.count);
    put_double_field(&mut out, 3, h.sum);
    put_sint_field(&mut out, 4, i64::from(h.schema));
    put_double_field(&mut out, 5, h.zero_threshold);
    put_double_field(&mut out, 7, h.zero_count);
    let side = |out: &mut Vec<u8>, buckets: &Buckets, spans: u32, counts: u32| {
        for span in &buckets.spans {
            let mut part = Vec::new();
            put_sint_field(&mut part, 1, i64::from(span.offset));
            put_varint_field(&mut part, 2, u64::from(span.length));
            put_bytes_field(out, spans, &part);
        }
        put_packed_doubles(out, counts, &buckets.counts);
    };
    side(&mut out, &h.negative, 8, 10);
    side(&mut out, &h.positive, 11, 13);
    let hint = match h.hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    };
    put_varint_field(&mut out, 14, hint);
    put_varint_field(&mut out, 15, at.timestamp_ms as u64);
    put_packed_doubles(&mut out, 16, &h.custom_bounds);
    out
}

/// The frames of one series of the query with this number, numbers only.
pub fn encode_chunks(series: &SeriesData, query: usize) -> Vec<u8> {
    let mut labels = Vec::new();
    put_labels(&mut labels, &series.labels);
    let (mut out, mut message) = (Vec::new(), labels.clone());
    let chunks = series.timestamps_ms.chunks(CHUNK_SAMPLES).zip(series.values.chunks(CHUNK_SAMPLES));
    for (times, values) in chunks {
        let mut chunk = Vec::new();
        put_varint_field(&mut chunk, 1, times[0] as u64);
        put_varint_field(&mut chunk, 2, times[times.len() - 1] as u64);
        put_varint_field(&mut chunk, 3, 1);
        put_bytes_field(&mut chunk, 4, &xor::encode(times, values));
        put_bytes_field(&mut message, 2, &chunk);
        if message.len() >= FRAME_BYTES {
            put_frame(&mut out, &message, query);
            message.clone_from(&labels);
        }
    }
    if message.len() > labels.len() || out.is_empty() {
        put_frame(&mut out, &message, query);
    }
    out
}

fn put_frame(out: &mut Vec<u8>, series: &[u8], query: usize) {
    let mut message = Vec::with_capacity(series.len() + 16);
    put_bytes_field(&mut message, 1, series);
    put_varint_field(&mut message, 2, query as u64);
    put_varint(out, message.len() as u64);
    out.extend(castagnoli(&message).to_be_bytes());
    out.extend(message);
}

/// CRC-32C (polynomial 0x1EDC6F41, reflected; RFC 3720).
fn castagnoli(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let (mut table, mut i) = ([0u32; 256], 0);
        while i < 256 {
            let (mut crc, mut bit) = (i as u32, 0);
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, b| TABLE[usize::from(crc as u8 ^ b)] ^ crc >> 8)
}

#[cfg(test)]
mod tests;
