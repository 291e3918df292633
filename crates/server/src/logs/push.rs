//! Logs that are sent by HTTP in other forms than OpenTelemetry's: JSON lines and text, Loki's push, Elasticsearch's `_bulk`,
//! the journal. Each answer is in the form that its sender knows.

use super::Taken;
use crate::app::App;
use crate::http::{ApiError, ApiResult, header_text, json_response, read_body};
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ingest::body::{Encoding, decompress};
use ingest::logs::{Context, Decoded, Format, bulk, decode_lines, journal, loki};
use model::{Reject, RejectReason};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use stdx::{Error, ErrorKind, Result};

fn query(request: &Request, name: &str) -> String {
    let pairs = form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes());
    pairs.into_iter().find(|(n, _)| n == name).map_or(String::new(), |(_, v)| v.into_owned())
}

/// The body, decompressed as its header says; on a thread that may block, since it may be large.
async fn decode<T: Send + 'static>(
    app: &Arc<App>,
    source: &'static str,
    request: Request,
    work: impl FnOnce(&[u8], &App) -> Result<T> + Send + 'static,
) -> ApiResult<T> {
    let name = header_text(request.headers(), header::CONTENT_ENCODING);
    // Loki's clients call the compression of their protobuf by its name, which is part of the message.
    let name = if name.trim() == "snappy" { "" } else { name.trim() };
    let Some(encoding) = Encoding::from_name(name) else {
        return Err(ApiError::bad(format!(
            "Content-Encoding {name:?} is not understood; there are gzip and zstd"
        )));
    };
    let max = app.sink.limits().body_bytes_max;
    let body: Bytes = read_body(request, max).await.map_err(|e| e.too_long_for("ingest.body_size"))?;
    let inside = app.clone();
    let task = tokio::task::spawn_blocking(move || {
        let bytes = decompress(&body, encoding, inside.sink.limits())?;
        work(&bytes, &inside)
    });
    let broken =
        |_| Err(Error::new(ErrorKind::Internal, "decoding failed inside; this is a bug worth reporting"));
    task.await.unwrap_or_else(broken).map_err(|e| {
        let reason = match e.kind {
            ErrorKind::TooLarge => RejectReason::TooLarge,
            _ => RejectReason::Malformed,
        };
        app.sink.refuse(source, Reject { reason, samples: 1, message: e.to_string() });
        ApiError::from(e)
    })
}

/// `POST /api/v1/logs?format=&service=&multiline=`: JSON lines, or lines of any format.
pub async fn lines(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let (format, service) = (query(&request, "format"), query(&request, "service"));
    let joins = matches!(query(&request, "multiline").as_str(), "1" | "true");
    let is_journal =
        header_text(request.headers(), header::CONTENT_TYPE).starts_with("application/vnd.fdo.journal");
    let work = move |body: &[u8], app: &App| -> Result<Decoded> {
        let (origin, context) = (app.logs.origin(&service), app.logs.context());
        Ok(match format.as_str() {
            "journal" => journal::decode_export(body, &origin, context),
            _ if is_journal => journal::decode_export(body, &origin, context),
            "journal-json" => journal::decode_json(body, &origin, context),
            text => {
                decode_lines(body, &Format::parse(text).map_err(Error::invalid)?, joins, &origin, context)
            }
        })
    };
    let decoded = decode(&app, "logs_http", request, work).await?;
    let taken = app.logs.deliver("logs_http", decoded).await?;
    Ok(match taken.rejects.is_empty() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => refusal(&taken),
    })
}

/// 400 with what was kept and what was not, and why.
fn refusal(taken: &Taken) -> Response {
    let one = |r: &Reject| json!({ "reason": r.reason.as_str(), "records": r.samples, "message": r.message });
    let refused: u64 = taken.rejects.iter().map(|r| r.samples).sum();
    let first = taken.rejects.first().map_or("", |r| r.message.as_str());
    let body = json!({
        "status": "error",
        "errorType": "bad_data",
        "error": format!("records kept: {}, refused: {refused}: {first}", taken.accepted),
        "accepted": taken.accepted,
        "rejected": taken.rejects.iter().map(one).collect::<Vec<_>>(),
    });
    json_response(StatusCode::BAD_REQUEST, body.to_string())
}

/// `POST /loki/api/v1/push`.
pub async fn loki(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let is_json = header_text(request.headers(), header::CONTENT_TYPE).starts_with("application/json");
    let work = move |body: &[u8], app: &App| -> Result<Decoded> {
        let context: Context<'_> = app.logs.context();
        if is_json { loki::decode_json(body, context) } else { loki::decode_protobuf(body, context) }
    };
    let decoded = decode(&app, "loki", request, work).await?;
    let taken = app.logs.deliver("loki", decoded).await?;
    Ok(match taken.rejects.is_empty() {
        true => StatusCode::NO_CONTENT.into_response(),
        // What can be kept is kept; an agent would send all of it again for any other status.
        false => {
            let text: Vec<String> = taken.rejects.iter().map(|r| r.message.clone()).collect();
            (StatusCode::BAD_REQUEST, text.join("; ")).into_response()
        }
    })
}

/// `GET /loki/api/v1/status/buildinfo`, `GET /ready`: what agents ask before they push.
pub async fn loki_ready() -> Response {
    json_response(StatusCode::OK, json!({ "version": "3.0.0", "revision": "midwatch" }).to_string())
}

/// `POST /_bulk`.
pub async fn bulk(state: State<Arc<App>>, request: Request) -> ApiResult {
    bulk_of(state, Path(String::new()), request).await
}

/// `POST /{index}/_bulk`.
pub async fn bulk_of(State(app): State<Arc<App>>, Path(index): Path<String>, request: Request) -> ApiResult {
    let started = Instant::now();
    let work = move |body: &[u8], app: &App| {
        Ok(bulk::decode(body, &index, &app.logs.origin(""), app.logs.context()))
    };
    let mut bulk = decode(&app, "bulk", request, work).await?;
    let decoded = std::mem::take(&mut bulk.decoded);
    app.logs.deliver("bulk", decoded).await?;
    let mut response = json_response(StatusCode::OK, bulk.answer(started.elapsed().as_millis() as u64));
    as_elasticsearch(&mut response);
    Ok(response)
}

/// Clients of version 8 talk only to those that say this.
fn as_elasticsearch(response: &mut Response) {
    let name = axum::http::HeaderName::from_static("x-elastic-product");
    response.headers_mut().insert(name, axum::http::HeaderValue::from_static("Elasticsearch"));
}
