//! Logs of OTLP: decoded, written, acknowledged when they are durable.

use super::{LARGE_BYTES, blocking, refused};
use crate::app::App;
use axum::body::Bytes;
use ingest::body::{Encoding, decompress};
use ingest::logs::Decoded;
use ingest::otlp::{self, Content};
use std::sync::Arc;
use stdx::Result;

/// The name in the books.
const SOURCE: &str = "otlp_logs";

/// Takes the logs of one request. Returns the message of the answer.
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
    let inside = app.clone();
    let decode = move || -> Result<Decoded> {
        let message = decompress(&body, encoding, inside.sink.limits())?;
        let message = otlp::logs_message(message, content, inside.sink.limits())?;
        otlp::decode_logs(&message, inside.logs.context())
    };
    let decoded = refused(app, SOURCE, if large { blocking(decode).await } else { decode() })?;
    let taken = app.logs.deliver(SOURCE, decoded).await?;
    Ok(otlp::logs_answer(content, &taken.rejects, taken.records))
}
