//! The `Accept` header of a question to the API: who takes no JSON is told so, with what there is, instead of getting
//! what it cannot read.

use super::quality;
use crate::http::{ApiError, header_text};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Paths of the API whose good answer is not JSON; they look at the header themselves, or answer nothing.
const OTHERS: [&str; 5] = ["/api/v1/write", "/api/v1/import", "/api/v1/read", "/api/v1/otlp", "/api/v1/sql"];

/// Answers 406 to a request of the API that takes no format in which it could be answered.
pub async fn acceptable(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/api/") || OTHERS.iter().any(|other| path.starts_with(other)) {
        return next.run(request).await;
    }
    let formats: &[&str] = match path {
        "/api/v1/export" => &["application/stream+json", "application/json"],
        _ => &["application/json"],
    };
    if takes(&header_text(request.headers(), header::ACCEPT), formats) {
        return next.run(request).await;
    }
    ApiError::not_acceptable(format!("the answer is {}; the Accept header does not take it", formats[0]))
        .into_response()
}

/// Whether a header takes one of the formats. Without the header everything is taken.
fn takes(header: &str, formats: &[&str]) -> bool {
    let q = |name: &str| quality(header, |n| n == name);
    header.trim().is_empty()
        || formats.iter().any(|f| q(f).or_else(|| q("application/*")).or_else(|| q("*/*")).unwrap_or(0) > 0)
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn table() {
        for (header, want) in [
            ("", true),
            ("*/*", true),
            ("application/json, text/plain, */*", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/*", true),
            ("APPLICATION/JSON;charset=utf-8", true),
            ("text/html", false),
            ("application/json;q=0", false),
            ("*/*, application/json;q=0", false),
            ("application/x-protobuf", false),
        ] {
            assert_eq!(takes(header, &["application/json"]), want, "{header:?}");
        }
        assert!(takes("application/json", &["application/stream+json", "application/json"]));
    }
}
