//! What can go wrong with SQL: one shape for the engine's dozens, with the place in the text, and what to write instead where
//! that can be told. It must never pass on a path, a host name or the text of another query.

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use std::fmt;
use stdx::ErrorKind;

/// A query that is wrong, not allowed, over a limit, or that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// What is wrong, in one sentence or two.
    pub message: String,
    /// The part of the text that it is about, in bytes.
    pub position: Option<(usize, usize)>,
    /// What to write instead.
    pub hint: Option<String>,
    /// The setting whose bound was hit.
    pub bound: Option<&'static str>,
    /// The class of the error in PostgreSQL's table of codes.
    pub code: &'static str,
}

/// The text is not SQL.
const SYNTAX: &str = "42601";
/// It names something that is not there, or mixes types.
const MEANING: &str = "42000";
/// A limit.
const LIMIT: &str = "54000";
/// Stopped.
const CANCELLED: &str = "57014";
/// A fault of this program.
const INTERNAL: &str = "XX000";

impl SqlError {
    /// The code of a query that would change something.
    pub const READ_ONLY: &'static str = "25006";
    /// The code of one that failed while it ran, because of the data.
    pub const DATA: &'static str = "22000";

    /// An error with neither place nor hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> SqlError {
        let code = match kind {
            ErrorKind::Invalid | ErrorKind::NotFound => MEANING,
            ErrorKind::TooLarge | ErrorKind::Busy => LIMIT,
            ErrorKind::Cancelled => CANCELLED,
            _ => INTERNAL,
        };
        SqlError { kind, message: message.into(), position: None, hint: None, bound: None, code }
    }

    /// Something that only readers of one kind may do.
    pub fn read_only(message: impl Into<String>) -> SqlError {
        let hint = "Only questions are answered: SELECT, WITH, VALUES, EXPLAIN, DESCRIBE and SHOW TABLES.";
        SqlError { code: SqlError::READ_ONLY, ..SqlError::new(ErrorKind::Invalid, message) }.hint(hint)
    }

    /// What to do instead.
    pub fn hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }

    /// Names the setting whose bound was hit, so that it can be counted.
    pub fn bound(mut self, setting: &'static str) -> SqlError {
        self.bound = Some(setting);
        self
    }

    /// From the engine's error; `text` is the query, to find places in it.
    pub(crate) fn of(error: &DataFusionError, text: &str) -> SqlError {
        match error {
            DataFusionError::Context(_, inner) => SqlError::of(inner, text),
            DataFusionError::Shared(inner) => SqlError::of(inner, text),
            DataFusionError::Collection(all) => match all.first() {
                Some(first) => SqlError::of(first, text),
                None => internal("no reason was given"),
            },
            DataFusionError::Diagnostic(diagnostic, inner) => {
                let mut told = SqlError::of(inner, text);
                if let Some(span) = diagnostic.span {
                    let byte = |at: datafusion::common::Location| offset(text, at.line, at.column);
                    told.position = byte(span.start).zip(byte(span.end));
                }
                if told.hint.is_none() {
                    told.hint = diagnostic.helps.first().map(|help| help.message.clone());
                }
                told
            }
            DataFusionError::SQL(parser, _) => syntax(parser, text),
            DataFusionError::SchemaError(schema, _) => named(schema),
            DataFusionError::Plan(message) | DataFusionError::Configuration(message) => plan(message),
            DataFusionError::NotImplemented(message) => {
                SqlError::new(ErrorKind::Invalid, format!("this is not possible here: {}", first_line(message)))
            }
            DataFusionError::ResourcesExhausted(_) => SqlError::new(
                ErrorKind::TooLarge,
                "the query needs more memory than a query may take; take a shorter time range, group by fewer columns, or \
                 raise query.memory_max",
            )
            .bound("query.memory_max"),
            DataFusionError::Execution(message) => failed(message),
            DataFusionError::ArrowError(e, _) => match &**e {
                datafusion::arrow::error::ArrowError::ExternalError(e) => external(&**e, text),
                e => failed(&e.to_string()),
            },
            DataFusionError::External(e) => external(&**e, text),
            DataFusionError::ExecutionJoin(_) => internal("a part of it failed inside"),
            other => internal(&first_line(&other.to_string())),
        }
    }
}

fn internal(message: &str) -> SqlError {
    SqlError::new(
        ErrorKind::Internal,
        format!("the query failed inside; this is a bug worth reporting: {message}"),
    )
}

fn failed(message: &str) -> SqlError {
    SqlError { code: SqlError::DATA, ..SqlError::new(ErrorKind::Invalid, first_line(message)) }
}

/// Errors of our own that went through the engine.
fn external(error: &(dyn std::error::Error + Send + Sync + 'static), text: &str) -> SqlError {
    if let Some(own) = error.downcast_ref::<SqlError>() {
        return own.clone();
    }
    if let Some(own) = error.downcast_ref::<stdx::Error>() {
        return SqlError::from_own(own);
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return SqlError::of(inner, text);
    }
    internal(&first_line(&error.to_string()))
}

impl SqlError {
    fn from_own(own: &stdx::Error) -> SqlError {
        SqlError { bound: own.bound, ..SqlError::new(own.kind, own.to_string()) }
    }
}

impl From<stdx::Error> for SqlError {
    fn from(own: stdx::Error) -> SqlError {
        SqlError::from_own(&own)
    }
}

/// The parser writes the place at the end of its message: `... at Line: 1, Column: 8`.
fn syntax(parser: &ParserError, text: &str) -> SqlError {
    let message = match parser {
        ParserError::TokenizerError(m) | ParserError::ParserError(m) => m.as_str(),
        ParserError::RecursionLimitExceeded => {
            let text = "the query is nested too deeply; write it with fewer brackets or with WITH";
            return SqlError { code: SYNTAX, ..SqlError::new(ErrorKind::Invalid, text) };
        }
    };
    let mut told = SqlError { code: SYNTAX, ..SqlError::new(ErrorKind::Invalid, "") };
    let said = match message.rsplit_once(" at Line: ") {
        Some((said, place)) => {
            let mut numbers = place.split(", Column: ").map(|n| n.trim().parse().unwrap_or(0u64));
            let (line, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            told.position = offset(text, line, column).map(|start| (start, end_of_word(text, start)));
            said
        }
        None => message,
    };
    if said.contains("found: EOF") {
        told.position = Some((text.len(), text.len()));
    }
    told.message = format!("this is not SQL: {}", lower_first(said));
    told
}

fn named(schema: &SchemaError) -> SqlError {
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names: Vec<&str> = valid_fields.iter().map(|f| f.name.as_str()).take(20).collect();
            let told =
                SqlError::new(ErrorKind::Invalid, format!("there is no column {:?}", field.flat_name()));
            match names.is_empty() {
                true => told.hint("Texts stand in single quotes: 'text'."),
                false => {
                    told.hint(format!("Columns here: {}. Texts stand in single quotes.", names.join(", ")))
                }
            }
        }
        other => SqlError::new(ErrorKind::Invalid, first_line(&other.to_string())),
    }
}

fn plan(message: &str) -> SqlError {
    let message = first_line(message);
    let told = SqlError::new(ErrorKind::Invalid, lower_first(&message));
    if message.contains("table '") && message.contains("not found") {
        return told.hint("SHOW TABLES lists what there is.");
    }
    match message.split_once("Did you mean ") {
        Some((_, meant)) => told.hint(format!("Did you mean {meant}")),
        None => told,
    }
}

fn first_line(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or("");
    line.chars().take(600).collect()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.trim().chars();
    match chars.next() {
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        Some(first) => std::iter::once(first).chain(chars).collect(),
        None => String::new(),
    }
}

/// The byte at a line and a column, both from 1, columns in characters.
fn offset(text: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let start = match line {
        0 => 0,
        n => text.match_indices('\n').nth(n - 1)?.0 + 1,
    };
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let rest = &text[start..];
    Some(rest.char_indices().nth(column).map_or(text.len(), |(i, _)| start + i))
}

fn end_of_word(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or("");
    let word =
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
    let one = rest.chars().next().map_or(0, char::len_utf8);
    start + word.max(one)
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for SqlError {}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

/// An error of ours as the engine carries it.
pub(crate) fn carried(error: stdx::Error) -> DataFusionError {
    SqlError::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bytes() {
        let text = "SELECT 'é',\n  x FROM y";
        assert_eq!(offset(text, 1, 1), Some(0));
        assert_eq!(offset(text, 1, 11), Some(11));
        assert_eq!(offset(text, 2, 3).map(|at| &text[at..end_of_word(text, at)]), Some("x"));
        assert_eq!(offset(text, 2, 99), Some(text.len()));
        assert_eq!(offset(text, 9, 1), None);
        assert_eq!(offset(text, 0, 0), None);
    }
}
