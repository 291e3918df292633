//! SQL over what is kept: a text to a checked, read-only plan, and the plan to a stream of rows, over an immutable view and
//! within limits. DataFusion and the PostgreSQL wire protocol are quarantined here.
//!
//! It knows nothing of HTTP, settings files or the clock of the host, opens no file and writes nothing: the tables are given
//! to it ([`Sources`]), what a query may do is an allow-list ([`allowed`]), and every answer ends within its [`Limits`].

pub mod allowed;
pub mod answer;
mod engine;
mod error;
mod functions;
mod guard;
pub mod postgres;
mod promql;
mod tables;

pub use engine::{Engine, Limits, Parameter, Query, Rows, Sources};
pub use error::SqlError;
pub use guard::{RESULT, RESULT_BYTES_MAX};
