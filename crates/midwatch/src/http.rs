//! A small HTTP/1.1 client for `query` and `top`: one request per connection, with limits on time and size. It must
//! never speak TLS (the server does not), follow a redirect, or trust a length that it was told.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The longest status line and headers, in bytes.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// The longest answer, in bytes.
pub const BODY_BYTES_MAX: u64 = 256 << 20;

/// What a form is.
const FORM: &str = "application/x-www-form-urlencoded";

/// Why there is no answer.
#[derive(Debug, PartialEq)]
pub enum HttpError {
    /// Nobody listens there.
    NoServer(String),
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::NoServer(url) => write!(
                f,
                "no Midwatch answers at {url}; start one with `midwatch serve`, or name another with --url"
            ),
            HttpError::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for HttpError {}

/// What came back.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// 200, 404 ...
    pub status: u16,
    /// After the headers, chunks put together.
    pub body: Vec<u8>,
}

/// A server that can be asked.
#[derive(Clone, Debug)]
pub struct Client {
    /// As it was named, without a slash at the end.
    pub url: String,
    address: String,
    prefix: String,
    timeout: Duration,
}

impl Client {
    /// A client of the server at `url` (`http://host:port`, perhaps with a path before the API's own).
    ///
    /// # Errors
    /// A sentence, if that is no such URL.
    pub fn new(url: &str, timeout: Duration) -> Result<Client, HttpError> {
        let other = |what: String| Err(HttpError::Other(what));
        if url.starts_with("https://") {
            return other(format!(
                "{url}: this command speaks http:// only; reach the server through a tunnel (ssh -L)"
            ));
        }
        let rest = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let printable = url.bytes().all(|b| b.is_ascii_graphic());
        if authority.is_empty() || !printable || authority.contains('@') || url.contains(['?', '#']) {
            return other(format!("{url:?} is not a URL such as http://127.0.0.1:4004"));
        }
        let has_port = authority
            .rsplit(':')
            .next()
            .is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        let has_port = has_port && authority.contains(':') && !authority.ends_with(']');
        let address = if has_port { authority.to_string() } else { format!("{authority}:80") };
        Ok(Client { url: format!("http://{rest}"), address, prefix: path.into(), timeout })
    }

    /// GET of a path with parameters.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn get(&self, path: &str) -> Result<Answer, HttpError> {
        self.ask("GET", path, FORM, "")
    }

    /// POST of a form, for queries of any length.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, HttpError> {
        let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
        self.ask("POST", path, FORM, &fields.iter().map(pair).collect::<Vec<_>>().join("&"))
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn post_json(&self, path: &str, body: &str) -> Result<Answer, HttpError> {
        self.ask("POST", path, "application/json", body)
    }

    /// POST of JSON to something that answers in lines while it works. Each line is handed over as it comes; the answer's body is
    /// the last one, or whatever came where there were no lines.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn post_lines(
        &self,
        path: &str,
        body: &str,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<Answer, HttpError> {
        let mut last = Vec::new();
        let mut take = |body: &mut Vec<u8>| {
            while let Some(end) = body.iter().position(|b| *b == b'\n') {
                last = body.drain(..=end).collect();
                each(&last);
            }
        };
        let mut answer = self.ask_each("POST", path, "application/json", body, &mut take)?;
        take(&mut answer.body);
        if answer.body.is_empty() {
            answer.body = last;
        }
        Ok(answer)
    }

    fn ask(&self, method: &str, path: &str, content_type: &str, body: &str) -> Result<Answer, HttpError> {
        self.ask_each(method, path, content_type, body, &mut |_| {})
    }

    fn ask_each(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &str,
        each: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Answer, HttpError> {
        let deadline = Instant::now() + self.timeout;
        let fail = |e: std::io::Error| match e.kind() {
            ErrorKind::ConnectionRefused => HttpError::NoServer(self.url.clone()),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                HttpError::Other(format!("{} gave no answer within {} s", self.url, self.timeout.as_secs()))
            }
            _ => HttpError::Other(format!("{}: {e}", self.url)),
        };
        let mut stream = self.connect().map_err(fail)?;
        let head = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: midwatch/{}\r\nAccept: application/json\r\n\
             Connection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            self.prefix,
            self.address,
            env!("CARGO_PKG_VERSION"),
            body.len()
        );
        stream.set_write_timeout(Some(self.timeout)).map_err(fail)?;
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(fail)?;
        read_answer(BufReader::new(Until { stream, deadline }), each).map_err(fail)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => return Ok(stream),
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}

/// A stream that is read until a deadline, however slowly bytes drip in.
struct Until {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Until {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(to)
    }
}

fn broken(what: &str) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidData, format!("the answer is not HTTP: {what}"))
}

/// Reads status, headers and body, whichever way the body's length is told. Of a body in chunks `each` may take a part after each
/// chunk.
fn read_answer(mut from: impl BufRead, each: &mut dyn FnMut(&mut Vec<u8>)) -> std::io::Result<Answer> {
    let mut head = from.by_ref().take(HEAD_BYTES_MAX);
    let mut line = || -> std::io::Result<String> {
        let mut line = String::new();
        head.read_line(&mut line)?;
        if line.ends_with('\n') {
            Ok(line.trim_end().to_string())
        } else {
            Err(broken("it breaks off early"))
        }
    };
    let first = line()?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| broken("no status"))?;
    let (mut length, mut chunked) = (None, false);
    loop {
        let header = line()?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| broken("a header without a colon"))?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length = Some(value.trim().parse::<u64>().map_err(|_| broken("Content-Length"))?)
            }
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        read_chunks(from, &mut body, each)?;
    } else {
        read_part(&mut from, length.unwrap_or(BODY_BYTES_MAX + 1), &mut body)?;
        if length.is_some_and(|length| (body.len() as u64) < length) {
            return Err(broken("it breaks off early"));
        }
    }
    Ok(Answer { status, body })
}

/// Up to `length` bytes; memory grows with what comes, not with what was announced.
fn read_part(from: &mut impl Read, length: u64, body: &mut Vec<u8>) -> std::io::Result<()> {
    let room = BODY_BYTES_MAX.saturating_sub(body.len() as u64);
    from.take(length.min(room + 1)).read_to_end(body)?;
    if body.len() as u64 > BODY_BYTES_MAX {
        let text = format!("the answer is longer than {} MiB; ask for less", BODY_BYTES_MAX >> 20);
        return Err(std::io::Error::new(ErrorKind::InvalidData, text));
    }
    Ok(())
}

fn read_chunks(
    mut from: impl BufRead,
    body: &mut Vec<u8>,
    each: &mut dyn FnMut(&mut Vec<u8>),
) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        from.by_ref().take(1 << 10).read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| broken("a chunk without a size"))?;
        if size == 0 {
            return Ok(());
        }
        let before = body.len() as u64;
        read_part(&mut from, size, body)?;
        let mut end = [0; 2];
        from.read_exact(&mut end)?;
        if body.len() as u64 - before != size || &end != b"\r\n" {
            return Err(broken("a chunk that is not as long as it says"));
        }
        each(body);
    }
}

/// Percent-encoding of everything that is not a letter, digit or one of `-_.~`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers() {
        let check = |bytes: &str, want: (u16, &str)| {
            let answer = read_answer(bytes.as_bytes(), &mut |_| {}).unwrap();
            assert_eq!((answer.status, String::from_utf8(answer.body).unwrap().as_str()), want, "{bytes}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", (200, "abc"));
        check("HTTP/1.1 404 No\r\n\r\nuntil the end", (404, "until the end"));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
            (200, "abc0123456789"),
        );
        check("HTTP/1.0 204 \r\ncontent-length: 0\r\n\r\n", (204, ""));
        for bad in [
            "",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        ] {
            assert!(read_answer(bad.as_bytes(), &mut |_| {}).is_err(), "{bad:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(1 << 20));
        assert!(read_answer(long.as_bytes(), &mut |_| {}).is_err());
    }

    #[test]
    fn lines_as_they_come() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client =
            Client::new(&listener.local_addr().unwrap().to_string(), Duration::from_secs(10)).unwrap();
        std::thread::spawn(move || {
            for whole in
                [&b"4\r\none\n\r\n6\r\ntwo\nth\r\n3\r\nree\r\n0\r\n\r\n"[..], b"4\r\none\n\r\n0\r\n\r\n"]
            {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
                stream.write_all(whole).unwrap();
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        for (lines, last) in [(&["one\n", "two\n"][..], "three"), (&["one\n"], "one\n")] {
            let mut seen = Vec::new();
            let mut each = |line: &[u8]| seen.push(String::from_utf8_lossy(line).into_owned());
            let answer = client.post_lines("/", "{}", &mut each).unwrap();
            assert_eq!(seen, lines);
            assert_eq!(answer.body, last.as_bytes());
        }
    }

    #[test]
    fn urls() {
        let second = Duration::from_secs(1);
        for (url, address, prefix) in [
            ("http://127.0.0.1:4004", "127.0.0.1:4004", ""),
            ("http://127.0.0.1:4004/", "127.0.0.1:4004", ""),
            ("localhost:1/mw", "localhost:1", "/mw"),
            ("http://[::1]:4004", "[::1]:4004", ""),
            ("http://[::1]", "[::1]:80", ""),
            ("http://db-7", "db-7:80", ""),
        ] {
            let client = Client::new(url, second).unwrap();
            assert_eq!((client.address.as_str(), client.prefix.as_str()), (address, prefix), "{url}");
        }
        for bad in ["", "http://", "http://a b", "http://u:p@h:1", "http://h/?x", "http://h\r\nX: y"] {
            assert!(Client::new(bad, second).is_err(), "{bad}");
        }
        assert!(Client::new("https://h", second).unwrap_err().to_string().contains("http:// only"));
    }

    #[test]
    fn over_a_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                lines.read_line(&mut head).unwrap();
            }
            let mut body = vec![0; "query=a%3D%22%C3%A9%22".len()];
            lines.read_exact(&mut body).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            head + &String::from_utf8(body).unwrap()
        });
        let client = Client::new(&url, Duration::from_secs(10)).unwrap();
        assert_eq!(client.post_form("/api", &[("query", "a=\"é\"")]).unwrap().body, b"ok");
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /api HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("query=a%3D%22%C3%A9%22"), "{request}");
        // Nobody listens there any more.
        let error = client.get("/").unwrap_err();
        assert!(error.to_string().contains("midwatch serve"), "{error}");
    }
}
