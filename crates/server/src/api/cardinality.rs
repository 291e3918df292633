//! Where series come from, for people and programs: `cardinality`, with growth and use. What Prometheus documents as
//! `status/tsdb` is in `status.rs`.

use crate::app::App;
use crate::cardinality::{By, Row};
use crate::clock::now_ms;
use crate::http::{ApiError, ApiResult, Params, success};
use axum::extract::{Request, State};
use serde_json::{Value as Json, json};
use std::cmp::Reverse;
use std::sync::Arc;

/// Rows of one answer.
const ROWS_MAX: usize = 10_000;

pub async fn cardinality(State(app): State<Arc<App>>, request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    let by = match params.get("by") {
        None | Some("metric") => By::Metric,
        Some("label") => By::Label,
        Some("pair") => By::Pair,
        Some("source") => By::Value("job".into()),
        Some("value") => By::Value(params.required("label", params.get("label"))?.to_string()),
        Some(other) => {
            let text = format!("by is metric, label, pair, value or source, not {other:?}");
            return Err(ApiError::bad(text));
        }
    };
    let text = params.get("match").unwrap_or("").to_string();
    let matchers = match text.as_str() {
        "" => Vec::new(),
        text => ::query::parse_selector(text).map_err(|e| ApiError::parse("match", e))?,
    };
    let limit = params.number("limit")?.unwrap_or(100).min(ROWS_MAX);
    let sort = params.get("sort").unwrap_or("series").to_string();
    if !matches!(sort.as_str(), "series" | "growth" | "values" | "name" | "queried") {
        let text = format!("sort is series, growth, values, name or queried, not {sort:?}");
        return Err(ApiError::bad(text));
    }
    let filter = params.get("filter").unwrap_or("").to_lowercase();
    let inside = app.clone();
    let data = app
        .gate
        .run(None, move |stop| -> stdx::Result<Json> {
            let view = inside.store.view();
            let table = inside.cardinality.table(
                &view,
                &by,
                (text.as_str(), matchers.as_slice()),
                now_ms(),
                &stop,
            )?;
            let mut rows: Vec<&Row> = table
                .rows
                .iter()
                .filter(|r| filter.is_empty() || r.name.to_lowercase().contains(&filter))
                .collect();
            let is_metric = by == By::Metric;
            let asked = match is_metric {
                true => inside.usage.of(rows.iter().map(|r| &*r.name)),
                false => Vec::new(),
            };
            let found = rows.len();
            let queried = |i: usize| asked.get(i).map_or(0, |a| a.count);
            let mut order: Vec<usize> = (0..found).collect();
            match sort.as_str() {
                "growth" => order.sort_by_key(|i| Reverse(growth(rows[*i]).map(|g| (g.abs(), g)))),
                "values" => order.sort_by_key(|i| Reverse(rows[*i].values)),
                "name" => order.sort_by(|a, b| rows[*a].name.cmp(&rows[*b].name)),
                // What nobody asks for, and costs most, first.
                "queried" => order.sort_by_key(|i| (queried(*i), Reverse(rows[*i].series))),
                _ => {}
            }
            let shown: Vec<Json> = order
                .into_iter()
                .take(limit)
                .map(|i| {
                    let row = rows[i];
                    let mut out = json!({
                        "name": row.name, "series": row.series, "day_ago": row.before, "growth": growth(row),
                    });
                    if by == By::Label {
                        out["values"] = row.values.into();
                    }
                    if let Some(asked) = asked.get(i) {
                        out["queried"] = asked.count.into();
                        out["queried_ms"] = (asked.last_ms > 0).then_some(asked.last_ms).into();
                    }
                    out
                })
                .collect();
            rows.clear();
            Ok(json!({
                "rows": shown,
                "found": found,
                "series": table.series,
                "day_ago": table.before,
                "cut": table.is_cut,
                "at_ms": table.at_ms,
                "took_ms": table.took_ms,
                "queried_since_ms": inside.usage.since_ms(),
                "warnings": table.warnings,
            }))
        })
        .await?;
    Ok(success(&data))
}

fn growth(row: &Row) -> Option<i64> {
    row.before.map(|before| row.series as i64 - before as i64)
}
