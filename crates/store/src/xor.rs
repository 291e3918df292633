//! The small, byte-aligned codings of one sample after another, of the write-ahead log and of the open ends of series.
//! They favour speed over size: what is kept for long is sealed into chunks. What the log uses must never change.

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

/// The value as an integer, if that keeps every bit.
fn as_integer(bits: u64) -> Option<i64> {
    const LIMIT: f64 = (1u64 << 53) as f64;
    let value = f64::from_bits(bits);
    let integer = value as i64;
    (value.abs() < LIMIT && (integer as f64).to_bits() == bits).then_some(integer)
}

/// Writes the bits of a value after those before it, for memory alone: between integers the difference, which is short
/// for most counters; else as [`put_value`], with the two counts in the seven bits of one byte.
pub fn put_number(out: &mut Vec<u8>, previous_bits: u64, bits: u64) {
    if let (Some(before), Some(now)) = (as_integer(previous_bits), as_integer(bits)) {
        let difference = now - before;
        return put_varint(out, (((difference << 1) ^ (difference >> 63)) as u64) << 1);
    }
    let x = previous_bits ^ bits;
    // Eight zero bytes in front would be the same bits, which nobody writes.
    let (front, behind) = (x.leading_zeros().min(56) / 8, if x == 0 { 0 } else { x.trailing_zeros() / 8 });
    // Pairs with a sum of at most 7 are 36: they fit below 64.
    let pair = front * (17 - front) / 2 + behind;
    out.push((pair << 1 | 1) as u8);
    out.extend_from_slice(&x.to_be_bytes()[front as usize..8 - behind as usize]);
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

    /// What is not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
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

    /// A varint of up to 128 bits.
    ///
    /// # Errors
    /// `Corrupt` at the end, or past 19 bytes.
    pub fn varint128(&mut self) -> Result<u128> {
        let mut n = 0u128;
        for shift in (0..133).step_by(7) {
            let byte = self.byte()?;
            n |= u128::from(byte & 127).checked_shl(shift).unwrap_or(0);
            if byte < 128 {
                return Ok(n);
            }
        }
        Err(Error::corrupt("a number is longer than 19 bytes"))
    }

    /// Inverse of [`put_number`].
    ///
    /// # Errors
    /// `Corrupt` at the end, or if it makes no sense.
    pub fn number(&mut self, previous_bits: u64) -> Result<u64> {
        let wrong = || Error::corrupt("a number in memory makes no sense");
        let first = *self.rest.first().ok_or_else(wrong)?;
        if first & 1 == 0 {
            let code = self.varint()? >> 1;
            let difference = (code >> 1) as i64 ^ -((code & 1) as i64);
            let before = as_integer(previous_bits).ok_or_else(wrong)?;
            return Ok((before.wrapping_add(difference) as f64).to_bits());
        }
        self.byte()?;
        let pair = u32::from(first >> 1);
        let front = (0..8).rev().find(|front| front * (17 - front) / 2 <= pair).ok_or_else(wrong)?;
        let behind = pair - front * (17 - front) / 2;
        if front + behind > 7 {
            return Err(wrong());
        }
        let mut bytes = [0u8; 8];
        bytes[front as usize..8 - behind as usize]
            .copy_from_slice(self.bytes((8 - front - behind) as usize)?);
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
        fn everything_comes_back(n: u64, s: i64, a: u64, b: u64, text: String, i in -(1i64 << 53)..1 << 53) {
            let mut out = Vec::new();
            put_varint(&mut out, n);
            put_signed(&mut out, s);
            put_value(&mut out, a, b);
            put_value(&mut out, b, b);
            put_text(&mut out, &text);
            let whole = (i as f64).to_bits();
            put_number(&mut out, a, b);
            put_number(&mut out, b, whole);
            put_number(&mut out, whole, 0);
            put_number(&mut out, b, b ^ 0xff00);
            let mut r = Reader::new(&out);
            prop_assert_eq!(r.varint().unwrap(), n);
            prop_assert_eq!(r.signed().unwrap(), s);
            prop_assert_eq!(r.value(a).unwrap(), b);
            prop_assert_eq!(r.value(b).unwrap(), b);
            prop_assert_eq!(r.text().unwrap(), text);
            prop_assert_eq!(r.number(a).unwrap(), b);
            prop_assert_eq!(r.number(b).unwrap(), whole);
            prop_assert_eq!(r.number(whole).unwrap(), 0);
            prop_assert_eq!(r.number(b).unwrap(), b ^ 0xff00);
            prop_assert!(r.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            for read in [
                |r: &mut Reader| r.varint().is_ok(),
                |r: &mut Reader| r.value(1).is_ok(),
                |r: &mut Reader| r.number(1).is_ok(),
                |r: &mut Reader| r.varint128().is_ok(),
                |r: &mut Reader| r.text().is_ok(),
            ] {
                let mut r = Reader::new(&bytes);
                while !r.is_empty() && read(&mut r) {}
            }
        }
    }
}
