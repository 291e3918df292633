//! The worker of the queue: takes jobs from Redis, has mails written, marks orders. It must never lose a job that
//! can still succeed: one that failed goes back, five times.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use crate::telemetry::Telemetry;
use axum::http::{HeaderMap, HeaderValue, Method};
use opentelemetry::logs::Severity;
use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The role.
pub const ROLE: Role =
    Role { name: "worker", route, handle: |shop, _, req| -> Answer { Box::pin(handle(shop, req)) } };

const MAILED: &str = "update orders set status = 'mailed' where id = $1 returning id";

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    (method == Method::GET && parts == ["queue"]).then_some("/queue")
}

async fn handle(shop: Arc<Shop>, req: Req) -> Result<Value, Fault> {
    let waiting: i64 = shop.cache()?.run(&shop, &req.cx, "LLEN", &["jobs"]).await?;
    Ok(json!({ "waiting": waiting }))
}

/// Works until the process ends.
pub async fn work(shop: Arc<Shop>) {
    let depth = Arc::new(AtomicI64::new(0));
    let shown = depth.clone();
    let _gauge = shop
        .telemetry
        .meter
        .i64_observable_gauge("shop.queue.depth")
        .with_callback(move |o| o.observe(shown.load(Ordering::Relaxed), &[KeyValue::new("queue", "jobs")]))
        .build();
    let idle = Context::new();
    let mut polls = 0u64;
    loop {
        let poll_ms = shop.config.number("poll_ms", 500).max(1);
        let Ok(redis) = shop.cache() else { return };
        polls += 1;
        let job: Option<String> = redis.run(&shop, &idle, "RPOP", &["jobs"]).await.unwrap_or_default();
        if polls.is_multiple_of(8) {
            let waiting = redis.run(&shop, &idle, "LLEN", &["jobs"]).await.unwrap_or(0);
            depth.store(waiting, Ordering::Relaxed);
        }
        match job.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
            Some(job) => one(&shop, job).await,
            None => {
                if shop.config.text("log_level").as_deref() == Some("debug") {
                    let fields = [("poll", polls.to_string()), ("poll_ms", poll_ms.to_string())];
                    shop.log(
                        &idle,
                        Severity::Debug,
                        &format!("poll {polls}: no job in the queue jobs"),
                        &fields,
                    );
                }
                tokio::time::sleep(Duration::from_millis(poll_ms)).await;
            }
        }
    }
}

async fn one(shop: &Arc<Shop>, mut job: Value) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(job["traceparent"].as_str().unwrap_or("")) {
        headers.insert("traceparent", value);
    }
    let order = job["order"].as_i64().unwrap_or(0);
    let attributes = vec![KeyValue::new("messaging.system", "redis"), KeyValue::new("order.id", order)];
    let cx = shop.telemetry.span(
        &Telemetry::extract(&headers),
        "process job".into(),
        SpanKind::Consumer,
        attributes,
    );
    let req = Req {
        method: Method::POST,
        path: "/mail".into(),
        query: HashMap::new(),
        body: Value::Null,
        cx: cx.clone(),
        user: job["user"].as_str().unwrap_or("").to_string(),
        key: String::new(),
        request_id: String::new(),
    };
    let result = send(shop, &req, order).await;
    if let Err(fault) = &result {
        let attempt = job["attempt"].as_i64().unwrap_or(0) + 1;
        let again = attempt < 5;
        job["attempt"] = attempt.into();
        if again && let Ok(redis) = shop.cache() {
            let _ = redis.run::<i64>(shop, &cx, "LPUSH", &["jobs", &job.to_string()]).await;
        }
        let what = if again { "goes back into the queue" } else { "is given up" };
        let fields = [("order.id", order.to_string()), ("attempt", attempt.to_string())];
        shop.log(&cx, Severity::Error, &format!("job of order {order} {what}: {}", fault.message), &fields);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let jobs = shop.telemetry.meter.u64_counter("shop.jobs").build();
    jobs.add(1, &[KeyValue::new("result", if result.is_ok() { "done" } else { "failed" })]);
    Telemetry::end(&cx, result.err().map(|f| f.message).as_deref());
}

async fn send(shop: &Arc<Shop>, req: &Req, order: i64) -> Result<(), Fault> {
    let body = json!({ "order": order });
    shop.call(req, "mailer", Method::POST, "/mail", &body, Duration::from_secs(2)).await?;
    shop.db()?.query(shop, &req.cx, "update order", MAILED, &[&order]).await?;
    Ok(())
}
