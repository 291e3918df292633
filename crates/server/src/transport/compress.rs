//! Answers compressed with zstd or gzip where the client takes it: piece by piece while they are sent, so that neither
//! the whole answer nor its compressed form has to be in memory.

use super::quality;
use crate::http::header_text;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::write::GzEncoder;
use hyper::body::Frame;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Shorter answers are sent as they are.
const BYTES_MIN: u64 = 1_024;
/// Bytes that are compressed before others get their turn.
const PIECE_BYTES: usize = 64 << 10;
/// Levels at which compressing costs less than sending over a slow line saves.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 2;

/// Content types that compress well.
const TYPES: [&str; 9] = [
    "application/json",
    "application/stream+json",
    "application/openmetrics-text",
    "application/vnd.google.protobuf",
    "text/plain",
    "text/html",
    "text/css",
    "text/javascript",
    "image/svg+xml",
];

/// Compresses the answer if the client takes it and it is worth it.
pub async fn compressed(request: Request, next: Next) -> Response {
    let encoding = Encoding::choose(&header_text(request.headers(), header::ACCEPT_ENCODING));
    let is_head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    if !is_worth_it(&response) || is_head {
        return response;
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(encoding) = encoding else { return response };
    let Ok(encoder) = Encoder::new(encoding) else { return response };
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    headers.remove(header::CONTENT_LENGTH);
    response.map(|body| {
        Body::new(Compressed { body, encoder: Some(encoder), piece: Bytes::new(), is_dirty: false })
    })
}

fn is_worth_it(response: &Response) -> bool {
    let content_type = header_text(response.headers(), header::CONTENT_TYPE);
    let plain = content_type.split(';').next().unwrap_or("").trim();
    !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        && !response.headers().contains_key(header::CONTENT_ENCODING)
        && TYPES.contains(&plain)
        && response.body().size_hint().exact().is_none_or(|n| n >= BYTES_MIN)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoding {
    Zstd,
    Gzip,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Encoding::Zstd => "zstd",
            Encoding::Gzip => "gzip",
        }
    }

    /// The best that an `Accept-Encoding` header takes.
    fn choose(header: &str) -> Option<Encoding> {
        let q = |e: Encoding| {
            let named = quality(header, |n| n == e.name() || (e == Encoding::Gzip && n == "x-gzip"));
            named.or_else(|| quality(header, |n| n == "*")).unwrap_or(0)
        };
        let best = if q(Encoding::Zstd) >= q(Encoding::Gzip) { Encoding::Zstd } else { Encoding::Gzip };
        let plain = quality(header, |n| n == "identity").unwrap_or(1);
        (q(best) > 0 && q(best) >= plain).then_some(best)
    }
}

enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> io::Result<Encoder> {
        Ok(match encoding {
            Encoding::Zstd => Encoder::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
            Encoding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Zstd(e) => e.write_all(bytes),
            Encoder::Gzip(e) => e.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::Zstd(e) => e.flush(),
            Encoder::Gzip(e) => e.flush(),
        }
    }

    /// What is compressed so far.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Encoder::Zstd(e) => e.get_mut(),
            Encoder::Gzip(e) => e.get_mut(),
        })
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Zstd(e) => e.finish(),
            Encoder::Gzip(e) => e.finish(),
        }
    }
}

/// A body that compresses another one.
struct Compressed {
    body: Body,
    /// Gone once the end is written.
    encoder: Option<Encoder>,
    /// Read, and not compressed yet.
    piece: Bytes,
    /// Something went in that may not have come out yet.
    is_dirty: bool,
}

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else { return Poll::Ready(None) };
            if this.piece.is_empty() {
                match Pin::new(&mut this.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers: none of ours has any.
                        this.piece = frame.into_data().unwrap_or_default();
                    }
                    Poll::Ready(Some(Err(e))) => {
                        this.encoder = None;
                        return Poll::Ready(Some(Err(e)));
                    }
                    Poll::Ready(None) => {
                        let last = this.encoder.take().map(Encoder::finish).transpose();
                        let frame = |bytes: Vec<u8>| Frame::data(Bytes::from(bytes));
                        return Poll::Ready(last.map(|l| l.map(frame)).map_err(axum::Error::new).transpose());
                    }
                    Poll::Pending if this.is_dirty => {
                        // The rest takes its time: what is there goes out.
                        encoder.flush().map_err(axum::Error::new)?;
                        this.is_dirty = false;
                        let out = encoder.take();
                        if !out.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                        }
                        return Poll::Pending;
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            let now = this.piece.split_to(this.piece.len().min(PIECE_BYTES));
            encoder.write(&now).map_err(axum::Error::new)?;
            this.is_dirty = true;
            let out = encoder.take();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_asks_for() {
        use Encoding::*;
        for (header, want) in [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip;q=1, zstd;q=0.2", Some(Gzip)),
            ("*", Some(Zstd)),
            ("*;q=0.5, zstd;q=0", Some(Gzip)),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=0", None),
            ("br", None),
            ("", None),
        ] {
            assert_eq!(Encoding::choose(header), want, "{header:?}");
        }
    }

    /// Everything that a body gives, in pieces.
    fn read(body: Body) -> Vec<Bytes> {
        let mut body = Compressed {
            body,
            encoder: Some(Encoder::new(Encoding::Zstd).unwrap()),
            piece: Bytes::new(),
            is_dirty: false,
        };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
            all.push(frame.unwrap().into_data().unwrap());
        }
        all
    }

    #[test]
    fn it_comes_back_and_goes_out_in_pieces() {
        let text: Vec<u8> =
            (0..1_000_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
        let pieces = read(Body::from(text.clone()));
        assert!(pieces.len() > 10, "{} pieces", pieces.len());
        assert!(pieces.iter().all(|p| p.len() < 4 * PIECE_BYTES));
        assert_eq!(zstd::stream::decode_all(&pieces.concat()[..]).unwrap(), text);
        assert_eq!(zstd::stream::decode_all(&read(Body::empty()).concat()[..]).unwrap(), b"");
    }
}
