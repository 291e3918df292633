//! String literals: double, single and back quotes, with Go's escapes. What they make is always UTF-8.

use super::lexer::Token;
use crate::error::{ParseError, Span};

/// Reads the literal that starts at byte `at`; gives its length too.
pub(super) fn string(text: &str, at: usize) -> Result<(Token<'static>, usize), ParseError> {
    let rest = &text[at..];
    let quote = rest.as_bytes()[0];
    let unterminated = |end: usize| {
        ParseError::new(Span::of(text, at, at + end), "unterminated string")
            .hint(format!("it starts with {0} and has to end with {0}", char::from(quote)))
    };
    if quote == b'`' {
        let Some(end) = rest[1..].find('`') else { return Err(unterminated(rest.len())) };
        return Ok((Token::String(rest[1..=end].into()), end + 2));
    }
    let bytes = rest.as_bytes();
    let (mut out, mut i) = (Vec::new(), 1);
    loop {
        match bytes.get(i) {
            None | Some(b'\n') => return Err(unterminated(i)),
            Some(b) if *b == quote => break,
            Some(b'\\') => i += escape(text, at + i, quote, &mut out)?,
            Some(b) => {
                out.push(*b);
                i += 1;
            }
        }
    }
    let value = String::from_utf8(out).map_err(|_| {
        ParseError::new(Span::of(text, at, at + i + 1), "the escapes in this string do not make valid UTF-8")
            .hint("write the characters themselves, or \\uXXXX")
    })?;
    Ok((Token::String(value), i + 1))
}

/// Reads the escape at byte `i`, appends what it stands for, gives its length.
fn escape(text: &str, i: usize, quote: u8, out: &mut Vec<u8>) -> Result<usize, ParseError> {
    let bad = |len: usize, what: &str| {
        let mut end = (i + len).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        ParseError::new(Span::of(text, i, end), what)
            .hint("a backslash itself is written \\\\; in back quotes nothing needs an escape")
    };
    let digits = |from: usize, count: usize, radix: u32| -> Result<u32, ParseError> {
        text.get(i + from..i + from + count)
            .filter(|d| d.bytes().all(|b| char::from(b).is_digit(radix)))
            .and_then(|d| u32::from_str_radix(d, radix).ok())
            .ok_or_else(|| bad(from + 1, "incomplete escape in a string"))
    };
    let unicode = |count: usize| -> Result<char, ParseError> {
        char::from_u32(digits(2, count, 16)?)
            .ok_or_else(|| bad(2 + count, "this escape is not a Unicode character"))
    };
    let simple = |b: u8| Ok::<_, ParseError>((b, 2));
    let (byte, len) = match text.as_bytes().get(i + 1).copied() {
        Some(b'a') => simple(7)?,
        Some(b'b') => simple(8)?,
        Some(b'f') => simple(12)?,
        Some(b'n') => simple(b'\n')?,
        Some(b'r') => simple(b'\r')?,
        Some(b't') => simple(b'\t')?,
        Some(b'v') => simple(11)?,
        Some(b'\\') => simple(b'\\')?,
        Some(b) if b == quote => simple(quote)?,
        Some(b'x') => (digits(2, 2, 16)? as u8, 4),
        Some(b'0'..=b'7') => {
            let value = digits(1, 3, 8)?;
            (u8::try_from(value).map_err(|_| bad(4, "this escape is more than one byte"))?, 4)
        }
        Some(u @ (b'u' | b'U')) => {
            let count = if u == b'u' { 4 } else { 8 };
            let c = unicode(count)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(2 + count);
        }
        _ => return Err(bad(2, "unknown escape in a string")),
    };
    out.push(byte);
    Ok(len)
}
