//! Asks what is used of everything that is bounded, now and over the last days, and hands it to `look::headroom`. It must never
//! judge by itself.

use crate::app::App;
use crate::gate::Stop;
use ::query::{QueryError, Value};
use look::headroom::{Headroom, Measured, RESOURCES, Resource, Sort, judge, order};
use model::{Labels, SeriesData};
use serde_json::{Value as Json, json};

/// How far back, and how closely, in milliseconds: days where they are known, else hours.
const LONG: (i64, i64) = (3 * 86_400_000, 1_800_000);
const SHORT: (i64, i64) = (3 * 3_600_000, 90_000);
/// Points from which on the long look back is better than the short one.
const LONG_POINTS_MIN: usize = 36;
/// Things of one kind, the fullest.
const OF_A_KIND_MAX: usize = 300;

/// Rows of an instant query.
type Rows = Vec<(Labels, f64)>;

/// One thing with its judgement.
struct Item {
    resource: &'static Resource,
    labels: Labels,
    measured: Measured,
    headroom: Headroom,
}

/// The answer as JSON: the soonest first.
///
/// # Errors
/// `Cancelled` if it takes too long. What cannot be asked of one kind is told, and is no error of the others.
pub fn report(app: &App, now_ms: i64, stop: Stop) -> Result<Json, QueryError> {
    let view = app.store.view();
    let options = crate::api::query_options(app, stop);
    let (mut all, mut problems): (Vec<Item>, Vec<Json>) = Default::default();
    for resource in RESOURCES {
        let rows = |text: &str| -> Result<Rows, QueryError> {
            let expr = ::query::parse(text).map_err(QueryError::from)?;
            match ::query::instant(&view, &expr, now_ms, &options)?.value {
                Value::Vector(rows) => {
                    Ok(rows.into_iter().filter_map(|(labels, _, v)| Some((labels, v.number()?))).collect())
                }
                _ => Ok(Vec::new()),
            }
        };
        let past = |(back_ms, step_ms): (i64, i64)| -> Result<Vec<SeriesData>, QueryError> {
            let expr = ::query::parse(resource.used).map_err(QueryError::from)?;
            match ::query::range(&view, &expr, now_ms - back_ms, now_ms, step_ms, &options)?.value {
                Value::Matrix(series) => Ok(series),
                _ => Ok(Vec::new()),
            }
        };
        match measure(resource, &rows, &past) {
            Ok(measured) => all.extend(measured.into_iter().map(|(labels, measured)| {
                let headroom = judge(resource.sort, &measured);
                Item { resource, labels, measured, headroom }
            })),
            Err(e) if e.kind == stdx::ErrorKind::Cancelled => return Err(e),
            Err(e) => {
                problems.push(json!({ "id": resource.id, "title": resource.title, "why": e.to_string() }))
            }
        }
    }
    all.sort_by(|a, b| order(&a.headroom, &b.headroom).then_with(|| a.resource.id.cmp(b.resource.id)));
    let items: Vec<Json> = all.iter().map(to_json).collect();
    let kinds: Vec<&str> = RESOURCES.iter().map(|r| r.title).collect();
    Ok(json!({ "now_ms": now_ms, "items": items, "problems": problems, "looked_for": kinds }))
}

fn measure(
    resource: &Resource,
    rows: &dyn Fn(&str) -> Result<Rows, QueryError>,
    past: &dyn Fn((i64, i64)) -> Result<Vec<SeriesData>, QueryError>,
) -> Result<Vec<(Labels, Measured)>, QueryError> {
    let used = rows(resource.used)?;
    if used.is_empty() {
        return Ok(Vec::new());
    }
    let limits = if resource.limit.is_empty() { Vec::new() } else { rows(resource.limit)? };
    let limit_of = |labels: &Labels| limits.iter().find(|(l, _)| l == labels).map_or(0.0, |(_, v)| *v);
    let mut all: Vec<(Labels, Measured)> = used
        .into_iter()
        .map(|(labels, used)| {
            let limit = limit_of(&labels);
            (labels, Measured { used, limit, points: Vec::new() })
        })
        // What has no bound is not bounded.
        .filter(|(_, m)| resource.sort != Sort::Filling || m.limit > 0.0)
        .collect();
    all.sort_by(|(_, a), (_, b)| (b.used / b.limit).total_cmp(&(a.used / a.limit)));
    all.truncate(OF_A_KIND_MAX);
    if resource.sort != Sort::Filling || all.is_empty() {
        return Ok(all);
    }
    let (long, short) = (past(LONG)?, past(SHORT)?);
    for (labels, measured) in &mut all {
        let points = |list: &[SeriesData]| -> Vec<(f64, f64)> {
            let series = list.iter().find(|s| s.labels == *labels);
            series.map_or(Vec::new(), |s| {
                s.timestamps_ms.iter().map(|t| *t as f64 / 1000.0).zip(s.values.iter().copied()).collect()
            })
        };
        let of_days = points(&long);
        measured.points = if of_days.len() >= LONG_POINTS_MIN { of_days } else { points(&short) };
    }
    Ok(all)
}

fn to_json(item: &Item) -> Json {
    let Item { resource, labels, measured, headroom } = item;
    let pairs: serde_json::Map<String, Json> =
        labels.iter().map(|(n, v)| (n.to_string(), v.into())).collect();
    let number = |v: f64| if v.is_finite() { json!(v) } else { Json::Null };
    let seen_s = measured.points.first().zip(measured.points.last()).map_or(0.0, |(a, b)| b.0 - a.0);
    json!({
        "id": resource.id, "title": resource.title, "labels": pairs, "unit": resource.unit,
        "sort": match resource.sort { Sort::Filling => "filling", Sort::Deadline => "deadline", Sort::Spare => "spare" },
        "used": number(measured.used), "limit": number(measured.limit), "share": number(headroom.share),
        "state": headroom.state.as_str(), "says": headroom.says,
        "soonest_s": headroom.soonest_s, "latest_s": headroom.latest_s,
        "trend": headroom.trend.map(|t| json!({
            "per_day": t.per_s * 86_400.0, "low_per_day": t.low * 86_400.0, "high_per_day": t.high * 86_400.0,
        })),
        "seen_s": seen_s,
        "query": resource.used, "limit_query": resource.limit,
        "at_limit": resource.at_limit, "what_to_do": resource.what_to_do,
        "points": measured.points.iter().map(|(_, v)| number(*v)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    /// A kind that the engine cannot parse would be missing for ever.
    #[test]
    fn every_question_is_valid() {
        for r in super::RESOURCES {
            for text in [r.used, r.limit].into_iter().filter(|t| !t.is_empty()) {
                if let Err(e) = ::query::parse(text) {
                    panic!("{}: {text}: {e}", r.id);
                }
            }
        }
    }
}
