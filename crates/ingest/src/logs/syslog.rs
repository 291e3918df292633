//! Syslog: messages as RFC 5424 has them, as BSD programs wrote them before (RFC 3164, with and without year, host and tag), and
//! how a stream of them is split (RFC 6587: counted, or one a line).

use super::{Builder, Context, Record, time};
use model::{Origin, Severity};

/// By the number of RFC 5424, table 2: emergency to debug.
const SEVERITIES: [u8; 8] = [21, 19, 18, 17, 13, 10, 9, 5];
/// By the number of RFC 5424, table 1.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// The severity of a number from 0 (emergency) to 7 (debug).
pub fn severity(number: usize) -> Severity {
    SEVERITIES.get(number).map_or(Severity::UNKNOWN, |n| Severity::from_number(*n))
}

/// Reads one message; what has no priority is text of a BSD program.
pub fn read(message: &[u8], record: &mut Record, context: &Context<'_>) {
    let text = record.text(message);
    let text = text.trim_end_matches(['\n', '\r', '\0']);
    let rest = match priority(text) {
        Some((priority, rest)) => {
            record.severity = severity(priority % 8);
            if let Some(facility) = FACILITIES.get(priority / 8) {
                record.attribute("syslog.facility", facility);
            }
            rest
        }
        None => text,
    };
    match rest.strip_prefix("1 ") {
        Some(rest) if rest.len() < text.len() - 2 && modern(rest, record, context) => {}
        _ => bsd(rest, record, context),
    }
}

/// `<34>`: at most 191.
fn priority(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    number.parse().ok().filter(|n| is_number && *n <= 191).map(|n| (n, rest))
}

/// RFC 5424 behind the version; false if it is not that, then nothing was changed.
fn modern(text: &str, record: &mut Record, context: &Context<'_>) -> bool {
    let mut parts = text.splitn(6, ' ');
    let mut part = || parts.next();
    let (Some(timestamp), Some(host), Some(app), Some(process), Some(id), Some(rest)) =
        (part(), part(), part(), part(), part(), part())
    else {
        return false;
    };
    record.time_ns = match time::iso(timestamp.as_bytes(), context) {
        Some((time_ns, used)) if used == timestamp.len() => Some(time_ns),
        _ if timestamp == "-" => None,
        _ => return false,
    };
    let said = |text: &'_ str| text != "-";
    if said(host) {
        record.host.push_str(host);
    }
    if said(app) {
        record.service.push_str(app);
    }
    if said(process) {
        record.attribute("process.pid", process);
    }
    if said(id) {
        record.attribute("syslog.msgid", id);
    }
    let message = structured(rest, record);
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    // rsyslog puts a space of its own before it.
    record.body.push_str(message.strip_prefix(' ').unwrap_or(message));
    true
}

/// `[id name="value" ...]...` or `-`; returns the message behind it. What is broken belongs to the message.
fn structured<'t>(text: &'t str, record: &mut Record) -> &'t str {
    if let Some(rest) = text.strip_prefix('-') {
        return rest.strip_prefix(' ').unwrap_or(rest);
    }
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let Some(behind) = element(inside, record) else { return rest };
        rest = behind;
    }
    rest.strip_prefix(' ').unwrap_or(rest)
}

/// One element behind its bracket; what comes behind it.
fn element<'t>(text: &'t str, record: &mut Record) -> Option<&'t str> {
    let end = text.find([' ', ']'])?;
    let (id, mut rest) = text.split_at(end);
    // `name@12345` is a name with the number of who defined it.
    let id = id.split('@').next().unwrap_or(id);
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(behind) = rest.strip_prefix(']') {
            return Some(behind);
        }
        let (name, tail) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = tail.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => match chars.next()? {
                    (_, c @ ('"' | '\\' | ']')) => value.push(c),
                    (_, c) => value.extend(['\\', c]),
                },
                (_, c) => value.push(c),
            }
        };
        rest = &tail[end..];
        match name {
            "trace_id" | "traceId" if value.len() == 32 => record.trace(&value),
            "span_id" | "spanId" if value.len() == 16 => record.span(&value),
            _ => record.attribute(&format!("{id}.{name}"), &value),
        }
    }
}

/// `Nov 22 00:12:22 host sshd[12]: text`, any part of which may be missing.
fn bsd(text: &str, record: &mut Record, context: &Context<'_>) {
    let mut rest = text;
    if let Some((time_ns, used)) = time::any(text.as_bytes(), context) {
        record.time_ns = Some(time_ns);
        rest = text[used..].trim_start_matches(':');
        rest = rest.strip_prefix(' ').unwrap_or(rest);
        // A tag has a colon or a process behind it; what comes before that is the host.
        if let Some((host, tail)) = rest.split_once(' ')
            && !host.is_empty()
            && !host.ends_with([':', ']'])
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:%".contains(&b))
        {
            record.host.push_str(host);
            rest = tail;
        }
    }
    if let Some((tag, process, message)) = tag(rest) {
        record.service.push_str(tag);
        if !process.is_empty() {
            record.attribute("process.pid", process);
        }
        rest = message;
    }
    record.body.push_str(rest);
}

/// `sshd[12]: text` or `kernel: text`: name, process, text.
fn tag(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "._-/@()".contains(c)))?;
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let (process, rest) = match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => ("", rest),
    };
    let message = rest.strip_prefix(':')?;
    Some((name, process, message.strip_prefix(' ').unwrap_or(message)))
}

/// Adds one message to a batch.
pub fn push(message: &[u8], origin: &Origin, record: &mut Record, builder: &mut Builder<'_>) {
    if message.iter().all(|b| matches!(b, b'\n' | b'\r' | b'\0' | b' ')) {
        return;
    }
    record.clear();
    read(message, record, &builder.context());
    builder.push(record, origin);
}

/// One message of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// A message, and how many bytes of the stream it took.
    Message(&'a [u8], usize),
    /// More bytes are needed.
    More,
}

/// Whether a stream that begins with this message is a request of HTTP: somebody looks for a web server here, and nothing of it
/// is a message.
pub fn is_http(first: &[u8]) -> bool {
    let first = first.strip_suffix(b"\r").unwrap_or(first);
    let mut words = first.split(|b| *b == b' ');
    let is_method = |word: &[u8]| (3..=7).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase);
    words.next().is_some_and(is_method)
        && words.next().is_some_and(|target| target.starts_with(b"/") || target == b"*")
        && words.next().is_some_and(|version| version.starts_with(b"HTTP/"))
        && words.next().is_none()
}

/// The first message of a stream: `12 <34>1 ...` is counted, everything else ends at a line feed or a zero byte. One longer than
/// `bytes_max` is cut there, so that a stream never fills memory: what follows is a message of its own.
pub fn frame(stream: &[u8], bytes_max: usize) -> Framed<'_> {
    let digits = stream.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
    if (1..=8).contains(&digits) && stream.get(digits..digits + 2) == Some(b" <") {
        let length = stream[..digits].iter().fold(0usize, |n, b| n * 10 + usize::from(b - b'0'));
        let start = digits + 1;
        let taken = length.min(bytes_max);
        return match stream.get(start..start + taken) {
            Some(message) => Framed::Message(message, start + taken),
            None => Framed::More,
        };
    }
    let window = &stream[..stream.len().min(bytes_max)];
    match memchr::memchr2(b'\n', 0, window) {
        Some(end) => Framed::Message(&stream[..end], end + 1),
        None if window.len() == bytes_max => Framed::Message(window, bytes_max),
        None => Framed::More,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::*;
    use crate::Limits;

    #[test]
    fn messages_of_both_kinds() {
        let limits = Limits::default();
        for (message, want) in [
            (
                "<34>1 2026-11-20T05:06:07.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
                "2026-11-20T05:06:07.003Z su mymachine.example.com error18: 'su root' failed {syslog.facility=auth, syslog.msgid=ID47}",
            ),
            (
                r#"<165>1 2026-11-20T05:06:07+01:00 h evntslog 12 - [ex@32473 iut="3" say="a \"b\" \] c"][x k="v"] An event"#,
                r#"2026-11-20T04:06:07Z evntslog h info10: An event {syslog.facility=local4, process.pid=12, ex.iut=3, ex.say=a "b" ] c, x.k=v}"#,
            ),
            ("<13>1 - - - - - -", "now info10:  {syslog.facility=user}"),
            (
                r#"<13>1 - h a - - [o trace_id="4bf92f3577b34da6a3ce929d0e0e4736"] x"#,
                "now a h info10 trace 4bf92f3577b34da6a3ce929d0e0e4736: x {syslog.facility=user}",
            ),
            ("<13>1 - h a - - [broken x", "now a h info10: [broken x {syslog.facility=user}"),
            (
                "<34>Nov 20 05:06:07 mymachine su: 'su root' failed",
                "2026-11-20T05:06:07Z su mymachine error18: 'su root' failed {syslog.facility=auth}",
            ),
            (
                "Nov 20 05:06:07 h sshd[42]: Accepted publickey",
                "2026-11-20T05:06:07Z sshd h: Accepted publickey {process.pid=42}",
            ),
            (
                "2026-11-20T05:06:07.123456+00:00 h CRON[7]: (root) CMD (x)",
                "2026-11-20T05:06:07.123Z+456000ns CRON h: (root) CMD (x) {process.pid=7}",
            ),
            (
                "<13>Nov 20 2024 05:06:07 sshd[4]: no host",
                "2024-11-20T05:06:07Z sshd info10: no host {syslog.facility=user, process.pid=4}",
            ),
            ("<13>app: no time", "now app info10: no time {syslog.facility=user}"),
            ("<13>just text, no tag", "now info10: just text, no tag {syslog.facility=user}"),
            ("<999>x: y", "now: <999>x: y"),
            ("<>", "now: <>"),
            ("<13>1 ", "now info10: 1  {syslog.facility=user}"),
        ] {
            let mut builder = Builder::new(context(&limits));
            push(message.as_bytes(), &Origin::default(), &mut Record::default(), &mut builder);
            assert_eq!(show(&builder.finish()), want, "{message}");
        }
    }

    #[test]
    fn requests_of_http_are_no_messages() {
        for (first, want) in [
            (&b"GET /metrics HTTP/1.1\r"[..], true),
            (b"OPTIONS * HTTP/1.0", true),
            (b"<13>GET / HTTP/1.1", false),
            (b"GET / HTTP/1.1 took 3 ms", false),
            (b"GET /", false),
            (b"", false),
        ] {
            assert_eq!(is_http(first), want, "{}", String::from_utf8_lossy(first));
        }
    }

    #[test]
    fn streams_are_split_by_count_or_by_line() {
        use Framed::{Message, More};
        for (stream, want) in [
            (&b"11 <13>a: b\nc<13>x"[..], Message(b"<13>a: b\nc<"[..].get(..11).unwrap(), 14)),
            (b"<13>a\n<13>b\n", Message(b"<13>a", 6)),
            (b"<13>a\0", Message(b"<13>a", 6)),
            (b"<13>a", More),
            (b"8 <13>", More),
            (b"12 apples\n", Message(b"12 apples", 10)),
            (b"99999999 <1>", More),
            (b"", More),
        ] {
            assert_eq!(frame(stream, 100), want, "{:?}", String::from_utf8_lossy(stream));
        }
        assert_eq!(frame(&[b'x'; 200], 100), Message(&[b'x'; 100], 100));
        assert_eq!(frame(b"150 <13>abcdefgh", 8), Message(b"<13>abcd", 12));
    }
}
