//! Bytes of a protocol in, a [`model::Batch`] and rejects with reasons out.
//!
//! Every decoder here is a pure function of its input and its [`Limits`]: no socket, no disk, no clock. One bad
//! series, line or sample never spoils the good ones beside it; what is refused is counted by reason with one
//! example in words. No input may make a decoder panic, or take memory beyond what the limits allow.

pub mod body;
mod exemplar;
pub mod exposition;
mod histogram;
pub mod json_lines;
mod known;
pub mod limits;
pub mod logs;
pub mod open_metrics;
pub mod otlp;
pub mod patterns;
pub mod relabel;
pub mod remote_read;
pub mod remote_write;
pub mod scrape;
mod series;
pub mod spans;
pub mod times;
pub mod wire;
pub mod write_samples;
pub mod write_text;

pub use known::KnownLabels;
pub use limits::Limits;
pub use times::check_times;

use model::{Batch, Reject};

/// What one body held: the good part, and what was refused.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Everything that can be kept.
    pub batch: Batch,
    /// Everything else, by reason.
    pub rejects: Vec<Reject>,
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod hostile;
