//! What the names of fields mean in structured logs, whoever wrote them: time, level, message, identifiers. A field that is
//! understood goes to its place, all others stay attributes; one whose value makes no sense stays an attribute too.

use super::{Context, Record, time};
use model::{Pairs, Severity};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Time,
    Level,
    Number,
    Message,
    Trace,
    Span,
    Service,
    Host,
}

/// Names by slot, the best first. Compared without regard to case.
const NAMES: &[(Slot, &[&str])] = &[
    (
        Slot::Time,
        &[
            "@timestamp",
            "timestamp",
            "time",
            "ts",
            "datetime",
            "timeunixnano",
            "asctime",
            "eventtime",
            "date",
            "t",
        ],
    ),
    (
        Slot::Level,
        &[
            "level",
            "severity",
            "severity_text",
            "severitytext",
            "lvl",
            "log.level",
            "loglevel",
            "log_level",
            "levelname",
            "error_severity",
        ],
    ),
    (Slot::Number, &["severity_number", "severitynumber"]),
    (Slot::Message, &["message", "msg", "event", "log", "body", "short_message", "text", "fields.message"]),
    (
        Slot::Trace,
        &["trace_id", "traceid", "trace.id", "otel.trace_id", "oteltraceid", "trace.trace_id", "dd.trace_id"],
    ),
    (
        Slot::Span,
        &["span_id", "spanid", "span.id", "otel.span_id", "otelspanid", "trace.span_id", "dd.span_id"],
    ),
    (Slot::Service, &["service.name", "service_name", "service", "otelservicename"]),
    (Slot::Host, &["host.name", "hostname"]),
];

/// Whether a field of this name has a place of its own in a record.
pub(super) fn is_known(name: &str) -> bool {
    slot(name).is_some()
}

fn slot(name: &str) -> Option<(usize, usize)> {
    let rank = |names: &[&str]| names.iter().position(|known| known.eq_ignore_ascii_case(name));
    NAMES.iter().enumerate().find_map(|(slot, (_, names))| Some((slot, rank(names)?)))
}

/// A level as programs write it: a word, or a number as bunyan and pino have it (10 trace to 60 fatal).
pub fn level(text: &str) -> Option<Severity> {
    let text = text.trim();
    Severity::from_word(text).or_else(|| match text.parse::<u32>().ok()? {
        number @ 10..=69 => Some(Severity::from_number((number / 10 * 4 - 3) as u8)),
        _ => None,
    })
}

/// Puts fields into their places. Returns whether there was a message.
pub fn assign(record: &mut Record, fields: &Pairs, context: &Context<'_>) -> bool {
    let mut best: [Option<(usize, usize)>; NAMES.len()] = [None; NAMES.len()];
    for (i, (name, value)) in fields.iter().enumerate() {
        if let Some((slot, rank)) = slot(name)
            && !value.is_empty()
            && best[slot].is_none_or(|(known, _)| rank < known)
        {
            best[slot] = Some((rank, i));
        }
    }
    let mut has_message = false;
    for (i, (name, value)) in fields.iter().enumerate() {
        let place = best.iter().position(|b| b.is_some_and(|(_, at)| at == i));
        let is_taken =
            place.is_some_and(|place| put(record, NAMES[place].0, value, context, &mut has_message));
        if !is_taken {
            record.attribute(name, value);
        }
    }
    has_message
}

fn put(record: &mut Record, slot: Slot, value: &str, context: &Context<'_>, has_message: &mut bool) -> bool {
    match slot {
        Slot::Time => match time::field(value, context) {
            Some(time_ns) => record.time_ns = Some(time_ns),
            None => return false,
        },
        Slot::Level => match level(value) {
            Some(severity) if record.severity == Severity::UNKNOWN => record.severity = severity,
            Some(_) => {}
            None => return false,
        },
        Slot::Number => match value.parse::<u8>().map(Severity::from_number) {
            Ok(severity) if severity != Severity::UNKNOWN => record.severity = severity,
            _ => return false,
        },
        Slot::Message => {
            record.body.push_str(value);
            *has_message = true;
        }
        Slot::Trace => match value.parse() {
            Ok(id) => record.trace_id = Some(id),
            // Identifiers of other systems: kept, and found by their text.
            Err(_) => return false,
        },
        Slot::Span => match value.parse() {
            Ok(id) => record.span_id = Some(id),
            Err(_) => return false,
        },
        Slot::Service => record.service.push_str(value),
        Slot::Host => record.host.push_str(value),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_numbers() {
        for (text, want) in [
            ("WARN", "warn"),
            (" error ", "error"),
            ("30", "info"),
            ("60", "fatal"),
            ("10", "trace"),
            ("7", ""),
            ("loud", ""),
        ] {
            assert_eq!(level(text).unwrap_or_default().name(), want, "{text}");
        }
    }
}
