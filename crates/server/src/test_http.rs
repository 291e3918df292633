//! Small HTTP servers for tests, on a port that the system chooses. They answer with raw bytes, so that they can
//! misbehave in every way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A server; it ends with the test.
pub(crate) struct Server {
    pub address: SocketAddr,
    /// The head of every request that came.
    requests: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// `answer` gets the head of the request and the connection, which is closed afterwards.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let stopped = Arc::<AtomicBool>::default();
        let (seen, stop, answer) = (Arc::clone(&requests), Arc::clone(&stopped), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(SeqCst) {
                    return;
                }
                let (Ok(mut stream), seen, answer) = (stream, Arc::clone(&seen), Arc::clone(&answer)) else {
                    return;
                };
                std::thread::spawn(move || {
                    let head = read_head(&mut stream);
                    seen.lock().unwrap().push(head.clone());
                    answer(&head, &mut stream);
                });
            }
        });
        Server { address, requests, stopped }
    }

    /// Answers every request with these bytes.
    pub fn fixed(bytes: impl Into<Vec<u8>>) -> Server {
        let bytes = bytes.into();
        Server::start(move |_, stream| drop(stream.write_all(&bytes)))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A whole answer.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A good answer with metrics in the text format.
pub(crate) fn metrics(body: &str) -> Vec<u8> {
    response("200 OK", "content-type: text/plain; version=0.0.4\r\n", body)
}

/// A store in a folder. It has a runtime of its own, which may be neither made nor dropped on a thread of the test's
/// runtime: it is opened aside, and never closed.
pub(crate) fn open_store(folder: &std::path::Path, registry: &stdx::metrics::Registry) -> Arc<store::Store> {
    let (path, registry) = (folder.join("data"), registry.clone());
    let open = move || store::Store::open(&path, store::Settings::default(), &registry);
    let store = Arc::new(std::thread::spawn(open).join().unwrap().unwrap());
    std::mem::forget(Arc::clone(&store));
    store
}

/// Waits until `check` gives something; fails the test after ten seconds.
pub(crate) async fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
