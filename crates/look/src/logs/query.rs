//! The language of the search box: words, all of which must be there.
//!
//! ```text
//! timeout                  a word, anywhere in the record
//! "connection refused"     words one after another, in the text
//! /time(d )?out/           a regular expression over the text
//! level:warn               as grave as this or graver
//! service:cart,checkout    one of several; host: in the same way
//! user.id:42               a field with this value; user.id:* that has one
//! status>=500              a number compared: > >= < <=
//! trace:4bf9...            a trace; pattern:00af... a template
//! -word, -field:value      not this
//! ```

use model::{Severity, TraceId};

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
}

/// What is asked of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A word anywhere.
    Word(String),
    /// Words one after another in the text.
    Phrase(String),
    /// A regular expression over the text.
    Regex(String),
    /// As grave or graver.
    Level(Severity),
    /// One of these services.
    Service(Vec<String>),
    /// One of these hosts.
    Host(Vec<String>),
    /// A field has one of these values; none: it is there.
    Field(String, Vec<String>),
    /// A field is a number that compares so.
    Number(String, Compare, f64),
    /// Of this trace.
    Trace(String),
    /// Of this template.
    Pattern(u64),
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The opposite is meant.
    pub is_not: bool,
    /// What is asked.
    pub what: What,
}

/// All of these hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The conditions.
    pub terms: Vec<Term>,
}

/// Bytes of a query.
const BYTES_MAX: usize = 8 << 10;
/// Conditions of a query.
const TERMS_MAX: usize = 100;

/// Reads a query. An empty one means every record.
///
/// # Errors
/// A sentence that says what is wrong, with the part that is.
pub fn parse(text: &str) -> Result<Query, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("a query may have {BYTES_MAX} bytes at most"));
    }
    let mut query = Query::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (is_not, tail) = match rest.strip_prefix('-') {
            Some(tail) if !tail.is_empty() && !tail.starts_with(char::is_whitespace) => (true, tail),
            _ => (false, rest),
        };
        let (what, tail) = term(tail)?;
        query.terms.push(Term { is_not, what });
        if query.terms.len() > TERMS_MAX {
            return Err(format!("a query may have {TERMS_MAX} conditions at most"));
        }
        rest = tail.trim_start();
    }
    Ok(query)
}

fn term(text: &str) -> Result<(What, &str), String> {
    if text.starts_with('"') {
        let (phrase, rest) = quoted(text)?;
        return Ok((What::Phrase(phrase), rest));
    }
    if let Some(inside) = text.strip_prefix('/') {
        // A path is a word: a regular expression ends with a slash that a space or the end follows.
        let end = inside.char_indices().find(|(i, c)| {
            *c == '/'
                && !inside[..*i].ends_with('\\')
                && inside[i + 1..].chars().next().is_none_or(char::is_whitespace)
        });
        if let Some((end, _)) = end.filter(|(end, _)| *end > 0) {
            return Ok((What::Regex(inside[..end].replace("\\/", "/")), &inside[end + 1..]));
        }
    }
    let end =
        text.find(|c: char| c.is_whitespace() || matches!(c, ':' | '>' | '<' | '"')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-@/".contains(c));
    if is_name && rest.starts_with(['>', '<']) {
        return number(name, rest);
    }
    if let Some(value) = rest.strip_prefix(':').filter(|v| is_name && !v.starts_with("//"))
        && let Some((what, rest)) = field(name, value)?
    {
        return Ok((what, rest));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    Ok((What::Word(text[..end].to_string()), &text[end..]))
}

/// A text in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    Err(format!("the quote in {text:?} is never closed"))
}

fn number<'t>(name: &str, rest: &'t str) -> Result<(What, &'t str), String> {
    let (compare, tail) = match () {
        () if rest.starts_with(">=") => (Compare::AtLeast, &rest[2..]),
        () if rest.starts_with("<=") => (Compare::AtMost, &rest[2..]),
        () if rest.starts_with('>') => (Compare::Greater, &rest[1..]),
        () => (Compare::Less, &rest[1..]),
    };
    let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
    let value: f64 = tail[..end]
        .parse()
        .map_err(|_| format!("{:?} is no number; {name}>10 compares numbers", &tail[..end]))?;
    Ok((What::Number(name.into(), compare, value), &tail[end..]))
}

/// One or several values behind a colon. `None`: it is no field after all (a colon at the end of a word).
fn field<'t>(name: &str, text: &'t str) -> Result<Option<(What, &'t str)>, String> {
    let (mut values, mut rest) = (Vec::new(), text);
    loop {
        let (value, tail) = match rest.starts_with('"') {
            true => quoted(rest)?,
            false => {
                let end = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
                (rest[..end].to_string(), &rest[end..])
            }
        };
        if value.is_empty() && values.is_empty() && tail.len() == rest.len() {
            return Ok(None);
        }
        values.push(value);
        rest = tail;
        match rest.strip_prefix(',') {
            Some(tail) => rest = tail,
            None => break,
        }
    }
    let first = values.first().cloned().unwrap_or_default();
    let what = match name {
        "level" | "severity" => {
            let severity = Severity::from_word(&first);
            What::Level(
                severity.ok_or(format!("{first:?} is no level; trace, debug, info, warn, error, fatal"))?,
            )
        }
        "service" | "service.name" => What::Service(values),
        "host" | "host.name" => What::Host(values),
        "trace" | "trace_id" => {
            let id: TraceId = first.parse().map_err(|e| format!("{first:?} is {e}"))?;
            What::Trace(id.to_string())
        }
        "pattern" => {
            let id = u64::from_str_radix(&first, 16);
            What::Pattern(id.map_err(|_| format!("{first:?} is no pattern: 16 hexadecimal digits"))?)
        }
        _ if first == "*" => What::Field(name.into(), Vec::new()),
        _ => What::Field(name.into(), values),
    };
    Ok(Some((what, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok(query) => {
                let one = |t: &Term| format!("{}{:?}", if t.is_not { "-" } else { "" }, t.what);
                query.terms.iter().map(one).collect::<Vec<_>>().join(" ")
            }
            Err(e) => e,
        }
    }

    #[test]
    fn the_language() {
        for (text, want) in [
            ("", ""),
            ("timeout  -retry", r#"Word("timeout") -Word("retry")"#),
            (r#""connection \"x\" refused" a"#, r#"Phrase("connection \"x\" refused") Word("a")"#),
            (r"/time(d )?out\/x/ b", r#"Regex("time(d )?out/x") Word("b")"#),
            ("/var/log/x", r#"Word("/var/log/x")"#),
            ("level:WARN", "Level(Severity(13))"),
            ("service:cart,checkout -host:h1", r#"Service(["cart", "checkout"]) -Host(["h1"])"#),
            (
                "user.id:42 x:* y:\"a b\",c",
                r#"Field("user.id", ["42"]) Field("x", []) Field("y", ["a b", "c"])"#,
            ),
            ("status>=500 a<1.5", r#"Number("status", AtLeast, 500.0) Number("a", Less, 1.5)"#),
            ("trace:4BF92f3577b34da6a3ce929d0e0e4736", r#"Trace("4bf92f3577b34da6a3ce929d0e0e4736")"#),
            ("pattern:00000000000000ff", "Pattern(255)"),
            ("http://a/b note: - x", r#"Word("http://a/b") Word("note:") Word("-") Word("x")"#),
            ("10.0.0.1:80", r#"Field("10.0.0.1", ["80"])"#),
            ("\"open", "the quote in \"\\\"open\" is never closed"),
            ("level:loud", "\"loud\" is no level; trace, debug, info, warn, error, fatal"),
            ("a>b", "\"b\" is no number; a>10 compares numbers"),
            ("pattern:x", "\"x\" is no pattern: 16 hexadecimal digits"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
        assert!(shown("trace:1").contains("not an identifier"));
        assert!(parse(&"a ".repeat(101)).unwrap_err().contains("100 conditions"));
        assert!(parse(&"a".repeat(9_000)).unwrap_err().contains("bytes"));
    }
}
