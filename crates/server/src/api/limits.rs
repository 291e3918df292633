//! The bounds: what each is, what is used of it, how often it was hit; and the place where refused requests are counted.

use super::asked::blocking;
use crate::app::App;
use crate::http::{ApiResult, BoundHit, success};
use crate::limits;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value as Json, json};
use std::sync::Arc;

pub async fn limits(State(app): State<Arc<App>>) -> ApiResult {
    let rows = blocking(&app, |app| Ok(limits::read(app, &app.store.status()))).await?;
    let rows: Vec<Json> = rows
        .into_iter()
        .map(|r| {
            let last_ms = (r.hits.last_ms > 0).then_some(r.hits.last_ms);
            json!({
                "name": r.name,
                "unit": r.unit,
                "limit": r.limit,
                "used": r.used,
                "hits": r.hits.count,
                "counted": r.counted,
                "last_ms": last_ms,
                "message": r.hits.message,
                "at_limit": r.at_bound,
            })
        })
        .collect();
    Ok(success(&json!({ "since_ms": app.started_ms, "limits": rows })))
}

/// Counts the bound that a request hit, wherever that was.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(BoundHit(bound, message)) = response.extensions().get::<BoundHit>() {
        app.limits.hit(bound, message);
    }
    response
}
