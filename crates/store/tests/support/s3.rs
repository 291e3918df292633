//! A server that speaks as much of S3 as Midwatch uses, in memory, with the faults that a test asks for. It is strict where
//! a mistake would lose data: conditional creates, names of parts, signatures that are not there. It uses the standard
//! library alone, so that it runs wherever the tests do.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// The only credentials that it takes.
pub const ACCESS_KEY: &str = "test-key";
/// Nobody may ever print this.
pub const SECRET_KEY: &str = "test-secret-hunter2";
/// Keys in one page of a list: few, so that tests see more than one page.
const PAGE: usize = 3;
/// Bytes that a part has to have, the last one excepted.
const PART_MIN: usize = 5 << 20;

/// What happens to a request instead of, or after, its being done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// An answer with this status; nothing is done.
    Status(u16),
    /// The connection is closed; nothing is done.
    Drop,
    /// It is done, but the answer is lost.
    LoseAnswer,
    /// The answer ends in the middle of its body.
    Truncate,
}

/// A request, as far as faults are decided by it.
pub struct Asked<'a> {
    /// `GET`, `PUT`...
    pub method: &'a str,
    /// Bucket and key.
    pub path: &'a str,
    /// How many requests came before.
    pub number: usize,
}

type Decide = Box<dyn FnMut(&Asked<'_>) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    /// `bucket/key`.
    objects: BTreeMap<String, Vec<u8>>,
    buckets: Vec<String>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
    next_upload: u64,
    fault: Option<Decide>,
    /// Overwrites although it is asked not to.
    is_careless: bool,
    log: Vec<String>,
    open: Vec<TcpStream>,
}

/// A running server; it ends with this value.
pub struct S3 {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopping: Arc<AtomicBool>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl S3 {
    /// Starts one with these buckets.
    pub fn start(buckets: &[&str]) -> S3 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { buckets: buckets.iter().map(|b| b.to_string()).collect(), ..State::default() };
        let s3 = S3 {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            stopping: Arc::default(),
            acceptor: Mutex::default(),
        };
        s3.accept(listener);
        s3
    }

    fn accept(&self, listener: TcpListener) {
        self.stopping.store(false, SeqCst);
        let (state, stopping) = (self.state.clone(), self.stopping.clone());
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                lock(&state).open.extend(stream.try_clone());
                let state = state.clone();
                std::thread::spawn(move || {
                    serve(&stream, &state);
                    // Whatever the reason: nobody is to wait for more.
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        *self.acceptor.lock().unwrap() = Some(acceptor);
    }

    /// From now on connections are refused, and those that are open are gone.
    pub fn disappear(&self) {
        self.stopping.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.lock().unwrap().take() {
            acceptor.join().unwrap();
        }
        for stream in lock(&self.state).open.drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// It is there again, with everything that it had.
    pub fn come_back(&self) {
        self.accept(TcpListener::bind(self.address).unwrap());
    }

    /// Variables of the environment by which a program finds it.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".into()),
        ]
    }

    /// Asks `decide` about every request from now on.
    pub fn faults(&self, decide: impl FnMut(&Asked<'_>) -> Option<Fault> + Send + 'static) {
        lock(&self.state).fault = Some(Box::new(decide));
    }

    /// No faults any more.
    pub fn no_faults(&self) {
        lock(&self.state).fault = None;
    }

    /// It overwrites objects although it is asked not to, as some old providers do.
    pub fn be_careless(&self) {
        lock(&self.state).is_careless = true;
    }

    /// `bucket/key` of all objects.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.state).objects.keys().cloned().collect()
    }

    /// The bytes of an object, to look at or to damage.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(lock(&self.state).objects.get_mut(key).unwrap_or_else(|| panic!("{key} is not there")));
    }

    /// Makes or replaces an object.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        lock(&self.state).objects.insert(key.into(), bytes.into());
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) {
        lock(&self.state).objects.remove(key);
    }

    /// `METHOD bucket/key` of all requests so far.
    pub fn log(&self) -> Vec<String> {
        lock(&self.state).log.clone()
    }

    /// Uploads in parts that were begun and neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        lock(&self.state).uploads.len()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.disappear();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|e| e.into_inner())
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        let (answer, fault) = {
            let mut state = lock(state);
            let asked = Asked { method: &request.method, path: &request.path, number: state.log.len() };
            let mut decide = state.fault.take();
            let fault = decide.as_mut().and_then(|decide| decide(&asked));
            state.fault = state.fault.take().or(decide);
            state.log.push(format!("{} {}", request.method, request.path));
            match fault {
                Some(Fault::Drop) => return,
                Some(Fault::Status(status)) => (error(status, "Injected"), None),
                _ => (state.answer(&request), fault),
            }
        };
        if fault == Some(Fault::LoseAnswer) {
            return;
        }
        let mut text = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
        answer.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        text += "Last-Modified: Sat, 21 Nov 2026 10:00:00 GMT\r\n\r\n";
        let mut bytes = text.into_bytes();
        if request.method != "HEAD" {
            let length = match fault {
                Some(Fault::Truncate) => answer.body.len() / 2,
                _ => answer.body.len(),
            };
            bytes.extend_from_slice(&answer.body[..length]);
        }
        if writer.write_all(&bytes).is_err() || fault == Some(Fault::Truncate) {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
    assert!(!headers.contains_key("transfer-encoding"), "{method} {target} came without its length");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    Some(Request {
        method,
        path: decode(path.trim_start_matches('/')),
        query: query.collect(),
        headers,
        body,
    })
}

fn decode(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        let mut digit = || (bytes.next().unwrap() as char).to_digit(16).unwrap() as u8;
        out.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    String::from_utf8(out).unwrap()
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>");
    Answer { status, headers: Vec::new(), body: body.into_bytes() }
}

fn done(status: u16, headers: Vec<(&'static str, String)>, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, headers, body: body.into() }
}

fn etag(bytes: &[u8]) -> (&'static str, String) {
    // Only a name: nobody compares contents by it.
    ("ETag", format!("\"{:x}\"", bytes.len()))
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        let expected = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/");
        if !request
            .headers
            .get("authorization")
            .is_some_and(|a| a.starts_with(&expected) && a.contains("Signature="))
        {
            return error(403, "InvalidAccessKeyId");
        }
        let (bucket, key) = request.path.split_once('/').unwrap_or((&request.path, ""));
        if !self.buckets.iter().any(|b| b == bucket) {
            return error(404, "NoSuchBucket");
        }
        let upload = request.query.get("uploadId");
        match (request.method.as_str(), upload) {
            ("GET", _) if key.is_empty() => self.list(bucket, &request.query),
            ("GET" | "HEAD", None) => self.get(request),
            ("PUT", None) => self.put_object(request),
            ("DELETE", None) => {
                self.objects.remove(&request.path);
                done(204, vec![], "")
            }
            ("POST", None) if request.query.contains_key("uploads") => {
                self.next_upload += 1;
                let id = format!("upload-{}", self.next_upload);
                self.uploads.insert(id.clone(), BTreeMap::new());
                done(
                    200,
                    vec![],
                    format!(
                        "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            ("PUT", Some(id)) => {
                let number = request.query["partNumber"].parse().unwrap();
                let Some(parts) = self.uploads.get_mut(id) else { return error(404, "NoSuchUpload") };
                parts.insert(number, request.body.clone());
                done(200, vec![etag(&request.body)], "")
            }
            ("DELETE", Some(id)) => {
                self.uploads.remove(id);
                done(204, vec![], "")
            }
            ("POST", Some(id)) => {
                let Some(parts) = self.uploads.remove(id) else { return error(404, "NoSuchUpload") };
                let last = parts.len();
                if parts.values().take(last - 1).any(|p| p.len() < PART_MIN) {
                    return error(400, "EntityTooSmall");
                }
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                let (_, tag) = etag(&whole);
                self.objects.insert(request.path.clone(), whole);
                done(
                    200,
                    vec![],
                    format!(
                        "<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{}</ETag></CompleteMultipartUploadResult>",
                        tag.replace('"', "&quot;")
                    ),
                )
            }
            _ => error(501, "NotImplemented"),
        }
    }

    fn put_object(&mut self, request: &Request) -> Answer {
        if let Some(from) = request.headers.get("x-amz-copy-source") {
            let Some(bytes) = self.objects.get(&decode(from.trim_start_matches('/'))).cloned() else {
                return error(404, "NoSuchKey");
            };
            self.objects.insert(request.path.clone(), bytes);
            return done(200, vec![], "<CopyObjectResult><ETag>\"x\"</ETag></CopyObjectResult>");
        }
        let only_new = request.headers.get("if-none-match").is_some_and(|v| v == "*");
        if only_new && !self.is_careless && self.objects.contains_key(&request.path) {
            return error(412, "PreconditionFailed");
        }
        self.objects.insert(request.path.clone(), request.body.clone());
        done(200, vec![etag(&request.body)], "")
    }

    fn get(&self, request: &Request) -> Answer {
        let Some(bytes) = self.objects.get(&request.path) else { return error(404, "NoSuchKey") };
        let Some(range) = request.headers.get("range") else {
            return done(200, vec![etag(bytes)], bytes.clone());
        };
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let start: usize = start.parse().unwrap();
        let end = end.parse().unwrap_or(usize::MAX).saturating_add(1).min(bytes.len());
        if start >= bytes.len() {
            return error(416, "InvalidRange");
        }
        let content = ("Content-Range", format!("bytes {start}-{}/{}", end - 1, bytes.len()));
        done(206, vec![etag(bytes), content], &bytes[start..end])
    }

    fn list(&self, bucket: &str, query: &BTreeMap<String, String>) -> Answer {
        let text = |name: &str| query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (text("prefix"), text("delimiter"));
        let after = [text("continuation-token"), text("start-after")].into_iter().max().unwrap();
        let mut rows: Vec<(String, Option<usize>)> = Vec::new();
        for (path, bytes) in &self.objects {
            let Some(key) = path.strip_prefix(bucket).and_then(|k| k.strip_prefix('/')) else { continue };
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let row = match rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                Some((folder, _)) => (format!("{prefix}{folder}{delimiter}"), None),
                None => (key.to_string(), Some(bytes.len())),
            };
            if row.0.as_str() > after && rows.last() != Some(&row) {
                rows.push(row);
            }
        }
        let is_truncated = rows.len() > PAGE;
        rows.truncate(PAGE);
        let mut xml =
            format!("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>");
        for (name, size) in &rows {
            xml += &match size {
                Some(size) => format!(
                    "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>\"x\"</ETag>\
                     <LastModified>2026-11-21T10:00:00.000Z</LastModified></Contents>"
                ),
                None => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            };
        }
        if let Some((last, _)) = rows.last().filter(|_| is_truncated) {
            xml += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
        }
        done(200, vec![], xml + "</ListBucketResult>")
    }
}
