//! For the tests of the decoders: a time, a context, and a batch as text.

use super::{Context, Decoded, zone::UTC};
use crate::Limits;
use model::Severity;
use std::fmt::Write;

/// 2026-11-21T12:00:00Z, a Saturday.
pub const NOW_NS: i64 = 1_795_262_400_000_000_000;

/// Everything is kept, and times without a zone are UTC.
pub fn context(limits: &Limits) -> Context<'_> {
    Context { now_ns: NOW_NS, oldest_ns: i64::MIN, zone: &UTC, limits }
}

/// A line for each record, each reject, and what was altered.
pub fn show(decoded: &Decoded) -> String {
    let mut lines = Vec::new();
    let batch = &decoded.batch;
    for (i, row) in batch.rows().enumerate() {
        let mut line = match row.time_ns {
            t if (NOW_NS..NOW_NS + 1000).contains(&t) => "now".to_string(),
            t => {
                let text = model::time::format_rfc3339_ms(t.div_euclid(1_000_000));
                match t.rem_euclid(1_000_000) {
                    0 => text,
                    ns => format!("{text}+{ns}ns"),
                }
            }
        };
        let origin = batch.origin(i);
        for part in [&origin.service, &origin.host] {
            if !part.is_empty() {
                let _ = write!(line, " {part}");
            }
        }
        if !origin.attributes.is_empty() {
            let _ = write!(line, " {:?}", origin.attributes);
        }
        if row.severity != Severity::UNKNOWN {
            let _ = write!(line, " {}{}", row.severity.name(), row.severity.number());
        }
        if let Some(id) = row.trace_id {
            let _ = write!(line, " trace {id}");
        }
        if let Some(id) = row.span_id {
            let _ = write!(line, " span {id}");
        }
        let _ = write!(line, ": {}", row.body);
        let attributes: Vec<String> = batch.attributes(i).map(|(n, v)| format!("{n}={v}")).collect();
        if !attributes.is_empty() {
            let _ = write!(line, " {{{}}}", attributes.join(", "));
        }
        lines.push(line);
    }
    for reject in &decoded.rejects {
        lines.push(format!("{} {}: {}", reject.reason.as_str(), reject.samples, reject.message));
    }
    let altered: Vec<String> = decoded
        .altered
        .each()
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(what, n)| format!("{what} {n}"))
        .collect();
    if !altered.is_empty() {
        lines.push(altered.join(", "));
    }
    lines.join("\n")
}
