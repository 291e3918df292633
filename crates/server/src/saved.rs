//! Queries that somebody gave a name, in `queries.json` of the data folder. Format: `docs/formats/queries.md`. It must never run a
//! query.

use crate::named::Named;
use serde::{Deserialize, Serialize};
use stdx::{Error, ErrorKind, Result};

/// Queries that are kept; its name in the list of limits.
pub const QUERIES: &str = "saved queries";
/// And how many.
pub const QUERIES_MAX: usize = 500;
/// Bytes of one query.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// A query with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedQuery {
    /// What people call it; one of each.
    pub name: String,
    /// `sql` or `promql`.
    pub language: String,
    /// The query.
    pub query: String,
    /// When it was saved last, milliseconds since 1970.
    pub saved_ms: i64,
}

impl Named for SavedQuery {
    const FILE: &'static str = "queries.json";
    const LIST: &'static str = "queries";
    const ONE: &'static str = "saved query";
    const BOUND: &'static str = QUERIES;
    const MAX: usize = QUERIES_MAX;

    fn name(&self) -> &str {
        &self.name
    }

    fn named(self, name: String) -> SavedQuery {
        SavedQuery { name, ..self }
    }

    fn check(&self) -> Result<()> {
        if !matches!(self.language.as_str(), "sql" | "promql") {
            return Err(Error::invalid("the language of a saved query is sql or promql"));
        }
        if self.query.trim().is_empty() {
            return Err(Error::invalid("the query is empty; write one first"));
        }
        if self.query.len() > TEXT_BYTES_MAX {
            let text = format!("a saved query has up to {TEXT_BYTES_MAX} bytes; shorten it");
            return Err(Error::new(ErrorKind::TooLarge, text).bound(QUERIES));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let saved = |language: &str, query: &str| SavedQuery {
            name: "a".into(),
            language: language.into(),
            query: query.into(),
            saved_ms: 7,
        };
        saved("sql", "SELECT 1").check().unwrap();
        for (bad, kind) in [
            (saved("sql", " "), ErrorKind::Invalid),
            (saved("perl", "1"), ErrorKind::Invalid),
            (saved("sql", &"x".repeat(TEXT_BYTES_MAX + 1)), ErrorKind::TooLarge),
        ] {
            assert_eq!(bad.check().unwrap_err().kind, kind, "{bad:?}");
        }
    }
}
