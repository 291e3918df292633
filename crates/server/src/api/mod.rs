//! The HTTP API: one file for each group of routes. Handlers read parameters, ask an engine or a decider, and
//! write the answer; they must never compute one themselves.

mod admin;
mod advice;
mod advise;
mod agents;
mod alertmanager;
mod archive;
mod asked;
mod captures;
mod cardinality;
mod changed;
mod changes;
mod config_yaml;
mod critic;
mod data;
mod exemplars;
mod features;
mod federate;
mod fields;
mod headroom;
mod in_parts;
mod json;
mod like;
mod limits;
mod logs;
mod look;
mod midwatch;
mod monitors;
mod oncall;
mod parse;
mod periods;
mod query;
mod read;
mod remote_write;
mod review;
mod saved;
mod series;
mod slos;
#[cfg(feature = "sql")]
mod sql;
#[cfg(not(feature = "sql"))]
#[path = "sql_off.rs"]
mod sql;
mod stats;
mod status;
mod tables;
mod targets;
mod traces;
mod try_out;
mod web;

pub use admin::NOT_REACHED;
pub use data::{EXPORTS_BOUND, EXPORTS_MAX};
pub use limits::count as count_limits;
pub use logs::WATCHERS_MAX;
pub use query::options as query_options;
#[cfg(feature = "sql")]
pub use sql::sources as sql_sources;

use crate::app::App;
use crate::http::{ApiError, guard};
use crate::logs::push;
use crate::transport::{acceptable, compressed};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::sync::Arc;

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/sql", post(sql::query))
        .route("/api/v1/saved_queries", get(saved::list).post(saved::save).delete(saved::delete))
        .route("/api/v1/query_exemplars", get(exemplars::query).post(exemplars::query))
        .route("/api/v1/format_query", get(parse::format).post(parse::format))
        .route("/api/v1/parse_query", get(parse::parse).post(parse::parse))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::labels).post(series::labels))
        .route("/api/v1/label/{name}/values", get(series::label_values))
        .route("/api/v1/metadata", get(series::metadata))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/targets/metadata", get(targets::metadata))
        .route("/api/v1/scrape_pools", get(targets::scrape_pools))
        .route("/api/v1/discovery", get(targets::discovery))
        .route("/api/v1/rules", get(monitors::rules))
        .route("/api/v1/alerts", get(monitors::alerts))
        .route("/api/v1/alertmanagers", get(monitors::alertmanagers))
        .route("/api/v1/oncall", get(oncall::get))
        .route("/api/v1/actions", get(oncall::actions))
        .route("/api/v1/membership", get(oncall::membership))
        .route("/api/v1/oncall/overrides", post(oncall::stand_in))
        .route("/api/v1/oncall/overrides/{id}/end", post(oncall::end_stand_in))
        .route("/api/v1/alerts/ack", post(oncall::acknowledge))
        .route("/api/v1/alerts/unack", post(oncall::end_acknowledge))
        .route("/api/v1/monitors", get(monitors::list).post(monitors::make))
        .route("/api/v1/monitors/try", post(try_out::try_monitor))
        .route("/api/v1/monitors/check", post(monitors::check))
        .route("/api/v1/monitors/review", get(review::review))
        .route("/api/v1/monitors/{id}/seen", post(review::seen))
        .route("/api/v1/monitors/{id}/acted", post(review::acted))
        .route("/api/v1/monitors/{id}/decide", post(review::decide))
        .route("/api/v1/monitors/{id}/undecide", post(review::undecide))
        .route("/api/v1/monitors/{id}", get(monitors::one))
        .route("/api/v1/monitors/{id}/remove", post(monitors::remove))
        .route("/api/v1/slos", get(slos::list).post(slos::make))
        .route("/api/v1/slos/check", post(slos::check))
        .route("/api/v1/slos/{id}", get(slos::one))
        .route("/api/v1/slos/{id}/badge.svg", get(slos::badge))
        .route("/api/v1/slos/{id}/spent", get(slos::spent))
        .route("/api/v1/slos/{id}/impact", get(slos::impact))
        .route("/api/v1/slos/{id}/tiers", get(slos::tiers))
        .route("/api/v1/slos/{id}/remove", post(slos::remove))
        .route("/api/v1/silences", post(alertmanager::silence_told))
        .route("/api/v1/silences/{id}/end", post(alertmanager::unsilence_told))
        .route("/api/v2/alerts", get(alertmanager::alerts).post(alertmanager::post_alerts))
        .route("/api/v2/alerts/groups", get(alertmanager::groups))
        .route("/api/v2/silences", get(alertmanager::silences).post(alertmanager::silence))
        .route("/api/v2/silence/{id}", get(alertmanager::one_silence).delete(alertmanager::unsilence))
        .route("/api/v2/receivers", get(alertmanager::receivers))
        .route("/api/v2/status", get(alertmanager::status))
        .route("/api/v1/features", get(features::features))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/walreplay", get(status::walreplay))
        .route("/api/v1/status/buildinfo", get(status::buildinfo))
        .route("/api/v1/status/runtimeinfo", get(status::runtimeinfo))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route("/api/v1/status/limits", get(limits::limits))
        .route("/api/v1/status/tables", get(tables::status))
        .route("/api/v1/status/midwatch", get(midwatch::midwatch))
        .route("/api/v1/cardinality", get(cardinality::cardinality))
        .route("/api/v1/archive", get(archive::list))
        .route("/api/v1/archive/restore", post(archive::restore))
        .route("/api/v1/home", get(look::home))
        .route("/api/v1/look", post(changed::look))
        .route("/api/v1/advise", post(advise::advise))
        .route("/api/v1/advise/judge", post(advice::judge))
        .route("/api/v1/advise/ledger", get(advice::ledger))
        .route("/api/v1/look/fields", post(fields::fields))
        .route("/api/v1/look/like", post(like::like))
        .route("/api/v1/look/periods", get(periods::list).post(periods::save).delete(periods::delete))
        .route("/api/v1/look/find", get(look::find))
        .route("/api/v1/look/tiles", post(look::tiles))
        .route("/api/v1/look/chart", get(look::chart))
        .route("/api/v1/look/series", get(look::series))
        .route("/api/v1/headroom", get(headroom::headroom))
        .route("/api/v1/critique", post(critic::critique))
        .route("/api/v1/critic/rules", get(critic::rules).post(critic::write))
        .route("/api/v1/critic/rules/{id}/remove", post(critic::remove))
        .route("/api/v1/critic/feedback", post(critic::feedback))
        .route("/api/v1/changes", get(changes::list).post(changes::record))
        .route("/api/v1/changes/{id}", get(changes::show))
        .route("/api/v1/changes/{id}/compare", get(changes::compare))
        .route("/api/v1/agents", get(agents::list))
        .route("/api/v1/agents/asks", post(agents::asks))
        .route("/api/v1/agents/captures/{name}", post(agents::receive))
        .route("/api/v1/captures", get(captures::list).post(captures::take))
        .route("/api/v1/captures/{id}", get(captures::one).delete(captures::remove))
        .route("/api/v1/captures/{id}/remove", post(captures::remove))
        .route("/api/v1/captures/{id}/verify", post(captures::verify))
        .route("/api/v1/captures/{id}/pin", post(captures::pin))
        .route("/api/v1/captures/{id}/restore", post(captures::restore))
        .route("/api/v1/captures/{id}/export", get(captures::export))
        .route("/api/v1/captures/{id}/at", get(captures::at))
        .route("/api/v1/captures/{id}/timeline", get(captures::timeline))
        .route("/api/v1/captures/{id}/compare", get(captures::compare))
        .route("/api/v1/traces/search", get(traces::find).post(traces::find))
        .route("/api/v1/traces/{id}", get(traces::one))
        .route("/api/v1/services/map", get(traces::services_map))
        .route("/api/v1/logs", post(push::lines))
        .route("/api/v1/logs/search", get(logs::find).post(logs::find))
        .route("/api/v1/logs/histogram", get(logs::histogram).post(logs::histogram))
        .route("/api/v1/logs/fields", get(logs::fields).post(logs::fields))
        .route("/api/v1/logs/patterns", get(logs::patterns))
        .route("/api/v1/logs/tail", get(logs::tail))
        .route("/api/v1/logs/metrics", get(logs::metrics).post(logs::add_metric).delete(logs::remove_metric))
        .route("/api/v1/trace-a-bullet", get(logs::bullet))
        .route("/v1/logs", post(crate::otlp::http_logs))
        .route("/api/v1/otlp/v1/logs", post(crate::otlp::http_logs))
        .route("/loki/api/v1/push", post(push::loki))
        .route("/loki/api/v1/status/buildinfo", get(push::loki_ready))
        .route("/_bulk", post(push::bulk).put(push::bulk))
        .route("/{index}/_bulk", post(push::bulk_of).put(push::bulk_of))
        .route("/api/v1/write", post(remote_write::remote_write))
        .route("/api/v1/read", post(read::read))
        .route("/federate", get(federate::federate))
        .route("/api/v1/otlp/v1/metrics", post(crate::otlp::http_metrics))
        .route("/v1/metrics", post(crate::otlp::http_metrics))
        .route("/api/v1/otlp/v1/traces", post(crate::otlp::http_traces))
        .route("/v1/traces", post(crate::otlp::http_traces))
        .route("/api/v1/import", post(data::import))
        .route("/api/v1/export", get(data::export).post(data::export))
        .route("/api/v1/admin/tsdb/delete_series", post(admin::delete_series).put(admin::delete_series))
        .route("/api/v1/audit", get(admin::audit))
        .route("/-/ready", get(status::ready))
        .route("/-/healthy", get(status::healthy))
        .route("/metrics", get(status::metrics))
        .route("/api/{*rest}", any(unknown))
        .fallback(web::page)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), limits::count))
        .layer(axum::middleware::from_fn(acceptable))
        .layer(axum::middleware::from_fn(compressed))
        .layer(axum::middleware::from_fn_with_state(app.trusted.clone(), guard))
        .with_state(app)
}

async fn unknown(request: Request) -> Response {
    let text =
        format!("there is no {}; docs/reference/http-api.md lists what there is", request.uri().path());
    ApiError::from(stdx::Error::new(stdx::ErrorKind::NotFound, text)).into_response()
}

async fn wrong_method(request: Request) -> Response {
    let text = format!("{} does not take {}", request.uri().path(), request.method());
    let mut response = ApiError::bad(text).into_response();
    *response.status_mut() = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    response
}
