//! The client against servers that behave badly.

use super::*;
use crate::settings::{Auth, Secret};
use crate::test_http::{Server, response};
use std::io::Write;
use std::net::TcpStream;

struct Want<'a> {
    client: ClientConfig,
    timeout_ms: u64,
    body_bytes_max: usize,
    cut: bool,
    follow_redirects: bool,
    headers: &'a [(&'static str, String)],
}

impl Default for Want<'_> {
    fn default() -> Self {
        Want {
            client: ClientConfig::default(),
            timeout_ms: 5_000,
            body_bytes_max: 1 << 20,
            cut: false,
            follow_redirects: true,
            headers: &[],
        }
    }
}

async fn get(url: &str, want: Want<'_>) -> Result<Answer> {
    let url = Url::parse(url).unwrap();
    let ask = Ask {
        url: &url,
        client: &want.client,
        headers: want.headers,
        timeout: Duration::from_millis(want.timeout_ms),
        body_bytes_max: want.body_bytes_max,
        cut: want.cut,
        follow_redirects: want.follow_redirects,
    };
    Clients::new(8 << 20).get(ask).await
}

async fn error(url: &str, want: Want<'_>) -> String {
    let error = get(url, want).await.unwrap_err();
    format!("{:?}: {error}", error.kind)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_good_answer() {
    let server = Server::fixed(response("200 OK", "content-type: text/plain\r\n", "up 1\n"));
    let headers = [("x-mine", "yes".to_string())];
    let answer =
        get(&server.url("/metrics?a=b"), Want { headers: &headers, ..Want::default() }).await.unwrap();
    assert_eq!((answer.content_type.as_str(), answer.body.as_slice()), ("text/plain", b"up 1\n".as_slice()));
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /metrics?a=b HTTP/1.1\r\n"), "{request}");
    for header in ["x-mine: yes", "user-agent: midwatch/", "accept-encoding: gzip"] {
        assert!(request.contains(header), "{request}");
    }
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn statuses() {
    for (status, said) in [
        ("500 Internal Server Error", "Unavailable: the answer was 500 Internal Server Error"),
        (
            "401 Unauthorized",
            "Unavailable: the answer was 401 Unauthorized; check the credentials in the configuration",
        ),
        ("404 Not Found", "Unavailable: the answer was 404 Not Found; check the path"),
        ("204 No Content", "Unavailable: the answer was 204 No Content"),
    ] {
        let server = Server::fixed(response(status, "", ""));
        assert_eq!(error(&server.url("/"), Want::default()).await, said);
    }
}

#[tokio::test]
async fn what_is_no_http() {
    for bytes in
        [b"".to_vec(), b"SSH-2.0-OpenSSH\r\n".to_vec(), vec![0xff; 100_000], b"HTTP/1.1 200 OK\r\n".to_vec()]
    {
        let server = Server::fixed(bytes);
        let said = error(&server.url("/"), Want::default()).await;
        assert!(said.starts_with("Unavailable: the request failed: "), "{said}");
    }
    let cut = Server::fixed("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nup");
    let said = error(&cut.url("/"), Want::default()).await;
    assert!(said.starts_with("Unavailable: the answer broke off: "), "{said}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = error(&format!("http://{closed}/"), Want::default()).await;
    assert_eq!(said, "Unavailable: cannot connect: Connection refused (os error 111)");
}

/// Writes for ever, or until the other side closes.
fn endless(stream: &mut TcpStream, head: &str, part: &[u8], pause: Duration) {
    let _ = stream.write_all(head.as_bytes());
    while stream.write_all(part).is_ok() {
        std::thread::sleep(pause);
    }
}

#[tokio::test]
async fn slow_answers_end_at_the_timeout() {
    let want = || Want { timeout_ms: 80, ..Want::default() };
    let drip = Server::start(|_, stream| {
        endless(stream, "HTTP/1.1 200 OK\r\n\r\n", b"x", Duration::from_millis(10));
    });
    let said = error(&drip.url("/"), want()).await;
    assert!(said.starts_with("Cancelled: no whole answer ("), "{said}");
    assert!(said.ends_with(" bytes came) within 0.08 s"), "{said}");
    let silent = Server::start(|_, stream| endless(stream, "", b"", Duration::from_millis(500)));
    assert_eq!(error(&silent.url("/"), want()).await, "Cancelled: no answer within 0.08 s");
}

#[tokio::test]
async fn large_answers_end_at_the_limit() {
    let want = || Want { body_bytes_max: 100_000, ..Want::default() };
    let stream = || {
        Server::start(|_, stream| {
            endless(stream, "HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 65_536], Duration::ZERO);
        })
    };
    let too_long = "TooLarge: the answer is longer, more than the limit of 100000 bytes (body_size_limit)";
    assert_eq!(error(&stream().url("/"), want()).await, too_long);
    let cut = get(&stream().url("/"), Want { cut: true, ..want() }).await.unwrap();
    assert_eq!(cut.body.len(), 100_000);

    let declared = Server::fixed("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\nx");
    let said = error(&declared.url("/"), want()).await;
    assert!(said.starts_with("TooLarge: the answer is 1073741824 bytes"), "{said}");

    let bomb = response("200 OK", "content-encoding: gzip\r\n", gzip(&vec![0; 50_000_000]));
    // How well it is compressed depends on the library; what arrives must lie below the limit.
    assert!(bomb.len() < 1_000_000);
    let bomb = Server::fixed(bomb);
    let want = || Want { body_bytes_max: 1_000_000, ..Want::default() };
    assert!(error(&bomb.url("/"), want()).await.starts_with("TooLarge: the answer is longer"));
    assert_eq!(get(&bomb.url("/"), Want { cut: true, ..want() }).await.unwrap().body.len(), 1_000_000);
}

#[tokio::test]
async fn all_bodies_together_have_a_limit() {
    let server = Server::fixed(response("200 OK", "", vec![b'x'; 3 << 20]));
    let url = Url::parse(&server.url("/")).unwrap();
    let client = ClientConfig::default();
    let ask = || Ask {
        url: &url,
        client: &client,
        headers: &[],
        timeout: Duration::from_secs(5),
        body_bytes_max: 16 << 20,
        cut: false,
        follow_redirects: false,
    };
    assert_eq!(Clients::new(8 << 20).get(ask()).await.unwrap().body.len(), 3 << 20);
    assert_eq!(Clients::new(2 << 20).get(ask()).await.unwrap_err().kind, ErrorKind::Busy);
}

#[tokio::test]
async fn compression() {
    let good = Server::fixed(response("200 OK", "content-encoding: gzip\r\n", gzip(b"up 1\n")));
    assert_eq!(get(&good.url("/"), Want::default()).await.unwrap().body, b"up 1\n");
    let whole =
        gzip(&(0..60_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes()).collect::<Vec<_>>());
    for bytes in [b"not gzip".as_slice(), &whole[..whole.len() - 4], &whole[..5]] {
        let broken = Server::fixed(response("200 OK", "content-encoding: gzip\r\n", bytes));
        let said = error(&broken.url("/"), Want::default()).await;
        assert!(said.starts_with("Unavailable: the gzip of the answer is broken"), "{said}");
    }
    let other = Server::fixed(response("200 OK", "content-encoding: br\r\n", "x"));
    let said = error(&other.url("/"), Want::default()).await;
    assert_eq!(said, "Unavailable: the answer is encoded as \"br\"; only gzip was offered");
}

#[tokio::test]
async fn redirects() {
    let server = Server::start(|head, stream| {
        let location = match head.split(' ').nth(1) {
            Some("/once") => "/end",
            Some("/loop") => "/loop",
            _ => "",
        };
        let headers = format!("location: {location}\r\n");
        let answer = match location {
            "" => response("200 OK", "", "here"),
            _ => response("302 Found", &headers, ""),
        };
        let _ = stream.write_all(&answer);
    });
    assert_eq!(get(&server.url("/once"), Want::default()).await.unwrap().body, b"here");
    let said = error(&server.url("/once"), Want { follow_redirects: false, ..Want::default() }).await;
    assert_eq!(said, "Unavailable: the answer was 302 Found; redirects are not followed here");
    let said = error(&server.url("/loop"), Want::default()).await;
    assert!(said.contains("more than 5 redirects"), "{said}");
    assert_eq!(server.requests().iter().filter(|r| r.starts_with("GET /loop")).count(), REDIRECTS_MAX + 1);
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let server = Server::fixed(response("500 Oh No", "", ""));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from-file\n").unwrap();
    let with =
        |auth: Auth| Want { client: ClientConfig { auth, tls: TlsConfig::default() }, ..Want::default() };
    let basic = Auth::Basic("amy".into(), Secret::Text("s3cret".into()));
    let bearer = || Auth::Header("Bearer".into(), Secret::File(file.clone()));
    let url = server.url("/?token=s3cret");
    for auth in [basic, bearer()] {
        let said = error(&url, with(auth)).await;
        assert!(!said.contains("s3cret") && !said.contains("from-file"), "{said}");
    }
    std::fs::write(&file, "rotated").unwrap();
    error(&url, with(bearer())).await;
    let sent: Vec<_> = server.requests().iter().filter_map(|r| header(r, "authorization")).collect();
    assert_eq!(sent, ["Basic YW15OnMzY3JldA==", "Bearer from-file", "Bearer rotated"]);

    std::fs::write(&file, "two\nlines").unwrap();
    let said = error(&url, with(bearer())).await;
    assert_eq!(said, "Invalid: the credentials hold characters that no header may hold");
    std::fs::remove_file(&file).unwrap();
    let said = error(&url, with(bearer())).await;
    assert!(said.starts_with("Unavailable: cannot read the secret in /"), "{said}");
    assert_eq!(server.requests().len(), 3, "nothing is sent without the credentials");
}

fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|l| Some(l.strip_prefix(name)?.strip_prefix(": ")?.to_string()))
}

#[test]
fn tls_that_cannot_work_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (tls, said) in [
        (
            TlsConfig { server_name: Some("10.0.0.1".into()), ..TlsConfig::default() },
            "server_name must be a name",
        ),
        (TlsConfig { cert_file: path("a"), ..TlsConfig::default() }, "need each other"),
        (TlsConfig { ca_file: path("none.pem"), ..TlsConfig::default() }, "cannot read"),
        (TlsConfig { ca_file: path("empty.pem"), ..TlsConfig::default() }, "holds no certificate"),
    ] {
        let error = check_client(&ClientConfig { auth: Auth::None, tls }).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(check_client(&ClientConfig::default()).is_ok());
}

mod tls;
