//! `features`: which parts of Prometheus's API and language there are, in its own names, so that clients need not guess
//! from a version. What is false here is known to Prometheus and not done.

use crate::app::App;
use crate::http::{ApiResult, success};
use ::query::{AggregateOp, functions};
use axum::extract::State;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "=~", "!~", "@", "and", "or", "unless",
    "atan2",
];

fn all_true<'a>(names: impl Iterator<Item = &'a str>) -> Map<String, Json> {
    names.map(|name| (name.to_string(), true.into())).collect()
}

pub async fn features(State(app): State<Arc<App>>) -> ApiResult {
    let operators = OPERATORS.iter().copied().chain(AggregateOp::ALL.iter().map(|op| op.as_str()));
    Ok(success(&json!({
        "api": {
            "admin": app.settings.delete_series,
            "exclude_alerts": true,
            "label_values_match": true,
            "lifecycle": false,
            "openapi_3.1": false,
            "openapi_3.2": false,
            "otlp_write_receiver": true,
            "query_stats": true,
            "query_warnings": true,
            "remote_write_receiver": true,
            "time_range_labels": true,
            "time_range_series": true,
        },
        "prometheus": { "agent_mode": false, "auto_reload_config": false, "server_mode": true },
        "promql": {
            "anchored": true,
            "at_modifier": true,
            "bool": true,
            "by": true,
            "delayed_name_removal": true,
            "duration_expr": true,
            "fill": true,
            "fill_left": true,
            "fill_right": true,
            "group_left": true,
            "group_right": true,
            "ignoring": true,
            "negative_offset": true,
            "offset": true,
            "on": true,
            "per_query_lookback_delta": true,
            "per_step_stats": false,
            "smoothed": true,
            "subqueries": true,
            "without": true,
        },
        "promql_functions": all_true(functions().map(|f| f.name)),
        "promql_operators": all_true(operators),
        "rules": { "concurrent_rule_eval": false, "keep_firing_for": false, "query_offset": false },
        "service_discovery_providers": { "file": true, "http": true, "static": true },
    })))
}
