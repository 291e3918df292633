//! What can go wrong with a query: a text that is not PromQL, and a query that cannot be answered.
//! Both say where in the text, in bytes, and what to write instead where that is known.

use std::fmt;
use stdx::ErrorKind;

/// A part of the query's text, in bytes: `start..end`, always on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: u32,
    /// Column of the first byte in its line, from 1, in bytes.
    pub column: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { end: other.end.max(self.start), ..self }
    }

    /// A part of `text`; finds line and column.
    pub(crate) fn of(text: &str, start: usize, end: usize) -> Span {
        let before = &text.as_bytes()[..start.min(text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        Span { start, end, line: line as u32, column: (before.len() - line_start + 1) as u32 }
    }
}

/// The text is not a valid expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, in one sentence.
    pub message: String,
    /// First byte of the part that is wrong.
    pub start: usize,
    /// One past its last byte; equal to `start` where something is missing.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: u32,
    /// Column of the first byte in its line, from 1, in bytes.
    pub column: u32,
    /// What to write instead, if that can be told.
    pub hint: Option<String>,
}

impl ParseError {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        let Span { start, end, line, column } = span;
        ParseError { message: message.into(), start, end, line, column, hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: parse error: {}", self.line, self.column, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for ParseError {}

/// The query is valid but cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// What is wrong, in one sentence or two.
    pub message: String,
    /// The part of the query's text that it is about.
    pub position: Option<Span>,
    /// What to do instead, if that can be told.
    pub hint: Option<String>,
    /// The setting whose bound was hit, if it is one.
    pub bound: Option<&'static str>,
}

impl QueryError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        QueryError { kind, message: message.into(), position: None, hint: None, bound: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        QueryError::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn bound(mut self, setting: &'static str) -> Self {
        self.bound = Some(setting);
        self
    }

    /// Sets the position unless a more precise one is known already.
    pub(crate) fn at(mut self, span: Span) -> Self {
        self.position.get_or_insert(span);
        self
    }
}

impl From<stdx::Error> for QueryError {
    fn from(e: stdx::Error) -> Self {
        QueryError { bound: e.bound, ..QueryError::new(e.kind, e.to_string()) }
    }
}

impl From<ParseError> for QueryError {
    fn from(e: ParseError) -> Self {
        QueryError {
            kind: ErrorKind::Invalid,
            message: e.message,
            position: Some(Span { start: e.start, end: e.end, line: e.line, column: e.column }),
            hint: e.hint,
            bound: None,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for QueryError {}
