//! HTTP for buckets, by the client that the rest of the program uses. It bounds the time of every request by what it has
//! to carry, follows no redirect, and must never send anything in the clear unless that was asked for.

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::ClientConfigKey;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long nothing may arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a request may take, and what it may take more for each byte that is sent: 64 KiB/s are slow.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const BYTES_PER_SECOND: u64 = 64 << 10;

/// Makes the clients of `object_store`.
#[derive(Debug)]
pub struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // Someone else may have chosen a provider for this process already: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allow_http =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let client = reqwest::Client::builder()
            .https_only(!allow_http)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("midwatch/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| object_store::Error::Generic { store: "S3", source: Box::new(e) })?;
        Ok(HttpClient::new(Transport(client)))
    }
}

#[derive(Debug)]
struct Transport(reqwest::Client);

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = reqwest::Url::parse(&parts.uri.to_string())
            .map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        let sent = body.content_length() as u64;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.timeout_mut() = Some(REQUEST_TIMEOUT + Duration::from_secs(sent / BYTES_PER_SECOND));
        if sent > 0 {
            *request.body_mut() = Some(reqwest::Body::wrap(body));
        }
        let response = self.0.execute(request).await.map_err(explain)?;
        let (parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
        let body = HttpResponseBody::new(body.map_err(explain));
        Ok(HttpResponse::from_parts(parts, body))
    }
}

fn explain(e: reqwest::Error) -> HttpError {
    let kind = if e.is_timeout() {
        HttpErrorKind::Timeout
    } else if e.is_connect() {
        HttpErrorKind::Connect
    } else if e.is_builder() {
        HttpErrorKind::Unknown
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, e.without_url())
}
