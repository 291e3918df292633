//! Lines of `key=value`, as Go's tools write them.

use super::{Context, Record, fields};
use model::Pairs;
use std::borrow::Cow;

/// Reads a line into the record; false if less than two thirds of its words are pairs, or none says what the line is about.
pub fn read(text: &str, record: &mut Record, scratch: &mut Pairs, context: &Context<'_>) -> bool {
    scratch.clear();
    if !split(text, scratch) {
        return false;
    }
    if !fields::assign(record, scratch, context) {
        record.body.push_str(text);
    }
    true
}

/// Whether a line looks like logfmt: it begins with a pair, and has a time, a level or a message.
pub fn looks_like(text: &str) -> bool {
    let Some(equals) = text.find('=') else { return false };
    let is_key =
        |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b));
    is_key(&text[..equals])
        && ["msg=", "level=", "lvl=", "severity=", "message="].iter().any(|name| {
            text.starts_with(name) || text.find(name).is_some_and(|at| text.as_bytes()[at - 1] == b' ')
        })
}

/// The pairs of a line; words without a value are pairs with an empty one. False if most words have none.
pub(super) fn split(text: &str, out: &mut Pairs) -> bool {
    let (mut pairs, mut words, mut rest) = (0, 0, text.trim());
    while !rest.is_empty() {
        let end = rest.find(['=', ' ', '\t']).unwrap_or(rest.len());
        let (key, tail) = rest.split_at(end);
        let Some(tail) = tail.strip_prefix('=') else {
            words += 1;
            if !key.is_empty() {
                out.push(key, "");
            }
            rest = tail.trim_start();
            continue;
        };
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = tail.find([' ', '\t']).unwrap_or(tail.len());
                (Cow::Borrowed(&tail[..end]), &tail[end..])
            }
        };
        pairs += 1;
        out.push(key, &value);
        rest = tail.trim_start();
    }
    pairs > words * 2
}

/// What stands up to the closing quote, and what comes behind it.
fn unquote(text: &str) -> (Cow<'_, str>, &str) {
    let plain = text.find(['"', '\\']).unwrap_or(text.len());
    if text[plain..].starts_with('"') || plain == text.len() {
        return (Cow::Borrowed(&text[..plain]), text[plain..].strip_prefix('"').unwrap_or(""));
    }
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (Cow::Owned(out), &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, other)) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    (Cow::Owned(out), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_and_without_quotes() {
        for (text, want) in [
            (r#"a=1 b="two words" c"#, r#"{"a": "1", "b": "two words", "c": ""} false"#),
            (r#"a="x \"y\"\n" b= c=ü"#, "{\"a\": \"x \\\"y\\\"\\n\", \"b\": \"\", \"c\": \"ü\"} true"),
            (r#"a="never closed"#, r#"{"a": "never closed"} true"#),
            ("just some words here", r#"{"just": "", "some": "", "words": "", "here": ""} false"#),
            ("", "{} false"),
            ("=1", r#"{"": "1"} true"#),
        ] {
            let mut out = Pairs::new();
            let is_logfmt = split(text, &mut out);
            assert_eq!(format!("{out:?} {is_logfmt}"), want, "{text}");
        }
    }

    #[test]
    fn lines_that_look_like_it() {
        for (text, want) in [
            ("ts=1 level=info msg=hello", true),
            ("level=info", true),
            ("time=\"2026\" lvl=info", true),
            ("the level=info", false),
            ("a=1 b=2", false),
            ("http://x/?a=1 level=b", false),
            ("", false),
        ] {
            assert_eq!(looks_like(text), want, "{text}");
        }
    }
}
