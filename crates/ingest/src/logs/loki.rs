//! What Promtail, Alloy and other agents push to Loki: protobuf in snappy, or JSON. Labels tell the origin, the line is read as any
//! other line is; the time of the push goes before what the line says.

use super::line::{Format, LineReader};
use super::{Builder, Context, Decoded, Record};
use crate::wire::{Field, Reader, WireError};
use foldhash::HashMap;
use model::{Origin, Pairs, RejectReason, Severity};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use stdx::{Error, ErrorKind, Result};

/// Labels that name the service, the best first.
const SERVICE: [&str; 8] =
    ["service_name", "service", "app", "application", "app_kubernetes_io_name", "container", "unit", "job"];
/// Labels that name the host.
const HOST: [&str; 4] = ["host", "hostname", "node_name", "node"];
/// Labels of one stream that are looked at.
const LABELS_MAX: usize = 256;

/// Decodes a push in protobuf, compressed with snappy as it always is.
///
/// # Errors
/// `Invalid` when it is not that, `TooLarge` when it would be larger than `decoded_bytes_max`; nothing may be kept then.
pub fn decode_protobuf(body: &[u8], context: Context<'_>) -> Result<Decoded> {
    let max = context.limits.decoded_bytes_max;
    let bad = |e: snap::Error| Error::wrap(ErrorKind::Invalid, "the body is not compressed with snappy", e);
    let length = snap::raw::decompress_len(body).map_err(bad)?;
    if length > max {
        let text = format!(
            "the push holds {length} bytes when decompressed, more than {max}; send less per request"
        );
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    decode_message(&snap::raw::Decoder::new().decompress_vec(body).map_err(bad)?, context)
}

/// Decodes a `PushRequest`, decompressed.
///
/// # Errors
/// `Invalid` when the bytes cannot be split into entries.
pub fn decode_message(message: &[u8], context: Context<'_>) -> Result<Decoded> {
    let broken = |e: WireError| Error::invalid(format!("the body is not a push of Loki: {e}"));
    let mut push = Push::new(context);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field().map_err(broken)? {
        if number == 1 {
            push.stream_message(field.bytes().map_err(broken)?).map_err(broken)?;
        }
    }
    Ok(push.builder.finish())
}

/// `{"streams":[...]}`.
#[derive(Deserialize)]
struct Json<'a> {
    #[serde(borrow, default)]
    streams: Vec<JsonStream<'a>>,
}

#[derive(Deserialize)]
struct JsonStream<'a> {
    #[serde(default)]
    stream: serde_json::Map<String, Value>,
    #[serde(borrow, default)]
    values: Vec<Vec<Cell<'a>>>,
}

/// The time, the line, or what is said beside them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Cell<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Fields(serde_json::Map<String, Value>),
    Other(serde::de::IgnoredAny),
}

/// Decodes a push in JSON.
///
/// # Errors
/// `Invalid` for what is not JSON of this form; nothing may be kept then.
pub fn decode_json(body: &[u8], context: Context<'_>) -> Result<Decoded> {
    let json: Json<'_> = serde_json::from_slice(body)
        .map_err(|e| Error::invalid(format!("the body is not a push of Loki in JSON: {e}")))?;
    let mut push = Push::new(context);
    for stream in json.streams {
        let labels = stream.stream.iter().map(|(name, value)| (name.as_str(), text(value)));
        let origin = origin(labels.map(|(n, v)| (Cow::Borrowed(n), v)));
        for cells in &stream.values {
            let (time, line) = match cells.as_slice() {
                [Cell::Text(time), Cell::Text(line), ..] => (time, line),
                _ => {
                    push.builder
                        .refuse(RejectReason::Malformed, || "an entry is not [\"time\", \"line\"]".into());
                    continue;
                }
            };
            let Ok(time_ns) = time.parse::<i64>() else {
                push.builder.refuse(RejectReason::Malformed, || {
                    format!("{:?} is not a time in nanoseconds", crate::series::cut(time))
                });
                continue;
            };
            push.line(line.as_bytes(), time_ns);
            if let Some(Cell::Fields(fields)) = cells.get(2) {
                for (name, value) in fields {
                    push.extra(name, &text(value));
                }
            }
            push.end(&origin);
        }
    }
    Ok(push.builder.finish())
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Labels to an origin.
fn origin<'a>(labels: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Origin {
    let labels: Vec<_> = labels.take(LABELS_MAX).collect();
    let find = |names: &[&str]| {
        names.iter().find_map(|name| {
            labels.iter().position(|(n, v)| n == name && !v.is_empty() && v != "unknown_service")
        })
    };
    let (service, host) = (find(&SERVICE), find(&HOST));
    let value = |at: Option<usize>| at.map_or(String::new(), |i| labels[i].1.to_string());
    let others = labels.iter().enumerate().filter(|(i, _)| ![service, host].contains(&Some(*i)));
    Origin {
        service: value(service),
        host: value(host),
        attributes: others.map(|(_, (n, v))| (&**n, &**v)).collect::<Pairs>(),
    }
}

/// `{a="b", c="d"}` to pairs; what is broken ends them.
fn parse_labels(text: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut out = Vec::new();
    let mut rest = text.trim().trim_start_matches('{');
    while let Some((name, tail)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = tail.char_indices();
        let end = loop {
            match chars.next() {
                None => return out,
                Some((at, '"')) => break at + 1,
                Some((_, '\\')) => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, c)) => value.push(c),
                    None => return out,
                },
                Some((_, c)) => value.push(c),
            }
        };
        out.push((Cow::Borrowed(name.trim_matches([',', ' '])), Cow::Owned(value)));
        if out.len() > LABELS_MAX {
            return out;
        }
        rest = &tail[end..];
    }
    out
}

struct Push<'a> {
    builder: Builder<'a>,
    reader: LineReader,
    record: Record,
    /// Levels that agents found.
    words: HashMap<String, Severity>,
}

impl<'a> Push<'a> {
    fn new(context: Context<'a>) -> Push<'a> {
        Push {
            builder: Builder::new(context),
            reader: LineReader::new(Format::Auto),
            record: Record::default(),
            words: HashMap::default(),
        }
    }

    fn line(&mut self, line: &[u8], time_ns: i64) {
        self.record.clear();
        let context = self.builder.context();
        self.reader.read(line, &mut self.record, &context);
        self.record.time_ns = Some(time_ns);
    }

    /// What is said beside the line.
    fn extra(&mut self, name: &str, value: &str) {
        match name {
            "trace_id" | "traceID" if self.record.trace_id.is_none() && value.len() == 32 => {
                self.record.trace(value)
            }
            "span_id" | "spanID" if self.record.span_id.is_none() && value.len() == 16 => {
                self.record.span(value)
            }
            "detected_level" | "level" if self.record.severity == Severity::UNKNOWN => {
                let known = self.words.entry(value.to_string());
                self.record.severity =
                    *known.or_insert_with(|| Severity::from_word(value).unwrap_or_default());
            }
            _ => self.record.attribute(name, value),
        }
    }

    fn end(&mut self, origin: &Origin) {
        if self.record.severity == Severity::UNKNOWN
            && let Some(level) = origin.attributes.get("level")
        {
            self.record.severity = Severity::from_word(level).unwrap_or_default();
        }
        // The labels know better than a line.
        if !origin.service.is_empty() {
            self.record.service.clear();
        }
        if !origin.host.is_empty() {
            self.record.host.clear();
        }
        self.builder.push(&self.record, origin);
    }

    fn stream_message(&mut self, message: &[u8]) -> std::result::Result<(), WireError> {
        let mut labels = &b""[..];
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            if number == 1 {
                labels = field.bytes()?;
            }
        }
        let labels = String::from_utf8_lossy(labels);
        let origin = origin(parse_labels(&labels).into_iter());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            if number == 2 {
                let entry = field.bytes()?;
                if let Err(e) = self.entry(entry, &origin) {
                    self.builder.refuse(RejectReason::Malformed, || format!("an entry is broken: {e}"));
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, message: &[u8], origin: &Origin) -> std::result::Result<(), WireError> {
        let (mut time_ns, mut line, mut beside) = (0i64, &b""[..], Vec::new());
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => time_ns = timestamp(field)?,
                2 => line = field.bytes()?,
                3 if beside.len() < LABELS_MAX => beside.push(pair(field.bytes()?)?),
                _ => {}
            }
        }
        self.line(line, time_ns);
        for (name, value) in beside {
            self.extra(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
        }
        self.end(origin);
        Ok(())
    }
}

/// A `google.protobuf.Timestamp`.
fn timestamp(field: Field<'_>) -> std::result::Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0i64, 0i64);
    let mut reader = Reader::new(field.bytes()?);
    while let Some((number, field)) = reader.field()? {
        match number {
            1 => seconds = field.varint()? as i64,
            2 => nanos = i64::from(field.varint()? as i32),
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn pair(message: &[u8]) -> std::result::Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value) = (&b""[..], &b""[..]);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::*;
    use crate::Limits;
    use crate::wire::{put_bytes_field, put_varint_field};

    const WANT: &str = "2026-11-20T05:06:07Z cart n1 {\"env\": \"prod \\\"x\\\"\"} warn13: slow {took=3, trace_id=abc}\n\
        2026-11-20T05:06:07Z+1ns cart n1 {\"env\": \"prod \\\"x\\\"\"}: plain";

    #[test]
    fn both_forms_give_the_same() {
        let json = r#"{"streams":[{"stream":{"app":"cart","host":"n1","env":"prod \"x\""},"values":[
            ["1795151167000000000","level=warn msg=slow took=3",{"trace_id":"abc"}],
            ["1795151167000000001","plain"]]}]}"#;
        let limits = Limits::default();
        assert_eq!(show(&decode_json(json.as_bytes(), context(&limits)).unwrap()), WANT);

        let (mut message, mut stream) = (Vec::new(), Vec::new());
        put_bytes_field(&mut stream, 1, br#"{app="cart", host="n1",env="prod \"x\""}"#);
        for (nanos, line, beside) in [(0, "level=warn msg=slow took=3", true), (1, "plain", false)] {
            let (mut entry, mut time, mut pair) = (Vec::new(), Vec::new(), Vec::new());
            put_varint_field(&mut time, 1, 1_795_151_167);
            put_varint_field(&mut time, 2, nanos);
            put_bytes_field(&mut entry, 1, &time);
            put_bytes_field(&mut entry, 2, line.as_bytes());
            if beside {
                put_bytes_field(&mut pair, 1, b"trace_id");
                put_bytes_field(&mut pair, 2, b"abc");
                put_bytes_field(&mut entry, 3, &pair);
            }
            put_bytes_field(&mut stream, 2, &entry);
        }
        put_bytes_field(&mut message, 1, &stream);
        let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
        assert_eq!(show(&decode_protobuf(&body, context(&limits)).unwrap()), WANT);
        assert!(decode_protobuf(&message, context(&limits)).is_err());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let limits = Limits::default();
        let json = r#"{"streams":[{"stream":{"job":"a"},"values":[["x","l"],["1"],[1,"l"],["1795151167000000000","ok"]]}]}"#;
        assert_eq!(
            show(&decode_json(json.as_bytes(), context(&limits)).unwrap()),
            "2026-11-20T05:06:07Z a: ok\nmalformed 3: \"x\" is not a time in nanoseconds"
        );
        assert!(decode_json(b"{\"streams\":1}", context(&limits)).is_err());
        // A snappy body that says that it is 4 GiB long.
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        let error = decode_protobuf(&bomb, context(&limits)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        for broken in ["", "{", "{a", "{a=\"", "{a=\"b", "{a=\"\\"] {
            assert_eq!(parse_labels(broken), [], "{broken}");
        }
    }
}
