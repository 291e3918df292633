//! `POST /api/v1/advise`: where to look first. Reads the question and checks it; the answer is [`crate::advise`]'s.

use crate::advise::{DIRECTIONS_MAX, Question, answer};
use crate::app::App;
use crate::baseline::Against;
use crate::http::{ApiError, ApiResult, json_response, read_body};
use crate::sweep::Watch;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use look::advise::{Symptom, Without};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a question.
const BODY_MAX: usize = 4 << 20;
/// Things that directions may point at.
const ENTITIES_MAX: usize = 20_000;
/// Calls that are given.
const EDGES_MAX: usize = 100_000;
/// Selectors.
const SELECTORS_MAX: usize = 20;
/// Bytes of a name that is given.
const NAME_MAX: usize = 1_024;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    window: Option<(i64, i64)>,
    #[serde(default)]
    start: Json,
    #[serde(default)]
    end: Json,
    #[serde(default)]
    baseline: Json,
    #[serde(default, rename = "match")]
    selectors: Json,
    #[serde(default)]
    symptom: Option<Map<String, Json>>,
    #[serde(default)]
    entities: Vec<String>,
    #[serde(default)]
    edges: Vec<(String, String)>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    stream: bool,
    /// Whether it is booked in the ledger of advice; not for those who measure.
    #[serde(default = "yes")]
    book: bool,
}

fn yes() -> bool {
    true
}

pub async fn advise(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_MAX).await?;
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not what advise takes: {e}")))?;
    let is_in_parts = asked.stream;
    let question = question(&app, asked)?;
    if is_in_parts {
        return super::in_parts::answer(&app, true, move |app, watch| answer(app, &question, watch)).await;
    }
    let inside = app.clone();
    let started = Instant::now();
    let mut data = app.gate.run(None, move |stop| answer(&inside, &question, &Watch::silent(stop))).await?;
    data["status"] = "success".into();
    data["elapsed_ms"] = json!((started.elapsed().as_secs_f64() * 1e4).round() / 10.0);
    Ok(json_response(StatusCode::OK, data.to_string()))
}

fn question(app: &App, asked: Asked) -> ApiResult<Question> {
    let window = match asked.window {
        Some(window) => super::changed::checked("the window", in_ms(window)?)?,
        None => super::changed::stretch("the window", &asked.start, &asked.end)?,
    };
    let against = match &asked.baseline {
        // Pairs of milliseconds, as the window has them.
        Json::Array(all) if !all.is_empty() && all.iter().all(Json::is_array) => {
            let pairs: Vec<(i64, i64)> = serde_json::from_value(asked.baseline.clone()).map_err(|e| {
                ApiError::bad(format!("a baseline is two numbers, milliseconds since 1970: {e}"))
            })?;
            let baselines: ApiResult<Vec<_>> =
                pairs.into_iter().map(|p| super::changed::checked("the baseline", in_ms(p)?)).collect();
            let baselines = baselines?;
            super::changed::apart(window, &baselines)?;
            Against::Given(baselines)
        }
        other => {
            let baseline = serde_json::from_value(other.clone()).map_err(|_| {
                ApiError::bad("baseline is before, hour, day, week, a good period, or pairs of begin and end")
            })?;
            super::changed::against(app, window, baseline)?
        }
    };
    let bound = |what: &str, count: usize, max: usize| match count > max {
        true => Err(ApiError::bad(format!("{count} {what} are more than {max}; name those that matter"))),
        false => Ok(()),
    };
    bound("entities", asked.entities.len(), ENTITIES_MAX)?;
    bound("edges", asked.edges.len(), EDGES_MAX)?;
    let names = asked.entities.iter().chain(asked.edges.iter().flat_map(|(a, b)| [a, b]));
    if let Some(name) = names.into_iter().find(|n| n.is_empty() || n.len() > NAME_MAX) {
        return Err(ApiError::bad(format!("a name has 1 to {NAME_MAX} bytes, not {}", name.len())));
    }
    let selectors = selectors(&asked.selectors)?;
    let without = asked.without.iter().map(|name| {
        let known = Without::ALL.iter().find(|(n, _)| n == name).map(|(_, w)| *w);
        known.ok_or_else(|| {
            let all: Vec<&str> = Without::ALL.iter().map(|(n, _)| *n).collect();
            ApiError::bad(format!("without takes {}; not {name:?}", all.join(", ")))
        })
    });
    let mut entities = asked.entities;
    let mut seen = foldhash::HashSet::default();
    entities.retain(|name| seen.insert(name.clone()));
    if against == Against::Peers {
        return Err(ApiError::bad("advise compares with an earlier time; baseline \"peers\" is for look"));
    }
    Ok(Question {
        window,
        against,
        selectors,
        symptom: asked.symptom.map(symptom).transpose()?,
        without: without.collect::<ApiResult<_>>()?,
        edges: asked.edges,
        entities,
        is_booked: asked.book,
        directions_max: asked.limit.unwrap_or(10).clamp(1, DIRECTIONS_MAX),
    })
}

/// Seconds by mistake are a time in January 1970.
fn in_ms((from, to): (i64, i64)) -> ApiResult<(i64, i64)> {
    const EARLIEST_MS: i64 = 100_000_000_000;
    match from.min(to) < EARLIEST_MS {
        true => Err(ApiError::bad(format!(
            "[{from}, {to}] are not milliseconds since 1970; for seconds use start and end"
        ))),
        false => Ok((from, to)),
    }
}

fn selectors(given: &Json) -> ApiResult<Vec<Vec<model::Matcher>>> {
    let texts: Vec<&str> = match given {
        Json::Null => Vec::new(),
        Json::String(text) if text.is_empty() => Vec::new(),
        Json::String(text) => vec![text],
        Json::Array(all) => all
            .iter()
            .map(|one| {
                one.as_str().ok_or_else(|| ApiError::bad("match is a selector, or a list of selectors"))
            })
            .collect::<ApiResult<_>>()?,
        _ => return Err(ApiError::bad("match is a selector, or a list of selectors")),
    };
    if texts.len() > SELECTORS_MAX {
        return Err(ApiError::bad(format!("{} selectors are more than {SELECTORS_MAX}", texts.len())));
    }
    texts.into_iter().map(|t| ::query::parse_selector(t).map_err(|e| ApiError::parse("match", e))).collect()
}

/// `service` and `metric`; everything else is a label that the series has to have.
fn symptom(given: Map<String, Json>) -> ApiResult<Symptom> {
    let mut symptom = Symptom::default();
    for (name, value) in given {
        let value = match value {
            Json::String(text) => text,
            Json::Null => continue,
            _ => return Err(ApiError::bad(format!("symptom: {name} is a text"))),
        };
        match name.as_str() {
            "service" => symptom.service = value,
            "metric" => symptom.metric = value,
            _ => symptom.labels.push((name, value)),
        }
    }
    if symptom.service.is_empty() {
        return Err(ApiError::bad("symptom has a service, and if it is known a metric"));
    }
    Ok(symptom)
}
