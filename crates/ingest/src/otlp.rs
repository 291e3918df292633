//! OpenTelemetry's protocol (OTLP) 1.x: metrics as protobuf or JSON, to samples of series as Prometheus names them.
//! It must never let one data point decide about another: only a body that cannot be split into points is an error.
//!
//! How names, resources, deltas and histograms are translated, and why: docs/decisions/otlp.md.

mod answer;
mod attributes;
mod context;
mod delta;
mod fields;
mod histogram;
mod json;
mod logs;
mod metrics;
mod names;
mod schema;
mod series;
pub mod traces;

pub use answer::{Content, failure, logs_answer, metrics_answer, traces_answer};
pub use delta::{Adding, Deltas};
pub use logs::{decode_logs, logs_message};
pub use names::Strategy;
pub use traces::{ReceivedSpans, decode_traces, traces_message};

use crate::{Decoded, KnownLabels, Limits};
use stdx::Result;

/// How OpenTelemetry's data becomes Prometheus's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Names.
    pub strategy: Strategy,
    /// Attributes of the resource that become labels of every series of it; the others are on `target_info` alone.
    pub promote: Vec<String>,
    /// Name, version and attributes of the instrumentation scope become labels.
    pub promote_scope: bool,
    /// Histograms with explicit buckets become native ones with custom buckets, not a series for each bucket.
    pub native_histograms: bool,
    /// How long the last sample of a series stands for its value: `target_info` is written at least twice as often.
    pub lookback_ms: i64,
}

/// What one request held.
#[derive(Debug, Default)]
pub struct Received {
    /// The good part, and what was refused: data points, not samples.
    pub decoded: Decoded,
    /// All data points, kept or not.
    pub points: u64,
}

/// The protobuf message of a metrics request, whichever way it came (already decompressed).
///
/// # Errors
/// `Invalid` or `TooLarge` for JSON that is none, or that stands for more than `decoded_bytes_max`.
pub fn metrics_message(body: Vec<u8>, content: Content, limits: &Limits) -> Result<Vec<u8>> {
    match content {
        Content::Protobuf => Ok(body),
        Content::Json => json::to_protobuf(&body, schema::METRICS, limits.decoded_bytes_max),
    }
}

/// Whether a message holds deltas, so that [`decode_metrics`] needs to know what was added up so far.
///
/// # Errors
/// As [`decode_metrics`].
pub fn has_deltas(message: &[u8]) -> Result<bool> {
    metrics::has_deltas(message)
}

/// Decodes an `ExportMetricsServiceRequest`. Call [`crate::check_times`] afterwards. Series that are in `known` cost a look; the
/// others are added to it. Deltas are added to what `adding` holds, which is to be kept once the result is durable; without it
/// they are refused.
///
/// # Errors
/// `Invalid` when the bytes cannot be split into data points; nothing may be kept then.
pub fn decode_metrics(
    message: &[u8],
    settings: &Settings,
    limits: &Limits,
    known: &KnownLabels,
    adding: Option<&mut Adding<'_>>,
) -> Result<Received> {
    metrics::decode(message, settings, limits, known, adding)
}

#[cfg(test)]
mod tests;
