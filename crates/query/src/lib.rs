//! PromQL over an immutable view of stored series.

pub mod source;
