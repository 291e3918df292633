//! OTLP by HTTP: protobuf or JSON, plain, gzip or zstd. Errors are a `google.rpc.Status` in the encoding of the request, as the
//! protocol wants it.

use super::Signal;
use crate::app::App;
use crate::http::{BoundHit, header_text, read_body};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ingest::body::Encoding;
use ingest::otlp::{Content, failure};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

/// `POST /v1/metrics`.
pub async fn metrics(State(app): State<Arc<App>>, request: Request) -> Response {
    export(app, Signal::Metrics, request).await
}

/// `POST /v1/traces`.
pub async fn traces(State(app): State<Arc<App>>, request: Request) -> Response {
    export(app, Signal::Traces, request).await
}

/// `POST /v1/logs`.
pub async fn logs(State(app): State<Arc<App>>, request: Request) -> Response {
    export(app, Signal::Logs, request).await
}

async fn export(app: Arc<App>, signal: Signal, request: Request) -> Response {
    let media = header_text(request.headers(), header::CONTENT_TYPE);
    let Some(content) = Content::from_media_type(media.split(';').next().unwrap_or("").trim()) else {
        return unsupported("OTLP is application/x-protobuf or application/json");
    };
    let Some(encoding) = Encoding::from_name(header_text(request.headers(), header::CONTENT_ENCODING).trim())
    else {
        return unsupported("OTLP has to be sent plain, or with the Content-Encoding gzip or zstd");
    };
    let body = match read_body(request, app.sink.limits().body_bytes_max).await {
        Ok(body) => body,
        Err(e) => return e.too_long_for("ingest.body_size").into_response(),
    };
    match super::export(&app, signal, body, encoding, content).await {
        Ok(answer) => with_type(StatusCode::OK, content, answer),
        Err(e) => refusal(&e, content),
    }
}

/// What is not there, on the ports that are for OTLP alone.
pub async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    if header_text(request.headers(), header::CONTENT_TYPE).starts_with("application/grpc") {
        return super::grpc::unknown(path);
    }
    let text =
        format!("there is no {path} here; metrics go to /v1/metrics, logs to /v1/logs, traces to /v1/traces");
    crate::http::ApiError::from(Error::new(ErrorKind::NotFound, text)).into_response()
}

fn unsupported(text: &str) -> Response {
    let body = failure(Content::Json, 3, text, None);
    with_type(StatusCode::UNSUPPORTED_MEDIA_TYPE, Content::Json, body)
}

fn with_type(status: StatusCode, content: Content, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, content.media_type())], body).into_response()
}

/// Senders try again after 429 and 503, and throw the data away after anything else.
fn refusal(e: &Error, content: Content) -> Response {
    let status = match e.kind {
        ErrorKind::Invalid | ErrorKind::TooLarge => StatusCode::BAD_REQUEST,
        ErrorKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        // Whatever else kept it from being written may pass.
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = e.to_string();
    let mut response = with_type(status, content, failure(content, super::grpc::code(e.kind), &text, None));
    if status != StatusCode::BAD_REQUEST {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(bound) = e.bound {
        response.extensions_mut().insert(BoundHit(bound, text));
    }
    response
}
