//! What is known of a metric: its kind, help text and unit, given or guessed from its name.

use std::fmt;

/// The kinds of metrics, as exposition formats name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub enum MetricKind {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Only grows, but for restarts: shown as a rate.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Classic histogram: its `_bucket`, `_sum` and `_count` are counters.
    Histogram,
    /// Histogram whose buckets go up and down.
    GaugeHistogram,
    /// Quantiles with `_sum` and `_count`.
    Summary,
    /// Facts in labels, value 1.
    Info,
    /// One series per state, 0 or 1.
    StateSet,
}

impl MetricKind {
    /// The name as the Prometheus API gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Unknown => "unknown",
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::GaugeHistogram => "gaugehistogram",
            MetricKind::Summary => "summary",
            MetricKind::Info => "info",
            MetricKind::StateSet => "stateset",
        }
    }

    /// From the text in an exposition or the API; `untyped` and all else are unknown.
    pub fn parse(text: &str) -> MetricKind {
        [
            MetricKind::Counter,
            MetricKind::Gauge,
            MetricKind::Histogram,
            MetricKind::GaugeHistogram,
            MetricKind::Summary,
            MetricKind::Info,
            MetricKind::StateSet,
        ]
        .into_iter()
        .find(|k| k.as_str() == text)
        .unwrap_or_default()
    }

    /// Whether a series of this metric only grows. `series_name` is the sample's own name, with its
    /// suffix; for an unknown kind the suffix decides, as is the custom.
    pub fn is_cumulative(self, series_name: &str) -> bool {
        let suffix = |s: &[&str]| s.iter().any(|s| series_name.ends_with(s));
        match self {
            MetricKind::Counter => true,
            MetricKind::Histogram => suffix(&["_bucket", "_sum", "_count"]),
            MetricKind::Summary => suffix(&["_sum", "_count"]),
            MetricKind::Unknown => suffix(&["_total", "_bucket", "_sum", "_count"]),
            MetricKind::Gauge | MetricKind::GaugeHistogram | MetricKind::Info | MetricKind::StateSet => false,
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was said of one metric family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Family name (for a counter `x_total` in OpenMetrics the family is `x`; kept as the sample's name).
    pub metric: String,
    /// Kind.
    pub kind: MetricKind,
    /// Help text.
    pub help: String,
    /// Unit, if it was said.
    pub unit: String,
}

/// The family names under which metadata for a sample of this name may be kept, best first.
pub fn family_names(series_name: &str) -> impl Iterator<Item = &str> {
    let base = ["_bucket", "_sum", "_count", "_total", "_created", "_info"]
        .iter()
        .find_map(|s| series_name.strip_suffix(s));
    std::iter::once(series_name).chain(base)
}
