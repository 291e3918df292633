//! systemd's journal, as `journalctl -o export` and `-o json` write it, and `systemd-journal-upload` sends it.

use super::{Builder, Context, Decoded, Record, syslog};
use model::{Origin, RejectReason};
use serde_json::Value;

/// Fields by the names that others have for them; an empty name leaves it out: it says nothing or changes with every start.
const NAMES: &[(&str, &str)] = &[
    ("_PID", "process.pid"),
    ("_EXE", "process.executable.path"),
    ("_CMDLINE", "process.command_line"),
    ("_COMM", "process.executable.name"),
    ("_UID", "user.id"),
    ("_SYSTEMD_UNIT", "systemd.unit"),
    ("_TRANSPORT", "journald.transport"),
    ("CODE_FILE", "code.file.path"),
    ("CODE_LINE", "code.line.number"),
    ("CODE_FUNC", "code.function.name"),
    ("CONTAINER_NAME", "container.name"),
    ("CONTAINER_ID_FULL", "container.id"),
    ("_BOOT_ID", ""),
    ("_MACHINE_ID", ""),
    ("_STREAM_ID", ""),
    ("_GID", ""),
    ("_CAP_EFFECTIVE", ""),
    ("_SELINUX_CONTEXT", ""),
    ("_RUNTIME_SCOPE", ""),
    ("_SYSTEMD_CGROUP", ""),
    ("_SYSTEMD_SLICE", ""),
    ("_SYSTEMD_INVOCATION_ID", ""),
    ("_SOURCE_MONOTONIC_TIMESTAMP", ""),
    ("_SOURCE_BOOTTIME_TIMESTAMP", ""),
    ("SYSLOG_TIMESTAMP", ""),
    ("SYSLOG_PID", ""),
    ("SYSLOG_RAW", ""),
];

/// One entry, field by field.
#[derive(Default)]
struct Entry {
    record: Record,
    unit: String,
    command: String,
    is_empty: bool,
}

impl Entry {
    fn clear(&mut self) {
        self.record.clear();
        self.unit.clear();
        self.command.clear();
        self.is_empty = true;
    }

    fn field(&mut self, name: &str, value: &[u8]) {
        let record = &mut self.record;
        let text = record.text(value);
        self.is_empty &= name.starts_with("__");
        match name {
            "__REALTIME_TIMESTAMP" if record.time_ns.is_none() => record.time_ns = microseconds(&text),
            "_SOURCE_REALTIME_TIMESTAMP" => record.time_ns = microseconds(&text).or(record.time_ns),
            "MESSAGE" if record.body.is_empty() => record.body.push_str(&text),
            "PRIORITY" => record.severity = text.parse().map(syslog::severity).unwrap_or_default(),
            "_HOSTNAME" if record.host.is_empty() => record.host.push_str(&text),
            "SYSLOG_IDENTIFIER" if record.service.is_empty() => record.service.push_str(&text),
            "TRACE_ID" if text.len() == 32 => record.trace(&text),
            "SPAN_ID" if text.len() == 16 => record.span(&text),
            _ if name.starts_with("__") => {}
            _ => {
                if name == "_SYSTEMD_UNIT" {
                    self.unit = text.trim_end_matches(".service").to_string();
                } else if name == "_COMM" {
                    self.command = text.to_string();
                }
                match NAMES.iter().find(|(known, _)| *known == name) {
                    Some((_, "")) => {}
                    Some((_, known)) => record.attribute(known, &text),
                    None => record.attribute(&name.to_ascii_lowercase(), &text),
                }
            }
        }
    }

    fn end(&mut self, origin: &Origin, builder: &mut Builder<'_>) {
        if self.is_empty {
            return self.clear();
        }
        for name in [&self.unit, &self.command] {
            if self.record.service.is_empty() {
                self.record.service.push_str(name);
            }
        }
        builder.push(&self.record, origin);
        self.clear();
    }
}

fn microseconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok()?.checked_mul(1_000)
}

/// Decodes entries in the export format: `NAME=value` lines, or a name, a length of 64 bits and the bytes; an empty line ends an
/// entry. What is broken ends all: nobody knows where the next entry begins.
pub fn decode_export(body: &[u8], origin: &Origin, context: Context<'_>) -> Decoded {
    let mut builder = Builder::new(context);
    let mut entry = Entry::default();
    entry.clear();
    let mut rest = body;
    while !rest.is_empty() {
        let Some(end) = memchr::memchr(b'\n', rest) else { break };
        let (line, tail) = (&rest[..end], &rest[end + 1..]);
        rest = tail;
        if line.is_empty() {
            entry.end(origin, &mut builder);
            continue;
        }
        if let Some(equals) = memchr::memchr(b'=', line) {
            entry.field(&String::from_utf8_lossy(&line[..equals]), &line[equals + 1..]);
            continue;
        }
        let value = tail.split_first_chunk::<8>().and_then(|(length, data)| {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (value, behind) = data.split_at_checked(length)?;
            Some((value, behind.strip_prefix(b"\n")?))
        });
        let Some((value, behind)) = value else {
            builder.refuse(RejectReason::Malformed, || {
                "an entry of the journal breaks off in the middle of a field; the rest of the request is not read".into()
            });
            return builder.finish();
        };
        entry.field(&String::from_utf8_lossy(line), value);
        rest = behind;
    }
    entry.end(origin, &mut builder);
    builder.finish()
}

/// Whole entries at the beginning of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole<'a> {
    /// How many bytes they take.
    pub bytes: usize,
    /// The journal's name for the last of them, which no text of a message can forge.
    pub cursor: Option<&'a [u8]>,
    /// The name of the entry that follows and is not whole, if it came already.
    pub begun: Option<&'a [u8]>,
}

/// How much at the beginning are whole entries in the export format, so that a stream can be cut there.
pub fn whole_entries(stream: &[u8]) -> Whole<'_> {
    let (mut at, mut whole) = (0, Whole::default());
    while let Some(end) = memchr::memchr(b'\n', &stream[at..]) {
        let line = &stream[at..at + end];
        at += end + 1;
        if line.is_empty() {
            whole = Whole { bytes: at, cursor: whole.begun.or(whole.cursor), begun: None };
        } else if let Some(cursor) = line.strip_prefix(b"__CURSOR=") {
            whole.begun = Some(cursor);
        } else if !line.contains(&b'=') {
            let Some((length, _)) = stream[at..].split_first_chunk::<8>() else { return whole };
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            match at.checked_add(8).and_then(|a| a.checked_add(length)).and_then(|a| a.checked_add(1)) {
                Some(next) if next <= stream.len() => at = next,
                _ => return whole,
            }
        }
    }
    whole
}

/// Decodes lines of JSON.
pub fn decode_json(body: &[u8], origin: &Origin, context: Context<'_>) -> Decoded {
    let mut builder = Builder::new(context);
    let mut entry = Entry::default();
    entry.clear();
    for line in super::line::lines(body) {
        let fields = match line.len() <= context.limits.log_body_bytes_max * 4 {
            true => serde_json::from_slice::<serde_json::Map<String, Value>>(line).ok(),
            false => None,
        };
        let Some(fields) = fields else {
            builder.refuse(RejectReason::Malformed, || {
                format!("{:?} is no JSON object", crate::series::cut_bytes(line))
            });
            continue;
        };
        for (name, value) in &fields {
            match value {
                Value::String(text) => entry.field(name, text.as_bytes()),
                // Bytes that are no text, and fields that come several times.
                Value::Array(list) if list.iter().all(Value::is_u64) => {
                    let bytes: Vec<u8> = list.iter().filter_map(|v| v.as_u64()?.try_into().ok()).collect();
                    entry.field(name, &bytes);
                }
                Value::Array(list) => {
                    list.iter().filter_map(Value::as_str).for_each(|text| entry.field(name, text.as_bytes()));
                }
                Value::Null => {}
                other => entry.field(name, other.to_string().as_bytes()),
            }
        }
        entry.end(origin, &mut builder);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::*;
    use crate::Limits;

    fn export() -> Vec<u8> {
        let mut body = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795151167000001\n_HOSTNAME=h\nPRIORITY=3\nSYSLOG_IDENTIFIER=sshd\n_PID=7\n_BOOT_ID=x\nMESSAGE=no\nMY_FIELD=1\n\n".to_vec();
        body.extend(b"__REALTIME_TIMESTAMP=1795151168000000\n_SOURCE_REALTIME_TIMESTAMP=1795151167500000\n_SYSTEMD_UNIT=nginx.service\nMESSAGE\n");
        body.extend(7u64.to_le_bytes());
        body.extend(b"a\nb=c\n\xff\n\n");
        body
    }

    const WANT: &str = "2026-11-20T05:06:07Z+1000ns sshd h error17: no {process.pid=7, my_field=1}\n\
        2026-11-20T05:06:07.500Z nginx: a\nb=c\n\u{fffd} {systemd.unit=nginx.service}\ninvalid_utf8 1";

    #[test]
    fn entries_in_the_export_format() {
        let limits = Limits::default();
        let body = export();
        assert_eq!(show(&decode_export(&body, &Origin::default(), context(&limits))), WANT);
        let cursor = Some(&b"s=1"[..]);
        assert_eq!(whole_entries(&body), Whole { bytes: body.len(), cursor, begun: None });
        let first = memchr::memmem::find(&body, b"\n\n").unwrap() + 2;
        for cut in first..body.len() {
            assert_eq!(whole_entries(&body[..cut]).bytes, first, "{cut}");
        }
        // A message is no entry, whatever it says.
        let mut forged = b"__CURSOR=a\nMESSAGE\n".to_vec();
        forged.extend(17u64.to_le_bytes());
        forged.extend(b"x\n\n__CURSOR=evil\n\n\n__CURSOR=b\nMESSAGE=y");
        let whole = whole_entries(&forged);
        assert_eq!((whole.cursor, whole.begun), (Some(&b"a"[..]), Some(&b"b"[..])));
        let mut broken = body.clone();
        broken.truncate(body.len() - 4);
        let decoded = decode_export(&broken, &Origin::default(), context(&limits));
        assert_eq!((decoded.batch.len(), decoded.rejects[0].reason), (1, RejectReason::Malformed));
    }

    #[test]
    fn entries_in_json() {
        let limits = Limits::default();
        let body = "{\"__REALTIME_TIMESTAMP\":\"1795151167000001\",\"_HOSTNAME\":\"h\",\"PRIORITY\":\"3\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"_PID\":\"7\",\"MESSAGE\":\"no\",\"MY_FIELD\":\"1\"}\n\
            {\"_SOURCE_REALTIME_TIMESTAMP\":\"1795151167500000\",\"_SYSTEMD_UNIT\":\"nginx.service\",\"MESSAGE\":[97,10,98,61,99,10,255]}\nx\n";
        assert_eq!(
            show(&decode_json(body.as_bytes(), &Origin::default(), context(&limits))),
            "2026-11-20T05:06:07Z+1000ns sshd h error17: no {my_field=1, process.pid=7}\n\
             2026-11-20T05:06:07.500Z nginx: a\nb=c\n\u{fffd} {systemd.unit=nginx.service}\n\
             malformed 1: \"x\" is no JSON object\ninvalid_utf8 1"
        );
    }
}
