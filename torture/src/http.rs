//! The little HTTP/1.1 that is needed of a program that was started here on loopback: one request for each connection,
//! whole answers. It is no client for anything else.

use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer.
const TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Asks; the status and the body of the answer.
///
/// # Errors
/// If there is no whole answer.
pub fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| Error::other("the answer is not whole"))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut rest = &answer[end + 4..];
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    if header("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        let mut body = Vec::new();
        loop {
            let line = rest.windows(2).position(|w| w == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
            rest = &rest[line + 2..];
            body.extend_from_slice(rest.get(..size)?);
            rest = rest.get(size + 2..)?;
            if size == 0 {
                return Some((status, body));
            }
        }
    }
    let length = header("content-length").map_or(Some(rest.len()), |v| v.trim().parse().ok())?;
    Some((status, rest.get(..length)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let whole = |text: &str| parse(text.as_bytes()).map(|(s, b)| (s, String::from_utf8(b).unwrap()));
        let want = |status: u16, body: &str| Some((status, body.to_string()));
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n"), want(204, ""));
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"), want(200, "ab"));
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"), None);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(whole(chunked), want(200, "abc"));
        assert_eq!(whole(&chunked[..chunked.len() - 8]), None);
    }
}
