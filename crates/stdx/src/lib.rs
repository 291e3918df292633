//! What the standard library lacks: error kinds, self-measurement, sets of ids. It knows no noun of this
//! product, does no I/O, and reads no clock.

pub mod error;
pub mod ids;
pub mod metrics;

pub use error::{Error, ErrorKind, Result};
