//! Carts: a hash of product and quantity for each user, in Redis alone. It must never price anything.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The role.
pub const ROLE: Role =
    Role { name: "cart", route, handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) } };

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    (parts == ["cart"] && [Method::GET, Method::POST, Method::DELETE].contains(method)).then_some("/cart")
}

async fn handle(shop: Arc<Shop>, _: &'static str, req: Req) -> Result<Value, Fault> {
    if req.user.is_empty() {
        return Err(Fault::new(400, "a cart belongs to a user: x-user-id is missing"));
    }
    let key = format!("cart:{}", req.user);
    let redis = shop.cache()?;
    match req.method {
        Method::POST => {
            let (product, quantity) = (req.field("product_id")?.to_string(), req.field("quantity")?);
            if !(1..=20).contains(&quantity) {
                return Err(Fault::new(400, format!("a quantity is from 1 to 20, not {quantity}")));
            }
            redis.run::<i64>(&shop, &req.cx, "HSET", &[&key, &product, &quantity.to_string()]).await?;
            redis.run::<i64>(&shop, &req.cx, "EXPIRE", &[&key, "3600"]).await?;
            Ok(json!({ "ok": true }))
        }
        Method::DELETE => {
            redis.run::<i64>(&shop, &req.cx, "DEL", &[&key]).await?;
            Ok(json!({ "ok": true }))
        }
        _ => {
            let items: BTreeMap<String, i64> = redis.run(&shop, &req.cx, "HGETALL", &[&key]).await?;
            let items: Vec<Value> = items
                .iter()
                .filter_map(|(id, quantity)| {
                    Some(json!({ "product_id": id.parse::<i64>().ok()?, "quantity": quantity }))
                })
                .collect();
            Ok(json!({ "items": items }))
        }
    }
}
