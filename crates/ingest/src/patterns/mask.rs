//! What varies in a line, by its looks: numbers, hexadecimal, identifiers, addresses, paths, quoted strings, durations, times. It
//! must be fast: every line goes through it.

/// What stands for a value.
pub const ANY: &str = "<*>";

/// Words of the calendar are values where a number is near.
const CALENDAR: [&str; 19] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed",
    "Thu", "Fri", "Sat", "Sun",
];

/// Longest string in quotes that is one value.
const QUOTED_MAX: usize = 300;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Between words.
    Space,
    /// Part of a word or value.
    Word,
    /// A digit: a value.
    Digit,
    /// Stands for itself.
    Sign,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Sign; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if b.is_ascii_digit() {
            kinds[i] = Kind::Digit;
        } else if b.is_ascii_alphabetic()
            || b >= 128
            || matches!(
                b,
                b'_' | b'-'
                    | b'.'
                    | b'/'
                    | b'@'
                    | b'%'
                    | b'+'
                    | b'~'
                    | b'#'
                    | b'$'
                    | b'&'
                    | b'\\'
                    | b'*'
                    | b'?'
                    | b'!'
            )
        {
            kinds[i] = Kind::Word;
        } else if b <= b' ' {
            kinds[i] = Kind::Space;
        }
        i += 1;
    }
    kinds
};

/// Writes the line with its values masked: words separated by one space, several values in a row as one.
pub fn mask(line: &str, out: &mut String) {
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match KINDS[bytes[at] as usize] {
            Kind::Space => {
                at += 1;
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            Kind::Sign => {
                let quoted = matches!(bytes[at], b'"' | b'\'' | b'`').then(|| quoted(bytes, at)).flatten();
                match quoted {
                    Some(end) => {
                        value(out);
                        at = end;
                    }
                    None => {
                        sign(bytes[at], out);
                        at += 1;
                    }
                }
            }
            Kind::Word | Kind::Digit => {
                let end = run(bytes, at);
                word(line, at, end, out);
                at = end;
            }
        }
    }
    while out.ends_with([' ', ',']) {
        out.pop();
    }
}

/// Where a run of word characters ends. A colon belongs to it between digits, letters of hexadecimal and behind a scheme.
fn run(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < bytes.len() {
        match KINDS[bytes[at] as usize] {
            Kind::Word | Kind::Digit => at += 1,
            Kind::Sign if bytes[at] == b':' && at > start => {
                let behind = bytes.get(at + 1).copied().unwrap_or(b' ');
                let is_scheme = behind == b'/' && bytes.get(at + 2) == Some(&b'/');
                let is_number = behind.is_ascii_digit()
                    && (bytes[start..at].iter().any(u8::is_ascii_digit) || bytes[at - 1] == b':');
                let is_hex = behind.is_ascii_hexdigit()
                    && at - start <= 4
                    && bytes[start..at].iter().all(u8::is_ascii_hexdigit)
                    && bytes.get(at + 3).is_some_and(|b| *b == b':');
                let is_six =
                    behind == b':' && bytes[start..at].iter().all(|b| b.is_ascii_hexdigit() || *b == b':');
                match is_scheme || is_number || is_hex || is_six {
                    true => at += 1,
                    false => break,
                }
            }
            _ => break,
        }
    }
    at
}

fn word(line: &str, start: usize, end: usize, out: &mut String) {
    // A full stop or the like at the end belongs to the sentence.
    let bytes = line.as_bytes();
    let mut last = end;
    while last > start && matches!(bytes[last - 1], b'.' | b'!' | b'?' | b'-') {
        last -= 1;
    }
    let text = &line[start..last];
    match is_value(text) || is_calendar(text, bytes, end) {
        true => value(out),
        false => out.push_str(text),
    }
    // Dots behind are dropped: they come and go with what stands before them.
}

fn is_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.iter().any(u8::is_ascii_digit) {
        return true;
    }
    let slashes = bytes.iter().filter(|b| **b == b'/').count();
    // Paths and addresses; `read/write` is a word.
    (slashes > 0 && matches!(bytes[0], b'/' | b'~' | b'.') && bytes.len() > 1)
        || slashes > 1
        || bytes.contains(&b'@') && bytes.contains(&b'.')
        || bytes.len() >= 8 && is_hexadecimal(bytes)
}

/// Letters alone: `deadbeef`, but not `feedface` in the middle of a sentence... nobody writes that.
fn is_hexadecimal(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-') && bytes.iter().any(u8::is_ascii_alphabetic)
}

fn is_calendar(text: &str, bytes: &[u8], end: usize) -> bool {
    let next = bytes[end..].iter().find(|b| !matches!(b, b' ' | b',')).copied().unwrap_or(b' ');
    text.len() == 3
        && (next.is_ascii_digit()
            || CALENDAR[..12].iter().any(|m| bytes[end..].get(1..4) == Some(m.as_bytes())))
        && CALENDAR.contains(&text)
}

/// A value, unless one stands there already.
fn value(out: &mut String) {
    let before = out.trim_end_matches([' ', ',', '|']);
    if before.ends_with(ANY) {
        let length = before.len();
        out.truncate(length);
        return;
    }
    out.push_str(ANY);
}

/// Signs stand alone, as words of their own, but for `=` and `:`, which belong to the name before them.
fn sign(byte: u8, out: &mut String) {
    let c = char::from(byte);
    match byte {
        b'=' | b':' | b',' => out.push(c),
        _ => {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
            out.push(c);
            out.push(' ');
        }
    }
}

/// Behind the closing quote, if a string in quotes begins here.
fn quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes[at];
    // `can't`: a quote behind a letter is none.
    if at > 0 && bytes[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let end = (at + QUOTED_MAX).min(bytes.len());
    let mut next = at + 1;
    while next < end {
        match bytes[next] {
            b'\\' => next += 1,
            b if b == quote && !bytes.get(next + 1).is_some_and(u8::is_ascii_alphanumeric) => {
                return Some(next + 1);
            }
            _ => {}
        }
        next += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_by_their_looks() {
        for (line, want) in [
            (
                "Accepted publickey for root from 10.0.0.1 port 52312 ssh2",
                "Accepted publickey for root from <*> port <*>",
            ),
            ("2026-11-20 05:06:07,089 ERROR [main] took 12ms", "<*> ERROR [ main ] took <*>"),
            ("Nov 20 05:06:07 host app: x", "<*> host app: x"),
            ("[Sun Nov 20 05:06:07 2022] [core:error] no", "[ <*> ] [ core:error ] no"),
            ("relation \"users\" does not exist", "relation <*> does not exist"),
            ("can't open 'a b' now", "can ' t open <*> now"),
            ("GET /a/b?c=1 HTTP/1.1", "GET <*>=<*>"),
            ("user=alice id=550e8400-e29b-41d4-a716-446655440000 ok=true", "user=alice id=<*> ok=true"),
            ("connect to http://a.b/c failed.", "connect to <*> failed"),
            ("from fe80::1 and 00:1a:2b:3c:4d:5e.", "from <*> and <*>"),
            ("read/write of 5 blocks [1, 2, 3]", "read/write of <*> blocks [ <*> ]"),
            ("mail to bob@example.com sent!", "mail to <*> sent"),
            ("error 0xdeadbeef at deadbeef", "error <*> at <*>"),
            ("   spaces\t\tand tabs  ", "spaces and tabs"),
            ("größe 5 überschritten", "größe <*> überschritten"),
            ("", ""),
        ] {
            let mut out = String::new();
            mask(line, &mut out);
            assert_eq!(out, want, "{line}");
        }
    }
}
