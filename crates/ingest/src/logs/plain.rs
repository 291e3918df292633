//! Lines of text: kept as they are. A time at the beginning is the record's, a level near it too.

use super::{Context, Record, time};
use model::Severity;

/// How far behind the time a level is looked for.
const LEVEL_BYTES: usize = 96;

/// Reads a line into the record.
pub fn read(line: &[u8], record: &mut Record, context: &Context<'_>) {
    let text = record.text(line);
    read_text(&text, record, context);
}

/// See [`read`].
pub fn read_text(text: &str, record: &mut Record, context: &Context<'_>) {
    record.body.push_str(text);
    let bytes = text.as_bytes();
    let mut at = 0;
    match bytes {
        [letter @ (b'I' | b'W' | b'E' | b'F'), b'0'..=b'9', ..] => {
            if let Some((time_ns, used)) = time::klog(&bytes[1..], context) {
                record.time_ns = Some(time_ns);
                record.severity = match letter {
                    b'I' => Severity::INFO,
                    b'W' => Severity::WARN,
                    b'E' => Severity::ERROR,
                    _ => Severity::FATAL,
                };
                at = 1 + used;
            }
        }
        _ => {
            let skipped = usize::from(bytes.first() == Some(&b'['));
            let found =
                time::any(&bytes[skipped..], context).map(|(time_ns, used)| (time_ns, skipped + used));
            if let Some((time_ns, used)) = found.or_else(|| redis(bytes, context)) {
                record.time_ns = Some(time_ns);
                at = used;
            }
        }
    }
    if record.severity == Severity::UNKNOWN {
        record.severity = level(&text[at..]).unwrap_or_default();
    }
}

/// `123:M 22 Nov 2026 00:12:22.123`.
fn redis(bytes: &[u8], context: &Context<'_>) -> Option<(i64, usize)> {
    let digits = bytes.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
    match bytes.get(digits..)? {
        [b':', b'M' | b'S' | b'C' | b'X', b' ', rest @ ..] if digits > 0 => {
            let (time_ns, used) = time::day_first(rest, context)?;
            Some((time_ns, digits + 3 + used))
        }
        _ => None,
    }
}

/// The first word that is a level, where levels stand: in capitals, in brackets, or before a colon. `error` in the middle of a
/// sentence is none.
fn level(text: &str) -> Option<Severity> {
    let head = &text.as_bytes()[..text.len().min(LEVEL_BYTES)];
    let mut at = 0;
    let mut is_first = true;
    while at < head.len() {
        if !head[at].is_ascii_alphabetic() {
            // Redis marks lines by a sign behind the time.
            if is_first && head.get(at + 1) == Some(&b' ') && (at == 0 || head[at - 1] == b' ') {
                match head[at] {
                    b'#' => return Some(Severity::WARN),
                    b'*' => return Severity::from_word("notice"),
                    _ => {}
                }
            }
            at += 1;
            continue;
        }
        let length = head[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let word = &head[at..at + length];
        let (before, after) = (at.checked_sub(1).map(|i| head[i]), head.get(at + length).copied());
        at += length;
        let is_capital = word.iter().all(u8::is_ascii_uppercase) && word.len() > 2;
        let is_marked = matches!(
            (before, after),
            (Some(b'['), Some(b']')) | (Some(b'<'), Some(b'>')) | (Some(b':'), Some(b']'))
        ) || after == Some(b':') && is_first
            || before == Some(b'=');
        // The very first word: `info  starting` as winston writes it, but not `Error in line 3`.
        let is_leading =
            is_first && word.iter().all(u8::is_ascii_lowercase) && matches!(after, Some(b' ' | b'\t' | b']'));
        if is_capital || is_marked || is_leading {
            let found = std::str::from_utf8(word).ok().and_then(Severity::from_word);
            if found.is_some() {
                return found;
            }
        }
        is_first = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::super::{Builder, Record};
    use super::*;
    use crate::Limits;
    use model::Origin;

    #[test]
    fn time_and_level_are_found_at_the_beginning() {
        let limits = Limits::default();
        for (line, want) in [
            ("2026-11-20 05:06:07,089 ERROR [main] c.e.App - boom", "2026-11-20T05:06:07.089Z error17"),
            ("2026/11/20 05:06:07 [warn] 12#12: *3 upstream", "2026-11-20T05:06:07Z warn13"),
            ("2026-11-20 05:06:07.089 UTC [123] LOG:  checkpoint", "2026-11-20T05:06:07.089Z info9"),
            (
                "2026-11-20 05:06:07.089 UTC [123] postgres@shop FATAL:  no",
                "2026-11-20T05:06:07.089Z fatal21",
            ),
            ("123:M 20 Nov 2026 05:06:07.089 * Ready to accept", "2026-11-20T05:06:07.089Z info10"),
            ("123:M 20 Nov 2026 05:06:07.089 # WARNING overcommit", "2026-11-20T05:06:07.089Z warn13"),
            (
                "W1120 05:06:07.089123   12 reflector.go:324] watch",
                "2026-11-20T05:06:07.089Z+123000ns warn13",
            ),
            (
                "[Sun Nov 20 05:06:07.000001 2022] [core:error] [pid 1] AH",
                "2022-11-20T05:06:07Z+1000ns error17",
            ),
            ("[2026-11-20T05:06:07Z INFO  app::main] started", "2026-11-20T05:06:07Z info9"),
            ("error: could not compile", "now error17"),
            ("info  listening on 80", "now info9"),
            ("the error was fixed", "now"),
            ("Traceback (most recent call last):", "now"),
            ("INFO:root:hello", "now info9"),
            ("", "now"),
        ] {
            let mut builder = Builder::new(context(&limits));
            let mut record = Record::default();
            read(line.as_bytes(), &mut record, &context(&limits));
            builder.push(&record, &Origin::default());
            assert_eq!(show(&builder.finish()), format!("{want}: {line}"));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_counted() {
        let limits = Limits::default();
        let mut builder = Builder::new(context(&limits));
        let mut record = Record::default();
        read(b"caf\xe9 \x1b[31m\x00", &mut record, &context(&limits));
        builder.push(&record, &Origin::default());
        assert_eq!(show(&builder.finish()), "now: caf\u{fffd} \u{1b}[31m\0\ninvalid_utf8 1");
    }
}
