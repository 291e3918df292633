//! The HTTP server that every role has: reads a request, makes its span, its metric and its log line. It must never
//! know what a role does.

use crate::admin;
use crate::shop::{Fault, Req, Shop};
use crate::telemetry::Telemetry;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use opentelemetry::logs::Severity;
use opentelemetry::trace::{SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What a role answers, later.
pub type Answer = Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send>>;

/// What one of the services does.
#[derive(Clone, Copy)]
pub struct Role {
    /// gateway, cart.
    pub name: &'static str,
    /// The route of a request (`/products/{id}`), if there is one.
    pub route: fn(&Method, &[&str]) -> Option<&'static str>,
    /// Its answer.
    pub handle: fn(Arc<Shop>, &'static str, Req) -> Answer,
}

#[derive(Clone)]
struct Server {
    shop: Arc<Shop>,
    role: Role,
}

/// Serves until the listener fails.
pub async fn serve(shop: Arc<Shop>, role: Role, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let app = axum::Router::new().fallback(answer).with_state(Server { shop, role });
    axum::serve(listener, app).await
}

async fn answer(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Server { shop, role } = server;
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_string();
    let req = Req {
        method: method.clone(),
        path: uri.path().to_string(),
        query,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        cx: Telemetry::extract(&headers),
        user: text("x-user-id"),
        key: text("x-api-key"),
        request_id: text("x-request-id"),
    };
    if req.path.starts_with("/admin/") {
        return respond(admin::answer(&shop, &req), &Context::new());
    }
    let Some(route) = (role.route)(&method, &req.parts()) else {
        return respond(Err(Fault::new(404, format!("there is no {method} {}", uri.path()))), &req.cx);
    };
    // A customer who hangs up does not stop what was begun, as in any server that has work to finish.
    tokio::spawn(begun(shop, role, route, req)).await.unwrap_or_else(|e| {
        respond(Err(Fault::new(500, format!("the handler failed: {e}"))), &Context::new())
    })
}

/// All of one request, told as it ends.
async fn begun(shop: Arc<Shop>, role: Role, route: &'static str, mut req: Req) -> Response {
    let begun = Instant::now();
    let mut attributes = vec![
        KeyValue::new("http.request.method", req.method.to_string()),
        KeyValue::new("http.route", route),
        KeyValue::new("url.path", req.path.clone()),
        KeyValue::new("user.id", req.user.clone()),
        KeyValue::new("request.id", req.request_id.clone()),
    ];
    if role.name == "gateway" {
        attributes.push(KeyValue::new("api.key", req.key.clone()));
    }
    let name = format!("{} {route}", req.method);
    req.cx = shop.telemetry.span(&req.cx, name, SpanKind::Server, attributes);
    let (cx, method) = (req.cx.clone(), req.method.to_string());
    let who = [("user.id", req.user.clone()), ("request.id", req.request_id.clone())];
    shop.telemetry.active.add(1, &[]);
    shop.served.fetch_add(1, Ordering::Relaxed);
    shop.leak();
    let result = (role.handle)(shop.clone(), route, req).await;
    shop.telemetry.active.add(-1, &[]);
    let status = result.as_ref().map_or_else(|fault| fault.status, |_| 200);
    let labels = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    shop.telemetry.served.record(begun.elapsed().as_secs_f64(), &labels);
    cx.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
    if let Err(fault) = &result {
        let severity = if fault.status >= 500 { Severity::Error } else { Severity::Warn };
        let [user, request] = who;
        let fields = [("http.route", route.to_string()), ("status", status.to_string()), user, request];
        shop.log(&cx, severity, &fault.message, &fields);
    }
    Telemetry::end(&cx, result.as_ref().err().filter(|f| f.status >= 500).map(|f| f.message.as_str()));
    respond(result, &cx)
}

/// With the trace, for the access log of whoever stands in front.
fn respond(result: Result<Value, Fault>, cx: &Context) -> Response {
    let (status, value) = match result {
        Ok(value) => (200, value),
        Err(fault) => (fault.status, json!({ "error": fault.message })),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let trace = cx.span().span_context().trace_id().to_string();
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (HeaderName::from_static("x-trace-id"), &*trace)];
    (status, headers, value.to_string()).into_response()
}
