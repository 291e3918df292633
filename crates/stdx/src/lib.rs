//! What the standard library lacks: error kinds, self-measurement, sets of ids, the nearest word. It knows no noun of this
//! product, does no I/O, and reads no clock.

pub mod error;
pub mod ids;
pub mod metrics;
pub mod nearest;

pub use error::{Error, ErrorKind, Result};
