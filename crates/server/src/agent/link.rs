//! The way to the server: where it is, how the agent identifies, and what its answers ask for. It must never show a secret,
//! nor follow the server elsewhere.

use crate::client::Clients;
use crate::client::send::Sent;
use crate::settings::ClientConfig;
use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::Duration;
use stdx::{Error, Result};

/// Bytes of answers that are read at one time, all together.
const ANSWERS_BYTES_MAX: usize = 8 << 20;

/// The server.
pub(super) struct Link {
    clients: Clients,
    base: Url,
    client: ClientConfig,
}

impl Link {
    /// The server at an address.
    ///
    /// # Errors
    /// `Invalid` if it is no address, or its TLS cannot work.
    pub fn new(to: &str, client: &ClientConfig) -> Result<Link> {
        // Without the text: it may hold a password.
        let base = Url::parse(to.trim()).map_err(|e| {
            Error::invalid(format!("--to is not an address such as http://10.0.0.7:4004: {e}"))
        })?;
        if !["http", "https"].contains(&base.scheme()) || base.host_str().is_none_or(str::is_empty) {
            return Err(Error::invalid("--to has to begin with http:// or https:// and name a host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Error::invalid(
                "--to must not hold a password: everyone on this machine could read it; use --user and --password-file",
            ));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(Error::invalid("--to is the address of the server alone, without ? and #"));
        }
        crate::client::check_client(client)?;
        Ok(Link { clients: Clients::new(ANSWERS_BYTES_MAX), base, client: client.clone() })
    }

    /// As it is shown to people.
    pub fn shown(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_string()
    }

    /// Sends a body to a path of the API.
    ///
    /// # Errors
    /// As [`Clients::send_bytes`].
    pub async fn send(
        &self,
        path: &str,
        (content_type, headers, body): (&'static str, Vec<(&'static str, String)>, Bytes),
        timeout: Duration,
        answer_bytes_max: usize,
    ) -> Result<Sent> {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(query);
        let message = (content_type, headers, body);
        self.clients.send_bytes(url, &self.client, message, timeout, answer_bytes_max).await
    }
}

/// How long the server asks to be left alone, if it says so in seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The beginning of what an answer says: `error` of the API's JSON, or its text.
pub(super) fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let said = json["error"].as_str().unwrap_or(&text);
    said.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect::<String>()
        .trim()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for (to, want) in [
            ("http://10.0.0.7:4004", "http://10.0.0.7:4004"),
            ("https://watch.example.org/mw/", "https://watch.example.org/mw"),
            ("10.0.0.7:4004", ""),
            ("ftp://10.0.0.7", ""),
            ("http://ann:secret@10.0.0.7", ""),
            ("http://10.0.0.7/?a=b", ""),
        ] {
            let link = Link::new(to, &ClientConfig::default());
            match want {
                "" => assert!(!link.map(drop).unwrap_err().to_string().contains("secret"), "{to}"),
                want => assert_eq!(link.unwrap().shown(), want),
            }
        }
    }

    #[test]
    fn what_answers_say() {
        assert_eq!(said(br#"{"status":"error","error":"the disk is full"}"#), "the disk is full");
        assert_eq!(said(b"<html>\x1b[31m no"), "<html> [31m no");
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }
}
