//! One batch as bytes in the log: written row by row, read back with every count checked against what is there.
//! It must never take memory for a count that the bytes do not bear out. Format: `docs/formats/tables-log.md`.

use super::rows;
use super::schema::Table;
use crate::xor::{Reader, put_signed, put_text, put_varint};
use arrow_array::RecordBatch;
use model::{
    Change, LogBatch, LogRow, Origin, Pairs, Severity, Span, SpanBatch, SpanEvent, SpanId, SpanKind,
    SpanLink, SpanStatus, TraceId,
};
use stdx::{Error, Result};

const LOGS: u8 = 1;
const SPANS: u8 = 2;
const CHANGES: u8 = 3;

const HAS_TRACE: u8 = 1;
const HAS_SPAN: u8 = 2;

/// Log records.
pub fn logs(batch: &LogBatch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.bytes() + batch.len() * 40 + 64);
    out.push(LOGS);
    put_origins(&mut out, &batch.origins);
    put_varint(&mut out, batch.len() as u64);
    let mut before_ns = 0i64;
    for (i, row) in batch.rows().enumerate() {
        put_signed(&mut out, row.time_ns.wrapping_sub(before_ns));
        before_ns = row.time_ns;
        put_varint(&mut out, u64::from(row.origin));
        out.push(row.severity.number());
        put_varint(&mut out, row.pattern);
        let flags = u8::from(row.trace_id.is_some()) * HAS_TRACE + u8::from(row.span_id.is_some()) * HAS_SPAN;
        out.push(flags);
        row.trace_id.iter().for_each(|id| out.extend_from_slice(id.bytes()));
        row.span_id.iter().for_each(|id| out.extend_from_slice(id.bytes()));
        put_text(&mut out, row.body);
        let pairs = batch.attributes(i);
        put_varint(&mut out, pairs.len() as u64);
        for (name, value) in pairs {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
    }
    out
}

/// Spans.
pub fn spans(batch: &SpanBatch) -> Vec<u8> {
    let mut out = vec![SPANS];
    put_origins(&mut out, &batch.origins);
    put_varint(&mut out, batch.spans.len() as u64);
    let mut before_ns = 0i64;
    for span in &batch.spans {
        put_signed(&mut out, span.start_ns.wrapping_sub(before_ns));
        before_ns = span.start_ns;
        put_varint(&mut out, u64::from(span.origin));
        put_varint(&mut out, span.duration_ns);
        out.extend_from_slice(span.trace_id.bytes());
        out.extend_from_slice(span.span_id.bytes());
        out.push(u8::from(span.parent_id.is_some()));
        span.parent_id.iter().for_each(|id| out.extend_from_slice(id.bytes()));
        out.extend_from_slice(&[span.kind.number(), span.status.number()]);
        put_text(&mut out, &span.name);
        put_text(&mut out, &span.status_message);
        put_pairs(&mut out, &span.attributes);
        put_varint(&mut out, span.events.len() as u64);
        for event in &span.events {
            put_signed(&mut out, event.time_ns);
            put_text(&mut out, &event.name);
            put_pairs(&mut out, &event.attributes);
        }
        put_varint(&mut out, span.links.len() as u64);
        for link in &span.links {
            out.extend_from_slice(link.trace_id.bytes());
            out.extend_from_slice(link.span_id.bytes());
            put_pairs(&mut out, &link.attributes);
        }
    }
    out
}

/// Changes.
pub fn changes(all: &[Change]) -> Vec<u8> {
    let mut out = vec![CHANGES];
    put_varint(&mut out, all.len() as u64);
    for c in all {
        put_signed(&mut out, c.time_ns);
        for text in [&c.id, &c.kind, &c.title, &c.service, &c.host, &c.author, &c.link] {
            put_text(&mut out, text);
        }
        put_pairs(&mut out, &c.attributes);
    }
    out
}

fn put_origins(out: &mut Vec<u8>, origins: &[Origin]) {
    put_varint(out, origins.len() as u64);
    for origin in origins {
        put_text(out, &origin.service);
        put_text(out, &origin.host);
        put_pairs(out, &origin.attributes);
    }
}

fn put_pairs(out: &mut Vec<u8>, pairs: &Pairs) {
    put_varint(out, pairs.len() as u64);
    for (name, value) in pairs.iter() {
        put_text(out, name);
        put_text(out, value);
    }
}

/// The rows of a frame.
///
/// # Errors
/// `Corrupt`.
pub fn decode(payload: &[u8]) -> Result<(Table, RecordBatch)> {
    let mut r = Reader::new(payload);
    let decoded = match r.byte()? {
        LOGS => (Table::Logs, rows::logs(&read_logs(&mut r)?)?),
        SPANS => (Table::Spans, rows::spans(&read_spans(&mut r)?)?),
        CHANGES => (Table::Changes, rows::changes(&read_changes(&mut r)?)?),
        kind => return Err(Error::corrupt(format!("a frame of the unknown kind {kind}"))),
    };
    if r.is_empty() { Ok(decoded) } else { Err(Error::corrupt("a frame has more than its rows")) }
}

fn read_pairs(r: &mut Reader<'_>) -> Result<Pairs> {
    let mut pairs = Pairs::new();
    for _ in 0..r.varint()? {
        let name = r.text()?;
        pairs.push(name, r.text()?);
    }
    Ok(pairs)
}

fn read_origins(r: &mut Reader<'_>) -> Result<Vec<Origin>> {
    let mut origins = Vec::new();
    for _ in 0..r.varint()? {
        let (service, host) = (r.text()?.into(), r.text()?.into());
        origins.push(Origin { service, host, attributes: read_pairs(r)? });
    }
    Ok(origins)
}

fn trace(r: &mut Reader<'_>) -> Result<TraceId> {
    TraceId::new(r.bytes(16)?).ok_or_else(|| Error::corrupt("an identifier is all zeros"))
}

fn span(r: &mut Reader<'_>) -> Result<SpanId> {
    SpanId::new(r.bytes(8)?).ok_or_else(|| Error::corrupt("an identifier is all zeros"))
}

fn number(r: &mut Reader<'_>) -> Result<u32> {
    u32::try_from(r.varint()?).map_err(|_| Error::corrupt("a number is too large"))
}

fn read_logs(r: &mut Reader<'_>) -> Result<LogBatch> {
    let mut batch = LogBatch::default();
    batch.origins = read_origins(r)?;
    let mut time_ns = 0i64;
    let mut pairs = Vec::new();
    for _ in 0..r.varint()? {
        time_ns = time_ns.wrapping_add(r.signed()?);
        let origin = number(r)?;
        if origin as usize >= batch.origins.len() {
            batch.origins.resize(batch.origins.len().max(1), Origin::default());
        }
        let severity = Severity::from_number(r.byte()?);
        let pattern = r.varint()?;
        let flags = r.byte()?;
        let trace_id = if flags & HAS_TRACE != 0 { Some(trace(r)?) } else { None };
        let span_id = if flags & HAS_SPAN != 0 { Some(span(r)?) } else { None };
        let body = r.text()?;
        pairs.clear();
        for _ in 0..r.varint()? {
            pairs.push((r.text()?, r.text()?));
        }
        let origin = origin.min(batch.origins.len() as u32 - 1);
        let row = LogRow { time_ns, origin, severity, body, pattern, trace_id, span_id };
        batch.push(row, pairs.iter().copied());
    }
    Ok(batch)
}

fn read_spans(r: &mut Reader<'_>) -> Result<SpanBatch> {
    let mut batch = SpanBatch { origins: read_origins(r)?, spans: Vec::new() };
    let mut start_ns = 0i64;
    for _ in 0..r.varint()? {
        start_ns = start_ns.wrapping_add(r.signed()?);
        let origin = number(r)?;
        let duration_ns = r.varint()?;
        let (trace_id, span_id) = (trace(r)?, span(r)?);
        let parent_id = if r.byte()? != 0 { Some(span(r)?) } else { None };
        let (kind, status) = (SpanKind::from_number(r.byte()?), SpanStatus::from_number(r.byte()?));
        let (name, status_message) = (r.text()?.into(), r.text()?.into());
        let attributes = read_pairs(r)?;
        let (mut events, mut links) = (Vec::new(), Vec::new());
        for _ in 0..r.varint()? {
            let time_ns = r.signed()?;
            events.push(SpanEvent { time_ns, name: r.text()?.into(), attributes: read_pairs(r)? });
        }
        for _ in 0..r.varint()? {
            links.push(SpanLink { trace_id: trace(r)?, span_id: span(r)?, attributes: read_pairs(r)? });
        }
        batch.spans.push(Span {
            trace_id,
            span_id,
            parent_id,
            origin,
            name,
            kind,
            start_ns,
            duration_ns,
            status,
            status_message,
            attributes,
            events,
            links,
        });
    }
    Ok(batch)
}

fn read_changes(r: &mut Reader<'_>) -> Result<Vec<Change>> {
    let mut all = Vec::new();
    for _ in 0..r.varint()? {
        let time_ns = r.signed()?;
        let mut text = || -> Result<String> { Ok(r.text()?.into()) };
        let (id, kind, title, service) = (text()?, text()?, text()?, text()?);
        let (host, author, link) = (text()?, text()?, text()?);
        let attributes = read_pairs(r)?;
        all.push(Change { time_ns, id, kind, title, service, host, author, link, attributes });
    }
    Ok(all)
}
