//! Reads the texts of /proc and /sys byte by byte: lines, fields, numbers. It must never allocate in
//! the steady state, demand UTF-8 of a number, or panic on any input.

use std::fmt::Write;

/// Lines without their ends; the part after the last newline only if it is not empty.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or(&[]);
        Some(line)
    })
}

/// Fields separated by any number of spaces and tabs.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let blank = |b: &u8| *b == b' ' || *b == b'\t';
        let start = self.0.iter().position(|b| !blank(b))?;
        let rest = &self.0[start..];
        let end = rest.iter().position(blank).unwrap_or(rest.len());
        self.0 = &rest[end..];
        Some(&rest[..end])
    }
}

impl<'a> Fields<'a> {
    /// The next field as an unsigned number.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<u64> {
        self.next().and_then(unsigned)
    }

    /// The next field as a float; a missing or broken one is None.
    #[inline]
    pub(crate) fn float(&mut self) -> Option<f64> {
        self.next().and_then(float)
    }
}

/// Decimal digits and nothing else; None when it does not fit 64 bits.
#[inline]
pub(crate) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut n = 0u64;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(n)
}

/// Hexadecimal digits and nothing else.
pub(crate) fn hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| Some(n << 4 | u64::from(char::from(*b).to_digit(16)?)))
}

/// A sign, digits, and perhaps a fraction: what the kernel prints. Integers up to 2^53 are exact.
#[inline]
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let magnitude = match digits.iter().position(|b| *b == b'.') {
        None => unsigned(digits)? as f64,
        Some(dot) => {
            let (whole, fraction) = (unsigned(&digits[..dot])?, &digits[dot + 1..]);
            let places = i32::try_from(fraction.len()).ok().filter(|n| *n <= 18)?;
            whole as f64 + unsigned(fraction)? as f64 / 10f64.powi(places)
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Without blanks and line ends around it.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// The longest label value in bytes that the recorder makes of what the system says.
pub(crate) const VALUE_BYTES_MAX: usize = 512;

/// Text of the system as a label value. Bytes that are not UTF-8 become `\xNN`; a text that is too long
/// is cut and ends with a number made of all of it, so that different texts stay different.
pub(crate) fn clean(text: &[u8]) -> String {
    let cut = &text[..text.len().min(VALUE_BYTES_MAX)];
    let mut out = String::with_capacity(cut.len());
    for chunk in cut.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    if cut.len() < text.len() {
        // FNV-1a: the same number in every process (Fowler, Noll, Vo).
        let step = |n: u64, b: &u8| (n ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        let _ = write!(out, "...{:016x}", text.iter().fold(0xcbf2_9ce4_8422_2325, step));
    }
    out
}

/// Undoes the kernel's escapes of blanks in mount points and paths (`\040` is a space).
pub(crate) fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        let code = text
            .get(i + 1..i + 4)
            .filter(|d| text[i] == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        match code {
            Some(d) => {
                out.push(d.iter().fold(0u8, |n, b| n.wrapping_mul(8).wrapping_add(b - b'0')));
                i += 4;
            }
            None => {
                out.push(text[i]);
                i += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, want) in [
            ("0", Some(0.0)),
            ("42", Some(42.0)),
            ("-7", Some(-7.0)),
            ("0.25", Some(0.25)),
            ("18446744073709551615", Some(18446744073709551615.0)),
            ("18446744073709551616", None),
            ("", None),
            ("-", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("4 2", None),
        ] {
            assert_eq!(float(text.as_bytes()), want, "{text:?}");
        }
        assert_eq!(hex(b"ff"), Some(255));
        assert_eq!(hex(b"xyz"), None);
        assert_eq!(hex(b"11112222333344445"), None);
    }

    #[test]
    fn lines_and_fields() {
        let rows: Vec<Vec<&[u8]>> = lines(b" a  b\tc\n\n d").map(|l| Fields(l).collect()).collect();
        assert_eq!(rows, [vec![b"a" as &[u8], b"b", b"c"], vec![], vec![b"d"]]);
    }

    #[test]
    fn hostile_names_become_bounded_text() {
        assert_eq!(clean(b"a\xffb\nc"), "a\\xffb\nc");
        assert_eq!(clean("\u{e9}t\u{e9} \u{1f600}".as_bytes()), "\u{e9}t\u{e9} \u{1f600}");
        assert!(clean(&[b'x'; 100_000]).len() <= VALUE_BYTES_MAX + 19);
        assert!(clean(&[0xff; 100_000]).len() <= 4 * VALUE_BYTES_MAX + 19);
        assert_ne!(clean(&[b'x'; 1_000]), clean(&[b'x'; 1_001]));
        assert_eq!(unescape_octal(br"/mnt/a\040b\134\9"), br"/mnt/a b\\9");
    }
}
