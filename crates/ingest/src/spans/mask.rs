//! Names of operations without the identifiers that some put into them: `GET /users/17` and `GET /users/18` are one operation.
//! It must never join names that differ in words.

use std::borrow::Cow;

/// What stands for an identifier.
const ID: &str = "{id}";
/// Bytes of a name that are looked at and kept.
pub const NAME_BYTES_MAX: usize = 200;

/// The name with `{id}` for whatever is one: numbers that are a part of a path or stand behind `=`, `:`, `#`; numbers of five
/// digits and more; hexadecimal of eight and more with a digit in it; longer words with many digits. A query string is cut off.
pub fn mask(name: &str) -> Cow<'_, str> {
    let mut name = &name[..name.floor_char_boundary(NAME_BYTES_MAX.min(name.len()))];
    if name.contains('/')
        && let Some((path, _)) = name.split_once('?')
    {
        name = path;
    }
    if !name.bytes().any(|b| b.is_ascii_digit()) && !name.contains('-') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    let mut before = ' ';
    let mut rest = name;
    let mut changed = false;
    while !rest.is_empty() {
        // A word may hold dashes: identifiers do (8-4-4-4-12).
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if end > 0 {
            if is_id(word, before) {
                out.push_str(ID);
                changed = true;
            } else {
                for (i, part) in word.split('-').enumerate() {
                    out.push_str(if i > 0 { "-" } else { "" });
                    let is_part = i > 0 && is_id(part, '-');
                    out.push_str(if is_part { ID } else { part });
                    changed |= is_part;
                }
            }
        }
        let mut chars = behind.chars();
        if let Some(c) = chars.next() {
            out.push(c);
            before = c;
        }
        rest = chars.as_str();
    }
    if changed { Cow::Owned(out) } else { Cow::Borrowed(name) }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '-' || c == '_'
}

fn is_id(word: &str, before: char) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(|b| *b != b'-').count();
    if digits == 0 || letters == 0 {
        return false;
    }
    let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    match () {
        () if digits == word.len() => digits >= 5 || matches!(before, '/' | '=' | ':' | '#' | '-'),
        () if is_hex => letters >= 8,
        () => letters >= 16 && digits * 4 >= letters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_and_words_stay() {
        for (name, want) in [
            ("GET /", "GET /"),
            ("GET /users/17", "GET /users/{id}"),
            ("GET /users/17/orders/3?sort=up", "GET /users/{id}/orders/{id}"),
            ("HTTP 200", "HTTP 200"),
            ("GET /api/v1/carts", "GET /api/v1/carts"),
            ("order 48213", "order {id}"),
            ("get key=9", "get key={id}"),
            ("GET /u/3f2504e0-4f89-11d3-9a0c-0305e82c3301/x", "GET /u/{id}/x"),
            ("object deadbeef01", "object {id}"),
            ("facade", "facade"),
            ("SELECT shop.orders", "SELECT shop.orders"),
            ("job-1234", "job-{id}"),
            ("s3 put", "s3 put"),
            ("session a8f2k19x0c7b6m5q", "session {id}"),
            ("grpc.health.v1.Health/Check", "grpc.health.v1.Health/Check"),
            ("why?", "why?"),
            ("Überweisung/12", "Überweisung/{id}"),
            ("", ""),
        ] {
            assert_eq!(mask(name), want, "{name}");
        }
        assert_eq!(mask(&"é".repeat(500)).len(), NAME_BYTES_MAX);
    }
}
