//! What series there are: `series`, `labels`, `label/NAME/values`, `metadata`.

use super::json::{List, push_labels, push_string};
use crate::app::App;
use crate::http::{ApiError, ApiResult, Params, success};
use crate::transport::answer_in_parts;
use axum::extract::{Path, Request, State};
use model::{Labels, Matcher};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stdx::ErrorKind;

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

/// The error of what can no longer be of use.
pub fn stopped() -> stdx::Error {
    let text =
        "it was stopped: it took too long or nobody waits for it; ask for fewer series or a shorter range";
    stdx::Error::new(ErrorKind::Cancelled, text).bound("query.timeout")
}

/// Series between two questions whether to go on.
const SERIES_PER_LOOK: usize = 256;

/// Folds the label sets that any of the matcher sets selects; one may come several times. Gives the sorted result, and
/// what had to be left out.
async fn over_series<T: Ord + Send + 'static>(
    app: &Arc<App>,
    sets: Vec<Vec<Matcher>>,
    range: &Range,
    fold: impl Fn(&Labels, &mut BTreeSet<T>) + Send + 'static,
) -> ApiResult<(BTreeSet<T>, Vec<String>)> {
    let (start_ms, end_ms) = (range.start_ms, range.end_ms);
    let inside = app.clone();
    let found = app.gate.run(None, move |stop| -> stdx::Result<_> {
        let view = inside.store.view();
        let found_max = inside.settings.query.series_max;
        let sets = if sets.is_empty() { vec![Vec::new()] } else { sets };
        let (mut found, mut looked) = (BTreeSet::new(), 0usize);
        for matchers in sets {
            view.for_each_series(&matchers, start_ms, end_ms, |labels, _| {
                looked += 1;
                if looked.is_multiple_of(SERIES_PER_LOOK) && stop() {
                    return Err(stopped());
                }
                fold(labels, &mut found);
                if found.len() <= found_max {
                    return Ok(());
                }
                let text =
                    format!("the answer has more than {found_max} entries; use narrower label matchers");
                Err(stdx::Error::new(ErrorKind::TooLarge, text).bound("query.series_max"))
            })?;
        }
        Ok((found, view.warnings()))
    });
    Ok(found.await?)
}

fn list<T: Ord + Send + Unpin + 'static>(
    app: &Arc<App>,
    (found, mut warnings): (BTreeSet<T>, Vec<String>),
    limit: usize,
    push: impl Fn(&mut String, &T) + Send + Unpin + 'static,
) -> ApiResult {
    if found.len() > limit {
        warnings.push("results truncated due to limit".into());
    }
    let parts = List::new(found.into_iter().take(limit), push, warnings);
    Ok(answer_in_parts(app, "application/json", parts)?)
}

pub async fn series(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let (sets, range) = (matcher_sets(&params)?, range(&params)?);
    if sets.is_empty() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    let fold = |labels: &Labels, found: &mut BTreeSet<Labels>| {
        found.insert(labels.clone());
    };
    let found = over_series(&app, sets, &range, fold).await?;
    list(&app, found, range.limit, push_labels)
}

pub async fn labels(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let (sets, range) = (matcher_sets(&params)?, range(&params)?);
    let fold = |labels: &Labels, found: &mut BTreeSet<String>| {
        for (name, _) in labels.iter() {
            if !found.contains(name) {
                found.insert(name.to_string());
            }
        }
    };
    let found = over_series(&app, sets, &range, fold).await?;
    list(&app, found, range.limit, |out, name| push_string(out, name))
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
    let fold = move |labels: &Labels, found: &mut BTreeSet<String>| {
        let value = labels.get(&name);
        if !value.is_empty() && !found.contains(value) {
            found.insert(value.to_string());
        }
    };
    let found = over_series(&app, sets, &range, fold).await?;
    list(&app, found, range.limit, |out, value| push_string(out, value))
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
