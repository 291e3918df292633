//! What a query may cost and how it looks back. Plain data; it knows nothing of configuration files.

use std::fmt;
use std::sync::Arc;

/// Bounds on one query. Each has its own error, of kind `TooLarge` (or `Invalid` for the text).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Samples held in memory at once, read or computed.
    pub samples_max: usize,
    /// Bytes of samples (16 each) and labels held in memory at once.
    pub bytes_max: usize,
    /// Series that one selector may return.
    pub series_max: usize,
    /// Steps of a range query.
    pub steps_max: usize,
    /// Steps of one subquery.
    pub subquery_steps_max: usize,
    /// Length of the text.
    pub text_bytes_max: usize,
    /// How deep expressions may be nested. Each level takes stack: the default needs some 1.3 MB in a debug
    /// build.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            samples_max: 50_000_000,
            bytes_max: 1 << 30,
            series_max: 1_000_000,
            steps_max: 11_000,
            subquery_steps_max: 5_000_000,
            text_bytes_max: 64 << 10,
            depth_max: 100,
        }
    }
}

/// From what to answer: samples, or summaries of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// Summaries where they give the same answer, or nearly (`docs/decisions/tiers.md` says how nearly), and where
    /// samples were removed by retention.
    #[default]
    Auto,
    /// Samples alone.
    Samples,
    /// Summaries with buckets of this many milliseconds wherever there are some.
    Buckets(i64),
}

/// Answers whether the caller has given up (deadline passed, connection closed). Asked often: cheap.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// How to evaluate.
#[derive(Clone)]
pub struct QueryOptions {
    /// How long a sample stands for its series: a selector takes the newest sample that is younger
    /// than this, in milliseconds.
    pub lookback_ms: i64,
    /// The step of subqueries that state none, in milliseconds.
    pub subquery_step_ms: i64,
    /// From what to answer.
    pub resolution: Resolution,
    /// Bounds.
    pub limits: Limits,
    /// When this answers true, the query ends with an error of kind `Cancelled`.
    pub stop: Option<Stop>,
}

impl Default for QueryOptions {
    fn default() -> Self {
        QueryOptions {
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            resolution: Resolution::default(),
            limits: Limits::default(),
            stop: None,
        }
    }
}

impl fmt::Debug for QueryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryOptions")
            .field("lookback_ms", &self.lookback_ms)
            .field("subquery_step_ms", &self.subquery_step_ms)
            .field("resolution", &self.resolution)
            .field("limits", &self.limits)
            .field("stop", &self.stop.is_some())
            .finish()
    }
}
