//! Structured logs as JSON: an object for each line. A line that is no object is kept as text, since whoever wrote it wanted it
//! to be read.

use super::{Builder, Context, Decoded, Record, fields, flatten, plain};
use model::{Origin, Pairs};
use serde_json::Value;

/// Reads one line into the record; false if it is no object.
pub fn read(line: &[u8], record: &mut Record, scratch: &mut Pairs, context: &Context<'_>) -> bool {
    // The tree of a longer one would take too much memory.
    if line.len() > context.limits.log_body_bytes_max || !line.trim_ascii_start().starts_with(b"{") {
        return false;
    }
    let parsed = match serde_json::from_slice(line) {
        // Not UTF-8 perhaps.
        Err(_) => {
            let text = record.text(line);
            serde_json::from_str(&text)
        }
        good => good,
    };
    match parsed {
        Ok(value @ Value::Object(_)) => {
            object(&value, record, scratch, context);
            true
        }
        _ => false,
    }
}

/// Puts the fields of an object into the record. Without a message among them the whole object is the text.
pub fn object(value: &Value, record: &mut Record, scratch: &mut Pairs, context: &Context<'_>) {
    scratch.clear();
    flatten::flatten("", value, scratch);
    if !fields::assign(record, scratch, context) {
        record.body.push_str(&value.to_string());
    }
}

/// Decodes lines of JSON.
pub fn decode(body: &[u8], origin: &Origin, context: Context<'_>) -> Decoded {
    let mut builder = Builder::new(context);
    let (mut record, mut scratch) = (Record::default(), Pairs::new());
    for line in super::line::lines(body) {
        record.clear();
        if !read(line, &mut record, &mut scratch, &context) {
            plain::read(line, &mut record, &context);
        }
        builder.push(&record, origin);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::*;
    use crate::Limits;

    fn check(lines: &str, want: &str) {
        let limits = Limits::default();
        let decoded = decode(lines.as_bytes(), &Origin::default(), context(&limits));
        assert_eq!(show(&decoded), want, "{lines}");
    }

    #[test]
    fn fields_by_their_usual_names() {
        for (line, want) in [
            (
                r#"{"time":"2026-11-20T05:06:07Z","level":"warn","msg":"slow","took_ms":12,"user":{"id":"u1"}}"#,
                "2026-11-20T05:06:07Z warn13: slow {took_ms=12, user.id=u1}",
            ),
            (
                r#"{"@timestamp":"2026-11-20T05:06:07.5Z","log.level":"ERROR","message":"no","trace.id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","service.name":"cart","host":{"name":"h1"}}"#,
                "2026-11-20T05:06:07.500Z cart h1 error17 trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7: no",
            ),
            (
                r#"{"ts":1795262400.25,"level":50,"event":"login","msg":""}"#,
                "2026-11-21T12:00:00.250Z error17: login {msg=}",
            ),
            (
                r#"{"t":"soon","level":"loud","a":1}"#,
                r#"now: {"a":1,"level":"loud","t":"soon"} {a=1, level=loud, t=soon}"#,
            ),
            (r#"{"message":"both","msg":"other","traceId":"abc"}"#, "now: both {msg=other, traceId=abc}"),
            ("{\"msg\":\"caf\u{e9} \\u001b[31m\"}", "now: caf\u{e9} \u{1b}[31m"),
            ("[1,2]", "now: [1,2]"),
            ("{\"msg\":\"broken", "now: {\"msg\":\"broken"),
        ] {
            check(line, want);
        }
        check("{\"msg\":\"a\"}\r\n\n{\"msg\":\"b\"}\n", "now: a\nnow: b");
    }

    #[test]
    fn json_that_is_too_deep_is_text() {
        let deep = r#"{"a":"#.repeat(10_000);
        let limits = Limits::default();
        let decoded = decode(deep.as_bytes(), &Origin::default(), context(&limits));
        assert_eq!(decoded.batch.row(0).body, deep);
    }
}
