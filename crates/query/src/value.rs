//! The answer to a query.

use model::{Histogram, Labels, SeriesData};
use std::sync::Arc;

/// What an expression is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number.
    Scalar(f64),
    /// One text.
    String(String),
    /// Series, the evaluation time in milliseconds, and the value. In the order that the query asks
    /// for (`sort`, `topk` ...), otherwise in order of labels.
    Vector(Vec<(Labels, i64, Point)>),
    /// Series with samples, in order of labels.
    Matrix(Vec<SeriesData>),
}

/// One sample of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A number.
    Number(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

impl Point {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Point::Number(v) => Some(*v),
            Point::Histogram(_) => None,
        }
    }
}

/// A value, and what a person should know about how it came to be.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// Sentences about what is probably wrong with the query or the data, in Prometheus's words.
    pub warnings: Vec<String>,
    /// Sentences about what may be wrong.
    pub infos: Vec<String>,
}
