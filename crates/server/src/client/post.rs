//! Requests with a body: notifications. They follow no redirect, go to no address of cloud metadata, and read little of
//! the answer. They must never show a secret.

use super::guard::allowed_url;
use super::{Clients, Use, auth, explain};
use crate::settings::{Auth, ClientConfig, Secret};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use std::time::Duration;
use stdx::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout_at};

/// How much of an answer that is no success is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 400;

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    Get,
    /// With one.
    Post,
}

/// One request.
pub struct Post {
    /// Where to; may hold a secret.
    pub url: String,
    /// How to identify.
    pub auth: Auth,
    /// Headers besides.
    pub headers: Vec<(&'static str, String)>,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// From the first byte sent to the answer.
    pub timeout: Duration,
}

impl Clients {
    /// Sends once; returns the status, and the beginning of the answer where it is no success.
    ///
    /// # Errors
    /// `Cancelled` past the timeout, `Invalid` for an address that nothing is sent to, `Unavailable` for everything that
    /// the other side or the network does wrong.
    pub async fn post(&self, post: Post) -> Result<(StatusCode, String)> {
        let (status, text) = self.exchange(Method::Post, post, ANSWER_BYTES_MAX).await?;
        Ok((status, if status.is_success() { String::new() } else { text }))
    }

    /// Sends once; returns the status and the answer. One longer than `bytes_max` is cut there.
    ///
    /// # Errors
    /// As [`Clients::post`].
    pub async fn exchange(
        &self,
        method: Method,
        post: Post,
        bytes_max: usize,
    ) -> Result<(StatusCode, String)> {
        let url = allowed_url(&post.url)?;
        let usage =
            Use { connect_to: None, follow_redirects: false, tls: url.scheme() == "https", guarded: true };
        let client = self.pool.get(&ClientConfig::default().tls, usage).await?;
        let deadline = Instant::now() + post.timeout;
        let send = async {
            let mut request = match method {
                Method::Get => client.get(url),
                Method::Post => client.post(url).header(CONTENT_TYPE, post.content_type).body(post.body),
            };
            for (name, value) in post.headers {
                let mut value = HeaderValue::from_str(&value).map_err(|_| {
                    Error::invalid(format!("the header {name} holds what no header may hold"))
                })?;
                value.set_sensitive(name == "Authorization");
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|e| Error::wrap(ErrorKind::Internal, "a header's name", e))?;
                request = request.header(name, value);
            }
            let mut response = auth::apply(request, &post.auth).await?.send().await.map_err(explain)?;
            let status = response.status();
            let mut text = Vec::new();
            while text.len() < bytes_max {
                match response.chunk().await {
                    Ok(Some(chunk)) => {
                        text.extend_from_slice(&chunk[..chunk.len().min(bytes_max - text.len())]);
                    }
                    _ => break,
                }
            }
            Ok((status, String::from_utf8_lossy(&text).trim().to_string()))
        };
        let late = |_| {
            Error::new(ErrorKind::Cancelled, format!("no answer within {} s", post.timeout.as_secs_f64()))
        };
        timeout_at(deadline, send).await.map_err(late)?
    }
}

/// What a secret holds, from its file or the environment.
///
/// # Errors
/// `Unavailable`, without the secret.
pub async fn secret(secret: &Secret) -> Result<String> {
    auth::read(secret).await
}
