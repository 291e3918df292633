//! OTLP by gRPC: calls with one message and one answer, over the HTTP/2 that hyper speaks. That is a frame of five bytes around
//! the message and a status behind the answer; a library for it would bring more than it saves (docs/decisions/otlp.md).
//! It must never take a message whose declared length is not what came.

use super::Signal;
use crate::app::App;
use crate::http::{BoundHit, header_text, read_body};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Full};
use ingest::body::Encoding;
use ingest::otlp::{Content, failure};
use std::fmt::Write;
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};

/// The method of `MetricsService`.
pub const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// The method of `TraceService`.
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The method of `LogsService`.
pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");

const UNIMPLEMENTED: u32 = 12;
/// Compressed or not, and the length.
const FRAME_BYTES: usize = 5;

/// gRPC's codes. After `RESOURCE_EXHAUSTED` senders try again if they are told when, after `UNAVAILABLE` in any case, after the
/// others never.
pub fn code(kind: ErrorKind) -> u32 {
    match kind {
        // INVALID_ARGUMENT.
        ErrorKind::Invalid => 3,
        // RESOURCE_EXHAUSTED.
        ErrorKind::TooLarge | ErrorKind::Busy => 8,
        // UNAVAILABLE.
        _ => 14,
    }
}

/// A call of [`METRICS`].
pub async fn metrics(State(app): State<Arc<App>>, request: Request) -> Response {
    export(app, Signal::Metrics, request).await
}

/// A call of [`TRACES`].
pub async fn traces(State(app): State<Arc<App>>, request: Request) -> Response {
    export(app, Signal::Traces, request).await
}

/// A call of [`LOGS`].
pub async fn logs(State(app): State<Arc<App>>, request: Request) -> Response {
    export(app, Signal::Logs, request).await
}

async fn export(app: Arc<App>, signal: Signal, request: Request) -> Response {
    if !header_text(request.headers(), header::CONTENT_TYPE).starts_with("application/grpc") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let name = header_text(request.headers(), ENCODING);
    let Some(encoding) = Encoding::from_name(name.trim()) else {
        return status(
            UNIMPLEMENTED,
            &format!("grpc-encoding {name:?} is not understood; there are gzip and zstd"),
        );
    };
    let body_bytes_max = app.sink.limits().body_bytes_max;
    let Ok(body) = read_body(request, body_bytes_max + FRAME_BYTES).await else {
        let text = format!(
            "the request breaks off, or is longer than ingest.body_size allows, {body_bytes_max} bytes; send fewer points at once"
        );
        return refusal(&Error::new(ErrorKind::TooLarge, text).bound("ingest.body_size"));
    };
    let taken = match message(&body, encoding) {
        Ok((message, encoding)) => super::export(&app, signal, message, encoding, Content::Protobuf).await,
        Err(e) => Err(e),
    };
    match taken {
        Ok(answer) => success(&answer),
        Err(e) => refusal(&e),
    }
}

/// A method that is not there.
pub fn unknown(path: &str) -> Response {
    status(UNIMPLEMENTED, &format!("there is no {path} here; metrics, logs and traces are taken"))
}

/// The one message of a call, and how it is compressed.
fn message(body: &Bytes, encoding: Encoding) -> Result<(Bytes, Encoding)> {
    let Some((&[flag, a, b, c, d], rest)) = body.split_first_chunk::<FRAME_BYTES>() else {
        return Err(Error::invalid("the call holds no message"));
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length != rest.len() {
        return Err(Error::invalid(format!(
            "the call says that its message has {length} bytes, but {} came",
            rest.len()
        )));
    }
    let encoding = match flag {
        0 => Encoding::Identity,
        1 if encoding != Encoding::Identity => encoding,
        _ => return Err(Error::invalid("the message is compressed, but not said how")),
    };
    Ok((body.slice(FRAME_BYTES..), encoding))
}

fn success(message: &[u8]) -> Response {
    let mut frame = Vec::with_capacity(FRAME_BYTES + message.len());
    frame.push(0);
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
    with_headers(Body::new(body))
}

fn refusal(e: &Error) -> Response {
    let text = e.to_string();
    let mut response = status(code(e.kind), &text);
    if e.kind == ErrorKind::Busy {
        let details = failure(Content::Protobuf, code(e.kind), &text, Some(1));
        if let Ok(value) = HeaderValue::from_str(&base64(&details)) {
            response.headers_mut().insert(DETAILS, value);
        }
    }
    if let Some(bound) = e.bound {
        response.extensions_mut().insert(BoundHit(bound, text));
    }
    response
}

/// An answer without a message.
fn status(code: u32, message: &str) -> Response {
    let mut response = with_headers(Body::empty());
    response.headers_mut().insert(STATUS, HeaderValue::from(code));
    if let Ok(value) = HeaderValue::from_str(&percent_encoded(message)) {
        response.headers_mut().insert(MESSAGE, value);
    }
    response
}

fn with_headers(body: Body) -> Response {
    let types = [(header::CONTENT_TYPE, "application/grpc"), (ACCEPTED, "identity,gzip,zstd")];
    (StatusCode::OK, types, body).into_response()
}

/// As gRPC wants messages: what is not printable ASCII, and the percent sign, by its bytes.
fn percent_encoded(text: &str) -> String {
    // Headers have to stay small.
    let text = &text[..text.floor_char_boundary(text.len().min(1_000))];
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Without padding, as gRPC writes binary headers.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let byte = |i: usize| u32::from(part.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        (0..=part.len()).for_each(|i| out.push(char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize])));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_of_the_length_that_it_says() {
        for (body, encoding, want) in [
            (&b"\0\0\0\0\x02ab"[..], Encoding::Gzip, Ok(("ab", Encoding::Identity))),
            (b"\x01\0\0\0\x02ab", Encoding::Gzip, Ok(("ab", Encoding::Gzip))),
            (b"\0\0\0\0\0", Encoding::Identity, Ok(("", Encoding::Identity))),
            (b"\x01\0\0\0\x02ab", Encoding::Identity, Err("not said how")),
            (b"\x02\0\0\0\x02ab", Encoding::Gzip, Err("not said how")),
            (b"\0\0\0\0\x03ab", Encoding::Identity, Err("has 3 bytes, but 2 came")),
            (b"\0\xff\xff\xff\xffab", Encoding::Identity, Err("4294967295")),
            (b"\0\0\0\0\0\0\0\0\0\0", Encoding::Identity, Err("has 0 bytes, but 5 came")),
            (b"\0\0\0", Encoding::Identity, Err("no message")),
        ] {
            match (message(&Bytes::from_static(body), encoding), want) {
                (Ok((bytes, encoding)), Ok(want)) => {
                    assert_eq!((std::str::from_utf8(&bytes).unwrap(), encoding), want)
                }
                (Err(e), Err(words)) => assert!(e.to_string().contains(words), "{e}"),
                (got, want) => panic!("{body:x?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn who_is_told_to_try_again() {
        let headers = |kind| refusal(&Error::new(kind, "é 100%\n")).headers().clone();
        for (kind, status, has_details) in [
            (ErrorKind::Invalid, "3", false),
            (ErrorKind::TooLarge, "8", false),
            (ErrorKind::Busy, "8", true),
            (ErrorKind::Unavailable, "14", false),
            (ErrorKind::Internal, "14", false),
        ] {
            let headers = headers(kind);
            assert_eq!(headers[STATUS], status);
            assert_eq!(headers[MESSAGE], "%C3%A9 100%25%0A");
            assert_eq!(headers.contains_key(DETAILS), has_details, "{kind:?}");
        }
        assert_eq!(base64(b"\xfb\xff"), "+/8");
    }
}
