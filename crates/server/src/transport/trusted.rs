//! Who is trusted beyond this machine's own addresses. Pages of other origins may do nothing, unless `web.cors_origin` names
//! their origin: then they may ask, and read the answers, but not write or delete. A request that names this server by a
//! name is answered only if `web.host_names` has the name.

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

/// Which origins may ask, and which names this server has. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    origins: Option<Matcher>,
    hosts: Option<Matcher>,
}

impl Trusted {
    /// Regular expressions that have to match a whole origin, and a whole host name without its port; an empty one matches
    /// none.
    ///
    /// # Errors
    /// The setting whose expression is wrong, and what is wrong with it.
    pub fn new(origins: &str, hosts: &str) -> Result<Trusted, String> {
        let compile = |name: &str, text: &str| {
            let matcher = (!text.is_empty()).then(|| Matcher::new(name, MatchOp::Regex, text)).transpose();
            matcher.map_err(|e| format!("{name} is not a regular expression: {e}"))
        };
        Ok(Trusted {
            origins: compile("web.cors_origin", origins)?,
            hosts: compile("web.host_names", hosts)?,
        })
    }

    /// Whether this server may be asked by this name; `host` is in lower case and without a port.
    pub fn has_name(&self, host: &str) -> bool {
        !host.is_empty() && self.hosts.as_ref().is_some_and(|m| m.matches(host))
    }

    /// Whether a page of this origin may read answers.
    pub fn allows(&self, origin: &str) -> bool {
        !origin.is_empty() && self.origins.as_ref().is_some_and(|m| m.matches(origin))
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
        if self.origins.is_none() {
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
        let cors = Trusted::new("https://(grafana|wall)[.]example", "").unwrap();
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
        assert!(!Trusted::default().allows("https://wall.example"));
        assert!(!Trusted::new("", "").unwrap().allows(""));
        assert!(Trusted::new("(", "").unwrap_err().starts_with("web.cors_origin is not"));
    }

    #[test]
    fn names_of_this_server() {
        let trusted = Trusted::new("", "midwatch|metrics[.]internal").unwrap();
        for (host, known) in [
            ("midwatch", true),
            ("metrics.internal", true),
            ("metrics-internal", false),
            ("midwatch.evil.example", false),
            ("", false),
        ] {
            assert_eq!(trusted.has_name(host), known, "{host}");
        }
        assert!(!Trusted::default().has_name("midwatch"));
        assert!(Trusted::new("", "(").unwrap_err().starts_with("web.host_names is not"));
    }
}
