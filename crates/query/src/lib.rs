//! PromQL over an immutable view of stored series: text to expression ([`parse`]), expression and
//! [`source::Source`] to answer ([`instant`], [`range`]).
//!
//! It knows nothing of how samples are stored, of HTTP, or of the clock: times are arguments. Every text
//! and every size is hostile: both halves end with an expression, an answer, or an error that says where
//! and what to do, within the given [`Limits`].

mod ast;
mod display;
mod duration;
mod error;
mod eval;
mod functions;
mod native;
mod number;
mod options;
pub mod overview;
mod parse;
mod pretty;
pub mod source;
mod value;
mod view;

pub use ast::{
    Aggregate, AggregateOp, At, BinaryOp, Edges, Expr, ExprKind, Group, Matching, Operand, Selector, Shift,
    Subquery, ValueType, selectors,
};
pub use duration::{Computed, Duration, Length, LengthOp};
pub use error::{ParseError, QueryError, Span};
pub use eval::{instant, range};
pub use functions::{Function, functions};
pub use native::{Bucket as HistogramBucket, buckets as histogram_buckets};
pub use options::{Limits, QueryOptions, Resolution, Stop};
pub use parse::{parse, parse_selector, parse_with};
pub use pretty::pretty;
pub use source::{ReadLimits, Source};
pub use value::{Point, QueryResult, Value};
