//! OTLP's logs, protobuf or JSON, to log records. A record is kept whatever is wrong with a part of it; only a body that cannot
//! be split into records is an error.

use super::answer::Content;
use super::attributes;
use super::fields;
use super::json::{self, Schema, Type::*};
use super::schema::{KEY_VALUE, RESOURCE, SCOPE};
use crate::Limits;
use crate::logs::{Builder, Context, Decoded, Record};
use crate::wire::{Field, Reader, WireError};
use model::{Origin, RejectReason, Severity, SpanId, TraceId};
use stdx::{Error, Result};

/// Attributes of one resource or scope that are looked at.
const ATTRIBUTES_MAX: usize = 256;

/// `ExportLogsServiceRequest`.
const LOGS: Schema = &[("resourceLogs", 1, Message(|| RESOURCE_LOGS))];
const RESOURCE_LOGS: Schema =
    &[("resource", 1, Message(|| RESOURCE)), ("scopeLogs", 2, Message(|| SCOPE_LOGS))];
const SCOPE_LOGS: Schema = &[("scope", 1, Message(|| SCOPE)), ("logRecords", 2, Message(|| RECORD))];
const RECORD: Schema = &[
    ("timeUnixNano", 1, Fixed),
    ("observedTimeUnixNano", 11, Fixed),
    ("severityNumber", 2, Varint),
    ("severityText", 3, Text),
    ("body", 5, Message(|| super::schema::ANY_VALUE)),
    ("attributes", 6, Message(|| KEY_VALUE)),
    ("droppedAttributesCount", 7, Varint),
    ("traceId", 9, Id),
    ("spanId", 10, Id),
    ("eventName", 12, Text),
];

/// The protobuf message of a logs request, whichever way it came (already decompressed).
///
/// # Errors
/// `Invalid` or `TooLarge` for JSON that is none, or that stands for more than `decoded_bytes_max`.
pub fn logs_message(body: Vec<u8>, content: Content, limits: &Limits) -> Result<Vec<u8>> {
    match content {
        Content::Protobuf => Ok(body),
        Content::Json => json::to_protobuf(&body, LOGS, limits.decoded_bytes_max),
    }
}

/// Decodes an `ExportLogsServiceRequest`.
///
/// # Errors
/// `Invalid` when the bytes cannot be split into records; nothing may be kept then.
pub fn decode_logs(message: &[u8], context: Context<'_>) -> Result<Decoded> {
    let (mut builder, mut record) = (Builder::new(context), Record::default());
    each(message, 1, |resource_logs| {
        // Fields come in any order.
        let mut origin = Origin::default();
        each(resource_logs, 1, |resource| put_attributes(resource, 1, "", &mut origin))?;
        each(resource_logs, 2, |scope_logs| {
            let mut origin = origin.clone();
            each(scope_logs, 1, |scope| put_scope(scope, &mut origin))?;
            // Numbered when the first record needs it: empty ones cost nothing.
            let mut number = None;
            each(scope_logs, 2, |bytes| {
                number = number.or_else(|| builder.origin(&origin));
                record.clear();
                match (read(bytes, &mut record), number) {
                    (Ok(()), Some(number)) => drop(builder.push_at(&record, number)),
                    (Ok(()), None) => drop(builder.push(&record, &origin)),
                    (Err(e), _) => {
                        builder.refuse(RejectReason::Malformed, || format!("a log record is broken: {e}"))
                    }
                }
                Ok(())
            })
        })
    })?;
    Ok(builder.finish())
}

/// The messages of one field, in order.
fn each<'a>(message: &'a [u8], number: u32, f: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    let broken = |e: WireError| Error::invalid(format!("the body is not an OTLP logs request: {e}"));
    fields::each(message, number, broken, f)
}

fn put_scope(scope: &[u8], origin: &mut Origin) -> Result<()> {
    for (number, name) in [(1, "otel.scope.name"), (2, "otel.scope.version")] {
        each(scope, number, |text| {
            if !text.is_empty() {
                origin.attributes.push(name, &String::from_utf8_lossy(text));
            }
            Ok(())
        })?;
    }
    put_attributes(scope, 3, "otel.scope.", origin)
}

/// Attributes of a resource or scope; `service.name` and `host.name` have places of their own.
fn put_attributes(message: &[u8], number: u32, prefix: &str, origin: &mut Origin) -> Result<()> {
    each(message, number, |pair| {
        let Ok((key, value)) = attributes::key_value(pair) else { return Ok(()) };
        let (key, (value, _)) = (String::from_utf8_lossy(key), attributes::value_text(value));
        match &*key {
            "service.name" if prefix.is_empty() => origin.service = value,
            "host.name" if prefix.is_empty() => origin.host = value,
            "" => {}
            _ if origin.attributes.len() >= ATTRIBUTES_MAX => {}
            key => origin.attributes.push(&format!("{prefix}{key}"), &value),
        }
        Ok(())
    })
}

fn read(message: &[u8], record: &mut Record) -> std::result::Result<(), WireError> {
    let (mut time_ns, mut observed_ns, mut word) = (0, 0, &b""[..]);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match (number, field) {
            (1, Field::Fixed64(ns)) => time_ns = ns,
            (11, Field::Fixed64(ns)) => observed_ns = ns,
            (1 | 11, _) => return Err(WireError::WrongType),
            (2, field) => record.severity = Severity::from_number(field.varint()?.try_into().unwrap_or(0)),
            (3, field) => word = field.bytes()?,
            (5, field) => {
                let (text, is_whole) = attributes::value_text(field.bytes()?);
                record.body = text;
                record.has_invalid_utf8 |= !is_whole;
            }
            (6, field) => {
                let (key, value) = attributes::key_value(field.bytes()?)?;
                let (value, is_whole) = attributes::value_text(value);
                record.has_invalid_utf8 |= !is_whole;
                let key = record.text(key);
                record.attribute(&key, &value);
            }
            (7, field) => {
                let count = field.varint()?;
                if count > 0 {
                    record.attribute("otel.dropped_attributes_count", &count.to_string());
                }
            }
            (9, field) => {
                let id = field.bytes()?;
                record.trace_id = TraceId::new(id);
                record.has_bad_id |= !id.is_empty() && record.trace_id.is_none();
            }
            (10, field) => {
                let id = field.bytes()?;
                record.span_id = SpanId::new(id);
                record.has_bad_id |= !id.is_empty() && record.span_id.is_none();
            }
            (12, field) => {
                let name = record.text(field.bytes()?);
                record.attribute("event.name", &name);
            }
            _ => {}
        }
    }
    if record.severity == Severity::UNKNOWN {
        let text = String::from_utf8_lossy(word);
        record.severity = Severity::from_word(text.trim()).unwrap_or_default();
    }
    // Nanoseconds past 2262 are the far future in any case.
    let given = if time_ns != 0 { time_ns } else { observed_ns };
    record.time_ns = (given != 0).then(|| i64::try_from(given).unwrap_or(i64::MAX));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::testing::{context, show};
    use crate::wire::{put_bytes_field, put_varint};

    fn check(json: &str, want: &str) {
        let limits = Limits::default();
        let message = logs_message(json.as_bytes().to_vec(), Content::Json, &limits).unwrap();
        assert_eq!(show(&decode_logs(&message, context(&limits)).unwrap()), want, "{json}");
    }

    fn of(record: &str) -> String {
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#)
    }

    #[test]
    fn records_with_all_that_is_said_of_them() {
        check(
            r#"{"resourceLogs":[{
                "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}},
                    {"key":"host.name","value":{"stringValue":"h1"}},{"key":"k8s.pod.name","value":{"stringValue":"p"}}]},
                "scopeLogs":[{"scope":{"name":"lib","version":"1"},"logRecords":[
                    {"timeUnixNano":"1795262400000000005","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"boom"},
                     "attributes":[{"key":"user.id","value":{"intValue":"7"}}],
                     "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","eventName":"failed"},
                    {"observedTimeUnixNano":"1795262401000000000","severityText":"Warning","body":{"kvlistValue":{"values":[
                        {"key":"a","value":{"arrayValue":{"values":[{"intValue":1},{"boolValue":true}]}}}]}}}]}]}]}"#,
            "now cart h1 {\"k8s.pod.name\": \"p\", \"otel.scope.name\": \"lib\", \"otel.scope.version\": \"1\"} error17 \
             trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7: boom {user.id=7, event.name=failed}\n\
             2026-11-21T12:00:01Z cart h1 {\"k8s.pod.name\": \"p\", \"otel.scope.name\": \"lib\", \"otel.scope.version\": \"1\"} \
             warn13: {\"a\":[1,true]}",
        );
    }

    #[test]
    fn what_is_wrong_costs_itself_alone() {
        check(&of(r#"{"body":{"stringValue":"a"},"traceId":"abc","spanId":""}"#), "now: a\nbad_ids 1");
        check(
            &of(r#"{"body":{"stringValue":"a"},"traceId":"00000000000000000000000000000000"}"#),
            "now: a\nbad_ids 1",
        );
        check(
            &of(r#"{"body":{"stringValue":"a"},"timeUnixNano":"18446744073709551615"}"#),
            "now: a {midwatch.time_given=2262-04-11T23:47:16.854Z}\ntime_clamped 1",
        );
        check(&of("{}"), "now: ");
        let (mut record, mut scope, mut resource, mut message) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        put_bytes_field(&mut record, 5, b"\x0a\x03a\xffb");
        put_bytes_field(&mut scope, 2, &record);
        put_bytes_field(&mut scope, 2, b"\x0d");
        // A number where a body should be.
        let mut wrong = Vec::new();
        put_varint(&mut wrong, 5 << 3);
        put_varint(&mut wrong, 1);
        put_bytes_field(&mut scope, 2, &wrong);
        put_bytes_field(&mut resource, 2, &scope);
        put_bytes_field(&mut message, 1, &resource);
        let limits = Limits::default();
        assert_eq!(
            show(&decode_logs(&message, context(&limits)).unwrap()),
            "now: a\u{fffd}b\nmalformed 2: a log record is broken: the protobuf ends in the middle of a field\ninvalid_utf8 1"
        );
        assert!(decode_logs(b"\x0a\x05a", context(&limits)).is_err());
    }

    #[test]
    fn ten_thousand_attributes() {
        let attributes: Vec<String> =
            (0..10_000).map(|i| format!(r#"{{"key":"k{i}","value":{{"intValue":{i}}}}}"#)).collect();
        let json =
            of(&format!(r#"{{"body":{{"stringValue":"a"}},"attributes":[{}]}}"#, attributes.join(",")));
        let limits = Limits::default();
        let message = logs_message(json.into_bytes(), Content::Json, &limits).unwrap();
        let decoded = decode_logs(&message, context(&limits)).unwrap();
        let last = decoded.batch.attributes(0).last().unwrap();
        assert_eq!((last, decoded.batch.attributes(0).len()), (("midwatch.attributes_dropped", "9744"), 257));
        assert_eq!(decoded.altered.attributes, 1);
    }
}
