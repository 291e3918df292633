//! What is wrong with a configuration, all of it, each with its place and what to write instead. It must never show a
//! secret: whoever adds a problem about one leaves the value out.

use std::fmt;

/// The most problems of one file that are listed.
pub const PROBLEMS_MAX: usize = 200;

/// Whether the configuration can be used all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can; what is named has no effect.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Can the configuration be used?
    pub severity: Severity,
    /// The file as it was named.
    pub file: String,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// One or two sentences.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: {}", self.what)
    }
}

/// Collects problems of one file after the other.
#[derive(Debug, Default)]
pub struct Problems {
    /// The file that is being read.
    pub file: String,
    /// What was found, in the order of the files.
    pub list: Vec<Problem>,
}

impl Problems {
    /// Something that keeps the configuration from being used.
    pub fn error(&mut self, line: usize, what: impl Into<String>) {
        self.add(Severity::Error, line, what.into());
    }

    /// Something that has no effect.
    pub fn warning(&mut self, line: usize, what: impl Into<String>) {
        self.add(Severity::Warning, line, what.into());
    }

    /// How many keep the configuration from being used.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|p| p.severity == Severity::Error).count()
    }

    fn add(&mut self, severity: Severity, line: usize, what: String) {
        // Errors always get in far enough to be counted as such.
        if self.list.len() < PROBLEMS_MAX || (severity == Severity::Error && self.errors() == 0) {
            self.list.push(Problem { severity, file: self.file.clone(), line, what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_but_never_hides_that_there_is_an_error() {
        let mut problems = Problems { file: "f".into(), ..Default::default() };
        (0..1_000).for_each(|i| problems.warning(i, "w"));
        problems.error(7, "e");
        assert_eq!((problems.list.len(), problems.errors()), (PROBLEMS_MAX + 1, 1));
        assert_eq!(problems.list[PROBLEMS_MAX].to_string(), "f:7: error: e");
    }
}
