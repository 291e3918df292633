//! `rules`, `alerts`, `alertmanagers`: Midwatch evaluates no rules, so these lists are empty. They are there because
//! clients ask, and a parameter that makes no sense is told as in Prometheus.

use crate::http::{ApiError, ApiResult, Params, success};
use axum::extract::Request;
use serde_json::json;

pub async fn rules(request: Request) -> ApiResult {
    let params = Params::read(request).await?;
    if let Some(kind) = params.get("type")
        && !["alert", "record"].contains(&kind.to_ascii_lowercase().as_str())
    {
        let kind: String = kind.chars().take(40).collect();
        return Err(ApiError::bad(format!(
            "invalid parameter \"type\": not supported value {kind:?}; it is alert or record"
        )));
    }
    if let Some(text) = params.get("exclude_alerts")
        && !["true", "false", "1", "0", "t", "f"].contains(&text.to_ascii_lowercase().as_str())
    {
        return Err(ApiError::bad("invalid parameter \"exclude_alerts\": it is true or false"));
    }
    params.number("group_limit")?;
    if params.get("group_next_token").is_some() {
        // A token comes from an earlier answer, and none of ours has one.
        return Err(ApiError::bad(
            "invalid parameter \"group_next_token\": it is of no group; ask again without it",
        ));
    }
    super::series::matcher_sets(&params)?;
    Ok(success(&json!({ "groups": [] })))
}

pub async fn alerts() -> ApiResult {
    Ok(success(&json!({ "alerts": [] })))
}

pub async fn alertmanagers() -> ApiResult {
    Ok(success(&json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] })))
}
