//! Sends one message to a mail server (RFC 5321): TLS from the start or by STARTTLS, AUTH PLAIN or LOGIN. It must never
//! send a password over a line that is not encrypted, connect to an address of cloud metadata, or show a secret.

use super::guard::is_metadata;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// The longest line of an answer, in bytes.
const LINE_BYTES_MAX: u64 = 4_096;
/// The most lines of an answer.
const LINES_MAX: usize = 100;
/// The port at which TLS begins with the first byte.
const PORT_TLS: u16 = 465;

/// A mail server, and how to identify there.
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// How we name ourselves.
    pub hello: String,
    /// Nothing is sent before the line is encrypted.
    pub require_tls: bool,
    /// Name and password.
    pub login: Option<(String, String)>,
}

/// What is sent to whom.
pub struct Letter<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipients' addresses.
    pub to: &'a [String],
    /// Headers and text, lines ended by CR LF, none of them a single dot.
    pub message: &'a str,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Line {
    stream: BufReader<Box<dyn Stream>>,
    is_encrypted: bool,
}

/// An answer: its code and its lines.
struct Said {
    code: u16,
    lines: Vec<String>,
}

/// Sends a message; when this returns, the server has taken it for every recipient.
///
/// # Errors
/// `Invalid` where the server says that the message itself or an address is wrong (5xx); `Unavailable` for all that may be
/// otherwise later; `Cancelled` past the timeout.
pub async fn deliver(server: &Server, letter: &Letter<'_>, within: Duration) -> Result<()> {
    let late = |_| {
        Error::new(ErrorKind::Cancelled, format!("the mail server took more than {} s", within.as_secs()))
    };
    timeout(within, send(server, letter)).await.map_err(late)?
}

async fn send(server: &Server, letter: &Letter<'_>) -> Result<()> {
    let (host, port) = parts(&server.address)?;
    let stream = connect(&host, port).await?;
    let mut line = Line { stream: BufReader::new(Box::new(stream)), is_encrypted: false };
    if port == PORT_TLS {
        line = line.encrypt(&host).await?;
    }
    line.expect("", 220).await?;
    let mut can = line.hello(&server.hello).await?;
    if !line.is_encrypted && can.iter().any(|c| c == "STARTTLS") {
        line.expect("STARTTLS", 220).await?;
        line = line.encrypt(&host).await?;
        can = line.hello(&server.hello).await?;
    }
    if server.require_tls && !line.is_encrypted {
        let text = "the mail server does not offer TLS; set require_tls: false if it may go unencrypted";
        return Err(unavailable(text));
    }
    if let Some(login) = &server.login {
        line.log_in(&can, login).await?;
    }
    line.expect(&format!("MAIL FROM:<{}>", letter.from), 250).await?;
    for to in letter.to {
        line.expect(&format!("RCPT TO:<{to}>"), 250).await?;
    }
    line.expect("DATA", 354).await?;
    line.write(letter.message).await?;
    let end = if letter.message.ends_with("\r\n") { "." } else { "\r\n." };
    line.expect(end, 250).await?;
    // It is taken: what becomes of the goodbye does not matter.
    let _ = line.write("QUIT\r\n").await;
    Ok(())
}

fn unavailable(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, text.into())
}

fn parts(address: &str) -> Result<(String, u16)> {
    let bad = || Error::invalid("smarthost is HOST:PORT, such as mail.example.org:587");
    let (host, port) = address.trim().rsplit_once(':').ok_or_else(bad)?;
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(bad());
    }
    Ok((host.to_string(), port.parse().map_err(|_| bad())?))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> =
        found.map_err(|_| unavailable("the name of the mail server is not known"))?.collect();
    let allowed: Vec<SocketAddr> = found.iter().copied().filter(|a| !is_metadata(a.ip())).collect();
    if allowed.is_empty() && !found.is_empty() {
        return Err(Error::invalid(
            "the mail server's address is one of cloud metadata: nothing is sent there",
        ));
    }
    TcpStream::connect(allowed.as_slice())
        .await
        .map_err(|e| unavailable(format!("cannot connect to the mail server: {e}")))
}

impl Line {
    /// Goes on encrypted. What came before is thrown away: somebody in between may have written it.
    async fn encrypt(self, host: &str) -> Result<Line> {
        let config = tokio::task::spawn_blocking(tls).await;
        let config = config.map_err(|e| Error::wrap(ErrorKind::Internal, "reading certificates", e))??;
        let name = ServerName::try_from(host.to_string())
            .map_err(|_| Error::invalid("the mail server's name is none that a certificate can have"))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner()).await;
        let stream = stream.map_err(|e| unavailable(format!("TLS with the mail server: {e}")))?;
        Ok(Line { stream: BufReader::new(Box::new(stream)), is_encrypted: true })
    }

    async fn write(&mut self, text: &str) -> Result<()> {
        let sent = async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|e: std::io::Error| unavailable(format!("the mail server went away: {e}")))
    }

    async fn read(&mut self) -> Result<Said> {
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).await;
            let count = read.map_err(|e| unavailable(format!("the mail server went away: {e}")))?;
            let text = String::from_utf8_lossy(&bytes).trim_end().to_string();
            let code = text.get(..3).and_then(|c| c.parse::<u16>().ok());
            let Some(code) = code.filter(|_| count > 0 && bytes.ends_with(b"\n") && lines.len() < LINES_MAX)
            else {
                return Err(unavailable("the mail server says something that is not SMTP, or nothing"));
            };
            let is_last = text.as_bytes().get(3) != Some(&b'-');
            lines.push(text.get(4..).unwrap_or("").to_string());
            if is_last {
                return Ok(Said { code, lines });
            }
        }
    }

    /// Sends a command, if there is one, and wants an answer of a kind: 250 is any 25x.
    async fn expect(&mut self, command: &str, want: u16) -> Result<Said> {
        if !command.is_empty() {
            self.write(&format!("{command}\r\n")).await?;
        }
        let said = self.read().await?;
        if said.code / 10 == want / 10 {
            return Ok(said);
        }
        let words: String = said.lines.join(" ").chars().take(200).collect();
        let text = format!("the mail server answers {}: {words}", said.code);
        // 53x is about who we are, 421 and the like about now: both may be mended.
        let is_final = (500..600).contains(&said.code) && !(530..540).contains(&said.code);
        Err(if is_final { Error::invalid(text) } else { unavailable(text) })
    }

    /// Says hello; returns what the server can, in capitals.
    async fn hello(&mut self, name: &str) -> Result<Vec<String>> {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-[]:".contains(&b));
        let name = if is_name { name } else { "localhost" };
        let said = self.expect(&format!("EHLO {name}"), 250).await?;
        Ok(said.lines.into_iter().skip(1).map(|l| l.to_ascii_uppercase()).collect())
    }

    async fn log_in(&mut self, can: &[String], (name, password): &(String, String)) -> Result<()> {
        if !self.is_encrypted {
            return Err(unavailable(
                "the password is not sent: the line to the mail server is not encrypted",
            ));
        }
        let methods = can.iter().find_map(|c| c.strip_prefix("AUTH ")).unwrap_or("");
        let has = |method: &str| methods.split_whitespace().any(|m| m == method);
        if has("PLAIN") {
            let both = base64(format!("\0{name}\0{password}").as_bytes());
            self.expect(&format!("AUTH PLAIN {both}"), 230).await?;
        } else if has("LOGIN") {
            self.expect("AUTH LOGIN", 334).await?;
            self.expect(&base64(name.as_bytes()), 334).await?;
            self.expect(&base64(password.as_bytes()), 230).await?;
        } else {
            return Err(unavailable("the mail server takes neither AUTH PLAIN nor AUTH LOGIN"));
        }
        Ok(())
    }
}

/// TLS that trusts what the system trusts.
fn tls() -> Result<ClientConfig> {
    use rustls_platform_verifier::ConfigVerifierExt;
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientConfig::with_platform_verifier().map_err(|e| unavailable(format!("the system's certificates: {e}")))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let number = part.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for i in 0..4 {
            let sign = SIGNS[(number >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= part.len() { char::from(sign) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        for (text, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), want);
        }
    }

    #[test]
    fn addresses_of_servers() {
        assert_eq!(parts("mail.example.org:587").unwrap(), ("mail.example.org".into(), 587));
        assert_eq!(parts("[::1]:25").unwrap(), ("::1".into(), 25));
        for bad in ["", "mail", ":25", "mail:x", "mail:99999"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn nothing_goes_to_cloud_metadata() {
        let server = Server {
            address: "169.254.169.254:25".into(),
            hello: String::new(),
            require_tls: false,
            login: None,
        };
        let letter = Letter { from: "a@b.ch", to: &["c@d.ch".to_string()], message: "x" };
        let e = deliver(&server, &letter, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(e.kind, ErrorKind::Invalid);
    }
}
