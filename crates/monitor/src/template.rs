//! Templates of labels and annotations, as Prometheus has them: text with `{{ ... }}` in the language of Go's
//! `text/template`. A template is parsed when its file is read, so that what is not supported is said then, and not in the
//! night in which it is needed. It must never run without bounds on time and size, and never ask anything but through
//! the function that it was given.

mod eval;
mod format;
mod functions;
mod parse;
mod value;

pub use format::{humanize, humanize_duration, humanize_percentage};
pub use functions::supported;

use model::Labels;
use parse::Piece;

/// The longest template, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// A number with so many significant digits.
pub fn significant(value: f64, digits: usize) -> String {
    format::general(value, Some(digits))
}

/// A template that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// Answers an instant query for a template: rows, or why not.
pub type Ask<'a> = &'a dyn Fn(&str) -> Result<Vec<(Labels, f64)>, String>;

/// What a template can speak of.
pub struct Facts<'a> {
    /// `$labels`: labels of the row of the condition.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: f64,
    /// `$externalURL`: where this server is reached.
    pub external_url: &'a str,
    /// Answers `query`.
    pub ask: Ask<'a>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence that says what is wrong, and near what.
    pub fn parse(text: &str) -> Result<Template, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes"));
        }
        Ok(Template { text: text.to_string(), pieces: parse::parse(text)? })
    }

    /// A text that stands for itself, whatever is in it.
    pub fn plain(text: &str) -> Template {
        Template { text: text.to_string(), pieces: vec![Piece::Text(text.to_string())] }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says the same of everything.
    pub fn is_plain(&self) -> bool {
        self.pieces.iter().all(|p| matches!(p, Piece::Text(_)))
    }

    /// The text for these facts.
    ///
    /// # Errors
    /// What went wrong in it, in words.
    pub fn expand(&self, facts: &Facts<'_>) -> Result<String, String> {
        if self.is_plain() {
            return Ok(self.text.clone());
        }
        eval::run(&self.pieces, facts)
    }

    /// As [`Template::expand`]; what goes wrong stands in the text, so that a notification goes out all the same.
    pub fn expand_or_say(&self, facts: &Facts<'_>) -> String {
        self.expand(facts).unwrap_or_else(|e| format!("<the template cannot be filled in: {e}>"))
    }
}

#[cfg(test)]
mod tests;
