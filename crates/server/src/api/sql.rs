//! SQL over HTTP: reads the question, hands it to the engine inside the gate, and passes the answer on as it is written.

use crate::app::App;
use crate::gate::Stop;
use crate::http::{ApiError, ApiResult, Params, header_text, read_body};
use crate::sql::{Asking, ask};
use crate::transport::quality;
use ::sql::answer::Format;
use ::sql::{Parameter, Query};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value as Json;
use std::sync::Arc;

/// Bytes of a request: the longest query as JSON, and its parameters.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Parameters of one query.
const PARAMETERS_MAX: usize = 1_000;

pub async fn query(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let headers = request.headers().clone();
    let kind = header_text(&headers, header::CONTENT_TYPE);
    let from_url = Params::of_url(&request);
    let asked = match kind.split(';').next().unwrap_or("").trim() {
        "application/x-www-form-urlencoded" => {
            let body = read_body(request, BODY_BYTES_MAX).await?;
            from_form(&body, from_url, &headers)?
        }
        "application/json" => {
            let body = read_body(request, BODY_BYTES_MAX).await?;
            from_json(&body, &from_url, &headers)?
        }
        _ => {
            let body = read_body(request, BODY_BYTES_MAX).await?;
            from_params(plain(&body)?, &from_url, &headers)?
        }
    };
    if asked.query.text.trim().is_empty() {
        return Err(ApiError::bad("invalid parameter \"query\": it is missing"));
    }
    let format = asked.format;
    let body = ask(&app, asked).await?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, format.content_type())], Body::from_stream(body))
        .into_response())
}

/// A form with `query`, or the query itself: curl's `-d` says of any body that it is a form.
fn from_form(body: &[u8], from_url: Params, headers: &HeaderMap) -> ApiResult<Asking> {
    let text = plain(body)?;
    let params = from_url.with_form(body);
    if let Some(named) = params.get("query") {
        let query = Query { text: named.to_string(), ..text };
        return from_params(query, &params, headers);
    }
    // Every query has a space in it, unless somebody has encoded it.
    let is_encoded = !text.text.trim().contains(char::is_whitespace);
    let decoded = || form_urlencoded::parse(body).next().map(|(name, _)| name.into_owned());
    let query = match is_encoded.then(decoded).flatten() {
        Some(decoded) => Query { text: decoded, ..text },
        None => text,
    };
    from_params(query, &params, headers)
}

fn plain(body: &[u8]) -> ApiResult<Query> {
    let text = String::from_utf8(body.to_vec()).map_err(|_| ApiError::bad("the query is not UTF-8 text"))?;
    Ok(Query { text, parameters: Vec::new() })
}

fn from_params(query: Query, params: &Params, headers: &HeaderMap) -> ApiResult<Asking> {
    Ok(Asking {
        query,
        format: format(params.get("format"), headers)?,
        limit: params.number("limit")?.unwrap_or(usize::MAX),
        timeout_ms: params.duration_ms("timeout")?.map(|ms| ms as u64),
    })
}

fn from_json(body: &[u8], params: &Params, headers: &HeaderMap) -> ApiResult<Asking> {
    let bad =
        |text: &str| ApiError::bad(format!("{text}; send {{\"query\": \"SELECT ...\", \"params\": [...]}}"));
    let json: Json = serde_json::from_slice(body).map_err(|e| bad(&format!("the body is not JSON: {e}")))?;
    let text = json["query"].as_str().ok_or_else(|| bad("the body has no \"query\""))?.to_string();
    let list = match &json["params"] {
        Json::Null => &Vec::new(),
        Json::Array(list) if list.len() <= PARAMETERS_MAX => list,
        Json::Array(_) => return Err(bad(&format!("more than {PARAMETERS_MAX} parameters"))),
        _ => return Err(bad("\"params\" is not a list")),
    };
    let parameters = list.iter().map(|value| {
        Ok(match value {
            Json::Null => Parameter::Null,
            Json::Bool(v) => Parameter::Bool(*v),
            Json::Number(n) => match n.as_i64() {
                Some(n) => Parameter::Int(n),
                None => Parameter::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Parameter::Text(text.clone()),
            _ => return Err(bad("a parameter is neither text, number, true, false nor null")),
        })
    });
    let query = Query { text, parameters: parameters.collect::<ApiResult<_>>()? };
    let asked = from_params(query, params, headers)?;
    let limit = json["limit"].as_u64().map_or(asked.limit, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let named = json["format"].as_str();
    Ok(Asking { limit, format: named.map_or(Ok(asked.format), |name| format(Some(name), headers))?, ..asked })
}

/// The format that is named, or that the client takes most gladly.
fn format(named: Option<&str>, headers: &HeaderMap) -> ApiResult<Format> {
    if let Some(name) = named {
        return Format::named(name).ok_or_else(|| {
            let name: String = name.chars().take(40).collect();
            ApiError::bad(format!("invalid parameter \"format\": {name:?} is none of json, csv, arrow"))
        });
    }
    let accept = header_text(headers, header::ACCEPT);
    if accept.trim().is_empty() {
        return Ok(Format::Json);
    }
    let formats = [
        (Format::Json, "application/json"),
        (Format::Csv, "text/csv"),
        (Format::Arrow, "application/vnd.apache.arrow.stream"),
    ];
    let taken = formats.iter().map(|(format, name)| {
        let family = format!("{}/*", name.split('/').next().unwrap_or(""));
        let exact = quality(&accept, |n| n == *name);
        let any = || quality(&accept, |n| n == family).or_else(|| quality(&accept, |n| n == "*/*"));
        (exact.or_else(any).unwrap_or(0), *format)
    });
    // Of equals the first.
    let best = taken.rev().max_by_key(|(q, _)| *q).filter(|(q, _)| *q > 0);
    best.map(|(_, format)| format).ok_or_else(|| {
        ApiError::not_acceptable(
            "the answer is JSON, CSV or Arrow's stream; the Accept header takes none of them",
        )
    })
}

/// What a query reads, as it is now.
pub fn sources(app: &App, stop: Stop) -> ::sql::Sources {
    ::sql::Sources {
        view: Arc::new(app.store.view()),
        tables: app.store.tables().clone(),
        promql: super::query_options(app, stop),
        now_ms: crate::clock::now_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            format(None, &headers).ok()
        };
        for (accept, want) in [
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("application/vnd.apache.arrow.stream", Some(Format::Arrow)),
            ("text/csv;q=0.5, application/json", Some(Format::Json)),
            ("text/csv, application/json;q=0.5", Some(Format::Csv)),
            ("text/html", None),
        ] {
            assert_eq!(of(accept), want, "{accept}");
        }
        assert!(format(Some("xml"), &HeaderMap::new()).is_err());
    }
}
