//! What handlers that change something have in common: who asks and what they send, read within bounds, and work that waits for a disk
//! done where waiting harms nobody. It must never know what is changed.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Params, read_body};
use crate::listener::Peer;
use axum::extract::Request;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Error, ErrorKind, Result};
use store::audit::Who;

/// Where a request came from; empty if that is not known.
pub fn peer(request: &Request) -> String {
    request.extensions().get::<Peer>().map(|p| p.0.ip().to_string()).unwrap_or_default()
}

/// Who asks, in their own words: `user` and `reason` of a body.
pub fn who(json: &Json, address: String) -> Who {
    let text = |key: &str| json[key].as_str().unwrap_or("").to_string();
    Who { user: text("user"), host: text("host"), address, reason: text("reason") }
}

/// What is sent as JSON, and who sends it; an empty body says nothing.
///
/// # Errors
/// It is larger than `bytes_max`, or not JSON.
pub async fn said(request: Request, bytes_max: usize) -> ApiResult<(Json, Who)> {
    let address = peer(&request);
    let body = read_body(request, bytes_max).await?;
    let json: Json = match body.is_empty() {
        true => json!({}),
        false => {
            serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not JSON: {e}")))?
        }
    };
    let who = who(&json, address);
    Ok((json, who))
}

/// Who asks where nothing else is said: the parameters `user` and `reason`.
///
/// # Errors
/// The parameters cannot be read.
pub async fn only_who(request: Request) -> ApiResult<Who> {
    let address = peer(&request);
    let params = Params::read(request).await?;
    Ok(who(&json!({ "user": params.get("user"), "reason": params.get("reason") }), address))
}

/// Does what waits for the disk on a thread that may wait.
///
/// # Errors
/// Those of the work; `Internal` if it panicked.
pub async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T> + Send + 'static,
) -> ApiResult<T> {
    let inside = app.clone();
    let done = tokio::task::spawn_blocking(move || work(&inside)).await;
    let bug = |_| Error::new(ErrorKind::Internal, "it failed inside; this is a bug worth reporting");
    Ok(done.map_err(bug)??)
}
