//! The weekly review of monitors over HTTP: what became of each, a proposal, one request to take it, another to take it back; and what
//! people say of a monitor. All of it is audited, but that somebody looked.

use super::asked::{blocking, said};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, success};
use crate::monitors::incidents;
use crate::slos::unseen;
use ::query::QueryError;
use axum::extract::{Path, Request, State};
use monitor::ledger::review::{LONG_DAYS, Line, Take, review as review_of};
use monitor::ledger::{Counts, Event};
use monitor::read::duration_ms;
use serde_json::{Value as Json, json};
use std::sync::Arc;

const BODY_BYTES_MAX: usize = 64 << 10;
/// How far back trouble is looked for that no monitor saw.
const UNSEEN_MS: i64 = 7 * 86_400_000;
/// The same for incidents: as far as a review counts.
const INCIDENTS_MS: i64 = LONG_DAYS * 86_400_000;
const SEVERITY_CHARS_MAX: usize = 40;

fn counts(c: &Counts) -> Json {
    json!({
        "fired": c.fired, "notified": c.notified, "seen": c.seen, "acted": c.acted, "silenced": c.silenced,
        "flaps": c.flaps, "incidents": c.incidents, "red_s": c.red_ms as f64 / 1000.0,
    })
}

fn line(l: &Line) -> Json {
    let takes = l.takes.iter().map(|t| json!({ "take": t.to_json(), "words": t.words() }));
    json!({
        "id": l.facts.id, "name": l.facts.name, "state": l.facts.state, "severity": l.facts.severity,
        "kind": l.kind, "says": l.says, "takes": takes.collect::<Vec<_>>(),
        "week": counts(&l.week), "four_weeks": counts(&l.long),
        "red_since_ms": l.entry.red_since_ms, "known_since_ms": l.entry.since_ms,
        "changed_ms": l.entry.changed_ms, "useful_ms": l.entry.useful_ms,
    })
}

/// What became of each monitor, and trouble that none saw.
pub async fn review(State(app): State<Arc<App>>) -> ApiResult {
    let now = now_ms();
    let facts = app.monitors.review_facts();
    let (lines, decisions, forgotten) = app.monitors.with_book(|book| {
        let lines: Vec<Json> = review_of(&book.ledger, facts, now).iter().map(line).collect();
        let decisions = book.decisions.iter().map(|(id, d)| {
            let mut json = d.to_json();
            json["id"] = id.as_str().into();
            json
        });
        (lines, decisions.collect::<Vec<Json>>(), book.ledger.forgotten)
    });
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| -> Result<_, QueryError> {
        let incidents = incidents::told(&inside, now, INCIDENTS_MS, &stop)?;
        Ok((unseen::run(&inside, now, UNSEEN_MS, stop)?, incidents))
    });
    // What cannot be looked at is said; the review stands without it.
    let (unseen, (count, missed), problem) = match found.await {
        Ok((list, (count, missed))) => (Json::from(list), (count.into(), missed.into()), Json::Null),
        Err(e) => (Json::Null, (Json::Null, Json::Null), e.to_string().into()),
    };
    Ok(success(&json!({
        "now_ms": now, "monitors": lines, "decisions": decisions, "forgotten": forgotten, "unseen": unseen,
        "unseen_problem": problem, "incidents": count, "unseen_incidents": missed,
    })))
}

/// Somebody looks at a monitor.
pub async fn seen(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    // A page says so when it is opened: nothing else does.
    said(request, BODY_BYTES_MAX).await?;
    app.monitors.book_note(&id, Event::Seen, now_ms());
    Ok(success(&json!({})))
}

/// Somebody did something because of a monitor.
pub async fn acted(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (_, who) = said(request, BODY_BYTES_MAX).await?;
    done(app, move |app| app.monitors.say_acted(&id, &who)).await
}

fn take(json: &Json) -> Result<Take, String> {
    if json["off"] == true {
        return Ok(Take::Off);
    }
    if let Some(severity) = json["severity"].as_str() {
        let is_word =
            !severity.is_empty() && severity.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
        return match is_word && severity.chars().count() <= SEVERITY_CHARS_MAX {
            true => Ok(Take::Severity(severity.to_string())),
            false => Err("\"severity\" is a word, such as ticket".into()),
        };
    }
    match json["for"].as_str() {
        Some(text) => duration_ms(text).map(Take::For).map_err(|e| format!("\"for\": {e}")),
        None => {
            Err("say what to do: {\"off\": true}, {\"severity\": \"ticket\"} or {\"for\": \"15m\"}".into())
        }
    }
}

/// Takes a proposal.
pub async fn decide(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (json, who) = said(request, BODY_BYTES_MAX).await?;
    let take = take(&json).map_err(ApiError::bad)?;
    done(app, move |app| app.monitors.decide(&id, &take, &who)).await
}

/// Takes a decision back.
pub async fn undecide(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> ApiResult {
    let (_, who) = said(request, BODY_BYTES_MAX).await?;
    done(app, move |app| app.monitors.undecide(&id, &who)).await
}

async fn done(app: Arc<App>, change: impl FnOnce(&App) -> stdx::Result<()> + Send + 'static) -> ApiResult {
    blocking(&app, change).await?;
    Ok(success(&json!({})))
}
