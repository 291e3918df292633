//! Data in and out as JSON lines, and what all ways in have in common. What is refused is counted and told; what is accepted is durable
//! before the answer goes out.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Params, header_text, json_response, read_body};
use crate::sink::Delivered;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ingest::Decoded;
use model::{Reject, RejectReason};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub async fn import(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    if !matches!(header_text(request.headers(), header::CONTENT_ENCODING).as_str(), "" | "identity") {
        return Ok(unsupported("send JSON lines uncompressed"));
    }
    let body = read_body(request, app.sink.limits().body_bytes_max)
        .await
        .map_err(|e| e.too_long_for("ingest.body_size"))?;
    let delivered = decode_and_deliver(&app, "import", body, |body, sink| {
        ingest::json_lines::decode(body, sink.limits())
    })
    .await?;
    Ok(match delivered.rejects.is_empty() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => refusal(&delivered),
    })
}

/// Exports at a time: each holds a thread.
pub const EXPORTS_MAX: usize = 8;
/// Its name in the list of limits.
pub const EXPORTS_BOUND: &str = "exports at a time";
/// A client that takes nothing for so long has gone.
const EXPORT_WAIT: Duration = Duration::from_secs(30);

/// Decoding may take long for a large body: it happens where threads may block.
pub async fn decode_and_deliver(
    app: &Arc<App>,
    source: &'static str,
    body: Bytes,
    decode: impl Fn(&[u8], &crate::sink::Sink) -> stdx::Result<Decoded> + Send + 'static,
) -> ApiResult<Delivered> {
    const LARGE_BYTES: usize = 64 << 10;
    let decoded = if body.len() > LARGE_BYTES {
        let sink = app.sink.clone();
        let task = tokio::task::spawn_blocking(move || decode(&body, &sink));
        task.await.unwrap_or_else(|_| {
            Err(stdx::Error::new(
                stdx::ErrorKind::Internal,
                "decoding failed inside; this is a bug worth reporting",
            ))
        })
    } else {
        decode(&body, &app.sink)
    };
    match decoded {
        Ok(decoded) => app.sink.deliver(source, decoded).await.map_err(|e| nothing_kept(&e)),
        Err(e) => {
            let reason = match e.kind {
                stdx::ErrorKind::TooLarge => RejectReason::TooLarge,
                _ => RejectReason::Malformed,
            };
            app.sink.refuse(source, Reject { reason, samples: 1, message: e.to_string() });
            Err(ApiError::bad(e.to_string()))
        }
    }
}

/// Whatever the reason, nothing was kept. Senders give up for good on a 4xx (Prometheus does even on 429, by default),
/// and send again after a 503.
fn nothing_kept(e: &stdx::Error) -> ApiError {
    let unavailable = stdx::Error::new(stdx::ErrorKind::Unavailable, e.to_string());
    ApiError::from(stdx::Error { bound: e.bound, ..unavailable })
}

/// 400 with what was kept and what was not, and why.
pub fn refusal(delivered: &Delivered) -> Response {
    let rejects: Vec<_> = delivered
        .rejects
        .iter()
        .map(|r| json!({ "reason": r.reason.as_str(), "samples": r.samples, "message": r.message }))
        .collect();
    let refused: u64 = delivered.rejects.iter().map(|r| r.samples).sum();
    let first = delivered.rejects.first().map_or(String::new(), |r| r.message.clone());
    let body = json!({
        "status": "error",
        "errorType": "bad_data",
        "error": format!("samples kept: {}, refused: {refused}: {first}", delivered.accepted),
        "accepted": delivered.accepted,
        "rejected": rejects,
    });
    json_response(StatusCode::BAD_REQUEST, body.to_string())
}

/// 415 in words.
pub fn unsupported(text: &str) -> Response {
    let mut response = ApiError::bad(text).into_response();
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

pub async fn export(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let sets = super::series::matcher_sets(&params)?;
    if sets.is_empty() {
        return Err(ApiError::bad(
            "no match[] parameter provided; match[]={__name__=~\".+\"} gives everything",
        ));
    }
    let start_ms = params.time_ms("start")?.unwrap_or(i64::MIN);
    let end_ms = params.time_ms("end")?.unwrap_or(i64::MAX);
    let is_partial = params.get("partial").is_some_and(|text| text == "1" || text == "true");
    // One series at a time goes over a short channel: memory stays bounded by the largest series, and a
    // client that reads slowly slows the reading.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    let permit = app.exports.clone().try_acquire_owned().map_err(|_| {
        let text = format!("{EXPORTS_MAX} exports are running already; try again when one has ended");
        ApiError::from(stdx::Error::new(stdx::ErrorKind::Busy, text).bound(EXPORTS_BOUND))
    })?;
    let inside = app.clone();
    let labels = app
        .gate
        .run(None, move |_| -> stdx::Result<Vec<_>> {
            let view = inside.store.view();
            let mut found = std::collections::BTreeSet::new();
            for matchers in &sets {
                found.extend(view.series(matchers, start_ms, end_ms, inside.settings.query.series_max)?);
            }
            refuse_partial(&view, is_partial)?;
            Ok(found.into_iter().collect())
        })
        .await?;
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let runtime = tokio::runtime::Handle::current();
        let send = |part| {
            let sent = runtime.block_on(tokio::time::timeout(EXPORT_WAIT, sender.send(part)));
            matches!(sent, Ok(Ok(())))
        };
        let samples_max = app.settings.query.samples_max;
        let mut out = Vec::new();
        for part in labels.chunks(64) {
            // Anew for each part: a view keeps what it shows from being given back.
            let view = app.store.view();
            for labels in part {
                match view.one_series(labels, start_ms, end_ms, samples_max).and_then(|found| {
                    refuse_partial(&view, is_partial)?;
                    let found = found.map(|series| series.data(start_ms, end_ms)).transpose()?;
                    Ok(found.filter(|data| !data.timestamps_ms.is_empty() || !data.histograms.is_empty()))
                }) {
                    Ok(None) => {}
                    Ok(Some(series)) => ingest::json_lines::write(&mut out, &series),
                    Err(e) => {
                        send(Err(std::io::Error::other(e.to_string())));
                        return;
                    }
                }
            }
            if !send(Ok(Bytes::from(std::mem::take(&mut out)))) {
                return;
            }
        }
    });
    let body = Body::from_stream(ReceiverStream(receiver));
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/stream+json")], body).into_response())
}

/// A copy of the data that lacks something has to be asked for: nobody reads warnings in a file of samples.
fn refuse_partial(view: &store::View, is_partial: bool) -> stdx::Result<()> {
    match view.warnings().first() {
        Some(warning) if !is_partial => Err(stdx::Error::corrupt(format!(
            "a part of the data cannot be read ({warning}); partial=1 gives the rest"
        ))),
        _ => Ok(()),
    }
}

/// A channel as a stream of a body.
pub struct ReceiverStream<T>(pub tokio::sync::mpsc::Receiver<T>);

impl<T> futures_core::Stream for ReceiverStream<T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        self.0.poll_recv(context)
    }
}
