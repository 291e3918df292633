//! The HTTP client of scrapes, service discovery and notifications: every answer is bounded in time and size, however the
//! other side behaves. It must never show a secret, use a proxy from the environment, or take more memory
//! than its budget; it does not know what the bodies mean.

mod auth;
mod body;
mod guard;
mod pool;
pub mod post;
pub mod send;
pub mod smtp;

use crate::settings::{ClientConfig, TlsConfig};
use body::{Body, Budget};
use pool::{Pool, Use};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

/// Redirects that are followed at the most.
const REDIRECTS_MAX: usize = 5;

/// Clients with their connections, one pool per distinct TLS configuration. Cheap to share by reference.
pub struct Clients {
    pool: Pool,
    budget: Budget,
}

/// One request, always a GET.
pub struct Ask<'a> {
    /// Where to; its query may hold secrets, so it is never shown in errors.
    pub url: &'a Url,
    /// Credentials and TLS.
    pub client: &'a ClientConfig,
    /// Headers besides those of the client.
    pub headers: &'a [(&'static str, String)],
    /// From the first byte sent to the last byte read.
    pub timeout: Duration,
    /// A larger body fails, or is cut; after decompression, in bytes.
    pub body_bytes_max: usize,
    /// A body that is too large is cut there, instead of failing.
    pub cut: bool,
    /// Follow redirects.
    pub follow_redirects: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status; the body is only read where it is 200.
    pub status: StatusCode,
    /// The header `Content-Type`, or "".
    pub content_type: String,
    /// Decompressed.
    pub body: Vec<u8>,
}

impl Clients {
    /// No connections yet. `body_bytes_total_max` bounds the memory of all bodies that are being read at one
    /// time.
    pub fn new(body_bytes_total_max: usize) -> Clients {
        // Someone else may have chosen a provider for this process already: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Clients { pool: Pool::default(), budget: Budget::new(body_bytes_total_max) }
    }

    /// As [`Clients::ask`], and any status but 200 is an error.
    ///
    /// # Errors
    /// As [`Clients::ask`] and [`Answer::expect_ok`].
    pub async fn get(&self, ask: Ask<'_>) -> Result<Answer> {
        self.ask(ask).await?.expect_ok()
    }

    /// Asks once.
    ///
    /// # Errors
    /// `Cancelled` past the timeout, `TooLarge` past the size limit, `Busy` when all bodies together would
    /// take too much memory, `Invalid` for a configuration that cannot work, `Unavailable` for everything
    /// that the other side or the network does wrong.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let (url, usage) = route(&ask)?;
        // Making a client is our own doing, and not on the other side's time.
        let client = self.pool.get(&ask.client.tls, usage).await?;
        let deadline = Instant::now() + ask.timeout;
        let late = |what: String| {
            let message = format!("{what} within {} s", ask.timeout.as_secs_f64());
            Error::new(ErrorKind::Cancelled, message)
        };
        let send = async {
            let renamed = url.host_str() != ask.url.host_str();
            let mut request = client.get(url).header(ACCEPT_ENCODING, "gzip");
            if renamed {
                request = request.header(HOST, authority(ask.url));
            }
            for (name, value) in ask.headers {
                request = request.header(*name, value);
            }
            auth::apply(request, &ask.client.auth).await?.send().await.map_err(explain)
        };
        let response = timeout_at(deadline, send).await.map_err(|_| late("no answer".into()))??;
        let status = response.status();
        let content_type = text(response.headers().get(CONTENT_TYPE));
        if status != StatusCode::OK {
            return Ok(Answer { status, content_type, body: Vec::new() });
        }
        let mut body = Body::new(&response, &ask, &self.budget)?;
        let read = read(response, &mut body);
        match timeout_at(deadline, read).await {
            Ok(read) => read?,
            Err(_) => return Err(late(format!("no whole answer ({} bytes came)", body.bytes_read()))),
        }
        Ok(Answer { status, content_type, body: body.finish()? })
    }
}

impl Answer {
    /// Itself, if the status is 200.
    ///
    /// # Errors
    /// `Unavailable`, with the status.
    pub fn expect_ok(self) -> Result<Answer> {
        let hint = match self.status.as_u16() {
            200 => return Ok(self),
            300..=399 => "; redirects are not followed here",
            401 | 403 => "; check the credentials in the configuration",
            404 => "; check the path",
            _ => "",
        };
        Err(Error::new(ErrorKind::Unavailable, format!("the answer was {}{hint}", self.status)))
    }
}

/// The URL to ask for, and the client for it. Where the certificate has another name than the target, the URL gets that
/// name, and the client connects to the target.
fn route(ask: &Ask<'_>) -> Result<(Url, Use)> {
    let https = ask.url.scheme() == "https";
    let mut url = ask.url.clone();
    let mut connect_to = None;
    if let Some(name) = ask.client.tls.server_name.as_deref().filter(|_| https) {
        check_server_name(name)?;
        url.set_host(Some(name)).map_err(|e| Error::wrap(ErrorKind::Invalid, "tls_config.server_name", e))?;
        connect_to = ask.url.host_str().map(|h| h.trim_matches(['[', ']']).to_string());
    }
    let usage = Use {
        connect_to,
        follow_redirects: ask.follow_redirects,
        tls: ask.follow_redirects || https,
        guarded: false,
    };
    Ok((url, usage))
}

fn check_server_name(name: &str) -> Result<()> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let address = name.parse::<std::net::IpAddr>().is_ok();
    if name.is_empty() || address || !name.chars().all(letter) {
        let message = "tls_config.server_name must be a name, such as db.example.org, not an address";
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or(host.to_string(), |port| format!("{host}:{port}"))
}

async fn read(mut response: Response, body: &mut Body<'_>) -> Result<()> {
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        if !body.push(&chunk)? {
            break;
        }
    }
    Ok(())
}

/// Whether a client can be made of this; for checks of a configuration before it is used.
///
/// # Errors
/// `Invalid` with what is wrong.
pub fn check_client(config: &ClientConfig) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    config.tls.server_name.as_deref().map_or(Ok(()), check_server_name)?;
    pool::build(&config.tls, Use { connect_to: None, follow_redirects: true, tls: true, guarded: false })
        .map(|_| ())
}

/// The error and its causes in one line, without the URL.
fn explain(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let what = if error.is_redirect() {
        format!("more than {REDIRECTS_MAX} redirects, or a redirect that cannot be followed")
    } else if error.is_dns() {
        "the name is not known".into()
    } else if error.is_connect() {
        "cannot connect".into()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".into()
    } else {
        "the request failed".into()
    };
    let mut root: &dyn std::error::Error = &error;
    while let Some(source) = root.source() {
        root = source;
    }
    let cause: String = root.to_string().chars().take(300).collect();
    Error::new(ErrorKind::Unavailable, format!("{what}: {cause}"))
}

fn text(value: Option<&HeaderValue>) -> String {
    value.and_then(|v| v.to_str().ok()).unwrap_or_default().chars().take(200).collect()
}

fn is_gzip(response: &Response) -> Result<bool> {
    let encoding = text(response.headers().get(CONTENT_ENCODING)).trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => {
            let message = format!("the answer is encoded as {other:?}; only gzip was offered");
            Err(Error::new(ErrorKind::Unavailable, message))
        }
    }
}

#[cfg(test)]
mod tests;
