//! What the standard library lacks: error kinds and self-measurement. It knows no noun of this
//! product, does no I/O, and reads no clock.

pub mod error;
pub mod metrics;

pub use error::{Error, ErrorKind, Result};
