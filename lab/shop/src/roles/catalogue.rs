//! The catalogue: pages of products, from Redis if they are there, from PostgreSQL if not. It must never write to
//! PostgreSQL.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use opentelemetry::KeyValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// The role.
pub const ROLE: Role = Role {
    name: "catalogue",
    route,
    handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) },
};

/// A product with what people think of it, and of others of its kind: costly, which is why there is a cache.
const PRODUCT: &str = "select p.name, p.price_cents, p.category, \
     (select avg(r.stars)::float8 from reviews r where r.product_id = p.id), \
     (select count(*) from reviews r join products q on q.id = r.product_id \
      where q.category = p.category and r.stars >= 4) \
     from products p where p.id = $1";

/// A page of a category, with the stars of each.
const LIST: &str = "select p.id, p.name, p.price_cents, \
     (select avg(r.stars)::float8 from reviews r where r.product_id = p.id) \
     from products p where p.category = $1 order by p.id limit 40";

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    Some(match (method.as_str(), parts) {
        ("GET", ["products"]) => "/products",
        ("GET", ["products", _]) => "/products/{id}",
        _ => return None,
    })
}

async fn handle(shop: Arc<Shop>, route: &'static str, req: Req) -> Result<Value, Fault> {
    if route == "/products" {
        let category = req.number("category", 0) as i32;
        let rows = shop.db()?.query(&shop, &req.cx, "select products", LIST, &[&category]).await?;
        let products: Vec<Value> = rows
            .iter()
            .map(|r| {
                json!({
                    "id": r.get::<_, i32>(0),
                    "name": r.get::<_, &str>(1),
                    "price_cents": r.get::<_, i32>(2),
                    "stars": r.get::<_, Option<f64>>(3),
                })
            })
            .collect();
        return Ok(json!({ "products": products }));
    }
    let id: i32 = req.parts()[1].parse().map_err(|_| Fault::new(400, "a product is known by its number"))?;
    let key = format!("product:{id}");
    let kept = shop.cache()?.run::<Option<String>>(&shop, &req.cx, "GET", &[&key]).await.ok().flatten();
    let hit = if kept.is_some() { "hit" } else { "miss" };
    let lookups = shop.telemetry.meter.u64_counter("shop.cache.lookups").build();
    lookups.add(1, &[KeyValue::new("result", hit)]);
    if let Some(text) = kept {
        return serde_json::from_str(&text)
            .map_err(|e| Fault::new(500, format!("the cache holds no JSON: {e}")));
    }
    let rows = shop.db()?.query(&shop, &req.cx, "select product", PRODUCT, &[&id]).await?;
    let row = rows.first().ok_or_else(|| Fault::new(404, format!("there is no product {id}")))?;
    let product = json!({
        "id": id,
        "name": row.get::<_, &str>(0),
        "price_cents": row.get::<_, i32>(1),
        "category": row.get::<_, i32>(2),
        "stars": row.get::<_, Option<f64>>(3),
        "liked_in_category": row.get::<_, i64>(4),
    });
    let seconds = shop.config.number("cache_seconds", 1_800).to_string();
    let _ =
        shop.cache()?.run::<()>(&shop, &req.cx, "SET", &[&key, &product.to_string(), "EX", &seconds]).await;
    Ok(product)
}
