//! PromQL over HTTP: `query`, `query_range`.

use super::json;
use super::stats::Clock;
use crate::app::App;
use crate::clock::now_ms;
use crate::counted::Counted;
use crate::http::{ApiError, ApiResult, Params};
use crate::transport::answer_in_parts;
use ::query::{Limits, QueryError, QueryOptions, Resolution, Source};
use axum::extract::{Request, State};
use std::sync::Arc;

/// Options of a query from the settings and the request.
pub fn options(app: &App, stop: crate::gate::Stop) -> QueryOptions {
    let settings = app.gate.settings();
    QueryOptions {
        lookback_ms: settings.lookback_ms,
        limits: Limits {
            samples_max: settings.samples_max,
            bytes_max: settings.bytes_max,
            series_max: settings.series_max,
            ..Limits::default()
        },
        stop: Some(stop),
        ..QueryOptions::default()
    }
}

struct Asked {
    text: String,
    timeout_ms: Option<u64>,
    lookback_ms: Option<i64>,
    resolution: Resolution,
    limit: usize,
    stats: bool,
}

fn asked(params: &Params) -> ApiResult<Asked> {
    Ok(Asked {
        text: params.required("query", params.get("query"))?.to_string(),
        timeout_ms: params.duration_ms("timeout")?.map(|ms| ms as u64),
        lookback_ms: params.duration_ms("lookback_delta")?.filter(|ms| *ms > 0),
        resolution: resolution(params.get("resolution"))?,
        limit: params.number("limit")?.filter(|n| *n > 0).unwrap_or(usize::MAX),
        stats: params.get("stats").is_some(),
    })
}

fn resolution(text: Option<&str>) -> ApiResult<Resolution> {
    match text {
        None | Some("auto") => Ok(Resolution::Auto),
        Some("raw") => Ok(Resolution::Samples),
        Some("1m") => Ok(Resolution::Buckets(store::MINUTE_MS)),
        Some("1h") => Ok(Resolution::Buckets(store::HOUR_MS)),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            let text = format!("invalid parameter \"resolution\": {other:?} is none of auto, raw, 1m, 1h");
            Err(ApiError::bad(text))
        }
    }
}

pub async fn instant(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let time_ms = params.time_ms("time")?.unwrap_or_else(now_ms);
    evaluate(app, asked(&params)?, time_ms, move |view, expr, options| {
        ::query::instant(view, expr, time_ms, options)
    })
    .await
}

pub async fn range(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let start_ms = params.required("start", params.time_ms("start")?)?;
    let end_ms = params.required("end", params.time_ms("end")?)?;
    let step_ms = params.required("step", params.duration_ms("step")?)?;
    if end_ms < start_ms {
        return Err(ApiError::bad("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    if step_ms <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::bad(format!("invalid parameter \"step\": {text}")));
    }
    if (end_ms - start_ms) / step_ms > 11_000 {
        return Err(ApiError::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    evaluate(app, asked(&params)?, end_ms, move |view, expr, options| {
        ::query::range(view, expr, start_ms, end_ms, step_ms, options)
    })
    .await
}

async fn evaluate(
    app: Arc<App>,
    asked: Asked,
    time_ms: i64,
    run: impl FnOnce(&dyn Source, &::query::Expr, &QueryOptions) -> Result<::query::QueryResult, QueryError>
    + Send
    + 'static,
) -> ApiResult {
    let expr = ::query::parse(&asked.text).map_err(|e| ApiError::parse("query", e))?;
    let inside = app.clone();
    let mut clock = Clock::start();
    let answer = app
        .gate
        .run(asked.timeout_ms, move |stop| -> Result<json::Answer, QueryError> {
            clock.begin();
            let mut options = options(&inside, stop);
            options.resolution = asked.resolution;
            options.lookback_ms = asked.lookback_ms.unwrap_or(options.lookback_ms);
            let view = inside.store.view();
            inside.usage.asked(&expr);
            let counted = Counted::new(&view);
            let mut result = run(&counted, &expr, &options)?;
            truncate(&mut result, asked.limit);
            let stats = asked.stats.then(|| clock.read(&counted));
            Ok(json::Answer::new(result, time_ms, stats, view.warnings()))
        })
        .await?;
    Ok(answer_in_parts(&app, "application/json", answer)?)
}

fn truncate(result: &mut ::query::QueryResult, limit: usize) {
    let cut = match &mut result.value {
        ::query::Value::Vector(rows) if rows.len() > limit => {
            rows.truncate(limit);
            true
        }
        ::query::Value::Matrix(rows) if rows.len() > limit => {
            rows.truncate(limit);
            true
        }
        _ => false,
    };
    if cut {
        result.warnings.push("results truncated due to limit".into());
    }
}
