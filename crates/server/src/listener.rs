//! Takes connections: so many at the most, headers within a time limit, and a close that lets the client read
//! the answer to a request that was too large to be read whole. It knows nothing of routes.

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stdx::metrics::Registry;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// Connections at one time; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 1_024;
/// How long a client may take to send the headers of a request.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a request that was refused is still read, so that the refusal arrives.
const LINGER_BYTES: usize = 64 << 20;
/// And for how long.
const LINGER_TIME: Duration = Duration::from_secs(5);
/// How long a client may take nothing of its answer.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Calls that one connection of HTTP/2 may have open.
const STREAMS_MAX: u32 = 32;
/// Bytes of the headers of one call.
const HEADER_LIST_BYTES: u32 = 16 << 10;
/// How often a connection of HTTP/2 is asked whether anybody is there, and how long the answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The versions of HTTP that a port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// What browsers and Prometheus's clients speak without TLS.
    Http1,
    /// HTTP/2 as well, begun without asking, as gRPC does.
    Both,
}

/// Serves until told to stop, then lets open requests end within `grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    versions: Versions,
    registry: &Registry,
    mut stopping: watch::Receiver<bool>,
    grace: Duration,
) {
    let open = registry.gauge("midwatch_http_connections", "Open connections.");
    let failed =
        registry.counter("midwatch_http_accept_errors_total", "Connections that could not be taken.");
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let (Ok(place), Ok((stream, peer))) = (place, stream) else {
            // Out of file descriptors, mostly: give others the time to close theirs.
            failed.inc();
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (router, open, stopping) = (router.clone(), open.clone(), stopping.clone());
        open.add(1.0);
        connections.spawn(async move {
            one(stream, Peer(peer), router, versions, stopping).await;
            open.add(-1.0);
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = tokio::time::timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
}

/// Who is at the other end: on every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub std::net::SocketAddr);

async fn one(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    versions: Versions,
    mut stopping: watch::Receiver<bool>,
) {
    let is_http2 = match versions {
        Versions::Http1 => Ok(false),
        Versions::Both => tokio::time::timeout(HEADERS_TIMEOUT, begins_as_http2(&stream)).await,
    };
    let Ok(is_http2) = is_http2 else { return };
    let io = TokioIo::new(Lingering { stream: Some(stream), stalled: None });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_TIMEOUT);
    let inner = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        hyper::service::Service::call(&inner, request)
    });
    if is_http2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_BYTES)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
        return;
    }
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        // What goes wrong with one connection is that client's matter.
        _ = connection.as_mut() => {}
        () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Whether a connection begins with the preface of HTTP/2, `PRI`, which is no method of HTTP/1. Waits for three bytes.
async fn begins_as_http2(stream: &TcpStream) -> bool {
    const PREFACE: &[u8; 3] = b"PRI";
    let mut start = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut start).await {
            Ok(n) if n > 0 && PREFACE.starts_with(&start[..n]) => {
                if n == PREFACE.len() {
                    return true;
                }
                // A part of it: the rest is on its way.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => return false,
        }
    }
}

/// A connection that, when it is dropped with bytes unread, reads some of them: closing at once would make the kernel
/// send a reset, which can reach the client before the answer does.
struct Lingering {
    stream: Option<TcpStream>,
    /// Runs out when the client takes nothing for too long: an answer holds memory until it is sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let (Some(mut stream), Ok(runtime)) = (self.stream.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        // Nothing unread, the common case: no task for it.
        match stream.try_read(&mut [0; 1]) {
            Ok(1) => {}
            _ => return,
        }
        runtime.spawn(async move {
            let drain = async {
                let _ = stream.shutdown().await;
                let (mut read, mut buffer) = (0, vec![0; 16 << 10]);
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    read += n;
                    if read > LINGER_BYTES {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(LINGER_TIME, drain).await;
        });
    }
}

impl Lingering {
    fn inner(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Bounds how long writing may make no progress.
    fn watched<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_TIME)));
        match stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = self.inner()?.poll_write(cx, buf);
        self.watched(cx, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = self.inner()?.poll_write_vectored(cx, buffers);
        self.watched(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
