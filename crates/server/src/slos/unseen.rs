//! Trouble that no monitor saw in the last days: from what objectives counted, and from requests that failed by spans and by HTTP status. What is
//! trouble is decided in `monitor::ledger::unseen`. It must never count the same trouble of a service twice.

use crate::app::App;
use crate::gate::Stop;
use crate::monitors::slo_tell;
use ::query::{QueryError, Value};
use monitor::ledger::unseen::{Step, Trouble, troubles, unseen};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// The grain in which trouble is looked for.
const STEP_MS: i64 = 300_000;
/// Troubles that are told.
const TOLD_MAX: usize = 50;

/// Requests and failed ones by service: name of the label, and both expressions.
const SOURCES: [(&str, &str, &str); 3] = [
    (
        "service_name",
        "sum by (service_name) (increase(traces_span_metrics_calls_total{span_kind=~\"SPAN_KIND_(SERVER|CONSUMER)\"}[5m] anchored))",
        "sum by (service_name) (increase(traces_span_metrics_calls_total{span_kind=~\"SPAN_KIND_(SERVER|CONSUMER)\",status_code=\"STATUS_CODE_ERROR\"}[5m] anchored))",
    ),
    (
        "job",
        "sum by (job) (increase(http_requests_total[5m] anchored))",
        "sum by (job) (increase(http_requests_total{code=~\"5..\"}[5m] anchored) or increase(http_requests_total{status=~\"5..\"}[5m] anchored))",
    ),
    (
        "job",
        "sum by (job) (increase(http_server_request_duration_seconds_count[5m] anchored))",
        "sum by (job) (increase(http_server_request_duration_seconds_count{http_response_status_code=~\"5..\"}[5m] anchored))",
    ),
];

/// Answers for the `range_ms` before `now_ms`, the worst first.
///
/// # Errors
/// If the time is over.
pub fn run(app: &App, now_ms: i64, range_ms: i64, stop: Stop) -> Result<Vec<Json>, QueryError> {
    let mut all: Vec<Trouble> = Vec::new();
    let to_ms = now_ms.div_euclid(STEP_MS) * STEP_MS;
    let from_ms = to_ms - range_ms;
    for (service, steps) in slo_tell::steps(&app.monitors, from_ms, to_ms, STEP_MS) {
        add(&mut all, troubles(&service, &steps));
    }
    for (label, total, bad) in SOURCES {
        let totals = matrix(app, label, total, (from_ms, to_ms), stop.clone())?;
        if totals.is_empty() {
            continue;
        }
        let bads = matrix(app, label, bad, (from_ms, to_ms), stop.clone())?;
        for (service, totals) in totals {
            let bad = bads.get(&service);
            let steps: Vec<Step> = totals
                .into_iter()
                .map(|(at_ms, total)| {
                    let bad = bad.and_then(|b| b.get(&at_ms)).copied().unwrap_or(0.0);
                    Step { at_ms, length_ms: STEP_MS, bad, total }
                })
                .collect();
            add(&mut all, troubles(&service, &steps));
        }
    }
    let found = app.monitors.with_book(|book| unseen(&book.ledger, all, now_ms));
    let told = found.into_iter().take(TOLD_MAX).map(|t| {
        json!({ "service": t.service, "from_ms": t.from_ms, "to_ms": t.to_ms, "bad": t.bad, "total": t.total })
    });
    Ok(told.collect())
}

/// Adds what no other source has told of the same service.
fn add(all: &mut Vec<Trouble>, more: Vec<Trouble>) {
    for new in more {
        let is_known =
            all.iter().any(|t| t.service == new.service && t.from_ms < new.to_ms && new.from_ms < t.to_ms);
        if !is_known {
            all.push(new);
        }
    }
}

/// Values by service and time.
fn matrix(
    app: &App,
    label: &str,
    text: &str,
    (from_ms, to_ms): (i64, i64),
    stop: Stop,
) -> Result<BTreeMap<String, BTreeMap<i64, f64>>, QueryError> {
    let options = crate::api::query_options(app, stop);
    let expr = ::query::parse(text).map_err(QueryError::from)?;
    let value = ::query::range(&app.store.view(), &expr, from_ms, to_ms, STEP_MS, &options)?.value;
    let mut out: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    if let Value::Matrix(series) = value {
        for one in series {
            // A job of OpenTelemetry is namespace/name; people say the name.
            let service = one.labels.get(label).rsplit('/').next().unwrap_or("").to_string();
            let of = out.entry(service).or_default();
            one.timestamps_ms.iter().zip(&one.values).for_each(|(t, v)| *of.entry(*t).or_default() += v);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_question_is_valid() {
        for (_, total, bad) in super::SOURCES {
            for text in [total, bad] {
                assert!(::query::parse(text).is_ok(), "{text}");
            }
        }
    }
}
