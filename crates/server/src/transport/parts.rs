//! Long answers in parts: written while they are sent, as fast as the client reads, so that the text of an answer is
//! never in memory as a whole. So many at a time, because each holds the values that it is written from.

use crate::app::App;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use stdx::{Error, ErrorKind, Result};
use tokio::sync::OwnedSemaphorePermit;

/// A part has about as many bytes; an answer of one part is sent with its length.
pub const PART_BYTES: usize = 128 << 10;
/// Long answers on their way at one time.
pub const LARGE_ANSWERS_MAX: usize = 64;
/// Its name in the list of limits.
pub const LARGE_ANSWERS_BOUND: &str = "long answers at a time";

/// An answer of JSON (or another text) from its parts, none of which is empty.
///
/// # Errors
/// `Busy` if the answer has more than one part and too many of that kind are on their way.
pub fn answer_in_parts(
    app: &Arc<App>,
    content_type: &'static str,
    mut parts: impl Iterator<Item = Bytes> + Send + Unpin + 'static,
) -> Result<Response> {
    let first = parts.next().unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, content_type)];
    let Some(second) = parts.next() else {
        return Ok((StatusCode::OK, headers, first).into_response());
    };
    let permit = app.large_answers.clone().try_acquire_owned().map_err(|_| {
        let text =
            format!("{LARGE_ANSWERS_MAX} long answers are on their way already; try again in a moment");
        Error::new(ErrorKind::Busy, text).bound(LARGE_ANSWERS_BOUND)
    })?;
    let parts = [first, second].into_iter().chain(parts);
    let body = Body::from_stream(Parts { parts, _permit: permit });
    Ok((StatusCode::OK, headers, body).into_response())
}

struct Parts<I> {
    parts: I,
    _permit: OwnedSemaphorePermit,
}

impl<I: Iterator<Item = Bytes> + Unpin> futures_core::Stream for Parts<I> {
    type Item = std::result::Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.parts.next().map(Ok))
    }
}
