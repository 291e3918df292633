//! Asking for log records in a line of text, telling whether a record is meant, and making a metric of those that are.
//! Pure: records are handed in. It must never read a clock or a table.

mod matches;
pub mod metric;
mod query;

pub use matches::{Compiled, Facts, has_word, matches};
pub use query::{Compare, Query, Term, What, parse};
