//! Looking around: find series by words, small charts, one large chart, and why a number is there or missing.

use crate::app::App;
use crate::catalogue::{kind_and_unit, shown_as};
use crate::clock::now_ms;
use crate::explain;
use crate::http::{ApiError, ApiResult, Params, json_response, read_body, success};
use ::query::overview::{BEFORE_MS, Mode, Slots, Stats, Window, slots, slots_and_stats, slots_of_summaries};
use ::query::{QueryError, Value};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use look::search::{Find, GroupBy};
use model::{Labels, Matcher, SeriesData};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use store::{Summarised, SummarisedSeries, SummaryQuery};

/// Tiles of one request.
const TILES_MAX: usize = 500;
/// Lines of one chart.
const LINES_MAX: usize = 50;
/// Slots of one series.
const POINTS_MAX: usize = 4_000;
/// Samples that one chart or batch of tiles may touch.
const SAMPLES_MAX: usize = 100_000_000;

pub async fn find(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let started = Instant::now();
    let q = params.get("q").unwrap_or("").to_string();
    let matchers = match params.get("match") {
        Some(text) => ::query::parse_selector(text).map_err(|e| ApiError::parse("match", e))?,
        None => Vec::new(),
    };
    let group = match params.get("group") {
        None | Some("entity") => GroupBy::Entity,
        Some("metric") => GroupBy::Metric,
        Some(other) => return Err(ApiError::bad(format!("group is entity or metric, not {other:?}"))),
    };
    let limit = params.number("limit")?.unwrap_or(200_000);
    let range = params.time_ms("start")?.zip(params.time_ms("end")?);
    let inside = app.clone();
    let body = app.gate.run(None, move |_| -> stdx::Result<String> {
        inside.catalogue.look();
        let alive =
            range.map(|(start, end)| inside.catalogue.alive(&inside.store, start, end)).transpose()?;
        let catalogue = inside.catalogue.read();
        let keep = |id: u32| alive.as_ref().is_none_or(|a| a.contains(id));
        let keep: Option<&dyn Fn(u32) -> bool> = if alive.is_some() { Some(&keep) } else { None };
        let found = catalogue.find(Find { q: &q, matchers: &matchers, keep, group, limit });
        let groups: Vec<GroupAnswer<'_>> = found
            .groups
            .iter()
            .map(|g| GroupAnswer {
                title: &g.title,
                kind: g.kind.as_str(),
                parent: &g.parent,
                first: g.first as u64,
                count: g.count as u64,
            })
            .collect();
        let groups = serde_json::to_string(&groups)
            .map_err(|e| stdx::Error::wrap(stdx::ErrorKind::Internal, "cannot write the groups", e))?;
        let suggestions: Vec<Json> = found
            .suggestions
            .iter()
            .map(|s| json!({ "text": s.text, "kind": s.kind, "series": s.series }))
            .collect();
        drop(catalogue);
        let about = json!({
            "epoch": inside.epoch,
            "total": found.total,
            "truncated": found.truncated,
            "filling": !inside.catalogue.is_filled(),
            "suggestions": suggestions,
            "elapsed_ms": (started.elapsed().as_secs_f64() * 1e4).round() / 10.0,
        });
        Ok(with_ids(&about.to_string(), &groups, &found.ids))
    });
    Ok(json_response(StatusCode::OK, body.await?))
}

/// A group as it is written; not as a JSON value, of which thousands would cost more than finding them.
#[derive(serde::Serialize)]
struct GroupAnswer<'a> {
    title: &'a str,
    kind: &'static str,
    parent: &'a str,
    first: u64,
    count: u64,
}

/// The answer, with groups and ids written straight into the text, for the same reason.
fn with_ids(about: &str, groups: &str, ids: &[u32]) -> String {
    let mut text = String::with_capacity(about.len() + groups.len() + ids.len() * 8 + 64);
    text.push_str("{\"status\":\"success\",\"data\":{\"ids\":[");
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{id}");
    }
    let _ = write!(text, "],\"groups\":{groups},");
    text.push_str(about.strip_prefix('{').unwrap_or(about));
    text.push('}');
    text
}

#[derive(serde::Deserialize)]
struct TilesRequest {
    ids: Vec<u32>,
    start: Json,
    end: Json,
    #[serde(default)]
    points: Option<usize>,
    #[serde(default)]
    mode: Option<String>,
}

pub(super) fn time_ms(name: &str, value: &Json) -> ApiResult<i64> {
    let text = match value {
        Json::Number(n) => n.to_string(),
        Json::String(s) => s.clone(),
        _ => String::new(),
    };
    model::time::parse_time_ms(&text).map_err(|e| ApiError::bad(format!("invalid parameter {name:?}: {e}")))
}

fn is_raw(mode: Option<&str>) -> ApiResult<bool> {
    match mode {
        None | Some("" | "auto") => Ok(false),
        Some("raw") => Ok(true),
        Some(other) => Err(ApiError::bad(format!("mode is auto or raw, not {other:?}"))),
    }
}

/// The earliest of earlier periods.
const OFFSET_MS_MAX: i64 = 100 * 365 * 86_400_000;

fn window(start_ms: i64, end_ms: i64, points: usize) -> ApiResult<Window> {
    if end_ms <= start_ms {
        return Err(ApiError::bad("invalid parameter \"end\": it has to be after start"));
    }
    if points == 0 || points > POINTS_MAX {
        return Err(ApiError::bad(format!("invalid parameter \"points\": 1 to {POINTS_MAX}")));
    }
    Ok(Window { start_ms, end_ms, points, mode: Mode::Raw })
}

/// Numbers as JSON has them: NaN and infinities are null; ten digits, so that times to the second and large counters
/// stay what they are.
fn chart_number(v: f64) -> Json {
    if !v.is_finite() {
        return Json::Null;
    }
    if v == v.trunc() && v.abs() < 1e15 {
        return json!(v as i64);
    }
    let scale = 10f64.powi(10 - v.abs().log10().ceil() as i32);
    let rounded = (v * scale).round() / scale;
    json!(if rounded.is_finite() { rounded } else { v })
}

fn chart_numbers(values: &[f64]) -> Vec<Json> {
    values.iter().map(|v| chart_number(*v)).collect()
}

pub async fn tiles(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, 256 << 10).await?;
    let asked: TilesRequest = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not what tiles takes: {e}")))?;
    if asked.ids.len() > TILES_MAX {
        return Err(ApiError::bad(format!("{} ids; at most {TILES_MAX} at a time", asked.ids.len())));
    }
    let raw = is_raw(asked.mode.as_deref())?;
    let window =
        window(time_ms("start", &asked.start)?, time_ms("end", &asked.end)?, asked.points.unwrap_or(60))?;
    let inside = app.clone();
    let body = app.gate.run(None, move |stop| -> stdx::Result<Json> {
        inside.catalogue.look();
        let known: Vec<(u32, Labels)> = {
            let catalogue = inside.catalogue.read();
            asked.ids.iter().filter_map(|id| Some((*id, catalogue.get(*id)?.clone()))).collect()
        };
        let view = inside.store.view();
        let mut tiles = Vec::with_capacity(known.len());
        for (id, labels) in known {
            if stop() {
                return Err(stdx::Error::new(stdx::ErrorKind::Cancelled, "the time is over"));
            }
            tiles.push(tile(&inside, &view, id, &labels, window, raw)?);
        }
        Ok(json!({ "tiles": tiles, "warnings": view.warnings() }))
    });
    Ok(success(&body.await?))
}

/// What is to be shown from summaries, because retention has removed samples of this time; `None` if it has not.
fn removed(
    view: &store::View,
    matchers: &[Matcher],
    start_ms: i64,
    end_ms: i64,
    series_max: usize,
) -> stdx::Result<Option<Summarised>> {
    let samples_max = SAMPLES_MAX;
    let (resolutions, any_for_removed) = (&[][..], true);
    view.summaries(&SummaryQuery {
        matchers,
        start_ms,
        end_ms,
        resolutions,
        any_for_removed,
        series_max,
        samples_max,
    })
}

fn tile(
    app: &App,
    view: &store::View,
    id: u32,
    labels: &Labels,
    window: Window,
    raw: bool,
) -> stdx::Result<Json> {
    let (kind, unit) = kind_and_unit(&app.store, labels);
    let (mode, shown_unit) = shown_as(kind, labels.name(), &unit, raw);
    let start_ms = window.start_ms.saturating_sub(BEFORE_MS);
    let one: Vec<Matcher> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
    let old = removed(view, &one, start_ms, window.end_ms, usize::MAX)?;
    let old = old.iter().flat_map(|found| &found.series).find(|series| series.labels == *labels);
    let found = match old {
        Some(_) => None,
        None => view.one_series(labels, start_ms, window.end_ms, SAMPLES_MAX)?,
    };
    let window = Window { mode, ..window };
    let shown = match (old, &found) {
        (Some(series), _) => slots_of_summaries(series, window)?,
        (None, Some(series)) => slots(series, window, true)?,
        (None, None) => Slots { avg: vec![f64::NAN; window.points], last: f64::NAN, ..Slots::default() },
    };
    let fold = |f: fn(f64, f64) -> f64| shown.avg.iter().copied().fold(f64::NAN, f);
    let pairs: serde_json::Map<String, Json> =
        labels.iter().filter(|(n, _)| *n != model::NAME).map(|(n, v)| (n.to_string(), v.into())).collect();
    Ok(json!({
        "id": id,
        "metric": labels.name(),
        "title": look::unit::title(labels.name()),
        "labels": pairs,
        "kind": kind.as_str(),
        "unit": shown_unit,
        "mode": if mode == Mode::Rate { "rate" } else { "raw" },
        "values": chart_numbers(&shown.avg),
        "last": chart_number(shown.last),
        "min": chart_number(fold(f64::min)),
        "max": chart_number(fold(f64::max)),
    }))
}

pub async fn chart(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let end_ms = params.time_ms("end")?.unwrap_or_else(now_ms);
    let start_ms = params.time_ms("start")?.unwrap_or(end_ms - 3_600_000);
    let window = window(start_ms, end_ms, params.number("points")?.unwrap_or(600))?;
    let raw = is_raw(params.get("mode"))?;
    let mut offsets_ms = vec![0i64];
    for text in params.all("offset") {
        let ms = model::time::parse_duration_ms(text)
            .map_err(|e| ApiError::bad(format!("invalid parameter \"offset\": {e}")))?;
        if !(0..=OFFSET_MS_MAX).contains(&ms) {
            return Err(ApiError::bad("invalid parameter \"offset\": 0 to 100 years"));
        }
        offsets_ms.push(ms);
    }
    if offsets_ms.len() > 5 {
        return Err(ApiError::bad("at most four earlier periods at a time"));
    }
    let inside = app.clone();
    let data = if let Some(text) = params.get("expr") {
        let expr = ::query::parse(text).map_err(|e| ApiError::parse("expr", e))?;
        app.usage.asked(&expr);
        app.gate.run(None, move |stop| expression_chart(&inside, &expr, window, &offsets_ms, stop)).await?
    } else {
        let text = params.required("match", params.get("match"))?;
        let matchers = ::query::parse_selector(text).map_err(|e| ApiError::parse("match", e))?;
        app.usage.asked_for(&[matchers.as_slice()]);
        app.gate
            .run(None, move |_| {
                series_chart(&inside, &matchers, window, raw, &offsets_ms).map_err(QueryError::from)
            })
            .await?
    };
    Ok(success(&data))
}

fn line(labels: &Labels, offset_ms: i64, shown: &Slots, stats: Option<Stats>) -> Json {
    let pairs: serde_json::Map<String, Json> =
        labels.iter().map(|(n, v)| (n.to_string(), v.into())).collect();
    let stats = stats.map(|s| {
        json!({
            "count": s.count, "min": chart_number(s.min), "max": chart_number(s.max),
            "mean": chart_number(s.mean), "p50": chart_number(s.p50), "p95": chart_number(s.p95),
            "first": chart_number(s.first), "last": chart_number(s.last),
        })
    });
    json!({
        "labels": pairs,
        "offset_s": offset_ms as f64 / 1000.0,
        "avg": chart_numbers(&shown.avg),
        "min": chart_numbers(&shown.min),
        "max": chart_numbers(&shown.max),
        "stats": stats,
    })
}

/// Times in the middle of the slots, seconds.
fn slot_times(window: Window) -> Vec<Json> {
    let width = (window.end_ms - window.start_ms) as f64 / window.points as f64;
    (0..window.points)
        .map(|i| json!(((window.start_ms as f64 + (i as f64 + 0.5) * width).round()) / 1000.0))
        .collect()
}

fn series_chart(
    app: &App,
    matchers: &[Matcher],
    window: Window,
    raw: bool,
    offsets_ms: &[i64],
) -> stdx::Result<Json> {
    let view = app.store.view();
    let (mut lines, mut shown_unit, mut shown_mode, mut truncated) = (Vec::new(), None, Mode::Raw, false);
    let mut used = Vec::new();
    for offset_ms in offsets_ms {
        let (start_ms, end_ms) = (window.start_ms - offset_ms, window.end_ms - offset_ms);
        let series_max = app.settings.query.series_max;
        let old = removed(&view, matchers, start_ms - BEFORE_MS, end_ms, series_max)?;
        used.extend(old.iter().flat_map(|found| &found.used).map(|u| {
            json!({ "resolution_s": u.resolution_ms as f64 / 1e3, "start_ms": u.from_ms, "end_ms": u.to_ms })
        }));
        let old: BTreeMap<&Labels, &SummarisedSeries> =
            old.iter().flat_map(|found| &found.series).map(|series| (&series.labels, series)).collect();
        let mut wanted = view.series(matchers, start_ms, end_ms, series_max)?;
        wanted.extend(old.keys().map(|labels| (*labels).clone()));
        wanted.sort();
        wanted.dedup();
        truncated |= wanted.len() > LINES_MAX;
        for labels in wanted.iter().take(LINES_MAX) {
            let (kind, unit) = kind_and_unit(&app.store, labels);
            let (mode, unit) = shown_as(kind, labels.name(), &unit, raw);
            let window = Window { start_ms, end_ms, mode, ..window };
            let (shown, stats) = match old.get(labels) {
                Some(series) => (slots_of_summaries(series, window)?, None),
                None => match view.one_series(labels, start_ms - BEFORE_MS, end_ms, SAMPLES_MAX)? {
                    Some(series) => slots_and_stats(&series, window)?,
                    None => continue,
                },
            };
            lines.push(line(labels, *offset_ms, &shown, stats));
            shown_mode = if shown_unit.is_none() { mode } else { shown_mode };
            shown_unit.get_or_insert(unit);
        }
    }
    Ok(json!({
        "unit": shown_unit.unwrap_or_default(),
        "mode": if shown_mode == Mode::Rate { "rate" } else { "raw" },
        "step_s": (window.end_ms - window.start_ms) as f64 / window.points as f64 / 1000.0,
        "t": slot_times(window),
        "lines": lines,
        "truncated": truncated,
        "summaries": used,
        "warnings": view.warnings(),
    }))
}

fn expression_chart(
    app: &App,
    expr: &::query::Expr,
    window: Window,
    offsets_ms: &[i64],
    stop: crate::gate::Stop,
) -> Result<Json, QueryError> {
    let step_ms = ((window.end_ms - window.start_ms) / window.points as i64).max(1);
    let view = app.store.view();
    let options = super::query::options(app, stop);
    let (mut lines, mut truncated) = (Vec::new(), false);
    for offset_ms in offsets_ms {
        let start_ms = window.start_ms - offset_ms + step_ms / 2;
        let end_ms = start_ms + step_ms * (window.points as i64 - 1);
        let result = ::query::range(&view, expr, start_ms, end_ms, step_ms, &options)?;
        let Value::Matrix(rows) = result.value else { continue };
        truncated |= rows.len() > LINES_MAX;
        for row in rows.iter().take(LINES_MAX) {
            let shown = at_steps(row, start_ms, step_ms, window.points);
            lines.push(line(&row.labels, *offset_ms, &shown, None));
        }
    }
    Ok(json!({
        "unit": "",
        "mode": "raw",
        "step_s": step_ms as f64 / 1000.0,
        "t": slot_times(window),
        "lines": lines,
        "truncated": truncated,
        "warnings": view.warnings(),
    }))
}

fn at_steps(row: &SeriesData, start_ms: i64, step_ms: i64, points: usize) -> Slots {
    let mut avg = vec![f64::NAN; points];
    for (t, v) in row.timestamps_ms.iter().zip(&row.values) {
        if let Some(slot) = usize::try_from((t - start_ms) / step_ms).ok().and_then(|i| avg.get_mut(i)) {
            *slot = *v;
        }
    }
    Slots { min: avg.clone(), max: avg.clone(), last: row.values.last().copied().unwrap_or(f64::NAN), avg }
}

pub async fn series(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let text = params.required("match", params.get("match"))?;
    let matchers = ::query::parse_selector(text).map_err(|e| ApiError::parse("match", e))?;
    let end_ms = params.time_ms("end")?.unwrap_or_else(now_ms);
    let start_ms = params.time_ms("start")?.unwrap_or(end_ms - 3_600_000);
    let inside = app.clone();
    let found = app.gate.run(None, move |_| explain::series(&inside, &matchers, start_ms, end_ms, now_ms()));
    Ok(success(&found.await?))
}

pub async fn home(State(app): State<Arc<App>>) -> ApiResult {
    let inside = app.clone();
    let report = app.gate.run(None, move |stop| crate::home::report(&inside, now_ms(), stop)).await?;
    Ok(json_response(StatusCode::OK, format!("{{\"status\":\"success\",\"data\":{report}}}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_written_as_json_has_them() {
        for ids in [&[][..], &[7], &[1, 0, 4_294_967_295]] {
            let text = super::with_ids(r#"{"total":3}"#, "[]", ids);
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            let want =
                serde_json::json!({ "status": "success", "data": { "ids": ids, "total": 3, "groups": [] } });
            assert_eq!(read, want);
        }
    }
}
