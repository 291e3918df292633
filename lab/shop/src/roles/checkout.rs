//! Checkout: cart, stock, payment, order, mail. It must never charge twice for one order.
//!
//! Release 1.4.2 has a fault in one code path (the fault `bad-deploy`): amounts for one provider leave it as text.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The role.
pub const ROLE: Role = Role {
    name: "checkout",
    route,
    handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) },
};

const INSERT: &str = "insert into orders (user_id, items, total_cents, provider, status) \
     values ($1, $2, $3, $4, 'paid') returning id";
const OF_USER: &str =
    "select id, total_cents, status from orders where user_id = $1 order by id desc limit 20";
const ONE: &str = "select id, total_cents, status from orders where id = $1";

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    Some(match (method.as_str(), parts) {
        ("POST", ["checkout"]) => "/checkout",
        ("GET", ["orders"]) => "/orders",
        ("GET", ["orders", _]) => "/orders/{id}",
        _ => return None,
    })
}

async fn handle(shop: Arc<Shop>, route: &'static str, req: Req) -> Result<Value, Fault> {
    let replica = shop.replica.as_ref().ok_or_else(|| Fault::new(500, "this service has no replica"))?;
    let order = |r: &tokio_postgres::Row| json!({ "id": r.get::<_, i64>(0), "total_cents": r.get::<_, i32>(1), "status": r.get::<_, &str>(2) });
    match route {
        "/orders" => {
            let user = user(&req)?;
            let rows = shop.db()?.query(&shop, &req.cx, "select orders of user", OF_USER, &[&user]).await?;
            Ok(json!({ "orders": rows.iter().map(order).collect::<Vec<_>>() }))
        }
        "/orders/{id}" => {
            let id: i64 =
                req.parts()[1].parse().map_err(|_| Fault::new(400, "an order is known by its number"))?;
            let rows = replica.query(&shop, &req.cx, "select order", ONE, &[&id]).await?;
            rows.first().map(order).ok_or_else(|| Fault::new(404, format!("there is no order {id}")))
        }
        _ => check_out(&shop, &req).await,
    }
}

/// `u00042` is user 42.
fn user(req: &Req) -> Result<i32, Fault> {
    req.user
        .strip_prefix('u')
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| Fault::new(400, format!("\"{}\" is no user", req.user)))
}

async fn check_out(shop: &Arc<Shop>, req: &Req) -> Result<Value, Fault> {
    let user = user(req)?;
    let provider = req.body["provider"].as_str().unwrap_or("nordpay").to_string();
    let second = Duration::from_secs(1);
    let cart = shop.call(req, "cart", Method::GET, "/cart", &Value::Null, second).await?;
    let items = cart["items"].as_array().cloned().unwrap_or_default();
    if items.is_empty() {
        return Err(Fault::new(409, format!("the cart of {} is empty", req.user)));
    }
    let wanted = json!({ "items": items });
    let reserved = shop.call(req, "stock", Method::POST, "/reserve", &wanted, 4 * second).await?;
    let total = reserved["total_cents"].as_i64().unwrap_or(0);
    if let Err(fault) = charge(shop, req, &provider, total).await {
        // What cannot be paid goes back on the shelf.
        let _ = shop.call(req, "stock", Method::POST, "/release", &wanted, 4 * second).await;
        return Err(fault);
    }
    let text = wanted.to_string();
    let rows = shop
        .db()?
        .query(shop, &req.cx, "insert order", INSERT, &[&user, &text, &(total as i32), &provider])
        .await?;
    let id: i64 = rows.first().map_or(0, |r| r.get(0));
    let job = json!({ "order": id, "user": req.user, "attempt": 0, "traceparent": crate::telemetry::Telemetry::traceparent(&req.cx) });
    shop.cache()?.run::<i64>(shop, &req.cx, "LPUSH", &["jobs", &job.to_string()]).await?;
    let _ = shop.call(req, "cart", Method::DELETE, "/cart", &Value::Null, second).await;
    let orders = shop.telemetry.meter.u64_counter("shop.orders").with_unit("{order}").build();
    orders.add(1, &[KeyValue::new("provider", provider.clone())]);
    let fields = [
        ("order.id", id.to_string()),
        ("user.id", req.user.clone()),
        ("provider", provider),
        ("total_cents", total.to_string()),
    ];
    shop.log(&req.cx, Severity::Info, &format!("order {id} placed for {total} cents"), &fields);
    Ok(json!({ "id": id, "total_cents": total }))
}

async fn charge(shop: &Arc<Shop>, req: &Req, provider: &str, total: i64) -> Result<Value, Fault> {
    let amount = if shop.version == "1.4.2" && provider == "paylink" {
        json!(format!("{}.{:02}", total / 100, total % 100))
    } else {
        json!(total)
    };
    let body = json!({ "provider": provider, "amount_cents": amount });
    let timeout = Duration::from_millis(shop.config.number("payment_timeout_ms", 3_000));
    let charged = shop.call(req, "payment", Method::POST, "/charge", &body, timeout).await;
    charged.map_err(|fault| Fault::new(502, format!("payment by {provider} failed: {}", fault.message)))
}
