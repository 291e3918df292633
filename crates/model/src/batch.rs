//! What arrives: samples of series in one columnar batch, and what was refused with its reason.
//! A batch is data only; it must never know where it came from or where it goes.

use crate::{Histogram, Labels, Metadata};
use std::fmt;
use std::sync::Arc;

/// The bits of the NaN that marks a series as ended (as in Prometheus); kept bit for bit.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Whether a value is the stale marker.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// One value of one series at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Index into [`Batch::series`].
    pub series: u32,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// Any bit pattern, NaN and infinities included.
    pub value: f64,
}

/// One native histogram of one series at one instant. A series may have numbers at some instants and histograms at others.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// Index into [`Batch::series`].
    pub series: u32,
    /// The histogram and its time.
    pub at: HistogramAt,
}

/// A native histogram and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramAt {
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// Since when it counts, in milliseconds since 1970-01-01 UTC; 0: not known.
    pub start_ms: i64,
    /// Checked ([`Histogram::check`]).
    pub histogram: Arc<Histogram>,
}

/// One example of what a sample counted, such as the trace of one slow request.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Index into [`Batch::series`].
    pub series: u32,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// What was measured there.
    pub value: f64,
    /// Its own labels (`trace_id` ...).
    pub labels: Labels,
}

/// Samples that arrived together. Recycle it with [`Batch::clear`] to save allocations.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The label sets that samples point into.
    pub series: Vec<Labels>,
    /// The samples, in the order in which they arrived.
    pub samples: Vec<Sample>,
    /// Since when a sample counts, where the protocol says so: index into `samples`, and milliseconds since 1970-01-01 UTC.
    /// In order of the index, each at most once.
    pub starts: Vec<(u32, i64)>,
    /// The samples that are native histograms.
    pub histograms: Vec<HistogramSample>,
    /// Examples of what was counted.
    pub exemplars: Vec<Exemplar>,
    /// What is newly known of metrics (type, help, unit).
    pub metadata: Vec<Metadata>,
}

impl Batch {
    /// Adds one sample of one series.
    pub fn push(&mut self, labels: &Labels, timestamp_ms: i64, value: f64) {
        let series = self.series.len() as u32;
        self.series.push(labels.clone());
        self.samples.push(Sample { series, timestamp_ms, value });
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.series.clear();
        self.samples.clear();
        self.starts.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }
}

/// Why something that arrived was not kept. Each reason is a value of a counter's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// The bytes are not in the format they claim to be in.
    Malformed,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// No metric name, or an empty label name.
    InvalidName,
    /// An identifier of a trace or span of the wrong length, or of zeros.
    InvalidId,
    /// One label name twice.
    DuplicateLabel,
    /// More labels than the limit.
    TooManyLabels,
    /// A label name or value over its length limit.
    LabelTooLong,
    /// Further in the future than the limit.
    TooFarInFuture,
    /// Before what retention keeps.
    TooOld,
    /// The series has another value at this time already.
    DuplicateTimestamp,
    /// A delta that is older than one that was added up already.
    OutOfOrder,
    /// More series than the limit.
    TooManySeries,
    /// More series of one metric than the limit.
    TooManySeriesOfMetric,
    /// More series of one source than the limit.
    TooManySeriesOfSource,
    /// More samples or bytes than the limit.
    TooLarge,
    /// A kind of data that this version does not keep (named in the message).
    Unsupported,
    /// It could not be written: the disk is full or failing, or does not keep up.
    NotWritten,
}

impl RejectReason {
    /// As in counters and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::Malformed => "malformed",
            RejectReason::InvalidUtf8 => "invalid_utf8",
            RejectReason::InvalidName => "invalid_name",
            RejectReason::InvalidId => "invalid_id",
            RejectReason::DuplicateLabel => "duplicate_label",
            RejectReason::TooManyLabels => "too_many_labels",
            RejectReason::LabelTooLong => "label_too_long",
            RejectReason::TooFarInFuture => "too_far_in_future",
            RejectReason::TooOld => "too_old",
            RejectReason::DuplicateTimestamp => "duplicate_timestamp",
            RejectReason::OutOfOrder => "out_of_order",
            RejectReason::TooManySeries => "too_many_series",
            RejectReason::TooManySeriesOfMetric => "too_many_series_of_metric",
            RejectReason::TooManySeriesOfSource => "too_many_series_of_source",
            RejectReason::TooLarge => "too_large",
            RejectReason::NotWritten => "not_written",
            RejectReason::Unsupported => "unsupported",
        }
    }
}

/// Samples that were refused for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// How many samples.
    pub samples: u64,
    /// One example in words: the series (cut) and what is wrong.
    pub message: String,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} samples): {}", self.reason.as_str(), self.samples, self.message)
    }
}

/// Adds to the entry of the same reason (its first message stays the example), or a new entry.
pub fn count_reject(
    rejects: &mut Vec<Reject>,
    reason: RejectReason,
    samples: u64,
    message: impl FnOnce() -> String,
) {
    match rejects.iter_mut().find(|r| r.reason == reason) {
        Some(r) => r.samples += samples,
        None => rejects.push(Reject { reason, samples, message: message() }),
    }
}

/// The samples of one series, as a reader gets them: strictly increasing timestamps, no instant in both kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesData {
    /// The series.
    pub labels: Labels,
    /// Milliseconds since 1970-01-01 UTC, strictly increasing.
    pub timestamps_ms: Vec<i64>,
    /// Same length as `timestamps_ms`.
    pub values: Vec<f64>,
    /// Since when each sample counts, in milliseconds since 1970-01-01 UTC, 0 where that is not known; empty if it is known of
    /// none, otherwise of the same length as `timestamps_ms`.
    pub starts_ms: Vec<i64>,
    /// The samples that are native histograms, in strictly increasing order of time.
    pub histograms: Vec<HistogramAt>,
}

impl SeriesData {
    /// A series of numbers alone: `timestamps_ms` strictly increasing, `values` of the same length.
    pub fn numbers(labels: Labels, timestamps_ms: Vec<i64>, values: Vec<f64>) -> SeriesData {
        SeriesData { labels, timestamps_ms, values, ..SeriesData::default() }
    }
}
