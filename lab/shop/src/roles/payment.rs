//! Payment: charges by one of two providers and keeps a ledger. It must never book what a provider did not confirm.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use opentelemetry::trace::SpanKind;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The role.
pub const ROLE: Role = Role {
    name: "payment",
    route,
    handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) },
};

const BOOK: &str = "insert into payments (provider, amount_cents) values ($1, $2) returning id";

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    (method == Method::POST && parts == ["charge"]).then_some("/charge")
}

async fn handle(shop: Arc<Shop>, _: &'static str, req: Req) -> Result<Value, Fault> {
    let provider = req.body["provider"].as_str().unwrap_or("").to_string();
    // The providers themselves are far away: all that is seen of them is how long they take.
    let mean_ms = match provider.as_str() {
        "nordpay" => 18.0,
        "paylink" => 35.0,
        _ => return Err(Fault::new(400, format!("there is no provider \"{provider}\""))),
    };
    let Some(amount) = req.body["amount_cents"].as_i64() else {
        return Err(Fault::new(
            400,
            format!("amount_cents is not a whole number: {}", req.body["amount_cents"]),
        ));
    };
    let attributes = vec![KeyValue::new("peer.service", provider.clone())];
    let span = shop.telemetry.span(&req.cx, format!("charge {provider}"), SpanKind::Client, attributes);
    let took_ms = 8.0 + shop.chance.exponential(mean_ms).min(400.0);
    tokio::time::sleep(Duration::from_secs_f64(took_ms / 1_000.0)).await;
    crate::telemetry::Telemetry::end(&span, None);
    let rows =
        shop.db()?.query(&shop, &req.cx, "insert payment", BOOK, &[&provider, &(amount as i32)]).await?;
    let id: i64 = rows.first().map_or(0, |r| r.get(0));
    let fields = [("payment.id", id.to_string()), ("provider", provider.clone())];
    shop.log(&req.cx, Severity::Info, &format!("charged {amount} cents by {provider}"), &fields);
    Ok(json!({ "payment": id }))
}
