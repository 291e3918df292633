//! The nouns of Midwatch: labels, matchers, samples, batches, rejects, metric kinds and units, times.
//! No I/O, no clock, no threads; every other crate speaks in these words.

pub mod batch;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod metadata;
mod packed;
mod pattern;
pub mod time;

pub use batch::{
    Batch, Exemplar, HistogramAt, HistogramSample, Reject, RejectReason, STALE_NAN_BITS, Sample, SeriesData,
    is_stale,
};
pub use histogram::Histogram;
pub use labels::{Labels, LabelsBuilder, NAME};
pub use matcher::{MatchOp, Matcher, Names};
pub use metadata::{Metadata, MetricKind};
