//! What is wrong with a file of rules or notifications, with its line. It must never hold a secret.

use std::fmt;

/// The most problems of one file that are told.
pub const PROBLEMS_MAX: usize = 200;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what to do about it.
    pub what: String,
    /// False where it is left out without harm.
    pub is_error: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}", if self.is_error { "error" } else { "warning" }, self.what)
    }
}

/// Collects the problems of one file.
#[derive(Debug, Default)]
pub struct Problems {
    /// The file that is read.
    pub file: String,
    /// What was found.
    pub list: Vec<Problem>,
}

impl Problems {
    /// An empty list for a file.
    pub fn of(file: &str) -> Problems {
        Problems { file: file.to_string(), list: Vec::new() }
    }

    /// Something that cannot be used.
    pub fn error(&mut self, line: usize, what: impl Into<String>) {
        self.add(line, what.into(), true);
    }

    /// Something that is left out.
    pub fn warning(&mut self, line: usize, what: impl Into<String>) {
        self.add(line, what.into(), false);
    }

    fn add(&mut self, line: usize, what: String, is_error: bool) {
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(Problem { file: self.file.clone(), line, what, is_error });
        }
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|p| p.is_error)
    }
}
