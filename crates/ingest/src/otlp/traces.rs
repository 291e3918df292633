//! OTLP's traces, protobuf or JSON, to spans. One bad span never spoils those beside it: what has no identifiers or no time is a
//! reject with its reason; what has too many attributes, events or links is kept without the rest, and says how many are gone.
//! It must never believe a parent: whether there is one is found out when a trace is looked at.

use super::answer::Content;
use super::attributes;
use super::fields;
use super::json;
use super::schema;
use crate::Limits;
use crate::series::cut;
use crate::wire::{Field, Reader, WireError};
use model::batch::count_reject;
use model::{
    Origin, Pairs, Reject, RejectReason, Span, SpanBatch, SpanEvent, SpanId, SpanKind, SpanLink, SpanStatus,
    TraceId,
};
use stdx::{Error, ErrorKind, Result};

/// Spans of one request; those past it are refused. A span costs about 300 bytes of memory beside its text.
pub const SPANS_PER_REQUEST_MAX: usize = 100_000;
/// Attributes of one span, event, link or resource that are kept.
pub const ATTRIBUTES_MAX: usize = 256;
/// Bytes of a value that are kept (a stack trace fits).
pub const VALUE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a name that are kept.
pub const NAME_BYTES_MAX: usize = 1 << 10;
/// Events of one span, and links, that are kept.
pub const EVENTS_MAX: usize = 256;
/// Events and links of all spans of one request that are kept.
pub const EVENTS_PER_REQUEST_MAX: usize = 500_000;
/// Resources and scopes of one request.
const PARTS_MAX: usize = 200_000;

/// Attributes with which a span says what of it is gone, here or at its sender.
const DROPPED: [&str; 3] =
    ["otel.dropped_attributes_count", "otel.dropped_events_count", "otel.dropped_links_count"];

/// What one request held.
#[derive(Debug, Default)]
pub struct ReceivedSpans {
    /// The good part.
    pub batch: SpanBatch,
    /// Spans that were refused, by reason.
    pub rejects: Vec<Reject>,
    /// All spans, kept or not.
    pub spans: u64,
    /// Attributes, events and links that were left out of spans that were kept, and values that were cut.
    pub cut: u64,
}

/// The protobuf message of a traces request, whichever way it came (already decompressed).
///
/// # Errors
/// `Invalid` or `TooLarge` for JSON that is none, or that stands for more than `decoded_bytes_max`.
pub fn traces_message(body: Vec<u8>, content: Content, limits: &Limits) -> Result<Vec<u8>> {
    match content {
        Content::Protobuf => Ok(body),
        Content::Json => json::to_protobuf(&body, schema::TRACES, limits.decoded_bytes_max),
    }
}

/// Decodes an `ExportTraceServiceRequest`. Spans that begin or end further ahead of `now_ns` than `future_ms_max` are refused.
///
/// # Errors
/// `Invalid` when the bytes cannot be split into spans; nothing may be kept then.
pub fn decode_traces(message: &[u8], now_ns: i64, limits: &Limits) -> Result<ReceivedSpans> {
    let newest_ns = now_ns.saturating_add(limits.future_ms_max.saturating_mul(1_000_000));
    let mut decoder =
        Decoder { out: ReceivedSpans::default(), now_ns, newest_ns, extra: 0, parts: 0, origin: None };
    each(message, 1, |resource| decoder.resource(resource))?;
    Ok(decoder.out)
}

fn broken(e: WireError) -> Error {
    Error::invalid(format!("the body is not an OTLP traces request: {e}"))
}

fn each<'a>(message: &'a [u8], number: u32, f: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    fields::each(message, number, broken, f)
}

struct Decoder {
    out: ReceivedSpans,
    now_ns: i64,
    newest_ns: i64,
    /// Events and links kept so far.
    extra: usize,
    /// Resources and scopes so far.
    parts: usize,
    /// The place of the present resource in the batch, once a span of it is kept.
    origin: Option<u32>,
}

/// Why a span is refused.
type Refusal = (RejectReason, String);

impl Decoder {
    fn one_part_more(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            let text =
                format!("the request has more than {PARTS_MAX} resources and scopes; send less at once");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(())
    }

    fn resource(&mut self, message: &[u8]) -> Result<()> {
        self.one_part_more()?;
        self.origin = None;
        let mut resource = &b""[..];
        each(message, 1, |bytes| {
            resource = bytes;
            Ok(())
        })?;
        each(message, 2, |scope_spans| {
            self.one_part_more()?;
            let mut scope = &b""[..];
            each(scope_spans, 1, |bytes| {
                scope = bytes;
                Ok(())
            })?;
            let scope = scope_attributes(scope).map_err(broken)?;
            each(scope_spans, 2, |span| {
                self.span(span, resource, &scope);
                Ok(())
            })
        })
    }

    fn span(&mut self, message: &[u8], resource: &[u8], scope: &[(&'static str, String)]) {
        self.out.spans += 1;
        if self.out.batch.spans.len() >= SPANS_PER_REQUEST_MAX {
            return count_reject(&mut self.out.rejects, RejectReason::TooLarge, 1, || {
                format!("a request may have {SPANS_PER_REQUEST_MAX} spans; send less at once")
            });
        }
        let malformed = |e: WireError| (RejectReason::Malformed, format!("a span is broken: {e}"));
        let read = self.read(message).map_err(malformed).and_then(|span| span);
        match read.and_then(|span| Ok((span, self.origin(resource)?))) {
            Ok((mut span, origin)) => {
                span.origin = origin;
                for (name, value) in scope {
                    span.attributes.push(name, value);
                }
                self.out.batch.spans.push(span);
            }
            Err((reason, text)) => count_reject(&mut self.out.rejects, reason, 1, || text),
        }
    }

    /// Read once a span of it is kept: resources without spans cost nothing.
    fn origin(&mut self, resource: &[u8]) -> std::result::Result<u32, Refusal> {
        if let Some(origin) = self.origin {
            return Ok(origin);
        }
        let mut origin = Origin::default();
        let mut all = Attributes::default();
        let mut reader = Reader::new(resource);
        let broken = |e: WireError| (RejectReason::Malformed, format!("a resource is broken: {e}"));
        while let Some((number, field)) = reader.field().map_err(broken)? {
            if number == 1 {
                all.push(field.bytes().map_err(broken)?);
            }
        }
        self.out.cut += all.dropped + all.shortened;
        for (name, value) in all.pairs.iter() {
            match name {
                "service.name" => origin.service = value.to_string(),
                "host.name" => origin.host = value.to_string(),
                _ => origin.attributes.push(name, value),
            }
        }
        let place = self.out.batch.origins.len() as u32;
        self.out.batch.origins.push(origin);
        self.origin = Some(place);
        Ok(place)
    }

    fn read(&mut self, message: &[u8]) -> std::result::Result<std::result::Result<Span, Refusal>, WireError> {
        let (mut trace, mut id, mut parent, mut name) = (&b""[..], &b""[..], &b""[..], &b""[..]);
        let (mut kind, mut start, mut end) = (SpanKind::Unspecified, 0u64, 0u64);
        let (mut status, mut status_message) = (SpanStatus::Unset, String::new());
        let (mut attributes, mut events, mut links) = (Attributes::default(), Vec::new(), Vec::new());
        // Attributes, events, links; what the sender left out comes on top.
        let mut dropped = [0u64; 3];
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => trace = field.bytes()?,
                2 => id = field.bytes()?,
                4 => parent = field.bytes()?,
                5 => name = field.bytes()?,
                6 => kind = SpanKind::from_number(field.varint()?.try_into().unwrap_or(0)),
                7 => start = fixed(field)?,
                8 => end = fixed(field)?,
                9 => attributes.push(field.bytes()?),
                10 => dropped[0] = field.varint()? & u64::from(u32::MAX),
                11 => match self.room(events.len()) {
                    true => events.push(self.event(field.bytes()?)?),
                    false => dropped[1] += 1,
                },
                12 => dropped[1] = dropped[1].saturating_add(field.varint()? & u64::from(u32::MAX)),
                13 => match self.room(links.len()) {
                    true => links.extend(self.link(field.bytes()?)?),
                    false => dropped[2] += 1,
                },
                14 => dropped[2] = dropped[2].saturating_add(field.varint()? & u64::from(u32::MAX)),
                15 => (status, status_message) = self.status(field.bytes()?)?,
                _ => {}
            }
        }
        self.extra += events.len() + links.len();
        let (name, _) = text(name, NAME_BYTES_MAX);
        let (trace_id, span_id, parent_id) = match ids(trace, id, parent, &name) {
            Ok(ids) => ids,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (start_ns, duration_ns) = match self.times(start, end, &name) {
            Ok(times) => times,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.out.cut += attributes.dropped + attributes.shortened;
        dropped[0] = dropped[0].saturating_add(attributes.dropped);
        for (name, count) in DROPPED.into_iter().zip(dropped) {
            if count > 0 {
                attributes.pairs.push(name, &count.to_string());
            }
        }
        Ok(Ok(Span {
            trace_id,
            span_id,
            parent_id,
            origin: 0,
            name,
            kind,
            start_ns,
            duration_ns,
            status,
            status_message,
            attributes: attributes.pairs,
            events,
            links,
        }))
    }

    /// Whether one more event or link of a span that has `len` is kept.
    fn room(&mut self, len: usize) -> bool {
        let room = len < EVENTS_MAX && self.extra + len < EVENTS_PER_REQUEST_MAX;
        self.out.cut += u64::from(!room);
        room
    }

    fn times(&self, start: u64, end: u64, name: &str) -> std::result::Result<(i64, u64), Refusal> {
        if start == 0 {
            let text = format!("span {:?} has no start time", cut(name));
            return Err((RejectReason::Malformed, text));
        }
        let (start_ns, latest) = (i64::try_from(start).unwrap_or(i64::MAX), start.max(end));
        if i64::try_from(latest).unwrap_or(i64::MAX) > self.newest_ns {
            let ahead = latest.saturating_sub(self.now_ns.max(0) as u64) / 1_000_000_000;
            let text = format!("span {:?} reaches {ahead} s ahead of this machine's clock", cut(name));
            return Err((RejectReason::TooFarInFuture, text));
        }
        // Not ended, or a clock that stepped back.
        Ok((start_ns, end.saturating_sub(start)))
    }

    fn event(&mut self, message: &[u8]) -> std::result::Result<SpanEvent, WireError> {
        let (mut event, mut attributes) = (SpanEvent::default(), Attributes::default());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => event.time_ns = i64::try_from(fixed(field)?).unwrap_or(i64::MAX),
                2 => event.name = text(field.bytes()?, NAME_BYTES_MAX).0,
                3 => attributes.push(field.bytes()?),
                _ => {}
            }
        }
        self.out.cut += attributes.dropped + attributes.shortened;
        event.attributes = attributes.pairs;
        Ok(event)
    }

    /// Nothing for a link that leads nowhere.
    fn link(&mut self, message: &[u8]) -> std::result::Result<Option<SpanLink>, WireError> {
        let (mut trace, mut span, mut attributes) = (&b""[..], &b""[..], Attributes::default());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => trace = field.bytes()?,
                2 => span = field.bytes()?,
                4 => attributes.push(field.bytes()?),
                _ => {}
            }
        }
        let (Some(trace_id), Some(span_id)) = (TraceId::new(trace), SpanId::new(span)) else {
            self.out.cut += 1;
            return Ok(None);
        };
        self.out.cut += attributes.dropped + attributes.shortened;
        Ok(Some(SpanLink { trace_id, span_id, attributes: attributes.pairs }))
    }

    fn status(&mut self, message: &[u8]) -> std::result::Result<(SpanStatus, String), WireError> {
        let (mut status, mut said) = (SpanStatus::Unset, String::new());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                2 => said = text(field.bytes()?, VALUE_BYTES_MAX).0,
                3 => status = SpanStatus::from_number(field.varint()?.try_into().unwrap_or(0)),
                _ => {}
            }
        }
        Ok((status, said))
    }
}

fn ids(
    trace: &[u8],
    id: &[u8],
    parent: &[u8],
    name: &str,
) -> std::result::Result<(TraceId, SpanId, Option<SpanId>), Refusal> {
    let refuse = |what: &str, bytes: &[u8], want: usize| {
        let text = match bytes.len() == want {
            true => format!("span {:?} has a {what} of zeros", cut(name)),
            false => format!("span {:?} has a {what} of {} bytes, not {want}", cut(name), bytes.len()),
        };
        (RejectReason::InvalidId, text)
    };
    let trace_id = TraceId::new(trace).ok_or_else(|| refuse("trace id", trace, 16))?;
    let span_id = SpanId::new(id).ok_or_else(|| refuse("span id", id, 8))?;
    // Nobody, or what some senders write for nobody.
    let parent_id = match parent.iter().all(|b| *b == 0) {
        true => None,
        false => Some(SpanId::new(parent).ok_or_else(|| refuse("parent's id", parent, 8))?),
    };
    Ok((trace_id, span_id, parent_id))
}

fn scope_attributes(message: &[u8]) -> std::result::Result<Vec<(&'static str, String)>, WireError> {
    let mut out = Vec::new();
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        let name = match number {
            1 => "otel.scope.name",
            2 => "otel.scope.version",
            _ => continue,
        };
        let (value, _) = text(field.bytes()?, NAME_BYTES_MAX);
        if !value.is_empty() && out.len() < 2 {
            out.push((name, value));
        }
    }
    Ok(out)
}

fn fixed(field: Field<'_>) -> std::result::Result<u64, WireError> {
    match field {
        Field::Fixed64(value) => Ok(value),
        _ => Err(WireError::WrongType),
    }
}

/// Text of at most so many bytes, and whether it was longer; what is not UTF-8 is replaced.
fn text(bytes: &[u8], max: usize) -> (String, bool) {
    // A replaced byte is three.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(max + 4)]);
    let end = text.floor_char_boundary(max.min(text.len()));
    (text[..end].to_string(), bytes.len() > max)
}

/// Attributes as they come in, within their bounds.
#[derive(Default)]
struct Attributes {
    pairs: Pairs,
    dropped: u64,
    shortened: u64,
}

impl Attributes {
    fn push(&mut self, message: &[u8]) {
        if self.pairs.len() >= ATTRIBUTES_MAX {
            self.dropped += 1;
            return;
        }
        match attributes::pair(message) {
            Ok((key, value)) if !key.is_empty() => {
                let is_long = value.len() > VALUE_BYTES_MAX || key.len() > NAME_BYTES_MAX;
                self.shortened += u64::from(is_long);
                let cut = |text: &str, max: usize| text.floor_char_boundary(max.min(text.len()));
                self.pairs.push(&key[..cut(key, NAME_BYTES_MAX)], &value[..cut(&value, VALUE_BYTES_MAX)]);
            }
            _ => self.dropped += 1,
        }
    }
}

#[cfg(test)]
mod tests;
