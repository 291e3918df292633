//! The gateway: knows the keys of the API and passes requests on. It must never touch a data base.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use opentelemetry::logs::Severity;
use serde_json::Value;
use std::sync::Arc;

/// The role.
pub const ROLE: Role = Role {
    name: "gateway",
    route,
    handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) },
};

/// Keys that may come in, and whose they are.
const KEYS: [&str; 4] = ["web-7f3a", "ios-51c9", "android-a08e", "acme-e4d2"];

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    Some(match (method.as_str(), parts) {
        ("GET", ["products"]) => "/products",
        ("GET", ["products", _]) => "/products/{id}",
        ("GET" | "POST", ["cart"]) => "/cart",
        ("POST", ["checkout"]) => "/checkout",
        ("GET", ["orders"]) => "/orders",
        ("GET", ["orders", _]) => "/orders/{id}",
        _ => return None,
    })
}

async fn handle(shop: Arc<Shop>, route: &'static str, req: Req) -> Result<Value, Fault> {
    if !KEYS.contains(&req.key.as_str()) {
        return Err(Fault::new(401, "this API key is not known"));
    }
    let peer = match route {
        "/products" | "/products/{id}" => "catalogue",
        "/cart" => "cart",
        _ => "checkout",
    };
    let query = req.query.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
    let path = if query.is_empty() { req.path.clone() } else { format!("{}?{query}", req.path) };
    let result = if req.method == Method::GET {
        shop.call_again(&req, peer, Method::GET, &path, &Value::Null).await
    } else {
        // What changes something is not asked for twice.
        let timeout = std::time::Duration::from_secs(6);
        shop.call(&req, peer, req.method.clone(), &path, &req.body, timeout).await
    };
    if result.is_ok() {
        let fields = [
            ("http.route", route.to_string()),
            ("user.id", req.user.clone()),
            ("api.key", req.key.clone()),
            ("request.id", req.request_id.clone()),
        ];
        shop.log(&req.cx, Severity::Info, &format!("{} {} answered", req.method, req.path), &fields);
    }
    result
}
