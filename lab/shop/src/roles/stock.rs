//! Stock, in four shards: a product is in the shard of its number modulo four, each a table and a queue of its own.
//! It must never go below zero.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use opentelemetry::KeyValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// The role.
pub const ROLE: Role = Role {
    name: "stock",
    route,
    handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) },
};

/// One writer for each shard.
static SHARDS: [Mutex<()>; 4] = [const { Mutex::const_new(()) }; 4];

const TAKE: [&str; 4] = [
    "update stock_0 set quantity = quantity - $2 where product_id = $1 and quantity >= $2 returning price_cents",
    "update stock_1 set quantity = quantity - $2 where product_id = $1 and quantity >= $2 returning price_cents",
    "update stock_2 set quantity = quantity - $2 where product_id = $1 and quantity >= $2 returning price_cents",
    "update stock_3 set quantity = quantity - $2 where product_id = $1 and quantity >= $2 returning price_cents",
];
const OPERATIONS: [&str; 4] = ["update stock_0", "update stock_1", "update stock_2", "update stock_3"];

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    match (method.as_str(), parts) {
        ("POST", ["reserve"]) => Some("/reserve"),
        ("POST", ["release"]) => Some("/release"),
        _ => None,
    }
}

async fn handle(shop: Arc<Shop>, route: &'static str, req: Req) -> Result<Value, Fault> {
    let seconds = shop.telemetry.meter.f64_histogram("shop.stock.shard.duration").with_unit("s").build();
    let mut total = 0;
    for item in req.body["items"].as_array().into_iter().flatten() {
        let (Some(product), Some(quantity)) = (item["product_id"].as_i64(), item["quantity"].as_i64()) else {
            return Err(Fault::new(400, "an item has product_id and quantity"));
        };
        let shard = product.rem_euclid(4) as usize;
        let begun = Instant::now();
        let take = (if route == "/reserve" { quantity } else { -quantity }) as i32;
        let rows = {
            let _one = SHARDS[shard].lock().await;
            shop.db()?
                .query(&shop, &req.cx, OPERATIONS[shard], TAKE[shard], &[&(product as i32), &take])
                .await?
        };
        seconds.record(begun.elapsed().as_secs_f64(), &[KeyValue::new("shard", shard as i64)]);
        let price: i32 = rows
            .first()
            .map(|r| r.get(0))
            .ok_or_else(|| Fault::new(409, format!("product {product} is sold out (shard {shard})")))?;
        total += i64::from(price) * quantity;
    }
    Ok(json!({ "total_cents": total }))
}
