//! One request with any body, and its answer with headers: what notifications and the agent send. It follows no redirect,
//! reads a bounded part of the answer, and must never show a secret.

use super::post::Method;
use super::{Clients, Use, auth, explain};
use crate::settings::{Auth, ClientConfig, TlsConfig};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

/// What is sent.
pub(super) struct Message<'a> {
    pub method: Method,
    pub url: Url,
    pub usage: Use,
    pub tls: &'a TlsConfig,
    pub auth: &'a Auth,
    pub headers: Vec<(&'static str, String)>,
    pub content_type: &'static str,
    pub body: Bytes,
    /// From the first byte sent to the end of the answer.
    pub timeout: Duration,
    /// A longer answer is cut there.
    pub answer_bytes_max: usize,
}

/// What came back.
#[derive(Debug)]
pub struct Sent {
    /// Whatever it is.
    pub status: StatusCode,
    /// Of the answer.
    pub headers: HeaderMap,
    /// Its beginning.
    pub body: Vec<u8>,
}

impl Clients {
    /// Sends bytes to a server that its operator named; it may be anywhere, also where clouds have their metadata.
    ///
    /// # Errors
    /// `Cancelled` past the timeout, `Invalid` for a configuration that cannot work, `Unavailable` for everything that
    /// the other side or the network does wrong.
    pub async fn send_bytes(
        &self,
        url: Url,
        client: &ClientConfig,
        (content_type, headers, body): (&'static str, Vec<(&'static str, String)>, Bytes),
        timeout: Duration,
        answer_bytes_max: usize,
    ) -> Result<Sent> {
        let tls = url.scheme() == "https";
        let message = Message {
            method: Method::Post,
            url,
            usage: Use { connect_to: None, follow_redirects: false, tls, guarded: false },
            tls: &client.tls,
            auth: &client.auth,
            headers,
            content_type,
            body,
            timeout,
            answer_bytes_max,
        };
        self.send(message).await
    }

    pub(super) async fn send(&self, message: Message<'_>) -> Result<Sent> {
        let client = self.pool.get(message.tls, message.usage).await?;
        let deadline = Instant::now() + message.timeout;
        let send = async {
            let mut request = match message.method {
                Method::Get => client.get(message.url),
                Method::Post => {
                    client.post(message.url).header(CONTENT_TYPE, message.content_type).body(message.body)
                }
            };
            for (name, value) in message.headers {
                let mut value = HeaderValue::from_str(&value).map_err(|_| {
                    Error::invalid(format!("the header {name} holds what no header may hold"))
                })?;
                value.set_sensitive(name == "Authorization");
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|e| Error::wrap(ErrorKind::Internal, "a header's name", e))?;
                request = request.header(name, value);
            }
            let mut response = auth::apply(request, message.auth).await?.send().await.map_err(explain)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut body = Vec::new();
            while body.len() < message.answer_bytes_max {
                match response.chunk().await {
                    Ok(Some(chunk)) => {
                        body.extend_from_slice(
                            &chunk[..chunk.len().min(message.answer_bytes_max - body.len())],
                        );
                    }
                    _ => break,
                }
            }
            Ok(Sent { status, headers, body })
        };
        let late = |_| {
            Error::new(ErrorKind::Cancelled, format!("no answer within {} s", message.timeout.as_secs_f64()))
        };
        timeout_at(deadline, send).await.map_err(late)?
    }
}
