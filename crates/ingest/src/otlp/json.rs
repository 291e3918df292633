//! OTLP in JSON, rewritten as the protobuf message that it stands for, so that there is one decoder for both: names of fields to
//! numbers by tables, values by the types that the tables name. Unknown fields are skipped, as the protocol wants it.
//! It must never hold the JSON as a tree, nor write more than the limit.

use crate::wire::{put_varint, put_varint_field};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use stdx::{Error, ErrorKind, Result};

/// The fields of a message: the name in JSON, the number, the type. Repeated ones are of the type of their elements.
pub(super) type Schema = &'static [(&'static str, u32, Type)];

/// Types of fields, as protobuf encodes them.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Bool,
    /// int64, uint64, uint32 and enums.
    Varint,
    /// sint32.
    Zigzag,
    /// fixed64 and sfixed64.
    Fixed,
    Double,
    /// In base64.
    Bytes,
    /// In hexadecimal: the ids of traces and spans.
    Id,
    /// By a function, since values nest in themselves.
    Message(fn() -> Schema),
}

/// The message that `json` stands for, of at most `bytes_max`.
///
/// # Errors
/// `Invalid` for what is not JSON, or has a value of the wrong type, with line and column; `TooLarge` past `bytes_max`.
pub(super) fn to_protobuf(json: &[u8], schema: Schema, bytes_max: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Message { schema, out: &mut out, bytes_max }.deserialize(&mut deserializer);
    match read.and_then(|()| deserializer.end()) {
        Ok(()) => Ok(out),
        Err(_) if out.len() > bytes_max => {
            let text =
                format!("the request holds more than {bytes_max} bytes; send fewer points per request");
            Err(Error::new(ErrorKind::TooLarge, text))
        }
        Err(e) => Err(Error::invalid(format!("the body is not OTLP in JSON: {e}"))),
    }
}

/// Writes the fields of one object.
struct Message<'o> {
    schema: Schema,
    out: &'o mut Vec<u8>,
    bytes_max: usize,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.schema.iter().find(|(known, ..)| same_name(known, &name)) {
                Some((_, number, kind)) => {
                    let (out, bytes_max) = (&mut *self.out, self.bytes_max);
                    map.next_value_seed(Value { number: *number, kind: *kind, out, bytes_max })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// `timeUnixNano`, which the protocol wants, or `time_unix_nano`, which some send.
fn same_name(known: &str, given: &str) -> bool {
    let mut given = given.bytes().peekable();
    for want in known.bytes() {
        let got = match given.next() {
            Some(b'_') => given.next().map(|b| b.to_ascii_uppercase()),
            got => got,
        };
        if got != Some(want) {
            return false;
        }
    }
    given.next().is_none()
}

/// Writes one field, or each element of a repeated one.
struct Value<'o> {
    number: u32,
    kind: Type,
    out: &'o mut Vec<u8>,
    bytes_max: usize,
}

impl Value<'_> {
    fn key(&mut self, wire: u32) {
        put_varint(self.out, u64::from(self.number << 3 | wire));
    }

    fn integer<E: serde::de::Error>(mut self, value: i128) -> std::result::Result<(), E> {
        let in_range = (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value);
        match self.kind {
            Type::Double => self.double(value as f64),
            _ if !in_range => return Err(E::custom(format!("{value} does not fit into 64 bits"))),
            Type::Varint | Type::Bool => put_varint_field(self.out, self.number, value as u64),
            Type::Zigzag => {
                let value = value as i64;
                put_varint_field(self.out, self.number, (value << 1 ^ value >> 63) as u64);
            }
            Type::Fixed => {
                self.key(1);
                self.out.extend((value as u64).to_le_bytes());
            }
            _ => return Err(E::custom(format!("unexpected number {value}"))),
        }
        self.check()
    }

    fn double(&mut self, value: f64) {
        self.key(1);
        self.out.extend(value.to_bits().to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.key(2);
        put_varint(self.out, bytes.len() as u64);
        self.out.extend(bytes);
    }

    fn check<E: serde::de::Error>(&self) -> std::result::Result<(), E> {
        if self.out.len() > self.bytes_max { Err(E::custom("too much")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Type::Text => "a text",
            Type::Bool => "true or false",
            Type::Varint | Type::Zigzag | Type::Fixed => "a whole number, or one in quotes",
            Type::Double => "a number",
            Type::Bytes => "bytes in base64",
            Type::Id => "an id in hexadecimal",
            Type::Message(_) => "an object",
        })
    }

    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> std::result::Result<(), E> {
        match self.kind {
            Type::Bool => self.integer(i128::from(value)),
            _ => Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self)),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<(), E> {
        self.integer(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> std::result::Result<(), E> {
        match self.kind {
            Type::Double => self.double(value),
            Type::Varint | Type::Zigzag | Type::Fixed if value.fract() == 0.0 => {
                return self.integer(value as i128);
            }
            _ => return Err(E::invalid_type(serde::de::Unexpected::Float(value), &self)),
        }
        self.check()
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> std::result::Result<(), E> {
        let wrong = |this: &Self| Err(E::invalid_value(serde::de::Unexpected::Str(short(text)), this));
        match self.kind {
            Type::Text => self.bytes(text.as_bytes()),
            Type::Double => match text {
                "NaN" => self.double(f64::NAN),
                "Infinity" => self.double(f64::INFINITY),
                "-Infinity" => self.double(f64::NEG_INFINITY),
                _ => match text.parse() {
                    Ok(value) => self.double(value),
                    Err(_) => return wrong(&self),
                },
            },
            Type::Varint | Type::Zigzag | Type::Fixed => match (text.parse(), enumerated(text)) {
                (Ok(value), _) | (_, Some(value)) => return self.integer(value),
                _ => return wrong(&self),
            },
            // What is none must not spoil its neighbours: it stays one, of a length that is refused later.
            Type::Id => self.bytes(&hexadecimal(text).unwrap_or(vec![0])),
            Type::Bytes => match base64(text) {
                Some(bytes) => self.bytes(&bytes),
                None => return wrong(&self),
            },
            Type::Bool | Type::Message(_) => return wrong(&self),
        }
        self.check()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> std::result::Result<(), A::Error> {
        let Value { number, kind, out, bytes_max } = self;
        while all.next_element_seed(Value { number, kind, out, bytes_max })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> std::result::Result<(), A::Error> {
        let Type::Message(schema) = self.kind else {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self));
        };
        self.key(2);
        // The length, known afterwards, in as many bytes as it can need.
        let at = self.out.len();
        self.out.extend([0x80, 0x80, 0x80, 0x80, 0]);
        Message { schema: schema(), out: self.out, bytes_max: self.bytes_max }.visit_map(map)?;
        let length = self.out.len() - at - 5;
        for (i, byte) in self.out[at..at + 5].iter_mut().enumerate() {
            *byte |= (length >> (7 * i) & 127) as u8;
        }
        self.check()
    }
}

/// Enums are numbers in OTLP; the names of protobuf's own JSON are understood as well.
fn enumerated(text: &str) -> Option<i128> {
    const NAMES: [(&str, &[&str]); 3] = [
        ("AGGREGATION_TEMPORALITY_", &["UNSPECIFIED", "DELTA", "CUMULATIVE"]),
        ("SPAN_KIND_", &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]),
        ("STATUS_CODE_", &["UNSET", "OK", "ERROR"]),
    ];
    let (name, names) = NAMES.iter().find_map(|(prefix, names)| Some((text.strip_prefix(prefix)?, names)))?;
    names.iter().position(|n| *n == name).map(|i| i as i128)
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(text.len().min(60))]
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Both alphabets, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut count) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = &[
        ("text", 1, Type::Text),
        ("someNumber", 2, Type::Varint),
        ("fixed", 3, Type::Fixed),
        ("double", 4, Type::Double),
        ("zigzag", 5, Type::Zigzag),
        ("bytes", 6, Type::Bytes),
        ("id", 7, Type::Id),
        ("flag", 8, Type::Bool),
        ("self", 9, Type::Message(|| SCHEMA)),
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn values_by_their_types() {
        for (json, want) in [
            (r#"{}"#, ""),
            (r#"{"text":"a","unknown":{"x":[1]},"someNumber":null}"#, "0a0161"),
            (r#"{"someNumber":300,"some_number":"1"}"#, "10ac021001"),
            (r#"{"someNumber":-1}"#, "10ffffffffffffffffff01"),
            (r#"{"someNumber":"AGGREGATION_TEMPORALITY_CUMULATIVE"}"#, "1002"),
            (r#"{"fixed":"18446744073709551615"}"#, "19ffffffffffffffff"),
            (r#"{"fixed":[1,2e0]}"#, "190100000000000000190200000000000000"),
            (r#"{"double":1}"#, "21000000000000f03f"),
            (r#"{"double":"-Infinity"}"#, "21000000000000f0ff"),
            (r#"{"zigzag":-2}"#, "2803"),
            (r#"{"bytes":"+/8="}"#, "3202fbff"),
            (r#"{"bytes":"-_8"}"#, "3202fbff"),
            (r#"{"id":"00fF"}"#, "3a0200ff"),
            (r#"{"id":"00f"}"#, "3a0100"),
            (r#"{"someNumber":"SPAN_KIND_CLIENT"}"#, "1003"),
            (r#"{"someNumber":"STATUS_CODE_ERROR"}"#, "1002"),
            (r#"{"flag":true}"#, "4001"),
            (r#"{"self":[{},{"text":"b"}]}"#, "4a80808080004a83808080000a0162"),
        ] {
            assert_eq!(hex(&to_protobuf(json.as_bytes(), SCHEMA, 1000).unwrap()), want, "{json}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let deep = r#"{"self":"#.repeat(200) + &"}".repeat(200);
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(2_000));
        for (json, words) in [
            ("", "EOF"),
            ("[]", "an object"),
            ("{\"text\":1}", "unexpected number 1"),
            ("{\"fixed\":1.5}", "expected a whole number"),
            ("{\"fixed\":\"18446744073709551616\"}", "64 bits"),
            ("{\"fixed\":\"1x\"}", "invalid value: string \"1x\""),
            ("{\"double\":\"x\"}", "expected a number"),
            ("{\"bytes\":\"*\"}", "base64"),
            ("{\"id\":0}", "number 0"),
            ("{\"flag\":\"true\"}", "true or false"),
            ("{\"self\":1}", "number 1"),
            ("{\"text\":{}}", "expected a text"),
            ("{} {}", "trailing"),
            (&deep, "recursion limit"),
            (&long, "more than 1000 bytes"),
        ] {
            let error = to_protobuf(json.as_bytes(), SCHEMA, 1000).unwrap_err().to_string();
            assert!(error.contains(words), "{json:.60}: {error} does not say {words}");
        }
    }
}
