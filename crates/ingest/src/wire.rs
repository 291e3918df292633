//! The protocol buffers wire format, read without copying and without generated code, and written.
//! It must never read past its slice, and never takes memory: fields are slices of the input.

use std::fmt;

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a string, bytes, a nested message or packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

impl<'a> Field<'a> {
    /// The bytes of a string, bytes or message field.
    ///
    /// # Errors
    /// The field has another wire type.
    pub fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Field::Bytes(b) => Ok(b),
            _ => Err(WireError::WrongType),
        }
    }

    /// A varint, as `uint64`; cast for `int64`, `int32` and enums.
    ///
    /// # Errors
    /// The field has another wire type.
    pub fn varint(self) -> Result<u64, WireError> {
        match self {
            Field::Varint(v) => Ok(v),
            _ => Err(WireError::WrongType),
        }
    }

    /// A `double`.
    ///
    /// # Errors
    /// The field has another wire type.
    pub fn double(self) -> Result<f64, WireError> {
        match self {
            Field::Fixed64(v) => Ok(f64::from_bits(v)),
            _ => Err(WireError::WrongType),
        }
    }
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes end inside a field.
    Truncated,
    /// A varint of more than 64 bits.
    VarintTooLong,
    /// Field number 0, or one over 2^29 - 1.
    FieldNumber,
    /// Groups (3, 4) or an unknown wire type.
    WireType(u8),
    /// A known field has another wire type than its schema says.
    WrongType,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Truncated => f.write_str("the protobuf ends in the middle of a field"),
            WireError::VarintTooLong => f.write_str("a protobuf varint is longer than 64 bits"),
            WireError::FieldNumber => f.write_str("a protobuf field number is out of range"),
            WireError::WireType(t) => write!(f, "protobuf wire type {t} is not supported"),
            WireError::WrongType => f.write_str("a protobuf field has the wrong wire type"),
        }
    }
}

impl std::error::Error for WireError {}

/// Reads the fields of one message in their order.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `message`.
    pub fn new(message: &'a [u8]) -> Self {
        Reader { rest: message }
    }

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one message that is preceded by its length, as in delimited streams; `None` at the end.
    ///
    /// # Errors
    /// The length is not a varint or reaches past the end.
    pub fn delimited(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.length_prefixed().map(Some)
    }

    /// The next field with its number; `None` at the end.
    ///
    /// # Errors
    /// The bytes are not a message. The reader must not be used after an error.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(WireError::FieldNumber);
        }
        let field = match (key & 7) as u8 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Field::Bytes(self.length_prefixed()?),
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::WireType(other)),
        };
        Ok(Some((number as u32, field)))
    }

    /// The next number of a packed field; `None` at the end.
    ///
    /// # Errors
    /// The bytes are not varints.
    pub fn packed_varint(&mut self) -> Result<Option<u64>, WireError> {
        match self.rest.is_empty() {
            true => Ok(None),
            false => self.varint().map(Some),
        }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        if let [first @ 0..=127, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        let mut value = 0u64;
        for (i, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds only the highest bit.
            if i == 9 && *byte > 1 {
                return Err(WireError::VarintTooLong);
            }
            value |= u64::from(byte & 127) << (7 * i);
            if *byte < 128 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::VarintTooLong })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    fn length_prefixed(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a varint field.
pub fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

/// Appends a `double` field.
pub fn put_double_field(out: &mut Vec<u8>, number: u32, value: f64) {
    put_varint(out, u64::from(number) << 3 | 1);
    out.extend(value.to_bits().to_le_bytes());
}

/// Appends a `sint32` or `sint64` field.
pub fn put_sint_field(out: &mut Vec<u8>, number: u32, value: i64) {
    put_varint_field(out, number, (value << 1 ^ value >> 63) as u64);
}

/// Appends packed `double`s; nothing if there are none.
pub fn put_packed_doubles(out: &mut Vec<u8>, number: u32, values: &[f64]) {
    if !values.is_empty() {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect();
        put_bytes_field(out, number, &bytes);
    }
}

/// Appends a string, bytes or message field.
pub fn put_bytes_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Field<'_>)>, WireError> {
        let mut reader = Reader::new(bytes);
        let mut all = Vec::new();
        while let Some(field) = reader.field()? {
            all.push(field);
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        put_varint_field(&mut out, 1, 0);
        put_varint_field(&mut out, 2, u64::MAX);
        put_varint_field(&mut out, (1 << 29) - 1, 300);
        put_double_field(&mut out, 3, f64::NEG_INFINITY);
        put_bytes_field(&mut out, 4, b"abc");
        put_bytes_field(&mut out, 5, b"");
        assert_eq!(
            read(&out).unwrap(),
            [
                (1, Field::Varint(0)),
                (2, Field::Varint(u64::MAX)),
                ((1 << 29) - 1, Field::Varint(300)),
                (3, Field::Fixed64(f64::NEG_INFINITY.to_bits())),
                (4, Field::Bytes(b"abc")),
                (5, Field::Bytes(b"")),
            ]
        );
        for end in 1..out.len() {
            let _ = read(&out[..end]);
        }
    }

    #[test]
    fn hostile_bytes_are_errors() {
        for (bytes, want) in [
            (&b"\x08"[..], WireError::Truncated),
            (b"\x80", WireError::Truncated),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WireError::VarintTooLong),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::VarintTooLong),
            (b"\x00\x00", WireError::FieldNumber),
            (b"\x80\x80\x80\x80\x10\x00", WireError::FieldNumber),
            (b"\x0b", WireError::WireType(3)),
            (b"\x0f", WireError::WireType(7)),
            (b"\x0a\x05abcd", WireError::Truncated),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abcd", WireError::Truncated),
            (b"\x09\x00\x00", WireError::Truncated),
            (b"\x0d\x00\x00", WireError::Truncated),
        ] {
            assert_eq!(read(bytes), Err(want), "{bytes:x?}");
        }
    }
}
