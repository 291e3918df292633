//! What all handlers have in common: parameters, answers, errors, headers, and who may ask.
//! The one place that maps an error's kind to HTTP.

use crate::transport::Trusted;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use query::{ParseError, QueryError};
use serde_json::{Value as Json, json};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use stdx::{Error, ErrorKind};
use tokio::time::Instant;

/// Bytes of a form that is posted, at the most.
const FORM_BYTES_MAX: usize = 4 << 20;

/// An error as the API gives it.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    position: Option<(usize, usize)>,
    hint: Option<String>,
    bound: Option<&'static str>,
}

/// What a refused request leaves on its answer: the bound that it hit, and the text, for the books.
#[derive(Clone, Debug)]
pub struct BoundHit(pub &'static str, pub String);

/// Result of a handler.
pub type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    /// A parameter that makes no sense.
    pub fn bad(message: impl Into<String>) -> ApiError {
        let message = message.into();
        ApiError {
            status: StatusCode::BAD_REQUEST,
            kind: "bad_data",
            message,
            position: None,
            hint: None,
            bound: None,
        }
    }

    /// Something that is switched off.
    pub fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::FORBIDDEN, ..ApiError::bad(message) }
    }

    /// No format that the client takes.
    pub fn not_acceptable(message: impl Into<String>) -> ApiError {
        ApiError { status: StatusCode::NOT_ACCEPTABLE, kind: "not_acceptable", ..ApiError::bad(message) }
    }

    /// Names the setting that bounds the length of a body, if that is what was hit.
    pub fn too_long_for(self, setting: &'static str) -> ApiError {
        let bound = (self.status == StatusCode::PAYLOAD_TOO_LARGE).then_some(setting);
        ApiError { bound: bound.or(self.bound), ..self }
    }

    /// As the body of an answer.
    pub fn to_json(&self) -> Json {
        let mut body = json!({ "status": "error", "errorType": self.kind, "error": self.message });
        if let Some((start, end)) = self.position {
            body["position"] = json!({ "start": start, "end": end });
        }
        if let Some(hint) = &self.hint {
            body["hint"] = hint.as_str().into();
        }
        body
    }

    /// The bound that was hit, if one was, and what to say of it.
    pub fn bound_hit(&self) -> Option<(&'static str, &str)> {
        self.bound.map(|bound| (bound, self.message.as_str()))
    }

    /// A parameter whose text does not parse.
    pub fn parse(parameter: &str, e: ParseError) -> ApiError {
        let message =
            format!("invalid parameter {parameter:?}: {}:{}: parse error: {}", e.line, e.column, e.message);
        ApiError { position: Some((e.start, e.end)), hint: e.hint, ..ApiError::bad(message) }
    }
}

impl From<Error> for ApiError {
    fn from(e: Error) -> Self {
        let (status, kind) = match e.kind {
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "bad_data"),
            ErrorKind::TooLarge => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorKind::Busy => (StatusCode::TOO_MANY_REQUESTS, "unavailable"),
            ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorKind::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            ErrorKind::Corrupt | ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        ApiError { status, kind, message: e.to_string(), position: None, hint: None, bound: e.bound }
    }
}

impl From<QueryError> for ApiError {
    fn from(e: QueryError) -> Self {
        let position = e.position.map(|s| (s.start, s.end));
        let hint = e.hint;
        let base = ApiError::from(Error::new(e.kind, e.message));
        // A valid expression that cannot be answered is "execution", as in Prometheus.
        let (status, kind) = match e.kind {
            ErrorKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            _ => (base.status, base.kind),
        };
        ApiError { status, kind, position, hint, bound: e.bound, ..base }
    }
}

#[cfg(feature = "sql")]
impl From<sql::SqlError> for ApiError {
    fn from(e: sql::SqlError) -> Self {
        let base = ApiError::from(Error::new(e.kind, e.message));
        let (status, kind) = match (e.kind, e.code) {
            (ErrorKind::Invalid, sql::SqlError::READ_ONLY) => (StatusCode::FORBIDDEN, "forbidden"),
            (ErrorKind::Invalid, sql::SqlError::DATA) => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
            _ => (base.status, base.kind),
        };
        ApiError { status, kind, position: e.position, hint: e.hint, bound: e.bound, ..base }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let hit = self.bound_hit().map(|(bound, message)| BoundHit(bound, message.to_string()));
        let mut response = json_response(self.status, self.to_json().to_string());
        if let Some(hit) = hit {
            response.extensions_mut().insert(hit);
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An answer whose body is JSON already.
pub fn json_response(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// `{"status":"success","data":...}`.
pub fn success(data: &Json) -> Response {
    json_response(StatusCode::OK, format!("{{\"status\":\"success\",\"data\":{data}}}"))
}

/// Parameters from the URL and, for a posted form, from the body.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Those of the URL alone.
    pub fn of_url(request: &Request) -> Params {
        let query = request.uri().query().unwrap_or("");
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// With those of a form's body, which come first.
    #[cfg(feature = "sql")]
    pub fn with_form(self, body: &[u8]) -> Params {
        Params(form_urlencoded::parse(body).into_owned().chain(self.0).collect())
    }

    /// Reads them.
    ///
    /// # Errors
    /// A form that is too long or breaks off.
    pub async fn read(request: Request) -> ApiResult<Params> {
        let decode = |bytes: &[u8]| form_urlencoded::parse(bytes).into_owned().collect::<Vec<_>>();
        let mut pairs = decode(request.uri().query().unwrap_or("").as_bytes());
        let content_type = header_text(request.headers(), header::CONTENT_TYPE);
        if request.method() == Method::POST && content_type.starts_with("application/x-www-form-urlencoded") {
            let body = read_body(request, FORM_BYTES_MAX).await?;
            // As in Prometheus, the body's value of a name comes first.
            let mut form = decode(&body);
            form.append(&mut pairs);
            pairs = form;
        }
        Ok(Params(pairs))
    }

    /// The first value of a name, if it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// An instant in milliseconds.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn time_ms(&self, name: &str) -> ApiResult<Option<i64>> {
        let parse = |text: &str| model::time::parse_time_ms(text);
        self.parsed(name, parse)
    }

    /// A duration in milliseconds.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn duration_ms(&self, name: &str) -> ApiResult<Option<i64>> {
        self.parsed(name, model::time::parse_duration_ms)
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn number(&self, name: &str) -> ApiResult<Option<usize>> {
        self.parsed(name, |text| text.parse().map_err(|_| format!("{text:?} is not a whole number")))
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> ApiResult<Option<T>> {
        let value = self.get(name).map(parse).transpose();
        value.map_err(|e| ApiError::bad(format!("invalid parameter {name:?}: {e}")))
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// Names the parameter.
    pub fn required<T>(&self, name: &str, value: Option<T>) -> ApiResult<T> {
        value.ok_or_else(|| ApiError::bad(format!("invalid parameter {name:?}: it is missing")))
    }
}

/// A header as text, or "".
pub fn header_text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_string()
}

/// How much of a body that is too long is read and thrown away before it is refused, and for how long.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// How long a client may send nothing of its body.
const BODY_STALL_TIME: Duration = Duration::from_secs(30);

/// The whole body, within a limit.
///
/// # Errors
/// 413 past the limit, 400 if the client breaks off, 408 if it sends nothing for too long.
pub async fn read_body(request: Request, bytes_max: usize) -> ApiResult<Bytes> {
    read_body_within(request, bytes_max, BODY_STALL_TIME).await
}

/// Gives each piece of a body, within a limit of all of them, to somebody who does not wait.
///
/// # Errors
/// As [`read_body`], and those of `take`.
pub async fn each_part(
    request: Request,
    bytes_max: usize,
    take: impl FnMut(&[u8]) -> ApiResult<()>,
) -> ApiResult<()> {
    each_part_within(request, bytes_max, BODY_STALL_TIME, take).await
}

async fn read_body_within(request: Request, bytes_max: usize, stall: Duration) -> ApiResult<Bytes> {
    let length: Option<usize> = header_text(request.headers(), header::CONTENT_LENGTH).parse().ok();
    let mut kept = Vec::with_capacity(length.unwrap_or(0).min(bytes_max.min(1 << 20)));
    let keep = |bytes: &[u8]| {
        kept.extend_from_slice(bytes);
        Ok(())
    };
    each_part_within(request, bytes_max, stall, keep).await?;
    Ok(kept.into())
}

async fn each_part_within(
    request: Request,
    bytes_max: usize,
    stall: Duration,
    mut take: impl FnMut(&[u8]) -> ApiResult<()>,
) -> ApiResult<()> {
    let too_large = || ApiError {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..ApiError::bad(format!("the body is longer than {bytes_max} bytes; send it in smaller parts"))
    };
    let length: Option<usize> = header_text(request.headers(), header::CONTENT_LENGTH).parse().ok();
    let mut is_too_large = length.is_some_and(|length| length > bytes_max);
    if is_too_large && request.headers().contains_key(header::EXPECT) {
        // Its sender waits for our word before it sends the body.
        return Err(too_large());
    }
    let mut body = request.into_body();
    let mut read = 0usize;
    let mut give_up: Option<Instant> = None;
    loop {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let frame = match give_up {
            None => match tokio::time::timeout(stall, next).await {
                Ok(frame) => frame,
                Err(_) => {
                    let text = format!("nothing of the body came for {} s", stall.as_secs());
                    return Err(ApiError {
                        status: StatusCode::REQUEST_TIMEOUT,
                        kind: "timeout",
                        ..ApiError::bad(text)
                    });
                }
            },
            Some(at) => tokio::time::timeout_at(at, next).await.unwrap_or(None),
        };
        match frame {
            None if is_too_large => return Err(too_large()),
            None => return Ok(()),
            Some(Err(_)) if is_too_large => return Err(too_large()),
            Some(Err(e)) => return Err(ApiError::bad(format!("the body breaks off: {e}"))),
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { continue };
                read = read.saturating_add(data.len());
                is_too_large |= read > bytes_max;
                if !is_too_large {
                    take(data)?;
                    continue;
                }
                // Read on for a while: whoever is still sending does not read the answer, and closing on them would
                // take it away.
                give_up.get_or_insert_with(|| Instant::now() + DISCARD_TIME);
                if read > bytes_max.saturating_add(DISCARD_BYTES) {
                    return Err(too_large());
                }
            }
        }
    }
}

/// Answers only those who mean this server (a page of another site cannot reach it by a name of its own, nor
/// write to it from the browser), and adds the headers that keep pages from doing anything unexpected.
pub async fn guard(State(trusted): State<Trusted>, request: Request, next: Next) -> Response {
    let mut host = header_text(request.headers(), header::HOST);
    if host.is_empty() && request.version() == axum::http::Version::HTTP_2 {
        // There it is a part of the address.
        host = request.uri().authority().map_or(String::new(), |authority| authority.to_string());
    }
    let origin = header_text(request.headers(), header::ORIGIN);
    let refuse = |text: &str| {
        let mut e = ApiError::bad(text);
        e.status = StatusCode::FORBIDDEN;
        e.into_response()
    };
    let mut response = if host.is_empty() && request.version() >= axum::http::Version::HTTP_11 {
        ApiError::bad("the Host header is missing").into_response()
    } else if !host.is_empty() && !is_plain_host(&host) && !trusted.has_name(&host_name(&host)) {
        refuse(
            "this server answers to its address only, not to a name; use the IP address or localhost, or add the name \
             to web.host_names",
        )
    } else if trusted.is_preflight(&origin, request.method(), request.headers()) {
        StatusCode::NO_CONTENT.into_response()
    } else if request.method() != Method::GET
        && !origin.is_empty()
        && !same_origin(&origin, &host)
        && !trusted.may_send(&origin, request.method(), request.uri().path())
    {
        refuse("a page of another origin may not send this")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    trusted.mark(&origin, headers);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// An IP address or `localhost`, with or without a port: what no other site can make its own name resolve to.
fn is_plain_host(host: &str) -> bool {
    let name = host_name(host);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

/// A host without its port, in lower case.
fn host_name(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.to_ascii_lowercase()
}

fn same_origin(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, o)| o.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that is begun and never ended.
    struct Begun(bool);

    impl HttpBody for Begun {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            match std::mem::replace(&mut self.0, false) {
                true => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data("abc".into())))),
                false => std::task::Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn who_sends_nothing_is_not_waited_for() {
        let request = Request::new(Body::new(Begun(true)));
        let refused = read_body_within(request, 100, Duration::from_millis(10)).await.unwrap_err();
        assert_eq!((refused.status, refused.kind), (StatusCode::REQUEST_TIMEOUT, "timeout"));
        let whole = read_body_within(Request::new(Body::from("abc")), 100, Duration::from_millis(10)).await;
        assert_eq!(whole.unwrap(), "abc");
    }

    #[test]
    fn hosts_and_origins() {
        for (host, plain) in [
            ("127.0.0.1:4004", true),
            ("localhost:4004", true),
            ("LOCALHOST", true),
            ("[::1]:4004", true),
            ("[::1]", true),
            ("10.0.0.7", true),
            ("evil.example:4004", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:80", false),
            ("[evil]:1", false),
        ] {
            assert_eq!(is_plain_host(host), plain, "{host}");
        }
        assert!(same_origin("http://127.0.0.1:4004", "127.0.0.1:4004"));
        assert!(!same_origin("http://evil.example", "127.0.0.1:4004"));
        assert!(!same_origin("null", "127.0.0.1:4004"));
    }
}
