//! The little HTTP/1.1 that the bench needs of servers that it started itself on loopback: one connection that is
//! kept, whole answers. It is no client for anything else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};

/// No answer takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);
const BODY_MAX: u64 = 256 << 20;

/// A connection.
pub struct Http {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Http {
    /// Connects.
    ///
    /// # Errors
    /// If nothing listens there.
    pub fn connect(address: SocketAddr) -> Result<Http> {
        let connect = || -> std::io::Result<TcpStream> {
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok(stream)
        };
        let stream = connect().map_err(|e| failed(address, e))?;
        Ok(Http { address, stream: BufReader::with_capacity(256 << 10, stream) })
    }

    /// GET; the body of a good answer.
    ///
    /// # Errors
    /// If there is no answer, or its status is not 2xx.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n\r\n", self.address);
        self.ask(head.as_bytes(), &[])
    }

    /// POST; the body of a good answer.
    ///
    /// # Errors
    /// If there is no answer, or its status is not 2xx.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        self.post_with(path, "", body)
    }

    /// POST with more headers, each with its line break; the body of a good answer.
    ///
    /// # Errors
    /// If there is no answer, or its status is not 2xx.
    pub fn post_with(&mut self, path: &str, headers: &str, body: &[u8]) -> Result<Vec<u8>> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{headers}\r\n",
            self.address
        );
        self.ask(head.as_bytes(), body)
    }

    fn ask(&mut self, head: &[u8], body: &[u8]) -> Result<Vec<u8>> {
        let (status, answer) = self.exchange(head, body).map_err(|e| failed(self.address, e))?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer);
        let text: String = text.chars().take(300).collect();
        Err(Error::new(ErrorKind::Unavailable, format!("{} answered {status}: {text}", self.address)))
    }

    fn exchange(&mut self, head: &[u8], body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let stream = self.stream.get_mut();
        stream.write_all(head)?;
        stream.write_all(body)?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => length = value.parse::<u64>().ok(),
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                _ => {}
            }
        }
        let mut answer = Vec::new();
        match (chunked, length) {
            (true, _) => loop {
                let size = self.line()?;
                let size = size.split(';').next().and_then(|s| u64::from_str_radix(s.trim(), 16).ok());
                let size = size.ok_or_else(|| std::io::Error::other("a chunk without a size"))?;
                self.take(size, &mut answer)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            },
            (false, Some(length)) => self.take(length, &mut answer)?,
            (false, None) if status == 204 => {}
            (false, None) => drop(self.stream.read_to_end(&mut answer)?),
        }
        Ok((status, answer))
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.by_ref().take(64 << 10).read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn take(&mut self, length: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
        if out.len() as u64 + length > BODY_MAX {
            return Err(std::io::Error::other("the answer is too long"));
        }
        let read = self.stream.by_ref().take(length).read_to_end(out)?;
        if (read as u64) < length { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn failed(address: SocketAddr, e: std::io::Error) -> Error {
    Error::wrap(ErrorKind::Unavailable, format!("no answer from {address}"), e)
}

/// A port of loopback that is free now.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let port = listener.and_then(|l| l.local_addr()).map(|a| a.port());
    port.map_err(|e| Error::wrap(ErrorKind::Unavailable, "no free port on loopback", e))
}

/// Text as a parameter of a URL.
pub fn encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The path of a query: over a range that ends at `now_ms`, as seconds before it and a step in seconds, or at that instant.
pub fn path_of(promql: &str, range: Option<(i64, i64)>, now_ms: i64) -> String {
    let (text, seconds) = (encode(promql), now_ms / 1_000);
    match range {
        None => format!("/api/v1/query?query={text}&time={seconds}"),
        Some((before, step)) => {
            format!("/api/v1/query_range?query={text}&start={}&end={seconds}&step={step}", seconds - before)
        }
    }
}
