//! Access logs of Apache and nginx: any `LogFormat` or `log_format`, compiled once into pieces, so that each field of a line gets
//! its name and its type. A line that does not follow the format is kept as text, never guessed at.

mod format;

use super::{Context, Record, logfmt, plain, time};
use format::{Field, Piece};
use model::{Pairs, Severity};
use std::borrow::Cow;

/// How the lines of an access log are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFormat {
    /// What stands before the first field.
    start: String,
    pieces: Vec<Piece>,
}

/// The common format of Apache (and of many others).
const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";
/// With referrer and browser: also what nginx writes unless told otherwise.
const COMBINED: &str = "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"";
/// With the name of the site before all else.
const VHOST_COMBINED: &str = "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"";

impl AccessFormat {
    /// By a name (`common`, `combined`, `vhost_combined`, `nginx`), or the text of a `LogFormat` or `log_format`.
    ///
    /// # Errors
    /// Says which part of the text makes no sense.
    pub fn parse(text: &str) -> Result<AccessFormat, String> {
        match text.trim() {
            "common" => format::apache(COMMON),
            "combined" | "nginx" | "apache" => format::apache(COMBINED),
            "vhost_combined" => format::apache(VHOST_COMBINED),
            text if text.contains('$') => format::nginx(text),
            text if text.contains('%') => format::apache(text),
            text => Err(format!(
                "{text:?} is no format of an access log: common, combined, vhost_combined, or the text of a LogFormat (with %) or \
                 log_format (with $)"
            )),
        }
    }

    /// Reads a line into the record; false if it does not follow the format, then the record must be cleared.
    pub fn read(&self, line: &str, record: &mut Record, context: &Context<'_>) -> bool {
        let Some(mut rest) = line.strip_prefix(self.start.as_str()) else { return false };
        let mut request = Request::default();
        for (i, piece) in self.pieces.iter().enumerate() {
            let is_last = i + 1 == self.pieces.len();
            let Some((raw, behind)) = piece.take(rest, is_last) else { return false };
            rest = behind;
            let value = if raw.contains('\\') { unescape(raw) } else { Cow::Borrowed(raw) };
            if !matches!(&*value, "-" | "") && !request.put(&piece.field, &value, record, context) {
                return false;
            }
        }
        request.finish(record);
        added(rest.trim(), record);
        true
    }
}

/// What the text and the severity are made of.
#[derive(Default)]
struct Request {
    line: String,
    status: Option<u16>,
}

impl Request {
    /// Puts a field into the record; false if it can not be of that kind, so the line is not of the format.
    fn put(&mut self, field: &Field, value: &str, record: &mut Record, context: &Context<'_>) -> bool {
        match field {
            Field::Named(name) => record.attribute(name, value),
            Field::Skip => {}
            Field::Time => match time::field(value, context)
                .or_else(|| Some(time::access(value.as_bytes(), context)?.0))
            {
                Some(time_ns) => record.time_ns = Some(time_ns),
                None => return false,
            },
            Field::Status => {
                let Ok(status) = value.parse::<u16>() else { return false };
                self.status = Some(status);
                record.attribute("http.response.status_code", value);
            }
            Field::Request => self.request(value, record),
            Field::Method => {
                self.line.insert_str(0, value);
                record.attribute("http.request.method", value);
            }
            Field::Target => {
                self.line = format!("{} {value}", self.line);
                target(value, record);
            }
            Field::Protocol => protocol(value, record),
            Field::Duration { name, unit_s } => match value.parse::<f64>().ok().filter(|v| v.is_finite()) {
                Some(value) => record.attribute(name, &seconds(value * unit_s)),
                // Of several upstreams, for example.
                None => record.attribute(name, value),
            },
        }
        true
    }

    fn request(&mut self, value: &str, record: &mut Record) {
        let mut words = value.splitn(3, ' ');
        let (method, path) = (words.next().unwrap_or(""), words.next());
        let is_method =
            (1..=24).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        match path {
            Some(path) if is_method => {
                record.attribute("http.request.method", method);
                target(path, record);
                if let Some(version) = words.next() {
                    protocol(version, record);
                }
                self.line = format!("{method} {path}");
            }
            // A scanner's bytes, or TLS spoken to a plain port.
            _ => self.line.push_str(value),
        }
    }

    fn finish(self, record: &mut Record) {
        record.body.push_str(self.line.trim());
        if let Some(status) = self.status {
            if !record.body.is_empty() {
                record.body.push(' ');
            }
            record.body.push_str(&status.to_string());
            record.severity = match status {
                500.. => Severity::ERROR,
                400..=499 => Severity::WARN,
                _ => Severity::INFO,
            };
        }
    }
}

/// What stands behind the format, which somebody added to it since: pairs become attributes, and all else stays in the
/// text, where it is found.
fn added(text: &str, record: &mut Record) {
    let mut pairs = Pairs::new();
    if text.is_empty() {
        return;
    }
    if logfmt::split(text, &mut pairs)
        && pairs.iter().all(|(name, value)| !name.is_empty() && !value.is_empty())
    {
        return pairs.iter().for_each(|(name, value)| record.attribute(name, value));
    }
    if !record.body.is_empty() {
        record.body.push(' ');
    }
    record.body.push_str(text);
}

fn target(value: &str, record: &mut Record) {
    let (path, query) = value.split_once('?').unwrap_or((value, ""));
    record.attribute("url.path", path);
    if !query.is_empty() {
        record.attribute("url.query", query);
    }
}

fn protocol(value: &str, record: &mut Record) {
    match value.split_once('/') {
        Some((_, version)) => record.attribute("network.protocol.version", version),
        None => record.attribute("network.protocol.name", value),
    }
}

/// Without the noise of a multiplication.
fn seconds(value: f64) -> String {
    let text = format!("{value:.9}");
    let text = text.trim_end_matches('0');
    text.strip_suffix('.').unwrap_or(text).to_string()
}

/// `\x22`, `\"` and `\\` as they were sent; bytes that are no text are replaced.
fn unescape(raw: &str) -> Cow<'_, str> {
    let (mut out, mut bytes) = (Vec::with_capacity(raw.len()), raw.bytes().peekable());
    let hex = |b: Option<u8>| char::from(b?).to_digit(16).map(|d| d as u8);
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'x') => match (hex(bytes.next()), hex(bytes.next())) {
                (Some(high), Some(low)) => out.push(high << 4 | low),
                _ => out.extend(b"\\x"),
            },
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// The formats that are recognised without being named.
#[derive(Clone, Debug)]
pub struct Usual(Vec<AccessFormat>);

impl Default for Usual {
    fn default() -> Usual {
        let all = ["combined", "vhost_combined", "common"];
        Usual(all.iter().filter_map(|name| AccessFormat::parse(name).ok()).collect())
    }
}

impl Usual {
    /// Reads a line of any usual format into the record; false if it is of none.
    pub fn read(&self, line: &str, record: &mut Record, context: &Context<'_>) -> bool {
        // Every one of them has a time in brackets and a request in quotes.
        if !line.contains(" [") || !line.contains("] \"") {
            return false;
        }
        self.0.iter().any(|format| {
            let is_read = format.read(line, record, context);
            if !is_read {
                record.clear();
            }
            is_read
        })
    }
}

/// Reads a line by a format into the record, or as text.
pub fn read(line: &[u8], format: &AccessFormat, record: &mut Record, context: &Context<'_>) {
    let text = record.text(line);
    let is_replaced = record.has_invalid_utf8;
    if !format.read(&text, record, context) {
        record.clear();
        plain::read_text(&text, record, context);
    }
    record.has_invalid_utf8 = is_replaced;
}

#[cfg(test)]
mod tests;
