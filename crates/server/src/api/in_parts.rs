//! Answers that may take long: whole, or as lines of JSON while the work goes on. Each line has the envelope of every answer:
//! first `"status":"partial"` with how far it is and perhaps with what was found so far, at the end `success` or `error`.
//! What takes less than [`PATIENCE`] is one line, and an error then has its own status code. The work ends when the client
//! goes away; it must never go on for nobody.

use crate::app::App;
use crate::http::{ApiError, ApiResult, success};
use crate::sweep::{PATIENCE, Progress, Watch};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value as Json, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Parts that wait for a slow client; more are left out.
const WAITING_MAX: usize = 2;

/// What the work gives.
type Work = Pin<Box<dyn Future<Output = ApiResult<Json>> + Send>>;

/// Does the work inside the gate, and answers.
pub async fn answer(
    app: &Arc<App>,
    is_in_parts: bool,
    work: impl FnOnce(&App, &Watch) -> stdx::Result<Json> + Send + 'static,
) -> ApiResult {
    let started = Instant::now();
    let inside = app.clone();
    let timed = move |watch: &Watch| {
        let mut data = work(&inside, watch)?;
        data["elapsed_ms"] = json!((started.elapsed().as_secs_f64() * 1e4).round() / 10.0);
        Ok::<Json, ApiError>(data)
    };
    if !is_in_parts {
        let data = app.gate.run(None, move |stop| timed(&Watch::silent(stop))).await?;
        return Ok(success(&data));
    }
    let (sender, parts) = channel(WAITING_MAX);
    let progress: Arc<Progress> = Arc::default();
    let (seen, gate) = (progress.clone(), app.gate.clone());
    let mut work: Work =
        Box::pin(async move { gate.run(None, move |stop| timed(&Watch::telling(stop, seen, sender))).await });
    let types = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    if let Ok(quick) = tokio::time::timeout(PATIENCE, &mut work).await {
        let line = last(&quick?);
        return Ok((types, line).into_response());
    }
    let mut ticks = interval_at(tokio::time::Instant::now(), PATIENCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lines = Lines { app: app.clone(), work: Some(work), parts, ticks, progress, started };
    Ok((types, Body::from_stream(lines)).into_response())
}

fn last(data: &Json) -> Bytes {
    format!("{{\"status\":\"success\",\"data\":{data}}}\n").into()
}

/// The lines of an answer. Whoever drops them ends the work.
struct Lines {
    app: Arc<App>,
    work: Option<Work>,
    parts: Receiver<Json>,
    ticks: Interval,
    progress: Arc<Progress>,
    started: Instant,
}

impl Lines {
    fn partial(&self, data: Option<Json>) -> Bytes {
        let mut line = json!({ "status": "partial", "progress": self.progress.to_json(self.started) });
        if let Some(data) = data {
            line["data"] = data;
        }
        format!("{line}\n").into()
    }
}

impl futures_core::Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        if let Poll::Ready(result) = work.as_mut().poll(context) {
            self.work = None;
            return Poll::Ready(Some(Ok(match result {
                Ok(data) => last(&data),
                Err(e) => {
                    // The status line is gone already: the books are told here.
                    if let Some((bound, message)) = e.bound_hit() {
                        self.app.limits.hit(bound, message);
                    }
                    format!("{}\n", e.to_json()).into()
                }
            })));
        }
        if let Poll::Ready(Some(part)) = self.parts.poll_recv(context) {
            return Poll::Ready(Some(Ok(self.partial(Some(part)))));
        }
        ready!(self.ticks.poll_tick(context));
        Poll::Ready(Some(Ok(self.partial(None))))
    }
}
