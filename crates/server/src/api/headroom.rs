//! `GET /api/v1/headroom`: how far everything that is bounded is from its bound. The answer is [`crate::headroom`]'s.

use crate::app::App;
use crate::clock::now_ms;
use crate::headroom::report;
use crate::http::{ApiResult, Params, success};
use axum::extract::{Request, State};
use std::sync::Arc;

pub async fn headroom(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let at_ms = params.time_ms("time")?.unwrap_or_else(now_ms);
    let inside = app.clone();
    Ok(success(&app.gate.run(None, move |stop| report(&inside, at_ms, stop)).await?))
}
