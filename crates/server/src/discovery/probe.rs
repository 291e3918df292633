//! One polite question to one port: a plain GET with a short time and size limit, no redirects, no credentials. It must
//! never decide what to do about the answer.

use super::plan::{Found, Probe};
use crate::client::{Ask, Clients};
use crate::settings::{ClientConfig, DiscoverySettings};
use ingest::exposition::{ACCEPT, Format, looks_like_metrics};
use reqwest::Url;
use std::time::Duration;
use stdx::ErrorKind;

const USER_AGENT: &str = concat!("midwatch/", env!("CARGO_PKG_VERSION"), " discovery");

/// Asks for `/metrics`.
pub(super) async fn ask(clients: &Clients, settings: &DiscoverySettings, probe: &Probe) -> Found {
    let url = match Url::parse(&format!("http://{}/metrics", probe.address)) {
        Ok(url) => url,
        Err(e) => return Found::Nothing(format!("no URL: {e}")),
    };
    let ask = Ask {
        url: &url,
        client: &ClientConfig::default(),
        headers: &[("accept", ACCEPT.to_string()), ("user-agent", USER_AGENT.to_string())],
        timeout: Duration::from_millis(settings.probe_timeout_ms),
        body_bytes_max: settings.probe_bytes_max,
        cut: true,
        follow_redirects: false,
    };
    match clients.ask(ask).await {
        Ok(answer) => match answer.expect_ok() {
            Ok(answer) => judge(&answer.content_type, &answer.body),
            Err(e) => Found::Other(e.to_string()),
        },
        Err(e) if e.kind == ErrorKind::Cancelled => Found::Nothing(e.to_string()),
        Err(e) => Found::Nothing(format!("no HTTP answer: {e}")),
    }
}

/// Metrics by their media type, or by what they look like.
fn judge(content_type: &str, body: &[u8]) -> Found {
    let said = match Format::from_content_type(content_type) {
        Some(Format::OpenMetrics | Format::Protobuf) => true,
        // Any page may call itself plain text.
        Some(Format::Text) => content_type.contains("version="),
        None => false,
    };
    let page = body.trim_ascii_start().first() == Some(&b'<');
    if (said && !page) || looks_like_metrics(body) {
        return Found::Metrics;
    }
    Found::Other(match content_type {
        "" => "the answer has no content type and does not look like metrics".into(),
        other => format!("answered {other}, which does not look like metrics"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_metrics() {
        for (content_type, body, metrics) in [
            ("text/plain; version=0.0.4; charset=utf-8", "up 1\n", true),
            ("text/plain; version=0.0.4", "", true),
            ("text/plain", "# TYPE a gauge\na 1\n", true),
            ("text/plain", "Hello, world\n", false),
            ("text/plain", "ok 1\n", false),
            ("", "a 1\nb 2\nc 3\n", true),
            ("text/html", "<html>up 1</html>", false),
            ("text/plain; version=0.0.4", "<html>", false),
            ("application/openmetrics-text; version=1.0.0", "# EOF\n", true),
            ("application/json", "{}", false),
        ] {
            let found = judge(content_type, body.as_bytes()) == Found::Metrics;
            assert_eq!(found, metrics, "{content_type:?} {body:?}");
        }
    }
}
