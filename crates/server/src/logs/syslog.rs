//! Syslog listeners: UDP, a message in each datagram, and TCP, counted or line by line. Off unless asked for. Messages are gathered
//! for a moment and written together; what UDP brings while the disk does not keep up is counted as lost, TCP waits.

use crate::app::App;
use ingest::logs::syslog::{Framed, frame, is_http, push};
use ingest::logs::{Builder, Decoded, Record};
use model::{Reject, RejectReason};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 256;
/// Messages that are written together.
const GATHER_MAX: usize = 5_000;
/// Bytes that are written together.
const GATHER_BYTES: usize = 4 << 20;
/// How long messages are gathered.
const GATHER_TIME: Duration = Duration::from_millis(100);
/// Bytes of a datagram: the most that UDP carries.
const DATAGRAM_BYTES: usize = 65_536;
/// How often a write is tried while the store is busy.
const AGAIN: Duration = Duration::from_millis(200);

/// Opened sockets.
#[derive(Default)]
pub struct Sockets {
    udp: Option<UdpSocket>,
    tcp: Option<TcpListener>,
}

impl Sockets {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// `Conflict` with what to do when an address cannot be had: they were asked for.
    pub async fn open(udp: Option<SocketAddr>, tcp: Option<SocketAddr>) -> Result<Sockets> {
        let fail = |how: &str, at: SocketAddr, e: std::io::Error| {
            let text = format!(
                "syslog over {how} cannot listen at {at}: {e}. Choose another address with syslog.{}; ports below 1024 need \
                 permission",
                how.to_ascii_lowercase()
            );
            Error::new(ErrorKind::Conflict, text)
        };
        let mut sockets = Sockets::default();
        if let Some(at) = udp {
            sockets.udp = Some(UdpSocket::bind(at).await.map_err(|e| fail("UDP", at, e))?);
        }
        if let Some(at) = tcp {
            sockets.tcp = Some(TcpListener::bind(at).await.map_err(|e| fail("TCP", at, e))?);
        }
        Ok(sockets)
    }

    /// What listens where.
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let udp = self.udp.as_ref().and_then(|s| s.local_addr().ok()).map(|a| ("syslog UDP", a));
        let tcp = self.tcp.as_ref().and_then(|s| s.local_addr().ok()).map(|a| ("syslog TCP", a));
        udp.into_iter().chain(tcp).collect()
    }

    /// Listens until told to stop.
    pub fn serve(self, app: &Arc<App>, stopping: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        if let Some(socket) = self.udp {
            tasks.push(tokio::spawn(udp(socket, app.clone(), stopping.clone())));
        }
        if let Some(listener) = self.tcp {
            tasks.push(tokio::spawn(tcp(listener, app.clone(), stopping.clone())));
        }
        tasks
    }
}

/// Messages, each behind its length.
fn decode(app: &App, messages: &[Vec<u8>]) -> Decoded {
    let mut builder = Builder::new(app.logs.context());
    // A sender that does not say its host is not this one.
    let origin = model::Origin::default();
    let mut record = Record::default();
    messages.iter().for_each(|message| push(message, &origin, &mut record, &mut builder));
    builder.finish()
}

async fn udp(socket: UdpSocket, app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let mut messages = Vec::new();
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        // An error of one datagram (a port that is closed behind it) is none of the socket.
        let Ok((length, _)) = received else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        messages.push(buffer[..length].to_vec());
        let (until, mut bytes) = (Instant::now() + GATHER_TIME, length);
        while messages.len() < GATHER_MAX && bytes < GATHER_BYTES {
            let Ok(Ok((length, _))) = timeout_at(until, socket.recv_from(&mut buffer)).await else { break };
            messages.push(buffer[..length].to_vec());
            bytes += length;
        }
        let count = messages.len() as u64;
        if let Err(e) = app.logs.deliver("syslog_udp", decode(&app, &messages)).await {
            let reject = Reject { reason: RejectReason::NotWritten, samples: count, message: e.to_string() };
            app.sink.book("syslog_udp", 0, &[reject]);
        }
    }
}

async fn tcp(listener: TcpListener, app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, stopping) = (app.clone(), stopping.clone());
                tokio::spawn(async move {
                    let _place = place;
                    connection(stream, app, stopping).await;
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Reads messages, writes them, and only then reads on: a disk that is slow holds up its sender.
async fn connection(mut stream: TcpStream, app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let line_max = app.sink.limits().log_body_bytes_max;
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    let mut is_first = true;
    loop {
        let read = tokio::select! {
            read = stream.read(&mut chunk) => read,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let length = read.unwrap_or(0);
        buffer.extend(&chunk[..length]);
        // What is there already belongs to the same delivery.
        while buffer.len() < GATHER_BYTES {
            match stream.try_read(&mut chunk) {
                Ok(more) if more > 0 => buffer.extend(&chunk[..more]),
                _ => break,
            }
        }
        let (mut at, mut messages) = (0, Vec::new());
        while let Framed::Message(message, used) = frame(&buffer[at..], line_max) {
            messages.push(message.to_vec());
            at += used;
        }
        buffer.drain(..at);
        let is_end = length == 0;
        if is_end && !buffer.is_empty() {
            messages.push(std::mem::take(&mut buffer));
        }
        let begins = is_first && !messages.is_empty();
        is_first &= !begins;
        if begins && is_http(&messages[0]) {
            let message = "a request of HTTP came to the port for syslog; it was closed".to_string();
            let reject = Reject { reason: RejectReason::Unsupported, samples: 1, message };
            return app.sink.book("syslog_tcp", 0, &[reject]);
        }
        if !messages.is_empty() {
            write(&app, &messages, &mut stopping).await;
        }
        if is_end {
            return;
        }
    }
}

async fn write(app: &Arc<App>, messages: &[Vec<u8>], stopping: &mut watch::Receiver<bool>) {
    loop {
        match app.logs.deliver("syslog_tcp", decode(app, messages)).await {
            Ok(_) => return,
            Err(e) if *stopping.borrow() => {
                let samples = messages.len() as u64;
                let reject = Reject { reason: RejectReason::NotWritten, samples, message: e.to_string() };
                return app.sink.book("syslog_tcp", 0, &[reject]);
            }
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}
