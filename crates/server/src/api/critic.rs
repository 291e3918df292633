//! The critic over HTTP: a plan is criticised, rules are listed, said something of, written and removed. Reads and checks what
//! was sent; what is said of a plan is [`crate::critique`]'s.

use super::asked::{blocking, peer};
use crate::app::App;
use crate::clock::now_ms;
use crate::critique::{self, Entry, Question, Verdict, entry_json};
use crate::http::{ApiError, ApiResult, read_body, success};
use axum::extract::{Path, Request, State};
use critic::plan::Asked;
use critic::rule::{Question as Query, Rule};
use critic::thumb::Thumb;
use monitor::ledger::Event;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of what is sent.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long before the plan the trouble began, unless something else is said, in milliseconds.
const WINDOW_MS: i64 = 15 * 60_000;
/// The longest, and the shortest.
const WINDOW_MS_MAX: i64 = 7 * 86_400_000;
const WINDOW_MS_MIN: i64 = 60_000;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedPlan {
    #[serde(default)]
    plan: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    goal: String,
    #[serde(default)]
    at: Option<Json>,
    #[serde(default)]
    since: Option<Json>,
    #[serde(default)]
    window: Option<String>,
    #[serde(default)]
    monitor: String,
}

/// `POST /api/v1/critique`.
pub async fn critique(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let asked: AskedPlan = body(request, "a plan").await?;
    if asked.plan.trim().is_empty() && asked.action.trim().is_empty() {
        return Err(ApiError::bad(
            "say what you are about to do or what you believe: {\"plan\": \"restart api-7\"}, or an action and a target",
        ));
    }
    let at_ms = match &asked.at {
        Some(at) => super::look::time_ms("at", at)?,
        None => now_ms(),
    };
    let since_ms = match (&asked.since, &asked.window) {
        (Some(_), Some(_)) => return Err(ApiError::bad("give since or window, not both")),
        (Some(since), None) => super::look::time_ms("since", since)?,
        (None, Some(window)) => {
            let window = model::time::parse_duration_ms(window)
                .map_err(|e| ApiError::bad(format!("invalid parameter \"window\": {e}")))?;
            at_ms.saturating_sub(window)
        }
        (None, None) => at_ms.saturating_sub(WINDOW_MS),
    };
    if !(WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&at_ms.saturating_sub(since_ms)) {
        return Err(ApiError::bad("the trouble begins a minute to a week before the time of the plan"));
    }
    // A plan is not yet a deed: whoever asks has looked.
    if !asked.monitor.is_empty() {
        app.monitors.note_from(&asked.monitor, Event::Seen)?;
    }
    let plan = Asked { text: asked.plan, action: asked.action, target: asked.target, goal: asked.goal };
    let question = Question { asked: plan, at_ms, since_ms };
    let inside = app.clone();
    let started = Instant::now();
    let mut data = app.gate.run(None, move |stop| critique::answer(&inside, &question, stop)).await?;
    data["elapsed_ms"] = json!((started.elapsed().as_secs_f64() * 1e4).round() / 10.0);
    Ok(success(&data))
}

/// `GET /api/v1/critic/rules`.
pub async fn rules(State(app): State<Arc<App>>) -> ApiResult {
    let data = blocking(&app, move |app| {
        let library = app.critics.shelf.library();
        let rules: Vec<Json> =
            library.with_origins().map(|(rule, origin)| rule_json(app, rule, origin.as_str())).collect();
        let problems: Vec<Json> =
            library.problems.iter().map(|p| json!({ "file": p.file, "what": p.what })).collect();
        let folder = app.critics.shelf.folder().map(|f| f.display().to_string());
        let damaged = app.critics.ledger.damaged();
        Ok(json!({ "rules": rules, "problems": problems, "folder": folder, "damaged": damaged }))
    });
    Ok(success(&data.await?))
}

fn rule_json(app: &App, rule: &Rule, origin: &str) -> Json {
    let counts = app.critics.ledger.counts(&rule.id);
    let a = &rule.applies;
    let query = |q: &Query| json!({ "name": q.name, "promql": q.promql, "says": q.says, "unit": q.unit });
    json!({
        "id": rule.id, "title": rule.title, "checks": rule.checks, "kind": rule.kind.as_str(),
        "kind_words": rule.kind.words(), "weight": rule.weight, "text": rule.text, "finding": rule.finding, "next": rule.next, "why": rule.why,
        "sources": rule.sources, "author": rule.author, "origin": origin,
        "applies": {
            "always": a.always,
            "actions": a.actions.iter().map(|x| x.as_str()).collect::<Vec<_>>(),
            "beliefs": a.beliefs.iter().map(|x| x.as_str()).collect::<Vec<_>>(),
            "words": a.words, "things": a.things, "services": a.services,
            "goals": a.goals.iter().map(|x| x.as_str()).collect::<Vec<_>>(),
        },
        "queries": rule.questions.iter().map(query).collect::<Vec<_>>(),
        "tests": rule.trials.len(),
        "shown": counts.shown, "helpful": counts.helpful, "wrong": counts.wrong,
        "words": counts.words.iter().map(entry_json).collect::<Vec<_>>(),
        "not_here": app.critics.ledger.left_out(&rule.id).iter().map(entry_json).collect::<Vec<_>>(),
    })
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    rule: String,
    verdict: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    because: String,
    #[serde(default)]
    author: String,
}

/// `POST /api/v1/critic/feedback`.
pub async fn feedback(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let address = peer(&request);
    let said: Said = body(request, "what is said of a rule").await?;
    let verdict = Verdict::parse(&said.verdict)?;
    let data = blocking(&app, move |app| {
        if app.critics.shelf.library().get(&said.rule).is_none() {
            let text = format!("there is no rule {:.80?}", said.rule);
            return Err(stdx::Error::new(stdx::ErrorKind::NotFound, text));
        }
        let text = |text: String| text.trim().to_string();
        let entry = Entry {
            at_ms: now_ms(),
            rule: said.rule,
            verdict,
            service: text(said.service),
            because: text(said.because),
            author: text(said.author),
            address,
        };
        let answer = entry_json(&entry);
        app.critics.ledger.say(entry)?;
        Ok(answer)
    });
    Ok(success(&data.await?))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ThumbSaid {
    see: String,
    #[serde(default)]
    see_query: String,
    look: String,
    #[serde(default)]
    look_query: String,
    because: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    author: String,
}

/// `POST /api/v1/critic/rules`.
pub async fn write(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let said: ThumbSaid = body(request, "a rule of thumb").await?;
    let data = blocking(&app, move |app| {
        let thumb = Thumb {
            see: said.see,
            see_query: said.see_query,
            look: said.look,
            look_query: said.look_query,
            because: said.because,
            service: said.service,
            author: said.author,
        };
        let (rule, file) = app.critics.shelf.write(&thumb, now_ms())?;
        Ok(json!({ "id": rule.id, "file": file, "rule": rule_json(app, &rule, "thumb") }))
    });
    Ok(success(&data.await?))
}

/// `POST /api/v1/critic/rules/{id}/remove`.
pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>) -> ApiResult {
    blocking(&app, move |app| app.critics.shelf.remove(&id)).await?;
    Ok(success(&json!({})))
}

async fn body<T: serde::de::DeserializeOwned>(request: Request, what: &str) -> ApiResult<T> {
    let body = read_body(request, BODY_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|e| ApiError::bad(format!("the body is not {what}: {e}")))
}
