//! Text to tokens, in one pass. It knows characters, numbers and strings, and must never know grammar.

use crate::duration::DURATION_MS_MAX;
use crate::error::{ParseError, Span};
use model::time::parse_duration_ms;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name, keyword or function; may hold colons.
    Word(&'a str),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    String(String),
    /// Punctuation and operators, one or two characters.
    Mark(&'static str),
    End,
}

impl Token<'_> {
    /// As errors name it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::Word(w) => format!("{:?}", cut(w)),
            Token::Number(n) => format!("number {n}"),
            Token::Duration(ms) => format!("duration {}", model::time::format_duration_ms(*ms)),
            Token::String(s) => format!("string {:?}", cut(s)),
            Token::Mark(m) => format!("{m:?}"),
            Token::End => "end of input".into(),
        }
    }
}

/// The beginning of a text, for messages.
pub(crate) fn cut(text: &str) -> &str {
    let end = (0..=text.len().min(64)).rev().find(|i| text.is_char_boundary(*i));
    &text[..end.unwrap_or(0)]
}

/// Longer marks first.
const MARKS: [&str; 27] = [
    "==", "!=", "=~", "!~", ">=", "<=", "</", ">/", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")",
    "{", "}", "[", "]", ",", "@", ":", "!",
];

/// All tokens with their places; the last is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token<'_>, Span)>, ParseError> {
    let (mut out, mut at, mut brackets) = (Vec::new(), 0, 0usize);
    let (mut line, mut line_start, mut counted) = (1, 0, 0);
    loop {
        at = skip_blank(text, at);
        for (i, _) in text[counted..at].bytes().enumerate().filter(|(_, b)| *b == b'\n') {
            (line, line_start) = (line + 1, counted + i + 1);
        }
        counted = at;
        let span = |end| Span { start: at, end, line, column: (at - line_start + 1) as u32 };
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            out.push((Token::End, span(at)));
            return Ok(out);
        };
        let (token, len) = if first.is_ascii_digit() || (first == '.' && starts_with_digit(&rest[1..])) {
            number(text, at)?
        } else if first.is_ascii_alphabetic() || first == '_' || (first == ':' && brackets == 0) {
            // A colon is part of a name, but between brackets it parts range and step.
            let len = rest
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || (*b == b':' && brackets == 0))
                .count();
            (Token::Word(&rest[..len]), len)
        } else if matches!(first, '"' | '\'' | '`') {
            super::strings::string(text, at)?
        } else if let Some(mark) = MARKS.iter().find(|m| rest.starts_with(**m)) {
            match *mark {
                "[" => brackets += 1,
                "]" => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            (Token::Mark(mark), mark.len())
        } else {
            let error =
                ParseError::new(span(at + first.len_utf8()), format!("unexpected character {first:?}"));
            return Err(match first {
                '“' | '”' | '‘' | '’' => error.hint("use straight quotes: \""),
                '&' | '|' => error.hint("write and, or, unless"),
                c if c.is_alphabetic() => error.hint("names beyond ASCII are quoted: {\"naïve.name\"}"),
                _ => error,
            });
        };
        out.push((token, span(at + len)));
        at += len;
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

/// Past white space and comments (`#` to the end of the line).
fn skip_blank(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            b'#' => at += bytes[at..].iter().take_while(|b| **b != b'\n').count(),
            _ => break,
        }
    }
    at
}

/// A number (`1`, `.5`, `1e-3`, `0x1f`, `1_000`) or a duration (`1h30m`).
fn number(text: &str, at: usize) -> Result<(Token<'static>, usize), ParseError> {
    let rest = &text[at..];
    let bytes = rest.as_bytes();
    let hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut len = 0;
    while len < bytes.len() {
        let exponent_sign = matches!(bytes[len], b'+' | b'-')
            && !hex
            && len > 0
            && matches!(bytes[len - 1], b'e' | b'E')
            && starts_with_digit(&rest[len + 1..]);
        if !(bytes[len].is_ascii_alphanumeric() || matches!(bytes[len], b'_' | b'.') || exponent_sign) {
            break;
        }
        len += 1;
    }
    let word = &rest[..len];
    // Finding line and column takes a walk through the text: for errors only.
    let span = || Span::of(text, at, at + len);
    let plain = word.replace('_', "");
    let underscores_fine = !word.contains("__") && !word.ends_with('_');
    let octal =
        plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let value = if hex {
        let digits = &plain[2..];
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| digits.bytes().fold(0.0, |n, b| n * 16.0 + f64::from(hex_digit(b))))
    } else if octal {
        // As in Prometheus, where a leading zero means base eight.
        Some(plain.bytes().fold(0.0, |n, b| n * 8.0 + f64::from(b - b'0')))
    } else {
        plain.parse::<f64>().ok()
    };
    match value.filter(|_| underscores_fine) {
        Some(v) if v.is_infinite() => {
            Err(ParseError::new(span(), format!("number {:?} is too large", cut(word)))
                .hint("write Inf for infinity"))
        }
        Some(v) => Ok((Token::Number(v), len)),
        None => Ok((Token::Duration(duration(word, &span)?), len)),
    }
}

fn hex_digit(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b - b'0',
        b'a'..=b'f' => b - b'a' + 10,
        _ => b.wrapping_sub(b'A') + 10,
    }
}

fn duration(word: &str, span: &dyn Fn() -> Span) -> Result<i64, ParseError> {
    let bad = || {
        let error = ParseError::new(span(), format!("bad number or duration {:?}", cut(word)));
        let hint = if word.contains('.') {
            "durations are whole numbers with units: 1h30m, not 1.5h"
        } else {
            "units are ms, s, m, h, d, w, y, the longest first: 1h30m"
        };
        error.hint(hint)
    };
    let ms = parse_duration_ms(word).map_err(|_| bad())?;
    if ms > DURATION_MS_MAX {
        return Err(ParseError::new(span(), format!("duration {:?} is too long", cut(word)))
            .hint("the longest duration is 292y"));
    }
    Ok(ms)
}
