//! Takes connections: so many at the most, headers within a time limit, and a close that lets the client read
//! the answer to a request that was too large to be read whole. It knows nothing of routes.

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
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

/// Serves until told to stop, then lets open requests end within `grace`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
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
            one(stream, Peer(peer), router, stopping).await;
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

async fn one(stream: TcpStream, peer: Peer, router: Router, mut stopping: watch::Receiver<bool>) {
    let io = TokioIo::new(Lingering { stream: Some(stream), stalled: None });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_TIMEOUT);
    let inner = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        hyper::service::Service::call(&inner, request)
    });
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
