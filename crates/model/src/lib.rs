//! The nouns of Midwatch: labels, matchers, samples, batches, rejects, metric kinds and units, log records, spans,
//! changes, times.
//! No I/O, no clock, no threads; every other crate speaks in these words.

pub mod batch;
pub mod change;
pub mod columns;
mod dictionary;
pub mod histogram;
pub mod id;
pub mod labels;
pub mod log;
pub mod matcher;
pub mod metadata;
mod packed;
pub mod pairs;
mod pattern;
pub mod span;
pub mod time;

pub use batch::{
    Batch, Exemplar, HistogramAt, HistogramSample, Reject, RejectReason, STALE_NAN_BITS, Sample, SeriesData,
    is_stale,
};
pub use change::Change;
pub use columns::{Columns, Texts, Values};
pub use histogram::Histogram;
pub use id::{NotAnId, SpanId, TraceId};
pub use labels::{Labels, LabelsBuilder, NAME};
pub use log::{LogBatch, LogRow, Origin, Severity};
pub use matcher::{MatchOp, Matcher, Names};
pub use metadata::{Metadata, MetricKind};
pub use pairs::Pairs;
pub use span::{Span, SpanBatch, SpanEvent, SpanKind, SpanLink, SpanStatus};
