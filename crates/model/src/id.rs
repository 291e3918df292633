//! Identifiers of traces, spans and changes: fixed sizes, printed and read as lower-case hexadecimal.
//! All zeros is no identifier (W3C Trace Context); it can not be made here.

use std::fmt;
use std::str::FromStr;

/// A trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// A span within its trace: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

/// Why bytes or text are no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier: 32 hexadecimal digits for a trace, 16 for a span, not all zero")
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// From its bytes; `None` for another length or all zeros.
            pub fn new(bytes: &[u8]) -> Option<$name> {
                let bytes: [u8; $bytes] = bytes.try_into().ok()?;
                (bytes != [0; $bytes]).then_some($name(bytes))
            }

            /// Its bytes.
            pub fn bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut text = [0u8; $bytes * 2];
                for (i, byte) in self.0.iter().enumerate() {
                    text[i * 2] = DIGITS[(byte >> 4) as usize];
                    text[i * 2 + 1] = DIGITS[(byte & 15) as usize];
                }
                f.pad(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            /// Reads hexadecimal digits, upper or lower case.
            fn from_str(text: &str) -> Result<$name, NotAnId> {
                let text = text.as_bytes();
                if text.len() != $bytes * 2 {
                    return Err(NotAnId);
                }
                let digit = |b: u8| (b as char).to_digit(16).ok_or(NotAnId);
                let mut bytes = [0u8; $bytes];
                for (byte, two) in bytes.iter_mut().zip(text.chunks_exact(2)) {
                    *byte = (digit(two[0])? << 4 | digit(two[1])?) as u8;
                }
                $name::new(&bytes).ok_or(NotAnId)
            }
        }
    };
}

id!(TraceId, 16);
id!(SpanId, 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_its_hexadecimal_digits() {
        let id: TraceId = "4BF92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(TraceId::new(id.bytes()), Some(id));
        assert_eq!(SpanId::new(&[0, 1, 2, 3, 4, 5, 6, 255]).unwrap().to_string(), "00010203040506ff");
    }

    #[test]
    fn other_lengths_other_letters_and_all_zeros_are_no_identifiers() {
        for text in [
            "",
            "00f067aa0ba902b",
            "00f067aa0ba902b7a",
            "0000000000000000",
            "00f067aa0ba902bg",
            "+0f067aa0ba902b7",
        ] {
            assert_eq!(text.parse::<SpanId>(), Err(NotAnId), "{text:?}");
        }
        assert_eq!(SpanId::new(&[0; 8]), None);
        assert_eq!(SpanId::new(&[1; 7]), None);
    }
}
