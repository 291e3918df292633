//! What series there are: `series`, `labels`, `label/NAME/values`, `metadata`.

use crate::app::App;
use crate::http::{ApiError, ApiResult, Params, json_response, success};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use model::{Labels, Matcher};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The matcher sets of all `match[]`.
///
/// # Errors
/// The position of what does not parse.
pub fn matcher_sets(params: &Params) -> ApiResult<Vec<Vec<Matcher>>> {
    let sets: ApiResult<Vec<_>> = params
        .all("match[]")
        .map(|text| ::query::parse_selector(text).map_err(|e| ApiError::parse("match[]", e)))
        .collect();
    let sets = sets?;
    if sets.iter().any(|set| set.iter().all(Matcher::matches_empty)) {
        return Err(ApiError::bad(
            "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher",
        ));
    }
    Ok(sets)
}

struct Range {
    start_ms: i64,
    end_ms: i64,
    limit: usize,
}

fn range(params: &Params) -> ApiResult<Range> {
    let start_ms = params.time_ms("start")?.unwrap_or(i64::MIN);
    let end_ms = params.time_ms("end")?.unwrap_or(i64::MAX);
    if end_ms < start_ms {
        return Err(ApiError::bad("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    let limit = params.number("limit")?.filter(|n| *n > 0).unwrap_or(usize::MAX);
    Ok(Range { start_ms, end_ms, limit })
}

/// Runs `read` over the label sets that any of the matcher sets selects.
async fn over_series<T: Send + 'static>(
    app: Arc<App>,
    sets: Vec<Vec<Matcher>>,
    range: &Range,
    read: impl FnOnce(Vec<Labels>) -> T + Send + 'static,
) -> ApiResult<(T, Vec<String>)> {
    let (start_ms, end_ms) = (range.start_ms, range.end_ms);
    let inside = app.clone();
    let found = app.gate.run(None, move |_| -> stdx::Result<_> {
        let view = inside.store.view();
        let series_max = inside.settings.query.series_max;
        let sets = if sets.is_empty() { vec![Vec::new()] } else { sets };
        let mut found = BTreeSet::new();
        for matchers in sets {
            found.extend(view.series(&matchers, start_ms, end_ms, series_max)?);
        }
        Ok((read(found.into_iter().collect()), view.warnings()))
    });
    Ok(found.await?)
}

fn list(items: impl IntoIterator<Item = Json>, limit: usize, mut warnings: Vec<String>) -> ApiResult {
    let mut items: Vec<Json> = items.into_iter().collect();
    if items.len() > limit {
        items.truncate(limit);
        warnings.push("results truncated due to limit".into());
    }
    let mut body = json!({ "status": "success", "data": items });
    if !warnings.is_empty() {
        body["warnings"] = json!(warnings);
    }
    Ok(json_response(StatusCode::OK, body.to_string()))
}

pub async fn series(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let (sets, range) = (matcher_sets(&params)?, range(&params)?);
    if sets.is_empty() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    let to_json = |found: Vec<Labels>| -> Vec<Json> {
        let object = |l: &Labels| l.iter().map(|(n, v)| (n.to_string(), Json::from(v))).collect::<Json>();
        found.iter().map(object).collect()
    };
    let (found, warnings) = over_series(app, sets, &range, to_json).await?;
    list(found, range.limit, warnings)
}

pub async fn labels(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let (sets, range) = (matcher_sets(&params)?, range(&params)?);
    let names = |found: Vec<Labels>| -> BTreeSet<String> {
        found.iter().flat_map(|l| l.iter().map(|(n, _)| n.to_string()).collect::<Vec<_>>()).collect()
    };
    let (names, warnings) = over_series(app, sets, &range, names).await?;
    list(names.into_iter().map(Json::from), range.limit, warnings)
}

pub async fn label_values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> ApiResult {
    let params = Params::read(request).await?;
    let (sets, range) = (matcher_sets(&params)?, range(&params)?);
    let name = unescape(&name);
    if name.is_empty() {
        return Err(ApiError::bad("the label name is empty"));
    }
    let values = move |found: Vec<Labels>| -> BTreeSet<String> {
        found.iter().map(|l| l.get(&name).to_string()).filter(|v| !v.is_empty()).collect()
    };
    let (values, warnings) = over_series(app, sets, &range, values).await?;
    list(values.into_iter().map(Json::from), range.limit, warnings)
}

/// A label name in Prometheus's `U__` escaping for URLs (`U__my_2e_name`), or as it is.
fn unescape(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("U__") else { return name.to_string() };
    let mut out = String::new();
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let decoded = rest.split_once('_').and_then(|(hex, after)| {
            let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
            Some((c, after))
        });
        match decoded {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => return name.to_string(),
        }
    }
    out + rest
}

pub async fn metadata(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    // One text is kept for each metric, so this cuts nothing.
    params.number("limit_per_metric")?;
    let wanted = params.get("metric");
    let known = app.store.metadata();
    let data: BTreeMap<&String, Json> = known
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|w| w == name.as_str()))
        .take(limit)
        .map(|(name, m)| (name, json!([{ "type": m.kind.as_str(), "help": m.help, "unit": m.unit }])))
        .collect();
    Ok(success(&json!(data)))
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escaped_label_names() {
        for (escaped, want) in [
            ("job", "job"),
            ("U__my_2e_name", "my.name"),
            ("U__a__b", "a_b"),
            ("U__x_zz_", "U__x_zz_"),
            ("U__", ""),
        ] {
            assert_eq!(unescape(escaped), want);
        }
    }
}
