//! The small, byte-aligned coding of one sample after another that the write-ahead log and the open
//! end of a series share. It favours speed over size: what is kept for long is sealed into chunks.

use stdx::{Error, Result};

/// Writes an unsigned number, 7 bits a byte, low bits first.
pub fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 128 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Writes a signed number, small magnitudes short.
pub fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_varint(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Writes the bits of a value as the difference to the bits before: one byte that counts the zero
/// bytes in front (high half) and behind (low half), then the bytes between. An unchanged value is one byte.
pub fn put_value(out: &mut Vec<u8>, previous_bits: u64, bits: u64) {
    let x = previous_bits ^ bits;
    if x == 0 {
        return out.push(0x80);
    }
    let front = x.leading_zeros() / 8;
    let behind = x.trailing_zeros() / 8;
    out.push((front << 4 | behind) as u8);
    let bytes = x.to_be_bytes();
    out.extend_from_slice(&bytes[front as usize..8 - behind as usize]);
}

/// Reads what the functions above wrote. Every method fails rather than reads past the end.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// `Corrupt` if there are fewer.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.rest.len() {
            return Err(Error::corrupt("a record ends too early"));
        }
        let (head, rest) = self.rest.split_at(n);
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// `Corrupt` at the end.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// Inverse of [`put_varint`].
    ///
    /// # Errors
    /// `Corrupt` at the end, or past 10 bytes.
    pub fn varint(&mut self) -> Result<u64> {
        let mut n = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 127).checked_shl(shift).unwrap_or(0);
            if byte < 128 {
                return Ok(n);
            }
        }
        Err(Error::corrupt("a number is longer than 10 bytes"))
    }

    /// Inverse of [`put_signed`].
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// Inverse of [`put_value`].
    ///
    /// # Errors
    /// `Corrupt` at the end, or if the counts of zero bytes make no sense.
    pub fn value(&mut self, previous_bits: u64) -> Result<u64> {
        let control = self.byte()?;
        let (front, behind) = (usize::from(control >> 4), usize::from(control & 15));
        if front == 8 {
            return Ok(previous_bits);
        }
        if front + behind > 7 {
            return Err(Error::corrupt("a value has more zero bytes than bytes"));
        }
        let mut bytes = [0u8; 8];
        bytes[front..8 - behind].copy_from_slice(self.bytes(8 - front - behind)?);
        Ok(previous_bits ^ u64::from_be_bytes(bytes))
    }

    /// A length and that many bytes of UTF-8.
    ///
    /// # Errors
    /// `Corrupt` if it is cut or not UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        let n = self.varint()?;
        let bytes = self.bytes(usize::try_from(n).unwrap_or(usize::MAX))?;
        std::str::from_utf8(bytes).map_err(|_| Error::corrupt("a text is not UTF-8"))
    }
}

/// Writes a length and the text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everything_comes_back(n: u64, s: i64, a: u64, b: u64, text: String) {
            let mut out = Vec::new();
            put_varint(&mut out, n);
            put_signed(&mut out, s);
            put_value(&mut out, a, b);
            put_value(&mut out, b, b);
            put_text(&mut out, &text);
            let mut r = Reader::new(&out);
            prop_assert_eq!(r.varint().unwrap(), n);
            prop_assert_eq!(r.signed().unwrap(), s);
            prop_assert_eq!(r.value(a).unwrap(), b);
            prop_assert_eq!(r.value(b).unwrap(), b);
            prop_assert_eq!(r.text().unwrap(), text);
            prop_assert!(r.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            for read in [
                |r: &mut Reader| r.varint().is_ok(),
                |r: &mut Reader| r.value(1).is_ok(),
                |r: &mut Reader| r.text().is_ok(),
            ] {
                let mut r = Reader::new(&bytes);
                while !r.is_empty() && read(&mut r) {}
            }
        }
    }
}
