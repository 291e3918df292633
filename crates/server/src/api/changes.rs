//! Changes over HTTP: recorded, said more about, listed, compared. Who says something stands in what is kept, with the address.

use super::asked::{blocking, peer};
use crate::app::App;
use crate::changes::{self, Asked};
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, read_body, success};
use crate::monitors::incidents::COUNTED;
use ::query::QueryError;
use axum::extract::{Path, Request, State};
use look::changes::{KINDS, QUESTIONS, SAID};
use model::{Change, Pairs};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use stdx::{Error, ErrorKind};

/// Bytes of what is said of a change.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Bytes of one text of it.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Attributes of it.
const ATTRIBUTES_MAX: usize = 64;
/// Bytes of an id.
const ID_BYTES_MAX: usize = 64;
/// Changes of one list.
const LISTED_MAX: usize = 2_000;
/// How long before and after is compared unless something else is asked for.
const WINDOW_MS: i64 = 15 * 60 * 1000;
/// How far ahead a change may be announced.
const AHEAD_MS: i64 = 366 * 86_400_000;

/// Takes one change, or a later word on one.
pub async fn record(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let address = peer(&request);
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let said: Json = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not a change in JSON: {e}")))?;
    let mut change = read(&said)?;
    change.attributes.set("address", &address);
    let known = match change.id.is_empty() {
        true => None,
        false => one(&app, &change.id).await?,
    };
    let now_ms = now_ms();
    let has_time = !said["time"].is_null();
    match &known {
        Some(known) if !has_time => change.time_ns = known.time_ns,
        None if change.title.is_empty() => {
            return Err(ApiError::bad("a change needs a title: what changed, in a sentence"));
        }
        None if !has_time => change.time_ns = now_ms.saturating_mul(1_000_000),
        _ => {}
    }
    if change.time_ns / 1_000_000 > now_ms.saturating_add(AHEAD_MS) {
        return Err(ApiError::bad(
            "the change lies more than a year ahead; give the time in seconds or as RFC 3339",
        ));
    }
    if change.id.is_empty() {
        change.id = format!("{}-{now_ms}-{:08x}", change.kind, rand(&change));
    }
    if change.author.is_empty() && known.is_none() {
        change.author = "api".into();
    }
    let led = app.monitors.attribute_incident(&mut change, known.as_ref())?;
    let (id, at_ms) = (change.id.clone(), change.time_ns / 1_000_000);
    changes::write(&app, vec![changes::said(change, now_ms)]).await?;
    let whole = one(&app, &id).await?;
    let monitors = app.monitors.names_of(&led);
    blocking(&app, move |app| {
        app.monitors.book_incident(&led, at_ms);
        Ok(())
    })
    .await?;
    Ok(success(&json!({
        "id": id, "is_new": known.is_none(), "change": whole.as_ref().map(to_json), "monitors": monitors,
    })))
}

/// Two at the same millisecond with other words are two.
fn rand(change: &Change) -> u32 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    (&change.title, &change.service, &change.host, &change.attributes).hash(&mut hasher);
    hasher.finish() as u32
}

async fn one(app: &Arc<App>, id: &str) -> ApiResult<Option<Change>> {
    let asked = Asked { id: id.to_string(), range_ns: (i64::MIN, i64::MAX), ..Asked::default() };
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| changes::list(&inside, &asked, &stop)).await?;
    Ok(found.0.into_iter().next())
}

/// From JSON, checked.
fn read(said: &Json) -> ApiResult<Change> {
    let bad = |text: String| Err(ApiError::bad(text));
    let Some(fields) = said.as_object() else { return bad("a change is an object in JSON".into()) };
    let mut change = Change::default();
    for (name, value) in fields {
        match name.as_str() {
            "time" => change.time_ns = time_ns(value)?,
            "id" => change.id = text(name, value)?,
            "kind" => change.kind = text(name, value)?,
            "title" => change.title = text(name, value)?,
            "service" => change.service = text(name, value)?,
            "host" => change.host = text(name, value)?,
            "author" => change.author = text(name, value)?,
            "link" => change.link = text(name, value)?,
            "outcome" => change.attributes.set("outcome", &text(name, value)?),
            "attributes" => add(&mut change.attributes, value, |_| true, "attributes")?,
            "answers" => {
                let is_question = |name: &str| QUESTIONS.iter().any(|(q, _)| *q == name);
                add(&mut change.attributes, value, is_question, "answers")?;
            }
            other => {
                let other: String = other.chars().take(40).collect();
                return bad(format!(
                    "{other:?} is nothing that a change has; it has id, time, kind, title, service, host, author, link, outcome, \
                     answers and attributes"
                ));
            }
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if change.id.len() > ID_BYTES_MAX || !change.id.chars().all(is_word) {
        return bad(format!("an id has at most {ID_BYTES_MAX} letters, digits, - and _"));
    }
    if change.kind.len() > 32 || !change.kind.chars().all(is_word) {
        return bad(format!("a kind is a word, such as {}", KINDS.join(", ")));
    }
    if change.kind.is_empty() && change.id.is_empty() {
        change.kind = "other".into();
    }
    if !change.link.is_empty() && !change.link.starts_with("http://") && !change.link.starts_with("https://")
    {
        return bad("a link begins with http:// or https://".into());
    }
    if change.attributes.len() > ATTRIBUTES_MAX {
        return bad(format!("a change has at most {ATTRIBUTES_MAX} attributes and answers"));
    }
    Ok(change)
}

fn text(name: &str, value: &Json) -> ApiResult<String> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Number(_) | Json::Bool(_) => value.to_string(),
        _ => return Err(ApiError::bad(format!("{name:.40?} is not a text"))),
    };
    match text.len() > TEXT_BYTES_MAX {
        true => Err(ApiError::bad(format!("{name:.40?} is longer than {TEXT_BYTES_MAX} bytes"))),
        false => Ok(text.trim().to_string()),
    }
}

fn time_ns(value: &Json) -> ApiResult<i64> {
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let ms = model::time::parse_time_ms(&text).map_err(|e| ApiError::bad(format!("\"time\": {e}")))?;
    Ok(ms.saturating_mul(1_000_000))
}

fn add(pairs: &mut Pairs, value: &Json, is_good: impl Fn(&str) -> bool, what: &str) -> ApiResult<()> {
    let Some(fields) = value.as_object() else {
        return Err(ApiError::bad(format!("{what:?} is not an object of names and texts")));
    };
    for (name, value) in fields {
        if name.is_empty() || name.len() > 200 || [SAID, COUNTED].contains(&name.as_str()) || !is_good(name) {
            let known: Vec<&str> = QUESTIONS.iter().map(|(q, _)| *q).collect();
            let hint = if what == "answers" {
                format!("; the questions are {}", known.join(", "))
            } else {
                String::new()
            };
            return Err(ApiError::bad(format!("{name:.40?} is no name for {what}{hint}")));
        }
        pairs.set(name, &text(name, value)?);
    }
    Ok(())
}

fn to_json(change: &Change) -> Json {
    let attributes: serde_json::Map<String, Json> =
        change.attributes.iter().map(|(n, v)| (n.to_string(), Json::from(v))).collect();
    json!({
        "id": change.id, "time_ms": change.time_ns / 1_000_000, "kind": change.kind, "title": change.title,
        "service": change.service, "host": change.host, "author": change.author, "link": change.link,
        "attributes": attributes,
    })
}

/// `GET /api/v1/changes`.
pub async fn list(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let text = |name: &str| params.get(name).unwrap_or("").to_string();
    let ns = |ms: i64| ms.saturating_mul(1_000_000);
    let end_ms = params.time_ms("end")?.unwrap_or_else(now_ms);
    let start_ms = params.time_ms("start")?.unwrap_or(end_ms.saturating_sub(7 * 86_400_000));
    let limit = params.number("limit")?.unwrap_or(500).clamp(1, LISTED_MAX);
    let asked = Asked {
        range_ns: (ns(start_ms), ns(end_ms).saturating_add(999_999)),
        id: String::new(),
        kind: text("kind"),
        service: text("service"),
        host: text("host"),
    };
    let inside = app.clone();
    let (all, is_cut, damaged) =
        app.gate.run(None, move |stop| changes::list(&inside, &asked, &stop)).await?;
    let changes: Vec<Json> = all.iter().take(limit).map(to_json).collect();
    let questions: Vec<Json> =
        QUESTIONS.iter().map(|(name, asks)| json!({ "name": name, "asks": asks })).collect();
    Ok(success(&json!({
        "changes": changes, "is_cut": is_cut || all.len() > limit, "damaged": damaged, "kinds": KINDS,
        "questions": questions, "is_detecting": app.settings.changes.enabled && app.settings.host.is_some(),
    })))
}

async fn known(app: &Arc<App>, id: &str) -> ApiResult<Change> {
    let found = one(app, id).await?;
    let text = || format!("there is no change {id:.80?}");
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, text()).into())
}

/// `GET /api/v1/changes/{id}`.
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    Ok(success(&to_json(&known(&app, &id).await?)))
}

/// `GET /api/v1/changes/{id}/compare`.
pub async fn compare(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let window_ms = params.duration_ms("window")?.unwrap_or(WINDOW_MS).clamp(10_000, 7 * 86_400_000);
    let change = known(&app, &id).await?;
    let inside = app.clone();
    let answer = app.gate.run(None, move |stop| -> Result<Json, QueryError> {
        changes::compare(&inside, &change, window_ms, now_ms(), stop)
    });
    Ok(success(&answer.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_may_be() {
        let good = json!({ "title": " deployed api 1.42 ", "kind": "deploy", "service": "api", "time": 1_700_000_000,
            "link": "https://ci.example/7", "answers": { "solves": "the crash" }, "attributes": { "version": 1.42 } });
        let change = read(&good).unwrap();
        assert_eq!((change.title.as_str(), change.time_ns), ("deployed api 1.42", 1_700_000_000_000_000_000));
        assert_eq!(
            (change.attributes.get("solves"), change.attributes.get("version")),
            (Some("the crash"), Some("1.42"))
        );
        for bad in [
            json!([]),
            json!({ "title": ["x"] }),
            json!({ "titel": "x" }),
            json!({ "id": "a b" }),
            json!({ "id": "x".repeat(65) }),
            json!({ "kind": "two words" }),
            json!({ "link": "javascript:alert(1)" }),
            json!({ "title": "x".repeat(5_000) }),
            json!({ "time": "yesterday" }),
            json!({ "answers": { "mood": "good" } }),
            json!({ "answers": "none" }),
            json!({ "attributes": { "said_ms": "0" } }),
            json!({ "attributes": { "monitor_ids": "91c8434421e22ddc" } }),
            json!({ "attributes": (0..100).map(|i| (i.to_string(), Json::from("x"))).collect::<serde_json::Map<_, _>>() }),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
