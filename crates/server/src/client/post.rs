//! Requests with a body: notifications. They follow no redirect, go to no address of cloud metadata, and read little of
//! the answer. They must never show a secret.

use super::guard::allowed_url;
use super::send::Message;
use super::{Clients, Use, auth};
use crate::settings::{Auth, ClientConfig, Secret};
use reqwest::StatusCode;
use std::time::Duration;
use stdx::Result;

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
        let client = ClientConfig::default();
        let sent = self.send(Message {
            method,
            url,
            usage,
            tls: &client.tls,
            auth: &post.auth,
            headers: post.headers,
            content_type: post.content_type,
            body: post.body.into(),
            timeout: post.timeout,
            answer_bytes_max: bytes_max,
        });
        let sent = sent.await?;
        Ok((sent.status, String::from_utf8_lossy(&sent.body).trim().to_string()))
    }
}

/// What a secret holds, from its file or the environment.
///
/// # Errors
/// `Unavailable`, without the secret.
pub async fn secret(secret: &Secret) -> Result<String> {
    auth::read(secret).await
}
