//! Alertmanager's API, version 2: takes alerts of others (Prometheus sends them here), lists them, and keeps silences.
//! Answers are bare JSON, as its clients expect.

use super::asked::{blocking, peer};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, json_response, read_body, success};
use crate::monitors::{keep_silences, tell};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::Matcher;
use monitor::notify::silence::Silence;
use monitor::notify::{Alert, incoming, matchers};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 16 << 20;

fn bare(json: &Json) -> Response {
    json_response(StatusCode::OK, json.to_string())
}

pub async fn post_alerts(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let json: Json =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not JSON: {e}")))?;
    let now_ms = now_ms();
    let mut notify = app.monitors.notify();
    let timeout_ms = notify.notifier.config().resolve_timeout_ms;
    let (alerts, wrong) = incoming::read(&json, now_ms, timeout_ms).map_err(ApiError::bad)?;
    alerts.into_iter().for_each(|alert| notify.notifier.put(alert, now_ms));
    drop(notify);
    app.monitors.wake();
    match wrong.first() {
        Some(first) => {
            Err(ApiError::bad(format!("{first} (and {} more); the others were taken", wrong.len() - 1)))
        }
        None => Ok(bare(&json!({}))),
    }
}

fn filters(params: &Params) -> ApiResult<Vec<Matcher>> {
    let all = params.all("filter").map(matchers::parse_many);
    let lists: Result<Vec<Vec<Matcher>>, String> = all.collect();
    Ok(lists.map_err(|e| ApiError::bad(format!("invalid parameter \"filter\": {e}")))?.concat())
}

pub async fn alerts(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let filters = filters(&params)?;
    let wanted = |name: &str| params.get(name) != Some("false");
    let (active, silenced, inhibited) = (wanted("active"), wanted("silenced"), wanted("inhibited"));
    let now_ms = now_ms();
    let list: Vec<(Alert, _)> = {
        let notify = app.monitors.notify();
        let all = notify.notifier.alerts(now_ms).into_iter();
        all.map(|(alert, muted)| (alert.clone(), muted)).collect()
    };
    let list: Vec<Json> = list
        .iter()
        .filter(|(a, _)| !a.is_resolved(now_ms) && Matcher::all(&filters, &a.labels))
        .filter(|(_, m)| {
            (active || m.is_muted())
                && (silenced || m.silenced_by.is_empty())
                && (inhibited || m.inhibited_by.is_empty())
        })
        .map(|(alert, muted)| tell::gettable(&app.monitors, alert, muted, now_ms))
        .collect();
    Ok(bare(&Json::Array(list)))
}

pub async fn groups(State(app): State<Arc<App>>) -> ApiResult {
    let now_ms = now_ms();
    let (config, list) = {
        let notify = app.monitors.notify();
        let all = notify.notifier.alerts(now_ms).into_iter();
        let list: Vec<(Alert, _)> = all.map(|(alert, muted)| (alert.clone(), muted)).collect();
        (notify.notifier.config().clone(), list)
    };
    let mut groups: std::collections::BTreeMap<(String, model::Labels), Vec<Json>> = Default::default();
    for (alert, muted) in list.iter().filter(|(a, _)| !a.is_resolved(now_ms)) {
        for route in config.route.matching(&alert.labels) {
            let key = (route.receiver.clone(), route.group_of(&alert.labels));
            groups.entry(key).or_default().push(tell::gettable(&app.monitors, alert, muted, now_ms));
        }
    }
    let list = groups.into_iter().map(|((receiver, labels), alerts)| {
        json!({
            "labels": monitor::notify::object(labels.iter()),
            "receiver": { "name": receiver },
            "alerts": alerts,
        })
    });
    Ok(bare(&Json::Array(list.collect())))
}

pub async fn silences(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let filters = filters(&params)?;
    let now_ms = now_ms();
    let notify = app.monitors.notify();
    let is_wanted = |s: &&Silence| {
        filters.iter().all(|f| {
            let own = s.matchers.iter().find(|m| m.name == f.name);
            f.matches(own.map_or("", |m| &m.value))
        })
    };
    let list = notify.notifier.silences().iter().filter(is_wanted).map(|s| s.to_api(now_ms)).collect();
    Ok(bare(&Json::Array(list)))
}

pub async fn one_silence(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    let notify = app.monitors.notify();
    let found = notify.notifier.silences().iter().find(|s| s.id == id);
    found.map(|s| bare(&s.to_api(now_ms()))).ok_or_else(|| not_there().into())
}

fn not_there() -> Error {
    Error::new(ErrorKind::NotFound, "there is no silence with this id; GET /api/v2/silences lists all")
}

pub async fn silence(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    Ok(bare(&json!({ "silenceID": make_silence(app, request).await? })))
}

/// The same, answered as the rest of our own API.
pub async fn silence_told(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    Ok(success(&json!({ "id": make_silence(app, request).await? })))
}

async fn make_silence(app: Arc<App>, request: Request) -> ApiResult<String> {
    let address = peer(&request);
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let json: Json =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not JSON: {e}")))?;
    let now_ms = now_ms();
    let new_id = crate::monitors::new_id(now_ms);
    let silence = Silence::from_api(&json, &new_id, now_ms).map_err(ApiError::bad)?;
    let id = silence.id.clone();
    let kept = blocking(&app, move |app| {
        keep_silences(&app.monitors, &address, "silence", &silence.clone(), |notifier| {
            notifier.silence(silence, now_ms).map_err(|e| Error::invalid(e).bound(crate::limits::SILENCES))
        })
    });
    kept.await?;
    Ok(id)
}

pub async fn unsilence(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    end_silence(app, id, peer(&request)).await?;
    Ok(bare(&json!({})))
}

/// The same, answered as the rest of our own API.
pub async fn unsilence_told(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult {
    end_silence(app, id, peer(&request)).await?;
    Ok(success(&json!({})))
}

async fn end_silence(app: Arc<App>, id: String, address: String) -> ApiResult<()> {
    let now_ms = now_ms();
    let found = app.monitors.notify().notifier.silences().iter().find(|s| s.id == id).cloned();
    let silence = found.ok_or_else(not_there)?;
    let kept = blocking(&app, move |app| {
        keep_silences(&app.monitors, &address, "silence_ended", &silence, |notifier| {
            if notifier.unsilence(&id, now_ms) { Ok(()) } else { Err(not_there()) }
        })
    });
    kept.await?;
    Ok(())
}

pub async fn receivers(State(app): State<Arc<App>>) -> ApiResult {
    let config = app.monitors.notify().notifier.config().clone();
    Ok(bare(&config.receivers.iter().map(|r| json!({ "name": r.name })).collect()))
}

pub async fn status(State(app): State<Arc<App>>) -> ApiResult {
    Ok(bare(&json!({
        "cluster": { "status": "disabled", "peers": [] },
        "versionInfo": {
            "version": env!("CARGO_PKG_VERSION"), "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
        },
        "config": { "original": "" },
        "uptime": model::time::format_rfc3339_ms(app.started_ms),
    })))
}
