//! Small services of the tests' own, on loopback: each connection is handed to a function that may answer as it likes, or
//! misbehave. They end when they are dropped.

use super::http::header;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Text exposition format.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// OpenMetrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Protobuf, one message after the other.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Ports of services that are known not to speak HTTP, and so are never asked, among those that a system gives out.
const NEVER_ASKED: [u16; 2] = [33060, 50000];

/// One request, and the way back.
pub struct Request {
    /// Request line and headers.
    pub head: String,
    /// What came after them, as long as `Content-Length` says.
    pub body: Vec<u8>,
    pub stream: TcpStream,
    stop: Arc<AtomicBool>,
}

impl Request {
    /// A header, or "".
    pub fn header(&self, name: &str) -> &str {
        header(&self.head, name)
    }

    pub fn reply(&mut self, status: &str, content_type: &str, body: &[u8]) -> io::Result<()> {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body)
    }

    /// Writes `part` again and again, with a pause after each, until nobody reads any more.
    pub fn drip(&mut self, part: &[u8], pause: Duration) -> io::Result<()> {
        while !self.stop.load(SeqCst) {
            self.stream.write_all(part)?;
            std::thread::sleep(pause);
        }
        Ok(())
    }
}

/// A running service.
pub struct Service {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Service {
    /// Starts on a free port.
    pub fn start(answer: impl Fn(&mut Request) -> io::Result<()> + Send + Sync + 'static) -> Service {
        let listener = free_listener();
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped, answer) = (requests.clone(), stop.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                counted.fetch_add(1, SeqCst);
                let (answer, stop) = (answer.clone(), stopped.clone());
                std::thread::spawn(move || {
                    // That a client goes away is its own matter.
                    let _ = head_of(&stream).and_then(|(head, body)| {
                        answer(&mut Request { head, body, stream: stream.try_clone()?, stop })
                    });
                });
            }
        });
        Service { address, requests, stop }
    }

    /// One that always answers the same.
    pub fn fixed(status: &'static str, content_type: &'static str, body: impl Into<Vec<u8>>) -> Service {
        let body = body.into();
        Service::start(move |request| request.reply(status, content_type, &body))
    }

    /// Connections so far.
    pub fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        // Wakes the thread that waits for the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn free_listener() -> TcpListener {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if !NEVER_ASKED.contains(&listener.local_addr().unwrap().port()) {
            return listener;
        }
    }
}

/// A port that nobody has now.
pub fn free_port() -> u16 {
    free_listener().local_addr().unwrap().port()
}

fn head_of(stream: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let (mut lines, mut head) = (BufReader::new(stream.try_clone()?), String::new());
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = vec![0; header(&head, "content-length").parse().unwrap_or(0)];
    lines.read_exact(&mut body)?;
    Ok((head, body))
}
