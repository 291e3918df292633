//! Traces of OTLP: decoded, written, acknowledged when they are durable; then counted by operation and edge.
//! It must never count what was not kept, nor acknowledge what is neither durable nor decided to be dropped.

use super::{LARGE_BYTES, blocking, refused};
use crate::app::App;
use crate::clock::now_ms;
use axum::body::Bytes;
use ingest::body::{Encoding, decompress};
use ingest::otlp::{self, Content, ReceivedSpans};
use std::sync::Arc;
use stdx::Result;

/// The name in the books.
const SOURCE: &str = "otlp_traces";

/// Takes the traces of one request. Returns the message of the answer.
///
/// # Errors
/// As [`super::export`].
pub(super) async fn take(
    app: &Arc<App>,
    body: Bytes,
    encoding: Encoding,
    content: Content,
) -> Result<Vec<u8>> {
    let large = body.len() > LARGE_BYTES || encoding != Encoding::Identity;
    let sink = app.sink.clone();
    let decode = move || -> Result<ReceivedSpans> {
        let message = decompress(&body, encoding, sink.limits())?;
        let message = otlp::traces_message(message, content, sink.limits())?;
        otlp::decode_traces(&message, now_ms().saturating_mul(1_000_000), sink.limits())
    };
    let received = refused(app, SOURCE, if large { blocking(decode).await } else { decode() })?;
    let ReceivedSpans { batch, rejects, spans, cut } = received;
    let kept = batch.spans.len() as u64;
    let answer = otlp::traces_answer(content, &rejects, spans);
    // A task of its own: a sender that leaves takes this future with it, but not what the books have to say.
    let inside = app.clone();
    let settled = tokio::spawn(async move {
        let outcome = inside.spans.keep(&inside.store, &inside.captures.spans, batch, now_ms()).await;
        let kept = if outcome.is_ok() { kept } else { 0 };
        inside.sink.book(SOURCE, kept, &rejects);
        inside.spans.cut(cut);
        outcome
    });
    settled
        .await
        .map_err(|e| stdx::Error::wrap(stdx::ErrorKind::Internal, "the delivery ended early", e))??;
    Ok(answer)
}
