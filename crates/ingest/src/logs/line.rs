//! Lines in any of the forms that are read line by line, and what form a line has when nobody said it.

use super::access::{self, AccessFormat, Usual};
use super::{Builder, Context, Decoded, Record, json, logfmt, plain, syslog};
use model::{Origin, Pairs};
use std::sync::Arc;

/// How lines are written.
#[derive(Clone, Debug, Default)]
pub enum Format {
    /// Looked at line by line.
    #[default]
    Auto,
    /// Text.
    Plain,
    /// JSON objects.
    Json,
    /// `key=value`.
    Logfmt,
    /// Syslog.
    Syslog,
    /// An access log.
    Access(Arc<AccessFormat>),
}

impl Format {
    /// By its name, or the text of a `LogFormat` or `log_format`.
    ///
    /// # Errors
    /// Says what there is.
    pub fn parse(text: &str) -> Result<Format, String> {
        Ok(match text.trim() {
            "" | "auto" => Format::Auto,
            "plain" | "text" => Format::Plain,
            "json" => Format::Json,
            "logfmt" => Format::Logfmt,
            "syslog" => Format::Syslog,
            other => match AccessFormat::parse(other) {
                Ok(format) => Format::Access(Arc::new(format)),
                Err(_) if !other.contains(['$', '%']) => {
                    return Err(format!(
                        "{other:?} is no format of lines: auto, plain, json, logfmt, syslog, common, combined, vhost_combined, or \
                         the text of a LogFormat or log_format"
                    ));
                }
                Err(e) => return Err(e),
            },
        })
    }
}

/// Reads lines, one after another.
#[derive(Clone, Debug, Default)]
pub struct LineReader {
    format: Format,
    usual: Usual,
    scratch: Pairs,
}

impl LineReader {
    /// For lines of a format.
    pub fn new(format: Format) -> LineReader {
        LineReader { format, ..LineReader::default() }
    }

    /// Reads a line, which may hold several joined ones, into the record, which must be empty.
    pub fn read(&mut self, line: &[u8], record: &mut Record, context: &Context<'_>) {
        match &self.format {
            Format::Plain => plain::read(line, record, context),
            Format::Syslog => syslog::read(line, record, context),
            Format::Access(format) => access::read(line, format, record, context),
            Format::Json => {
                if !json::read(line, record, &mut self.scratch, context) {
                    plain::read(line, record, context);
                }
            }
            Format::Logfmt => {
                let text = record.text(line);
                if !logfmt::read(&text, record, &mut self.scratch, context) {
                    plain::read_text(&text, record, context);
                }
            }
            Format::Auto => self.guess(line, record, context),
        }
    }

    fn guess(&mut self, line: &[u8], record: &mut Record, context: &Context<'_>) {
        if line.starts_with(b"{") && json::read(line, record, &mut self.scratch, context) {
            return;
        }
        if line.len() > context.limits.log_body_bytes_max {
            return plain::read(line, record, context);
        }
        let text = record.text(line);
        let is_replaced = record.has_invalid_utf8;
        let is_read = is_syslog(&text, record, context)
            || self.usual.read(&text, record, context)
            || logfmt::looks_like(&text) && logfmt::read(&text, record, &mut self.scratch, context);
        if !is_read {
            plain::read_text(&text, record, context);
        }
        record.has_invalid_utf8 = is_replaced;
    }
}

/// `<34>...`, or a BSD line with both host and tag: `Nov 22 00:12:22 host sshd[12]: text`.
fn is_syslog(text: &str, record: &mut Record, context: &Context<'_>) -> bool {
    let bytes = text.as_bytes();
    let may_be = bytes.first() == Some(&b'<') && bytes.get(1).is_some_and(u8::is_ascii_digit)
        || bytes.first().is_some_and(u8::is_ascii_alphanumeric) && text.contains(": ");
    if !may_be {
        return false;
    }
    syslog::read(bytes, record, context);
    let is_syslog =
        bytes[0] == b'<' || record.time_ns.is_some() && !record.host.is_empty() && !record.service.is_empty();
    // Levels are words that look like hosts: `2026-11-22 00:12:22 ERROR main: x`.
    let is_level = || {
        model::Severity::from_word(&record.host).is_some() || record.host.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_syslog || is_level() {
        record.clear();
        return false;
    }
    true
}

/// The lines of a body, without their ends; empty ones are left out.
pub fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or(&[]);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// Decodes the lines of a body; stack traces are joined if `joins`.
pub fn decode(body: &[u8], format: &Format, joins: bool, origin: &Origin, context: Context<'_>) -> Decoded {
    let (mut builder, mut reader) = (Builder::new(context), LineReader::new(format.clone()));
    let mut record = Record::default();
    let mut one = |line: &[u8]| {
        record.clear();
        reader.read(line, &mut record, &context);
        builder.push(&record, origin);
    };
    if !joins {
        lines(body).for_each(one);
        return builder.finish();
    }
    let mut joiner = super::multiline::Joiner::new(context.limits.log_body_bytes_max);
    for line in lines(body) {
        if let Some(done) = joiner.push(line, context.now_ns) {
            one(&done);
        }
    }
    if let Some(done) = joiner.flush() {
        one(&done);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, show};
    use super::*;
    use crate::Limits;

    #[test]
    fn the_form_of_a_line_is_found() {
        let limits = Limits::default();
        for (line, want) in [
            (r#"{"msg":"a","level":"info"}"#, "now info9: a"),
            ("ts=2026-11-20T05:06:07Z level=info msg=\"a b\" x=1", "2026-11-20T05:06:07Z info9: a b {x=1}"),
            ("<13>Nov 20 05:06:07 h app: x", "2026-11-20T05:06:07Z app h info10: x {syslog.facility=user}"),
            ("Nov 20 05:06:07 h app[1]: x", "2026-11-20T05:06:07Z app h: x {process.pid=1}"),
            (
                "2026-11-20 05:06:07 ERROR main: x",
                "2026-11-20T05:06:07Z error17: 2026-11-20 05:06:07 ERROR main: x",
            ),
            ("2026-11-20 05:06:07 123 x: y", "2026-11-20T05:06:07Z: 2026-11-20 05:06:07 123 x: y"),
            (
                r#"1.2.3.4 - - [20/Nov/2026:05:06:07 +0000] "GET / HTTP/1.0" 200 23"#,
                "2026-11-20T05:06:07Z info9: GET / 200 {client.address=1.2.3.4, http.request.method=GET, url.path=/, network.protocol.version=1.0, http.response.status_code=200, http.response.body.size=23}",
            ),
            ("hello: world", "now: hello: world"),
        ] {
            let decoded = decode(line.as_bytes(), &Format::Auto, false, &Origin::default(), context(&limits));
            assert_eq!(show(&decoded), want, "{line}");
        }
    }

    #[test]
    fn formats_have_names() {
        for text in
            ["auto", "", "plain", "json", "logfmt", "syslog", "combined", "$status $request", "%h %>s"]
        {
            assert!(Format::parse(text).is_ok(), "{text}");
        }
        for (text, words) in [("xml", "is no format of lines"), ("$a$b", "side by side")] {
            assert!(Format::parse(text).unwrap_err().contains(words), "{text}");
        }
    }
}
