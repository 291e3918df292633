//! Arithmetic on native histograms: adding, scaling, comparing, trimming, quantiles. Pure functions of histograms; it
//! must never know series, steps or queries, and no histogram from outside may make it loop, panic or take more than
//! linear time.
//!
//! What two histograms with different buckets have in common is what Prometheus 3 takes it to be: the coarser schema, the
//! wider zero bucket, the custom bounds that both have.

mod bounds;
mod compare;
mod quantile;
mod text;
mod total;
mod trim;

pub use bounds::{Bucket, buckets};
pub(crate) use compare::{equal, is_reset};
pub(crate) use quantile::{NotANumber, fraction, quantile, variance};
pub(crate) use text::text;
pub(crate) use total::{Incompatible, Mean, Outcome, Total, divided, scaled};
pub(crate) use trim::{Keep, trimmed};

use model::Histogram;

/// Memory of a histogram beyond the pointer to it, in bytes.
pub(crate) fn bytes(h: &Histogram) -> usize {
    let spans = h.positive.spans.capacity() + h.negative.spans.capacity();
    let counts = h.positive.counts.capacity() + h.negative.counts.capacity();
    size_of::<Histogram>()
        + spans * size_of::<model::histogram::Span>()
        + (counts + h.custom_bounds.len()) * size_of::<f64>()
}

/// What looking at a histogram costs, in samples.
pub(crate) fn work(h: &Histogram) -> usize {
    let side = |b: &model::histogram::Buckets| b.spans.len() + b.counts.len();
    1 + side(&h.positive) + side(&h.negative)
}

#[cfg(test)]
mod tests;
