//! The interface: files built into the program. Built without them, it says how to build them.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Paths that the interface handles itself, all by the same page.
const PAGES: [&str; 16] = [
    "/",
    "/look",
    "/compare",
    "/advise",
    "/query",
    "/logs",
    "/traces",
    "/changes",
    "/critique",
    "/headroom",
    "/captures",
    "/monitors",
    "/slos",
    "/targets",
    "/cardinality",
    "/midwatch",
];

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Midwatch</title>\
    <h1>Midwatch is recording, but its pages were not built in</h1>\
    <p>Run <code>make run</code> in the source folder: it builds the pages and the program.\
    <p>The API works as it is: <a href=/api/v1/status/midwatch>status</a>, <a href=/metrics>metrics</a>.";

pub async fn page(request: Request) -> Response {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let name = if PAGES.contains(&path) { "index.html" } else { path.trim_start_matches('/') };
    match ASSETS.iter().find(|(n, _, _)| *n == name) {
        Some((_, bytes, tag)) => {
            let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|v| v == tag);
            let headers = [
                (header::CONTENT_TYPE, content_type(name)),
                (header::ETAG, tag),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            let headers = headers.map(|(n, v)| (n, HeaderValue::from_static(v)));
            if known {
                return (StatusCode::NOT_MODIFIED, headers).into_response();
            }
            (StatusCode::OK, headers, *bytes).into_response()
        }
        None if name == "index.html" => {
            (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response()
        }
        None => (StatusCode::NOT_FOUND, "There is no such page. Go to / for the start.\n").into_response(),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
