//! Attributes of OpenTelemetry as labels: values of any type as text, names translated, those that become the same joined.
//! It must never nest deeper than a bound, whatever arrives.

use super::names::{self, Strategy};
use crate::series::{Refused, cut_bytes};
use crate::wire::{Field, Reader, WireError};
use model::RejectReason;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Lists in lists at the most.
const DEPTH_MAX: usize = 16;

/// The key of a `KeyValue` and its `AnyValue`.
pub(super) fn key_value(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut key, mut value) = (&b""[..], &b""[..]);
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        match number {
            1 => key = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The key and the value as text.
///
/// # Errors
/// What is broken, not UTF-8 or nested too deep.
pub(super) fn pair(message: &[u8]) -> Result<(&str, String), Refused> {
    let broken = |e: WireError| Refused {
        reason: RejectReason::Malformed,
        message: format!("an attribute is broken: {e}"),
    };
    let (key, value) = key_value(message).map_err(broken)?;
    let mut text = String::new();
    match write_value(&mut text, value, 0, false) {
        Ok(()) => {}
        Err(Bad::Wire(e)) => return Err(broken(e)),
        Err(Bad::Deep) => {
            let message = format!("attribute {} holds lists in lists, more than {DEPTH_MAX}", cut_bytes(key));
            return Err(Refused { reason: RejectReason::Malformed, message });
        }
        Err(Bad::Utf8) => return Err(not_utf8(key)),
    }
    Ok((std::str::from_utf8(key).map_err(|_| not_utf8(key))?, text))
}

/// A value as text, whatever is wrong with it: bytes that are not UTF-8 are replaced (then it is not `true` besides), what is
/// broken or too deep becomes a word that says so.
pub(super) fn value_text(value: &[u8]) -> (String, bool) {
    let mut text = String::new();
    match write_value(&mut text, value, 0, false) {
        Ok(()) => (text, true),
        Err(Bad::Utf8) => {
            let mut reader = Reader::new(value);
            match reader.field() {
                Ok(Some((1, Field::Bytes(bytes)))) => (String::from_utf8_lossy(bytes).into_owned(), false),
                _ => (String::from_utf8_lossy(value).into_owned(), false),
            }
        }
        Err(Bad::Deep) => (format!("(nested deeper than {DEPTH_MAX})"), true),
        Err(Bad::Wire(_)) => ("(broken)".into(), true),
    }
}

fn not_utf8(key: &[u8]) -> Refused {
    Refused {
        reason: RejectReason::InvalidUtf8,
        message: format!("attribute {} is not UTF-8", cut_bytes(key)),
    }
}

/// Attributes as labels: those that get the same name are joined by `;` in the order of the names that they had.
///
/// # Errors
/// As [`pair`]; a name of which nothing is left.
pub(super) fn labels<'a>(
    attributes: impl Iterator<Item = &'a [u8]>,
    strategy: Strategy,
    prefix: &str,
) -> Result<BTreeMap<String, String>, Refused> {
    let mut pairs = attributes.map(pair).collect::<Result<Vec<_>, _>>()?;
    pairs.sort_by_key(|(key, _)| *key);
    let mut out = BTreeMap::new();
    for (key, value) in pairs {
        let prefixed = if prefix.is_empty() { key.to_string() } else { format!("{prefix}{key}") };
        let Some(name) = names::label(strategy, &prefixed) else {
            let message = format!("attribute {key:?} has a name of which no label can be made");
            return Err(Refused { reason: RejectReason::InvalidName, message });
        };
        out.entry(name.into_owned())
            .and_modify(|joined: &mut String| {
                joined.push(';');
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    Ok(out)
}

enum Bad {
    Wire(WireError),
    Utf8,
    Deep,
}

impl From<WireError> for Bad {
    fn from(e: WireError) -> Bad {
        Bad::Wire(e)
    }
}

/// A value as OpenTelemetry's libraries write it as text: texts as they are, lists and maps as JSON, bytes in base64. Inside of
/// JSON texts are in quotes.
fn write_value(out: &mut String, value: &[u8], depth: usize, in_json: bool) -> Result<(), Bad> {
    if depth > DEPTH_MAX {
        return Err(Bad::Deep);
    }
    // Of several the last one is meant.
    let mut last = None;
    let mut reader = Reader::new(value);
    while let Some((number, field)) = reader.field()? {
        if (1..=7).contains(&number) {
            last = Some((number, field));
        }
    }
    match last {
        None if in_json => out.push_str("null"),
        None => {}
        Some((1, field)) => {
            let text = std::str::from_utf8(field.bytes()?).map_err(|_| Bad::Utf8)?;
            if in_json { write_quoted(out, text) } else { out.push_str(text) }
        }
        Some((2, field)) => out.push_str(if field.varint()? == 0 { "false" } else { "true" }),
        Some((3, field)) => drop(write!(out, "{}", field.varint()? as i64)),
        Some((4, field)) => write_double(out, field.double()?),
        Some((5, field)) => {
            out.push('[');
            each(field, |i, value| {
                out.push_str(if i > 0 { "," } else { "" });
                write_value(out, value, depth + 1, true)
            })?;
            out.push(']');
        }
        Some((6, field)) => {
            out.push('{');
            each(field, |i, entry| {
                let (key, value) = key_value(entry)?;
                out.push_str(if i > 0 { "," } else { "" });
                write_quoted(out, std::str::from_utf8(key).map_err(|_| Bad::Utf8)?);
                out.push(':');
                write_value(out, value, depth + 1, true)
            })?;
            out.push('}');
        }
        Some((_, field)) => {
            let quote = if in_json { "\"" } else { "" };
            out.push_str(quote);
            write_base64(out, field.bytes()?);
            out.push_str(quote);
        }
    }
    Ok(())
}

/// The messages of field 1 of a message.
fn each<'a>(field: Field<'a>, mut f: impl FnMut(usize, &'a [u8]) -> Result<(), Bad>) -> Result<(), Bad> {
    let (mut reader, mut i) = (Reader::new(field.bytes()?), 0);
    while let Some((number, field)) = reader.field()? {
        if number == 1 {
            f(i, field.bytes()?)?;
            i += 1;
        }
    }
    Ok(())
}

fn write_quoted(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// As Go's JSON has it: no point where none is needed, an exponent for the very large and the very small.
fn write_double(out: &mut String, value: f64) {
    let size = value.abs();
    let _ = if value.is_nan() {
        write!(out, "NaN")
    } else if value.is_infinite() {
        write!(out, "{}", if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        write!(out, "{}", if size >= 1e21 { text.replace('e', "e+") } else { text })
    } else {
        write!(out, "{value}")
    };
}

fn write_base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in bytes.chunks(3) {
        let byte = |i: usize| u32::from(part.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]);
            out.push(if i <= part.len() { digit } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{json, schema};
    use super::*;

    /// An `AnyValue` from JSON, as text.
    fn text(value: &str) -> String {
        let json = format!(
            r#"{{"resourceMetrics":{{"resource":{{"attributes":[{{"key":"k","value":{value}}}]}}}}}}"#
        );
        let mut message = json::to_protobuf(json.as_bytes(), schema::METRICS, 1 << 20).unwrap();
        // Inside of three messages.
        for _ in 0..3 {
            let mut reader = Reader::new(&message);
            message = reader.field().unwrap().unwrap().1.bytes().unwrap().to_vec();
        }
        match pair(&message) {
            Ok((key, text)) => format!("{key}={text}"),
            Err(refused) => refused.message,
        }
    }

    #[test]
    fn values_of_every_type() {
        let deep = r#"{"arrayValue":{"values":["#.repeat(18) + &"]}}".repeat(18);
        for (value, want) in [
            (r#"{}"#, "k="),
            (r#"{"stringValue":"a \"b\""}"#, "k=a \"b\""),
            (r#"{"boolValue":true}"#, "k=true"),
            (r#"{"intValue":"-5"}"#, "k=-5"),
            (r#"{"doubleValue":1}"#, "k=1"),
            (r#"{"doubleValue":0.1}"#, "k=0.1"),
            (r#"{"doubleValue":1e21}"#, "k=1e+21"),
            (r#"{"doubleValue":1.5e-7}"#, "k=1.5e-7"),
            (r#"{"doubleValue":"NaN"}"#, "k=NaN"),
            (r#"{"bytesValue":"AAH/"}"#, "k=AAH/"),
            (r#"{"bytesValue":"/w=="}"#, "k=/w=="),
            (
                r#"{"arrayValue":{"values":[{"stringValue":"a\n"},{"intValue":1},{},{"bytesValue":"AAE="}]}}"#,
                r#"k=["a\n",1,null,"AAE="]"#,
            ),
            (
                r#"{"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{}}},{"key":"b","value":{"boolValue":false}}]}}"#,
                r#"k={"a":[],"b":false}"#,
            ),
            (&deep, "attribute k holds lists in lists, more than 16"),
        ] {
            assert_eq!(text(value), want, "{value:.80}");
        }
    }
}
