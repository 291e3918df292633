//! What pages of other origins may do: nothing, unless `web.cors_origin` names their origin; then they may ask, and read
//! the answers, but not write or delete.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use model::{MatchOp, Matcher};

/// Questions that are posted because they may be long. Whatever changes something is not among them.
const QUESTIONS: [&str; 8] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/read",
];

/// Which origins may ask. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Cors(Option<Matcher>);

impl Cors {
    /// A regular expression that has to match a whole origin; an empty one allows none.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn new(expression: &str) -> Result<Cors, String> {
        if expression.is_empty() {
            return Ok(Cors(None));
        }
        Matcher::new("origin", MatchOp::Regex, expression).map(|m| Cors(Some(m)))
    }

    /// Whether a page of this origin may read answers.
    pub fn allows(&self, origin: &str) -> bool {
        !origin.is_empty() && self.0.as_ref().is_some_and(|m| m.matches(origin))
    }

    /// Whether such a page may send this.
    pub fn may_send(&self, origin: &str, method: &Method, path: &str) -> bool {
        let is_question = *method == Method::POST && QUESTIONS.contains(&path);
        self.allows(origin) && (*method == Method::HEAD || is_question)
    }

    /// Whether this asks what it may do before it does it.
    pub fn is_preflight(&self, origin: &str, method: &Method, headers: &HeaderMap) -> bool {
        *method == Method::OPTIONS
            && self.allows(origin)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Says so on the answer to a page of this origin.
    pub fn mark(&self, origin: &str, headers: &mut HeaderMap) {
        if self.0.is_none() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if !self.allows(origin) {
            return;
        }
        let Ok(origin) = HeaderValue::from_str(origin) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_origins_and_only_questions() {
        let cors = Cors::new("https://(grafana|wall)[.]example").unwrap();
        for (origin, allowed) in [
            ("https://grafana.example", true),
            ("https://wall.example", true),
            ("https://grafana.example.evil", false),
            ("http://grafana.example", false),
            ("https://grafanaxexample", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(cors.allows(origin), allowed, "{origin}");
        }
        let may = |method: Method, path: &str| cors.may_send("https://wall.example", &method, path);
        assert!(may(Method::POST, "/api/v1/query"));
        assert!(!may(Method::POST, "/api/v1/write"));
        assert!(!may(Method::POST, "/api/v1/admin/tsdb/delete_series"));
        assert!(!may(Method::DELETE, "/api/v1/query"));
        assert!(!Cors::default().allows("https://wall.example"));
        assert!(!Cors::new("").unwrap().allows(""));
        assert!(Cors::new("(").is_err());
    }
}
