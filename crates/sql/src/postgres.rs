//! PostgreSQL's protocol on a connection: psql, drivers and tools that speak it ask the same questions, within the same limits.
//! No passwords and no TLS: whoever serves this has to see to it that only this machine reaches it. It must never hold more of
//! a client's message than the longest query takes, never hand on one whose parts do not fit it, and never let a connection
//! stay for nothing.

mod catalog;
mod commands;
mod frames;
mod session;

use crate::{Engine, Limits, Sources, answer};
use frames::Frames;
use pgwire::api::{ClientInfo, DefaultClient, NoopHandler, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error, process_message};
use session::Session;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

pub(crate) use catalog::Catalog;
use futures::StreamExt;

/// Asked often; true when a query should end.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;
/// A query, to be run on a thread that may block.
pub type Work = Box<dyn FnOnce(Stop) + Send>;
/// What is under way.
pub type Admitted = Pin<Box<dyn Future<Output = stdx::Result<()>> + Send>>;

/// What a connection needs of the program around it.
pub trait Host: Send + Sync + 'static {
    /// What queries read, as it is now.
    fn sources(&self, stop: &Stop) -> Sources;
    /// What one query may take.
    fn limits(&self) -> Limits;
    /// Bounds of an answer.
    fn bounds(&self) -> answer::Bounds;
    /// Runs a query when its turn comes, on a thread that may block; ends when it has ended.
    fn admit(&self, work: Work) -> Admitted;
    /// Counts a bound that was hit.
    fn hit(&self, bound: &'static str, message: &str);
}

/// How connections are kept.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A connection that asks nothing for so long is closed.
    pub idle_timeout_ms: u64,
}

/// How long a client may take to introduce itself.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes that are read of a client at a time.
const READ_BYTES: usize = 8 << 10;
/// How long a client may take nothing of its answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// By what a client names its connection when it cancels a query: a number and a secret.
type Key = (i32, Vec<u8>);

/// What all connections share: the engine, and how a query of another connection is cancelled.
pub struct Postgres {
    engine: Arc<Engine>,
    host: Arc<dyn Host>,
    settings: Settings,
    running: Mutex<HashMap<Key, Arc<AtomicBool>>>,
    catalog: tokio::sync::OnceCell<Arc<Catalog>>,
}

impl Postgres {
    /// For connections to come.
    pub fn new(engine: Arc<Engine>, host: Arc<dyn Host>, settings: Settings) -> Postgres {
        Postgres { engine, host, settings, running: Mutex::default(), catalog: Default::default() }
    }

    /// Serves one connection until it ends. What goes wrong with it is that client's matter.
    pub async fn serve(self: &Arc<Self>, mut stream: TcpStream) {
        let Ok(peer) = stream.peer_addr() else { return };
        match tokio::time::timeout(STARTUP_TIMEOUT, refuse_encryption(&mut stream)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
        let stream = Bounded { stream, frames: Frames::default(), stalled: None };
        let mut socket = Framed::new(stream, PgWireMessageServerCodec::new(DefaultClient::new(peer, false)));
        socket.set_state(PgWireConnectionState::AwaitingStartup);
        let session = Arc::new(Session::new(self.clone()));
        loop {
            let is_starting = matches!(
                socket.state(),
                PgWireConnectionState::AwaitingStartup | PgWireConnectionState::AuthenticationInProgress
            );
            let patience = match is_starting {
                true => STARTUP_TIMEOUT,
                false => Duration::from_millis(self.settings.idle_timeout_ms),
            };
            let message = match tokio::time::timeout(patience, socket.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(PgWireError::IoError(e)))) if e.kind() == io::ErrorKind::InvalidData => {
                    // Where the next message begins is not known any more.
                    let info = ErrorInfo::new("FATAL".into(), "08P01".into(), e.to_string());
                    let error = PgWireError::UserError(Box::new(info));
                    let _ = process_error(&mut socket, error, false).await;
                    break;
                }
                _ => break,
            };
            if matches!(message, PgWireFrontendMessage::Terminate(_)) {
                break;
            }
            let is_extended = message.is_extended_query();
            let done = process_message(
                message,
                &mut socket,
                session.clone(),
                session.clone(),
                session.clone(),
                Arc::new(NoopHandler),
                session.clone(),
            );
            if let Err(e) = done.await
                && process_error(&mut socket, e, is_extended).await.is_err()
            {
                break;
            }
        }
        session.end();
    }
}

/// Answers "no" to clients that ask for TLS or GSS first, as PostgreSQL without them does.
async fn refuse_encryption(stream: &mut TcpStream) -> io::Result<()> {
    const TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
    for _ in 0..2 {
        let mut start = [0; 8];
        loop {
            match stream.peek(&mut start).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                8 => break,
                n if !TLS.starts_with(&start[..n]) && !GSS.starts_with(&start[..n]) => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        if start != TLS && start != GSS {
            return Ok(());
        }
        stream.read_exact(&mut start).await?;
        stream.write_all(b"N").await?;
    }
    Ok(())
}

/// A connection that gives whole messages only, and ends when one is wrong or too long, or when nothing of an answer is taken.
struct Bounded {
    stream: TcpStream,
    frames: Frames,
    stalled: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.frames.ready() {
                Err(wrong) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, wrong))),
                Ok(0) => {}
                Ok(_) => {
                    let ready = self.frames.take(buf.remaining());
                    buf.put_slice(&ready);
                    return Poll::Ready(Ok(()));
                }
            }
            let mut bytes = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.frames.push(read.filled());
        }
    }
}

impl Bounded {
    fn watched<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL_TIMEOUT)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watched(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
