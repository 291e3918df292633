//! `query_exemplars`: examples of what the series of an expression counted.

use super::json::{List, push_labels, push_time, push_value};
use crate::app::App;
use crate::http::{ApiError, ApiResult, Params};
use crate::transport::answer_in_parts;
use axum::extract::{Request, State};
use std::sync::Arc;
use store::exemplars::OfSeries;

pub async fn query(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let text = params.required("query", params.get("query"))?;
    let start_ms = params.time_ms("start")?.unwrap_or(i64::MIN);
    let end_ms = params.time_ms("end")?.unwrap_or(i64::MAX);
    if end_ms < start_ms {
        return Err(ApiError::bad("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    let expr = ::query::parse(text).map_err(|e| ApiError::parse("query", e))?;
    let sets: Vec<_> = ::query::selectors(&expr).into_iter().map(|s| s.matchers.clone()).collect();
    let inside = app.clone();
    let found = app.gate.run(None, move |_| -> stdx::Result<Vec<OfSeries>> {
        Ok(inside.sink.exemplars().select(&sets, start_ms, end_ms))
    });
    let parts = List::new(found.await?.into_iter(), push, Vec::new());
    Ok(answer_in_parts(&app, "application/json", parts)?)
}

fn push(out: &mut String, (series, examples): &OfSeries) {
    out.push_str("{\"seriesLabels\":");
    push_labels(out, series);
    out.push_str(",\"exemplars\":[");
    for (i, e) in examples.iter().enumerate() {
        out.push_str(if i > 0 { ",{\"labels\":" } else { "{\"labels\":" });
        push_labels(out, &e.labels);
        out.push_str(",\"value\":\"");
        push_value(out, e.value);
        out.push_str("\",\"timestamp\":");
        push_time(out, e.timestamp_ms);
        out.push('}');
    }
    out.push_str("]}");
}
