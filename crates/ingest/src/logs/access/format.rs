//! The text of a `LogFormat` or `log_format` to pieces: a field, and what stands behind it. Names are those of OpenTelemetry's
//! semantic conventions where there is one, otherwise what the server calls it.

use super::AccessFormat;

/// What a field is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// An attribute of this name.
    Named(String),
    /// Nothing that anybody wants to know.
    Skip,
    /// When.
    Time,
    /// The status of the answer.
    Status,
    /// Method, target and protocol.
    Request,
    /// The method alone.
    Method,
    /// Path and query.
    Target,
    /// `HTTP/1.1`.
    Protocol,
    /// A duration, kept in seconds.
    Duration {
        /// Of the attribute.
        name: &'static str,
        /// What one of the number is, as the inverse of a whole number of seconds.
        unit_s: Unit,
    },
}

/// Seconds that one of a unit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl Field {
    /// What follows behind a space is another field, which was added to the format since.
    fn is_one_word(&self) -> bool {
        match self {
            Field::Status => true,
            Field::Named(name) => ["http.response.body.size", "http.response.size"].contains(&name.as_str()),
            _ => false,
        }
    }
}

impl std::ops::Mul<&Unit> for f64 {
    type Output = f64;

    fn mul(self, unit: &Unit) -> f64 {
        match unit {
            Unit::Seconds => self,
            Unit::Milliseconds => self / 1e3,
            Unit::Microseconds => self / 1e6,
        }
    }
}

/// A field, and the text up to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub field: Field,
    /// What stands behind it.
    behind: String,
}

impl Piece {
    /// The field at the beginning of a text, and what comes behind it and its separator.
    pub fn take<'t>(&self, text: &'t str, is_last: bool) -> Option<(&'t str, &'t str)> {
        // `[22/Nov/2026:00:12:22 +0000]` has a space of its own.
        if matches!(self.field, Field::Time)
            && let Some(inside) = text.strip_prefix('[')
        {
            let (value, rest) = inside.split_once(']')?;
            return Some((value, self.skip_separator(rest, is_last)?));
        }
        if self.behind.starts_with('"') {
            let end = closing_quote(text)?;
            return Some((&text[..end], self.skip_separator(&text[end..], is_last)?));
        }
        if self.behind.is_empty() {
            let end = if self.field.is_one_word() { text.find(' ') } else { None };
            return Some(text.split_at(end.unwrap_or(text.len())));
        }
        match text.find(self.behind.as_str()) {
            Some(end) => Some((&text[..end], &text[end + self.behind.len()..])),
            None if is_last => Some((text, "")),
            None => None,
        }
    }

    fn skip_separator<'t>(&self, rest: &'t str, is_last: bool) -> Option<&'t str> {
        rest.strip_prefix(self.behind.as_str()).or(is_last.then_some(rest))
    }
}

/// Where the quote is that is not escaped.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Fields that a format may have.
const FIELDS_MAX: usize = 100;

fn build(start: String, pieces: Vec<Piece>) -> Result<AccessFormat, String> {
    if pieces.len() > FIELDS_MAX {
        return Err(format!("a format may have at most {FIELDS_MAX} fields"));
    }
    let has_gap =
        pieces.windows(2).all(|two| !two[0].behind.is_empty() || matches!(two[0].field, Field::Time));
    if !has_gap {
        return Err("two fields stand side by side: nobody can tell where one ends".into());
    }
    match pieces.is_empty() {
        true => Err("the format has no field".into()),
        false => Ok(AccessFormat { start, pieces }),
    }
}

fn named(name: &str) -> Field {
    Field::Named(name.into())
}

/// A header of a request or an answer.
fn header(kind: &str, name: &str) -> Field {
    let name = name.to_ascii_lowercase();
    match (kind, name.as_str()) {
        ("request", "user-agent") => named("user_agent.original"),
        _ => Field::Named(format!("http.{kind}.header.{name}")),
    }
}

/// Apache's.
pub fn apache(text: &str) -> Result<AccessFormat, String> {
    // As it stands in a configuration, with quotes escaped.
    let text = text.replace("\\\"", "\"");
    let (mut start, mut pieces) = (String::new(), Vec::<Piece>::new());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        let (literal, behind) = rest.split_at(at);
        let behind = &behind[1..];
        match pieces.last_mut() {
            Some(piece) => piece.behind.push_str(literal),
            None => start.push_str(literal),
        }
        if let Some(tail) = behind.strip_prefix('%') {
            match pieces.last_mut() {
                Some(piece) => piece.behind.push('%'),
                None => start.push('%'),
            }
            rest = tail;
            continue;
        }
        // `%!200,304{Referer}i`: conditions change nothing about the place.
        let behind =
            behind.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '!' | ',' | '<' | '>'));
        let (argument, behind) = match behind.strip_prefix('{') {
            Some(inside) => inside.split_once('}').ok_or("a { in the format is never closed")?,
            None => ("", behind),
        };
        let letter = behind.chars().next().ok_or("the format ends with a %")?;
        let mut end = letter.len_utf8();
        let field = match (letter, argument) {
            ('^', _) => {
                end = 3;
                named(argument)
            }
            _ => apache_field(letter, argument).ok_or(format!("%{letter} in the format is not known"))?,
        };
        pieces.push(Piece { field, behind: String::new() });
        rest = behind.get(end..).unwrap_or("");
    }
    match pieces.last_mut() {
        Some(piece) => piece.behind.push_str(rest),
        None => start.push_str(rest),
    }
    build(start, pieces)
}

fn apache_field(letter: char, argument: &str) -> Option<Field> {
    Some(match (letter, argument) {
        ('h' | 'a', _) => named("client.address"),
        ('A', _) => named("server.address"),
        ('v' | 'V', _) => named("server.address"),
        ('p', _) => named("server.port"),
        ('l', _) => Field::Skip,
        ('u', _) => named("user.name"),
        ('t', "msec") => Field::Time,
        ('t', "" | "sec") => Field::Time,
        ('t', format) => Field::Named(format!("time.{format}")),
        ('r', _) => Field::Request,
        ('s', _) => Field::Status,
        ('b' | 'B', _) => named("http.response.body.size"),
        ('O', _) => named("http.response.size"),
        ('I', _) => named("http.request.size"),
        ('S', _) => named("http.total_size"),
        ('D', _) | ('T', "us") => duration("http.server.request.duration", Unit::Microseconds),
        ('T', "ms") => duration("http.server.request.duration", Unit::Milliseconds),
        ('T', _) => duration("http.server.request.duration", Unit::Seconds),
        ('m', _) => Field::Method,
        ('U', _) => named("url.path"),
        ('q', _) => named("url.query"),
        ('H', _) => Field::Protocol,
        ('f', _) => named("file.path"),
        ('P', _) => named("process.pid"),
        ('X', _) => named("apache.connection_status"),
        ('k', _) => named("apache.keepalive_requests"),
        ('L', _) => named("apache.log_id"),
        ('R', _) => named("apache.handler"),
        ('i', name) => header("request", name),
        ('o', name) => header("response", name),
        ('C', name) => Field::Named(format!("http.request.cookie.{name}")),
        ('n' | 'e', name) => named(name),
        _ => return None,
    })
}

fn duration(name: &'static str, unit_s: Unit) -> Field {
    Field::Duration { name, unit_s }
}

/// nginx's: the text of `log_format`, in one piece or in quoted parts as it stands in the configuration.
pub fn nginx(text: &str) -> Result<AccessFormat, String> {
    let text = joined(text);
    let (mut start, mut pieces) = (String::new(), Vec::<Piece>::new());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        let (literal, behind) = rest.split_at(at);
        match pieces.last_mut() {
            Some(piece) => piece.behind.push_str(literal),
            None => start.push_str(literal),
        }
        let behind = &behind[1..];
        let (name, tail) = match behind.strip_prefix('{') {
            Some(inside) => inside.split_once('}').ok_or("a { in the format is never closed")?,
            None => {
                let end =
                    behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len());
                behind.split_at(end)
            }
        };
        if name.is_empty() {
            return Err("a $ in the format has no name behind it".into());
        }
        pieces.push(Piece { field: nginx_field(name), behind: String::new() });
        rest = tail;
    }
    match pieces.last_mut() {
        Some(piece) => piece.behind.push_str(rest),
        None => start.push_str(rest),
    }
    build(start, pieces)
}

/// `'$a $b ' '"$c"'` to `$a $b "$c"`; anything else as it is.
fn joined(text: &str) -> String {
    let text = text.trim().trim_end_matches(';').trim();
    if !text.starts_with('\'') || !text.ends_with('\'') {
        return text.to_string();
    }
    text.split('\'').skip(1).step_by(2).collect()
}

fn nginx_field(name: &str) -> Field {
    match name {
        "remote_addr" | "realip_remote_addr" | "binary_remote_addr" => named("client.address"),
        "remote_port" => named("client.port"),
        "remote_user" => named("user.name"),
        "time_local" | "time_iso8601" | "msec" => Field::Time,
        "request" => Field::Request,
        "request_method" => Field::Method,
        "request_uri" => Field::Target,
        "uri" | "document_uri" => named("url.path"),
        "args" | "query_string" => named("url.query"),
        "scheme" => named("url.scheme"),
        "host" | "server_name" | "http_host" => named("server.address"),
        "server_port" => named("server.port"),
        "server_protocol" => Field::Protocol,
        "status" => Field::Status,
        "body_bytes_sent" => named("http.response.body.size"),
        "bytes_sent" => named("http.response.size"),
        "request_length" => named("http.request.size"),
        "request_time" => duration("http.server.request.duration", Unit::Seconds),
        "upstream_response_time" => duration("nginx.upstream_response_time", Unit::Seconds),
        "upstream_connect_time" => duration("nginx.upstream_connect_time", Unit::Seconds),
        "upstream_header_time" => duration("nginx.upstream_header_time", Unit::Seconds),
        "http_user_agent" => named("user_agent.original"),
        "ssl_protocol" => named("tls.protocol.version"),
        "ssl_cipher" => named("tls.cipher"),
        name => {
            let dashed = |name: &str| name.replace('_', "-");
            match () {
                () if name.starts_with("sent_http_") => {
                    header("response", &dashed(&name["sent_http_".len()..]))
                }
                () if name.starts_with("http_") => header("request", &dashed(&name["http_".len()..])),
                () if name.starts_with("cookie_") => {
                    Field::Named(format!("http.request.cookie.{}", &name["cookie_".len()..]))
                }
                () if ["upstream_", "connection", "pipe", "gzip_", "proxy_", "ssl_"]
                    .iter()
                    .any(|p| name.starts_with(p)) =>
                {
                    Field::Named(format!("nginx.{name}"))
                }
                () => named(name),
            }
        }
    }
}
