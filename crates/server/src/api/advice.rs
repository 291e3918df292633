//! What becomes of advice: people say whether they followed a direction, and whether it was right in the end; and all that was
//! given and said, with how often first directions were right. Reads and checks what was sent; the ledger keeps it.

use super::asked::{blocking, peer};
use crate::advise::{Word, measured, word_json};
use crate::app::App;
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, read_body, success};
use axum::extract::{Request, State};
use look::advise::{Given, JUDGED_MIN, Verdict};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes of what is sent.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Advice that is listed where nothing else is asked for, the newest.
const LISTED: usize = 50;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    id: String,
    entity: String,
    verdict: String,
    #[serde(default)]
    because: String,
    #[serde(default)]
    author: String,
}

/// `POST /api/v1/advise/judge`.
pub async fn judge(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let address = peer(&request);
    let body = read_body(request, BODY_BYTES_MAX).await?;
    let judged: Judged = serde_json::from_slice(&body)
        .map_err(|e| ApiError::bad(format!("the body is not what is said of a direction: {e}")))?;
    let verdict = Verdict::parse(&judged.verdict).ok_or_else(|| {
        ApiError::bad(format!("verdict is accepted, rejected, right or wrong, not {:.40?}", judged.verdict))
    })?;
    let word = Word {
        id: judged.id,
        entity: judged.entity,
        verdict: Some(verdict),
        because: judged.because.trim().to_string(),
        said_ms: now_ms(),
        author: judged.author.trim().to_string(),
        address,
    };
    let id = word.id.clone();
    blocking(&app, move |app| app.advice.say(word)).await?;
    let (given, words) = app.advice.one(&id)?;
    let first = given.places.first().map_or(("", ""), |p| (p.kind.as_str(), p.basis.as_str()));
    Ok(success(&json!({ "advice": given_json(&given, &words), "measured": measured(&app, first) })))
}

/// `GET /api/v1/advise/ledger`: all, or one by its `id`.
pub async fn ledger(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    if let Some(id) = params.get("id").filter(|id| !id.is_empty()) {
        let (given, words) = app.advice.one(id)?;
        return Ok(success(&json!({ "advice": given_json(&given, &words) })));
    }
    let all = app.advice.given();
    let kinds: BTreeSet<(&str, &str)> =
        all.iter().filter_map(|g| g.places.first()).map(|p| (p.kind.as_str(), p.basis.as_str())).collect();
    let by_kind: Vec<Json> = kinds.into_iter().map(|of| measured(&app, of)).collect();
    let newest = all.iter().rev().take(LISTED);
    let one = |g: &Given| match app.advice.one(&g.id) {
        Ok((given, words)) => given_json(&given, &words),
        // Forgotten a moment ago.
        Err(_) => given_json(g, &[]),
    };
    let (count, bytes, damaged) = app.advice.size();
    Ok(success(&json!({
        "measured": measured(&app, ("", "")),
        "by_kind": by_kind,
        "judged_min": JUDGED_MIN,
        "advice": newest.map(one).collect::<Vec<_>>(),
        "count": count,
        "bytes": bytes,
        "damaged": damaged,
    })))
}

fn given_json(given: &Given, words: &[Word]) -> Json {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let place = |p: &look::advise::Pointed| {
        let word = words.iter().find(|w| w.entity == p.entity).map(word_json);
        json!({ "entity": p.entity, "kind": p.kind, "basis": p.basis, "signs": p.signs, "said": word })
    };
    json!({
        "id": given.id,
        "asked": seconds(given.asked_ms),
        "window": [seconds(given.window.0), seconds(given.window.1)],
        "directions": given.places.iter().map(place).collect::<Vec<_>>(),
    })
}
